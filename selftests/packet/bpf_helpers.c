// SPDX-License-Identifier: GPL-2.0
/*
 * The helpers for packets, called for one packet each: every offset, size and flag,
 * the error code, and the packet after the call. On an unmodified kernel, the functions of
 * the module nf_bpf_packet.
 */
#include <arpa/inet.h>
#include <net/ethernet.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/udp.h>
#include <sys/socket.h>

#include <bpf/bpf.h>

#include "kselftest_harness.h"
#include "helpers/nf_test.h"
#include "packet/run_packet.h"

#define IP	NFPROTO_IPV4
#define IP6	NFPROTO_IPV6
#define STATE	"nf_hook_state"

#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71
#endif

/* The IPv4 headers have an option: an empty record route. */
enum { OPTIONS = 8, PAYLOAD = 48, STATE_MAX = 128, BUFFER = 512 };

FIXTURE(packet)
{
	const char *lacks;
	/* The header of the link layer. Without it, run_packet() finds one if it must. */
	const struct ether_header *eth;
	struct packet_bpf_helpers *skel;
	unsigned char state[STATE_MAX];
	int state_size;
	unsigned char packet[256];
	unsigned char out[256];
	__u32 size;
	__u32 udp;
	struct bpf_test_run_opts opts;
};

FIXTURE_VARIANT(packet)
{
	__u32 pf;
	__u32 options;
};

FIXTURE_VARIANT_ADD(packet, ip)
{
	.pf = IP,
};

FIXTURE_VARIANT_ADD(packet, ip_options)
{
	.pf = IP,
	.options = OPTIONS,
};

FIXTURE_VARIANT_ADD(packet, ip6)
{
	.pf = IP6,
};

static bool has_ip_checksum(const unsigned char *packet)
{
	const struct iphdr *iph = (const void *)packet;

	return nf_sum_fold(nf_sum(0, packet, iph->ihl * 4)) == 0xffff;
}

static __u32 pseudo_header(const unsigned char *packet, __u32 pf, __u32 udp_size)
{
	int addresses = pf == IP ? 12 : 8, length = pf == IP ? 8 : 32;

	return nf_sum(IPPROTO_UDP + udp_size, packet + addresses, length);
}

static bool has_udp_checksum(const unsigned char *packet, __u32 pf, __u32 udp,
			     __u32 size)
{
	__u32 sum = pseudo_header(packet, pf, size - udp);

	return nf_sum_fold(nf_sum(sum, packet + udp, size - udp)) == 0xffff;
}

static __u16 *udp_checksum(unsigned char *packet, __u32 udp)
{
	return (__u16 *)(packet + udp + offsetof(struct udphdr, uh_sum));
}

static void set_udp_checksum(unsigned char *packet, __u32 pf, __u32 udp, __u32 size)
{
	__u32 sum;

	*udp_checksum(packet, udp) = 0;
	sum = nf_sum(pseudo_header(packet, pf, size - udp), packet + udp, size - udp);
	*udp_checksum(packet, udp) = htons(~nf_sum_fold(sum));
}

static void set_ipv4(unsigned char *packet, __u32 options, __u32 size)
{
	struct iphdr iph = {
		.version = 4,
		.ihl = 5 + options / 4,
		.ttl = 64,
		.protocol = IPPROTO_UDP,
		.frag_off = htons(IP_DF),
		.tot_len = htons(size),
		.saddr = htonl(0xc0000202),
		.daddr = htonl(0xc6336402),
	};

	memcpy(packet, &iph, sizeof(iph));
	memset(packet + sizeof(iph), IPOPT_NOP, options);
	((struct iphdr *)packet)->check =
		htons(~nf_sum_fold(nf_sum(0, packet, sizeof(iph) + options)));
}

static void set_ipv6(unsigned char *packet, __u32 size)
{
	struct ip6_hdr ip6h = {
		.ip6_flow = htonl(6 << 28 | 0x12345),
		.ip6_plen = htons(size - sizeof(ip6h)),
		.ip6_nxt = IPPROTO_UDP,
		.ip6_hlim = 64,
	};
	__u32 i;

	for (i = 0; i < 16; i++) {
		ip6h.ip6_src.s6_addr[i] = 0x20 + i;
		ip6h.ip6_dst.s6_addr[i] = 0x80 + i;
	}
	memcpy(packet, &ip6h, sizeof(ip6h));
}

/* Load once, because it takes long. Each test is forked from this process. */
static struct packet_bpf_helpers *loaded;

static void __attribute__((constructor)) load(void)
{
	if (nf_has_packet_access())
		loaded = packet_bpf_helpers__open_and_load();
}

