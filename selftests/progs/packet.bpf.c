// SPDX-License-Identifier: GPL-2.0
/*
 * Programs that read, write, route and mark the UDP packets of a router. "stats" has the
 * results for the last packet. The programs treat the sentinel alike, but do not count it.
 */
#include "vmlinux.h"
#include <bpf/bpf_core_read.h>
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
	PROTO_FRAGMENT	= 44,
	PROTO_DSTOPTS	= 60,
	IP_OFFSET	= 0x1fff,
	MARK		= 0x77,
	PRIORITY	= 0x10005,
	TTL		= 33,
	DSCP		= 0xb8,
	UDP_CHECK	= 6,
	EPERM		= 1,
};

/* One address family's part of a packet, read in place. */
struct packet {
	struct policy_stats *stats;	/* NULL: do not count this packet */
	bool udp;			/* a test's datagram, or the sentinel */
	bool v6;
	__u32 transport;
	__u32 length;
};

/* The number of bytes that a program can read in place. */
static __always_inline __u32 linear(struct bpf_nf_ctx *ctx)
{
	struct bpf_nf_ctx___nf *nf = (void *)ctx;

	if (bpf_nf_has_pkt_pointers())
		return nf->data_end - nf->data;
	return ctx->skb->len - ctx->skb->data_len;
}

static __always_inline bool parse_ipv4(struct bpf_nf_pkt *pkt, struct packet *packet)
{
	struct iphdr buf;
	const struct iphdr *iph = bpf_nf_pkt_at(pkt, 0, &buf, sizeof(buf));

	if (!iph || iph->protocol != PROTO_UDP)
		return false;
	packet->transport = iph->ihl * 4;
	packet->length = bpf_ntohs(iph->tot_len);
	return !(iph->frag_off & bpf_htons(IP_OFFSET));
}

static __always_inline bool parse_ipv6(struct bpf_nf_pkt *pkt, struct packet *packet)
{
	struct {
		struct ipv6hdr ip6h;
		struct ipv6_opt_hdr opt;
	} buf;
	const typeof(buf) *headers = bpf_nf_pkt_at(pkt, 0, &buf,
						   sizeof(buf.ip6h) + sizeof(buf.opt));
	__u8 nexthdr;

	if (!headers)
		return false;
	packet->v6 = true;
	packet->transport = sizeof(headers->ip6h);
	packet->length = sizeof(headers->ip6h) + bpf_ntohs(headers->ip6h.payload_len);
	nexthdr = headers->ip6h.nexthdr;
	if (nexthdr == PROTO_DSTOPTS || nexthdr == PROTO_FRAGMENT) {
		nexthdr = headers->opt.nexthdr;
		packet->transport += 8;
	}
	return nexthdr == PROTO_UDP;
}

static __always_inline void parse(struct bpf_nf_ctx *ctx, struct packet *packet)
{
	const __u8 *first;
	struct udphdr udph;
	__u64 buf;

	BPF_NF_PKT(pkt, ctx);

	first = bpf_nf_pkt_at(&pkt, 0, &buf, 1);
	if (!first)
		return;
	if (*first >> 4 == 4 ? !parse_ipv4(&pkt, packet) : !parse_ipv6(&pkt, packet))
		return;
	packet->udp = true;
	if (bpf_nf_skb_load_bytes(ctx, packet->transport, &udph, sizeof(udph)) ||
	    udph.dest == bpf_htons(SENTINEL_PORT))
		return;
	packet->stats = get_stats();
	if (!packet->stats)
		return;
	__sync_fetch_and_add(&packet->stats->packets, 1);
	packet->stats->length = packet->length;
	packet->stats->linear = linear(ctx);
	packet->stats->mark = bpf_nf_mark(ctx);
	packet->stats->priority = ctx->skb->priority;
}

/* Does the datagram have the byte that helpers/frag_probe.c has written at @at? */
static __always_inline bool is_pattern(struct bpf_nf_ctx *ctx,
				       const struct packet *packet, __u32 at)
{
	__u8 byte;

	return !bpf_nf_skb_load_bytes(ctx, packet->transport + at, &byte, 1) &&
	       byte == (__u8)(at * 7 + (at >> 8));
}

