// SPDX-License-Identifier: GPL-2.0
/*
 * What the verifier takes and refuses of the kfuncs in modules: one small program
 * each, written in instructions, with the function's id out of the module's BTF.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <linux/bpf_nf.h>

#include <bpf/bpf.h>
#include <bpf/btf.h>

#include "kselftest_harness.h"
#include "helpers/nf_test.h"
#include "helpers/nf_verifier.h"
#include "verifier/progs/kfunc.skel.h"

enum { KFUNC_MODULE = 1, CONNTRACK_MODULE, NAT_MODULE, NR_MODULES };

static const char * const modules[] = {
	[KFUNC_MODULE]		= "nf_bpf_kfunc",
	[CONNTRACK_MODULE]	= "nf_conntrack",
	[NAT_MODULE]		= "nf_nat",
};

/* With conntrack or without. */
FIXTURE(kfunc)
{
	char log[65536];
	const char *lacks;
	struct btf *btf[NR_MODULES];
	int fds[NR_MODULES];
	int ctx_skb, data;
};

FIXTURE(ct)
{
	char log[65536];
	const char *lacks;
	struct btf *btf[NR_MODULES];
	int fds[NR_MODULES];
	int ctx_skb, mark, status, master, address;
};

/* Of the modules up to @last. Return: what this kernel lacks, or NULL. */
static const char *find_types(struct btf **btf, int *fds, int last)
{
	struct btf *vmlinux = btf__load_vmlinux_btf();
	int i;

	if (system("modprobe -q nf_bpf_kfunc"))
		return "the module nf_bpf_kfunc";
	if (last >= CONNTRACK_MODULE && nf_without("conntrack"))
		return "conntrack";
	for (i = KFUNC_MODULE; i <= last; i++) {
		fds[i] = nf_btf_module_fd(modules[i]);
		btf[i] = btf__load_module_btf(modules[i], vmlinux);
		if (fds[i] < 0 || !btf[i])
			return modules[i];
	}
	nf_verifier_fds = fds;
	return NULL;
}

FIXTURE_SETUP(kfunc)
{
	self->lacks = find_types(self->btf, self->fds, KFUNC_MODULE);
	self->ctx_skb = nf_btf_offset("bpf_nf_ctx", "skb");
	self->data = nf_btf_offset("bpf_nf_ctx", "data");
	ASSERT_LT(0, self->data);
}

FIXTURE_TEARDOWN(kfunc)
{
}

FIXTURE_SETUP(ct)
{
	self->lacks = find_types(self->btf, self->fds, NAT_MODULE);
	if (self->lacks)
		return;
	self->ctx_skb = nf_btf_offset("bpf_nf_ctx", "skb");
	self->mark = nf_btf_offset("nf_conn", "mark");
	self->status = nf_btf_offset("nf_conn", "status");
	self->master = nf_btf_offset("nf_conn", "master");
	/* Its source comes first in a tuple. */
	self->address = nf_btf_offset("nf_conn", "tuplehash") +
			nf_btf_offset("nf_conntrack_tuple_hash", "tuple");
	ASSERT_LT(0, self->master);
	ASSERT_LT(0, self->address);
	ASSERT_LT(0, self->mark);
	ASSERT_LT(0, self->status);
}

FIXTURE_TEARDOWN(ct)
{
}

#define KFUNC(module, name)						\
	CALL_KFUNC(module, btf__find_by_name_kind(self->btf[module],	\
						  name, BTF_KIND_FUNC))

#define CT_GET		KFUNC(KFUNC_MODULE, "bpf_nf_ct_get")
#define CT_INFO		KFUNC(KFUNC_MODULE, "bpf_nf_ct_info")
#define CT_ALLOC	KFUNC(KFUNC_MODULE, "bpf_nf_ct_alloc")
#define CT_LOOKUP	KFUNC(KFUNC_MODULE, "bpf_nf_ct_lookup")
#define CT_SET_NAT	KFUNC(KFUNC_MODULE, "bpf_nf_ct_set_nat")
#define REJECT		KFUNC(KFUNC_MODULE, "bpf_nf_reject")
#define CT_RELEASE	KFUNC(CONNTRACK_MODULE, "bpf_ct_release")
#define CT_INSERT	KFUNC(CONNTRACK_MODULE, "bpf_ct_insert_entry")
#define CT_SET_TIMEOUT	KFUNC(CONNTRACK_MODULE, "bpf_ct_set_timeout")
#define CT_CHANGE_TIMEOUT	KFUNC(CONNTRACK_MODULE, "bpf_ct_change_timeout")
#define CT_SET_NAT_INFO	KFUNC(NAT_MODULE, "bpf_ct_set_nat_info")

