// SPDX-License-Identifier: GPL-2.0
/* Packet pointers in global functions, callbacks and tail calls; see verifier/compiled.c. */

/* The context has the same layout on all kernels. Without relocations, the file loads faster. */
#define BPF_NO_PRESERVE_ACCESS_INDEX
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

#include "calls.bpf.h"
#include "either.bpf.h"
#include "expect.bpf.h"

char _license[] SEC("license") = "GPL";

__u64 sum;

__noinline int read_global(struct bpf_nf_ctx *ctx)
{
	struct iphdr *iph = ctx->data;

	if ((void *)(iph + 1) > ctx->data_end)
		return -1;
	return iph->ttl;
}

__success
SEC("?netfilter")
int global_reads(struct bpf_nf_ctx *ctx)
{
	sum += read_global(ctx);
	return 1;
}

__noinline int read_unchecked(struct bpf_nf_ctx *ctx)
{
	struct iphdr *iph = ctx->data;

	return iph->ttl;
}

__failure("invalid access to packet")
SEC("?netfilter")
int global_without_a_check(struct bpf_nf_ctx *ctx)
{
	sum += read_unchecked(ctx);
	return 1;
}

/* The verifier assumes that a global function may write to such an argument. */
__noinline int change_memory(struct iphdr *iph)
{
	if (!iph)
		return -1;
	iph->ihl = 15;
	return 0;
}

/* A global function can write to its argument, so the packet must not be passed. */
__failure("cannot pass the packet as memory")
SEC("?netfilter")
int global_of_memory(struct bpf_nf_ctx *ctx)
{
	struct iphdr *iph = ctx->data;

	if ((void *)(iph + 1) > ctx->data_end)
		return 1;
	sum += change_memory(iph);
	return 1;
}

__noinline int pull(struct bpf_nf_ctx *ctx)
{
	return bpf_skb_pull_data((void *)ctx, 1000);
}

/* The caller's packet pointers are invalid after a global function that pulls. */
__failure("invalid mem access 'scalar'")
SEC("?netfilter")
int global_pulls(struct bpf_nf_ctx *ctx)
{
	struct iphdr *iph = ctx->data;

	if ((void *)(iph + 1) > ctx->data_end)
		return 1;
	sum += pull(ctx);
	sum += iph->ttl;
	return 1;
}

__success
SEC("?netfilter")
int global_pulls_and_reloads(struct bpf_nf_ctx *ctx)
{
	struct iphdr *iph = ctx->data;

	if ((void *)(iph + 1) > ctx->data_end)
		return 1;
	sum += iph->ttl;
	sum += pull(ctx);
	iph = ctx->data;
	if ((void *)(iph + 1) > ctx->data_end)
		return 1;
	sum += iph->ttl;
	return 1;
}

static __noinline int jump_there(struct bpf_nf_ctx *ctx)
{
	bpf_tail_call(ctx, &jump, 0);
	return 0;
}

/* After a tail call in a static function, the called program returns to the caller. */
__failure("invalid mem access 'scalar'")
SEC("?netfilter")
int jumps_below(struct bpf_nf_ctx *ctx)
{
	struct iphdr *iph = ctx->data;

	if ((void *)(iph + 1) > ctx->data_end)
		return 1;
	sum += jump_there(ctx);
	sum += iph->ttl;
	return 1;
}

__success
SEC("?netfilter")
int jumps_below_and_reloads(struct bpf_nf_ctx *ctx)
{
	struct iphdr *iph;

	sum += jump_there(ctx);
	iph = ctx->data;
	if ((void *)(iph + 1) > ctx->data_end)
		return 1;
	sum += iph->ttl;
	return 1;
}

/* The code after a tail call of the program itself runs only if the call failed. */
__success
SEC("?netfilter")
int jumps(struct bpf_nf_ctx *ctx)
{
	struct iphdr *iph = ctx->data;

	if ((void *)(iph + 1) > ctx->data_end)
		return 1;
	bpf_tail_call(ctx, &jump, 0);
	sum += iph->ttl;
	return 1;
}

