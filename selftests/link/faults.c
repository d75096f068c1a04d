// SPDX-License-Identifier: GPL-2.0
/*
 * Every allocation in the life of a link fails once. The call either fails with ENOMEM and
 * leaves nothing behind, or succeeds without the memory.
 *
 * Requires: CONFIG_FAILSLAB
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <sys/stat.h>
#include <time.h>

#include <bpf/bpf.h>

#include "kselftest_harness.h"
#include "helpers/nf_test.h"
#include "helpers/nf_count.h"
#include "helpers/nf_fault.h"
#include "helpers/nf_fragment.h"

#define DEFRAG	BPF_F_NETFILTER_IP_DEFRAG
#define STRICT	BPF_F_NETFILTER_DEFRAG_STRICT
#define TRACK	BPF_F_NETFILTER_FRAG_TRACK

enum { HOOK = NF_INET_LOCAL_OUT, PRIORITY = 7 };

/* In seconds. Some kernels are slow, and some tests load modules again and again. */
enum { TIMEOUT = 600 };

static const char * const modules[] = { "nf_defrag_ipv4", "nf_defrag_ipv6" };

/* --- the state that a failed call must not change --- */

struct state {
	int links;
	int hooks;
	int bpf_hooks;
	int references[ARRAY_SIZE(modules)];
};

static void count_hook(const struct nf_hook *hook, void *arg)
{
	struct state *state = arg;

	state->hooks++;
	state->bpf_hooks += hook->type == NF_HOOK_TYPE_BPF;
}

static int take_state(struct state *state)
{
	static const int families[] = { NFPROTO_IPV4, NFPROTO_IPV6 };
	int hooknum, nr;
	size_t i;

	*state = (struct state) { .links = nf_count_links() };
	for (i = 0; i < ARRAY_SIZE(modules); i++)
		state->references[i] = nf_module_references(modules[i]);
	for (i = 0; i < ARRAY_SIZE(families); i++) {
		for (hooknum = 0; hooknum < NF_INET_NUMHOOKS; hooknum++) {
			nr = nf_dump_hooks(families[i], hooknum, count_hook, state);
			if (nr < 0)
				return nr;
		}
	}
	return 0;
}

#define EXPECT_STATE(before, nth) do {					\
	struct state _now;						\
	size_t _i;							\
									\
	ASSERT_EQ(0, take_state(&_now));				\
	EXPECT_EQ((before)->links, _now.links)				\
		TH_LOG("links after fault %d", nth);			\
	EXPECT_EQ((before)->bpf_hooks, _now.bpf_hooks)			\
		TH_LOG("hooks of programs after fault %d", nth);	\
	EXPECT_EQ((before)->hooks, _now.hooks)				\
		TH_LOG("hooks after fault %d", nth);			\
	for (_i = 0; _i < ARRAY_SIZE(modules); _i++)			\
		EXPECT_EQ((before)->references[_i], _now.references[_i]) \
			TH_LOG("module references after fault %d", nth); \
} while (0)

/* --- does reassembly hold a fragment on its way out? --- */

/* Only a socket for all protocols sees outgoing packets. These arrive at once, while
 * incoming packets may wait for ksoftirqd.
 */
static int packet_socket(void)
{
	const struct sockaddr_ll lo = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_ALL),
		.sll_ifindex = 1,
	};
	int fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_NONBLOCK, 0);

	if (fd >= 0 && bind(fd, (const void *)&lo, sizeof(lo))) {
		close(fd);
		fd = -1;
	}
	return fd;
}

static bool went_out(int wire, int protocol, ssize_t size)
{
	struct sockaddr_ll from;
	socklen_t from_size = sizeof(from);
	char seen[256];
	ssize_t got;

	for (;;) {
		got = recvfrom(wire, seen, sizeof(seen), 0, (void *)&from, &from_size);
		if (got < 0)
			return false;
		if (got == size && from.sll_pkttype == PACKET_OUTGOING &&
		    from.sll_protocol == htons(protocol))
			return true;
	}
}

/* When send() returns, the fragment is on the wire or in the queue of reassembly. */
static int send_first_fragment(const struct sockaddr_storage *to, const void *packet,
			       ssize_t size)
{
	int protocol = to->ss_family == AF_INET ? ETH_P_IP : ETH_P_IPV6;
	int fd = socket(to->ss_family, SOCK_RAW, IPPROTO_RAW);
	int wire = packet_socket();
	ssize_t sent;
	int ret = -1;

	sent = sendto(fd, packet, size, 0, (const void *)to, nf_address_length(to));
	if (wire >= 0 && sent == size)
		ret = went_out(wire, protocol, size);
	close(fd);
	close(wire);
	return ret;
}

