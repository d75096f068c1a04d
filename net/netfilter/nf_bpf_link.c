// SPDX-License-Identifier: GPL-2.0
/* BPF programs on netfilter hooks, attached through bpf_link. */
#include <linux/bpf.h>
#include <linux/bpf_nf.h>
#include <linux/btf_ids.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/kmod.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/netfilter.h>
#include <linux/netfilter_ipv4.h>
#include <linux/netfilter_ipv6.h>
#include <linux/nsproxy.h>
#include <linux/rcupdate.h>
#include <net/net_namespace.h>
#include <net/netfilter/nf_bpf_link.h>
#include <net/netns/generic.h>

#include "nf_bpf_compat.h"

/* One test of the priority serves both families: see bpf_nf_check_attr(). */
static_assert((int)NF_IP_PRI_CONNTRACK_DEFRAG ==
	      (int)NF_IP6_PRI_CONNTRACK_DEFRAG);

enum {
	BPF_NF_DEFRAG_V4,
	BPF_NF_DEFRAG_V6,
	BPF_NF_DEFRAG_MAX,
};

/**
 * struct bpf_nf_link - a BPF program on a netfilter hook
 * @link: what user space holds by fd, pin or id
 * @hook_ops: the hook; its priv is this link
 * @prog: what packets run. It repeats @link.prog because bpf_link_cleanup()
 *	clears that one, and when only half of an NFPROTO_INET hook could be
 *	registered, packets may still be in the half that was undone.
 * @defrag: per family, the module whose defragmentation this link has enabled
 * @net: where the hook is registered, NULL before and after. No reference is
 *	held, so that a pinned link does not keep a network namespace alive:
 *	bpf_nf_net_pre_exit() detaches the link when the namespace goes.
 * @node: entry in the namespace's list of links
 * @flags: link_create.netfilter.flags
 *
 * Packets and the hook dump reach the link through @hook_ops under RCU; it is
 * freed a grace period after its hook was unregistered. bpf_nf_mutex protects
 * @net, @node and changes of @prog.
 */
struct bpf_nf_link {
	struct bpf_link link;
	struct nf_hook_ops hook_ops;
	struct bpf_prog __rcu *prog;
	const struct nf_defrag_hook *defrag[BPF_NF_DEFRAG_MAX];
	struct net *net;
	struct list_head node;
	u32 flags;
};

struct bpf_nf_net {
	struct list_head links;
};

/* Not held while defragmentation is enabled: that may wait for modprobe, which
 * waits for namespace exits, which take this mutex in bpf_nf_net_pre_exit().
 */
static DEFINE_MUTEX(bpf_nf_mutex);

static unsigned int bpf_nf_net_id __read_mostly;

static struct bpf_nf_link *to_nf_link(const struct bpf_link *link)
{
	return container_of(link, struct bpf_nf_link, link);
}

static unsigned int bpf_nf_run(void *priv, struct sk_buff *skb,
			       const struct nf_hook_state *state)
{
	const struct bpf_nf_link *nf_link = priv;
	struct bpf_nf_ctx ctx = {
		.state = state,
		.skb = skb,
	};
	u32 verdict;

	/* LOCAL_OUT and POST_ROUTING also run in process context. */
	verdict = bpf_prog_run_pin_on_cpu(rcu_dereference(nf_link->prog), &ctx);

	/* The verifier bounds the verdict of a program, not that of a program
	 * which extends it (BPF_PROG_TYPE_EXT): any other value would leak the
	 * packet or warn in nf_hook_slow(), so it drops.
	 */
	return verdict == NF_ACCEPT ? NF_ACCEPT : NF_DROP;
}

/**
 * bpf_nf_hook_prog_id - id of the program behind a hook
 * @ops: a hook of type NF_HOOK_OP_BPF
 *
 * The caller is in an RCU read-side section and found @ops in it.
 *
 * Return: the program's id, 0 when the program is already going away
 */