/* The return value is that of the called program, not the constant after the call. */
__failure("R4 unbounded memory access")
SEC("?netfilter")
int trusts_the_return(struct bpf_nf_ctx *ctx)
{
	__u32 len = (5 - jump_or_4(ctx)) * 32 | 1;
	char buffer[64];

	return !bpf_skb_load_bytes((void *)ctx, 0, buffer, len);
}

__success
SEC("?netfilter")
int bounds_the_return(struct bpf_nf_ctx *ctx)
{
	__u32 len = (jump_or_4(ctx) & 31) + 1;
	char buffer[64];

	return !bpf_skb_load_bytes((void *)ctx, 0, buffer, len);
}

/* If the tail call succeeds, *len is not written. */
static __noinline int jump_or_write(struct bpf_nf_ctx *ctx, __u64 *len)
{
	bpf_tail_call(ctx, &jump, 0);
	*len = 64;
	return 0;
}

/* The verifier must not assume that code after the tail call has run. */
__failure("invalid indirect access to stack R3")
SEC("?netfilter")
int trusts_the_stack(struct bpf_nf_ctx *ctx)
{
	__u64 len = 128;
	char buffer[64];

	jump_or_write(ctx, &len);
	return !bpf_skb_load_bytes((void *)ctx, 0, buffer, len);
}

__success
SEC("?netfilter")
int bounds_the_stack(struct bpf_nf_ctx *ctx)
{
	__u64 len = 32;
	char buffer[64];

	jump_or_write(ctx, &len);
	return !bpf_skb_load_bytes((void *)ctx, 0, buffer, len);
}

struct walk {
	struct bpf_nf_ctx *ctx;
	struct iphdr *iph;
};

static long read_header(__u32 i, struct walk *walk)
{
	sum += walk->iph->ttl;
	return 0;
}

static long read_header_and_pull(__u32 i, struct walk *walk)
{
	sum += walk->iph->ttl;
	return bpf_skb_pull_data((void *)walk->ctx, 1000) != 0;
}

static long read_header_and_call(__u32 i, struct walk *walk)
{
	sum += walk->iph->ttl;
	return pull(walk->ctx) != 0;
}

static long pull_and_reload(__u32 i, struct bpf_nf_ctx **ctx)
{
	struct iphdr *iph;

	bpf_skb_pull_data((void *)*ctx, 1000);
	iph = (*ctx)->data;
	if ((void *)(iph + 1) > (*ctx)->data_end)
		return 1;
	sum += iph->ttl;
	return 0;
}

static long jump_below(__u32 i, struct bpf_nf_ctx **ctx)
{
	sum += jump_there(*ctx);
	return 0;
}

__noinline int jump_in_global(struct bpf_nf_ctx *ctx)
{
	bpf_tail_call(ctx, &jump, 0);
	return 0;
}

static long call_what_jumps(__u32 i, struct bpf_nf_ctx **ctx)
{
	sum += jump_in_global(*ctx);
	return 0;
}

static long jump_away(__u32 i, struct bpf_nf_ctx **ctx)
{
	bpf_tail_call(*ctx, &jump, 0);
	return 0;
}

#define WALK_PROGRAM(name, callback)					\
	SEC("?netfilter")						\
	int name(struct bpf_nf_ctx *ctx)				\
	{								\
		struct walk walk = { ctx, ctx->data };			\
									\
		if ((void *)(walk.iph + 1) > ctx->data_end)		\
			return 1;					\
		bpf_loop(2, callback, &walk, 0);			\
		return 1;						\
	}

/* If a callback pulls, the caller's packet pointers are invalid in its next run. */
__success
WALK_PROGRAM(callback_reads, read_header)
__failure("outdates packet pointers on the stack of frame 0|invalid mem access 'scalar'")
WALK_PROGRAM(callback_reads_and_pulls, read_header_and_pull)
__failure("outdates packet pointers on the stack of frame 0|invalid mem access 'scalar'")
WALK_PROGRAM(callback_reads_and_calls, read_header_and_call)

