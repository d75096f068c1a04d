// SPDX-License-Identifier: GPL-2.0
/*
 * Programs that read packets in place, write mark and priority, and call the helpers
 * for packets: the verifier accepts the safe ones and refuses the others.
 */
#include <fcntl.h>
#include <linux/filter.h>

#include <bpf/bpf.h>
#include <bpf/btf.h>

#include "kselftest_harness.h"
#include "helpers/nf_test.h"
#include "helpers/nf_verifier.h"
#include "verifier/progs/packet.skel.h"

enum { FIB_PARAMS = 64, INFO_SIZE = 12 };

/* Offsets of members of the context, and the BTF id of bpf_nf_frag_info(). */
static int off_data, off_data_end, off_mark, off_priority, frag_info;

__attribute__((constructor))
static void find_offsets(void)
{
	struct btf *btf = btf__load_vmlinux_btf();

	off_data = nf_btf_offset("bpf_nf_ctx", "data");
	off_data_end = nf_btf_offset("bpf_nf_ctx", "data_end");
	off_mark = nf_btf_offset("bpf_nf_ctx", "mark");
	off_priority = nf_btf_offset("bpf_nf_ctx", "priority");
	frag_info = btf__find_by_name_kind(btf, "bpf_nf_frag_info", BTF_KIND_FUNC);
}

static const char *missing(void)
{
	return off_data > 0 && off_data_end > 0 && off_mark > 0 &&
	       off_priority > 0 && frag_info > 0 ? NULL : "packet pointers";
}

/* --- the context's members --------------------------------------------------- */

FIXTURE(field)
{
	const char *lacks;
	char log[65536];
	int off;
};

FIXTURE_VARIANT(field)
{
	const int *member;
	int delta;
	int size;
	bool load;
	bool store;
};

#define FIELD_CASE(name, _member, _delta, _size, _load, _store)		\
	FIXTURE_VARIANT_ADD(field, name)				\
	{								\
		.member = &off_##_member,				\
		.delta = _delta,					\
		.size = _size,						\
		.load = _load,						\
		.store = _store,					\
	}

FIELD_CASE(data_8, data, 0, BPF_DW, true, false);
FIELD_CASE(data_4, data, 0, BPF_W, false, false);
FIELD_CASE(data_4_upper, data, 4, BPF_W, false, false);
FIELD_CASE(data_2, data, 0, BPF_H, false, false);
FIELD_CASE(data_1, data, 0, BPF_B, false, false);
FIELD_CASE(data_misaligned_1, data, 1, BPF_DW, false, false);
FIELD_CASE(data_misaligned_4, data, 4, BPF_DW, false, false);
FIELD_CASE(data_end_8, data_end, 0, BPF_DW, true, false);
FIELD_CASE(data_end_4, data_end, 0, BPF_W, false, false);
FIELD_CASE(data_end_4_upper, data_end, 4, BPF_W, false, false);
FIELD_CASE(data_end_2, data_end, 0, BPF_H, false, false);
FIELD_CASE(data_end_1, data_end, 0, BPF_B, false, false);
FIELD_CASE(data_end_misaligned, data_end, 4, BPF_DW, false, false);
FIELD_CASE(mark_4, mark, 0, BPF_W, true, true);
FIELD_CASE(mark_8, mark, 0, BPF_DW, false, false);
FIELD_CASE(mark_2, mark, 0, BPF_H, true, false);
FIELD_CASE(mark_2_upper, mark, 2, BPF_H, true, false);
FIELD_CASE(mark_1, mark, 0, BPF_B, true, false);
FIELD_CASE(mark_1_last, mark, 3, BPF_B, true, false);
FIELD_CASE(mark_misaligned, mark, 2, BPF_W, false, false);
FIELD_CASE(mark_misaligned_2, mark, 1, BPF_H, false, false);
FIELD_CASE(priority_4, priority, 0, BPF_W, true, true);
FIELD_CASE(priority_8, priority, 0, BPF_DW, false, false);
FIELD_CASE(priority_2, priority, 0, BPF_H, true, false);
FIELD_CASE(priority_2_upper, priority, 2, BPF_H, true, false);
FIELD_CASE(priority_1_last, priority, 3, BPF_B, true, false);
FIELD_CASE(priority_misaligned, priority, 2, BPF_W, false, false);

FIXTURE_SETUP(field)
{
	self->lacks = missing();
	self->off = *variant->member + variant->delta;
}

FIXTURE_TEARDOWN(field)
{
}

#define CTX "invalid bpf_context access"

/* The message for a misaligned access may differ. */
#define EXPECT_NO_ACCESS(...) do {					\
	EXPECT_EQ(-EACCES, LOAD_AS("GPL", __VA_ARGS__));		\
	EXPECT_TRUE(strstr(self->log, CTX) ||				\
		    strstr(self->log, "misaligned context access"))	\
		TH_LOG("%s", self->log);				\
} while (0)

NF_TEST_F(field, load)
{
	if (variant->load)
		EXPECT_LOADS(BPF_LDX_MEM(variant->size, BPF_REG_2, BPF_REG_1, self->off),
			     RETURN(NF_ACCEPT));
	else
		EXPECT_NO_ACCESS(BPF_LDX_MEM(variant->size, BPF_REG_2, BPF_REG_1, self->off),
				 RETURN(NF_ACCEPT));
}

NF_TEST_F(field, store)
{
	if (variant->store)
		EXPECT_LOADS(BPF_MOV64_IMM(BPF_REG_2, 1),
			     BPF_STX_MEM(variant->size, BPF_REG_1, BPF_REG_2, self->off),
			     RETURN(NF_ACCEPT));
	else
		EXPECT_NO_ACCESS(BPF_MOV64_IMM(BPF_REG_2, 1),
				 BPF_STX_MEM(variant->size, BPF_REG_1, BPF_REG_2, self->off),
				 RETURN(NF_ACCEPT));
}

/* As in tc, a loader with CAP_PERFMON may store pointers, and others may not. */
FIXTURE(pointer_store)
{
	const char *lacks;
	char log[65536];
};

FIXTURE_VARIANT(pointer_store)
{
	const int *member;
};

FIXTURE_VARIANT_ADD(pointer_store, mark)
{
	.member = &off_mark,
};

FIXTURE_VARIANT_ADD(pointer_store, priority)
{
	.member = &off_priority,
};

FIXTURE_SETUP(pointer_store)
{
	self->lacks = missing();
}

FIXTURE_TEARDOWN(pointer_store)
{
}

