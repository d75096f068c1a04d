// SPDX-License-Identifier: GPL-2.0
/* Verifier operations, helpers and context of BPF_PROG_TYPE_NETFILTER. The functions by which
 * helpers read and change packets are in nf_bpf_packet.h.
 */
#include <linux/bpf.h>
#include <linux/bpf_nf.h>
#include <linux/btf.h>
#include <linux/btf_ids.h>
#include <linux/filter.h>
#include <linux/init.h>
#include <linux/netfilter.h>
#include <linux/skbuff.h>
#include <net/checksum.h>
#include <net/ip.h>
#include <net/ipv6.h>
#include <net/net_namespace.h>
#include <net/netfilter/nf_bpf_link.h>
#include <net/netfilter/nf_conntrack_bpf.h>
#include <net/netfilter/nf_nat.h>

#include "nf_bpf_compat.h"
#include "nf_bpf_packet.h"

BTF_ID_LIST(bpf_nf_ctx_btf_ids)
BTF_ID(struct, nf_hook_state)
BTF_ID(struct, sk_buff)

enum {
	BPF_NF_CTX_STATE,
	BPF_NF_CTX_SKB,
};

BPF_CALL_4(bpf_nf_skb_load_bytes, const struct bpf_nf_ctx_kern *, ctx, u32, offset,
	   void *, to, u32, len)
{
	return bpf_nf_load(ctx->skb, offset, to, len);
}

static const struct bpf_func_proto bpf_nf_skb_load_bytes_proto = {
	.func		= bpf_nf_skb_load_bytes,
	.ret_type	= RET_INTEGER,
	.arg1_type	= ARG_PTR_TO_CTX,
	.arg2_type	= ARG_ANYTHING,
	.arg3_type	= ARG_PTR_TO_UNINIT_MEM,
	.arg4_type	= ARG_CONST_SIZE,
};

BPF_CALL_5(bpf_nf_skb_load_bytes_relative, const struct bpf_nf_ctx_kern *, ctx,
	   u32, offset, void *, to, u32, len, u32, start_header)
{
	return bpf_nf_load_relative(ctx->skb, offset, to, len, start_header);
}

static const struct bpf_func_proto bpf_nf_skb_load_bytes_relative_proto = {
	.func		= bpf_nf_skb_load_bytes_relative,
	.ret_type	= RET_INTEGER,
	.arg1_type	= ARG_PTR_TO_CTX,
	.arg2_type	= ARG_ANYTHING,
	.arg3_type	= ARG_PTR_TO_UNINIT_MEM,
	.arg4_type	= ARG_CONST_SIZE,
	.arg5_type	= ARG_ANYTHING,
};

BPF_CALL_2(bpf_nf_skb_pull_data, struct bpf_nf_ctx_kern *, ctx, u32, len)
{
	/* Do not call bpf_compute_data_pointers(): it writes to skb->cb. It is not
	 * needed either, because loads of data and data_end read the skb each time.
	 */
	if (unlikely(len > ctx->skb->len))
		return -ENOMEM;
	return bpf_nf_make_writable(ctx, len ?: skb_headlen(ctx->skb));
}

static const struct bpf_func_proto bpf_nf_skb_pull_data_proto = {
	.func		= bpf_nf_skb_pull_data,
	.ret_type	= RET_INTEGER,
	.arg1_type	= ARG_PTR_TO_CTX,
	.arg2_type	= ARG_ANYTHING,
};

BPF_CALL_5(bpf_nf_skb_store_bytes, struct bpf_nf_ctx_kern *, ctx, u32, offset,
	   const void *, from, u32, len, u64, flags)
{
	return bpf_nf_store(ctx, offset, from, len, flags);
}

static const struct bpf_func_proto bpf_nf_skb_store_bytes_proto = {
	.func		= bpf_nf_skb_store_bytes,
	.ret_type	= RET_INTEGER,
	.arg1_type	= ARG_PTR_TO_CTX,
	.arg2_type	= ARG_ANYTHING,
	.arg3_type	= ARG_PTR_TO_MEM | MEM_RDONLY,
	.arg4_type	= ARG_CONST_SIZE,
	.arg5_type	= ARG_ANYTHING,
};

