// SPDX-License-Identifier: GPL-2.0-only
/*
 * The links of a policy. On a kernel of this project, one link has both families, and its
 * program can be replaced. On a mainline kernel, a link has one family, and its program cannot
 * be replaced: a policy for both families has two links, and an update attaches new links beside
 * the old ones.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <linux/bpf.h>
#include <linux/bpf_nf.h>
#include <linux/netfilter.h>
#include <linux/netfilter_ipv4.h>

#include <bpf/bpf.h>
#include <bpf/btf.h>

#include "nf-bpf.h"
#include "nf_util.h"

#define RELATIVE_WAITS 100	/* tenths of a second */

static const struct {
	const char *name;
	int pf;
} members[] = {
	{ "inet",	NFPROTO_INET },
	{ "ip",		NFPROTO_IPV4 },
	{ "ip6",	NFPROTO_IPV6 },
};

struct btf *kernel_types(void)
{
	static struct btf *btf;

	btf = btf ?: btf__load_vmlinux_btf();

	return btf;
}

bool kernel_has(const char *feature)
{
	const struct btf *btf = kernel_types();
	const struct btf_type *type;
	__s32 id;
	int i;

	id = btf ? btf__find_by_name_kind(btf, "bpf_nf_link_feature", BTF_KIND_ENUM) : -1;
	if (id < 0)
		return false;
	type = btf__type_by_id(btf, id);
	for (i = 0; i < btf_vlen(type); i++) {
		if (!strcmp(btf__name_by_offset(btf, btf_enum(type)[i].name_off), feature))
			return true;
	}

	return false;
}

__u32 prog_id_of(int fd)
{
	struct bpf_prog_info info = {};
	__u32 len = sizeof(info);

	return bpf_prog_get_info_by_fd(fd, &info, &len) ? 0 : info.id;
}

static int return_constant(const char *name, int verdict)
{
	const struct bpf_insn insns[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = verdict },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	LIBBPF_OPTS(bpf_prog_load_opts, opts, .expected_attach_type = BPF_NETFILTER);

	return bpf_prog_load(BPF_PROG_TYPE_NETFILTER, name, "GPL", insns, ARRAY_SIZE(insns), &opts);
}

/* The program that drops all packets. It is two bare instructions, so it loads even if no
 * object file can be loaded.
 */
int closed_program(void)
{
	return return_constant("nf_bpf_closed", NF_DROP);
}

/* Open the link that a place is relative to: the pin that the file names, or the link of the policy
 * that it names. Returns an fd or -1, and no message.
 */
static int open_relative(const struct conf *conf, struct bpf_link_info *info)
{
	const char *relative = conf->before ?: conf->after;
	__u32 len = sizeof(*info);
	char path[PATH_MAX];
	unsigned int i;
	int fd = -1;

	if (*relative == '/')
		fd = bpf_obj_get(relative);
	for (i = 0; fd < 0 && *relative != '/' && i < ARRAY_SIZE(members); i++) {
		snprintf(path, sizeof(path), "%s/%s/current/%s", options.pins, relative,
			 members[i].name);
		fd = bpf_obj_get(path);
	}
	memset(info, 0, len);
	if (fd >= 0 && !bpf_link_get_info_by_fd(fd, info, &len) &&
	    info->type == BPF_LINK_TYPE_NETFILTER)
		return fd;
	if (fd >= 0)
		close(fd);

	return -1;
}

/* The services of policies start at the same time, so the other policy may come later. */
static int wait_for_relative(const struct conf *conf, struct bpf_link_info *info)
{
	int i, fd = open_relative(conf, info);

	if (fd >= 0 || !options.may_wait || !kernel_has("BPF_NF_LINK_PLACE"))
		return fd;
	options.may_wait = false;
	warn("%s = %s: waits for this policy, up to %d seconds", conf->before ? "before" : "after",
	     conf->before ?: conf->after, RELATIVE_WAITS / 10);
	for (i = 0; fd < 0 && i < RELATIVE_WAITS; i++) {
		usleep(100000);
		fd = open_relative(conf, info);
	}

	return fd;
}

