// SPDX-License-Identifier: GPL-2.0
/*
 * Tests of bpf_nf_reject() of the module nf_bpf_kfunc. The programs are written in
 * instructions, because the tests need certain registers: a context with an offset, or a
 * packet pointer that the program keeps. progs/conntrack.bpf.c tests the other kfuncs.
 */
#include <errno.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <linux/bpf_nf.h>

#include <bpf/bpf.h>
#include <bpf/btf.h>

#include "kselftest_harness.h"
#include "helpers/nf_test.h"
#include "helpers/nf_verifier.h"

FIXTURE(kfunc)
{
	char log[65536];
	const char *lacks;
	int fds[2];	/* BTF fds of modules: CALL_KFUNC() has an index, from 1 on */
	int reject, ctx_skb, data;
};

FIXTURE_SETUP(kfunc)
{
	struct btf *btf;

	if (system("modprobe -q nf_bpf_kfunc")) {
		self->lacks = "the module nf_bpf_kfunc";
		return;
	}
	btf = btf__load_module_btf("nf_bpf_kfunc", btf__load_vmlinux_btf());
	ASSERT_NE(NULL, btf);
	self->reject = btf__find_by_name_kind(btf, "bpf_nf_reject", BTF_KIND_FUNC);
	self->fds[1] = nf_btf_module_fd("nf_bpf_kfunc");
	self->ctx_skb = nf_btf_offset("bpf_nf_ctx", "skb");
	self->data = nf_btf_offset("bpf_nf_ctx", "data");
	ASSERT_LT(0, self->reject);
	ASSERT_LE(0, self->fds[1]);
	nf_verifier_fds = self->fds;
}

FIXTURE_TEARDOWN(kfunc)
{
}

#define REJECT	CALL_KFUNC(1, self->reject)
#define ACCEPT	RETURN(NF_ACCEPT)

NF_TEST_F(kfunc, context_is_the_skb)
{
	EXPECT_REFUSED_SAYING("expected pointer to ctx",
			      BPF_LDX_MEM(BPF_DW, BPF_REG_1, BPF_REG_1, self->ctx_skb),
			      BPF_MOV64_IMM(BPF_REG_2, 1),
			      BPF_MOV64_IMM(BPF_REG_3, 0),
			      REJECT,
			      ACCEPT);
}

NF_TEST_F(kfunc, context_is_null)
{
	EXPECT_REFUSED_SAYING("expected pointer to ctx",
			      BPF_MOV64_IMM(BPF_REG_1, 0),
			      BPF_MOV64_IMM(BPF_REG_2, 1),
			      BPF_MOV64_IMM(BPF_REG_3, 0),
			      REJECT,
			      ACCEPT);
}

NF_TEST_F(kfunc, context_with_an_offset)
{
	EXPECT_REFUSED_SAYING("dereference of modified ctx ptr",
			      BPF_ALU64_IMM(BPF_ADD, BPF_REG_1, 8),
			      BPF_MOV64_IMM(BPF_REG_2, 1),
			      BPF_MOV64_IMM(BPF_REG_3, 0),
			      REJECT,
			      ACCEPT);
}

NF_TEST_F(kfunc, reject)
{
	EXPECT_LOADS(BPF_MOV64_IMM(BPF_REG_2, 1),
		     BPF_MOV64_IMM(BPF_REG_3, 0),
		     REJECT,
		     ACCEPT);
}

NF_TEST_F(kfunc, reject_with_a_pointer_for_a_code)
{
	EXPECT_REFUSED_SAYING("R3 is not a scalar",
			      BPF_MOV64_IMM(BPF_REG_2, 1),
			      BPF_MOV64_REG(BPF_REG_3, BPF_REG_10),
			      REJECT,
			      ACCEPT);
}

