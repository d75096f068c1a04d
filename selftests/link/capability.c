// SPDX-License-Identifier: GPL-2.0
/* Capabilities that are needed to load a program and to attach it. */
#include <fcntl.h>
#include <sched.h>

#include <linux/capability.h>
#include <linux/filter.h>

#include <bpf/bpf.h>

#include "kselftest_harness.h"
#include "helpers/nf_test.h"

#define CAP(name) (1ULL << CAP_##name)

FIXTURE(capability)
{
	int prog_fd;
	struct nf_key key;
};

FIXTURE_VARIANT(capability)
{
	__u64 caps;
	int load;
	int attach;
};

FIXTURE_VARIANT_ADD(capability, bpf_and_net_admin)
{
	.caps = CAP(BPF) | CAP(NET_ADMIN),
};

FIXTURE_VARIANT_ADD(capability, bpf_net_admin_and_perfmon)
{
	.caps = CAP(BPF) | CAP(NET_ADMIN) | CAP(PERFMON),
};

/* CAP_SYS_ADMIN includes CAP_BPF, as before CAP_BPF existed. */
FIXTURE_VARIANT_ADD(capability, sys_admin_and_net_admin)
{
	.caps = CAP(SYS_ADMIN) | CAP(NET_ADMIN),
};

FIXTURE_VARIANT_ADD(capability, net_admin)
{
	.caps = CAP(NET_ADMIN),
	.load = -EPERM,
};

FIXTURE_VARIANT_ADD(capability, bpf)
{
	.caps = CAP(BPF),
	.load = -EPERM,
	.attach = -EPERM,
};

FIXTURE_VARIANT_ADD(capability, bpf_and_net_raw)
{
	.caps = CAP(BPF) | CAP(NET_RAW),
	.load = -EPERM,
	.attach = -EPERM,
};

FIXTURE_VARIANT_ADD(capability, none)
{
	.load = -EPERM,
	.attach = -EPERM,
};

FIXTURE_SETUP(capability)
{
	ASSERT_EQ(0, nf_netns_new());
	self->key.pf = NFPROTO_IPV4;
	self->key.hooknum = NF_INET_FORWARD;
	self->prog_fd = nf_load_verdict(NF_ACCEPT);
	ASSERT_LE(0, self->prog_fd);
}

FIXTURE_TEARDOWN(capability)
{
	close(self->prog_fd);
}

TEST_F(capability, load)
{
	int fd;

	ASSERT_EQ(0, nf_set_caps(variant->caps));
	fd = nf_load_verdict(NF_ACCEPT);
	if (variant->load) {
		EXPECT_EQ(variant->load, fd);
	} else {
		EXPECT_LE(0, fd);
		close(fd);
	}
}

/*
 * The caller got the program's fd from another process. The fd replaces CAP_BPF, but not
 * the right to decide about a namespace's packets.
 */
TEST_F(capability, attach)
{
	int fd;

	fd = nf_link(self->prog_fd, &self->key);
	ASSERT_LE(0, fd);
	close(fd);

	ASSERT_EQ(0, nf_set_caps(variant->caps));
	fd = nf_link(self->prog_fd, &self->key);
	if (variant->attach && fd >= 0 && !nf_patched()) {
		close(fd);
		NF_LACKS(return, "CAP_NET_ADMIN asked for when attaching");
	}
	if (variant->attach) {
		EXPECT_EQ(variant->attach, fd);
	} else {
		EXPECT_LE(0, fd);
		close(fd);
	}
}

FIXTURE(user_namespace)
{
	const char *lacks;
	int prog_fd;
	struct nf_key key;
};

/* The caller has all capabilities, but in a user namespace of its own. */
FIXTURE_SETUP(user_namespace)
{
	self->key.pf = NFPROTO_IPV4;
	self->key.hooknum = NF_INET_FORWARD;
	ASSERT_EQ(0, nf_netns_new());
	self->prog_fd = nf_load_verdict(NF_ACCEPT);
	ASSERT_LE(0, self->prog_fd);
	if (unshare(CLONE_NEWUSER)) {
		self->lacks = "user namespaces";
		return;
	}
	ASSERT_EQ(0, nf_write_file("/proc/self/uid_map", "0 0 1"));
}

FIXTURE_TEARDOWN(user_namespace)
{
	close(self->prog_fd);
}

NF_TEST_F(user_namespace, load)
{
	EXPECT_EQ(-EPERM, nf_load_verdict(NF_ACCEPT));
	ASSERT_EQ(0, nf_netns_new());
	EXPECT_EQ(-EPERM, nf_load_verdict(NF_ACCEPT));
}

NF_TEST_F(user_namespace, attach_to_the_parents_netns)
{
	int fd = nf_link(self->prog_fd, &self->key);

	if (fd >= 0 && !nf_patched()) {
		close(fd);
		NF_LACKS(return, "CAP_NET_ADMIN asked for when attaching");
	}
	EXPECT_EQ(-EPERM, fd);
}

NF_TEST_F(user_namespace, attach_to_its_own_netns)
{
	int fd;

	ASSERT_EQ(0, nf_netns_new());
	fd = nf_link(self->prog_fd, &self->key);
	EXPECT_LE(0, fd);
	close(fd);
}

TEST_HARNESS_MAIN
