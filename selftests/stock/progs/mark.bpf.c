// SPDX-License-Identifier: GPL-2.0
/* Marks packets, and gives them a priority, for nft and policy routing. */
#include "outcome.bpf.h"

enum { MARK = 0x77, PRIORITY = 0x10005 };

SEC("netfilter")
int filter(struct bpf_nf_ctx *ctx)
{
	struct bpf_nf_flow flow = {};
	struct policy_stats *stats = judged(ctx, &flow);
	int err;

	if (!stats)
		return NF_ACCEPT;
	err = bpf_nf_set_mark(ctx, MARK) ?: bpf_nf_set_priority(ctx, PRIORITY);
	stats->mark = bpf_nf_mark(ctx);
	return outcome(stats, err, NF_ACCEPT);
}
