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
	X(fragments)	/* UDP packets that are fragments */		\
	X(later)	/* UDP packets that are later fragments */	\
	X(ports)	/* UDP packets in which the ports could be read */ \
	X(tracked)	/* UDP packets with a conntrack entry */	\
	X(dropped)	/* UDP packets which got NF_DROP */		\
	X(length)	/* skb->len of the last UDP packet */		\
	X(hook)		/* and its nf_hook_state */			\
	X(pf)								\
	X(in)								\
	X(out)								\
	/* programs of packet.bpf.c only: */				\
	X(linear)	/* bytes from ctx->data to ctx->data_end */	\
	X(intact)	/* how many of three bytes were read right */	\
	X(result)	/* result of the helper under test */		\
	X(mtu)								\
	X(smac)		/* addresses of the packet or of its route */	\
	X(dmac)								\
	X(flags)	/* result of bpf_nf_frag_info() */		\
	X(pieces)							\
	X(max_size)							\
	X(mark)								\
	X(priority)							\
	X(larger)	/* packets that are larger than the MTU */	\
	X(fitting)	/* of these, packets whose segments fit the route */ \
	X(too_long)	/* of these, packets whose segments do not */

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