/* Return: 1 if a fragment leaves, 0 if not, -1 if it could not be sent */
static int fragment_leaves(int pf)
{
	static __u32 id;
	struct sockaddr_storage lo = {};
	const struct nf_fragment first = {
		.src = &lo,
		.dst = &lo,
		.id = ++id,
		.length = 8,
		.more = true,
	};
	char packet[NF_HEADERS_MAX + 8] = {};
	int size;

	if (nf_parse_address(pf == NFPROTO_IPV4 ? "127.0.0.1" : "::1", &lo))
		return -1;
	size = nf_put_header(packet, &first) + first.length;
	return send_first_fragment(&lo, packet, size);
}

/* --- attach --- */

FIXTURE(faults)
{
	struct nf_count count;
	struct nf_key key;
	int fault_fd;
};

FIXTURE_VARIANT(faults)
{
	__u32 pf;
	__u32 flags;
};

#define FAULTS_CASE(name, _pf, _flags)					\
	FIXTURE_VARIANT_ADD(faults, name)				\
	{								\
		.pf = _pf,						\
		.flags = _flags,					\
	}

FAULTS_CASE(ip, NFPROTO_IPV4, 0);
FAULTS_CASE(ip_defrag, NFPROTO_IPV4, DEFRAG);
FAULTS_CASE(ip_strict, NFPROTO_IPV4, DEFRAG | STRICT);
FAULTS_CASE(ip_track, NFPROTO_IPV4, TRACK);
FAULTS_CASE(ip6, NFPROTO_IPV6, 0);
FAULTS_CASE(ip6_defrag, NFPROTO_IPV6, DEFRAG);
FAULTS_CASE(ip6_strict, NFPROTO_IPV6, DEFRAG | STRICT);
FAULTS_CASE(ip6_track, NFPROTO_IPV6, TRACK);
FAULTS_CASE(inet, NFPROTO_INET, 0);
FAULTS_CASE(inet_defrag, NFPROTO_INET, DEFRAG);
FAULTS_CASE(inet_strict, NFPROTO_INET, DEFRAG | STRICT);
FAULTS_CASE(inet_track, NFPROTO_INET, TRACK);

static void setup(struct __test_metadata *_metadata, FIXTURE_DATA(faults) *self,
		  __u32 pf, __u32 flags)
{
	struct state state;

	ASSERT_EQ(0, nf_count_setup(&self->count));
	self->fault_fd = nf_fault_setup();
	ASSERT_LE(0, self->fault_fd);
	self->key = (struct nf_key) {
		.pf = pf,
		.hooknum = HOOK,
		.priority = PRIORITY,
		.flags = flags,
	};
	/* Count after the test's own tools have loaded their modules. */
	ASSERT_EQ(0, take_state(&state));
}

static void teardown(FIXTURE_DATA(faults) *self)
{
	close(self->fault_fd);
	nf_count_teardown(&self->count);
}

FIXTURE_SETUP(faults)
{
	setup(_metadata, self, variant->pf, variant->flags);
	ASSERT_EQ(0, system("modprobe -a nf_defrag_ipv4 nf_defrag_ipv6"));
}

FIXTURE_TEARDOWN(faults)
{
	teardown(self);
}

/* Reassembly holds fragments of the families that the flags ask for, and no others. */
#define EXPECT_FRAGMENTS(attached, nth) do {				\
	const bool _held = (attached) && self->key.flags & DEFRAG;	\
	const __u32 _pf = self->key.pf;					\
									\
	EXPECT_EQ(!(_held && _pf != NFPROTO_IPV6),			\
		  fragment_leaves(NFPROTO_IPV4))			\
		TH_LOG("fragment of IPv4, fault %d", nth);		\
	EXPECT_EQ(!(_held && _pf != NFPROTO_IPV4),			\
		  fragment_leaves(NFPROTO_IPV6))			\
		TH_LOG("fragment of IPv6, fault %d", nth);		\
} while (0)

/* An attach starts the program and reassembly; a close ends both. */
#define EXPECT_ATTACHES(before, nth) do {				\
	__u64 _seen = self->count.skel->bss->first_packets;		\
	int _fd = nf_link_at(self->count.first, &self->key, 0, 0);		\
									\
	ASSERT_LE(0, _fd) {						\
		TH_LOG("attach after fault %d", nth);			\
	}								\
	EXPECT_FRAGMENTS(true, nth);					\
	close(_fd);							\
	if (!self->key.flags)						\
		EXPECT_LT(_seen, self->count.skel->bss->first_packets);	\
	EXPECT_STATE(before, nth);					\
	EXPECT_FRAGMENTS(false, nth);					\
} while (0)

