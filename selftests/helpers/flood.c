// SPDX-License-Identifier: GPL-2.0
/*
 * Sends UDP datagrams until a signal stops it. Every other datagram is so large that the
 * kernel fragments it.
 */
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "helpers/nf_test.h"

#define SMALL 100
#define LARGE 2800
/* After a burst the sender pauses and the receiver runs. Otherwise packets are lost,
 * because the queue of a processor holds only 1000 packets.
 */
#define BURST 16
#define PAUSE_US 300

static const char usage[] =
	"Usage: flood ADDRESS PORT MAX\n"
	"\n"
	"Sends at most MAX datagrams. On SIGTERM, or after MAX datagrams, it prints their\n"
	"number.\n"
	"\n"
	"Exit status: 0 done, 1 failed, 2 wrong arguments.\n";

static atomic_bool stop;

static void on_signal(int signal)
{
	stop = true;
}

static int connected(const char *text, int port)
{
	struct sockaddr_storage address = {};
	int fd;

	if (nf_parse_address(text, &address)) {
		fprintf(stderr, "flood: %s: not an address\n", text);
		exit(2);
	}
	nf_set_port(&address, port);
	fd = socket(address.ss_family, SOCK_DGRAM, 0);
	if (fd < 0)
		return fd;
	return connect(fd, (void *)&address, nf_address_length(&address)) ? -1 : fd;
}

int main(int argc, char **argv)
{
	/* A datagram that waits for room in the queue is sent before the program ends. */
	struct sigaction action = { .sa_handler = on_signal, .sa_flags = SA_RESTART };
	char data[LARGE] = "";
	long sent = 0, max;
	int fd;

	if (argc == 2 && !strcmp(argv[1], "--help")) {
		fputs(usage, stdout);
		return 0;
	}
	if (argc != 4) {
		fputs(usage, stderr);
		return 2;
	}
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	sigaction(SIGTERM, &action, NULL);
	max = atol(argv[3]);
	fd = connected(argv[1], atoi(argv[2]));
	if (fd < 0) {
		fprintf(stderr, "flood: connect: %s: %s\n", argv[1], strerror(errno));
		return 1;
	}
	while (!stop && sent < max) {
		if (send(fd, data, sent % 2 ? LARGE : SMALL, 0) < 0) {
			fprintf(stderr, "flood: send: %s: %s\n", argv[1],
				strerror(errno));
			return 1;
		}
		if (++sent % BURST == 0)
			usleep(PAUSE_US);
	}
	printf("%ld\n", sent);
	return 0;
}