u32 bpf_nf_hook_prog_id(const struct nf_hook_ops *ops)
{
	const struct bpf_nf_link *nf_link = ops->priv;

	return rcu_dereference(nf_link->prog)->aux->id;
}
EXPORT_SYMBOL_GPL(bpf_nf_hook_prog_id);

static const struct nf_defrag_hook *
bpf_nf_defrag_try_get(const struct nf_defrag_hook __rcu **slot)
{
	const struct nf_defrag_hook *hook;

	/* A module clears its slot before it goes: RCU keeps the owner valid up
	 * to our reference, the reference keeps it valid from then on.
	 */
	rcu_read_lock();
	hook = rcu_dereference(*slot);
	if (hook && !try_module_get(hook->owner))
		hook = NULL;
	rcu_read_unlock();
	return hook;
}

static const struct nf_defrag_hook *
bpf_nf_defrag_get(struct net *net, const struct nf_defrag_hook __rcu **slot,
		  const char *module)
{
	const struct nf_defrag_hook *hook;
	int err;

	hook = bpf_nf_defrag_try_get(slot);
	if (!hook) {
		err = request_module(module);
		if (err < 0)
			return ERR_PTR(err);
		hook = bpf_nf_defrag_try_get(slot);
		if (!hook)
			return ERR_PTR(-ENOENT);
	}
	err = hook->enable(net);
	if (err) {
		module_put(hook->owner);
		return ERR_PTR(err);
	}
	return hook;
}

static void bpf_nf_defrag_disable(struct bpf_nf_link *nf_link, struct net *net)
{
	const struct nf_defrag_hook *hook;
	int i;

	for (i = 0; i < BPF_NF_DEFRAG_MAX; i++) {
		hook = nf_link->defrag[i];
		if (!hook)
			continue;
		hook->disable(net);
		module_put(hook->owner);
		nf_link->defrag[i] = NULL;
	}
}

static int bpf_nf_defrag_enable_v4(struct bpf_nf_link *nf_link, struct net *net)
{
	const struct nf_defrag_hook *hook;

	if (!IS_ENABLED(CONFIG_NF_DEFRAG_IPV4))
		return -EAFNOSUPPORT;

	hook = bpf_nf_defrag_get(net, &nf_defrag_v4_hook, "nf_defrag_ipv4");
	if (IS_ERR(hook))
		return PTR_ERR(hook);
	nf_link->defrag[BPF_NF_DEFRAG_V4] = hook;
	return 0;
}

static int bpf_nf_defrag_enable_v6(struct bpf_nf_link *nf_link, struct net *net)
{
	const struct nf_defrag_hook *hook;

	/* Without IPv6 an NFPROTO_INET hook sees IPv4 only, and that is enabled. */
	if (!IS_ENABLED(CONFIG_IPV6) && nf_link->hook_ops.pf == NFPROTO_INET)
		return 0;
	if (!IS_ENABLED(CONFIG_NF_DEFRAG_IPV6))
		return -EAFNOSUPPORT;

	hook = bpf_nf_defrag_get(net, &nf_defrag_v6_hook, "nf_defrag_ipv6");
	if (IS_ERR(hook))
		return PTR_ERR(hook);
	nf_link->defrag[BPF_NF_DEFRAG_V6] = hook;
	return 0;
}

static int bpf_nf_defrag_enable(struct bpf_nf_link *nf_link, struct net *net)
{
	int err = 0;

	if (!(nf_link->flags & BPF_F_NETFILTER_IP_DEFRAG))
		return 0;

	if (nf_link->hook_ops.pf != NFPROTO_IPV6)
		err = bpf_nf_defrag_enable_v4(nf_link, net);
	if (!err && nf_link->hook_ops.pf != NFPROTO_IPV4)
		err = bpf_nf_defrag_enable_v6(nf_link, net);
	if (err)
		bpf_nf_defrag_disable(nf_link, net);
	return err;
}