NF_TEST_F(pointer_store, needs_perfmon)
{
	const int off = *variant->member;

	ASSERT_EQ(0, nf_set_caps(CAPS_OF_A_LOADER));
	EXPECT_REFUSED(EACCES, "leaks addr into ctx",
		       BPF_STX_MEM(BPF_W, BPF_REG_1, BPF_REG_10, off),
		       RETURN(NF_ACCEPT));
	EXPECT_REFUSED(EACCES, "leaks addr into ctx",
		       BPF_LDX_MEM(BPF_DW, BPF_REG_2, BPF_REG_1, off_data),
		       BPF_STX_MEM(BPF_W, BPF_REG_1, BPF_REG_2, off),
		       RETURN(NF_ACCEPT));
	EXPECT_LOADS(BPF_MOV64_IMM(BPF_REG_2, 1),
		     BPF_STX_MEM(BPF_W, BPF_REG_1, BPF_REG_2, off),
		     RETURN(NF_ACCEPT));
}

/* --- packet pointers --------------------------------------------------------- */

FIXTURE(packet)
{
	const char *lacks;
	char log[65536];
	int array, events;
};

FIXTURE_SETUP(packet)
{
	self->lacks = missing();
	self->array = bpf_map_create(BPF_MAP_TYPE_ARRAY, "array", 4, 8, 1, NULL);
	self->events = bpf_map_create(BPF_MAP_TYPE_PERF_EVENT_ARRAY, "events", 4, 4,
				      1, NULL);
	ASSERT_LE(0, self->array);
	ASSERT_LE(0, self->events);
}

FIXTURE_TEARDOWN(packet)
{
	close(self->array);
	close(self->events);
}

#define NO_PACKET	"invalid access to packet"
#define NO_HELPER	"helper access to the packet is not allowed"
#define FORGOTTEN	"R7 invalid mem access"
#define UNINITIALISED	"invalid indirect read from stack"
#define GPL_HELPER	"cannot call GPL-restricted function"

#define FRAG_INFO	CALL_KFUNC(0, frag_info)

/* R6 is the context, R7 data, R8 data_end. */
#define POINTERS							\
	BPF_MOV64_REG(BPF_REG_6, BPF_REG_1),				\
	BPF_LDX_MEM(BPF_DW, BPF_REG_7, BPF_REG_6, off_data),		\
	BPF_LDX_MEM(BPF_DW, BPF_REG_8, BPF_REG_6, off_data_end)

/* Exit unless @bytes bytes are linear from R7 on. */
#define CHECK(bytes)							\
	BPF_MOV64_REG(BPF_REG_4, BPF_REG_7),				\
	BPF_ALU64_IMM(BPF_ADD, BPF_REG_4, bytes),			\
	BPF_JMP_REG(BPF_JLE, BPF_REG_4, BPF_REG_8, 2),			\
	RETURN(NF_ACCEPT)

#define READ(size, off)							\
	BPF_LDX_MEM(size, BPF_REG_5, BPF_REG_7, off)

NF_TEST_F(packet, read_without_a_check)
{
	EXPECT_REFUSED(EACCES, NO_PACKET,
		       POINTERS, READ(BPF_B, 0), RETURN(NF_ACCEPT));
}

NF_TEST_F(packet, read_with_a_check)
{
	EXPECT_LOADS(POINTERS, CHECK(20), READ(BPF_B, 0), READ(BPF_B, 19),
		     READ(BPF_H, 18), READ(BPF_W, 16), READ(BPF_DW, 12),
		     RETURN(NF_ACCEPT));
}

NF_TEST_F(packet, read_one_byte_too_far)
{
	EXPECT_REFUSED(EACCES, NO_PACKET,
		       POINTERS, CHECK(20), READ(BPF_B, 20), RETURN(NF_ACCEPT));
	EXPECT_REFUSED(EACCES, NO_PACKET,
		       POINTERS, CHECK(20), READ(BPF_W, 17), RETURN(NF_ACCEPT));
}

NF_TEST_F(packet, read_before_the_network_header)
{
	EXPECT_GT(0, LOAD_AS("GPL",
			     POINTERS, CHECK(20), READ(BPF_B, -1), RETURN(NF_ACCEPT)));
	EXPECT_NE(NULL, strstr(self->log, "R7 offset is outside of the packet") ?:
		  strstr(self->log, "R7 min value is negative"))
		TH_LOG("%s", self->log);
}

NF_TEST_F(packet, read_with_the_wrong_branch)
{
	EXPECT_REFUSED(EACCES, NO_PACKET,
		       POINTERS,
		       BPF_MOV64_REG(BPF_REG_4, BPF_REG_7),
		       BPF_ALU64_IMM(BPF_ADD, BPF_REG_4, 20),
		       BPF_JMP_REG(BPF_JGT, BPF_REG_4, BPF_REG_8, 2),
		       RETURN(NF_ACCEPT), READ(BPF_B, 0), RETURN(NF_ACCEPT));
}

NF_TEST_F(packet, write)
{
	EXPECT_REFUSED(EACCES, "cannot write into packet",
		       POINTERS, CHECK(20),
		       BPF_MOV64_IMM(BPF_REG_5, 0),
		       BPF_STX_MEM(BPF_B, BPF_REG_7, BPF_REG_5, 0),
		       RETURN(NF_ACCEPT));
	EXPECT_REFUSED(EACCES, "cannot write into packet",
		       POINTERS, CHECK(20),
		       BPF_ST_MEM(BPF_W, BPF_REG_7, 16, 0),
		       RETURN(NF_ACCEPT));
}

NF_TEST_F(packet, atomic_add)
{
	EXPECT_REFUSED(EACCES, "not allowed",
		       POINTERS, CHECK(20),
		       BPF_MOV64_IMM(BPF_REG_5, 1),
		       BPF_ATOMIC_OP(BPF_W, BPF_ADD, BPF_REG_7, BPF_REG_5, 0),
		       RETURN(NF_ACCEPT));
}

NF_TEST_F(packet, arithmetic_on_data_end)
{
	EXPECT_REFUSED(EACCES, "pointer arithmetic on pkt_end",
		       POINTERS,
		       BPF_ALU64_IMM(BPF_ADD, BPF_REG_8, 8),
		       RETURN(NF_ACCEPT));
}

NF_TEST_F(packet, read_behind_data_end)
{
	EXPECT_REFUSED(EACCES, "R8 invalid mem access 'pkt_end'",
		       POINTERS, CHECK(20),
		       BPF_LDX_MEM(BPF_B, BPF_REG_5, BPF_REG_8, 0),
		       RETURN(NF_ACCEPT));
}

/* Add a header length, which is a number from the packet, to R7. */
#define VARIABLE(mask)							\
	READ(BPF_B, 0),							\
	BPF_ALU64_IMM(BPF_AND, BPF_REG_5, mask),			\
	BPF_ALU64_REG(BPF_ADD, BPF_REG_7, BPF_REG_5)

