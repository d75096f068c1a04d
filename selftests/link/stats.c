// SPDX-License-Identifier: GPL-2.0
/*
 * A link counts each of its packets once, also while its program is replaced.
 *
 * Processors: 2
 */
#include <sched.h>
#include <sys/stat.h>

#include <bpf/bpf.h>

#include "kselftest_harness.h"
#include "helpers/nf_test.h"
#include "helpers/nf_count.h"

/* Mainline's struct ends here. */
#define MAINLINE_LEN offsetof(struct nf_link_info, netns_ino)

FIXTURE(stats)
{
	const char *lacks;
	struct nf_count count;
	int link_fd;
};

FIXTURE_VARIANT(stats)
{
	__u32 pf;
};

FIXTURE_VARIANT_ADD(stats, ip)
{
	.pf = NFPROTO_IPV4,
};

FIXTURE_VARIANT_ADD(stats, inet)
{
	.pf = NFPROTO_INET,
};

FIXTURE_SETUP(stats)
{
	const struct nf_key key = {
		.pf = variant->pf,
		.hooknum = NF_INET_LOCAL_OUT,
	};

	ASSERT_EQ(0, nf_count_setup(&self->count));
	if (variant->pf == NFPROTO_INET && !nf_has_inet(self->count.first)) {
		self->lacks = "pf NFPROTO_INET";
		return;
	}
	self->link_fd = nf_link(self->count.first, &key);
	ASSERT_LE(0, self->link_fd);
	if (!nf_has_stats(self->link_fd))
		self->lacks = "counters of a link";
}

FIXTURE_TEARDOWN(stats)
{
	close(self->link_fd);
	nf_count_teardown(&self->count);
}

#define EXPECT_STATS(link_fd, _accepted, _dropped) do {			\
	struct nf_link_info _info;					\
									\
	ASSERT_EQ(0, nf_link_stats(link_fd, &_info));			\
	EXPECT_EQ(_accepted, _info.accepted);				\
	EXPECT_EQ(_dropped, _info.dropped);				\
	EXPECT_EQ(0, _info.dropped_fragments);				\
	EXPECT_EQ(0, _info.reserved);					\
} while (0)

/* At LOCAL_OUT, the sender gets the verdict as an error. */
#define SEND_REFUSED(count) do {					\
	int _i;								\
									\
	for (_i = 0; _i < (count); _i++)				\
		ASSERT_EQ(-EPERM, nf_send_loopback(1));			\
} while (0)

static __u64 netns_ino(void)
{
	struct stat ns;

	return stat("/proc/self/ns/net", &ns) ? 0 : ns.st_ino;
}

static long long fdinfo_number(int fd, const char *key)
{
	char value[64];

	return nf_fdinfo(fd, key, value, sizeof(value)) ? -1 : atoll(value);
}

NF_TEST_F(stats, accepted)
{
	EXPECT_STATS(self->link_fd, 0, 0);
	ASSERT_EQ(0, nf_send_loopback(5));
	EXPECT_STATS(self->link_fd, 5, 0);
	EXPECT_EQ(5, self->count.skel->bss->first_packets);
}

NF_TEST_F(stats, dropped)
{
	ASSERT_EQ(0, nf_link_update(self->link_fd, self->count.dropping, -1));
	SEND_REFUSED(3);
	EXPECT_STATS(self->link_fd, 0, 3);
	EXPECT_EQ(3, self->count.skel->bss->dropping_packets);
}

#define IPV4_LEN (20 + NF_LOOPBACK_LEN)
#define IPV6_LEN (40 + NF_LOOPBACK_LEN)