FIXTURE_SETUP(packet)
{
	struct udphdr udph = {
		.uh_sport = htons(40000),
		.uh_dport = htons(53),
		.uh_ulen = htons(sizeof(udph) + PAYLOAD),
	};
	__u32 i, key = 0;

	if (!nf_has_packet_access()) {
		self->lacks = NF_PACKET_ACCESS;
		return;
	}
	ASSERT_EQ(0, nf_netns_new());
	ASSERT_EQ(0, nf_netns_loopback_up());
	ASSERT_NE(NULL, loaded);
	self->skel = loaded;
	memset(self->skel->bss, 0, sizeof(*self->skel->bss));
	bpf_map_delete_elem(bpf_map__fd(self->skel->maps.jump), &key);

	self->state_size = nf_btf_size(STATE);
	ASSERT_LT(0, self->state_size);
	ASSERT_GE(STATE_MAX, self->state_size);
	self->state[nf_btf_offset(STATE, "pf")] = variant->pf;
	self->state[nf_btf_offset(STATE, "hook")] = NF_INET_PRE_ROUTING;

	self->udp = variant->pf == IP ? sizeof(struct iphdr) + variant->options :
					sizeof(struct ip6_hdr);
	self->size = self->udp + sizeof(udph) + PAYLOAD;
	for (i = 0; i < PAYLOAD; i++)
		self->packet[self->udp + sizeof(udph) + i] = 0x40 + i;
	memcpy(self->packet + self->udp, &udph, sizeof(udph));
	if (variant->pf == IP)
		set_ipv4(self->packet, variant->options, self->size);
	else
		set_ipv6(self->packet, self->size);
	set_udp_checksum(self->packet, variant->pf, self->udp, self->size);
}

FIXTURE_TEARDOWN(packet)
{
}

static int run(FIXTURE_DATA(packet) *self, const struct bpf_program *prog)
{
	self->skel->bss->ret = 12345;
	memset(self->out, 0, sizeof(self->out));
	self->opts = (struct bpf_test_run_opts) {
		.sz = sizeof(self->opts),
		.data_in = self->packet,
		.data_size_in = self->size,
		.data_out = self->out,
		.data_size_out = sizeof(self->out),
		.ctx_in = self->state,
		.ctx_size_in = self->state_size,
		.repeat = 1,
	};
	return run_packet(self->skel, prog, &self->opts, self->eth);
}

/* The program's result; it ran, and the packet has its size still. */
#define RUN(name) ({							\
	__u64 _runs = self->skel->bss->runs;				\
									\
	ASSERT_EQ(0, run(self, self->skel->progs.name));		\
	EXPECT_EQ(_runs + 1, self->skel->bss->runs);			\
	EXPECT_EQ(self->size, self->opts.data_size_out);		\
	self->skel->bss->ret;						\
})

#define EXPECT_UNCHANGED()						\
	EXPECT_EQ(0, memcmp(self->out, self->packet, self->size))

NF_TEST_F(packet, read_in_place)
{
	if (!nf_has_pkt_pointers())
		NF_LACKS(return, "packet pointers");
	EXPECT_EQ(self->size, RUN(read));
	EXPECT_EQ(self->size, self->skel->bss->linear);
	EXPECT_EQ(0, memcmp(self->skel->bss->buffer, self->packet, self->size));
	EXPECT_UNCHANGED();
}

static bool all_are(const unsigned char *data, int length, unsigned char value)
{
	while (length--)
		if (*data++ != value)
			return false;
	return true;
}

/* The helper must write @_length bytes of the buffer, and no other. */
#define EXPECT_LOADED(name, _offset, _length, expected) do {		\
	__u8 *_buffer = self->skel->bss->buffer;			\
									\
	memset(_buffer, 0x5a, BUFFER);					\
	self->skel->bss->offset = _offset;				\
	self->skel->bss->length = _length;				\
	EXPECT_EQ(0, RUN(name));					\
	EXPECT_EQ(0, memcmp(_buffer, expected, _length));		\
	EXPECT_TRUE(all_are(_buffer + (_length), BUFFER - (_length), 0x5a)); \
} while (0)

#define EXPECT_NOT_LOADED(name, _offset, _length) do {			\
	__u8 *_buffer = self->skel->bss->buffer;			\
									\
	memset(_buffer, 0x5a, BUFFER);					\
	self->skel->bss->offset = _offset;				\
	self->skel->bss->length = _length;				\
	EXPECT_EQ(-EFAULT, RUN(name));					\
	EXPECT_TRUE(all_are(_buffer, _length, 0));			\
	EXPECT_TRUE(all_are(_buffer + (_length), BUFFER - (_length), 0x5a)); \
	EXPECT_UNCHANGED();						\
} while (0)

NF_TEST_F(packet, load_bytes)
{
	__u32 i;

	for (i = 0; i < self->size; i++) {
		EXPECT_LOADED(load, i, 1, self->packet + i);
		EXPECT_LOADED(load, i, self->size - i, self->packet + i);
		EXPECT_NOT_LOADED(load, i, self->size - i + 1);
	}
}

NF_TEST_F(packet, load_bytes_beyond)
{
	EXPECT_NOT_LOADED(load, self->size, 1);
	EXPECT_NOT_LOADED(load, self->size + 1, 1);
	EXPECT_NOT_LOADED(load, 0, BUFFER);
	EXPECT_NOT_LOADED(load, 0x7fffffff, 1);
	EXPECT_NOT_LOADED(load, 0x80000000, 1);
	EXPECT_NOT_LOADED(load, 0xffffffff, 1);
	EXPECT_NOT_LOADED(load, 0xffffffff, BUFFER);
	EXPECT_LOADED(load, self->size - 1, 1, self->packet + self->size - 1);
}

