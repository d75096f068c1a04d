// SPDX-License-Identifier: GPL-2.0
/* Sends bytes of packets to user space, by both ways. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_netfilter.h>

char _license[] SEC("license") = "GPL";

enum { RING_BYTES = 24 };

struct {
	__uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY);
	__type(key, __u32);
	__type(value, __u32);
} events SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} ring SEC(".maps");

__u64 runs;
__u64 want;		/* bytes of the packet */
__u64 more_flags;
__u64 magic = 0x1122334455667788;
__s64 ret;

SEC("netfilter")
int by_event(struct bpf_nf_ctx *ctx)
{
	__u64 data = magic;

	runs++;
	ret = bpf_nf_perf_event_output(ctx, &events,
				       BPF_F_CURRENT_CPU | want << 32 | more_flags,
				       &data, sizeof(data));
	return 1;
}

SEC("netfilter")
int by_ring(struct bpf_nf_ctx *ctx)
{
	void *bytes = bpf_ringbuf_reserve(&ring, RING_BYTES, 0);

	runs++;
	if (!bytes)
		return 1;
	ret = bpf_nf_skb_load_bytes(ctx, 0, bytes, RING_BYTES);
	bpf_ringbuf_submit(bytes, 0);
	return 1;
}
