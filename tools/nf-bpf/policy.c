// SPDX-License-Identifier: GPL-2.0-only
/* The commands that put a policy in force and take it away. */
#include <errno.h>
#include <string.h>
#include <unistd.h>
#include <linux/netfilter.h>

#include "nf-bpf.h"
#include "nf_util.h"

/* bpffs has what is attached, and the state says what should be attached. The two differ after a
 * command was killed, and after a reboot.
 */
static int reconcile(struct policy *policy)
{
	bool attached, changed = false;
	unsigned int version;
	char path[PATH_MAX];

	attached = !generation_current(policy, path);
	version = attached ? generation_version(path) : 0;

	if (policy->trying && version != policy->trying && (attached || policy->rebooted)) {
		/* The trial did not begin, or went back, or the machine was restarted. */
		policy->rejected = policy->trying;
		policy->trying = 0;
		changed = true;
	}
	if (version && version != policy->current && version != policy->trying) {
		/* An older version can only be in force after a "rollback". */
		policy->rejected = version < policy->current ? policy->current : 0;
		policy->current = version;
		changed = true;
	}

	return changed ? policy_save(policy) : 0;
}

int policy_begin(struct policy *policy, const char *name, unsigned int flags)
{
	/* If the pins cannot be seen, the policy would seem to be detached. */
	if (check_bpffs() || policy_open(policy, name, flags))
		return -1;
	if (policy->lock < 0)
		return 0;
	generation_adopt(policy);
	if (generation_repair(policy))
		warn("%s: an update of its link was interrupted and can't be finished: 'nf-bpf apply %s' attaches it again",
		     name, name);
	/* Continue if the disk is full: the policy in force matters more than the state. */
	policy->unsaved = reconcile(policy);
	if (policy->unsaved)
		warn("%s: goes on, but the state on disk is not what is in force", name);
	if (policy->trying && boot_seconds() >= policy->deadline) {
		warn("%s: version %u was not confirmed in time", name, policy->trying);
		/* If this fails, the caller can choose "confirm" or "rollback". */
		policy_revert(policy);
	}

	return 0;
}

void policy_clean(const struct policy *policy)
{
	const unsigned int keep[] = { policy->trying, policy->rejected };

	generation_clean(policy, policy->trying ? policy->current : 0);
	version_clean(policy->name, policy->newest, keep, ARRAY_SIZE(keep));
}

/* Load a stored version and put it in force. If another hook has taken its priority since it was
 * in force, use the nearest free priority: this is better than no policy.
 */
int policy_bring(struct policy *policy, unsigned int number)
{
	char path[PATH_MAX];
	struct version version;
	struct loaded loaded;
	bool has_old;
	int err;

	has_old = !generation_current(policy, path);
	err = version_from_state(&version, policy->name, number) ?: place_check(&version.conf);
	if (!err)
		err = object_load(&loaded, &version, has_old ? path : NULL);
	if (!err) {
		err = generation_put(policy, &version, &loaded, PUT_NEAR);
		object_close(&loaded);
	}
	version_free(&version);

	return err;
}

/* The program of the version before is still pinned: put it back with its maps. */
static int bring_pinned(struct policy *policy, unsigned int number)
{
	char path[PATH_MAX];
	struct version version = {};
	struct loaded loaded;
	int err = -1;

	if (generation_find(policy, number, path) || object_open_pins(&loaded, path))
		return -1;
	if (!version_from_state(&version, policy->name, number))
		err = generation_put(policy, &version, &loaded, PUT_NEAR);
	version_free(&version);
	object_close(&loaded);

	return err;
}

int policy_close_place(struct policy *policy, const struct conf *conf)
{
	struct conf closed = {
		.netns = conf->netns,
		.pf = conf->pf,
		.hook = conf->hook,
		/* Leave the priority of the policy free for the policy. The kernel reserves
		 * __INT32_MAX__.
		 */
		.priority = conf->priority + (conf->priority < __INT32_MAX__ - 1 ? 1 : -1),
		.fragments = FRAGMENTS_PASS,
	};
	struct version version = { .conf = closed };
	struct loaded loaded = {};
	int err;

	loaded.prog_fd = closed_program();
	if (loaded.prog_fd < 0) {
		fail("%s: can't load the fail-closed program: %s", policy->name, strerror(-loaded.prog_fd));
		return EXIT_FAILED;
	}
	err = generation_put(policy, &version, &loaded, PUT_NEAR);
	close(loaded.prog_fd);
	if (err)
		return EXIT_FAILED;
	fail("%s: all packets of %s %s are dropped until 'nf-bpf apply %s' succeeds",
	     policy->name, libbpf_nf_name_of(libbpf_nf_families, conf->pf),
	     libbpf_nf_name_of(libbpf_nf_hooks, conf->hook), policy->name);

	return EXIT_CLOSED;
}

