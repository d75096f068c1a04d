// SPDX-License-Identifier: GPL-2.0
/* The programs that syscall_fuzz loads: valid templates, then changed at two places. */
#include <netinet/in.h>

#include "torture/syscall/progs.h"

#define END { 0 }

/* 64 bytes of zeros at fp - 64. */
#define ZERO_64								\
	BPF_ST_MEM(BPF_DW, BPF_REG_10, -64, 0),				\
	BPF_ST_MEM(BPF_DW, BPF_REG_10, -56, 0),				\
	BPF_ST_MEM(BPF_DW, BPF_REG_10, -48, 0),				\
	BPF_ST_MEM(BPF_DW, BPF_REG_10, -40, 0),				\
	BPF_ST_MEM(BPF_DW, BPF_REG_10, -32, 0),				\
	BPF_ST_MEM(BPF_DW, BPF_REG_10, -24, 0),				\
	BPF_ST_MEM(BPF_DW, BPF_REG_10, -16, 0),				\
	BPF_ST_MEM(BPF_DW, BPF_REG_10, -8, 0)

static const struct bpf_insn templates[][MAX_INSNS] = {
	/* reads of the context: mark */
	{ BPF_LDX_MEM(BPF_W, BPF_REG_2, BPF_REG_1, CTX_MARK), RETURN(NF_ACCEPT), END },
	/* and writes */
	{ BPF_MOV64_IMM(BPF_REG_2, 7),
	  BPF_STX_MEM(BPF_W, BPF_REG_1, BPF_REG_2, CTX_PRIORITY), RETURN(NF_DROP), END },
	/* the packet, in place */
	{ BPF_LDX_MEM(BPF_DW, BPF_REG_2, BPF_REG_1, CTX_DATA),
	  BPF_LDX_MEM(BPF_DW, BPF_REG_3, BPF_REG_1, CTX_DATA_END),
	  BPF_MOV64_REG(BPF_REG_4, BPF_REG_2), BPF_ALU64_IMM(BPF_ADD, BPF_REG_4, 20),
	  BPF_JMP_REG(BPF_JGT, BPF_REG_4, BPF_REG_3, 2),
	  BPF_LDX_MEM(BPF_W, BPF_REG_5, BPF_REG_2, 16),
	  BPF_LDX_MEM(BPF_B, BPF_REG_5, BPF_REG_2, 9), RETURN(NF_ACCEPT), END },
	/* at an offset from the packet */
	{ BPF_LDX_MEM(BPF_DW, BPF_REG_2, BPF_REG_1, CTX_DATA),
	  BPF_LDX_MEM(BPF_DW, BPF_REG_3, BPF_REG_1, CTX_DATA_END),
	  BPF_MOV64_REG(BPF_REG_4, BPF_REG_2), BPF_ALU64_IMM(BPF_ADD, BPF_REG_4, 20),
	  BPF_JMP_REG(BPF_JGT, BPF_REG_4, BPF_REG_3, 2),
	  BPF_LDX_MEM(BPF_B, BPF_REG_5, BPF_REG_2, 0),
	  BPF_ALU64_REG(BPF_ADD, BPF_REG_2, BPF_REG_5), BPF_MOV64_REG(BPF_REG_4, BPF_REG_2),
	  BPF_ALU64_IMM(BPF_ADD, BPF_REG_4, 8), BPF_JMP_REG(BPF_JGT, BPF_REG_4, BPF_REG_3, 1),
	  BPF_LDX_MEM(BPF_DW, BPF_REG_5, BPF_REG_2, 0), RETURN(NF_ACCEPT), END },
	/* behind skb and state */
	{ BPF_LDX_MEM(BPF_DW, BPF_REG_2, BPF_REG_1, CTX_SKB),
	  BPF_LDX_MEM(BPF_DW, BPF_REG_3, BPF_REG_1, CTX_STATE),
	  BPF_LDX_MEM(BPF_W, BPF_REG_4, BPF_REG_2, 112),
	  BPF_LDX_MEM(BPF_DW, BPF_REG_5, BPF_REG_3, 8),
	  BPF_LDX_MEM(BPF_DW, BPF_REG_5, BPF_REG_5, 0), RETURN(NF_ACCEPT), END },
	/* a helper with a buffer on the stack: bpf_skb_load_bytes() */
	{ BPF_MOV64_IMM(BPF_REG_2, 0), STACK(BPF_REG_3, -16), BPF_MOV64_IMM(BPF_REG_4, 16),
	  CALL(BPF_FUNC_skb_load_bytes), BPF_LDX_MEM(BPF_DW, BPF_REG_1, BPF_REG_10, -8),
	  RETURN(NF_ACCEPT), END },
	/* and one that moves the packet */
	{ BPF_MOV64_REG(BPF_REG_6, BPF_REG_1), BPF_MOV64_IMM(BPF_REG_2, 24),
	  CALL(BPF_FUNC_skb_pull_data), BPF_MOV64_REG(BPF_REG_1, BPF_REG_6),
	  BPF_LDX_MEM(BPF_DW, BPF_REG_2, BPF_REG_1, CTX_DATA),
	  BPF_LDX_MEM(BPF_DW, BPF_REG_3, BPF_REG_1, CTX_DATA_END),
	  BPF_MOV64_REG(BPF_REG_4, BPF_REG_2), BPF_ALU64_IMM(BPF_ADD, BPF_REG_4, 20),
	  BPF_JMP_REG(BPF_JGT, BPF_REG_4, BPF_REG_3, 2),
	  BPF_LDX_MEM(BPF_W, BPF_REG_5, BPF_REG_2, 12), BPF_MOV64_REG(BPF_REG_1, BPF_REG_6),
	  RETURN(NF_ACCEPT), END },
	/* writes to the packet, and its checksums */
	{ BPF_ST_MEM(BPF_DW, BPF_REG_10, -16, 0), BPF_ST_MEM(BPF_DW, BPF_REG_10, -8, 0),
	  BPF_MOV64_IMM(BPF_REG_2, 20), STACK(BPF_REG_3, -16), BPF_MOV64_IMM(BPF_REG_4, 16),
	  BPF_MOV64_IMM(BPF_REG_5, 0), CALL(BPF_FUNC_skb_store_bytes), RETURN(NF_ACCEPT),
	  END },
	{ BPF_MOV64_REG(BPF_REG_6, BPF_REG_1), BPF_MOV64_IMM(BPF_REG_2, 10),
	  BPF_MOV64_IMM(BPF_REG_3, 0), BPF_MOV64_IMM(BPF_REG_4, 1),
	  BPF_MOV64_IMM(BPF_REG_5, 2), CALL(BPF_FUNC_l3_csum_replace),
	  BPF_MOV64_REG(BPF_REG_1, BPF_REG_6), BPF_MOV64_IMM(BPF_REG_2, 26),
	  BPF_MOV64_IMM(BPF_REG_3, 0), BPF_MOV64_IMM(BPF_REG_4, 1),
	  BPF_MOV64_IMM(BPF_REG_5, 2), CALL(BPF_FUNC_l4_csum_replace), RETURN(NF_ACCEPT), END },
	{ BPF_ST_MEM(BPF_DW, BPF_REG_10, -8, 1), STACK(BPF_REG_1, -8), BPF_MOV64_IMM(BPF_REG_2, 8),
	  BPF_MOV64_REG(BPF_REG_3, BPF_REG_1), BPF_MOV64_IMM(BPF_REG_4, 8),
	  BPF_MOV64_IMM(BPF_REG_5, 0), CALL(BPF_FUNC_csum_diff), RETURN(NF_ACCEPT), END },
	/* questions about the packet */
	{ BPF_MOV64_REG(BPF_REG_6, BPF_REG_1), BPF_MOV64_IMM(BPF_REG_2, 0),
	  STACK(BPF_REG_3, -16), BPF_MOV64_IMM(BPF_REG_4, 16),
	  BPF_MOV64_IMM(BPF_REG_5, BPF_HDR_START_NET), CALL(BPF_FUNC_skb_load_bytes_relative),
	  BPF_MOV64_REG(BPF_REG_1, BPF_REG_6), CALL(BPF_FUNC_get_hash_recalc),
	  BPF_MOV64_REG(BPF_REG_1, BPF_REG_6), CALL(BPF_FUNC_get_netns_cookie),
	  BPF_MOV64_REG(BPF_REG_1, BPF_REG_6), CALL(BPF_FUNC_get_attach_cookie),
	  RETURN(NF_ACCEPT), END },
	{ ZERO_64, STACK(BPF_REG_2, -64), BPF_MOV64_IMM(BPF_REG_3, 64),
	  BPF_MOV64_IMM(BPF_REG_4, 0), CALL(BPF_FUNC_fib_lookup), RETURN(NF_ACCEPT), END },
	/* kernel functions */
	{ BPF_ST_MEM(BPF_DW, BPF_REG_10, -16, 0), BPF_ST_MEM(BPF_DW, BPF_REG_10, -8, 0),
	  STACK(BPF_REG_2, -16), BPF_MOV64_IMM(BPF_REG_3, 12), CALL_KFUNC(0, KFUNC_FRAG_INFO),
	  RETURN(NF_ACCEPT), END },
	{ BPF_MOV64_IMM(BPF_REG_2, BPF_NF_REJECT_ICMPX),
	  BPF_MOV64_IMM(BPF_REG_3, BPF_NF_REJECT_PORT_UNREACH), CALL_KFUNC(0, KFUNC_REJECT),
	  RETURN(NF_DROP), END },
	{ BPF_ST_MEM(BPF_DW, BPF_REG_10, -16, 0), BPF_ST_MEM(BPF_DW, BPF_REG_10, -8, 0),
	  STACK(BPF_REG_2, -16), BPF_MOV64_IMM(BPF_REG_3, 16), CALL_KFUNC(0, KFUNC_CT_INFO),
	  RETURN(NF_ACCEPT), END },
	{ ZERO_64, BPF_ST_MEM(BPF_W, BPF_REG_10, -32, -1),
	  BPF_ST_MEM(BPF_B, BPF_REG_10, -24, IPPROTO_UDP), STACK(BPF_REG_2, -64),
	  BPF_MOV64_IMM(BPF_REG_3, 12), STACK(BPF_REG_4, -32), BPF_MOV64_IMM(BPF_REG_5, 12),
	  CALL_KFUNC(0, KFUNC_CT_LOOKUP), BPF_JMP_IMM(BPF_JEQ, BPF_REG_0, 0, 2),
	  BPF_MOV64_REG(BPF_REG_1, BPF_REG_0), CALL_KFUNC(0, KFUNC_CT_RELEASE),
	  RETURN(NF_ACCEPT), END },
	/* the packet's own entry */
	{ ZERO_64, BPF_MOV64_REG(BPF_REG_6, BPF_REG_1), CALL_KFUNC(0, KFUNC_CT_GET),
	  BPF_JMP_IMM(BPF_JEQ, BPF_REG_0, 0, 2), BPF_MOV64_REG(BPF_REG_1, BPF_REG_0),
	  CALL_KFUNC(0, KFUNC_CT_RELEASE), BPF_MOV64_REG(BPF_REG_1, BPF_REG_6),
	  BPF_MOV64_IMM(BPF_REG_2, 7), BPF_MOV64_IMM(BPF_REG_3, -1),
	  CALL_KFUNC(0, KFUNC_CT_SET_MARK), BPF_MOV64_REG(BPF_REG_1, BPF_REG_6),
	  STACK(BPF_REG_2, -16), BPF_MOV64_IMM(BPF_REG_3, 16),
	  CALL_KFUNC(0, KFUNC_CT_GET_LABELS), BPF_MOV64_REG(BPF_REG_1, BPF_REG_6),
	  STACK(BPF_REG_2, -16), BPF_MOV64_IMM(BPF_REG_3, 16), STACK(BPF_REG_4, -32),
	  BPF_MOV64_IMM(BPF_REG_5, 16), CALL_KFUNC(0, KFUNC_CT_SET_LABELS),
	  RETURN(NF_ACCEPT), END },
	{ ZERO_64, STACK(BPF_REG_2, -64), BPF_MOV64_IMM(BPF_REG_3, 0),
	  BPF_MOV64_IMM(BPF_REG_4, MANIP_DST), CALL_KFUNC(0, KFUNC_CT_SET_NAT),
	  RETURN(NF_ACCEPT), END },
	/* and a new one */
	{ ZERO_64, BPF_ST_MEM(BPF_W, BPF_REG_10, -32, -1),
	  BPF_ST_MEM(BPF_B, BPF_REG_10, -24, IPPROTO_UDP), STACK(BPF_REG_2, -64),
	  BPF_MOV64_IMM(BPF_REG_3, 12), STACK(BPF_REG_4, -32), BPF_MOV64_IMM(BPF_REG_5, 12),
	  CALL_KFUNC(0, KFUNC_CT_ALLOC), BPF_JMP_IMM(BPF_JEQ, BPF_REG_0, 0, 5),
	  BPF_MOV64_REG(BPF_REG_1, BPF_REG_0), CALL_KFUNC(0, KFUNC_CT_INSERT),
	  BPF_JMP_IMM(BPF_JEQ, BPF_REG_0, 0, 2), BPF_MOV64_REG(BPF_REG_1, BPF_REG_0),
	  CALL_KFUNC(0, KFUNC_CT_RELEASE), RETURN(NF_DROP), END },
};

