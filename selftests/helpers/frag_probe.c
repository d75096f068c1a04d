// SPDX-License-Identifier: GPL-2.0
/*
 * Sends one UDP datagram from one network namespace to another, in fragments of
 * chosen sizes and order. Prints each packet that arrives there on the wire, and
 * what the UDP socket receives.
 *
 * A second, small datagram (the sentinel) takes the same path. One CPU sends all
 * packets, so veth keeps their order: a packet that has not arrived before the
 * sentinel is lost. So the program never waits for a lost packet.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/udp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "helpers/nf_fragment.h"
#include "helpers/nf_test.h"
#include "progs/policy.h"

#define MAX_FRAGMENTS 128
#define MAX_RAW 8
#define MAX_OPTIONS 40
#define MAX_RAW_LENGTH 256
#define MAX_DATAGRAM 65535
#define SENTINEL_TIMEOUT_MS 10000

static const char usage[] =
	"Usage: frag_probe -f NETNS -t NETNS -i DEVICE -s ADDRESS -d ADDRESS\n"
	"                  [-p PORT] [-z SIZE,...] [-o INDEX,...] [-n]\n"
	"                  [-m INDEX,...] [-O HEX] [-x NEXTHDR:HEX]... [-S ADDRESS]\n"
	"                  [-F OFFSET+LENGTH[m],...] [-I ID] [-P PROTOCOL]\n"
	"\n"
	"  -f, -t  send from and receive in these namespaces\n"
	"  -i      device of the receiving namespace on which packets are recorded\n"
	"  -s, -d  source and destination address, both IPv4 or both IPv6\n"
	"  -p      destination port (9999)\n"
	"  -z      bytes in each fragment, the UDP header in the first (100)\n"
	"  -o      fragments to send, in this order (all of them)\n"
	"  -n      send with IP_NODEFRAG\n"
	"  -m      IPv4: fragments that have DF set (none)\n"
	"  -O      IPv4: options of each packet's header\n"
	"  -x      send IPv6 packets of these bytes in place of a datagram\n"
	"  -S      destination of the sentinel (that of the datagram)\n"
	"  -F      send these parts of the datagram in place of -o; with m, more follow\n"
	"  -I      identification of the datagram (a new one)\n"
	"  -P      IPv4: protocol of the fragments, whose bytes stay the same (17, UDP)\n"
	"\n"
	"Prints lines for the packets in the order of arrival, and then for the socket:\n"
	"  wire OFFSET LENGTH whole|more|last ID df|cut    for a packet of the protocol\n"
	"  other NEXTHDR LENGTH        for a packet of the sender that is not UDP\n"
	"  delivered LENGTH intact|damaged\n"
	"  refused          for each fragment that the sending kernel dropped\n"
	"\n"
	"Exit status: 0 done, 1 failed, 2 wrong arguments, 3 the sentinel is lost.\n";

struct raw {
	unsigned char bytes[MAX_RAW_LENGTH];
	int nexthdr, length;
};

struct part {
	int offset, length;
	bool more;
};

struct probe {
	const char *from, *to, *device;
	int family;
	struct sockaddr_storage src, dst, last;
	int port;
	int sizes[MAX_FRAGMENTS], nr_sizes;
	int order[MAX_FRAGMENTS], nr_order;
	struct raw raw[MAX_RAW];
	int nr_raw;
	int nodefrag;
	struct part parts[MAX_FRAGMENTS];
	int nr_parts;
	bool df[MAX_FRAGMENTS];
	unsigned char options[MAX_OPTIONS];
	int options_length;
	int protocol;

	unsigned char datagram[MAX_DATAGRAM];
	int length;
	bool has_id;
	__u32 id;

	int wire, udp, sentinel;
};

static void die(const char *what, const char *object)
{
	fprintf(stderr, "frag_probe: %s: %s: %s\n", what, object, strerror(errno));
	exit(1);
}

static void wrong(const char *what)
{
	fprintf(stderr, "frag_probe: %s\n\n%s", what, usage);
	exit(2);
}

static void enter_netns(const char *name)
{
	errno = -nf_netns_enter(name);
	if (errno)
		die("netns", name);
}

static int parse_list(const char *text, int *list)
{
	int nr = 0;
	char *end;

	do {
		if (nr == MAX_FRAGMENTS)
			wrong("too many fragments");
		list[nr++] = strtol(text, &end, 10);
		if (end == text || (*end && *end != ','))
			wrong("a list of numbers is wanted");
		text = end + 1;
	} while (*end);
	return nr;
}

static int parse_parts(const char *text, struct part *parts)
{
	int nr, used;

	for (nr = 0; *text; nr++) {
		if (nr == MAX_FRAGMENTS ||
		    sscanf(text, "%d+%d%n", &parts[nr].offset, &parts[nr].length, &used) != 2 ||
		    parts[nr].length > 1480)
			wrong("-F wants OFFSET+LENGTH[m],...");
		text += used;
		parts[nr].more = *text == 'm';
		text += parts[nr].more;
		if (*text && *text++ != ',')
			wrong("-F wants a comma between two parts");
	}
	return nr;
}

/* Return: the number of bytes in @text */
static int parse_hex(const char *text, unsigned char *bytes, int max)
{
	int length, used;

	for (length = 0; *text; text += 2, length++)
		if (length == max || sscanf(text, "%2hhx%n", bytes + length, &used) != 1 ||
		    used != 2)
			wrong("whole bytes in hexadecimal are wanted, not too many");
	return length;
}

