// SPDX-License-Identifier: GPL-2.0
/* A place before or after another program, without knowing its priority. */
#include <fcntl.h>
#include <limits.h>
#include <sched.h>

#include <bpf/bpf.h>

#include "kselftest_harness.h"
#include "helpers/nf_test.h"
#include "helpers/nf_count.h"

#define DEFRAG	BPF_F_NETFILTER_IP_DEFRAG
#define STRICT	BPF_F_NETFILTER_DEFRAG_STRICT
#define BEFORE	BPF_F_BEFORE
#define AFTER	BPF_F_AFTER
#define LINK	BPF_F_LINK
#define ID	BPF_F_ID

#define IP	NFPROTO_IPV4
#define IP6	NFPROTO_IPV6
#define INET	NFPROTO_INET
#define IN	NF_INET_LOCAL_IN
#define OUT	NF_INET_LOCAL_OUT

enum { ANCHOR_PRIORITY = 100 };

static struct nf_key at(__u32 pf, __u32 hooknum, __s32 priority, __u32 flags)
{
	return (struct nf_key) {
		.pf = pf,
		.hooknum = hooknum,
		.priority = priority,
		.flags = flags,
	};
}

static __u32 link_id(int fd)
{
	struct bpf_link_info info;

	return nf_link_info(fd, &info) ? 0 : info.id;
}

/* Return: the fd or id of the link or program, as the flags in @place ask for */
static __u32 relative(__u32 place, int link_fd, int prog_fd)
{
	if (place & LINK)
		return place & ID ? link_id(link_fd) : link_fd;
	return place & ID ? nf_prog_id(prog_fd) : prog_fd;
}

static bool has_places(int prog_fd)
{
	const struct nf_key key = at(IP, IN, 0, 0);

	/* Mainline refuses all link_create.flags. */
	return nf_link_at(prog_fd, &key, BEFORE, prog_fd) != -EINVAL;
}

#define EXPECT_PRIORITY(expected, link_fd) do {				\
	struct bpf_link_info _info;					\
									\
	ASSERT_EQ(0, nf_link_info(link_fd, &_info));			\
	EXPECT_EQ(expected, _info.netfilter.priority);			\
} while (0)

FIXTURE(place)
{
	const char *lacks;
	struct nf_count count;
	int anchor;
};

FIXTURE_VARIANT(place)
{
	__u32 place;
};

#define PLACE_CASE(name, _place)					\
	FIXTURE_VARIANT_ADD(place, name)				\
	{								\
		.place = _place,					\
	}

PLACE_CASE(before_link_fd, BEFORE | LINK);
PLACE_CASE(before_link_id, BEFORE | LINK | ID);
PLACE_CASE(before_prog_fd, BEFORE);
PLACE_CASE(before_prog_id, BEFORE | ID);
PLACE_CASE(after_link_fd, AFTER | LINK);
PLACE_CASE(after_link_id, AFTER | LINK | ID);
PLACE_CASE(after_prog_fd, AFTER);
PLACE_CASE(after_prog_id, AFTER | ID);

FIXTURE_SETUP(place)
{
	const struct nf_key key = at(IP, OUT, ANCHOR_PRIORITY, 0);

	ASSERT_EQ(0, nf_count_setup(&self->count));
	self->anchor = nf_link(self->count.first, &key);
	ASSERT_LE(0, self->anchor);
	if (!has_places(self->count.first))
		self->lacks = "places relative to another program";
}

FIXTURE_TEARDOWN(place)
{
	close(self->anchor);
	nf_count_teardown(&self->count);
}

#define PLACE(prog_fd, _pf, _hook, _place) ({				\
	const struct nf_key _key = at(_pf, _hook, 0, 0);		\
									\
	nf_link_at(prog_fd, &_key, _place,				\
		   relative(_place, self->anchor, self->count.first));	\
})

/* The same call without the mistake succeeds, so the mistake caused the refusal. */
#define EXPECT_PLACED() do {						\
	int _fd = PLACE(self->count.second, IP, OUT, variant->place);	\
									\
	EXPECT_LE(0, _fd);						\
	close(_fd);							\
} while (0)

#define NEIGHBOUR(place) (ANCHOR_PRIORITY + ((place) & BEFORE ? -1 : 1))

NF_TEST_F(place, priority)
{
	struct bpf_link_info info;
	int fd = PLACE(self->count.second, IP, OUT, variant->place);

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, nf_link_info(fd, &info));
	EXPECT_EQ(NEIGHBOUR(variant->place), info.netfilter.priority);
	EXPECT_EQ(0, info.netfilter.flags);
	EXPECT_PRIORITY(ANCHOR_PRIORITY, self->anchor);
	close(fd);
}