NF_TEST_F(packet, load_bytes_relative_to_the_network_header)
{
	self->skel->bss->start = 1;
	EXPECT_LOADED(load_relative, 0, self->size, self->packet);
	EXPECT_LOADED(load_relative, self->size - 1, 1, self->packet + self->size - 1);
	EXPECT_NOT_LOADED(load_relative, self->size, 1);
	EXPECT_NOT_LOADED(load_relative, 0xffffffff, 1);
}

/* A packet that came by Ethernet, as real ones do. */
NF_TEST_F(packet, load_bytes_relative_to_the_link_layer_header)
{
	struct ether_header eth = {
		.ether_shost = { 2, 0, 0, 0, 0, 1 },
		.ether_type = htons(variant->pf == IP ? ETHERTYPE_IP : ETHERTYPE_IPV6),
	};

	unsigned char frame[sizeof(eth) + sizeof(self->packet)];
	const __u32 size = sizeof(eth) + self->size;

	self->eth = &eth;
	memcpy(frame, &eth, sizeof(eth));
	memcpy(frame + sizeof(eth), self->packet, self->size);

	self->skel->bss->start = 0;
	EXPECT_LOADED(load_relative, 0, sizeof(eth), &eth);
	EXPECT_LOADED(load_relative, 13, 1, frame + 13);
	EXPECT_LOADED(load_relative, 0, size, frame);
	EXPECT_LOADED(load_relative, size - 1, 1, frame + size - 1);
	EXPECT_NOT_LOADED(load_relative, size, 1);
	EXPECT_NOT_LOADED(load_relative, 0, size + 1);
	EXPECT_NOT_LOADED(load_relative, 0xffffffff, 1);
	self->skel->bss->start = 1;
	EXPECT_LOADED(load_relative, 0, 1, self->packet);
}

NF_TEST_F(packet, load_bytes_relative_to_nothing)
{
	self->skel->bss->start = 2;
	EXPECT_NOT_LOADED(load_relative, 0, 1);
	self->skel->bss->start = 0xffffffff;
	EXPECT_NOT_LOADED(load_relative, 0, 1);
	self->skel->bss->start = 1;
	EXPECT_LOADED(load_relative, 0, 1, self->packet);
}

NF_TEST_F(packet, pull_data)
{
	__u32 lengths[] = { 0, 1, self->udp, self->size };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(lengths); i++) {
		self->skel->bss->length = lengths[i];
		EXPECT_EQ(0, RUN(pull));
		EXPECT_EQ(self->size, self->skel->bss->linear);
		EXPECT_UNCHANGED();
	}
}

NF_TEST_F(packet, pull_data_too_long)
{
	__u32 lengths[] = { self->size + 1, 65536, 0x7fffffff, 0x80000000, 0xffffffff };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(lengths); i++) {
		self->skel->bss->length = lengths[i];
		EXPECT_EQ(-ENOMEM, RUN(pull));
		EXPECT_EQ(self->size, self->skel->bss->linear);
		EXPECT_UNCHANGED();
	}
	self->skel->bss->length = self->size;
	EXPECT_EQ(0, RUN(pull));
}

/* --- stores -------------------------------------------------------------------- */

#define STORE(_offset, _length, bytes) ({				\
	self->skel->bss->offset = _offset;				\
	self->skel->bss->length = _length;				\
	memcpy(self->skel->bss->buffer, bytes, _length);		\
	RUN(store);							\
})

/* Which bits of a byte the kernel has gone by already. */
static unsigned char fixed_bits(FIXTURE_DATA(packet) *self, __u32 pf, __u32 offset)
{
	if (pf == IP6)
		return offset == 0 ? 0xf0 : offset == 4 || offset == 5 ? 0xff : 0;
	if (offset == 0 || offset == 2 || offset == 3)
		return 0xff;
	return offset >= sizeof(struct iphdr) && offset < self->udp ? 0xff : 0;
}

/* Every bit of every byte. */
NF_TEST_F(packet, store_bytes)
{
	unsigned char value, bit;
	__u32 i;

	for (i = 0; i < self->size; i++) {
		for (bit = 1; bit; bit <<= 1) {
			value = self->packet[i] ^ bit;
			if (bit & fixed_bits(self, variant->pf, i)) {
				EXPECT_EQ(-EPERM, STORE(i, 1, &value))
					TH_LOG("offset %u, bit %#x", i, bit);
				EXPECT_UNCHANGED();
			} else {
				EXPECT_EQ(0, STORE(i, 1, &value))
					TH_LOG("offset %u, bit %#x", i, bit);
				EXPECT_EQ(value, self->out[i]);
				self->out[i] ^= bit;
				EXPECT_UNCHANGED();
			}
		}
	}
}

/* A program may store unchanged bytes: it copies a header, changes a part and stores it. */
NF_TEST_F(packet, store_the_same)
{
	EXPECT_EQ(0, STORE(0, self->size, self->packet));
	EXPECT_UNCHANGED();
}

