// SPDX-License-Identifier: GPL-2.0
/*
 * Runs a command and intercepts its system calls that change something. It lets a chosen
 * call fail, or kills the command there. A seccomp filter intercepts the calls, so this
 * works for static binaries and on every processor.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/bpf.h>
#include <linux/bpf_common.h>
#include <linux/seccomp.h>

/* From <linux/filter.h>. The tests are built with tools/include, whose <linux/filter.h>
 * does not have it.
 */
struct sock_filter {
	__u16 code;
	__u8 jt;
	__u8 jf;
	__u32 k;
};

struct sock_fprog {
	unsigned short len;
	struct sock_filter *filter;
};

static const char usage[] =
	"Usage: fail_call [-c|-m] FILE NUMBER ERRNO COMMAND [ARGUMENT]...\n"
	"\n"
	"Runs COMMAND, and lets its call NUMBER, from 1, fail with ERRNO. If ERRNO is 0, it\n"
	"kills COMMAND there. It counts rename, link, symlink, mkdir, rmdir, unlink, openat of a\n"
	"file without a name, and bpf commands that make, change, detach, pin or open a link. It\n"
	"writes the call's name to FILE, or nothing if there was no such call. With -c it does\n"
	"not count the commands that open a link or ask about it. With -m it counts the commands\n"
	"that put an entry of a map or ask for its next key, and nothing else.\n"
	"\n"
	"Exit status: that of COMMAND, 2 wrong arguments, 125 fail_call itself has failed.\n";

static const struct {
	int nr;
	const char *name;
} calls[] = {
	{ SYS_bpf,		"bpf" },
	{ SYS_renameat2,	"renameat2" },
	{ SYS_renameat,		"renameat" },
	{ SYS_linkat,		"linkat" },
	{ SYS_symlinkat,	"symlinkat" },
	{ SYS_mkdirat,		"mkdirat" },
	{ SYS_unlinkat,		"unlinkat" },
#ifdef SYS_mkdir
	{ SYS_rename,		"rename" },
	{ SYS_link,		"link" },
	{ SYS_symlink,		"symlink" },
	{ SYS_mkdir,		"mkdir" },
	{ SYS_rmdir,		"rmdir" },
	{ SYS_unlink,		"unlink" },
#endif
};

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))
#define POLL_MS 20
#define NAMELESS (O_TMPFILE & ~O_DIRECTORY)	/* the flag of openat() for a file without a name */
#define NR_CALLS ARRAY_SIZE(calls)

static bool only_changes;
static bool only_maps;

static int failed(const char *what)
{
	fprintf(stderr, "fail_call: %s: %s\n", what, strerror(errno));
	return 125;
}

/* Return: the fd of the seccomp listener, or -1 */
static int intercept(void)
{
	struct sock_filter code[2 * NR_CALLS + 6], *insn = code;
	struct sock_fprog prog = { .filter = code };
	unsigned int i;

	*insn++ = (struct sock_filter){ BPF_LD | BPF_W | BPF_ABS, 0, 0,
					offsetof(struct seccomp_data, nr) };
	for (i = 0; i < NR_CALLS; i++) {
		*insn++ = (struct sock_filter){ BPF_JMP | BPF_JEQ | BPF_K, 0, 1, calls[i].nr };
		*insn++ = (struct sock_filter){ BPF_RET | BPF_K, 0, 0, SECCOMP_RET_USER_NOTIF };
	}
	*insn++ = (struct sock_filter){ BPF_JMP | BPF_JEQ | BPF_K, 0, 3, SYS_openat };
	*insn++ = (struct sock_filter){ BPF_LD | BPF_W | BPF_ABS, 0, 0,
					offsetof(struct seccomp_data, args[2]) };
	*insn++ = (struct sock_filter){ BPF_JMP | BPF_JSET | BPF_K, 0, 1, NAMELESS };
	*insn++ = (struct sock_filter){ BPF_RET | BPF_K, 0, 0, SECCOMP_RET_USER_NOTIF };
	*insn++ = (struct sock_filter){ BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW };
	prog.len = insn - code;

	return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
		       SECCOMP_FILTER_FLAG_NEW_LISTENER, &prog);
}