BPF_CALL_5(bpf_nf_l3_csum_replace, struct bpf_nf_ctx_kern *, ctx, u32, offset,
	   u64, from, u64, to, u64, flags)
{
	return bpf_nf_replace_l3_csum(ctx, offset, from, to, flags);
}

static const struct bpf_func_proto bpf_nf_l3_csum_replace_proto = {
	.func		= bpf_nf_l3_csum_replace,
	.ret_type	= RET_INTEGER,
	.arg1_type	= ARG_PTR_TO_CTX,
	.arg2_type	= ARG_ANYTHING,
	.arg3_type	= ARG_ANYTHING,
	.arg4_type	= ARG_ANYTHING,
	.arg5_type	= ARG_ANYTHING,
};

BPF_CALL_5(bpf_nf_l4_csum_replace, struct bpf_nf_ctx_kern *, ctx, u32, offset,
	   u64, from, u64, to, u64, flags)
{
	return bpf_nf_replace_l4_csum(ctx, offset, from, to, flags);
}

static const struct bpf_func_proto bpf_nf_l4_csum_replace_proto = {
	.func		= bpf_nf_l4_csum_replace,
	.ret_type	= RET_INTEGER,
	.arg1_type	= ARG_PTR_TO_CTX,
	.arg2_type	= ARG_ANYTHING,
	.arg3_type	= ARG_ANYTHING,
	.arg4_type	= ARG_ANYTHING,
	.arg5_type	= ARG_ANYTHING,
};

/* The generic bpf_csum_diff() uses a per-CPU buffer, which a softirq may overwrite
 * while a program runs in process context. Two separate sums need no buffer.
 */
BPF_CALL_5(bpf_nf_csum_diff, const void *, from, u32, from_size,
	   const void *, to, u32, to_size, u32, seed)
{
	__wsum sum = (__force __wsum)seed;

	if (unlikely((from_size | to_size) % sizeof(u32) ||
		     (u64)from_size + to_size > MAX_BPF_STACK))
		return -EINVAL;
	/* The verifier accepts a pointer that may be NULL, even if the size is not 0. */
	if (unlikely((from_size && !from) || (to_size && !to)))
		return -EINVAL;

	if (to_size)
		sum = csum_partial(to, to_size, sum);
	if (from_size)
		sum = csum_sub(sum, csum_partial(from, from_size, 0));
	return (__force u32)sum;
}

static const struct bpf_func_proto bpf_nf_csum_diff_proto = {
	.func		= bpf_nf_csum_diff,
	.pkt_access	= true,
	.ret_type	= RET_INTEGER,
	.arg1_type	= ARG_PTR_TO_MEM | PTR_MAYBE_NULL | MEM_RDONLY,
	.arg2_type	= ARG_CONST_SIZE_OR_ZERO,
	.arg3_type	= ARG_PTR_TO_MEM | PTR_MAYBE_NULL | MEM_RDONLY,
	.arg4_type	= ARG_CONST_SIZE_OR_ZERO,
	.arg5_type	= ARG_ANYTHING,
};

BPF_CALL_4(bpf_nf_fib_lookup, const struct bpf_nf_ctx_kern *, ctx,
	   struct bpf_fib_lookup *, params, u32, plen, u32, flags)
{
	return bpf_nf_find_route(ctx, params, plen, flags);
}

static const struct bpf_func_proto bpf_nf_fib_lookup_proto = {
	.func		= bpf_nf_fib_lookup,
	.gpl_only	= true,
	.ret_type	= RET_INTEGER,
	.arg1_type	= ARG_PTR_TO_CTX,
	.arg2_type	= ARG_PTR_TO_MEM | MEM_WRITE,
	.arg3_type	= ARG_CONST_SIZE,
	.arg4_type	= ARG_ANYTHING,
};

BPF_CALL_5(bpf_nf_perf_event_output, struct bpf_nf_ctx_kern *, ctx,
	   struct bpf_map *, map, u64, flags, void *, data, u64, size)
{
	return bpf_nf_output(ctx->skb, map, flags, data, size);
}

