// SPDX-License-Identifier: GPL-2.0
/*
 * Runs a command and kills it at a chosen system call that changes something: before the
 * kernel runs the call, or after it, before the command gets the result.
 */
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/ptrace.h>

static const char usage[] =
	"Usage: kill_at SIGNAL STOP COMMAND [ARGUMENT]...\n"
	"\n"
	"The stops are the beginnings and ends of the command's system calls bpf,\n"
	"setns, unlink and mkdir, counted from 1. At the stop STOP the command gets the\n"
	"signal SIGNAL, a number. If STOP is 0, it runs to its end. If STOP is \"usN\", it\n"
	"gets the signal after N microseconds, without stops.\n"
	"\n"
	"Prints the number of stops, and \"killed\" or \"exited STATUS\". Returns when the\n"
	"command has ended.\n"
	"\n"
	"Exit status: 0 done, 1 failed, 2 wrong arguments.\n";

static int failed(const char *what)
{
	fprintf(stderr, "kill_at: %s: %s\n", what, strerror(errno));
	return 1;
}

static bool changes(__u64 call)
{
	switch (call) {
	case SYS_bpf:
	case SYS_setns:
	case SYS_unlinkat:
	case SYS_mkdirat:
#ifdef SYS_unlink
	case SYS_unlink:
	case SYS_mkdir:
#endif
		return true;
	default:
		return false;
	}
}

/* Return: true if @pid is stopped at one of these calls. ptrace gives the number of a call
 * only at its beginning, so @inside keeps the answer for its end.
 */
static bool is_stop(pid_t pid, bool *inside)
{
	struct ptrace_syscall_info info = {};

	ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof(info), &info);
	if (info.op == PTRACE_SYSCALL_INFO_ENTRY) {
		*inside = changes(info.entry.nr);
		return *inside;
	}
	return info.op == PTRACE_SYSCALL_INFO_EXIT && *inside;
}

static int follow(pid_t pid, int signal, long stop)
{
	int status, pass;
	bool inside = false;
	long stops = 0;

	while (waitpid(pid, &status, 0) == pid && WIFSTOPPED(status)) {
		pass = WSTOPSIG(status);
		if (pass == (SIGTRAP | 0x80)) {
			pass = 0;
			if (is_stop(pid, &inside) && ++stops == stop)
				kill(pid, signal);
		} else if (pass == SIGTRAP) {
			pass = 0;
		}
		/* If the command has been killed, this fails and waitpid() returns its status. */
		ptrace(PTRACE_SYSCALL, pid, 0, pass);
	}
	if (WIFSIGNALED(status))
		printf("%ld killed\n", stops);
	else
		printf("%ld exited %d\n", stops, WEXITSTATUS(status));
	return 0;
}

static int kill_after(pid_t pid, int signal, long us)
{
	int status;

	usleep(us);
	kill(pid, signal);
	if (waitpid(pid, &status, 0) != pid)
		return failed("wait");
	if (WIFSIGNALED(status))
		puts("0 killed");
	else
		printf("0 exited %d\n", WEXITSTATUS(status));
	return 0;
}

int main(int argc, char **argv)
{
	bool timed = argc > 2 && !strncmp(argv[2], "us", 2);
	int status;
	pid_t pid;

	if (argc == 2 && !strcmp(argv[1], "--help")) {
		fputs(usage, stdout);
		return 0;
	}
	if (argc < 4) {
		fputs(usage, stderr);
		return 2;
	}
	pid = fork();
	if (pid < 0)
		return failed("fork");
	if (!pid) {
		dup2(STDERR_FILENO, STDOUT_FILENO);
		if (!timed)
			ptrace(PTRACE_TRACEME, 0, 0, 0);
		execvp(argv[3], argv + 3);
		_exit(failed(argv[3]));
	}
	if (timed)
		return kill_after(pid, atoi(argv[1]), atol(argv[2] + 2));
	if (waitpid(pid, &status, 0) != pid || !WIFSTOPPED(status))
		return failed(argv[3]);
	if (ptrace(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL))
		return failed("ptrace");
	ptrace(PTRACE_SYSCALL, pid, 0, 0);
	return follow(pid, atoi(argv[1]), atol(argv[2]));
}
