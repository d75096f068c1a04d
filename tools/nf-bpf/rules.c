// SPDX-License-Identifier: GPL-2.0-only
/* Rules: the entries of maps as text. "[MAP]", then lines "KEY -> VALUE". */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <linux/bpf.h>

#include <bpf/bpf.h>
#include <bpf/btf.h>

#include "nf-bpf.h"
#include "shape.h"

struct table {
	const char *name;
	int fd;
	struct bpf_map_info info;
	struct shape key;
	struct shape value;
	/* entries of the text: keys with their values behind them */
	unsigned char *entries;
	size_t count;
	size_t room;
};

struct reader {
	const char *file;
	int line;
	const struct loaded *loaded;
	struct table tables[MAX_LIST];
	int nr_tables;
	struct table *table;	/* of the section, NULL: it is not to be filled */
	bool in_section;
};

static bool is_table_type(__u32 type)
{
	return type == BPF_MAP_TYPE_HASH || type == BPF_MAP_TYPE_LRU_HASH ||
	       type == BPF_MAP_TYPE_LPM_TRIE || type == BPF_MAP_TYPE_ARRAY;
}

/* Returns 0, -1 if the map's entries have no text, and then *why says why. */
static int table_open(struct table *table, const char *name, int fd, const char **why)
{
	__u32 len = sizeof(table->info);
	struct btf *btf;
	int err;

	*table = (struct table){ .name = name, .fd = fd };
	*why = "its type is not hash, lru_hash, lpm_trie or array";
	if (bpf_map_get_info_by_fd(fd, &table->info, &len) || !is_table_type(table->info.type))
		return -1;
	*why = "it has no BTF: compile the program with -g, and declare the map with __type()";
	btf = table->info.btf_id ? btf__load_from_kernel_by_id(table->info.btf_id) : NULL;
	if (!btf)
		return -1;
	*why = "its key or value has bit fields, too many members or more than 1024 bytes";
	err = shape_of(&table->key, btf, table->info.btf_key_type_id, table->info.key_size,
		       table->info.type == BPF_MAP_TYPE_LPM_TRIE) ?:
	      shape_of(&table->value, btf, table->info.btf_value_type_id, table->info.value_size,
		       false);
	btf__free(btf);

	return err;
}

static size_t entry_size(const struct table *table)
{
	return table->info.key_size + table->info.value_size;
}

static int add_entry(struct table *table, const unsigned char *key, const unsigned char *value)
{
	size_t size = entry_size(table);
	unsigned char *entries;

	if (table->count == table->room) {
		table->room = table->room ? 2 * table->room : 256;
		entries = realloc(table->entries, table->room * size);
		if (!entries)
			return -1;
		table->entries = entries;
	}
	entries = table->entries + table->count++ * size;
	memcpy(entries, key, table->info.key_size);
	memcpy(entries + table->info.key_size, value, table->info.value_size);

	return 0;
}

static int __printf(2, 3) wrong(const struct reader *reader, const char *fmt, ...)
{
	char what[512];
	va_list args;

	va_start(args, fmt);
	vsnprintf(what, sizeof(what), fmt, args);
	va_end(args);

	return fail("%s:%d: %s", reader->file, reader->line, what);
}

static int find_map(const struct loaded *loaded, const char *name)
{
	int i;

	for (i = 0; i < loaded->nr_maps; i++) {
		if (!strcmp(loaded->maps[i].name, name))
			return i;
	}

	return -1;
}

static int open_section(struct reader *reader, char *line)
{
	char *end = strchr(line, ']');
	const char *why;
	int map, i;

	if (!end || end[1])
		return wrong(reader, "not a section: write [MAP]");
	*end = '\0';
	reader->in_section = true;
	map = find_map(reader->loaded, line + 1);
	if (map < 0)
		return wrong(reader, "[%s]: the program has no such map: correct the name", line + 1);
	reader->table = NULL;
	if (reader->loaded->maps[map].fd < 0)
		return 0;
	for (i = 0; i < reader->nr_tables; i++) {
		if (!strcmp(reader->tables[i].name, line + 1))
			return wrong(reader, "[%s]: given twice: join the two sections", line + 1);
	}
	reader->table = &reader->tables[reader->nr_tables];
	if (table_open(reader->table, reader->loaded->maps[map].name, reader->loaded->maps[map].fd, &why))
		return wrong(reader, "[%s]: entries of this map have no text: %s", line + 1, why);
	reader->nr_tables++;

	return 0;
}

/* One entry for each combination of the values of ranges. */
static int expand(struct reader *reader, const unsigned char *key, const unsigned char *value,
		  const struct span *spans, int nr_spans)
{
	unsigned char one[MAX_SIZE];
	__u64 total = 1, index, rest;
	int i;

	for (i = 0; i < nr_spans; i++) {
		total *= spans[i].count;
		if (total > MAX_EXPANDED)
			return wrong(reader, "the ranges of this line have more than %d combinations: use an LPM trie, or a key with _min and _max",
				     MAX_EXPANDED);
	}
	for (index = 0; index < total; index++) {
		memcpy(one, key, reader->table->info.key_size);
		for (i = 0, rest = index; i < nr_spans; i++) {
			span_set(&spans[i], key, one, rest % spans[i].count);
			rest /= spans[i].count;
		}
		if (add_entry(reader->table, one, value))
			return wrong(reader, "out of memory");
	}

	return 0;
}

