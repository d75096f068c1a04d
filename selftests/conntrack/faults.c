// SPDX-License-Identifier: GPL-2.0
/*
 * Each allocation while a packet is sent fails once, also those in the kernel
 * functions that a program calls. The function must return the documented error, the
 * program's verdict must take effect, and no object may leak.
 *
 * Faults hit one task, so the test uses packets that this task sends: they pass
 * LOCAL_OUT before send() returns.
 *
 * Requires: CONFIG_FAILSLAB
 */
#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <poll.h>
#include <time.h>

#include <bpf/bpf.h>

#include "kselftest_harness.h"
#include "helpers/nf_fault.h"
#include "helpers/nf_test.h"
#include "conntrack/progs/faults.skel.h"

enum { PORT = 7001, NAT_PORT = 7002, OTHER_PORT = 7003 };

/* After conntrack (-200), before NAT (-100). */
enum { PRIORITY = -150 };

/* In two pages and more: it is sent in pieces of memory. */
enum { SMALL = 64, LARGE = 20000 };

/* Slow kernels; and what is to come shortly. */
enum { TIMEOUT = 600, WAIT_MS = 20000 };

static const char * const modules[] = { "nf_bpf_kfunc", "nf_conntrack", "nf_nat" };

struct state {
	int entries;
	int references[ARRAY_SIZE(modules)];
};

/* Entries of conntrack, also those that are not in its table. */
static int count_entries(void)
{
	FILE *file = fopen("/proc/sys/net/netfilter/nf_conntrack_count", "r");
	int nr;

	if (!file)
		return -errno;
	if (fscanf(file, "%d", &nr) != 1)
		nr = -EINVAL;
	fclose(file);
	return nr;
}

static void take_references(struct state *state)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(modules); i++)
		state->references[i] = nf_module_references(modules[i]);
}

/* Entries in the table are removed, so only referenced ones are left. A packet or a
 * program that is being freed may hold a reference for a moment.
 */
static void take_state(struct state *state, const struct state *expected)
{
	const struct timespec pause = { .tv_nsec = 10 * 1000 * 1000 };
	int i;

	for (i = 0; i < WAIT_MS / 10; i++) {
		nf_flush_conntrack();
		state->entries = count_entries();
		take_references(state);
		if (!memcmp(state, expected, sizeof(*state)))
			break;
		nanosleep(&pause, NULL);
	}
}

/* Return: text that names the first difference, or "" */
static const char *difference(const struct state *state, const struct state *expected)
{
	size_t i;

	if (state->entries != expected->entries)
		return "entries of conntrack";
	for (i = 0; i < ARRAY_SIZE(modules); i++)
		if (state->references[i] != expected->references[i])
			return modules[i];
	return "";
}

#define ASSERT_STATE(before, nth) do {					\
	struct state _now;						\
									\
	take_state(&_now, before);					\
	ASSERT_STREQ("", difference(&_now, before)) {			\
		TH_LOG("%d entries, %d references on the module, after fault %d", \
		       _now.entries, _now.references[0], nth);		\
	}								\
} while (0)

/* --- programs --- */

FIXTURE(kfunc_faults)
{
	struct conntrack_faults *skel;
	struct sockaddr_storage to;
	struct state before;
	int fault_fd;
	int prog;
	int link;
	int receivers[2];	/* at PORT and NAT_PORT */
	__u64 dropped;
};

FIXTURE_VARIANT(kfunc_faults)
{
	const char *program;
	int family;
	int type;
	int size;
	int receiver;		/* where the packets arrive */
	bool answered;
	bool helper;		/* entries of conntrack have one */
	int error;		/* that a fault may be for the program */
	int allocations;	/* of the calls at least */
};

#define FAMILY_ip	AF_INET
#define FAMILY_ip6	AF_INET6

#define FAULTS_CASE(name, pf, ...)					\
	FAULTS_CASE_OF(name, name, pf, __VA_ARGS__)

