// SPDX-License-Identifier: GPL-2.0
/*
 * Hundreds of network namespaces with links at all five hooks of both families, a full hook,
 * and storms of attach and detach. The tests measure how the cost of an operation grows with
 * the number of links, and check that nothing is left at the end.
 *
 * If the cost was proportional to the number of links, it would grow about 15-fold from the
 * first eighth of the links to the last, as it does at one hook. In many namespaces it must
 * not double. The tests compare the lower quartiles of the times, because other work on the
 * machine can delay some operations, but hardly three of four.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "helpers/nf_test.h"

enum {
	LINKS_PER_NETNS	= 3 * NF_INET_NUMHOOKS,	/* ip, ip6 and inet */
	HOOK_LIMIT	= 1024,
	EIGHTHS		= 8,
	LIMIT		= 2,
	STORMERS	= 4,
	STORM_SLOTS	= 64,
};

struct times {
	long *ns;
	int nr;
};

static struct {
	int prog_fd;
	int home;
	int netns;	/* number of namespaces */
	int storm;	/* operations of each thread */
	int *netns_fds;
	int *link_fds;
	int result, failed;
} run;

static void result(bool ok, const char *name, const char *format, ...)
{
	va_list args;

	if (!ok) {
		va_start(args, format);
		printf("# ");
		vprintf(format, args);
		putchar('\n');
		va_end(args);
		run.failed = 1;
	}
	printf("%s %d %s\n", ok ? "ok" : "not ok", ++run.result, name);
	fflush(stdout);
}

static void bail(const char *what, int err)
{
	printf("Bail out! %s: %s\n", what, strerror(err < 0 ? -err : errno));
	exit(1);
}

/* Use the processor's counter: the resolution of a guest's clocks can be one tick. */
static __u64 counter(void)
{
#if defined(__x86_64__)
	return __builtin_ia32_rdtsc();
#elif defined(__aarch64__)
	__u64 value;

	asm volatile("mrs %0, cntvct_el0" : "=r" (value));
	return value;
#else
#error "which counter has this processor?"
#endif
}

static long monotonic_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000L + now.tv_nsec;
}

static double ns_per_count;

/* Stay on one processor from now on, because each has a counter of its own. */
static void calibrate(void)
{
	const struct timespec pause = { .tv_nsec = 500 * 1000 * 1000 };
	__u64 first;
	long start;

	nf_bind_cpu(0);
	start = monotonic_ns();
	first = counter();
	nanosleep(&pause, NULL);
	ns_per_count = (double)(monotonic_ns() - start) / (counter() - first);
}

static long now_ns(void)
{
	return counter() * ns_per_count;
}

static int compare(const void *a, const void *b)
{
	long delta = *(const long *)a - *(const long *)b;

	return (delta > 0) - (delta < 0);
}

/* Return: the lower quartile of an eighth of the times (0 to 7), in nanoseconds */
static long quartile(const struct times *times, int eighth)
{
	const int nr = times->nr / EIGHTHS;
	long *sorted = malloc(nr * sizeof(*sorted));
	long value;

	memcpy(sorted, times->ns + eighth * nr, nr * sizeof(*sorted));
	qsort(sorted, nr, sizeof(*sorted), compare);
	value = sorted[nr / 4];
	free(sorted);
	return value;
}

static void print_times(const char *what, const struct times *times)
{
	int i;

	printf("# figure: %s, us at each eighth of %d:", what, times->nr);
	for (i = 0; i < EIGHTHS; i++)
		printf(" %.1f", quartile(times, i) / 1000.0);
	putchar('\n');
}

/* @rises: each operation adds a link; else each removes one. */
static void expect_flat(const char *name, const struct times *times, bool rises)
{
	long few = quartile(times, rises ? 0 : EIGHTHS - 1);
	long many = quartile(times, rises ? EIGHTHS - 1 : 0);

	print_times(name, times);
	result(few > 0 && many <= LIMIT * few, name, "%ld ns with few links, %ld ns with many",
	       few, many);
}

static struct times new_times(int max)
{
	struct times times = { .ns = calloc(max, sizeof(long)) };

