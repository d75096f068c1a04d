/* SPDX-License-Identifier: GPL-2.0 */
#ifndef SYSCALL_MERGE_H
#define SYSCALL_MERGE_H

#include "torture/syscall/calls.h"

struct find {
	struct input input;
	struct places places;
};

extern bool merge_broke_law;

int merge(const char *directory, struct find *finds, int nr, struct places *known);

#endif
