// SPDX-License-Identifier: GPL-2.0-only
/* Print the version in force, and how it differs from the file. */
#define _GNU_SOURCE
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <linux/bpf.h>
#include <linux/netfilter.h>

#include <bpf/bpf.h>

#include "json_writer.h"
#include "nf-bpf.h"
#include "nf_util.h"

/* The report on a policy, which is printed as text or as JSON. */
struct report {
	struct policy policy;
	struct version current;	/* the version that is attached */
	struct version file;
	unsigned int number;	/* of the version that is attached, 0: none */
	bool has_current;	/* its configuration can be read */
	bool is_complete;	/* and its other files, too */
	bool has_file;		/* the file is there, and has no errors */
	bool is_missing;	/* there is no file */
	enum attached in_force;
	bool closed;		/* the fail-closed program is attached */
	struct links links;
	struct bpf_prog_info prog;
	struct reassembly ip;
	struct reassembly ip6;
	struct tracking tracking;
};

static json_writer_t *json;

/* Write \xNN in place of control characters and of bytes that are not UTF-8: JSON cannot have them,
 * and a terminal could take them for commands. The result has at most four bytes for each byte.
 */
static void clean(char *to, const char *from)
{
	int len;

	for (; *from; from += len ?: 1) {
		len = utf8_length(from);
		if (!len || iscntrl((unsigned char)*from))
			to += sprintf(to, "\\x%02x", (unsigned char)*from);
		else
			to = mempcpy(to, from, len);
	}
	*to = '\0';
}

static void __printf(2, 3) field(const char *name, const char *fmt, ...)
{
	char text[2 * PATH_MAX], value[4 * sizeof(text)];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	clean(value, text);
	if (json)
		jsonw_string_field(json, name, value);
	else
		printf("  %-12s %s\n", name, value);
}

static void number(const char *name, unsigned long long value)
{
	if (json)
		jsonw_lluint_field(json, name, value);
	else
		printf("  %-12s %llu\n", name, value);
}

static void read_counters(struct report *report)
{
	struct netns ns;

	if (netns_open(&ns, report->current.conf.netns))
		return;
	if (!netns_enter(&ns)) {
		read_reassembly(&report->ip, &report->ip6);
		read_tracking(&report->tracking);
		netns_leave(&ns);
	}
	netns_close(&ns);
}

static void read_program(struct report *report, const char *path)
{
	__u32 len = sizeof(report->prog);
	char pin[PATH_MAX];
	int fd;

	snprintf(pin, sizeof(pin), "%.*s/prog", PATH_MAX - 8, path);
	fd = bpf_obj_get(pin);
	if (fd < 0)
		return;
	bpf_prog_get_info_by_fd(fd, &report->prog, &len);
	close(fd);
}

static void read_attached(struct report *report, const char *name)
{
	char path[PATH_MAX];

	if (generation_current(&report->policy, path))
		return;
	report->number = generation_version(path);
	report->closed = !report->number;
	report->is_complete = report->number &&
			      !version_from_state(&report->current, name, report->number);
	report->has_current = report->current.conf.has_place;
	if (report->has_current) {
		report->in_force = generation_in_force(&report->policy, &report->current.conf);
		read_counters(report);
	}
	read_program(report, path);
	links_open(&report->links, path);
}

static bool has_conf(const char *name)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s.conf", options.etc, name);

	return !access(path, F_OK);
}

static int read_report(struct report *report, const char *name)
{
	*report = (struct report){ .is_missing = !has_conf(name) };
	/* Do not report errors of the file: "check" does this. Read the file and print the report
	 * without the lock: the guard of a trial must not wait for a disk or a terminal.
	 */
	report->has_file = !report->is_missing && !version_from_file(&report->file, name, false);
	if (policy_begin(&report->policy, name, false)) {
		version_free(&report->file);
		return -1;
	}
	read_attached(report, name);
	policy_close(&report->policy);

	return 0;
}

static void free_report(struct report *report)
{
	links_close(&report->links);
	version_free(&report->current);
	version_free(&report->file);
}

static void print_ipv6_counters(const struct bpf_link_info *info)
{
	jsonw_name(json, "ipv6");
	jsonw_start_object(json);
	number("accepted", info->netfilter.ipv6.accepted);
	number("dropped", info->netfilter.ipv6.dropped);
	number("dropped_fragments", info->netfilter.ipv6.dropped_fragments);
	number("accepted_bytes", info->netfilter.ipv6.accepted_bytes);
	number("dropped_bytes", info->netfilter.ipv6.dropped_bytes);
	number("dropped_fragments_bytes", info->netfilter.ipv6.dropped_fragments_bytes);
	jsonw_end_object(json);
}

