// SPDX-License-Identifier: GPL-2.0
/*
 * BPF_PROG_TEST_RUN gives a packet to functions that need a network namespace, which is that of
 * its caller. On an unmodified kernel the state of the hook has no namespace.
 *
 * Requires: CONFIG_NF_CONNTRACK
 */
#include <net/ethernet.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>

#include <bpf/bpf.h>

#include "kselftest_harness.h"
#include "helpers/nf_test.h"
#include "stock/progs/test_run.skel.h"

#define STATE	"nf_hook_state"
#define FORWARDING "/proc/sys/net/ipv4/conf/lo/forwarding"

enum { STATE_MAX = 128, PACKET = 64, FOUND = 1, FWD_DISABLED = 5 };

FIXTURE(run)
{
	const char *lacks;
	struct stock_test_run *skel;
	unsigned char state[STATE_MAX];
	int state_size;
};

FIXTURE_SETUP(run)
{
	ASSERT_EQ(0, nf_netns_new());
	ASSERT_EQ(0, nf_netns_loopback_up());
	if (!nf_has_packet_access())
		self->lacks = NF_PACKET_ACCESS;
	else if (system("modprobe -q nf_bpf_kfunc"))
		self->lacks = "the module nf_bpf_kfunc";
	if (self->lacks)
		return;
	self->skel = stock_test_run__open_and_load();
	ASSERT_NE(NULL, self->skel);
	self->state_size = nf_btf_size(STATE);
	ASSERT_LT(0, self->state_size);
	ASSERT_GE(STATE_MAX, self->state_size);
}

FIXTURE_TEARDOWN(run)
{
	stock_test_run__destroy(self->skel);
}

/* At each hook but LOCAL_OUT, mainline expects an Ethernet header. A patched kernel accepts it. */
static int run_at(FIXTURE_DATA(run) *self, const struct bpf_program *prog, int pf, int hook)
{
	struct ether_header eth = {
		.ether_type = htons(pf == NFPROTO_IPV6 ? ETHERTYPE_IPV6 : ETHERTYPE_IP),
	};
	unsigned char frame[sizeof(eth) + PACKET] = {}, *packet = frame;
	struct ip6_hdr ip6h = { .ip6_flow = htonl(6 << 28), .ip6_nxt = IPPROTO_UDP };
	struct iphdr iph = { .version = 4, .ihl = 5, .protocol = IPPROTO_UDP };
	struct bpf_test_run_opts opts = {
		.sz = sizeof(opts),
		.data_in = frame,
		.data_size_in = PACKET,
		.ctx_in = self->state,
		.ctx_size_in = self->state_size,
	};

	if (hook != NF_INET_LOCAL_OUT) {
		memcpy(frame, &eth, sizeof(eth));
		packet += sizeof(eth);
		opts.data_size_in += sizeof(eth);
	}
	if (pf == NFPROTO_IPV6)
		memcpy(packet, &ip6h, sizeof(ip6h));
	else
		memcpy(packet, &iph, sizeof(iph));
	self->state[nf_btf_offset(STATE, "pf")] = pf;
	self->state[nf_btf_offset(STATE, "hook")] = hook;
	self->skel->bss->ret = 12345;
	self->skel->bss->runs = 0;

	return bpf_prog_test_run_opts(bpf_program__fd(prog), &opts);
}

/* The result of the program, for a packet of each family at each hook. */
#define EXPECT_RESULT(name, condition) do {					\
	for (int _i = 0; _i < 2 * NF_INET_NUMHOOKS; _i++) {			\
		const int _pf = _i & 1 ? NFPROTO_IPV6 : NFPROTO_IPV4;		\
		__s64 ret;							\
										\
		ASSERT_EQ(0, run_at(self, self->skel->progs.name, _pf, _i / 2)); \
		ASSERT_EQ(1, self->skel->bss->runs);				\
		ret = self->skel->bss->ret;					\
		EXPECT_TRUE(condition) {					\
			TH_LOG("family %d, hook %d: %lld", _pf, _i / 2, (long long)ret); \
		}								\
	}									\
} while (0)

/* The namespace of the caller decides whether lo forwards. */
NF_TEST_F(run, route)
{
	ASSERT_EQ(0, nf_write_file(FORWARDING, "0"));
	EXPECT_RESULT(route, ret == FWD_DISABLED);
	ASSERT_EQ(0, nf_write_file(FORWARDING, "1"));
	EXPECT_RESULT(route, ret >= 0 && ret != FWD_DISABLED);
}

NF_TEST_F(run, hash)
{
	EXPECT_RESULT(hash, ret != 0);
}

/* No function of ours reads the cookie there, and the program finds no namespace. */
NF_TEST_F(run, cookie)
{
	EXPECT_RESULT(cookie, !ret == !nf_has_pkt_pointers());
}

NF_TEST_F(run, entry)
{
	EXPECT_RESULT(look_up, ret == -ENOENT);
	ASSERT_EQ(0, run_at(self, self->skel->progs.add, NFPROTO_IPV4, NF_INET_PRE_ROUTING));
	EXPECT_EQ(FOUND, self->skel->bss->ret);
	EXPECT_RESULT(look_up, ret == FOUND);
	ASSERT_EQ(0, nf_netns_new());
	EXPECT_RESULT(look_up, ret == -ENOENT);
}

/* No namespace has this id. */
NF_TEST_F(run, entry_of_another_namespace)
{
	self->skel->data->netns_id = 77;
	EXPECT_RESULT(look_up, ret == -ENONET);
	self->skel->data->netns_id = -1;
	EXPECT_RESULT(look_up, ret == -ENOENT);
}

TEST_HARNESS_MAIN
