// SPDX-License-Identifier: GPL-2.0
/*
 * A client and a server in two network namespaces. They print the fate of each packet:
 * delivered, answered by an ICMP error or a reset, or lost.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/errqueue.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "helpers/nf_test.h"

/* All work is done on one CPU, so a packet that is not lost arrives at once. */
#define LOST_MS 300
/* TCP needs longer, because it retransmits lost segments. */
#define STUCK_MS 5000

static const char usage[] =
	"Usage: flow CLIENT_NETNS SERVER_NETNS udp|tcp FROM PORT TO PORT LISTEN STEP...\n"
	"\n"
	"The client sends from FROM PORT to TO PORT. The server listens to port LISTEN at\n"
	"all of its addresses. Most STEPs print a line:\n"
	"  send     the client sends, or connects: \"delivered ADDRESS PORT\" (of the\n"
	"           sender, as the server sees it), \"icmp TYPE CODE\", \"reset\" or \"lost\"\n"
	"  reply    the server answers: the same, as the client sees it\n"
	"  echo=N   after a \"send\" over TCP: the client sends N bytes, and the server sends\n"
	"           them back: \"echoed N\", or \"damaged\" if they have changed, or \"stuck\"\n"
	"           and the number of bytes that came back\n"
	"  size=N   datagrams have N bytes from now on (10)\n"
	"  options=HEX  from now on, the client sends these IPv4 options, or this IPv6\n"
	"           hop-by-hop header\n"
	"  burst=N  the client sends N datagrams: \"errors M\" for M ICMP errors\n"
	"  flood=N  the client sends N datagrams and ignores errors: \"sent N\"\n"
	"\n"
	"Exit status: 0 done, 1 failed, 2 wrong arguments.\n";

struct flow {
	struct sockaddr_storage from, to, peer;
	socklen_t length;
	int type, client, server, accepted, size;
};

static void die(const char *what)
{
	fprintf(stderr, "flow: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void wrong(const char *what)
{
	fprintf(stderr, "flow: %s\n\n%s", what, usage);
	exit(2);
}

static void enter_netns(const char *name)
{
	errno = -nf_netns_enter(name);
	if (errno)
		die(name);
}

static void parse(const char *address, const char *port, struct sockaddr_storage *to)
{
	if (nf_parse_address(address, to))
		wrong("not an address");
	nf_set_port(to, atoi(port));
}

static int open_socket(const struct flow *flow)
{
	int on = 1, fd;

	fd = socket(flow->from.ss_family, flow->type | SOCK_NONBLOCK, 0);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) ||
	    setsockopt(fd, SOL_SOCKET, SO_BROADCAST, &on, sizeof(on)))
		die("socket");
	return fd;
}

static void open_server(struct flow *flow, const char *port)
{
	struct sockaddr_storage any = { .ss_family = flow->from.ss_family };

	nf_set_port(&any, atoi(port));
	flow->server = open_socket(flow);
	if (bind(flow->server, (void *)&any, flow->length))
		die("bind server");
	if (flow->type == SOCK_STREAM && listen(flow->server, 8))
		die("listen");
}

static void open_client(struct flow *flow)
{
	int on = 1, err;

	flow->client = open_socket(flow);
	if (flow->from.ss_family == AF_INET)
		err = setsockopt(flow->client, IPPROTO_IP, IP_RECVERR, &on, sizeof(on));
	else
		err = setsockopt(flow->client, IPPROTO_IPV6, IPV6_RECVERR, &on,
				 sizeof(on));
	if (err || bind(flow->client, (void *)&flow->from, flow->length))
		die("bind client");
	if (flow->type == SOCK_DGRAM &&
	    connect(flow->client, (void *)&flow->to, flow->length))
		die("connect");
}

/* Return: 1 if the queue has an error; then @type and @code are set */
static int read_error(struct flow *flow, int *type, int *code)
{
	struct sock_extended_err *err;
	char data[2048], control[512];
	struct iovec iov = { data, sizeof(data) };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	struct cmsghdr *cmsg;

	if (recvmsg(flow->client, &msg, MSG_ERRQUEUE) < 0)
		return 0;
	for (cmsg = CMSG_FIRSTHDR(&msg); cmsg; cmsg = CMSG_NXTHDR(&msg, cmsg)) {
		err = (void *)CMSG_DATA(cmsg);
		if (err->ee_origin == SO_EE_ORIGIN_LOCAL)
			continue;
		*type = err->ee_type;
		*code = err->ee_code;
		return 1;
	}
	return 0;
}

