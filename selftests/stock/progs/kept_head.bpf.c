// SPDX-License-Identifier: GPL-2.0
/* Reads through a pointer to the packet after calls that move the packet's data. The verifier of
 * an unmodified kernel accepts this, so the old data must still be there. "mark" is what the
 * program read through the old pointer, "priority" what it read anew. "flags" is the number of
 * packets that still share the old data.
 */
#include "outcome.bpf.h"
#include <bpf/bpf_core_read.h>

enum { HEADER = 40, TTL_V4 = 8, TTL_V6 = 7, NEW_TTL = 33, DATAREF = 0xffff };

/* Patched 6.1 does not have this kfunc, and must refuse the program for another reason. */
void *bpf_rdonly_cast(const void *obj, __u32 btf_id) __ksym __weak;

static __always_inline __u32 ttl_at(const __u8 *header, bool v6)
{
	return v6 ? header[TTL_V6] : header[TTL_V4];
}

static __always_inline int store_ttl(struct bpf_nf_ctx *ctx, bool v6, __u8 ttl)
{
	return bpf_nf_skb_store_bytes(ctx, v6 ? TTL_V6 : TTL_V4, &ttl, sizeof(ttl), 0);
}

/* The first call moves the data, because it is in pieces or shared. If the old data was freed,
 * the second pull may move the packet with its new TTL there.
 */
static __always_inline int move(struct bpf_nf_ctx *ctx, bool v6, __u32 length)
{
	return bpf_nf_skb_pull_data(ctx, length / 4 * 3) ?: store_ttl(ctx, v6, NEW_TTL) ?:
	       bpf_nf_skb_pull_data(ctx, length) ?: store_ttl(ctx, v6, NEW_TTL);
}

/* shared_info is at the end of the old data. If this memory was freed, the read does not fail, but
 * the number is wrong.
 */
static __always_inline __u32 sharing(const void *shared_info)
{
	const struct skb_shared_info *info;

	if (!bpf_ksym_exists(bpf_rdonly_cast))
		return 0;
	info = bpf_rdonly_cast(shared_info, bpf_core_type_id_kernel(struct skb_shared_info));
	return info->dataref.counter & DATAREF;
}

SEC("netfilter")
int filter(struct bpf_nf_ctx *ctx)
{
	struct bpf_nf_flow flow = {};
	struct policy_stats *stats;
	__u64 buf[HEADER / 8], new_buf[HEADER / 8];
	const __u8 *header, *anew;
	const void *shared_info;
	unsigned long number = 0;
	__u32 ttl, length;
	bool v6;
	int err;

	/* One for the program: the verifier refuses a buffer in place of another dynptr. */
	BPF_NF_PKT(pkt, ctx);

	stats = judged_pkt(&pkt, &flow);
	if (!stats)
		return NF_ACCEPT;
	v6 = flow.tuple.family == NFPROTO_IPV6;
	length = ctx->skb->len;
	shared_info = ctx->skb->head + ctx->skb->end;
	header = bpf_nf_pkt_at(&pkt, 0, buf, HEADER);
	if (!header)
		return NF_DROP;
	ttl = ttl_at(header, v6);
	err = move(ctx, v6, length);
	stats->mark = ttl_at(header, v6);
	stats->flags = sharing(shared_info);
	/* KASAN does not see what a program reads, but what a helper reads for it. */
	bpf_strtoul((void *)header, HEADER, 0, &number);
	anew = bpf_nf_pkt_at(&pkt, 0, new_buf, HEADER);
	if (!anew)
		return NF_DROP;
	stats->priority = ttl_at(anew, v6);
	stats->length = length;
	return outcome(stats, err ?: store_ttl(ctx, v6, ttl), NF_ACCEPT);
}