/* Returns an fd or a negative errno. */
static int create_one(const struct bpf_netfilter_opts *nf, int prog_fd)
{
	LIBBPF_OPTS(bpf_link_create_opts, opts, .flags = nf->link_flags);

	opts.netfilter.pf = nf->pf;
	opts.netfilter.hooknum = nf->hooknum;
	opts.netfilter.priority = nf->priority;
	opts.netfilter.flags = nf->flags;
	opts.netfilter.relative_fd = nf->relative_fd;
	opts.netfilter.cookie = nf->cookie;

	return bpf_link_create(prog_fd, 0, BPF_NETFILTER, &opts);
}

static int fill_info(struct links *links)
{
	__u32 len = sizeof(links->info[0]);
	int i;

	for (i = 0; i < links->count; i++) {
		memset(&links->info[i], 0, len);
		if (bpf_link_get_info_by_fd(links->fds[i], &links->info[i], &len))
			return -errno;
	}

	return 0;
}

/* One link for the family, or two if the kernel has no link for both. */
static int create_at(struct links *links, const struct bpf_netfilter_opts *nf, int prog_fd)
{
	static const __u32 pfs[] = { NFPROTO_IPV4, NFPROTO_IPV6 };
	struct bpf_netfilter_opts one = *nf;
	int fd, i;

	links->count = 0;
	fd = create_one(nf, prog_fd);
	if (fd >= 0) {
		links->fds[links->count++] = fd;
		return fill_info(links);
	}
	if (fd != -EAFNOSUPPORT || nf->pf != NFPROTO_INET || kernel_has("BPF_NF_LINK_INET"))
		return fd;
	for (i = 0; i < 2; i++) {
		one.pf = pfs[i];
		fd = create_one(&one, prog_fd);
		if (fd < 0) {
			links_close(links);
			return fd;
		}
		links->fds[links->count++] = fd;
	}

	return fill_info(links);
}

/* Try the priority of @nf, then those at distance 1, -1, 2, -2 and so on, until one is free. */
static int create_near(struct links *links, const struct bpf_netfilter_opts *nf, int search,
		       int prog_fd)
{
	struct bpf_netfilter_opts opts = *nf;
	int i, err = -EBUSY;

	for (i = 0; i <= 2 * search; i++) {
		if (__builtin_add_overflow(nf->priority, i % 2 ? (i + 1) / 2 : -i / 2, &opts.priority))
			continue;
		err = create_at(links, &opts, prog_fd);
		if (err != -EBUSY && (!i || err != -ERANGE))
			break;
	}

	return err;
}

/* Attach next to the link @relative. If this priority is taken, try those behind it, away from the
 * link: the order of the two programs stays.
 */
static int create_next_to(struct links *links, const struct bpf_netfilter_opts *nf,
			  const struct bpf_link_info *relative, int search, int prog_fd)
{
	int i, err, away = nf->link_flags & BPF_F_BEFORE ? -1 : 1;
	struct bpf_netfilter_opts opts = *nf;

	/* The kernel checks that the link is at this hook. */
	err = create_at(links, &opts, prog_fd);
	opts.link_flags = 0;
	opts.relative_fd = 0;
	for (i = 2; err == -EBUSY && i <= search + 1; i++) {
		if (__builtin_add_overflow(relative->netfilter.priority, i * away, &opts.priority))
			break;
		err = create_at(links, &opts, prog_fd);
		/* The lowest or highest priority: those before it are taken. */
		if (err == -ERANGE)
			return -EBUSY;
	}

	return err;
}

/* Name the nearest free priority in a message. To find it, attach a program that accepts all
 * packets for a moment.
 */
static void advise_priority(const struct bpf_netfilter_opts *nf)
{
	struct links links;
	int prog;

	prog = return_constant("nf_bpf_probe", NF_ACCEPT);
	if (prog >= 0 && !create_near(&links, nf, MAX_DISTANCE, prog)) {
		fail("the nearest free priority is %d: write 'priority = %d'",
		     links.info[0].netfilter.priority, links.info[0].netfilter.priority);
		links_close(&links);
	}
	if (prog >= 0)
		close(prog);
}

