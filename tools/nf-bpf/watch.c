// SPDX-License-Identifier: GPL-2.0-only
/*
 * A new network namespace has no policy, even if an old one of the same name had one. "watch"
 * waits for the name of the namespace, and starts the policy. When the name is removed, it removes
 * the links: a link of a mainline kernel keeps its namespace alive, with all devices in it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/vfs.h>
#include <unistd.h>
#include <linux/magic.h>

#include "nf-bpf.h"

#define NETNS_DIR "/run/netns"
#define MOUNT_WAIT_US 20000
#define MOUNT_WAITS 250
#define RETRY_MS 10000	/* between a start that failed and the next attempt */

/* "ip netns add" makes a file, and then mounts the namespace on it. inotify reports the file but
 * not the mount, so wait for the mount.
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

/* Get the network namespace of the policy: the one that its file names, or, if the file has
 * errors, the one of the version that was in force. Returns NULL if the namespace has no name of
 * ip-netns(8).
 */
static char *wanted_netns(const char *name, bool *valid)
{
	struct version version;
	struct policy policy;
	char *netns = NULL;

	*valid = !version_from_file(&version, name, false);
	if (!*valid && !policy_peek(&policy, name) && policy.current) {
		version_free(&version);
		version_from_state(&version, name, policy.current);
	}
	if (version.conf.netns && *version.conf.netns != '/')
		netns = strdup(version.conf.netns);
	version_free(&version);

	return netns;
}

/* Get the network namespace of the attached version. If the fail-closed program is attached, there
 * is no version: take the namespace that the file names.
 */
static char *attached_netns(const struct policy *policy, const char *path)
{
	struct version version;
	char *netns = NULL;
	bool valid;

	if (!generation_version(path))
		return wanted_netns(policy->name, &valid);
	/* The object may be unreadable. */
	version_from_state(&version, policy->name, generation_version(path));
	if (version.conf.netns)
		netns = strdup(version.conf.netns);
	version_free(&version);

	return netns;
}

static bool is_named(const char *netns, __u64 ino)
{
	char path[PATH_MAX];
	struct stat st;

	snprintf(path, sizeof(path), NETNS_DIR "/%s", netns);

	return !stat(path, &st) && st.st_ino == ino;
}

/* Remove the links of a namespace that is gone. Keep the state, so that the version comes in force
 * in the next namespace. The event may be old: do nothing if the policy is in force in a newer
 * namespace. @removed is NULL if events were lost.
 */
static void release(const char *name, const char *removed)
{
	struct policy policy;
	char path[PATH_MAX];
	char *netns = NULL;

	if (policy_begin(&policy, name, 0))
		return;
	if (!generation_current(&policy, path))
		netns = attached_netns(&policy, path);
	if (netns && *netns != '/' && (!removed || !strcmp(netns, removed)) &&
	    !is_named(netns, generation_netns(path)) && !generation_remove_all(&policy))
		say("%s: its network namespace was removed", name);
	free(netns);
	policy_close(&policy);
}

/* Returns whether an event in @buf says that the name @wanted was made, or that events were lost:
 * this event may be among them.
 */
static bool take_events(const char *buf, ssize_t len, const char *wanted, const char *name)
{
	const struct inotify_event *event;
	bool made = false;
	ssize_t at;

	for (at = 0; at < len; at += sizeof(*event) + event->len) {
		event = (const void *)(buf + at);
		if (event->mask & IN_Q_OVERFLOW) {
			release(name, NULL);
			made = true;
		} else if (event->mask & (IN_DELETE | IN_MOVED_FROM)) {
			release(name, event->name);
		} else if (wanted && !strcmp(event->name, wanted)) {
			made = true;
		}
	}

	return made;
}

/* Start the policy. Returns whether to try again later. */
static bool start(const char *name, const char *netns)
{
	int ret = EXIT_DONE;

	if (wait_for_mount(netns))
		ret = start_policy(name);
	fflush(stdout);

	return ret == EXIT_FAILED || ret == EXIT_WRONG || ret == EXIT_CLOSED;
}

static int watch(int fd, const char *name, bool again)
{
	struct pollfd pollfd = { .fd = fd, .events = POLLIN };
	char buf[4096] __aligned(8);
	bool valid, made;
	ssize_t len;
	char *netns;

	for (;;) {
		len = poll(&pollfd, 1, again ? RETRY_MS : -1);
		if (len > 0)
			len = read(fd, buf, sizeof(buf));
		if (len < 0 && errno == EINTR)
			continue;
		if (len < 0)
			return fail(NETNS_DIR ": %s", strerror(errno));
		/* The file may have changed. */
		netns = wanted_netns(name, &valid);
		made = take_events(buf, len, netns, name);
		if (netns && (made || again))
			again = start(name, netns);
		free(netns);
	}
}

static int open_watch(void)
{
	int fd = inotify_init1(IN_CLOEXEC);

	if (mkdir(NETNS_DIR, 0755) && errno != EEXIST)
		fail(NETNS_DIR ": can't be made: %s", strerror(errno));
	else if (fd >= 0 && inotify_add_watch(fd, NETNS_DIR, IN_CREATE | IN_DELETE | IN_MOVE) >= 0)
		return fd;
	fail(NETNS_DIR ": can't be watched: %s", strerror(errno));
	if (fd >= 0)
		close(fd);

	return -1;
}

/* Tell systemd (Type=notify) that the policy is in force. systemd then starts the units that are
 * ordered after this one.
 */
static void notify_ready(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	const char *path = getenv("NOTIFY_SOCKET");
	socklen_t len;
	int fd;

	if (!path || (*path != '/' && *path != '@') || strlen(path) >= sizeof(address.sun_path))
		return;
	strcpy(address.sun_path, path);
	len = offsetof(struct sockaddr_un, sun_path) + strlen(path);
	if (*path == '@')
		*address.sun_path = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || sendto(fd, "READY=1", 7, 0, (void *)&address, len) < 0)
		warn("%s: systemd can't be notified: %s", path, strerror(errno));
	if (fd >= 0)
		close(fd);
}

int cmd_watch(int argc, char **argv)
{
	bool valid, again = true;
	char *netns;
	int fd;

	netns = wanted_netns(argv[0], &valid);
	if (!netns && valid) {
		fail("%s: the file names no network namespace of ip-netns(8): write 'netns = NAME', or use 'nf-bpf start %s'",
		     argv[0], argv[0]);
		return EXIT_WRONG;
	}
	/* Watch before the first start, so that no namespace in between is missed. */
	fd = open_watch();
	if (fd >= 0) {
		if (netns)
			again = start(argv[0], netns);
		notify_ready();
		watch(fd, argv[0], again);
		close(fd);
	}
	free(netns);

	return EXIT_FAILED;
}
