/* SPDX-License-Identifier: GPL-2.0 */
/* Functions by which programs read and change packets. nf_bpf_prog.c makes helpers of them,
 * and the module for unmodified kernels (dkms/nf_bpf_packet.c) makes kfuncs of them. Each of
 * the two includes this header once.
 *
 * A packet at a netfilter hook is in the middle of the IP stack. The stack has already
 * parsed its headers, chosen a socket, summed it up and planned its segmentation. If a
 * function here changes bytes that these rely on, it refuses the change or undoes the
 * decision. Other decisions, such as the route, stay:
 * Documentation/bpf/prog_netfilter_packet.rst lists all of them.
 *
 * skb->cb belongs to the IP layer here (IPCB() and IP6CB()), so code that stores BPF
 * state in skb->cb cannot be used.
 */
#ifndef _NF_BPF_PACKET_H
#define _NF_BPF_PACKET_H

#include <linux/bpf.h>
#include <linux/bpf_nf.h>
#include <linux/btf.h>
#include <linux/init.h>
#include <linux/netdevice.h>
#include <linux/netfilter.h>
#include <linux/skbuff.h>
#include <linux/udp.h>
#include <net/checksum.h>
#include <net/inet_ecn.h>
#include <net/ip.h>
#include <net/ipv6.h>
#include <net/net_namespace.h>
#include <net/netfilter/nf_conntrack_bpf.h>
#include <net/netfilter/nf_nat.h>

#include "nf_bpf_ctx.h"
#include "nf_bpf_fragment.h"

/* The IP stack has parsed the IPv4 header before the packet reaches the hook. It
 * remembers the offsets of IP options and relies on the lengths in the header, so a
 * program must not change these bytes.
 *
 * Return: true if the byte at @offset must keep its value
 */
static bool bpf_nf_has_shape_v4(const struct iphdr *iph, u32 offset)
{
	switch (offset) {
	case 0:		/* version and ihl */
	case offsetof(struct iphdr, tot_len):
	case offsetof(struct iphdr, tot_len) + 1:
		return true;
	default:
		return offset >= sizeof(*iph) && offset < iph->ihl * 4;
	}
}

static bool bpf_nf_keeps_shape_v4(const struct sk_buff *skb, u32 offset,
				  const u8 *from, u32 len)
{
	const struct iphdr *iph = ip_hdr(skb);
	u32 end = min_t(u32, offset + len, iph->ihl * 4);
	const u8 *old = (const u8 *)iph;
	u32 i;

	for (i = offset; i < end; i++) {
		if (bpf_nf_has_shape_v4(iph, i) && from[i - offset] != old[i])
			return false;
	}
	return true;
}

/* Behind IPsec in transport mode, and if a routing header sends it on, a packet passes hooks
 * again. The stack may have parsed extension headers then, and remember where they are. Of a
 * routing header that sends the packet on, it remembers nothing.
 *
 * Return: the offset behind these headers, or 0
 */
static u32 bpf_nf_parsed_len_v6(const struct sk_buff *skb)
{
	u32 last = IP6CB(skb)->lastopt;

	if (likely(!last))
		return 0;
	if (last + sizeof(struct ipv6_opt_hdr) > skb_headlen(skb))
		return skb->len;
	return last + ipv6_optlen((struct ipv6_opt_hdr *)(skb_network_header(skb) + last));
}

/* The IPv6 counterpart. On the first way through the hooks the stack has only parsed the
 * IPv6 header and a hop-by-hop options header. It found what follows by the length of that
 * header.
 *
 * Return: a mask of the bits of the byte at @offset that must keep their values
 */
static u8 bpf_nf_shape_v6(const struct sk_buff *skb, u32 offset)
{
	u32 parsed = bpf_nf_parsed_len_v6(skb);
	bool hopopts = parsed || IP6CB(skb)->flags & IP6SKB_HOPBYHOP;

	if (offset >= sizeof(struct ipv6hdr) && offset < parsed)
		return 0xff;
	switch (offset) {
	case 0:
		/* The other half of the byte belongs to the traffic class. */
		return 0xf0;
	case offsetof(struct ipv6hdr, payload_len):
	case offsetof(struct ipv6hdr, payload_len) + 1:
		return 0xff;
	case offsetof(struct ipv6hdr, nexthdr):
	case sizeof(struct ipv6hdr) + offsetof(struct ipv6_opt_hdr, nexthdr):
	case sizeof(struct ipv6hdr) + offsetof(struct ipv6_opt_hdr, hdrlen):
		return hopopts ? 0xff : 0;
	default:
		return 0;
	}
}