/* Let the first allocation fail, then the second, and so on, up to the last. */
static void check_attach(struct __test_metadata *_metadata,
			 FIXTURE_DATA(faults) *self, bool (*prepare)(void))
{
	int nth, fd, failed = 0;
	struct state before;
	bool injected;

	ASSERT_EQ(0, take_state(&before));
	EXPECT_EQ(0, before.bpf_hooks);
	EXPECT_FRAGMENTS(false, 0);
	for (nth = 1; nth < MAX_FAULTS; nth++) {
		ASSERT_TRUE(!prepare || prepare());
		ASSERT_TRUE(nf_fault_arm(self->fault_fd, nth));
		fd = nf_link_at(self->count.first, &self->key, 0, 0);
		injected = nf_fault_disarm(self->fault_fd);
		if (fd < 0) {
			ASSERT_TRUE(injected);
			ASSERT_EQ(-ENOMEM, fd) {
				TH_LOG("fault %d", nth);
			}
			failed++;
		} else {
			close(fd);
		}
		EXPECT_STATE(&before, nth);
		EXPECT_FRAGMENTS(false, nth);
		EXPECT_ATTACHES(&before, nth);
		if (!injected)
			break;
	}
	ASSERT_GT(MAX_FAULTS, nth);
	/* At least the link, its id, its file and the hook of each family are allocated. */
	EXPECT_LE(self->key.pf == NFPROTO_INET ? 5 : 4, failed);
	printf("# pf %u, flags %#x: %d of %d faults were errors\n", self->key.pf,
	       self->key.flags, failed, nth - 1);
}

TEST_F_TIMEOUT(faults, attach, TIMEOUT)
{
	check_attach(_metadata, self, NULL);
}

/* Detach releases everything, even if an allocation fails meanwhile. */
TEST_F_TIMEOUT(faults, detach, TIMEOUT)
{
	struct nf_key neighbour = self->key;
	struct state before, now;
	int nth, fd, other;
	bool injected;

	/* Keep another program at the hook: else a detach needs no new array of hooks. */
	neighbour.priority++;
	neighbour.flags = 0;
	other = nf_link_at(self->count.second, &neighbour, 0, 0);
	ASSERT_LE(0, other);
	ASSERT_EQ(0, take_state(&before));
	for (nth = 1; nth < MAX_FAULTS; nth++) {
		fd = nf_link_at(self->count.first, &self->key, 0, 0);
		ASSERT_LE(0, fd);
		ASSERT_TRUE(nf_fault_arm(self->fault_fd, nth));
		EXPECT_EQ(0, bpf_link_detach(fd));
		injected = nf_fault_disarm(self->fault_fd);

		/* Netfilter may keep the hook's slot with a function that does nothing. */
		ASSERT_EQ(0, take_state(&now));
		EXPECT_EQ(before.bpf_hooks, now.bpf_hooks);
		EXPECT_EQ(before.references[0], now.references[0]);
		EXPECT_EQ(before.references[1], now.references[1]);
		EXPECT_FRAGMENTS(false, nth);
		close(fd);
		EXPECT_ATTACHES(&before, nth);
		if (!injected)
			break;
	}
	close(other);
	ASSERT_GT(MAX_FAULTS, nth);
	/* If a detach allocated nothing, this test would test nothing. */
	EXPECT_LT(1, nth);
	printf("# pf %u, flags %#x: %d faults\n", self->key.pf, self->key.flags, nth - 1);
}

/* --- operations on an attached link --- */

#define FAULT_LOOP(fault_fd, call, check) do {					\
	bool _injected = true;						\
	int _nth, _err;							\
									\
	for (_nth = 1; _injected && _nth < MAX_FAULTS; _nth++) {	\
		ASSERT_TRUE(nf_fault_arm(fault_fd, _nth));			\
		_err = call;						\
		_injected = nf_fault_disarm(fault_fd);			\
		if (_err < 0) {						\
			ASSERT_TRUE(_injected);				\
			ASSERT_EQ(-ENOMEM, _err);			\
			EXPECT_LE(0, call);				\
		}							\
		check;							\
	}								\
	ASSERT_GT(MAX_FAULTS, _nth);					\
	printf("# " #call ": %d faults\n", _nth - 2);			\
} while (0)

