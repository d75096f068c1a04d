// SPDX-License-Identifier: GPL-2.0
/* Programs with another license may call and read this; see verifier/compiled.c. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

#include "expect.bpf.h"
#include "helper_calls.bpf.h"

char _license[] SEC("license") = "Proprietary";

__u64 sum;

int bpf_nf_frag_info(struct bpf_nf_ctx *ctx, struct bpf_nf_frag_info *info,
		     __u32 info__sz) __ksym;

/* The licenses that helpers need are those of tc. */
__success
SEC("?netfilter")
int reads_and_calls(struct bpf_nf_ctx *ctx)
{
	void *data = ctx->data, *end = ctx->data_end;
	char buffer[8] = {};

	if (data + 20 > end)
		return 1;
	sum += *(__u8 *)data;
	CSUM_DIFF(data);
	LOAD_BYTES(ctx, buffer, 8);
	LOAD_BYTES_RELATIVE(ctx, buffer, 8);
	PULL_DATA(ctx);
	STORE_BYTES(ctx, buffer, 8);
	L3_CSUM_REPLACE(ctx);
	L4_CSUM_REPLACE(ctx);
	GET_HASH_RECALC(ctx);
	GET_NETNS_COOKIE(ctx);
	GET_ATTACH_COOKIE(ctx);
	return 1;
}

__failure("cannot call GPL-restricted function")
SEC("?netfilter")
int calls_fib_lookup(struct bpf_nf_ctx *ctx)
{
	char params[FIB_PARAMS] = {};

	FIB_LOOKUP(ctx, params, sizeof(params));
	return 1;
}

__failure("cannot call GPL-restricted function")
SEC("?netfilter")
int calls_perf_event_output(struct bpf_nf_ctx *ctx)
{
	__u64 record = 0;

	PERF_EVENT_OUTPUT(ctx, &events, &record, sizeof(record));
	return 1;
}

__failure("GPL compatible program")
SEC("?netfilter")
int reads_a_member_of_the_skb(struct bpf_nf_ctx *ctx)
{
	sum += ctx->skb->len;
	return 1;
}

__failure("non-GPL compatible program")
SEC("?netfilter")
int calls_a_kernel_function(struct bpf_nf_ctx *ctx)
{
	struct bpf_nf_frag_info info = {};

	bpf_nf_frag_info(ctx, &info, sizeof(info));
	return 1;
}
