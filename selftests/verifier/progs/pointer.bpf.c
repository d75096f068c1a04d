// SPDX-License-Identifier: GPL-2.0
/* Packet pointers, mark and priority; see verifier/compiled.c. */

/* The context has the same layout on all kernels. Without relocations, the file loads faster. */
#define BPF_NO_PRESERVE_ACCESS_INDEX
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

#include "access.bpf.h"
#include "expect.bpf.h"

char _license[] SEC("license") = "GPL";

/* --- members of the context --- */

#define CTX "invalid bpf_context access|misaligned context access"

/* A program can only load a whole pointer. */
__success
LOADS(loads_data, __u64, AT(data))
__failure(CTX)
LOADS(loads_half_of_data, __u32, AT(data))
__failure(CTX)
LOADS(loads_upper_half_of_data, __u32, AT(data) + 4)
__failure(CTX)
LOADS(loads_data_and_data_end, __u64, AT(data) + 4)
__failure(CTX)
STORES(stores_data, __u64, AT(data))
__success
LOADS(loads_data_end, __u64, AT(data_end))
__failure(CTX)
LOADS(loads_half_of_data_end, __u32, AT(data_end))
__failure(CTX)
LOADS(loads_upper_half_of_data_end, __u32, AT(data_end) + 4)
__failure(CTX)
LOADS(loads_data_end_and_mark, __u64, AT(data_end) + 4)
__failure(CTX)
STORES(stores_data_end, __u64, AT(data_end))

/* A program can load a part of a number, and store a whole one. */
#define LOADS_PARTS(name, member)					\
	SEC("?netfilter")						\
	int name(struct bpf_nf_ctx *ctx)				\
	{								\
		void *number = &ctx->member;				\
									\
		sum += *(__u8 *)number;					\
		sum += *(__u8 *)(number + 3);				\
		sum += *(__u16 *)number;				\
		sum += *(__u16 *)(number + 2);				\
		sum += *(__u32 *)number;				\
		return 1;						\
	}

__success __success_without_perfmon
LOADS_PARTS(loads_parts_of_mark, mark)
__failure(CTX)
LOADS(loads_mark_and_priority, __u64, AT(mark))
__failure(CTX)
LOADS(loads_halves_of_mark_and_priority, __u32, AT(mark) + 2)
__failure(CTX)
LOADS(loads_across_the_middle_of_mark, __u16, AT(mark) + 1)
__success __success_without_perfmon
STORES(stores_mark, __u32, AT(mark))
__failure(CTX)
STORES(stores_half_of_mark, __u16, AT(mark))
__failure(CTX)
STORES(stores_upper_half_of_mark, __u16, AT(mark) + 2)
__failure(CTX)
STORES(stores_last_byte_of_mark, __u8, AT(mark) + 3)
__failure(CTX)
STORES(stores_mark_and_priority, __u64, AT(mark))
__failure(CTX)
STORES(stores_halves_of_mark_and_priority, __u32, AT(mark) + 2)
__success __success_without_perfmon
LOADS_PARTS(loads_parts_of_priority, priority)
__failure(CTX)
LOADS(loads_priority_and_more, __u64, AT(priority))
__failure(CTX)
LOADS(loads_beyond_priority, __u32, AT(priority) + 2)
__failure(CTX)
LOADS(loads_across_the_middle_of_priority, __u16, AT(priority) + 1)
__success __success_without_perfmon
STORES(stores_priority, __u32, AT(priority))
__failure(CTX)
STORES(stores_half_of_priority, __u16, AT(priority))
__failure(CTX)
STORES(stores_upper_half_of_priority, __u16, AT(priority) + 2)
__failure(CTX)
STORES(stores_last_byte_of_priority, __u8, AT(priority) + 3)
__failure(CTX)
STORES(stores_beyond_priority, __u64, AT(priority))

/* Store the lower half of a pointer. The compiler would first move the half to a register, and the
 * verifier would refuse that.
 */
#define STORES_POINTER(name, member, pointer)				\
	SEC("?netfilter")						\
	int name(struct bpf_nf_ctx *ctx)				\
	{								\
		asm volatile("*(u32 *)(%[ctx] + %[offset]) = %[value]"	\
			     : : [ctx]"r"(ctx), [offset]"i"(AT(member)), \
			     [value]"r"(pointer) : "memory");		\
		return 1;						\
	}

/* As in tc, a loader with CAP_PERFMON may store pointers, and others may not. */
__success __failure_without_perfmon("leaks addr into ctx")
STORES_POINTER(stores_a_pointer_to_mark, mark, ctx->data)
__success __failure_without_perfmon("leaks addr into ctx")
STORES_POINTER(stores_a_pointer_to_priority, priority, ctx)

