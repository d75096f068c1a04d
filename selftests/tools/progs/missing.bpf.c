// SPDX-License-Identifier: GPL-2.0
/* Programs that do not load: no kernel has the functions that they call, or in this form. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

char _license[] SEC("license") = "GPL";

extern int bpf_nf_ct_nothing(struct bpf_nf_ctx *ctx) __weak __ksym;
extern int bpf_nf_reject_nothing(struct bpf_nf_ctx *ctx) __weak __ksym;
extern int bpf_ct_nothing(struct bpf_nf_ctx *ctx) __weak __ksym;
extern int bpf_skb_ct_nothing(struct bpf_nf_ctx *ctx) __weak __ksym;
extern int bpf_ct_set_nat_info_nothing(struct bpf_nf_ctx *ctx) __weak __ksym;
extern int bpf_nothing(struct bpf_nf_ctx *ctx) __weak __ksym;
extern int bpf_nothing___flavour(struct bpf_nf_ctx *ctx) __weak __ksym;

/* Every kernel has this function, but with other arguments. */
extern int tcp_slow_start(void) __weak __ksym;

#define PROGRAM(name, call)						\
	SEC("?netfilter")						\
	int name(struct bpf_nf_ctx *ctx)				\
	{								\
		return (call) & 1;					\
	}

PROGRAM(conntrack_of_ours, bpf_nf_ct_nothing(ctx))
PROGRAM(reject, bpf_nf_reject_nothing(ctx))
PROGRAM(conntrack, bpf_ct_nothing(ctx))
PROGRAM(conntrack_of_tc, bpf_skb_ct_nothing(ctx))
PROGRAM(nat, bpf_ct_set_nat_info_nothing(ctx))
PROGRAM(no_module, bpf_nothing(ctx))
PROGRAM(flavour, bpf_nothing___flavour(ctx))
PROGRAM(other_arguments, tcp_slow_start())

/* A program that asks for a function before it calls it loads without the function. */
SEC("?netfilter")
int asks(struct bpf_nf_ctx *ctx)
{
	return bpf_ksym_exists(bpf_nf_ct_nothing) ? bpf_nf_ct_nothing(ctx) & 1 : 1;
}