static __always_inline void look(struct bpf_nf_ctx *ctx, struct packet *packet)
{
	__u32 size = packet->length - packet->transport;
	__u8 byte;

	packet->stats->intact = is_pattern(ctx, packet, 8) +
				is_pattern(ctx, packet, size / 2) +
				is_pattern(ctx, packet, size - 1);
	packet->stats->result = -bpf_nf_skb_load_bytes(ctx, packet->length, &byte, 1);
}

SEC("netfilter")
int read(struct bpf_nf_ctx *ctx)
{
	struct packet packet = {};

	parse(ctx, &packet);
	if (packet.stats)
		look(ctx, &packet);
	return ACCEPT;
}

/* Make the whole packet linear, then read it again. */
SEC("netfilter")
int pull(struct bpf_nf_ctx *ctx)
{
	struct packet packet = {};

	parse(ctx, &packet);
	if (!packet.stats)
		return ACCEPT;
	if (bpf_nf_skb_pull_data(ctx, packet.length))
		return ACCEPT;
	look(ctx, &packet);
	packet.stats->linear = linear(ctx);
	return ACCEPT;
}

/* A MAC address as a number, whose hexadecimal form is that of the address. */
static __always_inline __u64 link_layer_number(const __u8 *address)
{
	__u64 number = 0;
	int i;

	for (i = 0; i < 6; i++)
		number = number << 8 | address[i];
	return number;
}

SEC("netfilter")
int link_layer(struct bpf_nf_ctx *ctx)
{
	struct packet packet = {};
	struct ethhdr eth;

	parse(ctx, &packet);
	if (!packet.stats)
		return ACCEPT;
	packet.stats->result = -bpf_nf_skb_load_bytes_relative(ctx, 0, &eth, sizeof(eth),
							    BPF_HDR_START_MAC);
	packet.stats->smac = link_layer_number(eth.h_source);
	packet.stats->dmac = link_layer_number(eth.h_dest);
	return ACCEPT;
}

static __always_inline void ask_info(struct bpf_nf_ctx *ctx, struct packet *packet)
{
	struct bpf_nf_frag_info___nf info = {};

	packet->stats->result = -bpf_nf_frag_info___nf(ctx, &info, sizeof(info));
	packet->stats->flags = info.flags;
	packet->stats->pieces = info.pieces;
	packet->stats->max_size = info.max_size;
}

SEC("netfilter")
int frag_info(struct bpf_nf_ctx *ctx)
{
	struct packet packet = {};

	parse(ctx, &packet);
	if (packet.stats)
		ask_info(ctx, &packet);
	return ACCEPT;
}

SEC("netfilter")
int frag_info_after_pull(struct bpf_nf_ctx *ctx)
{
	struct packet packet = {};

	parse(ctx, &packet);
	if (!packet.stats)
		return ACCEPT;
	bpf_nf_skb_pull_data(ctx, packet.length);
	ask_info(ctx, &packet);
	return ACCEPT;
}

/* Pull a part that ends within the list of pieces. */
SEC("netfilter")
int frag_info_after_partial_pull(struct bpf_nf_ctx *ctx)
{
	struct packet packet = {};

	parse(ctx, &packet);
	if (!packet.stats)
		return ACCEPT;
	if (!bpf_nf_skb_pull_data(ctx, packet.v6 ? 256 : 228))
		ask_info(ctx, &packet);
	return ACCEPT;
}

/* Calls that the kernel refuses pull nothing. */
SEC("netfilter")
int frag_info_after_refusals(struct bpf_nf_ctx *ctx)
{
	struct packet packet = {};
	int beyond, shape;

	parse(ctx, &packet);
	if (!packet.stats)
		return ACCEPT;
	beyond = bpf_nf_l4_csum_replace(ctx, 0xfff0, 0, 1, 2);
	shape = bpf_nf_l3_csum_replace(ctx, packet.v6 ? 4 : 2, 0, 1, 2);
	ask_info(ctx, &packet);
	packet.stats->result = -beyond * 100 - shape;
	return ACCEPT;
}

