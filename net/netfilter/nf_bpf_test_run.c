// SPDX-License-Identifier: GPL-2.0
/* BPF_PROG_TEST_RUN for programs on netfilter hooks. */
#include <linux/bpf.h>
#include <linux/etherdevice.h>
#include <linux/ipv6.h>
#include <linux/netfilter.h>
#include <linux/nsproxy.h>
#include <linux/skbuff.h>
#include <net/ip.h>
#include <net/net_namespace.h>
#include <net/netfilter/nf_bpf_link.h>

#include "nf_bpf_compat.h"

#define BPF_NF_TEST_HEADROOM	(NET_SKB_PAD + NET_IP_ALIGN)
#define BPF_NF_TEST_TAILROOM	SKB_DATA_ALIGN(sizeof(struct skb_shared_info))

static u32 bpf_nf_test_hdrlen(u8 pf)
{
	return pf == NFPROTO_IPV6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr);
}

static __be16 bpf_nf_test_protocol(u8 pf)
{
	return pf == NFPROTO_IPV6 ? htons(ETH_P_IPV6) : htons(ETH_P_IP);
}

static bool bpf_nf_test_is_ip(const u8 *data, u8 pf)
{
	return data[0] >> 4 == (pf == NFPROTO_IPV6 ? 6 : 4);
}

/* Set the devices that a packet has at this hook. Each of them is the loopback device. */
static int bpf_nf_test_state(struct nf_hook_state *state, struct net *net,
			     const struct nf_hook_state *user)
{
	state->pf = NFPROTO_IPV4;
	state->hook = NF_INET_LOCAL_OUT;
	state->net = net;

	if (user) {
		if (user->in || user->out || user->sk || user->net || user->okfn)
			return -EINVAL;
		if (user->pf != NFPROTO_IPV4 && user->pf != NFPROTO_IPV6)
			return -EINVAL;
		if (user->hook >= NF_INET_NUMHOOKS)
			return -EINVAL;
		state->pf = user->pf;
		state->hook = user->hook;
	}

	if (state->hook <= NF_INET_FORWARD)
		state->in = net->loopback_dev;
	if (state->hook >= NF_INET_FORWARD)
		state->out = net->loopback_dev;
	return 0;
}

/* The caller's data may begin with the network header. Mainline expects an Ethernet
 * header at every hook but LOCAL_OUT, so accept that as well.
 *
 * Return: the length of the Ethernet header, 0 without one, or an error
 */
static int bpf_nf_test_maclen(const struct nf_hook_state *state, const u8 *data,
			      u32 size)
{
	const struct ethhdr *eth = (const struct ethhdr *)data;
	u32 hdrlen = bpf_nf_test_hdrlen(state->pf);

	if (size < hdrlen)
		return -EINVAL;
	if (state->hook == NF_INET_LOCAL_OUT)
		return 0;

	/* Bytes of an IP address can look like an Ethernet type, so look at the IP
	 * version as well. Mainline does not require that the version is set.
	 */
	if (size >= ETH_HLEN + hdrlen &&
	    eth->h_proto == bpf_nf_test_protocol(state->pf) &&
	    (bpf_nf_test_is_ip(data + ETH_HLEN, state->pf) ||
	     !bpf_nf_test_is_ip(data, state->pf)))
		return ETH_HLEN;
	if (bpf_nf_test_is_ip(data, state->pf))
		return 0;
	return eth->h_proto == htons(ETH_P_IP) ||
	       eth->h_proto == htons(ETH_P_IPV6) ? -EINVAL : -EPROTO;
}

/* Make a packet of @data. The function owns @data, also if it fails. */
static struct sk_buff *bpf_nf_test_skb(const struct nf_hook_state *state,
				       void *data, u32 size)
{
	struct net_device *dev = state->out ?: state->in;
	struct sk_buff *skb;
	int maclen;

	maclen = bpf_nf_test_maclen(state, data + BPF_NF_TEST_HEADROOM, size);
	if (maclen < 0) {
		kfree(data);
		return ERR_PTR(maclen);
	}
	skb = nf_bpf_build_skb(data);
	if (!skb) {
		kfree(data);
		return ERR_PTR(-ENOMEM);
	}

	skb_reserve(skb, BPF_NF_TEST_HEADROOM);
	__skb_put(skb, size);
	if (maclen) {
		skb->protocol = eth_type_trans(skb, dev);
	} else {
		skb_reset_mac_header(skb);
		skb->protocol = bpf_nf_test_protocol(state->pf);
		skb->dev = dev;
	}
	skb_reset_network_header(skb);
	skb_set_transport_header(skb, bpf_nf_test_hdrlen(state->pf));
	if (state->pf == NFPROTO_IPV4 && ip_hdrlen(skb) <= skb->len)
		skb_set_transport_header(skb, ip_hdrlen(skb));
	return skb;
}

/**
 * bpf_nf_prog_test_run - handle BPF_PROG_TEST_RUN for BPF_PROG_TYPE_NETFILTER
 * @prog: the program
 * @kattr: the attributes. data_in is the packet, which has to fit into a page together
 *	with its headroom. ctx_in is a struct nf_hook_state in which only pf and hook are
 *	set; without it, the packet is IPv4 at LOCAL_OUT. repeat is the number of runs.
 * @uattr: where to write retval, duration (in ns) and data_size_out
 *
 * The devices of the packet are the loopback device of the caller's namespace. Fragments
 * are not reassembled.
 *
 * If data_out is too short, it gets the beginning of the packet, and data_size_out the
 * length of the whole packet.
 *
 * Return: 0, -EINVAL for an invalid packet or state, -EPROTO for an Ethernet header of
 * another protocol
 */
int bpf_nf_prog_test_run(struct bpf_prog *prog, const union bpf_attr *kattr,
			 union bpf_attr __user *uattr)
{
	struct nf_hook_state *user, state = {};
	u32 size = kattr->test.data_size_in;
	u32 repeat = kattr->test.repeat ?: 1;
	struct bpf_nf_ctx_kern ctx = { .state = &state };
	struct sk_buff *skb;
	u32 retval, duration;
	void *data;
	int err;

	if (kattr->test.flags || kattr->test.cpu || kattr->test.batch_size)
		return -EINVAL;

	user = bpf_ctx_init(kattr, sizeof(*user));
	if (IS_ERR(user))
		return PTR_ERR(user);
	err = bpf_nf_test_state(&state, current->nsproxy->net_ns, user);
	kfree(user);
	if (err)
		return err;

	data = bpf_test_init(kattr, size, size, BPF_NF_TEST_HEADROOM,
			     BPF_NF_TEST_TAILROOM);
	if (IS_ERR(data))
		return PTR_ERR(data);
	skb = bpf_nf_test_skb(&state, data, size);
	if (IS_ERR(skb))
		return PTR_ERR(skb);

	ctx.skb = skb;
	err = bpf_test_run(prog, &ctx, repeat, &retval, &duration, false);
	if (err)
		goto out;
	skb_push(skb, skb->data - skb_mac_header(skb));
	/* Mainline does not return the packet, so it never fails with -ENOSPC. Copy
	 * what fits.
	 */
	size = min(skb->len, kattr->test.data_size_out ?: skb->len);
	err = bpf_test_finish(kattr, uattr, skb->data, NULL, size, retval, duration);
	if (!err && size < skb->len &&
	    copy_to_user(&uattr->test.data_size_out, &skb->len, sizeof(skb->len)))
		err = -EFAULT;
out:
	kfree_skb(skb);
	return err;
}
