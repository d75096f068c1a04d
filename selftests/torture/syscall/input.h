/* SPDX-License-Identifier: GPL-2.0 */
#ifndef SYSCALL_INPUT_H
#define SYSCALL_INPUT_H

#include "torture/fuzz/fuzz.h"
#include "torture/fuzz/input.h"

/* What an argument that stands for a file descriptor, or an id, refers to. */
enum ref {
	REF_ACCEPT, REF_DROP, REF_LOADED,
	REF_LINK,		/* the first of NR_LINKS */
	NR_LINKS	= 8,
	REF_NONE	= REF_LINK + NR_LINKS,
	REF_FILE, REF_MAP, REF_FOREIGN_PROG, REF_FOREIGN_LINK, REF_UNOPENED,
	NR_REFS,
};

enum { NR_PINS = 3, PATH_NO_BPFFS = NR_PINS, PATH_NO_DIRECTORY, PATH_BAD, NR_PATHS };

enum kind {
	CREATE, UPDATE, DETACH, INFO, PIN, GET, UNPIN, RUN, LOAD, CLOSE, SEND, NR_KINDS,
};

enum { C_PROG, C_TYPE, C_LFLAGS, C_PF, C_HOOK, C_PRIO, C_FLAGS, C_REL, C_SIZE, C_AT, C_BYTE };
enum { U_LINK, U_PROG, U_FLAGS, U_OLD, U_SIZE, U_AT, U_BYTE };
enum { D_LINK, D_SIZE, D_AT, D_BYTE };
enum { I_FD, I_LEN, I_POINTER, I_FILL };
enum { P_FD, P_PATH, P_FLAGS };

enum {
	R_PROG, R_PACKET, R_SIZE, R_OUT, R_POINTERS, R_REPEAT, R_CTX, R_PF, R_HOOK, R_POKE,
	R_FLAGS, R_CPU, R_BATCH, R_CTX_OUT, R_AT, R_BYTE,
};

enum {
	L_TEMPLATE, L_TYPE, L_ATTACH, L_AT1, L_WHAT1, L_VALUE1, L_AT2, L_WHAT2, L_VALUE2,
	L_FLAGS, L_COUNT,
};

enum { BAD_IN = 1, BAD_OUT = 2, NULL_OUT = 4 };
enum { WHAT_NOTHING, WHAT_CODE, WHAT_DST, WHAT_SRC, WHAT_OFF, WHAT_IMM, WHAT_DELETE, WHAT_REPEAT };

#define DEFRAG BPF_F_NETFILTER_IP_DEFRAG
#define STRICT BPF_F_NETFILTER_DEFRAG_STRICT
#define BEFORE BPF_F_BEFORE
#define AFTER BPF_F_AFTER
#define RELATIVE_LINK BPF_F_LINK
#define RELATIVE_ID BPF_F_ID

struct input random_input(void);

#endif
