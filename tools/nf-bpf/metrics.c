// SPDX-License-Identifier: GPL-2.0-only
/*
 * Figures for Prometheus, in its text format. The samples of a metric have to follow each
 * other, but one look at a link or a network namespace finds values of many metrics. So each
 * metric has a buffer of its own, and all buffers are printed at the end.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <linux/bpf.h>
#include <linux/netfilter.h>

#include <bpf/bpf.h>
#include <bpf/bpf_netfilter.h>

#include "nf-bpf.h"
#include "nf_util.h"

#define MAX_LABELS (2 * PATH_MAX + 1024)

enum metric_id {
	POLICY_IN_FORCE,
	POLICY_CLOSED,
	POLICY_ON_TRIAL,
	POLICY_VERSION,
	POLICY_HAS_FILE,
	POLICY_RECORDED,
	LINK_ATTACHED,
	LINK_PACKETS,
	LINK_FRAGMENTS,
	LINK_BYTES,
	LINK_FRAGMENTS_BYTES,
	LINK_IPV6_PACKETS,
	LINK_IPV6_FRAGMENTS,
	LINK_IPV6_BYTES,
	LINK_IPV6_FRAGMENTS_BYTES,
	REASON_PACKETS,
	REASSEMBLY_FRAGMENTS,
	REASSEMBLY_DATAGRAMS,
	REASSEMBLY_FAILURES,
	REASSEMBLY_TIMEOUTS,
	REASSEMBLY_WAITING,
	REASSEMBLY_MEMORY,
	REASSEMBLY_LIMIT,
	REASSEMBLY_TIMEOUT,
	TRACK_ENTRIES,
	TRACK_LIMIT,
	NR_METRICS
};

static const struct {
	const char *name;
	const char *type;
	const char *help;
} metrics[NR_METRICS] = {
	[POLICY_IN_FORCE] = { "nf_bpf_policy_in_force", "gauge",
		"1 if the program of the policy is attached where its version says, else 0" },
	[POLICY_CLOSED] = { "nf_bpf_policy_failed_closed", "gauge",
		"1 if the policy could not be put in force and all packets are dropped instead" },
	[POLICY_ON_TRIAL] = { "nf_bpf_policy_on_trial", "gauge",
		"1 if the version in force is to be confirmed, else 0" },
	[POLICY_VERSION] = { "nf_bpf_policy_version", "gauge",
		"Version that is in force or is to be, 0 if the policy was not applied" },
	[POLICY_HAS_FILE] = { "nf_bpf_policy_has_file", "gauge",
		"1 if the policy has a file, 0 if only its versions or pins are left" },
	[POLICY_RECORDED] = { "nf_bpf_policy_recorded", "gauge",
		"0 if the state on disk does not name the version that is attached, else 1" },
	[LINK_ATTACHED] = { "nf_bpf_link_attached", "gauge",
		"1 if the link is attached, 0 if it is defunct" },
	[LINK_PACKETS] = { "nf_bpf_link_packets_total", "counter",
		"Packets that the program of the link has judged" },
	[LINK_FRAGMENTS] = { "nf_bpf_link_dropped_fragments_total", "counter",
		"Fragments that strict or track has dropped, whatever the program says" },
	[LINK_BYTES] = { "nf_bpf_link_bytes_total", "counter",
		"Bytes of nf_bpf_link_packets_total, from the IP header on" },
	[LINK_FRAGMENTS_BYTES] = { "nf_bpf_link_dropped_fragments_bytes_total", "counter",
		"Bytes of nf_bpf_link_dropped_fragments_total, from the IP header on" },
	[LINK_IPV6_PACKETS] = { "nf_bpf_link_ipv6_packets_total", "counter",
		"Part of IPv6 in nf_bpf_link_packets_total, of links of family inet" },
	[LINK_IPV6_FRAGMENTS] = { "nf_bpf_link_ipv6_dropped_fragments_total", "counter",
		"Part of IPv6 in nf_bpf_link_dropped_fragments_total, of links of family inet" },
	[LINK_IPV6_BYTES] = { "nf_bpf_link_ipv6_bytes_total", "counter",
		"Part of IPv6 in nf_bpf_link_bytes_total, of links of family inet" },
	[LINK_IPV6_FRAGMENTS_BYTES] = {
		"nf_bpf_link_ipv6_dropped_fragments_bytes_total", "counter",
		"Part of IPv6 in nf_bpf_link_dropped_fragments_bytes_total, of links of family inet" },
	[REASON_PACKETS] = { "nf_bpf_reason_packets_total", "counter",
		"Packets for whose verdict the program has given this reason" },
	[REASSEMBLY_FRAGMENTS] = { "nf_bpf_reassembly_fragments_total", "counter",
		"Fragments that came to be reassembled" },
	[REASSEMBLY_DATAGRAMS] = { "nf_bpf_reassembly_datagrams_total", "counter",
		"Datagrams that were reassembled" },
	[REASSEMBLY_FAILURES] = { "nf_bpf_reassembly_failures_total", "counter",
		"Failures of reassembly, with timeouts and refused fragments" },
	[REASSEMBLY_TIMEOUTS] = { "nf_bpf_reassembly_timeouts_total", "counter",
		"Datagrams whose missing fragments did not come in time" },
	[REASSEMBLY_WAITING] = { "nf_bpf_reassembly_waiting_datagrams", "gauge",
		"Incomplete datagrams whose fragments wait" },
	[REASSEMBLY_MEMORY] = { "nf_bpf_reassembly_memory_bytes", "gauge",
		"Memory of the fragments that wait" },
	[REASSEMBLY_LIMIT] = { "nf_bpf_reassembly_memory_limit_bytes", "gauge",
		"Memory from which on new fragments are refused" },
	[REASSEMBLY_TIMEOUT] = { "nf_bpf_reassembly_timeout_seconds", "gauge",
		"Time that fragments wait for the rest of their datagram" },
	[TRACK_ENTRIES] = { "nf_bpf_track_entries", "gauge",
		"Datagrams whose fragments get the verdict on the first one" },
	[TRACK_LIMIT] = { "nf_bpf_track_entries_limit", "gauge",
		"Number of these datagrams from which on others are reassembled or dropped" },
};

static struct {
	FILE *stream;
	char *text;
	size_t len;
} samples[NR_METRICS];

/* A network namespace of a policy, or that of the machine. Its name is a label. */
struct place_of {
	char *name;
	__u64 ino;
};

