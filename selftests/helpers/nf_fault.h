/* SPDX-License-Identifier: GPL-2.0 */
/*
 * To let the kernel's allocations of this thread fail, one at a time. Include it
 * after kselftest_harness.h.
 *
 * A test that includes it requires CONFIG_FAILSLAB, with CONFIG_FAIL_PAGE_ALLOC and
 * CONFIG_FAULT_INJECTION_DEBUG_FS. The faults are of a task: nothing fails in a
 * softirq, also when it interrupts that task.
 */
#ifndef NF_FAULT_H
#define NF_FAULT_H

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "helpers/nf_test.h"

/* More than any call allocates. */
enum { MAX_FAULTS = 1000 };

#define FAULT_DIR "/sys/kernel/debug/"
#define FAIL_NTH "/proc/thread-self/fail-nth"

/* Also what may sleep is to fail, single pages too, and without a stack dump that
 * would be taken for a complaint. Return: a fd for those below, or a negative errno
 */
static inline int nf_fault_setup(void)
{
	static const struct {
		const char *path;
		const char *value;
	} settings[] = {
		{ FAULT_DIR "failslab/ignore-gfp-wait", "N" },
		{ FAULT_DIR "failslab/verbose", "0" },
		{ FAULT_DIR "fail_page_alloc/ignore-gfp-wait", "N" },
		{ FAULT_DIR "fail_page_alloc/ignore-gfp-highmem", "N" },
		{ FAULT_DIR "fail_page_alloc/min-order", "0" },
		{ FAULT_DIR "fail_page_alloc/verbose", "0" },
	};
	size_t i;
	int err, fd;

	for (i = 0; i < ARRAY_SIZE(settings); i++) {
		err = nf_write_file(settings[i].path, settings[i].value);
		if (err)
			return err;
	}
	fd = open(FAIL_NTH, O_RDWR | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* Let the @nth allocation of this thread fail, counted from this call on. */
static inline bool nf_fault_arm(int fault_fd, int nth)
{
	char text[16];
	int len = snprintf(text, sizeof(text), "%d", nth);

	return pwrite(fault_fd, text, len, 0) == len;
}

/* Whether it came to that. */
static inline bool nf_fault_disarm(int fault_fd)
{
	char text[16] = "";
	ssize_t len = pread(fault_fd, text, sizeof(text) - 1, 0);

	nf_fault_arm(fault_fd, 0);
	return len > 0 && !atoi(text);
}

#endif
