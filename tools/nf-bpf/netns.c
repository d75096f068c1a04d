// SPDX-License-Identifier: GPL-2.0-only
/*
 * Network namespaces. nf-bpf enters only the network namespace, and only for an attach. It does
 * not enter a mount namespace, because pins in one vanish with the command, as those of
 * "ip netns exec" do.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <linux/nsfs.h>

#include "nf-bpf.h"

#define SELF "/proc/self/ns/net"
#define MAIN "/proc/1/ns/net"

int netns_open(struct netns *ns, const char *name)
{
	char path[PATH_MAX];
	struct stat st;

	*ns = (struct netns){ .fd = -1, .old = -1 };
	/* A container can hide process 1 from its root. */
	if (!name)
		snprintf(path, sizeof(path), access(MAIN, R_OK) ? SELF : MAIN);
	else if (*name == '/')
		snprintf(path, sizeof(path), "%s", name);
	else
		snprintf(path, sizeof(path), "/run/netns/%s", name);

	ns->fd = open(path, O_RDONLY | O_CLOEXEC);
	if (ns->fd < 0 && !name)
		return fail("network namespace of the machine: %s: %s: run it as root", path,
			    strerror(errno));
	if (ns->fd < 0)
		return fail("netns %s: %s: %s: 'ip netns list' shows the names, 'ip netns add' makes one",
			    name, path, strerror(errno));
	if (fstat(ns->fd, &st) || ioctl(ns->fd, NS_GET_NSTYPE) != CLONE_NEWNET) {
		netns_close(ns);
		return fail("netns %s: %s: not a network namespace", name ?: "of the machine", path);
	}
	ns->ino = st.st_ino;

	return 0;
}

int netns_make(struct netns *ns)
{
	int err = 0;

	*ns = (struct netns){ .fd = -1, .old = -1 };
	ns->old = open(SELF, O_RDONLY | O_CLOEXEC);
	if (ns->old < 0)
		return fail(SELF ": %s", strerror(errno));
	if (unshare(CLONE_NEWNET))
		err = fail("can't make a network namespace: %s: run it as root", strerror(errno));
	else
		ns->fd = open(SELF, O_RDONLY | O_CLOEXEC);
	if (!err && ns->fd < 0)
		err = fail(SELF ": %s", strerror(errno));
	netns_leave(ns);

	return err;
}

int netns_check(const char *name)
{
	struct stat self, machine;

	if (name || stat(SELF, &self) || stat(MAIN, &machine) || self.st_ino == machine.st_ino)
		return 0;

	return fail("netns: the file has no such line, so the policy is for the network namespace of the machine (of process 1), but this command runs in another one: write 'netns = NAME' into the file, or call the command in that of the machine ('nsenter --net=" MAIN "')");
}

void netns_close(struct netns *ns)
{
	if (ns->fd >= 0)
		close(ns->fd);
	ns->fd = -1;
}

int netns_enter(struct netns *ns)
{
	ns->old = open(SELF, O_RDONLY | O_CLOEXEC);
	if (ns->old < 0)
		return fail(SELF ": %s", strerror(errno));
	if (!setns(ns->fd, CLONE_NEWNET))
		return 0;
	close(ns->old);
	ns->old = -1;

	return fail("can't enter the network namespace: %s: run it as root", strerror(errno));
}

void netns_leave(struct netns *ns)
{
	if (ns->old < 0)
		return;
	if (setns(ns->old, CLONE_NEWNET))
		warn("can't go back to the network namespace of the caller: %s", strerror(errno));
	close(ns->old);
	ns->old = -1;
}
