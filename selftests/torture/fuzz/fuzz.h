/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The fuzzers written in C share this: random numbers from a seed, the arguments of a
 * kind of call with the values that are worth a try, and results in KTAP.
 */
#ifndef FUZZ_H
#define FUZZ_H

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

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

/* --- chance --- */

static __u64 fuzz_state;

static __u32 fuzz_random(void)
{
	fuzz_state ^= fuzz_state << 13;
	fuzz_state ^= fuzz_state >> 7;
	fuzz_state ^= fuzz_state << 17;
	return (fuzz_state * 0x2545f4914f6cdd1dULL) >> 32;
}

static __u32 below(__u32 limit)
{
	return fuzz_random() % limit;
}

/* --- results --- */

static int nr_results, failed;

static void result(bool ok, const char *name)
{
	printf("%s %d %s\n", ok ? "ok" : "not ok", ++nr_results, name);
	fflush(stdout);
	failed |= !ok;
}

static long seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec;
}

static long number_of(const char *name, long otherwise)
{
	const char *value = getenv(name);

	return value && *value ? strtol(value, NULL, 0) : otherwise;
}

static void bail(const char *what, int err)
{
	printf("Bail out! %s: %s\n", what, strerror(err < 0 ? -err : errno));
	exit(1);
}

#endif
