// SPDX-License-Identifier: GPL-2.0
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_netfilter.h>

char LICENSE[] SEC("license") = "GPL";

SEC("netfilter")
int drop_port_9999(struct bpf_nf_ctx *ctx)
{
	struct bpf_nf_flow flow;

	BPF_NF_PKT(pkt, ctx);
	if (bpf_nf_pkt_parse(&pkt, &flow) || flow.fragment)
		return NF_DROP;
	return flow.tuple.protocol == IPPROTO_UDP &&
	       flow.tuple.dport == bpf_htons(9999) ? NF_DROP : NF_ACCEPT;
}
