// SPDX-License-Identifier: GPL-2.0
/*
 * Written for mainline, without a word of this project. It is compiled as it is, and with
 * <bpf/bpf_netfilter_dynptr.h> in front.
 */
#include "vmlinux.h"
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "dynptr.h"

#define NF_DROP		0
#define NF_ACCEPT	1

extern int bpf_dynptr_from_skb(struct sk_buff *skb, __u64 flags,
			       struct bpf_dynptr *ptr__uninit) __ksym;
void *bpf_dynptr_slice(const struct bpf_dynptr *ptr, uint32_t offset,
		       void *buffer, uint32_t buffer__sz) __ksym;

char _license[] SEC("license") = "GPL";

struct dynptr_io io;

/* A function of its own, to which only the dynptr is passed. */
static __noinline int read_ports(const struct bpf_dynptr *ptr, __u32 off)
{
	const struct udphdr *udp;
	struct udphdr buffer;

	udp = bpf_dynptr_slice(ptr, off, &buffer, sizeof(buffer));
	if (!udp)
		return 0;
	io.sport = udp->source;
	io.dport = udp->dest;
	return 1;
}

static __always_inline int read_packet(const struct bpf_dynptr *ptr)
{
	const struct iphdr *ip;
	struct iphdr buffer;

	ip = bpf_dynptr_slice(ptr, 0, &buffer, sizeof(buffer));
	if (!ip)
		return NF_DROP;
	io.protocol = ip->protocol;
	io.daddr = ip->daddr;
	io.found = read_ports(ptr, io.off ?: ip->ihl * 4);
	return NF_ACCEPT;
}

SEC("netfilter")
int with_context(struct bpf_nf_ctx *ctx)
{
	struct sk_buff *skb = ctx->skb;
	struct bpf_dynptr ptr, bad;

	io.runs++;
	io.flags_result = bpf_dynptr_from_skb(skb, 1, &bad);
	io.result = bpf_dynptr_from_skb(skb, 0, &ptr);
	if (skb->len <= sizeof(struct iphdr) || io.result)
		return NF_DROP;
	return read_packet(&ptr);
}

#ifdef BPF_NF_DYNPTR_LINEAR
static int by_skb(struct sk_buff *skb)
{
	struct bpf_dynptr ptr;

	io.result = bpf_dynptr_from_skb(skb, 0, &ptr);
	return io.result ? NF_DROP : read_packet(&ptr);
}

SEC("netfilter")
int without_context(struct bpf_nf_ctx *ctx)
{
	io.runs++;
	return by_skb(ctx->skb);
}
#endif
