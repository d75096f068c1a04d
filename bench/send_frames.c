// SPDX-License-Identifier: GPL-2.0
/* Send the packets of one flow out of a device. A datagram that exceeds the MTU is sent
 * in fragments. The program builds all packets before it sends the first one. It prints
 * how long sending took and when it began, in nanoseconds of CLOCK_MONOTONIC.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <linux/types.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MTU		1500
#define FRAME_MAX	(ETH_HLEN + MTU)
#define BATCH		1024	/* the kernel's limit for one call */

struct flow {
	int family;
	int protocol;
	__u8 mac[ETH_ALEN];
	__u8 saddr[16];
	__u8 daddr[16];
	__u16 sport;
	__u16 dport;
};

/* Send count datagrams with bytes of IP payload each. Groups of interleave datagrams
 * take turns: one fragment of each, then the next fragment of each.
 */
struct plan {
	unsigned int count;
	unsigned int bytes;
	unsigned int interleave;
	bool reverse;
	bool incomplete;	/* leave out the fragment that would be sent last */
};

/* Send batch messages with one call, and wait for gap microseconds after each call. */
struct frames {
	struct mmsghdr *msgs;
	struct iovec *iovs;
	unsigned int num;
	unsigned int batch;
	unsigned int gap;
};

static unsigned int ip_header_len(const struct flow *flow, bool fragmented)
{
	if (flow->family == AF_INET)
		return sizeof(struct iphdr);
	return sizeof(struct ip6_hdr) + (fragmented ? sizeof(struct ip6_frag) : 0);
}

static unsigned int fragment_len(const struct flow *flow)
{
	return (MTU - ip_header_len(flow, true)) & ~7u;
}

static unsigned int num_fragments(const struct flow *flow, const struct plan *plan)
{
	if (ip_header_len(flow, false) + plan->bytes <= MTU)
		return 1;
	return (plan->bytes + fragment_len(flow) - 1) / fragment_len(flow);
}

static __u16 checksum(const void *data, size_t len)
{
	const __u16 *word = data;
	__u32 sum = 0;

	for (; len; len -= 2)
		sum += *word++;
	sum = (sum & 0xffff) + (sum >> 16);
	return ~(sum + (sum >> 16));
}

static void put_ipv4(void *at, const struct flow *flow, unsigned int id,
		     unsigned int offset, unsigned int len, bool more)
{
	struct iphdr iph = {
		.version = 4,
		.ihl = 5,
		.tot_len = htons(sizeof(iph) + len),
		.id = htons(id),
		.frag_off = htons(offset / 8 | (more ? IP_MF : 0)),
		.ttl = 64,
		.protocol = flow->protocol,
	};

	memcpy(&iph.saddr, flow->saddr, 4);
	memcpy(&iph.daddr, flow->daddr, 4);
	iph.check = checksum(&iph, sizeof(iph));
	memcpy(at, &iph, sizeof(iph));
}

static void put_ipv6(void *at, const struct flow *flow, unsigned int id,
		     unsigned int offset, unsigned int len, bool more)
{
	bool fragmented = offset || more;
	struct ip6_frag frag = {
		.ip6f_nxt = flow->protocol,
		.ip6f_offlg = htons(offset | more),
		.ip6f_ident = htonl(id),
	};
	struct ip6_hdr iph = {};

	iph.ip6_flow = htonl(6 << 28);
	iph.ip6_plen = htons(len + (fragmented ? sizeof(frag) : 0));
	iph.ip6_nxt = fragmented ? IPPROTO_FRAGMENT : flow->protocol;
	iph.ip6_hlim = 64;
	memcpy(&iph.ip6_src, flow->saddr, 16);
	memcpy(&iph.ip6_dst, flow->daddr, 16);
	memcpy(at, &iph, sizeof(iph));
	if (fragmented)
		memcpy(at + sizeof(iph), &frag, sizeof(frag));
}

/* The packets have no checksum, because a router does not look at it. */
static void put_l4(void *at, const struct flow *flow, unsigned int id,
		   unsigned int bytes)
{
	struct udphdr udph = {
		.source = flow->sport,
		.dest = flow->dport,
		.len = htons(bytes),
	};
	struct tcphdr tcph = {
		.source = flow->sport,
		.dest = flow->dport,
		.seq = htonl(1 + id * (bytes - sizeof(tcph))),
		.ack_seq = htonl(1),
		.doff = sizeof(tcph) / 4,
		.ack = 1,
		.window = htons(65535),
	};

	if (flow->protocol == IPPROTO_TCP)
		memcpy(at, &tcph, sizeof(tcph));
	else
		memcpy(at, &udph, sizeof(udph));
}

/* Write fragment index of datagram id into a frame of zeros, and return its length. */
static unsigned int make_frame(void *frame, const struct flow *flow,
			       const struct plan *plan, unsigned int id,
			       unsigned int index)
{
	unsigned int num = num_fragments(flow, plan);
	unsigned int offset = index * fragment_len(flow);
	bool more = index < num - 1;
	unsigned int len = more ? fragment_len(flow) : plan->bytes - offset;
	unsigned int header = ip_header_len(flow, num > 1);
	struct ether_header eth = { .ether_shost = { 2, 0, 0, 0, 0, 1 } };

	memcpy(eth.ether_dhost, flow->mac, ETH_ALEN);
	eth.ether_type = htons(flow->family == AF_INET ? ETHERTYPE_IP : ETHERTYPE_IPV6);
	memcpy(frame, &eth, ETH_HLEN);
	if (flow->family == AF_INET)
		put_ipv4(frame + ETH_HLEN, flow, id, offset, len, more);
	else
		put_ipv6(frame + ETH_HLEN, flow, id, offset, len, more);
	if (!index)
		put_l4(frame + ETH_HLEN + header, flow, id, plan->bytes);
	return ETH_HLEN + header + len;
}

