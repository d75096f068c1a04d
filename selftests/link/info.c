// SPDX-License-Identifier: GPL-2.0
/* The information on a link in bpf_link_info and fdinfo. */
#include <fcntl.h>
#include <linux/filter.h>

#include <bpf/bpf.h>

#include "kselftest_harness.h"
#include "helpers/nf_test.h"

FIXTURE(info)
{
	const char *lacks;
	int prog_fd;
	int link_fd;
};

FIXTURE_VARIANT(info)
{
	struct nf_key key;
};

#define INFO_CASE(name, _pf, hook, prio, _flags)			\
	FIXTURE_VARIANT_ADD(info, name)					\
	{								\
		.key = {						\
			.pf = _pf,					\
			.hooknum = hook,				\
			.priority = prio,				\
			.flags = _flags,				\
		},							\
	}

INFO_CASE(ip, NFPROTO_IPV4, NF_INET_FORWARD, 10, 0);
INFO_CASE(ip_negative_priority, NFPROTO_IPV4, NF_INET_LOCAL_OUT, -150, 0);
INFO_CASE(ip_defrag, NFPROTO_IPV4, NF_INET_PRE_ROUTING, -1, BPF_F_NETFILTER_IP_DEFRAG);
INFO_CASE(ip6, NFPROTO_IPV6, NF_INET_POST_ROUTING, 225, 0);
INFO_CASE(ip6_defrag, NFPROTO_IPV6, NF_INET_LOCAL_IN, 0, BPF_F_NETFILTER_IP_DEFRAG);
INFO_CASE(inet, NFPROTO_INET, NF_INET_FORWARD, 50, 0);
INFO_CASE(inet_defrag, NFPROTO_INET, NF_INET_FORWARD, 0, BPF_F_NETFILTER_IP_DEFRAG);

FIXTURE_SETUP(info)
{
	ASSERT_EQ(0, nf_netns_new());
	self->prog_fd = nf_load_verdict(NF_ACCEPT);
	ASSERT_LE(0, self->prog_fd);
	if (variant->key.pf == NFPROTO_INET && !nf_has_inet(self->prog_fd)) {
		self->lacks = "pf NFPROTO_INET";
		return;
	}
	if (nf_without_defrag(&variant->key)) {
		self->lacks = "ipv6";
		return;
	}
	self->link_fd = nf_link(self->prog_fd, &variant->key);
	ASSERT_LE(0, self->link_fd);
}

FIXTURE_TEARDOWN(info)
{
	close(self->link_fd);
	close(self->prog_fd);
}

NF_TEST_F(info, link_info)
{
	struct bpf_link_info info;

	ASSERT_EQ(0, nf_link_info(self->link_fd, &info));
	EXPECT_EQ(BPF_LINK_TYPE_NETFILTER, info.type);
	EXPECT_NE(0, info.id);
	EXPECT_EQ(nf_prog_id(self->prog_fd), info.prog_id);
	EXPECT_EQ(variant->key.pf, info.netfilter.pf);
	EXPECT_EQ(variant->key.hooknum, info.netfilter.hooknum);
	EXPECT_EQ(variant->key.priority, info.netfilter.priority);
	EXPECT_EQ(variant->key.flags, info.netfilter.flags);
}

NF_TEST_F(info, link_info_by_id)
{
	struct bpf_link_info info;
	int fd;

	ASSERT_EQ(0, nf_link_info(self->link_fd, &info));
	fd = bpf_link_get_fd_by_id(info.id);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, nf_link_info(fd, &info));
	EXPECT_EQ(variant->key.pf, info.netfilter.pf);
	EXPECT_EQ(variant->key.priority, info.netfilter.priority);
	close(fd);
}

NF_TEST_F(info, link_info_after_detach)
{
	struct bpf_link_info info;

	ASSERT_EQ(0, bpf_link_detach(self->link_fd));
	ASSERT_EQ(0, nf_link_info(self->link_fd, &info));
	EXPECT_EQ(BPF_LINK_TYPE_NETFILTER, info.type);
	EXPECT_EQ(variant->key.pf, info.netfilter.pf);
	EXPECT_EQ(variant->key.hooknum, info.netfilter.hooknum);
	EXPECT_EQ(variant->key.priority, info.netfilter.priority);
	EXPECT_EQ(variant->key.flags, info.netfilter.flags);
}

/* A tool that was built before the union's last fields has a shorter struct. */
NF_TEST_F(info, link_info_of_an_older_tool)
{
	struct {
		struct bpf_link_info info;
		char canary;
	} old = { .canary = 0x5a };
	__u32 len = offsetof(struct bpf_link_info, netfilter.priority);

	memset(&old.info, 0x5a, sizeof(old.info));
	memset(&old.info, 0, len);
	ASSERT_EQ(0, bpf_link_get_info_by_fd(self->link_fd, &old.info, &len));
	EXPECT_EQ(variant->key.pf, old.info.netfilter.pf);
	EXPECT_EQ(variant->key.hooknum, old.info.netfilter.hooknum);
	EXPECT_EQ(0x5a5a5a5a, old.info.netfilter.priority);
	EXPECT_EQ(0x5a, old.canary);
}

NF_TEST_F(info, fdinfo)
{
	char value[64];

	ASSERT_EQ(0, nf_fdinfo(self->link_fd, "link_type:", value, sizeof(value)));
	EXPECT_STREQ("netfilter", value);
	ASSERT_EQ(0, nf_fdinfo(self->link_fd, "prog_id:", value, sizeof(value)));
	EXPECT_EQ(nf_prog_id(self->prog_fd), atoi(value));
	ASSERT_EQ(0, nf_fdinfo(self->link_fd, "pf:", value, sizeof(value)));
	EXPECT_EQ(variant->key.pf, atoi(value));
	ASSERT_EQ(0, nf_fdinfo(self->link_fd, "hooknum:", value, sizeof(value)));
	EXPECT_EQ(variant->key.hooknum, atoi(value));
	ASSERT_EQ(0, nf_fdinfo(self->link_fd, "prio:", value, sizeof(value)));
	EXPECT_EQ(variant->key.priority, atoi(value));
}

/* Readers that know mainline's format look for one line with all three. */
NF_TEST_F(info, fdinfo_place_on_one_line)
{
	char path[64], wanted[128], text[1024] = {};
	int fd;

	snprintf(wanted, sizeof(wanted), "\npf:\t%u\thooknum:\t%u\tprio:\t%d\n",
		 variant->key.pf, variant->key.hooknum, variant->key.priority);
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", self->link_fd);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	ASSERT_LE(0, fd);
	ASSERT_LT(0, read(fd, text, sizeof(text) - 1));
	close(fd);
	EXPECT_TRUE(strstr(text, wanted));
}

NF_TEST_F(info, fdinfo_flags)
{
	char value[64];

	if (nf_fdinfo(self->link_fd, "flags:", value, sizeof(value)))
		NF_LACKS(return, "flags in fdinfo");
	EXPECT_EQ(variant->key.flags, strtoul(value, NULL, 0));
}

TEST_HARNESS_MAIN
