// SPDX-License-Identifier: GPL-2.0
/* What programs on netfilter hooks may call of conntrack, NAT and reject.
 *
 * Hooks LOCAL_OUT and POST_ROUTING, and those behind a verdict of user space,
 * also run in process context, with bottom halves enabled: what is called here
 * is what nft calls there, and takes care of itself. All kfuncs run under RCU,
 * and pinned to their CPU.
 *
 * Memory that a program gives may be a map's, which others write meanwhile: it
 * is read once, and checked after that. The verifier lets a pointer pass that
 * may be NULL, whatever its size argument says.
 *
 * A kfunc that can move the data of the packet has the flag KF_NETFILTER_MOVES_PACKET,
 * and its kernel-doc says so. A kfunc without the flag must not move the data.
 */
#include <linux/bpf.h>
#include <linux/bpf_nf.h>
#include <linux/btf.h>
#include <linux/btf_ids.h>
#include <linux/icmp.h>
#include <linux/icmpv6.h>
#include <linux/module.h>
#include <linux/netfilter.h>
#include <linux/percpu.h>
#include <linux/skbuff.h>
#include <net/dst_metadata.h>
#include <net/ip.h>
#include <net/ipv6.h>
#include <net/net_namespace.h>
#include <net/netfilter/ipv4/nf_reject.h>
#include <net/netfilter/ipv6/nf_reject.h>
#include <net/netfilter/nf_bpf_kfunc.h>
#include <net/netfilter/nf_bpf_link.h>
#include <net/netfilter/nf_conntrack.h>
#include <net/netfilter/nf_conntrack_bpf.h>
#include <net/netfilter/nf_conntrack_core.h>
#include <net/netfilter/nf_conntrack_ecache.h>
#include <net/netfilter/nf_conntrack_helper.h>
#include <net/netfilter/nf_conntrack_labels.h>
#include <net/netfilter/nf_conntrack_seqadj.h>
#include <net/netfilter/nf_conntrack_zones.h>
#include <net/netfilter/nf_nat.h>
#include <net/route.h>

#include "nf_bpf_compat.h"

#if IS_ENABLED(CONFIG_NF_CONNTRACK)

static_assert((int)BPF_NF_CT_INVALID == NF_CT_STATE_INVALID_BIT);
static_assert(NF_CT_STATE_BIT(IP_CT_ESTABLISHED) == (int)BPF_NF_CT_ESTABLISHED);
static_assert(NF_CT_STATE_BIT(IP_CT_RELATED) == (int)BPF_NF_CT_RELATED);
static_assert(NF_CT_STATE_BIT(IP_CT_NEW) == (int)BPF_NF_CT_NEW);
static_assert((int)BPF_NF_CT_UNTRACKED == NF_CT_STATE_UNTRACKED_BIT);
static_assert((int)BPF_NF_CT_DIR_ORIGINAL == (int)IP_CT_DIR_ORIGINAL);
static_assert((int)BPF_NF_CT_DIR_REPLY == (int)IP_CT_DIR_REPLY);
static_assert((int)BPF_NF_CT_ZONE_ORIGINAL == NF_CT_ZONE_DIR_ORIG);
static_assert((int)BPF_NF_CT_ZONE_REPLY == NF_CT_ZONE_DIR_REPL);
static_assert((int)BPF_NF_CT_ZONE_ORIGINAL_AND_REPLY == NF_CT_DEFAULT_ZONE_DIR);
static_assert(sizeof(struct bpf_nf_ct_info) == 16);
static_assert(sizeof(struct bpf_nf_ct_opts) == 16);
static_assert(sizeof(struct bpf_nf_ct_labels) == NF_CT_LABELS_MAX_SIZE);

/* Of a new entry, as in tc, if bpf_ct_set_timeout() does not say otherwise. */
#define BPF_NF_CT_TIMEOUT	(10 * HZ)

/* The packet's entry. A template is none: it only tells conntrack, which has
 * not seen the packet yet, what to do.
 */
static struct nf_conn *bpf_nf_ct(const struct bpf_nf_ctx *ctx,
				 enum ip_conntrack_info *ctinfo)
{
	struct nf_conn *ct = nf_ct_get(ctx->skb, ctinfo);

	return ct && !nf_ct_is_template(ct) ? ct : NULL;
}

