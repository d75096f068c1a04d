// SPDX-License-Identifier: GPL-2.0
/* Kfuncs for a BPF_PROG_TYPE_NETFILTER program that holds a conntrack entry.
 *
 * On a patched kernel netfilter programs call the kfuncs of the modules nf_conntrack and
 * nf_nat, as tc and XDP programs do: bpf_ct_release(), bpf_ct_insert_entry() and so on. An
 * unmodified kernel registers these kfuncs for tc and XDP only, and another module cannot
 * register them for netfilter programs. So this module has the same functions under other
 * names: bpf_nf_ct_*().
 *
 * The program holds a reference on the entry in each call (KF_TRUSTED_ARGS or KF_RELEASE).
 */
#include <linux/bpf.h>
#include <linux/btf.h>
#include <linux/btf_ids.h>
#include <linux/jiffies.h>
#include <linux/kallsyms.h>
#include <linux/module.h>
#include <linux/netfilter.h>
#include <net/net_namespace.h>
#include <net/netfilter/nf_bpf_link.h>
#include <net/netfilter/nf_conntrack.h>
#include <net/netfilter/nf_conntrack_bpf.h>
#include <net/netfilter/nf_conntrack_core.h>
#include <net/netfilter/nf_nat.h>

#include "nf_bpf_compat.h"
#include "nf_bpf_entry.h"

/**
 * bpf_nf_ct_release - release a conntrack entry
 * @ct: the entry
 */
__bpf_kfunc void bpf_nf_ct_release(struct nf_conn *ct)
{
	nf_ct_put(ct);
}

/**
 * bpf_nf_ct_insert_entry - put an allocated entry into the table
 * @init: the entry of bpf_nf_ct_alloc(). After the call the program must not use it.
 *
 * Return: the entry, which the program has to release; NULL if the table already has an entry
 * with one of its tuples
 */
__bpf_kfunc struct nf_conn *bpf_nf_ct_insert_entry(struct nf_conn___init *init)
{
	struct nf_conn *ct = &init->ct;

	/* The timeout is relative until the entry is in the table. */
	ct->timeout += nfct_time_stamp;
	ct->status |= IPS_CONFIRMED;
	if (nf_conntrack_hash_check_insert(ct)) {
		nf_conntrack_free(ct);
		return NULL;
	}
	return ct;
}

/**
 * bpf_nf_ct_set_timeout - set the timeout of an allocated entry
 * @init: the entry of bpf_nf_ct_alloc()
 * @timeout: milliseconds from the insertion on
 */
__bpf_kfunc void bpf_nf_ct_set_timeout(struct nf_conn___init *init, u32 timeout)
{
	__nf_ct_set_timeout(&init->ct, msecs_to_jiffies(timeout));
}

/**
 * bpf_nf_ct_change_timeout - change the timeout of an entry
 * @ct: the entry
 * @timeout: milliseconds from now on
 *
 * Return: 0, -EPERM if the entry has a fixed timeout, or -ETIME if conntrack is deleting the
 * entry, which then has the new timeout all the same
 */
__bpf_kfunc int bpf_nf_ct_change_timeout(struct nf_conn *ct, u32 timeout)
{
	return __nf_ct_change_timeout(ct, msecs_to_jiffies(timeout));
}

/**
 * bpf_nf_ct_set_status - set the status of an allocated entry
 * @init: the entry of bpf_nf_ct_alloc()
 * @status: bits of enum ip_conntrack_status
 *
 * Return: 0, or -EBUSY if @status would change a bit that only conntrack changes
 */
__bpf_kfunc int bpf_nf_ct_set_status(struct nf_conn___init *init, u32 status)
{
	return nf_ct_change_status_common(&init->ct, status);
}

/**
 * bpf_nf_ct_change_status - change the status of an entry
 * @ct: the entry
 * @status: bits of enum ip_conntrack_status
 *
 * Return: as bpf_nf_ct_set_status()
 */
__bpf_kfunc int bpf_nf_ct_change_status(struct nf_conn *ct, u32 status)
{
	return nf_ct_change_status_common(ct, status);
}

/**
 * bpf_nf_ct_set_init_mark - set the mark of an allocated entry
 * @init: the entry of bpf_nf_ct_alloc()
 * @mark: the mark
 *
 * On a patched kernel, a program stores to the mark. The verifier of an unmodified kernel
 * refuses this store.
 *
 * Return: 0, -EOPNOTSUPP if the kernel was built without marks
 */
__bpf_kfunc int bpf_nf_ct_set_init_mark(struct nf_conn___init *init, u32 mark)
{
#if IS_ENABLED(CONFIG_NF_CONNTRACK_MARK)
	WRITE_ONCE(init->ct.mark, mark);
	return 0;
#else
	return -EOPNOTSUPP;
#endif
}

/**
 * bpf_nf_ct_change_mark - change the mark of an entry
 * @ct: the entry
 * @mark: the mark
 *
 * Return: 0, -EOPNOTSUPP if the kernel was built without marks
 */
__bpf_kfunc int bpf_nf_ct_change_mark(struct nf_conn *ct, u32 mark)
{
#if IS_ENABLED(CONFIG_NF_CONNTRACK_MARK)
	WRITE_ONCE(ct->mark, mark);
	return 0;
#else
	return -EOPNOTSUPP;
#endif
}

#if IS_ENABLED(CONFIG_NF_NAT)

