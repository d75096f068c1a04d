// SPDX-License-Identifier: GPL-2.0
/*
 * Programs that cannot be written in C, so they are written in instructions:
 * - stores of constants, through registers that the test chooses. The compiler stores registers.
 * - a load with the BTF of a module that was unloaded. libbpf looks for the module first.
 * progs/ has all other programs for tests of the verifier.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <linux/bpf_nf.h>
#include <linux/filter.h>

#include <bpf/bpf.h>
#include <bpf/btf.h>

#include "kselftest_harness.h"
#include "helpers/nf_insns.h"
#include "helpers/nf_test.h"

static int load_insns(char *log, size_t log_size, const int *fds, const struct bpf_insn *insns,
		      size_t insn_cnt)
{
	const struct nf_load load = {
		.type = BPF_PROG_TYPE_NETFILTER,
		.expected_attach_type = BPF_NETFILTER,
		.license = "GPL",
		.insns = insns,
		.insn_cnt = insn_cnt,
		.log = log,
		.log_size = log_size,
		.fd_array = fds,
	};

	/* An error before the verifier runs must not leave the log of an earlier load. */
	log[0] = '\0';
	return nf_load(&load);
}

/* @fds: BTF fds of modules. CALL_KFUNC() has an index into this array, from 1 on. */
#define LOAD(fds, ...) ({						\
	const struct bpf_insn insns[] = { __VA_ARGS__ };		\
									\
	load_insns(self->log, sizeof(self->log), fds, insns, ARRAY_SIZE(insns)); \
})

FIXTURE(constant)
{
	const char *lacks;
	char log[65536];
	int mark, priority;	/* offsets in the context */
};

FIXTURE_SETUP(constant)
{
	self->mark = nf_btf_offset("bpf_nf_ctx", "mark");
	self->priority = nf_btf_offset("bpf_nf_ctx", "priority");
	if (self->mark < 0 || self->priority < 0)
		self->lacks = "packet pointers";
}

FIXTURE_TEARDOWN(constant)
{
}

#define CONSTANT	0x51a7c0de
#define HARDEN		"/proc/sys/net/core/bpf_jit_harden"

static int write_harden(char value)
{
	int fd = open(HARDEN, O_WRONLY | O_CLOEXEC);
	int err = fd < 0 || write(fd, &value, 1) != 1;

	if (fd >= 0)
		close(fd);
	return err;
}

/* Return: whether the machine code of the program has the constant, or a negative error */
static int emits_constant(int prog_fd)
{
	const __u32 constant = CONSTANT;
	struct bpf_prog_info info = {};
	__u32 len = sizeof(info);
	char code[4096];

	info.jited_prog_insns = (unsigned long)code;
	info.jited_prog_len = sizeof(code);
	if (bpf_prog_get_info_by_fd(prog_fd, &info, &len) || !info.jited_prog_insns ||
	    !info.jited_prog_len || info.jited_prog_len > sizeof(code))
		return -ENODATA;
	return !!memmem(code, info.jited_prog_len, &constant, sizeof(constant));
}

/* Store the constant to mark through @ctx. Accept if mark has it, and the registers that the
 * verifier may have used have kept their values, which are 0 when the program runs.
 */
#define STORE_CONSTANT(ctx)						\
	BPF_MOV64_REG(BPF_REG_6, BPF_REG_1),				\
	BPF_LDX_MEM(BPF_W, BPF_REG_8, BPF_REG_6, self->priority),	\
	BPF_LDX_MEM(BPF_W, BPF_REG_9, BPF_REG_6, self->priority),	\
	BPF_MOV64_REG(ctx, BPF_REG_6),					\
	BPF_ST_MEM(BPF_W, ctx, self->mark, CONSTANT),			\
	BPF_LDX_MEM(BPF_W, BPF_REG_2, ctx, self->mark),			\
	BPF_MOV64_IMM(ctx, 0),						\
	BPF_ALU64_IMM(BPF_SUB, BPF_REG_2, CONSTANT - 1),		\
	BPF_MOV64_IMM(BPF_REG_0, NF_DROP),				\
	BPF_JMP_IMM(BPF_JNE, BPF_REG_2, 1, 3),				\
	BPF_JMP_IMM(BPF_JNE, BPF_REG_8, 0, 2),				\
	BPF_JMP_IMM(BPF_JNE, BPF_REG_9, 0, 1),				\
	BPF_MOV64_IMM(BPF_REG_0, NF_ACCEPT),				\
	BPF_EXIT_INSN()

