// SPDX-License-Identifier: GPL-2.0
/* BPF_PROG_TEST_RUN: a packet of ours, at a hook of our choice. */
#include <arpa/inet.h>
#include <net/ethernet.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <sys/stat.h>

#include <bpf/bpf.h>

#include "kselftest_harness.h"
#include "helpers/nf_test.h"
#include "packet/progs/test_run.skel.h"

#define IP	NFPROTO_IPV4
#define IP6	NFPROTO_IPV6
#define STATE	"nf_hook_state"

/* The kernel's, not among those of user space. */
#define ENOTSUPP 524

enum { LOOPBACK = 1, PAYLOAD = 24, STATE_MAX = 128 };

struct packet {
	union {
		struct {
			struct ether_header eth;
			unsigned char behind_eth[128];
		};
		unsigned char data[sizeof(struct ether_header) + 128];
	};
	__u32 size;
};

FIXTURE(run)
{
	const char *lacks;
	struct packet_test_run *skel;
	int prog_fd;
	unsigned char state[STATE_MAX];
	int state_size;
	struct packet packet;
	unsigned char out[256];
	struct bpf_test_run_opts opts;
};

FIXTURE_VARIANT(run)
{
	__u32 pf;
	__u32 hooknum;
};

#define RUN_CASE(name, _pf, _hooknum)					\
	FIXTURE_VARIANT_ADD(run, name)					\
	{								\
		.pf = _pf,						\
		.hooknum = _hooknum,					\
	}

RUN_CASE(ip_prerouting, IP, NF_INET_PRE_ROUTING);
RUN_CASE(ip_input, IP, NF_INET_LOCAL_IN);
RUN_CASE(ip_forward, IP, NF_INET_FORWARD);
RUN_CASE(ip_output, IP, NF_INET_LOCAL_OUT);
RUN_CASE(ip_postrouting, IP, NF_INET_POST_ROUTING);
RUN_CASE(ip6_prerouting, IP6, NF_INET_PRE_ROUTING);
RUN_CASE(ip6_input, IP6, NF_INET_LOCAL_IN);
RUN_CASE(ip6_forward, IP6, NF_INET_FORWARD);
RUN_CASE(ip6_output, IP6, NF_INET_LOCAL_OUT);
RUN_CASE(ip6_postrouting, IP6, NF_INET_POST_ROUTING);

static __u32 header_size(__u32 pf)
{
	return pf == IP ? sizeof(struct iphdr) : sizeof(struct ip6_hdr);
}

static __u16 ethertype(__u32 pf)
{
	return pf == IP ? ETHERTYPE_IP : ETHERTYPE_IPV6;
}

/* A UDP packet of @size bytes from its network header on. */
static void set_packet(struct packet *packet, __u32 pf, __u32 size)
{
	struct iphdr iph = {
		.version = 4,
		.ihl = 5,
		.ttl = 64,
		.protocol = IPPROTO_UDP,
		.tot_len = htons(size),
		.saddr = htonl(0xc0000202),
		.daddr = htonl(0xc6336402),
	};
	struct ip6_hdr ip6h = {
		.ip6_flow = htonl(6 << 28),
		.ip6_plen = htons(size - sizeof(ip6h)),
		.ip6_nxt = IPPROTO_UDP,
		.ip6_hlim = 64,
	};
	__u32 i;

	for (i = 0; i < size; i++)
		packet->data[i] = i;
	if (pf == IP)
		memcpy(packet->data, &iph, sizeof(iph));
	else
		memcpy(packet->data, &ip6h, sizeof(ip6h));
	packet->size = size;
}

static void add_ethernet(struct packet *packet, __u16 type)
{
	memmove(packet->data + sizeof(packet->eth), packet->data, packet->size);
	packet->eth = (struct ether_header) {
		.ether_shost = { 2, 0, 0, 0, 0, 1 },
		.ether_type = htons(type),
	};
	packet->size += sizeof(packet->eth);
}

/* Load once, because it takes long. Each test is forked from this process. */
static struct packet_test_run *loaded;

static void __attribute__((constructor)) load(void)
{
	nf_btf_size(STATE);
	loaded = packet_test_run__open_and_load();
}

