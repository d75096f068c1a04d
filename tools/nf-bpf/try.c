// SPDX-License-Identifier: GPL-2.0-only
/*
 * The guard of a trial: a process in a session of its own that goes back to the version before,
 * unless the trial is confirmed. The state on disk has the trial and its deadline. So if somebody
 * kills the guard, the next command goes back, and so does a reboot.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "nf-bpf.h"

#define MAX_DELAY 32	/* seconds between two attempts to go back */

static bool is_on_trial(const char *name, unsigned int version)
{
	struct policy policy;

	/* If the state cannot be read now, try again later. */
	return policy_peek(&policy, name) || policy.trying == version;
}

static void guard(const char *name, unsigned int version, __u64 deadline)
{
	unsigned int delay = 1;
	struct policy policy;

	do {
		sleep(1);
		if (!is_on_trial(name, version))
			return;
	} while (boot_seconds() < deadline);

	/* The time is over, so policy_begin() goes back. If this fails, try again. */
	for (;;) {
		if (!policy_begin(&policy, name, false))
			policy_close(&policy);
		if (!is_on_trial(name, version))
			return;
		sleep(delay);
		if (delay < MAX_DELAY)
			delay *= 2;
	}
}

/* Close the files of the caller: the lock, the maps of the new version, and the terminal. */
static void close_files(int except)
{
	DIR *dir = opendir("/proc/self/fd");
	struct dirent *entry;
	__u64 fd;

	while (dir && (entry = readdir(dir))) {
		if (parse_number(entry->d_name, &fd) || fd <= STDERR_FILENO ||
		    (int)fd == except || (int)fd == dirfd(dir))
			continue;
		close(fd);
	}
	if (dir)
		closedir(dir);
}

static void leave_terminal(void)
{
	int null = open("/dev/null", O_RDWR);

	signal(SIGHUP, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	signal(SIGQUIT, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	dup2(null, STDIN_FILENO);
	dup2(null, STDOUT_FILENO);
	dup2(null, STDERR_FILENO);
	if (null > STDERR_FILENO)
		close(null);
	use_syslog();
}

static void run_guard(struct policy *policy, int ready)
{
	char name[MAX_POLICY_NAME + 1];
	unsigned int version = policy->trying;
	__u64 deadline = policy->deadline;

	snprintf(name, sizeof(name), "%s", policy->name);
	/* Close this process's copy of the lock: a lock is held as long as any copy is open. */
	policy_close(policy);
	setsid();
	if (fork())
		_exit(0);
	leave_terminal();
	close_files(ready);
	if (chdir("/") || write(ready, "", 1) != 1)
		_exit(1);
	close(ready);
	guard(name, version, deadline);
	_exit(0);
}

/* Let systemd start the guard. A child of the caller would end with the caller's service or login
 * session. Returns whether systemd has started the guard.
 */
static bool start_unit(const struct policy *policy)
{
	char self[PATH_MAX], unit[128], version[16], deadline[24];
	const char * const argv[] = {
		"systemd-run", "--quiet", "--collect", "--no-ask-password", unit,
		"--description=End of a trial of nf-bpf", "--service-type=exec", "--property=Slice=system.slice",
		"--", self, "--etc", options.etc, "--state", options.state, "--pins", options.pins,
		"guard", policy->name, version, deadline, NULL
	};
	int status = -1;
	ssize_t len;
	pid_t pid;

	len = readlink("/proc/self/exe", self, sizeof(self) - 1);
	if (len < 0 || access("/run/systemd/system", F_OK))
		return false;
	self[len] = '\0';
	snprintf(unit, sizeof(unit), "--unit=nf-bpf-trial-%s-%u-%d", policy->name, policy->trying, getpid());
	snprintf(version, sizeof(version), "%u", policy->trying);
	snprintf(deadline, sizeof(deadline), "%llu", policy->deadline);
	fflush(NULL);
	pid = fork();
	if (!pid) {
		execvp(argv[0], (char **)argv);
		_exit(127);
	}
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;

	return pid > 0 && !status;
}

int cmd_guard(int argc, char **argv)
{
	__u64 version, deadline;

	if (parse_number(argv[1], &version) || parse_number(argv[2], &deadline)) {
		fail("guard: is for nf-bpf itself: see 'nf-bpf try'");
		return EXIT_WRONG;
	}
	use_syslog();
	guard(argv[0], version, deadline);

	return EXIT_DONE;
}

int start_guard(struct policy *policy, unsigned int seconds)
{
	int ready[2];
	char byte;
	pid_t pid;
	ssize_t len;

	if (start_unit(policy))
		return 0;
	if (pipe2(ready, O_CLOEXEC))
		return fail("pipe: %s", strerror(errno));
	fflush(NULL);
	pid = fork();
	if (!pid) {
		close(ready[0]);
		run_guard(policy, ready[1]);
	}
	close(ready[1]);
	len = pid > 0 ? read(ready[0], &byte, 1) : -1;
	close(ready[0]);
	if (pid > 0)
		waitpid(pid, NULL, 0);
	if (len != 1)
		return fail("%s: the process that goes back after %u seconds can't be started: nothing was changed",
			    policy->name, seconds);

	return 0;
}