SEC("netfilter")
int set_mark(struct bpf_nf_ctx *ctx)
{
	struct packet packet = {};

	parse(ctx, &packet);
	if (!packet.udp)
		return ACCEPT;
	bpf_nf_set_mark(ctx, MARK);
	bpf_nf_set_priority(ctx, PRIORITY);
	return ACCEPT;
}

/* Count the packets that have this mark and priority at tc. */
SEC("tc")
int see_mark(struct __sk_buff *skb)
{
	struct policy_stats *value = get_stats();

	if (value && skb->mark == MARK && skb->priority == PRIORITY)
		__sync_fetch_and_add(&value->tracked, 1);
	return 0;
}

static __always_inline int set_ttl_v4(struct bpf_nf_ctx *ctx)
{
	struct iphdr old, new;

	if (bpf_nf_skb_load_bytes(ctx, 0, &old, sizeof(old)))
		return -1;
	new = old;
	new.ttl = TTL;
	new.tos = DSCP;
	new.check = 0;
	old.check = 0;
	if (bpf_nf_skb_store_bytes(ctx, 1, &new.tos, 1, 0) ||
	    bpf_nf_skb_store_bytes(ctx, 8, &new.ttl, 1, 0))
		return -1;
	return bpf_nf_l3_csum_replace(ctx, 10, 0,
				      bpf_nf_csum_diff((void *)&old, sizeof(old),
						       (void *)&new, sizeof(new), 0), 0);
}

static __always_inline int set_ttl_v6(struct bpf_nf_ctx *ctx)
{
	__u8 bytes[2] = { 0x60 | DSCP >> 4, (DSCP & 0xf) << 4 };
	__u8 ttl = TTL;

	return bpf_nf_skb_store_bytes(ctx, 0, bytes, sizeof(bytes), 0) ?:
	       bpf_nf_skb_store_bytes(ctx, 7, &ttl, 1, 0);
}

SEC("netfilter")
int set_ttl(struct bpf_nf_ctx *ctx)
{
	struct packet packet = {};
	int err;

	parse(ctx, &packet);
	if (!packet.stats)
		return ACCEPT;
	err = packet.v6 ? set_ttl_v6(ctx) : set_ttl_v4(ctx);
	packet.stats->result = -err;
	return ACCEPT;
}

/* Write the last two bytes of a datagram of even length; correct the sum if @with_sum. */
static __always_inline int write_last(struct bpf_nf_ctx *ctx, bool with_sum)
{
	struct packet packet = {};
	__be16 old, new = 0;
	int err;

	parse(ctx, &packet);
	if (!packet.stats)
		return ACCEPT;
	err = bpf_nf_skb_load_bytes(ctx, packet.length - 2, &old, sizeof(old)) ?:
	      bpf_nf_skb_store_bytes(ctx, packet.length - 2, &new, sizeof(new), 0);
	if (!err && with_sum)
		err = bpf_nf_l4_csum_replace(ctx, packet.transport + UDP_CHECK, old,
					     new, BPF_F_MARK_MANGLED_0 | sizeof(new));
	packet.stats->result = -err;
	return ACCEPT;
}

SEC("netfilter")
int write_end(struct bpf_nf_ctx *ctx)
{
	return write_last(ctx, true);
}

SEC("netfilter")
int write_end_old_sum(struct bpf_nf_ctx *ctx)
{
	return write_last(ctx, false);
}

/* Set the bit "more fragments" of an IPv4 datagram. */
SEC("netfilter")
int more_fragments(struct bpf_nf_ctx *ctx)
{
	__be16 fragments = bpf_htons(0x2000);
	struct packet packet = {};

	parse(ctx, &packet);
	if (packet.stats)
		packet.stats->result = -(bpf_nf_l3_csum_replace(ctx, 10, 0, fragments,
								sizeof(fragments)) ?:
					 bpf_nf_skb_store_bytes(ctx, 6, &fragments,
								sizeof(fragments), 0));
	return ACCEPT;
}

