// SPDX-License-Identifier: GPL-2.0
/*
 * One helper each, with arguments and result where user space can reach them. On unmodified
 * kernels <bpf/bpf_netfilter.h> calls functions of the module nf_bpf_packet in their place.
 */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_netfilter.h>

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
/* The packet after the call, where BPF_PROG_TEST_RUN does not return it. */
__u32 after_size;
__u8 after[SMALL];

/* Its values are large enough, but a lookup finds none. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct bpf_nf_frag_info___nf);
} empty SEC(".maps");

/* A fixed offset. The compiler would add a relocated offset to ctx, to use it twice, and the
 * verifier refuses such a pointer.
 */
static __always_inline struct sk_buff *packet_of(struct bpf_nf_ctx *ctx)
{
	return ((struct sk_buff **)ctx)[1];
}

/* Read the packet without the functions under test. */
static __always_inline void give_packet(struct bpf_nf_ctx *ctx)
{
	struct sk_buff *skb = packet_of(ctx);
	struct bpf_dynptr packet;
	__u32 size;

	if (bpf_nf_has_pkt_pointers())
		return;
	size = skb->len;
	after_size = size;
	if (size <= sizeof(after) && !bpf_dynptr_from_skb___nf((void *)skb, 0, &packet))
		bpf_dynptr_read(after, size, &packet, 0, 0);
}

static __always_inline __u32 linear_size(struct bpf_nf_ctx *ctx)
{
	struct bpf_nf_ctx___nf *nf = (void *)ctx;

	if (bpf_nf_has_pkt_pointers())
		return nf->data_end - nf->data;
	return packet_of(ctx)->len - packet_of(ctx)->data_len;
}

#define PROGRAM(name)							\
	static __always_inline __s64 do_##name(struct bpf_nf_ctx *ctx);	\
									\
	SEC("netfilter")						\
	int name(struct bpf_nf_ctx *ctx)				\
	{								\
		runs++;							\
		ret = do_##name(ctx);					\
		give_packet(ctx);					\
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
	struct bpf_nf_ctx___nf *nf = (void *)ctx;
	__u8 *data, *end;
	__u32 i;

	if (!bpf_nf_has_pkt_pointers())
		return -1;
	data = nf->data;
	end = nf->data_end;
	linear = end - data;
	for (i = 0; i < SMALL && data + i + 1 <= end; i++)
		buffer[i] = data[i];
	return i;
}

PROGRAM(load)
{
	return bpf_nf_skb_load_bytes(ctx, offset, buffer, size_above_0(length));
}

PROGRAM(load_relative)
{
	return bpf_nf_skb_load_bytes_relative(ctx, offset, buffer, size_above_0(length),
					      start);
}

PROGRAM(pull)
{
	__s64 err = bpf_nf_skb_pull_data(ctx, length);

	linear = linear_size(ctx);
	return err;
}

PROGRAM(store)
{
	return bpf_nf_skb_store_bytes(ctx, offset, buffer, size_above_0(length), flags);
}

PROGRAM(l3_csum)
{
	return bpf_nf_l3_csum_replace(ctx, offset, from, to, flags);
}

PROGRAM(l4_csum)
{
	return bpf_nf_l4_csum_replace(ctx, offset, from, to, flags);
}

/* From @buffer, @from bytes, to @other, @to bytes. */
PROGRAM(csum_diff)
{
	return bpf_nf_csum_diff((void *)buffer, size(from), (void *)other, size(to), seed);
}

PROGRAM(csum_push)
{
	return bpf_nf_csum_diff(NULL, 0, (void *)other, size(to), seed);
}

PROGRAM(csum_pull)
{
	return bpf_nf_csum_diff((void *)buffer, size(from), NULL, 0, seed);
}

PROGRAM(csum_nothing)
{
	return bpf_nf_csum_diff(NULL, 0, NULL, 0, seed);
}

/* The verifier knows the size of what is not there. These three programs are for the helper:
 * on an unmodified kernel the program itself sums up.
 */
PROGRAM(csum_push_null)
{
	if (!bpf_nf_has_pkt_pointers())
		return -1;
	return bpf_csum_diff(NULL, 0, bpf_map_lookup_elem(&empty, &runs), 4, seed);
}

PROGRAM(csum_pull_null)
{
	if (!bpf_nf_has_pkt_pointers())
		return -1;
	return bpf_csum_diff(bpf_map_lookup_elem(&empty, &runs), 4, NULL, 0, seed);
}

