// SPDX-License-Identifier: GPL-2.0
/* BPF links that run a program at a netfilter hook.
 *
 * A link registers a netfilter hook whose private data is the link itself, so the
 * program can be replaced without touching the hook. nf_bpf_track.c handles the fragments
 * of links with BPF_F_NETFILTER_FRAG_TRACK.
 */
#include <linux/bpf.h>
#include <linux/bpf_nf.h>
#include <linux/btf.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/kmod.h>
#include <linux/log2.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/netfilter.h>
#include <linux/netfilter_ipv4.h>
#include <linux/netfilter_ipv6.h>
#include <linux/nsproxy.h>
#include <linux/percpu.h>
#include <linux/rcupdate.h>
#include <linux/string.h>
#include <linux/u64_stats_sync.h>
#include <net/ip.h>
#include <net/ipv6.h>
#include <net/net_namespace.h>
#include <net/netfilter/nf_bpf_link.h>
#include <net/netns/generic.h>

#include "nf_bpf_compat.h"
#include "nf_bpf_fragment.h"
#include "nf_bpf_track.h"

/* bpf_nf_check_priority() uses the constants of IPv4 for both families. */
static_assert((int)NF_IP_PRI_CONNTRACK_DEFRAG ==
	      (int)NF_IP6_PRI_CONNTRACK_DEFRAG);
static_assert((int)NF_IP_PRI_FIRST == (int)NF_IP6_PRI_FIRST);
static_assert((int)NF_IP_PRI_LAST == (int)NF_IP6_PRI_LAST);

enum {
	BPF_NF_DEFRAG_V4,
	BPF_NF_DEFRAG_V6,
	BPF_NF_DEFRAG_MAX,
};

#define BPF_NF_LINK_FLAGS							\
	(BPF_F_NETFILTER_IP_DEFRAG | BPF_F_NETFILTER_DEFRAG_STRICT |			\
	 BPF_F_NETFILTER_FRAG_TRACK)
#define BPF_NF_LINK_PLACE_FLAGS							\
	(BPF_F_BEFORE | BPF_F_AFTER | BPF_F_ID | BPF_F_LINK)

/**
 * enum bpf_nf_verdict - what a link counts
 * @BPF_NF_ACCEPTED: packets for which the program returned NF_ACCEPT. With
 *	BPF_F_NETFILTER_FRAG_TRACK also the later fragments of a datagram whose first
 *	fragment the program accepted. Fragments that reassembly holds do not count;
 *	the reassembled datagram counts as one packet.
 * @BPF_NF_DROPPED: the same for all other return values
 * @BPF_NF_DROPPED_FRAGMENT: fragments that the link dropped for a reason other than the
 *	program's verdict
 * @BPF_NF_VERDICT_MAX: the number of the above
 */
enum bpf_nf_verdict {
	BPF_NF_ACCEPTED,
	BPF_NF_DROPPED,
	BPF_NF_DROPPED_FRAGMENT,
	BPF_NF_VERDICT_MAX,
};

enum {
	BPF_NF_COUNT_V4,
	BPF_NF_COUNT_V6,
	BPF_NF_COUNT_MAX,
};

struct bpf_nf_counter {
	u64 packets;
	u64 bytes;
};

/* The counters of one address family, by enum bpf_nf_verdict. They share a cache line. */
struct bpf_nf_counters {
	struct bpf_nf_counter of[BPF_NF_VERDICT_MAX];
} __aligned(64);

/**
 * struct bpf_nf_stats - counters of a link on one CPU
 * @family: the counters of each address family. A packet counts with its length at the
 *	hook, from the IP header on.
 * @syncp: lets readers on 32-bit kernels detect a half-written counter
 *
 * On 64-bit kernels each member of a counter is one word, and @syncp is empty. A reader may
 * see a packet without its bytes.
 */
struct bpf_nf_stats {
	struct bpf_nf_counters family[BPF_NF_COUNT_MAX];
	struct u64_stats_sync syncp;
};

/**
 * struct bpf_nf_link - link between a BPF program and a netfilter hook
 * @link: the generic part. User space holds it by fd or pin, and finds it by id.
 * @hook_ops: the netfilter hook; hook_ops.priv points to this link
 * @prog: the program that the hook runs. The attach sets @prog to link.prog last, when
 *	the hook is registered for all of its families and reassembly is enabled, so
 *	that no packet is judged if the attach fails half-way. While @prog is NULL, the
 *	hook accepts packets and does not count them. Once set, @prog never becomes
 *	NULL again, not even after the detach.
 * @stats: counters, one per CPU; they continue when the program is replaced
 * @defrag: hooks of the modules that reassemble packets for this link, one per family;
 *	NULL if the link does not need the module. The link holds references on the
 *	modules.
 * @track: state of BPF_F_NETFILTER_FRAG_TRACK; NULL without this flag
 * @net: the network namespace of the hook; NULL before the attach and after the
 *	detach. The link holds no reference on the namespace, so a pinned link does
 *	not keep it alive: bpf_nf_net_pre_exit() detaches the link when the namespace
 *	is dismantled.
 * @node: entry in the namespace's list of links
 * @cookie: link_create.netfilter.cookie
 * @flags: link_create.netfilter.flags
 *
 * The hook functions and bpf_nf_hook_prog_id() reach the link under RCU. When its last
 * reference is dropped, the hook is unregistered if it still is registered, and the link
 * is freed one grace period later. bpf_nf_mutex protects @net, @node, and changes of
 * @prog and link.prog.
 */
