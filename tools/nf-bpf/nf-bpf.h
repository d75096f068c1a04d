/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * nf-bpf: netfilter programs as a service.
 *
 * Terms: a policy is a file in the directory of configurations. Applying it makes a
 * version: a copy of the file, of its object and of its rules, below the state directory.
 * A generation is a directory on bpffs with the pins of one version that was attached.
 * The symbolic link "current" of a policy names the generation that is in force.
 */
#ifndef NF_BPF_H
#define NF_BPF_H

#include <linux/compiler.h>
#include <linux/limits.h>
#include <linux/types.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include <bpf/libbpf.h>

/* Exit codes, documented in nf-bpf(8). */
enum {
	EXIT_DONE		= 0,
	EXIT_FAILED		= 1,
	EXIT_WRONG		= 2,	/* command line or configuration */
	EXIT_NOT_IN_FORCE	= 3,
	EXIT_CLOSED		= 4,	/* the fail-closed program was attached */
	EXIT_UNCHANGED		= 5,	/* nothing to try */
	EXIT_BEFORE		= 6,	/* the file is not in force, but the version before is */
	EXIT_UNRECORDED		= 7,	/* the file is in force, but the state does not say so */
};

#ifndef ARRAY_SIZE
#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))
#endif
#define MAX_POLICY_NAME 48
#define MAX_LIST 64
#define MAX_DISTANCE 32		/* of a free priority from the one that was asked for */

struct options {
	const char *etc;	/* directory of configurations */
	const char *state;	/* directory of versions, survives a reboot */
	const char *pins;	/* directory on bpffs */
	bool json;
	bool verbose;
	bool may_wait;		/* at boot: other policies may be about to start, too */
};

extern struct options options;

struct btf;
struct json_writer;
struct stat;

/* --- util.c --- */

struct blob {
	char *data;
	size_t len;
};

/* Print a message to standard error. Returns -1. */
int __printf(1, 2) fail(const char *fmt, ...);
/* The text of the last call of fail() */
extern char last_failure[2 * PATH_MAX];
void __printf(1, 2) warn(const char *fmt, ...);
void __printf(1, 2) say(const char *fmt, ...);
/* Send all further messages to the system's log. */
void use_syslog(void);
/* Write a change of a policy to the system's log, with the name of the caller. */
void __printf(1, 2) log_change(const char *fmt, ...);
/* Get the name of the user who called sudo, or else of the user who runs this command. */
void caller_name(char *buf, size_t size);

/* Returns 0 or a negative errno, and no message. */
int blob_read(const char *path, struct blob *blob);
/* Write a temporary file, sync it, and rename it. Returns 0 or a negative errno. */
int blob_write(const char *path, const char *data, size_t len);
/* The same for a file that several processes may write at once. Give it the owner and the mode of
 * @like before others see it. An owner or group of -1 is not changed. If the process is killed,
 * nothing is left behind but, at most, the complete file as "@path.nf-bpf-new".
 */
int blob_publish(const char *path, const struct blob *blob, const struct stat *like);
bool blob_equal(const struct blob *a, const struct blob *b);
void blob_free(struct blob *blob);
int sync_dir(const char *path);
/* Make a directory and its parents. */
int make_dirs(const char *path);
/* Remove a directory with files in it, and directories one level deep. */
void remove_dir(const char *path);
/* Tell whether a policy may have this name. bpffs refuses names with dots, and the name is also a
 * part of a unit's name.
 */
bool is_name(const char *name);
__u64 boot_seconds(void);
/* Parse a whole decimal or hexadecimal number. Returns 0 or -1. */
int parse_number(const char *text, __u64 *number);
/* Returns the length of the first character in bytes, or 0 if it is not UTF-8. */
int utf8_length(const char *text);

/* --- conf.c --- */

enum fragments {
	FRAGMENTS_STRICT,
	FRAGMENTS_REASSEMBLE,
	FRAGMENTS_TRACK,
	FRAGMENTS_PASS,
};

enum on_error {
	ON_ERROR_DROP,
	ON_ERROR_STOP,
	ON_ERROR_PASS,
	ON_ERROR_DEFAULT,	/* only until conf_parse() knows the hook */
};

struct limit {
	char *map;
	__u32 entries;
};

