// SPDX-License-Identifier: GPL-2.0
/* Accept ICMP and the traffic that a rule allows, in both directions; drop the rest. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_netfilter.h>

#include "firewall.h"

char LICENSE[] SEC("license") = "GPL";

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__type(key, struct bpf_nf_tuple);
	__type(value, struct firewall_rule);
} rules SEC(".maps");

/* A source port of 0 in a rule means any port; a source of 0 means any client. */
static __always_inline struct firewall_rule *find_rule(struct bpf_nf_tuple *tuple)
{
	struct firewall_rule *rule;

	rule = bpf_map_lookup_elem(&rules, tuple);
	if (rule)
		return rule;
	tuple->sport = 0;
	rule = bpf_map_lookup_elem(&rules, tuple);
	if (rule)
		return rule;
	tuple->saddr = (union bpf_nf_addr){};
	return bpf_map_lookup_elem(&rules, tuple);
}

static __always_inline struct firewall_rule *
find_rule_of_answer(const struct bpf_nf_tuple *answer)
{
	struct bpf_nf_tuple tuple = *answer;

	tuple.saddr = answer->daddr;
	tuple.daddr = answer->saddr;
	tuple.sport = answer->dport;
	tuple.dport = answer->sport;
	return find_rule(&tuple);
}

static __always_inline bool is_icmp(const struct bpf_nf_tuple *tuple)
{
	return tuple->protocol == (tuple->family == NFPROTO_IPV4 ?
				   IPPROTO_ICMP : IPPROTO_ICMPV6);
}

SEC("netfilter")
int firewall(struct bpf_nf_ctx *ctx)
{
	struct firewall_rule *rule;
	struct bpf_nf_tuple tuple;
	struct bpf_nf_flow flow;

	BPF_NF_PKT(pkt, ctx);
	if (bpf_nf_pkt_parse(&pkt, &flow) || flow.fragment)
		return NF_DROP;
	if (is_icmp(&flow.tuple))
		return NF_ACCEPT;

	tuple = flow.tuple;
	rule = find_rule(&tuple);
	if (!rule)
		rule = find_rule_of_answer(&flow.tuple);
	if (!rule)
		return NF_DROP;
	__sync_fetch_and_add(&rule->packets, 1);
	__sync_fetch_and_add(&rule->bytes, ctx->skb->len);
	return NF_ACCEPT;
}
