/* SPDX-License-Identifier: (LGPL-2.1 OR BSD-2-Clause) */
#ifndef __BPF_NETFILTER_H__
#define __BPF_NETFILTER_H__

/*
 * For programs of type BPF_PROG_TYPE_NETFILTER that are compiled once and run on
 * every kernel that has the type.
 *
 *	#include "vmlinux.h"
 *	#include <bpf/bpf_helpers.h>
 *	#include <bpf/bpf_netfilter.h>
 *
 *	char LICENSE[] SEC("license") = "GPL";
 *
 *	SEC("netfilter")
 *	int no_telnet(struct bpf_nf_ctx *ctx)
 *	{
 *		struct bpf_nf_flow flow;
 *		struct bpf_nf_pkt pkt;
 *
 *		bpf_nf_pkt_init(&pkt, ctx);
 *		if (bpf_nf_pkt_parse(&pkt, &flow) || flow.fragment)
 *			return NF_DROP;
 *		return flow.tuple.protocol == IPPROTO_TCP &&
 *		       flow.tuple.dport == bpf_htons(23) ? NF_DROP : NF_ACCEPT;
 *	}
 *
 * If the kernel's context has ctx->data, the packet is read through packet pointers,
 * otherwise through an skb dynptr, which mainline has since 6.4. libbpf decides when
 * it loads the object (CO-RE), and the verifier removes the other branch. The choice
 * costs nothing when a packet arrives.
 *
 * Include vmlinux.h before this header. It can be that of any kernel with the type. The
 * loader needs libbpf 1.3 or later. The license of the program must be GPL compatible.
 *
 * Offsets and lengths are in bytes. Offsets count from the network header. Addresses
 * and ports are in network order, as in the packet.
 *
 * A user-space program may include this header too. It then has the structs and enums,
 * to fill maps with.
 */

#ifdef __bpf__

#ifndef __VMLINUX_H__
#error "bpf_netfilter.h: include vmlinux.h before it"
#endif

/* Nothing below needs the type to be complete, so this is the only error if it is not. */
_Static_assert(sizeof(struct bpf_nf_ctx), "vmlinux.h lacks it: dump that of a kernel with CONFIG_NETFILTER_BPF_LINK");

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

/* Macros of the uapi headers. BTF has no macros, so vmlinux.h has none either. */
#ifndef NF_DROP
#define NF_DROP		0
#endif
#ifndef NF_ACCEPT
#define NF_ACCEPT	1
#endif
#ifndef ENOENT
#define ENOENT		2
#endif
#ifndef EINVAL
#define EINVAL		22
#endif
#ifndef EBADMSG
#define EBADMSG		74
#endif
#ifndef EOPNOTSUPP
#define EOPNOTSUPP	95
#endif
#ifndef IPPROTO_ICMPV6
#define IPPROTO_ICMPV6	58
#endif

#else
#include <linux/types.h>
#endif

/* No chain of extension headers that the parser follows is longer. */
#define BPF_NF_PKT_MAX_OFF	0x7fff

/* The parser refuses a longer chain of extension headers. Hosts send two or three. */
#define BPF_NF_MAX_EXTENSIONS	8

/**
 * union bpf_nf_addr - an address of either family
 * @bytes: the address as it is written, which bpftool prints readably
 * @words: the whole address, for a comparison
 * @ip: an IPv4 address; the other bytes are 0
 * @ip6: an IPv6 address
 */
union bpf_nf_addr {
	__u8 bytes[16];
	__u64 words[2];
	__be32 ip;
	__be32 ip6[4];
};

/**
 * struct bpf_nf_tuple - what tells one flow from another
 * @saddr: source address
 * @daddr: destination address
 * @sport: source port of TCP, UDP, UDP-Lite, SCTP and DCCP, otherwise 0
 * @dport: destination port, likewise
 * @protocol: protocol of the transport header: IPPROTO_*
 * @family: NFPROTO_IPV4 or NFPROTO_IPV6
 * @zero: 0
 *
 * All of its 40 bytes are set, so that a tuple can be the key of a map. All members
 * have names, so that "bpftool map dump" prints such keys with them.
 */
struct bpf_nf_tuple {
	union bpf_nf_addr saddr;
	union bpf_nf_addr daddr;
	__be16 sport;
	__be16 dport;
	__u8 protocol;
	__u8 family;
	__u16 zero;
};

/**
 * enum bpf_nf_fragment - the part of a datagram that a packet is
 * @BPF_NF_FRAGMENT_NONE: the whole datagram, or an "atomic fragment" of IPv6
 * @BPF_NF_FRAGMENT_FIRST: the first fragment, which has the transport header
 * @BPF_NF_FRAGMENT_LATER: a later fragment, which does not have it
 *
 * After strict reassembly (BPF_F_NETFILTER_DEFRAG_STRICT) it is always NONE. After
 * reassembly alone it can be any: see bpf_nf_pkt_parse().
 */
enum bpf_nf_fragment {
	BPF_NF_FRAGMENT_NONE	= 0,
	BPF_NF_FRAGMENT_FIRST	= 1,
	BPF_NF_FRAGMENT_LATER	= 2,
};

/**
 * enum bpf_nf_extension - bits of bpf_nf_flow.extensions
 * @BPF_NF_EXT_HOP: hop-by-hop options
 * @BPF_NF_EXT_ROUTING: routing header
 * @BPF_NF_EXT_FRAGMENT: fragment header, also that of an "atomic fragment"
 * @BPF_NF_EXT_AUTH: authentication header (AH), also of IPv4
 * @BPF_NF_EXT_DEST: destination options
 * @BPF_NF_EXT_MOBILITY: mobility header
 * @BPF_NF_EXT_HIP: host identity protocol
 * @BPF_NF_EXT_SHIM6: shim6
 */
enum bpf_nf_extension {
	BPF_NF_EXT_HOP		= 1U << 0,
	BPF_NF_EXT_ROUTING	= 1U << 1,
	BPF_NF_EXT_FRAGMENT	= 1U << 2,
	BPF_NF_EXT_AUTH		= 1U << 3,
	BPF_NF_EXT_DEST		= 1U << 4,
	BPF_NF_EXT_MOBILITY	= 1U << 5,
	BPF_NF_EXT_HIP		= 1U << 6,
	BPF_NF_EXT_SHIM6	= 1U << 7,
};

/**
 * struct bpf_nf_flow - the result of bpf_nf_pkt_parse()
 * @tuple: addresses, ports, protocol
 * @l4_off: offset of the transport header; in a later fragment, of its data
 * @ip_off: offset of the IP header: 0, or that of an inner packet
 * @fragment: enum bpf_nf_fragment
 * @icmp_type: type of ICMP and ICMPv6, otherwise 0
 * @icmp_code: code, likewise
 * @extensions: enum bpf_nf_extension: headers between the IP header and @l4_off
 * @ah_off: offset of the last authentication header, 0 if there is none
 * @routing_type: type of the last routing header, 0 if there is none
 * @routing_left: number of hops that are left in it
 *
 * All offsets count from the network header of the whole packet.
 */
struct bpf_nf_flow {
	struct bpf_nf_tuple tuple;
	__u16 l4_off;
	__u16 ip_off;
	__u8 fragment;
	__u8 icmp_type;
	__u8 icmp_code;
	__u8 extensions;
	__u16 ah_off;
	__u8 routing_type;
	__u8 routing_left;
	__u32 zero;
};

/**
 * enum bpf_nf_parse_result - return values of bpf_nf_pkt_parse()
 * @BPF_NF_PARSED: all of struct bpf_nf_flow is valid
 * @BPF_NF_PARSE_LATER: a later fragment: it has no ports and no ICMP type
 * @BPF_NF_PARSE_CUT: the packet, or the first fragment, ends within its headers; the
 *	first eight bytes of the transport header count as such if the protocol has
 *	ports or an ICMP type. The addresses and @fragment are valid; @protocol and
 *	@l4_off are those of the first header that is missing
 * @BPF_NF_PARSE_CHAIN: more than BPF_NF_MAX_EXTENSIONS extension headers, or a second
 *	fragment header in a fragment: the addresses are valid
 * @BPF_NF_PARSE_MALFORMED: no header of IPv4 or IPv6: nothing is valid
 * @BPF_NF_PARSE_NONE: there is no packet of this kind in the packet: nothing is valid.
 *	Only bpf_nf_pkt_parse_quoted() and bpf_nf_pkt_parse_inner() return it
 */
enum bpf_nf_parse_result {
	BPF_NF_PARSED		= 0,
	BPF_NF_PARSE_LATER	= 1,
	BPF_NF_PARSE_CUT	= 2,
	BPF_NF_PARSE_CHAIN	= 3,
	BPF_NF_PARSE_MALFORMED	= 4,
	BPF_NF_PARSE_NONE	= 5,
};

/**
 * enum bpf_nf_tcp_flags - bits of bpf_nf_pkt_tcp_flags()
 */
enum bpf_nf_tcp_flags {
	BPF_NF_TCP_FIN	= 1U << 0,
	BPF_NF_TCP_SYN	= 1U << 1,
	BPF_NF_TCP_RST	= 1U << 2,
	BPF_NF_TCP_PSH	= 1U << 3,
	BPF_NF_TCP_ACK	= 1U << 4,
	BPF_NF_TCP_URG	= 1U << 5,
	BPF_NF_TCP_ECE	= 1U << 6,
	BPF_NF_TCP_CWR	= 1U << 7,
	BPF_NF_TCP_AE	= 1U << 8,
};

/**
 * struct bpf_nf_ip - fields that the headers of both families have
 * @length: bytes as the header says, with it; less than the packet's if the packet is
 *	too large for the field (a jumbogram, or segments that were joined)
 * @ttl: time to live, hop limit
 * @dscp: differentiated services code point, 0 to 63
 * @ecn: explicit congestion notification, 0 to 3
 * @zero: 0
 */
