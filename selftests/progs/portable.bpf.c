// SPDX-License-Identifier: GPL-2.0
/* What <bpf/bpf_netfilter.h> makes of a packet. */
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
take(const struct bpf_nf_pkt *pkt, __u32 off, __u32 len)
{
	__u64 buf[5];
	const void *p;

	__builtin_memset(buf, PORTABLE_FILLER, sizeof(buf));
	p = bpf_nf_pkt_at(pkt, off, buf, len);
	io.found = !!p;
	if (p)
		__builtin_memcpy(io.bytes, p, len);
	io.copied = *(volatile __u8 *)buf != PORTABLE_FILLER;
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
