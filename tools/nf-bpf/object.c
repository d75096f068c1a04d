// SPDX-License-Identifier: GPL-2.0-only
/* The program of a version: compiled from its source, loaded, its maps kept and filled. */
#define _GNU_SOURCE
#include <errno.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "nf-bpf.h"

/* libbpf has error numbers of its own, which strerror() does not know. */
static const char *reason_of(int err)
{
	static char reason[128];

	libbpf_strerror(err, reason, sizeof(reason));

	return reason;
}

static int run_clang(const char **argv)
{
	int status;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid < 0)
		return fail("fork: %s", strerror(errno));
	if (!pid) {
		execvp(argv[0], (char **)argv);
		fail("%s: %s: install clang, or compile the program on another machine and write 'object = FILE'",
		     argv[0], strerror(errno));
		_exit(127);
	}
	while (waitpid(pid, &status, 0) < 0) {
		if (errno != EINTR)
			return fail("wait: %s", strerror(errno));
	}

	return status ? -1 : 0;
}

/* The headers are installed beside the command, unless NF_BPF_INCLUDE names another directory. */
static void default_include(char path[PATH_MAX])
{
#ifdef NF_BPF_INCLUDE
	snprintf(path, PATH_MAX, "%s", NF_BPF_INCLUDE);
#else
	static const char include[] = "/../include";
	char *slash;
	ssize_t len;

	len = readlink("/proc/self/exe", path, PATH_MAX - sizeof(include));
	path[len < 0 ? 0 : len] = '\0';
	slash = strrchr(path, '/');
	strcpy(slash ?: path, include);
#endif
}

int object_compile(const struct conf *conf, struct blob *object)
{
	const char *argv[2 * MAX_LIST + 16] = {
		"clang", "-O2", "-g", "-target", "bpf", "-mcpu=v3", "-Wall",
	};
	char output[] = "/tmp/nf-bpf-XXXXXX", include[PATH_MAX];
	int n = 7, i, fd, err;

	fd = mkstemp(output);
	if (fd < 0)
		return fail("%s: %s", output, strerror(errno));
	close(fd);
	default_include(include);
	for (i = 0; i < MAX_LIST && conf->include[i]; i++) {
		argv[n++] = "-I";
		argv[n++] = conf->include[i];
	}
	argv[n++] = "-I";
	argv[n++] = include;
	argv[n++] = "-c";
	argv[n++] = conf->source;
	argv[n++] = "-o";
	argv[n++] = output;
	err = run_clang(argv);
	if (err)
		fail("%s: can't be compiled: correct the errors above", conf->source);
	else
		err = blob_read(output, object) ? fail("%s: %s", output, strerror(errno)) : 0;
	unlink(output);

	return err;
}

static struct bpf_program *choose_program(const struct loaded *loaded, const struct conf *conf)
{
	struct bpf_program *prog, *chosen = NULL;
	int count = 0;

	bpf_object__for_each_program(prog, loaded->object) {
		if (bpf_program__type(prog) == BPF_PROG_TYPE_NETFILTER) {
			count++;
			if (!conf->program || !strcmp(conf->program, bpf_program__name(prog)))
				chosen = prog;
		}
		bpf_program__set_autoload(prog, false);
	}
	if (chosen && (conf->program || count == 1)) {
		bpf_program__set_autoload(chosen, true);
		bpf_program__set_expected_attach_type(chosen, BPF_NETFILTER);
		return chosen;
	}

	if (!count)
		fail("the object has no netfilter program: give a program SEC(\"netfilter\")");
	else
		fail("%s: choose a program of the object with 'program = NAME':",
		     conf->program ? "no such program" : "the object has several programs");
	bpf_object__for_each_program(prog, loaded->object) {
		if (bpf_program__type(prog) == BPF_PROG_TYPE_NETFILTER)
			fail("    program = %s", bpf_program__name(prog));
	}

	return NULL;
}

