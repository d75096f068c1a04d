// SPDX-License-Identifier: GPL-2.0
/* A link has a number that its caller chose, and the program gets it. */
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <bpf/bpf.h>
#include <linux/bpf_nf.h>

#include "kselftest_harness.h"
#include "helpers/nf_test.h"
#include "link/progs/cookie.skel.h"

FIXTURE(cookie)
{
	const char *lacks;
	struct link_cookie *skel;
	int prog_fd;
};

FIXTURE_SETUP(cookie)
{
	const struct nf_key key = { .pf = NFPROTO_IPV4 };
	int fd;

	ASSERT_EQ(0, nf_netns_new() ?: nf_netns_loopback_up());
	self->skel = link_cookie__open_and_load();
	ASSERT_NE(NULL, self->skel);
	self->prog_fd = bpf_program__fd(self->skel->progs.keep_cookie);
	fd = nf_link(self->prog_fd, &key);
	ASSERT_LE(0, fd);
	if (!nf_has_cookie(fd))
		self->lacks = "cookies of links";
	close(fd);
}

FIXTURE_TEARDOWN(cookie)
{
	link_cookie__destroy(self->skel);
}

/* Attach at LOCAL_OUT. Return: the link's fd, or a negative errno */
static int attach(int prog_fd, __s32 priority, __u64 number)
{
	LIBBPF_OPTS(bpf_link_create_opts, opts,
		    .netfilter.pf = NFPROTO_IPV4,
		    .netfilter.hooknum = NF_INET_LOCAL_OUT,
		    .netfilter.priority = priority,
		    .netfilter.cookie = number);

	return bpf_link_create(prog_fd, 0, BPF_NETFILTER, &opts);
}

#define EXPECT_INFO(_cookie, fd) do {					\
	struct nf_link_info _info;					\
									\
	ASSERT_EQ(0, nf_link_stats(fd, &_info));			\
	EXPECT_EQ(_cookie, _info.cookie);				\
} while (0)

NF_TEST_F(cookie, of_each_link)
{
	const __u64 numbers[] = { 0x123456789abcdef0, 0, ~0ULL };
	int fds[ARRAY_SIZE(numbers)], i;

	for (i = 0; i < ARRAY_SIZE(numbers); i++) {
		fds[i] = attach(self->prog_fd, i, numbers[i]);
		ASSERT_LE(0, fds[i]);
	}
	ASSERT_EQ(0, nf_send_loopback(1));
	ASSERT_EQ(ARRAY_SIZE(numbers), self->skel->bss->runs);
	for (i = 0; i < ARRAY_SIZE(numbers); i++) {
		EXPECT_EQ(numbers[i], self->skel->bss->seen[i]);
		EXPECT_INFO(numbers[i], fds[i]);
		close(fds[i]);
	}
}

NF_TEST_F(cookie, kept_over_update)
{
	int other = bpf_program__fd(self->skel->progs.keep_cookie_behind_a_tail_call);
	int fd = attach(other, 0, 7);

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, nf_send_loopback(1));
	EXPECT_EQ(0, self->skel->bss->runs);
	ASSERT_EQ(0, nf_link_update(fd, self->prog_fd, other));
	ASSERT_EQ(0, nf_send_loopback(1));
	ASSERT_EQ(1, self->skel->bss->runs);
	EXPECT_EQ(7, self->skel->bss->seen[0]);
	EXPECT_INFO(7, fd);
	close(fd);
}

NF_TEST_F(cookie, behind_a_tail_call)
{
	const __u32 key = 0, value = self->prog_fd;
	int fd;

	ASSERT_EQ(0, bpf_map_update_elem(bpf_map__fd(self->skel->maps.next), &key, &value, 0));
	fd = attach(bpf_program__fd(self->skel->progs.keep_cookie_behind_a_tail_call), 0, 9);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, nf_send_loopback(1));
	ASSERT_EQ(1, self->skel->bss->runs);
	EXPECT_EQ(9, self->skel->bss->seen[0]);
	close(fd);
}

