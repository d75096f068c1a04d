// SPDX-License-Identifier: GPL-2.0
/* libbpf on this kernel: probes and bpf_program__attach_netfilter(). */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "kselftest_harness.h"
#include "helpers/nf_test.h"
#include "progs/count.skel.h"

static int silent(enum libbpf_print_level level, const char *format, va_list args)
{
	return 0;
}

FIXTURE(api)
{
	struct count *skel;
};

FIXTURE_SETUP(api)
{
	ASSERT_EQ(0, nf_netns_new());
	ASSERT_EQ(0, nf_netns_loopback_up());
	libbpf_set_print(silent);
	self->skel = count__open_and_load();
	ASSERT_NE(NULL, self->skel);
}

FIXTURE_TEARDOWN(api)
{
	count__destroy(self->skel);
}

/* Attach the first program at LOCAL_OUT of IPv4. */
static struct bpf_link *attach_first(struct count *skel)
{
	LIBBPF_OPTS(bpf_netfilter_opts, opts,
		    .pf = NFPROTO_IPV4,
		    .hooknum = NF_INET_LOCAL_OUT);

	return bpf_program__attach_netfilter(skel->progs.first, &opts);
}

/* The failed call has attached nothing, and the program can still be attached. */
#define EXPECT_ATTACHES_NOW(skel) do {					\
	struct bpf_link *_link;						\
									\
	ASSERT_EQ(0, nf_send_loopback(1));				\
	EXPECT_EQ(0, (skel)->bss->first_packets);			\
	_link = attach_first(skel);					\
	ASSERT_NE(NULL, _link);						\
	ASSERT_EQ(0, nf_send_loopback(1));				\
	EXPECT_EQ(1, (skel)->bss->first_packets);			\
	bpf_link__destroy(_link);					\
} while (0)

TEST(probe_program_type)
{
	EXPECT_EQ(1, libbpf_probe_bpf_prog_type(BPF_PROG_TYPE_NETFILTER, NULL));
}

TEST(probe_helper)
{
	EXPECT_EQ(1, libbpf_probe_bpf_helper(BPF_PROG_TYPE_NETFILTER,
					     BPF_FUNC_map_lookup_elem, NULL));
	EXPECT_EQ(0, libbpf_probe_bpf_helper(BPF_PROG_TYPE_NETFILTER,
					     BPF_FUNC_redirect, NULL));
}

TEST(names)
{
	enum bpf_prog_type type;
	enum bpf_attach_type attach_type;

	EXPECT_STREQ("netfilter", libbpf_bpf_prog_type_str(BPF_PROG_TYPE_NETFILTER));
	EXPECT_STREQ("netfilter", libbpf_bpf_attach_type_str(BPF_NETFILTER));
	EXPECT_STREQ("netfilter", libbpf_bpf_link_type_str(BPF_LINK_TYPE_NETFILTER));
	ASSERT_EQ(0, libbpf_prog_type_by_name("netfilter", &type, &attach_type));
	EXPECT_EQ(BPF_PROG_TYPE_NETFILTER, type);
	EXPECT_EQ(BPF_NETFILTER, attach_type);
}

TEST_F(api, attach)
{
	LIBBPF_OPTS(bpf_netfilter_opts, opts,
		    .pf = NFPROTO_IPV4,
		    .hooknum = NF_INET_LOCAL_OUT,
		    .priority = -7,
		    .flags = BPF_F_NETFILTER_IP_DEFRAG);
	struct bpf_link_info info;
	struct bpf_link *link;

	link = bpf_program__attach_netfilter(self->skel->progs.first, &opts);
	ASSERT_NE(NULL, link);
	ASSERT_EQ(0, nf_link_info(bpf_link__fd(link), &info));
	EXPECT_EQ(NFPROTO_IPV4, info.netfilter.pf);
	EXPECT_EQ(NF_INET_LOCAL_OUT, info.netfilter.hooknum);
	EXPECT_EQ(-7, info.netfilter.priority);
	EXPECT_EQ(BPF_F_NETFILTER_IP_DEFRAG, info.netfilter.flags);

	ASSERT_EQ(0, nf_send_loopback(1));
	EXPECT_EQ(1, self->skel->bss->first_packets);
	EXPECT_EQ(0, bpf_link__destroy(link));
	ASSERT_EQ(0, nf_send_loopback(1));
	EXPECT_EQ(1, self->skel->bss->first_packets);
}

