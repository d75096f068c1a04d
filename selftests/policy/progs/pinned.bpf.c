// SPDX-License-Identifier: GPL-2.0
/* A map that libbpf pins by its name. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_netfilter.h>

char _license[] SEC("license") = "GPL";

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
	__type(key, __u32);
	__type(value, __u32);
} nf_selftest_pin SEC(".maps");

SEC("netfilter")
int pinned(struct bpf_nf_ctx *ctx)
{
	__u32 key = 1;

	return bpf_map_lookup_elem(&nf_selftest_pin, &key) ? NF_DROP : NF_ACCEPT;
}
