// SPDX-License-Identifier: GPL-2.0
/* What a BPF program on a netfilter hook sees of a packet, and may do to it. */
#include <linux/bpf.h>
#include <linux/bpf_nf.h>
#include <linux/bpf_verifier.h>
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

#include "nf_bpf_compat.h"

BTF_ID_LIST(bpf_nf_ctx_btf_ids)
BTF_ID(struct, nf_hook_state)
BTF_ID(struct, sk_buff)

enum {
	BPF_NF_CTX_STATE,
	BPF_NF_CTX_SKB,
};

static bool bpf_nf_ctx_btf_ptr(struct bpf_insn_access_aux *info, u32 btf_id)
{
	struct btf *btf = bpf_get_btf_vmlinux();

	/* The ids are 0 in a kernel that was built without BTF. */
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
	switch (off) {
	case bpf_ctx_range(struct bpf_nf_ctx, mark):
	case bpf_ctx_range(struct bpf_nf_ctx, priority):
		if (type == BPF_WRITE)
			return size == sizeof(u32) && off % sizeof(u32) == 0;
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

	/* The store may be of a register or, in later kernels, of a constant. */
	*insn++ = bpf_nf_load_skb(BPF_REG_AX, si->dst_reg);
	*insn++ = BPF_RAW_INSN(BPF_CLASS(si->code) | BPF_MEM | BPF_W,
			       BPF_REG_AX, si->src_reg, off, si->imm);
	return insn;
}

/* Loads of what bpf_nf_run() does not fill in become loads from the skb: they
 * cost a program that has none of them nothing, and are right after a helper
 * has moved the data.
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
	.test_run	= bpf_prog_test_run_nf,
};

const struct bpf_verifier_ops netfilter_verifier_ops = {
	.is_valid_access	= bpf_nf_is_valid_access,
	.convert_ctx_access	= bpf_nf_convert_ctx_access,
	.get_func_proto		= nf_bpf_base_func_proto,
};
