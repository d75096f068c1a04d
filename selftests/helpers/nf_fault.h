/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Functions that make the kernel's allocations for this thread fail, one at a time.
 * Include this file after kselftest_harness.h.
 *
 * A test that includes it requires CONFIG_FAILSLAB, with CONFIG_FAIL_PAGE_ALLOC and
 * CONFIG_FAULT_INJECTION_DEBUG_FS. The faults belong to a task: allocations in a softirq
 * do not fail, even if the softirq interrupts this task.
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

/* No call makes more allocations than this. */
enum { MAX_FAULTS = 1000 };

#define FAULT_DIR "/sys/kernel/debug/"
#define FAIL_NTH "/proc/thread-self/fail-nth"

/* Let allocations that may sleep and those of single pages fail, too. Turn off the stack
 * dumps, which would look like a warning of the kernel. Return: the fd for the functions
 * below, or a negative errno
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

/* Return: true if the allocation has failed */
static inline bool nf_fault_disarm(int fault_fd)
{
	char text[16] = "";
	ssize_t len = pread(fault_fd, text, sizeof(text) - 1, 0);

	nf_fault_arm(fault_fd, 0);
	return len > 0 && !atoi(text);
}

#endif
