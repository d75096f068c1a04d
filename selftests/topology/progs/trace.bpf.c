// SPDX-License-Identifier: GPL-2.0
/* Records each packet at each hook where the program is attached, and accepts it. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_netfilter.h>

#include "stats.bpf.h"
#include "trace.h"

char _license[] SEC("license") = "GPL";

enum {
	IGMP		= 2,
	FIRST_OF_MLD	= 130,	/* neighbour discovery follows */
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, TRACE_MAX);
	__type(key, __u32);
	__type(value, struct trace_packet);
} trace SEC(".maps");

/* Return: true for the sentinel and for packets that the kernel sends on its own */
static __always_inline bool is_noise(const struct bpf_nf_flow *flow)
{
	const struct bpf_nf_tuple *tuple = &flow->tuple;

	if (tuple->protocol == IPPROTO_ICMPV6)
		return flow->icmp_type >= FIRST_OF_MLD;
	if (tuple->protocol == IPPROTO_UDP)
		return tuple->dport == bpf_htons(SENTINEL_PORT);
	return tuple->protocol == IGMP;
}

static __always_inline void copy_name(char *to, struct net_device *dev)
{
	to[0] = 0;
	if (dev)
		bpf_probe_read_kernel_str(to, TRACE_NAME, dev->name);
}

SEC("netfilter")
int record(struct bpf_nf_ctx *ctx)
{
	struct policy_stats *values = get_stats();
	struct bpf_nf_frag_info___nf info = {};
	struct trace_packet *packet;
	struct bpf_nf_flow flow;
	__u32 index;

	BPF_NF_PKT(pkt, ctx);
	bpf_nf_pkt_parse(&pkt, &flow);
	if (!values || is_noise(&flow))
		return NF_ACCEPT;
	index = __sync_fetch_and_add(&values->packets, 1);
	packet = bpf_map_lookup_elem(&trace, &index);
	if (!packet)
		return NF_ACCEPT;
	bpf_nf_frag_info___nf(ctx, &info, sizeof(info));
	packet->hook = ctx->state->hook;
	packet->protocol = flow.tuple.protocol;
	packet->length = ctx->skb->len;
	packet->fragment = flow.fragment;
	packet->flags = info.flags;
	packet->pieces = info.pieces;
	copy_name(packet->in, ctx->state->in);
	copy_name(packet->out, ctx->state->out);
	return NF_ACCEPT;
}
