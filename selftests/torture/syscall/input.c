// SPDX-License-Identifier: GPL-2.0
/*
 * The inputs of syscall_fuzz: sequences of calls. The kind of a call has the names of its
 * arguments, and values to try. As text, a call is a line: "create pf=2 hook=1". An argument
 * that is missing there has its first value.
 */
#include <limits.h>

#include "torture/syscall/input.h"

enum { MAX_CALLS = 16 };

const struct fuzz_kind kinds[NR_KINDS] = {
	[CREATE] = { "create", {
		ARG("prog", REF_ACCEPT, REF_DROP, REF_LOADED, REF_LINK, REF_NONE, REF_FILE,
		    REF_MAP, REF_FOREIGN_PROG, REF_FOREIGN_LINK, REF_UNOPENED),
		ARG("type", BPF_NETFILTER, 0, BPF_NETFILTER - 1, BPF_NETFILTER + 1, INT_MAX),
		ARG("lflags", 0, BEFORE | RELATIVE_LINK, AFTER | RELATIVE_LINK, BEFORE, AFTER,
		    BEFORE | RELATIVE_ID, AFTER | RELATIVE_LINK | RELATIVE_ID, BEFORE | AFTER,
		    RELATIVE_ID, 1, 4, 1L << 31),
		ARG("pf", NFPROTO_IPV4, NFPROTO_IPV6, NFPROTO_INET, 0, 3, 5, 7, 12, 255, 258),
		ARG("hook", 0, 1, 2, 3, 4, 5, 255, UINT_MAX),
		ARG("prio", 0, 1, -1, 100, -399, -400, -401, INT_MAX, INT_MIN, INT_MAX - 1,
		    INT_MIN + 1),
		ARG("flags", 0, DEFRAG, DEFRAG | STRICT, STRICT, TRACK, TRACK | DEFRAG, 2,
		    1L << 18, 1L << 31),
		ARG("rel", REF_NONE, REF_LINK, REF_LINK + 1, REF_LINK + 2, REF_ACCEPT,
		    REF_DROP, REF_LOADED, REF_FILE, REF_FOREIGN_PROG, REF_FOREIGN_LINK,
		    REF_UNOPENED),
		ARG("size", 36, 0, 1, 16, 24, 28, 32, 33, 35, 64, 112, 128, 4096, 4097),
		ARG("at", 36, 40, 47, 48, 63, 100, 111, 119, 120, 127, 128, 143, 4095),
		ARG("byte", 0, 1, 255) } },
	[UPDATE] = { "update", {
		ARG("link", REF_LINK, REF_LINK + 1, REF_LINK + 2, REF_ACCEPT, REF_NONE,
		    REF_FILE, REF_MAP, REF_FOREIGN_PROG, REF_FOREIGN_LINK, REF_UNOPENED),
		ARG("prog", REF_DROP, REF_ACCEPT, REF_LOADED, REF_LINK, REF_NONE, REF_FILE,
		    REF_MAP, REF_FOREIGN_PROG, REF_FOREIGN_LINK, REF_UNOPENED),
		ARG("flags", 0, BPF_F_REPLACE, 1, BPF_F_REPLACE | 1, 1L << 31),
		ARG("old", REF_NONE, REF_ACCEPT, REF_DROP, REF_LOADED, REF_LINK, REF_FILE,
		    REF_FOREIGN_PROG),
		ARG("size", 16, 0, 4, 8, 12, 15, 17, 64, 128, 4096, 4097),
		ARG("at", 16, 17, 20, 63, 119, 127, 128, 4095),
		ARG("byte", 0, 1, 255) } },
	[DETACH] = { "detach", {
		ARG("link", REF_LINK, REF_LINK + 1, REF_LINK + 2, REF_ACCEPT, REF_NONE,
		    REF_FILE, REF_MAP, REF_FOREIGN_PROG, REF_FOREIGN_LINK, REF_UNOPENED),
		ARG("size", 4, 0, 1, 5, 16, 128, 4096, 4097),
		ARG("at", 4, 8, 15, 119, 127, 128, 4095),
		ARG("byte", 0, 1, 255) } },
	[INFO] = { "info", {
		ARG("fd", REF_LINK, REF_LINK + 1, REF_LINK + 2, REF_ACCEPT, REF_LOADED,
		    REF_NONE, REF_FILE, REF_MAP, REF_FOREIGN_PROG, REF_FOREIGN_LINK,
		    REF_UNOPENED),
		ARG("len", 80, 0, 1, 16, 31, 32, 33, 40, 79, 81, 256, 4096, 4097, UINT_MAX),
		ARG("pointer", 0, 1, 2, 3),
		ARG("fill", 0, 0xa5) } },
	[PIN] = { "pin", {
		ARG("fd", REF_LINK, REF_LINK + 1, REF_LINK + 2, REF_ACCEPT, REF_LOADED,
		    REF_NONE, REF_FILE, REF_MAP, REF_FOREIGN_PROG, REF_FOREIGN_LINK,
		    REF_UNOPENED),
		ARG("path", 0, 1, 2, PATH_NO_BPFFS, PATH_NO_DIRECTORY, PATH_BAD),
		ARG("flags", 0, BPF_F_RDONLY, BPF_F_WRONLY, 1) } },
	[GET] = { "get", {
		ARG("fd", REF_NONE, REF_ACCEPT),
		ARG("path", 0, 1, 2, PATH_NO_BPFFS, PATH_NO_DIRECTORY, PATH_BAD),
		ARG("flags", 0, BPF_F_RDONLY, BPF_F_WRONLY, 1) } },
	[UNPIN] = { "unpin", { ARG("fd", REF_NONE), ARG("path", 0, 1, 2) } },
	[RUN] = { "run", {
		ARG("prog", REF_ACCEPT, REF_DROP, REF_LOADED, REF_LINK, REF_NONE, REF_FILE,
		    REF_MAP, REF_FOREIGN_LINK),
		ARG("packet", 0, 1, 2, 3, 4, 5),
		ARG("size", 60, 0, 1, 13, 19, 20, 33, 34, 39, 40, 54, 3520, 4096, UINT_MAX),
		ARG("out", 128, 0, 1, 19, 20, 46, 59, 60, 61, 4096),
		ARG("pointers", 0, BAD_IN, BAD_OUT, NULL_OUT),
		ARG("repeat", 0, 1, 2, 100),
		ARG("ctx", 0, 1, 2, 8, 40, 47, 48, 49, 256, 4096, 4097),
		ARG("pf", NFPROTO_IPV4, NFPROTO_IPV6, 0, NFPROTO_INET, 5, 255),
		ARG("hook", 2, 0, 1, 3, 4, 5, 255),
		ARG("poke", 0, 8, 16, 24, 32, 40, 48, 100, 255),
		ARG("flags", 0, 1, 2, 1L << 31),
		ARG("cpu", 0, 1, UINT_MAX),
		ARG("batch", 0, 1, UINT_MAX),
		ARG("ctx_out", 0, 1, 48, 4096),
		ARG("at", 0, 1, 2, 3, 6, 9, 12, 13, 14, 20, 40, 54),
		ARG("byte", -1, 0, 0x45, 0x4f, 0x46, 0x60, 0x86, 0xdd, 8, 44, 255) } },
	[LOAD] = { "load", {
		ARG("template", 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15,
		    16, 17, 18),
		ARG("type", BPF_PROG_TYPE_NETFILTER, BPF_PROG_TYPE_SK_LOOKUP, 0, 1, 99),
		ARG("attach", BPF_NETFILTER, 0, BPF_NETFILTER - 1, BPF_NETFILTER + 1),
		ARG("at1", 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 14, 16, 18, 20, 24, 28, 32),
		ARG("what1", WHAT_NOTHING, WHAT_CODE, WHAT_DST, WHAT_SRC, WHAT_OFF, WHAT_IMM,
		    WHAT_DELETE, WHAT_REPEAT),
		ARG("value1", 0, 1, 2, 4, 7, 8, 12, 16, 20, 24, 32, -1, -8, 10),
		ARG("at2", 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 14, 16, 18, 20, 24, 28, 32),
		ARG("what2", WHAT_NOTHING, WHAT_CODE, WHAT_DST, WHAT_SRC, WHAT_OFF, WHAT_IMM,
		    WHAT_DELETE, WHAT_REPEAT),
		ARG("value2", 0, 1, 2, 3, 6, 9, 14, 40, 64, 127, 255, INT_MAX, INT_MIN, -16),
		ARG("flags", 0, BPF_F_STRICT_ALIGNMENT, BPF_F_ANY_ALIGNMENT, BPF_F_SLEEPABLE,
		    1L << 31),
		ARG("count", 0, -1, -2, 1, INT_MAX) } },
	[CLOSE] = { "close", {
		ARG("fd", REF_LINK, REF_LINK + 1, REF_LINK + 2, REF_LINK + 3, REF_LOADED) } },
	[SEND] = { "send", { ARG("count", 1, 2, 3) } },
};