NF_TEST_F(packet, variable_offset)
{
	EXPECT_LOADS(POINTERS, CHECK(20), VARIABLE(0x3c), CHECK(8), READ(BPF_H, 2),
		     READ(BPF_B, 7), RETURN(NF_ACCEPT));
}

NF_TEST_F(packet, variable_offset_without_a_check)
{
	EXPECT_REFUSED(EACCES, NO_PACKET,
		       POINTERS, CHECK(20), VARIABLE(0x3c), READ(BPF_H, 2),
		       RETURN(NF_ACCEPT));
}

/* A check before the addition does not bound reads after the addition. */
NF_TEST_F(packet, variable_offset_with_an_old_check)
{
	EXPECT_REFUSED(EACCES, NO_PACKET,
		       POINTERS, CHECK(100), VARIABLE(0x3c), CHECK(2), READ(BPF_W, 0),
		       RETURN(NF_ACCEPT));
}

NF_TEST_F(packet, offset_without_bounds)
{
	EXPECT_REFUSED_SAYING("unbounded min value",
			      POINTERS,
			      CALL(BPF_FUNC_ktime_get_ns),
			      BPF_ALU64_REG(BPF_ADD, BPF_REG_7, BPF_REG_0),
			      CHECK(1), READ(BPF_B, 0), RETURN(NF_ACCEPT));
}

NF_TEST_F(packet, spill_and_fill)
{
	EXPECT_LOADS(POINTERS,
		     CHECK(20),
		     BPF_STX_MEM(BPF_DW, BPF_REG_10, BPF_REG_7, -8),
		     BPF_STX_MEM(BPF_DW, BPF_REG_10, BPF_REG_8, -16),
		     CALL(BPF_FUNC_ktime_get_ns),
		     BPF_LDX_MEM(BPF_DW, BPF_REG_7, BPF_REG_10, -8),
		     BPF_LDX_MEM(BPF_DW, BPF_REG_8, BPF_REG_10, -16),
		     READ(BPF_B, 19),
		     CHECK(40), READ(BPF_B, 39), RETURN(NF_ACCEPT));
}

/* A check of the register also holds for its copy on the stack. */
NF_TEST_F(packet, spill_before_the_check)
{
	EXPECT_LOADS(POINTERS,
		     BPF_STX_MEM(BPF_DW, BPF_REG_10, BPF_REG_7, -8),
		     CHECK(20),
		     BPF_LDX_MEM(BPF_DW, BPF_REG_7, BPF_REG_10, -8),
		     READ(BPF_B, 19), RETURN(NF_ACCEPT));
}

NF_TEST_F(packet, spill_into_a_map)
{
	ASSERT_EQ(0, nf_set_caps(CAPS_OF_A_LOADER));
	EXPECT_REFUSED(EACCES, "leaks addr into map",
		       POINTERS,
		       BPF_ST_MEM(BPF_W, BPF_REG_10, -4, 0),
		       STACK(BPF_REG_2, -4),
		       BPF_LD_MAP_FD(BPF_REG_1, self->array),
		       CALL(BPF_FUNC_map_lookup_elem),
		       BPF_JMP_IMM(BPF_JNE, BPF_REG_0, 0, 2),
		       RETURN(NF_ACCEPT),
		       BPF_STX_MEM(BPF_DW, BPF_REG_0, BPF_REG_7, 0),
		       RETURN(NF_ACCEPT));
}

#define LOOP(limit, step)						\
	POINTERS,							\
	BPF_MOV64_IMM(BPF_REG_9, 0),					\
	BPF_MOV64_REG(BPF_REG_4, BPF_REG_7),				\
	BPF_ALU64_IMM(BPF_ADD, BPF_REG_4, 1),				\
	BPF_JMP_REG(BPF_JGT, BPF_REG_4, BPF_REG_8, 4),			\
	READ(BPF_B, 0),							\
	step,								\
	BPF_ALU64_IMM(BPF_ADD, BPF_REG_9, 1),				\
	limit,								\
	RETURN(NF_ACCEPT)

NF_TEST_F(packet, bounded_loop)
{
	EXPECT_LOADS(LOOP(BPF_JMP_IMM(BPF_JLT, BPF_REG_9, 40, -7),
			  BPF_MOV64_REG(BPF_REG_7, BPF_REG_4)));
}

NF_TEST_F(packet, endless_loop)
{
	EXPECT_REFUSED_SAYING("infinite loop detected",
			      LOOP(BPF_JMP_A(-7), BPF_MOV64_IMM(BPF_REG_9, -1)));
}

/* The subprogram(data, data_end) follows the main program. */
NF_TEST_F(packet, subprogram)
{
	EXPECT_LOADS(POINTERS,
		     BPF_MOV64_REG(BPF_REG_1, BPF_REG_7),
		     BPF_MOV64_REG(BPF_REG_2, BPF_REG_8),
		     CALL_SUBPROGRAM(2),
		     RETURN(NF_ACCEPT),
		     BPF_MOV64_REG(BPF_REG_7, BPF_REG_1),
		     BPF_MOV64_REG(BPF_REG_8, BPF_REG_2),
		     CHECK(20), READ(BPF_B, 19), RETURN(0));
}

NF_TEST_F(packet, subprogram_without_a_check)
{
	EXPECT_REFUSED(EACCES, NO_PACKET,
		       POINTERS,
		       BPF_MOV64_REG(BPF_REG_1, BPF_REG_7),
		       CALL_SUBPROGRAM(2),
		       RETURN(NF_ACCEPT),
		       BPF_LDX_MEM(BPF_B, BPF_REG_0, BPF_REG_1, 0),
		       BPF_EXIT_INSN());
}

/* A pointer that the caller has checked needs no second check. */
NF_TEST_F(packet, subprogram_after_the_callers_check)
{
	EXPECT_LOADS(POINTERS, CHECK(20),
		     BPF_MOV64_REG(BPF_REG_1, BPF_REG_7),
		     CALL_SUBPROGRAM(2),
		     RETURN(NF_ACCEPT),
		     BPF_LDX_MEM(BPF_B, BPF_REG_0, BPF_REG_1, 19),
		     BPF_EXIT_INSN());
}

/* Does the verifier check speculative reads? Kernels after 6.1 do so only if the processor's
 * mitigation for Spectre v1 is on.
 */
static bool looks_ahead(void)
{
	const char *base = getenv("NF_BPF_BASE");
	char line[256] = "";
	FILE *file;

	if (base && !strcmp(base, "6.1"))
		return true;
	file = fopen("/sys/devices/system/cpu/vulnerabilities/spectre_v1", "r");
	if (!file)
		return false;
	if (!fgets(line, sizeof(line), file))
		line[0] = '\0';
	fclose(file);
	return !strncmp(line, "Mitigation", strlen("Mitigation"));
}