static const struct bpf_func_proto bpf_nf_perf_event_output_proto = {
	.func		= bpf_nf_perf_event_output,
	.gpl_only	= true,
	.ret_type	= RET_INTEGER,
	.arg1_type	= ARG_PTR_TO_CTX,
	.arg2_type	= ARG_CONST_MAP_PTR,
	.arg3_type	= ARG_ANYTHING,
	.arg4_type	= ARG_PTR_TO_MEM | MEM_RDONLY,
	.arg5_type	= ARG_CONST_SIZE_OR_ZERO,
};

BPF_CALL_1(bpf_nf_get_hash_recalc, struct bpf_nf_ctx_kern *, ctx)
{
	return bpf_nf_hash(ctx);
}

static const struct bpf_func_proto bpf_nf_get_hash_recalc_proto = {
	.func		= bpf_nf_get_hash_recalc,
	.ret_type	= RET_INTEGER,
	.arg1_type	= ARG_PTR_TO_CTX,
};

BPF_CALL_1(bpf_nf_get_netns_cookie, const struct bpf_nf_ctx_kern *, ctx)
{
	return ctx ? ctx->state->net->net_cookie : init_net.net_cookie;
}

static const struct bpf_func_proto bpf_nf_get_netns_cookie_proto = {
	.func		= bpf_nf_get_netns_cookie,
	.ret_type	= RET_INTEGER,
	.arg1_type	= ARG_PTR_TO_CTX_OR_NULL,
};

BPF_CALL_1(bpf_nf_get_attach_cookie, const struct bpf_nf_ctx_kern *, ctx)
{
	return bpf_nf_link_cookie(ctx->link);
}

static const struct bpf_func_proto bpf_nf_get_attach_cookie_proto = {
	.func		= bpf_nf_get_attach_cookie,
	.ret_type	= RET_INTEGER,
	.arg1_type	= ARG_PTR_TO_CTX,
};

/**
 * bpf_nf_changes_pkt_data - tell whether a helper can move the packet's data
 * @func: the function of the helper
 *
 * Return: true if the verifier must forget all packet pointers after a call of @func
 */
bool bpf_nf_changes_pkt_data(const void *func)
{
	return func == bpf_nf_skb_pull_data ||
	       func == bpf_nf_skb_store_bytes ||
	       func == bpf_nf_l3_csum_replace ||
	       func == bpf_nf_l4_csum_replace;
}

static const struct bpf_func_proto *
bpf_nf_func_proto(enum bpf_func_id func_id, const struct bpf_prog *prog)
{
	switch (func_id) {
	case BPF_FUNC_skb_load_bytes:
		return &bpf_nf_skb_load_bytes_proto;
	case BPF_FUNC_skb_load_bytes_relative:
		return &bpf_nf_skb_load_bytes_relative_proto;
	case BPF_FUNC_skb_pull_data:
		return &bpf_nf_skb_pull_data_proto;
	case BPF_FUNC_skb_store_bytes:
		return &bpf_nf_skb_store_bytes_proto;
	case BPF_FUNC_l3_csum_replace:
		return &bpf_nf_l3_csum_replace_proto;
	case BPF_FUNC_l4_csum_replace:
		return &bpf_nf_l4_csum_replace_proto;
	case BPF_FUNC_csum_diff:
		return &bpf_nf_csum_diff_proto;
	case BPF_FUNC_fib_lookup:
		return &bpf_nf_fib_lookup_proto;
	case BPF_FUNC_perf_event_output:
		return &bpf_nf_perf_event_output_proto;
	case BPF_FUNC_get_hash_recalc:
		return &bpf_nf_get_hash_recalc_proto;
	case BPF_FUNC_get_netns_cookie:
		return &bpf_nf_get_netns_cookie_proto;
	case BPF_FUNC_get_attach_cookie:
		return &bpf_nf_get_attach_cookie_proto;
	case BPF_FUNC_dynptr_from_mem:
	case BPF_FUNC_ringbuf_reserve_dynptr:
		/* The verifier of 6.1 takes other bytes of the stack for a dynptr: it ignores
		 * variable offsets, and does not compare dynptrs when it prunes. A program could
		 * then read and write any memory, so it must not make a dynptr.
		 */
		if (!NF_BPF_TRACKS_DYNPTRS)
			return NULL;
		fallthrough;
	default:
		return nf_bpf_base_func_proto(func_id, prog);
	}
}

