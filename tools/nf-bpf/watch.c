// SPDX-License-Identifier: GPL-2.0-only
/*
 * A network namespace that is made anew has no policy. "watch" waits for the name of the
 * namespace, and starts the policy. If the name is removed, it removes the links: a link of
 * mainline keeps its network namespace alive, with all devices in it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>
#include <linux/magic.h>

#include "nf-bpf.h"

#define NETNS_DIR "/run/netns"
#define MOUNT_WAIT_US 20000
#define MOUNT_WAITS 250

/* "ip netns add" makes the file first, and then mounts the namespace on it: the mount is
 * no event.
 */
static bool wait_for_mount(const char *name)
{
	char path[PATH_MAX];
	struct statfs fs;
	int i;

	snprintf(path, sizeof(path), NETNS_DIR "/%s", name);
	for (i = 0; i < MOUNT_WAITS; i++) {
		if (statfs(path, &fs))
			return false;
		if (fs.f_type == NSFS_MAGIC)
			return true;
		usleep(MOUNT_WAIT_US);
	}

	return false;
}

/* The pins go, the state stays: the version is to be in force again. */
static void release(const char *name)
{
	struct policy policy;

	if (policy_begin(&policy, name, false))
		return;
	if (!generation_remove_all(&policy))
		say("%s: its network namespace was removed", name);
	policy_close(&policy);
}

/* Returns whether an event in @buf says that the name @wanted was made. Events can be lost:
 * then it may have been this one.
 */
static bool take_events(const char *buf, ssize_t len, const char *wanted, const char *name)
{
	const struct inotify_event *event;
	bool made = false;
	ssize_t at;

	for (at = 0; at < len; at += sizeof(*event) + event->len) {
		event = (const void *)(buf + at);
		if (event->mask & IN_Q_OVERFLOW)
			made = true;
		if (!event->len || strcmp(event->name, wanted))
			continue;
		made = !(event->mask & (IN_DELETE | IN_MOVED_FROM));
		if (!made)
			release(name);
	}

	return made;
}

static int watch(int fd, int argc, char **argv, const char *netns)
{
	char buf[4096] __aligned(8);
	ssize_t len;

	for (;;) {
		len = read(fd, buf, sizeof(buf));
		if (len < 0 && errno == EINTR)
			continue;
		if (len <= 0)
			return fail(NETNS_DIR ": %s", strerror(errno));
		if (take_events(buf, len, netns, argv[0]) && wait_for_mount(netns))
			cmd_start(argc, argv);
		fflush(stdout);
	}
}

int cmd_watch(int argc, char **argv)
{
	struct version version;
	char *netns = NULL;
	int fd;

	if (version_from_file(&version, argv[0], false)) {
		version_free(&version);
		return EXIT_WRONG;
	}
	if (version.conf.netns && *version.conf.netns != '/')
		netns = strdup(version.conf.netns);
	version_free(&version);
	if (!netns) {
		fail("%s: the file names no network namespace of ip-netns(8): write 'netns = NAME', or use 'nf-bpf start %s'",
		     argv[0], argv[0]);
		return EXIT_WRONG;
	}

	fd = inotify_init1(IN_CLOEXEC);
	if (mkdir(NETNS_DIR, 0755) && errno != EEXIST)
		fd = -1;
	if (fd < 0 || inotify_add_watch(fd, NETNS_DIR, IN_CREATE | IN_DELETE | IN_MOVE) < 0) {
		fail(NETNS_DIR ": can't be watched: %s", strerror(errno));
		free(netns);
		return EXIT_FAILED;
	}
	/* After the watch, so that no namespace is missed in between. */
	if (wait_for_mount(netns))
		cmd_start(argc, argv);
	fflush(stdout);
	watch(fd, argc, argv, netns);
	free(netns);

	return EXIT_FAILED;
}
