/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What tests of the verifier call: where they jump to, a function that does, and loops.
 * Behind vmlinux.h and bpf_helpers.h.
 */
#ifndef CALLS_BPF_H
#define CALLS_BPF_H

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} jump SEC(".maps");

/* What it returns behind the tail call is not what its caller gets of one. */
static __noinline int jump_or_4(struct bpf_nf_ctx *ctx)
{
	int four = 4;

	bpf_tail_call(ctx, &jump, 0);
	asm volatile("" : "+r"(four));
	return four;
}

/* The callback is given a pointer to the context's. */
#define LOOP_PROGRAM(name, callback)					\
	SEC("?netfilter")						\
	int name(struct bpf_nf_ctx *ctx)				\
	{								\
		bpf_loop(2, callback, &ctx, 0);				\
		return 1;						\
	}

#endif
