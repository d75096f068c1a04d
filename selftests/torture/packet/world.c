// SPDX-License-Identifier: GPL-2.0
/*
 * The state of the machine for packet_fuzz: the namespaces, the paths between them, and the
 * counts that must be the same before and after a case.
 */
#include <fcntl.h>
#include <linux/membarrier.h>
#include <regex.h>
#include <sched.h>
#include <stdarg.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "torture/packet/queue.h"
#include "torture/packet/world.h"

/* The pattern of tools/guest/boot, without messages that may come long after their cause. */
#define SPLAT "BUG:|BUG [a-zA-Z0-9_:-]+ [(]|WARNING:|Oops|Call Trace|general protection fault" \
	"|KASAN|UBSAN|suspicious RCU|possible (circular|recursive) locking" \
	"|inconsistent lock state|irq lock inversion|refcount_t:|unreferenced object|ODEBUG:" \
	"|scheduling while atomic|sleeping function called|leaked reference" \
	"|Attempt to release (TCP|alive)"

struct world world = { .queue = -1 };

/* Keep the first complaint. */
void complain(const char *format, ...)
{
	va_list args;

	if (*world.complaint)
		return;
	va_start(args, format);
	vsnprintf(world.complaint, sizeof(world.complaint), format, args);
	va_end(args);
}

void enter(enum netns netns)
{
	if (setns(world.netns[netns], CLONE_NEWNET))
		bail("network namespace", 0);
}

static void pause_ms(long ms)
{
	const struct timespec pause = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };

	nanosleep(&pause, NULL);
}

/* --- the log --- */

