/* SPDX-License-Identifier: GPL-2.0 */
/* Where tests jump to, and a function that does; behind vmlinux.h and bpf_helpers.h. */
#ifndef JUMP_BPF_H
#define JUMP_BPF_H

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

#endif