static bool bpf_nf_keeps_shape_v6(const struct sk_buff *skb, u32 offset,
				  const u8 *from, u32 len)
{
	u32 end = max_t(u32, bpf_nf_parsed_len_v6(skb),
			sizeof(struct ipv6hdr) + sizeof(struct ipv6_opt_hdr));
	const u8 *old = skb_network_header(skb);
	u32 i;

	for (i = offset; i < min(offset + len, end); i++) {
		if ((from[i - offset] ^ old[i]) & bpf_nf_shape_v6(skb, i))
			return false;
	}
	return true;
}

static bool bpf_nf_keeps_shape(const struct bpf_nf_ctx_kern *ctx, u32 offset,
			       const void *from, u32 len)
{
	if (ctx->state->pf == NFPROTO_IPV6)
		return bpf_nf_keeps_shape_v6(ctx->skb, offset, from, len);
	return bpf_nf_keeps_shape_v4(ctx->skb, offset, from, len);
}

/* Early demux, TPROXY and tc choose a receiving socket by protocol, addresses and
 * ports. IPv6 extension headers decide which protocol that is and where the ports are.
 *
 * Return: true if the socket may have been chosen by the byte at @offset
 */
static bool bpf_nf_chooses_socket(const struct bpf_nf_ctx_kern *ctx, u32 offset)
{
	const struct sk_buff *skb = ctx->skb;

	if (ctx->state->pf == NFPROTO_IPV6) {
		if (offset < offsetof(struct ipv6hdr, saddr))
			return offset == offsetof(struct ipv6hdr, nexthdr);
		return offset < sizeof(struct ipv6hdr) + 2 * sizeof(__be16) ||
		       ipv6_ext_hdr(ipv6_hdr(skb)->nexthdr);
	}
	if (offset < offsetof(struct iphdr, saddr))
		return offset == offsetof(struct iphdr, protocol);
	return offset < ip_hdrlen(skb) + 2 * sizeof(__be16);
}

/* Return: true if GSO segmentation uses the byte at @offset to choose the protocol that
 * segments the packet, or to find where the payload begins
 */
static bool bpf_nf_places_payload(const struct bpf_nf_ctx_kern *ctx, u32 offset)
{
	u32 at, hdrlen = sizeof(struct ipv6hdr);
	const struct sk_buff *skb = ctx->skb;
	u8 protocol;

	if (ctx->state->pf == NFPROTO_IPV6) {
		at = offsetof(struct ipv6hdr, nexthdr);
		/* For packets of more than 64 KB the kernel inserts a jumbo option of
		 * its own.
		 */
		if (ipv6_has_hopopt_jumbo(skb)) {
			if (offset == at)
				return true;
			at = hdrlen;
			hdrlen += sizeof(struct hop_jumbo_hdr);
			if (offset >= at && offset < hdrlen)
				return true;
		}
	} else {
		at = offsetof(struct iphdr, protocol);
		hdrlen = ip_hdrlen(skb);
	}
	if (offset < hdrlen)
		return offset == at;

	protocol = skb_network_header(skb)[at];
	if (skb->encapsulation ||
	    (protocol != IPPROTO_TCP && protocol != IPPROTO_UDP && protocol != IPPROTO_SCTP))
		return true;
	/* The upper half of this byte is the length of the TCP header. */
	return protocol == IPPROTO_TCP && offset == hdrlen + 12;
}

/* No header that the functions above look at reaches beyond this length. Behind it,
 * they give the same answer for every byte.
 */
#define BPF_NF_DECIDES_LEN	128

/* Compare the packet with the bytes that a helper is about to write at @offset. Only
 * the first @known of the @len new bytes are in @from. The others count as changed.
 *
 * Return: true if a byte changes for which @decides() is true
 */
