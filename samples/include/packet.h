/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How a program gets at the packet: all that differs between a sample built for
 * a netfilter hook (the default) and one built for tc (-DSAMPLE_TC).
 *
 *   packet_family(ctx)                 NFPROTO_IPV4, NFPROTO_IPV6, or else not IP
 *   packet_load(ctx, off, to, size)    bytes from the IP header on; 0, or negative
 *                                      when they cannot be read
 *   PACKET_ACCEPT, PACKET_DROP         what the program returns
 */
#ifndef SAMPLES_PACKET_H
#define SAMPLES_PACKET_H

#include "vmlinux.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

/* Macros in the uapi headers, so neither BTF nor vmlinux.h has them. */
#define NF_DROP		0
#define NF_ACCEPT	1
#define TC_ACT_OK	0
#define TC_ACT_SHOT	2
#define ETH_P_IP	0x0800
#define ETH_P_IPV6	0x86DD

#ifdef SAMPLE_TC

#define PACKET_ACCEPT	TC_ACT_OK
#define PACKET_DROP	TC_ACT_SHOT

/* No typedef: CO-RE looks a type up by name, and the kernel has none such. */
#define packet_ctx	struct __sk_buff

static __always_inline int packet_family(packet_ctx *ctx)
{
	switch (ctx->protocol) {
	case bpf_htons(ETH_P_IP):
		return NFPROTO_IPV4;
	case bpf_htons(ETH_P_IPV6):
		return NFPROTO_IPV6;
	default:
		return NFPROTO_UNSPEC;
	}
}

static __always_inline int packet_load(packet_ctx *ctx, __u32 off, void *to,
				       __u32 size)
{
	return bpf_skb_load_bytes_relative(ctx, off, to, size,
					   BPF_HDR_START_NET);
}

#else

#define PACKET_ACCEPT	NF_ACCEPT
#define PACKET_DROP	NF_DROP

#define packet_ctx	struct bpf_nf_ctx

static __always_inline int packet_family(packet_ctx *ctx)
{
	return ctx->state->pf;
}

/*
 * Only the linear part of the skb can be read this way. The IP layer has pulled
 * its own header in; where a driver left the L4 header in a page, the caller is
 * told so and must drop.
 */
static __always_inline int packet_load(packet_ctx *ctx, __u32 off, void *to,
				       __u32 size)
{
	struct sk_buff *skb = ctx->skb;

	/* In all five hooks skb->data is at the network header. */
	if ((__u64)off + size > skb->len - skb->data_len)
		return -1;
	return bpf_probe_read_kernel(to, size,
				     skb->head + skb->network_header + off);
}

#endif /* SAMPLE_TC */

#endif /* SAMPLES_PACKET_H */