/* As in tc, packet pointers are allowed, but not with an offset from the packet itself: it
 * could make a processor read elsewhere speculatively.
 */
NF_TEST_F(packet, without_cap_perfmon)
{
	ASSERT_EQ(0, nf_set_caps(CAPS_OF_A_LOADER));
	EXPECT_LOADS(POINTERS, CHECK(40), READ(BPF_B, 0), READ(BPF_H, 38),
		     RETURN(NF_ACCEPT));
	EXPECT_LOADS(BPF_LDX_MEM(BPF_W, BPF_REG_2, BPF_REG_1, off_mark),
		     BPF_STX_MEM(BPF_W, BPF_REG_1, BPF_REG_2, off_priority),
		     RETURN(NF_ACCEPT));
	if (looks_ahead())
		EXPECT_REFUSED(EACCES, "prohibited for !root",
			       POINTERS, CHECK(20), VARIABLE(0x3c), CHECK(8),
			       READ(BPF_H, 2), RETURN(NF_ACCEPT));
	EXPECT_REFUSED(EACCES, "leaks addr",
		       BPF_LDX_MEM(BPF_DW, BPF_REG_0, BPF_REG_1, off_data),
		       BPF_EXIT_INSN());
}

NF_TEST_F(packet, by_a_non_gpl_program)
{
	int fd = LOAD_AS("Proprietary",
			 POINTERS, CHECK(20), READ(BPF_B, 19), RETURN(NF_ACCEPT));

	EXPECT_LE(0, fd)
		TH_LOG("%s", self->log);
	close(fd);
}

/* --- constants in the machine code -------------------------------------------- */

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
	BPF_LDX_MEM(BPF_W, BPF_REG_8, BPF_REG_6, off_priority),		\
	BPF_LDX_MEM(BPF_W, BPF_REG_9, BPF_REG_6, off_priority),		\
	BPF_MOV64_REG(ctx, BPF_REG_6),					\
	BPF_ST_MEM(BPF_W, ctx, off_mark, CONSTANT),			\
	BPF_LDX_MEM(BPF_W, BPF_REG_2, ctx, off_mark),			\
	BPF_MOV64_IMM(ctx, 0),						\
	BPF_ALU64_IMM(BPF_SUB, BPF_REG_2, CONSTANT - 1),		\
	BPF_MOV64_IMM(BPF_REG_0, NF_DROP),				\
	BPF_JMP_IMM(BPF_JNE, BPF_REG_2, 1, 3),				\
	BPF_JMP_IMM(BPF_JNE, BPF_REG_8, 0, 2),				\
	BPF_JMP_IMM(BPF_JNE, BPF_REG_9, 0, 1),				\
	BPF_MOV64_IMM(BPF_REG_0, NF_ACCEPT),				\
	BPF_EXIT_INSN()

NF_TEST_F(packet, stores_of_constants)
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
	plain = LOAD_AS("GPL", STORE_CONSTANT(BPF_REG_6));
	ASSERT_EQ(0, write_harden('2'));
	blinded = LOAD_AS("GPL", STORE_CONSTANT(BPF_REG_6));
	through_r9 = LOAD_AS("GPL", STORE_CONSTANT(BPF_REG_9));
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

/* --- packet pointers after a call of a helper -------------------------------- */

/* Valid arguments of the helpers. */
#define ARGUMENTS_LOAD_BYTES						\
	BPF_MOV64_REG(BPF_REG_1, BPF_REG_6),				\
	BPF_MOV64_IMM(BPF_REG_2, 0),					\
	STACK(BPF_REG_3, -64),						\
	BPF_MOV64_IMM(BPF_REG_4, 8),					\
	BPF_MOV64_IMM(BPF_REG_5, BPF_HDR_START_NET)

#define ARGUMENTS_STORE_BYTES						\
	BPF_ST_MEM(BPF_DW, BPF_REG_10, -64, 0),				\
	BPF_MOV64_REG(BPF_REG_1, BPF_REG_6),				\
	BPF_MOV64_IMM(BPF_REG_2, 0),					\
	STACK(BPF_REG_3, -64),						\
	BPF_MOV64_IMM(BPF_REG_4, 8),					\
	BPF_MOV64_IMM(BPF_REG_5, 0)

#define ARGUMENTS_PULL_DATA						\
	BPF_MOV64_REG(BPF_REG_1, BPF_REG_6),				\
	BPF_MOV64_IMM(BPF_REG_2, 0)

#define ARGUMENTS_CSUM_REPLACE						\
	BPF_MOV64_REG(BPF_REG_1, BPF_REG_6),				\
	BPF_MOV64_IMM(BPF_REG_2, 10),					\
	BPF_MOV64_IMM(BPF_REG_3, 0),					\
	BPF_MOV64_IMM(BPF_REG_4, 0),					\
	BPF_MOV64_IMM(BPF_REG_5, 2)

#define EXPECT_FORGETS(arguments, func) do {				\
	EXPECT_REFUSED(EACCES, FORGOTTEN,				\
		POINTERS, CHECK(20), arguments, CALL(func),		\
		READ(BPF_B, 0), RETURN(NF_ACCEPT));			\
	/* The copy on the stack is invalid, too. */		\
	EXPECT_REFUSED(EACCES, FORGOTTEN,				\
		POINTERS, CHECK(20),					\
		BPF_STX_MEM(BPF_DW, BPF_REG_10, BPF_REG_7, -8),		\
		arguments, CALL(func),					\
		BPF_LDX_MEM(BPF_DW, BPF_REG_7, BPF_REG_10, -8),		\
		READ(BPF_B, 0), RETURN(NF_ACCEPT));			\
	EXPECT_LOADS(							\
		POINTERS, CHECK(20), arguments, CALL(func),		\
		BPF_LDX_MEM(BPF_DW, BPF_REG_7, BPF_REG_6, off_data),	\
		BPF_LDX_MEM(BPF_DW, BPF_REG_8, BPF_REG_6, off_data_end), \
		CHECK(20), READ(BPF_B, 0), RETURN(NF_ACCEPT));		\
} while (0)

NF_TEST_F(packet, pull_data_forgets)
{
	EXPECT_FORGETS(ARGUMENTS_PULL_DATA, BPF_FUNC_skb_pull_data);
}

NF_TEST_F(packet, store_bytes_forgets)
{
	EXPECT_FORGETS(ARGUMENTS_STORE_BYTES, BPF_FUNC_skb_store_bytes);
}

NF_TEST_F(packet, l3_csum_replace_forgets)
{
	EXPECT_FORGETS(ARGUMENTS_CSUM_REPLACE, BPF_FUNC_l3_csum_replace);
}

