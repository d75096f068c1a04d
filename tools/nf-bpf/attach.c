// SPDX-License-Identifier: GPL-2.0-only
/*
 * Generations: what is attached, in directories on bpffs.
 *
 *	PINS/NAME/current		symbolic link to the generation in force
 *	PINS/NAME/gNUMBER/prog		its program
 *	PINS/NAME/gNUMBER/inet		its link, or the two links "ip" and "ip6"
 *	PINS/NAME/gNUMBER/maps/MAP	its maps
 *	PINS/NAME/gNUMBER/version	symbolic link: number of its version
 *	PINS/NAME/gNUMBER/netns		symbolic link: inode of its network namespace
 *
 * A new generation is complete before the one call that renames "current". If a command is
 * killed before this call, the old policy is in force; if it is killed later, the new policy is
 * in force. The next command removes the other generation.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>
#include <linux/magic.h>

#include <bpf/bpf.h>

#include "nf-bpf.h"

#define NEXT "current~"			/* nf-bpf renames it to "current" */
#define UNCHANGED "nothing was changed"

static void policy_pins(const struct policy *policy, char path[PATH_MAX])
{
	snprintf(path, PATH_MAX, "%s/%s", options.pins, policy->name);
}

/* Tell whether process 1 sees the file system, too. If it does not, the file system is in a private
 * mount namespace, such as that of "ip netns exec", and vanishes with the command. Pins in it
 * vanish, too.
 */
static bool is_lasting(const struct stat *st)
{
	unsigned int major, minor;
	bool found = false;
	char *line = NULL;
	size_t size = 0;
	FILE *mounts;

	mounts = fopen("/proc/1/mountinfo", "re");
	if (!mounts)
		return false;
	while (!found && getline(&line, &size, mounts) > 0)
		found = sscanf(line, "%*u %*u %u:%u", &major, &minor) == 2 &&
			makedev(major, minor) == st->st_dev;
	free(line);
	fclose(mounts);

	return found;
}

int check_bpffs(void)
{
	struct statfs fs;
	struct stat st;

	if (make_dirs(options.pins))
		return fail("%s: can't make the directory: %s: run it as root, with bpffs at /sys/fs/bpf ('mount bpffs /sys/fs/bpf -t bpf')",
			    options.pins, strerror(errno));
	if (statfs(options.pins, &fs) || fs.f_type != BPF_FS_MAGIC) {
		rmdir(options.pins);
		return fail("%s: not on a bpffs: mount it with 'mount bpffs /sys/fs/bpf -t bpf'",
			    options.pins);
	}
	if (stat(options.pins, &st) || !is_lasting(&st))
		return fail("%s: this bpffs can end with the command, and the policy with it: do not use 'ip netns exec': write 'netns = NAME' into the file of the policy",
			    options.pins);

	return 0;
}

