// SPDX-License-Identifier: GPL-2.0
/*
 * Fuzzes the effects of netfilter programs on packets. Random programs, most of which the
 * verifier accepts, run at random hooks of a client, a router and a server, under many kinds
 * of traffic (packet/network.sh, packet/traffic.c). After each program the kernel must have
 * printed no warning, the counters of the links must agree with the program's, and sockets,
 * conntrack entries and references must be as many as before.
 *
 *   packet_fuzz [-c DIR] [-n NUMBER | INPUT]
 *
 *   -c DIR      run this corpus first (corpus/packet)
 *   -n NUMBER   run only this case of the seed
 *   INPUT       run only this file
 *
 * NF_BPF_SEED, NF_BPF_SECONDS (600; 10 with NF_BPF_SMOKE=1)
 */
#include <limits.h>
#include <sys/random.h>
#include <unistd.h>

#include <bpf/libbpf.h>

#include "torture/packet/run.h"

enum { MAX_CORPUS = 256, SHRINK_ROUNDS = 4, WINDOW = 32, MAX_KNOWN = 8, KSFT_SKIP = 4 };

static struct {
	struct input inputs[MAX_CORPUS];
	int nr;
	const char *directory;
	bool only_read;		/* do not run the corpus; a case may be made from it */
} corpus;

/* The complaints so far, without repetitions. */
static char known[MAX_KNOWN][sizeof(world.complaint)];
static int nr_known;

static unsigned long seed;
static long fuzz_begin;

/* --- violations --- */

/* Lost sockets stay lost: do not blame a later case for them. */
static void accept_losses(void)
{
	int i;

	for (i = 0; i < NR_NETNS; i++) {
		enter(i);
		world.base_sockets[i] = wait_for_count(count_sockets, world.base_sockets[i]);
	}
	world.base_references = wait_for_count(count_references, world.base_references);
	forget_warnings();
}

/* Compare warnings by their functions, because other parts depend on the packet. */
static bool is_same(const char *a, const char *b)
{
	const char *of_a = strstr(a, " at "), *of_b = strstr(b, " at ");

	if (!of_a || !of_b)
		return !strcmp(a, b);
	of_a = strrchr(of_a, ' ');
	of_b = strrchr(of_b, ' ');
	return !strncmp(of_a, of_b, strcspn(of_a, "+") + 1);
}

static bool still_violates(const struct input *input, const char *complaint)
{
	bool again;

	again = run_input(input, true) && is_same(complaint, world.complaint);
	accept_losses();
	return again;
}

static void shrink(struct input *input, const char *complaint)
{
	struct input smaller;
	int round, i, j;

	for (round = 0; round < SHRINK_ROUNDS; round++)
		for (i = input->nr - 1; i >= 0 && input->nr > 1; i--) {
			smaller = *input;
			remove_call(&smaller, i);
			if (still_violates(&smaller, complaint))
				*input = smaller;
		}
	for (i = 0; i < input->nr; i++)
		for (j = 0; j < nr_args(input->calls[i].kind); j++) {
			smaller = *input;
			smaller.calls[i].arg[j] = kinds[input->calls[i].kind].args[j].values[0];
			if (smaller.calls[i].arg[j] != input->calls[i].arg[j] &&
			    still_violates(&smaller, complaint))
				*input = smaller;
		}
}

static bool is_known(const char *complaint)
{
	int i;

	for (i = 0; i < nr_known; i++)
		if (is_same(known[i], complaint))
			return true;
	if (nr_known < MAX_KNOWN)
		strcpy(known[nr_known++], complaint);
	return false;
}

static void report(struct input input, const char *what)
{
	char complaint[sizeof(world.complaint)];

	strcpy(complaint, world.complaint);
	world.shrinking = true;
	accept_losses();
	if (!is_known(complaint)) {
		printf("# %s, after %ld s: %s\n", what, seconds() - fuzz_begin, complaint);
		print_input(stdout, "#   ", &input);
		fflush(stdout);
		if (still_violates(&input, complaint)) {
			shrink(&input, complaint);
			puts("# shrunk to:");
			print_input(stdout, "#   ", &input);
		} else {
			puts("# not again when it is repeated");
		}
	}
	fflush(stdout);
	world.shrinking = false;
}

static bool violates(const struct input *input, const char *what)
{
	if (!run_input(input, true))
		return false;
	report(*input, what);
	return true;
}

/* --- the self-test of the laws --- */

static struct call call_of(enum kind kind, long first)
{
	struct call call = default_call(kind);

	call.arg[0] = first;
	return call;
}