#define FAULTS_CASE_OF(name, prog, pf, ...)				\
	FIXTURE_VARIANT_ADD(kfunc_faults, name##_##pf)			\
	{								\
		.program = #prog, .family = FAMILY_##pf, __VA_ARGS__	\
	}

#define UDP	.type = SOCK_DGRAM, .size = SMALL
#define PAGES	.type = SOCK_DGRAM, .size = LARGE
#define TCP	.type = SOCK_STREAM

FAULTS_CASE(reads, ip, UDP);
FAULTS_CASE(reads, ip6, UDP);
FAULTS_CASE(labels, ip, UDP, .error = -ENOSPC, .allocations = 1);
FAULTS_CASE(labels, ip6, UDP, .error = -ENOSPC, .allocations = 1);
FAULTS_CASE(entry, ip, UDP, .error = -ENOMEM, .allocations = 1);
FAULTS_CASE(entry, ip6, UDP, .error = -ENOMEM, .allocations = 1);
FAULTS_CASE(nat, ip, UDP, .receiver = 1);
FAULTS_CASE(nat, ip6, UDP, .receiver = 1);
FAULTS_CASE_OF(nat_and_helper, nat, ip, UDP, .receiver = 1, .helper = true,
	       .error = -ENOMEM, .allocations = 1);
FAULTS_CASE_OF(nat_and_helper, nat, ip6, UDP, .receiver = 1, .helper = true,
	       .error = -ENOMEM, .allocations = 1);
/* If the answer cannot be allocated, no answer is sent, and there is no error. */
FAULTS_CASE(unreachable, ip, UDP, .answered = true, .allocations = 2);
FAULTS_CASE(unreachable, ip6, UDP, .answered = true, .allocations = 2);
FAULTS_CASE(reset, ip, TCP, .answered = true, .allocations = 2);
FAULTS_CASE(reset, ip6, TCP, .answered = true, .allocations = 2);
FAULTS_CASE(pull, ip, PAGES, .error = -ENOMEM, .allocations = 1);
FAULTS_CASE(pull, ip6, PAGES, .error = -ENOMEM, .allocations = 1);
FAULTS_CASE(store, ip, PAGES, .error = -EFAULT, .allocations = 1);
FAULTS_CASE(store, ip6, PAGES, .error = -EFAULT, .allocations = 1);

static void loopback(struct sockaddr_storage *address, int family, int port)
{
	nf_parse_address(family == AF_INET ? "127.0.0.1" : "::1", address);
	nf_set_port(address, port);
}

static int receiver(int family, int type, int port)
{
	int fd = socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct sockaddr_storage address = {};

	loopback(&address, family, port);
	if (bind(fd, (void *)&address, nf_address_length(&address)) ||
	    (type == SOCK_STREAM && listen(fd, MAX_FAULTS)))
		return -errno;
	return fd;
}

/* Conntrack, and NAT that does what it is told by a program. */
static int setup_netfilter(void)
{
	return system("modprobe -a nf_bpf_kfunc nf_conntrack_netlink\n"
		      "nft -f - <<'EOF'\n"
		      "table inet t {\n"
		      "	chain a { type filter hook output priority 10; ct state new counter; }\n"
		      "	chain b { type nat hook output priority -100; }\n"
		      "	chain c { type nat hook postrouting priority srcnat; }\n"
		      "}\n"
		      "EOF");
}

/* And so much else that what NAT adds for a helper is more than the room that an
 * entry is made with.
 */
static int setup_helper(void)
{
	return system("modprobe nf_conntrack_tftp\n"
		      "sysctl -q net.netfilter.nf_conntrack_acct=1\n"
		      "nft -f - <<'EOF'\n"
		      "table inet h {\n"
		      "	ct helper tftp { type \"tftp\" protocol udp; }\n"
		      "	chain a {\n"
		      "		type filter hook output priority -180\n"
		      "		ct label set 1 ct helper set \"tftp\" counter\n"
		      "	}\n"
		      "}\n"
		      "EOF");
}

/* Only @name is loaded; NULL if that fails. */
static struct conntrack_faults *load(const char *name)
{
	struct conntrack_faults *skel = conntrack_faults__open();
	struct bpf_program *prog;

	if (!skel)
		return NULL;
	bpf_object__for_each_program(prog, skel->obj)
		bpf_program__set_autoload(prog, !strcmp(bpf_program__name(prog), name));
	if (conntrack_faults__load(skel)) {
		conntrack_faults__destroy(skel);
		return NULL;
	}
	return skel;
}

static void tell(struct conntrack_faults *skel, int family)
{
	struct sockaddr_storage to = {};
	const struct sockaddr_in6 *sin6 = (void *)&to;
	const struct sockaddr_in *sin = (void *)&to;
	struct conntrack_faults__bss *bss = skel->bss;

	loopback(&to, family, OTHER_PORT);
	bss->port = PORT;
	bss->nat_port = NAT_PORT;
	if (family == AF_INET) {
		bss->address[0] = sin->sin_addr.s_addr;
		bss->tuple.ipv4.saddr = sin->sin_addr.s_addr;
		bss->tuple.ipv4.daddr = sin->sin_addr.s_addr;
		bss->tuple.ipv4.sport = htons(PORT);
		bss->tuple.ipv4.dport = sin->sin_port;
		return;
	}
	memcpy(bss->address, &sin6->sin6_addr, sizeof(sin6->sin6_addr));
	memcpy(bss->tuple.ipv6.saddr, &sin6->sin6_addr, sizeof(sin6->sin6_addr));
	memcpy(bss->tuple.ipv6.daddr, &sin6->sin6_addr, sizeof(sin6->sin6_addr));
	bss->tuple.ipv6.sport = htons(PORT);
	bss->tuple.ipv6.dport = sin6->sin6_port;
}

static int prog_of(const struct conntrack_faults *skel, const char *name)
{
	return bpf_program__fd(bpf_object__find_program_by_name(skel->obj, name));
}

FIXTURE_SETUP(kfunc_faults)
{
	const struct nf_key key = {
		.pf = variant->family == AF_INET ? NFPROTO_IPV4 : NFPROTO_IPV6,
		.hooknum = NF_INET_LOCAL_OUT,
		.priority = PRIORITY,
	};
	int i;

	/* One CPU, so that packets arrive in the order in which they are sent. */
	ASSERT_EQ(0, nf_one_cpu());
	ASSERT_EQ(0, nf_netns_new());
	ASSERT_EQ(0, nf_netns_loopback_up());
	ASSERT_EQ(0, setup_netfilter());
	if (variant->helper)
		ASSERT_EQ(0, setup_helper());
	self->fault_fd = nf_fault_setup();
	ASSERT_LE(0, self->fault_fd);
	self->skel = load(variant->program);
	ASSERT_NE(NULL, self->skel);
	tell(self->skel, variant->family);
	self->prog = prog_of(self->skel, variant->program);
	self->link = nf_link_at(self->prog, &key, 0, 0);
	ASSERT_LE(0, self->link);
	loopback(&self->to, variant->family, PORT);
	for (i = 0; i < 2; i++) {
		self->receivers[i] = receiver(variant->family, variant->type, PORT + i);
		ASSERT_LE(0, self->receivers[i]);
	}
	take_references(&self->before);
}

FIXTURE_TEARDOWN(kfunc_faults)
{
	close(self->link);
	conntrack_faults__destroy(self->skel);
}

/* --- a packet --- */

enum where { NOWHERE, BEFORE_CALLS, IN_CALLS, BEHIND_CALLS };

struct packet {
	int id;
	int fd;
	int sent;		/* bytes, or a negative errno */
	bool judged;
	enum where fault;
	__u32 allocations;	/* of the calls, up to the one that failed */
	__u32 to_fault;		/* allocations from before the calls on */
};

static enum where where_was(const struct conntrack_faults__bss *bss, bool injected)
{
	if (!injected)
		return NOWHERE;
	if (!bss->packets || !bss->before)
		return BEFORE_CALLS;
	return bss->after ? BEHIND_CALLS : IN_CALLS;
}

/* @nth: the allocation that fails, or 0 */
static struct packet send_packet(FIXTURE_DATA(kfunc_faults) *self,
				 const FIXTURE_VARIANT(kfunc_faults) *variant, int id,
				 int nth, __u32 verdict)
{
	const socklen_t length = nf_address_length(&self->to);
	struct conntrack_faults__bss *bss = self->skel->bss;
	const bool tcp = variant->type == SOCK_STREAM;
	struct sockaddr_storage from = {};
	struct packet packet = { .id = id };
	char data[LARGE];
	bool injected;

	memset(data, 'x', sizeof(data));
	memcpy(data, &id, sizeof(id));
	bss->verdict = verdict;
	bss->packets = 0;
	bss->before = 0;
	bss->after = 0;
	packet.fd = socket(variant->family, variant->type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	/* A port is not found by as many allocations each time. */
	loopback(&from, variant->family, 0);
	if (bind(packet.fd, (void *)&from, length) ||
	    (!tcp && connect(packet.fd, (void *)&self->to, length)))
		packet.sent = -errno;

	nf_fault_arm(self->fault_fd, nth);
	if (tcp)
		packet.sent = connect(packet.fd, (void *)&self->to, length);
	else if (!packet.sent)
		packet.sent = send(packet.fd, data, variant->size, 0);
	if (packet.sent < 0)
		packet.sent = -errno;
	injected = nf_fault_disarm(self->fault_fd);

	packet.judged = bss->packets;
	packet.fault = where_was(bss, nth && injected);
	packet.allocations = bss->before - bss->after;
	packet.to_fault = bss->before;
	return packet;
}

/* Its data as they were sent, and as the program has changed them. */
static bool is_intact(const FIXTURE_DATA(kfunc_faults) *self,
		      const FIXTURE_VARIANT(kfunc_faults) *variant, const char *data,
		      int size)
{
	const bool stored = !strcmp(variant->program, "store") && !self->skel->bss->ret;
	int i;

	for (i = sizeof(int); i < size - 1; i++)
		if (data[i] != 'x')
			return false;
	return size == variant->size && data[i] == (stored ? 'y' : 'x');
}

/* Return: the id of the next packet, 0 if it is damaged, -1 if no packet arrives */
static int receive(const FIXTURE_DATA(kfunc_faults) *self,
		   const FIXTURE_VARIANT(kfunc_faults) *variant)
{
	/* An error leaves the packet as it is. */
	struct pollfd pollfd = {
		.fd = self->receivers[self->skel->bss->ret ? 0 : variant->receiver],
		.events = POLLIN,
	};
	char data[LARGE + 1];
	ssize_t size;
	int id;

	if (poll(&pollfd, 1, WAIT_MS) != 1)
		return -1;
	size = recv(pollfd.fd, data, sizeof(data), 0);
	if (size < (ssize_t)sizeof(id) || !is_intact(self, variant, data, size))
		return 0;
	memcpy(&id, data, sizeof(id));
	return id;
}

static bool was_refused(int fd)
{
	struct pollfd pollfd = { .fd = fd, .events = POLLERR };
	socklen_t length = sizeof(int);
	int error = 0;

	poll(&pollfd, 1, WAIT_MS);
	getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length);
	return error == ECONNREFUSED;
}

static bool is_connected(int fd)
{
	struct sockaddr_storage peer;
	socklen_t length = sizeof(peer);

	return !getpeername(fd, (void *)&peer, &length);
}

static bool is_settled(int fd)
{
	struct pollfd pollfd = { .fd = fd, .events = POLLOUT };

	return poll(&pollfd, 1, WAIT_MS) == 1;
}

/* The next packet arrives, as the first if not behind @lost, and is answered. What
 * begins a connection does not arrive, so that there is no other answer to it.
 */
#define EXPECT_PASSES(id, lost) do {					\
	const bool _udp = variant->type == SOCK_DGRAM;			\
	struct packet _packet = send_packet(self, variant, id, 0,	\
					    _udp ? NF_ACCEPT : NF_DROP); \
	int _id = _udp ? receive(self, variant) : (id);			\
									\
	if (_id && _id == (lost))					\
		_id = receive(self, variant);				\
	self->dropped += !_udp;						\
	EXPECT_EQ(id, _id);						\
	EXPECT_TRUE(_packet.judged);					\
	EXPECT_EQ(0, self->skel->bss->ret) {				\
		TH_LOG("without a fault, behind fault %d", id);		\
	}								\
	EXPECT_EQ(variant->answered, variant->answered && was_refused(_packet.fd)) { \
		TH_LOG("no answer behind fault %d", id);		\
	}								\
	close(_packet.fd);						\
} while (0)

