// SPDX-License-Identifier: GPL-2.0
/*
 * Small programs that the verifier accepts or refuses. They are written in
 * instructions, because a compiler chooses access sizes of its own.
 */
#include <linux/filter.h>

#include <bpf/bpf.h>

#include "kselftest_harness.h"
#include "helpers/nf_test.h"
#include "helpers/nf_verifier.h"

FIXTURE(verifier)
{
	char log[65536];
	int ctx_state, ctx_skb, ctx_size;
	int skb_len, skb_size, state_in, state_pf, dev_ifindex;
};

static FIXTURE_DATA(verifier) offsets;

__attribute__((constructor))
static void find_offsets(void)
{
	offsets.ctx_state = nf_btf_offset("bpf_nf_ctx", "state");
	offsets.ctx_skb = nf_btf_offset("bpf_nf_ctx", "skb");
	offsets.ctx_size = nf_btf_size("bpf_nf_ctx");
	offsets.skb_len = nf_btf_offset("sk_buff", "len");
	offsets.skb_size = nf_btf_size("sk_buff");
	offsets.state_in = nf_btf_offset("nf_hook_state", "in");
	offsets.state_pf = nf_btf_offset("nf_hook_state", "pf");
	offsets.dev_ifindex = nf_btf_offset("net_device", "ifindex");
}

FIXTURE_SETUP(verifier)
{
	*self = offsets;
	ASSERT_EQ(0, self->ctx_state);
	ASSERT_EQ(8, self->ctx_skb);
	ASSERT_LE(16, self->ctx_size);
	ASSERT_LT(0, self->skb_len);
	ASSERT_LT(0, self->skb_size);
	ASSERT_LT(0, self->state_in);
	ASSERT_LE(0, self->state_pf);
	ASSERT_LT(0, self->dev_ifindex);
}

FIXTURE_TEARDOWN(verifier)
{
}

#define RETCODE "At program exit the register R0 has"

TEST_F(verifier, return_drop)
{
	EXPECT_LOADS(RETURN(NF_DROP));
}

TEST_F(verifier, return_accept)
{
	EXPECT_LOADS(RETURN(NF_ACCEPT));
}

/* NF_STOLEN: nobody would own the packet. */
TEST_F(verifier, return_stolen)
{
	EXPECT_REFUSED(EINVAL, RETCODE, RETURN(2));
}

/* NF_QUEUE, NF_REPEAT and NF_STOP */
TEST_F(verifier, return_queue)
{
	EXPECT_REFUSED(EINVAL, RETCODE, RETURN(3));
}

TEST_F(verifier, return_repeat)
{
	EXPECT_REFUSED(EINVAL, RETCODE, RETURN(4));
}

TEST_F(verifier, return_minus_one)
{
	EXPECT_REFUSED(EINVAL, RETCODE, RETURN(-1));
}

/* NF_DROP_ERR(): an errno in the upper half of NF_DROP. */
TEST_F(verifier, return_drop_with_errno)
{
	EXPECT_REFUSED(EINVAL, RETCODE, RETURN(1 << 16));
}

TEST_F(verifier, return_unknown)
{
	EXPECT_REFUSED(EINVAL, RETCODE,
		       CALL(BPF_FUNC_get_prandom_u32),
		       BPF_EXIT_INSN());
}

TEST_F(verifier, return_unknown_but_bounded)
{
	EXPECT_LOADS(CALL(BPF_FUNC_get_prandom_u32),
		     BPF_ALU64_IMM(BPF_AND, BPF_REG_0, 1),
		     BPF_EXIT_INSN());
}

TEST_F(verifier, return_nothing)
{
	EXPECT_REFUSED(EACCES, "R0 !read_ok", BPF_EXIT_INSN());
}

/* Two paths lead to one exit. The verifier must check both. */
TEST_F(verifier, return_of_either_path)
{
#define RETURN_EITHER(first, second)					\
	CALL(BPF_FUNC_get_prandom_u32),					\
	BPF_MOV64_REG(BPF_REG_6, BPF_REG_0),				\
	BPF_MOV64_IMM(BPF_REG_0, second),				\
	BPF_JMP_IMM(BPF_JEQ, BPF_REG_6, 0, 1),				\
	BPF_MOV64_IMM(BPF_REG_0, first),				\
	BPF_EXIT_INSN()

	nf_verifier_flags = BPF_F_TEST_STATE_FREQ;
	EXPECT_LOADS(RETURN_EITHER(NF_ACCEPT, NF_DROP));
	EXPECT_REFUSED(EINVAL, RETCODE, RETURN_EITHER(NF_ACCEPT, 2));
}