static void parse_raw(const char *text, struct raw *raw)
{
	int used;

	if (sscanf(text, "%d:%n", &raw->nexthdr, &used) != 1)
		wrong("-x wants NEXTHDR:HEX");
	raw->length = parse_hex(text + used, raw->bytes, MAX_RAW_LENGTH);
}

static void parse_df(const char *text, bool *df)
{
	int list[MAX_FRAGMENTS], nr = parse_list(text, list);

	while (nr--) {
		if (list[nr] < 0 || list[nr] >= MAX_FRAGMENTS)
			wrong("-m names a fragment that there cannot be");
		df[list[nr]] = true;
	}
}

static int parse_address(const char *text, struct sockaddr_storage *to)
{
	if (nf_parse_address(text, to))
		wrong("not an address");
	return to->ss_family;
}

static __u16 udp_checksum(struct probe *probe)
{
	struct sockaddr_in6 *src6 = (void *)&probe->src, *dst6 = (void *)&probe->dst;
	struct sockaddr_in *src = (void *)&probe->src, *dst = (void *)&probe->dst;
	__u32 sum = IPPROTO_UDP + probe->length;

	if (probe->family == AF_INET) {
		sum = nf_sum(sum, &src->sin_addr, 4);
		sum = nf_sum(sum, &dst->sin_addr, 4);
	} else {
		sum = nf_sum(sum, &src6->sin6_addr, 16);
		sum = nf_sum(sum, &dst6->sin6_addr, 16);
	}
	sum = nf_sum(sum, probe->datagram, probe->length);
	sum = nf_sum_fold(sum);
	return sum == 0xffff ? 0xffff : ~sum;
}

static unsigned char pattern(int i)
{
	return i * 7 + (i >> 8);
}

static void build_datagram(struct probe *probe)
{
	struct udphdr *udph = (void *)probe->datagram;
	struct timespec now;
	int i;

	for (i = 0; i < probe->nr_sizes; i++) {
		if (probe->sizes[i] <= 0 || probe->sizes[i] > 1480)
			wrong("a fragment has 1 to 1480 bytes");
		if (i < probe->nr_sizes - 1 && probe->sizes[i] % 8)
			wrong("all fragments but the last have a multiple of 8 bytes");
		probe->length += probe->sizes[i];
	}
	if (probe->length < (int)sizeof(*udph) || probe->length > MAX_DATAGRAM)
		wrong("the sizes make no UDP datagram");
	for (i = sizeof(*udph); i < probe->length; i++)
		probe->datagram[i] = pattern(i);
	udph->uh_sport = htons(40000);
	udph->uh_dport = htons(probe->port);
	udph->uh_ulen = htons(probe->length);
	udph->uh_sum = htons(udp_checksum(probe));

	if (probe->has_id)
		return;
	clock_gettime(CLOCK_MONOTONIC, &now);
	probe->id = now.tv_nsec ^ now.tv_sec << 7;
}