/* A policy, and its links that are in force. */
struct member {
	char *name;
	char *netns;
	enum attached attached;
	unsigned int version;
	bool closed;		/* the program that drops all packets is attached */
	bool unrecorded;	/* the state names another version */
	__u32 links[2];
	int nr_links;
};

/* Lists of the places, the policies and the maps with counters that were found */
static struct place_of *places;
static int nr_places;
static struct member *members;
static int nr_members;
static __u32 *counted;		/* ids of maps with counters of reasons */
static int nr_counted;

static void *one_more(void *array, int count, size_t size)
{
	array = reallocarray(array, count + 1, size);
	if (!array) {
		fail("metrics: out of memory");
		exit(EXIT_FAILED);
	}
	memset((char *)array + count * size, 0, size);

	return array;
}

static char *copy_of(const char *text)
{
	char *copy = strdup(text);

	if (!copy) {
		fail("metrics: out of memory");
		exit(EXIT_FAILED);
	}

	return copy;
}

/* --- samples --- */

static bool open_samples(void)
{
	int i;

	for (i = 0; i < NR_METRICS; i++) {
		samples[i].stream = open_memstream(&samples[i].text, &samples[i].len);
		if (!samples[i].stream)
			return false;
	}

	return true;
}

/* The labels of a sample as text: NAME="VALUE",... */
struct labels {
	char text[MAX_LABELS];
	size_t len;
};

