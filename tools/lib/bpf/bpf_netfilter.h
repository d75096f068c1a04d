/* SPDX-License-Identifier: (LGPL-2.1 OR BSD-2-Clause) */
#ifndef __BPF_NETFILTER_H__
#define __BPF_NETFILTER_H__

/*
 * For programs of type BPF_PROG_TYPE_NETFILTER that are compiled once and run on
 * kernels which differ in what such a program can do.
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
 *
 *		BPF_NF_PKT(pkt, ctx);
 *		if (bpf_nf_pkt_parse(&pkt, &flow))
 *			return NF_DROP;
 *		return flow.tuple.dport == bpf_htons(23) ? NF_DROP : NF_ACCEPT;
 *	}
 *
 * The packet is read through packet pointers where the kernel's context has
 * ctx->data, otherwise through an skb dynptr, which mainline has from 6.4 on.
 * libbpf decides when the object is loaded (CO-RE), the verifier removes the
 * other way: nothing of the choice is left to run but a constant or two.
 *
 * vmlinux.h may be any kernel's that has the type. It comes before this header,
 * as some of what is here takes its names. The loader needs libbpf 1.3 or later.
 * The program's licence must be GPL compatible, as for any kfunc.
 *
 * Offsets and lengths are bytes, offsets count from the network header. Addresses
 * and ports are in network order, as in the packet. Nothing here keeps state.
 *
 * User space that fills maps with what is here may include it as well, and has the
 * structs and enums then.
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

/* Macros in the uapi headers: BTF, and so vmlinux.h, does not have them. */
#ifndef NF_DROP
#define NF_DROP		0
#endif
#ifndef NF_ACCEPT
#define NF_ACCEPT	1
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

/* Farther than a chain of extension headers of the longest kind can reach. */
#define BPF_NF_PKT_MAX_OFF	0x7fff

/* A longer chain of IPv6 extension headers is refused. Hosts send two or three. */
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
 * enum bpf_nf_fragment - which part of a datagram a packet is
 * @BPF_NF_FRAGMENT_NONE: all of it, or an "atomic fragment" of IPv6
 * @BPF_NF_FRAGMENT_FIRST: its beginning, which has the transport header
 * @BPF_NF_FRAGMENT_LATER: another part, which has not
 *
 * Behind strict reassembly (BPF_F_NETFILTER_DEFRAG_STRICT) it is always NONE.
 * Behind reassembly alone it can be any: see bpf_nf_pkt_parse().
 */
enum bpf_nf_fragment {
	BPF_NF_FRAGMENT_NONE	= 0,
	BPF_NF_FRAGMENT_FIRST	= 1,
	BPF_NF_FRAGMENT_LATER	= 2,
};

/**
 * struct bpf_nf_flow - what bpf_nf_pkt_parse() finds
 * @tuple: addresses, ports, protocol
 * @l4_off: where the transport header begins; in a later fragment, its data
 * @fragment: enum bpf_nf_fragment
 * @icmp_type: of ICMP and ICMPv6, otherwise 0
 * @icmp_code: likewise
 */
struct bpf_nf_flow {
	struct bpf_nf_tuple tuple;
	__u16 l4_off;
	__u8 fragment;
	__u8 icmp_type;
	__u8 icmp_code;
};

/**
 * enum bpf_nf_parse_result - what bpf_nf_pkt_parse() returns
 * @BPF_NF_PARSED: all of struct bpf_nf_flow is true of the packet
 * @BPF_NF_PARSE_LATER: a later fragment: there are no ports and no ICMP type
 * @BPF_NF_PARSE_CUT: it ends within its headers (the first eight bytes of the
 *	transport header belong to them where there are ports or an ICMP type),
 *	be it a first fragment or all there is: the addresses and @fragment are
 *	true, @protocol and @l4_off are of the first header that is missing
 * @BPF_NF_PARSE_CHAIN: more than BPF_NF_MAX_EXTENSIONS extension headers, or
 *	another fragment header behind that of a fragment: the addresses are true
 * @BPF_NF_PARSE_MALFORMED: neither an IPv4 nor an IPv6 header: nothing is true
 */
enum bpf_nf_parse_result {
	BPF_NF_PARSED		= 0,
	BPF_NF_PARSE_LATER	= 1,
	BPF_NF_PARSE_CUT	= 2,
	BPF_NF_PARSE_CHAIN	= 3,
	BPF_NF_PARSE_MALFORMED	= 4,
};

#ifdef __bpf__

/*
 * libbpf looks up a name without its ___ ending. The declarations below cannot clash
 * with those of vmlinux.h, whichever kernel that is from.
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

/*
 * libbpf compares the kinds of the types of a function's arguments. struct sk_buff can be
 * a forward declaration in the object's BTF, which is another kind, so this is one that
 * is complete.
 */