/* A fault that is not for the program may be. */
#define EXPECT_ERROR(packet, nth) do {					\
	const bool _may = (packet)->fault == IN_CALLS;			\
	const int _ret = self->skel->bss->ret;				\
									\
	EXPECT_EQ(_may && _ret ? variant->error : 0, _ret) {		\
		TH_LOG("told of fault %d", nth);			\
	}								\
} while (0)

#define EXPECT_DROPPED(packet, nth) do {				\
	EXPECT_FALSE(variant->type == SOCK_STREAM && is_connected((packet)->fd)); \
	if (variant->type == SOCK_DGRAM) {				\
		EXPECT_EQ(-EPERM, (packet)->sent) {			\
			TH_LOG("fault %d", nth);			\
		}							\
	}								\
} while (0)

/* A fault behind the program may lose it. */
#define EXPECT_ACCEPTED(packet, nth) do {				\
	if ((packet)->fault == BEHIND_CALLS)				\
		break;							\
	if (variant->type == SOCK_STREAM) {				\
		EXPECT_TRUE(is_settled((packet)->fd));			\
		break;							\
	}								\
	EXPECT_EQ(variant->size, (packet)->sent);			\
	EXPECT_EQ((packet)->id, receive(self, variant)) {		\
		TH_LOG("arrived behind fault %d", nth);			\
	}								\
} while (0)

