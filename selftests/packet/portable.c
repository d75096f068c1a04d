// SPDX-License-Identifier: GPL-2.0
/*
 * <bpf/bpf_netfilter.h>: one object, whatever the kernel has to read packets with,
 * and whichever kernel's vmlinux.h it was compiled against.
 */
#include <arpa/inet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <sys/socket.h>

#include <linux/if_packet.h>
#include <linux/virtio_net.h>

#include <bpf/bpf.h>
#include <bpf/bpf_netfilter.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>

#include "kselftest_harness.h"
#include "helpers/nf_test.h"
#include "packet/progs/dynptr.h"
#include "packet/progs/dynptr.skel.h"
#include "packet/progs/dynptr_header.skel.h"
#include "packet/progs/dynptr_linear.skel.h"
#include "packet/progs/portable.h"
#include "packet/progs/portable.skel.h"
#include "packet/progs/portable_mainline.skel.h"

#define STATE	"nf_hook_state"

enum {
	LOOPBACK	= 1,
	SPORT		= 0x1234,
	DPORT		= 0x5678,
	VXLAN_PORT	= 4789,
	STATE_MAX	= 128,
	/* More than a page: what follows the first bytes then is in pages. */
	PAGED_SIZE	= 6000,
};

#define EXTENSIONS_MAX	BPF_NF_MAX_EXTENSIONS
#define PARSED		BPF_NF_PARSED
#define LATER_FRAGMENT	BPF_NF_PARSE_LATER
#define CUT		BPF_NF_PARSE_CUT
#define CHAIN		BPF_NF_PARSE_CHAIN
#define MALFORMED	BPF_NF_PARSE_MALFORMED
#define NOT_THERE	BPF_NF_PARSE_NONE
#define NONE		BPF_NF_FRAGMENT_NONE
#define FIRST		BPF_NF_FRAGMENT_FIRST
#define LATER		BPF_NF_FRAGMENT_LATER

enum {
	HOP = 0, ICMP = 1, IPIP = 4, TCP = 6, UDP = 17, DCCP = 33, IPV6 = 41, ROUTING = 43,
	FRAGMENT = 44, GRE = 47, ESP = 50, AUTH = 51, ICMP6 = 58, NOTHING = 59, DEST = 60,
	SCTP = 132,
	MOBILITY = 135, UDPLITE = 136, HIP = 139, SHIM6 = 140,
};

/* A packet is written from its beginning to its end. */
struct packet {
	__u32 size;
	__u32 pf;
	/* Where the protocol of the next header to come is written. */
	__u32 next;
	struct ether_header eth;
	unsigned char data[PAGED_SIZE];
};

static void add(struct packet *packet, const void *bytes, __u32 size)
{
	memcpy(packet->data + packet->size, bytes, size);
	packet->size += size;
}

/* @option_words: 32-bit words of IPv4 options. */
static void start_ipv4(struct packet *packet, __u32 option_words, __u16 frag_off)
{
	struct iphdr iph = {
		.version = 4,
		.ihl = 5 + option_words,
		.ttl = 64,
		.frag_off = htons(frag_off),
		.saddr = htonl(0xc0000202),
		.daddr = htonl(0xc6336402),
	};
	__u32 i;

	packet->size = 0;
	packet->pf = NFPROTO_IPV4;
	packet->next = offsetof(struct iphdr, protocol);
	add(packet, &iph, sizeof(iph));
	/* No operations. */
	for (i = 0; i < option_words; i++)
		add(packet, "\1\1\1\1", 4);
}

static void start_ipv6(struct packet *packet)
{
	struct ip6_hdr ip6h = {
		.ip6_flow = htonl(6 << 28),
		.ip6_hlim = 64,
	};

	inet_pton(AF_INET6, "2001:db8:1::2", &ip6h.ip6_src);
	inet_pton(AF_INET6, "2001:db8:2::2", &ip6h.ip6_dst);
	packet->size = 0;
	packet->pf = NFPROTO_IPV6;
	packet->next = offsetof(struct ip6_hdr, ip6_nxt);
	add(packet, &ip6h, sizeof(ip6h));
}

static void start(struct packet *packet, __u32 pf)
{
	if (pf == NFPROTO_IPV4)
		start_ipv4(packet, 0, 0);
	else
		start_ipv6(packet);
}

/* An extension header of @size bytes. */
static void extend(struct packet *packet, __u8 protocol, __u32 size)
{
	unsigned char header[256 * 8] = { NOTHING };

	header[1] = protocol == AUTH ? size / 4 - 2 : size / 8 - 1;
	packet->data[packet->next] = protocol;
	packet->next = packet->size;
	add(packet, header, size);
}

static void extend_fragment(struct packet *packet, __u16 offset, bool more)
{
	const struct ip6_frag header = {
		.ip6f_nxt = NOTHING,
		.ip6f_offlg = htons(offset | more),
	};

	packet->data[packet->next] = FRAGMENT;
	packet->next = packet->size;
	add(packet, &header, sizeof(header));
}

static void set_length(struct packet *packet)
{
	struct ip6_hdr *ip6h = (void *)packet->data;
	struct iphdr *iph = (void *)packet->data;

	if (packet->pf == NFPROTO_IPV4)
		iph->tot_len = htons(packet->size);
	else
		ip6h->ip6_plen = htons(packet->size - sizeof(*ip6h));
}

/* Append a header of @protocol. It begins with ports; ICMP has type and code there. */
static void finish(struct packet *packet, __u8 protocol, __u32 size)
{
	const __be16 ports[] = { htons(SPORT), htons(DPORT) };
	__u32 l4 = packet->size;

	packet->data[packet->next] = protocol;
	memset(packet->data + l4, 0x77, sizeof(packet->data) - l4);
	memcpy(packet->data + l4, ports, sizeof(ports));
	packet->size += size;
	set_length(packet);
}

/* @header of a tunnel or of ICMP, and a packet in it. */
static void contain(struct packet *packet, __u8 protocol, const void *header, __u32 size,
		    const struct packet *inner)
{
	packet->data[packet->next] = protocol;
	add(packet, header, size);
	add(packet, inner->data, inner->size);
	set_length(packet);
}

struct run {
	struct bpf_object *obj;
	struct portable_io *io;
	struct packet packet;
	unsigned char state[STATE_MAX];
	int state_size;
	int offset_pf;
};

FIXTURE(portable)
{
	struct run run;
	const char *lacks;
};

FIXTURE_VARIANT(portable)
{
	bool mainline;
};

/* vmlinux.h of the kernel that the tests were compiled for. */
FIXTURE_VARIANT_ADD(portable, types_of_the_kernel)
{
	.mainline = false,
};

FIXTURE_VARIANT_ADD(portable, types_of_mainline)
{
	.mainline = true,
};

static int test_run_fd(struct run *run, int fd)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts,
		    .data_in = run->packet.data,
		    .data_size_in = run->packet.size,
		    .ctx_in = run->state,
		    .ctx_size_in = run->state_size,
		    .repeat = 1);
	int err;

	run->state[run->offset_pf] = run->packet.pf;
	err = bpf_prog_test_run_opts(fd, &opts);
	return err ?: opts.retval;
}

static int test_run(struct run *run, const char *prog)
{
	const struct bpf_program *program;

	program = bpf_object__find_program_by_name(run->obj, prog);
	return test_run_fd(run, bpf_program__fd(program));
}

/* Load once, because it takes long. Each test is forked from this process. */
static struct packet_portable *own;
static struct packet_portable_mainline *mainline;

static void __attribute__((constructor)) load(void)
{
	nf_btf_size(STATE);
	/* It is no error if the module is built in or missing. */
	if (system("modprobe -q nf_bpf_kfunc"))
		errno = 0;
	own = packet_portable__open_and_load();
	mainline = packet_portable_mainline__open_and_load();
}