struct bpf_nf_link {
	struct bpf_link link;
	struct nf_hook_ops hook_ops;
	struct bpf_prog __rcu *prog;
	struct bpf_nf_stats __percpu *stats;
	const struct nf_defrag_hook *defrag[BPF_NF_DEFRAG_MAX];
	struct bpf_nf_track *track;
	struct net *net;
	struct list_head node;
	u64 cookie;
	u32 flags;
};

struct bpf_nf_net {
	struct list_head links;
};

/* Do not call request_module() under this mutex. It would deadlock: modprobe waits for
 * pernet_ops_rwsem, and cleanup_net() holds pernet_ops_rwsem while
 * bpf_nf_net_pre_exit() waits for this mutex.
 */
static DEFINE_MUTEX(bpf_nf_mutex);

static unsigned int bpf_nf_net_id __read_mostly;

static struct bpf_nf_link *to_nf_link(const struct bpf_link *link)
{
	return container_of(link, struct bpf_nf_link, link);
}

/* The two families differ in one bit, so no comparison is needed. */
static __always_inline int bpf_nf_family(u8 pf)
{
	BUILD_BUG_ON(!is_power_of_2(NFPROTO_IPV4 ^ NFPROTO_IPV6));
	BUILD_BUG_ON(NFPROTO_IPV4 > NFPROTO_IPV6);
	return (pf & (NFPROTO_IPV4 ^ NFPROTO_IPV6)) / (NFPROTO_IPV4 ^ NFPROTO_IPV6);
}

/* Count one packet. The callers pass its length, because they may have given the packet away.
 * A program cannot change the length, so they may read it before or after the run.
 */
static __always_inline void
bpf_nf_count(const struct bpf_nf_link *nf_link, const struct nf_hook_state *state,
	     u32 len, enum bpf_nf_verdict verdict)
{
	struct bpf_nf_counter __percpu *counter =
		&nf_link->stats->family[bpf_nf_family(state->pf)].of[verdict];

	if (BITS_PER_LONG == 64) {
		this_cpu_inc(counter->packets);
		this_cpu_add(counter->bytes, len);
		return;
	}
	/* A softirq can interrupt a hook in process context, and count on the same CPU. */
	local_bh_disable();
	u64_stats_update_begin(&this_cpu_ptr(nf_link->stats)->syncp);
	this_cpu_ptr(counter)->packets++;
	this_cpu_ptr(counter)->bytes += len;
	u64_stats_update_end(&this_cpu_ptr(nf_link->stats)->syncp);
	local_bh_enable();
}

static unsigned int nf_hook_run_bpf(void *priv, struct sk_buff *skb,
				    const struct nf_hook_state *state)
{
	const struct bpf_nf_link *nf_link = priv;
	const struct bpf_prog *prog;
	/* See bpf_nf_ctx_kern.saved. */
	struct bpf_nf_ctx_kern __uninitialized ctx;
	u32 verdict;

	ctx.state = state;
	ctx.skb = skb;
	ctx.link = nf_link;
	prog = rcu_dereference(nf_link->prog);
	if (unlikely(!prog))
		return NF_ACCEPT;

	/* A program must stay on its CPU. In a softirq it does. LOCAL_OUT and POST_ROUTING
	 * can run in process context, and so can every hook if user space has reinjected
	 * the packet: pin the program to its CPU there.
	 */
	verdict = bpf_prog_run_pin_unless_softirq(prog, &ctx);
	/* The verifier allows NF_ACCEPT and NF_DROP only. Drop on any other value:
	 * nf_hook_slow() would queue or leak the packet, or warn.
	 *
	 * Use ctx.skb and not skb: otherwise the compiler saves a register for each
	 * parameter across the call.
	 */
	if (unlikely(verdict != NF_ACCEPT)) {
		bpf_nf_count(ctx.link, ctx.state, ctx.skb->len, BPF_NF_DROPPED);
		return NF_DROP;
	}
	bpf_nf_count(ctx.link, ctx.state, ctx.skb->len, BPF_NF_ACCEPTED);
	return NF_ACCEPT;
}

static noinline unsigned int
nf_hook_run_bpf_unless_fragment(void *priv, struct sk_buff *skb,
				const struct nf_hook_state *state)
{
	const struct bpf_nf_link *nf_link = priv;

	if (!bpf_nf_is_fragment(skb, state->pf))
		return nf_hook_run_bpf(priv, skb, state);
	/* Without a program the link accepts the packet, as nf_hook_run_bpf() does. Do
	 * not call that function here: prog may be set after this test, and the program
	 * would see the fragment.
	 */
	if (!rcu_access_pointer(nf_link->prog))
		return NF_ACCEPT;
	bpf_nf_count(nf_link, state, skb->len, BPF_NF_DROPPED_FRAGMENT);
	return NF_DROP;
}

/* Strict links have a hook function of their own, so that other links do not test
 * BPF_F_NETFILTER_DEFRAG_STRICT for each packet.
 */
static unsigned int nf_hook_run_bpf_strict(void *priv, struct sk_buff *skb,
					   const struct nf_hook_state *state)
{
	if (likely(bpf_nf_is_whole(skb, state->pf)))
		return nf_hook_run_bpf(priv, skb, state);
	return nf_hook_run_bpf_unless_fragment(priv, skb, state);
}

