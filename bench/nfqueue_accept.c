// SPDX-License-Identifier: GPL-2.0
/* The verdict program of an NFQUEUE. It drops one UDP flow over IPv4, and accepts the
 * rest. It writes the time of its last verdict, in nanoseconds of CLOCK_MONOTONIC, to the
 * first 8 bytes of a file. The file is mapped, so that a write costs no system call.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/types.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <libmnl/libmnl.h>
#include <libnetfilter_queue/libnetfilter_queue.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink_queue.h>

#define QUEUE_LENGTH	65536
#define SOCKET_BYTES	(256 << 20)
#define COPY_BYTES	64

struct listed {
	struct in_addr saddr;
	struct in_addr daddr;
	__u16 sport;
	__u16 dport;
};

struct queue {
	struct mnl_socket *nl;
	unsigned int num;
	struct listed listed;
	__u64 *last;
};

static bool is_listed(const struct listed *listed, const void *data, size_t len)
{
	const struct iphdr *iph = data;
	const struct udphdr *udph = (const void *)(iph + 1);

	return len >= sizeof(*iph) + sizeof(*udph) && iph->ihl == 5 &&
	       iph->protocol == IPPROTO_UDP && iph->saddr == listed->saddr.s_addr &&
	       iph->daddr == listed->daddr.s_addr && udph->source == listed->sport &&
	       udph->dest == listed->dport;
}

static int give_verdict(const struct nlmsghdr *nlh, void *priv)
{
	struct nlattr *attrs[NFQA_MAX + 1] = {};
	const struct nfqnl_msg_packet_hdr *packet;
	char buf[0x2000];
	struct queue *queue = priv;
	struct nlmsghdr *reply;
	struct timespec now;
	int verdict;

	if (nfq_nlmsg_parse(nlh, attrs) < 0 || !attrs[NFQA_PACKET_HDR] ||
	    !attrs[NFQA_PAYLOAD])
		return MNL_CB_ERROR;
	packet = mnl_attr_get_payload(attrs[NFQA_PACKET_HDR]);
	verdict = is_listed(&queue->listed, mnl_attr_get_payload(attrs[NFQA_PAYLOAD]),
			    mnl_attr_get_payload_len(attrs[NFQA_PAYLOAD])) ?
		  NF_DROP : NF_ACCEPT;
	reply = nfq_nlmsg_put(buf, NFQNL_MSG_VERDICT, queue->num);
	nfq_nlmsg_verdict_put(reply, ntohl(packet->packet_id), verdict);
	if (mnl_socket_sendto(queue->nl, reply, reply->nlmsg_len) < 0)
		return MNL_CB_ERROR;
	clock_gettime(CLOCK_MONOTONIC, &now);
	*queue->last = now.tv_sec * 1000000000ULL + now.tv_nsec;
	return MNL_CB_OK;
}

static int configure(struct queue *queue)
{
	char buf[0x2000];
	int size = SOCKET_BYTES, one = 1;
	struct nlmsghdr *nlh;

	queue->nl = mnl_socket_open(NETLINK_NETFILTER);
	if (!queue->nl || mnl_socket_bind(queue->nl, 0, MNL_SOCKET_AUTOPID) < 0)
		return -errno;
	if (setsockopt(mnl_socket_get_fd(queue->nl), SOL_SOCKET, SO_RCVBUFFORCE, &size,
		       sizeof(size)) ||
	    mnl_socket_setsockopt(queue->nl, NETLINK_NO_ENOBUFS, &one, sizeof(one)))
		return -errno;

	nlh = nfq_nlmsg_put(buf, NFQNL_MSG_CONFIG, queue->num);
	nfq_nlmsg_cfg_put_cmd(nlh, AF_INET, NFQNL_CFG_CMD_BIND);
	if (mnl_socket_sendto(queue->nl, nlh, nlh->nlmsg_len) < 0)
		return -errno;
	nlh = nfq_nlmsg_put(buf, NFQNL_MSG_CONFIG, queue->num);
	nfq_nlmsg_cfg_put_params(nlh, NFQNL_COPY_PACKET, COPY_BYTES);
	nfq_nlmsg_cfg_put_qmaxlen(nlh, QUEUE_LENGTH);
	return mnl_socket_sendto(queue->nl, nlh, nlh->nlmsg_len) < 0 ? -errno : 0;
}

static int run(struct queue *queue)
{
	unsigned int portid = mnl_socket_get_portid(queue->nl);
	static char buf[0xffff + 0x2000];
	ssize_t len;

	for (;;) {
		len = mnl_socket_recvfrom(queue->nl, buf, sizeof(buf));
		if (len < 0 || mnl_cb_run(buf, len, 0, portid, give_verdict, queue) < 0)
			return -errno;
	}
}

static __u64 *map_file(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT, 0600);
	void *mem;

	if (fd < 0 || ftruncate(fd, sizeof(__u64)))
		return NULL;
	mem = mmap(NULL, sizeof(__u64), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	return mem == MAP_FAILED ? NULL : mem;
}

int main(int argc, char **argv)
{
	struct queue queue = {};
	int err;

	if (argc != 7 || inet_pton(AF_INET, argv[3], &queue.listed.saddr) != 1 ||
	    inet_pton(AF_INET, argv[4], &queue.listed.daddr) != 1) {
		fprintf(stderr, "Usage: nfqueue_accept QUEUE FILE SADDR DADDR SPORT DPORT\n");
		return 2;
	}
	queue.num = atoi(argv[1]);
	queue.listed.sport = htons(atoi(argv[5]));
	queue.listed.dport = htons(atoi(argv[6]));
	queue.last = map_file(argv[2]);
	err = queue.last ? configure(&queue) : -errno;
	err = err ?: run(&queue);
	fprintf(stderr, "nfqueue_accept: queue %s: %s\n", argv[1], strerror(-err));
	return 1;
}