FIXTURE_SETUP(portable)
{
	struct bpf_map *map;
	int offset_hook;
	size_t size;

	ASSERT_EQ(0, nf_netns_new());
	ASSERT_EQ(0, nf_netns_loopback_up());
	if (variant->mainline) {
		ASSERT_NE(NULL, mainline);
		self->run.obj = mainline->obj;
	} else {
		ASSERT_NE(NULL, own);
		self->run.obj = own->obj;
	}
	map = bpf_object__find_map_by_name(self->run.obj, ".bss");
	self->run.io = bpf_map__initial_value(map, &size);
	ASSERT_NE(NULL, self->run.io);
	ASSERT_EQ(sizeof(*self->run.io), size);

	self->run.state_size = nf_btf_size(STATE);
	ASSERT_GE(STATE_MAX, self->run.state_size);
	offset_hook = nf_btf_offset(STATE, "hook");
	self->run.offset_pf = nf_btf_offset(STATE, "pf");
	ASSERT_LE(0, offset_hook);
	ASSERT_LE(0, self->run.offset_pf);
	/* Mainline's test run accepts a packet without Ethernet only at this hook. */
	self->run.state[offset_hook] = NF_INET_LOCAL_OUT;

	start_ipv4(&self->run.packet, 0, 0);
	finish(&self->run.packet, UDP, 8);
	if (test_run(&self->run, "parse") < 0)
		self->lacks = "BPF_PROG_TEST_RUN";
	memset(self->run.io, 0, sizeof(*self->run.io));
}

FIXTURE_TEARDOWN(portable)
{
}

/* The program has to find this in the packet. Another macro checks the tuple. */
#define EXPECT_PARSE(_result, _protocol, _l4_off, _fragment) do {	\
	memset(self->run.io, 0x5a, sizeof(*self->run.io));		\
	self->run.io->runs = 0;						\
	ASSERT_EQ(NF_ACCEPT, test_run(&self->run, "parse"));		\
	EXPECT_EQ(1, self->run.io->runs);				\
	EXPECT_EQ(_result, self->run.io->result);			\
	EXPECT_EQ(_protocol, self->run.io->flow.tuple.protocol);	\
	EXPECT_EQ(_l4_off, self->run.io->flow.l4_off);			\
	EXPECT_EQ(_fragment, self->run.io->flow.fragment);		\
} while (0)

#define EXPECT_PORTS(_sport, _dport) do {				\
	EXPECT_EQ(_sport, ntohs(self->run.io->flow.tuple.sport));	\
	EXPECT_EQ(_dport, ntohs(self->run.io->flow.tuple.dport));	\
} while (0)

#define EXPECT_ICMP(_type, _code) do {					\
	EXPECT_EQ(_type, self->run.io->flow.icmp_type);			\
	EXPECT_EQ(_code, self->run.io->flow.icmp_code);			\
} while (0)

/* All of the addresses and the family: what an IPv4 address leaves over is 0. */
#define EXPECT_ADDRESSES() do {						\
	unsigned char _want[32] = {};					\
									\
	if (self->run.packet.pf == NFPROTO_IPV4) {			\
		memcpy(_want, self->run.packet.data + 12, 4);		\
		memcpy(_want + 16, self->run.packet.data + 16, 4);	\
	} else {							\
		memcpy(_want, self->run.packet.data + 8, 32);		\
	}								\
	EXPECT_EQ(0, memcmp(_want, &self->run.io->flow, sizeof(_want))); \
	EXPECT_EQ(self->run.packet.pf, self->run.io->flow.tuple.family); \
	EXPECT_EQ(0, self->run.io->flow.tuple.zero);			\
} while (0)

static const __u8 with_ports[] = { TCP, UDP, UDPLITE, SCTP, DCCP };
static const __u8 without_ports[] = { ESP, GRE, NOTHING, 255 };

static const __u8 options[] = {
	HOP, ROUTING, DEST, MOBILITY, HIP, SHIM6,
};

static __u32 header_size(__u32 pf)
{
	return pf == NFPROTO_IPV4 ? sizeof(struct iphdr) : sizeof(struct ip6_hdr);
}

static const __u32 families[] = { NFPROTO_IPV4, NFPROTO_IPV6 };

NF_TEST_F(portable, ports)
{
	size_t i, pf;

	for (pf = 0; pf < ARRAY_SIZE(families); pf++) {
		for (i = 0; i < ARRAY_SIZE(with_ports); i++) {
			start(&self->run.packet, families[pf]);
			finish(&self->run.packet, with_ports[i], 20);
			EXPECT_PARSE(PARSED, with_ports[i],
				     header_size(families[pf]), NONE);
			EXPECT_PORTS(SPORT, DPORT);
			EXPECT_ADDRESSES();
			EXPECT_ICMP(0, 0);
		}
	}
}

NF_TEST_F(portable, no_ports)
{
	size_t i, pf;

	for (pf = 0; pf < ARRAY_SIZE(families); pf++) {
		for (i = 0; i < ARRAY_SIZE(without_ports); i++) {
			start(&self->run.packet, families[pf]);
			finish(&self->run.packet, without_ports[i], 20);
			EXPECT_PARSE(PARSED, without_ports[i],
				     header_size(families[pf]), NONE);
			EXPECT_PORTS(0, 0);
			EXPECT_ADDRESSES();
			EXPECT_ICMP(0, 0);
		}
	}
}

NF_TEST_F(portable, icmp)
{
	start(&self->run.packet, NFPROTO_IPV4);
	finish(&self->run.packet, ICMP, 8);
	EXPECT_PARSE(PARSED, ICMP, 20, NONE);
	EXPECT_PORTS(0, 0);
	EXPECT_ADDRESSES();
	EXPECT_ICMP(SPORT >> 8, SPORT & 0xff);

	start(&self->run.packet, NFPROTO_IPV6);
	extend(&self->run.packet, HOP, 8);
	finish(&self->run.packet, ICMP6, 8);
	EXPECT_PARSE(PARSED, ICMP6, 48, NONE);
	EXPECT_PORTS(0, 0);
	EXPECT_ADDRESSES();
	EXPECT_ICMP(SPORT >> 8, SPORT & 0xff);

	/* Each is nothing known in the other's family. */
	start(&self->run.packet, NFPROTO_IPV4);
	finish(&self->run.packet, ICMP6, 8);
	EXPECT_PARSE(PARSED, ICMP6, 20, NONE);
	EXPECT_ICMP(0, 0);
	start(&self->run.packet, NFPROTO_IPV6);
	finish(&self->run.packet, ICMP, 8);
	EXPECT_PARSE(PARSED, ICMP, 40, NONE);
	EXPECT_ICMP(0, 0);
}

NF_TEST_F(portable, ipv4_options)
{
	__u32 words;

	for (words = 1; words <= 10; words++) {
		start_ipv4(&self->run.packet, words, 0);
		finish(&self->run.packet, UDP, 8);
		EXPECT_PARSE(PARSED, UDP, 20 + 4 * words, NONE);
		EXPECT_PORTS(SPORT, DPORT);
		EXPECT_ADDRESSES();
		self->run.packet.size--;
		EXPECT_PARSE(CUT, UDP, 20 + 4 * words, NONE);
		EXPECT_PORTS(0, 0);
		EXPECT_ADDRESSES();
	}
	/* A header that ends behind the packet, without ports to show it. */
	start_ipv4(&self->run.packet, 10, 0);
	finish(&self->run.packet, ESP, 0);
	EXPECT_PARSE(PARSED, ESP, 60, NONE);
	self->run.packet.size--;
	EXPECT_PARSE(CUT, ESP, 60, NONE);
}