/* Too long a value is cut: the text stays valid. If a byte is not UTF-8, Prometheus refuses all. */
static void add_label(struct labels *labels, const char *name, const char *value)
{
	const char *end = labels->text + sizeof(labels->text) - 8;
	char *at = labels->text + labels->len;
	int len;

	if (at + strlen(name) + 4 > end)
		return;
	at += sprintf(at, "%s%s=\"", labels->len ? "," : "", name);
	for (; *value && at < end; value += len ?: 1) {
		len = utf8_length(value);
		if (*value == '\\' || *value == '"' || *value == '\n')
			*at++ = '\\';
		if (len > 1)
			at = mempcpy(at, value, len);
		else if (!len)
			at += sprintf(at, "\\\\x%02x", (unsigned char)*value);
		else
			*at++ = *value == '\n' ? 'n' : *value;
	}
	*at++ = '"';
	*at = '\0';
	labels->len = at - labels->text;
}

static void sample(enum metric_id id, const struct labels *labels, unsigned long long value)
{
	fprintf(samples[id].stream, "%s{%s} %llu\n", metrics[id].name, labels->text, value);
}

/* One more label than @labels has */
static void sample_with(enum metric_id id, const struct labels *labels, const char *name,
			const char *text, unsigned long long value)
{
	struct labels all = *labels;

	add_label(&all, name, text);
	sample(id, &all, value);
}

/* --- policies --- */

static void add_place(const char *name, __u64 ino)
{
	int i;

	for (i = 0; i < nr_places; i++) {
		if (places[i].ino == ino)
			return;
	}
	places = one_more(places, nr_places, sizeof(*places));
	places[nr_places].name = copy_of(name);
	places[nr_places++].ino = ino;
}

static void add_place_of(const char *netns)
{
	struct netns ns;

	/* Do not complain about a namespace that is not there: the policy is not in force. */
	if (netns && *netns != '/') {
		char path[PATH_MAX];

		snprintf(path, sizeof(path), "/run/netns/%s", netns);
		if (access(path, F_OK))
			return;
	} else if (netns && access(netns, F_OK)) {
		return;
	}
	if (netns_open(&ns, netns))
		return;
	add_place(netns ?: "", ns.ino);
	netns_close(&ns);
}

static void read_links(struct member *member, const char *path)
{
	struct links links;

	if (!links_open(&links, path)) {
		for (; member->nr_links < links.count; member->nr_links++)
			member->links[member->nr_links] = links.info[member->nr_links].id;
	}
	links_close(&links);
}

static void read_generation(const struct policy *policy, struct member *member)
{
	struct version version;
	char path[PATH_MAX];
	unsigned int number;

	member->attached = ATTACHED_NOT;
	member->version = policy->current;
	if (generation_current(policy, path))
		return;
	read_links(member, path);
	number = generation_version(path);
	member->closed = !number;
	if (!number)
		return;
	member->version = number;
	member->unrecorded = number != policy->current && number != policy->trying;
	/* The object may be unreadable. */
	version_from_state(&version, policy->name, number);
	if (version.conf.has_place) {
		add_place_of(version.conf.netns);
		member->netns = version.conf.netns ? copy_of(version.conf.netns) : NULL;
		member->attached = generation_in_force(policy, &version.conf);
	}
	version_free(&version);
}

static void add_policy(const char *name, bool has_file)
{
	struct labels labels = {};
	struct member *member;
	struct policy policy;
	int i;

	for (i = 0; i < nr_members; i++) {
		if (!strcmp(members[i].name, name))
			return;
	}
	/* If the state is damaged, the pins still say what is in force. */
	if (policy_peek(&policy, name))
		policy = (struct policy){ .name = name, .lock = -1 };
	members = one_more(members, nr_members, sizeof(*members));
	member = &members[nr_members++];
	member->name = copy_of(name);
	read_generation(&policy, member);
	policy_close(&policy);
	add_label(&labels, "policy", name);
	sample(POLICY_IN_FORCE, &labels, member->attached != ATTACHED_NOT);
	sample(POLICY_CLOSED, &labels, member->closed);
	sample(POLICY_ON_TRIAL, &labels, member->attached != ATTACHED_NOT && policy.trying);
	sample(POLICY_VERSION, &labels, member->version);
	sample(POLICY_HAS_FILE, &labels, has_file);
	sample(POLICY_RECORDED, &labels, !member->unrecorded);
}