NF_TEST_F(packet, l4_csum_replace_forgets)
{
	EXPECT_FORGETS(ARGUMENTS_CSUM_REPLACE, BPF_FUNC_l4_csum_replace);
}

/* A helper in a subprogram also makes the caller's packet pointers invalid. */
NF_TEST_F(packet, pull_data_in_a_subprogram_forgets)
{
	EXPECT_REFUSED(EACCES, FORGOTTEN,
		       POINTERS, CHECK(20),
		       BPF_MOV64_REG(BPF_REG_1, BPF_REG_6),
		       CALL_SUBPROGRAM(3),
		       READ(BPF_B, 0),
		       RETURN(NF_ACCEPT),
		       BPF_MOV64_IMM(BPF_REG_2, 0),
		       CALL(BPF_FUNC_skb_pull_data),
		       BPF_EXIT_INSN());
}

#define EXPECT_KEEPS(arguments, func)					\
	EXPECT_LOADS(							\
		POINTERS, CHECK(20), arguments, CALL(func),		\
		READ(BPF_B, 0), RETURN(NF_ACCEPT))

#define ARGUMENTS_FIB_LOOKUP(size)					\
	BPF_MOV64_REG(BPF_REG_1, BPF_REG_6),				\
	STACK(BPF_REG_2, -64),						\
	BPF_MOV64_IMM(BPF_REG_3, size),					\
	BPF_MOV64_IMM(BPF_REG_4, 0)

#define ARGUMENTS_EVENT(map, size)					\
	BPF_MOV64_REG(BPF_REG_1, BPF_REG_6),				\
	BPF_LD_MAP_FD(BPF_REG_2, map),					\
	BPF_MOV64_IMM(BPF_REG_3, 0),					\
	STACK(BPF_REG_4, -64),						\
	BPF_MOV64_IMM(BPF_REG_5, size)

#define ARGUMENTS_CSUM_DIFF						\
	BPF_MOV64_REG(BPF_REG_1, BPF_REG_7),				\
	BPF_MOV64_IMM(BPF_REG_2, 8),					\
	BPF_MOV64_REG(BPF_REG_3, BPF_REG_7),				\
	BPF_ALU64_IMM(BPF_ADD, BPF_REG_3, 8),				\
	BPF_MOV64_IMM(BPF_REG_4, 12),					\
	BPF_MOV64_IMM(BPF_REG_5, 0)

#define ARGUMENTS_CONTEXT						\
	BPF_MOV64_REG(BPF_REG_1, BPF_REG_6)

NF_TEST_F(packet, load_bytes_keeps)
{
	EXPECT_KEEPS(ARGUMENTS_LOAD_BYTES, BPF_FUNC_skb_load_bytes);
	EXPECT_KEEPS(ARGUMENTS_LOAD_BYTES, BPF_FUNC_skb_load_bytes_relative);
}

/* The helper reads from the packet. */
NF_TEST_F(packet, csum_diff_keeps)
{
	EXPECT_KEEPS(ARGUMENTS_CSUM_DIFF, BPF_FUNC_csum_diff);
}

#define LOOK_UP								\
	ZERO_64,							\
	ARGUMENTS_FIB_LOOKUP(FIB_PARAMS)

#define SAMPLE								\
	BPF_ST_MEM(BPF_DW, BPF_REG_10, -64, 0),				\
	ARGUMENTS_EVENT(self->events, 8)

NF_TEST_F(packet, other_helpers_keep)
{
	EXPECT_KEEPS(ARGUMENTS_CONTEXT, BPF_FUNC_get_hash_recalc);
	EXPECT_KEEPS(ARGUMENTS_CONTEXT, BPF_FUNC_get_netns_cookie);
	EXPECT_KEEPS(ARGUMENTS_CONTEXT, BPF_FUNC_get_attach_cookie);
	EXPECT_KEEPS(LOOK_UP, BPF_FUNC_fib_lookup);
	EXPECT_KEEPS(SAMPLE, BPF_FUNC_perf_event_output);
}

/* --- arguments of helpers ---------------------------------------------------- */

/* Pass the stack, then a packet, in place of the context. */
#define EXPECT_NEEDS_CONTEXT(func) do {					\
	EXPECT_REFUSED(EACCES, "R1 type=fp expected=ctx",		\
		POINTERS, ZERO_64, ARGUMENTS_EVENT(self->events, 8),	\
		BPF_MOV64_REG(BPF_REG_1, BPF_REG_10),			\
		CALL(func), RETURN(NF_ACCEPT));				\
	EXPECT_REFUSED(EACCES, NO_HELPER,		\
		POINTERS, ZERO_64, ARGUMENTS_EVENT(self->events, 8),	\
		BPF_MOV64_REG(BPF_REG_1, BPF_REG_7),			\
		CALL(func), RETURN(NF_ACCEPT));				\
} while (0)

NF_TEST_F(packet, wrong_context)
{
	EXPECT_NEEDS_CONTEXT(BPF_FUNC_skb_load_bytes);
	EXPECT_NEEDS_CONTEXT(BPF_FUNC_skb_load_bytes_relative);
	EXPECT_NEEDS_CONTEXT(BPF_FUNC_skb_pull_data);
	EXPECT_NEEDS_CONTEXT(BPF_FUNC_skb_store_bytes);
	EXPECT_NEEDS_CONTEXT(BPF_FUNC_l3_csum_replace);
	EXPECT_NEEDS_CONTEXT(BPF_FUNC_l4_csum_replace);
	EXPECT_NEEDS_CONTEXT(BPF_FUNC_fib_lookup);
	EXPECT_NEEDS_CONTEXT(BPF_FUNC_perf_event_output);
	EXPECT_NEEDS_CONTEXT(BPF_FUNC_get_hash_recalc);
	EXPECT_NEEDS_CONTEXT(BPF_FUNC_get_netns_cookie);
	EXPECT_NEEDS_CONTEXT(BPF_FUNC_get_attach_cookie);
}

NF_TEST_F(packet, no_context)
{
	EXPECT_REFUSED(EACCES, "R1 type=scalar expected=ctx",
		       BPF_MOV64_IMM(BPF_REG_1, 0),
		       CALL(BPF_FUNC_get_hash_recalc), RETURN(NF_ACCEPT));
	EXPECT_LOADS(BPF_MOV64_IMM(BPF_REG_1, 0),
		     CALL(BPF_FUNC_get_netns_cookie), RETURN(NF_ACCEPT));
}