NF_TEST_F(packet, store_a_header)
{
	unsigned char header[64];

	memcpy(header, self->packet, self->udp);
	if (variant->pf == IP) {
		((struct iphdr *)header)->ttl = 7;
		((struct iphdr *)header)->tos = 0xb8;
		((struct iphdr *)header)->frag_off = 0;
		((struct iphdr *)header)->saddr ^= htonl(1);
	} else {
		((struct ip6_hdr *)header)->ip6_hlim = 7;
		((struct ip6_hdr *)header)->ip6_flow ^= htonl(0xb8 << 20);
		((struct ip6_hdr *)header)->ip6_src.s6_addr[15] ^= 1;
	}
	EXPECT_EQ(0, STORE(0, self->udp, header));
	EXPECT_EQ(0, memcmp(self->out, header, self->udp));
	memcpy(self->out, self->packet, self->udp);
	EXPECT_UNCHANGED();
}

/* All of a store or nothing. */
NF_TEST_F(packet, store_a_header_with_another_length)
{
	unsigned char header[64];
	__u32 length = variant->pf == IP ? 3 : 5;

	memcpy(header, self->packet, self->udp);
	header[variant->pf == IP ? 8 : 7] = 7;
	EXPECT_EQ(0, STORE(0, self->udp, header));
	header[length]++;
	EXPECT_EQ(-EPERM, STORE(0, self->udp, header));
	EXPECT_UNCHANGED();
	header[length]--;
	header[0] ^= 0x10;
	EXPECT_EQ(-EPERM, STORE(0, self->udp, header));
	EXPECT_UNCHANGED();
}

NF_TEST_F(packet, store_beyond)
{
	unsigned char bytes[BUFFER] = {};

	EXPECT_EQ(-EFAULT, STORE(self->size, 1, bytes));
	EXPECT_UNCHANGED();
	EXPECT_EQ(-EFAULT, STORE(self->size - 1, 2, bytes));
	EXPECT_UNCHANGED();
	EXPECT_EQ(-EFAULT, STORE(0, BUFFER, bytes));
	EXPECT_UNCHANGED();
	EXPECT_EQ(-EFAULT, STORE(0x7fffffff, 1, bytes));
	EXPECT_EQ(-EFAULT, STORE(0x80000000, 1, bytes));
	EXPECT_EQ(-EFAULT, STORE(0xffffffff, 1, bytes));
	EXPECT_EQ(-EFAULT, STORE(0xffffffff, 2, bytes));
	EXPECT_UNCHANGED();
	EXPECT_EQ(0, STORE(self->size - 1, 1, bytes));
	EXPECT_EQ(0, self->out[self->size - 1]);
}

NF_TEST_F(packet, store_flags)
{
	static const __u64 bad[] = { 4, 8, 0x80000000, 1ULL << 63, ~0ULL };
	unsigned char byte = 0xff;
	size_t i;

	for (i = 0; i <= (BPF_F_RECOMPUTE_CSUM | BPF_F_INVALIDATE_HASH); i++) {
		self->skel->bss->flags = i;
		EXPECT_EQ(0, STORE(self->size - 1, 1, &byte));
		EXPECT_EQ(0xff, self->out[self->size - 1]);
	}
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		self->skel->bss->flags = bad[i];
		EXPECT_EQ(-EINVAL, STORE(self->size - 1, 1, &byte));
		EXPECT_UNCHANGED();
	}
}

/* The hash is that of the flow before, unless the store says that it is not. */
NF_TEST_F(packet, store_and_hash)
{
	/* The end of the source address. */
	self->skel->bss->offset = variant->pf == IP ? 15 : 23;
	self->skel->bss->flags = 0;
	EXPECT_EQ(0, RUN(store_and_hash));
	EXPECT_EQ(77, self->out[self->skel->bss->offset]);
	self->skel->bss->flags = BPF_F_RECOMPUTE_CSUM;
	EXPECT_EQ(0, RUN(store_and_hash));
	self->skel->bss->flags = BPF_F_INVALIDATE_HASH;
	EXPECT_EQ(1, RUN(store_and_hash));
	EXPECT_EQ(77, self->out[self->skel->bss->offset]);
}

/* --- checksums ----------------------------------------------------------------- */

#define REPLACE(name, _offset, _from, _to, _flags) ({			\
	self->skel->bss->offset = _offset;				\
	self->skel->bss->from = _from;					\
	self->skel->bss->to = _to;					\
	self->skel->bss->flags = _flags;				\
	RUN(name);							\
})

#define IP_CHECK offsetof(struct iphdr, check)
#define UDP_CHECK (self->udp + offsetof(struct udphdr, uh_sum))
#define EXPECT_UDP_CHECKSUM()						\
	EXPECT_TRUE(has_udp_checksum(self->out, variant->pf, self->udp, self->size))

/* Carry the new checksum over into the packet, for the next step. */
#define TAKE_OVER_CHECKSUM(at)						\
	memcpy(self->packet + (at), self->out + (at), 2)

