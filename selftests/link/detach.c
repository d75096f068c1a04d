// SPDX-License-Identifier: GPL-2.0
/* BPF_LINK_DETACH: the program stops at once. The link still gives information. */
#include <linux/filter.h>

#include <bpf/bpf.h>

#include "kselftest_harness.h"
#include "helpers/nf_test.h"
#include "progs/count.skel.h"

FIXTURE(detach)
{
	struct count *skel;
	int prog_fd;
	int link_fd;
	struct nf_key key;
};

FIXTURE_VARIANT(detach)
{
	__u32 flags;
};

FIXTURE_VARIANT_ADD(detach, plain)
{
	.flags = 0,
};

FIXTURE_VARIANT_ADD(detach, defrag)
{
	.flags = BPF_F_NETFILTER_IP_DEFRAG,
};

FIXTURE_SETUP(detach)
{
	ASSERT_EQ(0, nf_netns_new());
	ASSERT_EQ(0, nf_netns_loopback_up());
	self->skel = count__open_and_load();
	ASSERT_NE(NULL, self->skel);
	self->prog_fd = bpf_program__fd(self->skel->progs.first);
	self->key.pf = NFPROTO_IPV4;
	self->key.hooknum = NF_INET_LOCAL_OUT;
	self->key.flags = variant->flags;
	self->link_fd = nf_link(self->prog_fd, &self->key);
	ASSERT_LE(0, self->link_fd);
}

FIXTURE_TEARDOWN(detach)
{
	close(self->link_fd);
	count__destroy(self->skel);
}

TEST_F(detach, stops_the_program)
{
	ASSERT_EQ(0, nf_send_loopback(3));
	EXPECT_EQ(3, self->skel->bss->first_packets);
	ASSERT_EQ(0, bpf_link_detach(self->link_fd));
	ASSERT_EQ(0, nf_send_loopback(3));
	EXPECT_EQ(3, self->skel->bss->first_packets);
}

TEST_F(detach, again_does_nothing)
{
	ASSERT_EQ(0, bpf_link_detach(self->link_fd));
	EXPECT_EQ(0, bpf_link_detach(self->link_fd));
	EXPECT_EQ(0, bpf_link_detach(self->link_fd));
	ASSERT_EQ(0, nf_send_loopback(1));
	EXPECT_EQ(0, self->skel->bss->first_packets);
}

TEST_F(detach, reattach)
{
	int fd;

	EXPECT_EQ(-EBUSY, nf_link(self->prog_fd, &self->key));
	ASSERT_EQ(0, bpf_link_detach(self->link_fd));
	fd = nf_link(self->prog_fd, &self->key);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, nf_send_loopback(2));
	EXPECT_EQ(2, self->skel->bss->first_packets);

	/* To free the detached link must not remove the new link. */
	close(self->link_fd);
	self->link_fd = -1;
	ASSERT_EQ(0, nf_send_loopback(2));
	EXPECT_EQ(4, self->skel->bss->first_packets);
	close(fd);
}

TEST_F(detach, of_one_link_leaves_the_other)
{
	struct nf_key key = self->key;
	int fd;

	key.priority = 1;
	fd = nf_link(bpf_program__fd(self->skel->progs.second), &key);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, nf_send_loopback(1));
	ASSERT_EQ(0, bpf_link_detach(self->link_fd));
	ASSERT_EQ(0, nf_send_loopback(1));
	EXPECT_EQ(1, self->skel->bss->first_packets);
	EXPECT_EQ(2, self->skel->bss->second_packets);
	close(fd);
}

TEST_F(detach, close_stops_the_program)
{
	ASSERT_EQ(0, nf_send_loopback(1));
	EXPECT_EQ(1, self->skel->bss->first_packets);
	close(self->link_fd);
	self->link_fd = -1;
	ASSERT_EQ(0, nf_send_loopback(1));
	EXPECT_EQ(1, self->skel->bss->first_packets);
}

TEST_HARNESS_MAIN
