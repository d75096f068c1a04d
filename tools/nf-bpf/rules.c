// SPDX-License-Identifier: GPL-2.0-only
/* Rules: the entries of maps as text. "[MAP]", then lines "KEY -> VALUE". */
#define _GNU_SOURCE
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <linux/bpf.h>

#include <bpf/bpf.h>
#include <bpf/btf.h>

#include "nf-bpf.h"
#include "shape.h"

/* A growing array of items that have the same size. */
struct list {
	unsigned char *items;
	size_t size;
	size_t count;
	size_t room;
};

struct table {
	const char *name;
	int fd;
	int outer;		/* the map of maps whose map fd is, or -1 */
	bool is_next;		/* fd is not in the map of maps yet */
	bool is_kept;		/* the map has entries already, and keeps them */
	struct bpf_map_info info;
	struct shape key;
	struct shape value;
	struct list entries;	/* those of the text: key, value, number of the line */
	struct list others;	/* keys that are in the map and not in the text */
};

struct reader {
	const char *file;
	int line;
	bool is_stored;		/* the rules are those of a stored version */
	bool has_warned;
	const struct loaded *loaded;
	struct table tables[MAX_LIST];
	int nr_tables;
	struct table *table;	/* that of the section; NULL before the first section */
};

static bool is_table_type(__u32 type)
{
	return type == BPF_MAP_TYPE_HASH || type == BPF_MAP_TYPE_LRU_HASH ||
	       type == BPF_MAP_TYPE_LPM_TRIE || type == BPF_MAP_TYPE_ARRAY;
}

static void table_close(struct table *table)
{
	free(table->entries.items);
	free(table->others.items);
	if (table->outer >= 0)
		close(table->fd);
}

static int read_info(struct table *table)
{
	__u32 len = sizeof(table->info);

	table->info = (struct bpf_map_info){};

	return bpf_map_get_info_by_fd(table->fd, &table->info, &len);
}

/* The entries of a map of one map are those of this map. */
static int open_inner(struct table *table)
{
	__u32 first = 0, id;
	int fd;

	if (table->info.type != BPF_MAP_TYPE_ARRAY_OF_MAPS || table->info.max_entries != 1)
		return 0;
	fd = bpf_map_lookup_elem(table->fd, &first, &id) ? -1 : bpf_map_get_fd_by_id(id);
	if (fd < 0)
		return -1;
	table->outer = table->fd;
	table->fd = fd;

	return read_info(table);
}

static int open_shapes(struct table *table, const char **why)
{
	struct btf *btf;
	int err;

	*why = "its type is not hash, lru_hash, lpm_trie or array, or array_of_maps of one such map";
	if (read_info(table) || open_inner(table) || !is_table_type(table->info.type))
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
	table->entries.size = table->info.key_size + table->info.value_size + sizeof(int);
	table->others.size = table->info.key_size;

	return err;
}

/* Returns 0, -1 if the map's entries have no text, and then *why says why. */
static int table_open(struct table *table, const char *name, int fd, const char **why)
{
	*table = (struct table){ .name = name, .fd = fd, .outer = -1 };
	if (!open_shapes(table, why))
		return 0;
	table_close(table);

	return -1;
}

static unsigned char *item_of(const struct list *list, size_t index)
{
	return list->items + index * list->size;
}

/* Returns the new item, or NULL. */
static unsigned char *add_item(struct list *list)
{
	size_t room = list->room ? 2 * list->room : 256;
	unsigned char *items;

	if (list->count == list->room) {
		items = realloc(list->items, room * list->size);
		if (!items)
			return NULL;
		list->items = items;
		list->room = room;
	}

	return item_of(list, list->count++);
}

static unsigned char *value_of(const struct table *table, unsigned char *entry)
{
	return entry + table->info.key_size;
}

static int line_of(const struct table *table, const unsigned char *entry)
{
	int line;

	memcpy(&line, entry + table->info.key_size + table->info.value_size, sizeof(line));

	return line;
}

