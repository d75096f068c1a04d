/* SPDX-License-Identifier: GPL-2.0 */
/* Programs with one access to the context. Include this file after vmlinux.h and bpf_helpers.h. */
#ifndef ACCESS_BPF_H
#define ACCESS_BPF_H

__u64 sum;	/* the compiler must keep what a program loads */

#define AT(member) offsetof(struct bpf_nf_ctx, member)

#define LOADS(name, type, offset)					\
	SEC("?netfilter")						\
	int name(struct bpf_nf_ctx *ctx)				\
	{								\
		sum = *(type *)((void *)ctx + (offset));		\
		return 1;						\
	}

#define STORES(name, type, offset)					\
	SEC("?netfilter")						\
	int name(struct bpf_nf_ctx *ctx)				\
	{								\
		*(type *)((void *)ctx + (offset)) = 1;			\
		return 1;						\
	}

#endif
