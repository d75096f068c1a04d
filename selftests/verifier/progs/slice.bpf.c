// SPDX-License-Identifier: GPL-2.0
/* Programs that read a packet through a slice of a dynptr; see verifier/compiled.c. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

#include "dynptr.bpf.h"
#include "expect.bpf.h"

char _license[] SEC("license") = "GPL";

__u64 sum;

__noinline int change_memory(struct iphdr *iph)
{
	if (!iph)
		return -1;
	iph->ihl = 15;
	return 0;
}

#define SLICE(name, bytes, before, use)					\
	__needs("bpf_dynptr_slice")					\
	SEC("?netfilter")						\
	int name(struct bpf_nf_ctx *ctx)				\
	{								\
		struct bpf_dynptr ptr;					\
		struct iphdr *iph;					\
									\
		if (bpf_dynptr_from_skb(ctx->skb, 0, &ptr))		\
			return 1;					\
		iph = bytes(&ptr, 0, NULL, sizeof(*iph));		\
		if (!iph)						\
			return 1;					\
		before;							\
		use;							\
		sum += ctx->skb->len;					\
		return 1;						\
	}

__success
SLICE(slice_is_read, bpf_dynptr_slice, (void)0, sum += iph->ttl)
__failure("cannot write into rdonly_mem")
SLICE(slice_is_written, bpf_dynptr_slice, (void)0, iph->ttl = 0)
__failure("does not allow writes to packet data")
SLICE(slice_to_write, bpf_dynptr_slice_rdwr, (void)0, sum += iph->ttl)
__failure("cannot write into rdonly_mem")
SLICE(slice_to_a_global, bpf_dynptr_slice, (void)0, sum += change_memory(iph))
__failure("invalid mem access 'scalar'")
SLICE(slice_before_a_pull, bpf_dynptr_slice, bpf_skb_pull_data((void *)ctx, 0), sum += iph->ttl)
