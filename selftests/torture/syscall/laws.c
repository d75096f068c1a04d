// SPDX-License-Identifier: GPL-2.0
/*
 * The laws of syscall_fuzz: the reasons why a call must fail, from linux/bpf_nf.h and
 * prog_netfilter.rst. A call with reasons must fail with one of them. A call without a
 * reason must succeed.
 */
#include <limits.h>
#include <time.h>

#include <bpf/bpf.h>

#include "torture/syscall/laws.h"

enum {
	PLACE		= BEFORE | AFTER | RELATIVE_LINK | RELATIVE_ID,
	RESERVED	= 36,	/* link_create.netfilter.reserved */
	COOKIE		= 40,
	LAST_FIELD	= 48,	/* the end of link_create.netfilter */
};

void reason(struct reasons *why, int errnum)
{
	why->errnums[why->nr++] = errnum;
}

static bool is_reason(const struct reasons *why, int errnum)
{
	int i;

	for (i = 0; i < why->nr; i++)
		if (why->errnums[i] == errnum)
			return true;
	return false;
}

/* @err: 0 or a positive errno. */
void judge(enum kind kind, int err, const struct reasons *why)
{
	if (world.lie == LIE_ERRNO && err)
		err = EIO;
	if (world.lie == LIE_SUCCESS)
		err = 0;
	if (world.lie == LIE_FAILURE && !err)
		err = EINVAL;
	if (!err && why->nr)
		complain("%s: succeeded, should fail: %s", kinds[kind].name,
			 strerror(why->errnums[0]));
	else if (err && !why->nr)
		complain("%s: %s, should succeed", kinds[kind].name, strerror(err));
	else if (err && !is_reason(why, err))
		complain("%s: %s, should be: %s", kinds[kind].name, strerror(err),
			 strerror(why->errnums[0]));
}

/* Accept each error that the documentation lists for the call. */
void judge_errno(enum kind kind, int err, const int *known, int nr)
{
	int i;

	if (world.lie == LIE_ERRNO && err)
		err = EIO;
	for (i = 0; i < nr; i++)
		if (known[i] == err)
			return;
	if (err)
		complain("%s: %s, which is not documented", kinds[kind].name, strerror(err));
}

/* @page: the attribute. Its bytes behind the call's last field must be zero. */
void reasons_of_size(struct reasons *why, const __u8 *page, __u32 size, int last)
{
	__u32 i;

	if (size > 4096) {
		reason(why, E2BIG);
		return;
	}
	for (i = last; i < size; i++) {
		if (!page[i])
			continue;
		reason(why, i < world.attr_size ? EINVAL : E2BIG);
		return;
	}
}

static void reason_of_prog(struct reasons *why, int fd)
{
	if (prog_id_of_fd(fd))
		return;
	reason(why, fd == world.foreign_prog ? EINVAL : error_of_fd(fd));
}

static bool shares_family(__u32 a, __u32 b)
{
	return a == b || a == NFPROTO_INET || b == NFPROTO_INET;
}

static bool shares_hook(const struct link *link, const struct nf_key *key)
{
	return link->attached && link->hook == key->hooknum &&
	       shares_family(link->pf, key->pf);
}

/* The place can also be taken by reassembly, which links enable. */
static bool is_taken(const struct nf_key *key)
{
	const bool defrag = key->priority == NF_IP_PRI_CONNTRACK_DEFRAG &&
			    (key->hooknum == NF_INET_PRE_ROUTING ||
			     key->hooknum == NF_INET_LOCAL_OUT);
	const struct link *link;

	for (link = world.links; link < world.links + NR_LINKS; link++) {
		if (shares_hook(link, key) && link->prio == key->priority)
			return true;
		if (defrag && link->attached && link->flags & DEFRAG &&
		    shares_family(link->pf, key->pf))
			return true;
	}
	return false;
}