NF_TEST_F(constant, stores)
{
	unsigned char packet[20] = { 0x45, 0, 0, 20 };
	struct bpf_test_run_opts opts = {
		.sz = sizeof(opts),
		.data_in = packet,
		.data_size_in = sizeof(packet),
	};
	char harden;
	int plain, blinded, through_r9;
	int fd = open(HARDEN, O_RDONLY | O_CLOEXEC);

	ASSERT_EQ(1, read(fd, &harden, 1));
	close(fd);
	ASSERT_EQ(0, write_harden('0'));
	plain = LOAD(NULL, STORE_CONSTANT(BPF_REG_6));
	ASSERT_EQ(0, write_harden('2'));
	blinded = LOAD(NULL, STORE_CONSTANT(BPF_REG_6));
	through_r9 = LOAD(NULL, STORE_CONSTANT(BPF_REG_9));
	ASSERT_EQ(0, write_harden(harden));
	if (plain == -EACCES && strstr(self->log, "stores into R"))
		SKIP(return, "6.1 has no stores of constants to the context");

	ASSERT_LE(0, plain)
		TH_LOG("%s", self->log);
	ASSERT_LE(0, blinded);
	ASSERT_LE(0, through_r9);
	if (emits_constant(plain) < 0)
		SKIP(return, "no machine code to look at");
	EXPECT_EQ(1, emits_constant(plain));
	EXPECT_EQ(0, emits_constant(blinded));
	EXPECT_EQ(0, emits_constant(through_r9));
	EXPECT_EQ(0, bpf_prog_test_run_opts(plain, &opts));
	EXPECT_EQ(NF_ACCEPT, opts.retval);
	EXPECT_EQ(0, bpf_prog_test_run_opts(blinded, &opts));
	EXPECT_EQ(NF_ACCEPT, opts.retval);
	EXPECT_EQ(0, bpf_prog_test_run_opts(through_r9, &opts));
	EXPECT_EQ(NF_ACCEPT, opts.retval);
	close(plain);
	close(blinded);
	close(through_r9);
}

FIXTURE(module)
{
	char log[65536];
	const char *lacks;
	int fds[2];
	int reject;
};

FIXTURE_SETUP(module)
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
	ASSERT_LT(0, self->reject);
	ASSERT_LE(0, self->fds[1]);
}

FIXTURE_TEARDOWN(module)
{
}

#define LOAD_REJECT() LOAD(self->fds, BPF_MOV64_IMM(BPF_REG_2, 1), BPF_MOV64_IMM(BPF_REG_3, 0), \
			   CALL_KFUNC(1, self->reject), RETURN(NF_ACCEPT))

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
NF_TEST_F(module, stays)
{
	int fd = LOAD_REJECT();

	ASSERT_LE(0, fd)
		TH_LOG("%s", self->log);
	EXPECT_EQ(-EAGAIN, nf_module_unload("nf_bpf_kfunc"));
	close(fd);
	EXPECT_TRUE(unloads("nf_bpf_kfunc"));
	/* The fd keeps the BTF of the unloaded module, but no program can be loaded with it. */
	EXPECT_GT(0, LOAD_REJECT());
	EXPECT_NE(NULL, strstr(self->log, "failed to find BTF"))
		TH_LOG("%s", self->log);
	EXPECT_EQ(0, system("modprobe nf_bpf_kfunc"));
}

TEST_HARNESS_MAIN
