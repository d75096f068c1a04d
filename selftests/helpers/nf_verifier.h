/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Macros for tests of the verifier: they load small programs and check the messages.
 * Include it after kselftest_harness.h. Each fixture needs a member "log".
 */
#ifndef NF_VERIFIER_H
#define NF_VERIFIER_H

#include <linux/capability.h>
#include <linux/filter.h>

#include <bpf/bpf.h>

#include "helpers/nf_test.h"

/* BTF fds of modules with kfuncs. CALL_KFUNC() has an index into this array, from 1 on. */
static const int *nf_verifier_fds;

/*
 * Flags for all loads of a test. With BPF_F_TEST_STATE_FREQ the verifier compares states
 * at every instruction, so a test shows if it wrongly takes two paths for equal.
 */
static __u32 nf_verifier_flags;

static inline int nf_verifier_load(char *log, size_t log_size, enum bpf_prog_type type,
				   const char *license, const struct bpf_insn *insns,
				   size_t insn_cnt)
{
	const struct nf_load load = {
		.type = type,
		.expected_attach_type = type == BPF_PROG_TYPE_NETFILTER ? BPF_NETFILTER : 0,
		.license = license,
		.insns = insns,
		.insn_cnt = insn_cnt,
		.log = log,
		.log_size = log_size,
		.fd_array = nf_verifier_fds,
		.prog_flags = nf_verifier_flags,
	};

	/* An error before the verifier runs must not leave the log of an earlier load. */
	log[0] = '\0';
	return nf_load(&load);
}

#define LOAD_TYPE(type, license, ...) ({				\
	const struct bpf_insn insns[] = { __VA_ARGS__ };		\
									\
	nf_verifier_load(self->log, sizeof(self->log), type, license,	\
			 insns, ARRAY_SIZE(insns));			\
})

#define LOAD_AS(license, ...)						\
	LOAD_TYPE(BPF_PROG_TYPE_NETFILTER, license, __VA_ARGS__)

#define EXPECT_LOADS(...) do {						\
	int fd = LOAD_AS("GPL", __VA_ARGS__);				\
									\
	EXPECT_LE(0, fd)						\
		TH_LOG("%d: %s", fd, self->log);			\
	if (fd >= 0)							\
		close(fd);						\
} while (0)

/* Return: true if @log contains one of @texts, which have '|' between them. The messages
 * differ between kernels.
 */
static inline bool nf_verifier_says(const char *log, const char *texts)
{
	size_t len;

	for (;; texts += len + 1) {
		len = strcspn(texts, "|");
		if (memmem(log, strlen(log), texts, len))
			return true;
		if (!texts[len])
			return false;
	}
}

/* @message: see nf_verifier_says(). */
#define EXPECT_REFUSED_AS(license, errnum, message, ...) do {		\
	int fd = LOAD_AS(license, __VA_ARGS__);				\
									\
	EXPECT_EQ(-(errnum), fd);					\
	EXPECT_TRUE(nf_verifier_says(self->log, message))		\
		TH_LOG("no '%s' in: %s", message, self->log);		\
	if (fd >= 0)							\
		close(fd);						\
} while (0)

#define EXPECT_REFUSED(errnum, message, ...)				\
	EXPECT_REFUSED_AS("GPL", errnum, message, __VA_ARGS__)

/* For refusals whose error codes differ between kernels. */
#define EXPECT_REFUSED_SAYING(message, ...) do {			\
	int fd = LOAD_AS("GPL", __VA_ARGS__);				\
									\
	EXPECT_GT(0, fd);						\
	EXPECT_TRUE(nf_verifier_says(self->log, message))		\
		TH_LOG("no '%s' in: %s", message, self->log);		\
	if (fd >= 0)							\
		close(fd);						\
} while (0)

#define RETURN(verdict)							\
	BPF_MOV64_IMM(BPF_REG_0, verdict),				\
	BPF_EXIT_INSN()

#define CALL(func)							\
	BPF_RAW_INSN(BPF_JMP | BPF_CALL, 0, 0, 0, func)

/* @insns: the number of instructions between the call and the subprogram. */
#define CALL_SUBPROGRAM(insns)						\
	BPF_RAW_INSN(BPF_JMP | BPF_CALL, 0, BPF_PSEUDO_CALL, 0, insns)

/* @module: 0 for the kernel itself. */
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

#define CAPS_OF_A_LOADER (1ULL << CAP_BPF | 1ULL << CAP_NET_ADMIN)

#endif