/* The first 20 bytes of the packet, in place. */
PROGRAM(csum_packet)
{
	struct bpf_nf_ctx___nf *nf = (void *)ctx;
	void *data;

	if (!bpf_nf_has_pkt_pointers())
		return -1;
	data = nf->data;
	if (data + 20 > nf->data_end)
		return -1;
	return bpf_csum_diff(NULL, 0, data, 20, seed);
}

PROGRAM(hash)
{
	return bpf_nf_get_hash_recalc(ctx);
}

PROGRAM(store_and_hash)
{
	__u32 before = bpf_nf_get_hash_recalc(ctx);
	__u8 byte = 77;

	if (bpf_nf_skb_store_bytes(ctx, offset, &byte, sizeof(byte), flags))
		return -1;
	return before != bpf_nf_get_hash_recalc(ctx);
}

/* Look up an address of 0 in family @from, from the loopback device. */
PROGRAM(fib)
{
	struct bpf_fib_lookup params = { .family = from, .ifindex = 1 };

	return bpf_nf_fib_lookup(ctx, &params, sizeof(params), flags);
}

PROGRAM(fib_too_short)
{
	struct bpf_fib_lookup params = { .family = from, .ifindex = 1 };

	return bpf_nf_fib_lookup(ctx, &params, sizeof(params) - 1, flags);
}

PROGRAM(cookie)
{
	return bpf_nf_get_netns_cookie(ctx);
}

PROGRAM(cookie_of_init)
{
	return bpf_nf_has_pkt_pointers() ? bpf_get_netns_cookie(NULL) : 0;
}

static __always_inline __u32 packet_priority(struct bpf_nf_ctx *ctx)
{
	struct bpf_nf_ctx___nf *nf = (void *)ctx;
	__u32 value;

	if (!bpf_nf_has_pkt_pointers())
		return packet_of(ctx)->priority;
	value = nf->priority;
	/* The verifier refuses one load that is used for both addresses. */
	barrier_var(value);
	return value;
}

PROGRAM(mark_and_priority)
{
	__u32 old = bpf_nf_mark(ctx) | packet_priority(ctx);

	if (bpf_nf_set_mark(ctx, 0x12345678) || bpf_nf_set_priority(ctx, 0x9abcdef0))
		return -1;
	mark = bpf_nf_mark(ctx);
	priority = packet_priority(ctx);
	return old;
}

static __always_inline __s64 ask(struct bpf_nf_ctx *ctx, __u32 info__sz)
{
	struct bpf_nf_frag_info___nf info[2] = { { -1, -1, -1 } };
	__s64 err = BPF_NF_TRY(bpf_nf_frag_info, ctx, info, info__sz);

	frag_flags = info->flags;
	pieces = info->pieces;
	max_size = info->max_size;
	return err;
}

PROGRAM(frag_info)
{
	return ask(ctx, sizeof(struct bpf_nf_frag_info___nf));
}

PROGRAM(frag_info_too_short)
{
	return ask(ctx, sizeof(struct bpf_nf_frag_info___nf) - 1);
}

PROGRAM(frag_info_too_long)
{
	return ask(ctx, 2 * sizeof(struct bpf_nf_frag_info___nf));
}

PROGRAM(frag_info_null)
{
	return BPF_NF_TRY(bpf_nf_frag_info, ctx, bpf_map_lookup_elem(&empty, &runs),
			  sizeof(struct bpf_nf_frag_info___nf));
}

SEC("netfilter")
int jump_target(struct bpf_nf_ctx *ctx)
{
	const struct iphdr *iph;
	struct iphdr copy;

	BPF_NF_PKT(pkt, ctx);
	iph = bpf_nf_pkt_at(&pkt, 0, &copy, sizeof(copy));
	runs++;
	if (iph)
		ret = iph->version;
	return 0;
}

SEC("netfilter")
int jump_from(struct bpf_nf_ctx *ctx)
{
	runs++;
	bpf_tail_call(ctx, &jump, 0);
	ret = -1;
	give_packet(ctx);
	return 1;
}

SEC("netfilter")
int jump_below(struct bpf_nf_ctx *ctx)
{
	runs++;
	ret = jump_or_4(ctx);
	give_packet(ctx);
	return 1;
}