/* End a trial before which all packets were dropped: drop them again. */
static int close_again(struct policy *policy)
{
	struct version version;
	int err;

	version_from_state(&version, policy->name, policy->trying);
	err = !version.conf.has_place ||
	      policy_close_place(policy, &version.conf) != EXIT_CLOSED;
	version_free(&version);

	return err;
}

int policy_revert(struct policy *policy)
{
	unsigned int tried = policy->trying;
	int err;

	if (!policy->current || policy->bare)
		err = policy->closed ? close_again(policy) : generation_remove_all(policy);
	else
		err = bring_pinned(policy, policy->current) && policy_bring(policy, policy->current);
	if (err)
		return fail("%s: can't go back to version %u: version %u is still in force",
			    policy->name, policy->current, tried);
	policy->rejected = tried;
	policy->trying = 0;
	err = policy_save(policy);
	if (policy->closed && (!policy->current || policy->bare))
		return err;
	if (policy->bare)
		say("%s: detached, as it was before the trial", policy->name);
	else if (policy->current)
		say("%s: version %u is in force again", policy->name, policy->current);
	else
		say("%s: removed: there was no version before", policy->name);

	return err;
}

int cmd_check(int argc, char **argv)
{
	struct version version;
	struct loaded loaded;
	int err;

	if (version_from_file(&version, argv[0], true)) {
		version_free(&version);
		return EXIT_WRONG;
	}
	err = place_check(&version.conf) ?: object_load(&loaded, &version, NULL);
	if (!err) {
		err = place_try(&version.conf, loaded.prog_fd);
		object_close(&loaded);
	}
	version_free(&version);
	if (err)
		return EXIT_FAILED;
	say("%s: the file is correct, and the kernel accepts the program", argv[0]);

	return EXIT_DONE;
}

bool policy_has_version(const struct policy *policy, unsigned int number,
			const struct version *version)
{
	struct version stored;
	bool same;

	if (!number || version_from_state(&stored, policy->name, number))
		return false;
	same = version_equal(&stored, version);
	version_free(&stored);

	return same;
}

bool policy_has_left(const struct policy *policy, const struct version *version)
{
	unsigned int numbers[MAX_LIST], newest;
	struct version stored;
	bool same = false;
	int count, i;

	newest = policy->current ?: policy->removed;
	count = version_list(policy->name, numbers, ARRAY_SIZE(numbers));
	for (i = 0; !same && i < count; i++) {
		if (numbers[i] <= newest)
			continue;
		same = !version_from_state(&stored, policy->name, numbers[i]) &&
		       version_same_files(&stored, version);
		version_free(&stored);
	}

	return same;
}

/* Tell whether the version that should be in force is attached. */
enum attached policy_attached(const struct policy *policy)
{
	enum attached attached = ATTACHED_NOT;
	struct version current;
	char path[PATH_MAX];

	if (!policy->current || generation_current(policy, path) ||
	    generation_version(path) != policy->current)
		return ATTACHED_NOT;
	/* The object may be unreadable: the program is attached nevertheless. */
	version_from_state(&current, policy->name, policy->current);
	if (current.conf.has_place)
		attached = generation_in_force(policy, &current.conf);
	version_free(&current);

	return attached;
}

static void prune(const struct policy *policy)
{
	const unsigned int keep[] = {
		policy->current, version_before(policy->name, policy->current),
		policy->trying, version_before(policy->name, policy->trying),
		policy->rejected,
	};

	version_prune(policy->name, keep, ARRAY_SIZE(keep));
}

/* Write the state after a version was put in force. Returns an exit code. */
static int record(struct policy *policy)
{
	if (!policy_save(policy))
		return EXIT_DONE;
	fail("%s: version %u is in force, but this is not recorded, and the next boot may not attach it: 'nf-bpf apply %s' again when there is room",
	     policy->name, policy->current, policy->name);

	return EXIT_UNRECORDED;
}

static int not_applied(const struct policy *policy)
{
	char path[PATH_MAX];

	if (!generation_current(policy, path) && generation_version(path))
		fail("%s: not applied: version %u stays in force", policy->name,
		     generation_version(path));
	else
		fail("%s: not applied", policy->name);

	return EXIT_FAILED;
}