NF_TEST_F(place, order_of_execution)
{
	int fd = PLACE(self->count.dropping, IP, OUT, variant->place);

	ASSERT_LE(0, fd);
	ASSERT_EQ(-EPERM, nf_send_loopback(1));
	EXPECT_EQ(1, self->count.skel->bss->dropping_packets);
	EXPECT_EQ(!(variant->place & BEFORE), self->count.skel->bss->first_packets);
	close(fd);

	ASSERT_EQ(0, nf_send_loopback(1));
	EXPECT_EQ(1, self->count.skel->bss->dropping_packets);
}

/* A link can be placed next to one that was placed in the same way. */
NF_TEST_F(place, in_a_row)
{
	const __u32 side = variant->place & (BEFORE | AFTER);
	const struct nf_key key = at(IP, OUT, 0, 0);
	int fd = PLACE(self->count.second, IP, OUT, variant->place), next;

	ASSERT_LE(0, fd);
	next = nf_link_at(self->count.dropping, &key, side | LINK, fd);
	ASSERT_LE(0, next);
	EXPECT_PRIORITY(ANCHOR_PRIORITY + 2 * (side == BEFORE ? -1 : 1), next);
	close(next);
	close(fd);
}

NF_TEST_F(place, taken)
{
	int fd = PLACE(self->count.second, IP, OUT, variant->place);

	ASSERT_LE(0, fd);
	EXPECT_EQ(-EBUSY, PLACE(self->count.dropping, IP, OUT, variant->place));
	close(fd);
	fd = PLACE(self->count.dropping, IP, OUT, variant->place);
	ASSERT_LE(0, fd);
	close(fd);
}

NF_TEST_F(place, inet_next_to_ip)
{
	int fd = PLACE(self->count.second, INET, OUT, variant->place);

	ASSERT_LE(0, fd);
	EXPECT_PRIORITY(NEIGHBOUR(variant->place), fd);
	close(fd);
}

NF_TEST_F(place, next_to_inet)
{
	const struct nf_key key = at(INET, OUT, ANCHOR_PRIORITY, 0);
	static const __u32 families[] = { IP, IP6, INET };
	size_t i;
	int fd;

	close(self->anchor);
	self->anchor = nf_link(self->count.first, &key);
	ASSERT_LE(0, self->anchor);
	for (i = 0; i < ARRAY_SIZE(families); i++) {
		fd = PLACE(self->count.second, families[i], OUT, variant->place);
		ASSERT_LE(0, fd) {
			TH_LOG("pf %u", families[i]);
		}
		EXPECT_PRIORITY(NEIGHBOUR(variant->place), fd);
		close(fd);
	}
}

NF_TEST_F(place, defrag_flags_are_kept)
{
	const struct nf_key key = at(IP, OUT, 0, DEFRAG | STRICT);
	struct bpf_link_info info;
	int fd;

	fd = nf_link_at(self->count.second, &key, variant->place,
			relative(variant->place, self->anchor, self->count.first));
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, nf_link_info(fd, &info));
	EXPECT_EQ(DEFRAG | STRICT, info.netfilter.flags);
	close(fd);
}

/* The new link stays where it is when the other link is detached. */
NF_TEST_F(place, anchor_goes)
{
	int fd = PLACE(self->count.second, IP, OUT, variant->place);

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, bpf_link_detach(self->anchor));
	EXPECT_PRIORITY(NEIGHBOUR(variant->place), fd);
	ASSERT_EQ(0, nf_send_loopback(1));
	EXPECT_EQ(0, self->count.skel->bss->first_packets);
	EXPECT_EQ(1, self->count.skel->bss->second_packets);
	close(fd);
}

NF_TEST_F(place, anchor_at_another_hook)
{
	EXPECT_EQ(-ESRCH, PLACE(self->count.second, IP, IN, variant->place));
	EXPECT_PLACED();
}

NF_TEST_F(place, anchor_of_another_family)
{
	EXPECT_EQ(-ESRCH, PLACE(self->count.second, IP6, OUT, variant->place));
	EXPECT_PLACED();
}

NF_TEST_F(place, anchor_in_another_namespace)
{
	int home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);

	ASSERT_LE(0, home);
	ASSERT_EQ(0, nf_netns_new());
	EXPECT_EQ(-ESRCH, PLACE(self->count.second, IP, OUT, variant->place));
	ASSERT_EQ(0, setns(home, CLONE_NEWNET));
	close(home);
	EXPECT_PLACED();
}