/* exec() closes the listener, so wait until the parent has a copy. */
static int run_command(int to_parent, int from_parent, char **argv)
{
	int listener;
	char ack;

	listener = intercept();
	if (write(to_parent, &listener, sizeof(listener)) != sizeof(listener) || listener < 0)
		return failed("seccomp");
	if (read(from_parent, &ack, 1) != 1)
		return 125;
	execvp(argv[0], argv);
	return failed(argv[0]);
}

/* The first argument of bpf() is the command. Commands that only query have no name here. */
static const char *name_of(const struct seccomp_data *data)
{
	static char name[32];
	unsigned int i;

	if (data->nr == SYS_openat)
		return only_maps ? NULL : "openat";
	for (i = 0; i < NR_CALLS - 1 && calls[i].nr != data->nr; i++)
		;
	if (calls[i].nr != SYS_bpf)
		return only_maps ? NULL : calls[i].name;
	if (only_maps != (data->args[0] == BPF_MAP_UPDATE_ELEM ||
			  data->args[0] == BPF_MAP_GET_NEXT_KEY))
		return NULL;

	switch (data->args[0]) {
	case BPF_LINK_CREATE:
	case BPF_LINK_UPDATE:
	case BPF_LINK_DETACH:
	case BPF_OBJ_PIN:
	case BPF_MAP_UPDATE_ELEM:
	case BPF_MAP_GET_NEXT_KEY:
		break;
	case BPF_LINK_GET_FD_BY_ID:
	case BPF_OBJ_GET:
	case BPF_OBJ_GET_INFO_BY_FD:
		if (only_changes)
			return NULL;
		break;
	default:
		return NULL;
	}
	snprintf(name, sizeof(name), "bpf %llu", (unsigned long long)data->args[0]);

	return name;
}

/* Return: 0 if no more calls will come */
static int answer(int listener, long chosen, int err, pid_t pid, FILE *file)
{
	struct seccomp_notif_resp resp = {};
	struct seccomp_notif notif = {};
	static long seen;
	const char *name;

	if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &notif))
		return errno == ENOENT || errno == EINTR;
	resp.id = notif.id;
	resp.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
	name = name_of(&notif.data);
	if (name && ++seen == chosen) {
		fprintf(file, "%s\n", name);
		resp.flags = 0;
		resp.error = -err;
		if (!err)
			kill(pid, SIGKILL);
	}
	if (ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &resp) && errno != ENOENT)
		return 0;

	return 1;
}

static int take_listener(pid_t pid, int from_child, int to_child)
{
	int listener, pidfd;

	if (read(from_child, &listener, sizeof(listener)) != sizeof(listener) || listener < 0)
		return -1;
	pidfd = syscall(SYS_pidfd_open, pid, 0);
	if (pidfd < 0)
		return -1;
	listener = syscall(SYS_pidfd_getfd, pidfd, listener, 0);
	if (listener >= 0 && write(to_child, "", 1) != 1)
		return -1;

	return listener;
}

int main(int argc, char **argv)
{
	int listener, status, up[2], down[2];
	struct pollfd poll_fd;
	pid_t pid, ended;
	FILE *file;

	if (argc > 1 && (!strcmp(argv[1], "-c") || !strcmp(argv[1], "-m"))) {
		only_changes = argv[1][1] == 'c';
		only_maps = !only_changes;
		argc--;
		argv++;
	}
	if (argc < 5) {
		fputs(usage, stderr);
		return 2;
	}
	file = fopen(argv[1], "w");
	if (!file || pipe(up) || pipe(down))
		return failed(argv[1]);
	pid = fork();
	if (pid < 0)
		return failed("fork");
	if (!pid)
		_exit(run_command(up[1], down[0], argv + 4));

	listener = take_listener(pid, up[0], down[1]);
	if (listener < 0)
		return failed("listener");
	poll_fd = (struct pollfd){ .fd = listener, .events = POLLIN };
	/* A process that the command leaves behind keeps the listener open. */
	while (!(ended = waitpid(pid, &status, WNOHANG))) {
		if (poll(&poll_fd, 1, POLL_MS) > 0 &&
		    (!(poll_fd.revents & POLLIN) ||
		     !answer(listener, atol(argv[2]), atoi(argv[3]), pid, file)))
			break;
	}
	close(listener);
	fclose(file);
	if (!ended && waitpid(pid, &status, 0) != pid)
		return failed("wait");

	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