static int add_entry(struct table *table, const unsigned char *key, const unsigned char *value,
		     int line)
{
	unsigned char *entry = add_item(&table->entries);

	if (!entry)
		return -1;
	memcpy(entry, key, table->info.key_size);
	memcpy(value_of(table, entry), value, table->info.value_size);
	memcpy(value_of(table, entry) + table->info.value_size, &line, sizeof(line));

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

/* Refuse what is probably a mistake. An earlier nf-bpf may have accepted it in the rules of a
 * stored version, and after an update the router must still boot: warn there, once.
 */
static int doubt(struct reader *reader, const char *what)
{
	if (!reader->is_stored)
		return wrong(reader, "%s", what);
	if (!reader->has_warned)
		warn("%s:%d: %s, before the next 'nf-bpf apply'", reader->file, reader->line, what);
	reader->has_warned = true;

	return 0;
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
	map = find_map(reader->loaded, line + 1);
	if (map < 0)
		return wrong(reader, "[%s]: the program has no such map: correct the name", line + 1);
	for (i = 0; i < reader->nr_tables; i++) {
		if (!strcmp(reader->tables[i].name, line + 1))
			return wrong(reader, "[%s]: given twice: join the two sections", line + 1);
	}
	reader->table = &reader->tables[reader->nr_tables];
	if (table_open(reader->table, reader->loaded->maps[map].name, reader->loaded->maps[map].fd, &why))
		return wrong(reader, "[%s]: entries of this map have no text: %s", line + 1, why);
	reader->table->is_kept = reader->loaded->maps[map].is_kept;
	reader->nr_tables++;

	return 0;
}

static int doubt_length(struct reader *reader, const unsigned char *key)
{
	char what[400], *text = NULL;
	size_t len;
	FILE *out;

	out = open_memstream(&text, &len);
	if (!out)
		return wrong(reader, "out of memory");
	shape_print(out, &reader->table->key, key);
	fclose(out);
	snprintf(what, sizeof(what), "bits after the length of the key are set: write %s, or correct the length",
		 text ?: "0 there");
	free(text);

	return doubt(reader, what);
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
		if (shape_mask(&reader->table->key, one) && doubt_length(reader, one))
			return -1;
		if (add_entry(reader->table, one, value, reader->line))
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

	if (!reader->table)
		return wrong(reader, "an entry before any section: write [MAP] above it");
	if (line == arrow)
		return wrong(reader, "no key: write it before '->'");
	if (arrow) {
		*arrow = '\0';
		snprintf(copy, sizeof(copy), "%s", arrow + 2 + strspn(arrow + 2, " \t"));
		count = shape_parse(&reader->table->value, arrow + 2, value, value_spans, error,
				    sizeof(error));
		if (count > 0)
			return wrong(reader, "%s: a value can't be a range", copy);
		if (count < 0)
			return wrong(reader, "%s", error);
		if (*error && doubt(reader, error))
			return -1;
	}
	count = shape_parse(&reader->table->key, line, key, spans, error, sizeof(error));
	if (count < 0)
		return wrong(reader, "%s", error);
	if (*error && doubt(reader, error))
		return -1;

	return expand(reader, key, value, spans, count);
}

/* Remove the CR at the end of a line, and find control characters. Find them in comments, too: if
 * all lines of a file end with CR alone, a comment in the first line would hide the others.
 */
static int check_characters(struct reader *reader, char *line)
{
	size_t len = strlen(line);
	char what[80];

	if (len && line[len - 1] == '\r')
		line[len - 1] = '\0';
	while (*line && (*line == '\t' || !iscntrl((unsigned char)*line)))
		line++;
	if (!*line)
		return 0;
	if (*line == '\r') {
		*line = '\0';
		return doubt(reader, "a CR before the end of the line: end lines with LF or CR LF");
	}
	snprintf(what, sizeof(what), "a control character, 0x%02x: remove it", *line);

	return doubt(reader, what);
}

static int read_line(struct reader *reader, char *line)
{
	if (check_characters(reader, line))
		return -1;
	line[strcspn(line, "#")] = '\0';
	line += strspn(line, " \t");
	while (*line && strchr(" \t", line[strlen(line) - 1]))
		line[strlen(line) - 1] = '\0';
	if (*line == '[')
		return open_section(reader, line);

	return *line ? read_entry(reader, line) : 0;
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
		err = read_line(reader, line);
	}
	free(copy);

	return err;
}