	if (!times.ns)
		bail("memory", -ENOMEM);
	return times;
}

static void enter(int netns)
{
	if (setns(netns, CLONE_NEWNET))
		bail("setns", 0);
}

static struct nf_key key_of(int i)
{
	static const __u32 families[] = { NFPROTO_IPV4, NFPROTO_IPV6, NFPROTO_INET };
	const struct nf_key key = {
		.pf = families[i / NF_INET_NUMHOOKS],
		.hooknum = i % NF_INET_NUMHOOKS,
		.priority = i / NF_INET_NUMHOOKS,
		.flags = i % 2 ? BPF_F_NETFILTER_IP_DEFRAG : 0,
	};

	return key;
}

/* --- the inventory --- */

static int count_links(void)
{
	__u32 id = 0;
	int nr = 0;

	while (!bpf_link_get_next_id(id, &id))
		nr++;
	return nr;
}

/* The number in @path that comes after @key. */
static long number_in(const char *path, const char *key)
{
	char line[256];
	long value = 0;
	FILE *file;

	file = fopen(path, "r");
	while (file && fgets(line, sizeof(line), file))
		if (!strncmp(line, key, strlen(key)))
			value = atol(line + strlen(key));
	if (file)
		fclose(file);
	return value;
}

static long module_users(void)
{
	return number_in("/sys/module/nf_defrag_ipv4/refcnt", "") +
	       number_in("/sys/module/nf_defrag_ipv6/refcnt", "");
}

static long slab_kb(void)
{
	return number_in("/proc/meminfo", "Slab:") +
	       number_in("/proc/meminfo", "Percpu:");
}

struct inventory {
	int links;
	long module_users;
};

static struct inventory take_inventory(void)
{
	return (struct inventory) { count_links(), module_users() };
}

/* The kernel frees memory and references after a grace period, so wait up to a minute. */
static bool all_is_gone(const struct inventory *before)
{
	const struct timespec pause = { .tv_nsec = 20 * 1000 * 1000 };
	struct inventory now;
	int i;

	for (i = 0; i < 3000; i++) {
		now = take_inventory();
		if (now.links == before->links &&
		    now.module_users == before->module_users)
			return true;
		nanosleep(&pause, NULL);
	}
	printf("# %d links of %d, %ld users of modules of %ld\n", now.links,
	       before->links, now.module_users, before->module_users);
	return false;
}

/* --- many namespaces --- */

static void make_namespaces(void)
{
	int i;

	for (i = 0; i < run.netns; i++) {
		int err = nf_netns_new();

		if (err)
			bail("namespace", err);
		run.netns_fds[i] = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
		if (run.netns_fds[i] < 0)
			bail("/proc/self/ns/net", 0);
	}
	enter(run.home);
}

static void attach_everywhere(struct times *times)
{
	int i, j;

	for (i = 0; i < run.netns; i++) {
		enter(run.netns_fds[i]);
		for (j = 0; j < LINKS_PER_NETNS; j++) {
			const struct nf_key key = key_of(j);
			long start = now_ns();
			int fd = nf_link(run.prog_fd, &key);

			times->ns[times->nr] = now_ns() - start;
			if (fd < 0)
				bail("attach", fd);
			run.link_fds[times->nr++] = fd;
		}
	}
	enter(run.home);
}

static void close_everywhere(struct times *times)
{
	const int nr = run.netns * LINKS_PER_NETNS;
	long start;

	for (times->nr = 0; times->nr < nr; times->nr++) {
		start = now_ns();
		close(run.link_fds[times->nr]);
		times->ns[times->nr] = now_ns() - start;
	}
}

/* Each namespace must have its own links only: those of ip and ip6, and inet at both. */
static int wrong_namespaces(int expected)
{
	int i, wrong = 0;

	for (i = 0; i < run.netns; i += run.netns / EIGHTHS) {
		enter(run.netns_fds[i]);
		wrong += nf_count_hooks() != expected;
	}
	enter(run.home);
	return wrong;
}

static void close_namespaces(void)
{
	int i;

	for (i = 0; i < run.netns; i++)
		close(run.netns_fds[i]);
}

