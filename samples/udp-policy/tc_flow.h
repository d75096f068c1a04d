/* SPDX-License-Identifier: GPL-2.0 */
/*
 * tc_parse() does for a tc program what bpf_nf_pkt_parse() does for a netfilter
 * program, as far as a policy for UDP needs it.
 */
#ifndef SAMPLES_TC_FLOW_H
#define SAMPLES_TC_FLOW_H

#include "vmlinux.h"
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_netfilter.h>

/* These are macros in the uapi headers, so neither BTF nor vmlinux.h has them. */
#define TC_ACT_OK		0
#define TC_ACT_SHOT		2
#define ETH_P_IP		0x0800
#define ETH_P_IPV6		0x86DD
#define IP_MF			0x2000
#define IP_OFFSET		0x1fff
#define IP6F_MORE_FRAG		0x0001
#define IP6F_OFF_MASK		0xfff8
#define NEXTHDR_HOP		0
#define NEXTHDR_ROUTING		43
#define NEXTHDR_FRAGMENT	44
#define NEXTHDR_AUTH		51
#define NEXTHDR_DEST		60
#define NEXTHDR_MOBILITY	135
#define NEXTHDR_HIP		139
#define NEXTHDR_SHIM6		140

static __always_inline int tc_load(struct __sk_buff *skb, __u32 off, void *to,
				   __u32 size)
{
	return bpf_skb_load_bytes_relative(skb, off, to, size, BPF_HDR_START_NET);
}

static __always_inline void tc_set_fragment(struct bpf_nf_flow *flow, bool later,
					    bool more)
{
	if (later)
		flow->fragment = BPF_NF_FRAGMENT_LATER;
	else if (more)
		flow->fragment = BPF_NF_FRAGMENT_FIRST;
}

static __always_inline int tc_start_ipv4(struct __sk_buff *skb, struct bpf_nf_flow *flow)
{
	struct iphdr ip;
	__u16 frag_off;

	if (tc_load(skb, 0, &ip, sizeof(ip)) || ip.version != 4 || ip.ihl < 5)
		return BPF_NF_PARSE_MALFORMED;
	frag_off = bpf_ntohs(ip.frag_off);
	tc_set_fragment(flow, frag_off & IP_OFFSET, frag_off & IP_MF);
	flow->tuple.protocol = ip.protocol;
	flow->l4_off = ip.ihl * 4;
	return BPF_NF_PARSED;
}

static __always_inline int tc_walk_fragment(struct __sk_buff *skb,
					    struct bpf_nf_flow *flow)
{
	struct frag_hdr frag;
	__u16 frag_off;

	/* With two fragment headers we cannot know which one the end host obeys. */
	if (flow->fragment)
		return BPF_NF_PARSE_CHAIN;
	if (tc_load(skb, flow->l4_off, &frag, sizeof(frag)))
		return BPF_NF_PARSE_CUT;
	frag_off = bpf_ntohs(frag.frag_off);
	tc_set_fragment(flow, frag_off & IP6F_OFF_MASK, frag_off & IP6F_MORE_FRAG);
	flow->tuple.protocol = frag.nexthdr;
	flow->l4_off += sizeof(frag);
	return BPF_NF_PARSED;
}

static __always_inline int tc_walk_options(struct __sk_buff *skb,
					   struct bpf_nf_flow *flow)
{
	struct ipv6_opt_hdr opt;

	if (tc_load(skb, flow->l4_off, &opt, sizeof(opt)))
		return BPF_NF_PARSE_CUT;
	flow->l4_off += flow->tuple.protocol == NEXTHDR_AUTH ?
			(opt.hdrlen + 2) * 4 : (opt.hdrlen + 1) * 8;
	flow->tuple.protocol = opt.nexthdr;
	return BPF_NF_PARSED;
}

static __always_inline int tc_start_ipv6(struct __sk_buff *skb, struct bpf_nf_flow *flow)
{
	struct ipv6hdr ip;

	if (tc_load(skb, 0, &ip, sizeof(ip)) || ip.version != 6)
		return BPF_NF_PARSE_MALFORMED;
	flow->tuple.protocol = ip.nexthdr;
	flow->l4_off = sizeof(ip);
	return BPF_NF_PARSED;
}

static __always_inline bool tc_is_extension(struct __sk_buff *skb, __u8 protocol)
{
	if (skb->protocol == bpf_htons(ETH_P_IP))
		return protocol == NEXTHDR_AUTH;
	switch (protocol) {
	case NEXTHDR_HOP:
	case NEXTHDR_ROUTING:
	case NEXTHDR_FRAGMENT:
	case NEXTHDR_AUTH:
	case NEXTHDR_DEST:
	case NEXTHDR_MOBILITY:
	case NEXTHDR_HIP:
	case NEXTHDR_SHIM6:
		return true;
	default:
		return false;
	}
}

static __always_inline int tc_walk_extensions(struct __sk_buff *skb,
					      struct bpf_nf_flow *flow)
{
	int i, result;

	for (i = 0; i <= BPF_NF_MAX_EXTENSIONS; i++) {
		if (flow->fragment == BPF_NF_FRAGMENT_LATER ||
		    !tc_is_extension(skb, flow->tuple.protocol))
			return BPF_NF_PARSED;
		result = flow->tuple.protocol == NEXTHDR_FRAGMENT ?
			 tc_walk_fragment(skb, flow) : tc_walk_options(skb, flow);
		if (result)
			return result;
	}
	return BPF_NF_PARSE_CHAIN;
}

/* Set the protocol, its offset, the fragment state, and the ports of UDP. */
static __always_inline int tc_parse(struct __sk_buff *skb, struct bpf_nf_flow *flow)
{
	struct udphdr udp;
	int result;

	__builtin_memset(flow, 0, sizeof(*flow));
	if (skb->protocol == bpf_htons(ETH_P_IP))
		result = tc_start_ipv4(skb, flow);
	else
		result = tc_start_ipv6(skb, flow);
	if (!result)
		result = tc_walk_extensions(skb, flow);
	if (result)
		return result;
	if (flow->fragment == BPF_NF_FRAGMENT_LATER)
		return BPF_NF_PARSE_LATER;
	if (flow->tuple.protocol != IPPROTO_UDP)
		return BPF_NF_PARSED;
	if (tc_load(skb, flow->l4_off, &udp, sizeof(udp)))
		return BPF_NF_PARSE_CUT;
	flow->tuple.sport = udp.source;
	flow->tuple.dport = udp.dest;
	return BPF_NF_PARSED;
}

#endif /* SAMPLES_TC_FLOW_H */