/* Find the protocol field and the header that it describes, after IPv6 options. */
static __always_inline bool find_protocol(struct bpf_nf_ctx *ctx, __u8 *is, __u32 *at,
					  __u32 *transport)
{
	bool v6 = ctx->state->pf == AF_INET6;

	*at = v6 ? offsetof(struct ipv6hdr, nexthdr) : offsetof(struct iphdr, protocol);
	*transport = v6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr);
	if (bpf_nf_skb_load_bytes(ctx, *at, is, sizeof(*is)))
		return false;
	if (!v6 || *is != PROTO_DSTOPTS)
		return true;
	*at = *transport;
	*transport += 8;
	return !bpf_nf_skb_load_bytes(ctx, *at, is, sizeof(*is));
}

/* Turn TCP segments with data into UDP datagrams: write the length and a zero checksum into
 * the 4 bytes after the ports.
 */
SEC("netfilter")
int tcp_to_udp(struct bpf_nf_ctx *ctx)
{
	struct policy_stats *values = get_stats();
	__u8 is, udp_protocol = PROTO_UDP, flags;
	__u32 at, tcp;
	__be16 udp[2] = {};

	if (!values || !find_protocol(ctx, &is, &at, &tcp) || is != PROTO_TCP ||
	    bpf_nf_skb_load_bytes(ctx, tcp + 13, &flags, sizeof(flags)) ||
	    !(flags & 8))
		return ACCEPT;
	values->packets++;
	udp[0] = bpf_htons(ctx->skb->len - tcp);
	if (bpf_nf_skb_store_bytes(ctx, tcp + 4, udp, sizeof(udp), 0) ||
	    bpf_nf_skb_store_bytes(ctx, at, &udp_protocol, 1, 0))
		values->result++;
	return ACCEPT;
}

/* Turn a datagram whose bytes are a valid TCP segment into TCP. */
SEC("netfilter")
int udp_to_tcp(struct bpf_nf_ctx *ctx)
{
	struct policy_stats *values = get_stats();
	__u8 is, tcp_protocol = PROTO_TCP;
	__u32 at, udp;

	if (!values || !find_protocol(ctx, &is, &at, &udp) || is != PROTO_UDP)
		return ACCEPT;
	values->packets++;
	if (bpf_nf_skb_store_bytes(ctx, at, &tcp_protocol, 1, 0))
		values->result++;
	return ACCEPT;
}

static __always_inline bool is_kept(struct bpf_nf_ctx *ctx, __u32 offset)
{
	__u8 byte = 0x5a;

	return bpf_nf_skb_store_bytes(ctx, offset, &byte, 1, 0) == -EPERM;
}

/* Change the hop-by-hop options of a packet. Three bytes determine their length. The result
 * is how many of these the helper refuses to change, plus 10 if it changes padding.
 */
SEC("netfilter")
int change_hopopts(struct bpf_nf_ctx *ctx)
{
	__u32 header = sizeof(struct ipv6hdr), padding = header + 4;
	struct policy_stats *values = get_stats();
	struct ipv6hdr ip6h;
	__u8 byte = 0x5a;

	if (!values || ctx->state->pf != AF_INET6 ||
	    bpf_nf_skb_load_bytes(ctx, 0, &ip6h, sizeof(ip6h)) || ip6h.nexthdr)
		return ACCEPT;
	values->packets++;
	values->result = is_kept(ctx, offsetof(struct ipv6hdr, nexthdr)) +
			 is_kept(ctx, header) + is_kept(ctx, header + 1);
	if (!bpf_nf_skb_store_bytes(ctx, padding, &byte, 1, 0))
		values->result += 10;
	return ACCEPT;
}

/* Change the data of an option in a destination options header that comes first. If the helper
 * refuses this, try the last byte of the header, too. The result is how many bytes it refuses to
 * change.
 */