NF_TEST_F(portable, ipv4_fragments)
{
	static const struct {
		__u16 frag_off;
		int result;
		int fragment;
	} cases[] = {
		{ IP_DF, PARSED, NONE },
		{ IP_RF, PARSED, NONE },
		{ IP_MF, PARSED, FIRST },
		{ IP_MF | IP_DF, PARSED, FIRST },
		{ IP_MF | 1, LATER_FRAGMENT, LATER },
		{ 1, LATER_FRAGMENT, LATER },
		{ IP_OFFMASK, LATER_FRAGMENT, LATER },
	};
	size_t i;
	int words;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		for (words = 0; words <= 10; words += 5) {
			start_ipv4(&self->run.packet, words, cases[i].frag_off);
			finish(&self->run.packet, UDP, 16);
			EXPECT_PARSE(cases[i].result, UDP, 20 + 4 * words,
				     cases[i].fragment);
			EXPECT_ADDRESSES();
			if (cases[i].result == PARSED)
				EXPECT_PORTS(SPORT, DPORT);
			else
				EXPECT_PORTS(0, 0);
		}
	}
	start_ipv4(&self->run.packet, 0, IP_MF);
	finish(&self->run.packet, UDP, 7);
	EXPECT_PARSE(CUT, UDP, 20, FIRST);
}

NF_TEST_F(portable, extension_headers)
{
	static const __u32 sizes[] = { 8, 16, 64, 256 * 8 };
	size_t i, size;

	for (i = 0; i < ARRAY_SIZE(options); i++) {
		for (size = 0; size < ARRAY_SIZE(sizes); size++) {
			start_ipv6(&self->run.packet);
			extend(&self->run.packet, options[i], sizes[size]);
			finish(&self->run.packet, TCP, 20);
			EXPECT_PARSE(PARSED, TCP, 40 + sizes[size], NONE);
			EXPECT_PORTS(SPORT, DPORT);
			EXPECT_ADDRESSES();
		}
	}
}

/* In both families the ports are behind it. */
NF_TEST_F(portable, authentication_header)
{
	static const __u32 sizes[] = { 8, 12, 24, 257 * 4 };
	size_t i, pf;
	__u32 off;

	for (pf = 0; pf < ARRAY_SIZE(families); pf++) {
		for (i = 0; i < ARRAY_SIZE(sizes); i++) {
			start(&self->run.packet, families[pf]);
			if (families[pf] == NFPROTO_IPV6)
				extend(&self->run.packet, DEST, 8);
			off = self->run.packet.size;
			extend(&self->run.packet, AUTH, sizes[i]);
			finish(&self->run.packet, UDP, 8);
			EXPECT_PARSE(PARSED, UDP, off + sizes[i], NONE);
			EXPECT_PORTS(SPORT, DPORT);
			EXPECT_ADDRESSES();
			EXPECT_EQ(off, self->run.io->flow.ah_off);
			self->run.packet.size--;
			EXPECT_PARSE(CUT, UDP, off + sizes[i], NONE);
			self->run.packet.size = off + 7;
			EXPECT_PARSE(CUT, AUTH, off, NONE);
		}
	}
	/* A later fragment has other bytes there. */
	start_ipv4(&self->run.packet, 0, 1);
	finish(&self->run.packet, AUTH, 24);
	EXPECT_PARSE(LATER_FRAGMENT, AUTH, 20, LATER);
	/* IPv4 has no extension headers. */
	start_ipv4(&self->run.packet, 0, 0);
	extend(&self->run.packet, DEST, 8);
	finish(&self->run.packet, UDP, 8);
	EXPECT_PARSE(PARSED, DEST, 20, NONE);
}

NF_TEST_F(portable, which_extensions)
{
	static const struct {
		__u8 protocol;
		__u8 extension;
	} cases[] = {
		{ HOP, BPF_NF_EXT_HOP },
		{ ROUTING, BPF_NF_EXT_ROUTING },
		{ AUTH, BPF_NF_EXT_AUTH },
		{ DEST, BPF_NF_EXT_DEST },
		{ MOBILITY, BPF_NF_EXT_MOBILITY },
		{ HIP, BPF_NF_EXT_HIP },
		{ SHIM6, BPF_NF_EXT_SHIM6 },
	};
	__u16 ah_off;
	size_t i;

	start_ipv6(&self->run.packet);
	finish(&self->run.packet, UDP, 8);
	EXPECT_PARSE(PARSED, UDP, 40, NONE);
	EXPECT_EQ(0, self->run.io->flow.extensions);
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		start_ipv6(&self->run.packet);
		extend(&self->run.packet, cases[i].protocol, 24);
		finish(&self->run.packet, UDP, 8);
		EXPECT_PARSE(PARSED, UDP, 64, NONE);
		EXPECT_EQ(cases[i].extension, self->run.io->flow.extensions);
		ah_off = 0;
		if (cases[i].protocol == AUTH)
			ah_off = 40;
		EXPECT_EQ(ah_off, self->run.io->flow.ah_off);
		EXPECT_EQ(0, self->run.io->flow.routing_type);
	}
	/* All that there are in one packet, with a segment routing header. */
	start_ipv6(&self->run.packet);
	extend(&self->run.packet, HOP, 8);
	extend(&self->run.packet, ROUTING, 24);
	self->run.packet.data[50] = 4;
	self->run.packet.data[51] = 2;
	extend_fragment(&self->run.packet, 0, false);
	extend(&self->run.packet, AUTH, 24);
	extend(&self->run.packet, DEST, 8);
	finish(&self->run.packet, UDP, 8);
	EXPECT_PARSE(PARSED, UDP, 112, NONE);
	EXPECT_EQ(BPF_NF_EXT_HOP | BPF_NF_EXT_ROUTING | BPF_NF_EXT_FRAGMENT |
		  BPF_NF_EXT_AUTH | BPF_NF_EXT_DEST, self->run.io->flow.extensions);
	EXPECT_EQ(4, self->run.io->flow.routing_type);
	EXPECT_EQ(2, self->run.io->flow.routing_left);
	EXPECT_EQ(80, self->run.io->flow.ah_off);
}

NF_TEST_F(portable, longest_chain)
{
	int i;

	start_ipv6(&self->run.packet);
	for (i = 0; i < EXTENSIONS_MAX; i++)
		extend(&self->run.packet, DEST, 8);
	finish(&self->run.packet, UDP, 8);
	EXPECT_PARSE(PARSED, UDP, 40 + 8 * EXTENSIONS_MAX, NONE);
	EXPECT_PORTS(SPORT, DPORT);

	start_ipv6(&self->run.packet);
	for (i = 0; i <= EXTENSIONS_MAX; i++)
		extend(&self->run.packet, DEST, 8);
	finish(&self->run.packet, UDP, 8);
	EXPECT_PARSE(CHAIN, DEST, 40 + 8 * EXTENSIONS_MAX, NONE);
	EXPECT_PORTS(0, 0);
	EXPECT_ADDRESSES();

	/* A later fragment ends it, whatever it says comes next. */
	start_ipv6(&self->run.packet);
	for (i = 0; i < EXTENSIONS_MAX - 1; i++)
		extend(&self->run.packet, DEST, 8);
	extend_fragment(&self->run.packet, 8, false);
	finish(&self->run.packet, DEST, 8);
	EXPECT_PARSE(LATER_FRAGMENT, DEST, 40 + 8 * EXTENSIONS_MAX, LATER);
}