TEST_F(api, update_program)
{
	struct bpf_link *link;

	if (!nf_has_update(bpf_program__fd(self->skel->progs.first)))
		NF_LACKS(return, "BPF_LINK_UPDATE");
	link = attach_first(self->skel);
	ASSERT_NE(NULL, link);
	EXPECT_EQ(0, bpf_link__update_program(link, self->skel->progs.second));
	ASSERT_EQ(0, nf_send_loopback(1));
	EXPECT_EQ(0, self->skel->bss->first_packets);
	EXPECT_EQ(1, self->skel->bss->second_packets);
	bpf_link__destroy(link);
}

TEST_F(api, update_program_of_another_type)
{
	struct bpf_program *other;
	struct bpf_object *object;
	struct bpf_link *link;

	if (!nf_has_update(bpf_program__fd(self->skel->progs.first)))
		NF_LACKS(return, "BPF_LINK_UPDATE");
	object = bpf_object__open_mem(self->skel->skeleton->data,
				      self->skel->skeleton->data_sz, NULL);
	ASSERT_NE(NULL, object);
	other = bpf_object__find_program_by_name(object, "second");
	ASSERT_NE(NULL, other);
	ASSERT_EQ(0, bpf_program__set_type(other, BPF_PROG_TYPE_SOCKET_FILTER));
	ASSERT_EQ(0, bpf_program__set_expected_attach_type(other, 0));
	ASSERT_EQ(0, bpf_object__load(object));

	link = attach_first(self->skel);
	ASSERT_NE(NULL, link);
	EXPECT_EQ(-EINVAL, bpf_link__update_program(link, other));
	ASSERT_EQ(0, nf_send_loopback(1));
	EXPECT_EQ(1, self->skel->bss->first_packets);
	EXPECT_EQ(0, bpf_link__update_program(link, self->skel->progs.second));
	ASSERT_EQ(0, nf_send_loopback(1));
	EXPECT_EQ(1, self->skel->bss->first_packets);
	EXPECT_EQ(1, self->skel->bss->second_packets);
	bpf_link__destroy(link);
	bpf_object__close(object);
}

TEST_F(api, update_program_of_a_detached_link)
{
	struct bpf_link *link;

	if (!nf_has_update(bpf_program__fd(self->skel->progs.first)))
		NF_LACKS(return, "BPF_LINK_UPDATE");
	link = attach_first(self->skel);
	ASSERT_NE(NULL, link);
	ASSERT_EQ(0, nf_send_loopback(1));
	ASSERT_EQ(0, bpf_link__detach(link));
	EXPECT_EQ(-ENOLINK, bpf_link__update_program(link, self->skel->progs.second));
	ASSERT_EQ(0, nf_send_loopback(1));
	EXPECT_EQ(1, self->skel->bss->first_packets);
	EXPECT_EQ(0, self->skel->bss->second_packets);
	bpf_link__destroy(link);
}

FIXTURE(api_place)
{
	const char *lacks;
	struct count *skel;
	struct bpf_link *anchor;
};

FIXTURE_SETUP(api_place)
{
	LIBBPF_OPTS(bpf_netfilter_opts, opts,
		    .pf = NFPROTO_IPV4,
		    .hooknum = NF_INET_LOCAL_OUT,
		    .priority = 10);
	const struct nf_key key = { .pf = NFPROTO_IPV4 };
	int prog_fd;

	ASSERT_EQ(0, nf_netns_new());
	ASSERT_EQ(0, nf_netns_loopback_up());
	libbpf_set_print(silent);
	self->skel = count__open_and_load();
	ASSERT_NE(NULL, self->skel);
	self->anchor = bpf_program__attach_netfilter(self->skel->progs.first, &opts);
	ASSERT_NE(NULL, self->anchor);
	prog_fd = bpf_program__fd(self->skel->progs.first);
	if (nf_link_at(prog_fd, &key, BPF_F_BEFORE, prog_fd) == -EINVAL)
		self->lacks = "places relative to another program";
}