NF_TEST_F(packet, l3_csum_replace)
{
	__u32 *word = (void *)self->packet + self->udp + 12;
	struct iphdr *iph = (void *)self->packet;
	__be16 old_tos, new_tos;
	__be32 old;

	/* Any checksum that covers no pseudo header changes like that of IPv4. */
	old = *word;
	*word = htonl(0x0a0b0c0d);
	EXPECT_EQ(0, REPLACE(l3_csum, UDP_CHECK, old, *word, 4));
	EXPECT_UDP_CHECKSUM();
	TAKE_OVER_CHECKSUM(UDP_CHECK);
	if (variant->pf != IP)
		return;
	ASSERT_TRUE(has_ip_checksum(self->packet));

	/* 4 bytes, an address */
	old = iph->daddr;
	iph->daddr = htonl(0x0a0b0c0d);
	EXPECT_FALSE(has_ip_checksum(self->packet));
	EXPECT_EQ(0, REPLACE(l3_csum, IP_CHECK, old, iph->daddr, 4));
	EXPECT_TRUE(has_ip_checksum(self->out));
	TAKE_OVER_CHECKSUM(IP_CHECK);

	/* 2 bytes, the first word */
	memcpy(&old_tos, iph, 2);
	iph->tos = 0xb8;
	memcpy(&new_tos, iph, 2);
	EXPECT_EQ(0, REPLACE(l3_csum, IP_CHECK, old_tos, new_tos, 2));
	EXPECT_TRUE(has_ip_checksum(self->out));
	TAKE_OVER_CHECKSUM(IP_CHECK);

	/* The difference itself, as bpf_csum_diff() gives it */
	memcpy(self->skel->bss->buffer, &iph->saddr, 4);
	iph->saddr = htonl(0x01020304);
	memcpy(self->skel->bss->other, &iph->saddr, 4);
	self->skel->bss->from = 4;
	self->skel->bss->to = 4;
	self->skel->bss->seed = 0;
	EXPECT_LE(0, RUN(csum_diff));
	EXPECT_EQ(0, REPLACE(l3_csum, IP_CHECK, 0, self->skel->bss->ret, 0));
	EXPECT_TRUE(has_ip_checksum(self->out));
}

#define EXPECT_BAD_REPLACE(error, ...) do {				\
	EXPECT_EQ(error, REPLACE(__VA_ARGS__));				\
	EXPECT_UNCHANGED();						\
} while (0)

NF_TEST_F(packet, l3_csum_replace_errors)
{
	__u32 at = variant->pf == IP ? IP_CHECK : self->udp + 6;
	int i;

	for (i = 1; i < 16; i++)
		if (i != 2 && i != 4)
			EXPECT_BAD_REPLACE(-EINVAL, l3_csum, at, 0, 1, i);
	EXPECT_BAD_REPLACE(-EINVAL, l3_csum, at, 1, 2, 0);
	EXPECT_BAD_REPLACE(-EINVAL, l3_csum, at, 1, 2, 0x10 | 2);
	EXPECT_BAD_REPLACE(-EINVAL, l3_csum, at, 1, 2, 0x100000000ULL | 2);
	EXPECT_BAD_REPLACE(-EFAULT, l3_csum, at + 1, 1, 2, 2);
	EXPECT_BAD_REPLACE(-EFAULT, l3_csum, self->size, 1, 2, 2);
	EXPECT_BAD_REPLACE(-EFAULT, l3_csum, self->size - 1, 1, 2, 2);
	EXPECT_BAD_REPLACE(-EFAULT, l3_csum, 0x10000, 1, 2, 2);
	EXPECT_BAD_REPLACE(-EFAULT, l3_csum, 0xfffffffe, 1, 2, 2);
	EXPECT_EQ(0, REPLACE(l3_csum, at, 1, 2, 2));
	EXPECT_EQ(0, REPLACE(l3_csum, self->size - 2, 1, 2, 2));
}

/* A checksum is no way around the rule for stores. */
NF_TEST_F(packet, csum_replace_of_what_may_not_change)
{
	__u32 i;

	for (i = 0; i < self->udp; i += 2) {
		bool fixed = variant->pf == IP6 ||
			     fixed_bits(self, variant->pf, i) ||
			     fixed_bits(self, variant->pf, i + 1);

		EXPECT_EQ(fixed ? -EPERM : 0, REPLACE(l3_csum, i, 1, 2, 2))
			TH_LOG("offset %u", i);
		if (fixed)
			EXPECT_UNCHANGED();
		EXPECT_EQ(fixed ? -EPERM : 0, REPLACE(l4_csum, i, 1, 2, 2))
			TH_LOG("offset %u", i);
		if (fixed)
			EXPECT_UNCHANGED();
	}
}