static void say_peer(const struct flow *flow, const char *what)
{
	const struct sockaddr_in6 *sin6 = (void *)&flow->peer;
	const struct sockaddr_in *sin = (void *)&flow->peer;
	char text[INET6_ADDRSTRLEN];

	inet_ntop(flow->peer.ss_family, sin->sin_family == AF_INET ?
		  (void *)&sin->sin_addr : (void *)&sin6->sin6_addr, text,
		  sizeof(text));
	printf("%s %s %d\n", what, text, ntohs(sin->sin_port));
}

static int receive(struct flow *flow, int fd)
{
	socklen_t length = sizeof(flow->peer);
	char data[65536];
	int got;

	if (flow->type == SOCK_DGRAM)
		return recvfrom(fd, data, sizeof(data), 0, (void *)&flow->peer,
				&length) >= 0;
	got = accept4(fd, (void *)&flow->peer, &length, SOCK_NONBLOCK);
	if (got >= 0)
		flow->accepted = got;
	return got >= 0;
}

static void send_datagram(struct flow *flow, int fd, const void *to)
{
	static char data[65000];

	/* An ICMP error for an earlier datagram makes the first call fail. */
	if (sendto(fd, data, flow->size, 0, to, to ? flow->length : 0) < 0 &&
	    sendto(fd, data, flow->size, 0, to, to ? flow->length : 0) < 0)
		printf("errno %s: ", strerrorname_np(errno));
}

static void outcome(struct flow *flow, int at)
{
	struct pollfd fds[] = {
		{ .fd = at, .events = POLLIN },
		{ .fd = flow->client, .events = POLLERR },
	};
	int type, code, err = 0;
	socklen_t length = sizeof(err);

	if (poll(fds, 2, LOST_MS) <= 0) {
		puts("lost");
		return;
	}
	if (read_error(flow, &type, &code)) {
		printf("icmp %d %d\n", type, code);
		getsockopt(flow->client, SOL_SOCKET, SO_ERROR, &err, &length);
		return;
	}
	getsockopt(flow->client, SOL_SOCKET, SO_ERROR, &err, &length);
	if (err == ECONNREFUSED)
		puts("reset");
	else if (err)
		printf("errno %s\n", strerrorname_np(err));
	else if (receive(flow, at))
		say_peer(flow, "delivered");
	else
		puts("lost");
}

static void do_send(struct flow *flow)
{
	if (flow->type == SOCK_DGRAM) {
		send_datagram(flow, flow->client, NULL);
	} else if (connect(flow->client, (void *)&flow->to, flow->length) &&
		   errno != EINPROGRESS) {
		printf("errno %s\n", strerrorname_np(errno));
		return;
	}
	outcome(flow, flow->server);
}

/* On a busy processor an error arrives after the call that caused it. */
static bool wait_for_error(struct flow *flow)
{
	struct pollfd fd = { .fd = flow->client };
	socklen_t length = sizeof(int);
	int err;

	/* The socket stores at most one error of earlier datagrams. */
	getsockopt(flow->client, SOL_SOCKET, SO_ERROR, &err, &length);
	return poll(&fd, 1, LOST_MS) > 0;
}

static void do_burst(struct flow *flow, int count)
{
	int type, code, i, errors = 0;

	for (i = 0; i < count; i++) {
		send_datagram(flow, flow->client, NULL);
		errors += read_error(flow, &type, &code);
	}
	while (errors < count && wait_for_error(flow))
		errors += read_error(flow, &type, &code);
	printf("errors %d\n", errors);
}

static void do_flood(struct flow *flow, int count)
{
	int i;

	for (i = 0; i < count; i++)
		send_datagram(flow, flow->client, NULL);
	printf("sent %d\n", count);
}