/* The caller has seen that nf_link->prog is set. It never becomes NULL again, so do not
 * test it here.
 */
static noinline enum bpf_nf_track_step
bpf_nf_judge_first_fragment(const struct bpf_nf_link *nf_link,
			    struct bpf_nf_track_entry *entry, struct sk_buff *skb,
			    const struct nf_hook_state *state)
{
	const struct bpf_prog *prog = rcu_dereference(nf_link->prog);
	struct bpf_nf_ctx_kern ctx = {
		.state = state,
		.skb = skb,
		.link = nf_link,
	};
	u32 verdict;

	/* Tell the helpers that the verdict stands for the whole datagram. The flag is valid
	 * only while the program runs: the IP stack owns the control block.
	 */
	*bpf_nf_cb_flags(skb, state->pf) |= BPF_NF_CB_TRACKED;
	verdict = bpf_prog_run_pin_unless_softirq(prog, &ctx);
	*bpf_nf_cb_flags(skb, state->pf) &= ~BPF_NF_CB_TRACKED;
	return bpf_nf_track_judged(nf_link->track, entry, skb, verdict == NF_ACCEPT);
}

static noinline unsigned int
nf_hook_run_bpf_on_fragment(void *priv, struct sk_buff *skb,
			    const struct nf_hook_state *state)
{
	const struct bpf_nf_link *nf_link = priv;
	struct bpf_nf_track_entry *entry = NULL;
	enum bpf_nf_track_step step;
	u32 len = skb->len;

	if (state->pf == NFPROTO_IPV6 && !bpf_nf_is_fragment(skb, NFPROTO_IPV6))
		return nf_hook_run_bpf(priv, skb, state);
	if (!rcu_access_pointer(nf_link->prog))
		return NF_ACCEPT;

	step = bpf_nf_track(nf_link->track, skb, state, &entry);
	if (step == BPF_NF_TRACK_JUDGE)
		step = bpf_nf_judge_first_fragment(nf_link, entry, skb, state);
	if (unlikely(step == BPF_NF_TRACK_HAND_OVER))
		step = bpf_nf_track_hand_over(nf_link->track, skb, state);
	switch (step) {
	case BPF_NF_TRACK_ACCEPT:
		bpf_nf_count(nf_link, state, len, BPF_NF_ACCEPTED);
		return NF_ACCEPT;
	case BPF_NF_TRACK_DROP:
		bpf_nf_count(nf_link, state, len, BPF_NF_DROPPED);
		return NF_DROP;
	case BPF_NF_TRACK_STOLEN:
		return NF_STOLEN;
	case BPF_NF_TRACK_FREED:
		bpf_nf_count(nf_link, state, len, BPF_NF_DROPPED_FRAGMENT);
		return NF_STOLEN;
	case BPF_NF_TRACK_WHOLE:
		return nf_hook_run_bpf(priv, skb, state);
	default:
		bpf_nf_count(nf_link, state, len, BPF_NF_DROPPED_FRAGMENT);
		return NF_DROP;
	}
}

/* The hook function of links with BPF_F_NETFILTER_FRAG_TRACK */
static unsigned int nf_hook_run_bpf_track(void *priv, struct sk_buff *skb,
					  const struct nf_hook_state *state)
{
	if (likely(bpf_nf_is_whole(skb, state->pf)))
		return nf_hook_run_bpf(priv, skb, state);
	return nf_hook_run_bpf_on_fragment(priv, skb, state);
}

/**
 * bpf_nf_hook_prog_id - get the id of the program that a hook runs
 * @ops: a hook of type NF_HOOK_OP_BPF
 *
 * Call it in the RCU read-side critical section in which @ops was found.
 *
 * Return: the id of the program; 0 if the attach is not complete yet, or if the last
 * reference on the program is gone
 */
u32 bpf_nf_hook_prog_id(const struct nf_hook_ops *ops)
{
	const struct bpf_nf_link *nf_link = ops->priv;
	const struct bpf_prog *prog = rcu_dereference(nf_link->prog);

	return prog ? prog->aux->id : 0;
}
EXPORT_SYMBOL_GPL(bpf_nf_hook_prog_id);

/**
 * bpf_nf_link_cookie - get the cookie of a link
 * @nf_link: the link whose hook runs the program; NULL in a test run
 *
 * Return: link_create.netfilter.cookie; 0 if it was not set, or in a test run
 */
u64 bpf_nf_link_cookie(const struct bpf_nf_link *nf_link)
{
	return nf_link ? nf_link->cookie : 0;
}

static const struct nf_defrag_hook *
bpf_nf_defrag_try_get(const struct nf_defrag_hook __rcu **slot)
{
	const struct nf_defrag_hook *hook;

	/* A module clears its slot before it unloads. RCU keeps hook->owner valid until
	 * the reference on the module is taken, and the reference keeps it valid
	 * afterwards.
	 */
	rcu_read_lock();
	hook = rcu_dereference(*slot);
	if (hook && !try_module_get(hook->owner))
		hook = NULL;
	rcu_read_unlock();
	return hook;
}

static const struct nf_defrag_hook *
bpf_nf_defrag_get(const struct nf_defrag_hook __rcu **slot, const char *module)
{
	const struct nf_defrag_hook *hook;
	int err;

	hook = bpf_nf_defrag_try_get(slot);
	if (hook)
		return hook;
	err = request_module("%s", module);
	if (err)
		return ERR_PTR(err < 0 ? err : -EINVAL);
	hook = bpf_nf_defrag_try_get(slot);
	return hook ?: ERR_PTR(-ENOENT);
}

