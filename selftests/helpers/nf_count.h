/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Loads the three programs of progs/count.bpf.c for a fixture. Each counts packets; the
 * third program also drops them.
 */
#ifndef NF_COUNT_H
#define NF_COUNT_H

#include <errno.h>

#include <bpf/libbpf.h>

#include "helpers/nf_test.h"
#include "progs/count.skel.h"

struct nf_count {
	struct count *skel;
	int first;		/* fds of the programs */
	int second;
	int dropping;
};

/* Creates a network namespace with lo up. Return: 0, or a negative errno */
static int nf_count_setup(struct nf_count *count)
{
	int err = nf_netns_new() ?: nf_netns_loopback_up();

	if (err)
		return err;
	count->skel = count__open_and_load();
	if (!count->skel)
		return -errno;
	count->first = bpf_program__fd(count->skel->progs.first);
	count->second = bpf_program__fd(count->skel->progs.second);
	count->dropping = bpf_program__fd(count->skel->progs.dropping);
	return 0;
}

static void nf_count_teardown(struct nf_count *count)
{
	count__destroy(count->skel);
}

#endif