/* The counters and the cookie have the names of "bpftool -j net show". */
static void print_link_as_json(const struct bpf_link_info *info)
{
	jsonw_start_object(json);
	number("id", info->id);
	field("family", "%s", libbpf_nf_name_of(libbpf_nf_families, info->netfilter.pf));
	jsonw_int_field(json, "priority", info->netfilter.priority);
	if (kernel_has("BPF_NF_LINK_COOKIE"))
		number("cookie", info->netfilter.cookie);
	if (kernel_has("BPF_NF_LINK_STATS")) {
		number("accepted", info->netfilter.accepted);
		number("dropped", info->netfilter.dropped);
		number("dropped_fragments", info->netfilter.dropped_fragments);
	}
	if (kernel_has("BPF_NF_LINK_BYTES")) {
		number("accepted_bytes", info->netfilter.accepted_bytes);
		number("dropped_bytes", info->netfilter.dropped_bytes);
		number("dropped_fragments_bytes", info->netfilter.dropped_fragments_bytes);
		print_ipv6_counters(info);
	}
	jsonw_end_object(json);
}

static bool has_seen_ipv6(const struct bpf_link_info *info)
{
	return info->netfilter.ipv6.accepted || info->netfilter.ipv6.dropped ||
	       info->netfilter.ipv6.dropped_fragments;
}

static void print_link(const struct bpf_link_info *info)
{
	const char *family = libbpf_nf_name_of(libbpf_nf_families, info->netfilter.pf);

	if (info->netfilter.cookie)
		field("link", "%u, %s, priority %d, cookie %llu", info->id, family,
		      info->netfilter.priority, info->netfilter.cookie);
	else
		field("link", "%u, %s, priority %d", info->id, family, info->netfilter.priority);
	if (!kernel_has("BPF_NF_LINK_STATS")) {
		field("counters", "this kernel does not count the packets of a link");
		return;
	}
	field("counters", "accepted %llu, dropped %llu, dropped_fragments %llu",
	      info->netfilter.accepted, info->netfilter.dropped,
	      info->netfilter.dropped_fragments);
	if (!kernel_has("BPF_NF_LINK_BYTES"))
		return;
	field("bytes", "accepted_bytes %llu, dropped_bytes %llu, dropped_fragments_bytes %llu",
	      info->netfilter.accepted_bytes, info->netfilter.dropped_bytes,
	      info->netfilter.dropped_fragments_bytes);
	if (info->netfilter.pf == NFPROTO_INET && has_seen_ipv6(info))
		field("ipv6", "accepted %llu, dropped %llu, dropped_fragments %llu, accepted_bytes %llu, dropped_bytes %llu, dropped_fragments_bytes %llu",
		      info->netfilter.ipv6.accepted, info->netfilter.ipv6.dropped,
		      info->netfilter.ipv6.dropped_fragments,
		      info->netfilter.ipv6.accepted_bytes, info->netfilter.ipv6.dropped_bytes,
		      info->netfilter.ipv6.dropped_fragments_bytes);
}

static void print_links(const struct report *report)
{
	const struct bpf_link_info *info = report->links.info;
	int i;

	if (json) {
		jsonw_name(json, "links");
		jsonw_start_array(json);
	}
	for (i = 0; i < report->links.count; i++, info++) {
		if (json)
			print_link_as_json(info);
		else
			print_link(info);
	}
	if (json)
		jsonw_end_array(json);
}

static void print_program(const struct report *report)
{
	const struct bpf_prog_info *prog = &report->prog;
	struct timespec boot, now;
	char when[64];
	time_t since;
	char tag[2 * BPF_TAG_SIZE + 1];
	int i;

	clock_gettime(CLOCK_BOOTTIME, &boot);
	clock_gettime(CLOCK_REALTIME, &now);
	since = now.tv_sec - boot.tv_sec + prog->load_time / 1000000000;
	strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S %z", localtime(&since));
	for (i = 0; i < BPF_TAG_SIZE; i++)
		snprintf(tag + 2 * i, 3, "%02x", prog->tag[i]);
	if (json) {
		jsonw_name(json, "program");
		jsonw_start_object(json);
		number("id", prog->id);
		field("name", "%s", prog->name);
		field("tag", "%s", tag);
		field("loaded", "%s", when);
		jsonw_end_object(json);
	} else {
		field("program", "%s, id %u, tag %s, loaded %s", prog->name, prog->id, tag, when);
	}
}

static void print_tracking(const struct tracking *tracking)
{
	if (!tracking->entries.known)
		return;
	if (json) {
		number("tracked_entries", tracking->entries.value);
		number("tracked_entries_limit", tracking->limit.value);
		return;
	}
	field("tracking", "%llu of %llu entries of this network namespace are in use",
	      tracking->entries.value, tracking->limit.value);
}

