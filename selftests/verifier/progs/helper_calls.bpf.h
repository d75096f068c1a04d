/* SPDX-License-Identifier: GPL-2.0 */
/* Calls of the helpers for packets. Include this file after vmlinux.h and bpf_helpers.h. */
#ifndef HELPER_CALLS_BPF_H
#define HELPER_CALLS_BPF_H

enum { FIB_PARAMS = sizeof(struct bpf_fib_lookup) };

struct {
	__uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} events SEC(".maps");

#define LOAD_BYTES(ctx, to, size)	bpf_skb_load_bytes((void *)(ctx), 0, to, size)
#define LOAD_BYTES_RELATIVE(ctx, to, size)				\
	bpf_skb_load_bytes_relative((void *)(ctx), 0, to, size, BPF_HDR_START_NET)
#define PULL_DATA(ctx)			bpf_skb_pull_data((void *)(ctx), 0)
#define STORE_BYTES(ctx, from, size)	bpf_skb_store_bytes((void *)(ctx), 0, from, size, 0)
#define L3_CSUM_REPLACE(ctx)		bpf_l3_csum_replace((void *)(ctx), 10, 0, 0, 2)
#define L4_CSUM_REPLACE(ctx)		bpf_l4_csum_replace((void *)(ctx), 10, 0, 0, 2)
#define CSUM_DIFF(bytes)						\
	bpf_csum_diff((void *)(bytes), 8, (void *)(bytes) + 8, 12, 0)
#define FIB_LOOKUP(ctx, params, size)	bpf_fib_lookup((void *)(ctx), (void *)(params), size, 0)
#define PERF_EVENT_OUTPUT(ctx, map, from, size)				\
	bpf_perf_event_output((void *)(ctx), map, 0, from, size)
#define GET_HASH_RECALC(ctx)		bpf_get_hash_recalc((void *)(ctx))
#define GET_NETNS_COOKIE(ctx)		bpf_get_netns_cookie((void *)(ctx))
#define GET_ATTACH_COOKIE(ctx)		bpf_get_attach_cookie((void *)(ctx))

#endif
