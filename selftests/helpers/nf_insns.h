/* SPDX-License-Identifier: GPL-2.0 */
/* BPF instructions, for programs that cannot be written in C. */
#ifndef NF_INSNS_H
#define NF_INSNS_H

#include <linux/filter.h>

#define RETURN(verdict)							\
	BPF_MOV64_IMM(BPF_REG_0, verdict),				\
	BPF_EXIT_INSN()

#define CALL(func)							\
	BPF_RAW_INSN(BPF_JMP | BPF_CALL, 0, 0, 0, func)

/* @module: 0 for the kernel itself, or an index into nf_load.fd_array. */
#define CALL_KFUNC(module, id)						\
	BPF_RAW_INSN(BPF_JMP | BPF_CALL, 0, BPF_PSEUDO_KFUNC_CALL, module, id)

#define STACK(reg, off)							\
	BPF_MOV64_REG(reg, BPF_REG_10),					\
	BPF_ALU64_IMM(BPF_ADD, reg, off)

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

#endif
