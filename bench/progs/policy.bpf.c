// SPDX-License-Identifier: GPL-2.0
/*
 * The policy that the bench compares: drop the listed flows, accept the rest. Each
 * program is one way to hold the list. The packets of the measurement are not on the
 * list, so each of them is looked up and forwarded. The file is built for IPv4, and with
 * -DIPV6 for IPv6.
 */
/* Packet headers have the same layout on every kernel, and need no relocation. */
#define BPF_NO_PRESERVE_ACCESS_INDEX
#include "vmlinux.h"
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

char _license[] SEC("license") = "GPL";

#define NF_DROP		0
#define NF_ACCEPT	1
#define TC_ACT_OK	0
#define TC_ACT_SHOT	2
#define ETH_HLEN	14

#ifdef IPV6
#define address struct in6_addr
#define network_header ipv6hdr
#else
#define address __be32
#define network_header iphdr
#endif

struct flow {
	address saddr;
	address daddr;
	__be16 sport;
	__be16 dport;
	__u32 protocol;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 131072);
	__type(key, struct flow);
	__type(value, __u32);
} flows SEC(".maps");

struct prefix {
	__u32 length;
	address addr;
};

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 16384);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct prefix);
	__type(value, __u32);
} prefixes SEC(".maps");

/* The ports of the listed UDP flow, if the list is a single flow. */
#define LISTED_SPORT	bpf_htons(9)
#define LISTED_DPORT	bpf_htons(10)

#ifdef IPV6
/* 2001:db8:1::9, 2001:db8:2::9 */
static __always_inline bool listed_addresses(const struct flow *flow)
{
	const __be32 *saddr = flow->saddr.in6_u.u6_addr32;
	const __be32 *daddr = flow->daddr.in6_u.u6_addr32;

	return saddr[0] == bpf_htonl(0x20010db8) && saddr[1] == bpf_htonl(0x10000) &&
	       saddr[2] == 0 && saddr[3] == bpf_htonl(9) &&
	       daddr[0] == bpf_htonl(0x20010db8) && daddr[1] == bpf_htonl(0x20000) &&
	       daddr[2] == 0 && daddr[3] == bpf_htonl(9);
}

static __always_inline bool parse_network(const struct ipv6hdr *iph, struct flow *flow)
{
	flow->protocol = iph->nexthdr;
	return true;
}
#else
/* 192.0.2.9, 198.51.100.9 */
static __always_inline bool listed_addresses(const struct flow *flow)
{
	return flow->saddr == bpf_htonl(0xc0000209) && flow->daddr == bpf_htonl(0xc6336409);
}

static __always_inline bool parse_network(const struct iphdr *iph, struct flow *flow)
{
	flow->protocol = iph->protocol;
	return iph->ihl == 5;
}
#endif

/* TCP and UDP have their ports at the same place. */
static __always_inline bool parse(void *data, void *data_end, struct flow *flow)
{
	struct network_header *iph = data;
	struct udphdr *udph = data + sizeof(*iph);

	if ((void *)(udph + 1) > data_end || !parse_network(iph, flow))
		return false;
	flow->saddr = iph->saddr;
	flow->daddr = iph->daddr;
	flow->sport = udph->source;
	flow->dport = udph->dest;
	return true;
}

static __always_inline bool is_listed(const struct flow *flow)
{
	return (flow->protocol == IPPROTO_UDP || flow->protocol == IPPROTO_TCP) &&
	       listed_addresses(flow) && flow->sport == LISTED_SPORT &&
	       flow->dport == LISTED_DPORT;
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
	struct prefix prefix = { .length = 8 * sizeof(address) };
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
	struct {
		struct network_header iph;
		struct udphdr udph;
	} headers;
	struct flow flow;

	if (bpf_skb_load_bytes(skb, 0, &headers, sizeof(headers)) ||
	    !parse(&headers, &headers + 1, &flow))
		return 1;
	return is_listed(&flow);
}
