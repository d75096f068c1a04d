// SPDX-License-Identifier: GPL-2.0
/* Accepts everything, and counts what is a fragment however deep it hides it. */
#include "vmlinux.h"
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "policy.h"

char _license[] SEC("license") = "GPL";

enum {
	PROTO_HOPOPTS	= 0,
	PROTO_UDP	= 17,
	PROTO_ROUTING	= 43,
	PROTO_FRAGMENT	= 44,
	PROTO_ICMPV6	= 58,
	PROTO_DSTOPTS	= 60,
	IP_FRAGMENT	= 0x3fff,
	MAX_HEADERS	= 8,
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct policy_stats);
} stats SEC(".maps");

static bool read(struct sk_buff *skb, __u32 off, void *to, __u32 size)
{
	return !bpf_probe_read_kernel(to, size,
				      skb->head + skb->network_header + off);
}

/* Answers to what is tested, and the sentinel, are no part of it. */
static bool is_other(struct sk_buff *skb, __u8 proto, __u32 off)
{
	struct udphdr udph;

	if (proto == PROTO_ICMPV6 || proto == 1 /* ICMP */)
		return true;
	return proto == PROTO_UDP && read(skb, off, &udph, sizeof(udph)) &&
	       udph.dest == bpf_htons(SENTINEL_PORT);
}

static bool parse_ipv4(struct sk_buff *skb, bool *fragment)
{
	struct iphdr iph;

	if (!read(skb, 0, &iph, sizeof(iph)))
		return false;
	*fragment = bpf_ntohs(iph.frag_off) & IP_FRAGMENT;
	return *fragment || !is_other(skb, iph.protocol, iph.ihl * 4);
}

static bool parse_ipv6(struct sk_buff *skb, bool *fragment)
{
	__u32 off = sizeof(struct ipv6hdr);
	struct ipv6_opt_hdr header;
	struct ipv6hdr ip6h;
	__u8 nexthdr;
	int i;

	if (!read(skb, 0, &ip6h, sizeof(ip6h)))
		return false;
	nexthdr = ip6h.nexthdr;
	for (i = 0; i < MAX_HEADERS; i++) {
		if (nexthdr == PROTO_FRAGMENT) {
			*fragment = true;
			return true;
		}
		if (nexthdr != PROTO_HOPOPTS && nexthdr != PROTO_ROUTING &&
		    nexthdr != PROTO_DSTOPTS)
			break;
		if (off + sizeof(header) > skb->len ||
		    !read(skb, off, &header, sizeof(header)))
			return true;
		nexthdr = header.nexthdr;
		off += (header.hdrlen + 1) * 8;
	}
	return !is_other(skb, nexthdr, off);
}

SEC("netfilter")
int watch(struct bpf_nf_ctx *ctx)
{
	struct policy_stats *value;
	bool fragment = false;
	__u32 key = 0;
	bool counts;

	if (ctx->state->pf == NFPROTO_IPV4)
		counts = parse_ipv4(ctx->skb, &fragment);
	else
		counts = parse_ipv6(ctx->skb, &fragment);
	value = bpf_map_lookup_elem(&stats, &key);
	if (!counts || !value)
		return 1;
	__sync_fetch_and_add(&value->packets, 1);
	__sync_fetch_and_add(&value->fragments, fragment);
	value->length = ctx->skb->len;
	return 1;
}
