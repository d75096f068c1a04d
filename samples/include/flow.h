/* SPDX-License-Identifier: GPL-2.0 */
/* Finds the transport header of an IPv4 or IPv6 packet, and the ports of UDP. */
#ifndef SAMPLES_FLOW_H
#define SAMPLES_FLOW_H

#include "packet.h"

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

/* A chain that is longer is refused: the walk must end, and hosts send two or three. */
#define FLOW_MAX_EXTENSION_HEADERS 8

struct flow {
	__u8 protocol;		/* of the transport header, once found */
	bool fragment;		/* of any kind, an atomic fragment of IPv6 excepted */
	bool later_fragment;	/* has no transport header: nothing below is known */
	__be16 sport;		/* both 0 unless protocol is IPPROTO_UDP */
	__be16 dport;
	__u32 transport;	/* offset from the IP header */
};

static __always_inline int flow_walk_ipv4(packet_ctx *ctx, struct flow *flow)
{
	struct iphdr ip;
	__u16 frag_off;

	if (packet_load(ctx, 0, &ip, sizeof(ip)) || ip.version != 4 || ip.ihl < 5)
		return -1;
	frag_off = bpf_ntohs(ip.frag_off);
	flow->fragment = frag_off & (IP_MF | IP_OFFSET);
	flow->later_fragment = frag_off & IP_OFFSET;
	flow->protocol = ip.protocol;
	flow->transport = ip.ihl * 4;
	return 0;
}

static __always_inline int flow_walk_fragment(packet_ctx *ctx, struct flow *flow)
{
	struct frag_hdr frag;
	__u16 frag_off;

	if (packet_load(ctx, flow->transport, &frag, sizeof(frag)))
		return -1;
	frag_off = bpf_ntohs(frag.frag_off);
	flow->fragment = frag_off & (IP6F_MORE_FRAG | IP6F_OFF_MASK);
	flow->later_fragment = frag_off & IP6F_OFF_MASK;
	flow->protocol = frag.nexthdr;
	flow->transport += sizeof(frag);
	return 0;
}

/* Returns 1 when the header at hand is the transport header. */
static __always_inline int flow_walk_extension(packet_ctx *ctx, struct flow *flow)
{
	struct ipv6_opt_hdr opt;

	switch (flow->protocol) {
	case NEXTHDR_FRAGMENT:
		/* A second one would hide which of them the end host obeys. */
		if (flow->fragment)
			return -1;
		return flow_walk_fragment(ctx, flow);
	case NEXTHDR_HOP:
	case NEXTHDR_ROUTING:
	case NEXTHDR_AUTH:
	case NEXTHDR_DEST:
	case NEXTHDR_MOBILITY:
	case NEXTHDR_HIP:
	case NEXTHDR_SHIM6:
		break;
	default:
		return 1;
	}
	if (packet_load(ctx, flow->transport, &opt, sizeof(opt)))
		return -1;
	flow->transport += flow->protocol == NEXTHDR_AUTH ?
			   (opt.hdrlen + 2) * 4 : (opt.hdrlen + 1) * 8;
	flow->protocol = opt.nexthdr;
	return 0;
}

static __always_inline int flow_walk_ipv6(packet_ctx *ctx, struct flow *flow)
{
	struct ipv6hdr ip;
	int i, err;

	if (packet_load(ctx, 0, &ip, sizeof(ip)) || ip.version != 6)
		return -1;
	flow->protocol = ip.nexthdr;
	flow->transport = sizeof(ip);
	for (i = 0; i <= FLOW_MAX_EXTENSION_HEADERS; i++) {
		if (flow->later_fragment)
			return 0;
		err = flow_walk_extension(ctx, flow);
		if (err)
			return err < 0 ? err : 0;
	}
	return -1;
}

/*
 * Returns 0, or negative for a packet of which the transport protocol, or with
 * UDP the ports, cannot be told. What follows from that is the caller's policy.
 */
static __always_inline int flow_parse(packet_ctx *ctx, struct flow *flow)
{
	struct udphdr udp;
	int err = -1;

	__builtin_memset(flow, 0, sizeof(*flow));
	switch (packet_family(ctx)) {
	case NFPROTO_IPV4:
		err = flow_walk_ipv4(ctx, flow);
		break;
	case NFPROTO_IPV6:
		err = flow_walk_ipv6(ctx, flow);
		break;
	}
	if (err)
		return err;
	if (flow->later_fragment || flow->protocol != IPPROTO_UDP)
		return 0;
	if (packet_load(ctx, flow->transport, &udp, sizeof(udp)))
		return -1;
	flow->sport = udp.source;
	flow->dport = udp.dest;
	return 0;
}

#endif /* SAMPLES_FLOW_H */