__success
LOOP_PROGRAM(callback_reloads, pull_and_reload)

/* A tail call in a callback would reset the count of tail calls. */
__failure("callback return|tail_calls are not allowed in callbacks")
LOOP_PROGRAM(callback_jumps, jump_away)
__failure("tail_calls are not allowed in callbacks")
LOOP_PROGRAM(callback_jumps_below, jump_below)
__failure("tail_calls are not allowed in callbacks")
LOOP_PROGRAM(callback_jumps_in_global, call_what_jumps)

enum { VALUES = 16 };

__u64 values[VALUES];

struct count {
	__u64 nr;
	__u64 *value;
};

static long count_in_bounds(__u32 i, struct count *count)
{
	if (count->nr >= VALUES)
		return 1;
	values[count->nr++] = i;
	return 0;
}

static long count_on(__u32 i, struct count *count)
{
	values[count->nr++] = i;
	return 0;
}

static long count_runs(__u32 i, struct count *count)
{
	count->nr++;
	return 0;
}

static long keep_value(__u32 i, struct count *count)
{
	count->nr = values[i & 7];
	return 0;
}

static long keep_pointer(__u32 i, struct count *count)
{
	count->value = &values[i & 7];
	return 0;
}

static long drop_pointer(__u32 i, struct count *count)
{
	count->value = NULL;
	return 0;
}

__noinline int change_count(struct count *count)
{
	if (!count)
		return -1;
	count->nr = 1;
	return 0;
}

static long call_with_pointer(__u32 i, struct count *count)
{
	return change_count(count) & 1;
}

static __always_inline void nothing(struct count *count)
{
}

static __always_inline void set_value(struct count *count)
{
	values[count->nr] = 1;
}

static __always_inline void set_value_in_bounds(struct count *count)
{
	if (count->nr < VALUES)
		values[count->nr] = 1;
}

static __always_inline void add_value(struct count *count)
{
	sum += count->nr;
}

/* @then is called after the loop. */
#define COUNT_PROGRAM(name, callback, then)				\
	SEC("?netfilter")						\
	int name(struct bpf_nf_ctx *ctx)				\
	{								\
		struct count count = { 0, &values[ctx->mark & 7] };	\
									\
		bpf_loop(ctx->mark, callback, &count, 0);		\
		then(&count);						\
		sum += *count.value;					\
		return 1;						\
	}

/* The counter is 0 in the first run of the callback only. */
__success __success_without_perfmon
COUNT_PROGRAM(callback_bounds_its_count, count_in_bounds, nothing)
__failure("register with unbounded min value is not allowed|outside of the allowed memory")
COUNT_PROGRAM(callback_trusts_its_count, count_on, nothing)
__success __if_verified_once
COUNT_PROGRAM(bounds_what_was_counted, count_runs, set_value_in_bounds)
__failure("register with unbounded min value is not allowed|outside of the allowed memory")
COUNT_PROGRAM(trusts_what_was_counted, count_runs, set_value)

/* The callback may not run, or run twice, so its stores must not change pointers. */
__success
COUNT_PROGRAM(callback_copies_a_value, keep_value, add_value)
__failure("callback stores a pointer on the stack of frame 0") __if_verified_once
COUNT_PROGRAM(callback_stores_a_pointer, keep_pointer, nothing)
__failure("callback overwrites a pointer on the stack of frame 0|invalid mem access 'scalar'")
COUNT_PROGRAM(callback_overwrites_a_pointer, drop_pointer, nothing)
__failure("callback overwrites a pointer on the stack of frame 0|invalid mem access 'scalar'")
COUNT_PROGRAM(callback_calls_with_a_pointer, call_with_pointer, nothing)

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} numbers SEC(".maps");

static long use_number(__u32 i, struct count *count)
{
	if (count->value)
		*count->value = 1;
	return 0;
}

static long replace_number(__u32 i, struct count *count)
{
	if (count->value)
		*count->value = 1;
	else
		count->value = (void *)8;
	return 0;
}

static long set_8(__u32 i, struct count *count)
{
	count->value = (void *)8;
	return 0;
}

