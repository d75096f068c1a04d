// SPDX-License-Identifier: GPL-2.0
/* The other end of the NFQUEUE in the router of packet_fuzz: it accepts all packets. */
#include <arpa/inet.h>
#include <linux/netlink.h>
#include <sys/socket.h>

#include "torture/packet/queue.h"

/* From linux/netfilter/nfnetlink_queue.h, which clashes with the headers above. */
enum { SUBSYS_QUEUE = 3, QUEUE_PACKET = 0, QUEUE_VERDICT, QUEUE_CONFIG };

enum { CONFIG_COMMAND = 1, CONFIG_PARAMETERS, COMMAND_BIND = 1, COPY_META = 1 };
enum { ATTRIBUTE_HEADER = 1, ATTRIBUTE_VERDICT };

struct queue_message {
	struct nlmsghdr nlh;
	struct {
		__u8 family;
		__u8 version;
		__be16 queue;
	} nfg;
	struct nlattr attr;
	__u8 data[8];
};

static bool queue_send(int type, int attribute, const void *data, int len)
{
	struct queue_message message = {
		.nlh.nlmsg_len = offsetof(struct queue_message, data) + NLA_ALIGN(len),
		.nlh.nlmsg_type = SUBSYS_QUEUE << 8 | type,
		.nlh.nlmsg_flags = NLM_F_REQUEST,
		.attr.nla_len = NLA_HDRLEN + len,
		.attr.nla_type = attribute,
	};

	memcpy(message.data, data, len);
	return send(world.queue, &message, message.nlh.nlmsg_len, 0) > 0;
}

void queue_open(void)
{
	const __u8 command[4] = { COMMAND_BIND }, parameters[5] = { [4] = COPY_META };

	if (!world.has[QUEUE])
		return;
	enter(NS_ROUTER);
	world.queue = socket(AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC,
			     NETLINK_NETFILTER);
	if (world.queue < 0 || !queue_send(QUEUE_CONFIG, CONFIG_COMMAND, command, 4) ||
	    !queue_send(QUEUE_CONFIG, CONFIG_PARAMETERS, parameters, 5))
		bail("NFQUEUE", 0);
}

/* The id of a packet is the first word of the attribute NFQA_PACKET_HDR. */
static void queue_accept(const void *message, ssize_t len)
{
	const struct queue_message *packet = message;
	const struct nlattr *attr = &packet->attr;
	__be32 verdict[2] = { htonl(NF_ACCEPT) };

	if (packet->nlh.nlmsg_type != (SUBSYS_QUEUE << 8 | QUEUE_PACKET))
		return;
	while ((const void *)(attr + 2) <= message + len && attr->nla_len >= NLA_HDRLEN) {
		if (attr->nla_type == ATTRIBUTE_HEADER) {
			memcpy(&verdict[1], attr + 1, sizeof(verdict[1]));
			queue_send(QUEUE_VERDICT, ATTRIBUTE_VERDICT, verdict, sizeof(verdict));
			return;
		}
		attr = (const void *)attr + NLA_ALIGN(attr->nla_len);
	}
}

void queue_serve(void)
{
	static struct nlmsghdr buffer[512];
	ssize_t len;

	while (world.queue >= 0 && (len = recv(world.queue, buffer, sizeof(buffer), 0)) > 0)
		queue_accept(buffer, len);
}
