// SPDX-License-Identifier: GPL-2.0
/* A program of a type that libbpf does not attach by the name of its section. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

SEC("xdp")
int pass(struct xdp_md *ctx)
{
	return XDP_PASS;
}

char _license[] SEC("license") = "GPL";
