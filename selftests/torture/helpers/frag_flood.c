// SPDX-License-Identifier: GPL-2.0
/*
 * Sends UDP packets from one address to another: whole packets, or a flood of fragments. Most
 * datagrams of a flood stay incomplete and fill the memory of the router that reassembles
 * them.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/udp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "helpers/nf_fragment.h"
#include "helpers/nf_test.h"

/* Bytes in a fragment: a multiple of 8 that fits into 1500 bytes with IPv6 headers. */
#define FRAGMENT 1448
#define WHOLE 100
/* Bytes in a tiny fragment, and the number of fragments in its datagram. */
#define TINY 8
#define TINY_ALL 8188
#define MAX_TICKS 65536
/* As in flood.c: pause after a burst, so that no queue overflows. */
#define BURST 16
#define PAUSE_US 300

static const char usage[] =
	"Usage: frag_flood whole|flood FROM TO PORT MAX\n"
	"       frag_flood tiny FROM TO PORT MAX EACH\n"
	"\n"
	"Sends at most MAX datagrams, from an address of this network namespace:\n"
	"  whole  each datagram is one packet\n"
	"  flood  of four datagrams, three are incomplete: a first fragment, a last one,\n"
	"         and one from the middle. The fourth is complete, in two fragments\n"
	"  tiny   sends MAX fragments of 8 bytes at random offsets, EACH of them for one\n"
	"         datagram, which never becomes complete\n"
	"On SIGTERM, or after the last one, it prints the number of datagrams, the number of\n"
	"packets, and the median time to send a packet, in ticks of the processor's counter.\n"
	"The time includes the work of receiving it on the same processor.\n"
	"\n"
	"Exit status: 0 done, 1 failed, 2 wrong arguments.\n";

static atomic_bool stop;

struct sender {
	int fd;
	struct sockaddr_storage from, to;
	int port;
	int each;
	unsigned int id;
	long packets;
	unsigned int ticks[MAX_TICKS];	/* time of each of the first packets */
};

static void on_signal(int signal)
{
	stop = true;
}

static int failed(const char *what)
{
	fprintf(stderr, "frag_flood: %s: %s\n", what, strerror(errno));
	return 1;
}

/* On an emulated machine, the resolution of the clocks can be a few milliseconds. */
static unsigned long long read_ticks(void)
{
#if defined(__x86_64__)
	return __builtin_ia32_rdtsc();
#elif defined(__aarch64__)
	unsigned long long ticks;

	asm volatile("mrs %0, cntvct_el0" : "=r" (ticks));
	return ticks;
#else
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000ULL + now.tv_nsec;
#endif
}

static int compare_ticks(const void *a, const void *b)
{
	const unsigned int x = *(const unsigned int *)a, y = *(const unsigned int *)b;

	return x < y ? -1 : x > y;
}

static unsigned int median_ticks(struct sender *sender)
{
	const size_t nr = sender->packets < MAX_TICKS ? sender->packets : MAX_TICKS;

	qsort(sender->ticks, nr, sizeof(sender->ticks[0]), compare_ticks);
	return nr ? sender->ticks[nr / 2] : 0;
}

/* Send @length bytes at @offset of a datagram that has @total bytes. */
static int send_part(struct sender *sender, int offset, int length, int total)
{
	const struct udphdr udp = {
		.source = htons(40000),
		.dest = htons(sender->port),
		.len = htons(total),
	};
	const struct nf_fragment part = {
		.src = &sender->from,
		.dst = &sender->to,
		.id = sender->id,
		.offset = offset,
		.length = length,
		.more = offset + length < total,
	};
	unsigned long long start;
	static char packet[2048];
	ssize_t sent;
	int header = nf_put_header(packet, &part);

	memset(packet + header, 0, length);
	if (!offset)
		memcpy(packet + header, &udp, sizeof(udp));
	start = read_ticks();
	sent = sendto(sender->fd, packet, header + length, 0, (void *)&sender->to,
		      nf_address_length(&sender->to));
	if (sender->packets < MAX_TICKS)
		sender->ticks[sender->packets] = read_ticks() - start;
	if (++sender->packets % BURST == 0)
		usleep(PAUSE_US);
	return sent < 0 ? failed("send") : 0;
}

static int send_whole(struct sender *sender)
{
	sender->id++;
	return send_part(sender, 0, WHOLE, WHOLE);
}

/* Offsets are multiples of the size: a fragment may repeat, but none overlaps another. */
static int send_tiny(struct sender *sender)
{
	if (sender->packets % sender->each == 0)
		sender->id++;
	return send_part(sender, rand() % (TINY_ALL - 1) * TINY, TINY, TINY_ALL * TINY);
}

static int send_some(struct sender *sender)
{
	switch (sender->id++ % 4) {
	case 0:
		return send_part(sender, 0, FRAGMENT, 3 * FRAGMENT);
	case 1:
		return send_part(sender, 2 * FRAGMENT, FRAGMENT, 3 * FRAGMENT);
	case 2:
		return send_part(sender, FRAGMENT, FRAGMENT, 3 * FRAGMENT);
	default:
		return send_part(sender, 0, FRAGMENT, 2 * FRAGMENT) ?:
		       send_part(sender, FRAGMENT, FRAGMENT, 2 * FRAGMENT);
	}
}

static int (*find_kind(const char *name))(struct sender *sender)
{
	if (!strcmp(name, "whole"))
		return send_whole;
	if (!strcmp(name, "flood"))
		return send_some;
	if (!strcmp(name, "tiny"))
		return send_tiny;
	return NULL;
}

int main(int argc, char **argv)
{
	int (*send_next)(struct sender *sender);
	/* A packet that waits for room in the queue is sent before the program ends. */
	struct sigaction action = { .sa_handler = on_signal, .sa_flags = SA_RESTART };
	static struct sender sender;
	long datagrams = 0, max;

	if (argc == 2 && !strcmp(argv[1], "--help")) {
		fputs(usage, stdout);
		return 0;
	}
	send_next = argc > 5 ? find_kind(argv[1]) : NULL;
	sender.each = argc == 7 ? atoi(argv[6]) : 0;
	if (argc != (send_next == send_tiny ? 7 : 6) || sender.each < argc - 6)
		send_next = NULL;
	if (!send_next || nf_parse_address(argv[2], &sender.from) ||
	    nf_parse_address(argv[3], &sender.to) ||
	    sender.from.ss_family != sender.to.ss_family) {
		fputs(usage, stderr);
		return 2;
	}
	/* Fragments of two runs must not belong to one datagram. */
	sender.id = getpid() * 64;
	srand(getpid());
	sender.port = atoi(argv[4]);
	max = atol(argv[5]);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	sigaction(SIGTERM, &action, NULL);
	sender.fd = socket(sender.to.ss_family, SOCK_RAW, IPPROTO_RAW);
	if (sender.fd < 0)
		return failed("socket");
	for (; !stop && datagrams < max; datagrams++)
		if (send_next(&sender))
			return 1;
	printf("%ld %ld %u\n", datagrams, sender.packets, median_ticks(&sender));
	return 0;
}
