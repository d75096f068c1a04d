// SPDX-License-Identifier: GPL-2.0
/*
 * The policy that the bench compares: drop the listed flows, accept the rest. Each
 * program is one way to hold the list. The packets of the measurement are not on the
 * list, so each of them is looked up and forwarded.
 */
#include "policy.h"

#define NEXTHDR_FRAGMENT 44

char _license[] SEC("license") = "GPL";

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 131072);
	__type(key, struct flow);
	__type(value, __u32);
} flows SEC(".maps");

struct prefix {
	__u32 length;
	ip_address addr;
};

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 16384);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct prefix);
	__type(value, __u32);
} prefixes SEC(".maps");

/* The first fragment of a datagram has its ports behind a fragment header in IPv6. */
static __always_inline bool
parse_first_fragment(void *data, void *data_end, struct flow *flow)
{
#ifdef IPV6
	struct ipv6hdr *iph = data;
	struct frag_hdr *frag = data + sizeof(*iph);
	struct udphdr *udph = (void *)(frag + 1);

	if ((void *)(udph + 1) > data_end)
		return false;
	if (iph->nexthdr != NEXTHDR_FRAGMENT)
		return parse(data, data_end, flow);
	flow->protocol = frag->nexthdr;
	flow->saddr = iph->saddr;
	flow->daddr = iph->daddr;
	flow->sport = udph->source;
	flow->dport = udph->dest;
	return true;
#else
	return parse(data, data_end, flow);
#endif
}

SEC("netfilter")
int nf_accept(struct bpf_nf_ctx *ctx)
{
	return NF_ACCEPT;
}

SEC("netfilter")
int nf_tuple(struct bpf_nf_ctx *ctx)
{
	struct flow flow;

	if (!parse(ctx->data, ctx->data_end, &flow))
		return NF_DROP;
	return is_listed(&flow) ? NF_DROP : NF_ACCEPT;
}

SEC("netfilter")
int nf_tuple_track(struct bpf_nf_ctx *ctx)
{
	struct flow flow;

	if (!parse_first_fragment(ctx->data, ctx->data_end, &flow))
		return NF_DROP;
	return is_listed(&flow) ? NF_DROP : NF_ACCEPT;
}

SEC("netfilter")
int nf_hash(struct bpf_nf_ctx *ctx)
{
	struct flow flow;

	if (!parse(ctx->data, ctx->data_end, &flow))
		return NF_DROP;
	return bpf_map_lookup_elem(&flows, &flow) ? NF_DROP : NF_ACCEPT;
}

SEC("netfilter")
int nf_lpm(struct bpf_nf_ctx *ctx)
{
	struct prefix prefix = { .length = 8 * sizeof(ip_address) };
	struct flow flow;

	if (!parse(ctx->data, ctx->data_end, &flow))
		return NF_DROP;
	prefix.addr = flow.daddr;
	return bpf_map_lookup_elem(&prefixes, &prefix) ? NF_DROP : NF_ACCEPT;
}

SEC("tc")
int tc_tuple(struct __sk_buff *skb)
{
	void *data = (void *)(long)skb->data;
	void *data_end = (void *)(long)skb->data_end;
	struct flow flow;

	if (data + ETH_HLEN > data_end || !parse(data + ETH_HLEN, data_end, &flow))
		return TC_ACT_SHOT;
	return is_listed(&flow) ? TC_ACT_SHOT : TC_ACT_OK;
}

SEC("tc")
int tc_hash(struct __sk_buff *skb)
{
	void *data = (void *)(long)skb->data;
	void *data_end = (void *)(long)skb->data_end;
	struct flow flow;

	if (data + ETH_HLEN > data_end || !parse(data + ETH_HLEN, data_end, &flow))
		return TC_ACT_SHOT;
	return bpf_map_lookup_elem(&flows, &flow) ? TC_ACT_SHOT : TC_ACT_OK;
}

SEC("xdp")
int xdp_tuple(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data;
	void *data_end = (void *)(long)ctx->data_end;
	struct flow flow;

	if (data + ETH_HLEN > data_end || !parse(data + ETH_HLEN, data_end, &flow))
		return XDP_DROP;
	return is_listed(&flow) ? XDP_DROP : XDP_PASS;
}

/* A program for iptables -m bpf, which takes a result other than 0 for a match. A socket
 * filter has no packet pointers.
 */
SEC("socket")
int xt_tuple(struct __sk_buff *skb)
{
	struct headers headers;
	struct flow flow;

	if (bpf_skb_load_bytes(skb, 0, &headers, sizeof(headers)) ||
	    !parse(&headers, &headers + 1, &flow))
		return 1;
	return is_listed(&flow);
}