/* Send a datagram through lo in two fragments. Return: 0, or a negative errno */
static int send_fragments(void)
{
	struct sockaddr_in to = {
		.sin_family = AF_INET,
		.sin_port = htons(9),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	struct ifreq mtu = { .ifr_name = "lo", .ifr_mtu = 1500 };
	static const char data[2000];
	int err = 0, fd;

	fd = socket(AF_INET, SOCK_DGRAM, 0);
	if (ioctl(fd, SIOCSIFMTU, &mtu) ||
	    sendto(fd, data, sizeof(data), 0, (void *)&to, sizeof(to)) < 0)
		err = -errno;
	close(fd);
	return err;
}

/* The program judges the datagram by its first fragment. */
NF_TEST_F(cookie, of_a_tracked_fragment)
{
	LIBBPF_OPTS(bpf_link_create_opts, opts,
		    .netfilter.pf = NFPROTO_IPV4,
		    .netfilter.hooknum = NF_INET_PRE_ROUTING,
		    .netfilter.flags = BPF_F_NETFILTER_FRAG_TRACK,
		    .netfilter.cookie = 11);
	char later[16];
	int fd;

	fd = bpf_link_create(self->prog_fd, 0, BPF_NETFILTER, &opts);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, send_fragments());
	/* An ICMP error may follow the datagram. */
	ASSERT_LE(1, self->skel->bss->runs);
	EXPECT_EQ(11, self->skel->bss->seen[0]);
	ASSERT_EQ(0, nf_fdinfo(fd, "later_fragments:", later, sizeof(later)));
	EXPECT_STREQ("1", later);
	close(fd);
}

/* A detached link still tells its cookie. */
NF_TEST_F(cookie, after_detach)
{
	int fd = attach(self->prog_fd, 0, 5);

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, bpf_link_detach(fd));
	EXPECT_INFO(5, fd);
	close(fd);
}

static const char udp_packet[64] = { 0x45, 0, 0, sizeof(udp_packet), 0, 0, 0, 0, 64, 17 };

/* In a test run there is no link. */
NF_TEST_F(cookie, of_a_test_run)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts,
		    .data_in = udp_packet,
		    .data_size_in = sizeof(udp_packet));
	int fd = attach(self->prog_fd, 0, 5);

	ASSERT_LE(0, fd);
	self->skel->bss->seen[0] = 1;
	ASSERT_EQ(0, bpf_prog_test_run_opts(self->prog_fd, &opts));
	ASSERT_EQ(1, self->skel->bss->runs);
	EXPECT_EQ(0, self->skel->bss->seen[0]);
	close(fd);
}

/* A kernel without cookies would ignore the number, so libbpf refuses it there. */
TEST_F(cookie, refused_elsewhere)
{
	LIBBPF_OPTS(bpf_netfilter_opts, opts,
		    .pf = NFPROTO_IPV4,
		    .hooknum = NF_INET_LOCAL_OUT,
		    .cookie = 3);
	struct bpf_link *link;

	link = bpf_program__attach_netfilter(self->skel->progs.keep_cookie, &opts);
	if (!self->lacks) {
		ASSERT_NE(NULL, link);
		EXPECT_INFO(3, bpf_link__fd(link));
	} else {
		EXPECT_EQ(NULL, link);
		EXPECT_EQ(EOPNOTSUPP, errno);
		opts.cookie = 0;
		link = bpf_program__attach_netfilter(self->skel->progs.keep_cookie, &opts);
		ASSERT_NE(NULL, link);
	}
	ASSERT_EQ(0, nf_send_loopback(1));
	ASSERT_EQ(1, self->skel->bss->runs);
	EXPECT_EQ(opts.cookie, self->skel->bss->seen[0]);
	bpf_link__destroy(link);
}

TEST_HARNESS_MAIN
