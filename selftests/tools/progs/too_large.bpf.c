// SPDX-License-Identifier: GPL-2.0
/* The kernel refuses the map, whose values are too large, with -E2BIG. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

enum { TOO_LARGE = 1 << 26 };

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, TOO_LARGE);
} values SEC(".maps");

SEC("netfilter/ip/forward/1111")
int find(struct bpf_nf_ctx *ctx)
{
	__u32 key = 0;

	return !bpf_map_lookup_elem(&values, &key);
}

char _license[] SEC("license") = "GPL";