FIXTURE_SETUP(run)
{
	int offset_pf, offset_hook, err;

	ASSERT_EQ(0, nf_netns_new());
	ASSERT_EQ(0, nf_netns_loopback_up());
	ASSERT_NE(NULL, loaded);
	self->skel = loaded;
	memset(self->skel->bss, 0, sizeof(*self->skel->bss));
	self->skel->data->verdict = NF_ACCEPT;
	self->prog_fd = bpf_program__fd(self->skel->progs.look);

	self->state_size = nf_btf_size(STATE);
	ASSERT_LT(0, self->state_size);
	ASSERT_GE(STATE_MAX, self->state_size);
	offset_pf = nf_btf_offset(STATE, "pf");
	offset_hook = nf_btf_offset(STATE, "hook");
	ASSERT_LE(0, offset_pf);
	ASSERT_LE(0, offset_hook);
	self->state[offset_pf] = variant->pf;
	self->state[offset_hook] = variant->hooknum;

	set_packet(&self->packet, variant->pf,
		   header_size(variant->pf) + PAYLOAD);
	self->opts = (struct bpf_test_run_opts) {
		.sz = sizeof(self->opts),
		.data_in = self->packet.data,
		.data_size_in = self->packet.size,
		.ctx_in = self->state,
		.ctx_size_in = self->state_size,
		.repeat = 1,
	};
	/* Mainline wants an Ethernet header, and sets no device for some hooks. */
	err = bpf_prog_test_run_opts(self->prog_fd, &self->opts);
	if (err == -ENOTSUPP)
		self->lacks = "BPF_PROG_TEST_RUN";
	else if (err || !self->skel->bss->dev_index)
		self->lacks = "BPF_PROG_TEST_RUN of bare packets at every hook";
	self->skel->bss->runs = 0;
}

FIXTURE_TEARDOWN(run)
{
}

/* The kernel looks for an Ethernet header at all hooks but LOCAL_OUT, as mainline does. */
static __u32 ethernet_size(__u32 hooknum)
{
	return hooknum == NF_INET_LOCAL_OUT ? 0 : ETH_HLEN;
}

/* Each run leaves the size of its result there, as if it were asked for. */
#define RUN() ({							\
	if (!self->opts.data_out)					\
		self->opts.data_size_out = 0;				\
	self->opts.data_size_in = self->packet.size;			\
	bpf_prog_test_run_opts(self->prog_fd, &self->opts);		\
})

/* Refused, and without a run. */
#define EXPECT_REFUSED(error) do {					\
	__u64 _runs = self->skel->bss->runs;				\
									\
	EXPECT_EQ(error, RUN());					\
	EXPECT_EQ(_runs, self->skel->bss->runs);			\
} while (0)

NF_TEST_F(run, state_and_packet)
{
	__u32 hook = variant->hooknum, size = header_size(variant->pf);
	struct stat ns;

	ASSERT_EQ(0, RUN());
	EXPECT_EQ(NF_ACCEPT, self->opts.retval);
	EXPECT_EQ(1, self->skel->bss->runs);
	EXPECT_EQ(variant->pf, self->skel->bss->pf);
	EXPECT_EQ(hook, self->skel->bss->hook);
	EXPECT_EQ(hook <= NF_INET_FORWARD ? LOOPBACK : 0, self->skel->bss->in_index);
	EXPECT_EQ(hook >= NF_INET_FORWARD ? LOOPBACK : 0, self->skel->bss->out_index);
	EXPECT_EQ(LOOPBACK, self->skel->bss->dev_index);
	EXPECT_EQ(size + PAYLOAD, self->skel->bss->length);
	EXPECT_EQ(htons(ethertype(variant->pf)), self->skel->bss->protocol);
	EXPECT_EQ(size, self->skel->bss->transport);
	EXPECT_EQ(0, memcmp(self->skel->bss->head, self->packet.data, size));
	ASSERT_EQ(0, stat("/proc/self/ns/net", &ns));
	EXPECT_EQ(ns.st_ino, self->skel->bss->netns);
}

/* Mainline's form, which has an Ethernet header at every hook but one. */
NF_TEST_F(run, ethernet)
{
	const __u32 eth_size = ethernet_size(variant->hooknum);
	const __u32 size = header_size(variant->pf);

	add_ethernet(&self->packet, ethertype(variant->pf));
	ASSERT_EQ(0, RUN());
	EXPECT_EQ(1, self->skel->bss->runs);
	EXPECT_EQ(self->packet.size - eth_size, self->skel->bss->length);
	EXPECT_EQ(htons(ethertype(variant->pf)), self->skel->bss->protocol);
	EXPECT_EQ(0, memcmp(self->skel->bss->head, self->packet.data + eth_size, size));
}

NF_TEST_F(run, verdict)
{
	self->skel->data->verdict = NF_DROP;
	ASSERT_EQ(0, RUN());
	EXPECT_EQ(NF_DROP, self->opts.retval);
	self->skel->data->verdict = NF_ACCEPT;
	ASSERT_EQ(0, RUN());
	EXPECT_EQ(NF_ACCEPT, self->opts.retval);
	EXPECT_EQ(2, self->skel->bss->runs);
}

