// SPDX-License-Identifier: GPL-2.0
/* Programs that call bpf_nf_frag_info(); see verifier/compiled.c. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

#include "expect.bpf.h"

char _license[] SEC("license") = "GPL";

int bpf_nf_frag_info(struct bpf_nf_ctx *ctx, struct bpf_nf_frag_info *info,
		     __u32 info__sz) __ksym;

#define FRAG_INFO_PROGRAM(name, type, body)				\
	SEC("?" type)							\
	int name(struct bpf_nf_ctx *ctx)				\
	{								\
		struct bpf_nf_frag_info info = {};			\
									\
		body;							\
		return info.flags & 1;					\
	}

__success
FRAG_INFO_PROGRAM(frag_info, "netfilter", bpf_nf_frag_info(ctx, &info, sizeof(info)))
/* The verifier accepts another size. The function refuses it. */
__success
FRAG_INFO_PROGRAM(frag_info_of_another_size, "netfilter",
		  bpf_nf_frag_info(ctx, &info, sizeof(info) - 4))
__failure("arg#0")
FRAG_INFO_PROGRAM(frag_info_of_the_stack, "netfilter",
		  bpf_nf_frag_info((void *)&info, &info, sizeof(info)))
__failure("arg#0")
FRAG_INFO_PROGRAM(frag_info_of_the_packet, "netfilter",
		  bpf_nf_frag_info(ctx->data, &info, sizeof(info)))
__failure("arg#0")
FRAG_INFO_PROGRAM(frag_info_of_null, "netfilter", bpf_nf_frag_info(NULL, &info, sizeof(info)))
__failure("invalid indirect access to stack")
FRAG_INFO_PROGRAM(frag_info_beyond_the_stack, "netfilter", bpf_nf_frag_info(ctx, &info, 513))
__failure("bpf_nf_frag_info is not allowed")
FRAG_INFO_PROGRAM(frag_info_in_tc, "tc", bpf_nf_frag_info(ctx, &info, sizeof(info)))

__failure("cannot pass the packet as memory")
SEC("?netfilter")
int frag_info_into_the_packet(struct bpf_nf_ctx *ctx)
{
	struct bpf_nf_frag_info *info = ctx->data;

	if ((void *)(info + 1) > ctx->data_end)
		return 1;
	return !bpf_nf_frag_info(ctx, info, sizeof(*info));
}

/* Without CAP_PERFMON, all of the memory must have been written before the call. */
__success __failure_without_perfmon("invalid indirect read from stack")
SEC("?netfilter")
int frag_info_into_unwritten_memory(struct bpf_nf_ctx *ctx)
{
	struct bpf_nf_frag_info info;

	bpf_nf_frag_info(ctx, &info, sizeof(info));
	return 1;
}