/* Load and store the version, then put it in force. With @seconds it is on trial. Returns an exit
 * code.
 */
static int put_new(struct policy *policy, struct version *version, const char *how,
		   unsigned int seconds)
{
	char path[PATH_MAX];
	unsigned int before;
	struct loaded loaded;
	bool has_old;
	int err;

	has_old = !generation_current(policy, path);
	before = policy->bare ? version_before(policy->name, policy->current) : policy->current;
	if (place_check(&version->conf) || object_load(&loaded, version, has_old ? path : NULL))
		return not_applied(policy);
	err = version_store(version, policy, how, before);
	if (!err && seconds) {
		policy->trying = version->number;
		policy->deadline = boot_seconds() + seconds;
		policy->closed = has_old && !generation_version(path);
		err = policy_save(policy) ?: start_guard(policy, seconds);
	}
	err = err ?: generation_put(policy, version, &loaded, seconds ? PUT_KEEP_OLD : 0);
	object_close(&loaded);
	if (err) {
		if (policy->trying) {
			policy->trying = 0;
			policy_save(policy);
		}
		if (version->number)
			version_forget(policy->name, version->number);
		return not_applied(policy);
	}
	if (!seconds) {
		policy->current = version->number;
		policy->rejected = 0;
		err = record(policy);
	}
	prune(policy);

	return err;
}

static int refuse_trial(const struct policy *policy)
{
	fail("%s: version %u is on trial: 'nf-bpf confirm %s' keeps it, 'nf-bpf rollback %s' goes back",
	     policy->name, policy->trying, policy->name, policy->name);

	return EXIT_FAILED;
}

/* Attach the current version again, whose content the file has. After a reboot it is not
 * attached. Do not make a new version: "rollback" would then go back to the same content.
 */
static int apply_again(struct policy *policy)
{
	bool attached = policy_is_attached(policy);

	if (!attached && policy_bring(policy, policy->current)) {
		fail("%s: not applied", policy->name);
		return EXIT_FAILED;
	}
	say("%s: version %u is in force%s", policy->name, policy->current,
	    attached ? " and unchanged" : "");
	if (!policy->rejected && !policy->unsaved)
		return EXIT_DONE;
	policy->rejected = 0;

	return record(policy);
}

int policy_apply(struct policy *policy, struct version *version, const char *how,
		 unsigned int seconds)
{
	enum attached attached;
	bool same;
	int ret;

	if (policy->trying)
		return refuse_trial(policy);
	policy_clean(policy);
	same = policy_has_version(policy, policy->current, version);
	if (same && !seconds)
		return apply_again(policy);
	attached = same ? policy_attached(policy) : ATTACHED_NOT;
	if (attached == ATTACHED_YES) {
		say("%s: version %u is in force and unchanged: nothing to try", policy->name,
		    policy->current);
		return EXIT_UNCHANGED;
	}
	policy->bare = same && attached == ATTACHED_NOT;
	ret = put_new(policy, version, how, seconds);
	if (ret)
		return ret;
	if (seconds)
		say("%s: version %u is in force for %u seconds: 'nf-bpf confirm %s' keeps it",
		    policy->name, version->number, seconds, policy->name);
	else
		say("%s: version %u is in force", policy->name, version->number);

	return EXIT_DONE;
}

/* Tell whether the files have changed since @version was read. */
static bool is_outdated(const struct version *version, const char *name)
{
	struct version now;
	bool same;

	same = !version_from_file(&now, name, false) && version_same_files(&now, version);
	version_free(&now);

	return !same;
}

/* Read the files, and lock the policy. Another command can hold the lock for long. If the files
 * change meanwhile, read them again.
 */
static int read_and_lock(struct policy *policy, struct version *version, const char *name)
{
	for (;;) {
		if (version_from_file(version, name, true))
			return EXIT_WRONG;
		if (policy_begin(policy, name, OPEN_CREATE))
			return EXIT_FAILED;
		if (!is_outdated(version, name))
			return 0;
		policy_close(policy);
		version_free(version);
	}
}

static int apply_file(const char *name, const char *how, unsigned int seconds)
{
	struct version version;
	struct policy policy;
	int ret;

	if (check_bpffs())
		return EXIT_FAILED;
	ret = read_and_lock(&policy, &version, name);
	if (!ret) {
		ret = netns_check(version.conf.netns) ? EXIT_FAILED :
		      policy_apply(&policy, &version, how, seconds);
		policy_close(&policy);
	}
	version_free(&version);

	return ret;
}