struct conf {
	char *object;
	char *source;
	char *include[MAX_LIST];
	char *program;
	char *netns;		/* NULL: that of the machine */
	char *rules;
	char *before;
	char *after;
	char *keep[MAX_LIST];	/* names of maps */
	struct limit limits[MAX_LIST];
	int pf;
	int hook;
	__s32 priority;
	__u64 cookie;		/* of the links; 0: none */
	enum fragments fragments;
	enum on_error on_error;
	/* The file names the hook and the network namespace. If it does not, nf-bpf must not fail
	 * closed: it would drop the packets of another hook or namespace.
	 */
	bool has_place;
};

/* Parse @text, the content of @file. Returns 0, or -1 after messages. @conf has the lines without
 * errors in both cases: to fail closed, nf-bpf needs the hook of a file with errors.
 */
int conf_parse(struct conf *conf, const char *file, const struct blob *text);
void conf_free(struct conf *conf);
const char *conf_fragments(const struct conf *conf);
const char *conf_on_error(const struct conf *conf);
__u32 conf_flags(const struct conf *conf);
/* The keys of [policy], to compare two configurations. conf_key() returns NULL after the last. */
const char *conf_key(int index);
void conf_value(const struct conf *conf, int index, char *buf, size_t size);

/* --- version.c --- */

struct policy;

struct version {
	unsigned int number;	/* 0: not stored */
	unsigned int before;	/* the version that was in force before */
	char when[32];
	char by[64];
	char how[16];
	struct blob text;	/* of the configuration */
	struct blob object;
	struct blob source;	/* empty: the policy has an object */
	struct blob rules;	/* empty: it fills no maps */
	struct conf conf;
};

/* Read the configuration of a policy and all files that it names. */
int version_from_file(struct version *version, const char *name, bool compile);
/* Read a stored version. Returns 0, or -1 after a message. If its configuration can be read, it is
 * there in both cases: @version->conf.has_place is true.
 */
int version_from_state(struct version *version, const char *name, unsigned int number);
/* Store under the next number. */
int version_store(struct version *version, const struct policy *policy, const char *how,
		  unsigned int before);
/* Remove what a killed command has left behind: incomplete files, and versions that are newer
 * than @newest and not in @keep.
 */
void version_clean(const char *name, unsigned int newest, const unsigned int *keep, int nr_keep);
/* The version that was in force before, or 0. */
unsigned int version_before(const char *name, unsigned int number);
void version_forget(const char *name, unsigned int number);
/* Tell whether both have the same configuration, program and rules. */
bool version_equal(const struct version *a, const struct version *b);
/* The same, but do not compare the objects if the policy has a source: another compiler makes
 * another object of the same source.
 */
bool version_same_files(const struct version *a, const struct version *b);
void version_free(struct version *version);
/* Fill @numbers in ascending order. Returns the number of versions, at most @max. */
int version_list(const char *name, unsigned int *numbers, int max);
/* Remove the oldest ones, except those in @keep. */
void version_prune(const char *name, const unsigned int *keep, int nr_keep);

/* --- state.c --- */

struct policy {
	const char *name;
	int lock;
	unsigned int current;	/* version that is, or should be, in force; 0: none */
	unsigned int trying;	/* version on trial, not confirmed yet; 0: none */
	unsigned int rejected;	/* version that was rolled back */
	unsigned int newest;	/* highest version that was current or rejected */
	unsigned int removed;	/* highest version when the policy was removed */
	__u64 deadline;		/* seconds since boot */
	bool rebooted;		/* the machine was rebooted after the state was written */
	bool closed;		/* before the trial all packets were dropped */
	bool bare;		/* current is not attached; the trial has the same content */
	bool unsaved;		/* the state on disk is not what is in force */
};

enum {
	OPEN_CREATE	= 1,	/* if the directory of the policy is missing, make it */
	OPEN_DAMAGED	= 2,	/* if the state is damaged, rename it and begin a new one */
};

/* Lock the policy and read its state. */
int policy_open(struct policy *policy, const char *name, unsigned int flags);
/* Lock the policy if that is possible, and go on with no version in force if its state cannot be
 * read. Returns -1 if the policy has a state and could not be locked.
 */
int policy_open_to_remove(struct policy *policy, const char *name);
/* Read the state without a lock. Writers replace it as a whole, so it is never half-written. */
int policy_peek(struct policy *policy, const char *name);
int policy_save(struct policy *policy);
void policy_close(struct policy *policy);

