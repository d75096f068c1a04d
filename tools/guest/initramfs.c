// SPDX-License-Identifier: GPL-2.0
/* The first process of a kernel that has its 9p and virtio drivers as modules, as a
 * distribution's kernel has. It loads the modules that tools/guest/initramfs.py put beside
 * it, mounts the root over 9p, and starts tools/guest/init there.
 *
 * It is linked statically: the initramfs has no libraries.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/syscall.h>
#include <unistd.h>

#define LIST		"/modules/list"
#define ROOT		"/root"
#define ROOT_OPTIONS	"trans=virtio,version=9p2000.L,msize=512000,cache=loose"

/* End the guest. tools/guest/boot finds the message in the kernel's log. */
static void fail(const char *object, const char *reason)
{
	const char *error = strerror(errno);
	FILE *log = fopen("/dev/kmsg", "w");

	if (log) {
		fprintf(log, "guest init: %s: %s: %s\n", object, reason, error);
		fclose(log);
	}
	sync();
	reboot(RB_AUTOBOOT);
	_exit(1);
}

static void load_module(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		fail(path, "cannot open");
	if (syscall(SYS_finit_module, fd, "", 0) && errno != EEXIST)
		fail(path, "cannot load");
	close(fd);
}

/* The list has one path in each line. A module comes after the modules that it needs. */
static void load_modules(void)
{
	char path[PATH_MAX];
	FILE *list;

	list = fopen(LIST, "r");
	if (!list)
		fail(LIST, "cannot open");
	while (fgets(path, sizeof(path), list)) {
		path[strcspn(path, "\n")] = '\0';
		load_module(path);
	}
	fclose(list);
}

/* A root that is mounted over the initramfs can later be changed with pivot_root(), which
 * the initramfs itself cannot.
 */
static void switch_root(void)
{
	if (mount("/dev/root", ROOT, "9p", MS_RDONLY, ROOT_OPTIONS))
		fail(ROOT, "cannot mount the root over 9p");
	if (mount("devtmpfs", ROOT "/dev", "devtmpfs", 0, "mode=755"))
		fail(ROOT "/dev", "cannot mount");
	if (chdir(ROOT) || mount(".", "/", NULL, MS_MOVE, NULL) || chroot(".") || chdir("/"))
		fail(ROOT, "cannot make it the root");
}

int main(void)
{
	const char *project = getenv("GUEST_PROJECT");
	char init[PATH_MAX];

	if (mount("devtmpfs", "/dev", "devtmpfs", 0, "mode=755"))
		fail("/dev", "cannot mount");
	if (!project)
		fail("GUEST_PROJECT", "not on the kernel's command line");
	load_modules();
	switch_root();
	snprintf(init, sizeof(init), "%s/tools/guest/init", project);
	execl(init, init, (char *)NULL);
	fail(init, "cannot start");
}
