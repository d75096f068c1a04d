// SPDX-License-Identifier: GPL-2.0
/*
 * Fuzzes bpf() for programs of type netfilter. It changes valid sequences of calls, and
 * judges each call and the state of the machine by the documentation (syscall/laws.c). If
 * the kernel has kcov, inputs that reach new code of this type are kept and changed further.
 *
 *   syscall_fuzz [-c DIR] [-w DIR] [-m DIR | INPUT]
 *
 *   -c DIR   run this corpus first (corpus/syscall)
 *   -w DIR   write the kept inputs to this directory
 *   -m DIR   do not fuzz, but choose a few inputs from this directory that reach what the
 *            corpus does not, and shorten them (needs kcov and -w)
 *   INPUT    run only this file
 *
 * NF_BPF_SEED, NF_BPF_SECONDS (600; 20 with NF_BPF_SMOKE=1)
 */
#include <limits.h>
#include <sys/mount.h>
#include <sys/random.h>
#include <unistd.h>

#include "torture/syscall/merge.h"

enum { MAX_CORPUS = 2048, SHRINK_ROUNDS = 4 };

static struct {
	struct input *inputs;
	int nr, of_tree;
	const char *directory, *write_to, *merge_from;
} corpus;

/* --- violations --- */

static void shrink(struct input *input)
{
	struct input smaller;
	int round, i, j;

	for (round = 0; round < SHRINK_ROUNDS; round++)
		for (i = input->nr - 1; i >= 0 && input->nr > 1; i--) {
			smaller = *input;
			remove_call(&smaller, i);
			if (run_input(&smaller))
				*input = smaller;
		}
	for (i = 0; i < input->nr; i++)
		for (j = 0; j < nr_args(input->calls[i].kind); j++) {
			smaller = *input;
			smaller.calls[i].arg[j] =
				kinds[input->calls[i].kind].args[j].values[0];
			if (run_input(&smaller))
				*input = smaller;
		}
}

static bool violates(struct input input, const char *what)
{
	char complaint[sizeof(world.complaint)];

	if (!run_input(&input))
		return false;
	memcpy(complaint, world.complaint, sizeof(complaint));
	printf("# %s: %s\n", what, complaint);
	print_input(stdout, "#   ", &input);
	fflush(stdout);
	world.shrinking = true;
	shrink(&input);
	if (run_input(&input)) {
		printf("# shrunk to: %s\n", world.complaint);
		print_input(stdout, "#   ", &input);
	} else {
		puts("# not again when it is repeated");
	}
	world.shrinking = false;
	return true;
}

/* --- the self-test of the laws --- */

/* The fuzzer must notice each false fact, and nothing else. */
static bool test_laws(void)
{
	static const char *const names[NR_LIES] = {
		"nothing", "an undocumented error", "an attach that should fail does not",
		"an attach fails without a reason", "a link too many", "a hook too many",
		"a program too many", "a kernel address", "a byte before the info",
		"a byte before the packet", "another verdict", "a byte of the context",
	};
	struct input input = { .nr = 5, .calls = {
		default_call(CREATE), default_call(CREATE), default_call(INFO),
		default_call(RUN), default_call(DETACH),
	} };
	bool ok = true;
	int lie;

	for (lie = LIE_NONE; lie < NR_LIES; lie++) {
		world.lie = lie;
		if (run_input(&input) == !!lie)
			continue;
		printf("# %s: %s\n", names[lie],
		       *world.complaint ? world.complaint : "was not noticed");
		ok = false;
	}
	world.lie = LIE_NONE;
	return ok;
}

/* --- corpus --- */

static void keep(const struct input *input)
{
	char path[PATH_MAX];
	FILE *file;

	if (corpus.nr == MAX_CORPUS)
		return;
	corpus.inputs[corpus.nr++] = *input;
	if (!corpus.write_to)
		return;
	snprintf(path, sizeof(path), "%s/%04d.calls", corpus.write_to, corpus.nr);
	file = fopen(path, "w");
	if (!file)
		bail(path, 0);
	print_input(file, "", input);
	fclose(file);
}

static bool replay(const char *path)
{
	struct input input;
	int line = read_input(path, &input);

	if (line) {
		printf("# %s: %s %d\n", path, line < 0 ? "no input" : "no such call: line", line);
		return false;
	}
	if (violates(input, path))
		return false;
	if (corpus.nr < MAX_CORPUS)
		corpus.inputs[corpus.nr++] = input;
	cover_is_new();
	return true;
}

static bool replay_all(const char *directory)
{
	bool ok = each_input(directory, replay);

	corpus.of_tree = corpus.nr;
	printf("# figure: corpus: %d inputs\n", corpus.nr);
	return ok;
}

static struct find *finds;
static int nr_finds;

static bool take_find(const char *path)
{
	const int before = corpus.nr;

	memset(&cover.now, 0, sizeof(cover.now));
	if (!replay(path))
		return false;
	if (corpus.nr > before)
		finds[nr_finds++] = (struct find) { corpus.inputs[before], cover.now };
	return true;
}