static void explain(int err, const struct place *place, struct bpf_netfilter_opts *nf)
{
	const char *advice = libbpf_nf_explain(err, nf);

	if (err == -EOPNOTSUPP && place->conf->fragments == FRAGMENTS_STRICT)
		advice = "this kernel has no 'strict' (mainline's have not, nf-bpf's have): write 'fragments = reassemble'";
	if (err == -EOPNOTSUPP && place->conf->fragments == FRAGMENTS_TRACK)
		advice = "this kernel has no 'track' (mainline's have not, nf-bpf's have): write 'fragments = reassemble'";
	fail("%s %s: can't attach: %s%s%s", libbpf_nf_name_of(libbpf_nf_families, place->conf->pf),
	     libbpf_nf_name_of(libbpf_nf_hooks, place->conf->hook), strerror(-err),
	     advice ? ": " : "", advice ?: "");
	if (err == -EBUSY && !nf->link_flags)
		advise_priority(nf);
}

/* A mainline kernel would ignore the cookie. The file or the state can have the line. */
static int cookie_check(const struct conf *conf)
{
	if (!conf->cookie || kernel_has("BPF_NF_LINK_COOKIE"))
		return 0;

	return fail("cookie = %llu: this kernel's netfilter links have no cookie (mainline's have not, nf-bpf's newer ones have): apply a file without this line",
		    conf->cookie);
}

int place_check(const struct conf *conf)
{
	if (cookie_check(conf))
		return -1;
	if ((!conf->before && !conf->after) || kernel_has("BPF_NF_LINK_PLACE"))
		return 0;

	return fail("%s = %s: this kernel can't attach a program next to another (mainline's can't, nf-bpf's can): write 'priority = NUMBER'",
		    conf->before ? "before" : "after", conf->before ?: conf->after);
}

int links_create(struct links *links, const struct place *place, int prog_fd)
{
	const struct conf *conf = place->conf;
	LIBBPF_OPTS(bpf_netfilter_opts, nf, .pf = conf->pf);
	struct bpf_link_info relative;
	int err;

	*links = (struct links){};
	nf.hooknum = conf->hook;
	nf.priority = conf->priority;
	nf.flags = conf_flags(conf);
	nf.cookie = conf->cookie;
	if (conf->before || conf->after) {
		nf.link_flags = conf->before ? BPF_F_BEFORE : BPF_F_AFTER;
		nf.priority = 0;
		nf.link_flags |= BPF_F_LINK;
		err = wait_for_relative(conf, &relative);
		if (err < 0)
			return fail("%s: can't be placed next to it: name another policy that is applied, or the path of a pinned netfilter link",
				    conf->before ?: conf->after);
		nf.relative_fd = err;
	}
	err = netns_enter(place->ns);
	if (!err) {
		err = nf.link_flags ?
		      create_next_to(links, &nf, &relative, place->search, prog_fd) :
		      create_near(links, &nf, place->search, prog_fd);
		if (err)
			explain(err, place, &nf);
		netns_leave(place->ns);
	}
	if (nf.relative_fd)
		close(nf.relative_fd);

	return err ? -1 : 0;
}

int place_try(const struct conf *conf, int prog_fd)
{
	struct conf alone = *conf;
	struct place place = { .conf = &alone };
	struct links links;
	struct netns ns;
	int err;

	alone.before = NULL;
	alone.after = NULL;
	if (netns_make(&ns))
		return -1;
	place.ns = &ns;
	err = links_create(&links, &place, prog_fd);
	links_close(&links);
	netns_close(&ns);

	return err;
}

int links_open(struct links *links, const char *dir)
{
	char path[PATH_MAX];
	unsigned int i;
	int fd;

	*links = (struct links){};
	for (i = 0; i < ARRAY_SIZE(members) && links->count < 2; i++) {
		if (snprintf(path, sizeof(path), "%s/%s", dir, members[i].name) >= (int)sizeof(path))
			return -ENAMETOOLONG;
		fd = bpf_obj_get(path);
		if (fd >= 0)
			links->fds[links->count++] = fd;
	}

	return fill_info(links);
}

int links_pin(const struct links *links, const char *dir)
{
	char path[PATH_MAX];
	unsigned int m;
	int i, err;

	for (i = 0; i < links->count; i++) {
		for (m = 0; m < ARRAY_SIZE(members) - 1; m++) {
			if (members[m].pf == (int)links->info[i].netfilter.pf)
				break;
		}
		if (snprintf(path, sizeof(path), "%s/%s", dir, members[m].name) >= (int)sizeof(path))
			return fail("%s: the name is too long", dir);
		err = bpf_obj_pin(links->fds[i], path);
		if (err)
			return fail("%s: can't pin the link: %s", path, strerror(-err));
	}

	return 0;
}