/* load_bytes(ctx, 0, fp + @from, size, NET) */
#define LOAD_BYTES(from, ...)						\
	BPF_MOV64_REG(BPF_REG_6, BPF_REG_1),				\
	CALL(BPF_FUNC_get_prandom_u32),					\
	BPF_MOV64_REG(BPF_REG_1, BPF_REG_6),				\
	BPF_MOV64_IMM(BPF_REG_2, 0),					\
	STACK(BPF_REG_3, from),						\
	__VA_ARGS__,							\
	BPF_MOV64_IMM(BPF_REG_5, BPF_HDR_START_NET)

#define EXPECT_CHECKS_BUFFER(func) do {					\
	EXPECT_LOADS(							\
		LOAD_BYTES(-64, BPF_MOV64_IMM(BPF_REG_4, 64)),		\
		CALL(func), RETURN(NF_ACCEPT));				\
	EXPECT_REFUSED(EACCES, "invalid zero-sized read",		\
		LOAD_BYTES(-64, BPF_MOV64_IMM(BPF_REG_4, 0)),		\
		CALL(func), RETURN(NF_ACCEPT));				\
	EXPECT_REFUSED_SAYING("invalid indirect access to stack",	\
		LOAD_BYTES(-64, BPF_MOV64_IMM(BPF_REG_4, 65)),		\
		CALL(func), RETURN(NF_ACCEPT));				\
	EXPECT_REFUSED(EACCES, "R4 min value is negative",		\
		LOAD_BYTES(-64, BPF_MOV64_IMM(BPF_REG_4, -1)),		\
		CALL(func), RETURN(NF_ACCEPT));				\
	EXPECT_REFUSED(EACCES, "R4 min value is negative",		\
		LOAD_BYTES(-64, BPF_MOV64_REG(BPF_REG_4, BPF_REG_0)),	\
		CALL(func), RETURN(NF_ACCEPT));				\
} while (0)

NF_TEST_F(packet, load_bytes_buffer)
{
	EXPECT_CHECKS_BUFFER(BPF_FUNC_skb_load_bytes);
	EXPECT_CHECKS_BUFFER(BPF_FUNC_skb_load_bytes_relative);
}

/* The packet is read-only. */
NF_TEST_F(packet, load_bytes_into_the_packet)
{
	EXPECT_REFUSED(EACCES, NO_HELPER,
		       POINTERS, CHECK(20), ARGUMENTS_LOAD_BYTES,
		       BPF_MOV64_REG(BPF_REG_3, BPF_REG_7),
		       CALL(BPF_FUNC_skb_load_bytes), RETURN(NF_ACCEPT));
}

NF_TEST_F(packet, store_bytes_buffer)
{
	EXPECT_REFUSED(EACCES, "invalid zero-sized read",
		       POINTERS, ARGUMENTS_STORE_BYTES,
		       BPF_MOV64_IMM(BPF_REG_4, 0),
		       CALL(BPF_FUNC_skb_store_bytes), RETURN(NF_ACCEPT));
	EXPECT_REFUSED_SAYING("invalid indirect access to stack",
			      POINTERS, ARGUMENTS_STORE_BYTES,
			      BPF_MOV64_IMM(BPF_REG_4, 65),
			      CALL(BPF_FUNC_skb_store_bytes), RETURN(NF_ACCEPT));
}

/* The helper may move the packet before it reads the bytes. */
NF_TEST_F(packet, store_bytes_from_the_packet)
{
	EXPECT_REFUSED(EACCES, NO_HELPER,
		       POINTERS, CHECK(20), ARGUMENTS_STORE_BYTES,
		       BPF_MOV64_REG(BPF_REG_3, BPF_REG_7),
		       CALL(BPF_FUNC_skb_store_bytes), RETURN(NF_ACCEPT));
}

NF_TEST_F(packet, csum_diff_of_nothing)
{
	EXPECT_LOADS(POINTERS, CHECK(20), ARGUMENTS_CSUM_DIFF,
		     BPF_MOV64_IMM(BPF_REG_1, 0),
		     BPF_MOV64_IMM(BPF_REG_2, 0),
		     CALL(BPF_FUNC_csum_diff), RETURN(NF_ACCEPT));
	EXPECT_REFUSED(EACCES, "R1 type=scalar expected=fp",
		       POINTERS, CHECK(20), ARGUMENTS_CSUM_DIFF,
		       BPF_MOV64_IMM(BPF_REG_1, 0),
		       CALL(BPF_FUNC_csum_diff), RETURN(NF_ACCEPT));
}

NF_TEST_F(packet, csum_diff_beyond_the_check)
{
	EXPECT_REFUSED(EACCES, NO_PACKET,
		       POINTERS, CHECK(16), ARGUMENTS_CSUM_DIFF,
		       CALL(BPF_FUNC_csum_diff), RETURN(NF_ACCEPT));
}

NF_TEST_F(packet, fib_lookup_params)
{
	EXPECT_REFUSED_SAYING("invalid indirect access to stack",
			      POINTERS, ZERO_64, ARGUMENTS_FIB_LOOKUP(FIB_PARAMS + 1),
			      CALL(BPF_FUNC_fib_lookup), RETURN(NF_ACCEPT));
	EXPECT_REFUSED(EACCES, "invalid zero-sized read",
		       POINTERS, ZERO_64, ARGUMENTS_FIB_LOOKUP(0),
		       CALL(BPF_FUNC_fib_lookup), RETURN(NF_ACCEPT));
	/* The helper writes its result to params. */
	EXPECT_REFUSED(EACCES, NO_HELPER,
		       POINTERS, CHECK(FIB_PARAMS), ARGUMENTS_FIB_LOOKUP(FIB_PARAMS),
		       BPF_MOV64_REG(BPF_REG_2, BPF_REG_7),
		       CALL(BPF_FUNC_fib_lookup), RETURN(NF_ACCEPT));
}

/* The verifier knows the values of a read-only map, so the helper must not change them. */
NF_TEST_F(packet, fib_lookup_into_a_map)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_RDONLY_PROG);
	int map, known;

	map = bpf_map_create(BPF_MAP_TYPE_ARRAY, "map", 4, FIB_PARAMS, 1, NULL);
	known = bpf_map_create(BPF_MAP_TYPE_ARRAY, "known", 4, FIB_PARAMS, 1, &opts);
	ASSERT_LE(0, map);
	ASSERT_LE(0, known);
	ASSERT_EQ(0, bpf_map_freeze(known));
	EXPECT_LOADS(POINTERS, ARGUMENTS_FIB_LOOKUP(FIB_PARAMS),
		     BPF_LD_MAP_VALUE(BPF_REG_2, map, 0),
		     CALL(BPF_FUNC_fib_lookup), RETURN(NF_ACCEPT));
	EXPECT_REFUSED(EACCES, "write into map forbidden",
		       POINTERS, ARGUMENTS_FIB_LOOKUP(FIB_PARAMS),
		       BPF_LD_MAP_VALUE(BPF_REG_2, known, 0),
		       CALL(BPF_FUNC_fib_lookup), RETURN(NF_ACCEPT));
	close(known);
	close(map);
}