static bool bpf_nf_changes(const struct bpf_nf_ctx_kern *ctx, u32 offset, u32 len,
			   const u8 *from, u32 known,
			   bool (*decides)(const struct bpf_nf_ctx_kern *, u32))
{
	u32 i;

	len = min_t(u32, len, BPF_NF_DECIDES_LEN);
	for (i = 0; i < len; i++) {
		if (i < known && from[i] == ctx->skb->data[offset + i])
			continue;
		if (decides(ctx, offset + i))
			return true;
	}
	return false;
}

/* skb_segment() expects that each buffer in the frag_list of a GSO packet holds one
 * segment, and calls BUG() otherwise. A pull or a longer header moves the payload
 * relative to the list, so make the packet linear first. An SCTP packet has one chunk
 * per buffer and cannot be segmented without its list.
 */
static int bpf_nf_flatten_gso(struct sk_buff *skb)
{
	if (skb_shinfo(skb)->gso_size == GSO_BY_FRAGS)
		return -EOPNOTSUPP;
	return skb_linearize(skb);
}

/* Mark the GSO packet as untrusted (SKB_GSO_DODGY). The kernel then segments the packet
 * itself for devices without NETIF_F_GSO_ROBUST.
 */
static int bpf_nf_distrust_gso(struct sk_buff *skb)
{
	int err;

	if (!skb_has_frag_list(skb) && !skb_shinfo(skb)->gso_segs &&
	    skb_shinfo(skb)->gso_type & SKB_GSO_DODGY)
		return 0;

	err = nf_bpf_keep_head(skb);
	if (err)
		return err;
	if (skb_has_frag_list(skb))
		err = bpf_nf_flatten_gso(skb);
	else
		err = skb_unclone(skb, GFP_ATOMIC);
	if (err)
		return err;
	skb_shinfo(skb)->gso_type |= SKB_GSO_DODGY;
	skb_shinfo(skb)->gso_segs = 0;
	return 0;
}

/* The receiving protocol does not check skb->sk: udp_rcv() would use the TCP socket of
 * a packet that was changed to UDP. So when a program changes bytes that the socket was
 * chosen by, the packet loses its socket, and the receiver looks up another. At
 * LOCAL_OUT and POST_ROUTING skb->sk is the sender, which does not depend on the
 * packet's bytes.
 */
static bool bpf_nf_has_receiver(const struct bpf_nf_ctx_kern *ctx)
{
	return ctx->skb->sk && ctx->state->hook != NF_INET_LOCAL_OUT &&
	       ctx->state->hook != NF_INET_POST_ROUTING;
}

/* Undo decisions of the stack that depend on bytes which are about to change. The
 * arguments are those of bpf_nf_changes(). The packet's data may move.
 */
static int bpf_nf_before_change(const struct bpf_nf_ctx_kern *ctx, u32 offset, u32 len,
				const u8 *from, u32 known)
{
	struct sk_buff *skb = ctx->skb;
	int err;

	if (skb_is_gso(skb) &&
	    bpf_nf_changes(ctx, offset, len, from, known, bpf_nf_places_payload)) {
		err = bpf_nf_distrust_gso(skb);
		if (err)
			return err;
	}
	/* Nothing below fails: if the helper fails, the packet must be unchanged.
	 *
	 * Whether skb->csum still is the sum over the packet depends on all changes that the
	 * program makes, and on the family: only IPv4's header has a checksum that balances
	 * a new address. Forget the sum, so that the receiver sums up the packet.
	 */
	if (skb->ip_summed == CHECKSUM_COMPLETE)
		skb->ip_summed = CHECKSUM_NONE;
	if (unlikely(bpf_nf_has_receiver(ctx)) &&
	    bpf_nf_changes(ctx, offset, len, from, known, bpf_nf_chooses_socket))
		skb_orphan(skb);
	return 0;
}

/* The length of what names the flow in a transport header: ports, or type and code. The
 * checksum of ICMP follows directly.
 */
static u32 bpf_nf_flow_len(u8 protocol)
{
	return protocol == IPPROTO_ICMP || protocol == IPPROTO_ICMPV6 ? 2 : 4;
}

/* The length of what later fragments depend on in a transport header: what names the flow,
 * and the length of UDP, which covers the whole datagram.
 */
static u32 bpf_nf_binding_len(u8 protocol)
{
	return protocol == IPPROTO_UDP ? offsetof(struct udphdr, check) :
					 bpf_nf_flow_len(protocol);
}

