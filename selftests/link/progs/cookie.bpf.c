// SPDX-License-Identifier: GPL-2.0
/* Programs that keep the cookie of the link whose hook runs them. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_netfilter.h>

char _license[] SEC("license") = "GPL";

__u64 seen[4];
__u32 runs;

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} next SEC(".maps");

static __noinline void keep(struct bpf_nf_ctx *ctx)
{
	__u32 i = runs++;

	if (i < 4)
		seen[i] = bpf_nf_get_attach_cookie(ctx);
}

SEC("netfilter")
int keep_cookie(struct bpf_nf_ctx *ctx)
{
	keep(ctx);
	return NF_ACCEPT;
}

SEC("netfilter")
int keep_cookie_behind_a_tail_call(struct bpf_nf_ctx *ctx)
{
	bpf_tail_call(ctx, &next, 0);
	return NF_ACCEPT;
}