static int compare_entries(const void *a, const void *b, void *arg)
{
	const struct table *table = arg;

	return memcmp(a, b, table->info.key_size) ?: line_of(table, a) - line_of(table, b);
}

/* Sort the entries, and remove duplicates. Refuse a key with two values. */
static int sort_entries(struct reader *reader, struct table *table)
{
	struct list *entries = &table->entries;
	unsigned char *entry, *last = NULL;
	size_t i, count = entries->count;

	if (count)
		qsort_r(entries->items, count, entries->size, compare_entries, table);
	entries->count = 0;
	for (i = 0; i < count; i++) {
		entry = item_of(entries, i);
		if (!last || memcmp(entry, last, table->info.key_size)) {
			last = item_of(entries, entries->count++);
			memmove(last, entry, entries->size);
		} else if (memcmp(value_of(table, entry), value_of(table, last),
				  table->info.value_size)) {
			reader->line = line_of(table, entry);
			return wrong(reader, "a key of line %d again, with another value: remove it from one of the two lines",
				     line_of(table, last));
		}
	}

	return 0;
}

/* Refuse rules that do not fit the map. Otherwise the kernel would take some of them, and then
 * refuse the next one.
 */
static int check_room(struct reader *reader, const struct table *table)
{
	const struct list *entries = &table->entries;
	unsigned int max = table->info.max_entries;
	__u32 index;
	size_t i;

	if (table->info.type != BPF_MAP_TYPE_ARRAY) {
		/* The next map of a map of maps has room for all of them. */
		if (entries->count <= max || table->outer >= 0)
			return 0;
		return fail("map %s: %s has %zu entries, it has room for %u: write '%s = %zu' into [limits]",
			    table->name, reader->file, entries->count, max, table->name,
			    entries->count);
	}
	for (i = 0; i < entries->count; i++) {
		memcpy(&index, item_of(entries, i), sizeof(index));
		reader->line = line_of(table, item_of(entries, i));
		if (index >= max)
			return wrong(reader, "%u: the array ends at %u: write '%s = %u' into [limits]",
				     index, max - 1, table->name, index + 1);
	}

	return 0;
}

static unsigned char *find_entry(const struct table *table, const unsigned char *key)
{
	size_t low = 0, high = table->entries.count, middle;
	int order;

	while (low < high) {
		middle = low + (high - low) / 2;
		order = memcmp(key, item_of(&table->entries, middle), table->info.key_size);
		if (!order)
			return item_of(&table->entries, middle);
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}

	return NULL;
}

static int compare_keys(const void *a, const void *b, void *arg)
{
	const struct list *keys = arg;

	return memcmp(a, b, keys->size);
}

/* Collect the keys of the map, and sort them. If a key is deleted during the walk, the kernel
 * starts the walk again: keys come twice, and with a busy LRU map the walk might never end.
 */
static int list_keys(const struct table *table, struct list *keys)
{
	size_t i, count, max = 2 * (size_t)table->info.max_entries;
	unsigned char *key = NULL, *last;
	unsigned char next[MAX_SIZE];

	*keys = (struct list){ .size = table->info.key_size };
	while (keys->count < max) {
		if (bpf_map_get_next_key(table->fd, key, next)) {
			if (errno == ENOENT)
				break;
			return fail("map %s: can't list its entries: %s", table->name, strerror(errno));
		}
		key = add_item(keys);
		if (!key)
			return fail("out of memory");
		memcpy(key, next, keys->size);
	}
	/* A program can have set bits after the length, but the trie has the key without them. */
	for (i = 0; i < keys->count; i++)
		shape_mask(&table->key, item_of(keys, i));
	if (keys->count)
		qsort_r(keys->items, keys->count, keys->size, compare_keys, keys);
	count = keys->count;
	keys->count = 0;
	for (i = 0, last = NULL; i < count; i++) {
		key = item_of(keys, i);
		if (last && !memcmp(key, last, keys->size))
			continue;
		last = item_of(keys, keys->count++);
		memmove(last, key, keys->size);
	}

	return 0;
}