TEST_F(verifier, return_of_one_path_only)
{
	EXPECT_REFUSED(EINVAL, RETCODE,
		       CALL(BPF_FUNC_get_prandom_u32),
		       BPF_ALU64_IMM(BPF_AND, BPF_REG_0, 3),
		       BPF_JMP_IMM(BPF_JNE, BPF_REG_0, 0, 1),
		       BPF_EXIT_INSN(),
		       BPF_EXIT_INSN());
}

#define CTX "invalid bpf_context access"

FIXTURE(context)
{
	char log[65536];
};

FIXTURE_VARIANT(context)
{
	int size;
	int off;
	bool ok;
};

#define CONTEXT_CASE(name, _size, _off, _ok)				\
	FIXTURE_VARIANT_ADD(context, name)				\
	{								\
		.size = _size,						\
		.off = _off,						\
		.ok = _ok,						\
	}

CONTEXT_CASE(state_8, BPF_DW, 0, true);
CONTEXT_CASE(state_4, BPF_W, 0, false);
CONTEXT_CASE(state_4_upper, BPF_W, 4, false);
CONTEXT_CASE(state_2, BPF_H, 0, false);
CONTEXT_CASE(state_1, BPF_B, 0, false);
CONTEXT_CASE(state_1_last, BPF_B, 7, false);
CONTEXT_CASE(skb_8, BPF_DW, 8, true);
CONTEXT_CASE(skb_4, BPF_W, 8, false);
CONTEXT_CASE(skb_4_upper, BPF_W, 12, false);
CONTEXT_CASE(skb_2, BPF_H, 8, false);
CONTEXT_CASE(skb_1, BPF_B, 8, false);
CONTEXT_CASE(misaligned_1, BPF_DW, 1, false);
CONTEXT_CASE(misaligned_4, BPF_DW, 4, false);
CONTEXT_CASE(misaligned_end, BPF_DW, 12, false);
CONTEXT_CASE(before, BPF_DW, -8, false);
CONTEXT_CASE(far_before, BPF_DW, -4096, false);
CONTEXT_CASE(far_beyond, BPF_DW, 4096, false);

FIXTURE_SETUP(context)
{
}

FIXTURE_TEARDOWN(context)
{
}

TEST_F(context, load)
{
	if (variant->ok)
		EXPECT_LOADS(BPF_LDX_MEM(variant->size, BPF_REG_2, BPF_REG_1, variant->off),
			     RETURN(NF_ACCEPT));
	else
		EXPECT_REFUSED(EACCES, CTX,
			       BPF_LDX_MEM(variant->size, BPF_REG_2, BPF_REG_1, variant->off),
			       RETURN(NF_ACCEPT));
}

TEST_F(context, store)
{
	EXPECT_REFUSED(EACCES, CTX,
		       BPF_MOV64_IMM(BPF_REG_2, 0),
		       BPF_STX_MEM(variant->size, BPF_REG_1, BPF_REG_2, variant->off),
		       RETURN(NF_ACCEPT));
}

TEST_F(verifier, context_load_behind_the_struct)
{
	EXPECT_REFUSED(EACCES, CTX,
		       BPF_LDX_MEM(BPF_DW, BPF_REG_2, BPF_REG_1, self->ctx_size),
		       RETURN(NF_ACCEPT));
}

/* Even a pointer from the same member, which has the right type, must not be stored. */
TEST_F(verifier, context_store_of_its_own_skb)
{
	EXPECT_REFUSED(EACCES, CTX,
		       BPF_LDX_MEM(BPF_DW, BPF_REG_2, BPF_REG_1, self->ctx_skb),
		       BPF_STX_MEM(BPF_DW, BPF_REG_1, BPF_REG_2, self->ctx_skb),
		       RETURN(NF_ACCEPT));
}

TEST_F(verifier, context_atomic_add)
{
	EXPECT_REFUSED(EACCES, "not allowed",
		       BPF_MOV64_IMM(BPF_REG_2, 1),
		       BPF_ATOMIC_OP(BPF_DW, BPF_ADD, BPF_REG_1, BPF_REG_2, 0),
		       RETURN(NF_ACCEPT));
}

TEST_F(verifier, context_variable_offset)
{
	EXPECT_REFUSED(EACCES, "variable ctx access",
		       BPF_MOV64_REG(BPF_REG_6, BPF_REG_1),
		       CALL(BPF_FUNC_get_prandom_u32),
		       BPF_ALU64_IMM(BPF_AND, BPF_REG_0, 8),
		       BPF_ALU64_REG(BPF_ADD, BPF_REG_6, BPF_REG_0),
		       BPF_LDX_MEM(BPF_DW, BPF_REG_2, BPF_REG_6, 0),
		       RETURN(NF_ACCEPT));
}

