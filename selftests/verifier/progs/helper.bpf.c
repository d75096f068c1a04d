// SPDX-License-Identifier: GPL-2.0
/* The helpers for packets: their arguments, and packet pointers after a call. */

/* The context has the same layout on all kernels. Without relocations, the file loads faster. */
#define BPF_NO_PRESERVE_ACCESS_INDEX
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

#include "either.bpf.h"
#include "expect.bpf.h"
#include "helper_calls.bpf.h"

char _license[] SEC("license") = "GPL";

__u64 sum;
char memory[FIB_PARAMS];
const char known[FIB_PARAMS] = { 1 };

/* The compiler must keep the bytes on the stack. */
#define ON_STACK(buffer) asm volatile("" : : "r"(buffer) : "memory")

/* @body can use data, of which 20 bytes are linear, and a buffer of zeros. */
#define HELPER_PROGRAM(name, body)					\
	SEC("?netfilter")						\
	int name(struct bpf_nf_ctx *ctx)				\
	{								\
		void *data = ctx->data, *end = ctx->data_end;		\
		char buffer[FIB_PARAMS] = {};				\
									\
		if (data + 20 > end)					\
			return 1;					\
		barrier_var(end);					\
		body;							\
		ON_STACK(buffer);					\
		return 1;						\
	}

#define READ (sum += *(__u8 *)data)

/* --- packet pointers after a call --- */

/* A helper that may move the packet ends packet pointers, and copies of them on the stack. */
#define FORGOTTEN "invalid mem access"

__failure(FORGOTTEN)
HELPER_PROGRAM(reads_after_pull_data, PULL_DATA(ctx); READ)
__failure(FORGOTTEN)
HELPER_PROGRAM(reads_after_store_bytes, STORE_BYTES(ctx, buffer, 8); READ)
__failure(FORGOTTEN)
HELPER_PROGRAM(reads_after_l3_csum_replace, L3_CSUM_REPLACE(ctx); READ)
__failure(FORGOTTEN)
HELPER_PROGRAM(reads_after_l4_csum_replace, L4_CSUM_REPLACE(ctx); READ)

__failure(FORGOTTEN)
HELPER_PROGRAM(reads_through_a_copy_after_pull_data, *(void **)buffer = data; ON_STACK(buffer);
	       PULL_DATA(ctx); data = *(void **)buffer; READ)

static __noinline int pull(struct bpf_nf_ctx *ctx)
{
	return PULL_DATA(ctx);
}

/* A helper in a subprogram also ends the packet pointers of the caller. */
__failure(FORGOTTEN)
HELPER_PROGRAM(reads_after_a_function_that_pulls, sum += pull(ctx); READ)

#define LOAD_AGAIN ({							\
	data = ctx->data;						\
	if (data + 20 > ctx->data_end)					\
		return 1;						\
	READ;								\
})

__success __success_without_perfmon
HELPER_PROGRAM(reads_what_it_loads_again, PULL_DATA(ctx); LOAD_AGAIN; STORE_BYTES(ctx, buffer, 8);
	       LOAD_AGAIN; L3_CSUM_REPLACE(ctx); LOAD_AGAIN; L4_CSUM_REPLACE(ctx); LOAD_AGAIN)

/* The other helpers keep packet pointers. */
__success __success_without_perfmon
HELPER_PROGRAM(reads_after_other_helpers, LOAD_BYTES(ctx, buffer, 8); READ;
	       LOAD_BYTES_RELATIVE(ctx, buffer, 8); READ; CSUM_DIFF(data); READ;
	       FIB_LOOKUP(ctx, buffer, FIB_PARAMS); READ;
	       PERF_EVENT_OUTPUT(ctx, &events, buffer, 8); READ; GET_HASH_RECALC(ctx); READ;
	       GET_NETNS_COOKIE(ctx); READ; GET_ATTACH_COOKIE(ctx); READ)

/* --- the context as an argument --- */

#define NO_CONTEXT "R1 type=fp expected=ctx"
#define NO_HELPER "helper access to the packet is not allowed"