/* Tell whether this is an unused element of an array. An array always has all its elements, so an
 * element that is 0 does not count as an entry.
 */
static bool is_empty(const struct table *table, const unsigned char *key)
{
	unsigned char value[MAX_SIZE];
	size_t i;

	if (table->info.type != BPF_MAP_TYPE_ARRAY)
		return false;
	if (bpf_map_lookup_elem(table->fd, key, value))
		return true;
	for (i = 0; i < table->info.value_size && !value[i]; i++)
		;

	return i == table->info.value_size;
}

static int list_others(struct table *table)
{
	struct list keys;
	unsigned char *key, *other;
	int err = list_keys(table, &keys);
	size_t i;

	for (i = 0; !err && i < keys.count; i++) {
		key = item_of(&keys, i);
		if (find_entry(table, key) || is_empty(table, key))
			continue;
		other = add_item(&table->others);
		if (!other)
			err = fail("out of memory");
		else
			memcpy(other, key, keys.size);
	}
	free(keys.items);

	return err;
}

static int put_entry(const struct table *table, unsigned char *entry)
{
	int err = bpf_map_update_elem(table->fd, entry, value_of(table, entry), BPF_ANY);

	if (!err || errno != ENOSPC)
		return err;
	/* Kernels before Linux 6.13 can refuse to replace a value in a full trie. */
	if (bpf_map_delete_elem(table->fd, entry)) {
		errno = ENOSPC;
		return -1;
	}

	return bpf_map_update_elem(table->fd, entry, value_of(table, entry), BPF_ANY);
}

static int put_entries(const struct table *table)
{
	unsigned char *entry;
	size_t i;

	/* Long prefixes, and keys without members that are 0 (any), first: see list. */
	for (i = table->entries.count; i-- > 0;) {
		entry = item_of(&table->entries, i);
		if (put_entry(table, entry))
			return fail("map %s: entry %zu of %zu, line %d: %s", table->name, i + 1,
				    table->entries.count, line_of(table, entry),
				    errno == E2BIG || errno == ENOSPC ? "the map is full" :
				    strerror(errno));
	}

	return 0;
}

static int delete_others(const struct table *table)
{
	unsigned char zero[MAX_SIZE] = {};
	unsigned char *key;
	size_t i;
	int err;

	for (i = 0; i < table->others.count; i++) {
		key = item_of(&table->others, i);
		if (table->info.type == BPF_MAP_TYPE_ARRAY)
			err = bpf_map_update_elem(table->fd, key, zero, BPF_ANY);
		else
			err = bpf_map_delete_elem(table->fd, key);
		if (err && errno != ENOENT)
			return fail("map %s: can't delete entries: %s", table->name, strerror(errno));
	}

	return 0;
}

/* Put the new entries into the map. The caller deletes the old entries after all maps have their
 * new ones. If the map has no room for both, delete the old entries first.
 */
static int put_before_others(struct table *table)
{
	size_t total;

	if (list_others(table))
		return -1;
	total = table->entries.count + table->others.count;
	if (table->info.type != BPF_MAP_TYPE_ARRAY && total > table->info.max_entries) {
		if (delete_others(table))
			return -1;
		table->others.count = 0;
	}

	return put_entries(table);
}