NF_TEST_F(packet, l4_csum_replace)
{
	__u16 *port = (void *)self->packet + self->udp + 2;
	__u32 *word = (void *)self->packet + self->udp + 12;
	__u32 address = variant->pf == IP ? 16 : 36;
	__u32 old, new = htonl(0x0a0b0c0d);
	__u16 old_port;

	ASSERT_TRUE(has_udp_checksum(self->packet, variant->pf, self->udp, self->size));

	/* 2 bytes, a port */
	old_port = *port;
	*port = htons(5353);
	EXPECT_EQ(0, REPLACE(l4_csum, UDP_CHECK, old_port, *port, 2));
	EXPECT_UDP_CHECKSUM();
	TAKE_OVER_CHECKSUM(UDP_CHECK);

	/* 4 bytes of payload */
	old = *word;
	*word = new;
	EXPECT_EQ(0, REPLACE(l4_csum, UDP_CHECK, old, new, 4));
	EXPECT_UDP_CHECKSUM();
	TAKE_OVER_CHECKSUM(UDP_CHECK);

	/* 4 bytes of the pseudo header */
	memcpy(&old, self->packet + address, 4);
	memcpy(self->packet + address, &new, 4);
	EXPECT_EQ(0, REPLACE(l4_csum, UDP_CHECK, old, new, BPF_F_PSEUDO_HDR | 4));
	EXPECT_UDP_CHECKSUM();
	TAKE_OVER_CHECKSUM(UDP_CHECK);

	/* A whole address, by difference */
	address = variant->pf == IP ? 12 : 8;
	self->skel->bss->from = variant->pf == IP ? 4 : 16;
	self->skel->bss->to = self->skel->bss->from;
	self->skel->bss->seed = 0;
	memcpy(self->skel->bss->buffer, self->packet + address, self->skel->bss->from);
	memset(self->packet + address, 0x77, self->skel->bss->from);
	memcpy(self->skel->bss->other, self->packet + address, self->skel->bss->from);
	EXPECT_LE(0, RUN(csum_diff));
	EXPECT_EQ(0, REPLACE(l4_csum, UDP_CHECK, 0, self->skel->bss->ret,
			     BPF_F_PSEUDO_HDR | (variant->pf == IP ? 0 : 128)));
	EXPECT_UDP_CHECKSUM();
}

/* A datagram without a checksum stays without, unless the caller enforces one. */
NF_TEST_F(packet, l4_csum_replace_of_none)
{
	*udp_checksum(self->packet, self->udp) = 0;
	EXPECT_EQ(0, REPLACE(l4_csum, UDP_CHECK, htons(1), htons(2),
			     BPF_F_MARK_MANGLED_0 | 2));
	EXPECT_UNCHANGED();
	EXPECT_EQ(0, REPLACE(l4_csum, UDP_CHECK, htons(1), htons(2),
			     BPF_F_MARK_MANGLED_0 | BPF_F_MARK_ENFORCE | 2));
	EXPECT_NE(0, *udp_checksum(self->out, self->udp));
	EXPECT_EQ(0, REPLACE(l4_csum, UDP_CHECK, htons(1), htons(2), 2));
	EXPECT_NE(0, *udp_checksum(self->out, self->udp));
}

/* One that becomes 0 is written as 0xffff, where it is said that it is UDP's. */
NF_TEST_F(packet, l4_csum_replace_to_zero)
{
	__u16 sum = ntohs(*udp_checksum(self->packet, self->udp));

	/* ~(~sum + ~0 + sum) is 0. */
	EXPECT_EQ(0, REPLACE(l4_csum, UDP_CHECK, 0, htons(sum), 2));
	EXPECT_EQ(0, *udp_checksum(self->out, self->udp));
	EXPECT_EQ(0, REPLACE(l4_csum, UDP_CHECK, 0, htons(sum),
			     BPF_F_MARK_MANGLED_0 | 2));
	EXPECT_EQ(0xffff, *udp_checksum(self->out, self->udp));
}

NF_TEST_F(packet, l4_csum_replace_errors)
{
	static const __u64 bad[] = { 0x100, 0x200, 0x1000, 1ULL << 32, 1ULL << 63 };
	int i;

	for (i = 1; i < 16; i++)
		if (i != 2 && i != 4)
			EXPECT_BAD_REPLACE(-EINVAL, l4_csum, UDP_CHECK, 0, 1, i);
	for (i = 0; i < ARRAY_SIZE(bad); i++)
		EXPECT_BAD_REPLACE(-EINVAL, l4_csum, UDP_CHECK, 1, 2, bad[i] | 2);
	EXPECT_BAD_REPLACE(-EINVAL, l4_csum, UDP_CHECK, 1, 2, 0);
	EXPECT_BAD_REPLACE(-EFAULT, l4_csum, UDP_CHECK + 1, 1, 2, 2);
	EXPECT_BAD_REPLACE(-EFAULT, l4_csum, self->size - 1, 1, 2, 2);
	EXPECT_BAD_REPLACE(-EFAULT, l4_csum, self->size, 1, 2, 2);
	EXPECT_BAD_REPLACE(-EFAULT, l4_csum, 0x10000, 1, 2, 2);
	EXPECT_EQ(0, REPLACE(l4_csum, UDP_CHECK, 1, 2, 2));
}

/* The sum of @length bytes, as the header's own would be made of it. */
static __u16 sum_of(const void *data, __u32 length)
{
	return htons(nf_sum_fold(nf_sum(0, data, length)));
}

static void fill(unsigned char *data, __u32 length, unsigned int seed)
{
	while (length--)
		*data++ = seed = seed * 1103515245 + 12345;
}

