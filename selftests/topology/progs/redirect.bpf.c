// SPDX-License-Identifier: GPL-2.0
/* A router at XDP: redirects packets that have a route and a neighbour. */
#include "vmlinux.h"
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "stats.bpf.h"

char _license[] SEC("license") = "GPL";

enum {
	INET		= 2,
	INET6		= 10,
	PROTO_IP	= 0x0800,
	PROTO_IPV6	= 0x86dd,
};

static __always_inline bool fill(void *data, void *end, struct bpf_fib_lookup *params)
{
	struct ethhdr *eth = data;
	struct ipv6hdr *ip6h = (void *)(eth + 1);
	struct iphdr *iph = (void *)(eth + 1);

	if ((void *)(iph + 1) > end)
		return false;
	if (eth->h_proto == bpf_htons(PROTO_IP)) {
		params->family = INET;
		params->ipv4_src = iph->saddr;
		params->ipv4_dst = iph->daddr;
		return true;
	}
	if (eth->h_proto != bpf_htons(PROTO_IPV6) || (void *)(ip6h + 1) > end)
		return false;
	params->family = INET6;
	__builtin_memcpy(params->ipv6_src, &ip6h->saddr, sizeof(params->ipv6_src));
	__builtin_memcpy(params->ipv6_dst, &ip6h->daddr, sizeof(params->ipv6_dst));
	return true;
}

SEC("xdp")
int forward_early(struct xdp_md *ctx)
{
	struct bpf_fib_lookup params = { .ifindex = ctx->ingress_ifindex };
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct policy_stats *values = get_stats();
	struct ethhdr *eth = data;

	if (!values || !fill(data, end, &params) ||
	    bpf_fib_lookup(ctx, &params, sizeof(params), 0) != BPF_FIB_LKUP_RET_SUCCESS)
		return XDP_PASS;
	__sync_fetch_and_add(&values->packets, 1);
	__builtin_memcpy(eth->h_dest, params.dmac, sizeof(params.dmac));
	__builtin_memcpy(eth->h_source, params.smac, sizeof(params.smac));
	return bpf_redirect(params.ifindex, 0);
}
