// SPDX-License-Identifier: GPL-2.0
/*
 * Limit the datagrams of each source to a service, and those that came in fragments. The
 * kernel reassembles them first, so fragments count for the service that they go to.
 */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_netfilter.h>

char LICENSE[] SEC("license") = "GPL";

#define NS_PER_S	1000000000ULL
#define TRIES		4

/* A protocol or port of 0 is any. */
struct service {
	__be16 dport;
	__u8 protocol;
	__u8 fragmented;	/* 1: the limit is for datagrams that came in fragments */
};

struct limit {
	__u32 rate;		/* datagrams a second; 0: none */
	__u32 burst;		/* datagrams that may come at once */
	__u32 pieces;		/* fragments of a datagram at most; 0: any number */
	__u32 zero;
	__u64 accepted;
	__u64 dropped;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, struct service);
	__type(value, struct limit);
} limits SEC(".maps");

/* A host of IPv6 can take each address of its /64, so the /64 is the source. */
struct source {
	struct service service;
	__u32 family;
	union bpf_nf_addr saddr;
};

/*
 * The value is the time at which the source has used up what it sent: each datagram adds
 * 1 / rate seconds. A datagram is dropped if this is more than the burst ahead of now.
 */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 65536);
	__type(key, struct source);
	__type(value, __u64);
} sources SEC(".maps");

static __always_inline struct limit *find_limit(struct service *service)
{
	__u8 protocol = service->protocol;
	struct limit *limit;

	limit = bpf_map_lookup_elem(&limits, service);
	if (limit)
		return limit;
	service->protocol = 0;		/* a port of any protocol */
	limit = bpf_map_lookup_elem(&limits, service);
	if (limit)
		return limit;
	service->protocol = protocol;
	service->dport = 0;
	limit = bpf_map_lookup_elem(&limits, service);
	if (limit)
		return limit;
	service->protocol = 0;
	return bpf_map_lookup_elem(&limits, service);
}

/* Other processors may change the time meanwhile: try again, and drop if they are too many. */
static __always_inline bool take(__u64 *time, __u64 now, __u64 cost, __u64 ahead)
{
	__u64 old, from;
	int i;

	for (i = 0; i < TRIES; i++) {
		old = *time;
		/* Read it once: the sum below must be of the value that is compared. */
		barrier_var(old);
		/* A time that is further ahead is of an earlier boot, or of an earlier limit. The
		 * clocks of two processors differ by less than a second.
		 */
		from = old > now && old < now + ahead + NS_PER_S ? old : now;
		if (from + cost > now + ahead)
			return false;
		if (__sync_val_compare_and_swap(time, old, from + cost) == old)
			return true;
	}
	return false;
}

static __always_inline bool
is_within(const struct limit *limit, const struct service *service,
	  const struct bpf_nf_tuple *tuple)
{
	struct source source = {
		.service = *service,
		.family = tuple->family,
		.saddr.words[0] = tuple->saddr.words[0],
	};
	__u64 now = bpf_ktime_get_ns(), zero = 0, cost;
	__u64 *time;

	if (!limit->rate)
		return false;
	cost = NS_PER_S / limit->rate;
	time = bpf_map_lookup_elem(&sources, &source);
	if (!time) {
		bpf_map_update_elem(&sources, &source, &zero, BPF_NOEXIST);
		time = bpf_map_lookup_elem(&sources, &source);
	}
	return time && take(time, now, cost, cost * limit->burst);
}

/* Without a limit for the service the packet passes. */
static __always_inline bool
passes(const struct bpf_nf_tuple *tuple, bool fragmented, __u32 pieces)
{
	struct service service = {
		.dport = tuple->dport,
		.protocol = tuple->protocol,
		.fragmented = fragmented,
	};
	struct limit *limit = find_limit(&service);

	if (!limit)
		return true;
	if ((limit->pieces && pieces > limit->pieces) || !is_within(limit, &service, tuple)) {
		__sync_fetch_and_add(&limit->dropped, 1);
		return false;
	}
	__sync_fetch_and_add(&limit->accepted, 1);
	return true;
}

SEC("netfilter")
int limit_sources(struct bpf_nf_ctx *ctx)
{
	struct bpf_nf_frag_info___nf frag = {};
	struct bpf_nf_flow flow;

	BPF_NF_PKT(pkt, ctx);
	if (bpf_nf_pkt_parse(&pkt, &flow) || flow.fragment)
		return NF_DROP;
	if (!passes(&flow.tuple, false, 0))
		return NF_DROP;
	/* If the kernel cannot tell, all datagrams count as whole. */
	if (BPF_NF_TRY(bpf_nf_frag_info, ctx, &frag, sizeof(frag)) ||
	    !(frag.flags & BPF_NF_FRAG_REASSEMBLED))
		return NF_ACCEPT;
	return passes(&flow.tuple, true, frag.pieces) ? NF_ACCEPT : NF_DROP;
}
