// SPDX-License-Identifier: GPL-2.0
/* Take a long time to judge a packet, so that another fragment of its datagram can arrive. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

#include "stats.bpf.h"

char _license[] SEC("license") = "GPL";

enum { ACCEPT = 1, ROUNDS = 20000 };

static int nothing(__u32 round, void *data)
{
	return 0;
}

static __always_inline int judge(int verdict)
{
	struct policy_stats *stats = get_stats();

	bpf_loop(ROUNDS, nothing, NULL, 0);
	if (stats)
		__sync_fetch_and_add(&stats->packets, 1);
	return verdict;
}

SEC("netfilter")
int slow_accept(struct bpf_nf_ctx *ctx)
{
	return judge(ACCEPT);
}

SEC("netfilter")
int slow_drop(struct bpf_nf_ctx *ctx)
{
	return judge(!ACCEPT);
}