NF_TEST_F(place, anchor_detached)
{
	EXPECT_PLACED();
	ASSERT_EQ(0, bpf_link_detach(self->anchor));
	EXPECT_EQ(-ESRCH, PLACE(self->count.second, IP, OUT, variant->place));
}

NF_TEST_F(place, both_sides)
{
	EXPECT_EQ(-EINVAL, PLACE(self->count.second, IP, OUT,
				 variant->place | BEFORE | AFTER));
	EXPECT_PLACED();
}

NF_TEST_F(place, no_side)
{
	const __u32 place = variant->place & ~(BEFORE | AFTER);

	EXPECT_EQ(-EINVAL, PLACE(self->count.second, IP, OUT, place));
	EXPECT_PLACED();
}

NF_TEST_F(place, priority_given)
{
	struct nf_key key = at(IP, OUT, 1, 0);
	__u32 anchor = relative(variant->place, self->anchor, self->count.first);

	EXPECT_EQ(-EINVAL, nf_link_at(self->count.second, &key, variant->place, anchor));
	key.priority = NEIGHBOUR(variant->place);
	EXPECT_EQ(-EINVAL, nf_link_at(self->count.second, &key, variant->place, anchor));
	EXPECT_PLACED();
}

NF_TEST_F(place, no_such_anchor)
{
	const struct nf_key key = at(IP, OUT, 0, 0);
	int expected = variant->place & ID ? -ENOENT : -EBADF;
	int other = variant->place & LINK ? self->count.first : self->anchor;

	EXPECT_EQ(expected, nf_link_at(self->count.second, &key, variant->place, INT_MAX));
	/* The fd of a program where the flags say link, or the other way round. */
	if (!(variant->place & ID))
		EXPECT_EQ(-EINVAL, nf_link_at(self->count.second, &key, variant->place, other));
	EXPECT_PLACED();
}

/* tcx would put such a link first or last. */
NF_TEST_F(place, next_to_none)
{
	const struct nf_key key = at(IP, OUT, 0, 0);
	const __u32 side = variant->place & (BEFORE | AFTER);

	EXPECT_EQ(-EINVAL, nf_link_at(self->count.second, &key, side, 0));
	EXPECT_PLACED();
}

/* The flags of other attach types, and flags that are not defined yet. */
NF_TEST_F(place, unknown_flags)
{
	const __u32 known = BEFORE | AFTER | LINK | ID;
	int bit;

	for (bit = 0; bit < 32; bit++) {
		if (known & 1U << bit)
			continue;
		EXPECT_EQ(-EINVAL, PLACE(self->count.second, IP, OUT,
					 variant->place | 1U << bit))
			TH_LOG("bit %d", bit);
	}
	EXPECT_PLACED();
}

NF_TEST_F(place, link_of_another_type)
{
	const struct nf_key key = at(IP, OUT, 0, 0);
	int prog, link;

	prog = nf_load_sk_lookup();
	ASSERT_LE(0, prog);
	link = nf_link_sk_lookup(prog);
	ASSERT_LE(0, link);
	/* A program of another type is not attached to a hook. */
	EXPECT_EQ(variant->place & LINK ? -EINVAL : -ESRCH,
		  nf_link_at(self->count.second, &key, variant->place,
			     relative(variant->place, link, prog)));
	EXPECT_PLACED();
	close(link);
	close(prog);
}

FIXTURE(place_edge)
{
	const char *lacks;
	int prog_fd;
	int other_fd;
	int anchor;
};

FIXTURE_VARIANT(place_edge)
{
	__s32 priority;
	__u32 place;
	__u32 flags;
	int expected;
};

#define EDGE_CASE(name, _priority, _place, _flags, _expected)		\
	FIXTURE_VARIANT_ADD(place_edge, name)				\
	{								\
		.priority = _priority,					\
		.place = _place,					\
		.flags = _flags,					\
		.expected = _expected,					\
	}

