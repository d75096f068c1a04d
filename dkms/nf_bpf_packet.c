// SPDX-License-Identifier: GPL-2.0
/* Kfuncs for packets. They replace the helpers of patched kernels, and have the same rules and
 * errors: see nf_bpf_packet.h.
 *
 * The verifier accepts NULL for a pointer with a size argument, even if the size is not 0. So
 * each kfunc checks its pointers.
 */
#include <linux/atomic.h>
#include <linux/bpf.h>
#include <linux/btf.h>
#include <linux/btf_ids.h>
#include <linux/filter.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/netfilter.h>
#include <linux/rcupdate.h>
#include <linux/skbuff.h>
#include <net/dst.h>
#include <net/netfilter/nf_bpf_link.h>
#include <net/netfilter/nf_nat.h>

#include "nf_bpf_fib.h"
#include "nf_bpf_packet.h"
#include "nf_bpf_packet_kfunc.h"

/* The kept data of all packets may have this part of the memory. One run of a program can move or
 * reject a packet many thousand times, and nothing is freed before the run has ended.
 */
#define NF_BPF_KEPT_PART	32

/* Bytes that are kept: the sum of the truesize of all clones */
static atomic_long_t nf_bpf_kept;

static void nf_bpf_free_head(struct rcu_head *rcu)
{
	struct sk_buff *clone = container_of((void *)rcu, struct sk_buff, cb);

	atomic_long_sub(clone->truesize, &nf_bpf_kept);
	consume_skb(clone);
}

static bool nf_bpf_may_keep(const struct sk_buff *skb)
{
	return atomic_long_read(&nf_bpf_kept) + skb->truesize <=
	       (totalram_pages() << PAGE_SHIFT) / NF_BPF_KEPT_PART;
}

/**
 * nf_bpf_keep_head - keep the old data of a packet until the program has ended
 * @skb: the packet, whose data is about to move
 *
 * A program may have pointers to the packet from bpf_dynptr_slice(). The verifier of an
 * unmodified kernel does not forget these pointers when a kfunc moves the data. Programs run
 * under RCU. So a clone holds the old data for a grace period of RCU. As long as the clone
 * exists, nothing writes or frees the old data.
 *
 * Return: 0, or -ENOMEM, also if too much is kept already: the data must not move
 */
int nf_bpf_keep_head(struct sk_buff *skb)
{
	struct sk_buff *clone;

	BUILD_BUG_ON(sizeof(struct rcu_head) > sizeof(clone->cb));

	if (!nf_bpf_may_keep(skb))
		return -ENOMEM;
	clone = skb_clone(skb, GFP_ATOMIC);
	if (!clone)
		return -ENOMEM;
	atomic_long_add(clone->truesize, &nf_bpf_kept);
	/* Let the clone hold nothing but the data. If it held an unconfirmed conntrack entry,
	 * the entry would seem to be shared.
	 */
	nf_reset_ct(clone);
	skb_dst_drop(clone);
	skb_ext_reset(clone);
	call_rcu((struct rcu_head *)clone->cb, nf_bpf_free_head);
	return 0;
}
EXPORT_SYMBOL_GPL(nf_bpf_keep_head);

/**
 * nf_bpf_keep_head_to_write - keep the old data of a packet if a write moves the data
 * @skb: the packet
 * @len: the argument for skb_ensure_writable(): number of bytes from the packet's beginning
 *
 * Return: 0, or -ENOMEM
 */
int nf_bpf_keep_head_to_write(struct sk_buff *skb, u32 len)
{
	if (len <= skb_headlen(skb) &&
	    (!skb_cloned(skb) || skb_clone_writable(skb, len)))
		return 0;
	return nf_bpf_keep_head(skb);
}

/* The context of a program whose packet begins at the network header. At a hook it does. But at
 * LOCAL_OUT BPF_PROG_TEST_RUN of an unmodified kernel does not set the header.
 */
static const struct bpf_nf_ctx_kern *nf_bpf_packet_ctx(struct bpf_nf_ctx *ctx)
{
	skb_reset_network_header(ctx->skb);
	return bpf_nf_ctx_kern(ctx);
}

/**
 * bpf_nf_load_bytes - bpf_skb_load_bytes()
 * @ctx: the context of the program
 * @offset: from the network header
 * @to: out: the bytes, or zeros if they cannot be read
 * @to__sz: number of bytes
 *
 * Context: any hook. The packet's data does not move.
 *
 * Return: 0, -EFAULT if the packet ends before the bytes do, -EINVAL if @to is NULL or @to__sz
 * is 0
 */
__bpf_kfunc int bpf_nf_load_bytes(struct bpf_nf_ctx *ctx, u32 offset, void *to, u32 to__sz)
{
	if (!to || !to__sz)
		return -EINVAL;
	return bpf_nf_load(ctx->skb, offset, to, to__sz);
}

