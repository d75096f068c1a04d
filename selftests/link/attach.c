// SPDX-License-Identifier: GPL-2.0
/* The families, hooks, priorities and flags that BPF_LINK_CREATE accepts. */
#include <limits.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include <linux/filter.h>

#include <bpf/bpf.h>

#include "kselftest_harness.h"
#include "helpers/nf_test.h"

#define DEFRAG BPF_F_NETFILTER_IP_DEFRAG
#define STRICT BPF_F_NETFILTER_DEFRAG_STRICT
#define TRACK BPF_F_NETFILTER_FRAG_TRACK

FIXTURE(attach)
{
	int prog_fd;
};

FIXTURE_VARIANT(attach)
{
	struct nf_key key;
	int expected;
};

#define ATTACH_CASE(name, _pf, hook, prio, _flags, _expected)		\
	FIXTURE_VARIANT_ADD(attach, name)				\
	{								\
		.key = {						\
			.pf = _pf,					\
			.hooknum = hook,				\
			.priority = prio,				\
			.flags = _flags,				\
		},							\
		.expected = _expected,					\
	}

ATTACH_CASE(ip_prerouting, NFPROTO_IPV4, NF_INET_PRE_ROUTING, 0, 0, 0);
ATTACH_CASE(ip_input, NFPROTO_IPV4, NF_INET_LOCAL_IN, 0, 0, 0);
ATTACH_CASE(ip_forward, NFPROTO_IPV4, NF_INET_FORWARD, 0, 0, 0);
ATTACH_CASE(ip_output, NFPROTO_IPV4, NF_INET_LOCAL_OUT, 0, 0, 0);
ATTACH_CASE(ip_postrouting, NFPROTO_IPV4, NF_INET_POST_ROUTING, 0, 0, 0);
ATTACH_CASE(ip6_prerouting, NFPROTO_IPV6, NF_INET_PRE_ROUTING, 0, 0, 0);
ATTACH_CASE(ip6_input, NFPROTO_IPV6, NF_INET_LOCAL_IN, 0, 0, 0);
ATTACH_CASE(ip6_forward, NFPROTO_IPV6, NF_INET_FORWARD, 0, 0, 0);
ATTACH_CASE(ip6_output, NFPROTO_IPV6, NF_INET_LOCAL_OUT, 0, 0, 0);
ATTACH_CASE(ip6_postrouting, NFPROTO_IPV6, NF_INET_POST_ROUTING, 0, 0, 0);
ATTACH_CASE(inet_prerouting, NFPROTO_INET, NF_INET_PRE_ROUTING, 0, 0, 0);
ATTACH_CASE(inet_input, NFPROTO_INET, NF_INET_LOCAL_IN, 0, 0, 0);
ATTACH_CASE(inet_forward, NFPROTO_INET, NF_INET_FORWARD, 0, 0, 0);
ATTACH_CASE(inet_output, NFPROTO_INET, NF_INET_LOCAL_OUT, 0, 0, 0);
ATTACH_CASE(inet_postrouting, NFPROTO_INET, NF_INET_POST_ROUTING, 0, 0, 0);

ATTACH_CASE(pf_unspec, NFPROTO_UNSPEC, 0, 0, 0, -EAFNOSUPPORT);
ATTACH_CASE(pf_arp, NFPROTO_ARP, 0, 0, 0, -EAFNOSUPPORT);
ATTACH_CASE(pf_netdev, NFPROTO_NETDEV, 0, 0, 0, -EAFNOSUPPORT);
ATTACH_CASE(pf_bridge, NFPROTO_BRIDGE, 0, 0, 0, -EAFNOSUPPORT);
ATTACH_CASE(pf_unused, 9, 0, 0, 0, -EAFNOSUPPORT);
ATTACH_CASE(pf_numproto, NFPROTO_NUMPROTO, 0, 0, 0, -EAFNOSUPPORT);
/* hook_ops.pf is one byte, but the field of the ABI is not. */
ATTACH_CASE(pf_wraps_to_ip, 256 + NFPROTO_IPV4, 0, 0, 0, -EAFNOSUPPORT);
ATTACH_CASE(pf_wraps_to_ip6, 256 + NFPROTO_IPV6, 0, 0, 0, -EAFNOSUPPORT);
ATTACH_CASE(pf_max, UINT_MAX, 0, 0, 0, -EAFNOSUPPORT);