/* Run the corpus before this: places that it reaches are known. */
static bool merge_finds(const char *directory)
{
	struct places known = cover.now;
	bool ok;

	if (cover.fd < 0 || !corpus.write_to) {
		puts("# -m: needs a kernel with kcov (FLAVOUR=kcov), and -w");
		return false;
	}
	finds = calloc(MAX_CORPUS, sizeof(*finds));
	if (!finds)
		bail("memory", -ENOMEM);
	ok = each_input(directory, take_find);
	printf("# figure: %d of %d finds reach more\n",
	       merge(corpus.write_to, finds, nr_finds, &known), nr_finds);
	cover_print();
	free(finds);
	return ok && !merge_broke_law;
}

/* --- fuzzing --- */

static bool fuzz(long limit)
{
	const long end = seconds() + limit;
	struct input input;
	long nr = 0;

	while (seconds() < end) {
		if (corpus.nr && below(3))
			input = mutate(corpus.inputs[below(corpus.nr)]);
		else
			input = random_input();
		nr++;
		if (violates(input, "violation"))
			return false;
		if (cover_is_new())
			keep(&input);
	}
	printf("# figure: %ld inputs in %ld s, %d kept\n", nr, limit,
	       corpus.nr - corpus.of_tree);
	return true;
}

/* Each kind of call must have succeeded, too. */
static bool print_figures(void)
{
	bool all = true;
	int i;

	for (i = 0; i < NR_KINDS; i++)
		if (world.calls[i]) {
			printf("# figure: %s: %ld, of these good %ld\n", kinds[i].name,
			       world.calls[i], world.good[i]);
			all &= world.good[i] > 0;
		}
	printf("# figure: errors:");
	for (i = 0; i < ERRNO_LIMIT; i++)
		if (world.errors[i])
			printf(" %s %ld", strerrorname_np(i) ?: "ENOTSUPP", world.errors[i]);
	printf("\n# figure: verdicts: accept %ld, drop %ld\n", world.verdicts[NF_ACCEPT],
	       world.verdicts[NF_DROP]);
	cover_print();
	return all && world.verdicts[NF_ACCEPT] && world.verdicts[NF_DROP];
}

/* Close the fuzzer's own programs last. */
static bool nothing_left(void)
{
	*world.complaint = '\0';
	drop_everything();
	close(world.foreign_link);
	close(world.foreign_prog);
	close(world.prog[REF_ACCEPT]);
	close(world.prog[REF_DROP]);
	judge_count("links", count_links, world.base_links - 1);
	judge_count("hooks", count_bpf_hooks, 0);
	judge_count("programs", count_progs, world.base_progs - 3);
	if (umount(world.directory) || rmdir(world.directory))
		complain("%s: %s", world.directory, strerror(errno));
	if (*world.complaint)
		printf("# %s\n", world.complaint);
	return !*world.complaint;
}

static int usage(int status)
{
	fputs("Usage: syscall_fuzz [-c DIR] [-w DIR] [-m DIR | INPUT]\n",
	      status ? stderr : stdout);
	return status;
}

static void start(unsigned long seed)
{
	printf("# figure: seed %lu\n", seed);
	fuzz_state = seed * 0x9e3779b97f4a7c15ULL + 1;
	corpus.inputs = calloc(MAX_CORPUS, sizeof(*corpus.inputs));
	if (!corpus.inputs)
		bail("memory", -ENOMEM);
	make_world();
	make_pages();
	cover_open();
}

static bool parse_options(int argc, char **argv)
{
	int option;

	while ((option = getopt(argc, argv, "c:w:m:")) > 0) {
		if (option == 'c')
			corpus.directory = optarg;
		else if (option == 'w')
			corpus.write_to = optarg;
		else if (option == 'm')
			corpus.merge_from = optarg;
		else
			return false;
	}
	return argc <= optind + !corpus.merge_from;
}

static void run_all(const char *directory, bool smoke)
{
	result(replay_all(corpus.directory ?: directory), "corpus");
	if (corpus.merge_from) {
		result(merge_finds(corpus.merge_from), "merge");
		return;
	}
	result(fuzz(number_of("NF_BPF_SECONDS", smoke ? 20 : 600)), "fuzzing");
	result(print_figures(), "each kind of call also succeeds");
}

int main(int argc, char **argv)
{
	char directory[PATH_MAX], *slash;
	const char *value = getenv("NF_BPF_SMOKE");
	const bool smoke = value && *value && strcmp(value, "0");
	__u32 chance;

	if (getrandom(&chance, sizeof(chance), 0) != sizeof(chance))
		bail("getrandom", 0);
	strcpy(directory, __FILE__);
	slash = strrchr(directory, '/');
	strcpy(slash ? slash + 1 : directory, "corpus/syscall");
	if (argc == 2 && !strcmp(argv[1], "--help"))
		return usage(0);
	if (!parse_options(argc, argv))
		return usage(2);
	printf("TAP version 13\n1..%d\n", optind < argc ? 3 : corpus.merge_from ? 4 : 5);
	start(number_of("NF_BPF_SEED", chance));
	result(test_laws(), "falsified results are noticed");
	if (optind < argc)
		result(replay(argv[optind]), argv[optind]);
	else
		run_all(directory, smoke);
	result(nothing_left(), "nothing is left");
	return failed;
}