static int bpf_nf_link_net_attach(struct bpf_nf_link *nf_link, struct net *net)
{
	struct bpf_nf_net *nf_net = net_generic(net, bpf_nf_net_id);
	int err;

	err = bpf_nf_defrag_enable(nf_link, net);
	if (err)
		return err;
	err = nf_register_net_hook(net, &nf_link->hook_ops);
	if (err) {
		bpf_nf_defrag_disable(nf_link, net);
		return err;
	}

	mutex_lock(&bpf_nf_mutex);
	nf_link->net = net;
	list_add_tail(&nf_link->node, &nf_net->links);
	mutex_unlock(&bpf_nf_mutex);
	return 0;
}

static void bpf_nf_link_net_detach(struct bpf_nf_link *nf_link)
{
	lockdep_assert_held(&bpf_nf_mutex);

	if (!nf_link->net)
		return;
	nf_unregister_net_hook(nf_link->net, &nf_link->hook_ops);
	bpf_nf_defrag_disable(nf_link, nf_link->net);
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
	/* A packet that runs the old program does so under RCU, and so is the
	 * old program freed: nothing to wait for.
	 */
	rcu_assign_pointer(nf_link->prog, nprog);
	oprog = xchg(&link->prog, nprog);
	bpf_prog_put(oprog);
out:
	mutex_unlock(&bpf_nf_mutex);
	return ret;
}

