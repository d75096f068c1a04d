// SPDX-License-Identifier: GPL-2.0
/* As in missing.bpf.c, but the function is not weak: libbpf refuses the whole object. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

char _license[] SEC("license") = "GPL";

extern int bpf_nf_ct_nothing(struct bpf_nf_ctx *ctx) __ksym;

SEC("netfilter")
int strong(struct bpf_nf_ctx *ctx)
{
	return bpf_nf_ct_nothing(ctx) & 1;
}
