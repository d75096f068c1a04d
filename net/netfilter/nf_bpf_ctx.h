/* SPDX-License-Identifier: GPL-2.0 */
/* Arguments of helpers and kfuncs: the context, and memory of the program. Include the
 * kernel's net/netfilter/nf_bpf_link.h first, which mainline's kernels can include only once.
 */
#ifndef _NF_BPF_CTX_H
#define _NF_BPF_CTX_H

#include <linux/compiler.h>
#include <linux/string.h>
#include <linux/types.h>

#include "nf_bpf_compat.h"

/* The parameter of a kfunc has the type that programs know, but a kfunc gets a pointer
 * to the smaller struct.
 */
static inline const struct bpf_nf_ctx_kern *
bpf_nf_ctx_kern(const struct bpf_nf_ctx *ctx)
{
	return (const struct bpf_nf_ctx_kern *)ctx;
}

/* The network namespace of a packet. Where BPF_PROG_TEST_RUN sets none, nf_bpf_compat.h has
 * another definition.
 */
#ifndef nf_bpf_net
#define nf_bpf_net(state)	((state)->net)
#endif

/* Copy memory that a program passes. It may be in a map that others write to at the
 * same time, so check and use the copy only. barrier_data() keeps the compiler from
 * reading @from again.
 */
static inline void bpf_nf_snapshot(void *to, const void *from, u32 size)
{
	memcpy(to, from, size);
	barrier_data(to);
}

#endif /* _NF_BPF_CTX_H */
