// SPDX-License-Identifier: GPL-2.0
/*
 * Chooses a few of many inputs of syscall_fuzz, which together reach all places that the
 * corpus does not reach, and removes calls that are not needed for this.
 */
#include <limits.h>

#include "torture/syscall/merge.h"

static void add_places(struct places *to, const struct places *more)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(to->bits); i++)
		to->bits[i] |= more->bits[i];
}

static struct places places_beyond(const struct places *all, const struct places *known)
{
	struct places beyond;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(all->bits); i++)
		beyond.bits[i] = all->bits[i] & ~known->bits[i];
	return beyond;
}

static void keep_common(struct places *of, const struct places *and)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(of->bits); i++)
		of->bits[i] &= and->bits[i];
}

static int count_places(const struct places *places)
{
	unsigned int i;
	int nr = 0;

	for (i = 0; i < ARRAY_SIZE(places->bits); i++)
		nr += __builtin_popcountll(places->bits[i]);
	return nr;
}

static const char *name_of_first(const struct places *places)
{
	int i;

	for (i = 0; i < cover.nr_seen; i++)
		if (places->bits[i / 64] >> i % 64 & 1)
			return cover.functions[cover.function_of[i]].name;
	return "nothing";
}

bool merge_broke_law;

static bool reaches(const struct input *input, const struct places *wanted)
{
	struct places missed;

	memset(&cover.now, 0, sizeof(cover.now));
	if (run_input(input)) {
		printf("# %s\n", world.complaint);
		print_input(stdout, "#   ", input);
		merge_broke_law = true;
		memset(&cover.now, 0, sizeof(cover.now));
		return false;
	}
	missed = places_beyond(wanted, &cover.now);
	return !count_places(&missed);
}

static void shorten(struct input *input, const struct places *wanted)
{
	struct input shorter;
	int before, i;

	do {
		before = input->nr;
		for (i = input->nr - 1; i >= 0 && input->nr > 1; i--) {
			shorter = *input;
			remove_call(&shorter, i);
			if (reaches(&shorter, wanted))
				*input = shorter;
		}
	} while (input->nr < before);
}

/* Return: the find that reaches most places beyond @known, the shortest of equals; or NULL */
static struct find *best_find(struct find *finds, int nr, const struct places *known)
{
	struct find *best = NULL;
	struct places beyond;
	int i, count, most = 0;

	for (i = 0; i < nr; i++) {
		beyond = places_beyond(&finds[i].places, known);
		count = count_places(&beyond);
		if (count < most || !count ||
		    (count == most && finds[i].input.nr >= best->input.nr))
			continue;
		best = &finds[i];
		most = count;
	}
	return best;
}

static void write_find(const char *directory, int nr, const struct find *find,
		       const struct places *beyond)
{
	char path[PATH_MAX];
	FILE *file;

	snprintf(path, sizeof(path), "%s/reach_%02d_%s.calls", directory, nr,
		 name_of_first(beyond));
	file = fopen(path, "wx");
	if (!file)
		bail(path, 0);
	fprintf(file, "# %s: GPL-2.0\n# found with kcov: more places (%d), the first in %s\n",
		"SPDX-License-Identifier", count_places(beyond), name_of_first(beyond));
	print_input(file, "", &find->input);
	if (fclose(file))
		bail(path, 0);
}

/*
 * Write inputs to @directory that reach all places that @finds reach beyond @known. Return:
 * the number of inputs
 */
int merge(const char *directory, struct find *finds, int nr, struct places *known)
{
	struct places beyond;
	struct find *best;
	int written = 0;

	while ((best = best_find(finds, nr, known))) {
		beyond = places_beyond(&best->places, known);
		/* Count only places that a second run of the input reaches as well. */
		if (!reaches(&best->input, &beyond)) {
			keep_common(&best->places, &cover.now);
			continue;
		}
		shorten(&best->input, &beyond);
		write_find(directory, ++written, best, &beyond);
		add_places(known, &best->places);
	}
	return written;
}
