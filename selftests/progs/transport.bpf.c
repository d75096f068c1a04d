// SPDX-License-Identifier: GPL-2.0
/*
 * Programs that read and rewrite the ports of the UDP and TCP packets of one flow:
 * the client's port 40000 to port 9999, and back.
 */
#include "vmlinux.h"
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_netfilter.h>

#include "address.bpf.h"
#include "fib.bpf.h"
#include "stats.bpf.h"

char _license[] SEC("license") = "GPL";

enum {
	ACCEPT		= 1,
	PROTO_TCP	= 6,
	PROTO_UDP	= 17,
	IP_OFFSET	= 0x1fff,
	TCP_DOFF	= 12,
	TCP_CHECK	= 16,
	UDP_CHECK	= 6,
	CLIENT_PORT	= 40000,
	SERVER_PORT	= DENIED_PORT,
	/* The ports after translation. */
	NEW_CLIENT_PORT	= 50000,
	NEW_SERVER_PORT	= 8888,
	/* The last byte of the server's address, and of an unused address. */
	SERVER_BYTE	= 2,
	ALIAS_BYTE	= 0x99,
	MTU		= 1500,
};

struct packet {
	struct policy_stats *stats;
	bool v6;
	__u8 protocol;
	__u32 transport;
	__u16 source, dest;
};

/* Bytes of the linear part. An unmodified kernel has no packet pointers: any bytes. */
static __always_inline const void *in_place(struct bpf_nf_pkt *pkt, __u32 off, void *buf,
					    __u32 len)
{
	const void *p;

	if (!bpf_nf_has_pkt_pointers())
		return bpf_nf_pkt_at(pkt, off, buf, len);
	p = pkt->ctx->data + off;
	return p + len <= pkt->ctx->data_end ? p : NULL;
}

/* A load of its own: the compiler would share the address of ctx->skb with another load, and
 * the verifier refuses a context pointer that was moved.
 */
static __always_inline __u32 packet_length(struct bpf_nf_ctx *ctx)
{
	__u32 length = ctx->skb->len;

	barrier_var(length);
	return length;
}

/* How many bytes are in the linear part. */
static __always_inline __u32 linear_length(struct bpf_nf_ctx *ctx)
{
	struct bpf_nf_ctx___nf *nf = (void *)ctx;

	if (bpf_nf_has_pkt_pointers())
		return nf->data_end - nf->data;
	return ctx->skb->len - ctx->skb->data_len;
}

static __always_inline bool parse_network(struct bpf_nf_pkt *pkt, struct packet *packet)
{
	struct ipv6hdr buf6;
	struct iphdr buf4;
	const struct iphdr *iph = in_place(pkt, 0, &buf4, sizeof(buf4));
	const struct ipv6hdr *ip6h;

	if (!iph)
		return false;
	if (iph->version == 4) {
		packet->protocol = iph->protocol;
		packet->transport = iph->ihl * 4;
		return !(iph->frag_off & bpf_htons(IP_OFFSET));
	}
	ip6h = in_place(pkt, 0, &buf6, sizeof(buf6));
	if (!ip6h)
		return false;
	packet->v6 = true;
	packet->protocol = ip6h->nexthdr;
	packet->transport = sizeof(*ip6h);
	return true;
}

static __always_inline bool parse(struct bpf_nf_ctx *ctx, struct packet *packet)
{
	const __be16 *ports;
	__be16 buf[2];

	BPF_NF_PKT(pkt, ctx);

	if (!parse_network(&pkt, packet) ||
	    (packet->protocol != PROTO_TCP && packet->protocol != PROTO_UDP))
		return false;
	packet->stats = get_stats();
	if (!packet->stats)
		return false;
	__sync_fetch_and_add(&packet->stats->packets, 1);
	ports = in_place(&pkt, packet->transport, buf, sizeof(buf));
	if (!ports)
		return false;
	packet->source = bpf_ntohs(ports[0]);
	packet->dest = bpf_ntohs(ports[1]);
	return true;
}

static __always_inline bool is_request(const struct packet *packet)
{
	return packet->source == CLIENT_PORT && packet->dest == SERVER_PORT;
}

SEC("netfilter")
int ports(struct bpf_nf_ctx *ctx)
{
	struct packet packet = {};

	if (!parse(ctx, &packet))
		return ACCEPT;
	if (is_request(&packet) ||
	    (packet.source == SERVER_PORT && packet.dest == CLIENT_PORT))
		__sync_fetch_and_add(&packet.stats->ports, 1);
	if (ctx->skb->len > MTU)
		__sync_fetch_and_add(&packet.stats->larger, 1);
	return ACCEPT;
}

/* Look up the route. The result says whether the packet, or each of its segments, fits. */
static __always_inline long route(struct bpf_nf_ctx *ctx, const struct packet *packet)
{
	struct bpf_fib_lookup params = {};
	struct net_device *in = ctx->state->in;

	if (!in)
		return -1;
	fill_fib(ctx, packet->v6, in->ifindex, &params);
	return bpf_nf_fib_lookup(ctx, &params, sizeof(params), 0);
}

/* Look up the route of packets that are larger than the MTU. */
SEC("netfilter")
int routes(struct bpf_nf_ctx *ctx)
{
	struct packet packet = {};

	if (!parse(ctx, &packet) || ctx->skb->len <= MTU)
		return ACCEPT;
	__sync_fetch_and_add(&packet.stats->larger, 1);
	switch (route(ctx, &packet)) {
	case BPF_FIB_LKUP_RET_SUCCESS:
		__sync_fetch_and_add(&packet.stats->fitting, 1);
		break;
	case BPF_FIB_LKUP_RET_FRAG_NEEDED:
		__sync_fetch_and_add(&packet.stats->too_long, 1);
		break;
	}
	return ACCEPT;
}