static int read_number(const char *dir, const char *name, __u64 *number)
{
	char path[PATH_MAX], text[32];
	ssize_t len;

	if (snprintf(path, sizeof(path), "%s/%s", dir, name) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	len = readlink(path, text, sizeof(text) - 1);
	if (len < 0)
		return -errno;
	text[len] = '\0';

	return parse_number(text, number) ? -EINVAL : 0;
}

static int write_number(const char *dir, const char *name, __u64 number)
{
	char path[PATH_MAX], text[32];

	snprintf(text, sizeof(text), "%llu", number);
	if (snprintf(path, sizeof(path), "%s/%s", dir, name) >= (int)sizeof(path))
		return -ENAMETOOLONG;

	return symlink(text, path) ? -errno : 0;
}

unsigned int generation_version(const char *path)
{
	__u64 number;

	return read_number(path, "version", &number) ? 0 : number;
}

__u64 generation_netns(const char *path)
{
	__u64 ino;

	return read_number(path, "netns", &ino) ? 0 : ino;
}

static int current_name(const struct policy *policy, char name[NAME_MAX])
{
	char path[PATH_MAX];
	ssize_t len;

	snprintf(path, sizeof(path), "%s/%s/current", options.pins, policy->name);
	len = readlink(path, name, NAME_MAX - 1);
	if (len < 0)
		return -errno;
	name[len] = '\0';

	return 0;
}

int generation_current(const struct policy *policy, char path[PATH_MAX])
{
	char name[NAME_MAX];

	if (current_name(policy, name))
		return -ENOENT;
	snprintf(path, PATH_MAX, "%s/%s/%s", options.pins, policy->name, name);

	return access(path, F_OK) ? -ENOENT : 0;
}

static bool is_current(const struct policy *policy, const char *path)
{
	char current[PATH_MAX];

	return !generation_current(policy, current) && !strcmp(current, path);
}

typedef int (*generation_fn)(const struct policy *policy, unsigned int number, const char *path,
			     void *arg);

/* Calls @fn for the number of each generation until it returns 1. */
static int walk_generations(const struct policy *policy, generation_fn fn, void *arg)
{
	char dir_path[PATH_MAX], path[PATH_MAX];
	struct dirent *entry;
	__u64 number;
	int ret = 0;
	DIR *dir;

	policy_pins(policy, dir_path);
	dir = opendir(dir_path);
	if (!dir)
		return 0;
	while (!ret && (entry = readdir(dir))) {
		if (*entry->d_name != 'g' || parse_number(entry->d_name + 1, &number))
			continue;
		snprintf(path, sizeof(path), "%s/%s/g%llu", options.pins, policy->name, number);
		ret = fn(policy, number, path, arg);
	}
	closedir(dir);

	return ret;
}

static int highest(const struct policy *policy, unsigned int number, const char *path, void *arg)
{
	unsigned int *max = arg;

	if (number > *max)
		*max = number;

	return 0;
}

struct search {
	unsigned int version;
	char *path;
};

static int has_version(const struct policy *policy, unsigned int number, const char *path,
		       void *arg)
{
	struct search *search = arg;

	if (generation_version(path) != search->version || is_current(policy, path))
		return 0;
	snprintf(search->path, PATH_MAX, "%s", path);

	return 1;
}

int generation_find(const struct policy *policy, unsigned int version, char path[PATH_MAX])
{
	struct search search = { .version = version, .path = path };

	return walk_generations(policy, has_version, &search) ? 0 : -ENOENT;
}

static bool shares(const struct links *links, const struct bpf_link_info *info)
{
	int i;

	for (i = 0; i < links->count; i++) {
		if (links->info[i].id == info->id)
			return true;
	}

	return false;
}

/* Unpin the links of a generation. Detach those that the generation in force does not have. */
static void drop_links(const struct policy *policy, const char *path)
{
	static const char * const pins[] = { "inet", "ip", "ip6" };
	struct links links, current = {};
	char current_path[PATH_MAX], pin[PATH_MAX];
	struct links one;
	unsigned int p;
	int i;

	if (!generation_current(policy, current_path) && strcmp(current_path, path))
		links_open(&current, current_path);
	links_open(&links, path);
	for (i = 0; i < links.count; i++) {
		if (shares(&current, &links.info[i]))
			continue;
		one = (struct links){ .count = 1 };
		one.fds[0] = links.fds[i];
		one.info[0] = links.info[i];
		links_detach(&one);
	}
	links_close(&links);
	links_close(&current);
	for (p = 0; p < ARRAY_SIZE(pins); p++) {
		snprintf(pin, sizeof(pin), "%.*s/%s", PATH_MAX - 8, path, pins[p]);
		unlink(pin);
	}
}

static int clean_one(const struct policy *policy, unsigned int number, const char *path, void *arg)
{
	unsigned int keep = *(unsigned int *)arg;

	if (is_current(policy, path))
		return 0;
	drop_links(policy, path);
	if (!keep || generation_version(path) != keep)
		remove_dir(path);

	return 0;
}

void generation_clean(const struct policy *policy, unsigned int keep)
{
	walk_generations(policy, clean_one, &keep);
}

static int set_current(const struct policy *policy, const char *name)
{
	char path[PATH_MAX], tmp[PATH_MAX];
	int err;

	snprintf(path, sizeof(path), "%s/%s/current", options.pins, policy->name);
	snprintf(tmp, sizeof(tmp), "%s/%s/" NEXT, options.pins, policy->name);
	unlink(tmp);
	if (!symlink(name, tmp) && !rename(tmp, path))
		return 0;
	err = errno;
	unlink(tmp);

	return fail("%s: can't be changed: %s: " UNCHANGED, path, strerror(err));
}

/* "current" is missing. Make it name a generation that has this version and all its links. */
static int adopt_one(const struct policy *policy, unsigned int number, const char *path, void *arg)
{
	unsigned int version = *(unsigned int *)arg;
	struct links links;
	bool complete;

	if (generation_version(path) != version)
		return 0;
	complete = !links_open(&links, path) && links.count;
	links_close(&links);
	if (!complete || set_current(policy, strrchr(path, '/') + 1))
		return 0;
	warn("%s: %s/%s/current is missing: version %u is in force", policy->name, options.pins,
	     policy->name, version);

	return 1;
}

void generation_adopt(const struct policy *policy)
{
	unsigned int versions[] = { policy->trying, policy->current };
	char path[PATH_MAX];
	unsigned int i;

	if (!generation_current(policy, path))
		return;
	for (i = 0; i < ARRAY_SIZE(versions); i++) {
		if (versions[i] && walk_generations(policy, adopt_one, &versions[i]))
			return;
	}
}

bool generation_has_pins(const struct policy *policy)
{
	char path[PATH_MAX];

	policy_pins(policy, path);

	return !access(path, F_OK);
}

int generation_remove_all(const struct policy *policy)
{
	char path[PATH_MAX], current[PATH_MAX];

	policy_pins(policy, path);
	snprintf(current, sizeof(current), "%s/%s/" NEXT, options.pins, policy->name);
	unlink(current);
	snprintf(current, sizeof(current), "%s/%s/current", options.pins, policy->name);
	if (!unlink(current))
		log_change("%s: detached", policy->name);
	else if (errno != ENOENT)
		return fail("%s: can't remove: %s", current, strerror(errno));
	generation_clean(policy, 0);
	if (rmdir(path) && errno != ENOENT)
		return fail("%s: can't remove: %s: something else is in it: remove that by hand", path,
			    strerror(errno));

	return 0;
}

/* Replace the program of each link. Links that an interrupted update has changed are skipped. */
static int update_links(const struct links *links, int prog_fd)
{
	__u32 id = prog_id_of(prog_fd);
	int i, err;

	for (i = 0; i < links->count; i++) {
		if (links->info[i].prog_id == id)
			continue;
		err = bpf_link_update(links->fds[i], prog_fd, NULL);
		if (err)
			return err;
	}

	return 0;
}

int generation_repair(const struct policy *policy)
{
	char path[PATH_MAX], pin[PATH_MAX];
	struct links links;
	int prog_fd, err = 0;

	snprintf(pin, sizeof(pin), "%s/%s/" NEXT, options.pins, policy->name);
	unlink(pin);
	if (generation_current(policy, path))
		return 0;
	snprintf(pin, sizeof(pin), "%.*s/prog", PATH_MAX - 8, path);
	prog_fd = bpf_obj_get(pin);
	if (prog_fd < 0)
		return 0;
	if (!links_open(&links, path))
		err = update_links(&links, prog_fd);
	links_close(&links);
	close(prog_fd);

	return err;
}

enum attached generation_in_force(const struct policy *policy, const struct conf *conf)
{
	char path[PATH_MAX], pin[PATH_MAX];
	struct place place = { .conf = conf };
	enum attached in_force = ATTACHED_NOT;
	struct links links;
	struct netns ns;
	int prog_fd;

	if (generation_current(policy, path) || netns_open(&ns, conf->netns))
		return ATTACHED_NOT;
	place.ns = &ns;
	snprintf(pin, sizeof(pin), "%.*s/prog", PATH_MAX - 8, path);
	prog_fd = bpf_obj_get(pin);
	if (prog_fd >= 0 && !links_open(&links, path)) {
		in_force = links_run(&links, prog_id_of(prog_fd), &place, generation_netns(path));
		links_close(&links);
	}
	if (prog_fd >= 0)
		close(prog_fd);
	netns_close(&ns);

	return in_force;
}

static int pin_program(const char *path, const struct loaded *loaded)
{
	char pin[PATH_MAX + 128];
	int i, err;

	snprintf(pin, sizeof(pin), "%s/prog", path);
	err = bpf_obj_pin(loaded->prog_fd, pin);
	snprintf(pin, sizeof(pin), "%s/maps", path);
	if (!err && mkdir(pin, 0700))
		err = -errno;
	for (i = 0; !err && i < loaded->nr_maps; i++) {
		snprintf(pin, sizeof(pin), "%s/maps/%s", path, loaded->maps[i].name);
		err = bpf_obj_pin(loaded->maps[i].fd, pin);
	}
	if (err)
		return fail("%s: can't pin: %s: " UNCHANGED, pin, strerror(-err));

	return 0;
}

static int generation_make(const struct policy *policy, const struct version *version,
			   const struct loaded *loaded, const struct netns *ns, char path[PATH_MAX])
{
	char dir[PATH_MAX];
	unsigned int number = 0;
	int err;

	policy_pins(policy, dir);
	walk_generations(policy, highest, &number);
	snprintf(path, PATH_MAX, "%s/%s/g%u", options.pins, policy->name, number + 1);
	err = make_dirs(dir) ?: make_dirs(path) ?: write_number(path, "netns", ns->ino) ?:
	      write_number(path, "version", version->number);
	if (err)
		return fail("%s: can't make it on bpffs: %s: " UNCHANGED, path, strerror(-err));

	return pin_program(path, loaded);
}

/* Find or make the links of the new generation. If the kernel can replace the program of the
 * old links, the new generation takes these links. If not, attach new links beside them.
 */
static int make_links(struct links *links, struct links *old, struct place *place,
		      const struct loaded *loaded, bool *updates)
{
	*updates = links_can_update(old, place);
	if (*updates) {
		*links = *old;
		old->count = 0;
		return 0;
	}
	if (links_are_near(old, place))
		place->search = MAX_DISTANCE;

	return links_create(links, place, loaded->prog_fd);
}

static int commit(struct policy *policy, const char *path, const char *old_name,
		  struct links *links, const struct loaded *loaded, bool updates)
{
	int err;

	if (links_pin(links, path) || set_current(policy, strrchr(path, '/') + 1))
		return -1;
	err = updates ? update_links(links, loaded->prog_fd) : 0;
	if (!err)
		return 0;
	/* The old generation has pins of the same links, so make it the current one again. */
	if (set_current(policy, old_name))
		return fail("link %u: can't replace its program: %s: the old one is still in force, and the next command repeats it",
			    links->info[0].id, strerror(-err));

	return fail("link %u: can't replace its program: %s: the old one is still in force",
		    links->info[0].id, strerror(-err));
}

static void log_attached(const struct policy *policy, const struct version *version)
{
	if (version->number)
		log_change("%s: version %u is attached", policy->name, version->number);
	else
		log_change("%s: a program that drops all packets is attached", policy->name);
}

int generation_put(struct policy *policy, const struct version *version,
		   const struct loaded *loaded, unsigned int flags)
{
	char path[PATH_MAX], old_path[PATH_MAX], old_name[NAME_MAX] = "";
	struct place place = { .conf = &version->conf };
	struct links links = {}, old = {};
	unsigned int keep = 0;
	struct netns ns;
	bool updates;
	int err;

	if (netns_open(&ns, version->conf.netns))
		return -1;
	place.ns = &ns;
	place.search = flags & PUT_NEAR ? MAX_DISTANCE : 0;
	if (!current_name(policy, old_name) && !generation_current(policy, old_path)) {
		keep = flags & PUT_KEEP_OLD ? generation_version(old_path) : 0;
		links_open(&old, old_path);
	}
	err = generation_make(policy, version, loaded, &ns, path) ?:
	      make_links(&links, &old, &place, loaded, &updates) ?:
	      commit(policy, path, old_name, &links, loaded, updates);
	if (err && !is_current(policy, path)) {
		/* New links stay attached as long as they are open or pinned. */
		drop_links(policy, path);
		remove_dir(path);
	} else if (!err) {
		generation_clean(policy, keep);
		log_attached(policy, version);
	}
	links_close(&links);
	links_close(&old);
	netns_close(&ns);

	return err;
}