struct __bpf_nf_skb {
	__u32 len;
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
extern void __bpf_nf_pkt_at_small_buffer(void)
	__attribute__((error("bpf_nf_pkt_at(): the buffer is smaller than the length")));
extern void __bpf_nf_pkt_at_variable_length(void)
	__attribute__((error("bpf_nf_pkt_at(): the length is not a constant")));
#else
#define __bpf_nf_pkt_at_small_buffer()		((void)0)
#define __bpf_nf_pkt_at_variable_length()	((void)0)
#endif

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
	const void *p;

	if (!__builtin_constant_p(len))
		__bpf_nf_pkt_at_variable_length();
	else if (__builtin_object_size(buf, 1) < len)
		__bpf_nf_pkt_at_small_buffer();
	if (off > BPF_NF_PKT_MAX_OFF)
		return NULL;
	if (!bpf_nf_has_pkt_pointers())
		return bpf_dynptr_slice___nf(&pkt->dynptr, off, buf, len);
	p = pkt->ctx->data + off;
	/* The verifier wants one pointer to be compared and used, not two sums. */
	if (!__builtin_constant_p(off))
		barrier_var(p);
	if (p + len <= pkt->ctx->data_end)
		return p;
	return bpf_skb_load_bytes(pkt->ctx, off, buf, len) ? NULL : buf;
}

/* Of the protocols whose header begins with two ports. */
static __always_inline bool __bpf_nf_has_ports(__u8 protocol)
{
	return protocol == IPPROTO_TCP || protocol == IPPROTO_UDP ||
	       protocol == IPPROTO_UDPLITE || protocol == IPPROTO_SCTP ||
	       protocol == IPPROTO_DCCP;
}

/* In memory the address comes first, whichever end of the word that is. */
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

	/* In one store. */
	__builtin_memcpy(&tuple->sport, &ports, sizeof(ports));
}

static __always_inline void
__bpf_nf_set_rest(struct bpf_nf_flow *flow, __u8 family, __u8 protocol, __u16 l4_off)
{
	flow->tuple.family = family;
	flow->tuple.protocol = protocol;
	flow->tuple.zero = 0;
	flow->l4_off = l4_off;
	flow->fragment = BPF_NF_FRAGMENT_NONE;
	flow->icmp_type = 0;
	flow->icmp_code = 0;
}

/*
 * Most packets: TCP or UDP right behind the IP header, with packet pointers.
 * One comparison is for everything that is read.
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
		/* Constants are stored faster than a choice of two is. */
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

struct __bpf_nf_walk {
	__u32 off;		/* of the header at hand */
	__u8 protocol;
	__u8 fragment;
};

static __always_inline int
__bpf_nf_walk_ipv4(const struct bpf_nf_pkt *pkt, struct bpf_nf_flow *flow,
		   struct __bpf_nf_walk *walk)
{
	__u64 buf[3];
	const __u8 *ip = bpf_nf_pkt_at(pkt, 0, buf, 20);
	__u16 frag_off;

	if (!ip || (ip[0] & 0xf) < 5)
		return BPF_NF_PARSE_MALFORMED;
	__bpf_nf_set_ipv4(&flow->tuple, ip);
	frag_off = bpf_ntohs(*(const __be16 *)(ip + 6));
	if (frag_off & 0x1fff)
		walk->fragment = BPF_NF_FRAGMENT_LATER;
	else if (frag_off & 0x2000)
		walk->fragment = BPF_NF_FRAGMENT_FIRST;
	walk->protocol = ip[9];
	walk->off = (ip[0] & 0xf) * 4;
	return BPF_NF_PARSED;
}

static __always_inline bool __bpf_nf_is_extension(__u8 protocol)
{
	switch (protocol) {
	case 0:		/* hop-by-hop options */
	case 43:	/* routing */
	case 44:	/* fragment */
	case 51:	/* authentication */
	case 60:	/* destination options */
	case 135:	/* mobility */
	case 139:	/* host identity */
	case 140:	/* shim6 */
		return true;
	default:
		return false;
	}
}

/* Past one extension header; each has at least eight bytes. */
static __always_inline int
__bpf_nf_walk_extension(const struct bpf_nf_pkt *pkt, struct __bpf_nf_walk *walk)
{
	__u64 buf;
	const __u8 *header = bpf_nf_pkt_at(pkt, walk->off, &buf, 8);
	__u16 frag_off;

	if (!header)
		return BPF_NF_PARSE_CUT;
	if (walk->protocol == 44) {
		/* Which of two would the end host go by? */
		if (walk->fragment)
			return BPF_NF_PARSE_CHAIN;
		frag_off = bpf_ntohs(*(const __be16 *)(header + 2));
		if (frag_off & 0xfff8)
			walk->fragment = BPF_NF_FRAGMENT_LATER;
		else if (frag_off & 1)
			walk->fragment = BPF_NF_FRAGMENT_FIRST;
		walk->off += 8;
	} else if (walk->protocol == 51) {
		walk->off += (header[1] + 2) * 4;
	} else {
		walk->off += (header[1] + 1) * 8;
	}
	walk->protocol = header[0];
	return BPF_NF_PARSED;
}