static bool bpf_nf_ctx_btf_ptr(struct bpf_insn_access_aux *info, u32 btf_id)
{
	struct btf *btf = bpf_get_btf_vmlinux();

	/* A kernel that was built without BTF has ids of 0. */
	if (IS_ERR_OR_NULL(btf) || !btf_id)
		return false;

	info->reg_type = PTR_TO_BTF_ID | NF_BPF_PTR_FLAGS;
	info->btf = btf;
	info->btf_id = btf_id;
	return true;
}

static bool bpf_nf_is_valid_ptr_access(int off, struct bpf_insn_access_aux *info)
{
	switch (off) {
	case offsetof(struct bpf_nf_ctx, state):
		return bpf_nf_ctx_btf_ptr(info, bpf_nf_ctx_btf_ids[BPF_NF_CTX_STATE]);
	case offsetof(struct bpf_nf_ctx, skb):
		return bpf_nf_ctx_btf_ptr(info, bpf_nf_ctx_btf_ids[BPF_NF_CTX_SKB]);
	case offsetof(struct bpf_nf_ctx, data):
		info->reg_type = PTR_TO_PACKET;
		return true;
	case offsetof(struct bpf_nf_ctx, data_end):
		info->reg_type = PTR_TO_PACKET_END;
		return true;
	default:
		return false;
	}
}

static bool bpf_nf_is_valid_access(int off, int size, enum bpf_access_type type,
				   const struct bpf_prog *prog,
				   struct bpf_insn_access_aux *info)
{
	if (off % size)
		return false;

	switch (off) {
	case bpf_ctx_range(struct bpf_nf_ctx, mark):
	case bpf_ctx_range(struct bpf_nf_ctx, priority):
		if (type == BPF_WRITE)
			return size == sizeof(u32);
		bpf_ctx_record_field_size(info, sizeof(u32));
		return bpf_ctx_narrow_access_ok(off, size, sizeof(u32));
	default:
		return type == BPF_READ && size == sizeof(void *) &&
		       bpf_nf_is_valid_ptr_access(off, info);
	}
}

static struct bpf_insn bpf_nf_load_skb(u8 dst_reg, u8 src_reg)
{
	return BPF_LDX_MEM(BPF_FIELD_SIZEOF(struct bpf_nf_ctx, skb), dst_reg,
			   src_reg, offsetof(struct bpf_nf_ctx, skb));
}

static struct bpf_insn *bpf_nf_convert_data_end(const struct bpf_insn *si,
						struct bpf_insn *insn)
{
	*insn++ = bpf_nf_load_skb(si->dst_reg, si->src_reg);
#ifdef NET_SKBUFF_DATA_USES_OFFSET
	*insn++ = BPF_LDX_MEM(BPF_FIELD_SIZEOF(struct sk_buff, head),
			      BPF_REG_AX, si->dst_reg,
			      offsetof(struct sk_buff, head));
	*insn++ = BPF_LDX_MEM(BPF_FIELD_SIZEOF(struct sk_buff, tail),
			      si->dst_reg, si->dst_reg,
			      offsetof(struct sk_buff, tail));
	*insn++ = BPF_ALU64_REG(BPF_ADD, si->dst_reg, BPF_REG_AX);
#else
	*insn++ = BPF_LDX_MEM(BPF_FIELD_SIZEOF(struct sk_buff, tail),
			      si->dst_reg, si->dst_reg,
			      offsetof(struct sk_buff, tail));
#endif
	return insn;
}

/* Later kernels also allow stores of a constant. With net.core.bpf_jit_harden the JIT must not
 * emit a constant that the program has chosen. It blinds constants by BPF_REG_AX, so it cannot
 * blind an instruction that uses this register. Use another one.
 */
static struct bpf_insn *bpf_nf_convert_constant(const struct bpf_insn *si,
						struct bpf_insn *insn, int off)
{
	const int saved = offsetof(struct bpf_nf_ctx_kern, saved);
	u8 reg = si->dst_reg == BPF_REG_9 ? BPF_REG_8 : BPF_REG_9;

	*insn++ = BPF_STX_MEM(BPF_DW, si->dst_reg, reg, saved);
	*insn++ = bpf_nf_load_skb(reg, si->dst_reg);
	*insn++ = BPF_ST_MEM(BPF_W, reg, off, si->imm);
	*insn++ = BPF_LDX_MEM(BPF_DW, reg, si->dst_reg, saved);
	return insn;
}

