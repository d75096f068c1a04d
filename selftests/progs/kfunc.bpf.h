/* SPDX-License-Identifier: GPL-2.0 */
/* Shared by programs that call kfuncs: the map, and the choice of packets. */
#ifndef KFUNC_BPF_H
#define KFUNC_BPF_H

#include "kfunc.h"

enum { ACCEPT = 1 };

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, KFUNC_VALUES);
	__type(key, __u32);
	__type(value, __u64);
} values SEC(".maps");

static __u64 told(__u32 key)
{
	__u64 *value = bpf_map_lookup_elem(&values, &key);

	return value ? *value : 0;
}

static void tell(__u32 key, __u64 what)
{
	bpf_map_update_elem(&values, &key, &what, BPF_ANY);
}

static void count(__u32 key)
{
	__u64 *value = bpf_map_lookup_elem(&values, &key);

	if (value)
		__sync_fetch_and_add(value, 1);
}

static bool read(struct sk_buff *skb, __u32 off, void *to, __u32 size)
{
	return !bpf_probe_read_kernel(to, size,
				      skb->head + skb->network_header + off);
}

/* Parse a packet without options and extension headers. Return: the size of the tuple for
 * its family, or 0 for other packets
 */
static __u32 parse(struct bpf_nf_ctx *ctx, struct bpf_sock_tuple *tuple,
		   __u8 *proto)
{
	struct sk_buff *skb = ctx->skb;
	struct ipv6hdr ip6h;
	struct iphdr iph;
	__be16 ports[2];

	if (ctx->state->pf == NFPROTO_IPV4) {
		if (!read(skb, 0, &iph, sizeof(iph)) ||
		    !read(skb, sizeof(iph), ports, sizeof(ports)))
			return 0;
		*proto = iph.protocol;
		tuple->ipv4.saddr = iph.saddr;
		tuple->ipv4.daddr = iph.daddr;
		tuple->ipv4.sport = ports[0];
		tuple->ipv4.dport = ports[1];
		return sizeof(tuple->ipv4);
	}
	if (!read(skb, 0, &ip6h, sizeof(ip6h)) ||
	    !read(skb, sizeof(ip6h), ports, sizeof(ports)))
		return 0;
	*proto = ip6h.nexthdr;
	__builtin_memcpy(tuple->ipv6.saddr, &ip6h.saddr, sizeof(ip6h.saddr));
	__builtin_memcpy(tuple->ipv6.daddr, &ip6h.daddr, sizeof(ip6h.daddr));
	tuple->ipv6.sport = ports[0];
	tuple->ipv6.dport = ports[1];
	return sizeof(tuple->ipv6);
}

/* Return: true if the test chose this packet by protocol and port */
static bool meant(struct bpf_nf_ctx *ctx)
{
	struct bpf_sock_tuple tuple = {};
	__u16 port = told(KFUNC_port);
	__be16 sport, dport;
	__u8 proto = 0;
	__u32 size;

	size = parse(ctx, &tuple, &proto);
	if (!size || proto != told(KFUNC_proto))
		return false;
	if (port) {
		sport = size == sizeof(tuple.ipv4) ? tuple.ipv4.sport : tuple.ipv6.sport;
		dport = size == sizeof(tuple.ipv4) ? tuple.ipv4.dport : tuple.ipv6.dport;
		if (dport != bpf_htons(port) &&
		    (told(KFUNC_oneway) || sport != bpf_htons(port)))
			return false;
	}
	count(KFUNC_packets);
	tell(KFUNC_length, ctx->skb->len);
	return true;
}

#endif
