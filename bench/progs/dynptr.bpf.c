// SPDX-License-Identifier: GPL-2.0
/*
 * The policies of policy.bpf.c for mainline's netfilter programs. These read the packet
 * through an skb dynptr, because mainline's context has no packet pointers.
 */
#include "policy.h"

char _license[] SEC("license") = "GPL";

/*
 * The ending is for a vmlinux.h that declares the functions, too. libbpf ignores it. It
 * compares the types of arguments, and needs a struct that is complete in this object.
 */
struct skb {
	__u32 len;
};

int bpf_dynptr_from_skb___bench(struct skb *skb, __u64 flags,
				struct bpf_dynptr *ptr) __ksym;
void *bpf_dynptr_slice___bench(const struct bpf_dynptr *ptr, __u32 offset,
			       void *buffer, __u32 buffer__szk) __ksym;

SEC("netfilter")
int nf_accept(struct bpf_nf_ctx *ctx)
{
	return NF_ACCEPT;
}

SEC("netfilter")
int nf_tuple(struct bpf_nf_ctx *ctx)
{
	struct headers buffer, *headers;
	struct bpf_dynptr ptr;
	struct flow flow;

	if (bpf_dynptr_from_skb___bench((void *)ctx->skb, 0, &ptr))
		return NF_DROP;
	headers = bpf_dynptr_slice___bench(&ptr, 0, &buffer, sizeof(buffer));
	if (!headers || !parse(headers, headers + 1, &flow))
		return NF_DROP;
	return is_listed(&flow) ? NF_DROP : NF_ACCEPT;
}
