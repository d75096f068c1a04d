// SPDX-License-Identifier: GPL-2.0
/* The kernel functions that the fuzzers' programs call, and the modules that have them. */
#include <bpf/btf.h>

#include "torture/fuzz/kfuncs.h"

const char *const btf_modules[NR_BTF] = {
	[1] = "nf_bpf_kfunc",
	[2] = "nf_conntrack",
};

int kfunc_btf_fds[NR_BTF];	/* BTF of btf_modules[] */

struct kfunc kfuncs[NR_KFUNCS] = {
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

/* Load the modules, and find the functions. A missing function keeps the id 0. */
void find_kfuncs(void)
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