static struct bpf_insn *bpf_nf_convert_u32(enum bpf_access_type type,
					   const struct bpf_insn *si,
					   struct bpf_insn *insn, int off,
					   u32 *target_size)
{
	*target_size = sizeof(u32);
	if (type == BPF_READ) {
		*insn++ = bpf_nf_load_skb(si->dst_reg, si->src_reg);
		*insn++ = BPF_LDX_MEM(BPF_W, si->dst_reg, si->dst_reg, off);
		return insn;
	}

	if (BPF_CLASS(si->code) == BPF_ST)
		return bpf_nf_convert_constant(si, insn, off);
	*insn++ = bpf_nf_load_skb(BPF_REG_AX, si->dst_reg);
	*insn++ = BPF_STX_MEM(BPF_W, BPF_REG_AX, si->src_reg, off);
	return insn;
}

/* struct bpf_nf_ctx has members that are not in struct bpf_nf_ctx_kern. The verifier
 * replaces an access to one of them by an access to the skb. So the hook does not have
 * to fill in the members for each packet, and data and data_end are correct after a
 * helper has moved the data.
 */
static u32 bpf_nf_convert_ctx_access(enum bpf_access_type type,
				     const struct bpf_insn *si,
				     struct bpf_insn *insn_buf,
				     struct bpf_prog *prog, u32 *target_size)
{
	struct bpf_insn *insn = insn_buf;

	switch (si->off) {
	case offsetof(struct bpf_nf_ctx, data):
		*insn++ = bpf_nf_load_skb(si->dst_reg, si->src_reg);
		*insn++ = BPF_LDX_MEM(BPF_FIELD_SIZEOF(struct sk_buff, data),
				      si->dst_reg, si->dst_reg,
				      offsetof(struct sk_buff, data));
		break;
	case offsetof(struct bpf_nf_ctx, data_end):
		insn = bpf_nf_convert_data_end(si, insn);
		break;
	case offsetof(struct bpf_nf_ctx, mark):
		insn = bpf_nf_convert_u32(type, si, insn,
					  offsetof(struct sk_buff, mark),
					  target_size);
		break;
	case offsetof(struct bpf_nf_ctx, priority):
		insn = bpf_nf_convert_u32(type, si, insn,
					  offsetof(struct sk_buff, priority),
					  target_size);
		break;
	default:
		*insn++ = *si;
		break;
	}
	return insn - insn_buf;
}

const struct bpf_prog_ops netfilter_prog_ops = {
	.test_run	= bpf_nf_prog_test_run,
};

const struct bpf_verifier_ops netfilter_verifier_ops = {
	.is_valid_access	= bpf_nf_is_valid_access,
	.convert_ctx_access	= bpf_nf_convert_ctx_access,
	.get_func_proto		= bpf_nf_func_proto,
	.btf_struct_access	= nf_bpf_btf_struct_access,
};

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
__bpf_kfunc int bpf_nf_frag_info(struct bpf_nf_ctx *ctx,
				 struct bpf_nf_frag_info *info, u32 info__sz)
{
	/* The verifier accepts a pointer that may be NULL. */
	if (!info || info__sz != sizeof(*info))
		return -EINVAL;

	bpf_nf_fill_frag_info(bpf_nf_ctx_kern(ctx), info);
	return 0;
}

/* The name has to be unique: for built-in code resolve_btfids finds all sets of the
 * kernel by name.
 */
BTF_KFUNCS_START(bpf_nf_prog_kfunc_ids)
BTF_ID_FLAGS(func, bpf_nf_frag_info)
BTF_KFUNCS_END(bpf_nf_prog_kfunc_ids)

static const struct btf_kfunc_id_set bpf_nf_kfunc_set = {
	.owner	= THIS_MODULE,
	.set	= &bpf_nf_prog_kfunc_ids,
};

static int __init bpf_nf_prog_init(void)
{
	bpf_nf_emit_kfunc_types();
	return register_btf_kfunc_id_set(BPF_PROG_TYPE_NETFILTER,
					 &bpf_nf_kfunc_set);
}
late_initcall(bpf_nf_prog_init);