NF_TEST_F(run, repeat)
{
	self->opts.repeat = 0;
	ASSERT_EQ(0, RUN());
	EXPECT_EQ(1, self->skel->bss->runs);
	/* So many that even a clock of jiffies sees them. */
	self->opts.repeat = 200000;
	ASSERT_EQ(0, RUN());
	EXPECT_EQ(200001, self->skel->bss->runs);
	EXPECT_LT(0, self->opts.duration);
}

NF_TEST_F(run, data_out)
{
	self->opts.data_out = self->out;
	self->opts.data_size_out = sizeof(self->out);
	ASSERT_EQ(0, RUN());
	EXPECT_EQ(self->packet.size, self->opts.data_size_out);
	EXPECT_EQ(0, memcmp(self->out, self->packet.data, self->packet.size));
}

NF_TEST_F(run, data_out_of_ethernet)
{
	add_ethernet(&self->packet, ethertype(variant->pf));
	self->opts.data_out = self->out;
	self->opts.data_size_out = sizeof(self->out);
	ASSERT_EQ(0, RUN());
	EXPECT_EQ(self->packet.size, self->opts.data_size_out);
	EXPECT_EQ(0, memcmp(self->out, self->packet.data, self->packet.size));
}

NF_TEST_F(run, data_out_too_short)
{
	memset(self->out, 0x5a, sizeof(self->out));
	self->opts.data_out = self->out;
	self->opts.data_size_out = self->packet.size - 1;
	ASSERT_EQ(0, RUN());
	EXPECT_EQ(self->packet.size, self->opts.data_size_out);
	EXPECT_EQ(0, memcmp(self->out, self->packet.data, self->packet.size - 1));
	EXPECT_EQ(0x5a, self->out[self->packet.size - 1]);
}

NF_TEST_F(run, shortest_packet)
{
	__u32 size = header_size(variant->pf);

	set_packet(&self->packet, variant->pf, size);
	self->packet.size = size - 1;
	EXPECT_REFUSED(-EINVAL);
	self->packet.size = 0;
	EXPECT_REFUSED(-EINVAL);
	self->packet.size = size;
	ASSERT_EQ(0, RUN());
	EXPECT_EQ(1, self->skel->bss->runs);
	EXPECT_EQ(size, self->skel->bss->length);
}

NF_TEST_F(run, shortest_packet_with_ethernet)
{
	const __u32 eth_size = ethernet_size(variant->hooknum);
	const __u32 size = header_size(variant->pf);

	set_packet(&self->packet, variant->pf, size);
	add_ethernet(&self->packet, ethertype(variant->pf));
	self->packet.size = eth_size + size - 1;
	EXPECT_REFUSED(-EINVAL);
	self->packet.size++;
	ASSERT_EQ(0, RUN());
	EXPECT_EQ(size, self->skel->bss->length);
}

/* With its headroom and what the skb needs a packet has one page. */
NF_TEST_F(run, too_long)
{
	static unsigned char page[4096];

	memcpy(page, self->packet.data, self->packet.size);
	self->opts.data_in = page;
	self->opts.data_size_in = sizeof(page);
	EXPECT_EQ(-EINVAL, bpf_prog_test_run_opts(self->prog_fd, &self->opts));
	EXPECT_EQ(0, self->skel->bss->runs);
	self->opts.data_size_in = 1500;
	self->opts.data_size_out = 0;
	EXPECT_EQ(0, bpf_prog_test_run_opts(self->prog_fd, &self->opts));
	EXPECT_EQ(1500, self->skel->bss->length);
}

/* At LOCAL_OUT these bytes are part of the packet, and not looked at. */
NF_TEST_F(run, ethernet_of_another_protocol)
{
	const bool looks = ethernet_size(variant->hooknum);

	add_ethernet(&self->packet, ETHERTYPE_ARP);
	EXPECT_EQ(looks ? -EPROTO : 0, RUN());
	EXPECT_EQ(!looks, self->skel->bss->runs);
	self->packet.eth.ether_type = htons(ethertype(variant->pf == IP ? IP6 : IP));
	EXPECT_EQ(looks ? -EINVAL : 0, RUN());
	EXPECT_EQ(looks ? 0 : 2, self->skel->bss->runs);
	self->packet.eth.ether_type = htons(ethertype(variant->pf));
	ASSERT_EQ(0, RUN());
}

