// SPDX-License-Identifier: GPL-2.0
/*
 * The policy of a stateful firewall: accept packets that conntrack knows, drop the rest.
 * This program has its own object, because only this program needs a module.
 */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_netfilter.h>

char _license[] SEC("license") = "GPL";

SEC("netfilter")
int nf_conntrack_state(struct bpf_nf_ctx *ctx)
{
	struct bpf_nf_ct_info___nf info;

	if (bpf_nf_ct_info___nf(ctx, &info, sizeof(info)))
		return NF_DROP;
	return info.state & (BPF_NF_CT_ESTABLISHED | BPF_NF_CT_RELATED | BPF_NF_CT_NEW) ?
	       NF_ACCEPT : NF_DROP;
}
