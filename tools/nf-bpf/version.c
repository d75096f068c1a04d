// SPDX-License-Identifier: GPL-2.0-only
/*
 * Versions of a policy: STATE/NAME/versions/NUMBER has the files "conf", "object" and
 * "meta", and "source" and "rules" if the policy has them. A version is written under
 * another name and renamed when it is complete. It never changes after this.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "nf-bpf.h"

#define KEPT_VERSIONS 10

static void version_path(char path[PATH_MAX], const char *name, unsigned int number)
{
	snprintf(path, PATH_MAX, "%s/%s/versions/%u", options.state, name, number);
}

static int read_named(const char *conf_path, const char *path, struct blob *blob)
{
	int err;

	if (!path)
		return 0;
	err = blob_read(path, blob);
	if (err)
		return fail("%s: %s: %s: correct its name in the file, or put it there", conf_path,
			    path, strerror(-err));

	return 0;
}

/* Compile in the directory /. The debug information of the object has the working directory, and
 * the same source must give the same object.
 */
static int compile_at_root(struct version *version)
{
	int fd, err;

	fd = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || chdir("/")) {
		fail("the working directory can't be changed: %s", strerror(errno));
		err = -1;
	} else {
		err = object_compile(&version->conf, &version->object);
	}
	if (fd >= 0 && fchdir(fd))
		err = fail("can't go back to the working directory: %s", strerror(errno));
	if (fd >= 0)
		close(fd);

	return err;
}

int version_from_file(struct version *version, const char *name, bool compile)
{
	char path[PATH_MAX];
	int err;

	*version = (struct version){};
	snprintf(path, sizeof(path), "%s/%s.conf", options.etc, name);
	err = blob_read(path, &version->text);
	if (err)
		return fail("%s: %s: write it, see nf-bpf.conf(5)", path, strerror(-err));
	if (conf_parse(&version->conf, path, &version->text))
		return -1;

	if (read_named(path, version->conf.object, &version->object) ||
	    read_named(path, version->conf.source, &version->source) ||
	    read_named(path, version->conf.rules, &version->rules))
		return -1;
	if (compile && version->conf.source)
		return compile_at_root(version);

	return 0;
}

/* Read a file of a version. If the file is missing and not @needed, its content is empty. */
static int read_stored(const char *dir, const char *file, struct blob *blob, bool needed)
{
	char path[PATH_MAX + 16];
	int err;

	snprintf(path, sizeof(path), "%s/%s", dir, file);
	err = blob_read(path, blob);
	if (err == -ENOENT && !needed)
		return 0;
	if (err)
		return fail("%s: %s: the version is not complete: apply the policy again", path,
			    strerror(-err));

	return 0;
}

static void parse_meta(struct version *version, char *text)
{
	char *line, *value;

	while ((line = strsep(&text, "\n"))) {
		value = strchr(line, '=');
		if (!value)
			continue;
		*value++ = '\0';
		if (!strcmp(line, "before"))
			version->before = strtoul(value, NULL, 10);
		else if (!strcmp(line, "when"))
			snprintf(version->when, sizeof(version->when), "%s", value);
		else if (!strcmp(line, "by"))
			snprintf(version->by, sizeof(version->by), "%s", value);
		else if (!strcmp(line, "how"))
			snprintf(version->how, sizeof(version->how), "%s", value);
	}
}

int version_from_state(struct version *version, const char *name, unsigned int number)
{
	struct blob meta = {};
	char dir[PATH_MAX];
	int err;

	*version = (struct version){ .number = number };
	version_path(dir, name, number);
	err = read_stored(dir, "conf", &version->text, true) ?:
	      conf_parse(&version->conf, dir, &version->text) ?:
	      read_stored(dir, "object", &version->object, true) ?:
	      read_stored(dir, "source", &version->source, false) ?:
	      read_stored(dir, "rules", &version->rules, false) ?:
	      read_stored(dir, "meta", &meta, true);
	if (!err)
		parse_meta(version, meta.data);
	blob_free(&meta);

	return err;
}

unsigned int version_before(const char *name, unsigned int number)
{
	struct version version = {};
	struct blob meta = {};
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s/versions/%u/meta", options.state, name, number);
	if (number && !blob_read(path, &meta))
		parse_meta(&version, meta.data);
	blob_free(&meta);

	return version.before;
}

static int write_files(const struct version *version, const char *dir)
{
	const struct {
		const char *file;
		const struct blob *blob;
		bool needed;
	} files[] = {
		{ "conf",	&version->text,		true },
		{ "object",	&version->object,	true },
		{ "source",	&version->source,	false },
		{ "rules",	&version->rules,	false },
	};
	char path[PATH_MAX + 16], meta[256];
	unsigned int i;
	int err, len;

	for (i = 0; i < ARRAY_SIZE(files); i++) {
		if (!files[i].needed && !files[i].blob->data)
			continue;
		snprintf(path, sizeof(path), "%s/%s", dir, files[i].file);
		err = blob_write(path, files[i].blob->data, files[i].blob->len);
		if (err)
			return err;
	}
	len = snprintf(meta, sizeof(meta), "before=%u\nwhen=%s\nby=%s\nhow=%s\n",
		       version->before, version->when, version->by, version->how);
	snprintf(path, sizeof(path), "%s/meta", dir);

	return blob_write(path, meta, len);
}

