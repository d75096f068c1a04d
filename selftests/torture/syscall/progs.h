/* SPDX-License-Identifier: GPL-2.0 */
#ifndef SYSCALL_PROGS_H
#define SYSCALL_PROGS_H

#include "helpers/nf_insns.h"
#include "torture/syscall/world.h"

enum { MAX_INSNS = 40 };

struct prog {
	struct bpf_insn insns[MAX_INSNS + 2];
	int nr;
};

bool is_whole_template(const struct call *call);
struct prog make_prog(const struct call *call);

#endif
