// SPDX-License-Identifier: GPL-2.0
/*
 * Prints the records of progs/trace.bpf.c. A line is HOOK:IN>OUT:PROTOCOL:LENGTH for one
 * packet at one hook, with /PIECES for a reassembled packet and /fragment for a fragment.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <bpf/bpf.h>

#include "helpers/nf_test.h"
#include "progs/policy.h"
#include "topology/progs/trace.h"

static const char usage[] =
	"Usage: trace DIR\n"
	"\n"
	"DIR has the pins of the maps \"stats\" and \"trace\".\n"
	"\n"
	"Exit status: 0 done, 1 failed or records are missing, 2 wrong arguments.\n";

static int failed(const char *what, const char *object)
{
	fprintf(stderr, "trace: %s: %s: %s\n", what, object, strerror(errno));
	return 1;
}

static int open_map(const char *dir, const char *name)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return bpf_obj_get(path);
}

static void print_protocol(__u32 protocol)
{
	switch (protocol) {
	case 6:
		printf("tcp");
		break;
	case 17:
		printf("udp");
		break;
	case 50:
		printf("esp");
		break;
	case 1:
	case 58:
		printf("icmp");
		break;
	default:
		printf("%u", protocol);
	}
}

static void print_packet(const struct trace_packet *packet)
{
	printf("%s:%.*s>%.*s:", nf_hook_names[packet->hook % NF_INET_NUMHOOKS], TRACE_NAME,
	       packet->in, TRACE_NAME, packet->out);
	print_protocol(packet->protocol);
	printf(":%u", packet->length);
	if (packet->fragment)
		printf("/fragment");
	else if (packet->flags & BPF_NF_FRAG_REASSEMBLED)
		printf("/%u", packet->pieces);
	putchar('\n');
}

int main(int argc, char **argv)
{
	struct policy_stats stats;
	struct trace_packet packet;
	int counter, map;
	__u32 i = 0;

	if (argc != 2) {
		fputs(usage, stderr);
		return 2;
	}
	counter = open_map(argv[1], "stats");
	map = open_map(argv[1], "trace");
	if (counter < 0 || map < 0)
		return failed("open", argv[1]);
	if (bpf_map_lookup_elem(counter, &i, &stats))
		return failed("read", "stats");
	for (; i < stats.packets; i++) {
		if (bpf_map_lookup_elem(map, &i, &packet))
			return failed("read", "trace");
		print_packet(&packet);
	}
	return 0;
}