FIXTURE_TEARDOWN(api_place)
{
	bpf_link__destroy(self->anchor);
	count__destroy(self->skel);
}

/* Attach the program that drops next to the one that is there. */
#define ATTACH_NEXT_TO(_flags, _relative) ({				\
	LIBBPF_OPTS(bpf_netfilter_opts, _opts,				\
		.pf = NFPROTO_IPV4,					\
		.hooknum = NF_INET_LOCAL_OUT,				\
		.link_flags = _flags,					\
		.relative_fd = _relative);				\
									\
	bpf_program__attach_netfilter(self->skel->progs.dropping, &_opts); \
})

NF_TEST_F(api_place, before_a_link)
{
	struct bpf_link_info info;
	struct bpf_link *link;

	link = ATTACH_NEXT_TO(BPF_F_BEFORE | BPF_F_LINK,
			      bpf_link__fd(self->anchor));
	ASSERT_NE(NULL, link);
	ASSERT_EQ(0, nf_link_info(bpf_link__fd(link), &info));
	EXPECT_EQ(9, info.netfilter.priority);
	ASSERT_EQ(-EPERM, nf_send_loopback(1));
	EXPECT_EQ(1, self->skel->bss->dropping_packets);
	EXPECT_EQ(0, self->skel->bss->first_packets);
	bpf_link__destroy(link);
}

NF_TEST_F(api_place, after_a_program)
{
	struct bpf_link_info info;
	struct bpf_link *link;

	link = ATTACH_NEXT_TO(BPF_F_AFTER,
			      bpf_program__fd(self->skel->progs.first));
	ASSERT_NE(NULL, link);
	ASSERT_EQ(0, nf_link_info(bpf_link__fd(link), &info));
	EXPECT_EQ(11, info.netfilter.priority);
	ASSERT_EQ(-EPERM, nf_send_loopback(1));
	EXPECT_EQ(1, self->skel->bss->dropping_packets);
	EXPECT_EQ(1, self->skel->bss->first_packets);
	bpf_link__destroy(link);
}

/* The kernel refuses the field, so libbpf has passed it on. */
NF_TEST_F(api_place, next_to_nothing)
{
	struct bpf_link *link;

	EXPECT_EQ(NULL, ATTACH_NEXT_TO(0, bpf_link__fd(self->anchor)));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(NULL, ATTACH_NEXT_TO(BPF_F_BEFORE | BPF_F_LINK, 1 << 20));
	EXPECT_EQ(EBADF, errno);
	ASSERT_EQ(0, nf_send_loopback(1));
	EXPECT_EQ(1, self->skel->bss->first_packets);
	link = ATTACH_NEXT_TO(BPF_F_BEFORE | BPF_F_LINK,
			      bpf_link__fd(self->anchor));
	EXPECT_NE(NULL, link);
	EXPECT_EQ(-EPERM, nf_send_loopback(1));
	bpf_link__destroy(link);
}

NF_TEST_F(api_place, before_a_link_by_id)
{
	LIBBPF_OPTS(bpf_netfilter_opts, opts,
		    .pf = NFPROTO_IPV4,
		    .hooknum = NF_INET_LOCAL_OUT,
		    .link_flags = BPF_F_BEFORE | BPF_F_LINK);
	struct bpf_link_info info;
	struct bpf_link *link;

	ASSERT_EQ(0, nf_link_info(bpf_link__fd(self->anchor), &info));
	opts.relative_id = info.id;
	link = bpf_program__attach_netfilter(self->skel->progs.dropping, &opts);
	ASSERT_NE(NULL, link);
	ASSERT_EQ(0, nf_link_info(bpf_link__fd(link), &info));
	EXPECT_EQ(9, info.netfilter.priority);
	bpf_link__destroy(link);

	/* With an id and an fd it is not clear which of the two is meant. */
	opts.relative_fd = bpf_link__fd(self->anchor);
	EXPECT_EQ(NULL, bpf_program__attach_netfilter(self->skel->progs.dropping, &opts));
	EXPECT_EQ(EINVAL, errno);
}