TEST_F(verifier, walk_skb)
{
	EXPECT_LOADS(BPF_LDX_MEM(BPF_DW, BPF_REG_2, BPF_REG_1, self->ctx_skb),
		     BPF_LDX_MEM(BPF_W, BPF_REG_2, BPF_REG_2, self->skb_len),
		     RETURN(NF_ACCEPT));
}

TEST_F(verifier, walk_state)
{
	EXPECT_LOADS(BPF_LDX_MEM(BPF_DW, BPF_REG_2, BPF_REG_1, self->ctx_state),
		     BPF_LDX_MEM(BPF_B, BPF_REG_2, BPF_REG_2, self->state_pf),
		     RETURN(NF_ACCEPT));
}

/* state->in->ifindex: a second pointer of a known type. */
TEST_F(verifier, walk_state_to_device)
{
	EXPECT_LOADS(BPF_LDX_MEM(BPF_DW, BPF_REG_2, BPF_REG_1, self->ctx_state),
		     BPF_LDX_MEM(BPF_DW, BPF_REG_2, BPF_REG_2, self->state_in),
		     BPF_JMP_IMM(BPF_JEQ, BPF_REG_2, 0, 1),
		     BPF_LDX_MEM(BPF_W, BPF_REG_2, BPF_REG_2, self->dev_ifindex),
		     RETURN(NF_ACCEPT));
}

TEST_F(verifier, walk_beyond_skb)
{
	EXPECT_REFUSED(EACCES, "access beyond struct sk_buff",
		       BPF_LDX_MEM(BPF_DW, BPF_REG_2, BPF_REG_1, self->ctx_skb),
		       BPF_LDX_MEM(BPF_DW, BPF_REG_2, BPF_REG_2, self->skb_size + 4096),
		       RETURN(NF_ACCEPT));
}

TEST_F(verifier, store_to_skb)
{
	EXPECT_REFUSED(EACCES, "only read is supported",
		       BPF_LDX_MEM(BPF_DW, BPF_REG_2, BPF_REG_1, self->ctx_skb),
		       BPF_MOV64_IMM(BPF_REG_3, 0),
		       BPF_STX_MEM(BPF_W, BPF_REG_2, BPF_REG_3, self->skb_len),
		       RETURN(NF_ACCEPT));
}

TEST_F(verifier, store_to_state)
{
	EXPECT_REFUSED(EACCES, "only read is supported",
		       BPF_LDX_MEM(BPF_DW, BPF_REG_2, BPF_REG_1, self->ctx_state),
		       BPF_MOV64_IMM(BPF_REG_3, 0),
		       BPF_STX_MEM(BPF_B, BPF_REG_2, BPF_REG_3, self->state_pf),
		       RETURN(NF_ACCEPT));
}

TEST_F(verifier, walk_by_a_non_gpl_program)
{
	int fd = LOAD_AS("Proprietary", RETURN(NF_ACCEPT));

	EXPECT_LE(0, fd);
	close(fd);
	EXPECT_REFUSED_AS("Proprietary", EINVAL, "GPL compatible program",
			  BPF_LDX_MEM(BPF_DW, BPF_REG_2, BPF_REG_1, self->ctx_skb),
			  BPF_LDX_MEM(BPF_W, BPF_REG_2, BPF_REG_2, self->skb_len),
			  RETURN(NF_ACCEPT));
}

TEST_F(verifier, walk_without_cap_perfmon)
{
	int fd;

	ASSERT_EQ(0, nf_set_caps(CAPS_OF_A_LOADER));
	fd = LOAD_AS("GPL", RETURN(NF_ACCEPT));
	EXPECT_LE(0, fd);
	close(fd);
	EXPECT_REFUSED(EPERM, "CAP_PERFMON",
		       BPF_LDX_MEM(BPF_DW, BPF_REG_2, BPF_REG_1, self->ctx_skb),
		       BPF_LDX_MEM(BPF_W, BPF_REG_2, BPF_REG_2, self->skb_len),
		       RETURN(NF_ACCEPT));
}

TEST_F(verifier, walk_with_cap_perfmon)
{
	ASSERT_EQ(0, nf_set_caps(CAPS_OF_A_LOADER | 1ULL << CAP_PERFMON));
	EXPECT_LOADS(BPF_LDX_MEM(BPF_DW, BPF_REG_2, BPF_REG_1, self->ctx_skb),
		     BPF_LDX_MEM(BPF_W, BPF_REG_2, BPF_REG_2, self->skb_len),
		     RETURN(NF_ACCEPT));
}

