// SPDX-License-Identifier: GPL-2.0
/* Send the first bytes of packets to user space: of each drop, or of every Nth packet. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_netfilter.h>

#include "packet_log.h"

char LICENSE[] SEC("license") = "GPL";

/* The loader sets these variables before it attaches the program. */
__u32 snaplen;
__u32 every;
__u16 drop_port;	/* network order; 0: drop nothing */

struct {
	__uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY);
	__type(key, __u32);
	__type(value, __u32);
} events SEC(".maps");

__u64 packets;
__u64 lost;

/* If the port is unknown, drop the packet: it may go to the port that is denied. */
static __always_inline bool is_dropped(int parsed, const struct bpf_nf_flow *flow)
{
	if (!drop_port)
		return false;
	return parsed || flow->fragment || flow->tuple.dport == drop_port;
}

static __always_inline bool is_logged(bool dropped)
{
	/* With drop_port every Nth means every Nth dropped packet: do not count others. */
	if (drop_port && !dropped)
		return false;
	return __sync_fetch_and_add(&packets, 1) % every == 0;
}

SEC("netfilter")
int packet_log(struct bpf_nf_ctx *ctx)
{
	struct packet_log_event event = {};
	struct bpf_nf_flow flow;
	bool dropped;
	int parsed;

	BPF_NF_PKT(pkt, ctx);
	parsed = bpf_nf_pkt_parse(&pkt, &flow);
	dropped = is_dropped(parsed, &flow);
	if (!is_logged(dropped))
		return dropped ? NF_DROP : NF_ACCEPT;

	event.time = bpf_ktime_get_ns();
	event.tuple = flow.tuple;
	event.length = ctx->skb->len;
	event.captured = event.length < snaplen ? event.length : snaplen;
	event.hook = ctx->state->hook;
	event.parsed = parsed;
	event.fragment = flow.fragment;
	event.dropped = dropped;
	if (bpf_nf_perf_event_output(ctx, &events,
				     BPF_F_CURRENT_CPU | (__u64)event.captured << 32,
				     &event, sizeof(event)))
		__sync_fetch_and_add(&lost, 1);
	return dropped ? NF_DROP : NF_ACCEPT;
}