static int bound_udp(struct probe *probe, int port)
{
	struct sockaddr_storage local = { .ss_family = probe->family };
	int fd = socket(probe->family, SOCK_DGRAM | SOCK_NONBLOCK, 0);

	nf_set_port(&local, port);
	if (fd < 0 || bind(fd, (void *)&local, nf_address_length(&probe->dst)))
		die("bind", probe->to);
	return fd;
}

static void open_receivers(struct probe *probe)
{
	struct sockaddr_ll link = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(probe->family == AF_INET ? ETH_P_IP : ETH_P_IPV6),
	};

	enter_netns(probe->to);
	link.sll_ifindex = if_nametoindex(probe->device);
	if (!link.sll_ifindex)
		die("device", probe->device);
	probe->wire = socket(AF_PACKET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	if (probe->wire < 0 || bind(probe->wire, (void *)&link, sizeof(link)))
		die("capture", probe->device);
	probe->udp = bound_udp(probe, probe->port);
	probe->sentinel = bound_udp(probe, SENTINEL_PORT);
}

static void send_packet(struct probe *probe, int fd, const void *packet, int length)
{
	if (sendto(fd, packet, length, 0, (void *)&probe->dst,
		   nf_address_length(&probe->dst)) >= 0)
		return;
	if (errno != EPERM)
		die("send", probe->from);
	puts("refused");
}

static void send_part(struct probe *probe, int fd, const struct nf_fragment *part,
		      const void *data)
{
	unsigned char packet[2048];
	int header = nf_put_header(packet, part);

	memcpy(packet + header, data, part->length);
	send_packet(probe, fd, packet, header + part->length);
}

static void send_raw(struct probe *probe, int fd, const struct raw *raw)
{
	const struct nf_fragment part = {
		.src = &probe->src,
		.dst = &probe->dst,
		.length = raw->length,
		.nexthdr = raw->nexthdr,
	};

	send_part(probe, fd, &part, raw->bytes);
}

static void send_fragment(struct probe *probe, int fd, int index)
{
	struct nf_fragment part = {
		.src = &probe->src,
		.dst = &probe->dst,
		.id = probe->id,
		.more = index < probe->nr_sizes - 1,
		.nexthdr = probe->protocol,
		.options = probe->options,
		.options_length = probe->options_length,
	};
	int i;

	if (index < 0 || index >= probe->nr_sizes)
		wrong("-o names a fragment that -z has not");
	for (i = 0; i < index; i++)
		part.offset += probe->sizes[i];
	part.length = probe->sizes[index];
	part.df = probe->df[index];
	send_part(probe, fd, &part, probe->datagram + part.offset);
}

/* Beyond the end of the datagram there are zeros. */
static void send_chosen_part(struct probe *probe, int fd, const struct part *part)
{
	const struct nf_fragment fragment = {
		.src = &probe->src,
		.dst = &probe->dst,
		.id = probe->id,
		.offset = part->offset,
		.length = part->length,
		.more = part->more,
		.nexthdr = probe->protocol,
		.options = probe->options,
		.options_length = probe->options_length,
	};

	if (part->offset + part->length > MAX_DATAGRAM)
		send_part(probe, fd, &fragment, probe->datagram);
	else
		send_part(probe, fd, &fragment, probe->datagram + part->offset);
}

static void send_datagram(struct probe *probe, int fd)
{
	int i;

	for (i = 0; i < probe->nr_parts; i++)
		send_chosen_part(probe, fd, &probe->parts[i]);
	for (i = 0; !probe->nr_parts && i < probe->nr_order; i++)
		send_fragment(probe, fd, probe->order[i]);
}

