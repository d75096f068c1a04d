// SPDX-License-Identifier: GPL-2.0
/*
 * Records the packets on devices of several network namespaces. The kernel puts a packet
 * into the record before it passes the packet on. So the record of an exchange is complete
 * when its last packet has arrived.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/icmp6.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/ip_icmp.h>
#include <netinet/udp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include "helpers/nf_test.h"
#include "progs/policy.h"

#define MAX_TAPS 8
#define MAX_PACKET 65536

static const char usage[] =
	"Usage: tap LABEL=NETNS:DEVICE...\n"
	"\n"
	"Prints \"ready\", waits for SIGTERM or for the end of its parent, and prints the\n"
	"packets of each device, in order:\n"
	"  LABEL in|out SOURCE DESTINATION WHAT\n"
	"WHAT is one of\n"
	"  OFFSET+LENGTH          UDP: the part of the datagram that is in the packet\n"
	"  icmp:TYPE/CODE/MTU:SOURCE>DESTINATION\n"
	"                         ICMP or ICMPv6 error, and the addresses that it quotes\n"
	"  PROTOCOL:LENGTH        other packets; 44:LENGTH is a fragment in a fragment\n"
	"\n"
	"The sentinel, other ICMP, IGMP, MLD and neighbour discovery are left out.\n"
	"\n"
	"Exit status: 0 done, 1 failed, 2 wrong arguments.\n";

struct tap {
	const char *label;
	int fd;
};

struct part {
	const unsigned char *data;
	int length;		/* from the headers */
	int protocol;
	int offset;		/* -1: the packet is no fragment */
};

static void die(const char *what, const char *object)
{
	fprintf(stderr, "tap: %s: %s: %s\n", what, object, strerror(errno));
	exit(1);
}

static void wrong(const char *what)
{
	fprintf(stderr, "tap: %s: LABEL=NETNS:DEVICE is wanted\n\n%s", what, usage);
	exit(2);
}

static void open_tap(struct tap *tap, char *text)
{
	char *netns = strchr(text, '='), *device = strchr(text, ':');
	struct sockaddr_ll link = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_ALL),
	};

	if (!netns || !device || device < netns)
		wrong(text);
	*netns++ = 0;
	*device++ = 0;
	tap->label = text;
	errno = -nf_netns_enter(netns);
	if (errno)
		die("netns", netns);
	link.sll_ifindex = if_nametoindex(device);
	if (!link.sll_ifindex)
		die("device", device);
	/* Without a protocol, the socket gets no packets of other devices before bind(). */
	tap->fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	if (tap->fd < 0 || bind(tap->fd, (void *)&link, sizeof(link)))
		die("capture", device);
}

static void print_addresses(int family, const void *src, const void *dst,
			    const char *between)
{
	char text[INET6_ADDRSTRLEN];

	printf("%s%s", inet_ntop(family, src, text, sizeof(text)), between);
	printf("%s", inet_ntop(family, dst, text, sizeof(text)));
}

static void print_ip_addresses(const unsigned char *packet, const char *between)
{
	const struct ip6_hdr *ip6h = (const void *)packet;
	const struct iphdr *iph = (const void *)packet;

	if (iph->version == 4)
		print_addresses(AF_INET, &iph->saddr, &iph->daddr, between);
	else
		print_addresses(AF_INET6, &ip6h->ip6_src, &ip6h->ip6_dst, between);
}

static void parse_ipv4(const unsigned char *packet, struct part *part)
{
	const struct iphdr *iph = (const void *)packet;
	int frag_off = ntohs(iph->frag_off);

	part->data = packet + iph->ihl * 4;
	part->length = ntohs(iph->tot_len) - iph->ihl * 4;
	part->protocol = iph->protocol;
	if (frag_off & (IP_OFFMASK | IP_MF))
		part->offset = (frag_off & IP_OFFMASK) * 8;
}

static void parse_ipv6(const unsigned char *packet, struct part *part)
{
	const struct ip6_hdr *ip6h = (const void *)packet;
	const struct ip6_frag *fragment = (const void *)(ip6h + 1);

	part->data = (const void *)(ip6h + 1);
	part->length = ntohs(ip6h->ip6_plen);
	part->protocol = ip6h->ip6_nxt;
	if (part->protocol != IPPROTO_FRAGMENT)
		return;
	part->offset = ntohs(fragment->ip6f_offlg & IP6F_OFF_MASK);
	part->protocol = fragment->ip6f_nxt;
	part->data += sizeof(*fragment);
	part->length -= sizeof(*fragment);
}

static bool is_noise(const struct part *part)
{
	const struct icmphdr *icmph = (const void *)part->data;
	const struct udphdr *udph = (const void *)part->data;

	switch (part->protocol) {
	case IPPROTO_UDP:
		return part->offset <= 0 && ntohs(udph->uh_dport) == SENTINEL_PORT;
	case IPPROTO_ICMP:
		return icmph->type == ICMP_ECHO || icmph->type == ICMP_ECHOREPLY;
	case IPPROTO_ICMPV6:
		return icmph->type & ICMP6_INFOMSG_MASK;
	default:
		return part->protocol == IPPROTO_IGMP ||
		       part->protocol == IPPROTO_HOPOPTS;
	}
}

static void print_icmp(const struct part *part)
{
	const struct icmp6_hdr *icmp6h = (const void *)part->data;
	const struct icmphdr *icmph = (const void *)part->data;
	int mtu = part->protocol == IPPROTO_ICMP ? ntohs(icmph->un.frag.mtu) :
						   (int)ntohl(icmp6h->icmp6_mtu);

	printf("icmp:%d/%d/%d:", icmph->type, icmph->code, mtu);
	print_ip_addresses(part->data + sizeof(*icmph), ">");
}

static void show(const struct tap *tap, const unsigned char *packet,
		 const struct sockaddr_ll *link)
{
	struct part part = { .offset = -1 };

	if (ntohs(link->sll_protocol) == ETH_P_IP)
		parse_ipv4(packet, &part);
	else if (ntohs(link->sll_protocol) == ETH_P_IPV6)
		parse_ipv6(packet, &part);
	else
		return;
	if (is_noise(&part))
		return;
	printf("%s %s ", tap->label, link->sll_pkttype == PACKET_OUTGOING ? "out" : "in");
	print_ip_addresses(packet, " ");
	putchar(' ');
	if (part.protocol == IPPROTO_UDP)
		printf("%d+%d", part.offset < 0 ? 0 : part.offset, part.length);
	else if (part.protocol == IPPROTO_ICMP || part.protocol == IPPROTO_ICMPV6)
		print_icmp(&part);
	else
		printf("%d:%d", part.protocol, part.length);
	putchar('\n');
}

static void show_all(const struct tap *tap)
{
	static unsigned char packet[MAX_PACKET];
	struct sockaddr_ll link;
	socklen_t length = sizeof(link);

	while (recvfrom(tap->fd, packet, sizeof(packet), 0, (void *)&link, &length) >= 0)
		show(tap, packet, &link);
	if (errno != EAGAIN)
		die("read", tap->label);
}

int main(int argc, char **argv)
{
	struct tap taps[MAX_TAPS] = {};
	int i, nr = argc - 1, caught;
	sigset_t signals;

	if (nr < 1 || nr > MAX_TAPS)
		wrong("not 1 to 8 devices");
	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	for (i = 0; i < nr; i++)
		open_tap(&taps[i], argv[i + 1]);
	puts("ready");
	fflush(stdout);
	sigwait(&signals, &caught);
	for (i = 0; i < nr; i++)
		show_all(&taps[i]);
	return 0;
}