/* --- packet pointers --- */

#define NO_PACKET "invalid access to packet"

#define PACKET_PROGRAM(name, body)					\
	SEC("?netfilter")						\
	int name(struct bpf_nf_ctx *ctx)				\
	{								\
		void *data = ctx->data, *end = ctx->data_end;		\
									\
		(void)data, (void)end;					\
		body;							\
		return 1;						\
	}

#define READ_8(offset)	(sum += *(__u8 *)(data + (offset)))
#define READ_16(offset)	(sum += *(__u16 *)(data + (offset)))
#define READ_32(offset)	(sum += *(__u32 *)(data + (offset)))
#define READ_64(offset)	(sum += *(__u64 *)(data + (offset)))

/* Exit unless @bytes bytes are linear from data on. */
#define CHECK(bytes) ({							\
	if (data + (bytes) > end)					\
		return 1;						\
})

__failure(NO_PACKET)
PACKET_PROGRAM(reads_without_a_check, READ_8(0))
__success __success_without_perfmon
PACKET_PROGRAM(reads_after_a_check, CHECK(20); READ_8(0); READ_8(19); READ_16(18); READ_32(16);
	       READ_64(12))
__failure(NO_PACKET)
PACKET_PROGRAM(reads_a_byte_too_far, CHECK(20); READ_8(20))
__failure(NO_PACKET)
PACKET_PROGRAM(reads_across_the_end, CHECK(20); READ_32(17))
__failure("R1 offset is outside of the packet|R1 min value is negative")
PACKET_PROGRAM(reads_before_the_network_header, CHECK(20); READ_8(-1))
__failure(NO_PACKET)
PACKET_PROGRAM(reads_if_the_check_fails, sum += data + 20 > end ? *(__u8 *)data : 0)
__failure("cannot write into packet")
PACKET_PROGRAM(writes, CHECK(20); *(__u8 *)data = 0)
__failure("not allowed")
PACKET_PROGRAM(adds, CHECK(20); __sync_fetch_and_add((__u32 *)data, 1))
__failure("pointer arithmetic on pkt_end")
PACKET_PROGRAM(moves_data_end, barrier_var(end); end += 8; barrier_var(end))
__failure("invalid mem access 'pkt_end'")
PACKET_PROGRAM(reads_after_data_end, sum += *(__u8 *)end)

/* A header has a length that the packet tells. */
#define SKIP_HEADER (data += *(__u8 *)data & 0x3c)

/* Without CAP_PERFMON, the offset could make a processor read elsewhere speculatively. */
__success __failure_without_perfmon("prohibited for !root") __if_speculation_is_checked
PACKET_PROGRAM(reads_at_a_variable_offset, CHECK(20); SKIP_HEADER; CHECK(8); READ_16(2);
	       READ_8(7))
__failure(NO_PACKET)
PACKET_PROGRAM(skips_a_header_without_a_check, CHECK(20); SKIP_HEADER; READ_16(2))
/* A check before the addition does not bound reads after it. */
__failure(NO_PACKET)
PACKET_PROGRAM(skips_a_header_after_a_check, CHECK(100); SKIP_HEADER; CHECK(2); READ_32(0))
__failure("unbounded min value")
PACKET_PROGRAM(reads_at_any_offset, data += bpf_ktime_get_ns(); CHECK(1); READ_8(0))

/* Pointers that the program keeps on the stack. A check of the register also holds for its copy. */
#define KEEP								\
	void *kept[] = { data, end };					\
	asm volatile("" : : "r"(kept) : "memory")

__success
PACKET_PROGRAM(keeps_both_pointers, KEEP; CHECK(20); bpf_ktime_get_ns(); data = kept[0];
	       end = kept[1]; READ_8(19); CHECK(40); READ_8(39))
__success __failure_without_perfmon("leaks addr into map")
PACKET_PROGRAM(keeps_a_pointer_in_a_map, sum = (__u64)data)

static __noinline int read_checked(void *data, void *end)
{
	CHECK(20);
	READ_8(19);
	return 1;
}

static __noinline int read_unchecked(void *data)
{
	return *(__u8 *)(data + 19);
}

__failure(NO_PACKET)
PACKET_PROGRAM(nobody_checks, sum += read_unchecked(data))
__success
PACKET_PROGRAM(caller_checks, CHECK(20); sum += read_unchecked(data))
__success
PACKET_PROGRAM(callee_checks, sum += read_checked(data, end))
