// SPDX-License-Identifier: GPL-2.0
/*
 * A policy by port that relies on reassembly: it drops odd ports, and accepts packets without
 * a port. It logs every packet that it judges, with all bytes.
 */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_netfilter.h>

#include "judge.h"

char _license[] SEC("license") = "GPL";

enum { NEXTHDR_FRAGMENT = 44 };

struct entry {
	struct judged judged;
	__u8 bytes[JUDGE_MAX_PACKET + 1];
};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, JUDGE_RING);
} judged SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, JUDGE_CPUS);
	__type(key, __u32);
	__type(value, struct entry);
} scratch SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} lost SEC(".maps");

static __always_inline void lose(void)
{
	__u32 key = 0;
	__u64 *value = bpf_map_lookup_elem(&lost, &key);

	if (value)
		__sync_fetch_and_add(value, 1);
}

static __always_inline void describe(struct bpf_nf_ctx *ctx, struct judged *judged)
{
	struct bpf_nf_frag_info___nf info = {};

	if (BPF_NF_HAS(bpf_nf_frag_info))
		bpf_nf_frag_info___nf(ctx, &info, sizeof(info));
	judged->info = info.flags;
	judged->pieces = info.pieces;
	judged->max_size = info.max_size;
	judged->ifindex = ctx->state->in ? ctx->state->in->ifindex : 0;
	judged->hook = ctx->state->hook;
}

static __always_inline void
log_packet(struct bpf_nf_ctx *ctx, __u32 verdict, bool fragment)
{
	__u32 key = bpf_get_smp_processor_id(), length = ctx->skb->len, last;
	struct entry *entry = bpf_map_lookup_elem(&scratch, &key);

	if (!entry) {
		lose();
		return;
	}
	describe(ctx, &entry->judged);
	entry->judged.length = length;
	entry->judged.verdict = verdict;
	entry->judged.flags = fragment ? JUDGED_FRAGMENT : 0;
	/* This tells the verifier that the length is not 0. */
	last = length - 1;
	barrier_var(last);
	if (last >= JUDGE_MAX_PACKET ||
	    bpf_skb_load_bytes(ctx, 0, entry->bytes, last + 1)) {
		entry->judged.flags |= JUDGED_UNREAD;
		last = 0;
	}
	if (bpf_ringbuf_output(&judged, entry, sizeof(entry->judged) + last + 1, 0))
		lose();
}

static __always_inline bool is_fragment(const struct bpf_nf_flow *flow)
{
	return flow->fragment || (flow->tuple.family == NFPROTO_IPV6 &&
				  flow->tuple.protocol == NEXTHDR_FRAGMENT);
}

static __always_inline bool is_refused(const struct bpf_nf_flow *flow)
{
	return (flow->tuple.protocol == IPPROTO_UDP ||
		flow->tuple.protocol == IPPROTO_TCP) &&
	       bpf_ntohs(flow->tuple.dport) & 1;
}

SEC("netfilter")
int judge(struct bpf_nf_ctx *ctx)
{
	struct bpf_nf_flow flow;
	int verdict = NF_ACCEPT;

	BPF_NF_PKT(pkt, ctx);
	if (!bpf_nf_pkt_parse(&pkt, &flow) && is_refused(&flow))
		verdict = NF_DROP;
	log_packet(ctx, verdict, is_fragment(&flow));
	return verdict;
}