/* --- netns.c --- */

struct netns {
	int fd;		/* -1: closed */
	int old;
	__u64 ino;
};

/* @name is a name of ip-netns(8), a path, or NULL for the network namespace of process 1. A policy
 * has one place: with NULL for the caller's, a command in another namespace would move it there.
 */
int netns_open(struct netns *ns, const char *name);
/* Make a namespace, which ends with netns_close(). The caller stays in its own. */
int netns_make(struct netns *ns);
/* Refuse NULL if the caller runs in another network namespace than process 1. */
int netns_check(const char *name);
void netns_close(struct netns *ns);
int netns_enter(struct netns *ns);
void netns_leave(struct netns *ns);

/* --- link.c --- */

struct links {
	int fds[2];
	struct bpf_link_info info[2];
	int count;
};

enum attached {
	ATTACHED_NOT,
	ATTACHED_YES,
	ATTACHED_UNKNOWN,	/* something is at the place; the kernel does not tell what */
};

struct place {
	const struct conf *conf;
	struct netns *ns;
	/* how far from the configured priority to search for a free one; 0: do not search */
	int search;
};

/* Refuse a key that this kernel does not know, or would silently ignore. Call this before anything
 * is loaded or stored. Returns 0, or -1 after a message.
 */
int place_check(const struct conf *conf);
/* Attach a program in a new network namespace, to find out whether the kernel can attach it as the
 * file says. Other policies are not there, so this does not tell whether the priority is free.
 * Returns 0, or -1 after a message.
 */
int place_try(const struct conf *conf, int prog_fd);
/* Attach a program with one link, or with one link for each family: both links or none. */
int links_create(struct links *links, const struct place *place, int prog_fd);
/* Open the links that are pinned in a directory, with their information. */
int links_open(struct links *links, const char *dir);
int links_pin(const struct links *links, const char *dir);
void links_detach(const struct links *links);
void links_close(struct links *links);
/* Tell whether all links are attached in @ns and run the program with the id @prog_id. */
enum attached links_run(const struct links *links, __u32 prog_id, const struct place *place,
			__u64 recorded_ino);
/* Tell whether the kernel can replace the program of these links for the given place. */
bool links_can_update(const struct links *links, const struct place *place);
/* Tell whether they are at the hook and near the priority of the place. */
bool links_are_near(const struct links *links, const struct place *place);
/* The types of the kernel without those of its modules, or NULL. The caller must not free them. */
struct btf *kernel_types(void);
bool kernel_has(const char *feature);
int closed_program(void);
__u32 prog_id_of(int fd);

/* --- hooks.c --- */

/* Tell whether the program of a link is at its place in this network namespace. */
enum attached hook_has_program(const struct bpf_link_info *info);

/* --- object.c --- */

struct loaded {
	struct bpf_object *object;	/* NULL: pins of a generation */
	int prog_fd;
	struct {
		const char *name;
		int fd;
		bool is_kept;	/* the map of the generation before, with its entries */
	} maps[MAX_LIST];
	int nr_maps;
};

/* Load the program of a version. Take the maps to keep from the generation at @from, and fill the
 * other maps from the rules.
 */
int object_load(struct loaded *loaded, const struct version *version, const char *from);
int object_open_pins(struct loaded *loaded, const char *generation);
void object_close(struct loaded *loaded);
int object_compile(const struct conf *conf, struct blob *object);

/* --- modules.c --- */

/* Load the modules that have functions to which an object refers. Call this before the object is
 * loaded. An error is no reason to stop: the program may be able to do without the functions.
 */
void modules_load(const struct bpf_object *object);
/* If a loaded program calls functions that the kernel does not have, print their names and the
 * remedy, once.
 */
void modules_warn(const struct bpf_object *object, const struct bpf_program *prog,
		  const char *file);

/* --- attach.c --- */

/* Get the path of the generation in force. Returns 0, or -ENOENT. */
int generation_current(const struct policy *policy, char path[PATH_MAX]);
unsigned int generation_version(const char *path);
__u64 generation_netns(const char *path);
/* Find a generation of @version that is not in force. Returns 0, or -ENOENT. */
int generation_find(const struct policy *policy, unsigned int version, char path[PATH_MAX]);
/* Put a program in force. */
enum {
	PUT_KEEP_OLD	= 1,	/* leave the pins of the old program */
	PUT_NEAR	= 2,	/* if another hook has the priority, take the nearest one */
};