NF_TEST_F(portable, ipv6_fragments)
{
	start_ipv6(&self->run.packet);
	extend_fragment(&self->run.packet, 0, true);
	finish(&self->run.packet, UDP, 16);
	EXPECT_PARSE(PARSED, UDP, 48, FIRST);
	EXPECT_PORTS(SPORT, DPORT);

	start_ipv6(&self->run.packet);
	extend(&self->run.packet, HOP, 8);
	extend_fragment(&self->run.packet, 0xfff8, false);
	finish(&self->run.packet, UDP, 16);
	EXPECT_PARSE(LATER_FRAGMENT, UDP, 56, LATER);
	EXPECT_PORTS(0, 0);
	EXPECT_ADDRESSES();

	/* An atomic one is whole. */
	start_ipv6(&self->run.packet);
	extend_fragment(&self->run.packet, 0, false);
	finish(&self->run.packet, UDP, 16);
	EXPECT_PARSE(PARSED, UDP, 48, NONE);
	EXPECT_PORTS(SPORT, DPORT);

	start_ipv6(&self->run.packet);
	extend_fragment(&self->run.packet, 0, true);
	extend_fragment(&self->run.packet, 0, true);
	finish(&self->run.packet, UDP, 16);
	EXPECT_PARSE(CHAIN, FRAGMENT, 48, FIRST);
	EXPECT_PORTS(0, 0);

	/* The rest of the header chain may be in a later fragment. */
	start_ipv6(&self->run.packet);
	extend_fragment(&self->run.packet, 0, true);
	extend(&self->run.packet, DEST, 8);
	finish(&self->run.packet, UDP, 7);
	EXPECT_PARSE(CUT, UDP, 56, FIRST);
	EXPECT_PORTS(0, 0);
}

NF_TEST_F(portable, cut)
{
	static const __u8 protocols[] = { TCP, UDP, SCTP };
	size_t i, pf;

	for (pf = 0; pf < ARRAY_SIZE(families); pf++) {
		for (i = 0; i < ARRAY_SIZE(protocols); i++) {
			start(&self->run.packet, families[pf]);
			finish(&self->run.packet, protocols[i], 8);
			EXPECT_PARSE(PARSED, protocols[i],
				     header_size(families[pf]), NONE);
			EXPECT_PORTS(SPORT, DPORT);
			self->run.packet.size--;
			EXPECT_PARSE(CUT, protocols[i],
				     header_size(families[pf]), NONE);
			EXPECT_PORTS(0, 0);
			EXPECT_ADDRESSES();
			self->run.packet.size -= 7;
			EXPECT_PARSE(CUT, protocols[i],
				     header_size(families[pf]), NONE);
		}
	}
	start(&self->run.packet, NFPROTO_IPV4);
	finish(&self->run.packet, ICMP, 7);
	EXPECT_PARSE(CUT, ICMP, 20, NONE);
	EXPECT_ICMP(0, 0);
}

NF_TEST_F(portable, cut_chain)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(options); i++) {
		start_ipv6(&self->run.packet);
		extend(&self->run.packet, options[i], 8);
		finish(&self->run.packet, NOTHING, 0);
		EXPECT_PARSE(PARSED, NOTHING, 48, NONE);
		/* Half of it, and nothing. */
		self->run.packet.size = 47;
		EXPECT_PARSE(CUT, options[i], 40, NONE);
		self->run.packet.size = 40;
		EXPECT_PARSE(CUT, options[i], 40, NONE);
		EXPECT_ADDRESSES();

		/* It says that it is longer than what is there. */
		start_ipv6(&self->run.packet);
		extend(&self->run.packet, options[i], 16);
		finish(&self->run.packet, NOTHING, 0);
		EXPECT_PARSE(PARSED, NOTHING, 56, NONE);
		self->run.packet.size = 55;
		EXPECT_PARSE(CUT, NOTHING, 56, NONE);
	}
}

NF_TEST_F(portable, malformed)
{
	__u8 version;

	for (version = 0; version < 16; version++) {
		start(&self->run.packet, NFPROTO_IPV4);
		finish(&self->run.packet, UDP, 40);
		self->run.packet.data[0] = version << 4 | 5;
		if (version != 4 && version != 6)
			EXPECT_PARSE(MALFORMED, 0, 0, NONE);
	}
	for (version = 0; version < 5; version++) {
		start(&self->run.packet, NFPROTO_IPV4);
		finish(&self->run.packet, UDP, 40);
		self->run.packet.data[0] = 4 << 4 | version;
		EXPECT_PARSE(MALFORMED, 0, 0, NONE);
	}
	/* IPv6 in as many bytes as IPv4 needs: not as a whole header. */
	start(&self->run.packet, NFPROTO_IPV4);
	finish(&self->run.packet, UDP, 19);
	self->run.packet.data[0] = 6 << 4;
	EXPECT_PARSE(MALFORMED, 0, 0, NONE);
}

#define RUN(prog, _result) do {						\
	memset(self->run.io, 0x5a, sizeof(*self->run.io));		\
	self->run.io->runs = 0;						\
	self->run.io->details.vxlan_port = htons(VXLAN_PORT);		\
	ASSERT_EQ(NF_ACCEPT, test_run(&self->run, prog));		\
	EXPECT_EQ(1, self->run.io->runs);				\
	EXPECT_EQ(_result, self->run.io->result);			\
} while (0)

/* Which of the functions finds something in the packet, beside bpf_nf_pkt_ip(). */
enum detail { HAS_NONE, HAS_GRE, HAS_TCP, HAS_VTAG, HAS_ESP, HAS_AH, HAS_ICMP };

#define EXPECT_DETAILS(_which) do {					\
	enum detail has_ = _which;					\
									\
	EXPECT_EQ(0, self->run.io->details.ip_result);			\
	EXPECT_EQ(has_ == HAS_GRE ? 0 : -ENOENT,			\
		  self->run.io->details.gre_result);			\
	EXPECT_EQ(has_ != HAS_TCP,					\
		  self->run.io->details.tcp_flags == -ENOENT);		\
	EXPECT_EQ(has_ == HAS_VTAG ? 0 : -ENOENT,			\
		  self->run.io->details.vtag_result);			\
	EXPECT_EQ(has_ == HAS_ESP ? 0 : -ENOENT,			\
		  self->run.io->details.esp_result);			\
	EXPECT_EQ(has_ == HAS_AH ? 0 : -ENOENT,				\
		  self->run.io->details.ah_result);			\
	EXPECT_EQ(has_ == HAS_ICMP ? 0 : -ENOENT,			\
		  self->run.io->details.icmp_result);			\
} while (0)

NF_TEST_F(portable, header_fields)
{
	/* Expedited forwarding, congestion experienced. */
	const __u8 traffic = 46 << 2 | 3;

	start_ipv4(&self->run.packet, 2, 0);
	finish(&self->run.packet, UDP, 30);
	self->run.packet.data[1] = traffic;
	RUN("details", PARSED);
	EXPECT_DETAILS(HAS_NONE);
	EXPECT_EQ(58, self->run.io->details.ip.length);
	EXPECT_EQ(64, self->run.io->details.ip.ttl);
	EXPECT_EQ(46, self->run.io->details.ip.dscp);
	EXPECT_EQ(3, self->run.io->details.ip.ecn);

	start_ipv6(&self->run.packet);
	finish(&self->run.packet, UDP, 30);
	self->run.packet.data[0] |= traffic >> 4;
	self->run.packet.data[1] |= (traffic & 0xf) << 4 | 0xf;
	self->run.packet.data[7] = 3;
	RUN("details", PARSED);
	EXPECT_DETAILS(HAS_NONE);
	EXPECT_EQ(70, self->run.io->details.ip.length);
	EXPECT_EQ(3, self->run.io->details.ip.ttl);
	EXPECT_EQ(46, self->run.io->details.ip.dscp);
	EXPECT_EQ(3, self->run.io->details.ip.ecn);
}

