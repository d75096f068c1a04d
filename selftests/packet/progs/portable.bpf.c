// SPDX-License-Identifier: GPL-2.0
/* Programs that read a packet by <bpf/bpf_netfilter.h>. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_netfilter.h>

#include "portable.h"

char _license[] SEC("license") = "GPL";

struct portable_io io;

static void count(struct bpf_nf_ctx *ctx)
{
	io.runs++;
	io.length = ctx->skb->len;
	io.linear = ctx->skb->len - ctx->skb->data_len;
}

SEC("netfilter")
int parse(struct bpf_nf_ctx *ctx)
{
	BPF_NF_PKT(pkt, ctx);
	count(ctx);
	io.result = bpf_nf_pkt_parse(&pkt, &io.flow);
	return NF_ACCEPT;
}

static __always_inline void
describe(const struct bpf_nf_pkt *pkt, const struct bpf_nf_flow *flow)
{
	io.details.ip_result = bpf_nf_pkt_ip(pkt, flow, &io.details.ip);
	io.details.gre_result = bpf_nf_pkt_gre(pkt, flow, &io.details.gre);
	io.details.tcp_flags = bpf_nf_pkt_tcp_flags(pkt, flow);
	io.details.vtag_result = bpf_nf_pkt_sctp_vtag(pkt, flow, &io.details.vtag);
	io.details.esp_result = bpf_nf_pkt_esp_spi(pkt, flow, &io.details.esp_spi);
	io.details.ah_result = bpf_nf_pkt_ah_spi(pkt, flow, &io.details.ah_spi);
	io.details.icmp_result = bpf_nf_pkt_icmp_id(pkt, flow, &io.details.icmp_id);
}

SEC("netfilter")
int details(struct bpf_nf_ctx *ctx)
{
	BPF_NF_PKT(pkt, ctx);
	count(ctx);
	io.result = bpf_nf_pkt_parse(&pkt, &io.flow);
	describe(&pkt, &io.flow);
	return NF_ACCEPT;
}

SEC("netfilter")
int inner(struct bpf_nf_ctx *ctx)
{
	struct bpf_nf_flow flow;

	BPF_NF_PKT(pkt, ctx);
	count(ctx);
	bpf_nf_pkt_parse(&pkt, &flow);
	io.result = bpf_nf_pkt_parse_inner(&pkt, &flow, io.details.vxlan_port, &io.flow);
	describe(&pkt, &io.flow);
	return NF_ACCEPT;
}

SEC("netfilter")
int quoted(struct bpf_nf_ctx *ctx)
{
	struct bpf_nf_flow flow;

	BPF_NF_PKT(pkt, ctx);
	count(ctx);
	bpf_nf_pkt_parse(&pkt, &flow);
	io.result = bpf_nf_pkt_parse_quoted(&pkt, &flow, &io.flow);
	return NF_ACCEPT;
}

static __always_inline void
take(const struct bpf_nf_pkt *pkt, __u32 off, __u32 len)
{
	__u64 buf[5];
	const void *p;

	__builtin_memset(buf, PORTABLE_FILLER, sizeof(buf));
	p = bpf_nf_pkt_at(pkt, off, buf, len);
	io.found = !!p;
	if (p)
		__builtin_memcpy(io.bytes, p, len);
	barrier();
	io.copied = *(__u8 *)buf != PORTABLE_FILLER;
}

SEC("netfilter")
int read_at(struct bpf_nf_ctx *ctx)
{
	BPF_NF_PKT(pkt, ctx);
	count(ctx);
	switch (io.len) {
	case 1:
		take(&pkt, io.off, 1);
		break;
	case 8:
		take(&pkt, io.off, 8);
		break;
	case 40:
		take(&pkt, io.off, 40);
		break;
	}
	return NF_ACCEPT;
}

/* The same where the compiler knows the offset. */
SEC("netfilter")
int read_start(struct bpf_nf_ctx *ctx)
{
	BPF_NF_PKT(pkt, ctx);
	count(ctx);
	take(&pkt, 0, 40);
	return NF_ACCEPT;
}

SEC("netfilter")
int read_ports(struct bpf_nf_ctx *ctx)
{
	BPF_NF_PKT(pkt, ctx);
	count(ctx);
	take(&pkt, 20, 8);
	return NF_ACCEPT;
}

/* Several packets' worth of names in one program do not get in each other's way. */
SEC("netfilter")
int read_twice(struct bpf_nf_ctx *ctx)
{
	const __u8 *first, *second;
	__u64 buf[2];

	BPF_NF_PKT(pkt, ctx);
	BPF_NF_PKT(again, ctx);
	count(ctx);
	first = bpf_nf_pkt_at(&pkt, 0, &buf[0], 8);
	second = bpf_nf_pkt_at(&again, 12, &buf[1], 8);
	if (!first || !second)
		return NF_DROP;
	__builtin_memcpy(io.bytes, first, 8);
	__builtin_memcpy(io.bytes + 8, second, 8);
	io.found = 1;
	return NF_ACCEPT;
}

/* Several variables, without the macro: one for the whole packet, one after it. */
SEC("netfilter")
int read_init(struct bpf_nf_ctx *ctx)
{
	struct bpf_nf_pkt pkt, again;
	const __u8 *first, *second;
	__u64 buf[2];

	count(ctx);
	bpf_nf_pkt_init(&pkt, ctx);
	first = bpf_nf_pkt_at(&pkt, 0, &buf[0], 8);
	if (first)
		__builtin_memcpy(io.bytes, first, 8);
	bpf_nf_pkt_init(&again, ctx);
	second = bpf_nf_pkt_at(&again, 12, &buf[1], 8);
	if (!first || !second)
		return NF_DROP;
	__builtin_memcpy(io.bytes + 8, second, 8);
	io.found = 1;
	return NF_ACCEPT;
}

/* Uses a feature of our kernel, but loads on other kernels as well. */
SEC("netfilter")
int frag_info(struct bpf_nf_ctx *ctx)
{
	struct bpf_nf_frag_info___nf info = { .pieces = 1 };

	io.runs++;
	io.result = BPF_NF_TRY(bpf_nf_frag_info, ctx, &info, sizeof(info));
	io.frag_flags = info.flags;
	io.frag_pieces = info.pieces;
	return NF_ACCEPT;
}

/* In a module, and so there or not. */
SEC("netfilter")
int ct_state(struct bpf_nf_ctx *ctx)
{
	struct bpf_nf_ct_info___nf info = {};

	io.runs++;
	io.result = BPF_NF_TRY(bpf_nf_ct_info, ctx, &info, sizeof(info));
	io.ct_state = info.state;
	return NF_ACCEPT;
}

SEC("netfilter")
int mark(struct bpf_nf_ctx *ctx)
{
	io.runs++;
	io.mark_before = bpf_nf_mark(ctx);
	io.result = bpf_nf_set_mark(ctx, 0x11223344);
	io.mark_after = bpf_nf_mark(ctx);
	if (!io.result)
		io.result = bpf_nf_set_priority(ctx, 0x55667788);
	io.priority = ctx->skb->priority;
	return NF_ACCEPT;
}