/* Add the policies of a directory: of files, which have a suffix, of pins or of states. */
static void find_policies(const char *path, const char *suffix)
{
	struct dirent *entry;
	size_t len;
	DIR *dir;

	dir = opendir(path);
	while (dir && (entry = readdir(dir))) {
		len = strlen(entry->d_name);
		if (len <= strlen(suffix) || strcmp(entry->d_name + len - strlen(suffix), suffix))
			continue;
		entry->d_name[len - strlen(suffix)] = '\0';
		if (is_name(entry->d_name))
			add_policy(entry->d_name, *suffix);
	}
	if (dir)
		closedir(dir);
}

/* --- links --- */

static const struct member *member_of(__u32 link)
{
	int i, j;

	for (i = 0; i < nr_members; i++) {
		for (j = 0; j < members[i].nr_links; j++) {
			if (members[i].links[j] == link)
				return &members[i];
		}
	}

	return NULL;
}

/* The name of a namespace, if it is that of a policy or of the machine, else its inode. */
static void name_netns(const struct bpf_link_info *info, const struct member *member,
		       char *name, size_t size)
{
	__u64 ino = info->netfilter.netns_ino;
	int i;

	for (i = 0; i < nr_places && places[i].ino != ino; i++)
		;
	if (ino && i < nr_places)
		snprintf(name, size, "%s", places[i].name);
	else if (member && member->netns)
		snprintf(name, size, "%s", member->netns);
	else if (ino)
		snprintf(name, size, "%llu", ino);
	else
		*name = '\0';
}

static bool is_counted(__u32 id)
{
	int i;

	for (i = 0; i < nr_counted; i++) {
		if (counted[i] == id)
			return true;
	}
	counted = one_more(counted, nr_counted, sizeof(*counted));
	counted[nr_counted++] = id;

	return false;
}

/* A link, and what is known of it */
struct look {
	struct bpf_link_info info;
	struct bpf_prog_info prog;
	const struct member *member;
	struct labels labels;
};

static void label_link(struct look *look)
{
	const struct bpf_link_info *info = &look->info;
	char netns[PATH_MAX], number[24];

	snprintf(number, sizeof(number), "%u", info->id);
	add_label(&look->labels, "link", number);
	add_label(&look->labels, "policy", look->member ? look->member->name : "");
	name_netns(info, look->member, netns, sizeof(netns));
	add_label(&look->labels, "netns", netns);
	add_label(&look->labels, "family",
		  libbpf_nf_name_of(libbpf_nf_families, info->netfilter.pf));
	add_label(&look->labels, "hook",
		  libbpf_nf_name_of(libbpf_nf_hooks, info->netfilter.hooknum));
	snprintf(number, sizeof(number), "%d", info->netfilter.priority);
	add_label(&look->labels, "priority", number);
	add_label(&look->labels, "program", look->prog.name);
	/* The series of links without a cookie keep their labels. */
	if (!info->netfilter.cookie)
		return;
	snprintf(number, sizeof(number), "%llu", info->netfilter.cookie);
	add_label(&look->labels, "cookie", number);
}

static unsigned long long sum_of(int fd, __u32 key)
{
	unsigned long long sum = 0;
	int i, cpus = libbpf_num_possible_cpus();
	__u64 *values;

	values = cpus > 0 ? calloc(cpus, sizeof(*values)) : NULL;
	if (values && !bpf_map_lookup_elem(fd, &key, values)) {
		for (i = 0; i < cpus; i++)
			sum += values[i];
	}
	free(values);

	return sum;
}

static void print_reason(const struct look *look, struct bpf_nf_reason *reason, int counters)
{
	struct labels labels = look->labels;
	char number[16];

	snprintf(number, sizeof(number), "%u", reason->number);
	add_label(&labels, "reason", number);
	reason->text[sizeof(reason->text) - 1] = '\0';
	sample_with(REASON_PACKETS, &labels, "text", reason->text,
		    sum_of(counters, reason->number));
}

