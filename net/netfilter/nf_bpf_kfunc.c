// SPDX-License-Identifier: GPL-2.0
/* Conntrack, NAT and reject kfuncs of BPF_PROG_TYPE_NETFILTER.
 *
 * All kfuncs run under RCU and do not change their CPU. LOCAL_OUT and POST_ROUTING, and
 * all hooks for packets that user space has reinjected, can run in process context with
 * bottom halves enabled. nft calls the same functions of conntrack, NAT and reject
 * there.
 *
 * Pointers that a program passes may be NULL, whatever their size argument says. The
 * memory may be in a map, and other programs or user space can change it at any time.
 * So a kfunc copies its input once (bpf_nf_snapshot()) and checks the copy.
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

#include "nf_bpf_ctx.h"
#include "nf_bpf_fragment.h"

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

/* Timeout of an entry of bpf_nf_ct_alloc(), the same as in bpf_skb_ct_alloc(). The
 * program can change it by bpf_ct_set_timeout().
 */
#define BPF_NF_CT_TIMEOUT	(10 * HZ)

/* Get the packet's entry. A template is not an entry: it tells conntrack, which has not
 * seen the packet yet, how to treat it.
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
 * struct bpf_nf_ct_key - what a program wants to look up or to allocate
 * @net: the network namespace
 * @held: @net if the key holds a reference on it, otherwise NULL
 * @zone: the conntrack zone
 * @tuple: the tuple in the original direction
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

	/* Packets can arrive during netns teardown, when get_net() is not allowed. The
	 * netns outlives its hooks, so no reference is needed.
	 */
	key->net = nf_bpf_net(ctx->state);
	key->held = NULL;
	if (opts.netns_id == BPF_F_CURRENT_NETNS)
		return 0;
	key->held = get_net_ns_by_id(nf_bpf_net(ctx->state), opts.netns_id);
	key->net = key->held;
	return key->net ? 0 : -ENONET;
}

static void bpf_nf_ct_put_key(const struct bpf_nf_ct_key *key)
{
	if (key->held)
		put_net(key->held);
}

/* An entry that is not in the table yet (unconfirmed) normally belongs to one packet. A
 * new extension may move the existing extensions, and nothing protects another reader
 * of them. There is one if the packet was cloned: by a bridge, for several outputs of a
 * multicast, or by segmentation for NFQUEUE.
 */
static bool bpf_nf_ct_is_shared(const struct nf_conn *ct)
{
	return refcount_read(&ct->ct_general.use) != 1;
}

/* Expectations are in a list that begins in an extension, and hold no reference on the
 * entry. nft's "ct expectation" makes them for an unconfirmed entry.
 */
static bool bpf_nf_ct_has_expectations(const struct nf_conn *ct)
{
	const struct nf_conn_help *help = nfct_help(ct);

	return help && !hlist_empty(&help->expectations);
}

/* Do not call nf_ct_labels_ext_add(): it adds no labels unless a rule in the namespace
 * uses labels, and it does not know about programs.
 */
static int bpf_nf_ct_add_labels(struct nf_conn *ct)
{
#if IS_ENABLED(CONFIG_NF_CONNTRACK_LABELS)
	if (nf_ct_labels_find(ct) || nf_ct_is_confirmed(ct))
		return 0;
	if (bpf_nf_ct_is_shared(ct) || bpf_nf_ct_has_expectations(ct))
		return -EBUSY;
	nf_ct_ext_add(ct, NF_CT_EXT_LABELS, GFP_ATOMIC);
#endif
	return 0;
}

/* Return: @ct; if it is an error pointer, NULL, with the error in @opts */
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
	/* The allocation leaves this part uninitialized. */
	memset(&ct->proto, 0, sizeof(ct->proto));
	__nf_ct_set_timeout(ct, BPF_NF_CT_TIMEOUT);
	return ct;
}