static void reasons_of_priority(struct reasons *why, const struct nf_key *key)
{
	if (key->priority == INT_MIN || key->priority == INT_MAX ||
	    (key->flags & DEFRAG && key->priority <= NF_IP_PRI_CONNTRACK_DEFRAG))
		reason(why, ERANGE);
	else if (is_taken(key))
		reason(why, EBUSY);
}

/* Return: 0, or a negative errno if there is no priority at this place */
static int priority_of_link(struct nf_key *key, __u32 place, __u32 relative)
{
	const bool by_id = place & RELATIVE_ID;
	const struct link *link = by_id ? link_of_id(relative) : link_of_fd(relative);

	if (!link && by_id)
		return relative == world.foreign_link_id ? -EINVAL : -ENOENT;
	if (!link)
		return -error_of_fd(relative);
	if (!shares_hook(link, key))
		return -ESRCH;
	key->priority = link->prio;
	return 0;
}

static int priority_of_prog(struct nf_key *key, __u32 place, __u32 relative)
{
	const bool by_id = place & RELATIVE_ID;
	const __u32 id = by_id ? relative : prog_id_of_fd(relative);
	const struct link *link;
	int err = -ESRCH;

	if (!by_id && !id && (int)relative != world.foreign_prog)
		return -error_of_fd(relative);
	for (link = world.links; link < world.links + NR_LINKS; link++) {
		if (link->prog_id != id || !shares_hook(link, key))
			continue;
		if (err || (place & AFTER ? link->prio > key->priority :
					    link->prio < key->priority))
			key->priority = link->prio;
		err = 0;
	}
	if (!err || !by_id || id == world.foreign_prog_id)
		return err;
	for (link = world.links; link < world.links + NR_LINKS; link++)
		if (link_exists(link) && link->prog_id == id)
			return -ESRCH;
	return id == world.prog_id[REF_ACCEPT] || id == world.prog_id[REF_DROP] ||
	       (id && id == world.prog_id[REF_LOADED]) ? -ESRCH : -ENOENT;
}

static void reasons_of_place(struct reasons *why, struct nf_key *key, __u32 place,
			     __u32 relative)
{
	int err;

	if (!place) {
		if (relative)
			reason(why, EINVAL);
		reasons_of_priority(why, key);
		return;
	}
	if (!(place & BEFORE) == !(place & AFTER) || key->priority ||
	    (!(place & (RELATIVE_LINK | RELATIVE_ID)) && !relative)) {
		reason(why, EINVAL);
		return;
	}
	err = place & RELATIVE_LINK ? priority_of_link(key, place, relative) :
				      priority_of_prog(key, place, relative);
	if (err) {
		reason(why, -err);
		return;
	}
	key->priority += place & BEFORE ? -1 : 1;
	reasons_of_priority(why, key);
}

/* @attr: the beginning of @page, which the kernel gets.
 * @key: the place in @attr. Its priority becomes the one that the kernel chooses.
 */
struct reasons why_not_create(const __u8 *page, __u32 size, const __u32 *attr,
			      struct nf_key *key)
{
	const __u32 unknown = ~(__u32)(DEFRAG | STRICT | TRACK);
	struct reasons why = {};
	__u32 i;

	reasons_of_size(&why, page, size, LAST_FIELD);
	reason_of_prog(&why, attr[0]);
	if (attr[2] != BPF_NETFILTER || attr[3] & ~PLACE)
		reason(&why, EINVAL);
	if (key->pf != NFPROTO_IPV4 && key->pf != NFPROTO_IPV6 && key->pf != NFPROTO_INET)
		reason(&why, EAFNOSUPPORT);
	if (key->hooknum >= NF_INET_NUMHOOKS)
		reason(&why, EPROTO);
	if (key->flags & unknown)
		reason(&why, EOPNOTSUPP);
	for (i = RESERVED; i < COOKIE && i < size; i++) {
		if (page[i])
			reason(&why, EINVAL);
	}
	if ((key->flags & (DEFRAG | STRICT)) == STRICT)
		reason(&why, EINVAL);
	if (key->flags & TRACK && key->flags & (DEFRAG | STRICT))
		reason(&why, EINVAL);
	reasons_of_place(&why, key, attr[3] & PLACE, attr[8]);
	return why;
}

