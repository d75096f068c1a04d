// SPDX-License-Identifier: GPL-2.0
/*
 * Tries to change what binds the fragments of a tracked datagram, and what must stay possible.
 * It counts in "flags" the calls that are refused with -EOPNOTSUPP, and in "pieces" those that
 * succeed. "result" is the error of any other call.
 */
#include "vmlinux.h"
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_netfilter.h>

#include "stats.bpf.h"

char _license[] SEC("license") = "GPL";

enum {
	ACCEPT	= 1,
	TRACKED	= 1 << 3,	/* BPF_NF_FRAG_TRACKED */
};

static __always_inline void note(struct policy_stats *stats, long err)
{
	if (err == -EOPNOTSUPP)
		stats->flags++;
	else if (!err)
		stats->pieces++;
	else
		stats->result = -err;
}

/* Store a byte in which other bits are set. */
static __always_inline void flip(struct bpf_nf_ctx *ctx, struct policy_stats *stats,
				 __u32 offset, __u8 bits)
{
	__u8 byte;

	if (bpf_nf_skb_load_bytes(ctx, offset, &byte, 1))
		return;
	byte ^= bits;
	note(stats, bpf_nf_skb_store_bytes(ctx, offset, &byte, 1, 0));
}

static __always_inline void change(struct bpf_nf_ctx *ctx, struct policy_stats *stats,
				   __u32 offset)
{
	flip(ctx, stats, offset, 1);
}

/* Store the byte that is there. */
static __always_inline void keep(struct bpf_nf_ctx *ctx, struct policy_stats *stats,
				 __u32 offset)
{
	__u8 byte;

	if (bpf_nf_skb_load_bytes(ctx, offset, &byte, 1))
		return;
	note(stats, bpf_nf_skb_store_bytes(ctx, offset, &byte, 1, 0));
}

/* Change the DSCP, and set it back: two successes */
static __always_inline void change_dscp(struct bpf_nf_ctx *ctx, struct policy_stats *stats,
					__u8 bits)
{
	flip(ctx, stats, 1, bits);
	flip(ctx, stats, 1, bits);
}

/* ECN, identification, offset, protocol, addresses: eight refusals */
static __always_inline void change_v4(struct bpf_nf_ctx *ctx, struct policy_stats *stats)
{
	change_dscp(ctx, stats, 0x20);
	flip(ctx, stats, 1, 0x02);
	change(ctx, stats, 4);
	change(ctx, stats, 7);
	change(ctx, stats, 9);
	change(ctx, stats, 12);
	change(ctx, stats, 15);
	change(ctx, stats, 16);
	change(ctx, stats, 19);
}

/* ECN, the next header, addresses, and three fields of the fragment header: eight refusals */
static __always_inline void change_v6(struct bpf_nf_ctx *ctx, struct policy_stats *stats)
{
	change_dscp(ctx, stats, 0x40);
	flip(ctx, stats, 1, 0x20);
	change(ctx, stats, 6);
	change(ctx, stats, 8);
	change(ctx, stats, 23);
	change(ctx, stats, 24);
	change(ctx, stats, 40);
	change(ctx, stats, 43);
	change(ctx, stats, 47);
}

/* An answer needs the rest of the datagram, and NAT would not translate it. */
static __always_inline void answer(struct bpf_nf_ctx *ctx, struct policy_stats *stats)
{
	union bpf_nf_addr addr = {};

	note(stats, bpf_nf_reject___nf(ctx, BPF_NF_REJECT_ICMPX, BPF_NF_REJECT_PORT_UNREACH));
	if (BPF_NF_HAS(bpf_nf_ct_set_nat))
		note(stats, bpf_nf_ct_set_nat___nf(ctx, &addr, 0, BPF_NF_NAT_SRC));
	else
		note(stats, -EOPNOTSUPP);
}

SEC("netfilter")
int refuse(struct bpf_nf_ctx *ctx)
{
	bool v4 = ctx->state->pf == NFPROTO_IPV4;
	struct policy_stats *stats = get_stats();
	struct bpf_nf_frag_info___nf info = {};
	__u32 transport = v4 ? 20 : 48;

	if (!stats || bpf_nf_frag_info___nf(ctx, &info, sizeof(info)) ||
	    !(info.flags & TRACKED))
		return ACCEPT;
	stats->packets++;
	if (v4)
		change_v4(ctx, stats);
	else
		change_v6(ctx, stats);
	/* Both ports, also by the helper for checksums: three refusals */
	change(ctx, stats, transport);
	change(ctx, stats, transport + 3);
	note(stats, bpf_nf_l4_csum_replace(ctx, transport + 2, 0, bpf_htons(1), 2));
	/* The length of UDP, which is that of the whole datagram: two refusals */
	change(ctx, stats, transport + 4);
	change(ctx, stats, transport + 5);
	answer(ctx, stats);
	/* Without a change: one success. Behind the length, and back: two */
	keep(ctx, stats, transport + 4);
	flip(ctx, stats, transport + 6, 1);
	flip(ctx, stats, transport + 6, 1);
	return ACCEPT;
}