/* A receiver drops a datagram some of whose fragments have ECN and others have not. */
static bool bpf_nf_changes_ecn(const struct bpf_nf_ctx_kern *ctx, u32 offset, const u8 *from,
			       u32 known)
{
	u8 mask = ctx->state->pf == NFPROTO_IPV6 ? INET_ECN_MASK << 4 : INET_ECN_MASK;

	/* In both families the bits are in the second byte. */
	return offset <= 1 && offset + known > 1 &&
	       !(from[1 - offset] & mask) != !(ctx->skb->data[1] & mask);
}

/* Later fragments of a tracked datagram are not changed, so they must still belong to the
 * first fragment when the program has changed that.
 *
 * Return: true if the byte at @offset binds the fragments of a datagram, names its flow, or
 * is part of its length
 */
static bool bpf_nf_binds_fragments(const struct bpf_nf_ctx_kern *ctx, u32 offset)
{
	const struct sk_buff *skb = ctx->skb;
	unsigned int transport = 0;
	int nexthdr;

	if (ctx->state->pf == NFPROTO_IPV6) {
		if (offset < offsetof(struct ipv6hdr, saddr))
			return offset == offsetof(struct ipv6hdr, nexthdr);
		nexthdr = ipv6_find_hdr(skb, &transport, -1, NULL, NULL);
		return nexthdr < 0 || offset < transport + bpf_nf_binding_len(nexthdr);
	}
	if (offset < offsetof(struct iphdr, saddr))
		return offset == offsetof(struct iphdr, protocol) ||
		       (offset >= offsetof(struct iphdr, id) &&
			offset < offsetof(struct iphdr, ttl));
	return offset < ip_hdrlen(skb) + bpf_nf_binding_len(ip_hdr(skb)->protocol);
}

/* Reject offsets of bytes that must keep their values, and those of IPv6's header, which
 * has no checksum.
 */
static bool bpf_nf_may_be_csum(const struct bpf_nf_ctx_kern *ctx, u32 offset)
{
	if (ctx->state->pf == NFPROTO_IPV6)
		return offset >= sizeof(struct ipv6hdr) &&
		       !bpf_nf_shape_v6(ctx->skb, offset);
	return !bpf_nf_has_shape_v4(ip_hdr(ctx->skb), offset);
}

static int bpf_nf_load(const struct sk_buff *skb, u32 offset, void *to, u32 len)
{
	const void *ptr;

	ptr = offset <= INT_MAX ? skb_header_pointer(skb, offset, len, to) : NULL;
	if (unlikely(!ptr)) {
		memset(to, 0, len);
		return -EFAULT;
	}
	if (ptr != to)
		memcpy(to, ptr, len);
	return 0;
}

static int bpf_nf_load_mac(const struct sk_buff *skb, u32 offset, void *to,
			   u32 len)
{
	/* The link layer header of a received packet is in the linear part. A packet
	 * that this host sends has no link layer header yet.
	 */
	if (unlikely(!skb_mac_header_was_set(skb) ||
		     skb_mac_header(skb) > skb_tail_pointer(skb) ||
		     (u64)offset + len > skb_tail_pointer(skb) -
					 skb_mac_header(skb))) {
		memset(to, 0, len);
		return -EFAULT;
	}
	memcpy(to, skb_mac_header(skb) + offset, len);
	return 0;
}

static int bpf_nf_load_relative(const struct sk_buff *skb, u32 offset, void *to, u32 len,
				u32 start_header)
{
	switch (start_header) {
	case BPF_HDR_START_MAC:
		return bpf_nf_load_mac(skb, offset, to, len);
	case BPF_HDR_START_NET:
		return bpf_nf_load(skb, offset, to, len);
	default:
		memset(to, 0, len);
		return -EFAULT;
	}
}

/* A pull can move fragments from the frag_list into the linear part.
 * bpf_nf_fill_frag_info() can no longer count them then, and cannot see from the list
 * that they are gone. The flag tells it.
 */
static int bpf_nf_make_writable(const struct bpf_nf_ctx_kern *ctx, u32 len)
{
	struct sk_buff *skb = ctx->skb;
	bool pulls = skb_has_frag_list(skb) && len > skb_headlen(skb);
	int err;

	err = nf_bpf_keep_head_to_write(skb, len);
	if (err)
		return err;
	if (unlikely(pulls && skb_is_gso(skb))) {
		err = bpf_nf_flatten_gso(skb);
		if (err)
			return err;
	}
	err = skb_ensure_writable(skb, len);
	if (unlikely(pulls && !err))
		*bpf_nf_cb_flags(skb, ctx->state->pf) |= BPF_NF_CB_PULLED;
	return err;
}

