/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _NF_BPF_LINK_H
#define _NF_BPF_LINK_H

#include <linux/build_bug.h>
#include <linux/errno.h>
#include <linux/stddef.h>
#include <linux/types.h>

struct bpf_nf_frag_info;
struct bpf_nf_link;
struct bpf_prog;
struct nf_hook_ops;
struct nf_hook_state;
struct sk_buff;
union bpf_attr;

/* A kfunc flag like those of linux/btf.h, which use the bits from 0 on: the kfunc can
 * move the data of the packet, so the verifier forgets packet pointers at the call. The
 * assembler reads the flag and does not know BIT().
 */
#define KF_NETFILTER_MOVES_PACKET	(1 << 30)

/* Users of ip_defrag() and nf_ct_frag6_gather(), behind those of enum ip_defrag_users: each
 * link that tracks fragments has queues of its own.
 */
enum {
	IP_DEFRAG_BPF_LINK	= 1 << 30,
};

/**
 * struct bpf_nf_ctx - context of a BPF_PROG_TYPE_NETFILTER program
 * @state: the state of the hook: number, family, devices, network namespace
 * @skb: the packet, its data at the network header
 * @data: first byte of the network header
 * @data_end: first byte after the linear part of the packet
 * @mark: skb->mark, readable and writable
 * @priority: skb->priority, readable and writable
 *
 * Programs find the members by BTF. A pointer has to be read whole. The first two members
 * are those of mainline; new members are only added at the end. When a program is loaded,
 * the verifier turns accesses to the other members into accesses to the skb: see struct
 * bpf_nf_ctx_kern.
 */
struct bpf_nf_ctx {
	const struct nf_hook_state *state;
	struct sk_buff *skb;
	void *data;
	void *data_end;
	__u32 mark;
	__u32 priority;
};

/**
 * struct bpf_nf_ctx_kern - the context as it is at run time
 * @state: see struct bpf_nf_ctx
 * @skb: see struct bpf_nf_ctx
 * @link: the link whose hook runs the program; NULL in a test run. A netfilter program cannot
 *	load it through its context: at its offset, struct bpf_nf_ctx has @data, and the
 *	verifier replaces loads of @data. Tracing programs and bpf_cast_to_kern_ctx() can read
 *	the link.
 * @saved: a register of the program while it stores to a member of the skb. Not initialized:
 *	this would cost an instruction for each packet.
 */
struct bpf_nf_ctx_kern {
	const struct nf_hook_state *state;
	struct sk_buff *skb;
	const struct bpf_nf_link *link;
	u64 saved;
};

static_assert(offsetof(struct bpf_nf_ctx_kern, state) ==
	      offsetof(struct bpf_nf_ctx, state));
static_assert(offsetof(struct bpf_nf_ctx_kern, skb) ==
	      offsetof(struct bpf_nf_ctx, skb));
static_assert(offsetof(struct bpf_nf_ctx_kern, link) ==
	      offsetof(struct bpf_nf_ctx, data));

#if IS_ENABLED(CONFIG_NETFILTER_BPF_LINK)
int bpf_nf_link_attach(const union bpf_attr *attr, struct bpf_prog *prog);
u32 bpf_nf_hook_prog_id(const struct nf_hook_ops *ops);
u64 bpf_nf_link_cookie(const struct bpf_nf_link *nf_link);
bool bpf_nf_changes_pkt_data(const void *func);
int bpf_nf_prog_test_run(struct bpf_prog *prog, const union bpf_attr *kattr,
			 union bpf_attr __user *uattr);
#else
static inline int bpf_nf_link_attach(const union bpf_attr *attr,
				     struct bpf_prog *prog)
{
	return -EOPNOTSUPP;
}

static inline u32 bpf_nf_hook_prog_id(const struct nf_hook_ops *ops)
{
	return 0;
}

static inline bool bpf_nf_changes_pkt_data(const void *func)
{
	return false;
}
#endif /* CONFIG_NETFILTER_BPF_LINK */

/* Only programs call this kfunc. The prototype avoids a warning. */
int bpf_nf_frag_info(struct bpf_nf_ctx *ctx, struct bpf_nf_frag_info *info,
		     u32 info__sz);

#endif /* _NF_BPF_LINK_H */