static void send_all(struct probe *probe)
{
	struct sockaddr_storage to = probe->last.ss_family ? probe->last : probe->dst;
	int one = 1, fd, i;

	enter_netns(probe->from);
	fd = socket(probe->family, SOCK_RAW, IPPROTO_RAW);
	if (fd < 0)
		die("raw socket", probe->from);
	if (probe->nodefrag &&
	    setsockopt(fd, IPPROTO_IP, IP_NODEFRAG, &one, sizeof(one)))
		die("IP_NODEFRAG", probe->from);
	for (i = 0; i < probe->nr_raw; i++)
		send_raw(probe, fd, &probe->raw[i]);
	if (!probe->nr_raw)
		send_datagram(probe, fd);
	close(fd);

	fd = socket(probe->family, SOCK_DGRAM, 0);
	nf_set_port(&to, SENTINEL_PORT);
	if (fd < 0 || sendto(fd, "end", 3, 0, (void *)&to, nf_address_length(&probe->dst)) < 0)
		die("send", "the sentinel");
	close(fd);
}

static void wait_for_sentinel(struct probe *probe)
{
	struct pollfd poller = { .fd = probe->sentinel, .events = POLLIN };

	if (poll(&poller, 1, SENTINEL_TIMEOUT_MS) != 1) {
		fprintf(stderr, "frag_probe: sentinel: lost on the way to %s\n",
			probe->to);
		exit(3);
	}
}

static void print_wire(int offset, int length, bool more, __u32 id, bool df)
{
	printf("wire %d %d %s %u %s\n", offset, length,
	       more ? "more" : offset ? "last" : "whole", id, df ? "df" : "cut");
}

static bool is_sentinel(const unsigned char *udp)
{
	return ntohs(((const struct udphdr *)udp)->uh_dport) == SENTINEL_PORT;
}

static void show_ipv4(const struct probe *probe, const unsigned char *packet)
{
	const struct iphdr *iph = (const void *)packet;
	int frag_off = ntohs(iph->frag_off);
	int offset = (frag_off & IP_OFFMASK) * 8;

	if (iph->protocol != probe->protocol ||
	    (iph->protocol == IPPROTO_UDP && !offset && is_sentinel(packet + iph->ihl * 4)))
		return;
	print_wire(offset, ntohs(iph->tot_len) - iph->ihl * 4, frag_off & IP_MF,
		   ntohs(iph->id), frag_off & IP_DF);
}

static void show_ipv6(const struct probe *probe, const unsigned char *packet)
{
	const struct sockaddr_in6 *src = (const void *)&probe->src;
	const struct ip6_frag *fragment = (const void *)(packet + sizeof(struct ip6_hdr));
	const struct ip6_hdr *ip6h = (const void *)packet;
	int length = ntohs(ip6h->ip6_plen);

	if (memcmp(&ip6h->ip6_src, &src->sin6_addr, sizeof(src->sin6_addr)))
		return;
	if (ip6h->ip6_nxt == IPPROTO_UDP) {
		if (!is_sentinel(packet + sizeof(*ip6h)))
			print_wire(0, length, false, 0, false);
	} else if (ip6h->ip6_nxt == IPPROTO_FRAGMENT &&
		   length >= (int)sizeof(*fragment) &&
		   fragment->ip6f_nxt == IPPROTO_UDP) {
		print_wire(ntohs(fragment->ip6f_offlg & IP6F_OFF_MASK),
			   length - sizeof(*fragment),
			   fragment->ip6f_offlg & IP6F_MORE_FRAG,
			   ntohl(fragment->ip6f_ident), false);
	} else {
		printf("other %d %d\n", ip6h->ip6_nxt, length);
	}
}