struct bpf_nf_ip {
	__u32 length;
	__u8 ttl;
	__u8 dscp;
	__u8 ecn;
	__u8 zero;
};

/**
 * struct bpf_nf_gre - a GRE header
 * @key: the key in network order, 0 if there is none; of version 1 (PPTP), the
 *	payload's length and the call id
 * @protocol: EtherType of what is in it, in network order
 * @has_key: is there a key?
 * @version: 0 or 1
 * @length: bytes of the header
 */
struct bpf_nf_gre {
	__be32 key;
	__be16 protocol;
	__u8 has_key;
	__u8 version;
	__u32 length;
};

/* Numbers of BPF_NF_REASON() are below this one. */
#define BPF_NF_MAX_REASONS	256

/* Names of the maps with the texts of BPF_NF_REASON(), and with its counters */
#define BPF_NF_REASON_TEXTS	".rodata.reason"
#define BPF_NF_REASON_COUNTERS	"bpf_nf_reasons"

/**
 * struct bpf_nf_reason - a reason of BPF_NF_REASON()
 * @number: number
 * @text: text, with a 0 at its end
 *
 * The map BPF_NF_REASON_TEXTS of a program has one value, an array of its reasons.
 */
struct bpf_nf_reason {
	__u32 number;
	char text[60];
};

#ifdef __bpf__

/*
 * libbpf looks up a name without its ___ ending. With such an ending the declarations
 * below cannot collide with those of vmlinux.h, whichever kernel it is from.
 */
struct bpf_nf_ctx___nf {
	void *skb;
	void *data;
	void *data_end;
	__u32 mark;
	__u32 priority;
} __attribute__((preserve_access_index));

struct sk_buff___nf {
	__u32 mark;
} __attribute__((preserve_access_index));

struct net___nf {
	__u64 net_cookie;
} __attribute__((preserve_access_index));

struct nf_hook_state___nf {
	struct net___nf *net;
} __attribute__((preserve_access_index));

/*
 * libbpf compares the kinds of the types of a function's arguments. struct sk_buff can be
 * a forward declaration in the object's BTF, which is another kind, so this is one that
 * is complete.
 */
struct __bpf_nf_skb {
	__u32 len;
};

struct __bpf_nf_map {
	__u32 id;
};

struct __bpf_nf_fib {
	__u8 family;
};

extern int bpf_dynptr_from_skb___nf(struct __bpf_nf_skb *skb, __u64 flags,
				    struct bpf_dynptr *ptr) __weak __ksym;
extern void *bpf_dynptr_slice___nf(const struct bpf_dynptr *ptr, __u32 offset,
				   void *buf, __u32 size) __weak __ksym;

/**
 * struct bpf_nf_pkt - a packet to read, see bpf_nf_pkt_init()
 * @ctx: private
 * @dynptr: private
 *
 * A variable on the stack.
 */
struct bpf_nf_pkt {
	struct bpf_nf_ctx___nf *ctx;
	struct bpf_dynptr dynptr;
};

/**
 * bpf_nf_has_pkt_pointers - does this kernel have packet pointers?
 *
 * The answer is known when the program is loaded.
 */
static __always_inline bool bpf_nf_has_pkt_pointers(void)
{
	return bpf_core_field_exists(struct bpf_nf_ctx___nf, data);
}

/**
 * bpf_nf_pkt_init - make a packet readable
 * @pkt: a variable on the program's stack
 * @ctx: the program's context
 *
 * Once a helper has moved or written packet data (bpf_skb_pull_data(),
 * bpf_skb_store_bytes(), ...), pointers that were read through @pkt are invalid. @pkt
 * itself stays valid.
 */
static __always_inline void
bpf_nf_pkt_init(struct bpf_nf_pkt *pkt, struct bpf_nf_ctx *ctx)
{
	pkt->ctx = (void *)ctx;
	/* If this fails, every read fails. */
	if (!bpf_nf_has_pkt_pointers())
		bpf_dynptr_from_skb___nf(pkt->ctx->skb, 0, &pkt->dynptr);
}

/**
 * BPF_NF_PKT - declare a struct bpf_nf_pkt and make it readable
 * @pkt: the name of the variable
 * @ctx: the program's context
 *
 * A program needs one. If an inlined function declares another, the compiler may put a
 * buffer in its place later. Kernels without packet pointers have a dynptr there, and their
 * verifier then says "invalid indirect read from stack". Pass @pkt to the function instead.
 */
#define BPF_NF_PKT(pkt, ctx)						\
	struct bpf_nf_pkt pkt;						\
									\
	bpf_nf_pkt_init(&pkt, ctx)

/*
 * The verifier checks that a buffer on the stack ends within the stack. It does not
 * know where a variable ends, so a length that is larger than the buffer lets the
 * packet overwrite the variables next to it. The compiler knows. diagnose_if names the
 * line of the call. error also works where the buffer or the length is an argument
 * of the function that calls, once that function is inlined.
 */
#ifndef __has_attribute
#define __has_attribute(attribute)	0
#endif
#if __has_attribute(diagnose_if) && __has_attribute(pass_object_size)
#define __bpf_nf_sized		__attribute__((pass_object_size(1)))
#define __bpf_nf_holds(buf, len, message)				\
	__attribute__((diagnose_if(__builtin_object_size(buf, 1) < (len), message, "error")))
#else
#define __bpf_nf_sized
#define __bpf_nf_holds(buf, len, message)
#endif

#if __has_attribute(error)
extern void __bpf_nf_small_buffer(void)
	__attribute__((error("the buffer is smaller than the length")));
extern void __bpf_nf_variable_length(void)
	__attribute__((error("the length is not a constant")));
#else
#define __bpf_nf_small_buffer()		((void)0)
#define __bpf_nf_variable_length()	((void)0)
#endif

#define __bpf_nf_check_buffer(buf, len) do {				\
	if (!__builtin_constant_p(len))					\
		__bpf_nf_variable_length();				\
	else if (__builtin_object_size(buf, 1) < (len))			\
		__bpf_nf_small_buffer();				\
} while (0)

static __always_inline const void *
__bpf_nf_read_direct(void *ctx, __u32 off, void *buf, __u32 len)
{
	const struct bpf_nf_ctx___nf *direct = ctx;
	const void *p;

	/*
	 * The verifier needs to see one offset that is compared and added, and one
	 * pointer that is compared and used. The compiler may make two sums of each.
	 */
	if (!__builtin_constant_p(off))
		barrier_var(off);
	if (off > BPF_NF_PKT_MAX_OFF)
		return NULL;
	p = direct->data + off;
	if (!__builtin_constant_p(off))
		barrier_var(p);
	if (p + len <= direct->data_end)
		return p;
	if (__builtin_constant_p(!buf) && !buf)
		return NULL;
	return bpf_skb_load_bytes(ctx, off, buf, len) ? NULL : buf;
}

/**
 * bpf_nf_pkt_at - read bytes of a packet
 * @pkt: the packet
 * @off: offset from the network header, constant or not
 * @buf: at least @len bytes, 8-byte aligned, for bytes outside the linear part
 * @len: number of bytes, a constant
 *
 * If the bytes are in the linear part of the packet, nothing is copied and @buf keeps
 * its contents.
 *
 * A @buf that is smaller than @len does not compile. The compiler cannot check a
 * pointer to memory of unknown size, such as an argument of a function that is not
 * inlined.
 *
 * Return: the bytes, in the packet or in @buf, to be read only; NULL when the
 * packet ends before them or @off is larger than BPF_NF_PKT_MAX_OFF.
 */
static __always_inline const void *
bpf_nf_pkt_at(const struct bpf_nf_pkt *pkt, __u32 off, void *const buf __bpf_nf_sized,
	      __u32 len)
__bpf_nf_holds(buf, len, "bpf_nf_pkt_at(): the buffer is smaller than the length")
{
	__bpf_nf_check_buffer(buf, len);
	if (bpf_nf_has_pkt_pointers())
		return __bpf_nf_read_direct(pkt->ctx, off, buf, len);
	if (off > BPF_NF_PKT_MAX_OFF)
		return NULL;
	return bpf_dynptr_slice___nf(&pkt->dynptr, off, buf, len);
}

/* Protocols whose header begins with two ports. */
static __always_inline bool __bpf_nf_has_ports(__u8 protocol)
{
	return protocol == IPPROTO_TCP || protocol == IPPROTO_UDP ||
	       protocol == IPPROTO_UDPLITE || protocol == IPPROTO_SCTP ||
	       protocol == IPPROTO_DCCP;
}

/* The address is at the beginning of the word in memory, in either byte order. */
static __always_inline __u64 __bpf_nf_word_of_ipv4(const void *address)
{
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	return (__u64)*(const __u32 *)address << 32;
#else
	return *(const __u32 *)address;
#endif
}

static __always_inline void
__bpf_nf_set_ipv4(struct bpf_nf_tuple *tuple, const void *ip)
{
	tuple->saddr.words[0] = __bpf_nf_word_of_ipv4(ip + 12);
	tuple->saddr.words[1] = 0;
	tuple->daddr.words[0] = __bpf_nf_word_of_ipv4(ip + 16);
	tuple->daddr.words[1] = 0;
}

static __always_inline void
__bpf_nf_set_ipv6(struct bpf_nf_tuple *tuple, const void *ip)
{
	tuple->saddr.words[0] = *(const __u64 *)(ip + 8);
	tuple->saddr.words[1] = *(const __u64 *)(ip + 16);
	tuple->daddr.words[0] = *(const __u64 *)(ip + 24);
	tuple->daddr.words[1] = *(const __u64 *)(ip + 32);
}

static __always_inline void
__bpf_nf_set_ports(struct bpf_nf_tuple *tuple, const void *l4)
{
	const __be32 ports = *(const __be32 *)l4;

	/* One store for both. */
	__builtin_memcpy(&tuple->sport, &ports, sizeof(ports));
}