static long replace_number_below(__u32 i, struct count *count)
{
	if (count->value)
		*count->value = 1;
	else
		bpf_loop(1, set_8, count, 0);
	return 0;
}

/* A program whose callback gets a stack with a pointer that may be NULL. */
#define FIND_PROGRAM(name, callback)					\
	SEC("?netfilter")						\
	int name(struct bpf_nf_ctx *ctx)				\
	{								\
		__u32 key = 0;						\
		struct count count = {					\
			0, bpf_map_lookup_elem(&numbers, &key)		\
		};							\
									\
		bpf_loop(ctx->mark, callback, &count, 0);		\
		return 1;						\
	}

/* A pointer that was NULL in one run can be another number in the next run. */
__success
FIND_PROGRAM(callback_uses_a_number, use_number)
__failure("callback overwrites a pointer on the stack of frame 0|invalid mem access 'scalar'")
FIND_PROGRAM(callback_replaces_null, replace_number)
__failure("callback overwrites a pointer on the stack of frame 0|invalid mem access 'scalar'")
FIND_PROGRAM(callback_replaces_null_below, replace_number_below)

static long set_number(__u32 i, __u64 *number)
{
	*number = i;
	return 0;
}

/* The caller reads uninitialized stack if the callback has not run. */
__success
__failure_without_perfmon("callback writes to uninitialized stack|invalid read from stack")
SEC("?netfilter")
int callback_writes_first(struct bpf_nf_ctx *ctx)
{
	__u64 number;

	bpf_loop(ctx->mark, set_number, &number, 0);
	return number & 1;
}

static long make_dynptr(__u32 i, struct bpf_dynptr *dynptr)
{
	return bpf_dynptr_from_mem(values, sizeof(values), 0, dynptr) != 0;
}

__failure("unknown func bpf_dynptr_from_mem|Expected an initialized dynptr")
SEC("?netfilter")
int callback_makes_a_dynptr(struct bpf_nf_ctx *ctx)
{
	struct bpf_dynptr dynptr;
	__u64 value = 0;

	bpf_loop(ctx->mark, make_dynptr, &dynptr, 0);
	bpf_dynptr_read(&value, sizeof(value), &dynptr, 0, 0);
	sum += value;
	return 1;
}

/* Without a dynptr, bpf_dynptr_read() would read at an address that the program chooses. The path
 * with a dynptr is verified first.
 */
#define READ_DYNPTR(name, make)						\
	SEC("?netfilter")						\
	int name(struct bpf_nf_ctx *ctx)				\
	{								\
		__u64 stack[4] = { ctx->mark, 64, ctx->mark, 64 };	\
		struct bpf_dynptr *dynptr = (void *)stack;		\
		__u64 value = 0;					\
									\
		asm volatile("" :: "r"(stack) : "memory");		\
		make;							\
		bpf_get_prandom_u32();					\
		bpf_get_prandom_u32();					\
		bpf_get_prandom_u32();					\
		bpf_dynptr_read(&value, sizeof(value), dynptr, 0, 0);	\
		sum += value;						\
		return 1;						\
	}

__failure("unknown func bpf_dynptr_from_mem|Expected an initialized dynptr") __test_state_freq
READ_DYNPTR(dynptr_of_one_path, {
	if (ctx->priority)
		bpf_dynptr_from_mem(values, sizeof(values), 0, dynptr);
})
__failure("unknown func bpf_dynptr_from_mem|dynptr has to be at a constant offset")
READ_DYNPTR(dynptr_at_a_variable_offset, {
	bpf_dynptr_from_mem(values, sizeof(values), 0, dynptr);
	dynptr += ctx->mark & 1;
	barrier_var(dynptr);
})
__failure("unknown func bpf_dynptr_from_mem|Expected an initialized dynptr")
READ_DYNPTR(dynptr_overwritten, {
	bpf_dynptr_from_mem(values, sizeof(values), 0, dynptr);
	stack[0] = ctx->mark;
})

