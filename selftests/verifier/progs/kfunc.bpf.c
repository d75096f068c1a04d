// SPDX-License-Identifier: GPL-2.0
/* What only compiled code has, as tail calls of functions; see verifier/kfunc.c. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

#include "calls.bpf.h"

char _license[] SEC("license") = "GPL";

struct nf_conn *bpf_nf_ct_get(struct bpf_nf_ctx *ctx) __ksym;
void bpf_ct_release(struct nf_conn *ct) __ksym;

static __noinline int jump_and_release(struct bpf_nf_ctx *ctx, struct nf_conn *ct)
{
	bpf_tail_call(ctx, &jump, 0);
	bpf_ct_release(ct);
	return 0;
}

SEC("?netfilter")
int releases_behind(struct bpf_nf_ctx *ctx)
{
	struct nf_conn *ct = bpf_nf_ct_get(ctx);

	if (ct)
		jump_and_release(ctx, ct);
	return 1;
}

static __noinline int acquire(struct bpf_nf_ctx *ctx)
{
	return !!bpf_nf_ct_get(ctx);
}

static __noinline int acquire_and_release(struct bpf_nf_ctx *ctx)
{
	struct nf_conn *ct = bpf_nf_ct_get(ctx);

	if (ct)
		bpf_ct_release(ct);
	return !!ct;
}

static long call_acquire(__u32 i, struct bpf_nf_ctx **ctx)
{
	return acquire(*ctx);
}

static long call_acquire_and_release(__u32 i, struct bpf_nf_ctx **ctx)
{
	return acquire_and_release(*ctx);
}

struct found {
	struct nf_conn *ct;
};

static long look_at(__u32 i, struct found *found)
{
	return found->ct ? 0 : 1;
}

SEC("?netfilter")
int callback_finds_null(struct bpf_nf_ctx *ctx)
{
	struct found found = { bpf_nf_ct_get(ctx) };

	bpf_loop(2, look_at, &found, 0);
	if (found.ct)
		bpf_ct_release(found.ct);
	return 1;
}

LOOP_PROGRAM(callback_leaks_below, call_acquire)
LOOP_PROGRAM(callback_releases_below, call_acquire_and_release)

SEC("?netfilter")
int releases_before(struct bpf_nf_ctx *ctx)
{
	struct nf_conn *ct = bpf_nf_ct_get(ctx);

	if (ct)
		bpf_ct_release(ct);
	return jump_or_4(ctx) & 1;
}