static __always_inline void
__bpf_nf_set_rest(struct bpf_nf_flow *flow, __u8 family, __u8 protocol, __u16 l4_off)
{
	flow->tuple.family = family;
	flow->tuple.protocol = protocol;
	flow->tuple.zero = 0;
	flow->l4_off = l4_off;
	flow->ip_off = 0;
	flow->fragment = BPF_NF_FRAGMENT_NONE;
	flow->icmp_type = 0;
	flow->icmp_code = 0;
	flow->extensions = 0;
	flow->ah_off = 0;
	flow->routing_type = 0;
	flow->routing_left = 0;
	flow->zero = 0;
}

/*
 * Most packets are TCP or UDP without options. One comparison with data_end covers
 * everything that is read of them.
 */
static __always_inline bool
__bpf_nf_parse_fast(const struct bpf_nf_pkt *pkt, struct bpf_nf_flow *flow)
{
	const void *ip = pkt->ctx->data, *end = pkt->ctx->data_end, *l4;
	__u8 protocol, version;

	if (ip + 28 > end)
		return false;
	version = *(const __u8 *)ip;
	if (version == 0x45) {
		protocol = *(const __u8 *)(ip + 9);
		if (protocol != IPPROTO_TCP && protocol != IPPROTO_UDP)
			return false;
		if (*(const __u16 *)(ip + 6) & bpf_htons(0x3fff))
			return false;
		l4 = ip + 20;
		__bpf_nf_set_ipv4(&flow->tuple, ip);
		__bpf_nf_set_ports(&flow->tuple, l4);
		__bpf_nf_set_rest(flow, NFPROTO_IPV4, protocol, 20);
		/* Without it the compiler merges the stores below and selects their values. */
		barrier();
		return true;
	}
	if (version >> 4 != 6 || ip + 48 > end)
		return false;
	protocol = *(const __u8 *)(ip + 6);
	if (protocol != IPPROTO_TCP && protocol != IPPROTO_UDP)
		return false;
	__bpf_nf_set_ipv6(&flow->tuple, ip);
	__bpf_nf_set_ports(&flow->tuple, ip + 40);
	__bpf_nf_set_rest(flow, NFPROTO_IPV6, protocol, 40);
	return true;
}

/*
 * The headers between the IP header and the transport header. IPv4 has one of them:
 * AH is walked in both families, so that a policy on ports means the same in both.
 */
static __always_inline __u8 __bpf_nf_extension(__u8 family, __u8 protocol)
{
	if (family == NFPROTO_IPV4)
		return protocol == 51 ? BPF_NF_EXT_AUTH : 0;
	switch (protocol) {
	case 0:
		return BPF_NF_EXT_HOP;
	case 43:
		return BPF_NF_EXT_ROUTING;
	case 44:
		return BPF_NF_EXT_FRAGMENT;
	case 51:
		return BPF_NF_EXT_AUTH;
	case 60:
		return BPF_NF_EXT_DEST;
	case 135:
		return BPF_NF_EXT_MOBILITY;
	case 139:
		return BPF_NF_EXT_HIP;
	case 140:
		return BPF_NF_EXT_SHIM6;
	default:
		return 0;
	}
}

struct __bpf_nf_walk {
	__u32 off;		/* of the header at hand */
	__u8 family;
	__u8 protocol;
};

static __always_inline int
__bpf_nf_walk_ipv4(const struct bpf_nf_pkt *pkt, struct bpf_nf_flow *flow,
		   struct __bpf_nf_walk *walk)
{
	__u64 buf[3];
	const __u8 *ip = bpf_nf_pkt_at(pkt, walk->off, buf, 20);
	__u16 frag_off;

	if (!ip || (ip[0] & 0xf) < 5)
		return BPF_NF_PARSE_MALFORMED;
	__bpf_nf_set_ipv4(&flow->tuple, ip);
	frag_off = bpf_ntohs(*(const __be16 *)(ip + 6));
	if (frag_off & 0x1fff)
		flow->fragment = BPF_NF_FRAGMENT_LATER;
	else if (frag_off & 0x2000)
		flow->fragment = BPF_NF_FRAGMENT_FIRST;
	walk->protocol = ip[9];
	walk->off += (ip[0] & 0xf) * 4;
	return BPF_NF_PARSED;
}

static __always_inline int
__bpf_nf_walk_ipv6(const struct bpf_nf_pkt *pkt, struct bpf_nf_flow *flow,
		   struct __bpf_nf_walk *walk)
{
	__u64 buf[5];
	const __u8 *ip = bpf_nf_pkt_at(pkt, walk->off, buf, 40);

	if (!ip)
		return BPF_NF_PARSE_MALFORMED;
	__bpf_nf_set_ipv6(&flow->tuple, ip);
	walk->protocol = ip[6];
	walk->off += 40;
	return BPF_NF_PARSED;
}

static __always_inline int
__bpf_nf_walk_fragment(struct bpf_nf_flow *flow, const __u8 *header)
{
	__u16 frag_off = bpf_ntohs(*(const __be16 *)(header + 2));

	/* It is not known which of two headers the end host obeys. */
	if (flow->fragment)
		return BPF_NF_PARSE_CHAIN;
	if (frag_off & 0xfff8)
		flow->fragment = BPF_NF_FRAGMENT_LATER;
	else if (frag_off & 1)
		flow->fragment = BPF_NF_FRAGMENT_FIRST;
	return BPF_NF_PARSED;
}

/* Skips one header. Each has at least eight bytes. */
static __always_inline int
__bpf_nf_walk_extension(const struct bpf_nf_pkt *pkt, struct bpf_nf_flow *flow,
			struct __bpf_nf_walk *walk, __u8 extension)
{
	__u64 buf;
	const __u8 *header = bpf_nf_pkt_at(pkt, walk->off, &buf, 8);
	__u32 length;

	if (!header)
		return BPF_NF_PARSE_CUT;
	length = (header[1] + 1) * 8;
	if (extension == BPF_NF_EXT_FRAGMENT) {
		if (__bpf_nf_walk_fragment(flow, header))
			return BPF_NF_PARSE_CHAIN;
		length = 8;
	} else if (extension == BPF_NF_EXT_AUTH) {
		flow->ah_off = walk->off;
		length = (header[1] + 2) * 4;
	} else if (extension == BPF_NF_EXT_ROUTING) {
		flow->routing_type = header[2];
		flow->routing_left = header[3];
	}
	flow->extensions |= extension;
	walk->protocol = header[0];
	walk->off += length;
	return BPF_NF_PARSED;
}

static __always_inline int
__bpf_nf_walk_extensions(const struct bpf_nf_pkt *pkt, struct bpf_nf_flow *flow,
			 struct __bpf_nf_walk *walk)
{
	__u8 extension;
	int i, result;

	for (i = 0; i <= BPF_NF_MAX_EXTENSIONS; i++) {
		if (flow->fragment == BPF_NF_FRAGMENT_LATER)
			return BPF_NF_PARSE_LATER;
		extension = __bpf_nf_extension(walk->family, walk->protocol);
		if (!extension)
			return BPF_NF_PARSED;
		if (i == BPF_NF_MAX_EXTENSIONS)
			break;
		result = __bpf_nf_walk_extension(pkt, flow, walk, extension);
		if (result)
			return result;
	}
	return BPF_NF_PARSE_CHAIN;
}

static __always_inline int
__bpf_nf_parse_l4(const struct bpf_nf_pkt *pkt, struct bpf_nf_flow *flow)
{
	bool icmp = flow->tuple.protocol == (flow->tuple.family == NFPROTO_IPV4 ?
					     IPPROTO_ICMP : IPPROTO_ICMPV6);
	const __u8 *l4;
	__u64 buf;

	if (!icmp && !__bpf_nf_has_ports(flow->tuple.protocol))
		return bpf_nf_pkt_at(pkt, flow->l4_off - 1, &buf, 1) ?
		       BPF_NF_PARSED : BPF_NF_PARSE_CUT;
	l4 = bpf_nf_pkt_at(pkt, flow->l4_off, &buf, 8);
	if (!l4)
		return BPF_NF_PARSE_CUT;
	if (icmp) {
		flow->icmp_type = l4[0];
		flow->icmp_code = l4[1];
	} else {
		__bpf_nf_set_ports(&flow->tuple, l4);
	}
	return BPF_NF_PARSED;
}

static __always_inline int
__bpf_nf_parse_any(const struct bpf_nf_pkt *pkt, __u32 off, struct bpf_nf_flow *flow)
{
	struct __bpf_nf_walk walk = { .off = off };
	__u64 buf;
	const __u8 *ip = bpf_nf_pkt_at(pkt, off, &buf, 1);
	int result = BPF_NF_PARSE_MALFORMED;

	if (!ip)
		return result;
	if (ip[0] >> 4 == 4) {
		walk.family = NFPROTO_IPV4;
		result = __bpf_nf_walk_ipv4(pkt, flow, &walk);
	} else if (ip[0] >> 4 == 6) {
		walk.family = NFPROTO_IPV6;
		result = __bpf_nf_walk_ipv6(pkt, flow, &walk);
	}
	if (result)
		return result;
	result = __bpf_nf_walk_extensions(pkt, flow, &walk);
	flow->tuple.family = walk.family;
	flow->tuple.protocol = walk.protocol;
	flow->l4_off = walk.off;
	flow->ip_off = off;
	return result ?: __bpf_nf_parse_l4(pkt, flow);
}

/*
 * A global function: the verifier checks it once, not once for each call and each state
 * of the caller. On 6.1, where all numbers are precise once a program has more than one
 * function, that is the difference between thousands of steps and too many. And packets
 * that do not need it do not pay for its stack and registers.
 *
 * @flow is zeroed by the caller: the verifier wants initialized memory.
 */
