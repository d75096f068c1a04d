// SPDX-License-Identifier: GPL-2.0
/*
 * Programs that mainline's verifier accepts, although they can read or write kernel memory.
 * Beside each is a similar program that is sound. They use only features that mainline has
 * for netfilter programs: see Documentation/bpf/mainline.rst.
 */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

#include "calls.bpf.h"
#include "dynptr.bpf.h"
#include "either.bpf.h"
#include "expect.bpf.h"

char _license[] SEC("license") = "GPL";

__u64 sum;
__u64 values[4];

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} ring SEC(".maps");

__noinline int change_number(__u32 *number)
{
	if (!number)
		return -1;
	*number = 0;
	return 0;
}

__success
SEC("?netfilter")
int global_of_a_copy(struct bpf_nf_ctx *ctx)
{
	__u32 len = ctx->skb->len;

	sum += change_number(&len) + len;
	return 1;
}

/* Writes to the packet's struct sk_buff. 6.1 refuses to pass a member as memory. */
__failure("cannot pass a kernel struct as memory|expected=fp")
SEC("?netfilter")
int global_of_a_member(struct bpf_nf_ctx *ctx)
{
	sum += change_number(&ctx->skb->len);
	return 1;
}

#define GIVE_EITHER(name, first, second)				\
	SEC("?netfilter")						\
	int name(struct bpf_nf_ctx *ctx)				\
	{								\
		__u32 other = 0;					\
									\
		sum += change_number((void *)EITHER(first, second));	\
		sum += other;						\
		return 1;						\
	}

__success __test_state_freq
GIVE_EITHER(null_or_memory, 0, &other)
/* Writes to address 8. */
__failure("type=scalar") __test_state_freq
GIVE_EITHER(null_or_number, 0, 8)

__success
SEC("?netfilter")
int bounds_the_return(struct bpf_nf_ctx *ctx)
{
	values[jump_or_4(ctx) & 3] = 1;
	return 1;
}

/* The called program may return any value. */
__failure("unbounded|min value is negative|outside of")
SEC("?netfilter")
int trusts_the_return(struct bpf_nf_ctx *ctx)
{
	values[jump_or_4(ctx) - 4] = 1;
	return 1;
}

static __noinline __u64 *reserve(void)
{
	return bpf_ringbuf_reserve(&ring, 8, 0);
}

static __noinline void reserve_and_forget(void)
{
	__u64 *record = bpf_ringbuf_reserve(&ring, 8, 0);

	if (record)
		*record = 1;
}

static long reserve_and_submit(__u32 i, void *unused)
{
	__u64 *record = reserve();

	if (!record)
		return 1;
	*record = i;
	bpf_ringbuf_submit(record, 0);
	return 0;
}

static long lose_record(__u32 i, void *unused)
{
	reserve_and_forget();
	return 0;
}

/* This program is sound, but 6.12 refuses it with a warning. */
__success
LOOP_PROGRAM(callback_submits, reserve_and_submit)
/* The record is never submitted, so the ring has no room for other records. */
__failure("Unreleased reference")
LOOP_PROGRAM(callback_loses, lose_record)

static long jump_away(__u32 i, struct bpf_nf_ctx **ctx)
{
	bpf_tail_call(*ctx, &jump, 0);
	return 0;
}

static long jump_below(__u32 i, struct bpf_nf_ctx **ctx)
{
	sum += jump_or_4(*ctx);
	return 0;
}

__success
SEC("?netfilter")
int jumps(struct bpf_nf_ctx *ctx)
{
	bpf_tail_call(ctx, &jump, 0);
	return 1;
}

/* Tail calls of this kind can use up the kernel's stack. */
__failure("tail_calls are not allowed in callbacks|callback return")
LOOP_PROGRAM(callback_jumps, jump_away)
__failure("tail_calls are not allowed in callbacks")
LOOP_PROGRAM(callback_jumps_below, jump_below)

#define CALLS(name, callee)						\
	static __noinline int name(struct bpf_nf_ctx *ctx)		\
	{								\
		return callee(ctx) + 1;					\
	}

CALLS(jump_below_1, jump_or_4)
CALLS(jump_below_2, jump_below_1)
CALLS(jump_below_3, jump_below_2)
CALLS(jump_below_4, jump_below_3)
CALLS(jump_below_5, jump_below_4)
CALLS(jump_below_6, jump_below_5)

__success
SEC("?netfilter")
int jumps_below_a_function(struct bpf_nf_ctx *ctx)
{
	sum += jump_below_1(ctx);
	return 1;
}

/* Each tail call leaves seven frames on the kernel's stack. If the program is in the map, there are
 * 33 tail calls. Mainline's verifier does not count the registers that a frame saves.
 */
__failure("tail_calls are not allowed when call stack")
SEC("?netfilter")
int jumps_below_six_functions(struct bpf_nf_ctx *ctx)
{
	sum += jump_below_6(ctx);
	return 1;
}

#define SLICE_EITHER(name, first, second, buffer, size)			\
	__needs("bpf_dynptr_slice")					\
	SEC("?netfilter")						\
	int name(struct bpf_nf_ctx *ctx)				\
	{								\
		struct bpf_dynptr ptr;					\
		__u64 given, *slice;					\
		__u8 other[64] = {};					\
									\
		if (bpf_dynptr_from_skb(ctx->skb, 0, &ptr))		\
			return 1;					\
		given = EITHER(first, second);			\
		slice = bpf_dynptr_slice(&ptr, 0, (void *)(buffer), size); \
		if (slice)						\
			sum += slice[7];				\
		sum += other[0];					\
		return 1;						\
	}

__success __test_state_freq
SLICE_EITHER(slice_of_64_or_72, 64, 72, 0, given)
/* Reads beyond the slice. */
__failure("invalid access to memory") __test_state_freq
SLICE_EITHER(slice_of_64_or_8, 64, 8, 0, given)

__success __test_state_freq
SLICE_EITHER(slice_into_null_or_buffer, 0, other, given, 64)
/* Copies 64 bytes of the packet to address 8, if they are not in its linear part. */
__failure("type=scalar") __test_state_freq
SLICE_EITHER(slice_into_null_or_number, 0, 8, given, 64)