#define EXPECT_VERDICT(packet, verdict, nth) do {			\
	struct nf_link_info _info;					\
									\
	ASSERT_EQ(0, nf_link_stats(self->link, &_info));		\
	self->dropped += (verdict) == NF_DROP;				\
	EXPECT_EQ(self->dropped, _info.dropped) {			\
		TH_LOG("verdict, fault %d", nth);			\
	}								\
	if ((verdict) == NF_DROP)					\
		EXPECT_DROPPED(packet, nth);				\
	else								\
		EXPECT_ACCEPTED(packet, nth);				\
} while (0)

/* The results of faults in the calls. */
struct tally {
	int hits;
	int errors;
	bool hit[MAX_FAULTS];	/* by which allocation of the calls it was */
};

static struct packet check_fault(struct __test_metadata *_metadata,
				 FIXTURE_DATA(kfunc_faults) *self,
				 const FIXTURE_VARIANT(kfunc_faults) *variant,
				 __u32 verdict, int nth, struct tally *tally)
{
	struct packet packet = send_packet(self, variant, MAX_FAULTS + nth, nth, verdict);
	int lost = 0;

	EXPECT_TRUE(packet.judged || packet.fault == BEFORE_CALLS);
	if (packet.judged) {
		if (packet.fault == IN_CALLS) {
			tally->hits++;
			tally->errors += self->skel->bss->ret != 0;
			tally->hit[packet.allocations] = true;
		}
		EXPECT_ERROR(&packet, nth);
		EXPECT_VERDICT(&packet, verdict, nth);
	}
	close(packet.fd);
	ASSERT_STATE(&self->before, nth);
	if (verdict == NF_ACCEPT && packet.fault == BEHIND_CALLS)
		lost = packet.id;
	EXPECT_PASSES(nth, lost);
	ASSERT_STATE(&self->before, nth);
	return packet;
}