static int bpf_nf_ct_read_opts(struct bpf_nf_ct_opts *opts,
			       const struct bpf_nf_ct_opts *from, u32 size)
{
	if (!from || size != sizeof(*opts))
		return -EINVAL;
	bpf_nf_snapshot(opts, from, sizeof(*opts));

	if (opts->netns_id < BPF_F_CURRENT_NETNS ||
	    opts->zone_dir > BPF_NF_CT_ZONE_ORIGINAL_AND_REPLY ||
	    opts->reserved[0] || opts->reserved[1] || opts->reserved[2])
		return -EINVAL;
	if (!IS_ENABLED(CONFIG_NF_CONNTRACK_ZONES) && opts->zone)
		return -EOPNOTSUPP;
	if (opts->l4proto != IPPROTO_TCP && opts->l4proto != IPPROTO_UDP)
		return -EPROTO;
	return 0;
}

static int bpf_nf_ct_read_tuple(struct nf_conntrack_tuple *tuple,
				const struct bpf_sock_tuple *from, u32 size,
				u8 l4proto)
{
	struct bpf_sock_tuple sock;

	if (!from)
		return -EINVAL;

	memset(tuple, 0, sizeof(*tuple));
	tuple->dst.protonum = l4proto;
	tuple->dst.dir = IP_CT_DIR_ORIGINAL;

	switch (size) {
	case sizeof(sock.ipv4):
		bpf_nf_snapshot(&sock.ipv4, from, sizeof(sock.ipv4));
		tuple->src.l3num = NFPROTO_IPV4;
		tuple->src.u3.ip = sock.ipv4.saddr;
		tuple->dst.u3.ip = sock.ipv4.daddr;
		tuple->src.u.all = sock.ipv4.sport;
		tuple->dst.u.all = sock.ipv4.dport;
		return 0;
	case sizeof(sock.ipv6):
		bpf_nf_snapshot(&sock.ipv6, from, sizeof(sock.ipv6));
		tuple->src.l3num = NFPROTO_IPV6;
		memcpy(tuple->src.u3.all, sock.ipv6.saddr, sizeof(sock.ipv6.saddr));
		memcpy(tuple->dst.u3.all, sock.ipv6.daddr, sizeof(sock.ipv6.daddr));
		tuple->src.u.all = sock.ipv6.sport;
		tuple->dst.u.all = sock.ipv6.dport;
		return 0;
	default:
		return -EAFNOSUPPORT;
	}
}

/**
 * struct bpf_nf_ct_key - what a program asks to look up or to make
 * @net: where
 * @held: the same, if it is another than the hook's: the key holds a reference
 * @zone: in which zone
 * @tuple: of the original direction
 */
struct bpf_nf_ct_key {
	struct net *net;
	struct net *held;
	struct nf_conntrack_zone zone;
	struct nf_conntrack_tuple tuple;
};

static int bpf_nf_ct_read_key(struct bpf_nf_ct_key *key,
			      const struct bpf_nf_ctx *ctx,
			      const struct bpf_sock_tuple *tuple, u32 tuple_size,
			      const struct bpf_nf_ct_opts *from, u32 opts_size)
{
	struct bpf_nf_ct_opts opts;
	int err;

	err = bpf_nf_ct_read_opts(&opts, from, opts_size);
	if (err)
		return err;
	err = bpf_nf_ct_read_tuple(&key->tuple, tuple, tuple_size, opts.l4proto);
	if (err)
		return err;
	nf_ct_zone_init(&key->zone, opts.zone,
			opts.zone_dir ?: NF_CT_DEFAULT_ZONE_DIR, 0);

	/* Packets are judged until the hooks of a namespace go, when nobody may take
	 * references on it any more; and until then it stays without.
	 */
	key->net = ctx->state->net;
	key->held = NULL;
	if (opts.netns_id == BPF_F_CURRENT_NETNS)
		return 0;
	key->held = get_net_ns_by_id(ctx->state->net, opts.netns_id);
	key->net = key->held;
	return key->net ? 0 : -ENONET;
}

static void bpf_nf_ct_put_key(const struct bpf_nf_ct_key *key)
{
	if (key->held)
		put_net(key->held);
}

/* An entry that is not in the table yet belongs to its packet: what is added to it may move
 * what is there already, and nobody waits for whoever reads that. Where the packet was
 * cloned (by a bridge, for several devices of a multicast, by segmentation for NFQUEUE),
 * another processor may have the clone.
 */
static bool bpf_nf_ct_is_shared(const struct nf_conn *ct)
{
	return refcount_read(&ct->ct_general.use) != 1;
}

/* Not nf_ct_labels_ext_add(): that saves memory in namespaces where no rule uses
 * labels, and knows nothing of programs.
 */
