/* SPDX-License-Identifier: GPL-2.0 */
#ifndef SYSCALL_COVER_H
#define SYSCALL_COVER_H

#include "torture/syscall/world.h"

enum {
	COVER_WORDS = 1 << 18, COVER_SEEN = 1 << 16, COVER_PLACES = COVER_SEEN / 2,
	COVER_FUNCTIONS = 512,
};

/* A set of places. Places are numbered in the order in which they were first seen. */
struct places {
	__u64 bits[COVER_PLACES / 64];
};

struct cover {
	int fd;
	unsigned long *trace;
	struct {
		unsigned long pc;		/* 0: free */
		int nr;
	} seen[COVER_SEEN];			/* a hash table */
	int nr_seen;
	int function_of[COVER_PLACES];
	struct places now;			/* places reached since this was cleared */
	unsigned long others[COVER_SEEN];	/* a cache of other addresses */
	struct {
		unsigned long start, end;
		char *name;
		bool reached;
	} functions[COVER_FUNCTIONS];
	int nr_functions;
	bool is_new;
};

extern struct cover cover;

void cover_open(void);
void cover_start(void);
void cover_stop(void);
bool cover_is_new(void);
void cover_print(void);

#endif
