// SPDX-License-Identifier: GPL-2.0
/*
 * The traffic of one case of packet_fuzz: sockets of the client and the server. One thread
 * sends all packets and veth delivers them at once, so an answer is there at once or never.
 */
#include <arpa/inet.h>
#include <netinet/ip_icmp.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <poll.h>
#include <unistd.h>

#include "torture/packet/traffic.h"

#ifndef UDP_SEGMENT

#define UDP_SEGMENT 103

#endif

/* packet/network.sh has rules for these. */
enum {
	PORT = 5000, TPROXY_PORT, TPROXY_LISTENER, FLOW_PORT, MULTICAST_PORT, QUEUE_PORT,
	SEGMENT = 500,
};

static __u8 payload[65536];

static struct sockaddr_storage address_of(const char *text, int port)
{
	struct sockaddr_storage address = {};

	if (nf_parse_address(text, &address))
		bail(text, -EINVAL);
	nf_set_port(&address, port);
	return address;
}

/* IPv4: record route, or nothing. IPv6: hop-by-hop or destination options. */
static void set_options(const struct flow *flow, int fd)
{
	static const __u8 record_route[12] = { 7, 11, 4 }, nothing[4] = { 1, 1, 1, 1 };
	static const __u8 padding[8] = { 0, 0, 1, 4 };
	const bool first = flow->arg[T_OPTIONS] == 1;

	if (!flow->arg[T_OPTIONS])
		return;
	if (flow->ipv6)
		setsockopt(fd, SOL_IPV6, first ? IPV6_HOPOPTS : IPV6_DSTOPTS, padding,
			   sizeof(padding));
	else
		setsockopt(fd, SOL_IP, IP_OPTIONS, first ? record_route : nothing,
			   first ? sizeof(record_route) : sizeof(nothing));
}

static int open_socket(enum netns netns, const struct flow *flow, int type, int protocol)
{
	int fd, yes = 1;

	enter(netns);
	fd = socket(flow->ipv6 ? AF_INET6 : AF_INET, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);
	if (fd < 0)
		bail("socket", 0);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
	if (flow->ipv6)
		setsockopt(fd, SOL_IPV6, IPV6_V6ONLY, &yes, sizeof(yes));
	set_options(flow, fd);
	/* Only sockets of a VRF can use an address in the VRF. */
	if (netns == NS_SERVER && !strcmp(path_names[flow->arg[T_PATH]], "vrf"))
		setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "vrf1", sizeof("vrf1"));
	return fd;
}

static bool bind_to(int fd, const char *text, int port)
{
	const struct sockaddr_storage address = address_of(text, port);

	return !bind(fd, (void *)&address, nf_address_length(&address));
}

static bool connect_to(int fd, const char *text, int port)
{
	const struct sockaddr_storage address = address_of(text, port);

	return !connect(fd, (void *)&address, nf_address_length(&address)) ||
	       errno == EINPROGRESS;
}

static bool wait_readable(int fd, int ms)
{
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN };

	return poll(&poll_fd, 1, ms) == 1;
}

static const struct path *path_of(const struct flow *flow)
{
	return &world.paths[flow->arg[T_PATH]];
}

static const char *from_of(const struct flow *flow)
{
	return path_of(flow)->from[flow->ipv6];
}

static const char *to_of(const struct flow *flow)
{
	return path_of(flow)->to[flow->ipv6];
}

static int port_of(enum traffic traffic)
{
	switch (traffic) {
	case TPROXY:
		return TPROXY_PORT;
	case FLOWTABLE:
		return FLOW_PORT;
	case QUEUE:
		return QUEUE_PORT;
	default:
		return PORT;
	}
}

/* --- TCP --- */

