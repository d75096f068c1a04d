// SPDX-License-Identifier: GPL-2.0
/* What a kfunc of a BPF_PROG_TYPE_NETFILTER program needs on an unmodified kernel before it
 * moves the data of the packet.
 */
#include <linux/bpf.h>
#include <linux/module.h>
#include <linux/netfilter.h>
#include <linux/rcupdate.h>
#include <linux/skbuff.h>
#include <net/dst.h>
#include <net/netfilter/nf_bpf_link.h>

#include "nf_bpf_compat.h"

static void nf_bpf_free_head(struct rcu_head *rcu)
{
	kfree_skb(container_of((void *)rcu, struct sk_buff, cb));
}

/**
 * nf_bpf_keep_head - keep the data of a packet where it is until the program has ended
 * @skb: the packet, whose data is about to move
 *
 * A program may have pointers to the packet from bpf_dynptr_slice(). The verifier of an
 * unmodified kernel does not forget them when a kfunc moves the data. So a clone holds the
 * data, which cannot be written or freed then, for a grace period of RCU. Programs run
 * under RCU.
 *
 * Return: 0, or -ENOMEM: the data must not move
 */
int nf_bpf_keep_head(struct sk_buff *skb)
{
	struct sk_buff *clone;

	BUILD_BUG_ON(sizeof(struct rcu_head) > sizeof(clone->cb));

	clone = skb_clone(skb, GFP_ATOMIC);
	if (!clone)
		return -ENOMEM;
	/* The clone holds nothing but the data. An unconfirmed conntrack entry must not
	 * seem to be shared.
	 */
	nf_reset_ct(clone);
	skb_dst_drop(clone);
	skb_ext_reset(clone);
	call_rcu((struct rcu_head *)clone->cb, nf_bpf_free_head);
	return 0;
}
EXPORT_SYMBOL_GPL(nf_bpf_keep_head);

static int __init nf_bpf_packet_init(void)
{
	return 0;
}

static void __exit nf_bpf_packet_exit(void)
{
	/* nf_bpf_free_head() must not be called after its module is gone. */
	rcu_barrier();
}

module_init(nf_bpf_packet_init);
module_exit(nf_bpf_packet_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Packets of BPF programs on netfilter hooks");
