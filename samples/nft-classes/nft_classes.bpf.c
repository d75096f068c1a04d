// SPDX-License-Identifier: GPL-2.0
/* Find the class of the packet's source or destination, and give it to nft as a mark. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_netfilter.h>

char LICENSE[] SEC("license") = "GPL";

/* These bits of the mark are the class. The others belong to somebody else. */
#define CLASS_MASK	0xf

/* The longest prefix decides. The family is part of it, so one trie has both families. */
struct network {
	__u32 prefixlen;
	__u32 family;
	union bpf_nf_addr addr;
};

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 1048576);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct network);
	__type(value, __u32);
} classes SEC(".maps");

/* Packets of each class; 0: of no class */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, CLASS_MASK + 1);
	__type(key, __u32);
	__type(value, __u64);
} packets SEC(".maps");

static __always_inline __u32 *find_class(const union bpf_nf_addr *addr, __u8 family)
{
	struct network network = {
		.prefixlen = 8 * (sizeof(network) - sizeof(network.prefixlen)),
		.family = family,
		.addr = *addr,
	};

	return bpf_map_lookup_elem(&classes, &network);
}

SEC("netfilter")
int nft_classes(struct bpf_nf_ctx *ctx)
{
	struct bpf_nf_flow flow;
	__u32 class = 0;
	__u64 *count;
	__u32 *found;

	BPF_NF_PKT(pkt, ctx);
	/* The rules of nft read ports. */
	if (bpf_nf_pkt_parse(&pkt, &flow) || flow.fragment)
		return NF_DROP;
	found = find_class(&flow.tuple.saddr, flow.tuple.family);
	if (!found)
		found = find_class(&flow.tuple.daddr, flow.tuple.family);
	if (found)
		class = *found & CLASS_MASK;
	/* If the kernel cannot set marks, nft would judge by a mark that others have set. */
	if (bpf_nf_set_mark(ctx, (bpf_nf_mark(ctx) & ~CLASS_MASK) | class))
		return NF_DROP;
	count = bpf_map_lookup_elem(&packets, &class);
	if (count)
		(*count)++;
	return NF_ACCEPT;
}
