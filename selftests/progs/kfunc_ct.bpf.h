/* SPDX-License-Identifier: GPL-2.0 */
/* The kfuncs for conntrack and NAT, of nf_bpf_kfunc.ko, nf_conntrack.ko and nf_nat.ko. */
#ifndef KFUNC_CT_BPF_H
#define KFUNC_CT_BPF_H

struct nf_conn *bpf_nf_ct_get(struct bpf_nf_ctx *ctx) __ksym;
int bpf_nf_ct_info(struct bpf_nf_ctx *ctx, struct bpf_nf_ct_info *info,
		   __u32 info__sz) __ksym;
int bpf_nf_ct_set_mark(struct bpf_nf_ctx *ctx, __u32 mark, __u32 mask) __ksym;
int bpf_nf_ct_get_labels(struct bpf_nf_ctx *ctx, struct bpf_nf_ct_labels *labels,
			 __u32 labels__sz) __ksym;
int bpf_nf_ct_set_labels(struct bpf_nf_ctx *ctx,
			 const struct bpf_nf_ct_labels *labels, __u32 labels__sz,
			 const struct bpf_nf_ct_labels *mask,
			 __u32 mask__sz) __ksym;
struct nf_conn *bpf_nf_ct_lookup(struct bpf_nf_ctx *ctx,
				 struct bpf_sock_tuple *tuple, __u32 tuple__sz,
				 struct bpf_nf_ct_opts *opts,
				 __u32 opts__sz) __ksym;
struct nf_conn___init *bpf_nf_ct_alloc(struct bpf_nf_ctx *ctx,
				       struct bpf_sock_tuple *tuple,
				       __u32 tuple__sz,
				       struct bpf_nf_ct_opts *opts,
				       __u32 opts__sz) __ksym;
int bpf_nf_ct_set_nat(struct bpf_nf_ctx *ctx, const union nf_inet_addr *addr,
		      int port, enum nf_nat_manip_type manip) __ksym;

void bpf_ct_release(struct nf_conn *ct) __ksym;
struct nf_conn *bpf_ct_insert_entry(struct nf_conn___init *ct) __ksym;
void bpf_ct_set_timeout(struct nf_conn___init *ct, __u32 timeout) __ksym;
int bpf_ct_change_timeout(struct nf_conn *ct, __u32 timeout) __ksym;
int bpf_ct_set_status(const struct nf_conn___init *ct, __u32 status) __ksym;
int bpf_ct_change_status(struct nf_conn *ct, __u32 status) __ksym;
int bpf_ct_set_nat_info(struct nf_conn___init *ct, union nf_inet_addr *addr,
			int port, enum nf_nat_manip_type manip) __ksym;

#endif