NF_TEST_F(stats, bytes)
{
	struct nf_link_info info;

	if (!nf_has_bytes(self->link_fd))
		NF_LACKS(return, "counters of bytes");
	ASSERT_EQ(0, nf_send_loopback(5));
	ASSERT_EQ(0, nf_link_update(self->link_fd, self->count.dropping, -1));
	SEND_REFUSED(3);
	ASSERT_EQ(0, nf_link_stats(self->link_fd, &info));
	EXPECT_EQ(5 * IPV4_LEN, info.accepted_bytes);
	EXPECT_EQ(3 * IPV4_LEN, info.dropped_bytes);
	EXPECT_EQ(0, info.dropped_fragments_bytes);
	EXPECT_EQ(0, info.ipv6.accepted);
	EXPECT_EQ(0, info.ipv6.accepted_bytes);
	EXPECT_EQ(0, info.ipv6.dropped);
	EXPECT_EQ(0, info.ipv6.dropped_bytes);
	EXPECT_EQ(5 * IPV4_LEN, fdinfo_number(self->link_fd, "accepted_bytes:"));
	EXPECT_EQ(0, fdinfo_number(self->link_fd, "ipv6_accepted:"));
}

/* The counters are those of both families, and tell the part of IPv6. */
NF_TEST_F(stats, of_each_family)
{
	const bool both = variant->pf == NFPROTO_INET;
	struct nf_link_info info;

	if (nf_without("ipv6"))
		SKIP(return, "kernel without ipv6");
	if (!nf_has_bytes(self->link_fd))
		NF_LACKS(return, "counters of bytes");
	ASSERT_EQ(0, nf_send_loopback(1));
	ASSERT_EQ(0, nf_send_loopback_ipv6(2));
	ASSERT_EQ(0, nf_link_update(self->link_fd, self->count.dropping, -1));
	SEND_REFUSED(4);
	EXPECT_EQ(both ? -EPERM : 0, nf_send_loopback_ipv6(1));
	ASSERT_EQ(0, nf_link_stats(self->link_fd, &info));
	EXPECT_EQ(both ? 3 : 1, info.accepted);
	EXPECT_EQ(IPV4_LEN + (both ? 2 * IPV6_LEN : 0), info.accepted_bytes);
	EXPECT_EQ(both ? 2 : 0, info.ipv6.accepted);
	EXPECT_EQ(both ? 2 * IPV6_LEN : 0, info.ipv6.accepted_bytes);
	EXPECT_EQ(both ? 5 : 4, info.dropped);
	EXPECT_EQ(both ? 1 : 0, info.ipv6.dropped);
	EXPECT_EQ(both ? IPV6_LEN : 0, info.ipv6.dropped_bytes);
	EXPECT_EQ(both ? 2 : 0, fdinfo_number(self->link_fd, "ipv6_accepted:"));
	EXPECT_EQ(both ? IPV6_LEN : 0, fdinfo_number(self->link_fd, "ipv6_dropped_bytes:"));
}

NF_TEST_F(stats, kept_over_update)
{
	ASSERT_EQ(0, nf_send_loopback(2));
	ASSERT_EQ(0, nf_link_update(self->link_fd, self->count.second, -1));
	EXPECT_STATS(self->link_fd, 2, 0);
	ASSERT_EQ(0, nf_send_loopback(3));
	ASSERT_EQ(0, nf_link_update(self->link_fd, self->count.dropping, self->count.second));
	SEND_REFUSED(4);
	EXPECT_STATS(self->link_fd, 5, 4);

	/* Together the programs have seen just these packets. */
	EXPECT_EQ(2, self->count.skel->bss->first_packets);
	EXPECT_EQ(3, self->count.skel->bss->second_packets);
	EXPECT_EQ(4, self->count.skel->bss->dropping_packets);
}

NF_TEST_F(stats, on_every_cpu)
{
	int cpu, used = 0;
	cpu_set_t all;

	ASSERT_EQ(0, sched_getaffinity(0, sizeof(all), &all));
	for (cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (!CPU_ISSET(cpu, &all))
			continue;
		ASSERT_EQ(0, nf_bind_cpu(cpu));
		ASSERT_EQ(0, nf_send_loopback(2));
		used++;
	}
	EXPECT_STATS(self->link_fd, 2 * used, 0);
}

NF_TEST_F(stats, links_count_apart)
{
	const struct nf_key key = {
		.pf = variant->pf,
		.hooknum = NF_INET_LOCAL_OUT,
		.priority = 1,
	};
	int fd;

	ASSERT_EQ(0, nf_send_loopback(1));
	fd = nf_link(self->count.dropping, &key);
	ASSERT_LE(0, fd);
	SEND_REFUSED(2);
	EXPECT_STATS(self->link_fd, 3, 0);
	EXPECT_STATS(fd, 0, 2);
	close(fd);
}