/* r7 is the packet. If it has less than 20 bytes, the program jumps over @insns. */
#define PACKET(insns)							\
	BPF_LDX_MEM(BPF_DW, BPF_REG_7, BPF_REG_6, self->data),		\
	BPF_LDX_MEM(BPF_DW, BPF_REG_8, BPF_REG_6, self->data + 8),	\
	BPF_MOV64_REG(BPF_REG_2, BPF_REG_7),				\
	BPF_ALU64_IMM(BPF_ADD, BPF_REG_2, 20),				\
	BPF_JMP_REG(BPF_JGT, BPF_REG_2, BPF_REG_8, insns)

#define REJECT_R6							\
	BPF_MOV64_REG(BPF_REG_1, BPF_REG_6),				\
	BPF_MOV64_IMM(BPF_REG_2, 1),					\
	BPF_MOV64_IMM(BPF_REG_3, 0),					\
	REJECT

#define READ BPF_LDX_MEM(BPF_B, BPF_REG_0, BPF_REG_7, 0)

/* The kfunc may move the packet, so the program must load its packet pointers again. */
NF_TEST_F(kfunc, packet_loaded_again_after_reject)
{
	if (!nf_has_pkt_pointers())
		NF_LACKS(return, "packet pointers");
	EXPECT_LOADS(BPF_MOV64_REG(BPF_REG_6, BPF_REG_1),
		     PACKET(1),
		     READ,
		     REJECT_R6,
		     PACKET(1),
		     READ,
		     ACCEPT);
}

NF_TEST_F(kfunc, packet_kept_over_reject)
{
	if (!nf_has_pkt_pointers())
		NF_LACKS(return, "packet pointers");
	EXPECT_REFUSED_SAYING("R7 invalid mem access 'scalar'",
			      BPF_MOV64_REG(BPF_REG_6, BPF_REG_1),
			      PACKET(6),
			      READ,
			      REJECT_R6,
			      READ,
			      ACCEPT);
}

NF_TEST_F(kfunc, other_program_type)
{
	EXPECT_EQ(-EACCES, LOAD_TYPE(BPF_PROG_TYPE_SCHED_CLS, "GPL",
				     BPF_MOV64_IMM(BPF_REG_2, 1),
				     BPF_MOV64_IMM(BPF_REG_3, 0),
				     REJECT,
				     ACCEPT));
	EXPECT_NE(NULL, strstr(self->log, "is not allowed"))
		TH_LOG("%s", self->log);
}

NF_TEST_F(kfunc, not_gpl)
{
	EXPECT_REFUSED_AS("Proprietary", EINVAL, "non-GPL compatible program",
			  BPF_MOV64_IMM(BPF_REG_2, 1),
			  BPF_MOV64_IMM(BPF_REG_3, 0),
			  REJECT,
			  ACCEPT);
}

/* The kernel frees a program some time after its fd is closed, so try again for a while. */
static bool unloads(const char *module)
{
	const struct timespec pause = { .tv_nsec = 20 * 1000 * 1000 };
	int i;

	for (i = 0; i < 500; i++) {
		if (!nf_module_unload(module))
			return true;
		nanosleep(&pause, NULL);
	}
	return false;
}

/* A module cannot be unloaded while a program that calls it is loaded. */
NF_TEST_F(kfunc, module_stays)
{
	int fd = LOAD_AS("GPL",
			 BPF_MOV64_IMM(BPF_REG_2, 1),
			 BPF_MOV64_IMM(BPF_REG_3, 0),
			 REJECT,
			 ACCEPT);

	ASSERT_LE(0, fd)
		TH_LOG("%s", self->log);
	EXPECT_EQ(-EAGAIN, nf_module_unload("nf_bpf_kfunc"));
	close(fd);
	EXPECT_TRUE(unloads("nf_bpf_kfunc"));
	/* The fd keeps the BTF of the unloaded module, but no program can be loaded with it. */
	EXPECT_REFUSED_SAYING("failed to find BTF",
			      BPF_MOV64_IMM(BPF_REG_2, 1),
			      BPF_MOV64_IMM(BPF_REG_3, 0),
			      REJECT,
			      ACCEPT);
	EXPECT_EQ(0, system("modprobe nf_bpf_kfunc"));
}

TEST_HARNESS_MAIN