static int bpf_nf_ct_add_labels(struct nf_conn *ct)
{
#if IS_ENABLED(CONFIG_NF_CONNTRACK_LABELS)
	if (nf_ct_labels_find(ct) || nf_ct_is_confirmed(ct))
		return 0;
	if (bpf_nf_ct_is_shared(ct))
		return -EBUSY;
	nf_ct_ext_add(ct, NF_CT_EXT_LABELS, GFP_ATOMIC);
#endif
	return 0;
}

/* Return: @ct, or for an error pointer NULL, with the error in @opts */
static struct nf_conn *bpf_nf_ct_result(struct bpf_nf_ct_opts *opts, u32 size,
					struct nf_conn *ct)
{
	if (!IS_ERR(ct))
		return ct;
	if (opts && size >= offsetofend(struct bpf_nf_ct_opts, error))
		opts->error = PTR_ERR(ct);
	return NULL;
}

static struct nf_conn *bpf_nf_ct_find(const struct bpf_nf_ct_key *key, u8 *dir)
{
	const struct nf_conntrack_tuple_hash *hash;

	hash = nf_conntrack_find_get(key->net, &key->zone, &key->tuple);
	if (!hash)
		return ERR_PTR(-ENOENT);
	*dir = NF_CT_DIRECTION(hash);
	return nf_ct_tuplehash_to_ctrack(hash);
}

static struct nf_conn *bpf_nf_ct_make(const struct bpf_nf_ct_key *key)
{
	struct nf_conntrack_tuple reply;
	struct nf_conn *ct;

	if (!nf_ct_invert_tuple(&reply, &key->tuple))
		return ERR_PTR(-EPROTO);
	ct = nf_conntrack_alloc(key->net, &key->zone, &key->tuple, &reply,
				GFP_ATOMIC);
	if (IS_ERR(ct))
		return ct;
	/* This is left to who knows the protocol. */
	memset(&ct->proto, 0, sizeof(ct->proto));
	__nf_ct_set_timeout(ct, BPF_NF_CT_TIMEOUT);
	return ct;
}

/**
 * bpf_nf_ct_get - the packet's own conntrack entry
 * @ctx: the program's context
 *
 * Context: any hook. The entry may be one that is not in the table yet.
 * The data of the packet does not move.
 *
 * Return: the entry, which bpf_ct_release() gives back, or NULL: the packet has
 * none (bpf_nf_ct_info() says why)
 */
__bpf_kfunc struct nf_conn *bpf_nf_ct_get(struct bpf_nf_ctx *ctx)
{
	enum ip_conntrack_info ctinfo;
	struct nf_conn *ct;

	ct = bpf_nf_ct(ctx, &ctinfo);
	if (ct)
		nf_conntrack_get(&ct->ct_general);
	return ct;
}

/**
 * bpf_nf_ct_info - what conntrack knows of the packet
 * @ctx: the program's context
 * @info: out: see struct bpf_nf_ct_info
 * @info__sz: its size, 16
 *
 * Context: any hook. No reference is taken.
 * The data of the packet does not move.
 *
 * Return: 0, also for a packet without an entry; -EINVAL for another size or
 * NULL
 */
__bpf_kfunc int bpf_nf_ct_info(struct bpf_nf_ctx *ctx,
			       struct bpf_nf_ct_info *info, u32 info__sz)
{
	enum ip_conntrack_info ctinfo;
	const struct nf_conn *ct;

	if (!info || info__sz != sizeof(*info))
		return -EINVAL;

	memset(info, 0, sizeof(*info));
	ct = bpf_nf_ct(ctx, &ctinfo);
	if (!ct) {
		info->state = ctinfo == IP_CT_UNTRACKED ? BPF_NF_CT_UNTRACKED :
							  BPF_NF_CT_INVALID;
		return 0;
	}
	info->state = NF_CT_STATE_BIT(ctinfo);
	info->status = READ_ONCE(ct->status);
#if IS_ENABLED(CONFIG_NF_CONNTRACK_MARK)
	info->mark = READ_ONCE(ct->mark);
#endif
	info->zone = nf_ct_zone(ct)->id;
	info->dir = CTINFO2DIR(ctinfo);
	info->zone_dir = nf_ct_zone(ct)->dir;
	return 0;
}

/**
 * bpf_nf_ct_set_mark - change the mark of the packet's connection
 * @ctx: the program's context
 * @mark: the bits to set
 * @mask: which bits of the mark to replace by those of @mark; the others stay,
 *	also when something else changes them at this moment
 *
 * Context: any hook. Who listens to conntrack's events is told.
 * The data of the packet does not move.
 *
 * Return: 0, -ENOENT without an entry, -EOPNOTSUPP in a kernel without marks
 */
