// SPDX-License-Identifier: GPL-2.0
/*
 * Runs mainline's test of netfilter links without changes. selftests/Makefile takes the
 * test from the source that libbpf is built from. One subtest is left out, because this
 * kernel differs on purpose.
 */
#include "link/helpers/test_progs.h"
#include "mainline/tests/netfilter_link_attach.c"

static const char *subtest;
static bool failed;

/* This kernel has links for both families. */
static const char on_purpose[] = "invalid-inet-not-supported";

static void end_subtest(void)
{
	if (subtest)
		ksft_test_result(!failed, "%s\n", subtest);
	subtest = NULL;
	failed = false;
}

bool test__start_subtest(const char *name)
{
	end_subtest();
	if (!strcmp(name, on_purpose))
		return false;
	subtest = name;
	return true;
}

bool nf_mainline_check(bool condition, const char *name, const char *file, int line)
{
	if (condition)
		return true;
	failed = true;
	ksft_print_msg("%s:%d: %s\n", file, line, name);
	return false;
}

int main(void)
{
	ksft_print_header();
	ksft_set_plan(ARRAY_SIZE(nf_hook_link_tests) - 1);
	test_netfilter_link_attach();
	end_subtest();
	if (ksft_test_num() < ARRAY_SIZE(nf_hook_link_tests) - 1)
		ksft_exit_fail_msg("the program cannot be loaded\n");
	ksft_finished();
}
