// SPDX-License-Identifier: GPL-2.0
#include "flow.h"

char LICENSE[] SEC("license") = "GPL";

SEC("netfilter/inet/forward/filter/defrag")
int drop_port_9999(struct bpf_nf_ctx *ctx)
{
	struct flow flow;

	if (flow_parse(ctx, &flow) || flow.fragment)
		return NF_DROP;
	return flow.dport == bpf_htons(9999) ? NF_DROP : NF_ACCEPT;
}
