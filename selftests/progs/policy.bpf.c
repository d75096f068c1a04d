// SPDX-License-Identifier: GPL-2.0
#include "vmlinux.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_netfilter.h>

#include "stats.bpf.h"

char _license[] SEC("license") = "GPL";

struct packet {
	struct bpf_nf_flow flow;
	bool ports;
	__u16 dport;
};

/* Return: true if the program judges the packet, which is UDP but not the sentinel */
static __always_inline bool parse(struct bpf_nf_ctx *ctx, struct packet *packet)
{
	int result;

	BPF_NF_PKT(pkt, ctx);
	result = bpf_nf_pkt_parse(&pkt, &packet->flow);
	if (packet->flow.tuple.protocol != IPPROTO_UDP)
		return false;
	if (result)
		return true;
	packet->ports = true;
	packet->dport = bpf_ntohs(packet->flow.tuple.dport);
	return packet->dport != SENTINEL_PORT;
}

static __always_inline void count(struct bpf_nf_ctx *ctx, const struct packet *packet,
				  int verdict)
{
	const struct nf_hook_state *state = ctx->state;
	struct net_device *in = state->in;
	struct net_device *out = state->out;
	struct policy_stats *value = get_stats();

	if (!value)
		return;
	__sync_fetch_and_add(&value->packets, 1);
	__sync_fetch_and_add(&value->fragments, !!packet->flow.fragment);
	__sync_fetch_and_add(&value->later,
			     packet->flow.fragment == BPF_NF_FRAGMENT_LATER);
	__sync_fetch_and_add(&value->ports, packet->ports);
	/* Conntrack's entry. The low bits are enum ip_conntrack_info. */
	if (bpf_core_field_exists(ctx->skb->_nfct))
		__sync_fetch_and_add(&value->tracked, !!(ctx->skb->_nfct & ~7UL));
	__sync_fetch_and_add(&value->dropped, verdict == NF_DROP);
	value->length = ctx->skb->len;
	value->hook = state->hook;
	value->pf = state->pf;
	value->in = in ? in->ifindex : 0;
	value->out = out ? out->ifindex : 0;
}

SEC("netfilter")
int accept(struct bpf_nf_ctx *ctx)
{
	struct packet packet = {};

	if (parse(ctx, &packet))
		count(ctx, &packet, NF_ACCEPT);
	return NF_ACCEPT;
}

SEC("netfilter")
int drop(struct bpf_nf_ctx *ctx)
{
	struct packet packet = {};

	if (!parse(ctx, &packet))
		return NF_ACCEPT;
	count(ctx, &packet, NF_DROP);
	return NF_DROP;
}

/* Judge by port, and accept packets without ports. This is right for whole packets only. */
SEC("netfilter")
int deny_port(struct bpf_nf_ctx *ctx)
{
	int verdict = NF_ACCEPT;
	struct packet packet = {};

	if (!parse(ctx, &packet))
		return NF_ACCEPT;
	if (packet.ports && packet.dport == DENIED_PORT)
		verdict = NF_DROP;
	count(ctx, &packet, verdict);
	return verdict;
}