ATTACH_CASE(ip_hook_5, NFPROTO_IPV4, NF_INET_NUMHOOKS, 0, 0, -EPROTO);
ATTACH_CASE(ip6_hook_5, NFPROTO_IPV6, NF_INET_NUMHOOKS, 0, 0, -EPROTO);
/* For NFPROTO_INET 5 is NF_INET_INGRESS, a hook of a device. */
ATTACH_CASE(inet_hook_5, NFPROTO_INET, NF_INET_NUMHOOKS, 0, 0, -EPROTO);
ATTACH_CASE(ip_hook_6, NFPROTO_IPV4, 6, 0, 0, -EPROTO);
ATTACH_CASE(ip_hook_wraps, NFPROTO_IPV4, 256, 0, 0, -EPROTO);
ATTACH_CASE(ip_hook_max, NFPROTO_IPV4, UINT_MAX, 0, 0, -EPROTO);
ATTACH_CASE(ip6_hook_max, NFPROTO_IPV6, UINT_MAX, 0, 0, -EPROTO);
ATTACH_CASE(inet_hook_max, NFPROTO_INET, UINT_MAX, 0, 0, -EPROTO);

/* The flags of this project begin at bit 16. Only bit 31 is sure to stay free. */
ATTACH_CASE(flag_bit_1, NFPROTO_IPV4, 0, 0, 1U << 1, -EOPNOTSUPP);
ATTACH_CASE(flag_bit_2, NFPROTO_IPV6, 0, 0, 1U << 2, -EOPNOTSUPP);
ATTACH_CASE(flag_bit_15, NFPROTO_IPV4, 0, 0, 1U << 15, -EOPNOTSUPP);
ATTACH_CASE(flag_bit_18, NFPROTO_IPV4, 0, 0, 1U << 18, -EOPNOTSUPP);
ATTACH_CASE(flag_bit_20, NFPROTO_IPV4, 0, 0, 1U << 20, -EOPNOTSUPP);
ATTACH_CASE(flag_bit_31, NFPROTO_IPV4, 0, 0, 1U << 31, -EOPNOTSUPP);
ATTACH_CASE(flag_all, NFPROTO_IPV4, 0, 0, UINT_MAX, -EOPNOTSUPP);
ATTACH_CASE(flag_unknown_with_defrag, NFPROTO_IPV4, 0, 0, DEFRAG | 1U << 1, -EOPNOTSUPP);
ATTACH_CASE(flag_unknown_inet, NFPROTO_INET, 0, 0, 1U << 1, -EOPNOTSUPP);

ATTACH_CASE(ip_prio_min, NFPROTO_IPV4, 0, INT_MIN, 0, -ERANGE);
ATTACH_CASE(ip6_prio_min, NFPROTO_IPV6, 0, INT_MIN, 0, -ERANGE);
ATTACH_CASE(inet_prio_min, NFPROTO_INET, 0, INT_MIN, 0, -ERANGE);
ATTACH_CASE(ip_prio_max, NFPROTO_IPV4, 0, INT_MAX, 0, -ERANGE);
ATTACH_CASE(ip6_prio_max, NFPROTO_IPV6, 0, INT_MAX, 0, -ERANGE);
ATTACH_CASE(inet_prio_max, NFPROTO_INET, 0, INT_MAX, 0, -ERANGE);
ATTACH_CASE(ip_prio_min_plus_1, NFPROTO_IPV4, 0, INT_MIN + 1, 0, 0);
ATTACH_CASE(ip6_prio_min_plus_1, NFPROTO_IPV6, 0, INT_MIN + 1, 0, 0);
ATTACH_CASE(ip_prio_max_minus_1, NFPROTO_IPV4, 0, INT_MAX - 1, 0, 0);
ATTACH_CASE(ip6_prio_max_minus_1, NFPROTO_IPV6, 0, INT_MAX - 1, 0, 0);
ATTACH_CASE(ip_prio_of_defrag_without_it, NFPROTO_IPV4, 0, -400, 0, 0);
ATTACH_CASE(ip6_prio_of_defrag_without_it, NFPROTO_IPV6, 0, -400, 0, 0);

