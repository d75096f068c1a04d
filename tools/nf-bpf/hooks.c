// SPDX-License-Identifier: GPL-2.0-only
/*
 * Finds out whether a program is at a hook. A mainline kernel does not tell whether a link is
 * attached, but its module nfnetlink_hook lists the programs of a hook.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <linux/bpf.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_hook.h>
#include <linux/netlink.h>

#include "nf-bpf.h"

/* Headers before Linux 6.4 do not have these constants. */
#define TYPE_BPF 2	/* NFNL_HOOK_TYPE_BPF */
#define BPF_ID 1	/* NFNLA_HOOK_BPF_ID */

struct attributes {
	const char *at;
	int len;
};

/* Returns the data of an attribute, or NULL. */
static const void *find(const struct attributes *in, int type, int *len)
{
	const struct nlattr *attr = (const void *)in->at;
	int left = in->len;

	while (left >= (int)sizeof(*attr) && attr->nla_len >= sizeof(*attr) &&
	       attr->nla_len <= left) {
		if ((attr->nla_type & NLA_TYPE_MASK) == type) {
			*len = attr->nla_len - NLA_HDRLEN;
			return (const char *)attr + NLA_HDRLEN;
		}
		left -= NLA_ALIGN(attr->nla_len);
		attr = (const void *)((const char *)attr + NLA_ALIGN(attr->nla_len));
	}

	return NULL;
}

static bool find_nested(const struct attributes *in, int type, struct attributes *out)
{
	out->at = find(in, type, &out->len);

	return out->at;
}

static bool find_u32(const struct attributes *in, int type, __u32 *value)
{
	const void *data;
	int len;

	data = find(in, type, &len);
	if (!data || len != sizeof(*value))
		return false;
	memcpy(value, data, sizeof(*value));
	*value = ntohl(*value);

	return true;
}

static bool is_program(const struct nlmsghdr *message, const struct bpf_link_info *info)
{
	struct attributes all, chain, desc;
	__u32 priority, type, id;

	all.at = (const char *)NLMSG_DATA(message) + NLMSG_ALIGN(sizeof(struct nfgenmsg));
	all.len = (int)message->nlmsg_len - NLMSG_LENGTH(sizeof(struct nfgenmsg));

	return find_u32(&all, NFNLA_HOOK_PRIORITY, &priority) &&
	       (__s32)priority == info->netfilter.priority &&
	       find_nested(&all, NFNLA_HOOK_CHAIN_INFO, &chain) &&
	       find_u32(&chain, NFNLA_HOOK_INFO_TYPE, &type) && type == TYPE_BPF &&
	       find_nested(&chain, NFNLA_HOOK_INFO_DESC, &desc) &&
	       find_u32(&desc, BPF_ID, &id) && id == info->prog_id;
}

static int ask(const struct bpf_link_info *info)
{
	struct {
		struct nlmsghdr header;
		struct nfgenmsg nf;
		struct nlattr attr;
		__be32 hooknum;
	} request = {
		.header.nlmsg_len = sizeof(request),
		.header.nlmsg_type = NFNL_SUBSYS_HOOK << 8 | NFNL_MSG_HOOK_GET,
		.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP,
		.nf.nfgen_family = info->netfilter.pf,
		.attr.nla_len = NLA_HDRLEN + sizeof(request.hooknum),
		.attr.nla_type = NFNLA_HOOK_HOOKNUM,
		.hooknum = htonl(info->netfilter.hooknum),
	};
	int fd;

	fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
	if (fd >= 0 && send(fd, &request, sizeof(request), 0) == sizeof(request))
		return fd;
	if (fd >= 0)
		close(fd);

	return -1;
}

enum attached hook_has_program(const struct bpf_link_info *info)
{
	enum attached attached = ATTACHED_NOT;
	char buf[32768] __aligned(8);
	const struct nlmsghdr *message;
	bool done = false;
	int fd, len;

	fd = ask(info);
	if (fd < 0)
		return ATTACHED_UNKNOWN;
	while (!done) {
		len = recv(fd, buf, sizeof(buf), 0);
		if (len <= 0)
			break;
		for (message = (void *)buf; NLMSG_OK(message, (unsigned int)len) && !done;
		     message = NLMSG_NEXT(message, len)) {
			if (message->nlmsg_type == NLMSG_ERROR ||
			    message->nlmsg_flags & NLM_F_DUMP_INTR) {
				close(fd);
				return ATTACHED_UNKNOWN;
			}
			done = message->nlmsg_type == NLMSG_DONE;
			if (!done && is_program(message, info))
				attached = ATTACHED_YES;
		}
	}
	close(fd);

	return done ? attached : ATTACHED_UNKNOWN;
}