static int read_entry(struct reader *reader, char *line)
{
	unsigned char key[MAX_SIZE] = {}, value[MAX_SIZE] = {};
	struct span spans[MAX_MEMBERS], value_spans[MAX_MEMBERS];
	char *arrow = strstr(line, "->");
	char error[400], copy[100];
	int count;

	if (!reader->in_section)
		return wrong(reader, "an entry before any section: write [MAP] above it");
	if (!reader->table)
		return 0;
	if (arrow) {
		*arrow = '\0';
		snprintf(copy, sizeof(copy), "%s", arrow + 2 + strspn(arrow + 2, " \t"));
		count = shape_parse(&reader->table->value, arrow + 2, value, value_spans, error,
				    sizeof(error));
		if (count > 0)
			return wrong(reader, "%s: a value can't be a range", copy);
		if (count < 0)
			return wrong(reader, "%s", error);
	}
	count = shape_parse(&reader->table->key, line, key, spans, error, sizeof(error));
	if (count < 0)
		return wrong(reader, "%s", error);

	return expand(reader, key, value, spans, count);
}

static int read_rules(struct reader *reader, const struct blob *rules)
{
	char *copy, *rest, *line;
	int err = 0;

	if (strlen(rules->data) != rules->len)
		return fail("%s: a byte of the file is 0: it is not text", reader->file);
	copy = strdup(rules->data);
	if (!copy)
		return fail("out of memory");
	rest = copy;
	while (!err && (line = strsep(&rest, "\n"))) {
		reader->line++;
		line[strcspn(line, "#\r")] = '\0';
		line += strspn(line, " \t");
		while (*line && strchr(" \t", line[strlen(line) - 1]))
			line[strlen(line) - 1] = '\0';
		if (*line == '[')
			err = open_section(reader, line);
		else if (*line)
			err = read_entry(reader, line);
	}
	free(copy);

	return err;
}

static int compare_keys(const void *a, const void *b, void *arg)
{
	const struct table *table = arg;

	return memcmp(a, b, table->info.key_size);
}

/* The entries are sorted. */
static bool has_key(const struct table *table, const unsigned char *key)
{
	size_t low = 0, high = table->count, middle;
	int order;

	while (low < high) {
		middle = low + (high - low) / 2;
		order = memcmp(key, table->entries + middle * entry_size(table), table->info.key_size);
		if (!order)
			return true;
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}

	return false;
}

static int put_entries(const struct table *table)
{
	const unsigned char *entry = table->entries;
	size_t i;

	for (i = 0; i < table->count; i++, entry += entry_size(table)) {
		if (bpf_map_update_elem(table->fd, entry, entry + table->info.key_size, BPF_ANY))
			return fail("map %s: entry %zu of %zu: %s%s", table->name, i + 1, table->count,
				    strerror(errno), errno == E2BIG || errno == ENOSPC ?
				    ": the map is full: write 'MAP = ENTRIES' into [limits]" : "");
	}

	return 0;
}

/* Delete what the text does not have. Collect the keys first: a deletion would start the
 * walk over.
 */
static int delete_others(struct table *table)
{
	struct table others = { .info = table->info };
	unsigned char key[MAX_SIZE], next[MAX_SIZE], zero[MAX_SIZE] = {};
	bool is_array = table->info.type == BPF_MAP_TYPE_ARRAY;
	void *last = NULL;
	size_t i;
	int err = 0;

	others.info.value_size = 0;
	if (table->count)
		qsort_r(table->entries, table->count, entry_size(table), compare_keys, table);
	while (!err && !bpf_map_get_next_key(table->fd, last, next)) {
		memcpy(key, next, table->info.key_size);
		last = key;
		if (!has_key(table, key))
			err = add_entry(&others, key, zero);
	}
	for (i = 0; !err && i < others.count; i++) {
		memcpy(key, others.entries + i * entry_size(&others), table->info.key_size);
		if (is_array)
			err = bpf_map_update_elem(table->fd, key, zero, BPF_ANY);
		else if (bpf_map_delete_elem(table->fd, key) && errno != ENOENT)
			err = -1;
	}
	free(others.entries);

	return err ? fail("map %s: can't delete entries: %s", table->name, strerror(errno)) : 0;
}

int rules_fill(const struct blob *rules, const char *file, const struct loaded *loaded, bool replace)
{
	struct reader *reader = calloc(1, sizeof(*reader));
	int err, i;

	if (!reader)
		return fail("out of memory");
	reader->file = file;
	reader->loaded = loaded;
	/* All of the text is read before the first change. */
	err = read_rules(reader, rules);
	for (i = 0; !err && i < reader->nr_tables; i++)
		err = put_entries(&reader->tables[i]);
	for (i = 0; !err && replace && i < reader->nr_tables; i++)
		err = delete_others(&reader->tables[i]);
	for (i = 0; i < reader->nr_tables; i++)
		free(reader->tables[i].entries);
	free(reader);

	return err;
}

