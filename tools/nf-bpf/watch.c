// SPDX-License-Identifier: GPL-2.0-only
/*
 * A network namespace that is made anew has no policy: the links of the old one are gone
 * with it. "watch" waits for the name of the namespace, and starts the policy.
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

/* Whether one of the events in @buf is of the name @wanted. */
static bool has_event(const char *buf, ssize_t len, const char *wanted)
{
	const struct inotify_event *event;
	bool found = false;
	ssize_t at;

	for (at = 0; at < len; at += sizeof(*event) + event->len) {
		event = (const void *)(buf + at);
		/* Events can be lost: then it may have been this one. */
		found |= event->mask & IN_Q_OVERFLOW || (event->len && !strcmp(event->name, wanted));
	}

	return found;
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
		if (has_event(buf, len, netns) && wait_for_mount(netns))
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
	if (fd < 0 || inotify_add_watch(fd, NETNS_DIR, IN_CREATE | IN_MOVED_TO) < 0) {
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
