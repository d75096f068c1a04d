/* SPDX-License-Identifier: GPL-2.0 */
/* The kernel functions that the programs of the fuzzers call, and where they are. */
#ifndef FUZZ_KFUNCS_H
#define FUZZ_KFUNCS_H

#include <bpf/btf.h>

#include "torture/fuzz/fuzz.h"

enum {
	CTX_STATE = 0, CTX_SKB = 8, CTX_DATA = 16, CTX_DATA_END = 24, CTX_MARK = 32,
	CTX_PRIORITY = 36, MANIP_SRC = 0, MANIP_DST = 1,
};

/* The BTF that a call of a kernel function names, by number; 0 is the kernel's own. */
enum { NR_BTF = 3 };

static const char *const btf_modules[NR_BTF] = {
	[1] = "nf_bpf_kfunc",
	[2] = "nf_conntrack",
};

static int kfunc_btf_fds[NR_BTF];	/* BTF of btf_modules[] */

/* Indices of kfuncs[]. A program gets the id when it is made. */
enum {
	KFUNC_FRAG_INFO, KFUNC_REJECT, KFUNC_CT_INFO, KFUNC_CT_LOOKUP, KFUNC_CT_RELEASE,
	KFUNC_CT_GET, KFUNC_CT_SET_MARK, KFUNC_CT_GET_LABELS, KFUNC_CT_SET_LABELS,
	KFUNC_CT_ALLOC, KFUNC_CT_INSERT, KFUNC_CT_SET_NAT,
};

static struct {
	const char *name;
	int module;		/* of kfunc_btf_fds */
	int id;			/* 0: this kernel does not have it */
} kfuncs[] = {
	[KFUNC_FRAG_INFO]	= { "bpf_nf_frag_info" },
	[KFUNC_REJECT]		= { "bpf_nf_reject" },
	[KFUNC_CT_INFO]		= { "bpf_nf_ct_info" },
	[KFUNC_CT_LOOKUP]	= { "bpf_nf_ct_lookup" },
	[KFUNC_CT_RELEASE]	= { "bpf_ct_release" },
	[KFUNC_CT_GET]		= { "bpf_nf_ct_get" },
	[KFUNC_CT_SET_MARK]	= { "bpf_nf_ct_set_mark" },
	[KFUNC_CT_GET_LABELS]	= { "bpf_nf_ct_get_labels" },
	[KFUNC_CT_SET_LABELS]	= { "bpf_nf_ct_set_labels" },
	[KFUNC_CT_ALLOC]	= { "bpf_nf_ct_alloc" },
	[KFUNC_CT_INSERT]	= { "bpf_ct_insert_entry" },
	[KFUNC_CT_SET_NAT]	= { "bpf_nf_ct_set_nat" },
};

/* Loads the modules. A kernel function that this kernel does not have keeps the id 0. */
static void find_kfuncs(void)
{
	struct btf *vmlinux = btf__load_vmlinux_btf(), *btf = vmlinux;
	const bool loaded = !system("modprobe -q nf_bpf_kfunc");
	size_t i, module;
	int id;

	for (module = 0; module < NR_BTF; module++) {
		if (module) {
			btf = btf__load_module_btf(btf_modules[module], vmlinux);
			if (loaded)
				kfunc_btf_fds[module] = nf_btf_module_fd(btf_modules[module]);
		}
		for (i = 0; btf && i < ARRAY_SIZE(kfuncs); i++) {
			id = btf__find_by_name_kind(btf, kfuncs[i].name, BTF_KIND_FUNC);
			if (id <= 0 || kfuncs[i].id)
				continue;
			kfuncs[i].module = module;
			kfuncs[i].id = id;
		}
	}
}

#endif
