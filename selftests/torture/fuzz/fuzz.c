// SPDX-License-Identifier: GPL-2.0
/*
 * Functions that the fuzzers written in C share: random numbers from a seed, and results in
 * KTAP.
 */
#include <time.h>

#include "torture/fuzz/fuzz.h"

/* --- chance --- */

__u64 fuzz_state;

__u32 fuzz_random(void)
{
	fuzz_state ^= fuzz_state << 13;
	fuzz_state ^= fuzz_state >> 7;
	fuzz_state ^= fuzz_state << 17;
	return (fuzz_state * 0x2545f4914f6cdd1dULL) >> 32;
}

__u32 below(__u32 limit)
{
	return fuzz_random() % limit;
}

/* --- results --- */

int nr_results, failed;

void result(bool ok, const char *name)
{
	printf("%s %d %s\n", ok ? "ok" : "not ok", ++nr_results, name);
	fflush(stdout);
	failed |= !ok;
}

long seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec;
}

long number_of(const char *name, long otherwise)
{
	const char *value = getenv(name);

	return value && *value ? strtol(value, NULL, 0) : otherwise;
}

void bail(const char *what, int err)
{
	printf("Bail out! %s: %s\n", what, strerror(err < 0 ? -err : errno));
	exit(1);
}