/* Move as many bytes as possible, and add their number to @done. */
static void move(int fd, short events, char *data, int end, int *done)
{
	int moved = 0;

	if (events & POLLIN)
		moved = recv(fd, data + *done, end - *done, 0);
	else if (events & POLLOUT)
		moved = send(fd, data + *done, end - *done, MSG_NOSIGNAL);
	if (moved > 0)
		*done += moved;
}

static void do_echo(struct flow *flow, int count)
{
	char *sent = malloc(count), *there = malloc(count), *back = malloc(count);
	int nr_sent = 0, nr_there = 0, nr_returned = 0, nr_back = 0, i;
	struct pollfd fds[] = {
		{ .fd = flow->client },
		{ .fd = flow->accepted },
	};

	if (flow->accepted < 0 || !sent || !there || !back)
		wrong("echo: no connection, or too much");
	for (i = 0; i < count; i++)
		sent[i] = i * 7 + (i >> 8);
	while (nr_back < count) {
		fds[0].events = POLLIN | (nr_sent < count ? POLLOUT : 0);
		fds[1].events = (nr_there < count ? POLLIN : 0) |
				(nr_returned < nr_there ? POLLOUT : 0);
		if (poll(fds, 2, STUCK_MS) <= 0 ||
		    (fds[0].revents | fds[1].revents) & (POLLERR | POLLHUP)) {
			printf("stuck %d\n", nr_back);
			return;
		}
		move(flow->client, fds[0].revents & POLLIN, back, count, &nr_back);
		move(flow->client, fds[0].revents & POLLOUT, sent, count, &nr_sent);
		move(flow->accepted, fds[1].revents & POLLIN, there, count, &nr_there);
		move(flow->accepted, fds[1].revents & POLLOUT, there, nr_there,
		     &nr_returned);
	}
	if (memcmp(sent, back, count))
		puts("damaged");
	else
		printf("echoed %d\n", count);
}

static void do_options(struct flow *flow, const char *hex)
{
	const bool ipv6 = flow->from.ss_family == AF_INET6;
	unsigned char options[40];
	size_t size;

	for (size = 0; size < sizeof(options) && hex[0] && hex[1]; size++, hex += 2)
		if (sscanf(hex, "%2hhx", options + size) != 1)
			wrong(hex);
	if (*hex)
		wrong(hex);
	if (setsockopt(flow->client, ipv6 ? IPPROTO_IPV6 : IPPROTO_IP,
		       ipv6 ? IPV6_HOPOPTS : IP_OPTIONS, options, size))
		die("options");
}

static void do_step(struct flow *flow, const char *step)
{
	if (!strcmp(step, "send")) {
		do_send(flow);
	} else if (!strcmp(step, "reply")) {
		send_datagram(flow, flow->server, &flow->peer);
		outcome(flow, flow->client);
	} else if (!strncmp(step, "echo=", 5)) {
		do_echo(flow, atoi(step + 5));
	} else if (!strncmp(step, "size=", 5)) {
		flow->size = atoi(step + 5);
	} else if (!strncmp(step, "options=", 8)) {
		do_options(flow, step + 8);
	} else if (!strncmp(step, "burst=", 6)) {
		do_burst(flow, atoi(step + 6));
	} else if (!strncmp(step, "flood=", 6)) {
		do_flood(flow, atoi(step + 6));
	} else {
		wrong(step);
	}
	fflush(stdout);
}

int main(int argc, char **argv)
{
	struct flow flow = { .size = 10, .accepted = -1 };

	if (argc < 10)
		wrong("too few arguments");
	if (strcmp(argv[3], "udp") && strcmp(argv[3], "tcp"))
		wrong("udp or tcp");
	flow.type = strcmp(argv[3], "udp") ? SOCK_STREAM : SOCK_DGRAM;
	parse(argv[4], argv[5], &flow.from);
	parse(argv[6], argv[7], &flow.to);
	flow.length = nf_address_length(&flow.to);

	errno = -nf_one_cpu();
	if (errno)
		die("one processor");
	enter_netns(argv[2]);
	open_server(&flow, argv[8]);
	enter_netns(argv[1]);
	open_client(&flow);
	for (argv += 9; *argv; argv++)
		do_step(&flow, *argv);
	/* Close this socket first, so that the client's port is free for another connection. */
	if (flow.accepted >= 0)
		close(flow.accepted);
	return 0;
}
