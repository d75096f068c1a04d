// SPDX-License-Identifier: GPL-2.0
/*
 * Accept connections that a rule allows from one zone to another, and their answers. A
 * zone is a name for networks behind devices.
 */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#define BPF_NF_COUNT_REASONS
#include <bpf/bpf_netfilter.h>

char LICENSE[] SEC("license") = "GPL";

/* The longest prefix decides. The family is part of it, so one trie has both families. */
struct network {
	__u32 prefixlen;
	char device[16];
	__u32 family;
	union bpf_nf_addr addr;
};

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 65536);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct network);
	__type(value, char[8]);
} networks SEC(".maps");

/* A protocol, port or type of 0 is any. */
struct service {
	char from[8];
	char to[8];
	__be16 dport;
	__u8 protocol;
	__u8 icmp_type;
	__u32 zero;
};

struct rule {
	__u64 reject;		/* answer the sender, in place of accepting */
	__u64 packets;		/* that began connections, or were rejected */
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__type(key, struct service);
	__type(value, struct rule);
} rules SEC(".maps");

static __always_inline const char *
find_zone(const struct net_device *dev, const union bpf_nf_addr *addr, __u8 family)
{
	struct network network = {
		.prefixlen = 8 * (sizeof(network) - sizeof(network.prefixlen)),
		.family = family,
		.addr = *addr,
	};

	/* A renamed device can have the rest of its old name behind the new one. */
	bpf_core_read_str(network.device, sizeof(network.device), &dev->name);
	return bpf_map_lookup_elem(&networks, &network);
}

static __always_inline struct rule *find_rule(struct service *service)
{
	__u8 protocol = service->protocol;
	struct rule *rule;

	rule = bpf_map_lookup_elem(&rules, service);
	if (rule)
		return rule;
	service->protocol = 0;		/* a port or type of any protocol */
	rule = bpf_map_lookup_elem(&rules, service);
	if (rule)
		return rule;
	service->protocol = protocol;
	service->dport = 0;
	service->icmp_type = 0;
	rule = bpf_map_lookup_elem(&rules, service);
	if (rule)
		return rule;
	service->protocol = 0;
	return bpf_map_lookup_elem(&rules, service);
}

static __always_inline void reject(struct bpf_nf_ctx *ctx, __u8 protocol)
{
	/* Without an answer the packet is still dropped. */
	if (protocol == IPPROTO_TCP)
		bpf_nf_reject___nf(ctx, BPF_NF_REJECT_TCP_RESET, 0);
	else
		bpf_nf_reject___nf(ctx, BPF_NF_REJECT_ICMPX, BPF_NF_REJECT_ADMIN_PROHIBITED);
}

static __always_inline int
judge_new(struct bpf_nf_ctx *ctx, const struct bpf_nf_flow *flow)
{
	const struct bpf_nf_tuple *tuple = &flow->tuple;
	struct service service = {
		.dport = tuple->dport,
		.protocol = tuple->protocol,
		.icmp_type = flow->icmp_type,
	};
	const char *from, *to;
	struct rule *rule;

	from = find_zone(ctx->state->in, &tuple->saddr, tuple->family);
	to = find_zone(ctx->state->out, &tuple->daddr, tuple->family);
	if (!from || !to)
		return BPF_NF_REASON(ctx, NF_DROP, 5, "no zone has the address");
	__builtin_memcpy(service.from, from, sizeof(service.from));
	__builtin_memcpy(service.to, to, sizeof(service.to));
	rule = find_rule(&service);
	if (!rule)
		return BPF_NF_REASON(ctx, NF_DROP, 4, "no rule");
	__sync_fetch_and_add(&rule->packets, 1);
	if (!rule->reject)
		return BPF_NF_REASON(ctx, NF_ACCEPT, 2, "accepted by a rule");
	reject(ctx, tuple->protocol);
	return BPF_NF_REASON(ctx, NF_DROP, 3, "rejected by a rule");
}

SEC("netfilter")
int zone_firewall(struct bpf_nf_ctx *ctx)
{
	struct bpf_nf_ct_info___nf info = {};
	struct bpf_nf_flow flow;

	BPF_NF_PKT(pkt, ctx);
	if (bpf_nf_pkt_parse(&pkt, &flow) || flow.fragment)
		return BPF_NF_REASON(ctx, NF_DROP, 7, "no ports: malformed or a fragment");
	/* Conntrack of IPv4 does not look behind AH, so one connection has all ports there. */
	if (flow.tuple.family == NFPROTO_IPV4 && flow.ah_off) {
		flow.tuple.protocol = IPPROTO_AH;
		flow.tuple.dport = 0;
		flow.icmp_type = 0;
	}
	/* If it fails, the state is 0. */
	bpf_nf_ct_info___nf(ctx, &info, sizeof(info));
	if (info.state & (BPF_NF_CT_ESTABLISHED | BPF_NF_CT_RELATED))
		return BPF_NF_REASON(ctx, NF_ACCEPT, 1, "established or related");
	if (info.state != BPF_NF_CT_NEW)
		return BPF_NF_REASON(ctx, NF_DROP, 6, "unknown to conntrack");
	return judge_new(ctx, &flow);
}
