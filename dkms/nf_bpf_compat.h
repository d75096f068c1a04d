/* SPDX-License-Identifier: GPL-2.0 */
/* Differences between a patched kernel and an unmodified kernel. For an unmodified kernel,
 * nf_bpf_*.c are built outside the kernel's tree. They are tested with Linux 6.12, and build
 * from 6.12.35 on. check-kernel knows what they need of other kernels.
 */
#ifndef _NF_BPF_COMPAT_H
#define _NF_BPF_COMPAT_H

#include <linux/build_bug.h>
#include <linux/netfilter.h>
#include <linux/nsproxy.h>
#include <linux/sched.h>
#include <linux/types.h>
#include <net/gso.h>

struct net;
struct sk_buff;

/* Mainline's net/netfilter/nf_bpf_link.h has no include guard, so this header does not include
 * it. A file that includes this header includes nf_bpf_link.h before it.
 */

/* The verifier of an unmodified kernel does not have this flag. nf_bpf_keep_head() makes up
 * for it.
 */
#define KF_NETFILTER_MOVES_PACKET	0

#define NF_BPF_FIB_LOOKUP_FLAGS						\
	(BPF_FIB_LOOKUP_DIRECT | BPF_FIB_LOOKUP_OUTPUT |		\
	 BPF_FIB_LOOKUP_SKIP_NEIGH | BPF_FIB_LOOKUP_TBID |		\
	 BPF_FIB_LOOKUP_SRC | BPF_FIB_LOOKUP_MARK)

/* On an unmodified kernel the context of a program has only mainline's two members. */
struct bpf_nf_ctx_kern {
	const struct nf_hook_state *state;
	struct sk_buff *skb;
};

static_assert(sizeof(struct bpf_nf_ctx_kern) == sizeof(struct bpf_nf_ctx));

/* BPF_PROG_TEST_RUN of an unmodified kernel sets no network namespace. The program then runs
 * in the context of the caller, so take that namespace, as a patched kernel does.
 */
static inline struct net *nf_bpf_net(const struct nf_hook_state *state)
{
	return state->net ?: current->nsproxy->net_ns;
}

#define nf_bpf_net nf_bpf_net

int nf_bpf_keep_head(struct sk_buff *skb);
int nf_bpf_keep_head_to_write(struct sk_buff *skb, u32 len);

bool nf_bpf_has_nat_hooks(const struct net *net, u8 pf);

/* On a patched kernel, nf_nat has this function. */
static inline bool nf_nat_has_hooks(const struct net *net, u8 pf)
{
	return nf_bpf_has_nat_hooks(net, pf);
}

#endif /* _NF_BPF_COMPAT_H */
