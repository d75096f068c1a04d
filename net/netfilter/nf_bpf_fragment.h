/* SPDX-License-Identifier: GPL-2.0 */
/* Functions that tell which packets are fragments, for strict links and for programs. */
#ifndef _NF_BPF_FRAGMENT_H
#define _NF_BPF_FRAGMENT_H

#include <linux/netfilter.h>
#include <linux/skbuff.h>
#include <net/ip.h>
#include <net/ipv6.h>

/* Protocol numbers of RFC 7401 and RFC 5533, for which the kernel has no names. */
enum {
	BPF_NF_NEXTHDR_HIP	= 139,
	BPF_NF_NEXTHDR_SHIM6	= 140,
};

/* Flags in IPCB() and IP6CB(), which are valid while a program runs. The kernel uses the low
 * bits, and clears all of them when it receives a packet.
 *
 * TRACKED: the packet is the first fragment of a datagram, and its verdict is that of the
 * datagram.
 * PULLED: a helper has pulled bytes from the frag_list.
 */
#define BPF_NF_CB_TRACKED	BIT(14)
#define BPF_NF_CB_PULLED	BIT(15)

static inline u16 *bpf_nf_cb_flags(struct sk_buff *skb, u8 pf)
{
	if (pf == NFPROTO_IPV6)
		return &IP6CB(skb)->flags;
	return &IPCB(skb)->flags;
}

static inline bool bpf_nf_is_tracked(struct sk_buff *skb, u8 pf)
{
	return unlikely(*bpf_nf_cb_flags(skb, pf) & BPF_NF_CB_TRACKED);
}

/* Return: true if the IP header shows that the packet is no fragment. For IPv4 false is
 * final. For IPv6 bpf_nf_is_fragment() then walks the extension headers.
 */
static __always_inline bool bpf_nf_is_whole(const struct sk_buff *skb, u8 pf)
{
	u8 nexthdr;

	if (pf == NFPROTO_IPV4)
		return !ip_is_fragment(ip_hdr(skb));
	nexthdr = ipv6_hdr(skb)->nexthdr;
	return nexthdr == NEXTHDR_TCP || nexthdr == NEXTHDR_UDP ||
	       nexthdr == NEXTHDR_ICMP;
}

/* To the kernel a mobility, HIP or shim6 header is the last one of the chain, so it does
 * not find a fragment header behind such a header. The RFCs allow nothing behind it, but
 * some receivers continue with the header that the next header field names.
 *
 * Return: true if the chain may continue behind the header at @offset
 */
static inline bool bpf_nf_chain_goes_on(const struct sk_buff *skb, unsigned int offset,
					u8 nexthdr)
{
	struct ipv6_opt_hdr _hdr, *hdr;

	if (nexthdr != NEXTHDR_MOBILITY && nexthdr != BPF_NF_NEXTHDR_HIP &&
	    nexthdr != BPF_NF_NEXTHDR_SHIM6)
		return false;
	hdr = skb_header_pointer(skb, offset, sizeof(_hdr), &_hdr);
	if (!hdr || skb->len - offset < ipv6_optlen(hdr))
		return true;
	nexthdr = hdr->nexthdr;
	return nexthdr == NEXTHDR_MOBILITY || nexthdr == BPF_NF_NEXTHDR_HIP ||
	       nexthdr == BPF_NF_NEXTHDR_SHIM6 ||
	       (nexthdr != NEXTHDR_NONE && ipv6_ext_hdr(nexthdr));
}

/**
 * bpf_nf_is_fragment - tell whether a packet is a fragment
 * @skb: the packet, its data at the network header
 * @pf: NFPROTO_IPV4 or NFPROTO_IPV6
 *
 * Return: true for a fragment, and for an IPv6 packet that may be one: its header
 * chain is truncated, or continues behind a header that the kernel does not parse
 */
static inline bool bpf_nf_is_fragment(const struct sk_buff *skb, u8 pf)
{
	unsigned int offset = 0;
	int nexthdr, flags = 0;

	if (likely(bpf_nf_is_whole(skb, pf)))
		return false;
	if (pf == NFPROTO_IPV4 || ipv6_hdr(skb)->nexthdr == NEXTHDR_FRAGMENT)
		return true;

	/* A truncated chain may have a fragment header in the part that is missing.
	 * Only a chain that was read to its end has none.
	 */
	nexthdr = ipv6_find_hdr(skb, &offset, -1, NULL, &flags);
	return nexthdr < 0 || (flags & IP6_FH_F_FRAG) ||
	       bpf_nf_chain_goes_on(skb, offset, nexthdr);
}

#endif /* _NF_BPF_FRAGMENT_H */
