/* SPDX-License-Identifier: GPL-2.0 */
#ifndef FUZZ_KFUNCS_H
#define FUZZ_KFUNCS_H

#include "torture/fuzz/fuzz.h"

enum {
	CTX_STATE = 0, CTX_SKB = 8, CTX_DATA = 16, CTX_DATA_END = 24, CTX_MARK = 32,
	CTX_PRIORITY = 36, MANIP_SRC = 0, MANIP_DST = 1,
};

/* The number of BTF objects that a call of a kernel function can name. 0 is the kernel's. */
enum { NR_BTF = 3 };

/* Indices of kfuncs[]. The id is put into a program when it is made. */
enum {
	KFUNC_FRAG_INFO, KFUNC_REJECT, KFUNC_CT_INFO, KFUNC_CT_LOOKUP, KFUNC_CT_RELEASE,
	KFUNC_CT_GET, KFUNC_CT_SET_MARK, KFUNC_CT_GET_LABELS, KFUNC_CT_SET_LABELS,
	KFUNC_CT_ALLOC, KFUNC_CT_INSERT, KFUNC_CT_SET_NAT, NR_KFUNCS,
};

struct kfunc {
	const char *name;
	int module;		/* index of kfunc_btf_fds */
	int id;			/* 0: this kernel does not have the function */
};

extern const char *const btf_modules[NR_BTF];
extern int kfunc_btf_fds[NR_BTF];
extern struct kfunc kfuncs[NR_KFUNCS];

void find_kfuncs(void);

#endif
