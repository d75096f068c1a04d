/* SPDX-License-Identifier: GPL-2.0 */
#ifndef FUZZ_H
#define FUZZ_H

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "helpers/nf_test.h"

enum { MAX_ARGS = 16, MAX_VALUES = 32 };

struct argument {
	const char *name;
	int nr;
	long values[MAX_VALUES];
};

struct fuzz_kind {
	const char *name;
	struct argument args[MAX_ARGS];
};

#define ARG(name, ...) \
	{ name, sizeof((long[]) { __VA_ARGS__ }) / sizeof(long), { __VA_ARGS__ } }

extern __u64 fuzz_state;
extern int nr_results, failed;

__u32 fuzz_random(void);
__u32 below(__u32 limit);
void result(bool ok, const char *name);
long seconds(void);
long number_of(const char *name, long otherwise);
void bail(const char *what, int err);

#endif
