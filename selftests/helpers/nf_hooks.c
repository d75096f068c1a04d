// SPDX-License-Identifier: GPL-2.0
/*
 * Dumps the hooks of a family and hook as the kernel's nfnetlink tells them, one
 * line each: PRIORITY FUNCTION MODULE TYPE ID, with - for what there is not. ID
 * is that of the BPF program. (nft shows the same, in words of its version.)
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/netlink.h>
#include <linux/types.h>

#include "nf_test.h"

/* From nfnetlink.h and nfnetlink_hook.h, which clash with the headers above. */
enum { NFNL_SUBSYS_HOOK = 12, NFNL_MSG_HOOK_GET = 0 };

enum {
	NFNLA_HOOK_HOOKNUM = 1,
	NFNLA_HOOK_PRIORITY,
	NFNLA_HOOK_DEV,
	NFNLA_HOOK_FUNCTION_NAME,
	NFNLA_HOOK_MODULE_NAME,
	NFNLA_HOOK_CHAIN_INFO,
	NFNLA_HOOK_MAX,
};
enum { NFNLA_HOOK_INFO_DESC = 1, NFNLA_HOOK_INFO_TYPE, NFNLA_HOOK_INFO_MAX };
enum { NFNLA_HOOK_BPF_ID = 1, NFNLA_HOOK_BPF_MAX };
enum { NFNL_HOOK_TYPE_NFTABLES = 1, NFNL_HOOK_TYPE_BPF };

struct nfgenmsg {
	__u8 nfgen_family;
	__u8 version;
	__be16 res_id;
};

struct request {
	struct nlmsghdr nlh;
	struct nfgenmsg nfg;
	struct nlattr attr;
	__be32 hooknum;
};

static int die(const char *what, int err)
{
	fprintf(stderr, "nf_hooks: %s: %s\n", what, strerror(err));
	return 1;
}

static void parse(const struct nlattr **table, int size, const void *data, int len)
{
	const struct nlattr *attr = data;
	int type;

	memset(table, 0, size * sizeof(*table));
	while (len >= NLA_HDRLEN && attr->nla_len >= NLA_HDRLEN && attr->nla_len <= len) {
		type = attr->nla_type & NLA_TYPE_MASK;
		if (type < size)
			table[type] = attr;
		len -= NLA_ALIGN(attr->nla_len);
		attr = (const void *)attr + NLA_ALIGN(attr->nla_len);
	}
}

static const void *data_of(const struct nlattr *attr)
{
	return (const void *)attr + NLA_HDRLEN;
}

static __u32 number(const struct nlattr *attr)
{
	__be32 value;

	memcpy(&value, data_of(attr), sizeof(value));
	return ntohl(value);
}

static void parse_nested(const struct nlattr **table, int size, const struct nlattr *attr)
{
	parse(table, size, data_of(attr), attr->nla_len - NLA_HDRLEN);
}

static void print_chain_info(const struct nlattr *attr)
{
	const struct nlattr *info[NFNLA_HOOK_INFO_MAX], *bpf[NFNLA_HOOK_BPF_MAX];
	__u32 type;

	parse_nested(info, NFNLA_HOOK_INFO_MAX, attr);
	if (!info[NFNLA_HOOK_INFO_TYPE]) {
		puts(" - -");
		return;
	}
	type = number(info[NFNLA_HOOK_INFO_TYPE]);
	printf(" %u", type);
	if (type != NFNL_HOOK_TYPE_BPF || !info[NFNLA_HOOK_INFO_DESC]) {
		puts(" -");
		return;
	}
	parse_nested(bpf, NFNLA_HOOK_BPF_MAX, info[NFNLA_HOOK_INFO_DESC]);
	if (bpf[NFNLA_HOOK_BPF_ID])
		printf(" %u\n", number(bpf[NFNLA_HOOK_BPF_ID]));
	else
		puts(" -");
}

static const char *text(const struct nlattr *attr)
{
	return attr ? data_of(attr) : "-";
}

static void print_hook(const struct nlmsghdr *nlh)
{
	const struct nlattr *attrs[NFNLA_HOOK_MAX];
	const int header = NLMSG_ALIGN(sizeof(struct nfgenmsg));

	parse(attrs, NFNLA_HOOK_MAX, NLMSG_DATA(nlh) + header,
	      nlh->nlmsg_len - NLMSG_LENGTH(header));
	printf("%d %s %s", attrs[NFNLA_HOOK_PRIORITY] ?
	       (int)number(attrs[NFNLA_HOOK_PRIORITY]) : 0,
	       text(attrs[NFNLA_HOOK_FUNCTION_NAME]),
	       text(attrs[NFNLA_HOOK_MODULE_NAME]));
	if (attrs[NFNLA_HOOK_CHAIN_INFO])
		print_chain_info(attrs[NFNLA_HOOK_CHAIN_INFO]);
	else
		puts(" - -");
}

static int receive(int fd)
{
	const struct nlmsgerr *error;
	struct nlmsghdr *nlh;
	char buf[65536];
	int len;

	while ((len = recv(fd, buf, sizeof(buf), 0)) > 0) {
		for (nlh = (void *)buf; NLMSG_OK(nlh, len); nlh = NLMSG_NEXT(nlh, len)) {
			if (nlh->nlmsg_type == NLMSG_DONE)
				return 0;
			error = NLMSG_DATA(nlh);
			if (nlh->nlmsg_type == NLMSG_ERROR)
				return die("dump", -error->error);
			print_hook(nlh);
		}
	}
	return die("receive", errno);
}

int main(int argc, char **argv)
{
	struct request request = {
		.nlh.nlmsg_len = sizeof(request),
		.nlh.nlmsg_type = NFNL_SUBSYS_HOOK << 8 | NFNL_MSG_HOOK_GET,
		.nlh.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP,
		.attr.nla_len = NLA_HDRLEN + sizeof(__be32),
		.attr.nla_type = NFNLA_HOOK_HOOKNUM,
	};
	int fd;

	if (argc != 3 || (strcmp(argv[1], "ip") && strcmp(argv[1], "ip6"))) {
		fprintf(stderr, "Usage: nf_hooks ip|ip6 HOOKNUM\n");
		return 2;
	}
	request.nfg.nfgen_family = strcmp(argv[1], "ip") ? NFPROTO_IPV6 : NFPROTO_IPV4;
	request.hooknum = htonl(atoi(argv[2]));

	fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_NETFILTER);
	if (fd < 0)
		return die("socket", errno);
	if (send(fd, &request, sizeof(request), 0) < 0)
		return die("send", errno);
	return receive(fd);
}
