// SPDX-License-Identifier: GPL-2.0-only
/* The start of a policy at boot: the file, the version before, or what on-error says. */
#include "nf-bpf.h"

/* Tell whether an earlier start has attached the fail-closed program. */
static bool is_closed(const struct policy *policy)
{
	char path[PATH_MAX];

	return !generation_current(policy, path) && !generation_version(path);
}

static int close_policy(struct policy *policy, const struct version *version)
{
	/* Do not attach it again at each attempt of "watch". */
	if (version->conf.has_place && is_closed(policy) &&
	    generation_in_force(policy, &version->conf) == ATTACHED_YES)
		return EXIT_CLOSED;
	if (version->conf.has_place)
		return policy_close_place(policy, &version->conf);
	fail("%s: the file does not say for which hook and network namespace: nothing is attached, and packets pass without a policy",
	     policy->name);

	return EXIT_FAILED;
}

/* Without a bpffs no link outlives the command, so "on-error = drop" is not possible. */
static int start_without_pins(const struct version *version, const char *name)
{
	if (version->text.data && version->conf.on_error == ON_ERROR_PASS) {
		warn("%s: on-error = pass: packets pass without a policy", name);
		return EXIT_DONE;
	}
	fail("%s: nothing can be attached: packets pass without a policy", name);

	return EXIT_FAILED;
}

static int on_error(struct policy *policy, const struct version *version)
{
	enum attached attached;

	/* Keep an old version that is attached: it is better than "drop" or "pass". Also keep it if
	 * the kernel does not tell whether it is attached, but something is at its place.
	 */
	attached = policy_attached(policy);
	if (attached != ATTACHED_NOT) {
		fail("%s: version %u stays%s", policy->name, policy->current,
		     attached == ATTACHED_YES ? " in force" : ", if it is attached: this kernel does not tell");
		return EXIT_FAILED;
	}

	switch (version->conf.on_error) {
	case ON_ERROR_DROP:
		return close_policy(policy, version);
	case ON_ERROR_PASS:
		if (is_closed(policy) && generation_remove_all(policy))
			return EXIT_CLOSED;
		warn("%s: on-error = pass: packets pass without a policy", policy->name);
		return EXIT_DONE;
	default:
		if (is_closed(policy)) {
			fail("%s: on-error = stop: all packets are still dropped: 'nf-bpf remove %s' ends this",
			     policy->name, policy->name);
			return EXIT_CLOSED;
		}
		fail("%s: on-error = stop: nothing is attached", policy->name);
		return EXIT_FAILED;
	}
}

static bool trial_is_attached(const struct policy *policy)
{
	enum attached attached = ATTACHED_NOT;
	struct version version;
	char path[PATH_MAX];

	if (generation_current(policy, path) || generation_version(path) != policy->trying)
		return false;
	version_from_state(&version, policy->name, policy->trying);
	if (version.conf.has_place)
		attached = generation_in_force(policy, &version.conf);
	version_free(&version);

	return attached != ATTACHED_NOT;
}

static int start_locked(struct policy *policy, struct version *version, bool is_valid)
{
	bool rejected;
	int ret;

	if (policy->trying && trial_is_attached(policy)) {
		say("%s: version %u is on trial", policy->name, policy->trying);
		return EXIT_DONE;
	}
	if (policy->trying) {
		warn("%s: version %u is on trial, but is not attached: the trial ends", policy->name,
		     policy->trying);
		policy->rejected = policy->trying;
		policy->trying = 0;
		policy_save(policy);
	}
	policy_clean(policy);
	/* If the file still has the content of a version that was rolled back, do not apply it. */
	rejected = is_valid && !policy_has_version(policy, policy->current, version) &&
		   policy_has_left(policy, version);
	if (is_valid && !rejected) {
		ret = policy_apply(policy, version, "start", 0);
		if (ret == EXIT_DONE || ret == EXIT_UNRECORDED)
			return ret;
	}
	if (rejected)
		warn("%s: the file was rolled back, or its trial was not confirmed: 'nf-bpf apply %s' applies it",
		     policy->name, policy->name);
	if (!policy->current)
		return on_error(policy, version);
	if (policy_is_attached(policy)) {
		warn("%s: the file is not in force: version %u stays", policy->name, policy->current);
		return EXIT_BEFORE;
	}
	warn("%s: version %u is brought in force, which was there before the file",
	     policy->name, policy->current);
	if (policy_bring(policy, policy->current))
		return on_error(policy, version);
	say("%s: version %u is in force", policy->name, policy->current);

	return EXIT_BEFORE;
}

/* The state cannot be read or written. Do not let packets pass for this reason. */
static int start_without_state(const char *name, struct version *version)
{
	struct policy policy = { .name = name, .lock = -1 };
	char path[PATH_MAX];

	if (!generation_current(&policy, path)) {
		fail("%s: what is attached stays", name);
		return EXIT_FAILED;
	}

	return on_error(&policy, version);
}

/* The policy has no file. If the state knows the policy, put its version in force. If not, the
 * name may be misspelled, so do not drop all packets.
 */
static int start_without_file(const char *name)
{
	struct version version;
	struct policy policy;
	int ret = EXIT_WRONG;

	if (policy_begin(&policy, name, 0))
		return EXIT_FAILED;
	if (policy.current) {
		version_from_state(&version, name, policy.current);
		ret = start_locked(&policy, &version, false);
		version_free(&version);
	}
	policy_close(&policy);

	return ret;
}

int start_policy(const char *name)
{
	struct version version;
	struct policy policy;
	bool is_valid;
	int ret;

	is_valid = !version_from_file(&version, name, true);
	if (check_bpffs()) {
		ret = start_without_pins(&version, name);
	} else if (!version.text.data) {
		ret = start_without_file(name);
	} else if (netns_check(version.conf.netns)) {
		ret = EXIT_FAILED;
	} else if (policy_begin(&policy, name, OPEN_CREATE | OPEN_DAMAGED)) {
		ret = start_without_state(name, &version);
	} else {
		ret = start_locked(&policy, &version, is_valid);
		policy_close(&policy);
	}
	version_free(&version);

	return ret;
}

int cmd_start(int argc, char **argv)
{
	options.may_wait = true;

	return start_policy(argv[0]);
}
