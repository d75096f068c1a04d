/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the tests of the verifier share: small programs, and its words on them.
 * To be included behind kselftest_harness.h; fixtures have a member "log".
 */
#ifndef NF_VERIFIER_H
#define NF_VERIFIER_H

#include <linux/capability.h>
#include <linux/filter.h>

#include <bpf/bpf.h>

#include "nf_test.h"

static int nf_verifier_load(char *log, size_t log_size, const char *license,
			    const struct bpf_insn *insns, size_t insn_cnt)
{
	const struct nf_load load = {
		.type = BPF_PROG_TYPE_NETFILTER,
		.expected_attach_type = BPF_NETFILTER,
		.license = license,
		.insns = insns,
		.insn_cnt = insn_cnt,
		.log = log,
		.log_size = log_size,
	};

	return nf_load(&load);
}

#define LOAD_AS(license, ...) ({					\
	const struct bpf_insn insns[] = { __VA_ARGS__ };		\
									\
	nf_verifier_load(self->log, sizeof(self->log), license, insns,	\
			 ARRAY_SIZE(insns));				\
})

#define EXPECT_LOADS(...) do {						\
	int fd = LOAD_AS("GPL", __VA_ARGS__);				\
									\
	EXPECT_LE(0, fd)						\
		TH_LOG("%d: %s", fd, self->log);			\
	if (fd >= 0)							\
		close(fd);						\
} while (0)

/* @message is the part of the verifier's words that all kernels share. */
#define EXPECT_REFUSED_AS(license, errnum, message, ...) do {		\
	int fd = LOAD_AS(license, __VA_ARGS__);				\
									\
	EXPECT_EQ(-(errnum), fd);					\
	EXPECT_NE(NULL, strstr(self->log, message))			\
		TH_LOG("no '%s' in: %s", message, self->log);		\
	if (fd >= 0)							\
		close(fd);						\
} while (0)

#define EXPECT_REFUSED(errnum, message, ...)				\
	EXPECT_REFUSED_AS("GPL", errnum, message, __VA_ARGS__)

#define RETURN(verdict)							\
	BPF_MOV64_IMM(BPF_REG_0, verdict),				\
	BPF_EXIT_INSN()

#define CALL(func)							\
	BPF_RAW_INSN(BPF_JMP | BPF_CALL, 0, 0, 0, func)

#define CAPS_OF_A_LOADER (1ULL << CAP_BPF | 1ULL << CAP_NET_ADMIN)

#endif