#define ACCEPT RETURN(NF_ACCEPT)

/* Of a tuple at fp-64, and options at fp-16. */
#define TUPLE_AND_OPTS							\
	STACK(BPF_REG_2, -64),						\
	BPF_MOV64_IMM(BPF_REG_3, 12),					\
	STACK(BPF_REG_4, -16),						\
	BPF_MOV64_IMM(BPF_REG_5, 16)

NF_TEST_F(ct, get_and_release)
{
	EXPECT_LOADS(CT_GET,
		     BPF_JMP_IMM(BPF_JEQ, BPF_REG_0, 0, 2),
		     BPF_MOV64_REG(BPF_REG_1, BPF_REG_0),
		     CT_RELEASE,
		     ACCEPT);
}

NF_TEST_F(ct, get_without_null_check)
{
	EXPECT_REFUSED_SAYING("R0 invalid mem access 'ptr_or_null_",
			      CT_GET,
			      BPF_LDX_MEM(BPF_DW, BPF_REG_1, BPF_REG_0, self->status),
			      ACCEPT);
}

NF_TEST_F(ct, release_without_null_check)
{
	EXPECT_REFUSED_SAYING("arg#0 pointer type STRUCT nf_conn|Possibly NULL pointer",
			      CT_GET,
			      BPF_MOV64_REG(BPF_REG_1, BPF_REG_0),
			      CT_RELEASE,
			      ACCEPT);
}

NF_TEST_F(ct, get_leaked)
{
	EXPECT_REFUSED_SAYING("Unreleased reference",
			      CT_GET,
			      ACCEPT);
}

NF_TEST_F(ct, lookup_leaked)
{
	EXPECT_REFUSED_SAYING("Unreleased reference",
			      ZERO_64,
			      TUPLE_AND_OPTS,
			      CT_LOOKUP,
			      ACCEPT);
	EXPECT_LOADS(ZERO_64,
		     TUPLE_AND_OPTS,
		     CT_LOOKUP,
		     BPF_JMP_IMM(BPF_JEQ, BPF_REG_0, 0, 2),
		     BPF_MOV64_REG(BPF_REG_1, BPF_REG_0),
		     CT_RELEASE,
		     ACCEPT);
}

/* What a function does behind a tail call is not done when that succeeds. */
NF_TEST_F(ct, release_behind_a_tail_call)
{
	EXPECT_REFUSED_OF_SKELETON(verifier_kfunc, releases_behind,
				   "Unreleased reference");
	EXPECT_LOADS_OF_SKELETON(verifier_kfunc, releases_before);
}

/* It is for who acquired it to find that. No warning, which would taint the kernel. */
NF_TEST_F(ct, null_of_the_caller)
{
	EXPECT_REFUSED_OF_SKELETON(verifier_kfunc, callback_finds_null,
				   "Unreleased reference");
	EXPECT_LOADS_OF_SKELETON(verifier_kfunc, releases_before);
}

/* What a function has acquired that a callback called. */
NF_TEST_F(ct, leaked_below_a_callback)
{
	EXPECT_REFUSED_OF_SKELETON(verifier_kfunc, callback_leaks_below,
				   "Unreleased reference");
	EXPECT_LOADS_OF_SKELETON(verifier_kfunc, callback_releases_below);
}

NF_TEST_F(ct, release_twice)
{
	EXPECT_REFUSED_SAYING("arg#0 pointer type STRUCT nf_conn",
			      CT_GET,
			      BPF_JMP_IMM(BPF_JEQ, BPF_REG_0, 0, 5),
			      BPF_MOV64_REG(BPF_REG_6, BPF_REG_0),
			      BPF_MOV64_REG(BPF_REG_1, BPF_REG_6),
			      CT_RELEASE,
			      BPF_MOV64_REG(BPF_REG_1, BPF_REG_6),
			      CT_RELEASE,
			      ACCEPT);
}

