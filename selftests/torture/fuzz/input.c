// SPDX-License-Identifier: GPL-2.0
/*
 * The inputs of a fuzzer are sequences of calls. The fuzzer defines enum kind, max_calls,
 * kinds[], and a function that makes a random call. As text, a call is a line: "create pf=2
 * hook=1". An argument that is missing there has its first value.
 */
#include <dirent.h>
#include <limits.h>

#include "torture/fuzz/input.h"

int nr_args(int kind)
{
	int nr = 0;

	while (nr < MAX_ARGS && kinds[kind].args[nr].name)
		nr++;
	return nr;
}

/* Values have 32 bits, like the members of the attributes. */
int random_value(const struct argument *arg, long now)
{
	switch (below(16)) {
	case 0:
		return now + 1;
	case 1:
		return now - 1;
	case 2:
		return now ^ 1L << below(32);
	default:
		return arg->values[below(arg->nr)];
	}
}

struct call default_call(int kind)
{
	struct call call = { .kind = kind };
	int i;

	for (i = 0; i < nr_args(kind); i++)
		call.arg[i] = kinds[kind].args[i].values[0];
	return call;
}

void remove_call(struct input *input, int nr)
{
	input->nr--;
	memmove(&input->calls[nr], &input->calls[nr + 1],
		(input->nr - nr) * sizeof(input->calls[0]));
}

struct input mutate(struct input input)
{
	struct call *call;
	int times, i;

	for (times = 1 + below(4); times; times--) {
		call = &input.calls[below(input.nr)];
		switch (below(6)) {
		case 0:
			*call = random_call();
			break;
		case 1:
			if (input.nr < max_calls)
				input.calls[input.nr++] = random_call();
			break;
		case 2:
			if (input.nr > 1)
				remove_call(&input, call - input.calls);
			break;
		default:
			if (!nr_args(call->kind))
				break;
			i = below(nr_args(call->kind));
			call->arg[i] = random_value(&kinds[call->kind].args[i], call->arg[i]);
		}
	}
	return input;
}

/* --- text --- */

static void print_call(FILE *file, const struct call *call)
{
	const struct argument *args = kinds[call->kind].args;
	int i;

	fputs(kinds[call->kind].name, file);
	for (i = 0; i < nr_args(call->kind); i++)
		if (call->arg[i] != args[i].values[0])
			fprintf(file, " %s=%ld", args[i].name, call->arg[i]);
	fputc('\n', file);
}

void print_input(FILE *file, const char *prefix, const struct input *input)
{
	int i;

	for (i = 0; i < input->nr; i++) {
		fputs(prefix, file);
		print_call(file, &input->calls[i]);
	}
}

static bool parse_argument(struct call *call, char *word)
{
	char *value = strchr(word, '='), *end;
	int i;

	if (!value)
		return false;
	*value++ = '\0';
	for (i = 0; i < nr_args(call->kind); i++) {
		if (strcmp(kinds[call->kind].args[i].name, word))
			continue;
		call->arg[i] = (int)strtol(value, &end, 0);
		return *value && !*end;
	}
	return false;
}

static bool parse_call(char *line, struct call *call)
{
	static const char blanks[] = "\n ";
	char *word = strtok(line, blanks);
	int kind;

	for (kind = 0; kind < nr_kinds; kind++)
		if (word && !strcmp(kinds[kind].name, word))
			break;
	if (kind == nr_kinds)
		return false;
	*call = default_call(kind);
	while ((word = strtok(NULL, blanks)))
		if (!parse_argument(call, word))
			return false;
	return true;
}

/* Return: 0, or the number of the first line that is no call, or -1 if there is no call */
int read_input(const char *path, struct input *input)
{
	char line[512];
	int nr = 0;
	FILE *file;

	memset(input, 0, sizeof(*input));
	file = fopen(path, "r");
	while (file && fgets(line, sizeof(line), file)) {
		nr++;
		if (*line == '#')
			continue;
		if (input->nr == max_calls ||
		    !parse_call(line, &input->calls[input->nr++])) {
			fclose(file);
			return nr;
		}
	}
	if (file)
		fclose(file);
	return input->nr ? 0 : -1;
}

/* --- directories --- */

static int is_input(const struct dirent *entry)
{
	const char *dot = strrchr(entry->d_name, '.');

	return dot && !strcmp(dot, ".calls");
}

/* Call @does for each input, sorted by name. Return: false if a call fails or without inputs */
bool each_input(const char *directory, bool (*does)(const char *path))
{
	struct dirent **entries;
	char path[PATH_MAX + NAME_MAX + 2];
	int i, nr = scandir(directory, &entries, is_input, alphasort);
	bool ok = nr > 0;

	for (i = 0; i < nr; i++) {
		snprintf(path, sizeof(path), "%s/%s", directory, entries[i]->d_name);
		ok &= does(path);
		free(entries[i]);
	}
	if (nr > 0)
		free(entries);
	return ok;
}
