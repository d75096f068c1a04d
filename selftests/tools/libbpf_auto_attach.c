// SPDX-License-Identifier: GPL-2.0
/* libbpf attaches programs in
 * SEC("netfilter/FAMILY/HOOK[/PRIORITY][/defrag|/strict|/track]").
 */
#include <limits.h>
#include <stdarg.h>

#include <linux/bpf_nf.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "kselftest_harness.h"
#include "helpers/nf_test.h"
#include "progs/auto_attach.skel.h"

static char libbpf_said[16384];

static int remember(enum libbpf_print_level level, const char *format, va_list args)
{
	size_t used = strlen(libbpf_said);

	if (level == LIBBPF_WARN)
		vsnprintf(libbpf_said + used, sizeof(libbpf_said) - used, format, args);
	return 0;
}

static struct auto_attach *open_with(const char *name, struct bpf_program **prog)
{
	struct auto_attach *skel = auto_attach__open();

	if (!skel)
		return NULL;
	*prog = bpf_object__find_program_by_name(skel->obj, name);
	if (!*prog || bpf_program__set_autoload(*prog, true) ||
	    auto_attach__load(skel)) {
		auto_attach__destroy(skel);
		return NULL;
	}
	return skel;
}

FIXTURE(good)
{
	const char *lacks;
	struct auto_attach *skel;
	struct bpf_program *prog;
};

FIXTURE_VARIANT(good)
{
	const char *prog;
	struct nf_key key;
};

#define GOOD_CASE(name, _pf, hook, prio, _flags)			\
	FIXTURE_VARIANT_ADD(good, name)					\
	{								\
		.prog = #name,						\
		.key = {						\
			.pf = _pf,					\
			.hooknum = hook,				\
			.priority = prio,				\
			.flags = _flags,				\
		},							\
	}

#define DEFRAG BPF_F_NETFILTER_IP_DEFRAG
#define STRICT BPF_F_NETFILTER_DEFRAG_STRICT

GOOD_CASE(ip_prerouting, NFPROTO_IPV4, NF_INET_PRE_ROUTING, 0, 0);
GOOD_CASE(ip_input, NFPROTO_IPV4, NF_INET_LOCAL_IN, 0, 0);
GOOD_CASE(ip_forward, NFPROTO_IPV4, NF_INET_FORWARD, 0, 0);
GOOD_CASE(ip_output, NFPROTO_IPV4, NF_INET_LOCAL_OUT, 0, 0);
GOOD_CASE(ip_postrouting, NFPROTO_IPV4, NF_INET_POST_ROUTING, 0, 0);
GOOD_CASE(ip6_forward, NFPROTO_IPV6, NF_INET_FORWARD, 0, 0);
GOOD_CASE(inet_forward, NFPROTO_INET, NF_INET_FORWARD, 0, 0);
GOOD_CASE(raw, NFPROTO_IPV4, NF_INET_LOCAL_OUT, -300, 0);
GOOD_CASE(mangle, NFPROTO_IPV4, NF_INET_LOCAL_OUT, -150, 0);
GOOD_CASE(dstnat, NFPROTO_IPV4, NF_INET_LOCAL_OUT, -100, 0);
GOOD_CASE(filter, NFPROTO_IPV4, NF_INET_LOCAL_OUT, 0, 0);
GOOD_CASE(security, NFPROTO_IPV4, NF_INET_LOCAL_OUT, 50, 0);
GOOD_CASE(srcnat, NFPROTO_IPV4, NF_INET_LOCAL_OUT, 100, 0);
GOOD_CASE(number, NFPROTO_IPV4, NF_INET_LOCAL_OUT, 42, 0);
GOOD_CASE(negative, NFPROTO_IPV4, NF_INET_LOCAL_OUT, -42, 0);
GOOD_CASE(plus_number, NFPROTO_IPV4, NF_INET_LOCAL_OUT, 42, 0);
GOOD_CASE(lowest, NFPROTO_IPV4, NF_INET_LOCAL_OUT, INT_MIN + 1, 0);
GOOD_CASE(highest, NFPROTO_IPV4, NF_INET_LOCAL_OUT, INT_MAX - 1, 0);
GOOD_CASE(name_plus, NFPROTO_IPV4, NF_INET_LOCAL_OUT, 10, 0);
GOOD_CASE(name_minus, NFPROTO_IPV4, NF_INET_LOCAL_OUT, -151, 0);
GOOD_CASE(ip_defrag, NFPROTO_IPV4, NF_INET_FORWARD, 0, DEFRAG);
GOOD_CASE(ip6_defrag, NFPROTO_IPV6, NF_INET_FORWARD, -399, DEFRAG);
GOOD_CASE(inet_defrag, NFPROTO_INET, NF_INET_FORWARD, 0, DEFRAG);
GOOD_CASE(inet_strict, NFPROTO_INET, NF_INET_FORWARD, 0, DEFRAG | STRICT);
GOOD_CASE(defrag_only, NFPROTO_IPV4, NF_INET_FORWARD, 0, DEFRAG);
GOOD_CASE(strict_only, NFPROTO_INET, NF_INET_FORWARD, 0, DEFRAG | STRICT);
GOOD_CASE(track_only, NFPROTO_INET, NF_INET_FORWARD, 0, BPF_F_NETFILTER_FRAG_TRACK);
GOOD_CASE(inet_track, NFPROTO_INET, NF_INET_FORWARD, 10, BPF_F_NETFILTER_FRAG_TRACK);
GOOD_CASE(pre_routing, NFPROTO_IPV4, NF_INET_PRE_ROUTING, 0, 0);
GOOD_CASE(local_in, NFPROTO_IPV4, NF_INET_LOCAL_IN, -300, 0);
GOOD_CASE(local_out, NFPROTO_IPV4, NF_INET_LOCAL_OUT, 0, DEFRAG);
GOOD_CASE(post_routing, NFPROTO_IPV4, NF_INET_POST_ROUTING, 101, 0);