static int bpf_nf_defrag_get_v4(struct bpf_nf_link *nf_link)
{
	const struct nf_defrag_hook *hook;

	if (!IS_ENABLED(CONFIG_NF_DEFRAG_IPV4))
		return -EAFNOSUPPORT;

	hook = bpf_nf_defrag_get(&nf_defrag_v4_hook, "nf_defrag_ipv4");
	if (IS_ERR(hook))
		return PTR_ERR(hook);
	nf_link->defrag[BPF_NF_DEFRAG_V4] = hook;
	return 0;
}

static int bpf_nf_defrag_get_v6(struct bpf_nf_link *nf_link)
{
	const struct nf_defrag_hook *hook;

	/* A kernel without IPv6 has no IPv6 packets: reassembly of IPv4 is enough. */
	if (!IS_ENABLED(CONFIG_IPV6) && nf_link->hook_ops.pf == NFPROTO_INET)
		return 0;
	if (!IS_ENABLED(CONFIG_NF_DEFRAG_IPV6))
		return -EAFNOSUPPORT;

	hook = bpf_nf_defrag_get(&nf_defrag_v6_hook, "nf_defrag_ipv6");
	if (IS_ERR(hook))
		return PTR_ERR(hook);
	nf_link->defrag[BPF_NF_DEFRAG_V6] = hook;
	return 0;
}

static void bpf_nf_defrag_put_modules(struct bpf_nf_link *nf_link)
{
	int i;

	for (i = 0; i < BPF_NF_DEFRAG_MAX; i++) {
		if (!nf_link->defrag[i])
			continue;
		module_put(nf_link->defrag[i]->owner);
		nf_link->defrag[i] = NULL;
	}
}

/* Load the modules that the link needs, and take a reference on each. If the attach fails
 * later, the modules stay loaded. This does no harm: they queue no fragment until
 * reassembly is enabled. A link that tracks fragments calls the functions of reassembly
 * itself. It needs no module for IPv4, because ip_defrag() is built in.
 */
static int bpf_nf_defrag_get_modules(struct bpf_nf_link *nf_link)
{
	int err = 0;

	if (!(nf_link->flags & (BPF_F_NETFILTER_IP_DEFRAG | BPF_F_NETFILTER_FRAG_TRACK)))
		return 0;

	if (nf_link->hook_ops.pf != NFPROTO_IPV6 && !nf_link->track)
		err = bpf_nf_defrag_get_v4(nf_link);
	if (!err && nf_link->hook_ops.pf != NFPROTO_IPV4)
		err = bpf_nf_defrag_get_v6(nf_link);
	if (err)
		bpf_nf_defrag_put_modules(nf_link);
	return err;
}

static int bpf_nf_defrag_enable(struct bpf_nf_link *nf_link, struct net *net)
{
	int i, err;

	if (!(nf_link->flags & BPF_F_NETFILTER_IP_DEFRAG))
		return 0;
	for (i = 0; i < BPF_NF_DEFRAG_MAX; i++) {
		if (!nf_link->defrag[i])
			continue;
		err = nf_link->defrag[i]->enable(net);
		if (err)
			goto disable;
	}
	return 0;
disable:
	while (i--) {
		if (nf_link->defrag[i])
			nf_link->defrag[i]->disable(net);
	}
	return err;
}

static void bpf_nf_defrag_disable(struct bpf_nf_link *nf_link, struct net *net)
{
	int i;

	if (!(nf_link->flags & BPF_F_NETFILTER_IP_DEFRAG))
		return;
	for (i = 0; i < BPF_NF_DEFRAG_MAX; i++) {
		if (nf_link->defrag[i])
			nf_link->defrag[i]->disable(net);
	}
}

static int bpf_nf_link_net_attach(struct bpf_nf_link *nf_link, struct net *net)
{
	struct bpf_nf_net *nf_net = net_generic(net, bpf_nf_net_id);
	int err;

	err = bpf_nf_defrag_get_modules(nf_link);
	if (err)
		return err;
	if (nf_link->track) {
		err = bpf_nf_track_attach(nf_link->track, net,
					  nf_link->defrag[BPF_NF_DEFRAG_V6]);
		if (err)
			goto put_modules;
	}
	/* Register the hook before reassembly is enabled. If another hook has the
	 * priority, the attach then fails before any fragment is queued. The hook has
	 * no program yet and accepts all packets.
	 */
	err = nf_register_net_hook(net, &nf_link->hook_ops);
	if (err)
		goto put_modules;
	err = bpf_nf_defrag_enable(nf_link, net);
	if (err)
		goto unregister;

	mutex_lock(&bpf_nf_mutex);
	rcu_assign_pointer(nf_link->prog, nf_link->link.prog);
	nf_link->net = net;
	list_add_tail(&nf_link->node, &nf_net->links);
	mutex_unlock(&bpf_nf_mutex);
	return 0;
unregister:
	nf_unregister_net_hook(net, &nf_link->hook_ops);
put_modules:
	bpf_nf_defrag_put_modules(nf_link);
	return err;
}

