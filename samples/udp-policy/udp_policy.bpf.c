// SPDX-License-Identifier: GPL-2.0
/*
 * UDP port 53 and ICMP pass, other UDP does not; what isn't UDP passes, and
 * what cannot be parsed does not.
 *
 * One policy, built twice: for a netfilter hook, and with -DSAMPLE_TC for tc,
 * where the program sees the fragments as they arrive. Only the first one says
 * which port it is for, so there are two programs for tc, and each is wrong
 * about the rest of the fragments in its own way.
 */
#include "flow.h"

char LICENSE[] SEC("license") = "GPL";

#define DNS_PORT	bpf_htons(53)

enum udp_policy_verdict {
	UDP_POLICY_ACCEPTED = 0,
	UDP_POLICY_DROPPED = 1,
	UDP_POLICY_DROPPED_FRAGMENT = 2,
	UDP_POLICY_VERDICTS = 3,
};

enum udp_policy_fragments {
	FRAGMENTS_ACCEPT_LATER,
	FRAGMENTS_DROP_LATER,
	FRAGMENTS_DROP_ALL,
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, UDP_POLICY_VERDICTS);
	__type(key, __u32);
	__type(value, __u64);
} verdicts SEC(".maps");

static __always_inline enum udp_policy_verdict
decide(packet_ctx *ctx, enum udp_policy_fragments fragments)
{
	struct flow flow;

	if (flow_parse(ctx, &flow))
		return UDP_POLICY_DROPPED;
	if (flow.fragment && fragments == FRAGMENTS_DROP_ALL)
		return UDP_POLICY_DROPPED_FRAGMENT;
	if (flow.later_fragment)
		return fragments == FRAGMENTS_DROP_LATER ?
		       UDP_POLICY_DROPPED_FRAGMENT : UDP_POLICY_ACCEPTED;
	if (flow.protocol != IPPROTO_UDP)
		return UDP_POLICY_ACCEPTED;
	/* Stateless: an answer is known by the port it comes from. */
	if (flow.dport == DNS_PORT || flow.sport == DNS_PORT)
		return UDP_POLICY_ACCEPTED;
	return UDP_POLICY_DROPPED;
}

static __always_inline int
udp_policy(packet_ctx *ctx, enum udp_policy_fragments fragments)
{
	enum udp_policy_verdict verdict = decide(ctx, fragments);
	__u32 key = verdict;
	__u64 *count;

	count = bpf_map_lookup_elem(&verdicts, &key);
	if (count)
		(*count)++;
	return verdict == UDP_POLICY_ACCEPTED ? PACKET_ACCEPT : PACKET_DROP;
}

#ifdef SAMPLE_TC

/* At tc there are also ARP and the rest of what a link carries. */
static __always_inline bool is_ip(packet_ctx *ctx)
{
	return packet_family(ctx) != NFPROTO_UNSPEC;
}

SEC("tc")
int udp_policy_accept_later(packet_ctx *ctx)
{
	return is_ip(ctx) ? udp_policy(ctx, FRAGMENTS_ACCEPT_LATER) : PACKET_ACCEPT;
}

SEC("tc")
int udp_policy_drop_later(packet_ctx *ctx)
{
	return is_ip(ctx) ? udp_policy(ctx, FRAGMENTS_DROP_LATER) : PACKET_ACCEPT;
}

#else

/*
 * Attached with the defrag flag it sees whole packets. What still is a fragment
 * then is one that reassembly refused to judge, and no business of the end host.
 */
SEC("netfilter")
int udp_policy_netfilter(packet_ctx *ctx)
{
	return udp_policy(ctx, FRAGMENTS_DROP_ALL);
}

#endif /* SAMPLE_TC */