__bpf_kfunc int bpf_nf_ct_set_mark(struct bpf_nf_ctx *ctx, u32 mark, u32 mask)
{
#if IS_ENABLED(CONFIG_NF_CONNTRACK_MARK)
	enum ip_conntrack_info ctinfo;
	struct nf_conn *ct;
	u32 old, new;

	ct = bpf_nf_ct(ctx, &ctinfo);
	if (!ct)
		return -ENOENT;

	do {
		old = READ_ONCE(ct->mark);
		new = (old & ~mask) | (mark & mask);
		if (new == old)
			return 0;
	} while (cmpxchg(&ct->mark, old, new) != old);
	nf_conntrack_event_cache(IPCT_MARK, ct);
	return 0;
#else
	return -EOPNOTSUPP;
#endif
}

/**
 * bpf_nf_ct_get_labels - the labels of the packet's connection
 * @ctx: the program's context
 * @labels: out: see struct bpf_nf_ct_labels
 * @labels__sz: its size, 16
 *
 * Context: any hook.
 * The data of the packet does not move.
 *
 * Return: 0, -EINVAL for another size or NULL, -ENOENT without an entry. An
 * entry without room for labels has none set.
 */
__bpf_kfunc int bpf_nf_ct_get_labels(struct bpf_nf_ctx *ctx,
				     struct bpf_nf_ct_labels *labels,
				     u32 labels__sz)
{
	const struct nf_conn_labels *from;
	enum ip_conntrack_info ctinfo;
	const struct nf_conn *ct;

	if (!labels || labels__sz != sizeof(*labels))
		return -EINVAL;
	memset(labels, 0, sizeof(*labels));
	if (!IS_ENABLED(CONFIG_NF_CONNTRACK_LABELS))
		return -EOPNOTSUPP;

	ct = bpf_nf_ct(ctx, &ctinfo);
	if (!ct)
		return -ENOENT;
	from = nf_ct_labels_find(ct);
	if (from)
		memcpy(labels, from->bits, sizeof(*labels));
	return 0;
}

/**
 * bpf_nf_ct_set_labels - change the labels of the packet's connection
 * @ctx: the program's context
 * @labels: the labels to set
 * @labels__sz: its size, 16
 * @mask: which labels to replace by those of @labels; the others stay
 * @mask__sz: its size, 16
 *
 * Context: any hook. A new connection is given room for labels if it has none;
 * one that is in the table has it if nft or iptables used labels in its
 * namespace when it began, or this function did on its first packet.
 * The data of the packet does not move.
 *
 * Return: 0, -EINVAL for another size or NULL, -ENOENT without an entry,
 * -ENOSPC without room, -EBUSY where the new connection needs room and something else
 * holds its entry: a clone of the packet, or the program by bpf_nf_ct_get()
 */
__bpf_kfunc int bpf_nf_ct_set_labels(struct bpf_nf_ctx *ctx,
				     const struct bpf_nf_ct_labels *labels,
				     u32 labels__sz,
				     const struct bpf_nf_ct_labels *mask,
				     u32 mask__sz)
{
	struct bpf_nf_ct_labels bits, which;
	enum ip_conntrack_info ctinfo;
	struct nf_conn *ct;
	int i, err;

	if (!labels || labels__sz != sizeof(*labels) ||
	    !mask || mask__sz != sizeof(*mask))
		return -EINVAL;
	if (!IS_ENABLED(CONFIG_NF_CONNTRACK_LABELS))
		return -EOPNOTSUPP;
	bpf_nf_snapshot(&bits, labels, sizeof(bits));
	bpf_nf_snapshot(&which, mask, sizeof(which));

	ct = bpf_nf_ct(ctx, &ctinfo);
	if (!ct)
		return -ENOENT;
	err = bpf_nf_ct_add_labels(ct);
	if (err)
		return err;

	/* Bits outside of the mask would be flipped. */
	for (i = 0; i < ARRAY_SIZE(bits.bits); i++)
		bits.bits[i] &= which.bits[i];
	return nf_connlabels_replace(ct, bits.bits, which.bits,
				     ARRAY_SIZE(bits.bits));
}

