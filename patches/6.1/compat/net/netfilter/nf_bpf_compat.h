/* SPDX-License-Identifier: GPL-2.0 */
/* What nf_bpf_*.c need to know of a 6.1 kernel. */
#ifndef _NF_BPF_COMPAT_H
#define _NF_BPF_COMPAT_H

#include <linux/bpf.h>
#include <linux/btf_ids.h>
#include <linux/skbuff.h>

/* 6.1 has no PTR_TRUSTED: a plain BTF pointer is what its checks compare with. */
#define NF_BPF_PTR_FLAGS	0

#define NF_BPF_FIB_LOOKUP_FLAGS						\
	(BPF_FIB_LOOKUP_DIRECT | BPF_FIB_LOOKUP_OUTPUT |		\
	 BPF_FIB_LOOKUP_SKIP_NEIGH | BPF_FIB_LOOKUP_TBID | BPF_FIB_LOOKUP_SRC)

/* Of bpf_verifier_ops.btf_struct_access, which here is asked about reads, too. */
#define NF_BPF_ACCESS_PARAMS						\
	struct bpf_verifier_log *log, const struct btf *btf,		\
	const struct btf_type *t, int off, int size,			\
	enum bpf_access_type atype, u32 *next_btf_id, enum bpf_type_flag *flag
#define NF_BPF_ACCESS_ARGS	log, btf, t, off, size, atype, next_btf_id, flag
#define nf_bpf_access_is_read()	(atype == BPF_READ)

#define __bpf_kfunc		__used noinline
#define BTF_KFUNCS_START	BTF_SET8_START
#define BTF_KFUNCS_END		BTF_SET8_END

#define nf_bpf_base_func_proto(func_id, prog)	bpf_base_func_proto(func_id)

/* Of a buffer that kmalloc() made. */
#define nf_bpf_build_skb(data)	build_skb(data, 0)

#endif /* _NF_BPF_COMPAT_H */
