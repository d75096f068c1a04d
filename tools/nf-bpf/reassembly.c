// SPDX-License-Identifier: GPL-2.0-only
/* The kernel's counters of reassembly, and of fragments that are judged without it. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>

#include "nf-bpf.h"

static void set_counter(struct reassembly *reassembly, const char *name, const char *value)
{
	const struct {
		const char *name;
		struct reassembly_counter *counter;
	} counters[] = {
		{ "ReasmReqds",		&reassembly->fragments },
		{ "ReasmOKs",		&reassembly->datagrams },
		{ "ReasmFails",		&reassembly->failures },
		{ "ReasmTimeout",	&reassembly->timeouts },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(counters); i++) {
		if (strcmp(name, counters[i].name))
			continue;
		counters[i].counter->value = strtoull(value, NULL, 10);
		counters[i].counter->known = true;
	}
}

/* The names are in one line, the values in the next. */
static void parse_ip(struct reassembly *ip, char *text)
{
	char *names, *values, *name, *value;

	while ((names = strsep(&text, "\n")) && (values = strsep(&text, "\n"))) {
		if (strncmp(names, "Ip:", 3))
			continue;
		while ((name = strsep(&names, " ")) && (value = strsep(&values, " ")))
			set_counter(ip, name, value);
	}
}

/* A name and a value are in each line. */
static void parse_ip6(struct reassembly *ip6, char *text)
{
	char *line, *name;

	while ((line = strsep(&text, "\n"))) {
		name = strsep(&line, " \t");
		if (line && !strncmp(name, "Ip6", 3))
			set_counter(ip6, name + 3, line);
	}
}

static void read_sysctl(const char *path, struct reassembly_counter *counter)
{
	struct blob blob;

	*counter = (struct reassembly_counter){};
	if (blob_read(path, &blob))
		return;
	counter->value = strtoull(blob.data, NULL, 10);
	counter->known = true;
	blob_free(&blob);
}

void read_tracking(struct tracking *tracking)
{
	read_sysctl("/proc/sys/net/netfilter/nf_bpf_track_count", &tracking->entries);
	read_sysctl("/proc/sys/net/netfilter/nf_bpf_track_max", &tracking->limit);
}

void read_reassembly(struct reassembly *ip, struct reassembly *ip6)
{
	struct blob blob;

	*ip = (struct reassembly){};
	*ip6 = (struct reassembly){};
	if (!blob_read("/proc/thread-self/net/snmp", &blob)) {
		parse_ip(ip, blob.data);
		blob_free(&blob);
	}
	if (!blob_read("/proc/thread-self/net/snmp6", &blob)) {
		parse_ip6(ip6, blob.data);
		blob_free(&blob);
	}
}