/**
 * bpf_nf_ct_set_nat_info - set up address translation for an allocated entry
 * @init: the entry of bpf_nf_ct_alloc()
 * @addr: the new address, of the entry's family, in network byte order
 * @port: the new port, in host byte order; 0 or less for any
 * @manip: NF_NAT_MANIP_SRC or NF_NAT_MANIP_DST
 *
 * Return: 0, -EINVAL if @addr is NULL or @manip has another value, -EBUSY if this address of
 * the entry is translated already, -ENOMEM
 */
__bpf_kfunc int bpf_nf_ct_set_nat_info(struct nf_conn___init *init,
				       union nf_inet_addr *addr, int port,
				       enum nf_nat_manip_type manip)
{
	struct nf_nat_range2 range = { .flags = NF_NAT_RANGE_MAP_IPS };
	struct nf_conn *ct = &init->ct;

	/* The verifier accepts NULL for a pointer to memory. */
	if (!addr || (manip != NF_NAT_MANIP_SRC && manip != NF_NAT_MANIP_DST))
		return -EINVAL;
	if (nf_nat_initialized(ct, manip))
		return -EBUSY;

	range.min_addr = *addr;
	range.max_addr = range.min_addr;
	if (port > 0) {
		range.flags |= NF_NAT_RANGE_PROTO_SPECIFIED;
		range.min_proto.all = htons(port);
		range.max_proto.all = range.min_proto.all;
	}
	return nf_nat_setup_info(ct, &range, manip) == NF_ACCEPT ? 0 : -ENOMEM;
}

#endif /* CONFIG_NF_NAT */

static bool nf_bpf_is_in_nat(nf_hookfn *hook)
{
	char name[KSYM_SYMBOL_LEN];

	snprintf(name, sizeof(name), "%ps", hook);
	if (IS_BUILTIN(CONFIG_NF_NAT))
		return str_has_prefix(name, "nf_nat_");
	return strstr(name, "[nf_nat]");
}

/* Find a function by its name once. This module uses nf_nat, so the function stays where it is. */
static bool nf_bpf_is_nat_hook(nf_hookfn *hook, nf_hookfn **known)
{
	nf_hookfn *nat = READ_ONCE(*known);

	if (nat)
		return hook == nat;
	if (!nf_bpf_is_in_nat(hook))
		return false;
	WRITE_ONCE(*known, hook);
	return true;
}

/**
 * nf_bpf_has_nat_hooks - tell whether a network namespace translates packets
 * @net: the network namespace
 * @pf: NFPROTO_IPV4 or NFPROTO_IPV6, nothing else
 *
 * A patched nf_nat counts the users of its hooks. An unmodified nf_nat does not tell its
 * users, so look for its hooks. It registers those of PRE_ROUTING together with the others.
 * RCU protects the array of functions, and not the structs that were registered: some kernels
 * free these at once.
 *
 * Context: under RCU.
 *
 * Return: true if the hooks of this family are registered. They may be unregistered at any
 * time.
 */
bool nf_bpf_has_nat_hooks(const struct net *net, u8 pf)
{
	static nf_hookfn *known_ipv4, *known_ipv6;
	nf_hookfn **known = pf == NFPROTO_IPV6 ? &known_ipv6 : &known_ipv4;
	const struct nf_hook_entries *hooks;
	unsigned int i;

	if (pf == NFPROTO_IPV6)
		hooks = rcu_dereference(net->nf.hooks_ipv6[NF_INET_PRE_ROUTING]);
	else
		hooks = rcu_dereference(net->nf.hooks_ipv4[NF_INET_PRE_ROUTING]);
	for (i = 0; hooks && i < hooks->num_hook_entries; i++) {
		if (nf_bpf_is_nat_hook(hooks->hooks[i].hook, known))
			return true;
	}
	return false;
}
EXPORT_SYMBOL_GPL(nf_bpf_has_nat_hooks);

BTF_KFUNCS_START(bpf_nf_entry_kfunc_ids)
BTF_ID_FLAGS(func, bpf_nf_ct_release, KF_RELEASE)
BTF_ID_FLAGS(func, bpf_nf_ct_insert_entry, KF_ACQUIRE | KF_RET_NULL | KF_RELEASE)
BTF_ID_FLAGS(func, bpf_nf_ct_set_timeout, KF_TRUSTED_ARGS)
BTF_ID_FLAGS(func, bpf_nf_ct_change_timeout, KF_TRUSTED_ARGS)
BTF_ID_FLAGS(func, bpf_nf_ct_set_status, KF_TRUSTED_ARGS)
BTF_ID_FLAGS(func, bpf_nf_ct_change_status, KF_TRUSTED_ARGS)
BTF_ID_FLAGS(func, bpf_nf_ct_set_init_mark, KF_TRUSTED_ARGS)
BTF_ID_FLAGS(func, bpf_nf_ct_change_mark, KF_TRUSTED_ARGS)
#if IS_ENABLED(CONFIG_NF_NAT)
BTF_ID_FLAGS(func, bpf_nf_ct_set_nat_info, KF_TRUSTED_ARGS)
#endif
BTF_KFUNCS_END(bpf_nf_entry_kfunc_ids)

static const struct btf_kfunc_id_set bpf_nf_entry_kfunc_set = {
	.owner	= THIS_MODULE,
	.set	= &bpf_nf_entry_kfunc_ids,
};

static int __init bpf_nf_entry_init(void)
{
	return register_btf_kfunc_id_set(BPF_PROG_TYPE_NETFILTER,
					 &bpf_nf_entry_kfunc_set);
}

/* A loaded program holds a reference on the module, so there is nothing to undo. */
static void __exit bpf_nf_entry_exit(void)
{
}

module_init(bpf_nf_entry_init);
module_exit(bpf_nf_entry_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Conntrack entries of BPF programs on netfilter hooks");