/* A map like this one, which has room for the entries, and takes its place later. */
static int make_next(struct table *table)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts,
		    .map_flags = table->info.map_flags,
		    .btf_key_type_id = table->info.btf_key_type_id,
		    .btf_value_type_id = table->info.btf_value_type_id);
	__u32 entries = table->info.max_entries;
	char name[BPF_OBJ_NAME_LEN];
	int fd;

	snprintf(name, sizeof(name), "%s", table->name);
	if (table->info.type != BPF_MAP_TYPE_ARRAY)
		entries = table->entries.count ?: 1;
	fd = bpf_btf_get_fd_by_id(table->info.btf_id);
	opts.btf_fd = fd < 0 ? 0 : fd;
	close(table->fd);
	table->fd = bpf_map_create(table->info.type, name, table->info.key_size,
				   table->info.value_size, entries, &opts);
	if (fd >= 0)
		close(fd);
	if (table->fd < 0)
		return fail("map %s: can't make its next map: %s", table->name, strerror(errno));
	table->is_next = true;

	return put_entries(table);
}

/* Each packet meets the map before, or the next one with all its entries. */
static int put_next(const struct table *table)
{
	__u32 first = 0;

	if (!bpf_map_update_elem(table->outer, &first, &table->fd, BPF_ANY))
		return 0;

	return fail("map %s: can't take its next map: %s", table->name, strerror(errno));
}

static bool has_entries(struct table *table)
{
	unsigned char value[MAX_SIZE];
	unsigned char *entry;
	size_t i;

	if (list_others(table) || table->others.count)
		return false;
	for (i = 0; i < table->entries.count; i++) {
		entry = item_of(&table->entries, i);
		if (bpf_map_lookup_elem(table->fd, entry, value) ||
		    memcmp(value_of(table, entry), value, table->info.value_size))
			return false;
	}

	return true;
}

static int fill_table(const struct reader *reader, struct table *table, bool replace)
{
	if (table->outer >= 0 && (replace || !table->is_kept))
		return make_next(table);
	if (replace)
		return put_before_others(table);
	if (!table->is_kept)
		return put_entries(table);
	if (!has_entries(table))
		warn("map %s: it is kept, and does not have the entries of %s: 'nf-bpf load' puts them in force",
		     table->name, reader->file);

	return 0;
}

int rules_fill(const struct blob *rules, const char *file, const struct loaded *loaded,
	       bool replace, bool is_stored)
{
	struct reader *reader = calloc(1, sizeof(*reader));
	int err, i;

	if (!reader)
		return fail("out of memory");
	reader->file = file;
	reader->loaded = loaded;
	reader->is_stored = is_stored;
	/* Read and check the whole text before the first change. */
	err = read_rules(reader, rules);
	for (i = 0; !err && i < reader->nr_tables; i++)
		err = sort_entries(reader, &reader->tables[i]) ?:
		      check_room(reader, &reader->tables[i]);
	for (i = 0; !err && i < reader->nr_tables; i++)
		err = fill_table(reader, &reader->tables[i], replace);
	for (i = 0; !err && i < reader->nr_tables; i++) {
		if (reader->tables[i].is_next)
			err = put_next(&reader->tables[i]);
		else if (replace)
			err = delete_others(&reader->tables[i]);
	}
	for (i = 0; i < reader->nr_tables; i++)
		table_close(&reader->tables[i]);
	free(reader);

	return err;
}

static int save_table(FILE *out, const struct table *table)
{
	unsigned char value[MAX_SIZE];
	unsigned char *key;
	struct list keys;
	size_t i;

	if (list_keys(table, &keys)) {
		free(keys.items);
		return -1;
	}
	fprintf(out, "[%s]\n", table->name);
	for (i = 0; i < keys.count; i++) {
		key = item_of(&keys, i);
		/* Skip a key that was deleted after the walk. */
		if (is_empty(table, key) || bpf_map_lookup_elem(table->fd, key, value))
			continue;
		shape_print(out, &table->key, key);
		fputs(" -> ", out);
		shape_print(out, &table->value, value);
		fputc('\n', out);
	}
	free(keys.items);

	return ferror(out) ? -1 : 0;
}