NF_TEST_F(portable, tcp_flags)
{
	size_t pf;
	__u32 l4;
	int bit;

	for (pf = 0; pf < ARRAY_SIZE(families); pf++) {
		start(&self->run.packet, families[pf]);
		l4 = self->run.packet.size;
		finish(&self->run.packet, TCP, 14);
		for (bit = 0; bit < 9; bit++) {
			self->run.packet.data[l4 + 12] = 0x50 | 1 << bit >> 8;
			self->run.packet.data[l4 + 13] = 1 << bit;
			RUN("details", PARSED);
			EXPECT_EQ(1 << bit, self->run.io->details.tcp_flags);
			EXPECT_DETAILS(HAS_TCP);
		}
		self->run.packet.size--;
		RUN("details", PARSED);
		EXPECT_EQ(-EBADMSG, self->run.io->details.tcp_flags);
	}
	EXPECT_EQ(BPF_NF_TCP_SYN, 1 << 1);
	EXPECT_EQ(BPF_NF_TCP_ACK, 1 << 4);
	EXPECT_EQ(BPF_NF_TCP_AE, 1 << 8);
	/* A later fragment has no TCP header, even if its protocol is TCP. */
	start_ipv4(&self->run.packet, 0, 1);
	finish(&self->run.packet, TCP, 20);
	RUN("details", LATER_FRAGMENT);
	EXPECT_EQ(-ENOENT, self->run.io->details.tcp_flags);
}

/* finish() fills packets with these bytes; they have these ports. */
#define FILLED	0x77777777U
#define PORTS	(SPORT << 16 | DPORT)

NF_TEST_F(portable, identifiers)
{
	size_t pf;

	for (pf = 0; pf < ARRAY_SIZE(families); pf++) {
		start(&self->run.packet, families[pf]);
		finish(&self->run.packet, SCTP, 12);
		RUN("details", PARSED);
		EXPECT_DETAILS(HAS_VTAG);
		EXPECT_EQ(FILLED, ntohl(self->run.io->details.vtag));

		start(&self->run.packet, families[pf]);
		finish(&self->run.packet, ESP, 8);
		RUN("details", PARSED);
		EXPECT_DETAILS(HAS_ESP);
		EXPECT_EQ(PORTS, ntohl(self->run.io->details.esp_spi));
		self->run.packet.size -= 5;
		RUN("details", PARSED);
		EXPECT_EQ(-EBADMSG, self->run.io->details.esp_result);

		start(&self->run.packet, families[pf]);
		extend(&self->run.packet, AUTH, 24);
		memset(self->run.packet.data + self->run.packet.size - 20, 0x77, 4);
		finish(&self->run.packet, UDP, 8);
		RUN("details", PARSED);
		EXPECT_DETAILS(HAS_AH);
		EXPECT_EQ(FILLED, ntohl(self->run.io->details.ah_spi));
	}
}

NF_TEST_F(portable, icmp_id)
{
	static const struct {
		__u32 pf;
		__u8 protocol;
		__u8 type;
		bool found;
	} cases[] = {
		{ NFPROTO_IPV4, ICMP, 8, true },
		{ NFPROTO_IPV4, ICMP, 0, true },
		{ NFPROTO_IPV4, ICMP, 13, true },
		{ NFPROTO_IPV4, ICMP, 14, true },
		{ NFPROTO_IPV4, ICMP, 3, false },
		{ NFPROTO_IPV4, ICMP6, 128, false },
		{ NFPROTO_IPV6, ICMP6, 128, true },
		{ NFPROTO_IPV6, ICMP6, 129, true },
		{ NFPROTO_IPV6, ICMP6, 1, false },
		{ NFPROTO_IPV6, ICMP6, 135, false },
		{ NFPROTO_IPV6, ICMP, 8, false },
		{ NFPROTO_IPV4, UDP, 8, false },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		start(&self->run.packet, cases[i].pf);
		finish(&self->run.packet, cases[i].protocol, 8);
		self->run.packet.data[header_size(cases[i].pf)] = cases[i].type;
		RUN("details", PARSED);
		if (!cases[i].found) {
			EXPECT_DETAILS(HAS_NONE);
			continue;
		}
		EXPECT_DETAILS(HAS_ICMP);
		EXPECT_EQ(FILLED & 0xffff, ntohs(self->run.io->details.icmp_id));
	}
}

NF_TEST_F(portable, gre)
{
	static const struct {
		__u16 flags;
		__u32 length;
		__u32 key_off;		/* 0: none */
		bool found;
	} cases[] = {
		{ 0x0000, 4, 0, true },
		{ 0x2000, 8, 4, true },
		{ 0x8000, 8, 0, true },
		{ 0xa000, 12, 8, true },
		{ 0xb000, 16, 8, true },
		{ 0x3000, 12, 4, true },
		/* Version 1, as in PPTP, with sequence and acknowledgment numbers. */
		{ 0x3081, 16, 4, true },
		{ 0x2080, 8, 4, true },
		{ 0x0002, 0, 0, false },
		{ 0x4000, 0, 0, false },
	};
	__u32 l4, key = htonl(0x01020304);
	size_t i, pf;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		pf = i & 1;
		start(&self->run.packet, families[pf]);
		l4 = self->run.packet.size;
		finish(&self->run.packet, GRE, 16);
		*(__be16 *)(self->run.packet.data + l4) = htons(cases[i].flags);
		*(__be16 *)(self->run.packet.data + l4 + 2) = htons(0x880b);
		if (cases[i].key_off)
			memcpy(self->run.packet.data + l4 + cases[i].key_off, &key, 4);
		RUN("details", PARSED);
		if (!cases[i].found) {
			EXPECT_DETAILS(HAS_NONE);
			continue;
		}
		EXPECT_DETAILS(HAS_GRE);
		EXPECT_EQ(cases[i].flags & 7, self->run.io->details.gre.version);
		EXPECT_EQ(0x880b, ntohs(self->run.io->details.gre.protocol));
		EXPECT_EQ(cases[i].length, self->run.io->details.gre.length);
		EXPECT_EQ(!!cases[i].key_off, self->run.io->details.gre.has_key);
		if (!cases[i].key_off) {
			EXPECT_EQ(0, self->run.io->details.gre.key);
			continue;
		}
		EXPECT_EQ(key, self->run.io->details.gre.key);
		self->run.packet.size = l4 + cases[i].key_off + 3;
		RUN("details", PARSED);
		EXPECT_EQ(-EBADMSG, self->run.io->details.gre_result);
	}
}

/* The result of "inner" or "quoted": what start() and finish() made of that packet. */
#define EXPECT_INNER(prog, _off, _inner) do {				\
	__u32 off_ = _off, size_ = header_size((_inner)->pf);		\
	const __u8 *addresses_ = (_inner)->data +			\
		((_inner)->pf == NFPROTO_IPV4 ? 12 : 8);		\
									\
	RUN(prog, PARSED);						\
	EXPECT_EQ(off_, self->run.io->flow.ip_off);			\
	EXPECT_EQ(off_ + size_, self->run.io->flow.l4_off);		\
	EXPECT_EQ((_inner)->pf, self->run.io->flow.tuple.family);	\
	EXPECT_EQ(0, memcmp(addresses_, &self->run.io->flow.tuple.saddr,	\
			    (_inner)->pf == NFPROTO_IPV4 ? 4 : 16));	\
	EXPECT_PORTS(SPORT, DPORT);					\
} while (0)