static void test_namespaces(bool quiet)
{
	struct times attach = new_times(run.netns * LINKS_PER_NETNS);
	struct times detach = new_times(run.netns * LINKS_PER_NETNS);
	const int hooks = NF_INET_NUMHOOKS * 4;
	const struct inventory before = take_inventory();
	int wrong, links;

	make_namespaces();
	attach_everywhere(&attach);
	links = count_links() - before.links;
	wrong = wrong_namespaces(hooks);
	close_everywhere(&detach);
	if (!quiet) {
		expect_flat("attach in many namespaces", &attach, true);
		result(links == run.netns * LINKS_PER_NETNS && !wrong,
		       "every link at its hooks", "%d links, %d namespaces are wrong",
		       links, wrong);
		expect_flat("detach in many namespaces", &detach, false);
		result(!wrong_namespaces(0), "no hook left in any", "there are");
	}
	close_namespaces();
	if (!quiet)
		result(all_is_gone(&before), "no link or user of modules left", "there are");
	else
		all_is_gone(&before);
	free(attach.ns);
	free(detach.ns);
}

/* Namespaces end with links in them, and the links end with them. */
static void test_namespaces_end(void)
{
	struct times attach = new_times(run.netns * LINKS_PER_NETNS);
	struct times detach = new_times(run.netns * LINKS_PER_NETNS);
	const struct timespec pause = { .tv_nsec = 20 * 1000 * 1000 };
	const int nr = run.netns * LINKS_PER_NETNS;
	struct inventory before = take_inventory();
	struct nf_link_info info;
	int i, tries, attached = 0;

	make_namespaces();
	attach_everywhere(&attach);
	close_namespaces();
	for (i = 0; i < nr; i++) {
		for (tries = 0; tries < 3000; tries++) {
			if (!nf_link_stats(run.link_fds[i], &info) && !info.netns_ino)
				break;
			nanosleep(&pause, NULL);
		}
		attached += tries == 3000;
	}
	result(!attached, "links of namespaces that ended are detached",
	       "%d of %d are not", attached, nr);
	close_everywhere(&detach);
	result(all_is_gone(&before), "nothing left of namespaces that ended", "there is");
	free(attach.ns);
	free(detach.ns);
}

/* --- one hook --- */

/* netfilter copies the list of a hook at each change, so the cost grows with the list. The
 * cost is printed as a figure; only the limit of the list is tested.
 */
static void test_full_hook(void)
{
	struct nf_key key = { .pf = NFPROTO_INET, .hooknum = NF_INET_FORWARD };
	struct times attach = new_times(HOOK_LIMIT + 1);
	struct times detach = new_times(HOOK_LIMIT + 1);
	int i, nr = 0, fd = 0, fds[HOOK_LIMIT + 1];
	long start;

	for (; nr <= HOOK_LIMIT; nr++) {
		key.priority = nr;
		start = now_ns();
		fd = nf_link(run.prog_fd, &key);
		if (fd < 0)
			break;
		attach.ns[attach.nr++] = now_ns() - start;
		fds[nr] = fd;
	}
	print_times("attach at one hook", &attach);
	result(fd == -E2BIG && nf_count_hooks() == 2 * nr, "a hook takes a thousand and no more",
	       "%d links, then %d; %d hooks", nr, fd, nf_count_hooks());
	for (i = 0; i < nr; i++) {
		start = now_ns();
		close(fds[i]);
		detach.ns[detach.nr++] = now_ns() - start;
	}
	print_times("detach at one hook", &detach);
	result(!nf_count_hooks(), "a hook that was full is empty", "%d hooks", nf_count_hooks());
	fd = nf_link(run.prog_fd, &key);
	result(fd >= 0, "and takes links again", "%d", fd);
	close(fd);
	free(attach.ns);
	free(detach.ns);
}

/* --- storms --- */

struct stormer {
	pthread_t thread;
	int nr;
	int attached, busy, wrong;
};

