// SPDX-License-Identifier: GPL-2.0
/* Loads and attaches programs and reads their counters, for the tests written in shell. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "helpers/nf_test.h"
#include "progs/policy.h"

static const char usage[] =
	"Usage: nf_prog load OBJECT DIR\n"
	"       nf_prog load-xdp PATH\n"
	"       nf_prog link-lookup PATH\n"
	"       nf_prog attach PROG PF HOOK PRIORITY [defrag|strict|track] [netns NAME] [pin PATH]\n"
	"       nf_prog stats MAP\n"
	"       nf_prog clean PIN|DIR...\n"
	"       nf_prog exec NETNS COMMAND [ARGUMENT]...\n"
	"       nf_prog update LINK PROG\n"
	"       nf_prog alternate LINK PROG PROG TIMES\n"
	"       nf_prog detach LINK\n"
	"       nf_prog pin LINK PATH\n"
	"       nf_prog info LINK\n"
	"       nf_prog prog-id PROG\n"
	"       nf_prog auto NETNS OBJECT PROGRAM...\n"
	"       nf_prog links\n"
	"\n"
	"PROG, MAP and LINK are pins. \"load\" pins programs and maps in DIR under their\n"
	"names in OBJECT. \"clean\" detaches the link PIN and removes the pin. For a DIR it\n"
	"does so with all links there, and sets the map \"stats\" there to zero.\n"
	"\"alternate\" updates the link TIMES times, with the two programs in turn. Each\n"
	"time it waits until the current program has seen a packet.\n"
	"\"auto\" loads programs by their names in OBJECT, attaches each to the place that\n"
	"its section names, prints a line and holds the links until its input ends.\n"
	"\"links\" prints the number of links in the kernel.\n"
	"PF is inet, ip or ip6; HOOK is prerouting, input, forward, output or\n"
	"postrouting. Without \"pin\" attach prints a line and holds the link until it\n"
	"is killed.\n"
	"\n"
	"Exit status: 0 done, 1 refused, 2 wrong arguments.\n";

static int refused(const char *what, const char *object, int err)
{
	fprintf(stderr, "nf_prog: %s: %s: %s\n", what, object, strerror(-err));
	return 1;
}

static int wrong(const char *argument)
{
	fprintf(stderr, "nf_prog: %s: unknown argument\n\n%s", argument, usage);
	return 2;
}

static int pin_all(struct bpf_object *obj, const char *dir)
{
	struct bpf_program *prog;
	struct bpf_map *map;
	char path[512];
	int err;

	bpf_object__for_each_program(prog, obj) {
		snprintf(path, sizeof(path), "%s/%s", dir, bpf_program__name(prog));
		err = bpf_program__pin(prog, path);
		if (err)
			return refused("pin", path, err);
	}
	bpf_object__for_each_map(map, obj) {
		if (bpf_map__is_internal(map))
			continue;
		snprintf(path, sizeof(path), "%s/%s", dir, bpf_map__name(map));
		err = bpf_map__pin(map, path);
		if (err)
			return refused("pin", path, err);
	}
	return 0;
}

static int do_load(char **argv)
{
	struct bpf_object *obj;
	int err;

	if (!argv[0] || !argv[1] || argv[2])
		return wrong("load");
	obj = bpf_object__open(argv[0]);
	if (!obj)
		return refused("open", argv[0], -errno);
	err = bpf_object__load(obj);
	if (err)
		return refused("load", argv[0], err);
	if (mkdir(argv[1], 0700) && errno != EEXIST)
		return refused("mkdir", argv[1], -errno);
	err = pin_all(obj, argv[1]);
	bpf_object__close(obj);
	return err;
}

/* For tests that pass a program of a wrong type. */
static int do_load_xdp(char **argv)
{
	int prog, err;

	if (!argv[0])
		return wrong("load-xdp");
	prog = nf_load_return(BPF_PROG_TYPE_XDP, 0, 1);
	if (prog < 0)
		return refused("load", "xdp", prog);
	err = bpf_obj_pin(prog, argv[0]);
	return err ? refused("pin", argv[0], err) : 0;
}