static int read_fdinfo(int fdinfo)
{
	char text[1024];

	return pread(fdinfo, text, sizeof(text), 0) < 0 ? -errno : 0;
}

TEST_F_TIMEOUT(faults, update_and_info, TIMEOUT)
{
	struct nf_link_info info;
	struct state before;
	int fd, second, fdinfo;
	char path[64];

	second = self->count.second;
	fd = nf_link_at(self->count.first, &self->key, 0, 0);
	ASSERT_LE(0, fd);
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	fdinfo = open(path, O_RDONLY | O_CLOEXEC);
	ASSERT_LE(0, fdinfo);
	ASSERT_EQ(0, take_state(&before));

	FAULT_LOOP(self->fault_fd, nf_link_update(fd, second, -1), EXPECT_STATE(&before, _nth));
	FAULT_LOOP(self->fault_fd, nf_link_update(fd, self->count.first, second),
		   EXPECT_STATE(&before, _nth));
	FAULT_LOOP(self->fault_fd, nf_link_stats(fd, &info),
		   EXPECT_EQ(PRIORITY, info.priority));
	FAULT_LOOP(self->fault_fd, read_fdinfo(fdinfo), EXPECT_STATE(&before, _nth));
	EXPECT_FRAGMENTS(true, 0);
	close(fdinfo);
	close(fd);
}

/* A failed attach leaves no reference on the program. */
TEST_F_TIMEOUT(faults, program_goes, TIMEOUT)
{
	const struct timespec pause = { .tv_nsec = 20 * 1000 * 1000 };
	struct bpf_prog_info info = {};
	__u32 len = sizeof(info);
	int prog, nth, fd, i;
	bool injected = true;

	prog = nf_load_verdict(NF_ACCEPT);
	ASSERT_LE(0, prog);
	ASSERT_EQ(0, bpf_prog_get_info_by_fd(prog, &info, &len));
	for (nth = 1; injected && nth < MAX_FAULTS; nth++) {
		ASSERT_TRUE(nf_fault_arm(self->fault_fd, nth));
		fd = nf_link_at(prog, &self->key, 0, 0);
		injected = nf_fault_disarm(self->fault_fd);
		if (fd >= 0)
			close(fd);
	}
	fd = bpf_prog_get_fd_by_id(info.id);
	ASSERT_LE(0, fd);
	close(fd);
	close(prog);
	for (i = 0; i < 500; i++) {
		fd = bpf_prog_get_fd_by_id(info.id);
		if (fd < 0)
			break;
		close(fd);
		nanosleep(&pause, NULL);
	}
	EXPECT_EQ(-ENOENT, fd);
}

/* --- tests for one kind of link --- */

FIXTURE(faults_alone)
{
	FIXTURE_DATA(faults) common;
};

FIXTURE_SETUP(faults_alone)
{
	setup(_metadata, &self->common, NFPROTO_INET, DEFRAG);
}

FIXTURE_TEARDOWN(faults_alone)
{
	teardown(&self->common);
}

TEST_F_TIMEOUT(faults_alone, attach_that_loads_modules, TIMEOUT)
{
	ASSERT_TRUE(nf_defrag_unload());
	check_attach(_metadata, &self->common, nf_defrag_unload);
}

TEST_F_TIMEOUT(faults_alone, test_run, TIMEOUT)
{
	const struct sockaddr_storage no_address = { .ss_family = AF_INET };
	const struct nf_fragment whole = {
		.src = &no_address,
		.dst = &no_address,
		.length = 8,
	};
	char data[ETH_HLEN + NF_HEADERS_MAX + 8] = { [12] = ETH_P_IP >> 8 };
	char out[256];
	struct bpf_test_run_opts opts = {
		.sz = sizeof(opts),
		.data_in = data,
		.data_out = out,
		.data_size_out = sizeof(out),
		.repeat = 1,
	};
	struct state before;

	opts.data_size_in = ETH_HLEN + nf_put_header(data + ETH_HLEN, &whole) + whole.length;
	ASSERT_EQ(0, take_state(&before));
	FAULT_LOOP(self->common.fault_fd, (opts.data_size_out = sizeof(out),
					   bpf_prog_test_run_opts(self->common.count.first, &opts)),
		   EXPECT_STATE(&before, _nth));
	EXPECT_EQ(NF_ACCEPT, opts.retval);
	EXPECT_LT(0, self->common.count.skel->bss->first_packets);
}

TEST_HARNESS_MAIN
