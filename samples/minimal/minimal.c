// SPDX-License-Identifier: GPL-2.0
/* Load minimal.bpf.c, attach it by its section name, and detach it on a signal. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "minimal.skel.h"

static const char usage[] =
	"Usage: minimal [--help]\n"
	"Drops forwarded UDP packets to port 9999, fragmented or not, and packets without\n"
	"complete headers, in this network namespace, until it is interrupted.\n"
	"Exit status: 0 interrupted, 1 failed, 2 usage.\n";

static int fail(const char *what)
{
	fprintf(stderr, "minimal: drop_port_9999: %s: %s (%d)\n", what,
		strerror(errno), errno);
	return 1;
}

static int run_until_signal(struct minimal *skel, const sigset_t *signals)
{
	int sig;

	if (minimal__load(skel))
		return fail("cannot load");
	if (minimal__attach(skel))
		return fail("cannot attach");
	printf("drop_port_9999: attached, interrupt to detach\n");
	fflush(stdout);
	sigwait(signals, &sig);
	return 0;
}

int main(int argc, char **argv)
{
	struct minimal *skel;
	sigset_t signals;
	int status;

	if (argc == 2 && !strcmp(argv[1], "--help")) {
		fputs(usage, stdout);
		return 0;
	}
	if (argc != 1) {
		fputs(usage, stderr);
		return 2;
	}

	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	sigprocmask(SIG_BLOCK, &signals, NULL);

	skel = minimal__open();
	if (!skel)
		return fail("cannot open");
	status = run_until_signal(skel, &signals);
	minimal__destroy(skel);
	return status;
}