/* The verifier of 6.12 can keep track of dynptrs. */
__success __needs("bpf_dynptr_slice")
SEC("?netfilter")
int dynptr_of_memory(struct bpf_nf_ctx *ctx)
{
	struct bpf_dynptr dynptr;
	__u64 value = 0;

	bpf_dynptr_from_mem(values, sizeof(values), 0, &dynptr);
	bpf_dynptr_read(&value, sizeof(value), &dynptr, 0, 0);
	sum += value;
	return 1;
}

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} records SEC(".maps");

__failure("unknown func bpf_ringbuf_reserve_dynptr|Unreleased reference")
SEC("?netfilter")
int dynptr_of_a_record(struct bpf_nf_ctx *ctx)
{
	struct bpf_dynptr dynptr;

	bpf_ringbuf_reserve_dynptr(&records, 8, 0, &dynptr);
	return 1;
}

#define GIVE_EITHER(name, first, second)				\
	SEC("?netfilter")						\
	int name(struct bpf_nf_ctx *ctx)				\
	{								\
		struct iphdr *iph = ctx->data;				\
		struct iphdr one = {}, other = {};			\
									\
		if ((void *)(iph + 1) > ctx->data_end)			\
			return 1;					\
		sum += iph->ttl;					\
		sum += change_memory((void *)EITHER(first, second));	\
		sum += one.ihl + other.ihl;				\
		return 1;						\
	}

/* The verifier must check both paths, for each kind of argument. */
__success __test_state_freq
GIVE_EITHER(memory_or_memory, &one, &other)
__failure("cannot pass the packet as memory") __test_state_freq
GIVE_EITHER(memory_or_packet, &one, iph)
__success __test_state_freq
GIVE_EITHER(null_or_memory, 0, &other)
__failure("R1 type=scalar") __test_state_freq
GIVE_EITHER(null_or_number, 0, 8)

__noinline int add_number(struct bpf_nf_ctx *ctx, __u64 number)
{
	return ctx->mark + number;
}

SEC("?netfilter")
int global_of_a_number(struct bpf_nf_ctx *ctx)
{
	sum += add_number(ctx, ctx->priority);
	return 1;
}

/* A program that replaces a netfilter program, or a function of it, returns a verdict, too. */
#define EXTENDS(name, value)						\
	SEC("?freplace")						\
	int name(struct bpf_nf_ctx *ctx)				\
	{								\
		return value;						\
	}

#define NO_VERDICT "should have been in "

__success __replaces("global_reads", "global_reads")
EXTENDS(program_with_1, 1)
__failure(NO_VERDICT) __replaces("global_reads", "global_reads")
EXTENDS(program_with_5, 5)
__success __replaces("global_reads", "read_global")
EXTENDS(function_with_1, 1)
__failure(NO_VERDICT) __replaces("global_reads", "read_global")
EXTENDS(function_with_5, 5)

/* The verdict depends on the argument. The jump comes first, so that the verifier keeps a state to
 * compare with.
 */
__success __replaces("global_of_a_number", "add_number") __test_state_freq
SEC("?freplace")
int function_with_a_bit(struct bpf_nf_ctx *ctx, __u64 number)
{
	asm volatile("if %[number] == 0 goto +0" : : [number]"r"(number) : "r0");
	return number & 1;
}

__failure(NO_VERDICT) __replaces("global_of_a_number", "add_number") __test_state_freq
SEC("?freplace")
int function_with_a_number(struct bpf_nf_ctx *ctx, __u64 number)
{
	return number;
}

/* The usual loop over IPv6 extension headers. */
__success
SEC("?netfilter")
int loop_over_headers(struct bpf_nf_ctx *ctx)
{
	void *end = ctx->data_end;
	struct ipv6hdr *ip6h = ctx->data;
	struct ipv6_opt_hdr *opt;
	void *next = ip6h + 1;
	int i;

	for (i = 0; i < 8; i++) {
		opt = next;
		if ((void *)(opt + 1) > end)
			break;
		sum += opt->nexthdr;
		next += (opt->hdrlen + 1) * 8;
	}
	return 1;
}