static void bpf_nf_link_net_detach(struct bpf_nf_link *nf_link)
{
	lockdep_assert_held(&bpf_nf_mutex);

	if (!nf_link->net)
		return;
	nf_unregister_net_hook(nf_link->net, &nf_link->hook_ops);
	bpf_nf_defrag_disable(nf_link, nf_link->net);
	if (nf_link->track)
		bpf_nf_track_detach(nf_link->track);
	/* Packets may still run through the hook and the code that reassembles. The unload of
	 * a module waits for a grace period, and so for them.
	 */
	bpf_nf_defrag_put_modules(nf_link);
	list_del(&nf_link->node);
	nf_link->net = NULL;
}

static void bpf_nf_link_release(struct bpf_link *link)
{
	mutex_lock(&bpf_nf_mutex);
	bpf_nf_link_net_detach(to_nf_link(link));
	mutex_unlock(&bpf_nf_mutex);
}

static int bpf_nf_link_update(struct bpf_link *link, struct bpf_prog *nprog,
			      struct bpf_prog *oprog)
{
	struct bpf_nf_link *nf_link = to_nf_link(link);
	int ret = 0;

	mutex_lock(&bpf_nf_mutex);
	if (!nf_link->net) {
		ret = -ENOLINK;
		goto out;
	}
	if (oprog && link->prog != oprog) {
		ret = -EPERM;
		goto out;
	}
	oprog = link->prog;
	if (oprog == nprog) {
		bpf_prog_put(nprog);
		goto out;
	}
	if (nprog->type != oprog->type ||
	    nprog->expected_attach_type != oprog->expected_attach_type) {
		ret = -EINVAL;
		goto out;
	}
	/* Do not wait for packets that still run the old program. They run it under
	 * RCU, and bpf_prog_put() frees it after a grace period.
	 */
	rcu_assign_pointer(nf_link->prog, nprog);
	oprog = xchg(&link->prog, nprog);
	bpf_prog_put(oprog);
out:
	mutex_unlock(&bpf_nf_mutex);
	return ret;
}

static void bpf_nf_link_free(struct bpf_nf_link *nf_link)
{
	bpf_nf_track_free(nf_link->track);
	free_percpu(nf_link->stats);
	kfree(nf_link);
}

static void bpf_nf_link_dealloc(struct bpf_link *link)
{
	bpf_nf_link_free(to_nf_link(link));
}

static u32 bpf_nf_link_netns_ino(const struct bpf_nf_link *nf_link)
{
	u32 ino = 0;

	mutex_lock(&bpf_nf_mutex);
	if (nf_link->net)
		ino = nf_link->net->ns.inum;
	mutex_unlock(&bpf_nf_mutex);
	return ino;
}

static struct bpf_nf_counter bpf_nf_read_counter(const struct bpf_nf_stats *stats,
						 int family,
						 enum bpf_nf_verdict verdict)
{
	const struct bpf_nf_counter *counter = &stats->family[family].of[verdict];
	struct bpf_nf_counter now;
	unsigned int start;

	do {
		start = u64_stats_fetch_begin(&stats->syncp);
		now.packets = READ_ONCE(counter->packets);
		now.bytes = READ_ONCE(counter->bytes);
	} while (u64_stats_fetch_retry(&stats->syncp, start));
	return now;
}

static void bpf_nf_stats_add(struct bpf_nf_stats *sum,
			     const struct bpf_nf_stats *stats)
{
	enum bpf_nf_verdict verdict;
	struct bpf_nf_counter now;
	int family;

	for (family = 0; family < BPF_NF_COUNT_MAX; family++) {
		for (verdict = 0; verdict < BPF_NF_VERDICT_MAX; verdict++) {
			now = bpf_nf_read_counter(stats, family, verdict);
			sum->family[family].of[verdict].packets += now.packets;
			sum->family[family].of[verdict].bytes += now.bytes;
		}
	}
}

/* Each counter is exact. The counters are read one after the other, so one of them may
 * include a packet that came after another one was read.
 */
static struct bpf_nf_stats bpf_nf_link_stats(const struct bpf_nf_link *nf_link)
{
	struct bpf_nf_stats sum = {};
	int cpu;

	for_each_possible_cpu(cpu)
		bpf_nf_stats_add(&sum, per_cpu_ptr(nf_link->stats, cpu));
	return sum;
}

/* Add up both families. @stats was read once, so the sum minus the counter of IPv6 is exactly the
 * counter of IPv4.
 */
static struct bpf_nf_counter bpf_nf_total(const struct bpf_nf_stats *stats,
					  enum bpf_nf_verdict verdict)
{
	struct bpf_nf_counter total = stats->family[BPF_NF_COUNT_V4].of[verdict];

	total.packets += stats->family[BPF_NF_COUNT_V6].of[verdict].packets;
	total.bytes += stats->family[BPF_NF_COUNT_V6].of[verdict].bytes;
	return total;
}

static void bpf_nf_stats_fdinfo(const struct bpf_nf_stats *stats, struct seq_file *seq)
{
	static const char * const names[BPF_NF_VERDICT_MAX] = {
		[BPF_NF_ACCEPTED]		= "accepted",
		[BPF_NF_DROPPED]		= "dropped",
		[BPF_NF_DROPPED_FRAGMENT]	= "dropped_fragments",
	};
	const struct bpf_nf_counter *v6 = stats->family[BPF_NF_COUNT_V6].of;
	struct bpf_nf_counter total;
	int i;

	for (i = 0; i < BPF_NF_VERDICT_MAX; i++) {
		total = bpf_nf_total(stats, i);
		seq_printf(seq, "%s:\t%llu\n", names[i], total.packets);
		seq_printf(seq, "%s_bytes:\t%llu\n", names[i], total.bytes);
		seq_printf(seq, "ipv6_%s:\t%llu\n", names[i], v6[i].packets);
		seq_printf(seq, "ipv6_%s_bytes:\t%llu\n", names[i], v6[i].bytes);
	}
}

