// SPDX-License-Identifier: GPL-2.0
/*
 * The programs of packet_fuzz: each operation of an input becomes some instructions. A
 * program counts in a map the packets that it accepts and drops. r6 is the context, r8 a
 * packet pointer.
 */
#include <netinet/in.h>

#include "torture/packet/progs.h"

long within(long value, long low, long high)
{
	return value < low ? low : value > high ? high : value;
}

static void emit_insns(struct prog *prog, const struct bpf_insn *insns, int nr)
{
	if (prog->nr + nr > MAX_INSNS)
		bail("a program of packet_fuzz is too long", -E2BIG);
	memcpy(&prog->insns[prog->nr], insns, nr * sizeof(*insns));
	prog->nr += nr;
}

#define EMIT(prog, ...) do {							\
	const struct bpf_insn emitted[] = { __VA_ARGS__ };			\
										\
	emit_insns(prog, emitted, ARRAY_SIZE(emitted));				\
} while (0)

/* The offset of a member in BUF_A. */
#define FIB_AT(member) (BUF_A + (int)offsetof(struct bpf_fib_lookup, member))

#define CTX_TO_R1 BPF_MOV64_REG(BPF_REG_1, BPF_REG_6)

static void refuse(struct prog *prog, const char *why)
{
	if (!prog->dead && !prog->refused)
		prog->refused = why;
}

static bool emit_kfunc(struct prog *prog, int kfunc)
{
	if (!kfuncs[kfunc].id)
		return false;
	EMIT(prog, CALL_KFUNC(kfuncs[kfunc].module, kfuncs[kfunc].id));
	return true;
}

static void emit_fill(struct prog *prog, int at, int len, int value)
{
	int i;

	for (i = 0; i < len; i += 4)
		EMIT(prog, BPF_ST_MEM(BPF_W, BPF_REG_10, at + i, value));
}

/* Count a packet at the key that @store_key stores. r0 is the old count. */
static void emit_count(struct prog *prog, struct bpf_insn store_key)
{
	EMIT(prog, store_key,
	     BPF_RAW_INSN(BPF_LD | BPF_DW | BPF_IMM, BPF_REG_1, BPF_PSEUDO_MAP_FD, 0, prog->map),
	     BPF_RAW_INSN(0, 0, 0, 0, 0),
	     STACK(BPF_REG_2, MAP_KEY), CALL(BPF_FUNC_map_lookup_elem),
	     BPF_JMP_IMM(BPF_JEQ, BPF_REG_0, 0, 4),
	     BPF_MOV64_REG(BPF_REG_3, BPF_REG_0),
	     BPF_MOV64_IMM(BPF_REG_1, 1),
	     BPF_ATOMIC_OP(BPF_DW, BPF_ADD | BPF_FETCH, BPF_REG_3, BPF_REG_1, 0),
	     BPF_MOV64_REG(BPF_REG_0, BPF_REG_1));
}

static void jump_to(struct prog *prog, int *jumps, int *nr, struct bpf_insn jump)
{
	jumps[(*nr)++] = prog->nr;
	emit_insns(prog, &jump, 1);
}

static void land(struct prog *prog, const int *jumps, int nr)
{
	int i;

	for (i = 0; i < nr; i++)
		prog->insns[jumps[i]].off = prog->nr - jumps[i] - 1;
}

static void emit_store(struct prog *prog, const long *arg)
{
	const int len = within(arg[S_LEN], 1, BUF_SIZE);

	emit_fill(prog, BUF_A, len, arg[S_VALUE]);
	EMIT(prog, CTX_TO_R1, BPF_MOV64_IMM(BPF_REG_2, arg[S_AT]), STACK(BPF_REG_3, BUF_A),
	     BPF_MOV64_IMM(BPF_REG_4, len), BPF_MOV64_IMM(BPF_REG_5, arg[S_FLAGS]),
	     CALL(BPF_FUNC_skb_store_bytes));
	prog->moved = true;
}

static void emit_load(struct prog *prog, const long *arg)
{
	EMIT(prog, CTX_TO_R1, BPF_MOV64_IMM(BPF_REG_2, arg[S_AT]), STACK(BPF_REG_3, BUF_B),
	     BPF_MOV64_IMM(BPF_REG_4, within(arg[S_LEN], 1, BUF_SIZE)),
	     CALL(BPF_FUNC_skb_load_bytes));
}

static void emit_load_relative(struct prog *prog, const long *arg)
{
	EMIT(prog, CTX_TO_R1, BPF_MOV64_IMM(BPF_REG_2, arg[S_AT]), STACK(BPF_REG_3, BUF_B),
	     BPF_MOV64_IMM(BPF_REG_4, within(arg[S_LEN], 1, BUF_SIZE)),
	     BPF_MOV64_IMM(BPF_REG_5, arg[2]), CALL(BPF_FUNC_skb_load_bytes_relative));
}

