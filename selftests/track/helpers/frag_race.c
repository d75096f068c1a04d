// SPDX-License-Identifier: GPL-2.0
/*
 * Sends UDP datagrams in two fragments from two processors at the same time: one processor
 * sends the first fragment of each datagram, the other one sends the last fragment. veth
 * receives a packet on the processor that sends it.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/udp.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "helpers/nf_fragment.h"
#include "helpers/nf_test.h"

/* Bytes in the first and the last fragment. */
#define FIRST 48
#define LAST 56
/* As in flood.c: pause after a burst, so that no queue overflows. */
#define BURST 16
#define PAUSE_US 300

static const char usage[] =
	"Usage: frag_race FROM TO PORT MAX ID\n"
	"\n"
	"Sends at most MAX datagrams, from an address of this network namespace. ID is the\n"
	"identification of the first one. On SIGTERM, or after MAX datagrams, it prints their\n"
	"number.\n"
	"\n"
	"Exit status: 0 done, 1 failed, 2 wrong arguments.\n";

static atomic_bool stop;
static atomic_long arrived;	/* threads that have come to a datagram, in all datagrams */
static atomic_long met;		/* datagrams to which both have come */
static long last;		/* number of datagrams to send; written before @met */

static struct sockaddr_storage from, to;
static int port;
static long max;
static unsigned int first_id;

struct sender {
	pthread_t thread;
	int cpu;
	int fd;
	bool first;
	long sent;
	int error;
};

static void on_signal(int signal)
{
	stop = true;
}

static int send_part(struct sender *sender, unsigned int id)
{
	const struct udphdr udp = {
		.source = htons(40000),
		.dest = htons(port),
		.len = htons(FIRST + LAST),
	};
	const struct nf_fragment part = {
		.src = &from,
		.dst = &to,
		.id = id,
		.offset = sender->first ? 0 : FIRST,
		.length = sender->first ? FIRST : LAST,
		.more = sender->first,
	};
	char packet[NF_HEADERS_MAX + LAST] = {};
	int header = nf_put_header(packet, &part);

	if (sender->first)
		memcpy(packet + header, &udp, sizeof(udp));
	if (sendto(sender->fd, packet, header + part.length, 0, (void *)&to,
		   nf_address_length(&to)) < 0)
		return -errno;
	return 0;
}

/* Wait until both threads are about to send their parts of datagram @number.
 *
 * Return: false if the threads have to end. Both get the same answer, because only the second
 * one to arrive reads @stop.
 */
static bool meet(long number)
{
	if (atomic_fetch_add(&arrived, 1) == 2 * number + 1) {
		last = stop ? number : max;
		atomic_store(&met, number + 1);
	}
	while (atomic_load(&met) <= number)
		;
	return number < last;
}

static void *send_parts(void *arg)
{
	struct sender *sender = arg;

	sender->error = nf_bind_cpu(sender->cpu);
	/* After an error go on, or the other thread would wait for this one. */
	while (meet(sender->sent)) {
		if (!sender->error)
			sender->error = send_part(sender, first_id + sender->sent);
		if (++sender->sent % BURST == 0)
			usleep(PAUSE_US);
	}
	return NULL;
}

static int failed(const char *what, int error)
{
	fprintf(stderr, "frag_race: %s: %s\n", what, strerror(error));
	return 1;
}

static int run(void)
{
	struct sender senders[] = { { .cpu = 0, .first = true }, { .cpu = 1 } };
	struct sender *sender;

	for (sender = senders; sender < senders + 2; sender++) {
		sender->fd = socket(to.ss_family, SOCK_RAW, IPPROTO_RAW);
		if (sender->fd < 0)
			return failed("socket", errno);
	}
	for (sender = senders; sender < senders + 2; sender++) {
		errno = pthread_create(&sender->thread, NULL, send_parts, sender);
		if (errno)
			return failed("thread", errno);
	}
	for (sender = senders; sender < senders + 2; sender++)
		pthread_join(sender->thread, NULL);
	for (sender = senders; sender < senders + 2; sender++)
		if (sender->error)
			return failed("send", -sender->error);
	printf("%ld\n", senders[0].sent);
	return 0;
}

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_handler = on_signal, .sa_flags = SA_RESTART };

	if (argc == 2 && !strcmp(argv[1], "--help")) {
		fputs(usage, stdout);
		return 0;
	}
	if (argc != 6 || nf_parse_address(argv[1], &from) || nf_parse_address(argv[2], &to) ||
	    from.ss_family != to.ss_family) {
		fputs(usage, stderr);
		return 2;
	}
	port = atoi(argv[3]);
	max = atol(argv[4]);
	first_id = atoi(argv[5]);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	sigaction(SIGTERM, &action, NULL);
	return run();
}
