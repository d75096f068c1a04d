// SPDX-License-Identifier: GPL-2.0-only
/*
 * STATE/NAME/state says which version should be in force, also after a reboot. The lock of a
 * policy serialises the commands. The kernel releases it when the process that holds it ends.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "nf-bpf.h"

#define BOOT_ID "/proc/sys/kernel/random/boot_id"

/* Read the id of this boot: a word that is different after each boot. */
static void read_boot(char boot[64])
{
	struct blob blob = {};

	*boot = '\0';
	if (!blob_read(BOOT_ID, &blob))
		sscanf(blob.data, "%63s", boot);
	blob_free(&blob);
}

static bool is_this_boot(const char *id)
{
	char boot[64];

	read_boot(boot);

	return !strcmp(id, boot);
}

/* The first and the last line of a state, and its end. A complete state has all. */
enum {
	LINE_CURRENT	= 1,
	LINE_BOOT	= 2,
	LINE_END	= 4,
	LINES_NEEDED	= LINE_CURRENT | LINE_BOOT | LINE_END,
};

/* Returns LINE_CURRENT, LINE_BOOT, or 0 for another line. */
static unsigned int parse_line(struct policy *policy, const char *line)
{
	unsigned int number;

	if (sscanf(line, "current=%u", &number) == 1) {
		policy->current = number;
		return LINE_CURRENT;
	}
	if (!strncmp(line, "boot=", 5)) {
		policy->rebooted = !is_this_boot(line + 5);
		return LINE_BOOT;
	}
	if (sscanf(line, "trying=%u", &number) == 1)
		policy->trying = number;
	else if (sscanf(line, "newest=%u", &number) == 1)
		policy->newest = number;
	else if (sscanf(line, "rejected=%u", &number) == 1)
		policy->rejected = number;
	else if (sscanf(line, "removed=%u", &number) == 1)
		policy->removed = number;
	else if (sscanf(line, "closed=%u", &number) == 1)
		policy->closed = number;
	else if (sscanf(line, "bare=%u", &number) == 1)
		policy->bare = number;
	else if (!strncmp(line, "deadline=", 9))
		policy->deadline = strtoull(line + 9, NULL, 10);

	return 0;
}

/* The file of the state is missing or damaged. Keep all versions: do not take any for one that a
 * killed command has left behind, or that was rolled back.
 */
static void keep_versions(struct policy *policy)
{
	unsigned int numbers[MAX_LIST];
	int count;

	count = version_list(policy->name, numbers, ARRAY_SIZE(numbers));
	if (count)
		policy->newest = numbers[count - 1];
	policy->removed = policy->newest;
}

/* The state is damaged. Continue as if it were missing, but keep the file for the operator. */
static void set_aside(struct policy *policy, const char *path)
{
	char damaged[PATH_MAX + 16];

	snprintf(damaged, sizeof(damaged), "%s.damaged", path);
	if (rename(path, damaged))
		warn("%s: does not say which version is in force, and can't be renamed: %s: continues without it",
		     path, strerror(errno));
	else
		warn("%s: does not say which version is in force: it is now %s, and a new one is begun",
		     path, damaged);
	*policy = (struct policy){ .name = policy->name, .lock = policy->lock };
	keep_versions(policy);
}

static int read_state(struct policy *policy, unsigned int flags)
{
	struct blob blob = {};
	char path[PATH_MAX];
	unsigned int found = 0;
	char *text, *line;
	int err;

	snprintf(path, sizeof(path), "%s/%s/state", options.state, policy->name);
	err = blob_read(path, &blob);
	if (err == -ENOENT) {
		keep_versions(policy);
		return 0;
	}
	if (err)
		return fail("%s: %s", path, strerror(-err));

	policy->rebooted = true;
	text = blob.data;
	if (blob.len && text[blob.len - 1] == '\n')
		found = LINE_END;
	while ((line = strsep(&text, "\n")))
		found |= parse_line(policy, line);
	blob_free(&blob);
	if (found != LINES_NEEDED && flags & OPEN_DAMAGED)
		set_aside(policy, path);
	else if (found != LINES_NEEDED)
		return fail("%s: does not say which version is in force: remove this file, and then 'nf-bpf apply %s'",
			    path, policy->name);

	return 0;
}

static int take_lock(struct policy *policy, bool create)
{
	char path[PATH_MAX];
	int err;

	snprintf(path, sizeof(path), "%s/%s", options.state, policy->name);
	err = create ? make_dirs(path) : 0;
	if (err)
		return fail("%s: can't make the directory: %s: choose another one with --state",
			    path, strerror(-err));
	snprintf(path, sizeof(path), "%s/%s/lock", options.state, policy->name);
	policy->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	/* On a read-only disk, stored versions can still be put in force. */
	if (policy->lock < 0 && errno == EROFS)
		policy->lock = open(path, O_RDONLY | O_CLOEXEC);
	if (policy->lock < 0 && errno == ENOENT && !create)
		return 0;
	if (policy->lock < 0)
		return fail("%s: %s: run it as root, or choose another directory with --state",
			    path, strerror(errno));
	while (flock(policy->lock, LOCK_EX)) {
		if (errno != EINTR)
			return fail("%s: can't lock: %s", path, strerror(errno));
	}

	return 0;
}

int policy_open(struct policy *policy, const char *name, unsigned int flags)
{
	*policy = (struct policy){ .name = name, .lock = -1 };
	if (!take_lock(policy, flags & OPEN_CREATE) && !read_state(policy, flags))
		return 0;
	policy_close(policy);

	return -1;
}

int policy_open_to_remove(struct policy *policy, const char *name)
{
	int err;

	*policy = (struct policy){ .name = name, .lock = -1 };
	err = take_lock(policy, false);
	if (!err && read_state(policy, OPEN_DAMAGED)) {
		*policy = (struct policy){ .name = name, .lock = policy->lock };
		keep_versions(policy);
	}
	/* Without the lock and the state, nothing must be written. */
	if (err)
		policy_close(policy);

	return err;
}

int policy_peek(struct policy *policy, const char *name)
{
	*policy = (struct policy){ .name = name, .lock = -1 };

	return read_state(policy, 0);
}

int policy_save(struct policy *policy)
{
	char path[PATH_MAX], text[512], boot[64];
	int len, err;

	read_boot(boot);
	if (policy->newest < policy->current)
		policy->newest = policy->current;
	if (policy->newest < policy->rejected)
		policy->newest = policy->rejected;
	len = snprintf(text, sizeof(text),
		       "current=%u\nnewest=%u\ntrying=%u\nrejected=%u\nremoved=%u\ndeadline=%llu\nclosed=%u\nbare=%u\nboot=%s\n",
		       policy->current, policy->newest, policy->trying, policy->rejected, policy->removed,
		       policy->deadline, policy->closed, policy->bare, boot);
	snprintf(path, sizeof(path), "%s/%s/state", options.state, policy->name);
	err = blob_write(path, text, len);
	if (err)
		return fail("%s: can't write: %s: make room there", path, strerror(-err));

	return 0;
}

void policy_close(struct policy *policy)
{
	if (policy->lock >= 0)
		close(policy->lock);
	policy->lock = -1;
}