NF_TEST_F(stats, of_its_namespace_only)
{
	ASSERT_EQ(0, nf_send_loopback(1));
	ASSERT_EQ(0, nf_netns_new());
	ASSERT_EQ(0, nf_netns_loopback_up());
	ASSERT_EQ(0, nf_send_loopback(1));
	EXPECT_STATS(self->link_fd, 1, 0);
}

NF_TEST_F(stats, fdinfo)
{
	ASSERT_EQ(0, nf_send_loopback(2));
	ASSERT_EQ(0, nf_link_update(self->link_fd, self->count.dropping, -1));
	SEND_REFUSED(1);
	EXPECT_EQ(2, fdinfo_number(self->link_fd, "accepted:"));
	EXPECT_EQ(1, fdinfo_number(self->link_fd, "dropped:"));
	EXPECT_EQ(0, fdinfo_number(self->link_fd, "dropped_fragments:"));
	EXPECT_EQ(netns_ino(), fdinfo_number(self->link_fd, "netns_ino:"));
}

NF_TEST_F(stats, netns)
{
	struct nf_link_info info;

	ASSERT_EQ(0, nf_link_stats(self->link_fd, &info));
	EXPECT_EQ(netns_ino(), info.netns_ino);
}

NF_TEST_F(stats, after_detach)
{
	struct nf_link_info info;

	ASSERT_EQ(0, nf_send_loopback(2));
	ASSERT_EQ(0, nf_link_update(self->link_fd, self->count.dropping, -1));
	SEND_REFUSED(1);
	ASSERT_EQ(0, bpf_link_detach(self->link_fd));
	ASSERT_EQ(0, nf_send_loopback(1));
	EXPECT_STATS(self->link_fd, 2, 1);
	EXPECT_EQ(2, fdinfo_number(self->link_fd, "accepted:"));
	ASSERT_EQ(0, nf_link_stats(self->link_fd, &info));
	EXPECT_EQ(0, info.netns_ino);
	EXPECT_EQ(0, fdinfo_number(self->link_fd, "netns_ino:"));
}

/* The caller knows mainline's struct only. */
NF_TEST_F(stats, info_of_an_old_caller)
{
	struct nf_link_info old;
	__u32 len = MAINLINE_LEN;

	ASSERT_EQ(32, MAINLINE_LEN);
	ASSERT_EQ(0, nf_send_loopback(1));
	memset(&old, 0x5a, sizeof(old));
	memset(&old, 0, len);
	ASSERT_EQ(0, bpf_link_get_info_by_fd(self->link_fd, (void *)&old, &len));
	EXPECT_EQ(MAINLINE_LEN, len);
	EXPECT_EQ(BPF_LINK_TYPE_NETFILTER, old.type);
	EXPECT_EQ(variant->pf, old.pf);
	EXPECT_EQ(NF_INET_LOCAL_OUT, old.hooknum);
	EXPECT_EQ(0x5a5a5a5a, old.netns_ino);
	EXPECT_EQ(0x5a5a5a5a5a5a5a5a, old.accepted);
	EXPECT_EQ(0x5a5a5a5a5a5a5a5a, old.dropped_fragments);
}

/* The kernel writes no byte beyond the given length, for each length. */
NF_TEST_F(stats, info_of_any_length)
{
	unsigned char info[sizeof(struct nf_link_info)];
	size_t size, i;
	__u32 len;

	for (size = 0; size <= sizeof(info); size++) {
		memset(info, 0x5a, sizeof(info));
		memset(info, 0, size);
		len = size;
		ASSERT_EQ(0, bpf_link_get_info_by_fd(self->link_fd, (void *)info, &len)) {
			TH_LOG("length %zu", size);
		}
		for (i = size; i < sizeof(info); i++)
			ASSERT_EQ(0x5a, info[i]) {
				TH_LOG("length %zu: byte %zu written", size, i);
			}
	}
}

TEST_HARNESS_MAIN