const int nr_kinds = NR_KINDS, max_calls = MAX_CALLS;

/* Choose those kinds more often that have more to find. */
static enum kind random_kind(void)
{
	static const enum kind often[] = {
		CREATE, CREATE, CREATE, CREATE, UPDATE, UPDATE, DETACH, INFO, PIN, GET, UNPIN,
		RUN, RUN, RUN, LOAD, LOAD, LOAD, CLOSE, SEND,
	};

	return often[below(ARRAY_SIZE(often))];
}

struct call random_call(void)
{
	struct call call = default_call(random_kind());
	const struct argument *args = kinds[call.kind].args;
	const int nr = nr_args(call.kind);
	int i, times;

	/* Most arguments of a call are valid. If all of them were odd, the call
	 * would fail in the first check of the kernel.
	 */
	if (call.kind == CREATE) {
		call.arg[C_PF] = args[C_PF].values[below(3)];
		call.arg[C_HOOK] = below(NF_INET_NUMHOOKS);
		call.arg[C_PRIO] = below(4);
	}
	if (call.kind == LOAD)
		for (i = L_TEMPLATE; i <= L_VALUE1; i++)
			if (i != L_TYPE && i != L_ATTACH)
				call.arg[i] = random_value(&args[i], call.arg[i]);
	for (times = below(4); times; times--) {
		i = below(nr);
		call.arg[i] = random_value(&args[i], call.arg[i]);
	}
	return call;
}

struct input random_input(void)
{
	struct input input = { .nr = 3 + below(MAX_CALLS - 3) };
	int i;

	input.calls[0] = default_call(CREATE);
	for (i = 1; i < input.nr; i++)
		input.calls[i] = random_call();
	return input;
}
