// SPDX-License-Identifier: GPL-2.0
/* Sets the parameters of progs/kfunc.bpf.c, and prints its results. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>

#include "progs/kfunc.h"

static const char usage[] =
	"Usage: kfunc_values set MAP [NAME=VALUE]...\n"
	"       kfunc_values get MAP\n"
	"\n"
	"MAP is the pin of the map \"values\". The NAMEs are in progs/kfunc.h. \"set\" sets\n"
	"all others to 0. \"get\" prints all as NAME=VALUE.\n"
	"\n"
	"Exit status: 0 done, 1 refused, 2 wrong arguments.\n";

static const char * const names[] = {
#define X(name) #name,
	KFUNC_INPUTS(X)
	KFUNC_OUTPUTS(X)
#undef X
};

static int refused(const char *what, const char *object)
{
	fprintf(stderr, "kfunc_values: %s: %s: %s\n", what, object, strerror(errno));
	return 1;
}

static int parse(const char *text, __u64 *values)
{
	const char *value = strchr(text, '=');
	int i;

	for (i = 0; value && i < KFUNC_VALUES; i++) {
		if (strncmp(text, names[i], value - text) || names[i][value - text])
			continue;
		if (value[1] == '-')
			values[i] = strtoll(value + 1, NULL, 0);
		else
			values[i] = strtoull(value + 1, NULL, 0);
		return 0;
	}
	fprintf(stderr, "kfunc_values: %s: no such name\n\n%s", text, usage);
	return 2;
}

static int set(int map, char **argv)
{
	__u64 values[KFUNC_VALUES] = {};
	__u32 i;
	int err;

	for (; *argv; argv++) {
		err = parse(*argv, values);
		if (err)
			return err;
	}
	for (i = 0; i < KFUNC_VALUES; i++)
		if (bpf_map_update_elem(map, &i, &values[i], BPF_ANY))
			return refused("set", names[i]);
	return 0;
}

static int get(int map)
{
	__u64 value;
	__u32 i;

	for (i = 0; i < KFUNC_VALUES; i++) {
		if (bpf_map_lookup_elem(map, &i, &value))
			return refused("get", names[i]);
		printf("%s=%lld\n", names[i], value);
	}
	return 0;
}

int main(int argc, char **argv)
{
	int map;

	if (argc < 3) {
		fputs(usage, stderr);
		return 2;
	}
	map = bpf_obj_get(argv[2]);
	if (map < 0)
		return refused("open", argv[2]);
	if (!strcmp(argv[1], "set"))
		return set(map, argv + 3);
	if (!strcmp(argv[1], "get"))
		return get(map);
	fputs(usage, stderr);
	return 2;
}
