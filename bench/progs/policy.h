/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The flow that the policies drop, for IPv4, and with -DIPV6 for IPv6. All programs parse and
 * compare in the same way, so that only their access to the packet differs.
 */
#ifndef __BENCH_POLICY_H__
#define __BENCH_POLICY_H__

/* Packet headers have the same layout on every kernel, and need no relocation. */
#define BPF_NO_PRESERVE_ACCESS_INDEX
#include "vmlinux.h"
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define NF_DROP		0
#define NF_ACCEPT	1
#define TC_ACT_OK	0
#define TC_ACT_SHOT	2
#define ETH_HLEN	14

#ifdef IPV6
#define ip_address struct in6_addr
#define ip_header struct ipv6hdr
#else
#define ip_address __be32
#define ip_header struct iphdr
#endif

struct flow {
	ip_address saddr;
	ip_address daddr;
	__be16 sport;
	__be16 dport;
	__u32 protocol;
};

/* The ports of the listed UDP flow, if the list is a single flow. */
#define LISTED_SPORT	bpf_htons(9)
#define LISTED_DPORT	bpf_htons(10)

/* For programs that copy the headers, or may have to. */
struct headers {
	ip_header iph;
	struct udphdr udph;
};

#ifdef IPV6
/* 2001:db8:1::9, 2001:db8:2::9 */
static __always_inline bool listed_addresses(const struct flow *flow)
{
	const __be32 *saddr = flow->saddr.in6_u.u6_addr32;
	const __be32 *daddr = flow->daddr.in6_u.u6_addr32;

	return saddr[0] == bpf_htonl(0x20010db8) && saddr[1] == bpf_htonl(0x10000) &&
	       saddr[2] == 0 && saddr[3] == bpf_htonl(9) &&
	       daddr[0] == bpf_htonl(0x20010db8) && daddr[1] == bpf_htonl(0x20000) &&
	       daddr[2] == 0 && daddr[3] == bpf_htonl(9);
}

static __always_inline bool parse_network(const struct ipv6hdr *iph, struct flow *flow)
{
	flow->protocol = iph->nexthdr;
	return true;
}
#else
/* 192.0.2.9, 198.51.100.9 */
static __always_inline bool listed_addresses(const struct flow *flow)
{
	return flow->saddr == bpf_htonl(0xc0000209) && flow->daddr == bpf_htonl(0xc6336409);
}

static __always_inline bool parse_network(const struct iphdr *iph, struct flow *flow)
{
	flow->protocol = iph->protocol;
	return iph->ihl == 5;
}
#endif

/* TCP and UDP have their ports at the same place. */
static __always_inline bool parse(void *data, void *data_end, struct flow *flow)
{
	ip_header *iph = data;
	struct udphdr *udph = data + sizeof(*iph);

	if ((void *)(udph + 1) > data_end || !parse_network(iph, flow))
		return false;
	flow->saddr = iph->saddr;
	flow->daddr = iph->daddr;
	flow->sport = udph->source;
	flow->dport = udph->dest;
	return true;
}

static __always_inline bool is_listed(const struct flow *flow)
{
	return (flow->protocol == IPPROTO_UDP || flow->protocol == IPPROTO_TCP) &&
	       listed_addresses(flow) && flow->sport == LISTED_SPORT &&
	       flow->dport == LISTED_DPORT;
}

#endif /* __BENCH_POLICY_H__ */
