/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _NF_BPF_LINK_H
#define _NF_BPF_LINK_H

#include <linux/build_bug.h>
#include <linux/compiler.h>
#include <linux/errno.h>
#include <linux/stddef.h>
#include <linux/string.h>
#include <linux/types.h>

struct bpf_nf_frag_info;
struct bpf_prog;
struct nf_hook_ops;
struct nf_hook_state;
struct sk_buff;
union bpf_attr;

/* A flag of kfuncs, beside the flags of linux/btf.h, which start at bit 0: the kfunc can
 * move the data of the packet, so the verifier forgets packet pointers at the call. It is
 * no BIT(), as the assembler reads it.
 */
#define KF_NETFILTER_MOVES_PACKET	(1 << 30)

/**
 * struct bpf_nf_ctx - context of a BPF_PROG_TYPE_NETFILTER program
 * @state: the hook's state: number, family, devices, namespace
 * @skb: the packet, its data at the network header
 * @data: first byte of the network header
 * @data_end: first byte behind the linear part
 * @mark: skb->mark, to read and to set
 * @priority: skb->priority, to read and to set
 *
 * Programs find this struct by BTF and read each pointer whole. Members are only
 * ever added at the end: the first two are mainline's. An access to any other
 * becomes one to the skb when the program is loaded: see struct bpf_nf_ctx_kern.
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
 * struct bpf_nf_ctx_kern - what of struct bpf_nf_ctx is there at run time
 * @state: as there
 * @skb: as there
 */
struct bpf_nf_ctx_kern {
	const struct nf_hook_state *state;
	struct sk_buff *skb;
};

static_assert(offsetof(struct bpf_nf_ctx_kern, state) ==
	      offsetof(struct bpf_nf_ctx, state));
static_assert(offsetof(struct bpf_nf_ctx_kern, skb) ==
	      offsetof(struct bpf_nf_ctx, skb));

/* A kfunc has the program's type as its parameter's, and gets this one. */
static inline const struct bpf_nf_ctx_kern *
bpf_nf_ctx_kern(const struct bpf_nf_ctx *ctx)
{
	return (const struct bpf_nf_ctx_kern *)ctx;
}

/* What a program gives may be a map's, which others write meanwhile. It is read here,
 * and checked after that: the compiler may not read it again.
 */
static inline void bpf_nf_snapshot(void *to, const void *from, u32 size)
{
	memcpy(to, from, size);
	barrier_data(to);
}

#if IS_ENABLED(CONFIG_NETFILTER_BPF_LINK)
int bpf_nf_link_attach(const union bpf_attr *attr, struct bpf_prog *prog);
u32 bpf_nf_hook_prog_id(const struct nf_hook_ops *ops);
bool bpf_nf_is_fragment(const struct sk_buff *skb, u8 pf);
bool bpf_nf_changes_pkt_data(const void *func);
int bpf_prog_test_run_nf(struct bpf_prog *prog, const union bpf_attr *kattr,
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

/* A kfunc: programs call it, not the kernel. */
int bpf_nf_frag_info(struct bpf_nf_ctx *ctx, struct bpf_nf_frag_info *info,
		     u32 info__sz);

#endif /* _NF_BPF_LINK_H */
