/* SPDX-License-Identifier: GPL-2.0 */
/* Route lookups of programs. Include it after vmlinux.h and bpf_helpers.h. */
#ifndef FIB_BPF_H
#define FIB_BPF_H

enum {
	AF_INET		= 2,
	AF_INET6	= 10,
};

/* Ask for the packet's addresses, as if the packet came in by the device @ifindex. */
static __always_inline void fill_fib(struct bpf_nf_ctx *ctx, bool v6, __u32 ifindex,
				     struct bpf_fib_lookup *params)
{
	params->ifindex = ifindex;
	if (v6) {
		params->family = AF_INET6;
		bpf_nf_skb_load_bytes(ctx, 8, params->ipv6_src, 16);
		bpf_nf_skb_load_bytes(ctx, 24, params->ipv6_dst, 16);
	} else {
		params->family = AF_INET;
		bpf_nf_skb_load_bytes(ctx, 12, &params->ipv4_src, 4);
		bpf_nf_skb_load_bytes(ctx, 16, &params->ipv4_dst, 4);
	}
}

#endif
