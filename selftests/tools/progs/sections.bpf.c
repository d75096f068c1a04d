// SPDX-License-Identifier: GPL-2.0
/* Programs that section names attach. bpftool_load.sh gives them other names. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

SEC("netfilter/ip/forward/1111")
int first(struct bpf_nf_ctx *ctx)
{
	return 1;
}

SEC("netfilter/ip/forward/2222")
int second(struct bpf_nf_ctx *ctx)
{
	return 1;
}

char _license[] SEC("license") = "GPL";
