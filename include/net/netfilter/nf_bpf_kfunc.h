/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _NF_BPF_KFUNC_H
#define _NF_BPF_KFUNC_H

#include <linux/types.h>
#include <net/netfilter/nf_nat.h>

struct bpf_nf_ctx;
struct bpf_nf_ct_info;
struct bpf_nf_ct_labels;
struct bpf_nf_ct_opts;
struct bpf_sock_tuple;
struct nf_conn;
struct nf_conn___init;

/* Only programs call these kfuncs. The prototypes avoid warnings. */
struct nf_conn *bpf_nf_ct_get(struct bpf_nf_ctx *ctx);
int bpf_nf_ct_info(struct bpf_nf_ctx *ctx, struct bpf_nf_ct_info *info,
		   u32 info__sz);
int bpf_nf_ct_set_mark(struct bpf_nf_ctx *ctx, u32 mark, u32 mask);
int bpf_nf_ct_get_labels(struct bpf_nf_ctx *ctx,
			 struct bpf_nf_ct_labels *labels, u32 labels__sz);
int bpf_nf_ct_set_labels(struct bpf_nf_ctx *ctx,
			 const struct bpf_nf_ct_labels *labels, u32 labels__sz,
			 const struct bpf_nf_ct_labels *mask, u32 mask__sz);
struct nf_conn *bpf_nf_ct_lookup(struct bpf_nf_ctx *ctx,
				 struct bpf_sock_tuple *tuple, u32 tuple__sz,
				 struct bpf_nf_ct_opts *opts, u32 opts__sz);
struct nf_conn___init *bpf_nf_ct_alloc(struct bpf_nf_ctx *ctx,
				       struct bpf_sock_tuple *tuple,
				       u32 tuple__sz,
				       struct bpf_nf_ct_opts *opts,
				       u32 opts__sz);
int bpf_nf_ct_set_nat(struct bpf_nf_ctx *ctx, const union nf_inet_addr *addr,
		      int port, enum nf_nat_manip_type manip);
int bpf_nf_reject(struct bpf_nf_ctx *ctx, u32 type, u32 code);

#endif /* _NF_BPF_KFUNC_H */