NF_TEST_F(portable, quoted)
{
	static const struct {
		__u32 pf;
		__u8 protocol;
		__u8 type;
		bool error;
	} cases[] = {
		{ NFPROTO_IPV4, ICMP, 3, true },
		{ NFPROTO_IPV4, ICMP, 4, true },
		{ NFPROTO_IPV4, ICMP, 5, true },
		{ NFPROTO_IPV4, ICMP, 11, true },
		{ NFPROTO_IPV4, ICMP, 12, true },
		{ NFPROTO_IPV4, ICMP, 8, false },
		{ NFPROTO_IPV4, UDP, 3, false },
		{ NFPROTO_IPV4, ICMP6, 1, false },
		{ NFPROTO_IPV6, ICMP6, 1, true },
		{ NFPROTO_IPV6, ICMP6, 2, true },
		{ NFPROTO_IPV6, ICMP6, 3, true },
		{ NFPROTO_IPV6, ICMP6, 4, true },
		{ NFPROTO_IPV6, ICMP6, 128, false },
		{ NFPROTO_IPV6, ICMP, 3, false },
	};
	static struct packet inner;
	__u8 header[8] = {};
	__u32 off;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		/* The eight bytes of the transport header that a router may send. */
		start(&inner, cases[i].pf);
		finish(&inner, TCP, 8);
		start(&self->run.packet, cases[i].pf);
		off = self->run.packet.size + 8;
		header[0] = cases[i].type;
		contain(&self->run.packet, cases[i].protocol, header, 8, &inner);
		if (!cases[i].error) {
			RUN("quoted", NOT_THERE);
			continue;
		}
		EXPECT_INNER("quoted", off, &inner);
		EXPECT_EQ(TCP, self->run.io->flow.tuple.protocol);
		self->run.packet.size--;
		RUN("quoted", CUT);
		self->run.packet.size = off;
		RUN("quoted", MALFORMED);
	}
}

NF_TEST_F(portable, tunnels)
{
	static const __u8 gre_key[] = { 0x20, 0, 0, 0, 1, 2, 3, 4 };
	static struct packet inner;
	__u8 header[8];
	__be16 type;
	size_t i;

	for (i = 0; i < 4; i++) {
		start(&inner, families[i & 1]);
		finish(&inner, TCP, 20);
		start(&self->run.packet, families[i >> 1]);
		contain(&self->run.packet, i & 1 ? IPV6 : IPIP, "", 0, &inner);
		EXPECT_INNER("inner", header_size(families[i >> 1]), &inner);
		/* The functions go on from there. */
		EXPECT_EQ(0x177, self->run.io->details.tcp_flags);
		EXPECT_EQ(inner.size, self->run.io->details.ip.length);

		start(&self->run.packet, families[i >> 1]);
		memcpy(header, gre_key, sizeof(header));
		type = htons(i & 1 ? ETHERTYPE_IPV6 : ETHERTYPE_IP);
		memcpy(header + 2, &type, 2);
		contain(&self->run.packet, GRE, header, 8, &inner);
		EXPECT_INNER("inner", header_size(families[i >> 1]) + 8, &inner);
		memset(self->run.packet.data + header_size(families[i >> 1]) + 2, 0, 2);
		RUN("inner", NOT_THERE);
	}
	/* No tunnel, and a later fragment of one. */
	RUN("inner", NOT_THERE);
	start_ipv4(&self->run.packet, 0, 0);
	finish(&self->run.packet, TCP, 60);
	RUN("inner", NOT_THERE);
	start_ipv4(&self->run.packet, 0, 1);
	contain(&self->run.packet, IPIP, "", 0, &inner);
	RUN("inner", NOT_THERE);
	start_ipv4(&self->run.packet, 0, 0);
	finish(&self->run.packet, IPIP, 60);
	self->run.packet.data[20] = 0;
	RUN("inner", MALFORMED);
}

NF_TEST_F(portable, ethernet_in_tunnels)
{
	/* UDP to VXLAN_PORT, VXLAN, Ethernet with two tags. */
	__u8 header[8 + 8 + 14 + 8 + 2] = { 0, 1, 0x12, 0xb5 };
	static struct packet inner;
	size_t tags, i;
	__be16 *type;

	for (i = 0; i < 4; i++) {
		for (tags = 0; tags < 4; tags++) {
			start(&inner, families[i & 1]);
			finish(&inner, UDP, 8);
			header[8] = 0x08;
			type = (__be16 *)(header + 28);
			*type = htons(0x88a8);
			type[2] = htons(0x8100);
			type[4] = htons(0x8100);
			if (tags < 3)
				type[2 * tags] = htons(i & 1 ? ETHERTYPE_IPV6 :
						       ETHERTYPE_IP);
			start(&self->run.packet, families[i >> 1]);
			contain(&self->run.packet, UDP, header,
				30 + 4 * (tags < 3 ? tags : 2), &inner);
			if (tags == 3) {
				RUN("inner", NOT_THERE);
				continue;
			}
			EXPECT_INNER("inner", header_size(families[i >> 1]) + 30 + 4 * tags,
				     &inner);
			/* Without the flag, and to another port. */
			self->run.packet.data[header_size(families[i >> 1]) + 8] = 0;
			RUN("inner", NOT_THERE);
			self->run.packet.data[header_size(families[i >> 1]) + 8] = 0x08;
			self->run.packet.data[header_size(families[i >> 1]) + 3] = 0xb4;
			RUN("inner", NOT_THERE);
		}
	}
	/* The same in GRE. */
	memcpy(header + 8 + 4, "\0\0\x65\x58", 4);
	*(__be16 *)(header + 28) = htons(ETHERTYPE_IPV6);
	start_ipv6(&inner);
	finish(&inner, UDP, 8);
	start_ipv4(&self->run.packet, 0, 0);
	contain(&self->run.packet, GRE, header + 12, 18, &inner);
	EXPECT_INNER("inner", 38, &inner);
}

/* Bytes [off, off + len) are there or not, and those of the packet. */
#define EXPECT_READ(prog, _off, _len, _found) do {			\
	__u32 off_ = _off, len_ = _len;					\
	bool found_ = _found;						\
									\
	memset(self->run.io, 0x5a, sizeof(*self->run.io));		\
	self->run.io->runs = 0;						\
	self->run.io->off = off_;					\
	self->run.io->len = len_;					\
	ASSERT_EQ(NF_ACCEPT, test_run(&self->run, prog));		\
	EXPECT_EQ(1, self->run.io->runs);				\
	EXPECT_EQ(found_, self->run.io->found);				\
	if (found_) {							\
		EXPECT_EQ(0, memcmp(self->run.packet.data + off_,	\
				    self->run.io->bytes, len_));	\
		EXPECT_EQ(0, self->run.io->copied);			\
	}								\
} while (0)

NF_TEST_F(portable, read)
{
	static const __u32 sizes[] = { 1, 8, 40 };
	size_t i;
	__u32 off;

	start_ipv4(&self->run.packet, 0, 0);
	finish(&self->run.packet, UDP, 60);
	for (i = 0; i < self->run.packet.size - 20; i++)
		self->run.packet.data[20 + i] = i * 7;
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		for (off = 0; off < self->run.packet.size + 8; off++)
			EXPECT_READ("read_at", off, sizes[i],
				    off + sizes[i] <= self->run.packet.size);
		EXPECT_READ("read_at", 0x7fff, sizes[i], 0);
		EXPECT_READ("read_at", 0x8000, sizes[i], 0);
		EXPECT_READ("read_at", 0x10000, sizes[i], 0);
		EXPECT_READ("read_at", -1U, sizes[i], 0);
		EXPECT_READ("read_at", -sizes[i], sizes[i], 0);
	}
	EXPECT_READ("read_start", 0, 40, 1);
	EXPECT_READ("read_ports", 20, 8, 1);
	self->run.packet.size = 39;
	EXPECT_READ("read_start", 0, 40, 0);
	self->run.packet.size = 28;
	EXPECT_READ("read_ports", 20, 8, 1);
	self->run.packet.size = 27;
	EXPECT_READ("read_ports", 20, 8, 0);
}

NF_TEST_F(portable, two_at_a_time)
{
	static const char * const progs[] = { "read_twice", "read_init" };
	size_t i;

	start_ipv4(&self->run.packet, 0, 0);
	finish(&self->run.packet, UDP, 8);
	for (i = 0; i < ARRAY_SIZE(progs); i++) {
		memset(self->run.io, 0, sizeof(*self->run.io));
		ASSERT_EQ(NF_ACCEPT, test_run(&self->run, progs[i]));
		EXPECT_EQ(1, self->run.io->found);
		EXPECT_EQ(0, memcmp(self->run.packet.data, self->run.io->bytes, 8));
		EXPECT_EQ(0, memcmp(self->run.packet.data + 12,
				    self->run.io->bytes + 8, 8));
	}
}