static void check(struct __test_metadata *_metadata, FIXTURE_DATA(kfunc_faults) *self,
		  const FIXTURE_VARIANT(kfunc_faults) *variant, __u32 verdict)
{
	struct packet packet = { .fault = BEFORE_CALLS };
	int nth, i, tries, faults;
	struct tally tally = {};

	EXPECT_PASSES(MAX_FAULTS, 0);
	ASSERT_STATE(&self->before, 0);
	for (nth = 1; packet.fault != NOWHERE && nth < MAX_FAULTS; nth++)
		packet = check_fault(_metadata, self, variant, verdict, nth, &tally);
	ASSERT_GT(MAX_FAULTS, nth);
	faults = nth - 2;
	/* Sometimes the slab allocator needs a new page. The fault then comes one
	 * allocation too early, so try again.
	 */
	nth = faults + 1 - packet.to_fault;
	for (i = 1; i <= variant->allocations; i++) {
		for (tries = 0; !tally.hit[i] && tries < 20; tries++)
			check_fault(_metadata, self, variant, verdict, nth + i, &tally);
		EXPECT_TRUE(tally.hit[i]) {
			TH_LOG("no fault at allocation %d of the calls", i);
		}
	}
	EXPECT_EQ(!!variant->error, !!tally.errors);
	printf("# %s, %s, %s: %d faults, %d in the calls, %d errors\n", variant->program,
	       variant->family == AF_INET ? "ip" : "ip6",
	       verdict == NF_ACCEPT ? "accept" : "drop", faults, tally.hits, tally.errors);
}