__failure(NO_CONTEXT)
HELPER_PROGRAM(stack_to_load_bytes, LOAD_BYTES(buffer, buffer, 8))
__failure(NO_HELPER)
HELPER_PROGRAM(packet_to_load_bytes, LOAD_BYTES(data, buffer, 8))
__failure(NO_CONTEXT)
HELPER_PROGRAM(stack_to_load_bytes_relative, LOAD_BYTES_RELATIVE(buffer, buffer, 8))
__failure(NO_HELPER)
HELPER_PROGRAM(packet_to_load_bytes_relative, LOAD_BYTES_RELATIVE(data, buffer, 8))
__failure(NO_CONTEXT)
HELPER_PROGRAM(stack_to_pull_data, PULL_DATA(buffer))
__failure(NO_HELPER)
HELPER_PROGRAM(packet_to_pull_data, PULL_DATA(data))
__failure(NO_CONTEXT)
HELPER_PROGRAM(stack_to_store_bytes, STORE_BYTES(buffer, buffer, 8))
__failure(NO_HELPER)
HELPER_PROGRAM(packet_to_store_bytes, STORE_BYTES(data, buffer, 8))
__failure(NO_CONTEXT)
HELPER_PROGRAM(stack_to_l3_csum_replace, L3_CSUM_REPLACE(buffer))
__failure(NO_HELPER)
HELPER_PROGRAM(packet_to_l3_csum_replace, L3_CSUM_REPLACE(data))
__failure(NO_CONTEXT)
HELPER_PROGRAM(stack_to_l4_csum_replace, L4_CSUM_REPLACE(buffer))
__failure(NO_HELPER)
HELPER_PROGRAM(packet_to_l4_csum_replace, L4_CSUM_REPLACE(data))
__failure(NO_CONTEXT)
HELPER_PROGRAM(stack_to_fib_lookup, FIB_LOOKUP(buffer, buffer, FIB_PARAMS))
__failure(NO_HELPER)
HELPER_PROGRAM(packet_to_fib_lookup, FIB_LOOKUP(data, buffer, FIB_PARAMS))
__failure(NO_CONTEXT)
HELPER_PROGRAM(stack_to_perf_event_output, PERF_EVENT_OUTPUT(buffer, &events, buffer, 8))
__failure(NO_HELPER)
HELPER_PROGRAM(packet_to_perf_event_output, PERF_EVENT_OUTPUT(data, &events, buffer, 8))
__failure(NO_CONTEXT)
HELPER_PROGRAM(stack_to_get_hash_recalc, GET_HASH_RECALC(buffer))
__failure(NO_HELPER)
HELPER_PROGRAM(packet_to_get_hash_recalc, GET_HASH_RECALC(data))
__failure(NO_CONTEXT)
HELPER_PROGRAM(stack_to_get_netns_cookie, GET_NETNS_COOKIE(buffer))
__failure(NO_HELPER)
HELPER_PROGRAM(packet_to_get_netns_cookie, GET_NETNS_COOKIE(data))
__failure(NO_CONTEXT)
HELPER_PROGRAM(stack_to_get_attach_cookie, GET_ATTACH_COOKIE(buffer))
__failure(NO_HELPER)
HELPER_PROGRAM(packet_to_get_attach_cookie, GET_ATTACH_COOKIE(data))

/* The cookie of NULL is that of the initial namespace. */
__failure("R1 type=scalar expected=ctx")
HELPER_PROGRAM(null_to_get_hash_recalc, GET_HASH_RECALC(NULL))
__success
HELPER_PROGRAM(null_to_get_netns_cookie, GET_NETNS_COOKIE(NULL))
__success __test_state_freq
HELPER_PROGRAM(null_on_both_paths, GET_NETNS_COOKIE(EITHER(0, 0)))
__failure("R1 type=scalar expected=ctx") __test_state_freq
HELPER_PROGRAM(null_or_a_number, GET_NETNS_COOKIE(EITHER(0, 8)))

/* --- other arguments --- */

#define NO_SIZE "invalid zero-sized read"
#define NO_STACK "invalid indirect access to stack"
#define TOO_LARGE 513	/* more than a stack has */

__failure(NO_SIZE)
HELPER_PROGRAM(load_bytes_of_no_size, LOAD_BYTES(ctx, buffer, 0))
__failure(NO_STACK)
HELPER_PROGRAM(load_bytes_beyond_the_stack, LOAD_BYTES(ctx, buffer, TOO_LARGE))
__failure("R4 unbounded memory access")
HELPER_PROGRAM(load_bytes_of_any_size, LOAD_BYTES(ctx, buffer, bpf_get_prandom_u32() | 1))
__failure(NO_HELPER)
HELPER_PROGRAM(load_bytes_into_the_packet, LOAD_BYTES(ctx, data, 8))
__failure(NO_SIZE)
HELPER_PROGRAM(load_bytes_relative_of_no_size, LOAD_BYTES_RELATIVE(ctx, buffer, 0))
__failure(NO_STACK)
HELPER_PROGRAM(load_bytes_relative_beyond_the_stack, LOAD_BYTES_RELATIVE(ctx, buffer, TOO_LARGE))
__failure("R4 unbounded memory access")
HELPER_PROGRAM(load_bytes_relative_of_any_size,
	       LOAD_BYTES_RELATIVE(ctx, buffer, bpf_get_prandom_u32() | 1))