FIXTURE_SETUP(good)
{
	libbpf_set_print(remember);
	ASSERT_EQ(0, nf_netns_new());
	self->skel = open_with(variant->prog, &self->prog);
	ASSERT_NE(NULL, self->skel) {
		TH_LOG("%s", libbpf_said);
	}
	if (variant->key.pf == NFPROTO_INET &&
	    !nf_has_inet(bpf_program__fd(self->prog)))
		self->lacks = "pf NFPROTO_INET";
	else if (nf_without_defrag(&variant->key))
		self->lacks = "ipv6";
}

FIXTURE_TEARDOWN(good)
{
	auto_attach__destroy(self->skel);
}

NF_TEST_F(good, section)
{
	struct bpf_link *link = bpf_program__attach(self->prog);
	struct bpf_link_info info;

	ASSERT_NE(NULL, link) {
		TH_LOG("%s", libbpf_said);
	}
	ASSERT_EQ(0, nf_link_info(bpf_link__fd(link), &info));
	EXPECT_EQ(variant->key.pf, info.netfilter.pf);
	EXPECT_EQ(variant->key.hooknum, info.netfilter.hooknum);
	EXPECT_EQ(variant->key.priority, info.netfilter.priority);
	EXPECT_EQ(variant->key.flags, info.netfilter.flags);
	bpf_link__destroy(link);
}

FIXTURE(bad)
{
	struct auto_attach *skel;
	struct bpf_program *prog;
};

FIXTURE_VARIANT(bad)
{
	const char *prog;
	int error;
	const char *message;
};

#define BAD_CASE(name, _error, _message)				\
	FIXTURE_VARIANT_ADD(bad, name)					\
	{								\
		.prog = #name,						\
		.error = _error,					\
		.message = _message,					\
	}

BAD_CASE(no_family, EINVAL, "bad family ''");
BAD_CASE(bad_family, EINVAL, "bad family 'arp': expected inet, ip or ip6");
BAD_CASE(family_in_capitals, EINVAL, "bad family 'IP'");
BAD_CASE(no_hook, EINVAL,
	 "hook missing: expected prerouting, input, forward, output or postrouting");
BAD_CASE(empty_hook, EINVAL, "bad hook ''");
BAD_CASE(bad_hook, EINVAL, "bad hook 'ingress'");
BAD_CASE(hook_number, EINVAL, "bad hook '2'");
BAD_CASE(empty_priority, EINVAL, "bad priority ''");
BAD_CASE(bad_priority, EINVAL,
	 "bad priority 'last': expected raw, mangle, dstnat, filter, security or srcnat with an optional +NUM or -NUM, a number, or a flag");
BAD_CASE(hexadecimal_priority, EINVAL, "bad priority '0x10'");
BAD_CASE(half_an_offset, EINVAL, "bad priority 'filter+'");
BAD_CASE(two_offsets, EINVAL, "bad priority 'filter+1+1'");
BAD_CASE(name_in_part, EINVAL, "bad priority 'filt'");
BAD_CASE(huge_priority, EINVAL, "bad priority '99999999999'");
BAD_CASE(sum_too_large, EINVAL, "bad priority 'srcnat+2147483647'");
BAD_CASE(bad_flag, EINVAL, "bad flag 'reassemble': expected defrag, strict or track");
BAD_CASE(empty_flag, EINVAL, "bad flag ''");
BAD_CASE(more_behind_defrag, EINVAL, "bad flag 'defrag/x'");
BAD_CASE(more_behind_strict, EINVAL, "bad flag 'strict/x'");
BAD_CASE(priority_behind_defrag, EINVAL,
	 "bad flag 'defrag/filter': expected defrag, strict or track, at the end");
