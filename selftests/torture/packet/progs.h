/* SPDX-License-Identifier: GPL-2.0 */
#ifndef PACKET_PROGS_H
#define PACKET_PROGS_H

#include "helpers/nf_insns.h"
#include "torture/packet/input.h"

enum { MAX_INSNS = 2048, BUF_A = -64, BUF_B = -128, MAP_KEY = -136, BUF_SIZE = 64 };

/* Keys of the map: the verdicts, and how many packets have come. */
enum { COUNT_SEEN = NF_ACCEPT + 1, NR_COUNTS };

struct prog {
	struct bpf_insn insns[MAX_INSNS];
	int nr;
	int to_accept[MAX_CALLS], nr_to_accept;		/* jumps whose targets are not known yet */
	int to_drop[MAX_CALLS], nr_to_drop;
	int map;
	int kept;		/* readable bytes at r8; 0: r8 is no pointer */
	bool moved;		/* a later call may have moved the packet */
	bool dead;		/* the verifier knows that the program never comes here */
	const char *refused;	/* why the verifier has to refuse the program */
};

long within(long value, long low, long high);
void make_prog(struct prog *prog, const struct input *input, int map);
int load_prog(const struct prog *prog, char *log, size_t size);

#endif