/**
 * bpf_nf_ct_get - get the conntrack entry of the packet
 * @ctx: the context of the program
 *
 * Context: any hook. The packet's data does not move.
 *
 * Return: the entry, which may be unconfirmed; the program has to release it by
 * bpf_ct_release(). NULL if the packet has no entry: bpf_nf_ct_info() says why.
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
 * bpf_nf_ct_info - get what conntrack knows of the packet
 * @ctx: the context of the program
 * @info: out: see struct bpf_nf_ct_info
 * @info__sz: sizeof(struct bpf_nf_ct_info)
 *
 * The program gets a copy, so it has nothing to release.
 *
 * Context: any hook. The packet's data does not move.
 *
 * Return: 0, also if the packet has no entry; -EINVAL if @info is NULL or @info__sz
 * is wrong
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
 * @ctx: the context of the program
 * @mark: the new values of the bits
 * @mask: the bits to change. The others keep their values, even if they are changed
 *	by someone else at the same time.
 *
 * Listeners of conntrack events are notified.
 *
 * Context: any hook. The packet's data does not move.
 *
 * Return: 0, -ENOENT if the packet has no entry, -EOPNOTSUPP if the kernel was built
 * without marks
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
 * bpf_nf_ct_get_labels - get the labels of the packet's connection
 * @ctx: the context of the program
 * @labels: out: see struct bpf_nf_ct_labels
 * @labels__sz: sizeof(struct bpf_nf_ct_labels)
 *
 * An entry without room for labels has no label set.
 *
 * Context: any hook. The packet's data does not move.
 *
 * Return: 0, -EINVAL if @labels is NULL or @labels__sz is wrong, -ENOENT if the packet
 * has no entry, -EOPNOTSUPP if the kernel was built without labels
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
 * @ctx: the context of the program
 * @labels: the new values of the labels
 * @labels__sz: sizeof(struct bpf_nf_ct_labels)
 * @mask: the labels to change; the others keep their values
 * @mask__sz: sizeof(struct bpf_nf_ct_labels)
 *
 * An unconfirmed entry without room for labels gets room. A confirmed entry has room if,
 * when its connection began, nft or iptables rules in its namespace used labels, or if this
 * function was called for its first packet.
 *
 * Context: any hook. The packet's data does not move.
 *
 * Return: 0, or
 * -EINVAL if a pointer is NULL or a size is wrong;
 * -EOPNOTSUPP if the kernel was built without labels;
 * -ENOENT if the packet has no entry;
 * -ENOSPC if the entry has no room for labels;
 * -EBUSY if an unconfirmed entry has no room for labels and cannot get it, because a
 * clone of the packet, a reference from bpf_nf_ct_get() or an expectation also uses
 * the entry
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

	/* nf_connlabels_replace() flips bits that are set outside of the mask. */
	for (i = 0; i < ARRAY_SIZE(bits.bits); i++)
		bits.bits[i] &= which.bits[i];
	return nf_connlabels_replace(ct, bits.bits, which.bits,
				     ARRAY_SIZE(bits.bits));
}

