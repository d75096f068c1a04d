// SPDX-License-Identifier: GPL-2.0
/* The kfunc of nf_bpf_kfunc.ko that a kernel without conntrack has, too. */
#include "vmlinux.h"
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "kfunc.bpf.h"

char _license[] SEC("license") = "GPL";

int bpf_nf_reject(struct bpf_nf_ctx *ctx, __u32 type, __u32 code) __ksym;

SEC("netfilter")
int reject(struct bpf_nf_ctx *ctx)
{
	__u32 times, i;

	if (!meant(ctx))
		return ACCEPT;
	times = told(KFUNC_times);
	for (i = 0; i < 64 && i < times; i++)
		tell(KFUNC_ret, bpf_nf_reject(ctx, told(KFUNC_type),
					      told(KFUNC_code)));
	return told(KFUNC_verdict) & 1;
}
