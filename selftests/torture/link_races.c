// SPDX-License-Identifier: GPL-2.0
/*
 * Several threads on all processors do everything that can be done to links, under traffic
 * of both families with fragments. In any order, each error must be a documented one,
 * nothing may be left at the end, and the links must have counted the packets that their
 * programs saw.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <linux/filter.h>
#include <linux/membarrier.h>

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>

#include "helpers/nf_fragment.h"
#include "helpers/nf_test.h"
#include "progs/count.skel.h"

#define DEFRAG	BPF_F_NETFILTER_IP_DEFRAG
#define STRICT	BPF_F_NETFILTER_DEFRAG_STRICT
#define TRACK	BPF_F_NETFILTER_FRAG_TRACK
#define BEFORE	BPF_F_BEFORE
#define AFTER	BPF_F_AFTER
#define LINK	BPF_F_LINK
#define ID	BPF_F_ID

enum {
	SLOTS		= 24,
	PINS		= 6,
	RETIRED		= 64,
	PROGRAMS	= 3,
	/* Ids are given in turn, and there is no time to use so many. */
	PROGRAM_IDS	= 1 << 20,
	MAX_ERRNO	= 200,
	KSFT_SKIP	= 4,
};

static const char usage[] =
	"Usage: link_races [-s SEED] [-t SECONDS]\n"
	"\n"
	"The seed determines the operations of each thread, but not their order between\n"
	"threads. The default is NF_BPF_SEED, or a new seed each time. The default of\n"
	"SECONDS is NF_BPF_SECONDS, or 120, or 5 * NF_BPF_SLOW with NF_BPF_SMOKE=1.\n"
	"\n"
	"Exit status: 0 passed, 1 failed, 2 wrong arguments, 4 skipped.\n";

static long number(const char *name, long otherwise)
{
	const char *value = getenv(name);

	return value && *value ? atol(value) : otherwise;
}

/* --- operations and their results --- */

enum op {
	ATTACH, ATTACH_NEXT_TO, UPDATE, REPLACE, DETACH, CLOSE, INFO, FDINFO, PIN,
	UNPIN, OPEN_PIN, OPEN_ID, DUMP, NAMESPACE, NAMESPACE_ATTACH, UNLOAD, SEND,
	CALLER_LOAD, CALLER_RUN, CALLED_UNLOAD, CALLED_LOAD, NR_OPS,
};

/* Why these errors are allowed:
 * - OPEN_ID: the link is not complete yet (EAGAIN), or gone (ENOENT).
 * - ATTACH: the module was unloaded after modprobe (ENOENT), or modprobe has failed because
 *   the module was being unloaded (EINVAL).
 * - CALLER_LOAD: the module whose function it calls is being loaded or unloaded (ENXIO), or
 *   is gone (ENOENT).
 * - CALLED_LOAD: a module that it needs is being unloaded (EBUSY), or is gone (ENOENT).
 */
static const struct {
	const char *name;
	int allowed[6];
} ops[NR_OPS] = {
	[ATTACH]		= { "attach", { EBUSY, ENOENT, EINVAL } },
	[ATTACH_NEXT_TO]	= { "attach next to another",
				    { EBUSY, ENOENT, EINVAL, ESRCH, EAGAIN } },
	[UPDATE]		= { "update", { ENOLINK } },
	[REPLACE]		= { "update of a given program", { ENOLINK, EPERM } },
	[DETACH]		= { "detach", {} },
	[CLOSE]			= { "close", {} },
	[INFO]			= { "info", {} },
	[FDINFO]		= { "fdinfo", {} },
	[PIN]			= { "pin", { EEXIST } },
	[UNPIN]			= { "unpin", { ENOENT } },
	[OPEN_PIN]		= { "open a pin", { ENOENT } },
	[OPEN_ID]		= { "open by id", { ENOENT, EAGAIN } },
	[DUMP]			= { "dump hooks", {} },
	[NAMESPACE]		= { "end a namespace", {} },
	[NAMESPACE_ATTACH]	= { "attach in a namespace that ends",
				    { EBUSY, ENOENT, EINVAL } },
	[UNLOAD]		= { "unload a module", { EAGAIN, ENOENT, EBUSY } },
	[SEND]			= { "send", { EPERM } },
	[CALLER_LOAD]		= { "load a program that calls a module", { ENOENT, ENXIO } },
	[CALLER_RUN]		= { "run such a program", {} },
	[CALLED_UNLOAD]		= { "unload the module that is called", { EAGAIN, ENOENT, EBUSY } },
	[CALLED_LOAD]		= { "load the module that is called", { ENOENT, EBUSY } },
};

static atomic_ulong done[NR_OPS][MAX_ERRNO];
static atomic_int flaws;

static void flaw(const char *format, ...)
{
	va_list args;

	if (atomic_fetch_add(&flaws, 1) >= 20)
		return;
	va_start(args, format);
	printf("# ");
	vprintf(format, args);
	putchar('\n');
	va_end(args);
}

