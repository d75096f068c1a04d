// SPDX-License-Identifier: GPL-2.0
/* As missing_strong.bpf.c, but weak: libbpf learns of it from the verifier's log. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

char _license[] SEC("license") = "GPL";

extern int bpf_nf_ct_nothing(struct bpf_nf_ctx *ctx) __weak __ksym;

SEC("netfilter")
int weak(struct bpf_nf_ctx *ctx)
{
	return bpf_nf_ct_nothing(ctx) & 1;
}
