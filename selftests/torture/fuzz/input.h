/* SPDX-License-Identifier: GPL-2.0 */
#ifndef FUZZ_INPUT_H
#define FUZZ_INPUT_H

#include "torture/fuzz/fuzz.h"

enum { CALLS_LIMIT = 24 };

struct call {
	int kind;
	long arg[MAX_ARGS];
};

struct input {
	int nr;
	struct call calls[CALLS_LIMIT];
};

/* Each fuzzer defines these: its kinds of calls, the longest sequence, a random call. */
extern const struct fuzz_kind kinds[];
extern const int nr_kinds, max_calls;
struct call random_call(void);

int nr_args(int kind);
int random_value(const struct argument *arg, long now);
struct call default_call(int kind);
void remove_call(struct input *input, int nr);
struct input mutate(struct input input);
void print_input(FILE *file, const char *prefix, const struct input *input);
int read_input(const char *path, struct input *input);
bool each_input(const char *directory, bool (*does)(const char *path));

#endif