static void show_wire(const struct probe *probe)
{
	unsigned char packet[MAX_DATAGRAM];
	struct sockaddr_ll link;
	socklen_t len = sizeof(link);

	while (recvfrom(probe->wire, packet, sizeof(packet), 0, (void *)&link, &len) > 0) {
		if (link.sll_pkttype == PACKET_OUTGOING)
			continue;
		if (probe->family == AF_INET)
			show_ipv4(probe, packet);
		else
			show_ipv6(probe, packet);
	}
}

static void show_delivered(const struct probe *probe)
{
	unsigned char data[MAX_DATAGRAM];
	bool intact;
	int len, i;

	while ((len = recv(probe->udp, data, sizeof(data), 0)) >= 0) {
		intact = len == probe->length - (int)sizeof(struct udphdr);
		for (i = 0; intact && i < len; i++)
			intact = data[i] == pattern(i + sizeof(struct udphdr));
		printf("delivered %d %s\n", len, intact ? "intact" : "damaged");
	}
}

/* Options that say where to send from and to */
static void parse_path(struct probe *probe, int opt)
{
	switch (opt) {
	case 'f':
		probe->from = optarg;
		break;
	case 't':
		probe->to = optarg;
		break;
	case 'i':
		probe->device = optarg;
		break;
	case 's':
		parse_address(optarg, &probe->src);
		break;
	case 'd':
		probe->family = parse_address(optarg, &probe->dst);
		break;
	case 'p':
		probe->port = atoi(optarg);
		break;
	case 'S':
		parse_address(optarg, &probe->last);
		break;
	case 'h':
		fputs(usage, stdout);
		exit(0);
	default:
		wrong("unknown option");
	}
}

/* Options that say what to send */
static void parse_option(struct probe *probe, int opt)
{
	switch (opt) {
	case 'z':
		probe->nr_sizes = parse_list(optarg, probe->sizes);
		break;
	case 'o':
		probe->nr_order = parse_list(optarg, probe->order);
		break;
	case 'n':
		probe->nodefrag = 1;
		break;
	case 'm':
		parse_df(optarg, probe->df);
		break;
	case 'O':
		probe->options_length = parse_hex(optarg, probe->options, MAX_OPTIONS);
		if (probe->options_length % 4)
			wrong("-O wants a multiple of 4 bytes");
		break;
	case 'x':
		if (probe->nr_raw == MAX_RAW)
			wrong("too many -x");
		parse_raw(optarg, &probe->raw[probe->nr_raw++]);
		break;
	case 'P':
		probe->protocol = atoi(optarg);
		break;
	case 'F':
		probe->nr_parts = parse_parts(optarg, probe->parts);
		break;
	case 'I':
		probe->id = strtoul(optarg, NULL, 0);
		probe->has_id = true;
		break;
	default:
		parse_path(probe, opt);
	}
}

static void parse_options(struct probe *probe, int argc, char **argv)
{
	int opt, i;

	while ((opt = getopt(argc, argv, "f:t:i:s:d:p:z:o:nm:O:x:S:F:I:P:h")) != -1)
		parse_option(probe, opt);
	if (!probe->from || !probe->to || !probe->device || !probe->family ||
	    probe->src.ss_family != probe->family)
		wrong("-f, -t, -i, -s and -d are wanted");
	if (probe->nr_raw && probe->family != AF_INET6)
		wrong("-x is of IPv6");
	if (probe->protocol != IPPROTO_UDP && probe->family != AF_INET)
		wrong("-P is of IPv4");
	if (!probe->nr_order)
		for (i = 0; i < probe->nr_sizes; i++)
			probe->order[probe->nr_order++] = i;
}

int main(int argc, char **argv)
{
	static struct probe probe = {
		.port = DENIED_PORT,
		.protocol = IPPROTO_UDP,
		.sizes = { 100 },
		.nr_sizes = 1,
	};

	parse_options(&probe, argc, argv);
	build_datagram(&probe);
	errno = -nf_one_cpu();
	if (errno)
		die("one processor", "self");
	open_receivers(&probe);
	send_all(&probe);
	wait_for_sentinel(&probe);
	show_wire(&probe);
	show_delivered(&probe);
	return 0;
}
