// SPDX-License-Identifier: GPL-2.0
/* Sets the DSCP to EF, with the checksum of IPv4. */
#include "outcome.bpf.h"

enum { EF = 46 << 2 };

static __always_inline int rewrite_v4(struct bpf_nf_ctx *ctx)
{
	__u8 old[2], new[2];
	int err;

	err = bpf_nf_skb_load_bytes(ctx, 0, old, sizeof(old));
	if (err)
		return err;
	new[0] = old[0];
	new[1] = EF;
	return bpf_nf_skb_store_bytes(ctx, 1, &new[1], 1, 0) ?:
	       bpf_nf_l3_csum_replace(ctx, 10, *(__u16 *)old, *(__u16 *)new, sizeof(new));
}

static __always_inline int rewrite_v6(struct bpf_nf_ctx *ctx)
{
	__u8 bytes[2];
	int err;

	err = bpf_nf_skb_load_bytes(ctx, 0, bytes, sizeof(bytes));
	if (err)
		return err;
	bytes[0] = 0x60 | EF >> 4;
	bytes[1] = (EF & 0xf) << 4 | (bytes[1] & 0xf);
	return bpf_nf_skb_store_bytes(ctx, 0, bytes, sizeof(bytes), 0);
}

SEC("netfilter")
int filter(struct bpf_nf_ctx *ctx)
{
	struct bpf_nf_flow flow = {};
	struct policy_stats *stats = judged(ctx, &flow);
	int err;

	if (!stats)
		return NF_ACCEPT;
	if (!bpf_nf_has_packet_access())
		return outcome(stats, -EOPNOTSUPP, NF_DROP);
	err = flow.tuple.family == NFPROTO_IPV4 ? rewrite_v4(ctx) : rewrite_v6(ctx);
	return outcome(stats, err, NF_ACCEPT);
}
