/* SPDX-License-Identifier: GPL-2.0 */
/* Differences between 6.12 and other kernels that nf_bpf_*.c are built for. */
#ifndef _NF_BPF_COMPAT_H
#define _NF_BPF_COMPAT_H

#include <linux/bpf.h>
#include <linux/bpf_verifier.h>
#include <linux/btf_ids.h>
#include <linux/filter.h>
#include <linux/mutex.h>
#include <linux/skbuff.h>
#include <linux/sysctl.h>
#include <net/gso.h>
#include <net/net_namespace.h>

#define NF_BPF_PTR_FLAGS	PTR_TRUSTED
#define NF_BPF_TRACKS_DYNPTRS	1

#define NF_BPF_FIB_LOOKUP_FLAGS						\
	(BPF_FIB_LOOKUP_DIRECT | BPF_FIB_LOOKUP_OUTPUT |		\
	 BPF_FIB_LOOKUP_SKIP_NEIGH | BPF_FIB_LOOKUP_TBID |		\
	 BPF_FIB_LOOKUP_SRC | BPF_FIB_LOOKUP_MARK)

static inline const struct bpf_func_proto *
nf_bpf_base_func_proto(enum bpf_func_id func_id, const struct bpf_prog *prog)
{
	return bpf_base_func_proto(func_id, prog);
}

/* @data comes from kmalloc(). */
static inline struct sk_buff *nf_bpf_build_skb(void *data)
{
	return slab_build_skb(data);
}

/* Kernels whose verifier does not know KF_NETFILTER_MOVES_PACKET have to keep the head of a
 * packet whose data is about to move. This verifier forgets the program's pointers.
 */
static inline int nf_bpf_keep_head(struct sk_buff *skb)
{
	return 0;
}

static inline int nf_bpf_keep_head_to_write(struct sk_buff *skb, u32 len)
{
	return 0;
}

/* 6.12 calls this for writes only. As in tc, programs can write the mark of an entry. */
static inline int
nf_bpf_btf_struct_access(struct bpf_verifier_log *log,
			 const struct bpf_reg_state *reg, int off, int size)
{
	int ret = -EACCES;

	/* The conntrack module takes this mutex to clear the pointer when it unloads. */
	mutex_lock(&nf_conn_btf_access_lock);
	if (nfct_btf_struct_access)
		ret = nfct_btf_struct_access(log, reg, off, size);
	else
		bpf_log(log, "only read is supported\n");
	mutex_unlock(&nf_conn_btf_access_lock);
	return ret;
}

static inline struct ctl_table_header *
nf_bpf_register_sysctl(struct net *net, const char *path, struct ctl_table *table, size_t size)
{
	return register_net_sysctl_sz(net, path, table, size);
}

#endif /* _NF_BPF_COMPAT_H */