static void emit_pull(struct prog *prog, const long *arg)
{
	EMIT(prog, CTX_TO_R1, BPF_MOV64_IMM(BPF_REG_2, arg[0]), CALL(BPF_FUNC_skb_pull_data));
	prog->moved = true;
}

static void emit_csum(struct prog *prog, const long *arg, int helper)
{
	EMIT(prog, CTX_TO_R1, BPF_MOV64_IMM(BPF_REG_2, arg[C_AT]),
	     BPF_MOV64_IMM(BPF_REG_3, arg[C_FROM]), BPF_MOV64_IMM(BPF_REG_4, arg[C_TO]),
	     BPF_MOV64_IMM(BPF_REG_5, arg[C_FLAGS]), CALL(helper));
	prog->moved = true;
}

static void emit_l3_csum(struct prog *prog, const long *arg)
{
	emit_csum(prog, arg, BPF_FUNC_l3_csum_replace);
}

static void emit_l4_csum(struct prog *prog, const long *arg)
{
	emit_csum(prog, arg, BPF_FUNC_l4_csum_replace);
}

static void emit_csum_diff(struct prog *prog, const long *arg)
{
	EMIT(prog, STACK(BPF_REG_1, BUF_A),
	     BPF_MOV64_IMM(BPF_REG_2, within(arg[D_FROM], 0, BUF_SIZE)),
	     STACK(BPF_REG_3, BUF_B),
	     BPF_MOV64_IMM(BPF_REG_4, within(arg[D_TO], 0, BUF_SIZE)),
	     BPF_MOV64_IMM(BPF_REG_5, arg[D_SEED]), CALL(BPF_FUNC_csum_diff));
}

static void emit_hash(struct prog *prog, const long *arg)
{
	EMIT(prog, CTX_TO_R1, CALL(BPF_FUNC_get_hash_recalc));
}

static void emit_cookie(struct prog *prog, const long *arg)
{
	EMIT(prog, CTX_TO_R1, CALL(BPF_FUNC_get_netns_cookie),
	     CTX_TO_R1, CALL(BPF_FUNC_get_attach_cookie));
}

/* Look up the route to the packet's destination, if the family fits. */
static void emit_fib(struct prog *prog, const long *arg)
{
	const bool ipv6 = arg[F_FAMILY] == AF_INET6;
	const int dst = FIB_AT(ipv4_dst);

	emit_fill(prog, BUF_A, BUF_SIZE, 0);
	EMIT(prog, CTX_TO_R1, BPF_MOV64_IMM(BPF_REG_2, ipv6 ? 24 : 16), STACK(BPF_REG_3, dst),
	     BPF_MOV64_IMM(BPF_REG_4, ipv6 ? 16 : 4), CALL(BPF_FUNC_skb_load_bytes),
	     BPF_ST_MEM(BPF_B, BPF_REG_10, BUF_A, arg[F_FAMILY]),
	     BPF_ST_MEM(BPF_H, BPF_REG_10, FIB_AT(tot_len), arg[F_LEN]),
	     BPF_ST_MEM(BPF_W, BPF_REG_10, FIB_AT(ifindex), arg[F_IFINDEX]),
	     CTX_TO_R1, STACK(BPF_REG_2, BUF_A), BPF_MOV64_IMM(BPF_REG_3, BUF_SIZE),
	     BPF_MOV64_IMM(BPF_REG_4, arg[F_FLAGS]), CALL(BPF_FUNC_fib_lookup));
}

static int bpf_size(long bytes)
{
	return bytes >= 8 ? BPF_DW : bytes >= 4 ? BPF_W : bytes >= 2 ? BPF_H : BPF_B;
}

/* Load the packet pointer into r2 and check that it has @at + 8 bytes. If it has not, the
 * program skips @skipped instructions.
 */
static void emit_packet(struct prog *prog, int at, int skipped)
{
	EMIT(prog, BPF_LDX_MEM(BPF_DW, BPF_REG_2, BPF_REG_6, CTX_DATA),
	     BPF_LDX_MEM(BPF_DW, BPF_REG_3, BPF_REG_6, CTX_DATA_END),
	     BPF_MOV64_REG(BPF_REG_4, BPF_REG_2), BPF_ALU64_IMM(BPF_ADD, BPF_REG_4, at + 8),
	     BPF_JMP_REG(BPF_JGT, BPF_REG_4, BPF_REG_3, skipped));
}