/**
 * bpf_nf_ct_lookup - find the entry of another tuple
 * @ctx: the program's context
 * @tuple: addresses and ports, in network byte order, of either direction
 * @tuple__sz: size of tuple->ipv4 or tuple->ipv6, which chooses the family
 * @opts: see struct bpf_nf_ct_opts; out: error, dir
 * @opts__sz: its size, 16
 *
 * Context: any hook.
 * The data of the packet does not move.
 *
 * Return: the entry, which bpf_ct_release() gives back, or NULL with
 * opts->error set as in the table of linux/bpf_nf.h
 */
__bpf_kfunc struct nf_conn *
bpf_nf_ct_lookup(struct bpf_nf_ctx *ctx, struct bpf_sock_tuple *tuple,
		 u32 tuple__sz, struct bpf_nf_ct_opts *opts, u32 opts__sz)
{
	struct bpf_nf_ct_key key;
	struct nf_conn *ct;
	u8 dir;
	int err;

	err = bpf_nf_ct_read_key(&key, ctx, tuple, tuple__sz, opts, opts__sz);
	if (err)
		return bpf_nf_ct_result(opts, opts__sz, ERR_PTR(err));
	ct = bpf_nf_ct_find(&key, &dir);
	bpf_nf_ct_put_key(&key);
	if (!IS_ERR(ct))
		opts->dir = dir;
	return bpf_nf_ct_result(opts, opts__sz, ct);
}

/**
 * bpf_nf_ct_alloc - make an entry
 * @ctx: the program's context
 * @tuple: addresses and ports, in network byte order, of the original direction
 * @tuple__sz: size of tuple->ipv4 or tuple->ipv6, which chooses the family
 * @opts: see struct bpf_nf_ct_opts; out: error
 * @opts__sz: its size, 16
 *
 * The entry can be changed (bpf_ct_set_timeout(), bpf_ct_set_status(),
 * bpf_ct_set_nat_info(), its mark), then it has to be given to
 * bpf_ct_insert_entry(). It lives for 10 seconds if bpf_ct_set_timeout() does
 * not say otherwise.
 *
 * Context: any hook.
 * The data of the packet does not move.
 *
 * Return: the entry, or NULL with opts->error set as in the table of
 * linux/bpf_nf.h
 */
__bpf_kfunc struct nf_conn___init *
bpf_nf_ct_alloc(struct bpf_nf_ctx *ctx, struct bpf_sock_tuple *tuple,
		u32 tuple__sz, struct bpf_nf_ct_opts *opts, u32 opts__sz)
{
	struct bpf_nf_ct_key key;
	struct nf_conn *ct;
	int err;

	err = bpf_nf_ct_read_key(&key, ctx, tuple, tuple__sz, opts, opts__sz);
	if (err)
		return (struct nf_conn___init *)bpf_nf_ct_result(opts, opts__sz, ERR_PTR(err));
	ct = bpf_nf_ct_make(&key);
	bpf_nf_ct_put_key(&key);
	return (struct nf_conn___init *)bpf_nf_ct_result(opts, opts__sz, ct);
}

#endif /* CONFIG_NF_CONNTRACK */

#if IS_ENABLED(CONFIG_NF_NAT)

/* Where the translation that is set up is still to come. */
static bool bpf_nf_nat_suits(unsigned int hook, enum nf_nat_manip_type manip)
{
	switch (hook) {
	case NF_INET_PRE_ROUTING:
	case NF_INET_LOCAL_OUT:
		return manip == NF_NAT_MANIP_DST;
	default:
		return manip == NF_NAT_MANIP_SRC;
	}
}

/**
 * bpf_nf_ct_set_nat - translate an address of the packet's new connection
 * @ctx: the program's context
 * @addr: the new address, of the packet's family, in network byte order
 * @port: the new port, in host byte order; 0 or less: the packet's own if it is
 *	free, or any
 * @manip: NF_NAT_MANIP_SRC or NF_NAT_MANIP_DST
 *
 * The namespace needs conntrack, and a chain of nft's type nat for the packet's family,
 * an empty one will do: its hooks translate packets, this only says to what. The program has
 * to run after conntrack (-200) and before the hook that translates: at
 * PRE_ROUTING or LOCAL_OUT before -100 for the destination; at FORWARD, or at
 * LOCAL_IN or POST_ROUTING before 100, for the source.
 *
 * Context: the hooks above, once for each of the two addresses.
 * The data of the packet does not move.
 *
 * Return: 0, or an error of the table in linux/bpf_nf.h
 */