static void bpf_nf_link_dealloc(struct bpf_link *link)
{
	kfree(to_nf_link(link));
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

static void bpf_nf_link_fdinfo(const struct bpf_link *link, struct seq_file *seq)
{
	const struct bpf_nf_link *nf_link = to_nf_link(link);

	seq_printf(seq, "pf:\t%u\n", nf_link->hook_ops.pf);
	seq_printf(seq, "hooknum:\t%u\n", nf_link->hook_ops.hooknum);
	seq_printf(seq, "prio:\t%d\n", nf_link->hook_ops.priority);
	seq_printf(seq, "flags:\t%#x\n", nf_link->flags);
	seq_printf(seq, "netns_ino:\t%u\n", bpf_nf_link_netns_ino(nf_link));
}

static int bpf_nf_link_fill_info(const struct bpf_link *link,
				 struct bpf_link_info *info)
{
	const struct bpf_nf_link *nf_link = to_nf_link(link);

	info->netfilter.pf = nf_link->hook_ops.pf;
	info->netfilter.hooknum = nf_link->hook_ops.hooknum;
	info->netfilter.priority = nf_link->hook_ops.priority;
	info->netfilter.flags = nf_link->flags;
	info->netfilter.netns_ino = bpf_nf_link_netns_ino(nf_link);
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

static int bpf_nf_check_attr(const union bpf_attr *attr)
{
	u32 flags = attr->link_create.netfilter.flags;
	s32 priority = attr->link_create.netfilter.priority;

	if (attr->link_create.flags)
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
	if (flags & ~BPF_F_NETFILTER_IP_DEFRAG)
		return -EOPNOTSUPP;

	/* Conntrack's confirmation has to stay last, and what sits at the first
	 * priority expects nothing before it.
	 */
	if (priority == NF_IP_PRI_FIRST || priority == NF_IP_PRI_LAST)
		return -ERANGE;
	if ((flags & BPF_F_NETFILTER_IP_DEFRAG) &&
	    priority <= NF_IP_PRI_CONNTRACK_DEFRAG)
		return -ERANGE;
	return 0;
}

static int bpf_nf_link_init(struct bpf_nf_link *nf_link,
			    struct bpf_link_primer *link_primer,
			    const union bpf_attr *attr, struct bpf_prog *prog)
{
	bpf_link_init(&nf_link->link, BPF_LINK_TYPE_NETFILTER,
		      &bpf_nf_link_lops, prog);
	RCU_INIT_POINTER(nf_link->prog, prog);
	nf_link->flags = attr->link_create.netfilter.flags;
	nf_link->hook_ops.hook = bpf_nf_run;
	nf_link->hook_ops.priv = nf_link;
	nf_link->hook_ops.hook_ops_type = NF_HOOK_OP_BPF;
	nf_link->hook_ops.pf = attr->link_create.netfilter.pf;
	nf_link->hook_ops.hooknum = attr->link_create.netfilter.hooknum;
	nf_link->hook_ops.priority = attr->link_create.netfilter.priority;
	return bpf_link_prime(&nf_link->link, link_primer);
}

/**
 * bpf_nf_link_attach - BPF_LINK_CREATE for BPF_PROG_TYPE_NETFILTER
 * @attr: link_create, with pf, hooknum, priority and flags in .netfilter
 * @prog: the program; the link takes the caller's reference if it is created
 *
 * The link is attached in the caller's network namespace.
 *
 * Return: the fd of the new link, or an error of the table in linux/bpf_nf.h
 */
int bpf_nf_link_attach(const union bpf_attr *attr, struct bpf_prog *prog)
{
	struct net *net = current->nsproxy->net_ns;
	struct bpf_link_primer link_primer;
	struct bpf_nf_link *nf_link;
	int err;

	/* An fd of a program can be passed on; the right to decide over a
	 * namespace's packets does not go with it.
	 */
	if (!ns_capable(net->user_ns, CAP_NET_ADMIN))
		return -EPERM;
	err = bpf_nf_check_attr(attr);
	if (err)
		return err;

	nf_link = kzalloc(sizeof(*nf_link), GFP_USER);
	if (!nf_link)
		return -ENOMEM;
	err = bpf_nf_link_init(nf_link, &link_primer, attr, prog);
	if (err) {
		kfree(nf_link);
		return err;
	}

	/* From here on the link's file owns it: cleanup frees the link, and
	 * leaves the reference on the program with the caller.
	 */
	err = bpf_nf_link_net_attach(nf_link, net);
	if (err) {
		bpf_link_cleanup(&link_primer);
		return err;
	}
	return bpf_link_settle(&link_primer);
}

const struct bpf_prog_ops netfilter_prog_ops = {
};

BTF_ID_LIST(bpf_nf_ctx_btf_ids)
BTF_ID(struct, nf_hook_state)
BTF_ID(struct, sk_buff)

enum {
	BPF_NF_CTX_STATE,
	BPF_NF_CTX_SKB,
};

static bool bpf_nf_ctx_btf_ptr(struct bpf_insn_access_aux *info, u32 btf_id)
{
	struct btf *btf = bpf_get_btf_vmlinux();

	/* The ids are 0 in a kernel that was built without BTF. */
	if (IS_ERR_OR_NULL(btf) || !btf_id)
		return false;

	info->reg_type = PTR_TO_BTF_ID | NF_BPF_PTR_FLAGS;
	info->btf = btf;
	info->btf_id = btf_id;
	return true;
}

static bool bpf_nf_is_valid_access(int off, int size, enum bpf_access_type type,
				   const struct bpf_prog *prog,
				   struct bpf_insn_access_aux *info)
{
	if (type != BPF_READ || size != sizeof(void *))
		return false;

	switch (off) {
	case offsetof(struct bpf_nf_ctx, state):
		return bpf_nf_ctx_btf_ptr(info, bpf_nf_ctx_btf_ids[BPF_NF_CTX_STATE]);
	case offsetof(struct bpf_nf_ctx, skb):
		return bpf_nf_ctx_btf_ptr(info, bpf_nf_ctx_btf_ids[BPF_NF_CTX_SKB]);
	default:
		return false;
	}
}

static const struct bpf_func_proto *
bpf_nf_func_proto(enum bpf_func_id func_id, const struct bpf_prog *prog)
{
	return nf_bpf_base_func_proto(func_id, prog);
}

const struct bpf_verifier_ops netfilter_verifier_ops = {
	.is_valid_access	= bpf_nf_is_valid_access,
	.get_func_proto		= bpf_nf_func_proto,
};

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
	return register_pernet_subsys(&bpf_nf_net_ops);
}
subsys_initcall(bpf_nf_init);
