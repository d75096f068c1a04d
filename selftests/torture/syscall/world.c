// SPDX-License-Identifier: GPL-2.0
/*
 * The links, pins and programs that syscall_fuzz has made. The laws (laws.c) compare
 * the kernel with this list.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <sched.h>
#include <stdarg.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/btf.h>

#include "torture/syscall/world.h"

struct world world = { .directory = BPFFS };

/* Keep the first complaint. */
void complain(const char *format, ...)
{
	va_list args;

	if (*world.complaint)
		return;
	va_start(args, format);
	vsnprintf(world.complaint, sizeof(world.complaint), format, args);
	va_end(args);
}

bool link_exists(const struct link *link)
{
	return link->fd >= 0 || link->pins;
}

int ref_fd(long ref)
{
	if (ref >= 0 && ref <= REF_LOADED)
		return world.prog[ref];
	if (ref >= REF_LINK && ref < REF_NONE)
		return world.links[ref - REF_LINK].fd;
	switch (ref) {
	case REF_FILE:
		return world.file;
	case REF_MAP:
		return world.map;
	case REF_FOREIGN_PROG:
		return world.foreign_prog;
	case REF_FOREIGN_LINK:
		return world.foreign_link;
	case REF_UNOPENED:
		return UNOPENED;
	default:
		return -1;
	}
}

__u32 ref_id(long ref)
{
	if (ref >= 0 && ref <= REF_LOADED)
		return world.prog_id[ref];
	if (ref >= REF_LINK && ref < REF_NONE && link_exists(&world.links[ref - REF_LINK]))
		return world.links[ref - REF_LINK].id;
	if (ref == REF_FOREIGN_PROG)
		return world.foreign_prog_id;
	return ref == REF_FOREIGN_LINK ? world.foreign_link_id : UNOPENED;
}

/* Return: the link that the kernel finds by @fd, which a short attr may have cut off */
struct link *link_of_fd(int fd)
{
	int i;

	for (i = 0; fd >= 0 && i < NR_LINKS; i++)
		if (world.links[i].fd == fd)
			return &world.links[i];
	return NULL;
}

struct link *link_of_id(__u32 id)
{
	int i;

	for (i = 0; i < NR_LINKS; i++)
		if (link_exists(&world.links[i]) && world.links[i].id == id)
			return &world.links[i];
	return NULL;
}

/* Return: the id, or 0 if the fuzzer did not load the program */
__u32 prog_id_of_fd(int fd)
{
	int i;

	for (i = 0; fd >= 0 && i < 3; i++)
		if (world.prog[i] == fd)
			return world.prog_id[i];
	return 0;
}

/* Return: the error that the kernel gives for an fd of another kind */
int error_of_fd(int fd)
{
	return fcntl(fd, F_GETFD) < 0 ? EBADF : EINVAL;
}

struct link *free_link(void)
{
	int i;

	for (i = 0; i < NR_LINKS; i++)
		if (!link_exists(&world.links[i]))
			return &world.links[i];
	return NULL;
}

void drop_link_fd(struct link *link)
{
	close(link->fd);
	link->fd = -1;
	link->attached &= link->pins > 0;
}

void drop_pin(int path)
{
	struct link *link = world.pinned[path];

	world.occupied[path] = false;
	world.pinned[path] = NULL;
	if (!link)
		return;
	link->pins--;
	link->attached &= link_exists(link);
}

void drop_loaded(void)
{
	if (world.prog[REF_LOADED] >= 0)
		close(world.prog[REF_LOADED]);
	world.prog[REF_LOADED] = -1;
	world.prog_id[REF_LOADED] = 0;
}

void drop_everything(void)
{
	int i;

	for (i = 0; i < NR_LINKS; i++)
		if (world.links[i].fd >= 0)
			drop_link_fd(&world.links[i]);
	for (i = 0; i < NR_PINS; i++) {
		if (world.occupied[i] && unlink(world.paths[i]))
			complain("unlink of a pin: %s", strerror(errno));
		drop_pin(i);
	}
	drop_loaded();
}

int count_ids(int (*next)(__u32 id, __u32 *next_id))
{
	__u32 id = 0;
	int nr = 0;

	while (!next(id, &id))
		nr++;
	return nr;
}

/* --- making it --- */

static void make_paths(void)
{
	char *path;
	int i;

	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    !mkdtemp(world.directory) || mount("bpf", world.directory, "bpf", 0, NULL))
		bail("bpffs", 0);
	for (i = 0; i < NR_PINS; i++)
		if (asprintf(&world.paths[i], "%s/pin%d", world.directory, i) < 0)
			bail("path", 0);
	world.paths[PATH_NO_BPFFS] = "/dev/shm/syscall_fuzz";
	if (asprintf(&path, "%s/none/pin", world.directory) < 0)
		bail("path", 0);
	world.paths[PATH_NO_DIRECTORY] = path;
	world.paths[PATH_BAD] = (char *)8;
}

static void find_sizes(void)
{
	struct btf *btf = btf__load_vmlinux_btf();
	int id = btf__find_by_name_kind(btf, "bpf_attr", BTF_KIND_UNION);

	if (id < 0)
		bail("union bpf_attr in the kernel's BTF", id);
	world.attr_size = btf__type_by_id(btf, id)->size;
	world.state_size = nf_btf_size("nf_hook_state");
	world.state_hook = nf_btf_offset("nf_hook_state", "hook");
	world.state_pf = nf_btf_offset("nf_hook_state", "pf");
	btf__free(btf);
}

void make_world(void)
{
	struct bpf_link_info info;
	int i;

	if (nf_netns_new() || nf_netns_loopback_up())
		bail("network namespace", 0);
	make_paths();
	find_sizes();
	world.prog[REF_ACCEPT] = nf_load_verdict(NF_ACCEPT);
	world.prog[REF_DROP] = nf_load_verdict(NF_DROP);
	world.prog[REF_LOADED] = -1;
	for (i = 0; i < REF_LOADED; i++)
		world.prog_id[i] = nf_prog_id(world.prog[i]);
	world.foreign_prog = nf_load_sk_lookup();
	world.foreign_prog_id = nf_prog_id(world.foreign_prog);
	world.foreign_link = nf_link_sk_lookup(world.foreign_prog);
	world.file = open("/dev/null", O_RDWR | O_CLOEXEC);
	world.map = bpf_map_create(BPF_MAP_TYPE_ARRAY, "fuzz", 4, 8, 1, NULL);
	if (world.prog[REF_DROP] < 0 || world.map < 0 ||
	    nf_link_info(world.foreign_link, &info))
		bail("programs, a link and a map", 0);
	world.foreign_link_id = info.id;
	for (i = 0; i < NR_LINKS; i++)
		world.links[i].fd = -1;
	find_kfuncs();
	world.base_links = count_ids(bpf_link_get_next_id);
	world.base_progs = count_ids(bpf_prog_get_next_id);
}
