/* SPDX-License-Identifier: GPL-2.0 */
/* Shared by judge.bpf.c and, as offsets, frag/judge.py. */
#ifndef JUDGE_H
#define JUDGE_H

enum {
	JUDGE_MAX_PACKET	= 65535 + 40,	/* IPv6's largest, with its header */
	JUDGE_RING		= 1 << 23,
	JUDGE_CPUS		= 8,
};

enum {
	JUDGED_FRAGMENT	= 1 << 0,	/* by its headers, as the program reads them */
	JUDGED_UNREAD	= 1 << 1,	/* more bytes than could be logged */
};

/* A packet that the program has judged; its bytes follow, from the IP header on. */
struct judged {
	__u32 length;
	__u32 verdict;
	__u32 flags;		/* JUDGED_* */
	__u32 info;		/* bpf_nf_frag_info: flags, */
	__u32 pieces;
	__u32 max_size;
	__u32 ifindex;		/* of the device it came by, 0 for none */
	__u32 hook;
};

#endif