/* The longest IPv4 header. bpf_nf_keeps_shape() compares no more than this. */
#define BPF_NF_SHAPE_LEN	60

/* Return: true if the helper would write to parsed headers that are not compared */
static bool bpf_nf_is_behind_shape(const struct bpf_nf_ctx_kern *ctx, u32 offset, u32 len)
{
	return ctx->state->pf == NFPROTO_IPV6 && offset + len > BPF_NF_SHAPE_LEN &&
	       max_t(u32, offset, BPF_NF_SHAPE_LEN) < bpf_nf_parsed_len_v6(ctx->skb);
}

static int bpf_nf_store(const struct bpf_nf_ctx_kern *ctx, u32 offset, const void *from,
			u32 len, u64 flags)
{
	struct sk_buff *skb = ctx->skb;
	u8 head[BPF_NF_SHAPE_LEN];
	u32 head_len = 0;
	void *ptr;

	if (unlikely(flags & ~(BPF_F_RECOMPUTE_CSUM | BPF_F_INVALIDATE_HASH)))
		return -EINVAL;
	if (unlikely((u64)offset + len > skb->len ||
		     bpf_nf_make_writable(ctx, offset + len)))
		return -EFAULT;
	if (offset < sizeof(head)) {
		head_len = min_t(u32, len, sizeof(head) - offset);
		bpf_nf_snapshot(head, from, head_len);
		if (unlikely(!bpf_nf_keeps_shape(ctx, offset, head, head_len)))
			return -EPERM;
	}
	if (unlikely(bpf_nf_is_behind_shape(ctx, offset, len)))
		return -EPERM;
	if (bpf_nf_is_tracked(skb, ctx->state->pf) &&
	    (bpf_nf_changes_ecn(ctx, offset, head, head_len) ||
	     bpf_nf_changes(ctx, offset, len, head, head_len, bpf_nf_binds_fragments)))
		return -EOPNOTSUPP;
	if (unlikely(bpf_nf_before_change(ctx, offset, len, head, head_len)))
		return -EFAULT;

	/* There is no sum over the packet that BPF_F_RECOMPUTE_CSUM would have to keep right. */
	ptr = skb->data + offset;
	memcpy(ptr, head, head_len);
	memcpy(ptr + head_len, from + head_len, len - head_len);
	if (flags & BPF_F_INVALIDATE_HASH)
		skb_clear_hash(skb);
	return 0;
}

/* Check the arguments before the packet is touched, then make the checksum at @offset
 * writable.
 */
static int bpf_nf_prepare_csum(const struct bpf_nf_ctx_kern *ctx, u32 offset, u64 from,
			       u64 size)
{
	if (unlikely(size ? size != sizeof(u16) && size != sizeof(u32) : from))
		return -EINVAL;
	if (unlikely(offset > 0xffff || offset & 1 ||
		     offset + sizeof(__sum16) > ctx->skb->len))
		return -EFAULT;
	if (unlikely(!bpf_nf_may_be_csum(ctx, offset)))
		return -EPERM;
	if (bpf_nf_is_tracked(ctx->skb, ctx->state->pf) &&
	    (bpf_nf_binds_fragments(ctx, offset) ||
	     bpf_nf_binds_fragments(ctx, offset + 1)))
		return -EOPNOTSUPP;
	return bpf_nf_make_writable(ctx, offset + sizeof(__sum16)) ? -EFAULT : 0;
}

/* Return: the checksum at @offset, or NULL if the packet cannot be changed */
static __sum16 *bpf_nf_change_csum(const struct bpf_nf_ctx_kern *ctx, u32 offset)
{
	/* The program can set any value by its choice of arguments, so all bytes count
	 * as changed.
	 */
	if (unlikely(bpf_nf_before_change(ctx, offset, sizeof(__sum16), NULL, 0)))
		return NULL;
	return (__sum16 *)(ctx->skb->data + offset);
}