/* Count the result of a system call. Return: @ret */
static int note(enum op op, int ret)
{
	int error = ret < 0 ? -ret : 0;
	size_t i;

	if (error >= MAX_ERRNO)
		error = MAX_ERRNO - 1;
	atomic_fetch_add(&done[op][error], 1);
	for (i = 0; error && i < ARRAY_SIZE(ops[op].allowed); i++)
		if (ops[op].allowed[i] == error)
			return ret;
	if (error)
		flaw("%s: %s", ops[op].name, strerror(error));
	return ret;
}

static void print_ops(void)
{
	unsigned long nr;
	int op, error;

	for (op = 0; op < NR_OPS; op++) {
		printf("# figure: %s: %lu", ops[op].name, atomic_load(&done[op][0]));
		for (error = 1; error < MAX_ERRNO; error++) {
			nr = atomic_load(&done[op][error]);
			if (nr)
				printf(", %s %lu", strerrorname_np(error), nr);
		}
		putchar('\n');
	}
}

/* --- the run --- */

/*
 * Links of a kind run programs of the same kind. A COUNTED link is detached before it is
 * closed, so that its final counters can be read. A CLOSED link is only closed. Only such
 * links track fragments: they count later fragments, which their programs do not see.
 */
enum kind { COUNTED, CLOSED, NR_KINDS };

struct slot {
	pthread_mutex_t lock;
	int fd;
};

static struct {
	struct count *skel[NR_KINDS];
	int progs[NR_KINDS][PROGRAMS];
	atomic_bool ours[PROGRAM_IDS];
	struct slot slots[NR_KINDS][SLOTS / NR_KINDS];
	char pins[64];
	int router, sender;
	/* BTF id of a function in a module; 0 if the module is missing. */
	int called;
	atomic_uint last_id;
	atomic_bool stop;
	/* Set while few links use the modules, because only then they can be unloaded. */
	atomic_bool quiet;
	atomic_bool tracked;

	pthread_mutex_t retired_lock;
	int retired[RETIRED];
	int nr_retired;
	struct nf_link_info sum;
} run = {
	.retired_lock = PTHREAD_MUTEX_INITIALIZER,
};

struct thread {
	pthread_t id;
	const char *name;
	void (*loop)(struct thread *thread);
	__u64 random;
	int cpu;
	int family;
	bool local;
};

static unsigned int below(struct thread *thread, unsigned int limit)
{
	thread->random ^= thread->random << 13;
	thread->random ^= thread->random >> 7;
	thread->random ^= thread->random << 17;
	return (thread->random >> 20) % limit;
}

static bool one_in(struct thread *thread, unsigned int n)
{
	return !below(thread, n);
}

static void pause_ms(int ms)
{
	const struct timespec pause = { .tv_nsec = ms * 1000000L };

	nanosleep(&pause, NULL);
}

static bool remember_prog(int prog)
{
	const __u32 id = nf_prog_id(prog);

	if (!id || id >= PROGRAM_IDS)
		return false;
	atomic_store(&run.ours[id], true);
	return true;
}

/* --- links --- */

/* After a grace period, no packet is still in a hook that was removed before. */
static void wait_for_packets(void)
{
	if (syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0))
		flaw("membarrier: %s", strerror(errno));
}

static void flush_retired(void)
{
	struct nf_link_info info;
	int i;

	wait_for_packets();
	for (i = 0; i < run.nr_retired; i++) {
		if (!note(INFO, nf_link_stats(run.retired[i], &info))) {
			run.sum.accepted += info.accepted;
			run.sum.dropped += info.dropped;
			run.sum.dropped_fragments += info.dropped_fragments;
		}
		note(CLOSE, close(run.retired[i]) ? -errno : 0);
	}
	run.nr_retired = 0;
}

static void retire(int fd)
{
	note(DETACH, bpf_link_detach(fd));
	pthread_mutex_lock(&run.retired_lock);
	if (run.nr_retired == RETIRED)
		flush_retired();
	run.retired[run.nr_retired++] = fd;
	pthread_mutex_unlock(&run.retired_lock);
}

/* Replace the link in the slot by @fd, which may be -1. */
static void put_slot(enum kind kind, int i, int fd)
{
	struct slot *slot = &run.slots[kind][i];
	int old;

	pthread_mutex_lock(&slot->lock);
	old = slot->fd;
	slot->fd = fd;
	pthread_mutex_unlock(&slot->lock);
	if (old < 0)
		return;
	if (kind == COUNTED)
		retire(old);
	else
		note(CLOSE, close(old) ? -errno : 0);
}

/* Return: a new fd of the link in the slot, or -1 if the slot is empty */
static int get_slot(enum kind kind, int i)
{
	struct slot *slot = &run.slots[kind][i];
	int fd = -1;

	pthread_mutex_lock(&slot->lock);
	if (slot->fd >= 0)
		fd = fcntl(slot->fd, F_DUPFD_CLOEXEC, 0);
	pthread_mutex_unlock(&slot->lock);
	return fd;
}

static enum kind any_kind(struct thread *thread)
{
	return below(thread, NR_KINDS);
}

static int any_slot(struct thread *thread)
{
	return below(thread, SLOTS / NR_KINDS);
}