static void scratch_path(char path[PATH_MAX], const char *name, const char *scratch)
{
	snprintf(path, PATH_MAX, "%s/%s/%s", options.state, name, scratch);
}

int version_store(struct version *version, const struct policy *policy, const char *how,
		  unsigned int before)
{
	char parent[PATH_MAX], tmp[PATH_MAX], path[PATH_MAX];
	unsigned int numbers[KEPT_VERSIONS * 4];
	time_t now = time(NULL);
	int count, err;

	/* The files of the newest version can be lost. Do not take its number again. */
	count = version_list(policy->name, numbers, ARRAY_SIZE(numbers));
	version->number = policy->newest + 1;
	if (count && numbers[count - 1] > policy->newest)
		version->number = numbers[count - 1] + 1;
	version->before = before;
	snprintf(version->how, sizeof(version->how), "%s", how);
	caller_name(version->by, sizeof(version->by));
	strftime(version->when, sizeof(version->when), "%Y-%m-%d %H:%M:%S %z", localtime(&now));

	snprintf(parent, sizeof(parent), "%s/%s/versions", options.state, policy->name);
	scratch_path(tmp, policy->name, "new");
	version_path(path, policy->name, version->number);
	remove_dir(tmp);
	err = make_dirs(parent) ?: make_dirs(tmp) ?: write_files(version, tmp) ?: sync_dir(tmp);
	if (!err && rename(tmp, path))
		err = -errno;
	err = err ?: sync_dir(parent);
	if (err) {
		remove_dir(tmp);
		return fail("%s: can't store the version: %s: nothing was changed: make room there, or choose another directory with --state",
			    path, strerror(-err));
	}

	return 0;
}

/* Rename the version before its files are removed. If the command is killed in between, the rest
 * must not look like a version.
 */
void version_forget(const char *name, unsigned int number)
{
	char path[PATH_MAX], tmp[PATH_MAX];

	version_path(path, name, number);
	scratch_path(tmp, name, "old");
	remove_dir(tmp);
	if (!rename(path, tmp))
		remove_dir(tmp);
}

bool version_equal(const struct version *a, const struct version *b)
{
	/* A version that was read without compiling it has no object. */
	bool same_object = !a->object.data || !b->object.data ||
			   blob_equal(&a->object, &b->object);

	return same_object && blob_equal(&a->text, &b->text) &&
	       blob_equal(&a->source, &b->source) && blob_equal(&a->rules, &b->rules);
}

bool version_same_files(const struct version *a, const struct version *b)
{
	bool same_object = a->source.data ? true : blob_equal(&a->object, &b->object);

	return same_object && blob_equal(&a->text, &b->text) &&
	       blob_equal(&a->source, &b->source) && blob_equal(&a->rules, &b->rules);
}

void version_free(struct version *version)
{
	blob_free(&version->text);
	blob_free(&version->object);
	blob_free(&version->source);
	blob_free(&version->rules);
	conf_free(&version->conf);
}

static int compare(const void *a, const void *b)
{
	unsigned int x = *(const unsigned int *)a, y = *(const unsigned int *)b;

	return (x > y) - (x < y);
}

int version_list(const char *name, unsigned int *numbers, int max)
{
	struct dirent *entry;
	char path[PATH_MAX];
	int count = 0;
	__u64 number;
	DIR *dir;

	snprintf(path, sizeof(path), "%s/%s/versions", options.state, name);
	dir = opendir(path);
	if (!dir)
		return 0;
	while (count < max && (entry = readdir(dir))) {
		if (!parse_number(entry->d_name, &number) && number)
			numbers[count++] = number;
	}
	closedir(dir);
	qsort(numbers, count, sizeof(*numbers), compare);

	return count;
}

static bool is_kept(unsigned int number, const unsigned int *keep, int nr_keep)
{
	int i;

	for (i = 0; i < nr_keep; i++) {
		if (keep[i] == number)
			return true;
	}

	return false;
}

void version_clean(const char *name, unsigned int newest, const unsigned int *keep, int nr_keep)
{
	unsigned int numbers[KEPT_VERSIONS * 4];
	char path[PATH_MAX];
	int count, i;

	scratch_path(path, name, "new");
	remove_dir(path);
	scratch_path(path, name, "old");
	remove_dir(path);
	scratch_path(path, name, "state~");
	unlink(path);
	count = version_list(name, numbers, ARRAY_SIZE(numbers));
	for (i = 0; i < count; i++) {
		if (numbers[i] > newest && !is_kept(numbers[i], keep, nr_keep))
			version_forget(name, numbers[i]);
	}
}

void version_prune(const char *name, const unsigned int *keep, int nr_keep)
{
	unsigned int numbers[KEPT_VERSIONS * 4];
	int count, i;

	count = version_list(name, numbers, ARRAY_SIZE(numbers));
	for (i = 0; i < count - KEPT_VERSIONS; i++) {
		if (!is_kept(numbers[i], keep, nr_keep))
			version_forget(name, numbers[i]);
	}
}