static void print_place(const struct report *report)
{
	const struct conf *conf = &report->current.conf;

	field("hook", "%s", libbpf_nf_name_of(libbpf_nf_hooks, conf->hook));
	field("family", "%s", libbpf_nf_name_of(libbpf_nf_families, conf->pf));
	if (conf->netns)
		field("netns", "%s", conf->netns);
	field("fragments", "%s", conf_fragments(conf));
	if (conf->fragments == FRAGMENTS_TRACK)
		print_tracking(&report->tracking);
	if (json) {
		number("reassembled", report->ip.datagrams.value);
		number("reassembly_failed", report->ip.failures.value);
		number("reassembly_failed_ip6", report->ip6.failures.value);
		number("reassembly_timeouts_ip6", report->ip6.timeouts.value);
		return;
	}
	field("reassembly", "IPv4 of this network namespace: %llu reassembled, %llu failed",
	      report->ip.datagrams.value, report->ip.failures.value);
	/* The kernel does not count what its netfilter part has reassembled. */
	field("reassembly", "IPv6 of this network namespace: %llu failed, %llu of them timeouts",
	      report->ip6.failures.value, report->ip6.timeouts.value);
}

static void change(const char *what, const char *from, const char *to)
{
	if (json) {
		jsonw_start_object(json);
		field("what", "%s", what);
		if (from) {
			field("in_force", "%s", from);
			field("file", "%s", to);
		}
		jsonw_end_object(json);
	} else if (from) {
		field("differs", "%s: '%s' in force, '%s' in the file", what, from, to);
	} else {
		field("differs", "%s: the content has changed", what);
	}
}

/* The content of a file of text differs. Print the command that shows how. */
static void change_of(const struct report *report, const char *what, const struct blob *stored,
		      const char *path)
{
	if (json || !stored->data || !path)
		change(what, NULL, NULL);
	else
		field("differs", "%s: 'diff -u %s/%s/versions/%u/%s %s'", what, options.state,
		      report->policy.name, report->number, what, path);
}

/* Files of the version are missing, so it cannot be compared. */
static void print_unknown_changes(const struct report *report)
{
	if (json) {
		jsonw_bool_field(json, "file_is_valid", report->has_file);
		jsonw_name(json, "changes");
		jsonw_start_array(json);
		change("unknown", NULL, NULL);
		jsonw_end_array(json);
	} else {
		field("differs", "not known: version %u is not complete", report->number);
	}
}

static void print_changes(const struct report *report)
{
	const struct version *current = &report->current, *file = &report->file;
	char from[PATH_MAX], to[PATH_MAX];
	bool compare_objects = file->object.data && current->conf.object;
	bool comments;
	int i;

	comments = report->has_file && !blob_equal(&file->text, &current->text);
	if (json) {
		jsonw_bool_field(json, "file_is_valid", report->has_file);
		jsonw_name(json, "changes");
		jsonw_start_array(json);
	}
	for (i = 0; report->has_file && conf_key(i); i++) {
		conf_value(&current->conf, i, from, sizeof(from));
		conf_value(&file->conf, i, to, sizeof(to));
		if (!strcmp(from, to))
			continue;
		change(conf_key(i), from, to);
		comments = false;
	}
	if (comments)
		change("comments", NULL, NULL);
	if (report->has_file && compare_objects && !blob_equal(&file->object, &current->object))
		change("object", NULL, NULL);
	if (report->has_file && !blob_equal(&file->source, &current->source))
		change_of(report, "source", &current->source, file->conf.source);
	if (report->has_file && !blob_equal(&file->rules, &current->rules))
		change_of(report, "rules", &current->rules, file->conf.rules);
	if (json)
		jsonw_end_array(json);
	else if (report->is_missing)
		return;
	else if (!report->has_file)
		field("differs", "the file has errors: see 'nf-bpf check %s'", report->policy.name);
	else if (version_equal(current, file))
		field("file", "is what is in force");
}

static void print_version(const struct version *version)
{
	char before[32] = "the first one";

	if (json) {
		jsonw_start_object(json);
		number("number", version->number);
		number("before", version->before);
		field("when", "%s", version->when);
		field("by", "%s", version->by);
		field("how", "%s", version->how);
		jsonw_end_object(json);
		return;
	}
	if (version->before)
		snprintf(before, sizeof(before), "after version %u", version->before);
	field("version", "%u: %s by %s (%s), %s", version->number, version->when, version->by,
	      version->how, before);
}

static void print_versions(const struct report *report)
{
	unsigned int numbers[64];
	struct version version;
	int count, i;

	count = version_list(report->policy.name, numbers, ARRAY_SIZE(numbers));
	if (json) {
		jsonw_name(json, "versions");
		jsonw_start_array(json);
	}
	for (i = 0; i < count; i++) {
		if (!version_from_state(&version, report->policy.name, numbers[i]))
			print_version(&version);
		version_free(&version);
	}
	if (json)
		jsonw_end_array(json);
}