static int set_limits(struct bpf_object *object, const struct conf *conf)
{
	struct bpf_map *map;
	int i;

	for (i = 0; i < MAX_LIST && conf->limits[i].map; i++) {
		map = bpf_object__find_map_by_name(object, conf->limits[i].map);
		if (!map)
			return fail("[limits] %s: the object has no such map: correct the name or remove the line",
				    conf->limits[i].map);
		bpf_map__set_max_entries(map, conf->limits[i].entries);
	}

	return 0;
}

static int check_shape(const struct bpf_map *map, int fd)
{
	struct bpf_map_info info = {};
	__u32 len = sizeof(info);

	if (bpf_map_get_info_by_fd(fd, &info, &len))
		return fail("map %s: %s", bpf_map__name(map), strerror(errno));
	if (info.type == bpf_map__type(map) && info.key_size == bpf_map__key_size(map) &&
	    info.value_size == bpf_map__value_size(map) &&
	    info.max_entries == bpf_map__max_entries(map) &&
	    info.map_flags == bpf_map__map_flags(map))
		return 0;

	return fail("map %s: can't be kept: its type, sizes or flags have changed (key %u to %u bytes, value %u to %u, entries %u to %u): rename the map in the program, or remove it from 'keep' and lose its entries",
		    bpf_map__name(map), info.key_size, bpf_map__key_size(map), info.value_size,
		    bpf_map__value_size(map), info.max_entries, bpf_map__max_entries(map));
}

/* libbpf shares a map that asks for a pin (LIBBPF_PIN_BY_NAME) with all objects that name it. A
 * version that is only checked, or not applied, would then change the map that is in force.
 */
static void clear_pins(struct bpf_object *object)
{
	struct bpf_map *map;

	bpf_object__for_each_map(map, object) {
		if (!bpf_map__pin_path(map))
			continue;
		warn("map %s: its pin %s is not made, and another program's map there is not taken: nf-bpf pins the map below %s; to keep its entries, write 'keep = %s'",
		     bpf_map__name(map), bpf_map__pin_path(map), options.pins, bpf_map__name(map));
		bpf_map__set_pin_path(map, NULL);
	}
}

static int keep_maps(struct bpf_object *object, const struct conf *conf, const char *from)
{
	char path[PATH_MAX];
	struct bpf_map *map;
	int i, fd, err;

	for (i = 0; i < MAX_LIST && conf->keep[i]; i++) {
		map = bpf_object__find_map_by_name(object, conf->keep[i]);
		if (!map)
			return fail("keep = %s: the object has no such map: correct the name or remove it",
				    conf->keep[i]);
		if (!from)
			continue;
		snprintf(path, sizeof(path), "%s/maps/%s", from, conf->keep[i]);
		fd = bpf_obj_get(path);
		if (fd < 0)
			continue;
		err = check_shape(map, fd);
		if (!err && bpf_map__reuse_fd(map, fd))
			err = fail("map %s: can't be kept: %s", conf->keep[i], strerror(errno));
		close(fd);
		if (err)
			return err;
	}

	return 0;
}

/* Leave out the maps of data sections: their names begin with a dot, which bpffs refuses. */
static void list_maps(struct loaded *loaded)
{
	struct bpf_map *map;

	bpf_object__for_each_map(map, loaded->object) {
		if (strchr(bpf_map__name(map), '.') || loaded->nr_maps == MAX_LIST ||
		    bpf_map__fd(map) < 0)
			continue;
		loaded->maps[loaded->nr_maps].name = bpf_map__name(map);
		loaded->maps[loaded->nr_maps++].fd = bpf_map__fd(map);
	}
}

/* Tell whether the map is kept. A kept map has its entries already; the rules are for new maps. */
static bool is_filled(const struct conf *conf, const char *from, const char *map)
{
	char path[PATH_MAX];
	int i;

	for (i = 0; from && i < MAX_LIST && conf->keep[i]; i++) {
		snprintf(path, sizeof(path), "%s/maps/%s", from, map);
		if (!strcmp(conf->keep[i], map) && !access(path, F_OK))
			return true;
	}

	return false;
}

