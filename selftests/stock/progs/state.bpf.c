// SPDX-License-Identifier: GPL-2.0
/* Accepts new and established connections, as conntrack has them. */
#include "outcome.bpf.h"

SEC("netfilter")
int filter(struct bpf_nf_ctx *ctx)
{
	struct bpf_nf_ct_info___nf info = {};
	struct bpf_nf_flow flow = {};
	struct policy_stats *stats = judged(ctx, &flow);
	int err;

	if (!stats)
		return NF_ACCEPT;
	err = BPF_NF_TRY(bpf_nf_ct_info, ctx, &info, sizeof(info));
	stats->flags = info.state;
	return outcome(stats, err, info.state & (BPF_NF_CT_NEW | BPF_NF_CT_ESTABLISHED) ?
				   NF_ACCEPT : NF_DROP);
}