/* Tell whether the text has this section. A comment that contains the head does not count. */
static bool has_section(const char *text, const char *name)
{
	size_t len = strlen(name);

	while (text && *text) {
		text += strspn(text, " \t");
		if (*text == '[' && !strncmp(text + 1, name, len) && text[1 + len] == ']')
			return true;
		text = strchr(text, '\n');
		text += !!text;
	}

	return false;
}

/* The texts that tell which maps have rules. The data of an empty one is NULL. */
enum {
	RULES_IN_FORCE,
	RULES_OF_FILE,		/* the file that the policy names */
	RULES_TO_REPLACE,	/* the file that is about to be written */
	NR_RULES
};

static void read_sections(struct blob *rules, const char *file)
{
	struct stat st;

	/* Do not wait for a pipe. */
	if (file && !stat(file, &st) && S_ISREG(st.st_mode))
		blob_read(file, rules);
}

/* LRU maps, arrays, and maps that the policy keeps have mostly what the program has learned and
 * counted. They have rules only if a text has a section for them.
 */
static bool is_wanted(const struct table *table, const struct conf *conf, const struct blob *rules)
{
	char * const *kept;
	int i;

	for (i = 0; i < NR_RULES; i++) {
		if (has_section(rules[i].data, table->name))
			return true;
	}
	for (kept = conf->keep; *kept; kept++) {
		if (!strcmp(*kept, table->name))
			return false;
	}

	return table->info.type != BPF_MAP_TYPE_ARRAY && table->info.type != BPF_MAP_TYPE_LRU_HASH;
}

static int save_maps(FILE *out, const struct loaded *loaded, const struct conf *conf,
		     const struct blob *rules)
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
		if (is_wanted(table, conf, rules))
			err = save_table(out, table);
		table_close(table);
	}
	free(table);

	return err;
}

/* Open the policy, its version in force, and the maps of this version. Returns 0, or an exit code
 * after a message.
 */
static int open_current(struct policy *policy, struct version *version, struct loaded *loaded,
			const char *name)
{
	bool attached;
	char path[PATH_MAX];

	*version = (struct version){};
	if (policy_begin(policy, name, false))
		return EXIT_FAILED;
	attached = !generation_current(policy, path) && generation_version(path);
	if (attached && !version_from_state(version, name, generation_version(path)) &&
	    !object_open_pins(loaded, path))
		return 0;
	if (!attached)
		fail("%s: is not applied: 'nf-bpf apply %s' applies it", name, name);
	version_free(version);
	policy_close(policy);

	return attached ? EXIT_FAILED : EXIT_NOT_IN_FORCE;
}

/* Get the name of the file: that of the command line, or that of the policy. The caller frees
 * the name.
 */
static char *rules_file(int argc, char **argv, const struct version *version)
{
	const char *file = argc > 1 ? argv[1] : version->conf.rules;
	char *copy = file ? strdup(file) : NULL;

	if (!copy)
		fail("%s: which file? The policy has no 'rules = FILE': name the file on the command line",
		     argv[0]);

	return copy;
}

static void close_current(struct policy *policy, struct version *version, struct loaded *loaded)
{
	object_close(loaded);
	version_free(version);
	policy_close(policy);
}

static int save_text(struct blob *text, const struct loaded *loaded, const struct version *version,
		     const char *file)
{
	struct blob rules[NR_RULES] = { [RULES_IN_FORCE] = version->rules };
	FILE *out;
	int err;

	out = open_memstream(&text->data, &text->len);
	if (!out)
		return fail("out of memory");
	read_sections(&rules[RULES_OF_FILE], version->conf.rules);
	read_sections(&rules[RULES_TO_REPLACE], file);
	err = save_maps(out, loaded, &version->conf, rules);
	blob_free(&rules[RULES_OF_FILE]);
	blob_free(&rules[RULES_TO_REPLACE]);
	if (fclose(out) && !err)
		err = fail("out of memory");

	return err;
}

/* Refuse to write a file that has a section for which the current program has no map: the rules
 * of this section would be lost.
 */