/*
 * Sends the packet over the loopback device so that only @linear bytes of it,
 * behind the Ethernet header, are in the linear part.
 */
static int send_paged(struct packet *packet, __u32 linear)
{
	const struct virtio_net_hdr vnet = {
		.hdr_len = sizeof(packet->eth) + linear,
	};
	const struct sockaddr_ll to = {
		.sll_family = AF_PACKET,
		.sll_ifindex = LOOPBACK,
	};
	struct iovec iov[] = {
		{ (void *)&vnet, sizeof(vnet) },
		{ &packet->eth, sizeof(packet->eth) },
		{ packet->data, packet->size },
	};
	const struct msghdr msg = {
		.msg_name = (void *)&to,
		.msg_namelen = sizeof(to),
		.msg_iov = iov,
		.msg_iovlen = ARRAY_SIZE(iov),
	};
	int fd, one = 1, err = 0;

	packet->eth = (struct ether_header) {
		.ether_type = htons(packet->pf == NFPROTO_IPV4 ? ETHERTYPE_IP :
				    ETHERTYPE_IPV6),
	};
	fd = socket(AF_PACKET, SOCK_RAW, 0);
	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &one, sizeof(one)) ||
	    sendmsg(fd, &msg, 0) < 0)
		err = -errno;
	close(fd);
	return err;
}

static void set_checksum(struct packet *packet)
{
	struct iphdr *iph = (void *)packet->data;
	const __u16 *word = (void *)packet->data;
	__u32 sum = 0;
	int i;

	if (packet->pf != NFPROTO_IPV4)
		return;
	iph->check = 0;
	for (i = 0; i < iph->ihl * 2; i++)
		sum += word[i];
	sum = (sum & 0xffff) + (sum >> 16);
	iph->check = ~(sum + (sum >> 16));
}

static int attach_fd(struct run *run, int fd)
{
	const struct nf_key key = {
		.pf = run->packet.pf,
		.hooknum = NF_INET_PRE_ROUTING,
	};

	return nf_link(fd, &key);
}

static int attach(struct run *run, const char *prog)
{
	const struct bpf_program *program;

	program = bpf_object__find_program_by_name(run->obj, prog);
	return attach_fd(run, bpf_program__fd(program));
}

/* A packet of which the L4 header is in a page, after what the IP layer pulls. */
#define EXPECT_PAGED(_result, _protocol, _l4_off, _linear) do {		\
	__u32 linear_ = _linear;					\
	int _link;							\
									\
	set_checksum(&self->run.packet);				\
	memset(self->run.io, 0x5a, sizeof(*self->run.io));		\
	self->run.io->runs = 0;						\
	_link = attach(&self->run, "parse");				\
	ASSERT_LE(0, _link);						\
	ASSERT_EQ(0, send_paged(&self->run.packet, linear_));		\
	ASSERT_EQ(1, self->run.io->runs);				\
	EXPECT_EQ(linear_, self->run.io->linear);			\
	EXPECT_EQ(self->run.packet.size, self->run.io->length);		\
	EXPECT_EQ(_result, self->run.io->result);			\
	EXPECT_EQ(_protocol, self->run.io->flow.tuple.protocol);	\
	EXPECT_EQ(_l4_off, self->run.io->flow.l4_off);			\
	EXPECT_EQ(NONE, self->run.io->flow.fragment);			\
	EXPECT_PORTS(SPORT, DPORT);					\
	EXPECT_ADDRESSES();						\
	close(_link);							\
} while (0)

TEST_F(portable, paged)
{
	start_ipv4(&self->run.packet, 0, 0);
	finish(&self->run.packet, UDP, PAGED_SIZE - 20);
	EXPECT_PAGED(PARSED, UDP, 20, 20);
	/* The boundary is in the ports, and right behind them. */
	EXPECT_PAGED(PARSED, UDP, 20, 22);
	EXPECT_PAGED(PARSED, UDP, 20, 28);

	start_ipv4(&self->run.packet, 3, 0);
	finish(&self->run.packet, TCP, PAGED_SIZE - 32);
	EXPECT_PAGED(PARSED, TCP, 32, 32);
}

TEST_F(portable, paged_ipv6)
{
	if (nf_without("ipv6"))
		SKIP(return, "kernel without ipv6");
	/* IPv6 may be a module that is not loaded yet. */
	close(socket(AF_INET6, SOCK_DGRAM, 0));
	start_ipv6(&self->run.packet);
	finish(&self->run.packet, UDP, PAGED_SIZE - 40);
	EXPECT_PAGED(PARSED, UDP, 40, 40);

	/* The chain, too. Hop-by-hop options the IP layer would pull in. */
	start_ipv6(&self->run.packet);
	extend(&self->run.packet, DEST, 16);
	extend(&self->run.packet, ROUTING, 24);
	finish(&self->run.packet, UDP, PAGED_SIZE - 80);
	EXPECT_PAGED(PARSED, UDP, 80, 40);
	EXPECT_PAGED(PARSED, UDP, 80, 44);
	EXPECT_PAGED(PARSED, UDP, 80, 56);
	EXPECT_PAGED(PARSED, UDP, 80, 82);
}

/* A tunnel of which everything but the outer IP header is in pages. */
TEST_F(portable, paged_tunnel)
{
	static const __u8 gre[] = { 0x20, 0, 0x08, 0, 1, 2, 3, 4 };
	static struct packet inner;
	int link;

	start_ipv4(&inner, 3, 0);
	finish(&inner, TCP, PAGED_SIZE - 20 - 8 - 32);
	start_ipv4(&self->run.packet, 0, 0);
	contain(&self->run.packet, GRE, gre, sizeof(gre), &inner);
	set_checksum(&self->run.packet);
	link = attach(&self->run, "inner");
	ASSERT_LE(0, link);
	memset(self->run.io, 0x5a, sizeof(*self->run.io));
	self->run.io->runs = 0;
	ASSERT_EQ(0, send_paged(&self->run.packet, 20));
	close(link);
	ASSERT_EQ(1, self->run.io->runs);
	EXPECT_EQ(20, self->run.io->linear);
	EXPECT_EQ(PARSED, self->run.io->result);
	EXPECT_EQ(28, self->run.io->flow.ip_off);
	EXPECT_EQ(60, self->run.io->flow.l4_off);
	EXPECT_EQ(TCP, self->run.io->flow.tuple.protocol);
	EXPECT_PORTS(SPORT, DPORT);
	EXPECT_EQ(0x177, self->run.io->details.tcp_flags);
	EXPECT_EQ(inner.size, self->run.io->details.ip.length);
}

/* Bytes in pages are copied, bytes in the linear part are not. */
TEST_F(portable, read_paged)
{
	static const struct {
		__u32 off;
		__u32 len;
		bool found;
		bool copied;
	} cases[] = {
		{ 0, 1, true, false },
		{ 19, 1, true, false },
		{ 12, 8, true, false },
		{ 13, 8, true, true },
		{ 20, 8, true, true },
		{ 4000, 40, true, true },
		{ PAGED_SIZE - 40, 40, true, true },
		{ PAGED_SIZE - 39, 40, false, false },
		{ PAGED_SIZE, 1, false, false },
		{ 0x8000, 1, false, false },
	};
	size_t i;
	int link;

	start_ipv4(&self->run.packet, 0, 0);
	finish(&self->run.packet, UDP, PAGED_SIZE - 20);
	for (i = 28; i < PAGED_SIZE; i++)
		self->run.packet.data[i] = i % 163;
	set_checksum(&self->run.packet);
	link = attach(&self->run, "read_at");
	ASSERT_LE(0, link);
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		memset(self->run.io, 0x5a, sizeof(*self->run.io));
		self->run.io->runs = 0;
		self->run.io->off = cases[i].off;
		self->run.io->len = cases[i].len;
		ASSERT_EQ(0, send_paged(&self->run.packet, 20));
		ASSERT_EQ(1, self->run.io->runs);
		EXPECT_EQ(20, self->run.io->linear);
		EXPECT_EQ(cases[i].found, self->run.io->found);
		if (!cases[i].found)
			continue;
		EXPECT_EQ(cases[i].copied, self->run.io->copied);
		EXPECT_EQ(0, memcmp(self->run.packet.data + cases[i].off,
				    self->run.io->bytes, cases[i].len));
	}
	close(link);
}