static int bpf_nf_replace_l3_csum(const struct bpf_nf_ctx_kern *ctx, u32 offset, u64 from,
				  u64 to, u64 flags)
{
	__sum16 *sum;
	int err;

	if (unlikely(flags & ~BPF_F_HDR_FIELD_MASK))
		return -EINVAL;
	err = bpf_nf_prepare_csum(ctx, offset, from, flags & BPF_F_HDR_FIELD_MASK);
	if (unlikely(err))
		return err;
	sum = bpf_nf_change_csum(ctx, offset);
	if (unlikely(!sum))
		return -EFAULT;

	switch (flags & BPF_F_HDR_FIELD_MASK) {
	case 0:
		csum_replace_by_diff(sum, (__force __wsum)to);
		break;
	case sizeof(u16):
		csum_replace2(sum, (__force __be16)from, (__force __be16)to);
		break;
	case sizeof(u32):
		csum_replace4(sum, (__force __be32)from, (__force __be32)to);
		break;
	}
	return 0;
}

static int bpf_nf_replace_l4_csum(const struct bpf_nf_ctx_kern *ctx, u32 offset, u64 from,
				  u64 to, u64 flags)
{
	bool pseudo = flags & BPF_F_PSEUDO_HDR;
	bool ipv6 = flags & BPF_F_IPV6;
	__sum16 *sum;
	int err;

	if (unlikely(flags & ~(BPF_F_MARK_MANGLED_0 | BPF_F_MARK_ENFORCE |
			       BPF_F_PSEUDO_HDR | BPF_F_HDR_FIELD_MASK |
			       BPF_F_IPV6)))
		return -EINVAL;
	err = bpf_nf_prepare_csum(ctx, offset, from, flags & BPF_F_HDR_FIELD_MASK);
	if (unlikely(err))
		return err;
	/* A UDP checksum of 0 means that the packet has no checksum: leave it alone. */
	if ((flags & BPF_F_MARK_MANGLED_0) && !(flags & BPF_F_MARK_ENFORCE) &&
	    !*(__sum16 *)(ctx->skb->data + offset))
		return 0;
	sum = bpf_nf_change_csum(ctx, offset);
	if (unlikely(!sum))
		return -EFAULT;

	switch (flags & BPF_F_HDR_FIELD_MASK) {
	case 0:
		inet_proto_csum_replace_by_diff(sum, ctx->skb,
						(__force __wsum)to, pseudo, ipv6);
		break;
	case sizeof(u16):
		inet_proto_csum_replace2(sum, ctx->skb, (__force __be16)from,
					 (__force __be16)to, pseudo);
		break;
	case sizeof(u32):
		inet_proto_csum_replace4(sum, ctx->skb, (__force __be32)from,
					 (__force __be32)to, pseudo);
		break;
	}

	if ((flags & BPF_F_MARK_MANGLED_0) && !*sum)
		*sum = CSUM_MANGLED_0;
	return 0;
}

static u32 bpf_nf_frag_max_size(const struct bpf_nf_ctx_kern *ctx)
{
	if (ctx->state->pf == NFPROTO_IPV6)
		return IP6CB(ctx->skb)->frag_max_size;
	return IPCB(ctx->skb)->frag_max_size;
}

/* A reassembled packet is fragmented again on output, to the size of its largest
 * original fragment.
 */
static bool bpf_nf_fits(const struct bpf_nf_ctx_kern *ctx, u32 mtu)
{
	const struct sk_buff *skb = ctx->skb;
	u32 frag_max_size = bpf_nf_frag_max_size(ctx);

	if (frag_max_size)
		return frag_max_size <= mtu;
	return skb->len <= mtu ||
	       (skb_is_gso(skb) && skb_gso_validate_network_len(skb, mtu));
}

/* If params->tot_len is 0, the FIB lookup does not check the MTU. Check whether this
 * packet fits.
 */
static int bpf_nf_fib_check_mtu(const struct bpf_nf_ctx_kern *ctx,
				struct bpf_fib_lookup *params)
{
	struct net_device *dev;
	u32 mtu;

	dev = dev_get_by_index_rcu(nf_bpf_net(ctx->state), params->ifindex);
	if (unlikely(!dev || !(dev->flags & IFF_UP)))
		return BPF_FIB_LKUP_RET_FRAG_NEEDED;
	mtu = READ_ONCE(dev->mtu);
	params->mtu_result = min_t(u32, mtu, U16_MAX);
	return bpf_nf_fits(ctx, mtu) ? BPF_FIB_LKUP_RET_SUCCESS :
				       BPF_FIB_LKUP_RET_FRAG_NEEDED;
}

