// SPDX-License-Identifier: GPL-2.0
/* Programs that call bpf_nf_reject() of the module nf_bpf_kfunc; see verifier/compiled.c. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

#include "expect.bpf.h"

char _license[] SEC("license") = "GPL";

__u64 sum;

int bpf_nf_reject(struct bpf_nf_ctx *ctx, __u32 type, __u32 code) __ksym;

/* With this type, the compiler does not cut off the upper half of a pointer. */
typedef int (*reject_t)(void *ctx, __u32 type, __u64 code);

#define REJECT(ctx, code) ((reject_t)bpf_nf_reject)(ctx, BPF_NF_REJECT_PORT_UNREACH, code)

#define REJECT_PROGRAM(name, type, ctx, code)				\
	SEC("?" type)							\
	int name(struct bpf_nf_ctx *given)				\
	{								\
		REJECT(ctx, code);					\
		return 1;						\
	}

__success
REJECT_PROGRAM(rejects, "netfilter", given, 0)
__failure("expected pointer to ctx")
REJECT_PROGRAM(rejects_the_skb, "netfilter", given->skb, 0)
__failure("expected pointer to ctx")
REJECT_PROGRAM(rejects_null, "netfilter", NULL, 0)
__failure("dereference of modified ctx ptr")
REJECT_PROGRAM(rejects_a_part_of_the_context, "netfilter", (void *)given + 8, 0)
__failure("R3 is not a scalar")
REJECT_PROGRAM(rejects_with_a_pointer_for_a_code, "netfilter", given, (__u64)given)
__failure("is not allowed")
REJECT_PROGRAM(rejects_in_tc, "tc", given, 0)

#define READ_AFTER_REJECT(name, load)					\
	SEC("?netfilter")						\
	int name(struct bpf_nf_ctx *ctx)				\
	{								\
		struct iphdr *iph = ctx->data;				\
									\
		if ((void *)(iph + 1) > ctx->data_end)			\
			return 1;					\
		sum += iph->ttl;					\
		REJECT(ctx, 0);						\
		load;							\
		if ((void *)(iph + 1) > ctx->data_end)			\
			return 1;					\
		sum += iph->ttl;					\
		return 1;						\
	}

/* The function may move the packet, so the program must load its packet pointers again. A kernel
 * with packet pointers has bpf_nf_frag_info(), too.
 */
__success __needs("bpf_nf_frag_info")
READ_AFTER_REJECT(loads_the_packet_again_after_reject, iph = ctx->data)
__failure("invalid mem access 'scalar'") __needs("bpf_nf_frag_info")
READ_AFTER_REJECT(keeps_the_packet_over_reject, sum += iph->ttl)
