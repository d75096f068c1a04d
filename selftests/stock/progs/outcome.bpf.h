/* SPDX-License-Identifier: GPL-2.0 */
/* The programs of stock/objects.sh share this header. Each program judges UDP datagrams, and stores
 * the result of the function that it tests in the map "stats".
 */
#ifndef OUTCOME_BPF_H
#define OUTCOME_BPF_H

#include "vmlinux.h"
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_netfilter.h>

#include "stats.bpf.h"

char _license[] SEC("license") = "GPL";

/* Return: the counters, or NULL if the packet is not one that the program judges */
static __always_inline struct policy_stats *
judged_pkt(const struct bpf_nf_pkt *pkt, struct bpf_nf_flow *flow)
{
	struct policy_stats *stats = get_stats();

	if (!stats || bpf_nf_pkt_parse(pkt, flow) > BPF_NF_PARSE_LATER ||
	    flow->tuple.protocol != IPPROTO_UDP ||
	    flow->tuple.dport == bpf_htons(SENTINEL_PORT))
		return NULL;
	__sync_fetch_and_add(&stats->packets, 1);
	return stats;
}

static __always_inline struct policy_stats *judged(struct bpf_nf_ctx *ctx,
						   struct bpf_nf_flow *flow)
{
	BPF_NF_PKT(pkt, ctx);

	return judged_pkt(&pkt, flow);
}

/* The program's choice where the kernel does not have the function: drop. */
static __always_inline int outcome(struct policy_stats *stats, long err, int verdict)
{
	stats->result = -err;
	if (err)
		verdict = NF_DROP;
	__sync_fetch_and_add(&stats->dropped, verdict == NF_DROP);
	return verdict;
}

#endif