/* The functions that look up a route are those of net/core/filter.c, or, where these are not
 * shared, those of dkms/nf_bpf_fib.h.
 */
static int bpf_nf_find_route(const struct bpf_nf_ctx_kern *ctx,
			     struct bpf_fib_lookup *params, u32 plen, u32 flags)
{
	struct net *net = nf_bpf_net(ctx->state);
	bool check_mtu;
	int ret;

	if (plen < sizeof(*params) || flags & ~NF_BPF_FIB_LOOKUP_FLAGS)
		return -EINVAL;

	check_mtu = params->tot_len;
	/* The functions of net/core/filter.c expect that bottom halves are disabled. A
	 * hook in process context has them enabled.
	 */
	local_bh_disable();
	if (IS_ENABLED(CONFIG_INET) && params->family == AF_INET)
		ret = bpf_ipv4_fib_lookup(net, params, flags, check_mtu);
	else if (IS_ENABLED(CONFIG_IPV6) && params->family == AF_INET6)
		ret = bpf_ipv6_fib_lookup(net, params, flags, check_mtu);
	else
		ret = -EAFNOSUPPORT;
	if (ret == BPF_FIB_LKUP_RET_SUCCESS && !check_mtu)
		ret = bpf_nf_fib_check_mtu(ctx, params);
	local_bh_enable();
	return ret;
}

static u32 bpf_nf_hash(const struct bpf_nf_ctx_kern *ctx)
{
	/* A packet that the kernel itself sends may have neither device nor socket, so
	 * skb_get_hash() would not find its network namespace.
	 */
	return skb_get_hash_net(nf_bpf_net(ctx->state), ctx->skb);
}

static unsigned long bpf_nf_copy_packet(void *to, const void *skb,
					unsigned long offset, unsigned long len)
{
	return bpf_nf_load(skb, offset, to, len) ? len : 0;
}

static int bpf_nf_output(struct sk_buff *skb, struct bpf_map *map, u64 flags, void *data,
			 u64 size)
{
	u64 packet_size = (flags & BPF_F_CTXLEN_MASK) >> 32;

	if (unlikely(flags & ~(BPF_F_CTXLEN_MASK | BPF_F_INDEX_MASK)))
		return -EINVAL;
	if (unlikely(packet_size > skb->len))
		return -EFAULT;
	return bpf_event_output(map, flags, data, size, skb, packet_size,
				bpf_nf_copy_packet);
}

/* Reassembly leaves the headers of each fragment directly in front of its data. If
 * something pulls bytes from the fragment, the data begins later.
 */
static bool bpf_nf_piece_is_whole(const struct sk_buff *piece, u32 hdrlen)
{
	if (hdrlen == sizeof(struct iphdr))
		return skb_network_offset(piece) == -(int)ip_hdrlen(piece);
	return skb_transport_offset(piece) == -(int)sizeof(struct frag_hdr);
}

/* Count the fragments of a reassembled packet. Reassembly puts all but the first into
 * the frag_list, each with its own headers in front of its data. A later pull moves
 * bytes from the list into the linear part. The kernel itself only pulls transport
 * headers. Such a pull ends inside a fragment, so a fragment that lacks its beginning
 * tells that others may be gone.
 *
 * Return: the number of fragments, or 0 if it is unknown because of a pull
 */
static u32 bpf_nf_count_pieces(const struct sk_buff *skb, u32 hdrlen, u32 *flags)
{
	const struct sk_buff *piece;
	bool whole = true;
	u32 pieces = 1;

	skb_walk_frags(skb, piece) {
		/* If the first fragment has a frag_list, reassembly moves that list into a
		 * list entry without headers.
		 */
		if (skb_network_offset(piece) > -(int)hdrlen)
			continue;
		if (!bpf_nf_piece_is_whole(piece, hdrlen))
			whole = false;
		if (hdrlen == sizeof(struct iphdr) &&
		    ip_hdr(piece)->frag_off & htons(IP_DF))
			*flags |= BPF_NF_FRAG_DF;
		pieces++;
	}
	return whole ? pieces : 0;
}