static void emit_peek(struct prog *prog, const long *arg)
{
	const int at = within(arg[0], 0, 255);

	emit_packet(prog, at, 1);
	EMIT(prog, BPF_LDX_MEM(bpf_size(arg[1]), BPF_REG_5, BPF_REG_2, at));
}

static void emit_poke(struct prog *prog, const long *arg)
{
	const int at = within(arg[0], 0, 255);

	emit_packet(prog, at, 1);
	EMIT(prog, BPF_ST_MEM(bpf_size(arg[1]), BPF_REG_2, at, 0));
	refuse(prog, "it writes to a packet pointer");
}

static void emit_keep(struct prog *prog, const long *arg)
{
	prog->kept = within(arg[0], 1, 255);
	prog->moved = false;
	EMIT(prog, BPF_LDX_MEM(BPF_DW, BPF_REG_8, BPF_REG_6, CTX_DATA),
	     BPF_LDX_MEM(BPF_DW, BPF_REG_3, BPF_REG_6, CTX_DATA_END),
	     BPF_MOV64_REG(BPF_REG_4, BPF_REG_8),
	     BPF_ALU64_IMM(BPF_ADD, BPF_REG_4, prog->kept));
	jump_to(prog, prog->to_accept, &prog->nr_to_accept,
		(struct bpf_insn)BPF_JMP_REG(BPF_JGT, BPF_REG_4, BPF_REG_3, 0));
}

static void emit_use(struct prog *prog, const long *arg)
{
	if (!prog->kept)
		return;
	EMIT(prog, BPF_LDX_MEM(BPF_B, BPF_REG_5, BPF_REG_8, within(arg[0], 0, prog->kept - 1)));
	if (prog->moved)
		refuse(prog, "it uses packet pointers after a call that may move the packet");
}

static void emit_ctx_word(struct prog *prog, int value, int at)
{
	EMIT(prog, BPF_MOV64_IMM(BPF_REG_2, value),
	     BPF_STX_MEM(BPF_W, BPF_REG_6, BPF_REG_2, at),
	     BPF_LDX_MEM(BPF_W, BPF_REG_2, BPF_REG_6, at));
}

static void emit_mark(struct prog *prog, const long *arg)
{
	emit_ctx_word(prog, arg[0], CTX_MARK);
}

static void emit_priority(struct prog *prog, const long *arg)
{
	emit_ctx_word(prog, arg[0], CTX_PRIORITY);
}

/* Store bytes of BUF_A in the packet. */
static void emit_store_at(struct prog *prog, int at, int len)
{
	EMIT(prog, CTX_TO_R1, BPF_MOV64_IMM(BPF_REG_2, at), STACK(BPF_REG_3, BUF_A),
	     BPF_MOV64_IMM(BPF_REG_4, len), BPF_MOV64_IMM(BPF_REG_5, 0),
	     CALL(BPF_FUNC_skb_store_bytes));
}

/* Write a UDP header with the length that IP says. UDPv6 refuses a checksum of 0. */
static void emit_udp_header(struct prog *prog, bool ipv6)
{
	EMIT(prog, CTX_TO_R1, BPF_MOV64_IMM(BPF_REG_2, ipv6 ? 4 : 2), STACK(BPF_REG_3, BUF_A),
	     BPF_MOV64_IMM(BPF_REG_4, 2), CALL(BPF_FUNC_skb_load_bytes),
	     BPF_LDX_MEM(BPF_H, BPF_REG_1, BPF_REG_10, BUF_A),
	     BPF_ENDIAN(BPF_TO_BE, BPF_REG_1, 16),
	     BPF_ALU64_IMM(BPF_SUB, BPF_REG_1, ipv6 ? 0 : 20),
	     BPF_ENDIAN(BPF_TO_BE, BPF_REG_1, 16),
	     BPF_STX_MEM(BPF_H, BPF_REG_10, BPF_REG_1, BUF_A),
	     BPF_ST_MEM(BPF_H, BPF_REG_10, BUF_A + 2, ipv6));
	emit_store_at(prog, ipv6 ? 44 : 24, 4);
}

/* Turn the packet into another protocol that its receiver accepts. */
static void emit_protocol(struct prog *prog, const long *arg)
{
	const bool ipv6 = arg[P_FAMILY] == 6;

	if (arg[P_TO] == IPPROTO_UDP || arg[P_TO] == IPPROTO_UDPLITE)
		emit_udp_header(prog, ipv6);
	if (arg[P_TO] == IPPROTO_TCP) {
		EMIT(prog, BPF_ST_MEM(BPF_W, BPF_REG_10, BUF_A, 0x1050));
		emit_store_at(prog, ipv6 ? 52 : 32, 2);
	}
	EMIT(prog, BPF_ST_MEM(BPF_W, BPF_REG_10, BUF_A, arg[P_TO]));
	emit_store_at(prog, ipv6 ? 6 : 9, 1);
	prog->moved = true;
}

