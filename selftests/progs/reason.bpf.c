// SPDX-License-Identifier: GPL-2.0
/* Programs that give reasons, and count them. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#define BPF_NF_COUNT_REASONS
#include <bpf/bpf_netfilter.h>

#include "policy.h"

char _license[] SEC("license") = "GPL";

enum reason {
	DENIED		= 7,
	ALLOWED		= 8,
	UNREADABLE	= 9,
};

SEC("netfilter")
int reasons(struct bpf_nf_ctx *ctx)
{
	struct bpf_nf_flow flow;
	int result;

	BPF_NF_PKT(pkt, ctx);
	result = bpf_nf_pkt_parse(&pkt, &flow);
	if (result == BPF_NF_PARSE_LATER)
		return NF_ACCEPT;
	if (result)
		return BPF_NF_REASON(ctx, NF_DROP, UNREADABLE, "can't be\nread");
	if (flow.tuple.protocol != IPPROTO_UDP)
		return NF_ACCEPT;
	if (bpf_ntohs(flow.tuple.dport) == DENIED_PORT)
		return BPF_NF_REASON(ctx, NF_DROP, DENIED, "port is \"denied\"");
	return BPF_NF_REASON(ctx, NF_ACCEPT, ALLOWED, "other port");
}