static struct bpf_insn changed_insn(struct bpf_insn insn, int what, long value)
{
	if (what == WHAT_CODE)
		insn.code ^= value;
	if (what == WHAT_DST)
		insn.dst_reg = value;
	if (what == WHAT_SRC)
		insn.src_reg = value;
	if (what == WHAT_OFF)
		insn.off = value;
	if (what == WHAT_IMM)
		insn.imm = value;
	return insn;
}

static void change_prog(struct prog *prog, unsigned long at, int what, long value)
{
	at %= prog->nr;
	if (what == WHAT_DELETE && prog->nr > 1) {
		prog->nr--;
		memmove(&prog->insns[at], &prog->insns[at + 1],
			(prog->nr - at) * sizeof(prog->insns[0]));
	} else if (what == WHAT_REPEAT) {
		memmove(&prog->insns[at + 1], &prog->insns[at],
			(prog->nr - at) * sizeof(prog->insns[0]));
		prog->nr++;
	} else {
		prog->insns[at] = changed_insn(prog->insns[at], what, value);
	}
}

static bool is_kfunc_call(const struct bpf_insn *insn)
{
	return insn->code == (BPF_JMP | BPF_CALL) && insn->src_reg == BPF_PSEUDO_KFUNC_CALL;
}

static const struct bpf_insn *template_of(const struct call *call)
{
	return templates[(unsigned long)call->arg[L_TEMPLATE] % ARRAY_SIZE(templates)];
}

/* Return: true if the template is unchanged and its functions exist, so it must load */
bool is_whole_template(const struct call *call)
{
	const struct call whole = default_call(LOAD);
	const struct bpf_insn *insn;
	int i;

	for (i = L_TEMPLATE + 1; i < MAX_ARGS; i++)
		if (call->arg[i] != whole.arg[i])
			return false;
	for (insn = template_of(call); insn->code; insn++)
		if (is_kfunc_call(insn) && !kfuncs[insn->imm].id)
			return false;
	return true;
}

struct prog make_prog(const struct call *call)
{
	const struct bpf_insn *insn;
	struct prog prog = {};

	for (insn = template_of(call); insn->code; insn++) {
		prog.insns[prog.nr] = *insn;
		if (is_kfunc_call(insn)) {
			prog.insns[prog.nr].off = kfuncs[insn->imm].module;
			prog.insns[prog.nr].imm = kfuncs[insn->imm].id;
		}
		prog.nr++;
	}
	change_prog(&prog, call->arg[L_AT1], call->arg[L_WHAT1], call->arg[L_VALUE1]);
	change_prog(&prog, call->arg[L_AT2], call->arg[L_WHAT2], call->arg[L_VALUE2]);
	return prog;
}