NF_TEST_F(packet, perf_event_output_arguments)
{
	EXPECT_REFUSED(EINVAL, "cannot pass map_type 2 into func",
		       POINTERS, ZERO_64, ARGUMENTS_EVENT(self->array, 8),
		       CALL(BPF_FUNC_perf_event_output), RETURN(NF_ACCEPT));
	EXPECT_REFUSED(EACCES, NO_HELPER,
		       POINTERS, CHECK(20), ARGUMENTS_EVENT(self->events, 8),
		       BPF_MOV64_REG(BPF_REG_4, BPF_REG_7),
		       CALL(BPF_FUNC_perf_event_output), RETURN(NF_ACCEPT));
	EXPECT_LOADS(POINTERS, ZERO_64, ARGUMENTS_EVENT(self->events, 0),
		     CALL(BPF_FUNC_perf_event_output), RETURN(NF_ACCEPT));
}

/* Reading uninitialised stack requires CAP_PERFMON. */
NF_TEST_F(packet, uninitialised_memory)
{
	ASSERT_EQ(0, nf_set_caps(CAPS_OF_A_LOADER));
	EXPECT_REFUSED(EACCES, UNINITIALISED,
		       POINTERS, ARGUMENTS_LOAD_BYTES,
		       CALL(BPF_FUNC_skb_store_bytes), RETURN(NF_ACCEPT));
	EXPECT_REFUSED(EACCES, UNINITIALISED,
		       POINTERS, CHECK(20), ARGUMENTS_CSUM_DIFF,
		       STACK(BPF_REG_1, -64),
		       CALL(BPF_FUNC_csum_diff), RETURN(NF_ACCEPT));
	EXPECT_REFUSED(EACCES, UNINITIALISED,
		       POINTERS, ARGUMENTS_FIB_LOOKUP(FIB_PARAMS),
		       CALL(BPF_FUNC_fib_lookup), RETURN(NF_ACCEPT));
	EXPECT_REFUSED(EACCES, UNINITIALISED,
		       POINTERS, ARGUMENTS_EVENT(self->events, 8),
		       CALL(BPF_FUNC_perf_event_output), RETURN(NF_ACCEPT));
	EXPECT_REFUSED_SAYING(UNINITIALISED,
			      STACK(BPF_REG_2, -16),
			      BPF_MOV64_IMM(BPF_REG_3, INFO_SIZE),
			      FRAG_INFO, RETURN(NF_ACCEPT));
	EXPECT_KEEPS(ARGUMENTS_LOAD_BYTES, BPF_FUNC_skb_load_bytes);
}

#define EXPECT_GPL_ONLY(arguments, func) do {				\
	EXPECT_LOADS(							\
		POINTERS, arguments, CALL(func), RETURN(NF_ACCEPT));	\
	EXPECT_REFUSED_AS("Proprietary", EINVAL, GPL_HELPER,		\
		POINTERS, arguments, CALL(func), RETURN(NF_ACCEPT));	\
} while (0)

#define EXPECT_ANY_LICENSE(arguments, func) do {			\
	int fd = LOAD_AS("Proprietary", POINTERS, CHECK(20), arguments,	\
			 CALL(func), RETURN(NF_ACCEPT));		\
									\
	EXPECT_LE(0, fd)						\
		TH_LOG("%s", self->log);				\
	close(fd);							\
} while (0)

/* The licenses that helpers need are those of tc. */
NF_TEST_F(packet, license)
{
	EXPECT_GPL_ONLY(LOOK_UP, BPF_FUNC_fib_lookup);
	EXPECT_GPL_ONLY(SAMPLE, BPF_FUNC_perf_event_output);
	EXPECT_ANY_LICENSE(ARGUMENTS_LOAD_BYTES, BPF_FUNC_skb_load_bytes);
	EXPECT_ANY_LICENSE(ARGUMENTS_LOAD_BYTES, BPF_FUNC_skb_load_bytes_relative);
	EXPECT_ANY_LICENSE(ARGUMENTS_PULL_DATA, BPF_FUNC_skb_pull_data);
	EXPECT_ANY_LICENSE(ARGUMENTS_STORE_BYTES, BPF_FUNC_skb_store_bytes);
	EXPECT_ANY_LICENSE(ARGUMENTS_CSUM_REPLACE, BPF_FUNC_l3_csum_replace);
	EXPECT_ANY_LICENSE(ARGUMENTS_CSUM_REPLACE, BPF_FUNC_l4_csum_replace);
	EXPECT_ANY_LICENSE(ARGUMENTS_CSUM_DIFF, BPF_FUNC_csum_diff);
	EXPECT_ANY_LICENSE(ARGUMENTS_CONTEXT, BPF_FUNC_get_hash_recalc);
	EXPECT_ANY_LICENSE(ARGUMENTS_CONTEXT, BPF_FUNC_get_netns_cookie);
	EXPECT_ANY_LICENSE(ARGUMENTS_CONTEXT, BPF_FUNC_get_attach_cookie);
}

NF_TEST_F(packet, helpers_without_cap_perfmon)
{
	ASSERT_EQ(0, nf_set_caps(CAPS_OF_A_LOADER));
	EXPECT_KEEPS(ARGUMENTS_LOAD_BYTES, BPF_FUNC_skb_load_bytes);
	EXPECT_KEEPS(ARGUMENTS_LOAD_BYTES, BPF_FUNC_skb_load_bytes_relative);
	EXPECT_KEEPS(ARGUMENTS_CSUM_DIFF, BPF_FUNC_csum_diff);
	EXPECT_KEEPS(LOOK_UP, BPF_FUNC_fib_lookup);
	EXPECT_KEEPS(SAMPLE, BPF_FUNC_perf_event_output);
	EXPECT_LOADS(POINTERS, ARGUMENTS_STORE_BYTES,
		     CALL(BPF_FUNC_skb_store_bytes), RETURN(NF_ACCEPT));
}

/* --- fragments --------------------------------------------------------------- */

/* bpf_nf_frag_info(@context, fp - 16, @size) */
#define ASK(context, size)						\
	POINTERS,							\
	BPF_ST_MEM(BPF_DW, BPF_REG_10, -16, 0),				\
	BPF_ST_MEM(BPF_DW, BPF_REG_10, -8, 0),				\
	context,							\
	STACK(BPF_REG_2, -16),						\
	BPF_MOV64_IMM(BPF_REG_3, size),					\
	FRAG_INFO, RETURN(NF_ACCEPT)

