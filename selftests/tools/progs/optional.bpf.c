// SPDX-License-Identifier: GPL-2.0
/* Loaders leave the second program out unless the user asks for it. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

SEC("netfilter")
int always(struct bpf_nf_ctx *ctx)
{
	return 1;
}

SEC("?netfilter")
int optional(struct bpf_nf_ctx *ctx)
{
	return 1;
}

char _license[] SEC("license") = "GPL";