ATTACH_CASE(ip_defrag, NFPROTO_IPV4, NF_INET_FORWARD, 0, DEFRAG, 0);
ATTACH_CASE(ip6_defrag, NFPROTO_IPV6, NF_INET_FORWARD, 0, DEFRAG, 0);
ATTACH_CASE(inet_defrag, NFPROTO_INET, NF_INET_FORWARD, 0, DEFRAG, 0);
ATTACH_CASE(ip_defrag_before, NFPROTO_IPV4, 0, -401, DEFRAG, -ERANGE);
ATTACH_CASE(ip_defrag_same, NFPROTO_IPV4, 0, -400, DEFRAG, -ERANGE);
ATTACH_CASE(ip_defrag_after, NFPROTO_IPV4, 0, -399, DEFRAG, 0);
ATTACH_CASE(ip6_defrag_same, NFPROTO_IPV6, 0, -400, DEFRAG, -ERANGE);
ATTACH_CASE(ip6_defrag_after, NFPROTO_IPV6, 0, -399, DEFRAG, 0);
ATTACH_CASE(inet_defrag_same, NFPROTO_INET, 0, -400, DEFRAG, -ERANGE);
ATTACH_CASE(inet_defrag_after, NFPROTO_INET, 0, -399, DEFRAG, 0);

ATTACH_CASE(ip_strict, NFPROTO_IPV4, NF_INET_FORWARD, 0, DEFRAG | STRICT, 0);
ATTACH_CASE(ip6_strict, NFPROTO_IPV6, NF_INET_FORWARD, 0, DEFRAG | STRICT, 0);
ATTACH_CASE(inet_strict, NFPROTO_INET, NF_INET_FORWARD, 0, DEFRAG | STRICT, 0);
ATTACH_CASE(ip_strict_alone, NFPROTO_IPV4, NF_INET_FORWARD, 0, STRICT, -EINVAL);
ATTACH_CASE(ip6_strict_alone, NFPROTO_IPV6, NF_INET_FORWARD, 0, STRICT, -EINVAL);
ATTACH_CASE(inet_strict_alone, NFPROTO_INET, NF_INET_FORWARD, 0, STRICT, -EINVAL);
ATTACH_CASE(ip_strict_same, NFPROTO_IPV4, 0, -400, DEFRAG | STRICT, -ERANGE);
ATTACH_CASE(ip6_strict_after, NFPROTO_IPV6, 0, -399, DEFRAG | STRICT, 0);

ATTACH_CASE(ip_track, NFPROTO_IPV4, NF_INET_FORWARD, 0, TRACK, 0);
ATTACH_CASE(ip6_track, NFPROTO_IPV6, NF_INET_PRE_ROUTING, 0, TRACK, 0);
ATTACH_CASE(inet_track, NFPROTO_INET, NF_INET_LOCAL_OUT, 0, TRACK, 0);
ATTACH_CASE(inet_track_before_defrag, NFPROTO_INET, 0, -450, TRACK, 0);
ATTACH_CASE(inet_track_and_defrag, NFPROTO_INET, 0, 0, TRACK | DEFRAG, -EINVAL);
ATTACH_CASE(inet_track_and_strict, NFPROTO_INET, 0, 0, TRACK | STRICT, -EINVAL);
ATTACH_CASE(inet_track_and_both, NFPROTO_INET, 0, 0, TRACK | DEFRAG | STRICT, -EINVAL);