/* For tests that pass a link of a wrong type. This one is attached to the namespace, too. */
static int do_link_lookup(char **argv)
{
	int prog, link, err;

	if (!argv[0])
		return wrong("link-lookup");
	prog = nf_load_sk_lookup();
	if (prog < 0)
		return refused("load", "sk_lookup", prog);
	link = nf_link_sk_lookup(prog);
	if (link < 0)
		return refused("attach", "sk_lookup", link);
	err = bpf_obj_pin(link, argv[0]);
	return err ? refused("pin", argv[0], err) : 0;
}

static int parse_pf(const char *text, struct nf_key *key)
{
	if (!strcmp(text, "ip"))
		key->pf = NFPROTO_IPV4;
	else if (!strcmp(text, "ip6"))
		key->pf = NFPROTO_IPV6;
	else if (!strcmp(text, "inet"))
		key->pf = NFPROTO_INET;
	else
		return -EINVAL;
	return 0;
}

static int parse_hook(const char *text, struct nf_key *key)
{
	for (key->hooknum = 0; key->hooknum < NF_INET_NUMHOOKS; key->hooknum++)
		if (!strcmp(text, nf_hook_names[key->hooknum]))
			return 0;
	return -EINVAL;
}

/* Wait to be killed. The process also dies with the test. */
static int hold(void)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	puts("attached");
	fflush(stdout);
	pause();
	return 0;
}

static int do_attach(char **argv)
{
	const char *netns = NULL, *pin = NULL;
	struct nf_key key = {};
	int prog, link, err, i;

	for (i = 0; i < 4; i++)
		if (!argv[i])
			return wrong("attach");
	if (parse_pf(argv[1], &key))
		return wrong(argv[1]);
	if (parse_hook(argv[2], &key))
		return wrong(argv[2]);
	key.priority = strtol(argv[3], NULL, 0);
	for (; argv[i]; i++) {
		if (!strcmp(argv[i], "defrag"))
			key.flags |= BPF_F_NETFILTER_IP_DEFRAG;
		else if (!strcmp(argv[i], "strict"))
			key.flags |= BPF_F_NETFILTER_IP_DEFRAG |
				     BPF_F_NETFILTER_DEFRAG_STRICT;
		else if (!strcmp(argv[i], "track"))
			key.flags |= BPF_F_NETFILTER_FRAG_TRACK;
		else if (!strcmp(argv[i], "netns") && argv[i + 1])
			netns = argv[++i];
		else if (!strcmp(argv[i], "pin") && argv[i + 1])
			pin = argv[++i];
		else
			return wrong(argv[i]);
	}

	prog = bpf_obj_get(argv[0]);
	if (prog < 0)
		return refused("open", argv[0], prog);
	err = netns ? nf_netns_enter(netns) : 0;
	if (err)
		return refused("netns", netns, err);
	link = nf_link(prog, &key);
	if (link < 0)
		return refused("attach", argv[0], link);
	if (!pin)
		return hold();
	err = bpf_obj_pin(link, pin);
	return err ? refused("pin", pin, err) : 0;
}

static int do_stats(char **argv)
{
	static const char * const names[] = {
#define X(name) #name,
		POLICY_STATS(X)
#undef X
	};
	__u64 values[ARRAY_SIZE(names)];
	__u32 key = 0;
	int map, err;
	size_t i;

	if (!argv[0])
		return wrong("stats");
	map = bpf_obj_get(argv[0]);
	if (map < 0)
		return refused("open", argv[0], map);
	err = bpf_map_lookup_elem(map, &key, values);
	if (err)
		return refused("read", argv[0], err);
	for (i = 0; i < ARRAY_SIZE(names); i++)
		printf("%s=%llu\n", names[i], values[i]);
	return 0;
}

static int clean_pin(const char *path)
{
	struct policy_stats stats = {};
	struct bpf_link_info info;
	struct stat file;
	__u32 key = 0;
	int fd, err = 0;

	if (stat(path, &file))
		return refused("stat", path, -errno);
	fd = S_ISREG(file.st_mode) ? bpf_obj_get(path) : -1;
	if (fd < 0)
		return 0;
	if (!strcmp(basename(path), "stats")) {
		err = bpf_map_update_elem(fd, &key, &stats, BPF_ANY);
	} else if (!nf_link_info(fd, &info) && info.type == BPF_LINK_TYPE_NETFILTER) {
		/* After an unlink alone, the kernel would detach the link a little later. */
		err = bpf_link_detach(fd);
		unlink(path);
	}
	close(fd);
	return err ? refused("clean", path, err) : 0;
}