/* One map has the texts and one the counters, if the program counts. */
static void print_reasons(const struct look *look, int texts, __u32 size, int counters)
{
	unsigned int i, j, count = size / sizeof(struct bpf_nf_reason);
	struct bpf_nf_reason *reasons;
	__u32 zero = 0;

	reasons = calloc(1, size);
	if (!reasons || bpf_map_lookup_elem(texts, &zero, reasons))
		count = 0;
	for (i = 0; i < count; i++) {
		/* A number that is given at several places is counted as one. */
		for (j = 0; reasons[j].number != reasons[i].number; j++)
			;
		if (j == i)
			print_reason(look, &reasons[i], counters);
	}
	free(reasons);
}

static void read_reasons(const struct look *look, const __u32 *ids)
{
	int texts = -1, counters = -1, fd;
	__u32 i, len, size = 0, map = 0;
	struct bpf_map_info info;

	for (i = 0; i < look->prog.nr_map_ids; i++) {
		memset(&info, 0, sizeof(info));
		len = sizeof(info);
		fd = bpf_map_get_fd_by_id(ids[i]);
		if (fd >= 0 && !bpf_map_get_info_by_fd(fd, &info, &len)) {
			if (texts < 0 && !strcmp(info.name, BPF_NF_REASON_TEXTS) &&
			    info.type == BPF_MAP_TYPE_ARRAY) {
				texts = fd;
				size = info.value_size;
				continue;
			}
			if (counters < 0 && !strcmp(info.name, BPF_NF_REASON_COUNTERS) &&
			    info.type == BPF_MAP_TYPE_PERCPU_ARRAY && info.value_size == 8) {
				counters = fd;
				map = info.id;
				continue;
			}
		}
		if (fd >= 0)
			close(fd);
	}
	/* Programs of one object share the map. */
	if (texts >= 0 && counters >= 0 && !is_counted(map))
		print_reasons(look, texts, size, counters);
	if (texts >= 0)
		close(texts);
	if (counters >= 0)
		close(counters);
}

static void read_program(struct look *look, __u32 **ids)
{
	__u32 len = sizeof(look->prog), nr;
	int fd;

	fd = bpf_prog_get_fd_by_id(look->info.prog_id);
	if (fd < 0)
		return;
	if (!bpf_prog_get_info_by_fd(fd, &look->prog, &len)) {
		nr = look->prog.nr_map_ids;
		*ids = calloc(nr + 1, sizeof(**ids));
		memset(&look->prog, 0, sizeof(look->prog));
		len = sizeof(look->prog);
		look->prog.nr_map_ids = *ids ? nr : 0;
		look->prog.map_ids = (__u64)(unsigned long)*ids;
		bpf_prog_get_info_by_fd(fd, &look->prog, &len);
		if (look->prog.nr_map_ids > nr)
			look->prog.nr_map_ids = nr;
	}
	close(fd);
}

static void sample_verdicts(enum metric_id id, const struct look *look,
			    unsigned long long accepted, unsigned long long dropped)
{
	sample_with(id, &look->labels, "verdict", "accepted", accepted);
	sample_with(id, &look->labels, "verdict", "dropped", dropped);
}

/* The part of IPv6 has metrics of its own. As a label of the older metrics, it would rename their
 * series. In a link of one family the part is nothing or all, so it has no samples.
 */
static void sample_counters(const struct look *look)
{
	const struct bpf_link_info *info = &look->info;

	if (!kernel_has("BPF_NF_LINK_STATS"))
		return;
	sample_verdicts(LINK_PACKETS, look, info->netfilter.accepted, info->netfilter.dropped);
	sample(LINK_FRAGMENTS, &look->labels, info->netfilter.dropped_fragments);
	if (!kernel_has("BPF_NF_LINK_BYTES"))
		return;
	sample_verdicts(LINK_BYTES, look, info->netfilter.accepted_bytes,
			info->netfilter.dropped_bytes);
	sample(LINK_FRAGMENTS_BYTES, &look->labels, info->netfilter.dropped_fragments_bytes);
	if (info->netfilter.pf != NFPROTO_INET)
		return;
	sample_verdicts(LINK_IPV6_PACKETS, look, info->netfilter.ipv6.accepted,
			info->netfilter.ipv6.dropped);
	sample(LINK_IPV6_FRAGMENTS, &look->labels, info->netfilter.ipv6.dropped_fragments);
	sample_verdicts(LINK_IPV6_BYTES, look, info->netfilter.ipv6.accepted_bytes,
			info->netfilter.ipv6.dropped_bytes);
	sample(LINK_IPV6_FRAGMENTS_BYTES, &look->labels,
	       info->netfilter.ipv6.dropped_fragments_bytes);
}