static int make_frames(struct frames *frames, const struct flow *flow,
		       const struct plan *plan)
{
	unsigned int num = num_fragments(flow, plan);
	unsigned int steps = num - plan->incomplete;
	unsigned int total = steps * plan->count, group, step, i, index;
	char *frame = calloc(total, FRAME_MAX);

	frames->msgs = calloc(total, sizeof(*frames->msgs));
	frames->iovs = calloc(total, sizeof(*frames->iovs));
	if (!frame || !frames->msgs || !frames->iovs)
		return -ENOMEM;
	frames->batch = frames->gap ? steps * plan->interleave : BATCH;
	for (group = 0; group < plan->count; group += plan->interleave) {
		for (step = 0; step < steps; step++) {
			index = plan->reverse ? num - 1 - step : step;
			for (i = group; i < group + plan->interleave; i++) {
				struct iovec *iov = &frames->iovs[frames->num];

				iov->iov_base = frame;
				iov->iov_len = make_frame(frame, flow, plan, i, index);
				frames->msgs[frames->num].msg_hdr.msg_iov = iov;
				frames->msgs[frames->num++].msg_hdr.msg_iovlen = 1;
				frame += FRAME_MAX;
			}
		}
	}
	return 0;
}

static int open_device(const char *name)
{
	struct sockaddr_ll addr = {
		.sll_family = AF_PACKET,
		.sll_ifindex = if_nametoindex(name),
	};
	int fd = socket(AF_PACKET, SOCK_RAW, 0), one = 1;

	if (fd < 0 || !addr.sll_ifindex ||
	    setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &one, sizeof(one)) ||
	    bind(fd, (struct sockaddr *)&addr, sizeof(addr)))
		return -errno;
	return fd;
}

static __u64 now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000ULL + now.tv_nsec;
}

static int send_frames(const struct frames *frames, const char *device)
{
	int fd = open_device(device), sent;
	unsigned int done;
	__u64 start;

	if (fd < 0)
		return fd;
	start = now_ns();
	for (done = 0; done < frames->num; done += sent) {
		unsigned int left = frames->num - done;

		if (left > frames->batch)
			left = frames->batch;
		sent = sendmmsg(fd, frames->msgs + done, left, 0);
		if (sent <= 0)
			return -errno;
		if (frames->gap)
			usleep(frames->gap);
	}
	printf("%llu %llu\n", (unsigned long long)(now_ns() - start),
	       (unsigned long long)start);
	return 0;
}

static int usage(void)
{
	fprintf(stderr,
		"Usage: send_frames [OPTION]... DEVICE MAC SADDR DADDR SPORT DPORT\n\n"
		"  -t         send TCP segments, not UDP\n"
		"  -n COUNT   number of datagrams (1)\n"
		"  -s BYTES   size of a datagram without its IP header (1000)\n"
		"  -i NUM     interleave the fragments of NUM datagrams (1)\n"
		"  -r         send the last fragment first\n"
		"  -x         leave out the last fragment of each datagram\n"
		"  -g USEC    wait for so many microseconds after each datagram\n");
	return 2;
}

static bool parse_flow(struct flow *flow, char **args)
{
	__u8 *mac = flow->mac;

	flow->family = strchr(args[2], ':') ? AF_INET6 : AF_INET;
	flow->sport = htons(atoi(args[4]));
	flow->dport = htons(atoi(args[5]));
	return sscanf(args[1], "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", mac, mac + 1, mac + 2,
		      mac + 3, mac + 4, mac + 5) == ETH_ALEN &&
	       inet_pton(flow->family, args[2], flow->saddr) == 1 &&
	       inet_pton(flow->family, args[3], flow->daddr) == 1;
}

int main(int argc, char **argv)
{
	struct plan plan = { .count = 1, .bytes = 1000, .interleave = 1 };
	struct flow flow = { .protocol = IPPROTO_UDP };
	struct frames frames = {};
	int opt, err;

	while ((opt = getopt(argc, argv, "tn:s:i:rxg:")) != -1) {
		switch (opt) {
		case 't':
			flow.protocol = IPPROTO_TCP;
			break;
		case 'n':
			plan.count = atoi(optarg);
			break;
		case 's':
			plan.bytes = atoi(optarg);
			break;
		case 'i':
			plan.interleave = atoi(optarg);
			break;
		case 'r':
			plan.reverse = true;
			break;
		case 'x':
			plan.incomplete = true;
			break;
		case 'g':
			frames.gap = atoi(optarg);
			break;
		default:
			return usage();
		}
	}
	if (argc - optind != 6 || !parse_flow(&flow, argv + optind) || !plan.interleave ||
	    plan.count % plan.interleave || plan.bytes < sizeof(struct tcphdr) ||
	    plan.bytes > 65535 - sizeof(struct iphdr))
		return usage();

	err = make_frames(&frames, &flow, &plan);
	err = err ?: send_frames(&frames, argv[optind]);
	if (err)
		fprintf(stderr, "send_frames: %s: %s\n", argv[optind], strerror(-err));
	return !!err;
}