static int do_clean(char **argv)
{
	struct dirent *entry;
	char path[1024];
	int err = 0;
	DIR *dir;

	for (; *argv; argv++) {
		dir = opendir(*argv);
		if (!dir && errno == ENOTDIR) {
			err |= clean_pin(*argv);
			continue;
		}
		if (!dir)
			return refused("open", *argv, -errno);
		while ((entry = readdir(dir))) {
			snprintf(path, sizeof(path), "%s/%s", *argv, entry->d_name);
			err |= clean_pin(path);
		}
		closedir(dir);
	}
	return err;
}

static int do_exec(char **argv)
{
	int err;

	if (!argv[0] || !argv[1])
		return wrong("exec");
	err = nf_netns_enter(argv[0]);
	if (err)
		return refused("netns", argv[0], err);
	execvp(argv[1], argv + 1);
	return refused("exec", argv[1], -errno);
}

static int do_update(char **argv)
{
	int link, prog, err;

	if (!argv[0] || !argv[1])
		return wrong("update");
	link = bpf_obj_get(argv[0]);
	if (link < 0)
		return refused("open", argv[0], link);
	prog = bpf_obj_get(argv[1]);
	if (prog < 0)
		return refused("open", argv[1], prog);
	err = nf_link_update(link, prog, -1);
	return err ? refused("update", argv[0], err) : 0;
}

static __u64 packets_of(int link)
{
	struct nf_link_info info;

	return nf_link_stats(link, &info) ? 0 : info.accepted + info.dropped;
}

static int wait_for_packets(int link, __u64 more_than)
{
	time_t limit = time(NULL) + 10;

	while (packets_of(link) <= more_than) {
		if (time(NULL) > limit)
			return -ETIMEDOUT;
		sched_yield();
	}
	return 0;
}

static int do_alternate(char **argv)
{
	int link, progs[2], times, err, i, in_flight;

	for (i = 0; i < 4; i++)
		if (!argv[i])
			return wrong("alternate");
	/* During an update, each processor can be at a packet that the old program judges and
	 * that the link counts after the update.
	 */
	in_flight = libbpf_num_possible_cpus();
	if (in_flight < 0)
		return refused("count", "processors", in_flight);
	link = bpf_obj_get(argv[0]);
	if (link < 0)
		return refused("open", argv[0], link);
	for (i = 0; i < 2; i++) {
		progs[i] = bpf_obj_get(argv[1 + i]);
		if (progs[i] < 0)
			return refused("open", argv[1 + i], progs[i]);
	}
	times = atoi(argv[3]);
	for (i = 0; i < times; i++) {
		err = nf_link_update(link, progs[i % 2], -1);
		if (err)
			return refused("update", argv[0], err);
		err = wait_for_packets(link, packets_of(link) + in_flight);
		if (err)
			return refused("wait for packets", argv[0], err);
	}
	return 0;
}

static int do_detach(char **argv)
{
	int link, err;

	if (!argv[0])
		return wrong("detach");
	link = bpf_obj_get(argv[0]);
	if (link < 0)
		return refused("open", argv[0], link);
	err = bpf_link_detach(link);
	return err ? refused("detach", argv[0], err) : 0;
}

static int do_pin(char **argv)
{
	int link, err;

	if (!argv[0] || !argv[1])
		return wrong("pin");
	link = bpf_obj_get(argv[0]);
	if (link < 0)
		return refused("open", argv[0], link);
	err = bpf_obj_pin(link, argv[1]);
	return err ? refused("pin", argv[1], err) : 0;
}

