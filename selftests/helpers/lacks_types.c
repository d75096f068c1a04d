// SPDX-License-Identifier: GPL-2.0
/*
 * Stands in for a test whose programs need types of this project's kernel, if vmlinux.h is
 * of another kernel. See STAND_INS in the Makefile.
 */
#include <stdio.h>

#include "kselftest.h"
#include "helpers/nf_test.h"

int main(void)
{
	puts("TAP version 13");
	if (nf_patched()) {
		puts("1..1\nnot ok 1 built for another kernel: make selftests");
		return KSFT_FAIL;
	}
	puts("1..0 # SKIP built for a kernel without the types of its programs");
	return KSFT_SKIP;
}