/* Rarely choose the program that drops, so that packets come to the other programs. */
static int any_prog(struct thread *thread, enum kind kind)
{
	return run.progs[kind][one_in(thread, 8) ? PROGRAMS - 1 :
			       below(thread, PROGRAMS - 1)];
}

static __u32 any_flags(struct thread *thread, enum kind kind)
{
	static const __u32 flags[] = { DEFRAG, DEFRAG | STRICT, TRACK };

	if (!one_in(thread, atomic_load(&run.quiet) ? 32 : 2))
		return 0;
	return flags[below(thread, ARRAY_SIZE(flags) - (kind == COUNTED))];
}

static struct nf_key any_key(struct thread *thread, enum kind kind)
{
	static const __u32 families[] = { NFPROTO_IPV4, NFPROTO_IPV6, NFPROTO_INET };
	struct nf_key key = {
		.pf = families[below(thread, ARRAY_SIZE(families))],
		.hooknum = below(thread, NF_INET_NUMHOOKS),
		.priority = (int)below(thread, 7) - 3,
	};

	key.flags = any_flags(thread, kind);
	if (nf_without_defrag(&key))
		key.flags = 0;
	return key;
}

static void remember_id(int fd)
{
	struct nf_link_info info;

	if (!note(INFO, nf_link_stats(fd, &info)))
		atomic_store(&run.last_id, info.id);
}

static void do_attach(struct thread *thread)
{
	const enum kind kind = any_kind(thread);
	const struct nf_key key = any_key(thread, kind);
	int fd = note(ATTACH, nf_link_at(any_prog(thread, kind), &key, 0, 0));

	if (fd < 0)
		return;
	remember_id(fd);
	put_slot(kind, any_slot(thread), fd);
}

static __u32 any_id(struct thread *thread)
{
	return atomic_load(&run.last_id) - below(thread, SLOTS);
}

static void do_attach_next_to(struct thread *thread)
{
	const enum kind kind = any_kind(thread);
	const __u32 place = LINK | (one_in(thread, 2) ? BEFORE : AFTER);
	struct nf_key key = any_key(thread, kind);
	int anchor, fd;

	key.priority = 0;
	if (one_in(thread, 2)) {
		fd = nf_link_at(any_prog(thread, kind), &key, place | ID, any_id(thread));
	} else {
		anchor = get_slot(any_kind(thread), any_slot(thread));
		if (anchor < 0)
			return;
		fd = nf_link_at(any_prog(thread, kind), &key, place, anchor);
		close(anchor);
	}
	if (note(ATTACH_NEXT_TO, fd) >= 0)
		put_slot(kind, any_slot(thread), fd);
}

static void do_update(struct thread *thread)
{
	const enum kind kind = any_kind(thread);
	int fd = get_slot(kind, any_slot(thread));

	if (fd < 0)
		return;
	if (one_in(thread, 2))
		note(UPDATE, nf_link_update(fd, any_prog(thread, kind), -1));
	else
		note(REPLACE, nf_link_update(fd, any_prog(thread, kind),
					     any_prog(thread, kind)));
	close(fd);
}

static void do_detach(struct thread *thread)
{
	int fd = get_slot(any_kind(thread), any_slot(thread));

	if (fd < 0)
		return;
	note(DETACH, bpf_link_detach(fd));
	close(fd);
}

static void do_close(struct thread *thread)
{
	put_slot(any_kind(thread), any_slot(thread), -1);
}

static bool is_ours(__u32 prog_id)
{
	return prog_id < PROGRAM_IDS && atomic_load(&run.ours[prog_id]);
}

static void check_info(int fd)
{
	struct nf_link_info info;

	if (note(INFO, nf_link_stats(fd, &info)))
		return;
	if (info.type != BPF_LINK_TYPE_NETFILTER || !is_ours(info.prog_id) ||
	    info.hooknum >= NF_INET_NUMHOOKS || info.flags & ~(DEFRAG | STRICT | TRACK))
		flaw("info: type %u program %u hook %u flags %#x", info.type,
		     info.prog_id, info.hooknum, info.flags);
	if (info.dropped_fragments && !(info.flags & (STRICT | TRACK)))
		flaw("info: a link that is not strict and does not track dropped fragments");
}

static void do_info(struct thread *thread)
{
	int fd = get_slot(any_kind(thread), any_slot(thread));

	if (fd < 0)
		return;
	check_info(fd);
	close(fd);
}

static void do_fdinfo(struct thread *thread)
{
	int fd = get_slot(any_kind(thread), any_slot(thread));
	char value[32];

	if (fd < 0)
		return;
	note(FDINFO, nf_fdinfo(fd, "dropped_fragments:", value, sizeof(value)));
	if (!nf_fdinfo(fd, "later_fragments:", value, sizeof(value)) && strcmp(value, "0"))
		atomic_store(&run.tracked, true);
	close(fd);
}

static const char *any_pin(struct thread *thread, char *path, size_t size)
{
	snprintf(path, size, "%s/%u", run.pins, below(thread, PINS));
	return path;
}