static int do_info(char **argv)
{
	static const char * const counters[] = {
		"accepted", "dropped", "dropped_fragments",
		"accepted_bytes", "dropped_bytes", "dropped_fragments_bytes",
		"ipv6_accepted", "ipv6_dropped", "ipv6_dropped_fragments",
		"ipv6_accepted_bytes", "ipv6_dropped_bytes", "ipv6_dropped_fragments_bytes",
		"cookie",
		/* of links that track fragments */
		"tracked_datagrams", "later_fragments", "reassembled_fragments",
		"table_full",
	};
	struct bpf_link_info info;
	char value[32], key[32];
	int link, err;
	size_t i;

	if (!argv[0])
		return wrong("info");
	link = bpf_obj_get(argv[0]);
	if (link < 0)
		return refused("open", argv[0], link);
	err = nf_link_info(link, &info);
	if (err)
		return refused("info", argv[0], err);
	printf("id=%u\nprog_id=%u\npf=%u\nhooknum=%u\npriority=%d\nflags=%u\n",
	       info.id, info.prog_id, info.netfilter.pf, info.netfilter.hooknum,
	       info.netfilter.priority, info.netfilter.flags);
	if (!nf_fdinfo(link, "netns_ino:", value, sizeof(value)))
		printf("netns=%s\n", value);
	for (i = 0; i < ARRAY_SIZE(counters); i++) {
		snprintf(key, sizeof(key), "%s:", counters[i]);
		if (!nf_fdinfo(link, key, value, sizeof(value)))
			printf("%s=%s\n", counters[i], value);
	}
	return 0;
}

static int do_prog_id(char **argv)
{
	int prog;

	if (!argv[0])
		return wrong("prog-id");
	prog = bpf_obj_get(argv[0]);
	if (prog < 0)
		return refused("open", argv[0], prog);
	if (!nf_prog_id(prog))
		return refused("info", argv[0], -errno);
	printf("%u\n", nf_prog_id(prog));
	return 0;
}

static int attach_all(struct bpf_object *obj)
{
	struct bpf_program *prog;

	char byte;

	bpf_object__for_each_program(prog, obj)
		if (bpf_program__autoload(prog) && !bpf_program__attach(prog))
			return refused("attach", bpf_program__name(prog), -errno);
	puts("attached");
	fflush(stdout);
	while (read(STDIN_FILENO, &byte, 1) > 0)
		;
	return 0;
}

static int do_auto(char **argv)
{
	struct bpf_program *prog;
	struct bpf_object *obj;
	char **name;
	int err;

	if (!argv[0] || !argv[1] || !argv[2])
		return wrong("auto");
	err = nf_netns_enter(argv[0]);
	if (err)
		return refused("netns", argv[0], err);
	obj = bpf_object__open(argv[1]);
	if (!obj)
		return refused("open", argv[1], -errno);
	for (name = argv + 2; *name; name++) {
		prog = bpf_object__find_program_by_name(obj, *name);
		if (!prog)
			return refused("find", *name, -ENOENT);
		bpf_program__set_autoload(prog, true);
	}
	err = bpf_object__load(obj);
	return err ? refused("load", argv[1], err) : attach_all(obj);
}

static int do_links(char **argv)
{
	__u32 id = 0;
	int nr = 0;

	while (!bpf_link_get_next_id(id, &id))
		nr++;
	printf("%d\n", nr);
	return 0;
}

static const struct {
	const char *name;
	int (*run)(char **argv);
} commands[] = {
	{ "load", do_load },
	{ "load-xdp", do_load_xdp },
	{ "link-lookup", do_link_lookup },
	{ "attach", do_attach },
	{ "stats", do_stats },
	{ "clean", do_clean },
	{ "exec", do_exec },
	{ "update", do_update },
	{ "alternate", do_alternate },
	{ "detach", do_detach },
	{ "pin", do_pin },
	{ "info", do_info },
	{ "prog-id", do_prog_id },
	{ "auto", do_auto },
	{ "links", do_links },
};

int main(int argc, char **argv)
{
	size_t i;

	if (argc < 2)
		return wrong("(none)");
	if (!strcmp(argv[1], "--help")) {
		fputs(usage, stdout);
		return 0;
	}
	for (i = 0; i < ARRAY_SIZE(commands); i++)
		if (!strcmp(argv[1], commands[i].name))
			return commands[i].run(argv + 2);
	return wrong(argv[1]);
}
