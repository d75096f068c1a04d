// SPDX-License-Identifier: GPL-2.0
#include "vmlinux.h"
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "policy.h"

char _license[] SEC("license") = "GPL";

enum { NF_DROP_VERDICT = 0, NF_ACCEPT_VERDICT = 1 };

enum {
	PROTO_UDP	= 17,
	PROTO_FRAGMENT	= 44,
	IP_MORE		= 0x2000,
	IP_OFFSET	= 0x1fff,
	IP6_MORE	= 0x0001,
	IP6_OFFSET	= 0xfff8,
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct policy_stats);
} stats SEC(".maps");

struct packet {
	bool udp;
	bool fragment;
	bool later;
	bool ports;
	__u16 dport;
	__u32 transport;
};

/* struct frag_hdr is not in the BTF of every kernel. */
struct ipv6_fragment {
	__u8 nexthdr;
	__u8 reserved;
	__be16 frag_off;
	__be32 identification;
};

static bool read(struct sk_buff *skb, __u32 off, void *to, __u32 size)
{
	return !bpf_probe_read_kernel(to, size,
				      skb->head + skb->network_header + off);
}

static bool parse_ipv4(struct sk_buff *skb, struct packet *packet)
{
	struct iphdr iph;
	__u16 frag_off;

	if (!read(skb, 0, &iph, sizeof(iph)))
		return false;
	frag_off = bpf_ntohs(iph.frag_off);
	packet->udp = iph.protocol == PROTO_UDP;
	packet->fragment = frag_off & (IP_MORE | IP_OFFSET);
	packet->later = frag_off & IP_OFFSET;
	packet->transport = iph.ihl * 4;
	return true;
}

static bool parse_ipv6(struct sk_buff *skb, struct packet *packet)
{
	struct ipv6_fragment fragment;
	struct ipv6hdr ip6h;

	if (!read(skb, 0, &ip6h, sizeof(ip6h)))
		return false;
	packet->udp = ip6h.nexthdr == PROTO_UDP;
	packet->transport = sizeof(ip6h);
	if (ip6h.nexthdr != PROTO_FRAGMENT)
		return true;

	if (!read(skb, sizeof(ip6h), &fragment, sizeof(fragment)))
		return false;
	packet->udp = fragment.nexthdr == PROTO_UDP;
	packet->fragment = true;
	packet->later = bpf_ntohs(fragment.frag_off) & IP6_OFFSET;
	packet->transport += sizeof(fragment);
	return true;
}

static bool parse(struct bpf_nf_ctx *ctx, struct packet *packet)
{
	struct sk_buff *skb = ctx->skb;
	struct udphdr udph;
	bool known;

	if (ctx->state->pf == NFPROTO_IPV4)
		known = parse_ipv4(skb, packet);
	else
		known = parse_ipv6(skb, packet);
	if (!known || !packet->udp)
		return false;
	if (packet->later || !read(skb, packet->transport, &udph, sizeof(udph)))
		return true;
	packet->ports = true;
	packet->dport = bpf_ntohs(udph.dest);
	return packet->dport != SENTINEL_PORT;
}

static void count(struct bpf_nf_ctx *ctx, const struct packet *packet, int verdict)
{
	const struct nf_hook_state *state = ctx->state;
	struct net_device *in = state->in;
	struct net_device *out = state->out;
	struct policy_stats *value;
	__u32 key = 0;

	value = bpf_map_lookup_elem(&stats, &key);
	if (!value)
		return;
	__sync_fetch_and_add(&value->packets, 1);
	__sync_fetch_and_add(&value->fragments, packet->fragment);
	__sync_fetch_and_add(&value->later, packet->later);
	__sync_fetch_and_add(&value->ports, packet->ports);
	/* The low bits are enum ip_conntrack_info. */
	__sync_fetch_and_add(&value->tracked, !!(ctx->skb->_nfct & ~7UL));
	__sync_fetch_and_add(&value->dropped, verdict == NF_DROP_VERDICT);
	value->length = ctx->skb->len;
	value->hook = state->hook;
	value->pf = state->pf;
	value->in = in ? in->ifindex : 0;
	value->out = out ? out->ifindex : 0;
}

SEC("netfilter")
int accept(struct bpf_nf_ctx *ctx)
{
	struct packet packet = {};

	if (parse(ctx, &packet))
		count(ctx, &packet, NF_ACCEPT_VERDICT);
	return NF_ACCEPT_VERDICT;
}

SEC("netfilter")
int drop(struct bpf_nf_ctx *ctx)
{
	struct packet packet = {};

	if (!parse(ctx, &packet))
		return NF_ACCEPT_VERDICT;
	count(ctx, &packet, NF_DROP_VERDICT);
	return NF_DROP_VERDICT;
}

/* By port, and what has no port passes: right only where packets are whole. */
SEC("netfilter")
int deny_port(struct bpf_nf_ctx *ctx)
{
	int verdict = NF_ACCEPT_VERDICT;
	struct packet packet = {};

	if (!parse(ctx, &packet))
		return NF_ACCEPT_VERDICT;
	if (packet.ports && packet.dport == DENIED_PORT)
		verdict = NF_DROP_VERDICT;
	count(ctx, &packet, verdict);
	return verdict;
}