struct reasons why_not_update(const __u8 *page, __u32 size, const __u32 *attr)
{
	const struct link *link = link_of_fd(attr[0]);
	struct reasons why = {};

	reasons_of_size(&why, page, size, 16);
	if (attr[2] & ~BPF_F_REPLACE)
		reason(&why, EINVAL);
	reason_of_prog(&why, attr[1]);
	if (attr[2] & BPF_F_REPLACE) {
		if (!prog_id_of_fd(attr[3]) && (int)attr[3] != world.foreign_prog)
			reason(&why, error_of_fd(attr[3]));
		else if (link && prog_id_of_fd(attr[3]) != link->prog_id)
			reason(&why, EPERM);
	} else if (attr[3]) {
		reason(&why, EINVAL);
	}
	if (!link)
		reason(&why, error_of_fd(attr[0]));
	else if (!link->attached)
		reason(&why, ENOLINK);
	return why;
}

/* User space must not get an address of kernel memory. */
void judge_addresses(enum kind kind, const void *data, __u32 size)
{
	__u64 value;
	__u32 i;

	for (i = 0; i + sizeof(value) <= size; i += sizeof(value)) {
		memcpy(&value, data + i, sizeof(value));
		if (world.lie == LIE_ADDRESS)
			value = 0xffff888000000000ULL;
		if (value >= 0xffff800000000000ULL && value < 0xfffffffffffff000ULL)
			complain("%s: a kernel address at byte %u: %#llx", kinds[kind].name, i,
				 value);
	}
}

void judge_untouched(enum kind kind, const __u8 *from, const __u8 *end, __u8 fill)
{
	for (; from < end; from++)
		if (*from != fill) {
			complain("%s: wrote where it may not, %ld bytes before the end",
				 kinds[kind].name, (long)(end - from));
			return;
		}
}

void judge_verdict(__u32 verdict)
{
	if (world.lie == LIE_VERDICT)
		verdict = 2;
	if (verdict > NF_ACCEPT)
		complain("run: verdict %u", verdict);
	else
		world.verdicts[verdict]++;
}

/* Compare the number of objects with the expected one. Unlinked objects are freed later,
 * so wait up to a minute, but not if many attempts have to show the same flaw again.
 */
void judge_count(const char *what, int (*count)(void), int expected)
{
	const struct timespec pause = { .tv_nsec = 10 * 1000 * 1000 };
	const int tries = world.shrinking ? 100 : 6000;
	int i, nr = 0;

	for (i = 0; i < tries && !*world.complaint; i++) {
		nr = count();
		if (nr == expected)
			return;
		if (world.lie)
			break;
		nanosleep(&pause, NULL);
	}
	complain("%d %s, should be %d", nr, what, expected);
}

int count_links(void)
{
	return count_ids(bpf_link_get_next_id) + (world.lie == LIE_LINKS);
}

int count_progs(void)
{
	return count_ids(bpf_prog_get_next_id) + (world.lie == LIE_PROGS);
}

int count_bpf_hooks(void)
{
	return nf_count_hooks() + (world.lie == LIE_HOOKS);
}

void judge_machine(void)
{
	int i, links = world.base_links, hooks = 0;

	for (i = 0; i < NR_LINKS; i++) {
		const struct link *link = &world.links[i];

		links += link_exists(link);
		if (link->attached)
			hooks += link->pf == NFPROTO_INET ? 2 : 1;
	}
	judge_count("links", count_links, links);
	judge_count("hooks", count_bpf_hooks, hooks);
}