__weak int __bpf_nf_parse_slow(struct bpf_nf_ctx *ctx, __u32 off, struct bpf_nf_flow *flow)
{
	struct bpf_nf_pkt pkt;

	if (!flow)
		return BPF_NF_PARSE_MALFORMED;
	bpf_nf_pkt_init(&pkt, ctx);
	return __bpf_nf_parse_any(&pkt, off, flow);
}

/*
 * The result of a global function is an unknown number to the verifier, and 6.1 does not
 * learn from a comparison of one register what a copy of it holds. The compiler may keep
 * such a copy for a constant that is equal: "result == 1 ? NF_ACCEPT : NF_DROP" then
 * returns an unknown number, and the program is refused. So give each value as a constant.
 */
static __always_inline int __bpf_nf_known(int value)
{
	barrier_var(value);
	return value;
}

static __always_inline int __bpf_nf_known_result(int result)
{
	if (result == BPF_NF_PARSED)
		return __bpf_nf_known(BPF_NF_PARSED);
	if (result == BPF_NF_PARSE_LATER)
		return __bpf_nf_known(BPF_NF_PARSE_LATER);
	if (result == BPF_NF_PARSE_CUT)
		return __bpf_nf_known(BPF_NF_PARSE_CUT);
	if (result == BPF_NF_PARSE_CHAIN)
		return __bpf_nf_known(BPF_NF_PARSE_CHAIN);
	if (result == BPF_NF_PARSE_NONE)
		return __bpf_nf_known(BPF_NF_PARSE_NONE);
	return __bpf_nf_known(BPF_NF_PARSE_MALFORMED);
}

/**
 * bpf_nf_pkt_parse_at - parse the packet that begins at an offset
 * @pkt: the packet that contains it
 * @off: offset of its IP header
 * @flow: filled in, as far as the result says
 *
 * For tunnels that bpf_nf_pkt_parse_inner() does not know.
 *
 * Return: enum bpf_nf_parse_result, 0 if all of @flow is valid.
 */
static __always_inline int
bpf_nf_pkt_parse_at(const struct bpf_nf_pkt *pkt, __u32 off, struct bpf_nf_flow *flow)
{
	/* Through a copy, so that @flow itself can be in registers. */
	struct bpf_nf_flow slow = {};
	int result = __bpf_nf_parse_slow((void *)pkt->ctx, off, &slow);

	*flow = slow;
	return __bpf_nf_known_result(result);
}

/**
 * bpf_nf_pkt_parse - find the addresses, the protocol and the ports
 * @pkt: the packet
 * @flow: filled in, as far as the result says
 *
 * It is the caller's policy what happens to a packet that cannot be parsed. To drop it
 * is safe. A first fragment is parsed, since it has ports. To refuse it as well, look at
 * @flow->fragment: after reassembly, a fragment is one that the kernel could not
 * reassemble.
 *
 * Return: enum bpf_nf_parse_result, 0 if all of @flow is valid.
 */
static __always_inline int
bpf_nf_pkt_parse(const struct bpf_nf_pkt *pkt, struct bpf_nf_flow *flow)
{
	if (bpf_nf_has_pkt_pointers() && __bpf_nf_parse_fast(pkt, flow))
		return BPF_NF_PARSED;
	return bpf_nf_pkt_parse_at(pkt, 0, flow);
}

/*
 * The functions below read one more part of a packet that bpf_nf_pkt_parse() has
 * parsed. A program that does not call them does not pay for them. They return 0 (or what
 * was asked for),
 *
 * -ENOENT	the packet does not have it: it is of another protocol or type, or a
 *		later fragment, or was not parsed
 * -EBADMSG	the packet ends before it
 */

/* The first @len bytes of the transport header, if it is of this protocol. */
static __always_inline int
__bpf_nf_pkt_l4(const struct bpf_nf_pkt *pkt, const struct bpf_nf_flow *flow,
		__u8 protocol, __u32 off, void *buf, __u32 len, const void **l4)
{
	if (flow->tuple.protocol != protocol || !flow->l4_off ||
	    flow->fragment == BPF_NF_FRAGMENT_LATER)
		return -ENOENT;
	*l4 = bpf_nf_pkt_at(pkt, flow->l4_off + off, buf, len);
	return *l4 ? 0 : -EBADMSG;
}

static __always_inline int
__bpf_nf_pkt_be32(const struct bpf_nf_pkt *pkt, const struct bpf_nf_flow *flow,
		  __u8 protocol, __u32 off, __be32 *value)
{
	const void *l4;
	__u64 buf;
	int err;

	err = __bpf_nf_pkt_l4(pkt, flow, protocol, off, &buf, sizeof(*value), &l4);
	if (!err)
		*value = *(const __be32 *)l4;
	return err;
}

/**
 * bpf_nf_pkt_ip - read the fields that the IP headers of both families have
 * @pkt: the packet
 * @flow: of bpf_nf_pkt_parse() or one of its likes, whatever it returned
 * @ip: filled in
 *
 * Return: 0, -EBADMSG, or -ENOENT if @flow is neither IPv4 nor IPv6.
 */
static __always_inline int
bpf_nf_pkt_ip(const struct bpf_nf_pkt *pkt, const struct bpf_nf_flow *flow,
	      struct bpf_nf_ip *ip)
{
	const __u8 *header;
	__u16 traffic;
	__u64 buf[2];

	if (flow->tuple.family != NFPROTO_IPV4 && flow->tuple.family != NFPROTO_IPV6)
		return -ENOENT;
	header = bpf_nf_pkt_at(pkt, flow->ip_off, buf, 12);
	if (!header)
		return -EBADMSG;
	if (flow->tuple.family == NFPROTO_IPV4) {
		traffic = header[1];
		ip->length = bpf_ntohs(*(const __be16 *)(header + 2));
		ip->ttl = header[8];
	} else {
		traffic = bpf_ntohs(*(const __be16 *)header) >> 4;
		ip->length = bpf_ntohs(*(const __be16 *)(header + 4)) + 40;
		ip->ttl = header[7];
	}
	ip->dscp = traffic >> 2 & 0x3f;
	ip->ecn = traffic & 3;
	ip->zero = 0;
	return 0;
}

/**
 * bpf_nf_pkt_tcp_flags - read the flags of TCP
 * @pkt: the packet
 * @flow: of bpf_nf_pkt_parse() or one of its likes
 *
 * Return: enum bpf_nf_tcp_flags, or -ENOENT, -EBADMSG.
 */
static __always_inline int
bpf_nf_pkt_tcp_flags(const struct bpf_nf_pkt *pkt, const struct bpf_nf_flow *flow)
{
	const void *l4;
	__u64 buf;
	int err;

	err = __bpf_nf_pkt_l4(pkt, flow, IPPROTO_TCP, 12, &buf, 2, &l4);
	return err ?: bpf_ntohs(*(const __be16 *)l4) & 0x1ff;
}

/**
 * bpf_nf_pkt_sctp_vtag - read the verification tag of SCTP
 * @pkt: the packet
 * @flow: of bpf_nf_pkt_parse() or one of its likes
 * @vtag: the tag, in network order
 *
 * Return: 0, -ENOENT, -EBADMSG.
 */
static __always_inline int
bpf_nf_pkt_sctp_vtag(const struct bpf_nf_pkt *pkt, const struct bpf_nf_flow *flow,
		     __be32 *vtag)
{
	return __bpf_nf_pkt_be32(pkt, flow, IPPROTO_SCTP, 4, vtag);
}

/**
 * bpf_nf_pkt_esp_spi - read the security parameters index of ESP
 * @pkt: the packet
 * @flow: of bpf_nf_pkt_parse() or one of its likes
 * @spi: the index, in network order
 *
 * Return: 0, -ENOENT, -EBADMSG.
 */
static __always_inline int
bpf_nf_pkt_esp_spi(const struct bpf_nf_pkt *pkt, const struct bpf_nf_flow *flow,
		   __be32 *spi)
{
	return __bpf_nf_pkt_be32(pkt, flow, IPPROTO_ESP, 0, spi);
}

/**
 * bpf_nf_pkt_ah_spi - read the security parameters index of the authentication header
 * @pkt: the packet
 * @flow: of bpf_nf_pkt_parse() or one of its likes
 * @spi: the index, in network order
 *
 * AH comes before the transport header, whose protocol and ports @flow has.
 *
 * Return: 0, -ENOENT, -EBADMSG.
 */
static __always_inline int
bpf_nf_pkt_ah_spi(const struct bpf_nf_pkt *pkt, const struct bpf_nf_flow *flow,
		  __be32 *spi)
{
	const __be32 *header;
	__u64 buf;

	if (!flow->ah_off)
		return -ENOENT;
	header = bpf_nf_pkt_at(pkt, flow->ah_off + 4, &buf, 4);
	if (!header)
		return -EBADMSG;
	*spi = *header;
	return 0;
}

/**
 * bpf_nf_pkt_icmp_id - read the identifier of ICMP and ICMPv6
 * @pkt: the packet
 * @flow: of bpf_nf_pkt_parse() or one of its likes
 * @id: the identifier, in network order
 *
 * Requests and answers of echo have one, and those of timestamp.
 *
 * Return: 0, -ENOENT, -EBADMSG.
 */
static __always_inline int
bpf_nf_pkt_icmp_id(const struct bpf_nf_pkt *pkt, const struct bpf_nf_flow *flow,
		   __be16 *id)
{
	__u8 protocol = flow->tuple.family == NFPROTO_IPV4 ? IPPROTO_ICMP : IPPROTO_ICMPV6;
	__u8 type = flow->icmp_type;
	const void *l4;
	__u64 buf;
	int err;

	if (protocol == IPPROTO_ICMP ?
	    type != 0 && type != 8 && type != 13 && type != 14 : type != 128 && type != 129)
		return -ENOENT;
	err = __bpf_nf_pkt_l4(pkt, flow, protocol, 4, &buf, 2, &l4);
	if (!err)
		*id = *(const __be16 *)l4;
	return err;
}