static void listen_for(struct flow *flow)
{
	const int level = flow->ipv6 ? SOL_IPV6 : SOL_IP;
	const int option = flow->ipv6 ? 75 /* IPV6_TRANSPARENT */ : IP_TRANSPARENT;
	int yes = 1;

	if (flow->traffic == TPROXY) {
		flow->listener = open_socket(NS_ROUTER, flow, SOCK_STREAM, 0);
		setsockopt(flow->listener, level, option, &yes, sizeof(yes));
		if (!bind_to(flow->listener, flow->ipv6 ? "::" : "0.0.0.0", TPROXY_LISTENER))
			bail("bind of a transparent socket", 0);
	} else {
		flow->listener = open_socket(NS_SERVER, flow, SOCK_STREAM, 0);
		if (!bind_to(flow->listener, to_of(flow), port_of(flow->traffic)))
			bail("bind", 0);
	}
	if (listen(flow->listener, 8))
		bail("listen", 0);
}

static void accept_one(struct flow *flow, int ms)
{
	if (flow->server < 0 && wait_readable(flow->listener, ms))
		flow->server = accept4(flow->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
}

static void open_tcp(struct flow *flow)
{
	listen_for(flow);
	flow->client = open_socket(NS_CLIENT, flow, SOCK_STREAM, 0);
	if (!bind_to(flow->client, from_of(flow), 0))
		bail("bind of the client", 0);
	connect_to(flow->client, to_of(flow), port_of(flow->traffic));
	accept_one(flow, flow->arg[T_EARLY] ? 1000 : 10);
}

/* --- datagrams --- */

static void open_udp(struct flow *flow)
{
	const int port = port_of(flow->traffic);
	struct sockaddr_storage name;
	socklen_t len = sizeof(name);

	flow->server = open_socket(NS_SERVER, flow, SOCK_DGRAM, 0);
	flow->client = open_socket(NS_CLIENT, flow, SOCK_DGRAM, 0);
	if (!bind_to(flow->server, to_of(flow), port) || !bind_to(flow->client, from_of(flow), 0) ||
	    !connect_to(flow->client, to_of(flow), port))
		bail("sockets of UDP", 0);
	if (flow->traffic != UDP_CONNECTED)
		return;
	/* Connect this socket, too: early demux of UDP needs a connected socket. */
	getsockname(flow->client, (void *)&name, &len);
	connect(flow->server, (void *)&name, len);
}

static void open_multicast(struct flow *flow)
{
	const struct sockaddr_storage group = address_of(flow->ipv6 ? "ff15::1" : "239.1.1.1", 0);
	struct group_req request = {};

	flow->server = open_socket(NS_ROUTER, flow, SOCK_DGRAM, 0);
	request.gr_interface = 2;
	memcpy(&request.gr_group, &group, sizeof(group));
	setsockopt(flow->server, flow->ipv6 ? SOL_IPV6 : SOL_IP, MCAST_JOIN_GROUP, &request,
		   sizeof(request));
	bind_to(flow->server, flow->ipv6 ? "::" : "0.0.0.0", MULTICAST_PORT);
	flow->client = open_socket(NS_CLIENT, flow, SOCK_DGRAM, 0);
	connect_to(flow->client, flow->ipv6 ? "ff15::1" : "239.1.1.1", MULTICAST_PORT);
}

static void open_icmp(struct flow *flow)
{
	const int protocol = flow->ipv6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP;

	flow->client = open_socket(NS_CLIENT, flow, flow->traffic == PING ? SOCK_DGRAM : SOCK_RAW,
				   protocol);
	if (flow->traffic == RAW)
		flow->server = open_socket(NS_SERVER, flow, SOCK_RAW, protocol);
	if (!connect_to(flow->client, to_of(flow), 0))
		bail("socket of ICMP", 0);
}

/* --- all of them --- */

static bool is_stream(enum traffic traffic)
{
	return traffic == TCP || traffic == TPROXY || traffic == FLOWTABLE;
}

static bool is_icmp(enum traffic traffic)
{
	return traffic == RAW || traffic == PING;
}

void open_flow(struct flow *flow)
{
	if (is_stream(flow->traffic))
		open_tcp(flow);
	else if (is_icmp(flow->traffic))
		open_icmp(flow);
	else if (flow->traffic == MULTICAST)
		open_multicast(flow);
	else
		open_udp(flow);
}

bool flow_of(struct flow *flow, const struct call *call)
{
	*flow = (struct flow) {
		.arg = call->arg, .traffic = within(call->arg[T_TRAFFIC], 0, NR_TRAFFIC - 1),
		.ipv6 = call->arg[T_FAMILY] == 6, .client = -1, .server = -1, .listener = -1,
	};
	return call->arg[T_PATH] >= 0 && call->arg[T_PATH] < MAX_PATHS && *to_of(flow) &&
	       world.has[flow->traffic];
}

/* Return: the number of bytes that could be read */
static long drain(int fd)
{
	static char bytes[65536];
	long sum = 0, len;

	while (fd >= 0 && (len = recv(fd, bytes, sizeof(bytes), 0)) > 0)
		sum += len;
	return sum;
}

/* An ICMP echo must begin with its header, which is data for other protocols. The rest of
 * the payload is 0. The kernel fills in the checksum, except for raw IPv4 sockets.
 */
static void send_some(int fd, const struct flow *flow)
{
	const long limit = is_stream(flow->traffic) ? 60000 : 30000;
	long size = within(flow->arg[T_SIZE], 1, limit);
	int segment = SEGMENT;

	memset(payload, 0, 8);
	if (is_icmp(flow->traffic)) {
		size = within(size, 8, 8000);
		payload[0] = flow->ipv6 ? 128 : ICMP_ECHO;
		payload[2] = ~payload[0];
		payload[3] = 0xff;
	}
	if (flow->traffic == UDP_GSO) {
		setsockopt(fd, SOL_UDP, UDP_SEGMENT, &segment, sizeof(segment));
		size = within(size, 1, 60 * SEGMENT);
	}
	send(fd, payload, size, MSG_NOSIGNAL);
}

static void answer(struct flow *flow)
{
	static char bytes[65536];
	struct sockaddr_storage from;
	socklen_t len = sizeof(from);

	if (is_stream(flow->traffic)) {
		send_some(flow->server, flow);
	} else if (!is_icmp(flow->traffic)) {
		enter(NS_SERVER);
		if (recvfrom(flow->server, bytes, sizeof(bytes), 0, (void *)&from, &len) > 0) {
			world.received[flow->traffic]++;
			sendto(flow->server, payload, 1000, 0, (void *)&from, len);
		}
	}
}

/* On a busy machine, ksoftirqd may receive the packet later. IPsec may encrypt later. */
static void wait_for_packet(const struct flow *flow, int fd)
{
	const bool is_ipsec = !strcmp(path_names[flow->arg[T_PATH]], "ipsec");

	if (fd >= 0 && (world.patient || is_ipsec))
		wait_readable(fd, world.patient ? 2000 : 20);
}

void use_flow(struct flow *flow)
{
	long got;
	int i;

	if (flow->listener >= 0)
		accept_one(flow, 0);
	for (i = 0; i < 2; i++) {
		world.sent[flow->traffic]++;
		send_some(flow->client, flow);
		queue_serve();
		wait_for_packet(flow, flow->server);
		if (flow->server >= 0)
			answer(flow);
		/* A socket that is connected to a multicast group receives no answer. */
		if (flow->traffic != MULTICAST)
			wait_for_packet(flow, flow->client);
		got = drain(flow->client) + drain(flow->server);
		world.received[flow->traffic] += got > 0;
		world.ways[flow->arg[T_PATH]] += got > 0;
	}
}

/* Close with a reset, so that no socket waits for the other end. */
static void close_one(int fd)
{
	const struct linger linger = { .l_onoff = 1 };

	if (fd < 0)
		return;
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	close(fd);
}

void close_flow(struct flow *flow)
{
	drain(flow->client);
	drain(flow->server);
	close_one(flow->client);
	close_one(flow->server);
	close_one(flow->listener);
}