ATTACH_CASE(flag_unknown_with_strict, NFPROTO_IPV4, 0, 0, DEFRAG | STRICT | 1U << 31,
	    -EOPNOTSUPP);

FIXTURE_SETUP(attach)
{
	ASSERT_EQ(0, nf_netns_new());
	self->prog_fd = nf_load_verdict(NF_ACCEPT);
	ASSERT_LE(0, self->prog_fd);
}

FIXTURE_TEARDOWN(attach)
{
	close(self->prog_fd);
}

TEST_F(attach, expect)
{
	const struct nf_key good = { .pf = NFPROTO_IPV4, .priority = 77 };
	int expected = variant->expected;
	int fd;

	if (!expected && nf_without_defrag(&variant->key))
		expected = -EAFNOSUPPORT;
	if (variant->key.pf == NFPROTO_INET && !nf_has_inet(self->prog_fd))
		NF_LACKS(return, "pf NFPROTO_INET");

	fd = nf_link(self->prog_fd, &variant->key);
	if (fd == -EOPNOTSUPP && expected != fd && variant->key.flags & (STRICT | TRACK))
		NF_LACKS(return, "strict or track");
	if (!expected) {
		ASSERT_LE(0, fd);
		close(fd);
		return;
	}
	ASSERT_EQ(expected, fd);

	/* The key caused the refusal: the program can be attached with another key. */
	fd = nf_link(self->prog_fd, &good);
	ASSERT_LE(0, fd);
	close(fd);
}

FIXTURE(attach_attr)
{
	int prog_fd;
};

FIXTURE_SETUP(attach_attr)
{
	ASSERT_EQ(0, nf_netns_new());
	self->prog_fd = nf_load_verdict(NF_ACCEPT);
	ASSERT_LE(0, self->prog_fd);
}

FIXTURE_TEARDOWN(attach_attr)
{
	close(self->prog_fd);
}

static int link_create_attr(union bpf_attr *attr, size_t size)
{
	int fd = syscall(__NR_bpf, BPF_LINK_CREATE, attr, size);

	return fd < 0 ? -errno : fd;
}

TEST_F(attach_attr, link_create_flags_are_refused)
{
	union bpf_attr attr = {
		.link_create.prog_fd = self->prog_fd,
		.link_create.attach_type = BPF_NETFILTER,
		.link_create.netfilter.pf = NFPROTO_IPV4,
	};
	int bit, fd;

	for (bit = 0; bit < 32; bit++) {
		attr.link_create.flags = 1U << bit;
		EXPECT_EQ(-EINVAL, link_create_attr(&attr, sizeof(attr)))
			TH_LOG("bit %d", bit);
	}
	attr.link_create.flags = 0;
	fd = link_create_attr(&attr, sizeof(attr));
	ASSERT_LE(0, fd);
	close(fd);
}

TEST_F(attach_attr, bytes_behind_the_fields_are_refused)
{
	size_t end = offsetof(union bpf_attr, link_create.netfilter.flags) +
		     sizeof(__u32);
	union bpf_attr attr = {
		.link_create.prog_fd = self->prog_fd,
		.link_create.attach_type = BPF_NETFILTER,
		.link_create.netfilter.pf = NFPROTO_IPV4,
	};
	int fd, err;

	/* The error is -E2BIG if these bytes are behind the kernel's bpf_attr. */
	((char *)&attr)[sizeof(attr) - 1] = 1;
	err = link_create_attr(&attr, sizeof(attr));
	EXPECT_TRUE(err == -EINVAL || err == -E2BIG)
		TH_LOG("%d", err);
	fd = link_create_attr(&attr, end);
	ASSERT_LE(0, fd);
	close(fd);
}