/* The fuzzer must notice each false fact, and nothing else. */
static bool test_laws(void)
{
	static const char *const names[NR_LIES] = {
		"nothing", "a complaint in the log", "a packet more", "a program accepted",
		"a program refused", "a socket left", "a conntrack entry left",
		"a reference left",
	};
	const struct input good = { .nr = 3, .calls = {
		call_of(MARK, 1), default_call(ATTACH), default_call(SEND),
	} };
	const struct input stale = { .nr = 3, .calls = {
		default_call(KEEP), call_of(PULL, 60), default_call(USE),
	} };
	bool ok = true;
	int lie;

	for (lie = LIE_NONE; lie < NR_LIES; lie++) {
		if (lie == LIE_CONNTRACK && !world.track)
			continue;
		world.lie = lie;
		if (run_input(lie == LIE_ACCEPTED ? &stale : &good, true) == !!lie)
			continue;
		printf("# %s: %s\n", names[lie],
		       *world.complaint ? world.complaint : "was not noticed");
		ok = false;
	}
	world.lie = LIE_NONE;
	return ok;
}

/* --- traffic --- */

static bool passes(enum traffic traffic, int path, int family)
{
	struct input input = { .nr = 2, .calls = { default_call(ATTACH), default_call(SEND) } };
	struct call *attach = &input.calls[0], *send = &input.calls[1];
	const long before = world.received[traffic];
	struct flow flow;

	attach->arg[A_HOOK] = NF_INET_LOCAL_OUT;
	attach->arg[A_NETNS] = NS_CLIENT;
	send->arg[T_TRAFFIC] = traffic;
	send->arg[T_PATH] = path;
	send->arg[T_FAMILY] = family;
	/* The kernel does not segment packets that it has to encrypt. */
	if (!flow_of(&flow, send) ||
	    (traffic == UDP_GSO && !strcmp(path_names[path], "ipsec")))
		return true;
	world.packets[NF_ACCEPT] = 0;
	if (!run_input(&input, false) && world.packets[NF_ACCEPT] &&
	    world.received[traffic] > before)
		return true;
	printf("# %s over %s, IPv%d: %ld packets accepted, received %ld times: %s\n",
	       traffic_names[traffic], path_names[path], family, world.packets[NF_ACCEPT],
	       world.received[traffic] - before, world.complaint);
	return false;
}

/* On this project's kernel, only parts that its flavour leaves out may be missing. */
static bool has_all(int nr_paths)
{
	if (!nf_patched())
		return true;
	return nr_paths == (nf_without("ipv6") ? 9 : 17) && world.has[TPROXY] &&
	       world.has[QUEUE] && (world.has[FLOWTABLE] || nf_without("conntrack"));
}

/* With a program that only accepts, all traffic arrives on all paths. */
static bool test_traffic(void)
{
	int traffic, path, family, nr = 0;
	bool ok = true;

	world.patient = true;
	for (family = 4; family <= 6; family += 2)
		for (path = 0; path < MAX_PATHS; path++) {
			if (!*world.paths[path].from[family == 6])
				continue;
			nr++;
			for (traffic = 0; traffic < NR_TRAFFIC; traffic++)
				if (!path || traffic < TPROXY)
					ok &= passes(traffic, path, family);
		}
	world.patient = false;
	printf("# figure: %d ways from client to server, tproxy %d, flowtable %d, queue %d\n",
	       nr, world.has[TPROXY], world.has[FLOWTABLE], world.has[QUEUE]);
	return ok && has_all(nr);
}

/* --- corpus --- */

static bool replay(const char *path)
{
	const char *slash = strrchr(path, '/');
	struct input input;
	int line = read_input(path, &input);

	if (line) {
		printf("# %s: %s %d\n", path, line < 0 ? "no input" : "no such call: line", line);
		return false;
	}
	if (corpus.nr < MAX_CORPUS)
		corpus.inputs[corpus.nr++] = input;
	if (corpus.only_read)
		return true;
	log_case(slash ? slash + 1 : path);
	return !violates(&input, path);
}

static bool replay_all(const char *directory)
{
	bool ok = each_input(directory, replay);

	printf("# figure: corpus: %d inputs\n", corpus.nr);
	return ok;
}

/* --- fuzzing --- */

/* The input is the same in each run with this seed and this corpus. */
static struct input input_of_case(unsigned long number)
{
	fuzz_state = (seed + 1) * 0x9e3779b97f4a7c15ULL ^ (number + 1) * 0xd1342543de82ef95ULL;
	fuzz_random();
	if (corpus.nr && !below(4))
		return mutate(corpus.inputs[below(corpus.nr)]);
	return random_input();
}

static bool run_case(unsigned long number, bool settle)
{
	const struct input input = input_of_case(number);
	char what[64];

	snprintf(what, sizeof(what), "seed %lu case %lu", seed, number);
	log_case(what);
	if (!run_input(&input, settle))
		return false;
	report(input, what);
	return true;
}

/* Something is lost. Search the last cases for the one that loses it. */
static bool search_window(unsigned long end)
{
	unsigned long number = end < WINDOW ? 0 : end - WINDOW;

	*world.complaint = '\0';
	judge_machine();
	if (!*world.complaint)
		return false;
	printf("# seed %lu, after case %lu: %s\n", seed, end - 1, world.complaint);
	accept_losses();
	for (; number < end; number++)
		if (run_case(number, true))
			return true;
	puts("# none of the cases before it does that alone");
	return true;
}