static void bpf_nf_link_fdinfo(const struct bpf_link *link, struct seq_file *seq)
{
	const struct bpf_nf_link *nf_link = to_nf_link(link);
	struct bpf_nf_stats stats = bpf_nf_link_stats(nf_link);

	/* The first line has the format of mainline, which tools parse. */
	seq_printf(seq, "pf:\t%u\thooknum:\t%u\tprio:\t%d\n",
		   nf_link->hook_ops.pf, nf_link->hook_ops.hooknum,
		   nf_link->hook_ops.priority);
	seq_printf(seq, "flags:\t%#x\n", nf_link->flags);
	seq_printf(seq, "netns_ino:\t%u\n", bpf_nf_link_netns_ino(nf_link));
	seq_printf(seq, "cookie:\t%llu\n", nf_link->cookie);
	bpf_nf_stats_fdinfo(&stats, seq);
	if (nf_link->track)
		bpf_nf_track_fdinfo(nf_link->track, seq);
}

static void bpf_nf_stats_info(const struct bpf_nf_stats *stats,
			      struct bpf_link_info *info)
{
	const struct bpf_nf_counter *v6 = stats->family[BPF_NF_COUNT_V6].of;
	struct bpf_nf_counter total;

	total = bpf_nf_total(stats, BPF_NF_ACCEPTED);
	info->netfilter.accepted = total.packets;
	info->netfilter.accepted_bytes = total.bytes;
	total = bpf_nf_total(stats, BPF_NF_DROPPED);
	info->netfilter.dropped = total.packets;
	info->netfilter.dropped_bytes = total.bytes;
	total = bpf_nf_total(stats, BPF_NF_DROPPED_FRAGMENT);
	info->netfilter.dropped_fragments = total.packets;
	info->netfilter.dropped_fragments_bytes = total.bytes;

	info->netfilter.ipv6.accepted = v6[BPF_NF_ACCEPTED].packets;
	info->netfilter.ipv6.accepted_bytes = v6[BPF_NF_ACCEPTED].bytes;
	info->netfilter.ipv6.dropped = v6[BPF_NF_DROPPED].packets;
	info->netfilter.ipv6.dropped_bytes = v6[BPF_NF_DROPPED].bytes;
	info->netfilter.ipv6.dropped_fragments = v6[BPF_NF_DROPPED_FRAGMENT].packets;
	info->netfilter.ipv6.dropped_fragments_bytes = v6[BPF_NF_DROPPED_FRAGMENT].bytes;
}

static int bpf_nf_link_fill_info(const struct bpf_link *link,
				 struct bpf_link_info *info)
{
	const struct bpf_nf_link *nf_link = to_nf_link(link);
	struct bpf_nf_stats stats = bpf_nf_link_stats(nf_link);

	info->netfilter.pf = nf_link->hook_ops.pf;
	info->netfilter.hooknum = nf_link->hook_ops.hooknum;
	info->netfilter.priority = nf_link->hook_ops.priority;
	info->netfilter.flags = nf_link->flags;
	info->netfilter.netns_ino = bpf_nf_link_netns_ino(nf_link);
	info->netfilter.reserved = 0;
	info->netfilter.cookie = nf_link->cookie;
	bpf_nf_stats_info(&stats, info);
	return 0;
}

static int bpf_nf_link_detach(struct bpf_link *link)
{
	bpf_nf_link_release(link);
	return 0;
}

static const struct bpf_link_ops bpf_nf_link_lops = {
	.release		= bpf_nf_link_release,
	.detach			= bpf_nf_link_detach,
	.dealloc_deferred	= bpf_nf_link_dealloc,
	.update_prog		= bpf_nf_link_update,
	.show_fdinfo		= bpf_nf_link_fdinfo,
	.fill_link_info		= bpf_nf_link_fill_info,
};

static int bpf_nf_check_place(const union bpf_attr *attr)
{
	u32 flags = attr->link_create.flags;

	if (!flags)
		return attr->link_create.netfilter.relative_fd ? -EINVAL : 0;
	if (!(flags & BPF_F_BEFORE) == !(flags & BPF_F_AFTER))
		return -EINVAL;
	/* With tcx, BPF_F_BEFORE or BPF_F_AFTER alone means first or last. A netfilter hook
	 * has no priority that means first or last, so the caller must name the other
	 * link or program.
	 */
	if (!(flags & (BPF_F_ID | BPF_F_LINK)) &&
	    !attr->link_create.netfilter.relative_fd)
		return -EINVAL;
	return attr->link_create.netfilter.priority ? -EINVAL : 0;
}