static __always_inline int replace_sum(struct bpf_nf_ctx *ctx,
				       const struct packet *packet, __u32 old, __u32 new,
				       __u32 flags)
{
	if (packet->protocol == PROTO_TCP)
		return bpf_nf_l4_csum_replace(ctx, packet->transport + TCP_CHECK,
					   old, new, flags);
	return bpf_nf_l4_csum_replace(ctx, packet->transport + UDP_CHECK, old, new,
				   flags | BPF_F_MARK_MANGLED_0);
}

static __always_inline int set_port(struct bpf_nf_ctx *ctx, const struct packet *packet,
				    __u32 at, __u16 from, __u16 to, bool sum)
{
	__be16 old = bpf_htons(from), new = bpf_htons(to);
	int err;

	err = bpf_nf_skb_store_bytes(ctx, packet->transport + at, &new, sizeof(new), 0);
	return err || !sum ? err : replace_sum(ctx, packet, old, new, sizeof(new));
}

static __always_inline int set_ports(struct bpf_nf_ctx *ctx, const struct packet *packet,
				     __u16 source, __u16 dest, bool sum)
{
	return set_port(ctx, packet, 0, packet->source, source, sum) ?:
	       set_port(ctx, packet, 2, packet->dest, dest, sum);
}

static __always_inline int rewrite_ports(struct bpf_nf_ctx *ctx, bool sum)
{
	struct packet packet = {};
	int err = 0;

	if (!parse(ctx, &packet))
		return ACCEPT;
	if (is_request(&packet))
		err = set_ports(ctx, &packet, NEW_CLIENT_PORT, NEW_SERVER_PORT, sum);
	else if (packet.source == NEW_SERVER_PORT && packet.dest == NEW_CLIENT_PORT)
		err = set_ports(ctx, &packet, SERVER_PORT, CLIENT_PORT, sum);
	if (err)
		packet.stats->result = -err;
	return ACCEPT;
}

/* Pull the first byte of the second segment into the linear part. */
SEC("netfilter")
int pull_segments(struct bpf_nf_ctx *ctx)
{
	__u32 linear, length = packet_length(ctx);
	struct packet packet = {};

	if (!parse(ctx, &packet) || length <= MTU)
		return ACCEPT;
	__sync_fetch_and_add(&packet.stats->larger, 1);
	linear = linear_length(ctx);
	if (linear < length && bpf_nf_skb_pull_data(ctx, linear + 1))
		packet.stats->result = 1;
	return ACCEPT;
}

/* Pull one more word and make the TCP header one word longer, so each segment starts
 * later.
 */
SEC("netfilter")
int longer_header(struct bpf_nf_ctx *ctx)
{
	__u32 linear, doff, length = packet_length(ctx);
	struct packet packet = {};
	__u8 byte;

	if (!parse(ctx, &packet) || packet.protocol != PROTO_TCP || length <= MTU)
		return ACCEPT;
	doff = packet.transport + TCP_DOFF;
	linear = linear_length(ctx);
	if (linear < length && bpf_nf_skb_pull_data(ctx, linear + 4))
		packet.stats->result = 1;
	if (bpf_nf_skb_load_bytes(ctx, doff, &byte, sizeof(byte)))
		return ACCEPT;
	byte += 1 << 4;
	if (bpf_nf_skb_store_bytes(ctx, doff, &byte, sizeof(byte), 0))
		packet.stats->result = 2;
	__sync_fetch_and_add(&packet.stats->larger, 1);
	return ACCEPT;
}

/* Rewrite both ports, in both directions. */
SEC("netfilter")
int new_ports(struct bpf_nf_ctx *ctx)
{
	return rewrite_ports(ctx, true);
}

/* The same, but leave the checksum as it is. */
SEC("netfilter")
int new_ports_old_sum(struct bpf_nf_ctx *ctx)
{
	return rewrite_ports(ctx, false);
}

static __always_inline int set_address(struct bpf_nf_ctx *ctx,
				       const struct packet *packet, __u32 at, __u8 byte)
{
	struct address_change change;
	int err;

	err = replace_last_byte(ctx, packet->v6, at, byte, &change);
	return err ?: replace_sum(ctx, packet, change.old, change.new,
				  BPF_F_PSEUDO_HDR | sizeof(change.new));
}

/* Translate port 9999 of the alias to port 8888 of the server, and back. */
SEC("netfilter")
int translate(struct bpf_nf_ctx *ctx)
{
	struct packet packet = {};
	int err;

	if (!parse(ctx, &packet))
		return ACCEPT;
	if (is_request(&packet))
		err = set_address(ctx, &packet, packet.v6 ? 36 : 16, SERVER_BYTE) ?:
		      set_port(ctx, &packet, 2, packet.dest, NEW_SERVER_PORT, true);
	else if (packet.source == NEW_SERVER_PORT && packet.dest == CLIENT_PORT)
		err = set_address(ctx, &packet, packet.v6 ? 20 : 12, ALIAS_BYTE) ?:
		      set_port(ctx, &packet, 0, packet.source, SERVER_PORT, true);
	else
		return ACCEPT;
	if (err)
		packet.stats->result = -err;
	return ACCEPT;
}
