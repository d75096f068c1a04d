// SPDX-License-Identifier: GPL-2.0
/* BPF_LINK_UPDATE replaces the program of a link by the rules of tcx links. */
#include <bpf/bpf.h>

#include "kselftest_harness.h"
#include "helpers/nf_test.h"
#include "helpers/nf_count.h"

FIXTURE(update)
{
	const char *lacks;
	struct nf_count count;
	int link_fd;
};

FIXTURE_VARIANT(update)
{
	__u32 pf;
};

FIXTURE_VARIANT_ADD(update, ip)
{
	.pf = NFPROTO_IPV4,
};

FIXTURE_VARIANT_ADD(update, inet)
{
	.pf = NFPROTO_INET,
};

FIXTURE_SETUP(update)
{
	const struct nf_key key = {
		.pf = variant->pf,
		.hooknum = NF_INET_LOCAL_OUT,
	};

	ASSERT_EQ(0, nf_count_setup(&self->count));
	if (!nf_has_update(self->count.first)) {
		self->lacks = "BPF_LINK_UPDATE";
		return;
	}
	if (variant->pf == NFPROTO_INET && !nf_has_inet(self->count.first)) {
		self->lacks = "pf NFPROTO_INET";
		return;
	}
	self->link_fd = nf_link(self->count.first, &key);
	ASSERT_LE(0, self->link_fd);
}

FIXTURE_TEARDOWN(update)
{
	close(self->link_fd);
	nf_count_teardown(&self->count);
}

#define EXPECT_PACKETS(_first, _second) do {				\
	ASSERT_EQ(0, nf_send_loopback(1));				\
	EXPECT_EQ(_first, self->count.skel->bss->first_packets);		\
	EXPECT_EQ(_second, self->count.skel->bss->second_packets);		\
} while (0)

NF_TEST_F(update, counters_move_to_the_new_program)
{
	EXPECT_PACKETS(1, 0);
	ASSERT_EQ(0, nf_link_update(self->link_fd, self->count.second, -1));
	EXPECT_PACKETS(1, 1);
	ASSERT_EQ(0, nf_link_update(self->link_fd, self->count.first, -1));
	EXPECT_PACKETS(2, 1);
}

NF_TEST_F(update, info_names_the_new_program)
{
	struct bpf_link_info before, after;

	ASSERT_EQ(0, nf_link_info(self->link_fd, &before));
	ASSERT_EQ(0, nf_link_update(self->link_fd, self->count.second, -1));
	ASSERT_EQ(0, nf_link_info(self->link_fd, &after));
	EXPECT_EQ(before.id, after.id);
	EXPECT_NE(before.prog_id, after.prog_id);
	EXPECT_EQ(before.netfilter.pf, after.netfilter.pf);
}

NF_TEST_F(update, right_old_program)
{
	ASSERT_EQ(0, nf_link_update(self->link_fd, self->count.second, self->count.first));
	EXPECT_PACKETS(0, 1);
}

NF_TEST_F(update, wrong_old_program)
{
	EXPECT_EQ(-EPERM, nf_link_update(self->link_fd, self->count.second,
					 self->count.second));
	EXPECT_PACKETS(1, 0);
}

NF_TEST_F(update, same_program)
{
	EXPECT_EQ(0, nf_link_update(self->link_fd, self->count.first, -1));
	EXPECT_PACKETS(1, 0);
	EXPECT_EQ(0, nf_link_update(self->link_fd, self->count.first, self->count.first));
	EXPECT_PACKETS(2, 0);
}

/* A wrong reference count would show when the programs are freed. */
NF_TEST_F(update, many_times)
{
	int i;

	for (i = 0; i < 100; i++) {
		ASSERT_EQ(0, nf_link_update(self->link_fd, self->count.second, -1));
		ASSERT_EQ(0, nf_link_update(self->link_fd, self->count.second, -1));
		ASSERT_EQ(0, nf_link_update(self->link_fd, self->count.first, -1));
	}
	EXPECT_PACKETS(1, 0);
}

NF_TEST_F(update, after_detach)
{
	EXPECT_PACKETS(1, 0);
	ASSERT_EQ(0, bpf_link_detach(self->link_fd));
	EXPECT_EQ(-ENOLINK, nf_link_update(self->link_fd, self->count.second, -1));
	EXPECT_PACKETS(1, 0);
}

NF_TEST_F(update, program_of_another_type)
{
	int fd = nf_load_return(BPF_PROG_TYPE_SOCKET_FILTER, 0, 1);

	ASSERT_LE(0, fd);
	EXPECT_EQ(-EINVAL, nf_link_update(self->link_fd, fd, -1));
	close(fd);
	EXPECT_PACKETS(1, 0);
}

NF_TEST_F(update, unknown_flags)
{
	LIBBPF_OPTS(bpf_link_update_opts, opts, .flags = 1U << 31);

	EXPECT_EQ(-EINVAL, bpf_link_update(self->link_fd, self->count.second, &opts));
	EXPECT_PACKETS(1, 0);
}

NF_TEST_F(update, old_program_without_the_flag)
{
	LIBBPF_OPTS(bpf_link_update_opts, opts, .old_prog_fd = self->count.first);

	EXPECT_EQ(-EINVAL, bpf_link_update(self->link_fd, self->count.second, &opts));
	EXPECT_PACKETS(1, 0);
}

NF_TEST_F(update, bad_program_fd)
{
	EXPECT_EQ(-EBADF, nf_link_update(self->link_fd, 1000, -1));
	EXPECT_PACKETS(1, 0);
}

TEST_HARNESS_MAIN