__bpf_kfunc int bpf_nf_ct_set_nat(struct bpf_nf_ctx *ctx,
				  const union nf_inet_addr *addr, int port,
				  enum nf_nat_manip_type manip)
{
	struct nf_nat_range2 range = { .flags = NF_NAT_RANGE_MAP_IPS };
	enum ip_conntrack_info ctinfo;
	struct nf_conn *ct;

	if (!addr || port > U16_MAX ||
	    (manip != NF_NAT_MANIP_SRC && manip != NF_NAT_MANIP_DST))
		return -EINVAL;
	if (!bpf_nf_nat_suits(ctx->state->hook, manip))
		return -EOPNOTSUPP;

	ct = bpf_nf_ct(ctx, &ctinfo);
	if (!ct)
		return -ENOENT;
	if (nf_ct_is_confirmed(ct) || nf_nat_initialized(ct, manip) ||
	    bpf_nf_ct_is_shared(ct))
		return -EBUSY;
	if (!nf_nat_has_hooks(ctx->state->net, nf_ct_l3num(ct)))
		return -EUNATCH;
	/* nf_nat_setup_info() finds that there is no memory for it only once it
	 * has changed the reply's tuple: the packet is translated all the same.
	 */
	if (nfct_help(ct) && !nfct_seqadj(ct) && !nfct_seqadj_ext_add(ct))
		return -ENOMEM;

	if (nf_ct_l3num(ct) == NFPROTO_IPV4)
		range.min_addr.ip = addr->ip;
	else
		memcpy(&range.min_addr, addr, sizeof(range.min_addr));
	range.max_addr = range.min_addr;
	if (port > 0) {
		range.flags |= NF_NAT_RANGE_PROTO_SPECIFIED;
		range.min_proto.all = htons(port);
		range.max_proto.all = range.min_proto.all;
	}
	return nf_nat_setup_info(ct, &range, manip) == NF_ACCEPT ? 0 : -ENOMEM;
}

#endif /* CONFIG_NF_NAT */

static const u8 bpf_nf_reject_icmpx[][2] = {
	[BPF_NF_REJECT_NO_ROUTE] = {
		ICMP_NET_UNREACH, ICMPV6_NOROUTE
	},
	[BPF_NF_REJECT_PORT_UNREACH] = {
		ICMP_PORT_UNREACH, ICMPV6_PORT_UNREACH
	},
	[BPF_NF_REJECT_HOST_UNREACH] = {
		ICMP_HOST_UNREACH, ICMPV6_ADDR_UNREACH
	},
	[BPF_NF_REJECT_ADMIN_PROHIBITED] = {
		ICMP_PKT_FILTERED, ICMPV6_ADM_PROHIBITED
	},
};

/* Return: the code to send, for a reset 0, or -EINVAL */
static int bpf_nf_reject_code(u8 pf, u32 type, u32 code)
{
	switch (type) {
	case BPF_NF_REJECT_ICMP:
		if (pf == NFPROTO_IPV6)
			return code <= ICMPV6_REJECT_ROUTE ? code : -EINVAL;
		/* Its receiver would take 0 for the MTU of the path. */
		if (code == ICMP_FRAG_NEEDED)
			return -EINVAL;
		return code <= NR_ICMP_UNREACH ? code : -EINVAL;
	case BPF_NF_REJECT_ICMPX:
		if (code >= ARRAY_SIZE(bpf_nf_reject_icmpx))
			return -EINVAL;
		return bpf_nf_reject_icmpx[code][pf == NFPROTO_IPV6];
	case BPF_NF_REJECT_TCP_RESET:
		return code ? -EINVAL : 0;
	default:
		return -EINVAL;
	}
}

/* An answer copies the options at the offsets that were found when the packet
 * came, by the lengths that are there now, into a buffer that has room for all
 * of them. Who writes to packets may have changed these.
 */
static bool bpf_nf_reject_ip_options_ok(const struct sk_buff *skb)
{
	const struct ip_options *opt = &IPCB(skb)->opt;
	const u8 offsets[] = { opt->srr, opt->rr, opt->ts, opt->cipso };
	unsigned int end = sizeof(struct iphdr) + opt->optlen;
	const u8 *iph = skb_network_header(skb);
	unsigned int i, len, total = 0;

	if (!opt->optlen)
		return true;
	if (ip_hdrlen(skb) != end)
		return false;
	for (i = 0; i < ARRAY_SIZE(offsets); i++) {
		if (!offsets[i])
			continue;
		if (offsets[i] + 2 >= end)
			return false;
		len = iph[offsets[i] + 1];
		total += len;
		if (len < 3 || offsets[i] + len > end || total > opt->optlen)
			return false;
	}
	return true;
}

