// SPDX-License-Identifier: GPL-2.0
/* Stores what the program sees of a packet of BPF_PROG_TEST_RUN. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

char _license[] SEC("license") = "GPL";

__u64 runs;
__u32 pf, hook, length, protocol, transport, in_index, out_index, dev_index, netns;
__u8 head[48];
int verdict = 1;

static __u32 index_of(struct net_device *dev)
{
	return dev ? dev->ifindex : 0;
}

SEC("netfilter")
int look(struct bpf_nf_ctx *ctx)
{
	const struct nf_hook_state *state = ctx->state;
	struct sk_buff *skb = ctx->skb;

	runs++;
	pf = state->pf;
	hook = state->hook;
	netns = state->net->ns.inum;
	in_index = index_of(state->in);
	out_index = index_of(state->out);
	dev_index = index_of(skb->dev);
	length = skb->len;
	protocol = skb->protocol;
	transport = skb->transport_header - skb->network_header;
	bpf_probe_read_kernel(head, sizeof(head), skb->head + skb->network_header);
	return verdict ? 1 : 0;
}