static void read_link(const struct bpf_link_info *info)
{
	struct look look = { .info = *info };
	__u32 *ids = NULL;

	look.member = member_of(info->id);
	read_program(&look, &ids);
	label_link(&look);
	if (kernel_has("BPF_NF_LINK_NETNS"))
		sample(LINK_ATTACHED, &look.labels, !!info->netfilter.netns_ino);
	else if (look.member && !look.member->closed &&
		 look.member->attached != ATTACHED_UNKNOWN)
		sample(LINK_ATTACHED, &look.labels, look.member->attached == ATTACHED_YES);
	sample_counters(&look);
	if (ids)
		read_reasons(&look, ids);
	free(ids);
}

static int find_links(void)
{
	struct bpf_link_info info;
	__u32 id = 0, len;
	int fd;

	while (!bpf_link_get_next_id(id, &id)) {
		fd = bpf_link_get_fd_by_id(id);
		if (fd < 0)
			continue;
		memset(&info, 0, sizeof(info));
		len = sizeof(info);
		if (!bpf_link_get_info_by_fd(fd, &info, &len) &&
		    info.type == BPF_LINK_TYPE_NETFILTER)
			read_link(&info);
		close(fd);
	}
	if (errno != ENOENT)
		return fail("metrics: can't list the links: %s: run it as root", strerror(errno));

	return 0;
}

/* --- reassembly --- */

static void sample_counter(enum metric_id id, const struct labels *labels,
			   const struct reassembly_counter *counter)
{
	if (counter->known)
		sample(id, labels, counter->value);
}

static void sample_family(const struct labels *netns, const char *family,
			  const struct reassembly *reassembly)
{
	struct labels labels = *netns;

	add_label(&labels, "family", family);
	sample_counter(REASSEMBLY_FRAGMENTS, &labels, &reassembly->fragments);
	sample_counter(REASSEMBLY_DATAGRAMS, &labels, &reassembly->datagrams);
	sample_counter(REASSEMBLY_FAILURES, &labels, &reassembly->failures);
	sample_counter(REASSEMBLY_TIMEOUTS, &labels, &reassembly->timeouts);
}

/* The kernel has these sysctls if it has the part. */
static void sample_sysctl(enum metric_id id, const struct labels *labels, const char *name)
{
	struct blob blob = {};
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "/proc/sys/net/%s", name);
	if (!blob_read(path, &blob))
		sample(id, labels, strtoull(blob.data, NULL, 10));
	blob_free(&blob);
}

/* A line "FRAG: inuse 1 memory 2" */
static void sample_memory(const struct labels *labels, const char *file, const char *format)
{
	unsigned long long waiting, memory;
	struct blob blob = {};
	char *line, *text;

	if (blob_read(file, &blob))
		return;
	text = blob.data;
	while ((line = strsep(&text, "\n"))) {
		if (sscanf(line, format, &waiting, &memory) != 2)
			continue;
		sample(REASSEMBLY_WAITING, labels, waiting);
		sample(REASSEMBLY_MEMORY, labels, memory);
	}
	blob_free(&blob);
}

