/* SPDX-License-Identifier: GPL-2.0 */
/* BPF instructions, for programs that are generated, or that C cannot express. */
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

#endif