/* The bytes between the last field of this link and the end of link_create. A caller that
 * knows a later kernel may set them, and the kernel must not ignore that.
 */
TEST_F(attach_attr, bytes_of_other_links_are_refused)
{
	/* From link_create.netfilter.reserved to the end of link_create of Linux 6.12 */
	enum { FIRST = 36, COOKIE = 40, BEHIND = 48, END = 60 };
	union bpf_attr attr = {
		.link_create.prog_fd = self->prog_fd,
		.link_create.attach_type = BPF_NETFILTER,
		.link_create.netfilter.pf = NFPROTO_IPV4,
	};
	int fd, i;

	if (!nf_patched())
		NF_LACKS(return, "a look at all of link_create");
	for (i = FIRST; i < END; i++) {
		if (i >= COOKIE && i < BEHIND)
			continue;
		((char *)&attr)[i] = 1;
		EXPECT_EQ(-EINVAL, link_create_attr(&attr, sizeof(attr)))
			TH_LOG("byte %d", i);
		((char *)&attr)[i] = 0;
	}
	fd = link_create_attr(&attr, sizeof(attr));
	ASSERT_LE(0, fd);
	close(fd);
}

/* relative_fd must be 0 without a flag for a place. */
TEST_F(attach_attr, relative_without_a_place)
{
	const struct nf_key key = { .pf = NFPROTO_IPV4 };
	int fd = nf_link_at(self->prog_fd, &key, 0, 1);

	/* Mainline has no relative_fd. */
	if (fd >= 0)
		NF_LACKS(return, "places relative to another program");
	EXPECT_EQ(-EINVAL, fd);
	fd = nf_link_at(self->prog_fd, &key, 0, 0);
	ASSERT_LE(0, fd);
	close(fd);
}

TEST_F(attach_attr, wrong_attach_type)
{
	static const enum bpf_attach_type types[] = {
		BPF_CGROUP_INET_INGRESS, BPF_XDP, BPF_TRACE_ITER,
		BPF_STRUCT_OPS, __MAX_BPF_ATTACH_TYPE,
	};
	const struct nf_key key = { .pf = NFPROTO_IPV4 };
	union bpf_attr attr = {
		.link_create.prog_fd = self->prog_fd,
		.link_create.netfilter.pf = NFPROTO_IPV4,
	};
	size_t i;
	int fd;

	for (i = 0; i < ARRAY_SIZE(types); i++) {
		attr.link_create.attach_type = types[i];
		fd = link_create_attr(&attr, sizeof(attr));
		EXPECT_GT(0, fd)
			TH_LOG("attach type %d attached", types[i]);
	}
	fd = nf_link(self->prog_fd, &key);
	ASSERT_LE(0, fd);
	close(fd);
}

TEST_F(attach_attr, program_of_another_type)
{
	const struct nf_key key = { .pf = NFPROTO_IPV4 };
	int fd = nf_load_return(BPF_PROG_TYPE_SOCKET_FILTER, 0, 1);

	ASSERT_LE(0, fd);
	EXPECT_EQ(-EINVAL, nf_link(fd, &key));
	close(fd);
	fd = nf_link(self->prog_fd, &key);
	ASSERT_LE(0, fd);
	close(fd);
}

TEST_F(attach_attr, fd_which_is_no_program)
{
	const struct nf_key key = { .pf = NFPROTO_IPV4 };
	int pipes[2];

	ASSERT_EQ(0, pipe(pipes));
	EXPECT_EQ(-EINVAL, nf_link(pipes[0], &key));
	close(pipes[0]);
	close(pipes[1]);
	EXPECT_EQ(-EBADF, nf_link(pipes[0], &key));
}

TEST_F(attach_attr, no_prog_attach_without_link)
{
	LIBBPF_OPTS(bpf_prog_attach_opts, opts);
	int err = bpf_prog_attach_opts(self->prog_fd, 0, BPF_NETFILTER, &opts);

	EXPECT_EQ(-EINVAL, err);
}