static __always_inline int
__bpf_nf_walk_ipv6(const struct bpf_nf_pkt *pkt, struct bpf_nf_flow *flow,
		   struct __bpf_nf_walk *walk)
{
	__u64 buf[5];
	const __u8 *ip = bpf_nf_pkt_at(pkt, 0, buf, 40);
	int i, result;

	if (!ip)
		return BPF_NF_PARSE_MALFORMED;
	__bpf_nf_set_ipv6(&flow->tuple, ip);
	walk->protocol = ip[6];
	walk->off = 40;
	for (i = 0; i < BPF_NF_MAX_EXTENSIONS; i++) {
		if (walk->fragment == BPF_NF_FRAGMENT_LATER ||
		    !__bpf_nf_is_extension(walk->protocol))
			return BPF_NF_PARSED;
		result = __bpf_nf_walk_extension(pkt, walk);
		if (result)
			return result;
	}
	return walk->fragment != BPF_NF_FRAGMENT_LATER &&
	       __bpf_nf_is_extension(walk->protocol) ? BPF_NF_PARSE_CHAIN : BPF_NF_PARSED;
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
__bpf_nf_parse_any(const struct bpf_nf_pkt *pkt, struct bpf_nf_flow *flow)
{
	struct __bpf_nf_walk walk = {};
	__u64 buf;
	const __u8 *ip = bpf_nf_pkt_at(pkt, 0, &buf, 1);
	int result = BPF_NF_PARSE_MALFORMED;
	__u8 family = 0;

	__builtin_memset(flow, 0, sizeof(*flow));
	if (!ip)
		return result;
	if (ip[0] >> 4 == 4) {
		family = NFPROTO_IPV4;
		result = __bpf_nf_walk_ipv4(pkt, flow, &walk);
	} else if (ip[0] >> 4 == 6) {
		family = NFPROTO_IPV6;
		result = __bpf_nf_walk_ipv6(pkt, flow, &walk);
	}
	__bpf_nf_set_rest(flow, family, walk.protocol, walk.off);
	flow->fragment = walk.fragment;
	if (result)
		return result;
	if (walk.fragment == BPF_NF_FRAGMENT_LATER)
		return BPF_NF_PARSE_LATER;
	return __bpf_nf_parse_l4(pkt, flow);
}

/* Not inlined: packets that do not need it then do not pay for its stack and registers. */
static __noinline __attribute__((unused)) int
__bpf_nf_parse_slow(const struct bpf_nf_pkt *pkt, struct bpf_nf_flow *flow)
{
	return __bpf_nf_parse_any(pkt, flow);
}

/**
 * bpf_nf_pkt_parse - find the addresses, the protocol and the ports
 * @pkt: the packet
 * @flow: filled in, as far as the result says
 *
 * What to do with a packet that could not be parsed is the caller's policy: to
 * drop it is the safe one. A fragment that is the first is parsed, as its ports
 * are known. To refuse it as well, look at @flow->fragment: behind reassembly it
 * is one that the kernel could not make sense of.
 *
 * Return: enum bpf_nf_parse_result, 0 when all of @flow is known.
 */
static __always_inline int
bpf_nf_pkt_parse(const struct bpf_nf_pkt *pkt, struct bpf_nf_flow *flow)
{
	struct bpf_nf_flow slow;
	int result;

	if (bpf_nf_has_pkt_pointers() && __bpf_nf_parse_fast(pkt, flow))
		return BPF_NF_PARSED;
	/* Through a copy, so that @flow itself can be in registers. */
	result = __bpf_nf_parse_slow(pkt, &slow);
	*flow = slow;
	return result;
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

/**
 * bpf_nf_mark - the packet's mark
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
 * bpf_nf_set_mark - set the packet's mark, for policy routing, tc and nft
 * @ctx: the program's context
 * @mark: the new one
 *
 * Return: 0, -EOPNOTSUPP where the kernel's programs cannot.
 */
static __always_inline int bpf_nf_set_mark(struct bpf_nf_ctx *ctx, __u32 mark)
{
	if (!bpf_core_field_exists(struct bpf_nf_ctx___nf, mark))
		return -EOPNOTSUPP;
	((struct bpf_nf_ctx___nf *)ctx)->mark = mark;
	return 0;
}

/**
 * bpf_nf_set_priority - set the packet's priority, for tc
 * @ctx: the program's context
 * @priority: the new one: a class of tc, as in skb->priority
 *
 * Return: 0, -EOPNOTSUPP where the kernel's programs cannot.
 */
static __always_inline int bpf_nf_set_priority(struct bpf_nf_ctx *ctx, __u32 priority)
{
	if (!bpf_core_field_exists(struct bpf_nf_ctx___nf, priority))
		return -EOPNOTSUPP;
	((struct bpf_nf_ctx___nf *)ctx)->priority = priority;
	return 0;
}

#endif /* __bpf__ */

#endif /* __BPF_NETFILTER_H__ */