__failure(NO_SIZE)
HELPER_PROGRAM(store_bytes_of_no_size, STORE_BYTES(ctx, buffer, 0))
__failure(NO_STACK)
HELPER_PROGRAM(store_bytes_beyond_the_stack, STORE_BYTES(ctx, buffer, TOO_LARGE))
/* The helper may move the packet before it reads the bytes. */
__failure(NO_HELPER)
HELPER_PROGRAM(store_bytes_from_the_packet, STORE_BYTES(ctx, data, 8))

__success
HELPER_PROGRAM(csum_diff_of_nothing, sum += bpf_csum_diff(NULL, 0, data, 12, 0))
__failure("R1 type=scalar expected=fp")
HELPER_PROGRAM(csum_diff_of_null, sum += bpf_csum_diff(NULL, 8, data, 12, 0))
__failure("invalid access to packet")
HELPER_PROGRAM(csum_diff_beyond_the_check, sum += bpf_csum_diff(NULL, 0, data + 8, 16, 0))

__failure(NO_SIZE)
HELPER_PROGRAM(fib_lookup_of_no_size, FIB_LOOKUP(ctx, buffer, 0))
__failure(NO_STACK)
HELPER_PROGRAM(fib_lookup_beyond_the_stack, FIB_LOOKUP(ctx, buffer, TOO_LARGE))
/* The helper writes its result to the parameters. */
__failure(NO_HELPER)
HELPER_PROGRAM(fib_lookup_into_the_packet, FIB_LOOKUP(ctx, data, 20))
__success
HELPER_PROGRAM(fib_lookup_into_a_map, FIB_LOOKUP(ctx, memory, FIB_PARAMS))
/* The verifier knows the values of a read-only map, so the helper must not change them. */
__failure("write into map forbidden")
HELPER_PROGRAM(fib_lookup_into_a_constant, FIB_LOOKUP(ctx, (void *)known, FIB_PARAMS))

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} array SEC(".maps");

__success
HELPER_PROGRAM(perf_event_output_of_no_size, PERF_EVENT_OUTPUT(ctx, &events, buffer, 0))
__failure("cannot pass map_type 2 into func")
HELPER_PROGRAM(perf_event_output_to_an_array, PERF_EVENT_OUTPUT(ctx, &array, buffer, 8))
__failure(NO_HELPER)
HELPER_PROGRAM(perf_event_output_of_the_packet, PERF_EVENT_OUTPUT(ctx, &events, data, 8))

/* --- memory that nobody has written --- */

#define UNINITIALISED "invalid indirect read from stack"
#define UNWRITTEN char unwritten[FIB_PARAMS]

/* The helper only writes to its buffer. */
__success __success_without_perfmon
HELPER_PROGRAM(load_bytes_into_unwritten_memory, UNWRITTEN; LOAD_BYTES(ctx, unwritten, 8);
	       LOAD_BYTES_RELATIVE(ctx, unwritten, 8))
__success __failure_without_perfmon(UNINITIALISED)
HELPER_PROGRAM(store_bytes_from_unwritten_memory, UNWRITTEN; STORE_BYTES(ctx, unwritten, 8))
__success __failure_without_perfmon(UNINITIALISED)
HELPER_PROGRAM(csum_diff_of_unwritten_memory, UNWRITTEN; CSUM_DIFF(unwritten))
__success __failure_without_perfmon(UNINITIALISED)
HELPER_PROGRAM(fib_lookup_of_unwritten_memory, UNWRITTEN; FIB_LOOKUP(ctx, unwritten, FIB_PARAMS))
__success __failure_without_perfmon(UNINITIALISED)
HELPER_PROGRAM(perf_event_output_of_unwritten_memory, UNWRITTEN;
	       PERF_EVENT_OUTPUT(ctx, &events, unwritten, 8))