/* There is no reassembly: a program can be tried with any fragment. */
NF_TEST_F(run, fragment)
{
	struct ip6_hdr *ip6h = (void *)self->packet.data;
	struct ip6_frag fragment = {
		.ip6f_nxt = IPPROTO_UDP,
		.ip6f_offlg = htons(8) | IP6F_MORE_FRAG,
	};
	struct iphdr *iph = (void *)self->packet.data;

	if (variant->pf == IP) {
		iph->frag_off = htons(IP_MF | 1);
	} else {
		ip6h->ip6_nxt = IPPROTO_FRAGMENT;
		memcpy(ip6h + 1, &fragment, sizeof(fragment));
	}
	self->opts.data_out = self->out;
	self->opts.data_size_out = sizeof(self->out);
	ASSERT_EQ(0, RUN());
	EXPECT_EQ(1, self->skel->bss->runs);
	EXPECT_EQ(0, memcmp(self->skel->bss->head, self->packet.data,
			    variant->pf == IP ? sizeof(*iph) : sizeof(*ip6h) +
			    sizeof(fragment)));
	EXPECT_EQ(self->packet.size, self->opts.data_size_out);
	EXPECT_EQ(0, memcmp(self->out, self->packet.data, self->packet.size));
}

/* Options of IPv4 are part of the header, extension headers of IPv6 are behind it. */
NF_TEST_F(run, ip_options)
{
	struct ip6_hdr *ip6h = (void *)self->packet.data;
	struct iphdr *iph = (void *)self->packet.data;

	if (variant->pf == IP)
		iph->ihl = 6;
	else
		ip6h->ip6_nxt = IPPROTO_HOPOPTS;
	ASSERT_EQ(0, RUN());
	EXPECT_EQ(variant->pf == IP ? 24 : 40, self->skel->bss->transport);
}

NF_TEST_F(run, wrong_family)
{
	static const unsigned char wrong[] = {
		NFPROTO_UNSPEC, NFPROTO_INET, NFPROTO_ARP, NFPROTO_BRIDGE,
		NFPROTO_NUMPROTO, 255,
	};
	unsigned char *pf = self->state + nf_btf_offset(STATE, "pf");
	size_t i;

	for (i = 0; i < sizeof(wrong); i++) {
		*pf = wrong[i];
		EXPECT_REFUSED(-EINVAL);
	}
	*pf = variant->pf;
	ASSERT_EQ(0, RUN());
}

NF_TEST_F(run, wrong_hook)
{
	unsigned char *hook = self->state + nf_btf_offset(STATE, "hook");

	*hook = NF_INET_NUMHOOKS;
	EXPECT_REFUSED(-EINVAL);
	*hook = 255;
	EXPECT_REFUSED(-EINVAL);
	*hook = variant->hooknum;
	ASSERT_EQ(0, RUN());
}

/* Pointers are the kernel's to fill in. */
NF_TEST_F(run, pointers)
{
	static const char * const members[] = { "in", "out", "sk", "net", "okfn" };
	size_t i;
	int offset;

	for (i = 0; i < ARRAY_SIZE(members); i++) {
		offset = nf_btf_offset(STATE, members[i]);
		ASSERT_LE(0, offset);
		self->state[offset] = 1;
		EXPECT_REFUSED(-EINVAL);
		self->state[offset] = 0;
	}
	ASSERT_EQ(0, RUN());
}

NF_TEST_F(run, size_of_the_state)
{
	/* A larger one may hold what this kernel does not know only if it is 0. */
	self->opts.ctx_size_in = self->state_size + 8;
	EXPECT_EQ(0, RUN());
	self->state[self->state_size] = 1;
	EXPECT_REFUSED(-E2BIG);
	self->state[self->state_size] = 0;
	EXPECT_EQ(0, RUN());
}

NF_TEST_F(run, options_of_other_types)
{
	self->opts.flags = BPF_F_TEST_RUN_ON_CPU;
	EXPECT_REFUSED(-EINVAL);
	self->opts.flags = 0;
	self->opts.cpu = 1;
	EXPECT_REFUSED(-EINVAL);
	self->opts.cpu = 0;
	self->opts.batch_size = 1;
	EXPECT_REFUSED(-EINVAL);
	self->opts.batch_size = 0;
	EXPECT_EQ(0, RUN());
}

NF_TEST_F(run, without_a_state)
{
	self->opts.ctx_in = NULL;
	self->opts.ctx_size_in = 0;
	set_packet(&self->packet, IP, 40);
	ASSERT_EQ(0, RUN());
	EXPECT_EQ(1, self->skel->bss->runs);
	EXPECT_EQ(IP, self->skel->bss->pf);
	EXPECT_EQ(NF_INET_LOCAL_OUT, self->skel->bss->hook);
	EXPECT_EQ(0, self->skel->bss->in_index);
	EXPECT_EQ(LOOPBACK, self->skel->bss->out_index);
	EXPECT_EQ(40, self->skel->bss->length);
}

TEST_HARNESS_MAIN