/* A route to several or to none: before routing nobody has looked at it. */
static bool bpf_nf_reject_is_unicast(struct net *net, const struct sk_buff *skb,
				     __be32 addr)
{
	unsigned int type = inet_addr_type_dev_table(net, skb->dev, addr);

	return type != RTN_BROADCAST && type != RTN_MULTICAST;
}

/* Return: the protocol behind the header, or why no answer is due */
static int bpf_nf_reject_check_ip(struct net *net, const struct sk_buff *skb)
{
	const struct iphdr *iph = ip_hdr(skb);

	if (skb_headlen(skb) < sizeof(*iph) || iph->version != 4 ||
	    iph->ihl < 5 || skb_headlen(skb) < ip_hdrlen(skb) ||
	    !bpf_nf_reject_ip_options_ok(skb) ||
	    iph->frag_off & htons(IP_OFFSET))
		return -EBADMSG;
	if (!bpf_nf_reject_is_unicast(net, skb, iph->saddr) ||
	    !bpf_nf_reject_is_unicast(net, skb, iph->daddr))
		return -EADDRNOTAVAIL;
	return iph->protocol;
}

static int bpf_nf_reject_check_ipv6(const struct sk_buff *skb)
{
	const struct ipv6hdr *iph = ipv6_hdr(skb);
	__be16 frag_off;
	u8 nexthdr;

	if (skb_headlen(skb) < sizeof(*iph) || iph->version != 6)
		return -EBADMSG;
	nexthdr = iph->nexthdr;
	if (ipv6_skip_exthdr(skb, sizeof(*iph), &nexthdr, &frag_off) < 0 ||
	    frag_off & htons(IP6_OFFSET))
		return -EBADMSG;
	if (!(ipv6_addr_type(&iph->saddr) & IPV6_ADDR_UNICAST) ||
	    !(ipv6_addr_type(&iph->daddr) & IPV6_ADDR_UNICAST))
		return -EADDRNOTAVAIL;
	return nexthdr;
}

/* Only what has just come from outside is not routed yet. Anything else without
 * a route is no packet of the hook, but one of a test run, and an answer to it
 * would be real. Metadata of a tunnel are no route, and not to be replaced.
 */
static bool bpf_nf_reject_has_way_back(const struct nf_hook_state *state,
				       const struct sk_buff *skb)
{
	if (skb_dst(skb))
		return skb_valid_dst(skb);
	return state->hook == NF_INET_PRE_ROUTING && skb->dev &&
	       !(skb->dev->flags & IFF_LOOPBACK);
}

/* Return: 0 if the packet can be answered, or an error */
static int bpf_nf_reject_check(const struct bpf_nf_ctx *ctx, u32 type)
{
	const struct nf_hook_state *state = ctx->state;
	const struct sk_buff *skb = ctx->skb;
	int proto;

	if (!bpf_nf_reject_has_way_back(state, skb))
		return -EHOSTUNREACH;
	if (skb->pkt_type != PACKET_HOST)
		return -EADDRNOTAVAIL;

	if (state->pf == NFPROTO_IPV4)
		proto = bpf_nf_reject_check_ip(state->net, skb);
	else
		proto = bpf_nf_reject_check_ipv6(skb);
	if (proto < 0)
		return proto;
	if (type == BPF_NF_REJECT_TCP_RESET && proto != IPPROTO_TCP)
		return -EPROTO;
	return 0;
}

/* An answer passes LOCAL_OUT, where a program may answer that: a reset once it has made
 * something else of it, which the kernel does not find out. With bottom halves disabled
 * nothing else on this processor is counted.
 */
static DEFINE_PER_CPU(unsigned int, bpf_nf_reject_depth);

#define BPF_NF_REJECT_MAX_DEPTH	4

static void bpf_nf_reject_ip(const struct bpf_nf_ctx *ctx, u32 type, u8 code)
{
	const struct nf_hook_state *state = ctx->state;

	if (type == BPF_NF_REJECT_TCP_RESET)
		nf_send_reset(state->net, state->sk, ctx->skb, state->hook);
	else
		nf_send_unreach(ctx->skb, code, state->hook);
}

static void bpf_nf_reject_ipv6(const struct bpf_nf_ctx *ctx, u32 type, u8 code)
{
	const struct nf_hook_state *state = ctx->state;

	if (!IS_ENABLED(CONFIG_IPV6))
		return;
	if (type == BPF_NF_REJECT_TCP_RESET)
		nf_send_reset6(state->net, state->sk, ctx->skb, state->hook);
	else
		nf_send_unreach6(state->net, ctx->skb, code, state->hook);
}