/**
 * bpf_nf_pkt_gre - read a GRE header
 * @pkt: the packet
 * @flow: of bpf_nf_pkt_parse() or one of its likes
 * @gre: filled in
 *
 * Return: 0, -ENOENT (also for a version above 1 and for source routes), -EBADMSG.
 */
static __always_inline int
bpf_nf_pkt_gre(const struct bpf_nf_pkt *pkt, const struct bpf_nf_flow *flow,
	       struct bpf_nf_gre *gre)
{
	const void *header;
	__u16 flags;
	__u64 buf;
	int err;

	err = __bpf_nf_pkt_l4(pkt, flow, IPPROTO_GRE, 0, &buf, 4, &header);
	if (err)
		return err;
	flags = bpf_ntohs(*(const __be16 *)header);
	if ((flags & 7) > 1 || flags & 0x4000)
		return -ENOENT;
	gre->protocol = *(const __be16 *)(header + 2);
	gre->version = flags & 7;
	gre->has_key = !!(flags & 0x2000);
	gre->key = 0;
	/* Checksum, key, sequence number and, in version 1, acknowledgment. */
	gre->length = 4 + (flags >> 15) * 4 + (flags >> 13 & 1) * 4 +
		      (flags >> 12 & 1) * 4 + (gre->version ? (flags >> 7 & 1) * 4 : 0);
	if (!gre->has_key)
		return 0;
	return __bpf_nf_pkt_be32(pkt, flow, IPPROTO_GRE, 4 + (flags >> 15) * 4, &gre->key);
}

/* ICMP messages that quote the packet which they are about. */
static __always_inline bool __bpf_nf_quotes(const struct bpf_nf_flow *flow)
{
	if (flow->fragment == BPF_NF_FRAGMENT_LATER || !flow->l4_off)
		return false;
	if (flow->tuple.family == NFPROTO_IPV6)
		return flow->tuple.protocol == IPPROTO_ICMPV6 &&
		       flow->icmp_type >= 1 && flow->icmp_type <= 4;
	if (flow->tuple.protocol != IPPROTO_ICMP)
		return false;
	switch (flow->icmp_type) {
	case 3:		/* destination unreachable */
	case 4:		/* source quench */
	case 5:		/* redirect */
	case 11:	/* time exceeded */
	case 12:	/* parameter problem */
		return true;
	default:
		return false;
	}
}

/**
 * bpf_nf_pkt_parse_quoted - parse the packet that an ICMP error quotes
 * @pkt: the packet
 * @flow: of bpf_nf_pkt_parse() or one of its likes
 * @quoted: filled in, as far as the result says
 *
 * The quoted packet went the other way: its source is where the error goes to.
 *
 * Return: enum bpf_nf_parse_result, BPF_NF_PARSE_NONE if @flow is not an ICMP error.
 */
static __always_inline int
bpf_nf_pkt_parse_quoted(const struct bpf_nf_pkt *pkt, const struct bpf_nf_flow *flow,
			struct bpf_nf_flow *quoted)
{
	if (!__bpf_nf_quotes(flow))
		return BPF_NF_PARSE_NONE;
	return bpf_nf_pkt_parse_at(pkt, flow->l4_off + 8, quoted);
}

/* The offset of the IP packet in an Ethernet frame, 0 if there is none. */
static __always_inline __u32
__bpf_nf_skip_ethernet(const struct bpf_nf_pkt *pkt, __u32 off)
{
	const __be16 *type;
	__u64 buf;
	int i;

	off += 12;
	/* At most two VLAN tags. */
	for (i = 0; i < 3; i++) {
		type = bpf_nf_pkt_at(pkt, off, &buf, 2);
		if (!type)
			return 0;
		if (*type == bpf_htons(0x0800) || *type == bpf_htons(0x86dd))
			return off + 2;
		if (*type != bpf_htons(0x8100) && *type != bpf_htons(0x88a8))
			return 0;
		off += 4;
	}
	return 0;
}

static __always_inline __u32
__bpf_nf_inner_of_gre(const struct bpf_nf_pkt *pkt, const struct bpf_nf_flow *flow)
{
	struct bpf_nf_gre gre;
	__u32 off;

	if (bpf_nf_pkt_gre(pkt, flow, &gre) || gre.version)
		return 0;
	off = flow->l4_off + gre.length;
	if (gre.protocol == bpf_htons(0x0800) || gre.protocol == bpf_htons(0x86dd))
		return off;
	return gre.protocol == bpf_htons(0x6558) ? __bpf_nf_skip_ethernet(pkt, off) : 0;
}

static __always_inline __u32
__bpf_nf_inner_of_vxlan(const struct bpf_nf_pkt *pkt, const struct bpf_nf_flow *flow)
{
	__u64 buf;
	const __u8 *vxlan = bpf_nf_pkt_at(pkt, flow->l4_off + 8, &buf, 8);

	/* Without this flag the header has no network identifier, and is not VXLAN. */
	if (!vxlan || !(vxlan[0] & 0x08))
		return 0;
	return __bpf_nf_skip_ethernet(pkt, flow->l4_off + 16);
}

/* Offset of the IP packet in a tunnel, 0 if there is none. */
static __noinline __attribute__((unused)) __u32
__bpf_nf_find_inner(const struct bpf_nf_pkt *pkt, const struct bpf_nf_flow *flow,
		    __be16 vxlan_port)
{
	if (flow->fragment == BPF_NF_FRAGMENT_LATER || !flow->l4_off)
		return 0;
	switch (flow->tuple.protocol) {
	case IPPROTO_IPIP:
	case IPPROTO_IPV6:
		return flow->l4_off;
	case IPPROTO_GRE:
		return __bpf_nf_inner_of_gre(pkt, flow);
	case IPPROTO_UDP:
		return vxlan_port && flow->tuple.dport == vxlan_port ?
		       __bpf_nf_inner_of_vxlan(pkt, flow) : 0;
	default:
		return 0;
	}
}

/**
 * bpf_nf_pkt_parse_inner - parse the packet in a tunnel
 * @pkt: the packet
 * @flow: of bpf_nf_pkt_parse() or one of its likes, of the packet outside
 * @vxlan_port: UDP port of VXLAN in network order, such as bpf_htons(4789); 0 for none
 * @inner: filled in, as far as the result says
 *
 * IPv4 and IPv6 in IPv4 or IPv6, in GRE, or in Ethernet (with up to two VLAN tags) in GRE
 * or VXLAN. The kernel does not reassemble inner packets, so look at @inner->fragment. For a
 * tunnel in the tunnel call it again with @inner as @flow.
 *
 * Return: enum bpf_nf_parse_result, BPF_NF_PARSE_NONE if @flow is no such tunnel or what
 * it carries is neither IPv4 nor IPv6.
 */
static __always_inline int
bpf_nf_pkt_parse_inner(const struct bpf_nf_pkt *pkt, const struct bpf_nf_flow *flow,
		       __be16 vxlan_port, struct bpf_nf_flow *inner)
{
	struct bpf_nf_flow outer = *flow;
	__u32 off = __bpf_nf_find_inner(pkt, &outer, vxlan_port);

	return off ? bpf_nf_pkt_parse_at(pkt, off, inner) : BPF_NF_PARSE_NONE;
}

/*
 * Functions and types that only kernels with nf-bpf have. A vmlinux.h of such a kernel
 * declares the same names, so these end in ___nf, which libbpf does not look up.
 * include/uapi/linux/bpf_nf.h documents the numbers and the errors,
 * prog_netfilter_packet.rst and prog_netfilter_kfuncs.rst of Documentation/bpf/ the use.
 */

/* bpf_nf_frag_info.flags */
#define BPF_NF_FRAG_REASSEMBLED	(1U << 0)
#define BPF_NF_FRAG_DF		(1U << 1)
#define BPF_NF_FRAG_IS_FRAGMENT	(1U << 2)
#define BPF_NF_FRAG_TRACKED	(1U << 3)

/* bpf_nf_ct_info.state, and .dir */
#define BPF_NF_CT_INVALID	(1U << 0)
#define BPF_NF_CT_ESTABLISHED	(1U << 1)
#define BPF_NF_CT_RELATED	(1U << 2)
#define BPF_NF_CT_NEW		(1U << 3)
#define BPF_NF_CT_UNTRACKED	(1U << 6)
#define BPF_NF_CT_DIR_ORIGINAL	0
#define BPF_NF_CT_DIR_REPLY	1

/* .zone_dir */
#define BPF_NF_CT_ZONE_BOTH			0
#define BPF_NF_CT_ZONE_ORIGINAL			1
#define BPF_NF_CT_ZONE_REPLY			2
#define BPF_NF_CT_ZONE_ORIGINAL_AND_REPLY	3

/* bpf_nf_reject(): type, and code of ICMPX */
#define BPF_NF_REJECT_ICMP		1
#define BPF_NF_REJECT_ICMPX		2
#define BPF_NF_REJECT_TCP_RESET		3
#define BPF_NF_REJECT_NO_ROUTE		0
#define BPF_NF_REJECT_PORT_UNREACH	1
#define BPF_NF_REJECT_HOST_UNREACH	2
#define BPF_NF_REJECT_ADMIN_PROHIBITED	3

struct bpf_nf_frag_info___nf {
	__u32 flags;
	__u32 pieces;
	__u32 max_size;
};

struct bpf_nf_ct_info___nf {
	__u32 state;
	__u32 status;
	__u32 mark;
	__u16 zone;
	__u8 dir;
	__u8 zone_dir;
};

struct bpf_nf_ct_labels___nf {
	__u32 bits[4];
};