static int bpf_nf_check_attr(const union bpf_attr *attr)
{
	const size_t end = offsetofend(union bpf_attr, link_create.netfilter);
	u32 flags = attr->link_create.netfilter.flags;

	if (attr->link_create.flags & ~BPF_NF_LINK_PLACE_FLAGS)
		return -EINVAL;
	if (attr->link_create.netfilter.reserved)
		return -EINVAL;
	/* The bytes behind netfilter belong to parameters of other link types. A caller
	 * that sets them expects something that this kernel does not know.
	 */
	if (memchr_inv((const void *)attr + end, 0, sizeof(*attr) - end))
		return -EINVAL;

	switch (attr->link_create.netfilter.pf) {
	case NFPROTO_INET:
	case NFPROTO_IPV4:
	case NFPROTO_IPV6:
		break;
	default:
		return -EAFNOSUPPORT;
	}

	if (attr->link_create.netfilter.hooknum >= NF_INET_NUMHOOKS)
		return -EPROTO;
	if (flags & ~BPF_NF_LINK_FLAGS)
		return -EOPNOTSUPP;
	if (flags == BPF_F_NETFILTER_DEFRAG_STRICT)
		return -EINVAL;
	if ((flags & BPF_F_NETFILTER_FRAG_TRACK) && flags != BPF_F_NETFILTER_FRAG_TRACK)
		return -EINVAL;
	return bpf_nf_check_place(attr);
}

static int bpf_nf_check_priority(s32 priority, u32 flags)
{
	/* Conntrack confirms entries at NF_IP_PRI_LAST (IPv6's LOCAL_IN: one before), after
	 * all other hooks. ip_sabotage_in() of br_netfilter, at NF_IP_PRI_FIRST, has to run
	 * before all other hooks.
	 */
	if (priority == NF_IP_PRI_FIRST || priority == NF_IP_PRI_LAST)
		return -ERANGE;
	if ((flags & BPF_F_NETFILTER_IP_DEFRAG) &&
	    priority <= NF_IP_PRI_CONNTRACK_DEFRAG)
		return -ERANGE;
	return 0;
}

/* True if the link and the attributes share the hook number and a family. */
static bool bpf_nf_link_shares_hook(const struct bpf_nf_link *nf_link,
				    const union bpf_attr *attr)
{
	u32 pf = attr->link_create.netfilter.pf;

	return nf_link->hook_ops.hooknum == attr->link_create.netfilter.hooknum &&
	       (nf_link->hook_ops.pf == pf || pf == NFPROTO_INET ||
		nf_link->hook_ops.pf == NFPROTO_INET);
}

static int bpf_nf_priority_of_link(struct net *net, const union bpf_attr *attr,
				   s32 *priority)
{
	u32 id_or_fd = attr->link_create.netfilter.relative_fd;
	struct bpf_nf_link *nf_link;
	struct bpf_link *link;
	int err = -ESRCH;

	if (attr->link_create.flags & BPF_F_ID)
		link = bpf_link_by_id(id_or_fd);
	else
		link = bpf_link_get_from_fd(id_or_fd);
	if (IS_ERR(link))
		return PTR_ERR(link);
	if (link->ops != &bpf_nf_link_lops) {
		bpf_link_put(link);
		return -EINVAL;
	}

	nf_link = to_nf_link(link);
	mutex_lock(&bpf_nf_mutex);
	if (nf_link->net == net && bpf_nf_link_shares_hook(nf_link, attr)) {
		*priority = nf_link->hook_ops.priority;
		err = 0;
	}
	mutex_unlock(&bpf_nf_mutex);
	bpf_link_put(link);
	return err;
}

/* If the program is attached several times, "before" means its first position and
 * "after" its last.
 */
static int bpf_nf_priority_of_prog(struct net *net, const union bpf_attr *attr,
				   s32 *priority)
{
	struct bpf_nf_net *nf_net = net_generic(net, bpf_nf_net_id);
	bool after = attr->link_create.flags & BPF_F_AFTER;
	u32 id_or_fd = attr->link_create.netfilter.relative_fd;
	const struct bpf_nf_link *nf_link;
	struct bpf_prog *prog;
	int err = -ESRCH;

	if (attr->link_create.flags & BPF_F_ID)
		prog = bpf_prog_by_id(id_or_fd);
	else
		prog = bpf_prog_get(id_or_fd);
	if (IS_ERR(prog))
		return PTR_ERR(prog);

	mutex_lock(&bpf_nf_mutex);
	list_for_each_entry(nf_link, &nf_net->links, node) {
		s32 pos = nf_link->hook_ops.priority;

		if (nf_link->link.prog != prog ||
		    !bpf_nf_link_shares_hook(nf_link, attr))
			continue;
		if (err || (after ? pos > *priority : pos < *priority))
			*priority = pos;
		err = 0;
	}
	mutex_unlock(&bpf_nf_mutex);
	bpf_prog_put(prog);
	return err;
}

/* No lock is held from here to the registration. If the other link is detached in between,
 * the new link keeps the priority, as if the other link were detached later.
 */
static int bpf_nf_choose_priority(struct net *net, const union bpf_attr *attr,
				  s32 *priority)
{
	u32 flags = attr->link_create.netfilter.flags;
	u32 place = attr->link_create.flags;
	int err;

	if (!place) {
		*priority = attr->link_create.netfilter.priority;
		return bpf_nf_check_priority(*priority, flags);
	}

	/* The error code would reveal whether an id exists. BPF_LINK_GET_FD_BY_ID and
	 * BPF_PROG_GET_FD_BY_ID require the same capability.
	 */
	if ((place & BPF_F_ID) && !capable(CAP_SYS_ADMIN))
		return -EPERM;
	if (place & BPF_F_LINK)
		err = bpf_nf_priority_of_link(net, attr, priority);
	else
		err = bpf_nf_priority_of_prog(net, attr, priority);
	if (err)
		return err;
	*priority += place & BPF_F_BEFORE ? -1 : 1;
	return bpf_nf_check_priority(*priority, flags);
}