BAD_CASE(empty_behind_strict, EINVAL, "bad flag 'strict/'");
BAD_CASE(two_flags, EINVAL, "bad flag 'defrag/strict'");
BAD_CASE(alias_in_capitals, EINVAL, "bad hook 'LOCAL_IN'");
BAD_CASE(defrag_too_early, ERANGE, "-399");
BAD_CASE(priority_min, ERANGE, "failed to attach");

FIXTURE_SETUP(bad)
{
	libbpf_set_print(remember);
	ASSERT_EQ(0, nf_netns_new());
	self->skel = open_with(variant->prog, &self->prog);
	ASSERT_NE(NULL, self->skel) {
		TH_LOG("%s", libbpf_said);
	}
}

FIXTURE_TEARDOWN(bad)
{
	auto_attach__destroy(self->skel);
}

TEST_F(bad, section)
{
	struct bpf_link *link = bpf_program__attach(self->prog);

	ASSERT_EQ(NULL, link);
	EXPECT_EQ(variant->error, errno);
	EXPECT_NE(NULL, strstr(libbpf_said, variant->message)) {
		TH_LOG("no '%s' in: %s", variant->message, libbpf_said);
	}
	EXPECT_NE(NULL, strstr(libbpf_said, variant->prog)) {
		TH_LOG("the program is not named in: %s", libbpf_said);
	}
}

FIXTURE(skeleton)
{
	struct auto_attach *skel;
};

FIXTURE_SETUP(skeleton)
{
	libbpf_set_print(remember);
	ASSERT_EQ(0, nf_netns_new());
	ASSERT_EQ(0, nf_netns_loopback_up());
	self->skel = auto_attach__open();
	ASSERT_NE(NULL, self->skel);
	bpf_program__set_autoload(self->skel->progs.ip_output, true);
}

FIXTURE_TEARDOWN(skeleton)
{
	auto_attach__destroy(self->skel);
}

TEST_F(skeleton, attach_and_detach)
{
	bpf_program__set_autoload(self->skel->progs.ip_input, true);
	ASSERT_EQ(0, auto_attach__load(self->skel));
	ASSERT_EQ(0, auto_attach__attach(self->skel));
	EXPECT_NE(NULL, self->skel->links.ip_output);
	EXPECT_NE(NULL, self->skel->links.ip_input);
	ASSERT_EQ(0, nf_send_loopback(1));
	EXPECT_EQ(2, self->skel->bss->packets);

	auto_attach__detach(self->skel);
	ASSERT_EQ(0, nf_send_loopback(1));
	EXPECT_EQ(2, self->skel->bss->packets);
}

TEST_F(skeleton, autoattach_off)
{
	bpf_program__set_autoattach(self->skel->progs.ip_output, false);
	ASSERT_EQ(0, auto_attach__load(self->skel));
	ASSERT_EQ(0, auto_attach__attach(self->skel));
	EXPECT_EQ(NULL, self->skel->links.ip_output);
	ASSERT_EQ(0, nf_send_loopback(1));
	EXPECT_EQ(0, self->skel->bss->packets);
}

/* A program that is loaded but silently not attached would be a missing policy. */
TEST_F(skeleton, one_bad_section_fails_it)
{
	bpf_program__set_autoload(self->skel->progs.bad_hook, true);
	ASSERT_EQ(0, auto_attach__load(self->skel));
	EXPECT_EQ(-EINVAL, auto_attach__attach(self->skel));
}

TEST_F(skeleton, taken_place_fails_it)
{
	const struct nf_key key = {
		.pf = NFPROTO_IPV4,
		.hooknum = NF_INET_LOCAL_OUT,
	};
	int prog_fd = nf_load_verdict(NF_ACCEPT);
	int fd = nf_link(prog_fd, &key);

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, auto_attach__load(self->skel));
	EXPECT_EQ(-EBUSY, auto_attach__attach(self->skel));
	close(fd);
	close(prog_fd);
}

TEST_F(skeleton, bare_section_is_left_alone)
{
	bpf_program__set_autoload(self->skel->progs.bare, true);
	ASSERT_EQ(0, auto_attach__load(self->skel));
	ASSERT_EQ(0, auto_attach__attach(self->skel));
	EXPECT_EQ(NULL, self->skel->links.bare);
	EXPECT_NE(NULL, self->skel->links.ip_output);
}

TEST_HARNESS_MAIN