static bool fuzz(long limit)
{
	unsigned long number = 0;
	long nr = 0;

	while (seconds() < fuzz_begin + limit && nr_known < MAX_KNOWN) {
		nr += run_case(number++, false);
		if (!(number % WINDOW))
			nr += search_window(number);
	}
	nr += search_window(number);
	printf("# figure: %lu cases in %ld s, %ld violations of %d kinds\n", number,
	       seconds() - fuzz_begin, nr, nr_known);
	return !nr;
}

static bool print_figures(void)
{
	bool all = world.packets[NF_ACCEPT] && world.packets[NF_DROP] && world.runs;
	int i;

	printf("# figure: programs: loaded %ld, refused %ld; attaches in use %ld; test runs %ld\n",
	       world.loaded, world.refused, world.busy, world.runs);
	printf("# figure: packets: accepted %ld, dropped %ld\n", world.packets[NF_ACCEPT],
	       world.packets[NF_DROP]);
	printf("# figure: operations of programs that saw packets:");
	for (i = 0; i < NR_OPS; i++) {
		printf(" %s %ld", kinds[i].name, world.ops[i]);
		all &= world.ops[i] || i == POKE;
	}
	printf("\n# figure: sent, received:");
	for (i = 0; i < NR_TRAFFIC; i++) {
		printf(" %s %ld/%ld", traffic_names[i], world.sent[i], world.received[i]);
		all &= world.received[i] || !world.has[i];
	}
	printf("\n# figure: packets at hooks: %ld %ld %ld %ld %ld\n", world.at[0], world.at[1],
	       world.at[2], world.at[3], world.at[4]);
	return all;
}

static bool nothing_left(void)
{
	*world.complaint = '\0';
	judge_machine();
	if (*world.complaint)
		printf("# %s\n", world.complaint);
	return !*world.complaint;
}

static int usage(int status)
{
	fputs("Usage: packet_fuzz [-c DIR] [-n NUMBER | INPUT]\n", status ? stderr : stdout);
	return status;
}

static int skip(const char *why)
{
	printf("1..%s\n", nf_patched() ? "1" : "0 # SKIP");
	printf(nf_patched() ? "not ok 1 this kernel lacks %s\n" : "# %s\n", why);
	return nf_patched() ? 1 : KSFT_SKIP;
}

static int silent(enum libbpf_print_level level, const char *format, va_list args)
{
	return 0;
}

static void start(const char *directory)
{
	__u32 chance;

	if (getrandom(&chance, sizeof(chance), 0) != sizeof(chance))
		bail("getrandom", 0);
	seed = number_of("NF_BPF_SEED", chance);
	printf("# figure: seed %lu\n", seed);
	fflush(stdout);
	libbpf_set_print(silent);
	snprintf(world.script, sizeof(world.script), "%s/packet/network.sh", directory);
	make_world();
	queue_open();
	accept_losses();
	fuzz_begin = seconds();
}

static void run_all(const char *directory, long number)
{
	char path[PATH_MAX];
	const bool smoke = number_of("NF_BPF_SMOKE", 0);

	snprintf(path, sizeof(path), "%s/corpus/packet", directory);
	corpus.only_read = number >= 0;
	result(replay_all(corpus.directory ?: path), "corpus");
	fuzz_begin = seconds();
	if (number >= 0) {
		result(!run_case(number, true), "case");
		return;
	}
	result(fuzz(number_of("NF_BPF_SECONDS", smoke ? 10 : 600)), "fuzzing");
	result(print_figures(), "each operation and each kind of traffic is used");
}

int main(int argc, char **argv)
{
	char directory[PATH_MAX] = __FILE__, *slash = strrchr(directory, '/');
	long number = -1;
	int option;

	if (argc == 2 && !strcmp(argv[1], "--help"))
		return usage(0);
	while ((option = getopt(argc, argv, "c:n:")) > 0) {
		if (option == 'c')
			corpus.directory = optarg;
		else if (option == 'n')
			number = strtol(optarg, NULL, 0);
		else
			return usage(2);
	}
	if (optind < argc - 1 || (optind < argc && number >= 0))
		return usage(2);
	*slash = '\0';
	puts("TAP version 13");
	if (nf_btf_offset("bpf_nf_ctx", "mark") < 0)
		return skip("programs that change packets");
	printf("1..%d\n", optind < argc ? 4 : number >= 0 ? 5 : 6);
	start(directory);
	result(test_laws(), "falsified results are noticed");
	result(test_traffic(), "all traffic passes a program");
	if (optind < argc)
		result(replay(argv[optind]), argv[optind]);
	else
		run_all(directory, number);
	result(nothing_left(), "nothing is left");
	return failed;
}
