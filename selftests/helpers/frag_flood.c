// SPDX-License-Identifier: GPL-2.0
/*
 * Sends UDP packets from one address to another: whole ones, or a flood of
 * datagrams most of which are never completed, to fill the memory of whoever
 * reassembles them on the way.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/udp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

/* Of the datagram; a multiple of 8 that fits into 1500 bytes with IPv6's headers. */
#define FRAGMENT 1448
#define WHOLE 100
/* As in flood.c: so that nothing is lost for lack of room in a queue. */
#define BURST 16
#define PAUSE_US 300

static const char usage[] =
	"Usage: frag_flood whole|flood FROM TO PORT MAX\n"
	"\n"
	"Sends MAX datagrams at most, from an address of this network namespace.\n"
	"\"whole\" sends them in one packet each. \"flood\" sends of each four datagrams\n"
	"the first fragment of one, the last of another, one of the middle of the next,\n"
	"and the fourth in two fragments: that one is complete.\n"
	"On SIGTERM, or when it has sent them, it prints how many datagrams and how many\n"
	"packets there were.\n"
	"\n"
	"Exit status: 0 done, 1 failed, 2 wrong arguments.\n";

static atomic_bool stop;

struct sender {
	int fd;
	bool ipv6;
	struct sockaddr_in6 to6;
	struct sockaddr_in to;
	struct in6_addr from6;
	struct in_addr from;
	int port;
	unsigned int id;
	long packets;
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

static int put_ip4(const struct sender *sender, char *packet, int offset, int length,
		   bool more)
{
	struct iphdr header = {
		.version = 4,
		.ihl = 5,
		.ttl = 64,
		.protocol = IPPROTO_UDP,
		.tot_len = htons(sizeof(header) + length),
		.id = htons(sender->id),
		.frag_off = htons(offset / 8 | (more ? IP_MF : 0)),
		.saddr = sender->from.s_addr,
		.daddr = sender->to.sin_addr.s_addr,
	};

	memcpy(packet, &header, sizeof(header));
	return sizeof(header);
}

static int put_ip6(const struct sender *sender, char *packet, int offset, int length,
		   bool more)
{
	const bool fragment = offset || more;
	struct ip6_frag frag = {
		.ip6f_nxt = IPPROTO_UDP,
		.ip6f_offlg = htons(offset | more),
		.ip6f_ident = htonl(sender->id),
	};
	struct ip6_hdr header = {
		.ip6_flow = htonl(6 << 28),
		.ip6_plen = htons(length + (fragment ? sizeof(frag) : 0)),
		.ip6_nxt = fragment ? IPPROTO_FRAGMENT : IPPROTO_UDP,
		.ip6_hlim = 64,
		.ip6_src = sender->from6,
		.ip6_dst = sender->to6.sin6_addr,
	};

	memcpy(packet, &header, sizeof(header));
	if (!fragment)
		return sizeof(header);
	memcpy(packet + sizeof(header), &frag, sizeof(frag));
	return sizeof(header) + sizeof(frag);
}

/* Of a datagram of @total bytes the @length that begin at @offset. */
static int send_part(struct sender *sender, int offset, int length, int total)
{
	const struct udphdr udp = {
		.source = htons(40000),
		.dest = htons(sender->port),
		.len = htons(total),
	};
	const bool more = offset + length < total;
	static char packet[2048];
	ssize_t sent;
	int header;

	if (sender->ipv6)
		header = put_ip6(sender, packet, offset, length, more);
	else
		header = put_ip4(sender, packet, offset, length, more);
	memset(packet + header, 0, length);
	if (!offset)
		memcpy(packet + header, &udp, sizeof(udp));
	if (sender->ipv6)
		sent = sendto(sender->fd, packet, header + length, 0,
			      (void *)&sender->to6, sizeof(sender->to6));
	else
		sent = sendto(sender->fd, packet, header + length, 0,
			      (void *)&sender->to, sizeof(sender->to));
	if (++sender->packets % BURST == 0)
		usleep(PAUSE_US);
	return sent < 0 ? failed("send") : 0;
}

static int send_datagram(struct sender *sender, bool whole)
{
	const unsigned int kind = sender->id++ % 4;

	if (whole)
		return send_part(sender, 0, WHOLE, WHOLE);
	switch (kind) {
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

static bool parse_addresses(struct sender *sender, const char *from, const char *to)
{
	sender->to.sin_family = AF_INET;
	sender->to6.sin6_family = AF_INET6;
	if (inet_pton(AF_INET, to, &sender->to.sin_addr) == 1)
		return inet_pton(AF_INET, from, &sender->from) == 1;
	sender->ipv6 = true;
	return inet_pton(AF_INET6, to, &sender->to6.sin6_addr) == 1 &&
	       inet_pton(AF_INET6, from, &sender->from6) == 1;
}

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_handler = on_signal };
	struct sender sender = {};
	long datagrams = 0, max;
	bool whole;

	if (argc == 2 && !strcmp(argv[1], "--help")) {
		fputs(usage, stdout);
		return 0;
	}
	if (argc != 6 || (strcmp(argv[1], "whole") && strcmp(argv[1], "flood")) ||
	    !parse_addresses(&sender, argv[2], argv[3])) {
		fputs(usage, stderr);
		return 2;
	}
	whole = !strcmp(argv[1], "whole");
	sender.port = atoi(argv[4]);
	max = atol(argv[5]);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	sigaction(SIGTERM, &action, NULL);
	sender.fd = socket(sender.ipv6 ? AF_INET6 : AF_INET, SOCK_RAW, IPPROTO_RAW);
	if (sender.fd < 0)
		return failed("socket");
	for (; !stop && datagrams < max; datagrams++)
		if (send_datagram(&sender, whole))
			return 1;
	printf("%ld %ld\n", datagrams, sender.packets);
	return 0;
}