/* An IPv6 datagram can come as one fragment that is complete (an atomic fragment). Its
 * largest fragment then has the size of the packet plus a fragment header.
 */
static bool bpf_nf_is_atomic(const struct bpf_nf_ctx_kern *ctx, u32 max_size)
{
	return ctx->state->pf == NFPROTO_IPV6 &&
	       max_size == ctx->skb->len + sizeof(struct frag_hdr);
}

/* Without netfilter's reassembly IPv4 reassembles for local delivery, just before LOCAL_IN,
 * and joins fragments where there is room. Netfilter leaves untracked packets to it.
 *
 * Return: true if fragments may have been joined, so that they cannot be counted
 */
static bool bpf_nf_may_be_joined(const struct bpf_nf_ctx_kern *ctx)
{
	if (ctx->state->pf != NFPROTO_IPV4 || ctx->state->hook != NF_INET_LOCAL_IN)
		return false;
#if IS_ENABLED(CONFIG_NF_DEFRAG_IPV4)
	return !READ_ONCE(ctx->state->net->nf.defrag_ipv4_users) ||
	       (skb_get_nfct(ctx->skb) & NFCT_INFOMASK) == IP_CT_UNTRACKED;
#else
	return true;
#endif
}

static void bpf_nf_fill_frag_info(const struct bpf_nf_ctx_kern *ctx,
				  struct bpf_nf_frag_info *info)
{
	u32 max_size = bpf_nf_frag_max_size(ctx);
	const struct sk_buff *skb = ctx->skb;
	u32 hdrlen = sizeof(struct ipv6hdr);
	u32 flags = 0, pieces = 0;

	if (bpf_nf_is_fragment(skb, ctx->state->pf))
		flags |= BPF_NF_FRAG_IS_FRAGMENT;
	if (bpf_nf_is_tracked(ctx->skb, ctx->state->pf))
		flags |= BPF_NF_FRAG_TRACKED;
	if (max_size) {
		flags |= BPF_NF_FRAG_REASSEMBLED;
		if (ctx->state->pf == NFPROTO_IPV4) {
			hdrlen = sizeof(struct iphdr);
			if (IPCB(skb)->flags & IPSKB_FRAG_PMTU)
				flags |= BPF_NF_FRAG_DF;
		}
		/* A linear part that is larger than every fragment contains several of
		 * them.
		 */
		if (bpf_nf_is_atomic(ctx, max_size) ||
		    (skb_has_frag_list(skb) && skb_headlen(skb) <= max_size))
			pieces = bpf_nf_count_pieces(skb, hdrlen, &flags);
		if (*bpf_nf_cb_flags(ctx->skb, ctx->state->pf) & BPF_NF_CB_PULLED ||
		    bpf_nf_may_be_joined(ctx))
			pieces = 0;
	}

	info->flags = flags;
	info->pieces = pieces;
	info->max_size = max_size;
}

/* Put the argument types of nf_bpf_kfunc.c into the BTF of the file that includes this.
 * nf_bpf_kfunc.c can be a module, and vmlinux.h does not contain the types of modules.
 */
static void __init bpf_nf_emit_kfunc_types(void)
{
	BTF_TYPE_EMIT_ENUM(BPF_NF_FRAG_REASSEMBLED);
	BTF_TYPE_EMIT_ENUM(BPF_NF_CT_INVALID);
	BTF_TYPE_EMIT_ENUM(BPF_NF_CT_DIR_ORIGINAL);
	BTF_TYPE_EMIT_ENUM(BPF_NF_CT_ZONE_BOTH);
	BTF_TYPE_EMIT_ENUM(BPF_NF_REJECT_ICMP);
	BTF_TYPE_EMIT_ENUM(BPF_NF_REJECT_NO_ROUTE);
	BTF_TYPE_EMIT_ENUM(NF_NAT_MANIP_SRC);
	BTF_TYPE_EMIT_ENUM(IPS_CONFIRMED);
	BTF_TYPE_EMIT(struct bpf_nf_ct_info);
	BTF_TYPE_EMIT(struct bpf_nf_ct_labels);
	BTF_TYPE_EMIT(struct bpf_nf_ct_opts);
	BTF_TYPE_EMIT(struct nf_conn___init);
	BTF_TYPE_EMIT(union nf_inet_addr);
}

#endif /* _NF_BPF_PACKET_H */
