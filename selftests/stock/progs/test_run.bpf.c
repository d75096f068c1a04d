// SPDX-License-Identifier: GPL-2.0
/* Functions that need a network namespace, one program each. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_netfilter.h>

char _license[] SEC("license") = "GPL";

enum { AF_INET = 2, LOOPBACK = 1, FOUND = 1 };

__u32 runs;
__s64 ret;
/* The namespace to look in: -1 for that of the packet. */
__s32 netns_id = -1;

SEC("netfilter")
int route(struct bpf_nf_ctx *ctx)
{
	struct bpf_fib_lookup params = { .family = AF_INET, .ifindex = LOOPBACK };

	runs++;
	ret = bpf_nf_fib_lookup(ctx, &params, sizeof(params), 0);
	return 1;
}

SEC("netfilter")
int hash(struct bpf_nf_ctx *ctx)
{
	runs++;
	ret = bpf_nf_get_hash_recalc(ctx);
	return 1;
}

SEC("netfilter")
int cookie(struct bpf_nf_ctx *ctx)
{
	runs++;
	ret = bpf_nf_get_netns_cookie(ctx);
	return 1;
}

static const struct bpf_sock_tuple tuple = {
	.ipv4 = { .saddr = 0x010200c0, .daddr = 0x016433c6, .sport = 0x409c, .dport = 0x0f27 },
};

SEC("netfilter")
int look_up(struct bpf_nf_ctx *ctx)
{
	struct bpf_nf_ct_opts___nf opts = { .netns_id = netns_id, .l4proto = IPPROTO_UDP };
	struct bpf_sock_tuple key = tuple;
	struct nf_conn *ct;

	runs++;
	ct = bpf_nf_ct_lookup___nf(ctx, &key, sizeof(key.ipv4), &opts, sizeof(opts));
	/* The verifier of 6.1 learns from the first check only. */
	if (!ct) {
		ret = opts.error;
		return 1;
	}
	ret = FOUND;
	bpf_nf_entry_release(ct);
	return 1;
}

SEC("netfilter")
int add(struct bpf_nf_ctx *ctx)
{
	struct bpf_nf_ct_opts___nf opts = { .netns_id = netns_id, .l4proto = IPPROTO_UDP };
	struct bpf_sock_tuple key = tuple;
	struct nf_conn___init *init;
	struct nf_conn *ct;

	runs++;
	init = bpf_nf_ct_alloc___nf(ctx, &key, sizeof(key.ipv4), &opts, sizeof(opts));
	if (!init) {
		ret = opts.error;
		return 1;
	}
	ct = bpf_nf_entry_insert(init);
	if (!ct)
		return 1;
	ret = FOUND;
	bpf_nf_entry_release(ct);
	return 1;
}
