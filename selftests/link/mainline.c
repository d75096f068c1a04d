// SPDX-License-Identifier: GPL-2.0
/*
 * Runs mainline's test of netfilter links without changes. selftests/Makefile takes the
 * test from the source that libbpf is built from. One subtest is left out, because this
 * kernel differs on purpose.
 */
#include "helpers/mainline/test_progs.h"
#include "mainline/tests/prog_tests/netfilter_link_attach.c"

static const struct nf_mainline_subtest on_purpose[] = {
	{ "invalid-inet-not-supported", "one link has both families", false },
	{}
};

int main(void)
{
	nf_mainline_run(test_netfilter_link_attach, ARRAY_SIZE(nf_hook_link_tests), on_purpose);
}
