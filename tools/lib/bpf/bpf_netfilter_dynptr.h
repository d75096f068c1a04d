/* SPDX-License-Identifier: (LGPL-2.1 OR BSD-2-Clause) */
#ifndef __BPF_NETFILTER_DYNPTR_H__
#define __BPF_NETFILTER_DYNPTR_H__

/*
 * For netfilter programs that were written for mainline, and read the packet through
 * bpf_dynptr_from_skb() and bpf_dynptr_slice(). With this header their source runs on
 * kernels with packet pointers as well, which do not have these two functions:
 *
 *	clang -O2 -g -target bpf -include bpf/bpf_netfilter_dynptr.h -c prog.bpf.c
 *
 * The source does not change. It may declare the two functions, or have them from
 * vmlinux.h. The object runs on both kinds of kernels, as with bpf_netfilter.h.
 *
 * A packet pointer comes from the program's context, which bpf_dynptr_from_skb() does
 * not take. So the function that calls it must have the context in a variable or
 * argument with the name ctx. It is an error if there is none. Where a function only has
 * the skb, pass the context to it, or
 *
 *	-DBPF_NF_DYNPTR_LINEAR
 *
 * which lets such functions read the linear part of the packet only. Then
 * bpf_dynptr_slice() returns NULL for other bytes, although the packet has them: a
 * program that accepts a packet it cannot read must not be built like this. It also needs
 * CAP_PERFMON.
 *
 * An offset is at most BPF_NF_PKT_MAX_OFF. Other functions for dynptrs of packets are not
 * there on kernels without them: such a program is not loaded.
 */

#include "vmlinux.h"
#include <bpf/bpf_netfilter.h>

#ifndef EINVAL
#define EINVAL		22
#endif

struct sk_buff___nf_data {
	const void *data;
	__u32 len;
	__u32 data_len;
} __attribute__((preserve_access_index));

/* The contents of a struct bpf_dynptr on a kernel with packet pointers. */
struct __bpf_nf_dynptr {
	struct bpf_nf_ctx *ctx;
	const struct sk_buff___nf_data *skb;
};

_Static_assert(sizeof(struct __bpf_nf_dynptr) <= sizeof(struct bpf_dynptr),
	       "struct bpf_dynptr is too small for two pointers");

#if defined(BPF_NF_DYNPTR_LINEAR) || !__has_attribute(diagnose_if)
#define __bpf_nf_needs(context, message)
#else
#define __bpf_nf_needs(context, message)				\
	__attribute__((diagnose_if(!(context), message, "error")))
#endif

static __always_inline int
__bpf_nf_dynptr_from_skb(struct bpf_nf_ctx *context, const void *skb, __u64 flags,
			 struct bpf_dynptr *ptr)
__bpf_nf_needs(context, "bpf_dynptr_from_skb(): pass the program's context to this function as ctx")
{
	struct __bpf_nf_dynptr *direct = (void *)ptr;

	if (!bpf_nf_has_pkt_pointers())
		return bpf_dynptr_from_skb___nf((void *)skb, flags, ptr);
	direct->ctx = context;
	direct->skb = skb;
	return flags ? -EINVAL : 0;
}

#ifdef BPF_NF_DYNPTR_LINEAR
static __always_inline void *
__bpf_nf_read_linear(const struct sk_buff___nf_data *skb, __u32 off, void *buf, __u32 len)
{
	__u32 linear = skb->len - skb->data_len;

	if (off > linear || len > linear - off)
		return NULL;
	return bpf_probe_read_kernel(buf, len, skb->data + off) ? NULL : buf;
}
#endif

static __always_inline void *
__bpf_nf_dynptr_slice(const struct bpf_dynptr *ptr, __u32 off,
		      void *const buf __bpf_nf_sized, __u32 len)
__bpf_nf_holds(buf, len, "bpf_dynptr_slice(): the buffer is smaller than the length")
{
	const struct __bpf_nf_dynptr *direct = (const void *)ptr;

	__bpf_nf_check_buffer(buf, len);
	if (!bpf_nf_has_pkt_pointers())
		return bpf_dynptr_slice___nf(ptr, off, buf, len);
#ifdef BPF_NF_DYNPTR_LINEAR
	if (!direct->ctx)
		return __bpf_nf_read_linear(direct->skb, off, buf, len);
#endif
	return (void *)__bpf_nf_read_direct(direct->ctx, off, buf, len);
}

/* Found by functions that have no ctx of their own. */
static const struct __bpf_nf_no_context *const ctx __attribute__((unused));

#define __bpf_nf_ctx_is(type)	__builtin_types_compatible_p(__typeof__(ctx), type)
#define __bpf_nf_context_else(other)					\
	__builtin_choose_expr(__bpf_nf_ctx_is(const struct bpf_nf_ctx *), (ctx), other)
#define __bpf_nf_context						\
	__builtin_choose_expr(__bpf_nf_ctx_is(struct bpf_nf_ctx *), (ctx),	\
			      __bpf_nf_context_else(NULL))

/*
 * The source may declare the functions, and a declaration of a function with a macro's name
 * is taken for a call. A declaration has an integer type in front of its last
 * integer argument: these are the types in use. It declares another name, since vmlinux.h
 * can have the function with other types.
 */
#define __BPF_NF_TYPE___u64		~, declare,
#define __BPF_NF_TYPE_u64		~, declare,
#define __BPF_NF_TYPE_uint64_t		~, declare,
#define __BPF_NF_TYPE___u32		~, declare,
#define __BPF_NF_TYPE_u32		~, declare,
#define __BPF_NF_TYPE_uint32_t		~, declare,
#define __BPF_NF_SECOND(a, b, ...)	b
#define __BPF_NF_CAT(a, b)		__BPF_NF_CAT_(a, b)
#define __BPF_NF_CAT_(a, b)		a##b
#define __BPF_NF_USE(name, ...)						\
	__BPF_NF_CAT(name, __BPF_NF_SECOND(__VA_ARGS__, call, ~))

#define __bpf_nf_from_skb_declare(skb, flags, ptr)			\
	bpf_dynptr_from_skb___source(skb, flags, ptr)
#define __bpf_nf_from_skb_call(skb, flags, ptr)				\
	__bpf_nf_dynptr_from_skb((void *)__bpf_nf_context, (const void *)(skb), flags, ptr)
#define bpf_dynptr_from_skb(skb, flags, ptr)				\
	__BPF_NF_USE(__bpf_nf_from_skb_, __BPF_NF_TYPE_##flags)(skb, flags, ptr)

#define __bpf_nf_slice_declare(ptr, off, buf, len)			\
	bpf_dynptr_slice___source(ptr, off, buf, len)
#define __bpf_nf_slice_call(ptr, off, buf, len)				\
	__bpf_nf_dynptr_slice(ptr, off, buf, len)
#define bpf_dynptr_slice(ptr, off, buf, len)				\
	__BPF_NF_USE(__bpf_nf_slice_, __BPF_NF_TYPE_##len)(ptr, off, buf, len)

#endif /* __BPF_NETFILTER_DYNPTR_H__ */