static void read_place(const char *name)
{
	struct labels netns = {}, ip_cache, ip6_cache, nf_ip6_cache;
	struct reassembly ip, ip6;
	struct tracking tracking;

	add_label(&netns, "netns", name);
	ip_cache = netns;
	ip6_cache = netns;
	nf_ip6_cache = netns;
	add_label(&ip_cache, "cache", "ip");
	add_label(&ip6_cache, "cache", "ip6");
	add_label(&nf_ip6_cache, "cache", "nf_ip6");
	read_reassembly(&ip, &ip6);
	sample_family(&netns, "ip", &ip);
	sample_family(&netns, "ip6", &ip6);
	sample_memory(&ip_cache, "/proc/thread-self/net/sockstat",
		      "FRAG: inuse %llu memory %llu");
	sample_memory(&ip6_cache, "/proc/thread-self/net/sockstat6",
		      "FRAG6: inuse %llu memory %llu");
	sample_sysctl(REASSEMBLY_LIMIT, &ip_cache, "ipv4/ipfrag_high_thresh");
	sample_sysctl(REASSEMBLY_LIMIT, &ip6_cache, "ipv6/ip6frag_high_thresh");
	sample_sysctl(REASSEMBLY_LIMIT, &nf_ip6_cache, "netfilter/nf_conntrack_frag6_high_thresh");
	sample_sysctl(REASSEMBLY_TIMEOUT, &ip_cache, "ipv4/ipfrag_time");
	sample_sysctl(REASSEMBLY_TIMEOUT, &ip6_cache, "ipv6/ip6frag_time");
	sample_sysctl(REASSEMBLY_TIMEOUT, &nf_ip6_cache, "netfilter/nf_conntrack_frag6_timeout");
	read_tracking(&tracking);
	sample_counter(TRACK_ENTRIES, &netns, &tracking.entries);
	sample_counter(TRACK_LIMIT, &netns, &tracking.limit);
}

static void read_places(void)
{
	struct netns ns;
	int i;

	for (i = 0; i < nr_places; i++) {
		if (netns_open(&ns, *places[i].name ? places[i].name : NULL))
			continue;
		/* The name can be that of another namespace since then. */
		if (ns.ino == places[i].ino && !netns_enter(&ns)) {
			read_place(places[i].name);
			netns_leave(&ns);
		}
		netns_close(&ns);
	}
}

/* --- output --- */

static char *print_samples(size_t *len)
{
	char *text = NULL;
	FILE *stream;
	int i;

	stream = open_memstream(&text, len);
	for (i = 0; stream && i < NR_METRICS; i++) {
		if (fclose(samples[i].stream))
			return NULL;
		if (samples[i].len)
			fprintf(stream, "# HELP %s %s\n# TYPE %s %s\n%s", metrics[i].name,
				metrics[i].help, metrics[i].name, metrics[i].type, samples[i].text);
		free(samples[i].text);
	}
	if (!stream || fclose(stream))
		return NULL;

	return text;
}

/* node_exporter is another user, and must not see half of the file. The new file would also
 * take the place of a device such as /dev/stdout.
 */
static int replace_metrics(const char *file, const struct blob *text)
{
	const struct stat new = { .st_uid = -1, .st_gid = -1, .st_mode = 0644 };
	struct stat st;
	int err;

	if (!lstat(file, &st) && !S_ISREG(st.st_mode))
		return fail("%s: not a regular file: without FILE, the figures go to standard output",
			    file);
	err = blob_publish(file, text, &new);
	if (err)
		return fail("%s: can't write: %s", file, strerror(-err));

	return 0;
}

static int write_metrics(const char *file)
{
	struct blob text = {};
	int err;

	text.data = print_samples(&text.len);
	if (!text.data) {
		fail("metrics: %s", strerror(errno));
		return EXIT_FAILED;
	}
	if (file && strcmp(file, "-"))
		err = replace_metrics(file, &text);
	else if (fwrite(text.data, 1, text.len, stdout) != text.len || fflush(stdout))
		err = fail("standard output: %s", strerror(errno));
	else
		err = 0;
	blob_free(&text);

	return err ? EXIT_FAILED : EXIT_DONE;
}

int cmd_metrics(int argc, char **argv)
{
	if (!open_samples()) {
		fail("metrics: %s", strerror(errno));
		return EXIT_FAILED;
	}
	add_place_of(NULL);
	find_policies(options.etc, ".conf");
	find_policies(options.pins, "");
	find_policies(options.state, "");
	if (find_links())
		return EXIT_FAILED;
	read_places();

	return write_metrics(argc ? argv[0] : NULL);
}