static void emit_reject(struct prog *prog, const long *arg)
{
	EMIT(prog, CTX_TO_R1, BPF_MOV64_IMM(BPF_REG_2, arg[J_TYPE]),
	     BPF_MOV64_IMM(BPF_REG_3, arg[J_CODE]));
	if (emit_kfunc(prog, KFUNC_REJECT))
		prog->moved = true;
}

static void emit_info(struct prog *prog, const long *arg, int kfunc)
{
	EMIT(prog, CTX_TO_R1, STACK(BPF_REG_2, BUF_B),
	     BPF_MOV64_IMM(BPF_REG_3, within(arg[0], 0, BUF_SIZE)));
	emit_kfunc(prog, kfunc);
}

static void emit_frag_info(struct prog *prog, const long *arg)
{
	emit_info(prog, arg, KFUNC_FRAG_INFO);
}

static void emit_ct_info(struct prog *prog, const long *arg)
{
	emit_info(prog, arg, KFUNC_CT_INFO);
}

static void emit_release(struct prog *prog)
{
	EMIT(prog, BPF_JMP_IMM(BPF_JEQ, BPF_REG_0, 0, 2), BPF_MOV64_REG(BPF_REG_1, BPF_REG_0));
	emit_kfunc(prog, KFUNC_CT_RELEASE);
}

static void emit_ct_get(struct prog *prog, const long *arg)
{
	EMIT(prog, CTX_TO_R1);
	if (emit_kfunc(prog, KFUNC_CT_GET))
		emit_release(prog);
}

static void emit_ct_mark(struct prog *prog, const long *arg)
{
	EMIT(prog, CTX_TO_R1, BPF_MOV64_IMM(BPF_REG_2, arg[0]), BPF_MOV64_IMM(BPF_REG_3, arg[1]));
	emit_kfunc(prog, KFUNC_CT_SET_MARK);
}

static void emit_ct_labels(struct prog *prog, const long *arg)
{
	emit_fill(prog, BUF_A, 16, arg[0]);
	emit_fill(prog, BUF_A + 16, 16, arg[1]);
	EMIT(prog, CTX_TO_R1, STACK(BPF_REG_2, BUF_A), BPF_MOV64_IMM(BPF_REG_3, 16),
	     STACK(BPF_REG_4, BUF_A + 16), BPF_MOV64_IMM(BPF_REG_5, 16));
	emit_kfunc(prog, KFUNC_CT_SET_LABELS);
	EMIT(prog, CTX_TO_R1, STACK(BPF_REG_2, BUF_B), BPF_MOV64_IMM(BPF_REG_3, 16));
	emit_kfunc(prog, KFUNC_CT_GET_LABELS);
}

static void emit_ct_nat(struct prog *prog, const long *arg)
{
	emit_fill(prog, BUF_A, 16, arg[N_ADDRESS]);
	EMIT(prog, CTX_TO_R1, STACK(BPF_REG_2, BUF_A), BPF_MOV64_IMM(BPF_REG_3, arg[N_PORT]),
	     BPF_MOV64_IMM(BPF_REG_4, arg[N_MANIP]));
	emit_kfunc(prog, KFUNC_CT_SET_NAT);
}

/* Call @kfunc with a tuple of the packet's own IPv4 addresses, and options in BUF_B. */
static bool emit_tuple(struct prog *prog, const long *arg, int kfunc)
{
	emit_fill(prog, BUF_A, BUF_SIZE, arg[L_PORT]);
	emit_fill(prog, BUF_B, 16, 0);
	EMIT(prog, CTX_TO_R1, BPF_MOV64_IMM(BPF_REG_2, 12), STACK(BPF_REG_3, BUF_A),
	     BPF_MOV64_IMM(BPF_REG_4, 8), CALL(BPF_FUNC_skb_load_bytes),
	     BPF_ST_MEM(BPF_W, BPF_REG_10, BUF_B, arg[L_NETNS]),
	     BPF_ST_MEM(BPF_B, BPF_REG_10, BUF_B + 8, arg[L_PROTOCOL]),
	     BPF_ST_MEM(BPF_H, BPF_REG_10, BUF_B + 10, arg[L_ZONE]),
	     CTX_TO_R1, STACK(BPF_REG_2, BUF_A),
	     BPF_MOV64_IMM(BPF_REG_3, within(arg[L_SIZE], 0, BUF_SIZE)),
	     STACK(BPF_REG_4, BUF_B), BPF_MOV64_IMM(BPF_REG_5, 16));
	return emit_kfunc(prog, kfunc);
}

