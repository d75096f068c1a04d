/* SPDX-License-Identifier: GPL-2.0 */
/* The map of counters. Programs write it, and "nf_prog stats" reads it. */
#ifndef STATS_BPF_H
#define STATS_BPF_H

#include "policy.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct policy_stats);
} stats SEC(".maps");

static __always_inline struct policy_stats *get_stats(void)
{
	__u32 key = 0;

	return bpf_map_lookup_elem(&stats, &key);
}

#endif