static void open_log(void)
{
	world.kmsg = open("/dev/kmsg", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (world.kmsg < 0 || regcomp(&world.splat, SPLAT, REG_EXTENDED | REG_NOSUB))
		bail("/dev/kmsg", 0);
	lseek(world.kmsg, 0, SEEK_END);
	mount("debugfs", "/sys/kernel/debug", "debugfs", 0, NULL);
}

/* Write the name to the console before the case, because the case may crash the kernel. */
void log_case(const char *name)
{
	char line[128];
	int len = snprintf(line, sizeof(line), "<6>packet_fuzz: %.100s", name);

	if (write(world.kmsg, line, len) != len)
		complain("/dev/kmsg: %s", strerror(errno));
}

static void judge_line(char *record)
{
	char *text = strchr(record, ';');

	if (!text || regexec(&world.splat, text, 0, NULL, 0))
		return;
	text[strcspn(text, "\n")] = '\0';
	complain("the kernel says: %s", text + 1);
}

void judge_log(void)
{
	char record[8192];
	ssize_t len;

	if (world.lie == LIE_LOG) {
		strcpy(record, "4,1,1,-;WARNING: a lie\n");
		judge_line(record);
	}
	while ((len = read(world.kmsg, record, sizeof(record) - 1)) > 0 || errno == EPIPE) {
		if (len <= 0)
			continue;
		record[len] = '\0';
		judge_line(record);
	}
}

/* Let WARN_ON_ONCE() and similar macros warn once more. */
void forget_warnings(void)
{
	nf_write_file("/sys/kernel/debug/clear_warn_once", "1");
}

/* --- counts that come back --- */

/* The number after @key in the line of @protocol, in a file of /proc/net. */
static int read_sockstat(const char *file, const char *protocol, const char *key)
{
	char path[64], line[256], *at;
	int value = 0;
	FILE *stream;

	snprintf(path, sizeof(path), "/proc/thread-self/net/%s", file);
	stream = fopen(path, "r");
	while (stream && fgets(line, sizeof(line), stream)) {
		if (strncmp(line, protocol, strlen(protocol)))
			continue;
		at = strstr(line, key);
		value = at ? atoi(at + strlen(key)) : 0;
	}
	if (stream)
		fclose(stream);
	return value;
}

/* "alloc" counts all namespaces together, the other numbers count this namespace. */
int count_sockets(void)
{
	static const char *const counts[][3] = {
		{ "sockstat", "TCP:", " inuse " }, { "sockstat", "TCP:", " orphan " },
		{ "sockstat", "TCP:", " alloc " }, { "sockstat", "UDP:", " inuse " },
		{ "sockstat", "RAW:", " inuse " }, { "sockstat6", "TCP6:", " inuse " },
		{ "sockstat6", "UDP6:", " inuse " }, { "sockstat6", "RAW6:", " inuse " },
	};
	int i, nr = world.lie == LIE_SOCKET;

	for (i = 0; i < ARRAY_SIZE(counts); i++)
		nr += read_sockstat(counts[i][0], counts[i][1], counts[i][2]);
	return nr;
}

/* Each processor may keep a reserve of up to 1 MB. */
static int count_memory(void)
{
	const int mine = world.nr_cpus * (1 << 20) / sysconf(_SC_PAGESIZE);
	const int pages = read_sockstat("sockstat", "TCP:", " mem ");
	const int of_udp = read_sockstat("sockstat", "UDP:", " mem ");

	return (pages > mine ? pages : 0) + (of_udp > mine ? of_udp : 0);
}

static int count_conntrack(void)
{
	int nr = 0;
	FILE *file = fopen("/proc/sys/net/netfilter/nf_conntrack_count", "r");

	if (!file)
		return 0;
	if (fscanf(file, "%d", &nr) != 1)
		nr = -1;
	fclose(file);
	if (nr)
		nf_flush_conntrack();
	return nr + (world.lie == LIE_CONNTRACK);
}

/* Programs are freed after a grace period. */
int count_references(void)
{
	return nf_module_references("nf_bpf_kfunc") + (world.lie == LIE_MODULE);
}

/* Queued fragments, neighbours that do not answer and timers take some time. A packet that
 * comes late to the NFQUEUE waits for its verdict, and holds its conntrack entry.
 */
int wait_for_count(int (*count)(void), int expected)
{
	const int tries = world.lie ? 1 : world.shrinking ? 100 : 1500;
	int i, nr = count();

	for (i = 0; nr != expected && i < tries * number_of("NF_BPF_SLOW", 1); i++) {
		pause_ms(i < 10 ? 1 : 20);
		queue_serve();
		nr = count();
	}
	return nr;
}

static void judge_count(const char *what, int (*count)(void), int expected)
{
	int nr;

	if (*world.complaint)
		return;
	nr = wait_for_count(count, expected);
	if (nr != expected)
		complain("%d %s, should be %d", nr, what, expected);
}

/* Between cases, no namespace may have a program of the fuzzer. */
void judge_machine(void)
{
	static const char *const names[NR_NETNS] = { "client", "router", "server" };
	char what[64];
	int netns;

	for (netns = 0; netns < NR_NETNS; netns++) {
		enter(netns);
		snprintf(what, sizeof(what), "sockets in the %s", names[netns]);
		judge_count(what, count_sockets, world.base_sockets[netns]);
		snprintf(what, sizeof(what), "conntrack entries in the %s", names[netns]);
		if (world.track)
			judge_count(what, count_conntrack, 0);
	}
	judge_count("pages of socket memory", count_memory, 0);
	judge_count("references to nf_bpf_kfunc", count_references, world.base_references);
	judge_log();
}

/* --- setting up --- */

static void take_path(const char *name, int family, const char *from, const char *to)
{
	int i;

	for (i = 0; i < MAX_PATHS; i++)
		if (!strcmp(path_names[i], name)) {
			strcpy(world.paths[i].from[family == 6], from);
			strcpy(world.paths[i].to[family == 6], to);
		}
}

static void take_line(const char *line)
{
	char name[48], from[48], to[48];
	int family, i;

	if (sscanf(line, "path %47s %d %47s %47s", name, &family, from, to) == 4)
		take_path(name, family, from, to);
	if (sscanf(line, "has %47s", name) != 1)
		return;
	world.track |= !strcmp(name, "conntrack");
	for (i = 0; i < NR_TRAFFIC; i++)
		world.has[i] |= !strcmp(traffic_names[i], name);
}

static FILE *network(const char *what)
{
	char command[PATH_MAX + 64];

	snprintf(command, sizeof(command), "exec bash %s %s %s", world.script, what, world.suffix);
	return popen(command, "r");
}

static void network_down(void)
{
	FILE *output = network("down");

	if (output)
		pclose(output);
}

static void network_up(void)
{
	static const char *const names[NR_NETNS] = { "client", "router", "server" };
	char line[256];
	FILE *output;
	int i;

	for (i = 0; i < NR_TRAFFIC; i++)
		world.has[i] = i != TPROXY && i != FLOWTABLE && i != QUEUE;
	snprintf(world.suffix, sizeof(world.suffix), "-%d", getpid());
	atexit(network_down);
	output = network("up");
	while (output && fgets(line, sizeof(line), output))
		take_line(line);
	if (!output || pclose(output))
		bail("packet/network.sh", -EIO);
	for (i = 0; i < NR_NETNS; i++) {
		snprintf(line, sizeof(line), "/run/netns/%s%s", names[i], world.suffix);
		world.netns[i] = open(line, O_RDONLY | O_CLOEXEC);
		if (world.netns[i] < 0)
			bail(line, 0);
	}
}

void make_world(void)
{
	int i;

	world.nr_cpus = libbpf_num_possible_cpus();
	network_up();
	open_log();
	find_kfuncs();
	world.map = bpf_map_create(BPF_MAP_TYPE_PERCPU_ARRAY, "packet_fuzz", 4, 8, NR_COUNTS, NULL);
	if (world.map < 0)
		bail("map", world.map);
	for (i = 0; i < NR_NETNS; i++) {
		enter(i);
		world.base_sockets[i] = count_sockets();
	}
	world.base_references = count_references();
}