SEC("netfilter")
int change_dstopts(struct bpf_nf_ctx *ctx)
{
	__u32 header = sizeof(struct ipv6hdr);
	struct policy_stats *values = get_stats();
	struct ipv6hdr ip6h;
	__u8 len;

	if (!values || ctx->state->pf != AF_INET6 ||
	    bpf_nf_skb_load_bytes(ctx, 0, &ip6h, sizeof(ip6h)) ||
	    ip6h.nexthdr != PROTO_DSTOPTS ||
	    bpf_nf_skb_load_bytes(ctx, header + 1, &len, sizeof(len)))
		return ACCEPT;
	values->packets++;
	values->result = 0;
	if (is_kept(ctx, header + 4))
		values->result = 1 + is_kept(ctx, header + 7 + len * 8);
	return ACCEPT;
}

/* The server is 198.51.100.2 and 2001:db8:2::2. Its alias is .153 and ::99. */
static __always_inline int set_address(struct bpf_nf_ctx *ctx,
				       const struct packet *packet, __u32 at, __u8 byte)
{
	struct address_change change;
	int err;

	err = replace_last_byte(ctx, packet->v6, at, byte, &change);
	return err ?: bpf_nf_l4_csum_replace(ctx, packet->transport + UDP_CHECK,
					  change.old, change.new, BPF_F_PSEUDO_HDR |
					  BPF_F_MARK_MANGLED_0 | sizeof(change.new));
}

/* At PRE_ROUTING: replace the alias by the server's address. */
SEC("netfilter")
int dnat(struct bpf_nf_ctx *ctx)
{
	struct packet packet = {};
	int err;

	parse(ctx, &packet);
	if (!packet.udp)
		return ACCEPT;
	err = set_address(ctx, &packet, packet.v6 ? 36 : 16, 2);
	if (packet.stats)
		packet.stats->result = -err;
	return ACCEPT;
}

/* For the way back: replace the server's address by the alias. */
SEC("netfilter")
int snat(struct bpf_nf_ctx *ctx)
{
	struct packet packet = {};
	int err;

	parse(ctx, &packet);
	if (!packet.udp)
		return ACCEPT;
	err = set_address(ctx, &packet, packet.v6 ? 20 : 12, 0x99);
	if (packet.stats)
		packet.stats->result = -err;
	return ACCEPT;
}

/* Look up the route of the packet's addresses, as if it came in by this hook's device. */
static __always_inline int route(struct bpf_nf_ctx *ctx, bool with_length, __u32 flags)
{
	struct bpf_fib_lookup params = {};
	struct packet packet = {};
	struct net_device *dev;

	parse(ctx, &packet);
	if (!packet.stats)
		return ACCEPT;
	dev = ctx->state->in ?: ctx->state->out;
	packet.stats->in = dev ? dev->ifindex : 0;
	fill_fib(ctx, packet.v6, packet.stats->in, &params);
	if (with_length)
		params.tot_len = packet.length;
	packet.stats->result = bpf_nf_fib_lookup(ctx, &params, sizeof(params), flags);
	packet.stats->out = params.ifindex;
	packet.stats->mtu = params.mtu_result;
	packet.stats->smac = link_layer_number(params.smac);
	packet.stats->dmac = link_layer_number(params.dmac);
	return ACCEPT;
}

SEC("netfilter")
int fib(struct bpf_nf_ctx *ctx)
{
	return route(ctx, false, 0);
}

SEC("netfilter")
int fib_length(struct bpf_nf_ctx *ctx)
{
	return route(ctx, true, 0);
}

/* Look up the route as a local sender does, which starts at the output device. */
SEC("netfilter")
int fib_output(struct bpf_nf_ctx *ctx)
{
	return route(ctx, false, BPF_FIB_LOOKUP_OUTPUT);
}

/* The result is skb->ip_summed, CHECKSUM_NONE to CHECKSUM_PARTIAL. */
SEC("netfilter")
int ip_summed(struct bpf_nf_ctx *ctx)
{
	struct packet packet = {};

	parse(ctx, &packet);
	if (packet.stats)
		packet.stats->result = BPF_CORE_READ_BITFIELD(ctx->skb, ip_summed);
	return ACCEPT;
}
