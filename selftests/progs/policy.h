/* SPDX-License-Identifier: GPL-2.0 */
/* The counters of programs that use stats.bpf.h. helpers/nf_prog.c prints them. */
#ifndef POLICY_H
#define POLICY_H

/*
 * Counters of the UDP packets that a program has seen. A datagram to SENTINEL_PORT
 * marks the end of an exchange: it always passes and is not counted.
 */
#define POLICY_STATS(X)							\
	X(packets)	/* UDP packets, whole or not */			\
	X(fragments)	/* of these, still fragments */			\
	X(later)	/* of these, not the first */			\
	X(ports)	/* UDP packets in which the ports could be read */ \
	X(tracked)	/* UDP packets with a conntrack entry */	\
	X(dropped)	/* UDP packets which got NF_DROP */		\
	X(length)	/* skb->len of the last one */			\
	X(hook)		/* nf_hook_state of the last one */		\
	X(pf)								\
	X(in)								\
	X(out)								\
	/* what programs of packet.bpf.c add */				\
	X(linear)	/* bytes from ctx->data to ctx->data_end */	\
	X(intact)	/* of three bytes of the datagram, read right */ \
	X(result)	/* of the helper that the program is about */	\
	X(mtu)								\
	X(smac)		/* of the packet or of its route, as numbers */	\
	X(dmac)								\
	X(flags)	/* bpf_nf_frag_info */				\
	X(pieces)							\
	X(max_size)							\
	X(mark)								\
	X(priority)							\
	X(larger)	/* packets than the MTU */			\
	X(fitting)	/* of these, in segments that fit a route */	\
	X(too_long)	/* of these, in segments that do not */

enum {
	DENIED_PORT	= 9999,
	ALLOWED_PORT	= 53,
	SENTINEL_PORT	= 9998,
};

struct policy_stats {
#define X(name) __u64 name;
	POLICY_STATS(X)
#undef X
};

#endif