NF_TEST_F(packet, csum_diff)
{
	__u8 *buffer = self->skel->bss->buffer, *other = self->skel->bss->other;
	static const __u16 sizes[][2] = {
		{ 0, 4 }, { 4, 0 }, { 4, 4 }, { 4, 16 }, { 16, 4 }, { 256, 256 },
		{ 512, 0 }, { 0, 512 }, { 508, 4 }, { 0, 0 },
	};
	size_t i;

	fill(buffer, BUFFER, 1);
	fill(other, BUFFER, 2);
	self->skel->bss->seed = 0x1234;
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		self->skel->bss->from = sizes[i][0];
		self->skel->bss->to = sizes[i][1];
		EXPECT_LE(0, RUN(csum_diff));
		/* seed + to, and diff + from, are the same modulo 0xffff */
		EXPECT_EQ((0x1234 + sum_of(other, sizes[i][1])) % 0xffff,
			  (nf_sum_fold(self->skel->bss->ret) +
			   sum_of(buffer, sizes[i][0])) % 0xffff)
			TH_LOG("%u to %u", sizes[i][0], sizes[i][1]);
	}
}

NF_TEST_F(packet, csum_diff_sizes)
{
	static const __u16 bad[][2] = {
		{ 0, 1 }, { 1, 0 }, { 2, 2 }, { 3, 4 }, { 4, 3 }, { 6, 0 },
		{ 512, 4 }, { 4, 512 }, { 260, 256 }, { 512, 512 },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		self->skel->bss->from = bad[i][0];
		self->skel->bss->to = bad[i][1];
		EXPECT_EQ(-EINVAL, RUN(csum_diff))
			TH_LOG("%u to %u", bad[i][0], bad[i][1]);
	}
	self->skel->bss->from = 4;
	self->skel->bss->to = 508;
	EXPECT_LE(0, RUN(csum_diff));
}

NF_TEST_F(packet, csum_diff_of_nothing)
{
	__u8 *buffer = self->skel->bss->buffer, *other = self->skel->bss->other;

	fill(buffer, BUFFER, 1);
	fill(other, BUFFER, 2);
	self->skel->bss->seed = 0;
	self->skel->bss->from = 40;
	self->skel->bss->to = 24;
	EXPECT_EQ(sum_of(other, 24) % 0xffff, nf_sum_fold(RUN(csum_push)) % 0xffff);
	EXPECT_EQ(0, (nf_sum_fold(RUN(csum_pull)) + sum_of(buffer, 40)) % 0xffff);
	EXPECT_EQ(0, RUN(csum_nothing));
	self->skel->bss->seed = 0x12345678;
	EXPECT_EQ(0x12345678, RUN(csum_nothing));
}

NF_TEST_F(packet, csum_diff_of_null)
{
	if (!nf_has_pkt_pointers())
		NF_LACKS(return, "bpf_csum_diff()");
	EXPECT_EQ(-EINVAL, RUN(csum_push_null));
	EXPECT_EQ(-EINVAL, RUN(csum_pull_null));
	EXPECT_EQ(0x12345678, (self->skel->bss->seed = 0x12345678, RUN(csum_nothing)));
}

NF_TEST_F(packet, csum_diff_of_the_packet)
{
	if (!nf_has_pkt_pointers())
		NF_LACKS(return, "packet pointers");
	self->skel->bss->seed = 0;
	EXPECT_EQ(sum_of(self->packet, 20) % 0xffff, nf_sum_fold(RUN(csum_packet)) % 0xffff);
}

/* --- the rest -------------------------------------------------------------------- */

NF_TEST_F(packet, hash_is_of_the_flow)
{
	__u32 first = RUN(hash);

	EXPECT_NE(0, first);
	EXPECT_EQ(first, RUN(hash));
	self->packet[self->size - 1]++;
	EXPECT_EQ(first, RUN(hash));
	/* The source address: IPv6 may have taken the flow label for the flow. */
	self->packet[variant->pf == IP ? 15 : 23]++;
	EXPECT_NE(first, RUN(hash));
}

NF_TEST_F(packet, fib_lookup_errors)
{
	self->skel->bss->from = variant->pf == IP ? AF_INET : AF_INET6;
	self->skel->bss->flags = 0;
	EXPECT_LE(0, RUN(fib));
	EXPECT_EQ(-EINVAL, RUN(fib_too_short));
	self->skel->bss->flags = ~0ULL;
	EXPECT_EQ(-EINVAL, RUN(fib));
	self->skel->bss->flags = 0;
	self->skel->bss->from = AF_UNIX;
	EXPECT_EQ(-EAFNOSUPPORT, RUN(fib));
}

static __u64 own_cookie(void)
{
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	socklen_t len = sizeof(__u64);
	__u64 cookie = 0;

	if (fd < 0 || getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &len))
		cookie = 0;
	close(fd);
	return cookie;
}

/* A packet of a socket: BPF_PROG_TEST_RUN of an unmodified kernel sets no namespace. */
NF_TEST_F(packet, netns_cookie)
{
	const struct nf_key key = { .pf = IP, .hooknum = NF_INET_LOCAL_OUT };
	const __u64 cookie = own_cookie();
	int link = nf_link(bpf_program__fd(self->skel->progs.cookie), &key);

	ASSERT_NE(0, cookie);
	ASSERT_LE(0, link);
	ASSERT_EQ(0, nf_send_loopback(1));
	EXPECT_EQ(1, self->skel->bss->runs);
	EXPECT_EQ(cookie, self->skel->bss->ret);
	close(link);
}