static struct bpf_nf_link *bpf_nf_link_alloc(u32 flags)
{
	struct bpf_nf_link *nf_link;
	int cpu;

	nf_link = kzalloc(sizeof(*nf_link), GFP_KERNEL_ACCOUNT);
	if (!nf_link)
		return NULL;
	nf_link->stats = alloc_percpu_gfp(struct bpf_nf_stats, GFP_KERNEL_ACCOUNT);
	if (!nf_link->stats)
		goto free;
	if (flags & BPF_F_NETFILTER_FRAG_TRACK) {
		nf_link->track = bpf_nf_track_alloc();
		if (!nf_link->track)
			goto free;
	}
	nf_link->flags = flags;
	for_each_possible_cpu(cpu)
		u64_stats_init(&per_cpu_ptr(nf_link->stats, cpu)->syncp);
	return nf_link;
free:
	bpf_nf_link_free(nf_link);
	return NULL;
}

static nf_hookfn *bpf_nf_choose_hook(u32 flags)
{
	if (flags & BPF_F_NETFILTER_FRAG_TRACK)
		return nf_hook_run_bpf_track;
	if (flags & BPF_F_NETFILTER_DEFRAG_STRICT)
		return nf_hook_run_bpf_strict;
	return nf_hook_run_bpf;
}

static int bpf_nf_link_init(struct bpf_nf_link *nf_link,
			    struct bpf_link_primer *link_primer,
			    const union bpf_attr *attr, s32 priority,
			    struct bpf_prog *prog)
{
	bpf_link_init(&nf_link->link, BPF_LINK_TYPE_NETFILTER,
		      &bpf_nf_link_lops, prog);
	nf_link->hook_ops.hook = bpf_nf_choose_hook(nf_link->flags);
	nf_link->hook_ops.priv = nf_link;
	nf_link->hook_ops.hook_ops_type = NF_HOOK_OP_BPF;
	nf_link->hook_ops.pf = attr->link_create.netfilter.pf;
	nf_link->hook_ops.hooknum = attr->link_create.netfilter.hooknum;
	nf_link->hook_ops.priority = priority;
	nf_link->cookie = attr->link_create.netfilter.cookie;
	return bpf_link_prime(&nf_link->link, link_primer);
}

/**
 * bpf_nf_link_attach - handle BPF_LINK_CREATE for BPF_PROG_TYPE_NETFILTER
 * @attr: the attributes; the parameters are in link_create.netfilter
 * @prog: the program. If the call succeeds, the link owns the caller's reference.
 *
 * The link is attached in the caller's network namespace, which the caller keeps alive.
 *
 * Return: the fd of the new link, or one of the errors listed in linux/bpf_nf.h
 */
int bpf_nf_link_attach(const union bpf_attr *attr, struct bpf_prog *prog)
{
	struct net *net = current->nsproxy->net_ns;
	struct bpf_link_primer link_primer;
	struct bpf_nf_link *nf_link;
	s32 priority;
	int err;

	/* A process can get the program's fd from another process. That does not give
	 * it the right to filter packets of this namespace.
	 */
	if (!ns_capable(net->user_ns, CAP_NET_ADMIN))
		return -EPERM;
	err = bpf_nf_check_attr(attr);
	if (err)
		return err;
	err = bpf_nf_choose_priority(net, attr, &priority);
	if (err)
		return err;

	nf_link = bpf_nf_link_alloc(attr->link_create.netfilter.flags);
	if (!nf_link)
		return -ENOMEM;
	err = bpf_nf_link_init(nf_link, &link_primer, attr, priority, prog);
	if (err) {
		bpf_nf_link_free(nf_link);
		return err;
	}

	/* From here on the link's file owns the link: bpf_link_cleanup() frees it, and
	 * leaves the reference on the program to the caller.
	 */
	err = bpf_nf_link_net_attach(nf_link, net);
	if (err) {
		bpf_link_cleanup(&link_primer);
		return err;
	}
	return bpf_link_settle(&link_primer);
}

static int __net_init bpf_nf_net_init(struct net *net)
{
	struct bpf_nf_net *nf_net = net_generic(net, bpf_nf_net_id);

	INIT_LIST_HEAD(&nf_net->links);
	return 0;
}

static void __net_exit bpf_nf_net_pre_exit(struct net *net)
{
	struct bpf_nf_net *nf_net = net_generic(net, bpf_nf_net_id);
	struct bpf_nf_link *nf_link, *next;

	mutex_lock(&bpf_nf_mutex);
	list_for_each_entry_safe(nf_link, next, &nf_net->links, node)
		bpf_nf_link_net_detach(nf_link);
	mutex_unlock(&bpf_nf_mutex);
}

static struct pernet_operations bpf_nf_net_ops = {
	.init		= bpf_nf_net_init,
	.pre_exit	= bpf_nf_net_pre_exit,
	.id		= &bpf_nf_net_id,
	.size		= sizeof(struct bpf_nf_net),
};

static int __init bpf_nf_init(void)
{
	BTF_TYPE_EMIT_ENUM(BPF_NF_LINK_INET);
	BTF_TYPE_EMIT_ENUM(BPF_F_NETFILTER_DEFRAG_STRICT);
	return register_pernet_subsys(&bpf_nf_net_ops);
}
subsys_initcall(bpf_nf_init);