static void do_pin(struct thread *thread)
{
	int fd = get_slot(any_kind(thread), any_slot(thread));
	char path[96];

	if (fd < 0)
		return;
	note(PIN, bpf_obj_pin(fd, any_pin(thread, path, sizeof(path))));
	close(fd);
}

static void do_unpin(struct thread *thread)
{
	char path[96];

	note(UNPIN, unlink(any_pin(thread, path, sizeof(path))) ? -errno : 0);
}

static void use_and_close(struct thread *thread, int fd)
{
	if (fd < 0)
		return;
	check_info(fd);
	if (one_in(thread, 4))
		note(DETACH, bpf_link_detach(fd));
	close(fd);
}

static void do_open_pin(struct thread *thread)
{
	char path[96];

	use_and_close(thread, note(OPEN_PIN, bpf_obj_get(any_pin(thread, path,
								 sizeof(path)))));
}

static void do_open_id(struct thread *thread)
{
	use_and_close(thread, note(OPEN_ID, bpf_link_get_fd_by_id(any_id(thread))));
}

static void worker(struct thread *thread)
{
	static void (* const actions[])(struct thread *thread) = {
		do_attach, do_attach, do_attach, do_attach_next_to, do_update,
		do_update, do_detach, do_close, do_info, do_fdinfo, do_pin,
		do_unpin, do_open_pin, do_open_id,
	};

	actions[below(thread, ARRAY_SIZE(actions))](thread);
}

/* --- the hook dump --- */

static void check_hook(const struct nf_hook *hook, void *arg)
{
	/* A program that is being freed has the id 0. */
	if (hook->type == NF_HOOK_TYPE_BPF && hook->prog_id > 0 &&
	    !is_ours(hook->prog_id))
		flaw("dump: program %lld", (long long)hook->prog_id);
}

static void dumper(struct thread *thread)
{
	note(DUMP, nf_dump_hooks(one_in(thread, 2) ? NFPROTO_IPV4 : NFPROTO_IPV6,
				 below(thread, NF_INET_NUMHOOKS), check_hook, NULL));
}

/* --- traffic --- */

enum { MAX_FRAGMENTS = 4, FRAGMENT_UNIT = 64 };

struct train {
	int raw;
	int family;
	bool local;
	__u32 id;
	int size;
	/* The chain of headers ends too early, so reassembly lets the fragment pass. */
	bool cut;
};

static const char *source(const struct train *train)
{
	if (train->family == AF_INET)
		return train->local ? "127.0.0.1" : "192.0.2.2";
	return train->local ? "::1" : "2001:db8:1::2";
}

static const char *destination(const struct train *train)
{
	if (train->family == AF_INET)
		return train->local ? "127.0.0.1" : "198.51.100.2";
	return train->local ? "::1" : "2001:db8:2::2";
}

static int send_fragment(const struct train *train, int offset, bool more)
{
	static const struct ip6_ext cut = { .ip6e_nxt = IPPROTO_DSTOPTS, .ip6e_len = 255 };
	struct sockaddr_storage from = {}, to = {};
	struct nf_fragment part = {
		.src = &from,
		.dst = &to,
		.id = train->id,
		.offset = offset,
		.length = train->size,
		.more = more,
	};
	__u64 packet[1500 / sizeof(__u64)] = {};
	const bool is_cut = train->cut && train->family == AF_INET6 && !offset && !more;
	int header;

	if (nf_parse_address(source(train), &from) || nf_parse_address(destination(train), &to))
		return -EINVAL;
	if (is_cut)
		part.nexthdr = IPPROTO_DSTOPTS;
	header = nf_put_header(packet, &part);
	if (is_cut)
		memcpy((char *)packet + header, &cut, sizeof(cut));
	/* Errors of a device that goes down or of a full queue are no flaws. */
	if (sendto(train->raw, packet, header + train->size, 0, (void *)&to,
		   nf_address_length(&to)) < 0 && errno != ENOBUFS)
		return -errno;
	return 0;
}

/* Send a datagram in one to four pieces, in random order; some twice, and some never. */
static void send_train(struct thread *thread, struct train *train)
{
	const int pieces = 1 + below(thread, MAX_FRAGMENTS);
	int order[MAX_FRAGMENTS] = { 0, 1, 2, 3 };
	int i, j, tmp;

	train->id++;
	train->size = FRAGMENT_UNIT * (1 + below(thread, 16));
	train->cut = one_in(thread, 4);
	for (i = pieces - 1; i > 0; i--) {
		j = below(thread, i + 1);
		tmp = order[i];
		order[i] = order[j];
		order[j] = tmp;
	}
	for (i = 0; i < pieces; i++) {
		if (one_in(thread, 16))
			continue;
		if (one_in(thread, 16))
			i -= i > 0;
		note(SEND, send_fragment(train, order[i] * train->size,
					 order[i] < pieces - 1));
	}
}