static int save_table(FILE *out, struct table *table)
{
	unsigned char key[MAX_SIZE], value[MAX_SIZE];
	bool is_array = table->info.type == BPF_MAP_TYPE_ARRAY;
	void *last = NULL;
	unsigned int i;

	fprintf(out, "[%s]\n", table->name);
	while (!bpf_map_get_next_key(table->fd, last, key)) {
		last = key;
		/* It can have been deleted in between. */
		if (bpf_map_lookup_elem(table->fd, key, value))
			continue;
		for (i = 0; i < table->info.value_size && !value[i]; i++)
			;
		if (is_array && i == table->info.value_size)
			continue;
		shape_print(out, &table->key, key);
		fputs(" -> ", out);
		shape_print(out, &table->value, value);
		fputc('\n', out);
	}

	return ferror(out) ? -1 : 0;
}

/* Arrays are mostly counters: they are saved only if the rules name them. */
static bool is_wanted(const struct table *table, const struct blob *rules)
{
	char section[128];

	if (table->info.type != BPF_MAP_TYPE_ARRAY)
		return true;
	snprintf(section, sizeof(section), "[%s]", table->name);

	return rules->data && strstr(rules->data, section);
}

static int save_maps(FILE *out, const struct loaded *loaded, const struct blob *rules)
{
	struct table *table = malloc(sizeof(*table));
	const char *why;
	int i, err = table ? 0 : -1;

	for (i = 0; !err && i < loaded->nr_maps; i++) {
		if (table_open(table, loaded->maps[i].name, loaded->maps[i].fd, &why)) {
			if (is_table_type(table->info.type))
				warn("map %s: not saved: %s", loaded->maps[i].name, why);
			continue;
		}
		if (is_wanted(table, rules))
			err = save_table(out, table);
	}
	free(table);

	return err;
}

/* What is needed of a policy in force. Returns 0, or an exit code after a message. */
static int open_current(struct policy *policy, struct version *version, struct loaded *loaded,
			const char *name)
{
	char path[PATH_MAX];

	*version = (struct version){};
	if (policy_begin(policy, name, false))
		return EXIT_FAILED;
	if (!generation_current(policy, path) && generation_version(path) &&
	    !version_from_state(version, name, generation_version(path)) &&
	    !object_open_pins(loaded, path))
		return 0;
	fail("%s: is not applied: 'nf-bpf apply %s' applies it", name, name);
	version_free(version);
	policy_close(policy);

	return EXIT_NOT_IN_FORCE;
}

static const char *rules_file(int argc, char **argv, const struct version *version)
{
	const char *file = argc > 1 ? argv[1] : version->conf.rules;

	if (!file)
		fail("%s: which file? The policy has no 'rules = FILE': name the file on the command line",
		     argv[0]);

	return file;
}

static int save(const char *file, const struct loaded *loaded, const struct version *version)
{
	struct blob text = {};
	FILE *out;
	int err;

	out = open_memstream(&text.data, &text.len);
	if (!out)
		return fail("out of memory");
	err = save_maps(out, loaded, &version->rules);
	if (fclose(out) || err) {
		free(text.data);
		return fail("out of memory");
	}
	if (!strcmp(file, "-")) {
		err = fwrite(text.data, 1, text.len, stdout) != text.len || fflush(stdout);
	} else {
		err = blob_write(file, text.data, text.len);
		if (err)
			fail("%s: %s", file, strerror(-err));
	}
	free(text.data);

	return err ? -1 : 0;
}

int cmd_save(int argc, char **argv)
{
	struct version version;
	struct policy policy;
	struct loaded loaded;
	const char *file;
	int err;

	err = open_current(&policy, &version, &loaded, argv[0]);
	if (err)
		return err;
	file = rules_file(argc, argv, &version);
	err = file ? save(file, &loaded, &version) : -1;
	object_close(&loaded);
	version_free(&version);
	policy_close(&policy);

	return err ? EXIT_FAILED : EXIT_DONE;
}

int cmd_load(int argc, char **argv)
{
	struct version version;
	struct policy policy;
	struct loaded loaded;
	struct blob rules = {};
	const char *file;
	int err;

	err = open_current(&policy, &version, &loaded, argv[0]);
	if (err)
		return err;
	file = rules_file(argc, argv, &version);
	err = -1;
	if (file) {
		err = blob_read(strcmp(file, "-") ? file : "/dev/stdin", &rules);
		if (err)
			fail("%s: %s", file, strerror(-err));
		else
			err = rules_fill(&rules, file, &loaded, true);
	}
	blob_free(&rules);
	object_close(&loaded);
	version_free(&version);
	policy_close(&policy);

	return err ? EXIT_FAILED : EXIT_DONE;
}