static void emit_ct_lookup(struct prog *prog, const long *arg)
{
	if (emit_tuple(prog, arg, KFUNC_CT_LOOKUP))
		emit_release(prog);
}

static void emit_ct_alloc(struct prog *prog, const long *arg)
{
	if (!emit_tuple(prog, arg, KFUNC_CT_ALLOC))
		return;
	EMIT(prog, BPF_JMP_IMM(BPF_JEQ, BPF_REG_0, 0, 5), BPF_MOV64_REG(BPF_REG_1, BPF_REG_0));
	emit_kfunc(prog, KFUNC_CT_INSERT);
	emit_release(prog);
}

/* Drop some of the packets: the number of such a packet has no bit of the mask. */
static void emit_drop(struct prog *prog, const long *arg)
{
	emit_count(prog, (struct bpf_insn)BPF_ST_MEM(BPF_W, BPF_REG_10, MAP_KEY, COUNT_SEEN));
	EMIT(prog, BPF_ALU64_IMM(BPF_AND, BPF_REG_0, arg[0]));
	jump_to(prog, prog->to_drop, &prog->nr_to_drop,
		(struct bpf_insn)BPF_JMP_IMM(BPF_JEQ, BPF_REG_0, 0, 0));
	prog->dead |= !arg[0];
}

static void emit_end(struct prog *prog)
{
	land(prog, prog->to_accept, prog->nr_to_accept);
	EMIT(prog, BPF_MOV64_IMM(BPF_REG_7, NF_ACCEPT));
	if (prog->nr_to_drop) {
		EMIT(prog, BPF_JMP_IMM(BPF_JA, 0, 0, 1));
		land(prog, prog->to_drop, prog->nr_to_drop);
		EMIT(prog, BPF_MOV64_IMM(BPF_REG_7, NF_DROP));
	}
	emit_count(prog, (struct bpf_insn)BPF_STX_MEM(BPF_W, BPF_REG_10, BPF_REG_7, MAP_KEY));
	EMIT(prog, BPF_MOV64_REG(BPF_REG_0, BPF_REG_7), BPF_EXIT_INSN());
}

static void (*const emits[NR_OPS])(struct prog *prog, const long *arg) = {
	[STORE] = emit_store, [LOAD] = emit_load, [LOAD_RELATIVE] = emit_load_relative,
	[PULL] = emit_pull, [L3_CSUM] = emit_l3_csum, [L4_CSUM] = emit_l4_csum,
	[CSUM_DIFF] = emit_csum_diff, [HASH] = emit_hash, [COOKIE] = emit_cookie,
	[FIB] = emit_fib, [PEEK] = emit_peek, [POKE] = emit_poke, [KEEP] = emit_keep,
	[USE] = emit_use, [MARK] = emit_mark, [PRIORITY] = emit_priority,
	[PROTOCOL] = emit_protocol, [REJECT] = emit_reject, [FRAG_INFO] = emit_frag_info,
	[CT_INFO] = emit_ct_info, [CT_GET] = emit_ct_get, [CT_MARK] = emit_ct_mark,
	[CT_LABELS] = emit_ct_labels, [CT_NAT] = emit_ct_nat, [CT_LOOKUP] = emit_ct_lookup,
	[CT_ALLOC] = emit_ct_alloc, [DROP] = emit_drop,
};

void make_prog(struct prog *prog, const struct input *input, int map)
{
	int i;

	memset(prog, 0, sizeof(*prog));
	prog->map = map;
	EMIT(prog, BPF_MOV64_REG(BPF_REG_6, BPF_REG_1));
	for (i = 0; i < 2 * BUF_SIZE; i += 8)
		EMIT(prog, BPF_ST_MEM(BPF_DW, BPF_REG_10, BUF_B + i, 0));
	for (i = 0; i < input->nr; i++)
		if (input->calls[i].kind < NR_OPS)
			emits[input->calls[i].kind](prog, input->calls[i].arg);
	emit_end(prog);
}

int load_prog(const struct prog *prog, char *log, size_t size)
{
	const struct nf_load load = {
		.type = BPF_PROG_TYPE_NETFILTER,
		.expected_attach_type = BPF_NETFILTER,
		.license = "GPL",
		.insns = prog->insns,
		.insn_cnt = prog->nr,
		.log = log,
		.log_size = size,
		.fd_array = kfunc_btf_fds,
	};

	return nf_load(&load);
}