EDGE_CASE(before_the_first, INT_MIN + 1, BEFORE, 0, -ERANGE);
EDGE_CASE(after_the_first, INT_MIN + 1, AFTER, 0, 0);
EDGE_CASE(before_the_second, INT_MIN + 2, BEFORE, 0, 0);
EDGE_CASE(after_the_last, INT_MAX - 1, AFTER, 0, -ERANGE);
EDGE_CASE(before_the_last, INT_MAX - 1, BEFORE, 0, 0);
EDGE_CASE(after_the_last_but_one, INT_MAX - 2, AFTER, 0, 0);
EDGE_CASE(defrag_before_minus_399, -399, BEFORE, DEFRAG, -ERANGE);
EDGE_CASE(defrag_before_minus_398, -398, BEFORE, DEFRAG, 0);
EDGE_CASE(defrag_after_minus_399, -399, AFTER, DEFRAG, 0);
EDGE_CASE(defrag_after_minus_401, -401, AFTER, DEFRAG, -ERANGE);

FIXTURE_SETUP(place_edge)
{
	const struct nf_key key = at(IP, OUT, variant->priority, 0);

	ASSERT_EQ(0, nf_netns_new());
	self->prog_fd = nf_load_verdict(NF_ACCEPT);
	self->other_fd = nf_load_verdict(NF_ACCEPT);
	ASSERT_LE(0, self->prog_fd);
	ASSERT_LE(0, self->other_fd);
	self->anchor = nf_link(self->prog_fd, &key);
	ASSERT_LE(0, self->anchor);
	if (!has_places(self->prog_fd))
		self->lacks = "places relative to another program";
}

FIXTURE_TEARDOWN(place_edge)
{
	close(self->anchor);
	close(self->other_fd);
	close(self->prog_fd);
}

NF_TEST_F(place_edge, of_the_priorities)
{
	struct nf_key key = at(IP, OUT, 0, variant->flags);
	int fd = nf_link_at(self->other_fd, &key, variant->place | LINK, self->anchor);

	if (variant->expected) {
		ASSERT_EQ(variant->expected, fd);
		/* The priority on the other side is free. */
		key.flags = 0;
		fd = nf_link_at(self->other_fd, &key,
				LINK | (variant->place & BEFORE ? AFTER : BEFORE),
				self->anchor);
		EXPECT_LE(0, fd);
		close(fd);
		return;
	}
	ASSERT_LE(0, fd);
	EXPECT_PRIORITY(variant->priority + (variant->place & BEFORE ? -1 : 1), fd);
	close(fd);
}

FIXTURE(place_many)
{
	const char *lacks;
	int prog_fd;
	int other_fd;
	int links[3];
};

FIXTURE_SETUP(place_many)
{
	static const __s32 priorities[] = { 20, 30, 10 };
	struct nf_key key;
	int i;

	ASSERT_EQ(0, nf_netns_new());
	self->prog_fd = nf_load_verdict(NF_ACCEPT);
	self->other_fd = nf_load_verdict(NF_ACCEPT);
	ASSERT_LE(0, self->prog_fd);
	ASSERT_LE(0, self->other_fd);
	for (i = 0; i < 3; i++) {
		key = at(IP, OUT, priorities[i], 0);
		self->links[i] = nf_link(self->prog_fd, &key);
		ASSERT_LE(0, self->links[i]);
	}
	if (!has_places(self->prog_fd))
		self->lacks = "places relative to another program";
}

FIXTURE_TEARDOWN(place_many)
{
	int i;

	for (i = 0; i < 3; i++)
		close(self->links[i]);
	close(self->other_fd);
	close(self->prog_fd);
}

/* The program is attached to the hook several times. */
NF_TEST_F(place_many, before_is_before_the_first)
{
	const struct nf_key key = at(IP, OUT, 0, 0);
	int fd = nf_link_at(self->other_fd, &key, BEFORE, self->prog_fd);

	ASSERT_LE(0, fd);
	EXPECT_PRIORITY(9, fd);
	close(fd);
}

NF_TEST_F(place_many, after_is_after_the_last)
{
	const struct nf_key key = at(IP, OUT, 0, 0);
	int fd = nf_link_at(self->other_fd, &key, AFTER, self->prog_fd);

	ASSERT_LE(0, fd);
	EXPECT_PRIORITY(31, fd);
	close(fd);
}

/* After an update only the new program names the link. */
NF_TEST_F(place_many, of_the_program_after_an_update)
{
	const struct nf_key key = at(IP, OUT, 0, 0);
	int fd;

	EXPECT_EQ(-ESRCH, nf_link_at(self->prog_fd, &key, AFTER, self->other_fd));
	ASSERT_EQ(0, nf_link_update(self->links[0], self->other_fd, -1));
	fd = nf_link_at(self->prog_fd, &key, AFTER, self->other_fd);
	ASSERT_LE(0, fd);
	EXPECT_PRIORITY(21, fd);
	close(fd);
}

TEST_HARNESS_MAIN