FIXTURE(load_type)
{
};

FIXTURE_VARIANT(load_type)
{
	enum bpf_attach_type expected_attach_type;
	int expected;
};

FIXTURE_VARIANT_ADD(load_type, netfilter)
{
	.expected_attach_type = BPF_NETFILTER,
};

FIXTURE_VARIANT_ADD(load_type, zero)
{
	.expected_attach_type = 0,
	.expected = -EINVAL,
};

/* On 6.1 this is the first free number, but BPF_NETFILTER has mainline's number. */
FIXTURE_VARIANT_ADD(load_type, struct_ops)
{
	.expected_attach_type = BPF_STRUCT_OPS,
	.expected = -EINVAL,
};

FIXTURE_VARIANT_ADD(load_type, xdp)
{
	.expected_attach_type = BPF_XDP,
	.expected = -EINVAL,
};

FIXTURE_VARIANT_ADD(load_type, max)
{
	.expected_attach_type = UINT_MAX,
	.expected = -EINVAL,
};

FIXTURE_SETUP(load_type)
{
}

FIXTURE_TEARDOWN(load_type)
{
}

TEST_F(load_type, expected_attach_type)
{
	const struct bpf_insn insns[] = {
		BPF_MOV64_IMM(BPF_REG_0, NF_ACCEPT),
		BPF_EXIT_INSN(),
	};
	const struct nf_load load = {
		.type = BPF_PROG_TYPE_NETFILTER,
		.expected_attach_type = variant->expected_attach_type,
		.license = "GPL",
		.insns = insns,
		.insn_cnt = ARRAY_SIZE(insns),
	};
	int fd = nf_load(&load);

	if (variant->expected) {
		ASSERT_EQ(variant->expected, fd);
	} else {
		ASSERT_LE(0, fd);
		close(fd);
	}
}

TEST(abi_numbers)
{
	/* Mainline's numbers: a binary that was built with mainline's headers must run here. */
	EXPECT_EQ(32, BPF_PROG_TYPE_NETFILTER);
	EXPECT_EQ(45, BPF_NETFILTER);
	EXPECT_EQ(10, BPF_LINK_TYPE_NETFILTER);
	EXPECT_EQ(1, BPF_F_NETFILTER_IP_DEFRAG);
}

/* A failed attach gives back the hook and the reference on reassembly. */
TEST(no_file_descriptor_left)
{
	const struct nf_key key = {
		.pf = NFPROTO_IPV4,
		.hooknum = NF_INET_FORWARD,
		.flags = DEFRAG,
	};
	struct rlimit limit, none;
	int prog_fd, link_fd, used;

	ASSERT_EQ(0, nf_netns_new());
	prog_fd = nf_load_verdict(NF_ACCEPT);
	ASSERT_LE(0, prog_fd);
	ASSERT_EQ(0, getrlimit(RLIMIT_NOFILE, &limit));
	/* This attach loads the modules, and returns the lowest free fd. */
	link_fd = nf_link(prog_fd, &key);
	ASSERT_LE(0, link_fd);
	if (nf_count_hooks() != 1)
		NF_LACKS(return, "CONFIG_NETFILTER_NETLINK_HOOK");
	close(link_fd);
	used = nf_module_references("nf_defrag_ipv4");
	none = (struct rlimit) { link_fd, limit.rlim_max };

	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &none));
	link_fd = nf_link(prog_fd, &key);
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &limit));
	EXPECT_EQ(-EMFILE, link_fd);
	EXPECT_EQ(0, nf_count_hooks());
	EXPECT_EQ(used, nf_module_references("nf_defrag_ipv4"));
	link_fd = nf_link(prog_fd, &key);
	EXPECT_LE(0, link_fd);
	EXPECT_EQ(1, nf_count_hooks());
	close(link_fd);
	close(prog_fd);
}

TEST_HARNESS_MAIN