static void sender(struct thread *thread)
{
	struct train train = {
		.family = thread->family,
		.local = thread->local,
		.id = below(thread, 1 << 16),
	};

	if (!thread->local && setns(run.sender, CLONE_NEWNET))
		flaw("setns: %s", strerror(errno));
	train.raw = socket(thread->family, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
	while (!atomic_load(&run.stop)) {
		send_train(thread, &train);
		if (one_in(thread, 8))
			sched_yield();
	}
	close(train.raw);
}

/* --- namespaces that end --- */

static bool reads_as_defunct(int fd)
{
	const int tries = 3000 * number("NF_BPF_SLOW", 1);
	struct nf_link_info info;
	int i;

	for (i = 0; i < tries; i++) {
		if (nf_link_stats(fd, &info) || !info.netns_ino)
			return true;
		pause_ms(20);
	}
	return false;
}

/* Put links and incomplete datagrams into the namespace. @own gets the fd of one link. */
static void fill_namespace(struct thread *thread, int *own)
{
	struct train train = { .family = AF_INET, .local = true, .size = 64 };
	int i, fd, raw[2];

	for (i = below(thread, 4); i >= 0; i--) {
		const enum kind kind = any_kind(thread);
		const struct nf_key key = any_key(thread, kind);

		fd = note(NAMESPACE_ATTACH, nf_link_at(any_prog(thread, kind), &key, 0, 0));
		if (fd < 0)
			continue;
		if (*own < 0)
			*own = fcntl(fd, F_DUPFD_CLOEXEC, 0);
		put_slot(kind, any_slot(thread), fd);
	}
	for (i = 0; i < (nf_without("ipv6") ? 1 : 2); i++) {
		train.family = i ? AF_INET6 : AF_INET;
		train.id = i;
		raw[i] = socket(train.family, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
		train.raw = raw[i];
		note(SEND, send_fragment(&train, 0, true));
		close(raw[i]);
	}
}

static void ender(struct thread *thread)
{
	int own = -1;

	if (nf_netns_new() || nf_netns_loopback_up()) {
		flaw("namespace: %s", strerror(errno));
		return;
	}
	fill_namespace(thread, &own);
	if (setns(run.router, CLONE_NEWNET))
		flaw("setns: %s", strerror(errno));
	note(NAMESPACE, 0);
	if (own >= 0 && !reads_as_defunct(own))
		flaw("a link is attached minutes after its namespace has gone");
	if (own >= 0)
		close(own);
}

/* --- modules that are unloaded --- */

static const char * const modules[] = { "nf_defrag_ipv6", "nf_defrag_ipv4" };

static void close_all(void)
{
	char path[96];
	int kind, i;

	for (kind = 0; kind < NR_KINDS; kind++)
		for (i = 0; i < SLOTS / NR_KINDS; i++)
			put_slot(kind, i, -1);
	for (i = 0; i < PINS; i++) {
		snprintf(path, sizeof(path), "%s/%d", run.pins, i);
		unlink(path);
	}
}

/* Close all links for a time and unload modules, while other threads attach some links. */
static void unloader(struct thread *thread)
{
	/* Unload their users less often, because these take long to load again. */
	const bool with_users = one_in(thread, 4);
	const char *module;
	int i;

	atomic_store(&run.quiet, true);
	close_all();
	for (i = 0; i < 10 && !atomic_load(&run.stop); i++) {
		module = modules[below(thread, ARRAY_SIZE(modules))];
		note(UNLOAD, with_users ? nf_module_unload_with_users(module) :
					  nf_module_unload(module));
		pause_ms(5);
	}
	atomic_store(&run.quiet, false);
	for (i = 0; i < 100 && !atomic_load(&run.stop); i++)
		pause_ms(20);
}

/* --- programs that call a module, which is loaded and unloaded --- */

static const char called[] = "nf_bpf_kfunc";

/* The files of the module and of the modules that it needs, in the order of loading. On a
 * busy machine, modprobe would take longer than the module stays.
 */
static int files[16];
static int nr_files;

static void open_files(void)
{
	FILE *list = popen("modprobe -q --show-depends nf_bpf_kfunc", "r");
	char line[512], path[512];

	while (list && fgets(line, sizeof(line), list)) {
		if (nr_files == ARRAY_SIZE(files) || sscanf(line, "insmod %511s", path) != 1)
			continue;
		files[nr_files] = open(path, O_RDONLY | O_CLOEXEC);
		nr_files += files[nr_files] >= 0;
	}
	if (list)
		pclose(list);
}

static int load_called(void)
{
	int i;

	for (i = 0; i < nr_files; i++)
		if (syscall(SYS_finit_module, files[i], "", 0) && errno != EEXIST)
			return -errno;
	return 0;
}

/* Find the function's id, which is the same each time that the module is loaded. */
static bool find_called(void)
{
	struct btf *vmlinux, *module;

	open_files();
	if (load_called())
		return false;
	vmlinux = btf__load_vmlinux_btf();
	module = btf__load_module_btf(called, vmlinux);
	if (module)
		run.called = btf__find_by_name_kind(module, "bpf_nf_ct_info",
						    BTF_KIND_FUNC);
	btf__free(module);
	btf__free(vmlinux);
	return run.called > 0;
}

static int load_caller(void)
{
	const int fds[] = { 0, nf_btf_module_fd(called) };
	const struct bpf_insn insns[] = {
		BPF_ST_MEM(BPF_DW, BPF_REG_10, -16, 0),
		BPF_ST_MEM(BPF_DW, BPF_REG_10, -8, 0),
		BPF_MOV64_REG(BPF_REG_2, BPF_REG_10),
		BPF_ALU64_IMM(BPF_ADD, BPF_REG_2, -16),
		BPF_MOV64_IMM(BPF_REG_3, 16),
		BPF_RAW_INSN(BPF_JMP | BPF_CALL, 0, BPF_PSEUDO_KFUNC_CALL, 1, run.called),
		BPF_MOV64_IMM(BPF_REG_0, NF_ACCEPT),
		BPF_EXIT_INSN(),
	};
	const struct nf_load load = {
		.type = BPF_PROG_TYPE_NETFILTER,
		.expected_attach_type = BPF_NETFILTER,
		.license = "GPL",
		.insns = insns,
		.insn_cnt = ARRAY_SIZE(insns),
		.fd_array = fds,
	};
	int prog;

	if (fds[1] < 0)
		return fds[1];
	prog = nf_load(&load);
	close(fds[1]);
	return prog;
}

/* Run the program in a link of its own, or in an existing link until that changes. */
static void run_caller(struct thread *thread, int prog)
{
	const struct nf_key key = any_key(thread, CLOSED);
	const bool own = !one_in(thread, 8);
	struct nf_link_info info;
	int link;

	link = own ? note(ATTACH, nf_link_at(prog, &key, 0, 0)) :
		     get_slot(CLOSED, any_slot(thread));
	if (link < 0)
		return;
	if (own)
		remember_id(link);
	else
		note(UPDATE, nf_link_update(link, prog, -1));
	pause_ms(below(thread, 20));
	if (own && !note(INFO, nf_link_stats(link, &info)) && info.accepted)
		note(CALLER_RUN, 0);
	if (own && one_in(thread, 2))
		note(UPDATE, nf_link_update(link, any_prog(thread, CLOSED), -1));
	close(link);
}

static void caller(struct thread *thread)
{
	int prog;

	if (atomic_load(&run.quiet) || run.called <= 0) {
		pause_ms(5);
		return;
	}
	prog = note(CALLER_LOAD, load_caller());
	if (prog >= 0) {
		if (!remember_prog(prog))
			flaw("a program without an id");
		run_caller(thread, prog);
		close(prog);
	}
	pause_ms(below(thread, 20));
}

/* Load the module, then try to unload it until it is gone. */
static void reloader(struct thread *thread)
{
	int i, err;

	if (atomic_load(&run.quiet) || run.called <= 0) {
		pause_ms(5);
		return;
	}
	note(CALLED_LOAD, load_called());
	/* Sometimes leave time for a program to be loaded. */
	for (i = below(thread, 2) * below(thread, 100); i && !atomic_load(&run.quiet); i--)
		pause_ms(10);
	for (i = 0; i < 200 && !atomic_load(&run.stop); i++) {
		pause_ms(below(thread, 10));
		err = note(CALLED_UNLOAD, nf_module_unload(called));
		if (!err || err == -ENOENT)
			break;
	}
}

/* --- setting up --- */

static bool shell(const char *format, ...)
{
	char command[2048];
	va_list args;

	va_start(args, format);
	vsnprintf(command, sizeof(command), format, args);
	va_end(args);
	return !system(command);
}

/* In a shell, prefix commands that need IPv6 with this. */
#define IP6 "ip6() { [ \"$NF_BPF_FLAVOUR\" = noipv6 ] || \"$@\"; }\n"

/* Make a sender, and a router that forwards all packets to a device that drops them. Then
 * the caller is in the router.
 */
static bool setup_network(void)
{
	if (nf_netns_new())
		return false;
	run.sender = open("/proc/self/ns/net", O_RDONLY);
	if (nf_netns_new())
		return false;
	run.router = open("/proc/self/ns/net", O_RDONLY);
	/* IPv6 may be a module that is not loaded yet. */
	return shell("set -e\n" IP6
		     "ip6 modprobe -q ipv6 || :\n"
		     "ip link add in address 02:00:00:00:01:01 type veth \\\n"
		     "  peer name out address 02:00:00:00:01:02 netns /proc/self/fd/%d\n"
		     "ip link add sink type dummy\n"
		     "for dev in lo in sink; do\n"
		     "  ip6 ip link set $dev addrgenmode none; ip link set $dev up\n"
		     "done\n"
		     "ip addr add 192.0.2.1/24 dev in\n"
		     "ip6 ip addr add 2001:db8:1::1/64 dev in nodad\n"
		     "ip addr add 198.51.100.1/24 dev sink\n"
		     "ip6 ip addr add 2001:db8:2::1/64 dev sink nodad\n"
		     "echo 1 > /proc/sys/net/ipv4/ip_forward\n"
		     "ip6 sysctl -q net.ipv6.conf.all.forwarding=1\n"
		     "echo 0 > /proc/sys/net/ipv4/conf/all/rp_filter\n"
		     "echo 0 > /proc/sys/net/ipv4/conf/in/rp_filter\n"
		     "nsenter --net=/proc/self/fd/%d sh -ec '\n" IP6
		     "ip6 ip link set out addrgenmode none; ip link set out up\n"
		     "ip addr add 192.0.2.2/24 dev out\n"
		     "ip neigh replace 192.0.2.1 lladdr 02:00:00:00:01:01 dev out\n"
		     "ip route add default via 192.0.2.1\n"
		     "ip6 ip addr add 2001:db8:1::2/64 dev out nodad\n"
		     "ip6 ip neigh replace 2001:db8:1::1 lladdr 02:00:00:00:01:01 dev out\n"
		     "ip6 ip route add default via 2001:db8:1::1'",
		     run.sender, run.sender);
}

static bool setup_programs(void)
{
	int kind, i;

	for (kind = 0; kind < NR_KINDS; kind++) {
		run.skel[kind] = count__open_and_load();
		if (!run.skel[kind])
			return false;
		run.progs[kind][0] = bpf_program__fd(run.skel[kind]->progs.first);
		run.progs[kind][1] = bpf_program__fd(run.skel[kind]->progs.second);
		run.progs[kind][2] = bpf_program__fd(run.skel[kind]->progs.dropping);
		for (i = 0; i < PROGRAMS; i++) {
			if (!remember_prog(run.progs[kind][i]))
				return false;
		}
		for (i = 0; i < SLOTS / NR_KINDS; i++) {
			pthread_mutex_init(&run.slots[kind][i].lock, NULL);
			run.slots[kind][i].fd = -1;
		}
	}
	snprintf(run.pins, sizeof(run.pins), "/sys/fs/bpf/link_races_%d", getpid());
	return !mkdir(run.pins, 0700);
}

/* --- the end --- */

static void expect(const char *what, long long expected, long long actual)
{
	if (expected != actual)
		flaw("%s: expected %lld, got %lld", what, expected, actual);
}

/* A security module (AppArmor) can have hooks in every namespace. */
static bool is_of_security_module(const struct nf_hook *hook)
{
	return hook->function && !strncmp(hook->function, "apparmor_", strlen("apparmor_"));
}

static void no_hook(const struct nf_hook *hook, void *arg)
{
	if (is_of_security_module(hook))
		return;
	flaw("left at a hook: %s priority %d", hook->function ?: "-", hook->priority);
}

/* Links of namespaces that have ended, also of an earlier test, may not be freed yet. So
 * wait.
 */
static void expect_no_more_links(int than)
{
	int i;

	for (i = 0; i < 1000 && nf_count_links() > than; i++)
		pause_ms(20);
	if (nf_count_links() > than)
		flaw("%d links are left, %d were there", nf_count_links(), than);
}

static void expect_unload(void)
{
	size_t i;
	int n, err;

	for (i = 0; i < ARRAY_SIZE(modules); i++) {
		for (n = 0; n < 1000; n++) {
			err = nf_module_unload_with_users(modules[i]);
			if (!err || err == -ENOENT)
				break;
			pause_ms(20);
		}
		if (err && err != -ENOENT)
			flaw("%s: cannot be unloaded: %s", modules[i], strerror(-err));
	}
}

static void check_end(int links, bool unloadable)
{
	const struct count__bss *bss = run.skel[COUNTED]->bss;
	int hooknum;

	close_all();
	flush_retired();
	expect("accepted", bss->first_packets + bss->second_packets, run.sum.accepted);
	expect("dropped", bss->dropping_packets, run.sum.dropped);
	expect_no_more_links(links);
	for (hooknum = 0; hooknum < NF_INET_NUMHOOKS; hooknum++) {
		nf_dump_hooks(NFPROTO_IPV4, hooknum, no_hook, NULL);
		nf_dump_hooks(NFPROTO_IPV6, hooknum, no_hook, NULL);
	}
	if (unloadable)
		expect_unload();
	if (rmdir(run.pins))
		flaw("%s: %s", run.pins, strerror(errno));
}

/* Each operation must have succeeded, or it was not tested. A short run on a busy machine
 * may not reach all of them.
 */
static void check_coverage(int seconds)
{
	int op;

	if (!run.sum.accepted || !run.sum.dropped)
		flaw("no packet was accepted, or none dropped");
	if (seconds < 60 * number("NF_BPF_SLOW", 1))
		return;
	if (!atomic_load(&run.tracked))
		flaw("no link judged a later fragment by its first one");
	/* Calls into a module can only succeed if the module was loaded several times. */
	for (op = 0; op < NR_OPS; op++)
		if (!atomic_load(&done[op][0]) &&
		    (op < CALLER_LOAD || atomic_load(&done[CALLED_LOAD][0]) > 5))
			flaw("%s: never succeeded", ops[op].name);
	/* Only IPv6 fragments can pass reassembly as fragments. */
	if (!run.sum.dropped_fragments && !nf_without("ipv6"))
		flaw("no packet was dropped as a fragment");
}

static void *run_thread(void *arg)
{
	struct thread *thread = arg;

	nf_bind_cpu(thread->cpu);
	while (!atomic_load(&run.stop))
		thread->loop(thread);
	return NULL;
}

static bool is_left_out(const struct thread *thread)
{
	return thread->family == AF_INET6 && nf_without("ipv6");
}

static void run_threads(__u64 seed, int seconds)
{
	struct thread threads[] = {
		{ .name = "ip", .loop = sender, .family = AF_INET },
		{ .name = "ip6", .loop = sender, .family = AF_INET6 },
		{ .name = "ip local", .loop = sender, .family = AF_INET, .local = true },
		{ .name = "ip6 local", .loop = sender, .family = AF_INET6, .local = true },
		{ .name = "worker 1", .loop = worker },
		{ .name = "worker 2", .loop = worker },
		{ .name = "worker 3", .loop = worker },
		{ .name = "worker 4", .loop = worker },
		{ .name = "namespaces", .loop = ender },
		{ .name = "modules", .loop = unloader },
		{ .name = "dump", .loop = dumper },
		{ .name = "caller", .loop = caller },
		{ .name = "called", .loop = reloader },
	};
	const int cpus = sysconf(_SC_NPROCESSORS_ONLN);
	size_t i;

	for (i = 0; i < ARRAY_SIZE(threads); i++) {
		threads[i].random = (seed + i + 1) * 0x9e3779b97f4a7c15ULL;
		threads[i].cpu = i % cpus;
		if (is_left_out(&threads[i]))
			continue;
		if (pthread_create(&threads[i].id, NULL, run_thread, &threads[i]))
			flaw("thread %s: cannot be started", threads[i].name);
	}
	sleep(seconds);
	atomic_store(&run.stop, true);
	for (i = 0; i < ARRAY_SIZE(threads); i++)
		if (!is_left_out(&threads[i]))
			pthread_join(threads[i].id, NULL);
}

static bool is_loaded(const char *module)
{
	char path[64];

	snprintf(path, sizeof(path), "/sys/module/%s", module);
	return !access(path, F_OK);
}

static bool modules_are_free(void)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(modules); i++) {
		nf_module_unload_with_users(modules[i]);
		if (is_loaded(modules[i]))
			return false;
	}
	return true;
}