int cmd_apply(int argc, char **argv)
{
	return apply_file(argv[0], "apply", 0);
}

int cmd_try(int argc, char **argv)
{
	__u64 seconds;

	if (parse_number(argv[0], &seconds) || !seconds || seconds > 86400) {
		fail("try: %s: not a number of seconds from 1 to 86400: write 'nf-bpf try SECONDS NAME'",
		     argv[0]);
		return EXIT_WRONG;
	}

	return apply_file(argv[1], "try", seconds);
}

int cmd_confirm(int argc, char **argv)
{
	char path[PATH_MAX];
	struct policy policy;
	int err;

	if (policy_begin(&policy, argv[0], 0))
		return EXIT_FAILED;
	if (!policy.trying) {
		fail("%s: no version is on trial: it was confirmed, or went back", argv[0]);
		policy_close(&policy);
		return EXIT_FAILED;
	}
	if (generation_current(&policy, path) || generation_version(path) != policy.trying) {
		fail("%s: version %u is on trial, but is not attached: 'nf-bpf rollback %s' ends the trial",
		     argv[0], policy.trying, argv[0]);
		policy_close(&policy);
		return EXIT_FAILED;
	}
	policy.current = policy.trying;
	policy.trying = 0;
	policy.rejected = 0;
	err = policy_save(&policy);
	if (!err) {
		generation_clean(&policy, 0);
		prune(&policy);
		say("%s: version %u is confirmed", argv[0], policy.current);
		log_change("%s: version %u is confirmed", argv[0], policy.current);
	}
	policy_close(&policy);

	return err ? EXIT_FAILED : EXIT_DONE;
}

static int go_back(struct policy *policy)
{
	struct version version;
	unsigned int before, old = policy->current;

	if (policy->trying)
		return policy_revert(policy);
	if (!old)
		return fail("%s: is not applied: 'nf-bpf apply %s' applies it", policy->name,
			    policy->name);
	if (version_from_state(&version, policy->name, old)) {
		version_free(&version);
		return fail("%s: the version before version %u is not known: 'nf-bpf apply %s' applies the file",
			    policy->name, old, policy->name);
	}
	before = version.before;
	version_free(&version);
	if (!before)
		return fail("%s: version %u is the first one: 'nf-bpf remove %s' removes the policy",
			    policy->name, old, policy->name);
	if (policy_bring(policy, before))
		return fail("%s: can't go back to version %u: version %u stays", policy->name, before, old);
	policy->current = before;
	policy->rejected = old;
	if (policy_save(policy))
		return fail("%s: version %u is in force again, but version %u comes back at boot: 'nf-bpf status %s' records it when %s can be written",
			    policy->name, before, old, policy->name, options.state);
	say("%s: version %u is in force again", policy->name, before);

	return 0;
}

int cmd_rollback(int argc, char **argv)
{
	struct policy policy;
	int err;

	if (policy_begin(&policy, argv[0], 0))
		return EXIT_FAILED;
	policy_clean(&policy);
	err = go_back(&policy);
	policy_close(&policy);

	return err ? EXIT_FAILED : EXIT_DONE;
}

int cmd_remove(int argc, char **argv)
{
	struct policy policy;
	bool unsaved;
	int err;

	if (check_bpffs())
		return EXIT_FAILED;
	/* The program must not stay attached because a disk is damaged. */
	unsaved = policy_open_to_remove(&policy, argv[0]);
	if (!unsaved && policy.lock < 0 && !generation_has_pins(&policy)) {
		fail("%s: was never applied: nothing to remove: 'nf-bpf status' lists the policies",
		     argv[0]);
		return EXIT_FAILED;
	}
	/* Write the state before the links are detached: if this command is killed in between,
	 * the next boot must not put the policy in force again.
	 */
	if (policy.newest < policy.trying)
		policy.newest = policy.trying;
	policy.removed = policy.newest;
	policy.current = 0;
	policy.trying = 0;
	policy.rejected = 0;
	unsaved |= policy.lock >= 0 && policy_save(&policy);
	err = generation_remove_all(&policy);
	policy_close(&policy);
	if (unsaved && !err)
		fail("%s: detached, but it comes back at boot: 'nf-bpf remove %s' again when there is room",
		     argv[0], argv[0]);
	if (err || unsaved)
		return EXIT_FAILED;
	say("%s: removed", argv[0]);

	return EXIT_DONE;
}