/**
 * bpf_nf_load_bytes_relative - bpf_skb_load_bytes_relative()
 * @ctx: the context of the program
 * @offset: from the header
 * @to: out: the bytes, or zeros if they cannot be read
 * @to__sz: number of bytes
 * @start_header: BPF_HDR_START_MAC or BPF_HDR_START_NET
 *
 * Context: any hook. The packet's data does not move.
 *
 * Return: 0, -EFAULT if the packet does not have the bytes, -EINVAL if @to is NULL or @to__sz
 * is 0
 */
__bpf_kfunc int bpf_nf_load_bytes_relative(struct bpf_nf_ctx *ctx, u32 offset, void *to,
					   u32 to__sz, u32 start_header)
{
	if (!to || !to__sz)
		return -EINVAL;
	return bpf_nf_load_relative(nf_bpf_packet_ctx(ctx)->skb, offset, to, to__sz,
				    start_header);
}

/**
 * bpf_nf_pull_data - bpf_skb_pull_data()
 * @ctx: the context of the program
 * @len: number of bytes to make linear and writable; 0: those that are linear already
 *
 * Context: any hook. The packet's data may move.
 *
 * Return: 0, -ENOMEM
 */
__bpf_kfunc int bpf_nf_pull_data(struct bpf_nf_ctx *ctx, u32 len)
{
	if (len > ctx->skb->len)
		return -ENOMEM;
	return bpf_nf_make_writable(nf_bpf_packet_ctx(ctx), len ?: skb_headlen(ctx->skb));
}

/**
 * bpf_nf_store_bytes - bpf_skb_store_bytes()
 * @ctx: the context of the program
 * @offset: from the network header
 * @from: the new bytes, in memory that the program may write to
 * @from__sz: number of bytes
 * @flags: BPF_F_RECOMPUTE_CSUM, BPF_F_INVALIDATE_HASH
 *
 * Context: any hook. The packet's data may move.
 *
 * Return: 0, -EFAULT if the packet ends before the bytes do or cannot be changed, -EPERM
 * if the stack relies on the bytes, -EINVAL for other flags, or if @from is NULL or @from__sz
 * is 0
 */
__bpf_kfunc int bpf_nf_store_bytes(struct bpf_nf_ctx *ctx, u32 offset, const void *from,
				   u32 from__sz, u64 flags)
{
	if (!from || !from__sz)
		return -EINVAL;
	return bpf_nf_store(nf_bpf_packet_ctx(ctx), offset, from, from__sz, flags);
}

/**
 * bpf_nf_update_l3_csum - bpf_l3_csum_replace()
 * @ctx: the context of the program
 * @offset: of the checksum, from the network header
 * @from: the old value of the field
 * @to: the new value of the field, or a difference of checksums
 * @flags: size of the field: 2, 4, or 0 for a difference
 *
 * Context: any hook. The packet's data may move.
 *
 * Return: 0, or -EINVAL, -EFAULT, -EPERM as the helper
 */
__bpf_kfunc int bpf_nf_update_l3_csum(struct bpf_nf_ctx *ctx, u32 offset, u64 from, u64 to,
				      u64 flags)
{
	return bpf_nf_replace_l3_csum(nf_bpf_packet_ctx(ctx), offset, from, to, flags);
}

/**
 * bpf_nf_update_l4_csum - bpf_l4_csum_replace()
 * @ctx: the context of the program
 * @offset: of the checksum, from the network header
 * @from: the old value of the field
 * @to: the new value of the field, or a difference of checksums
 * @flags: size of the field: 2, 4, or 0 for a difference, and BPF_F_PSEUDO_HDR,
 *	BPF_F_MARK_MANGLED_0, BPF_F_MARK_ENFORCE, BPF_F_IPV6
 *
 * Context: any hook. The packet's data may move.
 *
 * Return: 0, or -EINVAL, -EFAULT, -EPERM as the helper
 */
__bpf_kfunc int bpf_nf_update_l4_csum(struct bpf_nf_ctx *ctx, u32 offset, u64 from, u64 to,
				      u64 flags)
{
	return bpf_nf_replace_l4_csum(nf_bpf_packet_ctx(ctx), offset, from, to, flags);
}

/**
 * bpf_nf_write_mark - set skb->mark
 * @ctx: the context of the program
 * @mark: the new mark
 *
 * Context: any hook. The packet's data does not move.
 */
__bpf_kfunc void bpf_nf_write_mark(struct bpf_nf_ctx *ctx, u32 mark)
{
	ctx->skb->mark = mark;
}

/**
 * bpf_nf_write_priority - set skb->priority
 * @ctx: the context of the program
 * @priority: the new priority
 *
 * Context: any hook. The packet's data does not move.
 */
__bpf_kfunc void bpf_nf_write_priority(struct bpf_nf_ctx *ctx, u32 priority)
{
	ctx->skb->priority = priority;
}

