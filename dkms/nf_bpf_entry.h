/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _NF_BPF_ENTRY_H
#define _NF_BPF_ENTRY_H

#include <linux/types.h>
#include <net/netfilter/nf_nat.h>

struct nf_conn;
struct nf_conn___init;

/* Only programs call these kfuncs. The prototypes avoid warnings. */
void bpf_nf_ct_release(struct nf_conn *ct);
struct nf_conn *bpf_nf_ct_insert_entry(struct nf_conn___init *init);
void bpf_nf_ct_set_timeout(struct nf_conn___init *init, u32 timeout);
int bpf_nf_ct_change_timeout(struct nf_conn *ct, u32 timeout);
int bpf_nf_ct_set_status(struct nf_conn___init *init, u32 status);
int bpf_nf_ct_change_status(struct nf_conn *ct, u32 status);
int bpf_nf_ct_set_init_mark(struct nf_conn___init *init, u32 mark);
int bpf_nf_ct_change_mark(struct nf_conn *ct, u32 mark);
int bpf_nf_ct_set_nat_info(struct nf_conn___init *init, union nf_inet_addr *addr, int port,
			   enum nf_nat_manip_type manip);

#endif /* _NF_BPF_ENTRY_H */
