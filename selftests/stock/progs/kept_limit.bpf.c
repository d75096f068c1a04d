// SPDX-License-Identifier: GPL-2.0
/* Rejects one packet again and again, until the module refuses to keep more of its data. "mark" is
 * the number of answers that were sent, and "result" the error that ended them.
 */
#include "outcome.bpf.h"

/* More than the limit allows on a router with 6 GB, and not too many for one with 1 GB. */
enum { MAX_ANSWERS = 50000 };

struct answers {
	struct bpf_nf_ctx *ctx;
	long sent;
	long err;
};

static long answer(__u32 i, struct answers *answers)
{
	answers->err = BPF_NF_TRY(bpf_nf_reject, answers->ctx, BPF_NF_REJECT_ICMPX,
				  BPF_NF_REJECT_ADMIN_PROHIBITED);
	if (answers->err)
		return 1;
	answers->sent++;
	return 0;
}

SEC("netfilter")
int filter(struct bpf_nf_ctx *ctx)
{
	struct answers answers = { .ctx = ctx };
	struct bpf_nf_flow flow = {};
	struct policy_stats *stats = judged(ctx, &flow);

	if (!stats)
		return NF_ACCEPT;
	bpf_loop(MAX_ANSWERS, answer, &answers, 0);
	stats->mark = answers.sent;
	stats->result = -answers.err;
	return NF_ACCEPT;
}
