/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Targets of calls in tests of the verifier: a map for tail calls, a function with one, and
 * loops. Include it after vmlinux.h and bpf_helpers.h.
 */
#ifndef CALLS_BPF_H
#define CALLS_BPF_H

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} jump SEC(".maps");

/* If the tail call succeeds, the caller gets the return value of the called program. */
static __noinline int jump_or_4(struct bpf_nf_ctx *ctx)
{
	int four = 4;

	bpf_tail_call(ctx, &jump, 0);
	asm volatile("" : "+r"(four));
	return four;
}

/* The callback gets a pointer to the pointer to the context. */
#define LOOP_PROGRAM(name, callback)					\
	SEC("?netfilter")						\
	int name(struct bpf_nf_ctx *ctx)				\
	{								\
		bpf_loop(2, callback, &ctx, 0);				\
		return 1;						\
	}

#endif
