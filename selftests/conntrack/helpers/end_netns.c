// SPDX-License-Identifier: GPL-2.0
/* Ends a network namespace while the kernel is busy with the end of another. */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "helpers/nf_test.h"

#define NETNS "/run/netns/"

static const char usage[] =
	"Usage: end_netns BUSY BUSY_LINK NETNS LINK\n"
	"\n"
	"Ends the network namespace BUSY and, once the link that is pinned at BUSY_LINK\n"
	"is detached, NETNS, as \"ip netns delete\" does. Then waits until the link that\n"
	"is pinned at LINK has counted 5 packets more: nobody refers to its namespace,\n"
	"and the kernel has yet to come to it.\n"
	"\n"
	"Exit status: 0 done, 1 it did not come to that, 2 wrong arguments.\n";

enum { PACKETS = 5, WAIT_MS = 20000 };

static bool end_netns(const char *name)
{
	char path[256];

	snprintf(path, sizeof(path), NETNS "%s", name);
	if (!umount2(path, MNT_DETACH) && !unlink(path))
		return true;
	fprintf(stderr, "%s: delete: %s: %s\n", __func__, name, strerror(errno));
	return false;
}

static bool is_detached(const struct nf_link_info *info, __u64 before)
{
	return !info->netns_ino;
}

static bool has_counted(const struct nf_link_info *info, __u64 before)
{
	return info->accepted >= before + PACKETS;
}

static bool wait_until(bool (*is_so)(const struct nf_link_info *, __u64), int link,
		       __u64 before, const char *what)
{
	const struct timespec pause = { .tv_nsec = 1000 * 1000 };
	struct nf_link_info info;
	int i;

	for (i = 0; i < WAIT_MS && !nf_link_stats(link, &info); i++) {
		if (is_so(&info, before))
			return true;
		nanosleep(&pause, NULL);
	}
	fprintf(stderr, "end_netns: %s: not so after %d ms\n", what, i);
	return false;
}

int main(int argc, char **argv)
{
	struct nf_link_info info;
	int busy, link;

	if (argc != 5) {
		fputs(usage, stderr);
		return 2;
	}
	busy = bpf_obj_get(argv[2]);
	link = bpf_obj_get(argv[4]);
	if (busy < 0 || link < 0) {
		fprintf(stderr, "end_netns: open: %s: %s\n", argv[busy < 0 ? 2 : 4],
			strerror(errno));
		return 1;
	}
	if (!end_netns(argv[1]) || !wait_until(is_detached, busy, 0, "detached") ||
	    !end_netns(argv[3]) || nf_link_stats(link, &info))
		return 1;
	return !wait_until(has_counted, link, info.accepted, "5 packets more");
}