TEST_F_TIMEOUT(kfunc_faults, accept, TIMEOUT)
{
	check(_metadata, self, variant, NF_ACCEPT);
}

TEST_F_TIMEOUT(kfunc_faults, drop, TIMEOUT)
{
	check(_metadata, self, variant, NF_DROP);
}

/* --- without a packet --- */

FIXTURE(kfunc_faults_run)
{
	struct conntrack_faults *skel;
	struct state before;
	int fault_fd;
};

FIXTURE_SETUP(kfunc_faults_run)
{
	ASSERT_EQ(0, nf_netns_new());
	ASSERT_EQ(0, setup_netfilter());
	self->fault_fd = nf_fault_setup();
	ASSERT_LE(0, self->fault_fd);
	self->skel = load("entry");
	ASSERT_NE(NULL, self->skel);
	take_references(&self->before);
	ASSERT_LE(1, self->before.references[0]);
}

FIXTURE_TEARDOWN(kfunc_faults_run)
{
	conntrack_faults__destroy(self->skel);
}

struct datagram {
	struct iphdr iph;
	struct udphdr udph;
};

TEST_F_TIMEOUT(kfunc_faults_run, test_run, TIMEOUT)
{
	const struct datagram datagram = {
		.iph.version = 4,
		.iph.ihl = 5,
		.iph.ttl = 64,
		.iph.protocol = IPPROTO_UDP,
		.iph.tot_len = htons(sizeof(datagram)),
		.udph.dest = htons(PORT),
	};
	char data[sizeof(struct ethhdr) + sizeof(datagram)] = { [12] = ETH_P_IP >> 8 };
	/* The beginning of struct nf_hook_state. */
	const __u8 state[] = { NF_INET_FORWARD, NFPROTO_IPV4 };
	struct bpf_test_run_opts opts = {
		.sz = sizeof(opts),
		.data_in = data,
		.data_size_in = sizeof(data),
		.ctx_in = state,
		.ctx_size_in = sizeof(state),
		.repeat = 1,
	};
	struct conntrack_faults__bss *bss = self->skel->bss;
	int nth, err, hits = 0, prog = prog_of(self->skel, "entry");
	bool injected = true;

	memcpy(data + sizeof(struct ethhdr), &datagram, sizeof(datagram));
	tell(self->skel, AF_INET);
	bss->verdict = NF_ACCEPT;
	for (nth = 1; injected && nth < MAX_FAULTS; nth++) {
		bss->packets = 0;
		bss->before = 0;
		nf_fault_arm(self->fault_fd, nth);
		err = bpf_prog_test_run_opts(prog, &opts);
		injected = nf_fault_disarm(self->fault_fd);
		if (err) {
			ASSERT_TRUE(injected);
			EXPECT_EQ(-ENOMEM, err);
		} else {
			ASSERT_EQ(1, bss->packets) {
				TH_LOG("fault %d", nth);
			}
			EXPECT_EQ(NF_ACCEPT, opts.retval);
		}
		if (bss->packets && bss->before && !bss->after) {
			EXPECT_EQ(bss->ret ? -ENOMEM : 0, bss->ret);
			hits += bss->ret != 0;
		}
		ASSERT_STATE(&self->before, nth);
	}
	ASSERT_GT(MAX_FAULTS, nth);
	EXPECT_EQ(0, bss->ret);
	EXPECT_LT(0, hits);
	printf("# test run: %d faults, %d errors of the calls\n", nth - 2, hits);
}

TEST_HARNESS_MAIN