/**
 * bpf_nf_reject - answer the packet's sender
 * @ctx: the program's context
 * @type: enum bpf_nf_reject_type
 * @code: see there
 *
 * The program should return NF_DROP then. 0 says that the kernel was asked for
 * an answer. By its own rules it may send none: to an ICMP error or a reset, to
 * a packet whose checksum is wrong, or above the limits of
 * net.ipv4.icmp_msgs_per_sec, net.ipv4.icmp_ratelimit and
 * net.ipv6.icmp.ratelimit.
 *
 * The data of the packet may move: where the kernel has XFRM, an ICMP error reads the
 * flow from the packet, which pulls. The verifier forgets packet pointers at the call.
 *
 * Context: PRE_ROUTING, LOCAL_IN, FORWARD and LOCAL_OUT. The answer passes
 * LOCAL_OUT before this returns, and so the programs there.
 *
 * Return: 0, or an error of the table in linux/bpf_nf.h
 */
__bpf_kfunc int bpf_nf_reject(struct bpf_nf_ctx *ctx, u32 type, u32 code)
{
	const struct nf_hook_state *state = ctx->state;
	struct net_device *dev = ctx->skb->dev;
	bool routed = skb_dst(ctx->skb);
	int send, err;

	send = bpf_nf_reject_code(state->pf, type, code);
	if (send < 0)
		return send;
	if (state->hook == NF_INET_POST_ROUTING)
		return -EOPNOTSUPP;
	err = bpf_nf_reject_check(ctx, type);
	if (err)
		return err;

	local_bh_disable();
	if (this_cpu_inc_return(bpf_nf_reject_depth) > BPF_NF_REJECT_MAX_DEPTH)
		err = -ELOOP;
	else if (state->pf == NFPROTO_IPV4)
		bpf_nf_reject_ip(ctx, type, send);
	else
		bpf_nf_reject_ipv6(ctx, type, send);
	this_cpu_dec(bpf_nf_reject_depth);
	local_bh_enable();

	/* A packet that was not routed yet now has the route of its answer: should
	 * the program accept it, it would go back.
	 */
	if (!routed)
		skb_dst_drop(ctx->skb);
	/* nf_send_unreach6() lends loopback to a packet of LOCAL_OUT, which has no
	 * device there. An accepted packet goes on without one.
	 */
	ctx->skb->dev = dev;
	return err;
}

BTF_KFUNCS_START(bpf_nf_kfunc_ids)
#if IS_ENABLED(CONFIG_NF_CONNTRACK)
BTF_ID_FLAGS(func, bpf_nf_ct_get, KF_ACQUIRE | KF_RET_NULL)
BTF_ID_FLAGS(func, bpf_nf_ct_info)
BTF_ID_FLAGS(func, bpf_nf_ct_set_mark)
BTF_ID_FLAGS(func, bpf_nf_ct_get_labels)
BTF_ID_FLAGS(func, bpf_nf_ct_set_labels)
BTF_ID_FLAGS(func, bpf_nf_ct_lookup, KF_ACQUIRE | KF_RET_NULL)
BTF_ID_FLAGS(func, bpf_nf_ct_alloc, KF_ACQUIRE | KF_RET_NULL)
#endif
#if IS_ENABLED(CONFIG_NF_NAT)
/* An address is part of what one can walk to from an entry, by pointers that may be
 * NULL: it has to be the program's own.
 */
BTF_ID_FLAGS(func, bpf_nf_ct_set_nat, KF_TRUSTED_ARGS)
#endif
BTF_ID_FLAGS(func, bpf_nf_reject, KF_NETFILTER_MOVES_PACKET)
BTF_KFUNCS_END(bpf_nf_kfunc_ids)

static const struct btf_kfunc_id_set bpf_nf_kfunc_set = {
	.owner	= THIS_MODULE,
	.set	= &bpf_nf_kfunc_ids,
};

static int __init bpf_nf_kfunc_init(void)
{
	return register_btf_kfunc_id_set(BPF_PROG_TYPE_NETFILTER,
					 &bpf_nf_kfunc_set);
}

/* Loaded programs hold references on the module: nothing is left to undo. */
static void __exit bpf_nf_kfunc_exit(void)
{
}

module_init(bpf_nf_kfunc_init);
module_exit(bpf_nf_kfunc_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Conntrack, NAT and reject for BPF programs on netfilter hooks");