/**
 * bpf_nf_frag_info - get what reassembly knows of the packet
 * @ctx: the context of the program
 * @info: out: see struct bpf_nf_frag_info
 * @info__sz: sizeof(struct bpf_nf_frag_info)
 *
 * Context: any hook. The packet's data does not move.
 *
 * Return: 0, or -EINVAL if @info is NULL or @info__sz is wrong
 */
__bpf_kfunc int bpf_nf_frag_info(struct bpf_nf_ctx *ctx, struct bpf_nf_frag_info *info,
				 u32 info__sz)
{
	if (!info || info__sz != sizeof(*info))
		return -EINVAL;

	bpf_nf_fill_frag_info(nf_bpf_packet_ctx(ctx), info);
	return 0;
}

/**
 * bpf_nf_output_sample - bpf_perf_event_output()
 * @ctx: the context of the program
 * @samples__map: a map of type BPF_MAP_TYPE_PERF_EVENT_ARRAY
 * @flags: lower 32 bits: index in the map, or BPF_F_CURRENT_CPU; upper 32 bits: number of bytes
 *	of the packet to copy into the sample
 * @data__nullable: the program's data for the sample
 * @data__sz: number of bytes of the data
 *
 * The flag KF_TRUSTED_ARGS makes the verifier refuse a map that a program has found by following
 * pointers of the kernel: such a pointer can be NULL, or of a map that was freed.
 *
 * Context: any hook. The packet's data does not move.
 *
 * Return: 0, or an error as the helper; -EINVAL also if the map has another type, which the
 * verifier does not check
 */
__bpf_kfunc int bpf_nf_output_sample(struct bpf_nf_ctx *ctx, struct bpf_map *samples__map,
				     u64 flags, void *data__nullable, u32 data__sz)
{
	if (samples__map->map_type != BPF_MAP_TYPE_PERF_EVENT_ARRAY ||
	    (data__sz && !data__nullable))
		return -EINVAL;
	return bpf_nf_output(ctx->skb, samples__map, flags, data__nullable, data__sz);
}

/**
 * bpf_nf_lookup_route - bpf_fib_lookup()
 * @ctx: the context of the program
 * @params: in: what to look up; out: the result
 * @params__sz: number of bytes of @params
 * @flags: BPF_FIB_LOOKUP_*
 *
 * Context: any hook. The packet's data does not move.
 *
 * Return: BPF_FIB_LKUP_RET_*, or an error as the helper; -EOPNOTSUPP for an IPv4 route with
 * several paths
 */
__bpf_kfunc int bpf_nf_lookup_route(struct bpf_nf_ctx *ctx, struct bpf_fib_lookup *params,
				    u32 params__sz, u32 flags)
{
	if (!params)
		return -EINVAL;
	return bpf_nf_find_route(nf_bpf_packet_ctx(ctx), params, params__sz, flags);
}

/**
 * bpf_nf_recalc_hash - bpf_get_hash_recalc()
 * @ctx: the context of the program
 *
 * Context: any hook. The packet's data does not move.
 *
 * Return: the hash of the packet's flow
 */
__bpf_kfunc u32 bpf_nf_recalc_hash(struct bpf_nf_ctx *ctx)
{
	return bpf_nf_hash(nf_bpf_packet_ctx(ctx));
}

BTF_KFUNCS_START(bpf_nf_packet_kfunc_ids)
BTF_ID_FLAGS(func, bpf_nf_load_bytes)
BTF_ID_FLAGS(func, bpf_nf_load_bytes_relative)
BTF_ID_FLAGS(func, bpf_nf_pull_data)
BTF_ID_FLAGS(func, bpf_nf_store_bytes)
BTF_ID_FLAGS(func, bpf_nf_update_l3_csum)
BTF_ID_FLAGS(func, bpf_nf_update_l4_csum)
BTF_ID_FLAGS(func, bpf_nf_write_mark)
BTF_ID_FLAGS(func, bpf_nf_write_priority)
BTF_ID_FLAGS(func, bpf_nf_frag_info)
BTF_ID_FLAGS(func, bpf_nf_output_sample, KF_TRUSTED_ARGS)
BTF_ID_FLAGS(func, bpf_nf_lookup_route)
BTF_ID_FLAGS(func, bpf_nf_recalc_hash)
BTF_KFUNCS_END(bpf_nf_packet_kfunc_ids)

static const struct btf_kfunc_id_set bpf_nf_packet_kfunc_set = {
	.owner	= THIS_MODULE,
	.set	= &bpf_nf_packet_kfunc_ids,
};

static int __init nf_bpf_packet_init(void)
{
	bpf_nf_emit_kfunc_types();
	return register_btf_kfunc_id_set(BPF_PROG_TYPE_NETFILTER,
					 &bpf_nf_packet_kfunc_set);
}

static void __exit nf_bpf_packet_exit(void)
{
	/* RCU must not call nf_bpf_free_head() after this module is gone. */
	rcu_barrier();
}

module_init(nf_bpf_packet_init);
module_exit(nf_bpf_packet_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Packets of BPF programs on netfilter hooks");
