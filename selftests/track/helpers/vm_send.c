// SPDX-License-Identifier: GPL-2.0
/*
 * Sends parts of a UDP datagram into a router as a virtual machine does: by a tap device, with
 * a struct virtio_net_hdr. The header can ask for segmentation, as it does for large packets.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <netinet/udp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

#include "helpers/nf_fragment.h"
#include "helpers/nf_test.h"

#define MAX_DATA 4096

static const char usage[] =
	"Usage: vm_send NETNS DEVICE FROM TO ID OFFSET+LENGTH[m]:PORT[:SIZE]...\n"
	"\n"
	"DEVICE is a tap device with vnet_hdr. It must be there, and up. ID is the identification\n"
	"of the datagram. Each part begins with a UDP header for PORT; PORT 0 stands for no\n"
	"header. With m, more parts follow. With SIZE, the kernel has to cut the part into\n"
	"pieces of SIZE bytes (VIRTIO_NET_HDR_GSO_UDP).\n"
	"\n"
	"Exit status: 0 done, 1 failed, 2 wrong arguments.\n";

struct frame {
	struct virtio_net_hdr vnet;
	struct ethhdr eth;
	unsigned char packet[NF_HEADERS_MAX + MAX_DATA];
};

static void die(const char *what, const char *object)
{
	fprintf(stderr, "vm_send: %s: %s: %s\n", what, object, strerror(errno));
	exit(1);
}

static void wrong(void)
{
	fputs(usage, stderr);
	exit(2);
}

/* Return: a descriptor of the tap device. @mac gets its address. */
static int open_tap(const char *device, unsigned char *mac)
{
	struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };
	int fd = open("/dev/net/tun", O_RDWR);

	strncpy(ifr.ifr_name, device, IFNAMSIZ - 1);
	if (fd < 0 || ioctl(fd, TUNSETIFF, &ifr))
		die("tap", device);
	if (ioctl(fd, SIOCGIFHWADDR, &ifr))
		die("address", device);
	memcpy(mac, ifr.ifr_hwaddr.sa_data, ETH_ALEN);
	return fd;
}

/* The kernel computes the checksum of a packet that it cuts. Others have none. */
static void put_udp(unsigned char *to, int port, int length)
{
	const struct udphdr udp = {
		.source = htons(40000),
		.dest = htons(port),
		.len = htons(length),
	};

	memcpy(to, &udp, sizeof(udp));
}

static void fill_ip_checksum(unsigned char *packet, int header)
{
	struct iphdr *iph = (void *)packet;

	iph->check = ~htons(nf_sum_fold(nf_sum(0, packet, header)));
}

static void ask_for_segments(struct frame *frame, int header, int size)
{
	frame->vnet = (struct virtio_net_hdr){
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.gso_type = VIRTIO_NET_HDR_GSO_UDP,
		.gso_size = size,
		.hdr_len = ETH_HLEN + header + sizeof(struct udphdr),
		.csum_start = ETH_HLEN + header,
		.csum_offset = offsetof(struct udphdr, check),
	};
}

static void send_part(int fd, const unsigned char *mac, struct nf_fragment *part,
		      const char *text)
{
	struct frame frame = {};
	int port, size, used = 0, header;
	size_t length;

	if (sscanf(text, "%d+%d%n", &part->offset, &part->length, &used) != 2 ||
	    part->length < (int)sizeof(struct udphdr) || part->length > MAX_DATA)
		wrong();
	text += used;
	part->more = *text == 'm';
	text += part->more;
	if (sscanf(text, ":%d%n", &port, &used) != 1)
		wrong();
	text += used;

	memcpy(frame.eth.h_dest, mac, ETH_ALEN);
	frame.eth.h_source[0] = 2;
	frame.eth.h_proto = htons(part->src->ss_family == AF_INET ? ETH_P_IP : ETH_P_IPV6);
	header = nf_put_header(frame.packet, part);
	if (part->src->ss_family == AF_INET)
		fill_ip_checksum(frame.packet, header);
	if (port)
		put_udp(frame.packet + header, port, part->length);
	if (sscanf(text, ":%d", &size) == 1)
		ask_for_segments(&frame, header, size);
	length = offsetof(struct frame, packet) + header + part->length;
	if (write(fd, &frame, length) != (ssize_t)length)
		die("send", text);
}

int main(int argc, char **argv)
{
	struct sockaddr_storage from, to;
	struct nf_fragment part = { .src = &from, .dst = &to };
	unsigned char mac[ETH_ALEN];
	int fd, i;

	if (argc == 2 && !strcmp(argv[1], "--help")) {
		fputs(usage, stdout);
		return 0;
	}
	if (argc < 7 || nf_parse_address(argv[3], &from) || nf_parse_address(argv[4], &to) ||
	    from.ss_family != to.ss_family)
		wrong();
	errno = -nf_netns_enter(argv[1]);
	if (errno)
		die("netns", argv[1]);
	errno = -nf_one_cpu();
	if (errno)
		die("one processor", "self");
	fd = open_tap(argv[2], mac);
	part.id = atoi(argv[5]);
	for (i = 6; i < argc; i++)
		send_part(fd, mac, &part, argv[i]);
	return 0;
}
