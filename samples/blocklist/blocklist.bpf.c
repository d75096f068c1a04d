// SPDX-License-Identifier: GPL-2.0
/*
 * Drop packets from and to the networks of a list. A list is a map in a map: a new list is
 * filled first, and then takes the place of the old one at once.
 */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#define BPF_NF_COUNT_REASONS
#include <bpf/bpf_netfilter.h>

char LICENSE[] SEC("license") = "GPL";

struct network {
	__u32 prefixlen;
	__be32 addr;
};

struct network6 {
	__u32 prefixlen;
	struct in6_addr addr;
};

struct list {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct network);
	__type(value, __u8);
} empty SEC(".maps");

struct list6 {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct network6);
	__type(value, __u8);
} empty6 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 1);
	__type(key, __u32);
	__array(values, struct list);
} blocked SEC(".maps") = { .values = { &empty } };

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 1);
	__type(key, __u32);
	__array(values, struct list6);
} blocked6 SEC(".maps") = { .values = { &empty6 } };

static __always_inline bool is_blocked4(__be32 addr)
{
	struct network network = { .prefixlen = 32, .addr = addr };
	__u32 first = 0;
	void *list;

	/* There always is a list. The verifier does not know it. */
	list = bpf_map_lookup_elem(&blocked, &first);
	return !list || bpf_map_lookup_elem(list, &network);
}

static __always_inline bool is_blocked6(const union bpf_nf_addr *addr)
{
	struct network6 network = { .prefixlen = 128 };
	__u32 first = 0;
	void *list;

	__builtin_memcpy(&network.addr, addr, sizeof(network.addr));
	list = bpf_map_lookup_elem(&blocked6, &first);
	return !list || bpf_map_lookup_elem(list, &network);
}

static __always_inline bool is_blocked(const union bpf_nf_addr *addr, __u8 family)
{
	return family == NFPROTO_IPV4 ? is_blocked4(addr->ip) : is_blocked6(addr);
}

SEC("netfilter")
int blocklist(struct bpf_nf_ctx *ctx)
{
	struct bpf_nf_flow flow;

	BPF_NF_PKT(pkt, ctx);
	/* A packet whose ports are cut off or that is a fragment has its addresses. */
	if (bpf_nf_pkt_parse(&pkt, &flow) == BPF_NF_PARSE_MALFORMED)
		return BPF_NF_REASON(ctx, NF_DROP, 3, "malformed");
	if (is_blocked(&flow.tuple.saddr, flow.tuple.family))
		return BPF_NF_REASON(ctx, NF_DROP, 1, "from a listed network");
	if (is_blocked(&flow.tuple.daddr, flow.tuple.family))
		return BPF_NF_REASON(ctx, NF_DROP, 2, "to a listed network");
	return NF_ACCEPT;
}