/* A kernel address must not end up where user space can read it. */
TEST_F(verifier, pointer_leak_without_cap_perfmon)
{
	ASSERT_EQ(0, nf_set_caps(CAPS_OF_A_LOADER));
	EXPECT_REFUSED(EACCES, "leaks addr",
		       BPF_LDX_MEM(BPF_DW, BPF_REG_0, BPF_REG_1, self->ctx_skb),
		       BPF_EXIT_INSN());
}

FIXTURE(helper)
{
	char log[65536];
};

FIXTURE_VARIANT(helper)
{
	int func;
	bool ok;
};

#define HELPER_CASE(name, _ok)						\
	FIXTURE_VARIANT_ADD(helper, name)				\
	{								\
		.func = BPF_FUNC_##name,				\
		.ok = _ok,						\
	}

HELPER_CASE(ktime_get_ns, true);
HELPER_CASE(get_prandom_u32, true);
HELPER_CASE(get_smp_processor_id, true);
HELPER_CASE(get_numa_node_id, true);
HELPER_CASE(ktime_get_boot_ns, true);
HELPER_CASE(jiffies64, true);
/* These belong to other program types, or change the packet's size. */
HELPER_CASE(skb_vlan_push, false);
HELPER_CASE(skb_change_proto, false);
HELPER_CASE(skb_change_tail, false);
HELPER_CASE(skb_adjust_room, false);
HELPER_CASE(csum_update, false);
HELPER_CASE(redirect, false);
HELPER_CASE(clone_redirect, false);
HELPER_CASE(xdp_adjust_head, false);
HELPER_CASE(get_socket_cookie, false);
HELPER_CASE(override_return, false);
HELPER_CASE(probe_write_user, false);

FIXTURE_SETUP(helper)
{
}

FIXTURE_TEARDOWN(helper)
{
}

TEST_F(helper, call)
{
	int fd = LOAD_AS("GPL", CALL(variant->func), RETURN(NF_ACCEPT));

	if (variant->ok) {
		EXPECT_LE(0, fd)
			TH_LOG("%d: %s", fd, self->log);
	} else {
		EXPECT_EQ(-EINVAL, fd);
		/* "unknown func x" before 6.9, "cannot use helper x" since. */
		EXPECT_TRUE(strstr(self->log, "unknown func") ||
			    strstr(self->log, "cannot use helper"))
			TH_LOG("%s", self->log);
	}
	if (fd >= 0)
		close(fd);
}

/* Needed for memory that neither packet pointers nor bpf_skb_load_bytes() can read. */
TEST_F(verifier, probe_read_kernel)
{
	EXPECT_LOADS(BPF_LDX_MEM(BPF_DW, BPF_REG_3, BPF_REG_1, self->ctx_skb),
		     BPF_MOV64_REG(BPF_REG_1, BPF_REG_10),
		     BPF_ALU64_IMM(BPF_ADD, BPF_REG_1, -8),
		     BPF_MOV64_IMM(BPF_REG_2, 8),
		     CALL(BPF_FUNC_probe_read_kernel),
		     RETURN(NF_ACCEPT));
}

TEST_F(verifier, probe_read_kernel_without_cap_perfmon)
{
	ASSERT_EQ(0, nf_set_caps(CAPS_OF_A_LOADER));
	EXPECT_GT(0, LOAD_AS("GPL",
			     BPF_MOV64_IMM(BPF_REG_3, 0),
			     BPF_MOV64_REG(BPF_REG_1, BPF_REG_10),
			     BPF_ALU64_IMM(BPF_ADD, BPF_REG_1, -8),
			     BPF_MOV64_IMM(BPF_REG_2, 8),
			     CALL(BPF_FUNC_probe_read_kernel),
			     RETURN(NF_ACCEPT)));
	EXPECT_TRUE(strstr(self->log, "unknown func") ||
		    strstr(self->log, "cannot use helper"))
		TH_LOG("%s", self->log);
}

/* LD_ABS needs a context that is an skb. */
TEST_F(verifier, ld_abs)
{
	EXPECT_REFUSED(EINVAL, "BPF_LD_[ABS|IND] instructions not allowed",
		       BPF_MOV64_REG(BPF_REG_6, BPF_REG_1),
		       BPF_LD_ABS(BPF_B, 0),
		       RETURN(NF_ACCEPT));
}

TEST_HARNESS_MAIN
