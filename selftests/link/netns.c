// SPDX-License-Identifier: GPL-2.0
/*
 * When a network namespace ends, its links become defunct. They do not keep it.
 *
 * The link is in a namespace with one end of a veth pair. The other end is outside, and
 * disappears when the kernel has freed the namespace.
 */
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <sys/stat.h>
#include <time.h>

#include <linux/filter.h>

#include <bpf/bpf.h>

#include "kselftest_harness.h"
#include "helpers/nf_test.h"

FIXTURE(netns)
{
	const char *lacks;
	int prog_fd;
	int link_fd;
	struct nf_key key;
	int outside;
	unsigned int inside_ino;
};

FIXTURE_VARIANT(netns)
{
	__u32 pf;
	__u32 flags;
};

FIXTURE_VARIANT_ADD(netns, ip)
{
	.pf = NFPROTO_IPV4,
};

FIXTURE_VARIANT_ADD(netns, ip6_defrag)
{
	.pf = NFPROTO_IPV6,
	.flags = BPF_F_NETFILTER_IP_DEFRAG,
};

FIXTURE_VARIANT_ADD(netns, inet_defrag)
{
	.pf = NFPROTO_INET,
	.flags = BPF_F_NETFILTER_IP_DEFRAG,
};

static bool namespace_is_freed(void)
{
	const struct timespec pause = { .tv_nsec = 20 * 1000 * 1000 };
	int i;

	for (i = 0; i < 500; i++) {
		if (!if_nametoindex("nf_outside"))
			return true;
		nanosleep(&pause, NULL);
	}
	return false;
}

/* Mainline's link holds a reference on its namespace. */
static bool link_keeps_namespace(int prog_fd)
{
	const struct nf_key key = { .pf = NFPROTO_IPV4, .priority = 12345 };
	int fd = nf_link(prog_fd, &key);
	char value[32];
	bool keeps;

	keeps = nf_fdinfo(fd, "netns_ino:", value, sizeof(value));
	close(fd);
	return keeps;
}

FIXTURE_SETUP(netns)
{
	char command[128];
	struct stat stats;

	ASSERT_EQ(0, nf_netns_new());
	self->prog_fd = nf_load_verdict(NF_ACCEPT);
	ASSERT_LE(0, self->prog_fd);
	if (link_keeps_namespace(self->prog_fd)) {
		self->lacks = "links which do not keep their namespace";
		return;
	}

	self->outside = open("/proc/self/ns/net", O_RDONLY);
	ASSERT_LE(0, self->outside);
	ASSERT_EQ(0, nf_netns_new());
	ASSERT_EQ(0, stat("/proc/self/ns/net", &stats));
	self->inside_ino = stats.st_ino;
	snprintf(command, sizeof(command),
		 "ip link add nf_inside type veth peer name nf_outside netns /proc/self/fd/%d",
		 self->outside);
	ASSERT_EQ(0, system(command));
	self->key.pf = variant->pf;
	self->key.flags = variant->flags;
	self->key.hooknum = NF_INET_FORWARD;
	if (nf_without_defrag(&self->key)) {
		self->lacks = "ipv6";
		return;
	}
	self->link_fd = nf_link(self->prog_fd, &self->key);
	ASSERT_LE(0, self->link_fd);
}

FIXTURE_TEARDOWN(netns)
{
	close(self->link_fd);
	close(self->prog_fd);
}

NF_TEST_F(netns, link_does_not_keep_it)
{
	ASSERT_EQ(0, setns(self->outside, CLONE_NEWNET));
	EXPECT_TRUE(namespace_is_freed());
}

NF_TEST_F(netns, defunct_link)
{
	struct bpf_link_info info;

	ASSERT_EQ(0, setns(self->outside, CLONE_NEWNET));
	ASSERT_TRUE(namespace_is_freed());

	ASSERT_EQ(0, nf_link_info(self->link_fd, &info));
	EXPECT_EQ(BPF_LINK_TYPE_NETFILTER, info.type);
	EXPECT_EQ(self->key.pf, info.netfilter.pf);
	EXPECT_EQ(self->key.hooknum, info.netfilter.hooknum);
	EXPECT_EQ(self->key.priority, info.netfilter.priority);
	EXPECT_EQ(self->key.flags, info.netfilter.flags);
	EXPECT_EQ(-ENOLINK, nf_link_update(self->link_fd, self->prog_fd, -1));
	EXPECT_EQ(0, bpf_link_detach(self->link_fd));
}

NF_TEST_F(netns, inode)
{
	struct bpf_link_info info;
	char value[32];

	ASSERT_EQ(0, nf_fdinfo(self->link_fd, "netns_ino:", value, sizeof(value)));
	EXPECT_EQ(self->inside_ino, strtoul(value, NULL, 10));
	ASSERT_EQ(0, nf_link_info(self->link_fd, &info));
	EXPECT_EQ(self->inside_ino, info.netfilter.netns_ino);

	ASSERT_EQ(0, setns(self->outside, CLONE_NEWNET));
	ASSERT_TRUE(namespace_is_freed());
	ASSERT_EQ(0, nf_fdinfo(self->link_fd, "netns_ino:", value, sizeof(value)));
	EXPECT_STREQ("0", value);
	ASSERT_EQ(0, nf_link_info(self->link_fd, &info));
	EXPECT_EQ(0, info.netfilter.netns_ino);
}

NF_TEST_F(netns, inode_after_detach)
{
	struct bpf_link_info info;
	char value[32];

	ASSERT_EQ(0, bpf_link_detach(self->link_fd));
	ASSERT_EQ(0, nf_fdinfo(self->link_fd, "netns_ino:", value, sizeof(value)));
	EXPECT_STREQ("0", value);
	ASSERT_EQ(0, nf_link_info(self->link_fd, &info));
	EXPECT_EQ(0, info.netfilter.netns_ino);
}

/* Three links end with the namespace, one of which was detached before. */
NF_TEST_F(netns, several_links)
{
	struct nf_key key = self->key;
	int second, third;

	key.priority = 1;
	second = nf_link(self->prog_fd, &key);
	ASSERT_LE(0, second);
	key.priority = 2;
	third = nf_link(self->prog_fd, &key);
	ASSERT_LE(0, third);
	ASSERT_EQ(0, bpf_link_detach(second));

	ASSERT_EQ(0, setns(self->outside, CLONE_NEWNET));
	ASSERT_TRUE(namespace_is_freed());
	EXPECT_EQ(-ENOLINK, nf_link_update(self->link_fd, self->prog_fd, -1));
	EXPECT_EQ(-ENOLINK, nf_link_update(second, self->prog_fd, -1));
	EXPECT_EQ(-ENOLINK, nf_link_update(third, self->prog_fd, -1));
	close(second);
	close(third);
}

/* A link can be attached while another namespace with links ends. */
NF_TEST_F(netns, new_link_elsewhere)
{
	int fd;

	ASSERT_EQ(0, setns(self->outside, CLONE_NEWNET));
	fd = nf_link(self->prog_fd, &self->key);
	ASSERT_LE(0, fd);
	EXPECT_TRUE(namespace_is_freed());
	EXPECT_EQ(0, nf_link_update(fd, self->prog_fd, -1));
	close(fd);
}

TEST_HARNESS_MAIN
