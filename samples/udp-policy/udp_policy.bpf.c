// SPDX-License-Identifier: GPL-2.0
/*
 * The policy accepts UDP port 53 and ICMP, and drops other UDP. It accepts packets
 * of other protocols, and drops packets that it cannot parse.
 *
 * The file is built three times: for a netfilter hook, with -DSAMPLE_TRACK for a hook
 * with "fragments track", and with -DSAMPLE_TC for tc. A tc program sees the fragments
 * as they arrive, and only the first fragment has the port. So there are two programs
 * for tc, and each is wrong about the later fragments in its own way.
 */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_netfilter.h>

#ifdef SAMPLE_TC
#include "tc_flow.h"
#endif

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
decide(int result, const struct bpf_nf_flow *flow, enum udp_policy_fragments fragments)
{
	if (flow->fragment && fragments == FRAGMENTS_DROP_ALL)
		return UDP_POLICY_DROPPED_FRAGMENT;
	if (result == BPF_NF_PARSE_LATER)
		return fragments == FRAGMENTS_DROP_LATER ?
		       UDP_POLICY_DROPPED_FRAGMENT : UDP_POLICY_ACCEPTED;
	if (result)
		return UDP_POLICY_DROPPED;
	if (flow->tuple.protocol != IPPROTO_UDP)
		return UDP_POLICY_ACCEPTED;
	/* The policy is stateless: it knows an answer by its source port. */
	if (flow->tuple.dport == DNS_PORT || flow->tuple.sport == DNS_PORT)
		return UDP_POLICY_ACCEPTED;
	return UDP_POLICY_DROPPED;
}

static __always_inline bool
accepted(int result, const struct bpf_nf_flow *flow, enum udp_policy_fragments fragments)
{
	enum udp_policy_verdict verdict = decide(result, flow, fragments);
	__u32 key = verdict;
	__u64 *count;

	count = bpf_map_lookup_elem(&verdicts, &key);
	if (count)
		(*count)++;
	return verdict == UDP_POLICY_ACCEPTED;
}

#ifdef SAMPLE_TC

static __always_inline int
tc_policy(struct __sk_buff *skb, enum udp_policy_fragments fragments)
{
	struct bpf_nf_flow flow;
	int result;

	/* A tc program also sees ARP and other protocols of the link. */
	if (skb->protocol != bpf_htons(ETH_P_IP) && skb->protocol != bpf_htons(ETH_P_IPV6))
		return TC_ACT_OK;
	result = tc_parse(skb, &flow);
	return accepted(result, &flow, fragments) ? TC_ACT_OK : TC_ACT_SHOT;
}

SEC("tc")
int udp_policy_accept_later(struct __sk_buff *skb)
{
	return tc_policy(skb, FRAGMENTS_ACCEPT_LATER);
}

SEC("tc")
int udp_policy_drop_later(struct __sk_buff *skb)
{
	return tc_policy(skb, FRAGMENTS_DROP_LATER);
}

#else

static __always_inline int
netfilter_policy(struct bpf_nf_ctx *ctx, enum udp_policy_fragments fragments)
{
	struct bpf_nf_flow flow;
	int result;

	BPF_NF_PKT(pkt, ctx);
	result = bpf_nf_pkt_parse(&pkt, &flow);
	return accepted(result, &flow, fragments) ? NF_ACCEPT : NF_DROP;
}

#ifdef SAMPLE_TRACK

/*
 * With "fragments track" the program also sees first fragments, and its verdict is that of the
 * datagram. It never sees a later fragment.
 */
SEC("netfilter")
int udp_policy_track(struct bpf_nf_ctx *ctx)
{
	return netfilter_policy(ctx, FRAGMENTS_DROP_LATER);
}

#else

/*
 * With the defrag flag the program sees whole packets. If a packet is still a
 * fragment, reassembly could not handle it, and the end host should not get it.
 */
SEC("netfilter")
int udp_policy_netfilter(struct bpf_nf_ctx *ctx)
{
	return netfilter_policy(ctx, FRAGMENTS_DROP_ALL);
}

#endif /* SAMPLE_TRACK */

#endif /* SAMPLE_TC */