static int silent(enum libbpf_print_level level, const char *format, va_list args)
{
	return 0;
}

static int skip(const char *why)
{
	printf("1..%s\n", nf_patched() ? "1" : "0 # SKIP");
	printf(nf_patched() ? "not ok 1 this kernel lacks %s\n" : "# %s\n", why);
	return nf_patched() ? 1 : KSFT_SKIP;
}

static int run_all(__u64 seed, int seconds)
{
	const bool found = find_called(), unloadable = modules_are_free();
	int links = nf_count_links();

	printf("# figure: seed %llu, %d s, %ld processors\n", (unsigned long long)seed, seconds,
	       sysconf(_SC_NPROCESSORS_ONLN));
	if (!found)
		puts("# no module that programs call: none is loaded and unloaded");
	if (!found && nf_patched() && !nf_without("conntrack"))
		flaw("%s: not there, or without its functions", called);
	if (!unloadable)
		puts("# modules of defragmentation are in use: they will not go");
	fflush(stdout);
	run_threads(seed, seconds);
	check_end(links, unloadable);
	check_coverage(seconds);
	print_ops();
	printf("# figure: counted: %llu accepted, %llu dropped, %llu dropped as fragments\n",
	       (unsigned long long)run.sum.accepted, (unsigned long long)run.sum.dropped,
	       (unsigned long long)run.sum.dropped_fragments);
	printf("%s 1 link_races (seed %llu)\n", atomic_load(&flaws) ? "not ok" : "ok",
	       (unsigned long long)seed);
	return atomic_load(&flaws) != 0;
}

int main(int argc, char **argv)
{
	int smoke = 5 * number("NF_BPF_SLOW", 1);
	int seconds = number("NF_BPF_SECONDS", number("NF_BPF_SMOKE", 0) ? smoke : 120);
	__u64 seed = number("NF_BPF_SEED", time(NULL) ^ getpid());
	int opt;

	while ((opt = getopt(argc, argv, "s:t:h")) != -1) {
		switch (opt) {
		case 's':
			seed = strtoull(optarg, NULL, 0);
			break;
		case 't':
			seconds = atoi(optarg);
			break;
		case 'h':
			fputs(usage, stdout);
			return 0;
		default:
			fputs(usage, stderr);
			return 2;
		}
	}

	setvbuf(stdout, NULL, _IOLBF, 0);
	puts("TAP version 13");
	libbpf_set_print(silent);
	if (!setup_network() || !setup_programs()) {
		puts("1..1\nnot ok 1 cannot be set up");
		return 1;
	}
	if (nf_btf_size("bpf_nf_stats") < 0)
		return skip("links that count");
	puts("1..1");
	/* If a lock is never released, the test must still end. */
	alarm(seconds + 120 * number("NF_BPF_SLOW", 1));
	return run_all(seed, seconds);
}