/* Check the rules of kept maps, too: at boot these maps are new, and filled from the rules. */
static int fill_maps(struct loaded *loaded, const struct version *version, const char *from)
{
	int i;

	if (!version->rules.data)
		return 0;
	for (i = 0; i < loaded->nr_maps; i++)
		loaded->maps[i].is_kept = is_filled(&version->conf, from, loaded->maps[i].name);

	return rules_fill(&version->rules, version->conf.rules ?: "rules", loaded, false,
			  version->number);
}

static int fail_to_load(const char *object, const char *program, int err)
{
	if (err == -E2BIG)
		return fail("%s: program %s can't be loaded: it exceeds a limit of the kernel: if the program is too large, put loops into bpf_loop(), or into global functions, which the verifier checks once; if a map is too large, give it fewer entries in [limits], or smaller values",
			    object, program);
	return fail("%s: program %s can't be loaded: %s: the messages above have the reason",
		    object, program, reason_of(err));
}

int object_load(struct loaded *loaded, const struct version *version, const char *from)
{
	const struct conf *conf = &version->conf;
	LIBBPF_OPTS(bpf_object_open_opts, opts, .object_name = "policy");
	struct bpf_program *prog;
	const char *name = conf->object ?: conf->source;
	int err;

	*loaded = (struct loaded){ .prog_fd = -1 };
	loaded->object = bpf_object__open_mem(version->object.data, version->object.len, &opts);
	if (!loaded->object)
		return fail("%s: not a BPF object: %s: compile it with clang -target bpf", name,
			    reason_of(errno));
	clear_pins(loaded->object);
	prog = choose_program(loaded, conf);
	if (!prog || set_limits(loaded->object, conf) || keep_maps(loaded->object, conf, from))
		goto err;
	modules_load(loaded->object);
	err = bpf_object__load(loaded->object);
	if (err) {
		fail_to_load(name, bpf_program__name(prog), err);
		goto err;
	}
	loaded->prog_fd = bpf_program__fd(prog);
	modules_warn(loaded->object, prog, name);
	list_maps(loaded);
	if (fill_maps(loaded, version, from))
		goto err;

	return 0;
err:
	object_close(loaded);
	return -1;
}

/* Open the pins of a generation, to put its program and its maps in force again. */
int object_open_pins(struct loaded *loaded, const char *generation)
{
	char path[PATH_MAX], dir_path[PATH_MAX];
	struct dirent *entry;
	DIR *dir;
	int fd;

	*loaded = (struct loaded){};
	snprintf(path, sizeof(path), "%s/prog", generation);
	loaded->prog_fd = bpf_obj_get(path);
	if (loaded->prog_fd < 0)
		return -1;
	snprintf(dir_path, sizeof(dir_path), "%s/maps", generation);
	dir = opendir(dir_path);
	while (dir && (entry = readdir(dir)) && loaded->nr_maps < MAX_LIST) {
		if (*entry->d_name == '.')
			continue;
		snprintf(path, sizeof(path), "%s/maps/%s", generation, entry->d_name);
		fd = bpf_obj_get(path);
		if (fd < 0)
			continue;
		loaded->maps[loaded->nr_maps].name = strdup(entry->d_name);
		loaded->maps[loaded->nr_maps++].fd = fd;
	}
	if (dir)
		closedir(dir);

	return 0;
}

void object_close(struct loaded *loaded)
{
	if (loaded->object) {
		bpf_object__close(loaded->object);
	} else {
		while (loaded->nr_maps--) {
			free((char *)loaded->maps[loaded->nr_maps].name);
			close(loaded->maps[loaded->nr_maps].fd);
		}
		if (loaded->prog_fd >= 0)
			close(loaded->prog_fd);
	}
	*loaded = (struct loaded){ .prog_fd = -1 };
}
