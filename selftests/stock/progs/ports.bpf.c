// SPDX-License-Identifier: GPL-2.0
/* Accepts whole datagrams to the allowed port. It needs no function of a module. */
#include "outcome.bpf.h"

SEC("netfilter")
int filter(struct bpf_nf_ctx *ctx)
{
	struct bpf_nf_flow flow = {};
	struct policy_stats *stats = judged(ctx, &flow);

	if (!stats)
		return NF_ACCEPT;
	return outcome(stats, 0, !flow.fragment && flow.tuple.dport == bpf_htons(ALLOWED_PORT) ?
				 NF_ACCEPT : NF_DROP);
}
