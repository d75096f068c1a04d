// SPDX-License-Identifier: GPL-2.0
/* Accepts every packet and counts fragments, also those with a deep fragment header. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_netfilter.h>

#include "stats.bpf.h"

char _license[] SEC("license") = "GPL";

enum { NEXTHDR_FRAGMENT = 44 };

/* Do not count the sentinel and the answers to the tested packets. */
static __always_inline bool is_other(const struct bpf_nf_tuple *tuple)
{
	if (tuple->protocol == IPPROTO_ICMP || tuple->protocol == IPPROTO_ICMPV6)
		return true;
	return tuple->protocol == IPPROTO_UDP && tuple->dport == bpf_htons(SENTINEL_PORT);
}

/*
 * A chain of headers can end before its fragment header, or have two of them. The field
 * for the next header still says that it is a fragment.
 */
static __always_inline bool is_fragment(const struct bpf_nf_flow *flow)
{
	return flow->fragment ||
	       (flow->tuple.family == NFPROTO_IPV6 &&
		flow->tuple.protocol == NEXTHDR_FRAGMENT);
}

SEC("netfilter")
int watch(struct bpf_nf_ctx *ctx)
{
	struct policy_stats *value = get_stats();
	struct bpf_nf_flow flow;

	BPF_NF_PKT(pkt, ctx);
	bpf_nf_pkt_parse(&pkt, &flow);
	if (!value || (!is_fragment(&flow) && is_other(&flow.tuple)))
		return NF_ACCEPT;
	__sync_fetch_and_add(&value->packets, 1);
	__sync_fetch_and_add(&value->fragments, is_fragment(&flow));
	value->length = ctx->skb->len;
	return NF_ACCEPT;
}