int generation_put(struct policy *policy, const struct version *version,
		   const struct loaded *loaded, unsigned int flags);
/* Detach and remove all generations except the one in force and those of version @keep. */
void generation_clean(const struct policy *policy, unsigned int keep);
/* Tell whether the policy has pins: all of them are below one directory. */
bool generation_has_pins(const struct policy *policy);
/* Detach and remove everything. */
int generation_remove_all(const struct policy *policy);
/* Finish an update of links that was interrupted. */
int generation_repair(const struct policy *policy);
/* If "current" is missing, make it name the generation that the state says is in force. */
void generation_adopt(const struct policy *policy);
/* Tell whether the generation in force is attached where @conf says. */
enum attached generation_in_force(const struct policy *policy, const struct conf *conf);
int check_bpffs(void);

/* --- reassembly.c --- */

struct reassembly_counter {
	unsigned long long value;
	bool known;
};

/* Counters of a network namespace and family since it was made */
struct reassembly {
	struct reassembly_counter fragments;
	struct reassembly_counter datagrams;
	struct reassembly_counter failures;
	struct reassembly_counter timeouts;
};

/* Datagrams whose fragments links with "fragments = track" judge, of a network namespace */
struct tracking {
	struct reassembly_counter entries;
	struct reassembly_counter limit;
};

/* Read those of the network namespace of this thread. */
void read_reassembly(struct reassembly *ip, struct reassembly *ip6);
void read_tracking(struct tracking *tracking);

/* --- policy.c, start.c, try.c, status.c, rules.c, watch.c, metrics.c --- */

/* Open a policy, and complete what a killed command has left half-done. This detaches nothing,
 * with one exception: if the time of a trial is over, the trial ends.
 */
int policy_begin(struct policy *policy, const char *name, unsigned int flags);
/* Remove what a killed command has left behind. Commands that change a policy call this. */
void policy_clean(const struct policy *policy);
/* Tell whether the version @number has the content of @version. */
bool policy_has_version(const struct policy *policy, unsigned int number,
			const struct version *version);
/* Tell whether somebody has left the content of @version. A stored version that is newer than the
 * one in force was left: it was rolled back, or its trial was not confirmed.
 */
bool policy_has_left(const struct policy *policy, const struct version *version);
/* Apply a version, with @seconds for a trial. Returns an exit code. */
int policy_apply(struct policy *policy, struct version *version, const char *how,
		 unsigned int seconds);
/* Attach the fail-closed program at the place of the policy. Returns an exit code. */
int policy_close_place(struct policy *policy, const struct conf *conf);
int policy_revert(struct policy *policy);
int policy_bring(struct policy *policy, unsigned int number);
enum attached policy_attached(const struct policy *policy);
static inline bool policy_is_attached(const struct policy *policy)
{
	return policy_attached(policy) == ATTACHED_YES;
}

/* Start the process that reverts a trial. It survives its parent and its terminal. */
int start_guard(struct policy *policy, unsigned int seconds);

int cmd_check(int argc, char **argv);
int cmd_apply(int argc, char **argv);
int cmd_start(int argc, char **argv);
/* The same without a wait for another policy. Returns an exit code. */
int start_policy(const char *name);
int cmd_try(int argc, char **argv);
int cmd_confirm(int argc, char **argv);
int cmd_rollback(int argc, char **argv);
int cmd_remove(int argc, char **argv);
int cmd_status(int argc, char **argv);
int cmd_save(int argc, char **argv);
int cmd_load(int argc, char **argv);
int cmd_watch(int argc, char **argv);
int cmd_metrics(int argc, char **argv);
/* The command "guard NAME VERSION DEADLINE". systemd runs it for "try". */
int cmd_guard(int argc, char **argv);

/* Fill maps from @rules. Without @replace, fill only new maps, and do not change kept ones. With
 * @is_stored, accept with a warning what an earlier nf-bpf accepted.
 */
int rules_fill(const struct blob *rules, const char *file, const struct loaded *loaded,
	       bool replace, bool is_stored);

#endif