struct bpf_nf_ct_opts___nf {
	__s32 netns_id;
	__s32 error;
	__u8 l4proto;
	__u8 dir;
	__u16 zone;
	__u8 zone_dir;
	__u8 reserved[3];
};

/* The last argument of bpf_nf_ct_set_nat(), with the numbers of enum nf_nat_manip_type. */
enum bpf_nf_nat_manip {
	BPF_NF_NAT_SRC	= 0,
	BPF_NF_NAT_DST	= 1,
};

struct nf_conn;
struct nf_conn___init;

struct nf_conn___nf {
	__u32 mark;
} __attribute__((preserve_access_index));

extern int bpf_nf_frag_info___nf(struct bpf_nf_ctx *ctx,
				 struct bpf_nf_frag_info___nf *info,
				 __u32 info__sz) __weak __ksym
__bpf_nf_holds(info, info__sz, "bpf_nf_frag_info(): info is smaller than info__sz");

extern struct nf_conn *bpf_nf_ct_get___nf(struct bpf_nf_ctx *ctx) __weak __ksym;

extern int bpf_nf_ct_info___nf(struct bpf_nf_ctx *ctx, struct bpf_nf_ct_info___nf *info,
			       __u32 info__sz) __weak __ksym
__bpf_nf_holds(info, info__sz, "bpf_nf_ct_info(): info is smaller than info__sz");

extern int bpf_nf_ct_set_mark___nf(struct bpf_nf_ctx *ctx, __u32 mark,
				   __u32 mask) __weak __ksym;

extern int bpf_nf_ct_get_labels___nf(struct bpf_nf_ctx *ctx,
				     struct bpf_nf_ct_labels___nf *labels,
				     __u32 labels__sz) __weak __ksym
__bpf_nf_holds(labels, labels__sz, "bpf_nf_ct_get_labels(): labels is smaller than labels__sz");

extern int bpf_nf_ct_set_labels___nf(struct bpf_nf_ctx *ctx,
				     const struct bpf_nf_ct_labels___nf *labels,
				     __u32 labels__sz,
				     const struct bpf_nf_ct_labels___nf *mask,
				     __u32 mask__sz) __weak __ksym
__bpf_nf_holds(labels, labels__sz, "bpf_nf_ct_set_labels(): labels is smaller than labels__sz")
__bpf_nf_holds(mask, mask__sz, "bpf_nf_ct_set_labels(): mask is smaller than mask__sz");

extern struct nf_conn *bpf_nf_ct_lookup___nf(struct bpf_nf_ctx *ctx,
					     struct bpf_sock_tuple *tuple,
					     __u32 tuple__sz,
					     struct bpf_nf_ct_opts___nf *opts,
					     __u32 opts__sz) __weak __ksym
__bpf_nf_holds(tuple, tuple__sz, "bpf_nf_ct_lookup(): tuple is smaller than tuple__sz")
__bpf_nf_holds(opts, opts__sz, "bpf_nf_ct_lookup(): opts is smaller than opts__sz");

extern struct nf_conn___init *bpf_nf_ct_alloc___nf(struct bpf_nf_ctx *ctx,
						   struct bpf_sock_tuple *tuple,
						   __u32 tuple__sz,
						   struct bpf_nf_ct_opts___nf *opts,
						   __u32 opts__sz) __weak __ksym
__bpf_nf_holds(tuple, tuple__sz, "bpf_nf_ct_alloc(): tuple is smaller than tuple__sz")
__bpf_nf_holds(opts, opts__sz, "bpf_nf_ct_alloc(): opts is smaller than opts__sz");

extern int bpf_nf_ct_set_nat___nf(struct bpf_nf_ctx *ctx, const union bpf_nf_addr *addr,
				  int port, enum bpf_nf_nat_manip manip) __weak __ksym;

extern int bpf_nf_reject___nf(struct bpf_nf_ctx *ctx, __u32 type,
			      __u32 code) __weak __ksym;

/**
 * BPF_NF_HAS - does the kernel have a function?
 * @func: the kernel's name of one of the functions above, such as bpf_nf_ct_get
 *
 * On 6.1 the loader has to be nf-bpf's libbpf. A function of a module that is not loaded
 * does not exist.
 */
#define BPF_NF_HAS(func)	bpf_ksym_exists(func##___nf)

/**
 * BPF_NF_TRY - call a kernel function if the kernel has it
 * @func: the kernel's name of one of the functions above that return int
 *
 * A program that makes no sense without a function calls it directly, by its name that
 * ends in ___nf. If the kernel does not have the function, the program is then not
 * loaded, and libbpf says what is missing. Such a call works with any libbpf.
 *
 * Return: what @func returns, or -EOPNOTSUPP. See BPF_NF_HAS().
 */
