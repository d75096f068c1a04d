// SPDX-License-Identifier: GPL-2.0
/* One helper each, with arguments and result where user space can reach them. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

#include "calls.bpf.h"

char _license[] SEC("license") = "GPL";

enum { BUFFER = 512, SMALL = 256 };

__u64 runs;
__s64 ret;
__u32 offset, length, start, linear, mark, priority;
__u64 from, to, flags, seed;
__u8 buffer[BUFFER];
__u8 other[BUFFER];
/* The result of bpf_nf_frag_info(). */
__u32 frag_flags, pieces, max_size;

extern int bpf_nf_frag_info(struct bpf_nf_ctx *ctx, struct bpf_nf_frag_info *info,
			    __u32 info__sz) __ksym;

/* Its values are large enough, but a lookup finds none. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct bpf_nf_frag_info);
} empty SEC(".maps");

#define PROGRAM(name)							\
	static __always_inline __s64 do_##name(struct bpf_nf_ctx *ctx);	\
									\
	SEC("netfilter")						\
	int name(struct bpf_nf_ctx *ctx)				\
	{								\
		runs++;							\
		ret = do_##name(ctx);					\
		return 1;						\
	}								\
									\
	static __always_inline __s64 do_##name(struct bpf_nf_ctx *ctx)

/* Bound the size for the verifier. */
static __always_inline __u64 size(__u64 value)
{
	return value < BUFFER ? value : BUFFER;
}

static __always_inline __u32 size_above_0(__u32 value)
{
	return ((value - 1) & (BUFFER - 1)) + 1;
}

PROGRAM(read)
{
	__u8 *data = ctx->data, *end = ctx->data_end;
	__u32 i;

	linear = end - data;
	for (i = 0; i < SMALL && data + i + 1 <= end; i++)
		buffer[i] = data[i];
	return i;
}

PROGRAM(load)
{
	return bpf_skb_load_bytes(ctx, offset, buffer, size_above_0(length));
}

PROGRAM(load_relative)
{
	return bpf_skb_load_bytes_relative(ctx, offset, buffer, size_above_0(length),
					   start);
}

PROGRAM(pull)
{
	__s64 err = bpf_skb_pull_data((void *)ctx, length);

	linear = ctx->data_end - ctx->data;
	return err;
}

PROGRAM(store)
{
	return bpf_skb_store_bytes((void *)ctx, offset, buffer, size_above_0(length),
				   flags);
}

PROGRAM(l3_csum)
{
	return bpf_l3_csum_replace((void *)ctx, offset, from, to, flags);
}

PROGRAM(l4_csum)
{
	return bpf_l4_csum_replace((void *)ctx, offset, from, to, flags);
}

/* From @buffer, @from bytes, to @other, @to bytes. */
PROGRAM(csum_diff)
{
	return bpf_csum_diff((void *)buffer, size(from), (void *)other, size(to), seed);
}

PROGRAM(csum_push)
{
	return bpf_csum_diff(NULL, 0, (void *)other, size(to), seed);
}

PROGRAM(csum_pull)
{
	return bpf_csum_diff((void *)buffer, size(from), NULL, 0, seed);
}

PROGRAM(csum_nothing)
{
	return bpf_csum_diff(NULL, 0, NULL, 0, seed);
}

/* The verifier knows the size of what is not there. */
PROGRAM(csum_push_null)
{
	return bpf_csum_diff(NULL, 0, bpf_map_lookup_elem(&empty, &runs), 4, seed);
}

PROGRAM(csum_pull_null)
{
	return bpf_csum_diff(bpf_map_lookup_elem(&empty, &runs), 4, NULL, 0, seed);
}

/* The first 20 bytes of the packet, in place. */
PROGRAM(csum_packet)
{
	void *data = ctx->data;

	if (data + 20 > ctx->data_end)
		return -1;
	return bpf_csum_diff(NULL, 0, data, 20, seed);
}

PROGRAM(hash)
{
	return bpf_get_hash_recalc((void *)ctx);
}

PROGRAM(store_and_hash)
{
	__u32 before = bpf_get_hash_recalc((void *)ctx);
	__u8 byte = 77;

	if (bpf_skb_store_bytes((void *)ctx, offset, &byte, sizeof(byte), flags))
		return -1;
	return before != bpf_get_hash_recalc((void *)ctx);
}

/* Look up an address of 0 in family @from, from the loopback device. */
PROGRAM(fib)
{
	struct bpf_fib_lookup params = { .family = from, .ifindex = 1 };

	return bpf_fib_lookup((void *)ctx, &params, sizeof(params), flags);
}

PROGRAM(fib_too_short)
{
	struct bpf_fib_lookup params = { .family = from, .ifindex = 1 };

	return bpf_fib_lookup((void *)ctx, &params, sizeof(params) - 1, flags);
}

PROGRAM(cookie)
{
	return bpf_get_netns_cookie(ctx);
}

PROGRAM(cookie_of_init)
{
	return bpf_get_netns_cookie(NULL);
}

PROGRAM(mark_and_priority)
{
	__u32 old = ctx->mark | ctx->priority;

	ctx->mark = 0x12345678;
	ctx->priority = 0x9abcdef0;
	mark = ctx->mark;
	priority = ctx->priority;
	return old;
}

static __always_inline __s64 ask(struct bpf_nf_ctx *ctx, __u32 info__sz)
{
	struct bpf_nf_frag_info info[2] = { { -1, -1, -1 } };
	__s64 err = bpf_nf_frag_info(ctx, info, info__sz);

	frag_flags = info->flags;
	pieces = info->pieces;
	max_size = info->max_size;
	return err;
}

PROGRAM(frag_info)
{
	return ask(ctx, sizeof(struct bpf_nf_frag_info));
}

PROGRAM(frag_info_too_short)
{
	return ask(ctx, sizeof(struct bpf_nf_frag_info) - 1);
}

PROGRAM(frag_info_too_long)
{
	return ask(ctx, 2 * sizeof(struct bpf_nf_frag_info));
}

PROGRAM(frag_info_null)
{
	return bpf_nf_frag_info(ctx, bpf_map_lookup_elem(&empty, &runs),
				sizeof(struct bpf_nf_frag_info));
}

SEC("netfilter")
int jump_target(struct bpf_nf_ctx *ctx)
{
	struct iphdr *iph = ctx->data;

	runs++;
	if ((void *)(iph + 1) <= ctx->data_end)
		ret = iph->version;
	return 0;
}

SEC("netfilter")
int jump_from(struct bpf_nf_ctx *ctx)
{
	runs++;
	bpf_tail_call(ctx, &jump, 0);
	ret = -1;
	return 1;
}

SEC("netfilter")
int jump_below(struct bpf_nf_ctx *ctx)
{
	runs++;
	ret = jump_or_4(ctx);
	return 1;
}
