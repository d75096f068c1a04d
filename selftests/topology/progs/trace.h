/* SPDX-License-Identifier: GPL-2.0 */
/* The record of one packet: progs/trace.bpf.c writes it, helpers/trace.c prints it. */
#ifndef TRACE_H
#define TRACE_H

enum {
	TRACE_MAX	= 512,
	TRACE_NAME	= 16,	/* IFNAMSIZ */
};

struct trace_packet {
	__u32 hook;
	__u32 protocol;		/* of the transport header */
	__u32 length;		/* skb->len */
	__u32 fragment;		/* enum bpf_nf_fragment */
	__u32 flags;		/* bpf_nf_frag_info */
	__u32 pieces;
	char in[TRACE_NAME];	/* nf_hook_state, "" for none */
	char out[TRACE_NAME];
};

#endif
