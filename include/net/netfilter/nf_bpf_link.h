/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _NF_BPF_LINK_H
#define _NF_BPF_LINK_H

#include <linux/errno.h>
#include <linux/types.h>

struct bpf_prog;
struct nf_hook_ops;
struct nf_hook_state;
struct sk_buff;
union bpf_attr;

/**
 * struct bpf_nf_ctx - context of a BPF_PROG_TYPE_NETFILTER program
 * @state: the hook's state: number, family, devices, namespace
 * @skb: the packet, its data at the network header
 *
 * Programs find this struct by BTF and read each member whole. Members are only
 * ever added at the end: the first two are mainline's.
 */
struct bpf_nf_ctx {
	const struct nf_hook_state *state;
	struct sk_buff *skb;
};

#if IS_ENABLED(CONFIG_NETFILTER_BPF_LINK)
int bpf_nf_link_attach(const union bpf_attr *attr, struct bpf_prog *prog);
u32 bpf_nf_hook_prog_id(const struct nf_hook_ops *ops);
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
#endif /* CONFIG_NETFILTER_BPF_LINK */

#endif /* _NF_BPF_LINK_H */