NF_TEST_F(packet, netns_cookie_of_init)
{
	__u64 of_init;

	if (!nf_has_pkt_pointers())
		NF_LACKS(return, "bpf_get_netns_cookie(NULL)");
	EXPECT_EQ(own_cookie(), RUN(cookie));
	of_init = RUN(cookie_of_init);
	EXPECT_NE(0, of_init);
	EXPECT_NE(own_cookie(), of_init);
}

NF_TEST_F(packet, mark_and_priority)
{
	EXPECT_EQ(0, RUN(mark_and_priority));
	EXPECT_EQ(0x12345678, self->skel->bss->mark);
	EXPECT_EQ(0x9abcdef0, self->skel->bss->priority);
	EXPECT_UNCHANGED();
}

NF_TEST_F(packet, frag_info_of_a_whole_packet)
{
	EXPECT_EQ(0, RUN(frag_info));
	EXPECT_EQ(0, self->skel->bss->frag_flags);
	EXPECT_EQ(0, self->skel->bss->pieces);
	EXPECT_EQ(0, self->skel->bss->max_size);
}

NF_TEST_F(packet, frag_info_of_a_fragment)
{
	struct ip6_frag fragment = {
		.ip6f_nxt = IPPROTO_UDP,
		.ip6f_offlg = IP6F_MORE_FRAG,
	};

	if (variant->pf == IP) {
		((struct iphdr *)self->packet)->frag_off = htons(IP_MF);
	} else {
		((struct ip6_hdr *)self->packet)->ip6_nxt = IPPROTO_FRAGMENT;
		memcpy(self->packet + self->udp, &fragment, sizeof(fragment));
	}
	EXPECT_EQ(0, RUN(frag_info));
	EXPECT_EQ(BPF_NF_FRAG_IS_FRAGMENT, self->skel->bss->frag_flags);
	EXPECT_EQ(0, self->skel->bss->pieces);
	EXPECT_EQ(0, self->skel->bss->max_size);
}

NF_TEST_F(packet, frag_info_of_another_size)
{
	EXPECT_EQ(-EINVAL, RUN(frag_info_too_short));
	EXPECT_EQ(0xffffffff, self->skel->bss->frag_flags);
	EXPECT_EQ(-EINVAL, RUN(frag_info_too_long));
	EXPECT_EQ(0xffffffff, self->skel->bss->frag_flags);
	EXPECT_EQ(0, RUN(frag_info));
	EXPECT_EQ(0, self->skel->bss->frag_flags);
}

NF_TEST_F(packet, frag_info_of_null)
{
	EXPECT_EQ(-EINVAL, RUN(frag_info_null));
	EXPECT_EQ(0, RUN(frag_info));
}

NF_TEST_F(packet, tail_call)
{
	int target = bpf_program__fd(self->skel->progs.jump_target);
	int map = bpf_map__fd(self->skel->maps.jump);
	__u32 key = 0;

	EXPECT_EQ(-1, RUN(jump_from));
	EXPECT_EQ(NF_ACCEPT, self->opts.retval);
	ASSERT_EQ(0, bpf_map_update_elem(map, &key, &target, BPF_ANY));
	self->skel->bss->runs = 0;
	ASSERT_EQ(0, run(self, self->skel->progs.jump_from));
	EXPECT_EQ(2, self->skel->bss->runs);
	EXPECT_EQ(variant->pf == IP ? 4 : 6, self->skel->bss->ret);
	EXPECT_EQ(NF_DROP, self->opts.retval);
}

/* The target of a tail call in a static function returns to that function's caller. */
NF_TEST_F(packet, tail_call_of_a_subprogram)
{
	int target = bpf_program__fd(self->skel->progs.jump_target);
	int map = bpf_map__fd(self->skel->maps.jump);
	__u32 key = 0;

	EXPECT_EQ(4, RUN(jump_below));
	ASSERT_EQ(0, bpf_map_update_elem(map, &key, &target, BPF_ANY));
	self->skel->bss->runs = 0;
	ASSERT_EQ(0, run(self, self->skel->progs.jump_below));
	EXPECT_EQ(2, self->skel->bss->runs);
	EXPECT_EQ(NF_DROP, self->skel->bss->ret);
	EXPECT_EQ(NF_ACCEPT, self->opts.retval);
}

/* One of another type would get a context that it does not know. */
NF_TEST_F(packet, tail_call_of_another_type)
{
	const struct bpf_insn insns[] = {
		{ .code = 0xb7 },
		{ .code = 0x95 },
	};
	const struct nf_load load = {
		.type = BPF_PROG_TYPE_SCHED_CLS,
		.license = "GPL",
		.insns = insns,
		.insn_cnt = ARRAY_SIZE(insns),
	};
	int map = bpf_map__fd(self->skel->maps.jump);
	int fd = nf_load(&load);
	__u32 key = 0;

	ASSERT_LE(0, fd);
	EXPECT_EQ(-EINVAL, bpf_map_update_elem(map, &key, &fd, BPF_ANY));
	EXPECT_EQ(-1, RUN(jump_from));
	close(fd);
}

TEST_HARNESS_MAIN
