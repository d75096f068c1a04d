// SPDX-License-Identifier: GPL-2.0
/* Accepts packets from where the route back leads to: strict reverse path filtering. */
#include "outcome.bpf.h"

enum { AF_INET = 2, AF_INET6 = 10 };

SEC("netfilter")
int filter(struct bpf_nf_ctx *ctx)
{
	struct bpf_fib_lookup params = {};
	struct net_device *in = ctx->state->in;
	struct bpf_nf_flow flow = {};
	struct policy_stats *stats = judged(ctx, &flow);
	int ret;

	if (!stats || !in)
		return NF_ACCEPT;
	params.ifindex = in->ifindex;
	if (flow.tuple.family == NFPROTO_IPV4) {
		params.family = AF_INET;
		params.ipv4_dst = flow.tuple.saddr.ip;
		params.ipv4_src = flow.tuple.daddr.ip;
	} else {
		params.family = AF_INET6;
		__builtin_memcpy(params.ipv6_dst, &flow.tuple.saddr, sizeof(params.ipv6_dst));
		__builtin_memcpy(params.ipv6_src, &flow.tuple.daddr, sizeof(params.ipv6_src));
	}
	ret = bpf_nf_fib_lookup(ctx, &params, sizeof(params), BPF_FIB_LOOKUP_SKIP_NEIGH);
	stats->in = in->ifindex;
	stats->out = params.ifindex;
	return outcome(stats, ret < 0 ? ret : 0,
		       ret == BPF_FIB_LKUP_RET_SUCCESS && params.ifindex == in->ifindex ?
		       NF_ACCEPT : NF_DROP);
}
