/* SPDX-License-Identifier: GPL-2.0 */
/* Shared by judge.bpf.c and frag/judge.py, which repeats the offsets. */
#ifndef JUDGE_H
#define JUDGE_H

enum {
	JUDGE_MAX_PACKET	= 65535 + 40,	/* the largest IPv6 packet */
	JUDGE_RING		= 1 << 23,
	JUDGE_CPUS		= 8,
};

enum {
	JUDGED_FRAGMENT	= 1 << 0,	/* a fragment, by the headers that the program reads */
	JUDGED_UNREAD	= 1 << 1,	/* too long to log all bytes */
};

/* A packet that the program has judged; its bytes follow, from the IP header on. */
struct judged {
	__u32 length;
	__u32 verdict;
	__u32 flags;		/* JUDGED_* */
	__u32 info;		/* bpf_nf_frag_info: flags, */
	__u32 pieces;
	__u32 max_size;
	__u32 ifindex;		/* of the input device, or 0 */
	__u32 hook;
};

#endif