void links_detach(const struct links *links)
{
	int i, err;

	for (i = 0; i < links->count; i++) {
		err = bpf_link_detach(links->fds[i]);
		if (err)
			warn("link %u: can't detach: %s: 'bpftool link detach id %u' repeats it",
			     links->info[i].id, strerror(-err), links->info[i].id);
	}
}

void links_close(struct links *links)
{
	while (links->count)
		close(links->fds[--links->count]);
}

/* Try to attach another program at the place of the link. The kernel refuses this if anything is
 * attached there, but does not tell what.
 */
static enum attached probe_place(const struct bpf_link_info *info)
{
	LIBBPF_OPTS(bpf_netfilter_opts, nf, .pf = info->netfilter.pf);
	int prog, fd = -ENOENT;

	nf.hooknum = info->netfilter.hooknum;
	nf.priority = info->netfilter.priority;
	prog = return_constant("nf_bpf_probe", NF_ACCEPT);
	if (prog >= 0) {
		fd = create_one(&nf, prog);
		close(prog);
	}
	if (fd >= 0)
		close(fd);

	return fd == -EBUSY ? ATTACHED_UNKNOWN : ATTACHED_NOT;
}

/* A mainline kernel tells neither whether a link is attached nor where: look at the hook. */
static enum attached find_program(const struct bpf_link_info *info, struct netns *ns)
{
	enum attached attached;

	if (netns_enter(ns))
		return ATTACHED_UNKNOWN;
	attached = hook_has_program(info);
	if (attached == ATTACHED_UNKNOWN)
		attached = probe_place(info);
	netns_leave(ns);

	return attached;
}

enum attached links_run(const struct links *links, __u32 prog_id, const struct place *place,
			__u64 recorded_ino)
{
	bool told = kernel_has("BPF_NF_LINK_NETNS");
	enum attached one, all = ATTACHED_YES;
	int i, wanted;

	wanted = place->conf->pf == NFPROTO_INET && !kernel_has("BPF_NF_LINK_INET") ? 2 : 1;
	if (links->count != wanted)
		return ATTACHED_NOT;
	for (i = 0; i < links->count; i++) {
		if (links->info[i].prog_id != prog_id)
			return ATTACHED_NOT;
		if (told && links->info[i].netfilter.netns_ino != place->ns->ino)
			return ATTACHED_NOT;
		if (!told && recorded_ino != place->ns->ino)
			return ATTACHED_NOT;
		one = told ? ATTACHED_YES : find_program(&links->info[i], place->ns);
		if (one == ATTACHED_NOT)
			return ATTACHED_NOT;
		if (one == ATTACHED_UNKNOWN)
			all = ATTACHED_UNKNOWN;
	}

	return all;
}

/* The priority of a place, or the one next to the link that it is relative to. Returns 0, or -1
 * without a message.
 */
static int wanted_priority(const struct conf *conf, __s32 *priority)
{
	struct bpf_link_info info;
	int fd;

	*priority = conf->priority;
	if (!conf->before && !conf->after)
		return 0;
	fd = open_relative(conf, &info);
	if (fd < 0)
		return -1;
	close(fd);
	if (__builtin_add_overflow(info.netfilter.priority, conf->before ? -1 : 1, priority))
		return -1;

	return 0;
}

bool links_can_update(const struct links *links, const struct place *place)
{
	const struct conf *conf = place->conf;
	const struct bpf_link_info *info = links->info;
	__s32 priority;

	return links->count == 1 && kernel_has("BPF_NF_LINK_UPDATE") &&
	       !wanted_priority(conf, &priority) &&
	       (int)info->netfilter.pf == conf->pf && (int)info->netfilter.hooknum == conf->hook &&
	       info->netfilter.priority == priority &&
	       info->netfilter.flags == conf_flags(conf) &&
	       info->netfilter.cookie == conf->cookie &&
	       info->netfilter.netns_ino == place->ns->ino;
}

bool links_are_near(const struct links *links, const struct place *place)
{
	long long distance;
	__s32 priority;

	if (!links->count || (int)links->info[0].netfilter.hooknum != place->conf->hook ||
	    wanted_priority(place->conf, &priority))
		return false;
	distance = (long long)links->info[0].netfilter.priority - priority;

	return distance >= -MAX_DISTANCE && distance <= MAX_DISTANCE;
}