#define BPF_NF_TRY(func, ...)						\
	(BPF_NF_HAS(func) ? func##___nf(__VA_ARGS__) : -EOPNOTSUPP)

/*
 * Patched kernels have helpers for packets, and the module nf_bpf_packet gives unmodified
 * kernels kernel functions for them. The functions below have the arguments, rules and errors
 * of the helpers. Where the kernel has neither, they return -EOPNOTSUPP, or what their
 * comments say; bpf_nf_has_packet_access() asks first. On an unmodified kernel the bytes to
 * store, and the data of a sample, have to be in memory that the program may write to: not in
 * .rodata.
 */
extern int bpf_nf_load_bytes___nf(struct bpf_nf_ctx *ctx, __u32 offset, void *to,
				  __u32 to__sz) __weak __ksym;
extern int bpf_nf_load_bytes_relative___nf(struct bpf_nf_ctx *ctx, __u32 offset, void *to,
					   __u32 to__sz, __u32 start_header) __weak __ksym;
extern int bpf_nf_pull_data___nf(struct bpf_nf_ctx *ctx, __u32 len) __weak __ksym;
extern int bpf_nf_store_bytes___nf(struct bpf_nf_ctx *ctx, __u32 offset, const void *from,
				   __u32 from__sz, __u64 flags) __weak __ksym;
extern int bpf_nf_update_l3_csum___nf(struct bpf_nf_ctx *ctx, __u32 offset, __u64 from,
				      __u64 to, __u64 flags) __weak __ksym;
extern int bpf_nf_update_l4_csum___nf(struct bpf_nf_ctx *ctx, __u32 offset, __u64 from,
				      __u64 to, __u64 flags) __weak __ksym;
extern void bpf_nf_write_mark___nf(struct bpf_nf_ctx *ctx, __u32 mark) __weak __ksym;
extern void bpf_nf_write_priority___nf(struct bpf_nf_ctx *ctx, __u32 priority) __weak __ksym;
extern int bpf_nf_output_sample___nf(struct bpf_nf_ctx *ctx, struct __bpf_nf_map *samples__map,
				     __u64 flags, void *data__nullable,
				     __u32 data__sz) __weak __ksym;
extern int bpf_nf_lookup_route___nf(struct bpf_nf_ctx *ctx, struct __bpf_nf_fib *params,
				    __u32 params__sz, __u32 flags) __weak __ksym;
extern __u32 bpf_nf_recalc_hash___nf(struct bpf_nf_ctx *ctx) __weak __ksym;

/**
 * bpf_nf_has_packet_access - can programs load and store bytes, and output samples?
 *
 * True on patched kernels, and on unmodified kernels while the module nf_bpf_packet is
 * loaded. The answer is known when the program is loaded.
 */
static __always_inline bool bpf_nf_has_packet_access(void)
{
	return bpf_nf_has_pkt_pointers() || BPF_NF_HAS(bpf_nf_store_bytes);
}

/* Call the helper, or the function, or say that there is neither. */
#define __BPF_NF_HELPER(helper, func)					\
	(bpf_nf_has_pkt_pointers() ? (helper) :				\
	 BPF_NF_HAS(bpf_nf_store_bytes) ? (func) : -EOPNOTSUPP)

/**
 * bpf_nf_skb_load_bytes - read bytes anywhere in the packet
 * @ctx: the program's context
 * @offset: from the network header
 * @to: at least @len bytes
 * @len: number of bytes
 *
 * Return: 0, or -EFAULT if the packet ends before them.
 */
static __always_inline int
bpf_nf_skb_load_bytes(struct bpf_nf_ctx *ctx, __u32 offset, void *to, __u32 len)
{
	return __BPF_NF_HELPER(bpf_skb_load_bytes(ctx, offset, to, len),
			       bpf_nf_load_bytes___nf(ctx, offset, to, len));
}

/**
 * bpf_nf_skb_load_bytes_relative - read bytes from a header on
 * @ctx: the program's context
 * @offset: from the header
 * @to: at least @len bytes
 * @len: number of bytes
 * @start_header: BPF_HDR_START_MAC or BPF_HDR_START_NET
 *
 * Return: 0, or -EFAULT if the packet does not have them.
 */
static __always_inline int
bpf_nf_skb_load_bytes_relative(struct bpf_nf_ctx *ctx, __u32 offset, void *to, __u32 len,
			       __u32 start_header)
{
	return __BPF_NF_HELPER(bpf_skb_load_bytes_relative(ctx, offset, to, len, start_header),
			       bpf_nf_load_bytes_relative___nf(ctx, offset, to, len,
							       start_header));
}

/**
 * bpf_nf_skb_pull_data - make the beginning of the packet linear and writable
 * @ctx: the program's context
 * @len: number of bytes, 0 for those that are linear
 *
 * Pointers to the packet have to be read again.
 *
 * Return: 0, or -ENOMEM.
 */
static __always_inline int bpf_nf_skb_pull_data(struct bpf_nf_ctx *ctx, __u32 len)
{
	return __BPF_NF_HELPER(bpf_skb_pull_data((void *)ctx, len),
			       bpf_nf_pull_data___nf(ctx, len));
}

/**
 * bpf_nf_skb_store_bytes - change bytes of the packet
 * @ctx: the program's context
 * @offset: from the network header
 * @from: the new bytes
 * @len: number of bytes
 * @flags: BPF_F_RECOMPUTE_CSUM, BPF_F_INVALIDATE_HASH
 *
 * Pointers to the packet have to be read again.
 *
 * Return: 0, -EFAULT, -EPERM if the stack relies on the bytes, -EINVAL.
 */
static __always_inline int
bpf_nf_skb_store_bytes(struct bpf_nf_ctx *ctx, __u32 offset, const void *from, __u32 len,
		       __u64 flags)
{
	return __BPF_NF_HELPER(bpf_skb_store_bytes((void *)ctx, offset, from, len, flags),
			       bpf_nf_store_bytes___nf(ctx, offset, from, len, flags));
}

/**
 * bpf_nf_l3_csum_replace - change a checksum of the IP header
 * @ctx: the program's context
 * @offset: of the checksum
 * @from: the old value of the field
 * @to: the new value, or a difference
 * @size: bytes of the field: 2, 4, or 0 for a difference
 *
 * Pointers to the packet have to be read again.
 *
 * Return: 0, -EFAULT, -EPERM, -EINVAL.
 */
static __always_inline int
bpf_nf_l3_csum_replace(struct bpf_nf_ctx *ctx, __u32 offset, __u64 from, __u64 to, __u64 size)
{
	return __BPF_NF_HELPER(bpf_l3_csum_replace((void *)ctx, offset, from, to, size),
			       bpf_nf_update_l3_csum___nf(ctx, offset, from, to, size));
}

/**
 * bpf_nf_l4_csum_replace - change a checksum of TCP, UDP or ICMP
 * @ctx: the program's context
 * @offset: of the checksum
 * @from: the old value of the field
 * @to: the new value, or a difference
 * @flags: bytes of the field, as above, and BPF_F_PSEUDO_HDR, BPF_F_MARK_MANGLED_0, ...
 *
 * Pointers to the packet have to be read again.
 *
 * Return: 0, -EFAULT, -EPERM, -EINVAL.
 */
static __always_inline int
bpf_nf_l4_csum_replace(struct bpf_nf_ctx *ctx, __u32 offset, __u64 from, __u64 to, __u64 flags)
{
	return __BPF_NF_HELPER(bpf_l4_csum_replace((void *)ctx, offset, from, to, flags),
			       bpf_nf_update_l4_csum___nf(ctx, offset, from, to, flags));
}

/**
 * bpf_nf_csum_diff - the difference that new bytes make to a checksum
 * @from: the old bytes
 * @from_size: their number, a multiple of 4
 * @to: the new bytes
 * @to_size: their number, a multiple of 4
 * @seed: a sum to begin with
 *
 * For the checksum functions above, with a field size of 0. An unmodified kernel has no
 * helper for it, so the program sums up itself there. Constant sizes cost least.
 *
 * Return: the difference, or -EINVAL.
 */
static __always_inline __s64
bpf_nf_csum_diff(const __be32 *from, __u32 from_size, const __be32 *to, __u32 to_size,
		 __u32 seed)
{
	__u64 sum = seed;
	__u32 i;

	if (bpf_nf_has_pkt_pointers())
		return bpf_csum_diff((__be32 *)from, from_size, (__be32 *)to, to_size, seed);
	if ((from_size | to_size) % sizeof(*from) || (__u64)from_size + to_size > 512)
		return -EINVAL;
	for (i = 0; i < from_size / sizeof(*from); i++)
		sum += (__u32)~from[i];
	for (i = 0; i < to_size / sizeof(*to); i++)
		sum += to[i];
	sum = (__u32)sum + (sum >> 32);
	return (__u32)sum + (sum >> 32);
}

/**
 * bpf_nf_perf_event_output - give a sample to user space
 * @ctx: the program's context
 * @map: a pointer to a map of type BPF_MAP_TYPE_PERF_EVENT_ARRAY
 * @flags: index or BPF_F_CURRENT_CPU; in the upper half bytes of the packet to add
 * @data: the sample's own data
 * @size: its bytes
 *
 * Return: 0, or an error of bpf_perf_event_output().
 */
static __always_inline int
bpf_nf_perf_event_output(struct bpf_nf_ctx *ctx, void *map, __u64 flags, void *data, __u64 size)
{
	return __BPF_NF_HELPER(bpf_perf_event_output(ctx, map, flags, data, size),
			       bpf_nf_output_sample___nf(ctx, map, flags, data, size));
}

/**
 * bpf_nf_has_fib_lookup - can programs look up routes?
 *
 * The answer is known when the program is loaded.
 */
static __always_inline bool bpf_nf_has_fib_lookup(void)
{
	return bpf_nf_has_pkt_pointers() || BPF_NF_HAS(bpf_nf_lookup_route);
}

/**
 * bpf_nf_fib_lookup - look up a route
 * @ctx: the program's context
 * @params: what to look up, and the result
 * @size: its size
 * @flags: BPF_FIB_LOOKUP_*
 *
 * Return: BPF_FIB_LKUP_RET_*, or an error of bpf_fib_lookup(). On an unmodified kernel
 * also -EOPNOTSUPP: the IPv4 route has several paths, or nf_bpf_packet is not loaded.
 */
static __always_inline int
bpf_nf_fib_lookup(struct bpf_nf_ctx *ctx, struct bpf_fib_lookup *params, __u32 size,
		  __u32 flags)
{
	if (bpf_nf_has_pkt_pointers())
		return bpf_fib_lookup((void *)ctx, params, size, flags);
	return BPF_NF_TRY(bpf_nf_lookup_route, ctx, (void *)params, size, flags);
}

/**
 * bpf_nf_get_hash_recalc - the hash of the packet's flow
 * @ctx: the program's context
 *
 * Return: the hash; 0 if there is none, or if programs cannot ask for it on this kernel.
 */
static __always_inline __u32 bpf_nf_get_hash_recalc(struct bpf_nf_ctx *ctx)
{
	if (bpf_nf_has_pkt_pointers())
		return bpf_get_hash_recalc((void *)ctx);
	return BPF_NF_HAS(bpf_nf_recalc_hash) ? bpf_nf_recalc_hash___nf(ctx) : 0;
}

/**
 * bpf_nf_get_netns_cookie - the number of the network namespace
 * @ctx: the program's context
 *
 * Return: the cookie, as SO_NETNS_COOKIE.
 */
static __always_inline __u64 bpf_nf_get_netns_cookie(struct bpf_nf_ctx *ctx)
{
	struct nf_hook_state___nf *state;

	if (bpf_nf_has_pkt_pointers())
		return bpf_get_netns_cookie(ctx);
	state = *(void **)ctx;
	return state->net->net_cookie;
}

enum bpf_nf_link_feature___nf {
	BPF_NF_LINK_COOKIE___nf = 7,
};

/**
 * bpf_nf_has_attach_cookie - does a link of this kernel have a cookie?
 *
 * The answer is known when the program is loaded.
 */
static __always_inline bool bpf_nf_has_attach_cookie(void)
{
	return bpf_core_enum_value_exists(enum bpf_nf_link_feature___nf,
					  BPF_NF_LINK_COOKIE___nf);
}

/**
 * bpf_nf_get_attach_cookie - the number that the link was given
 * @ctx: the program's context
 *
 * Return: the cookie; 0 if the link has none, in a test run, and on unmodified kernels.
 */
static __always_inline __u64 bpf_nf_get_attach_cookie(struct bpf_nf_ctx *ctx)
{
	return bpf_nf_has_attach_cookie() ? bpf_get_attach_cookie(ctx) : 0;
}

/*
 * Functions for a conntrack entry that the program holds. Patched kernels let it call the
 * functions of tc programs, bpf_ct_*(). An unmodified kernel does not, and the module
 * nf_bpf_entry has the same functions, bpf_nf_ct_*(). Those below call what is there.
 */
/* Complete, as __bpf_nf_skb above is: the program may have the kernel's types as declarations. */
struct __bpf_nf_entry {
	__u32 any;
};

extern void bpf_nf_ct_release___nf(struct __bpf_nf_entry *ct) __weak __ksym;
extern struct __bpf_nf_entry *bpf_nf_ct_insert_entry___nf(struct __bpf_nf_entry *init)
	__weak __ksym;
extern void bpf_nf_ct_set_timeout___nf(struct __bpf_nf_entry *init, __u32 timeout) __weak __ksym;
extern int bpf_nf_ct_change_timeout___nf(struct __bpf_nf_entry *ct, __u32 timeout) __weak __ksym;
extern int bpf_nf_ct_set_status___nf(struct __bpf_nf_entry *init, __u32 status) __weak __ksym;
extern int bpf_nf_ct_change_status___nf(struct __bpf_nf_entry *ct, __u32 status) __weak __ksym;
extern int bpf_nf_ct_set_init_mark___nf(struct __bpf_nf_entry *init, __u32 mark) __weak __ksym;
extern int bpf_nf_ct_change_mark___nf(struct __bpf_nf_entry *ct, __u32 mark) __weak __ksym;
extern int bpf_nf_ct_set_nat_info___nf(struct __bpf_nf_entry *init, union bpf_nf_addr *addr,
				       int port, enum bpf_nf_nat_manip manip) __weak __ksym;

extern void bpf_ct_release___nf(struct __bpf_nf_entry *ct) __weak __ksym;
extern struct __bpf_nf_entry *bpf_ct_insert_entry___nf(struct __bpf_nf_entry *init) __weak __ksym;
extern void bpf_ct_set_timeout___nf(struct __bpf_nf_entry *init, __u32 timeout) __weak __ksym;
extern int bpf_ct_change_timeout___nf(struct __bpf_nf_entry *ct, __u32 timeout) __weak __ksym;
extern int bpf_ct_set_status___nf(struct __bpf_nf_entry *init, __u32 status) __weak __ksym;
extern int bpf_ct_change_status___nf(struct __bpf_nf_entry *ct, __u32 status) __weak __ksym;
extern int bpf_ct_set_nat_info___nf(struct __bpf_nf_entry *init, union bpf_nf_addr *addr,
				    int port, enum bpf_nf_nat_manip manip) __weak __ksym;

#define __BPF_NF_ENTRY(func, ...)					\
	(bpf_ksym_exists(bpf_nf_ct_##func##___nf) ?			\
	 bpf_nf_ct_##func##___nf(__VA_ARGS__) : bpf_ct_##func##___nf(__VA_ARGS__))

/**
 * bpf_nf_entry_release - release a conntrack entry
 * @ct: of bpf_nf_ct_get(), bpf_nf_ct_lookup() or bpf_nf_entry_insert()
 */
static __always_inline void bpf_nf_entry_release(struct nf_conn *ct)
{
	__BPF_NF_ENTRY(release, (void *)ct);
}

/**
 * bpf_nf_entry_insert - put a new entry into the table
 * @init: of bpf_nf_ct_alloc(); the program no longer has it after the call
 *
 * Return: the entry, to be released; NULL if the table has an entry with such a tuple.
 */
static __always_inline struct nf_conn *bpf_nf_entry_insert(struct nf_conn___init *init)
{
	return (void *)__BPF_NF_ENTRY(insert_entry, (void *)init);
}

/**
 * bpf_nf_entry_set_timeout - set the timeout of a new entry
 * @init: of bpf_nf_ct_alloc()
 * @timeout: milliseconds
 */
static __always_inline void
bpf_nf_entry_set_timeout(struct nf_conn___init *init, __u32 timeout)
{
	__BPF_NF_ENTRY(set_timeout, (void *)init, timeout);
}

/**
 * bpf_nf_entry_change_timeout - change the timeout of an entry
 * @ct: the entry
 * @timeout: milliseconds
 *
 * Return: 0, -EPERM if the entry has a fixed timeout, or -ETIME if conntrack is deleting it.
 */
static __always_inline int bpf_nf_entry_change_timeout(struct nf_conn *ct, __u32 timeout)
{
	return __BPF_NF_ENTRY(change_timeout, (void *)ct, timeout);
}

/**
 * bpf_nf_entry_set_status - set the status of a new entry
 * @init: of bpf_nf_ct_alloc()
 * @status: IPS_*
 *
 * Return: 0, or -EBUSY if @status changes a bit that only conntrack changes.
 */
static __always_inline int
bpf_nf_entry_set_status(struct nf_conn___init *init, __u32 status)
{
	return __BPF_NF_ENTRY(set_status, (void *)init, status);
}

/**
 * bpf_nf_entry_change_status - change the status of an entry
 * @ct: the entry
 * @status: IPS_*
 *
 * Return: as bpf_nf_entry_set_status().
 */
static __always_inline int bpf_nf_entry_change_status(struct nf_conn *ct, __u32 status)
{
	return __BPF_NF_ENTRY(change_status, (void *)ct, status);
}

/**
 * bpf_nf_entry_set_mark - set the mark of a new entry
 * @init: of bpf_nf_ct_alloc()
 * @mark: the mark
 *
 * Return: 0, or -EOPNOTSUPP if the kernel has no marks of connections.
 */
static __always_inline int
bpf_nf_entry_set_mark(struct nf_conn___init *init, __u32 mark)
{
	if (bpf_ksym_exists(bpf_nf_ct_set_init_mark___nf))
		return bpf_nf_ct_set_init_mark___nf((void *)init, mark);
	if (!bpf_core_field_exists(struct nf_conn___nf, mark))
		return -EOPNOTSUPP;
	((struct nf_conn___nf *)init)->mark = mark;
	return 0;
}

/**
 * bpf_nf_entry_change_mark - change the mark of an entry
 * @ct: the entry
 * @mark: the mark
 *
 * Return: as bpf_nf_entry_set_mark().
 */
static __always_inline int bpf_nf_entry_change_mark(struct nf_conn *ct, __u32 mark)
{
	if (bpf_ksym_exists(bpf_nf_ct_change_mark___nf))
		return bpf_nf_ct_change_mark___nf((void *)ct, mark);
	if (!bpf_core_field_exists(struct nf_conn___nf, mark))
		return -EOPNOTSUPP;
	((struct nf_conn___nf *)ct)->mark = mark;
	return 0;
}

/**
 * bpf_nf_entry_set_nat - translate the packets of a new entry
 * @init: of bpf_nf_ct_alloc()
 * @addr: the new address, of the entry's family
 * @port: the new port in host byte order, 0 or less for any
 * @manip: BPF_NF_NAT_SRC or BPF_NF_NAT_DST
 *
 * Return: 0, -EINVAL for a NULL address or another @manip, -EBUSY if this address is set
 * already, -ENOMEM.
 */
static __always_inline int
bpf_nf_entry_set_nat(struct nf_conn___init *init, union bpf_nf_addr *addr, int port,
		     enum bpf_nf_nat_manip manip)
{
	return __BPF_NF_ENTRY(set_nat_info, (void *)init, addr, port, manip);
}

/**
 * bpf_nf_mark - read the mark of the packet
 * @ctx: the program's context
 *
 * Return: skb->mark.
 */
static __always_inline __u32 bpf_nf_mark(struct bpf_nf_ctx *ctx)
{
	struct bpf_nf_ctx___nf *nf = (void *)ctx;
	__u32 mark;

	if (!bpf_core_field_exists(struct bpf_nf_ctx___nf, mark))
		return ((struct sk_buff___nf *)nf->skb)->mark;
	mark = nf->mark;
	/* The verifier refuses one load that is used for both addresses. */
	barrier_var(mark);
	return mark;
}

/**
 * bpf_nf_set_mark - set the mark of the packet, for policy routing, tc and nft
 * @ctx: the program's context
 * @mark: the new mark
 *
 * Return: 0, or -EOPNOTSUPP if programs cannot set it on this kernel.
 */
static __always_inline int bpf_nf_set_mark(struct bpf_nf_ctx *ctx, __u32 mark)
{
	if (bpf_core_field_exists(struct bpf_nf_ctx___nf, mark)) {
		((struct bpf_nf_ctx___nf *)ctx)->mark = mark;
		return 0;
	}
	if (!BPF_NF_HAS(bpf_nf_write_mark))
		return -EOPNOTSUPP;
	bpf_nf_write_mark___nf(ctx, mark);
	return 0;
}

/**
 * bpf_nf_set_priority - set the priority of the packet, for tc
 * @ctx: the program's context
 * @priority: the new priority: a class of tc, as in skb->priority
 *
 * Return: 0, or -EOPNOTSUPP if programs cannot set it on this kernel.
 */
static __always_inline int bpf_nf_set_priority(struct bpf_nf_ctx *ctx, __u32 priority)
{
	if (bpf_core_field_exists(struct bpf_nf_ctx___nf, priority)) {
		((struct bpf_nf_ctx___nf *)ctx)->priority = priority;
		return 0;
	}
	if (!BPF_NF_HAS(bpf_nf_write_priority))
		return -EOPNOTSUPP;
	bpf_nf_write_priority___nf(ctx, priority);
	return 0;
}

#ifdef BPF_NF_COUNT_REASONS
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, BPF_NF_MAX_REASONS);
	__type(key, __u32);
	__type(value, __u64);
} bpf_nf_reasons SEC(".maps");
#endif

static __always_inline void __bpf_nf_count_reason(__u32 number)
{
#ifdef BPF_NF_COUNT_REASONS
	__u64 *packets = bpf_map_lookup_elem(&bpf_nf_reasons, &number);

	/* The counter is this CPU's, but a packet of the softirq can come in between. */
	if (packets)
		__sync_fetch_and_add(packets, 1);
#else
	(void)number;
#endif
}

/*
 * A tracer can attach to this function and read its arguments. It is weak, so that the
 * compiler keeps the call and its arguments, and hidden, so that libbpf makes it static:
 * the verifier then follows the call, and needs no types of the arguments.
 */
__weak __hidden __noinline int
bpf_nf_because(struct bpf_nf_ctx *ctx, const struct bpf_nf_reason *reason)
{
	(void)ctx;
	(void)reason;
	return 0;
}

/**
 * BPF_NF_REASON - give the reason of a verdict
 * @ctx: the program's context
 * @verdict: NF_DROP or NF_ACCEPT
 * @reason: number of the reason, a constant below BPF_NF_MAX_REASONS. Give each reason
 *	of a program a number of its own, and do not use it again for another one.
 * @why: the reason as a string literal of at most 59 bytes
 *
 *	return BPF_NF_REASON(ctx, NF_DROP, 1, "telnet is closed");
 *
 * "bpftool net trace netfilter" prints number and text. When nobody traces, this is the
 * call of a function that returns at once. If BPF_NF_COUNT_REASONS is defined before this
 * header is included, the map bpf_nf_reasons counts the packets of each number, and
 * "nf-bpf metrics" prints them.
 *
 * Return: @verdict
 */
#define BPF_NF_REASON(ctx, verdict, reason, why) ({				\
	static const struct bpf_nf_reason __reason SEC(BPF_NF_REASON_TEXTS) = {	\
		(reason), why							\
	};									\
	_Static_assert((reason) >= 0 && (reason) < BPF_NF_MAX_REASONS,		\
		       "BPF_NF_REASON: the number is too large");		\
	_Static_assert(sizeof(why) <= sizeof(__reason.text),			\
		       "BPF_NF_REASON: the text is too long");			\
	int __verdict = (verdict);						\
										\
	bpf_nf_because(ctx, &__reason);						\
	__bpf_nf_count_reason(reason);						\
	__verdict;								\
})

#endif /* __bpf__ */

#endif /* __BPF_NETFILTER_H__ */