/**
 * bpf_nf_ct_lookup - look up a conntrack entry by a tuple
 * @ctx: the context of the program
 * @tuple: addresses and ports of either direction, in network byte order
 * @tuple__sz: size of tuple->ipv4 or of tuple->ipv6, which selects the family
 * @opts: see struct bpf_nf_ct_opts; out: error, dir
 * @opts__sz: sizeof(struct bpf_nf_ct_opts)
 *
 * Context: any hook. The packet's data does not move.
 *
 * Return: the entry, which the program has to release by bpf_ct_release(); or NULL, with
 * an error of the list in linux/bpf_nf.h in opts->error
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
 * bpf_nf_ct_alloc - allocate a conntrack entry
 * @ctx: the context of the program
 * @tuple: addresses and ports of the original direction, in network byte order
 * @tuple__sz: size of tuple->ipv4 or of tuple->ipv6, which selects the family
 * @opts: see struct bpf_nf_ct_opts; out: error
 * @opts__sz: sizeof(struct bpf_nf_ct_opts)
 *
 * The program can change the entry (bpf_ct_set_timeout(), bpf_ct_set_status(),
 * bpf_ct_set_nat_info(), its mark), and then has to insert it into the table by
 * bpf_ct_insert_entry(). The entry expires after 10 seconds unless the program sets
 * another timeout.
 *
 * Context: any hook. The packet's data does not move.
 *
 * Return: the entry; or NULL, with an error of the list in linux/bpf_nf.h in opts->error
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

/* Return: true if packets of this hook still have to pass the hook that translates @manip */
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
 * bpf_nf_ct_set_nat - set up address translation for the packet's new connection
 * @ctx: the context of the program
 * @addr: the new address, of the packet's family, in network byte order
 * @port: the new port, in host byte order; 0 or less to keep the port, or to use any
 *	free port if it is taken
 * @manip: NF_NAT_MANIP_SRC or NF_NAT_MANIP_DST
 *
 * This only records the translation in the entry. The hooks of a chain of nft's type nat
 * translate the packets, so the namespace needs such a chain, which may be empty, for
 * the packet's family. The program has to run after conntrack (priority -200) and before
 * the hook that translates:
 *
 *  destination address: PRE_ROUTING and LOCAL_OUT, before priority -100
 *  source address: FORWARD; LOCAL_IN and POST_ROUTING, before priority 100
 *
 * Context: the hooks above, once per connection for each of the two addresses. The
 * packet's data does not move.
 *
 * Return: 0, or an error of the list in linux/bpf_nf.h
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
	if (!bpf_nf_nat_suits(ctx->state->hook, manip) ||
	    bpf_nf_is_tracked(ctx->skb, ctx->state->pf))
		return -EOPNOTSUPP;

	ct = bpf_nf_ct(ctx, &ctinfo);
	if (!ct)
		return -ENOENT;
	if (nf_ct_is_confirmed(ct) || nf_nat_initialized(ct, manip) ||
	    bpf_nf_ct_is_shared(ct))
		return -EBUSY;
	if (!nf_nat_has_hooks(ctx->state->net, nf_ct_l3num(ct)))
		return -EUNATCH;
	/* nf_nat_setup_info() allocates this extension after it has changed the reply
	 * tuple. If that allocation failed, it would return an error, but packets would
	 * be translated.
	 */
	if (nfct_help(ct) && !nfct_seqadj(ct)) {
		if (bpf_nf_ct_has_expectations(ct))
			return -EBUSY;
		if (!nfct_seqadj_ext_add(ct))
			return -ENOMEM;
	}

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