static const char *summary(const struct report *report)
{
	if (report->closed)
		return "failed closed: all packets are dropped";
	if (report->number && !report->has_current)
		return "attached, but its version can't be read";
	if (!report->has_current)
		return "not applied";
	if (report->in_force == ATTACHED_NOT)
		return "not attached";
	if (report->policy.trying)
		return "on trial";
	return "in force";
}

static int print_report(const struct report *report)
{
	const struct policy *policy = &report->policy;

	if (json) {
		jsonw_start_object(json);
		field("name", "%s", policy->name);
		field("state", "%s", summary(report));
		jsonw_bool_field(json, "in_force", report->in_force != ATTACHED_NOT);
		jsonw_bool_field(json, "verified", report->in_force != ATTACHED_UNKNOWN);
		number("version", report->number);
		number("rejected", policy->rejected);
	} else if (report->number) {
		printf("%s: version %u: %s\n", policy->name, report->number, summary(report));
	} else {
		printf("%s: %s\n", policy->name, summary(report));
	}
	if (!json && report->in_force == ATTACHED_UNKNOWN)
		field("unverified", "something is at its place: this kernel does not tell whether it is the program");
	if (!json && report->is_missing)
		field("file", "%s/%s.conf does not exist", options.etc, policy->name);
	if (report->in_force != ATTACHED_NOT && policy->trying)
		number("seconds_left", policy->deadline > boot_seconds() ?
		       policy->deadline - boot_seconds() : 0);
	if (report->number || report->closed)
		print_program(report);
	if (report->has_current)
		print_place(report);
	print_links(report);
	if (report->is_complete)
		print_changes(report);
	else if (report->number)
		print_unknown_changes(report);
	print_versions(report);
	if (json)
		jsonw_end_object(json);

	if (report->number && !report->has_current)
		return EXIT_FAILED;

	return report->in_force != ATTACHED_NOT ? EXIT_DONE : EXIT_NOT_IN_FORCE;
}

/* @name is NULL if no policy can be listed. */
static int print_failure(const char *name)
{
	if (json) {
		jsonw_start_object(json);
		if (name)
			field("name", "%s", name);
		field("error", "%s", last_failure);
		jsonw_end_object(json);
	}

	return EXIT_FAILED;
}

static int status_of(const char *name)
{
	struct report report;
	int ret;

	if (read_report(&report, name))
		return print_failure(name);
	ret = print_report(&report);
	free_report(&report);

	return ret;
}

/* Print the status of the policies that are attached and have no file. */
static int status_without_files(void)
{
	char path[PATH_MAX + NAME_MAX + 16];
	int ret = EXIT_DONE, one;
	struct dirent *entry;
	struct stat st;
	DIR *dir;

	dir = opendir(options.pins);
	while (dir && (entry = readdir(dir))) {
		snprintf(path, sizeof(path), "%s/%s/current", options.pins, entry->d_name);
		if (!is_name(entry->d_name) || has_conf(entry->d_name) || lstat(path, &st))
			continue;
		one = status_of(entry->d_name);
		ret = ret ?: one;
	}
	if (dir)
		closedir(dir);

	return ret;
}

/* Print the status of all policies that have a file or are attached. */
static int status_of_all(void)
{
	int ret = EXIT_DONE, one;
	struct dirent *entry;
	char *dot;
	DIR *dir;

	dir = opendir(options.etc);
	if (!dir) {
		fail("%s: %s: write the files of policies there, see nf-bpf.conf(5)", options.etc,
		     strerror(errno));
		return print_failure(NULL);
	}
	while ((entry = readdir(dir))) {
		dot = strrchr(entry->d_name, '.');
		if (!dot || dot == entry->d_name || strcmp(dot, ".conf"))
			continue;
		*dot = '\0';
		if (!is_name(entry->d_name)) {
			warn("%s/%s.conf: not the name of a policy", options.etc, entry->d_name);
			continue;
		}
		one = status_of(entry->d_name);
		ret = ret ?: one;
	}
	closedir(dir);
	one = status_without_files();

	return ret ?: one;
}

int cmd_status(int argc, char **argv)
{
	int ret;

	if (options.json) {
		json = jsonw_new(stdout);
		jsonw_pretty(json, true);
		if (!argc)
			jsonw_start_array(json);
	}
	ret = argc ? status_of(argv[0]) : status_of_all();
	if (json) {
		if (!argc)
			jsonw_end_array(json);
		jsonw_destroy(&json);
	}

	return ret;
}
