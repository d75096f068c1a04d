// SPDX-License-Identifier: GPL-2.0
/* Programs for bpf_nf_reject(), which a kernel without conntrack has, too. */
#include "vmlinux.h"
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_netfilter.h>

#include "kfunc.bpf.h"

char _license[] SEC("license") = "GPL";

int bpf_nf_reject(struct bpf_nf_ctx *ctx, __u32 type, __u32 code) __ksym;

/* Turn a TCP packet, also a reset, into an acknowledgment, and reject that. */
SEC("netfilter")
int answer(struct bpf_nf_ctx *ctx)
{
	__u32 tcp = ctx->state->pf == NFPROTO_IPV4 ? sizeof(struct iphdr) :
						     sizeof(struct ipv6hdr);
	__be16 old, new;
	int err;

	if (!meant(ctx) || bpf_nf_skb_load_bytes(ctx, tcp + 12, &old, sizeof(old)))
		return ACCEPT;
	new = (old & bpf_htons(0xff00)) | bpf_htons(0x10);
	if (bpf_nf_skb_store_bytes(ctx, tcp + 12, &new, sizeof(new), 0) ||
	    bpf_nf_l4_csum_replace(ctx, tcp + 16, old, new, sizeof(new)))
		return ACCEPT;
	err = bpf_nf_reject(ctx, told(KFUNC_type), 0);
	if (err)
		tell(KFUNC_ret, err);
	return 0;
}

int deep(struct bpf_nf_ctx *ctx);

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__array(values, int (void *));
} itself SEC(".maps") = {
	.values = { [0] = (void *)&deep },
};

/* Each tail call leaves a frame of the caller on the kernel's stack. The last one fails. */
static __noinline int jump_or_reject(struct bpf_nf_ctx *ctx)
{
	bpf_tail_call(ctx, &itself, 0);
	tell(KFUNC_ret, bpf_nf_reject(ctx, told(KFUNC_type), told(KFUNC_code)));
	return 0;
}

SEC("netfilter")
int deep(struct bpf_nf_ctx *ctx)
{
	__u64 stack[8] = {};

	asm volatile("" : : "r"(stack) : "memory");
	if (!meant(ctx))
		return ACCEPT;
	return jump_or_reject(ctx) & 1;
}

SEC("netfilter")
int reject(struct bpf_nf_ctx *ctx)
{
	struct net_device *dev;
	__u32 times, i;
	int err;

	if (!meant(ctx))
		return ACCEPT;
	times = told(KFUNC_times);
	for (i = 0; i < 64 && i < times; i++) {
		err = bpf_nf_reject(ctx, told(KFUNC_type), told(KFUNC_code));
		tell(KFUNC_ret, err);
		if (err)
			count(KFUNC_refused);
	}
	dev = ctx->skb->dev;
	tell(KFUNC_device, dev ? dev->ifindex : 0);
	return told(KFUNC_verdict) & 1;
}