/* Patched kernels have it, and unmodified kernels if this module is loaded. */
static bool has_packet_functions(void)
{
	int fd;

	if (nf_btf_has_func("bpf_nf_frag_info"))
		return true;
	fd = nf_btf_module_fd("nf_bpf_packet");
	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

/* On our kernel it must be there, and without it the program loads all the same. */
NF_TEST_F(portable, function_of_the_kernel)
{
	start_ipv4(&self->run.packet, 0, IP_MF);
	finish(&self->run.packet, UDP, 16);
	ASSERT_EQ(NF_ACCEPT, test_run(&self->run, "frag_info"));
	EXPECT_EQ(1, self->run.io->runs);
	if (!has_packet_functions()) {
		EXPECT_FALSE(nf_must_have("the module nf_bpf_packet"));
		EXPECT_EQ(-EOPNOTSUPP, self->run.io->result);
		EXPECT_EQ(1, self->run.io->frag_pieces);
		return;
	}
	EXPECT_EQ(0, self->run.io->result);
	EXPECT_EQ(4 /* BPF_NF_FRAG_IS_FRAGMENT */, self->run.io->frag_flags);
	EXPECT_EQ(0, self->run.io->frag_pieces);
}

NF_TEST_F(portable, function_of_a_module)
{
	ASSERT_EQ(NF_ACCEPT, test_run(&self->run, "ct_state"));
	EXPECT_EQ(1, self->run.io->runs);
	if (access("/sys/kernel/btf/nf_bpf_kfunc", F_OK) || nf_without("conntrack")) {
		EXPECT_TRUE(!nf_must_have("the module nf_bpf_kfunc") || nf_without("conntrack"));
		EXPECT_EQ(-EOPNOTSUPP, self->run.io->result);
		return;
	}
	EXPECT_EQ(0, self->run.io->result);
	EXPECT_EQ(1 /* BPF_NF_CT_INVALID */, self->run.io->ct_state);
}

NF_TEST_F(portable, mark_and_priority)
{
	ASSERT_EQ(NF_ACCEPT, test_run(&self->run, "mark"));
	EXPECT_EQ(1, self->run.io->runs);
	EXPECT_EQ(0, self->run.io->mark_before);
	if (!has_packet_functions()) {
		EXPECT_FALSE(nf_must_have("the module nf_bpf_packet"));
		EXPECT_EQ(-EOPNOTSUPP, self->run.io->result);
		EXPECT_EQ(0, self->run.io->mark_after);
		return;
	}
	EXPECT_EQ(0, self->run.io->result);
	EXPECT_EQ(0x11223344, self->run.io->mark_after);
	EXPECT_EQ(0x55667788, self->run.io->priority);
}

/* A program of progs/dynptr.bpf.c ran once. It found the ports if @_found is 1. */
#define EXPECT_DYNPTR(_io, _found) do {					\
	EXPECT_EQ(1, (_io)->runs);					\
	EXPECT_EQ(0, (_io)->result);					\
	EXPECT_EQ(UDP, (_io)->protocol);				\
	EXPECT_EQ(0xc6336402, ntohl((_io)->daddr));			\
	EXPECT_EQ(_found, (_io)->found);				\
	if (_found) {							\
		EXPECT_EQ(SPORT, ntohs((_io)->sport));			\
		EXPECT_EQ(DPORT, ntohs((_io)->dport));			\
	}								\
} while (0)

#define CHECK_DYNPTR(_io, _fd) do {					\
	int fd_ = _fd;							\
									\
	for (i = 0; i < ARRAY_SIZE(cases); i++) {			\
		start_ipv4(&self->run.packet, 3, 0);			\
		finish(&self->run.packet, UDP, cases[i].size);		\
		memset(_io, 0, sizeof(*(_io)));				\
		(_io)->off = cases[i].off;				\
		ASSERT_EQ(NF_ACCEPT, test_run_fd(&self->run, fd_));	\
		EXPECT_DYNPTR(_io, cases[i].found);			\
	}								\
} while (0)

/* The same source on every kernel, and without the header where it was written for. */
NF_TEST_F(portable, source_of_mainline)
{
	static const struct {
		__u32 size;
		__u32 off;
		bool found;
	} cases[] = {
		{ 8, 0, true },
		{ 7, 0, false },
		{ 8, 33, false },
		{ 8, 0x8000, false },
		{ 8, -1, false },
	};
	struct packet_dynptr_header *header = packet_dynptr_header__open_and_load();
	struct packet_dynptr_linear *linear = packet_dynptr_linear__open_and_load();
	struct packet_dynptr *bare;
	size_t i;

	ASSERT_NE(NULL, header);
	ASSERT_NE(NULL, linear);
	CHECK_DYNPTR(&header->bss->io, bpf_program__fd(header->progs.with_context));
	EXPECT_EQ(-EINVAL, header->bss->io.flags_result);
	CHECK_DYNPTR(&linear->bss->io, bpf_program__fd(linear->progs.with_context));
	CHECK_DYNPTR(&linear->bss->io, bpf_program__fd(linear->progs.without_context));
	packet_dynptr_header__destroy(header);
	packet_dynptr_linear__destroy(linear);

	bare = packet_dynptr__open_and_load();
	ASSERT_EQ(nf_btf_has_func("bpf_dynptr_from_skb"), !!bare);
	if (!bare)
		return;
	CHECK_DYNPTR(&bare->bss->io, bpf_program__fd(bare->progs.with_context));
	EXPECT_EQ(-EINVAL, bare->bss->io.flags_result);
	packet_dynptr__destroy(bare);
}

#define CHECK_PAGED_DYNPTR(_io, _program, _found) do {			\
	int link_ = attach_fd(&self->run, bpf_program__fd(_program));	\
									\
	ASSERT_LE(0, link_);						\
	memset(_io, 0, sizeof(*(_io)));					\
	ASSERT_EQ(0, send_paged(&self->run.packet, 20));		\
	EXPECT_DYNPTR(_io, _found);					\
	close(link_);							\
} while (0)

/* Without the context there is only the linear part, if there are packet pointers. */
TEST_F(portable, source_of_mainline_paged)
{
	struct packet_dynptr_header *header = packet_dynptr_header__open_and_load();
	struct packet_dynptr_linear *linear = packet_dynptr_linear__open_and_load();
	bool direct = nf_btf_offset("bpf_nf_ctx", "data") >= 0;

	ASSERT_NE(NULL, header);
	ASSERT_NE(NULL, linear);
	start_ipv4(&self->run.packet, 0, 0);
	finish(&self->run.packet, UDP, PAGED_SIZE - 20);
	set_checksum(&self->run.packet);
	CHECK_PAGED_DYNPTR(&header->bss->io, header->progs.with_context, true);
	CHECK_PAGED_DYNPTR(&linear->bss->io, linear->progs.with_context, true);
	CHECK_PAGED_DYNPTR(&linear->bss->io, linear->progs.without_context, !direct);
	packet_dynptr_header__destroy(header);
	packet_dynptr_linear__destroy(linear);
}

TEST_HARNESS_MAIN