NF_TEST_F(ct, use_after_release)
{
	EXPECT_REFUSED_SAYING("R6 invalid mem access 'scalar'",
			      CT_GET,
			      BPF_JMP_IMM(BPF_JEQ, BPF_REG_0, 0, 4),
			      BPF_MOV64_REG(BPF_REG_6, BPF_REG_0),
			      BPF_MOV64_REG(BPF_REG_1, BPF_REG_6),
			      CT_RELEASE,
			      BPF_LDX_MEM(BPF_DW, BPF_REG_1, BPF_REG_6, self->status),
			      ACCEPT);
}

/* The context has to be this program's, at its beginning. */
NF_TEST_F(ct, context_of_the_stack)
{
	EXPECT_REFUSED_SAYING("expected pointer to ctx",
			      ZERO_64,
			      STACK(BPF_REG_1, -64),
			      CT_GET,
			      BPF_JMP_IMM(BPF_JEQ, BPF_REG_0, 0, 2),
			      BPF_MOV64_REG(BPF_REG_1, BPF_REG_0),
			      CT_RELEASE,
			      ACCEPT);
}

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

/* r7: the packet, 20 bytes of which are there, or the program jumps over @insns. */
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

/* An answer may move the packet: what pointed to it is loaded anew. */
NF_TEST_F(kfunc, packet_loaded_again_after_reject)
{
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

#define INFO(size, off)							\
	ZERO_64,								\
	STACK(BPF_REG_2, off),					\
	BPF_MOV64_IMM(BPF_REG_3, size),					\
	CT_INFO,							\
	ACCEPT

NF_TEST_F(ct, info)
{
	EXPECT_LOADS(INFO(16, -16));
}

NF_TEST_F(ct, info_beyond_the_stack)
{
	EXPECT_REFUSED_SAYING("stack R2 off=-16 size=17", INFO(17, -16));
}

NF_TEST_F(ct, info_of_a_negative_size)
{
	EXPECT_REFUSED_SAYING("R3 min value is negative", INFO(-1, -16));
}

NF_TEST_F(ct, info_of_an_unbounded_size)
{
	EXPECT_REFUSED_SAYING("unbounded memory access",
			      BPF_MOV64_REG(BPF_REG_6, BPF_REG_1),
			      CALL(BPF_FUNC_get_prandom_u32),
			      BPF_MOV32_REG(BPF_REG_3, BPF_REG_0),
			      BPF_MOV64_REG(BPF_REG_1, BPF_REG_6),
			      ZERO_64,
			      STACK(BPF_REG_2, -64),
			      CT_INFO,
			      ACCEPT);
}

NF_TEST_F(ct, alloc_and_insert)
{
	EXPECT_LOADS(ZERO_64,
		     TUPLE_AND_OPTS,
		     CT_ALLOC,
		     BPF_JMP_IMM(BPF_JEQ, BPF_REG_0, 0, 9),
		     BPF_MOV64_REG(BPF_REG_6, BPF_REG_0),
		     BPF_MOV64_REG(BPF_REG_1, BPF_REG_6),
		     BPF_MOV64_IMM(BPF_REG_2, 1000),
		     CT_SET_TIMEOUT,
		     BPF_MOV64_REG(BPF_REG_1, BPF_REG_6),
		     CT_INSERT,
		     BPF_JMP_IMM(BPF_JEQ, BPF_REG_0, 0, 2),
		     BPF_MOV64_REG(BPF_REG_1, BPF_REG_0),
		     CT_RELEASE,
		     ACCEPT);
}

NF_TEST_F(ct, alloc_leaked)
{
	EXPECT_REFUSED_SAYING("Unreleased reference",
			      ZERO_64,
			      TUPLE_AND_OPTS,
			      CT_ALLOC,
			      ACCEPT);
}

NF_TEST_F(ct, inserted_entry_leaked)
{
	EXPECT_REFUSED_SAYING("Unreleased reference",
			      ZERO_64,
			      TUPLE_AND_OPTS,
			      CT_ALLOC,
			      BPF_JMP_IMM(BPF_JEQ, BPF_REG_0, 0, 2),
			      BPF_MOV64_REG(BPF_REG_1, BPF_REG_0),
			      CT_INSERT,
			      ACCEPT);
}

/* An entry of a packet is not one that can be inserted, nor made ready for it. */
NF_TEST_F(ct, insert_of_the_packets_entry)
{
	EXPECT_REFUSED_SAYING("expected pointer to STRUCT nf_conn___init",
			      CT_GET,
			      BPF_JMP_IMM(BPF_JEQ, BPF_REG_0, 0, 2),
			      BPF_MOV64_REG(BPF_REG_1, BPF_REG_0),
			      CT_INSERT,
			      ACCEPT);
}

NF_TEST_F(ct, set_timeout_of_the_packets_entry)
{
	EXPECT_REFUSED_SAYING("expected pointer to STRUCT nf_conn___init",
			      CT_GET,
			      BPF_JMP_IMM(BPF_JEQ, BPF_REG_0, 0, 3),
			      BPF_MOV64_REG(BPF_REG_1, BPF_REG_0),
			      BPF_MOV64_IMM(BPF_REG_2, 1000),
			      CT_SET_TIMEOUT,
			      ACCEPT);
}

NF_TEST_F(ct, change_timeout)
{
	EXPECT_LOADS(CT_GET,
		     BPF_JMP_IMM(BPF_JEQ, BPF_REG_0, 0, 6),
		     BPF_MOV64_REG(BPF_REG_6, BPF_REG_0),
		     BPF_MOV64_REG(BPF_REG_1, BPF_REG_6),
		     BPF_MOV64_IMM(BPF_REG_2, 1000),
		     CT_CHANGE_TIMEOUT,
		     BPF_MOV64_REG(BPF_REG_1, BPF_REG_6),
		     CT_RELEASE,
		     ACCEPT);
}

/* A pointer that was walked to, and nobody holds. */
NF_TEST_F(ct, release_of_what_was_not_acquired)
{
	EXPECT_REFUSED_SAYING("expected pointer to STRUCT nf_conn but R1 has",
			      BPF_LDX_MEM(BPF_DW, BPF_REG_1, BPF_REG_1, self->ctx_skb),
			      CT_RELEASE,
			      ACCEPT);
}

NF_TEST_F(ct, set_nat)
{
	EXPECT_LOADS(ZERO_64,
		     STACK(BPF_REG_2, -16),
		     BPF_MOV64_IMM(BPF_REG_3, 80),
		     BPF_MOV64_IMM(BPF_REG_4, 1),
		     CT_SET_NAT,
		     ACCEPT);
}

NF_TEST_F(ct, set_nat_to_a_short_address)
{
	EXPECT_REFUSED_SAYING("stack R2 off=-4 size=16",
			      ZERO_64,
			      STACK(BPF_REG_2, -4),
			      BPF_MOV64_IMM(BPF_REG_3, 80),
			      BPF_MOV64_IMM(BPF_REG_4, 1),
			      CT_SET_NAT,
			      ACCEPT);
}

/* There may be no master. */
NF_TEST_F(ct, set_nat_to_an_address_of_the_kernel)
{
	EXPECT_REFUSED_SAYING("must be referenced",
			      BPF_MOV64_REG(BPF_REG_7, BPF_REG_1),
			      CT_GET,
			      BPF_JMP_IMM(BPF_JEQ, BPF_REG_0, 0, 9),
			      BPF_MOV64_REG(BPF_REG_6, BPF_REG_0),
			      BPF_LDX_MEM(BPF_DW, BPF_REG_2, BPF_REG_0, self->master),
			      BPF_ALU64_IMM(BPF_ADD, BPF_REG_2, self->address),
			      BPF_MOV64_REG(BPF_REG_1, BPF_REG_7),
			      BPF_MOV64_IMM(BPF_REG_3, 80),
			      BPF_MOV64_IMM(BPF_REG_4, 1),
			      CT_SET_NAT,
			      BPF_MOV64_REG(BPF_REG_1, BPF_REG_6),
			      CT_RELEASE,
			      ACCEPT);
}

NF_TEST_F(ct, set_nat_info_of_the_packets_entry)
{
	EXPECT_REFUSED_SAYING("expected pointer to STRUCT nf_conn___init",
			      ZERO_64,
			      CT_GET,
			      BPF_JMP_IMM(BPF_JEQ, BPF_REG_0, 0, 6),
			      BPF_MOV64_REG(BPF_REG_1, BPF_REG_0),
			      STACK(BPF_REG_2, -16),
			      BPF_MOV64_IMM(BPF_REG_3, 80),
			      BPF_MOV64_IMM(BPF_REG_4, 1),
			      CT_SET_NAT_INFO,
			      ACCEPT);
	EXPECT_LOADS(ZERO_64,
		     TUPLE_AND_OPTS,
		     CT_ALLOC,
		     BPF_JMP_IMM(BPF_JEQ, BPF_REG_0, 0, 12),
		     BPF_MOV64_REG(BPF_REG_6, BPF_REG_0),
		     BPF_MOV64_REG(BPF_REG_1, BPF_REG_6),
		     STACK(BPF_REG_2, -16),
		     BPF_MOV64_IMM(BPF_REG_3, 80),
		     BPF_MOV64_IMM(BPF_REG_4, 1),
		     CT_SET_NAT_INFO,
		     BPF_MOV64_REG(BPF_REG_1, BPF_REG_6),
		     CT_INSERT,
		     BPF_JMP_IMM(BPF_JEQ, BPF_REG_0, 0, 2),
		     BPF_MOV64_REG(BPF_REG_1, BPF_REG_0),
		     CT_RELEASE,
		     ACCEPT);
}

#define STORE(member, size)						\
	CT_GET,								\
	BPF_JMP_IMM(BPF_JEQ, BPF_REG_0, 0, 4),				\
	BPF_MOV64_REG(BPF_REG_1, BPF_REG_0),				\
	BPF_MOV64_IMM(BPF_REG_2, 0),					\
	BPF_STX_MEM(size, BPF_REG_1, BPF_REG_2, self->member),		\
	CT_RELEASE,							\
	ACCEPT

NF_TEST_F(ct, store_mark)
{
	EXPECT_LOADS(STORE(mark, BPF_W));
}

/* What is walked to may be NULL, or gone. */
NF_TEST_F(ct, store_mark_of_another_entry)
{
	EXPECT_REFUSED(EACCES, "store to kernel 'struct nf_conn' needs a reference on it",
		       CT_GET,
		       BPF_JMP_IMM(BPF_JEQ, BPF_REG_0, 0, 6),
		       BPF_MOV64_REG(BPF_REG_6, BPF_REG_0),
		       BPF_LDX_MEM(BPF_DW, BPF_REG_1, BPF_REG_6, self->master),
		       BPF_MOV64_IMM(BPF_REG_2, 0),
		       BPF_STX_MEM(BPF_W, BPF_REG_1, BPF_REG_2, self->mark),
		       BPF_MOV64_REG(BPF_REG_1, BPF_REG_6),
		       CT_RELEASE,
		       ACCEPT);
}

NF_TEST_F(ct, store_beyond_mark)
{
	EXPECT_REFUSED_SAYING("beyond the member of nf_conn", STORE(mark, BPF_DW));
}

NF_TEST_F(ct, store_status)
{
	EXPECT_REFUSED_SAYING("no write support to nf_conn", STORE(status, BPF_DW));
}

/* They take the contexts of tc and XDP: to this type they do not exist. */
NF_TEST_F(ct, lookup_of_xdp)
{
	EXPECT_REFUSED_SAYING("bpf_xdp_ct_lookup is not allowed",
			      ZERO_64,
			      STACK(BPF_REG_1, -40),
			      TUPLE_AND_OPTS,
			      KFUNC(CONNTRACK_MODULE, "bpf_xdp_ct_lookup"),
			      ACCEPT);
}

NF_TEST_F(ct, lookup_of_tc)
{
	EXPECT_REFUSED_SAYING("bpf_skb_ct_lookup is not allowed",
			      ZERO_64,
			      TUPLE_AND_OPTS,
			      KFUNC(CONNTRACK_MODULE, "bpf_skb_ct_lookup"),
			      ACCEPT);
}

/* The program is freed a while after its fd is closed. */
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

/* A module stays while a program that calls it is loaded. */
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
	/* With its fd the BTF is there still, and loads no program. */
	EXPECT_REFUSED_SAYING("failed to find BTF",
			      BPF_MOV64_IMM(BPF_REG_2, 1),
			      BPF_MOV64_IMM(BPF_REG_3, 0),
			      REJECT,
			      ACCEPT);
	EXPECT_EQ(0, system("modprobe nf_bpf_kfunc"));
}

TEST_HARNESS_MAIN
