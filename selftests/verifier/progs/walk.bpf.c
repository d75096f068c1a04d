// SPDX-License-Identifier: GPL-2.0
/*
 * Programs that follow the pointers of the context into structs of the kernel; see
 * verifier/compiled.c. Mainline has the same rules.
 */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

#include "expect.bpf.h"

char _license[] SEC("license") = "GPL";

__u64 sum;

__success __failure_without_perfmon("CAP_PERFMON")
SEC("?netfilter")
int reads_members(struct bpf_nf_ctx *ctx)
{
	sum += ctx->skb->len + ctx->state->pf;
	/* The second pointer has a known type, too. */
	if (ctx->state->in)
		sum += ctx->state->in->ifindex;
	return 1;
}

__failure("access beyond struct sk_buff")
SEC("?netfilter")
int reads_after_the_skb(struct bpf_nf_ctx *ctx)
{
	sum += *(__u64 *)((void *)ctx->skb + 4096);
	return 1;
}

__failure("only read is supported")
SEC("?netfilter")
int stores_to_the_skb(struct bpf_nf_ctx *ctx)
{
	ctx->skb->len = 0;
	return 1;
}

__failure("only read is supported")
SEC("?netfilter")
int stores_to_the_state(struct bpf_nf_ctx *ctx)
{
	((struct nf_hook_state *)ctx->state)->pf = 0;
	return 1;
}