NF_TEST_F(packet, frag_info)
{
	EXPECT_LOADS(ASK(BPF_MOV64_REG(BPF_REG_1, BPF_REG_6), INFO_SIZE));
	/* The verifier accepts another size; the function refuses it. */
	EXPECT_LOADS(ASK(BPF_MOV64_REG(BPF_REG_1, BPF_REG_6), INFO_SIZE - 4));
}

NF_TEST_F(packet, frag_info_wrong_context)
{
	EXPECT_REFUSED(EINVAL, "arg#0",
		       ASK(BPF_MOV64_REG(BPF_REG_1, BPF_REG_10), INFO_SIZE));
	EXPECT_REFUSED(EINVAL, "arg#0",
		       ASK(BPF_MOV64_REG(BPF_REG_1, BPF_REG_7), INFO_SIZE));
	EXPECT_REFUSED(EINVAL, "arg#0",
		       ASK(BPF_MOV64_IMM(BPF_REG_1, 0), INFO_SIZE));
}

NF_TEST_F(packet, frag_info_beyond_the_memory)
{
	EXPECT_REFUSED_SAYING("invalid indirect access to stack",
			      ASK(BPF_MOV64_REG(BPF_REG_1, BPF_REG_6), 17));
}

NF_TEST_F(packet, frag_info_into_the_packet)
{
	EXPECT_REFUSED_SAYING("cannot pass the packet as memory",
			      POINTERS, CHECK(20),
			      BPF_MOV64_REG(BPF_REG_1, BPF_REG_6),
			      BPF_MOV64_REG(BPF_REG_2, BPF_REG_7),
			      BPF_MOV64_IMM(BPF_REG_3, INFO_SIZE),
			      FRAG_INFO, RETURN(NF_ACCEPT));
}

NF_TEST_F(packet, frag_info_by_a_non_gpl_program)
{
	EXPECT_REFUSED_AS("Proprietary", EINVAL, "non-GPL compatible program",
			  ASK(BPF_MOV64_REG(BPF_REG_1, BPF_REG_6), INFO_SIZE));
}

NF_TEST_F(packet, frag_info_of_another_type)
{
	EXPECT_EQ(-EACCES, LOAD_TYPE(BPF_PROG_TYPE_SCHED_CLS, "GPL",
				     BPF_MOV64_REG(BPF_REG_6, BPF_REG_1),
				     BPF_ST_MEM(BPF_DW, BPF_REG_10, -16, 0),
				     BPF_ST_MEM(BPF_DW, BPF_REG_10, -8, 0),
				     STACK(BPF_REG_2, -16),
				     BPF_MOV64_IMM(BPF_REG_3, INFO_SIZE),
				     FRAG_INFO,
				     RETURN(NF_ACCEPT)));
	EXPECT_NE(NULL, strstr(self->log, "bpf_nf_frag_info is not allowed"))
		TH_LOG("%s", self->log);
	EXPECT_LOADS(ASK(BPF_MOV64_REG(BPF_REG_1, BPF_REG_6), INFO_SIZE));
}

NF_TEST_F(packet, context_or_a_number)
{
#define COOKIE_OF_NULL_OR(number)					\
	BPF_LDX_MEM(BPF_W, BPF_REG_6, BPF_REG_1, off_mark),		\
	BPF_MOV64_IMM(BPF_REG_1, number),				\
	BPF_JMP_IMM(BPF_JEQ, BPF_REG_6, 0, 1),				\
	BPF_MOV64_IMM(BPF_REG_1, 0),					\
	CALL(BPF_FUNC_get_netns_cookie),				\
	RETURN(NF_ACCEPT)

	nf_verifier_flags = BPF_F_TEST_STATE_FREQ;
	EXPECT_LOADS(COOKIE_OF_NULL_OR(0));
	EXPECT_REFUSED(EACCES, "R1 type=scalar expected=ctx", COOKIE_OF_NULL_OR(8));
}

/* --- programs that replace another program or a global function ----------------- */

/* Load the skeleton's program @name to replace @function of @program. */
#define LOAD_EXTENSION(name, program, function) ({			\
	struct verifier_packet *extended = verifier_packet__open();	\
	struct verifier_packet *skel = verifier_packet__open();		\
	int err;							\
									\
	ASSERT_NE(NULL, extended);					\
	ASSERT_NE(NULL, skel);						\
	bpf_program__set_autoload(extended->progs.program, true);	\
	ASSERT_EQ(0, verifier_packet__load(extended));			\
	bpf_program__set_autoload(skel->progs.name, true);		\
	ASSERT_EQ(0, bpf_program__set_attach_target(skel->progs.name,	\
			bpf_program__fd(extended->progs.program), function)); \
	bpf_program__set_flags(skel->progs.name, nf_verifier_flags);	\
	bpf_program__set_log_buf(skel->progs.name, self->log,		\
				 sizeof(self->log));			\
	err = verifier_packet__load(skel);				\
	verifier_packet__destroy(skel);					\
	verifier_packet__destroy(extended);				\
	err;								\
})

#define NO_VERDICT	"should have been in "

NF_TEST_F(packet, extension)
{
	libbpf_set_print(NULL);
	EXPECT_EQ(0, LOAD_EXTENSION(extends_1, global_reads, "global_reads"))
		TH_LOG("%s", self->log);
	EXPECT_EQ(-EINVAL, LOAD_EXTENSION(extends_5, global_reads, "global_reads"));
	EXPECT_NE(NULL, strstr(self->log, NO_VERDICT))
		TH_LOG("%s", self->log);
}

NF_TEST_F(packet, extension_of_a_global_function)
{
	libbpf_set_print(NULL);
	EXPECT_EQ(0, LOAD_EXTENSION(extends_1, global_reads, "read_global"))
		TH_LOG("%s", self->log);
	EXPECT_EQ(-EINVAL, LOAD_EXTENSION(extends_5, global_reads, "read_global"));
	EXPECT_NE(NULL, strstr(self->log, NO_VERDICT))
		TH_LOG("%s", self->log);
}

/* The verifier must know the verdict precisely, also if it depends on an argument. */
NF_TEST_F(packet, extension_returns_an_argument)
{
	nf_verifier_flags = BPF_F_TEST_STATE_FREQ;
	libbpf_set_print(NULL);
	EXPECT_EQ(0, LOAD_EXTENSION(extends_a_bit, global_of_a_number, "add_number"))
		TH_LOG("%s", self->log);
	EXPECT_EQ(-EINVAL, LOAD_EXTENSION(extends_a_number, global_of_a_number,
					  "add_number"));
	EXPECT_NE(NULL, strstr(self->log, NO_VERDICT))
		TH_LOG("%s", self->log);
}

TEST_HARNESS_MAIN
