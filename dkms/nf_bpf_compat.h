/* SPDX-License-Identifier: GPL-2.0 */
/* Differences between the patched kernels and an unmodified one, for which nf_bpf_*.c are
 * built out of its tree. Linux 6.12 is the first that they build on.
 */
#ifndef _NF_BPF_COMPAT_H
#define _NF_BPF_COMPAT_H

#include <linux/build_bug.h>
#include <linux/types.h>
#include <net/gso.h>

struct net;
struct nf_hook_state;
struct sk_buff;

/* Mainline's net/netfilter/nf_bpf_link.h can only be included once. The files that include
 * this header include it first.
 */

/* This verifier has no such flag: see nf_bpf_keep_head(). */
#define KF_NETFILTER_MOVES_PACKET	0

#define NF_BPF_FIB_LOOKUP_FLAGS						\
	(BPF_FIB_LOOKUP_DIRECT | BPF_FIB_LOOKUP_OUTPUT |		\
	 BPF_FIB_LOOKUP_SKIP_NEIGH | BPF_FIB_LOOKUP_TBID |		\
	 BPF_FIB_LOOKUP_SRC | BPF_FIB_LOOKUP_MARK)

/* The members that exist at run time are all that the context has here. */
struct bpf_nf_ctx_kern {
	const struct nf_hook_state *state;
	struct sk_buff *skb;
};

static_assert(sizeof(struct bpf_nf_ctx_kern) == sizeof(struct bpf_nf_ctx));

int nf_bpf_keep_head(struct sk_buff *skb);
int nf_bpf_keep_head_to_write(struct sk_buff *skb, u32 len);

bool nf_bpf_has_nat_hooks(const struct net *net, u8 pf);

/* A function of the patched nf_nat. */
static inline bool nf_nat_has_hooks(const struct net *net, u8 pf)
{
	return nf_bpf_has_nat_hooks(net, pf);
}

#endif /* _NF_BPF_COMPAT_H */