static int check_sections(const char *file, const struct blob *text)
{
	struct blob old;
	char *rest, *line;
	int err = 0;

	if (blob_read(file, &old))
		return 0;
	rest = old.data;
	if (strlen(old.data) != old.len)
		err = fail("%s: not written: it is not text: name another file", file);
	while (!err && (line = strsep(&rest, "\r\n"))) {
		line += strspn(line, " \t");
		if (*line++ != '[')
			continue;
		line[strcspn(line, "]")] = '\0';
		if (!has_section(text->data, line))
			err = fail("%s: not written: it has a section [%s], which is not saved: name another file",
				   file, line);
	}
	blob_free(&old);

	return err;
}

/* Replace the content of a file. Its owner, its mode and a symbolic link to it stay. */
static int replace_file(const char *path, const struct stat *old, const struct blob *text)
{
	int err;

	if (check_sections(path, text))
		return -1;
	err = blob_publish(path, text, old);

	return err ? fail("%s: %s", path, strerror(-err)) : 0;
}

static int write_stream(FILE *out, const char *file, const struct blob *text)
{
	if (fwrite(text->data, 1, text->len, out) == text->len && !fflush(out))
		return 0;

	return fail("%s: %s", file, strerror(errno));
}

static int write_text(const char *file, const struct blob *text)
{
	const struct stat new = { .st_uid = -1, .st_gid = -1, .st_mode = 0600 };
	char path[PATH_MAX];
	struct stat old;
	FILE *out;
	int err;

	if (!strcmp(file, "-"))
		return write_stream(stdout, file, text);
	if (stat(file, &old)) {
		err = blob_publish(file, text, &new);
		return err ? fail("%s: %s", file, strerror(-err)) : 0;
	}
	if (S_ISREG(old.st_mode) && realpath(file, path))
		return replace_file(path, &old, text);
	/* Write into a device or a pipe: do not replace it by a file. */
	out = fopen(file, "w");
	if (!out)
		return fail("%s: %s", file, strerror(errno));
	err = write_stream(out, file, text);
	fclose(out);

	return err;
}

/* The guard of a trial needs the lock. Do not hold the lock while a slow reader takes the text. */
int cmd_save(int argc, char **argv)
{
	struct version version;
	struct policy policy;
	struct loaded loaded;
	struct blob text = {};
	char *file;
	int err;

	err = open_current(&policy, &version, &loaded, argv[0]);
	if (err)
		return err;
	file = rules_file(argc, argv, &version);
	err = file ? save_text(&text, &loaded, &version, file) : -1;
	close_current(&policy, &version, &loaded);
	err = err ?: write_text(file, &text);
	blob_free(&text);
	free(file);

	return err ? EXIT_FAILED : EXIT_DONE;
}

/* Read the rules without the lock: the writer can be slow, too. */
static int read_text(int argc, char **argv, char **file, struct blob *text)
{
	struct version version;
	struct policy policy;
	struct loaded loaded;
	int err;

	err = open_current(&policy, &version, &loaded, argv[0]);
	if (err)
		return err;
	*file = rules_file(argc, argv, &version);
	close_current(&policy, &version, &loaded);
	if (!*file)
		return EXIT_FAILED;
	err = blob_read(strcmp(*file, "-") ? *file : "/dev/stdin", text);
	if (err)
		fail("%s: %s", *file, strerror(-err));

	return err ? EXIT_FAILED : EXIT_DONE;
}

int cmd_load(int argc, char **argv)
{
	struct version version;
	struct policy policy;
	struct loaded loaded;
	struct blob rules = {};
	char *file = NULL;
	int ret;

	ret = read_text(argc, argv, &file, &rules);
	if (!ret)
		ret = open_current(&policy, &version, &loaded, argv[0]);
	if (!ret) {
		ret = rules_fill(&rules, file, &loaded, true, false) ? EXIT_FAILED : EXIT_DONE;
		if (ret == EXIT_DONE)
			log_change("%s: the rules of %s are loaded", argv[0],
				   strcmp(file, "-") ? file : "standard input");
		close_current(&policy, &version, &loaded);
	}
	blob_free(&rules);
	free(file);

	return ret;
}