/* The caller was built with a libbpf whose options did not have the field yet. libbpf must
 * not read behind their end.
 */
NF_TEST_F(api_place, shorter_options)
{
	struct bpf_netfilter_opts opts = {
		.sz = offsetof(struct bpf_netfilter_opts, relative_fd),
		.pf = NFPROTO_IPV4,
		.hooknum = NF_INET_LOCAL_OUT,
		.relative_fd = 1 << 20,
	};
	struct bpf_link *link;

	link = bpf_program__attach_netfilter(self->skel->progs.dropping, &opts);
	ASSERT_NE(NULL, link);
	bpf_link__destroy(link);
}

#define EXPECT_ATTACH_ERROR(error, prog, opts) do {			\
	struct bpf_link *link = bpf_program__attach_netfilter(prog, opts); \
									\
	EXPECT_EQ(NULL, link);						\
	EXPECT_EQ(error, errno);					\
	if (link)							\
		bpf_link__destroy(link);				\
} while (0)

TEST_F(api, no_options)
{
	/* A link cannot have pf 0. */
	EXPECT_ATTACH_ERROR(EAFNOSUPPORT, self->skel->progs.first, NULL);
	EXPECT_ATTACHES_NOW(self->skel);
}

TEST_F(api, kernel_error_comes_through)
{
	LIBBPF_OPTS(bpf_netfilter_opts, opts,
		    .pf = NFPROTO_IPV4,
		    .hooknum = 42);

	EXPECT_ATTACH_ERROR(EPROTO, self->skel->progs.first, &opts);
	EXPECT_ATTACHES_NOW(self->skel);
}

TEST_F(api, options_of_a_newer_libbpf)
{
	struct {
		struct bpf_netfilter_opts known;
		__u64 newer;
	} opts = {
		.known.sz = sizeof(opts),
		.known.pf = NFPROTO_IPV4,
		.newer = 1,
	};

	EXPECT_ATTACH_ERROR(EINVAL, self->skel->progs.first,
			    (struct bpf_netfilter_opts *)&opts);
	EXPECT_ATTACHES_NOW(self->skel);
}

TEST_F(api, options_without_size)
{
	struct bpf_netfilter_opts opts = { .pf = NFPROTO_IPV4 };

	EXPECT_ATTACH_ERROR(EINVAL, self->skel->progs.first, &opts);
	EXPECT_ATTACHES_NOW(self->skel);
}

TEST_F(api, program_not_loaded)
{
	LIBBPF_OPTS(bpf_netfilter_opts, opts, .pf = NFPROTO_IPV4);
	struct count *skel = count__open();

	ASSERT_NE(NULL, skel);
	EXPECT_ATTACH_ERROR(EINVAL, skel->progs.first, &opts);
	ASSERT_EQ(0, count__load(skel));
	EXPECT_ATTACHES_NOW(skel);
	count__destroy(skel);
}

/* SEC("netfilter") names no hook, so libbpf cannot attach the program. */
TEST_F(api, bare_section_does_not_attach_itself)
{
	struct bpf_link *link = bpf_program__attach(self->skel->progs.first);

	EXPECT_EQ(NULL, link);
	EXPECT_EQ(EOPNOTSUPP, errno);
	EXPECT_ATTACHES_NOW(self->skel);
}

TEST_F(api, skeleton_with_bare_sections)
{
	EXPECT_EQ(0, count__attach(self->skel));
	EXPECT_EQ(NULL, self->skel->links.first);
	EXPECT_ATTACHES_NOW(self->skel);
}

TEST_HARNESS_MAIN
