// SPDX-License-Identifier: GPL-2.0
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

char _license[] SEC("license") = "GPL";

__u64 first_packets;
__u64 second_packets;
__u64 dropping_packets;

SEC("netfilter")
int first(struct bpf_nf_ctx *ctx)
{
	__sync_fetch_and_add(&first_packets, 1);
	return 1;
}

SEC("netfilter")
int second(struct bpf_nf_ctx *ctx)
{
	__sync_fetch_and_add(&second_packets, 1);
	return 1;
}

SEC("netfilter")
int dropping(struct bpf_nf_ctx *ctx)
{
	__sync_fetch_and_add(&dropping_packets, 1);
	return 0;
}