/* Return: the ICMP code to send, 0 for a TCP reset, or -EINVAL */
static int bpf_nf_reject_code(u8 pf, u32 type, u32 code)
{
	switch (type) {
	case BPF_NF_REJECT_ICMP:
		if (pf == NFPROTO_IPV6)
			return code <= ICMPV6_REJECT_ROUTE ? code : -EINVAL;
		/* The ICMP message would carry an MTU of 0. */
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

/* The ICMP answer copies IP options at the offsets that were found when the packet
 * arrived, but with the lengths that the packet has now, into a buffer that has just
 * enough room for the original options. Something that writes to packets may have
 * changed the lengths.
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

/* Routing drops packets from broadcast and multicast addresses, but a packet at
 * PRE_ROUTING has not been routed yet.
 */
static bool bpf_nf_reject_is_unicast(struct net *net, const struct sk_buff *skb,
				     __be32 addr)
{
	unsigned int type = inet_addr_type_dev_table(net, skb->dev, addr);

	return type != RTN_BROADCAST && type != RTN_MULTICAST;
}

/* Return: the protocol that follows the header, or an error if the packet must not be
 * answered
 */
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

/* A packet needs a route, except at PRE_ROUTING, where a received packet is not routed
 * yet. A packet without a route at another hook comes from BPF_PROG_TEST_RUN, and an
 * answer to it would be a real packet. Tunnel metadata are a dst, but not a route, and
 * must not be replaced by one.
 */
static bool bpf_nf_reject_has_way_back(const struct nf_hook_state *state,
				       const struct sk_buff *skb)
{
	if (skb_dst(skb))
		return skb_valid_dst(skb);
	return state->hook == NF_INET_PRE_ROUTING && skb->dev &&
	       !(skb->dev->flags & IFF_LOOPBACK);
}

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

/* An answer passes LOCAL_OUT, where programs run on the same stack, and may answer the
 * answer: a program may rewrite a reset and reject it again. So an answer has no answer.
 * Bottom halves are disabled while this is not 0.
 */
static DEFINE_PER_CPU(unsigned int, bpf_nf_reject_depth);

/* A program that rejects may have used this much of the stack, which has 16 KB on 64-bit. A
 * program and its functions need up to 1,280 bytes, and callbacks need the frames of the
 * helpers as well. Tail calls in functions leave frames behind, and can need 8 KB. Then nothing
 * is left for the answer, and for a program at LOCAL_OUT that does the same.
 */
#define BPF_NF_REJECT_MAX_STACK	2048

/* The function of the hook has the context on its stack. */
static bool bpf_nf_reject_has_stack(const struct bpf_nf_ctx *ctx)
{
	unsigned long begin = (unsigned long)ctx;
	unsigned long here = (unsigned long)__builtin_frame_address(0);

	return max(begin, here) - min(begin, here) <= BPF_NF_REJECT_MAX_STACK;
}

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
 * bpf_nf_reject - send an ICMP error or a TCP reset to the sender of the packet
 * @ctx: the context of the program
 * @type: enum bpf_nf_reject_type
 * @code: depends on @type: see enum bpf_nf_reject_type
 *
 * The program should return NF_DROP afterwards.
 *
 * If the function returns 0, the kernel was asked to send the answer. The kernel still
 * sends none to an ICMP error or a TCP reset, none to a packet with a wrong checksum, and
 * none above the limits of net.ipv4.icmp_msgs_per_sec, net.ipv4.icmp_ratelimit and
 * net.ipv6.icmp.ratelimit.
 *
 * The packet's data may move: in a kernel with XFRM, an ICMP error decodes the flow of the
 * packet, which pulls headers. The verifier forgets packet pointers at the call.
 *
 * Context: PRE_ROUTING, LOCAL_IN, FORWARD and LOCAL_OUT. The answer passes LOCAL_OUT, and
 * the programs there, before the function returns.
 *
 * Return: 0, or an error of the list in linux/bpf_nf.h
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
	/* An answer needs a correct checksum of the whole datagram. */
	if (state->hook == NF_INET_POST_ROUTING || bpf_nf_is_tracked(ctx->skb, state->pf))
		return -EOPNOTSUPP;
	err = bpf_nf_reject_check(ctx, type);
	if (err)
		return err;
	if (!bpf_nf_reject_has_stack(ctx))
		return -ELOOP;
	err = nf_bpf_keep_head(ctx->skb);
	if (err)
		return err;

	local_bh_disable();
	if (this_cpu_inc_return(bpf_nf_reject_depth) > 1)
		err = -ELOOP;
	else if (state->pf == NFPROTO_IPV4)
		bpf_nf_reject_ip(ctx, type, send);
	else
		bpf_nf_reject_ipv6(ctx, type, send);
	this_cpu_dec(bpf_nf_reject_depth);
	local_bh_enable();

	/* The functions that answer give a packet without a route the route of the
	 * answer. If the program accepts the packet, it must not go back to its sender.
	 */
	if (!routed)
		skb_dst_drop(ctx->skb);
	/* A packet at LOCAL_OUT has no device, and nf_send_unreach6() sets the loopback
	 * device. If the program accepts the packet, it has to continue without a
	 * device.
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
/* A program can walk from an entry to a union nf_inet_addr through pointers that may be
 * NULL. With this flag the address has to be in memory of the program.
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

/* A loaded program holds a reference on the module, so there is nothing to undo. */
static void __exit bpf_nf_kfunc_exit(void)
{
}

module_init(bpf_nf_kfunc_init);
module_exit(bpf_nf_kfunc_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Conntrack, NAT and reject for BPF programs on netfilter hooks");
