/* SPDX-License-Identifier: GPL-2.0 */
/* Between dynptr.bpf.c and portable.c. */
#ifndef DYNPTR_H
#define DYNPTR_H

struct dynptr_io {
	/* To all programs. */
	__u32 off;

	/* From all programs. */
	__u32 runs;
	__s32 flags_result;
	__s32 result;
	__u8 found;
	__u8 protocol;
	__be16 sport;
	__be16 dport;
	__be32 daddr;
};

#endif
