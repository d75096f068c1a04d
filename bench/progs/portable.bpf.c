// SPDX-License-Identifier: GPL-2.0
/*
 * The policy of one flow with the parser of bpf_netfilter.h, which runs on this project's
 * kernels and on mainline's. It follows extension headers and recognizes fragments, so it
 * does more than the other programs.
 */
#include "policy.h"
#include <bpf/bpf_netfilter.h>

char _license[] SEC("license") = "GPL";

SEC("netfilter")
int nf_tuple(struct bpf_nf_ctx *ctx)
{
	struct bpf_nf_flow parsed;
	struct bpf_nf_pkt pkt;
	struct flow flow = {};

	bpf_nf_pkt_init(&pkt, ctx);
	if (bpf_nf_pkt_parse(&pkt, &parsed))
		return NF_DROP;
	flow.protocol = parsed.tuple.protocol;
	__builtin_memcpy(&flow.saddr, &parsed.tuple.saddr, sizeof(flow.saddr));
	__builtin_memcpy(&flow.daddr, &parsed.tuple.daddr, sizeof(flow.daddr));
	flow.sport = parsed.tuple.sport;
	flow.dport = parsed.tuple.dport;
	return is_listed(&flow) ? NF_DROP : NF_ACCEPT;
}