static void *storm(void *arg)
{
	struct stormer *stormer = arg;
	const int cpus = sysconf(_SC_NPROCESSORS_ONLN);
	__u64 random = 0x9e3779b97f4a7c15ULL * (stormer->nr + 1);
	int slots[STORM_SLOTS], i, slot, fd;
	struct nf_key key;

	nf_bind_cpu(stormer->nr % cpus);
	memset(slots, 0xff, sizeof(slots));
	for (i = 0; i < run.storm; i++) {
		random ^= random << 13;
		random ^= random >> 7;
		random ^= random << 17;
		slot = random % STORM_SLOTS;
		if (slots[slot] >= 0) {
			close(slots[slot]);
			slots[slot] = -1;
			continue;
		}
		key = key_of((random >> 8) % LINKS_PER_NETNS);
		key.priority = (random >> 16) % 16;
		fd = nf_link(run.prog_fd, &key);
		slots[slot] = fd;
		stormer->attached += fd >= 0;
		stormer->busy += fd == -EBUSY;
		stormer->wrong += fd < 0 && fd != -EBUSY;
	}
	for (i = 0; i < STORM_SLOTS; i++)
		if (slots[i] >= 0)
			close(slots[i]);
	return NULL;
}

static void test_storm(void)
{
	const struct inventory before = take_inventory();
	struct stormer stormers[STORMERS] = {};
	int i, attached = 0, busy = 0, wrong = 0;
	long start = monotonic_ns();

	for (i = 0; i < STORMERS; i++) {
		stormers[i].nr = i;
		if (pthread_create(&stormers[i].thread, NULL, storm, &stormers[i]))
			bail("thread", 0);
	}
	for (i = 0; i < STORMERS; i++) {
		pthread_join(stormers[i].thread, NULL);
		attached += stormers[i].attached;
		busy += stormers[i].busy;
		wrong += stormers[i].wrong;
	}
	printf("# figure: storm of %d threads, %.1f s: %d attached, %d times EBUSY\n",
	       STORMERS, (monotonic_ns() - start) / 1e9, attached, busy);
	result(attached > 0 && busy > 0 && !wrong, "storm of attach and detach at one place",
	       "%d attached, %d EBUSY, %d other errors", attached, busy, wrong);
	result(!nf_count_hooks() && all_is_gone(&before), "nothing left of the storm",
	       "%d hooks", nf_count_hooks());
}

/* --- */

static void setup(void)
{
	const char *value = getenv("NF_BPF_SMOKE");
	const bool smoke = value && *value && strcmp(value, "0");
	struct rlimit files = { 65536, 65536 };
	int err;

	run.netns = smoke ? 100 : 400;
	run.storm = smoke ? 5000 : 100000;
	run.netns_fds = calloc(run.netns, sizeof(int));
	run.link_fds = calloc(run.netns * LINKS_PER_NETNS, sizeof(int));
	if (!run.netns_fds || !run.link_fds)
		bail("memory", -ENOMEM);
	calibrate();
	if (setrlimit(RLIMIT_NOFILE, &files))
		bail("65536 open files", 0);
	err = nf_netns_new();
	if (err)
		bail("namespace", err);
	run.home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	run.prog_fd = nf_load_verdict(NF_ACCEPT);
	if (run.prog_fd < 0)
		bail("load", run.prog_fd);
}

int main(int argc, char **argv)
{
	struct nf_key key = { .pf = NFPROTO_INET, .flags = BPF_F_NETFILTER_IP_DEFRAG };
	long slab[3];
	int fd;

	if (argc != 1) {
		fprintf(stderr, "Usage: scale\n");
		return argc == 2 && !strcmp(argv[1], "--help") ? 0 : 2;
	}
	puts("TAP version 13\n1..12");
	setup();
	/* Load the modules now, so that the first time does not include it. */
	fd = nf_link(run.prog_fd, &key);
	if (fd < 0)
		bail("attach", fd);
	close(fd);

	slab[0] = slab_kb();
	test_namespaces(false);
	slab[1] = slab_kb();
	test_namespaces(true);
	slab[2] = slab_kb();
	printf("# figure: %d namespaces of %d links, kernel memory: %+ld KB, once more: %+ld KB\n",
	       run.netns, LINKS_PER_NETNS, slab[1] - slab[0], slab[2] - slab[1]);
	test_namespaces_end();
	test_full_hook();
	test_storm();
	return run.failed;
}
