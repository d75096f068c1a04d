/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The functions and macros that mainline's own tests call, on top of kselftest.h. Such a test
 * is one function with subtests. Each subtest is one result here.
 */
#ifndef TEST_PROGS_H
#define TEST_PROGS_H

#include <limits.h>
#include <stdbool.h>
#include <string.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "kselftest.h"

#ifndef ARRAY_SIZE
#define ARRAY_SIZE(array)	(sizeof(array) / sizeof((array)[0]))
#endif

/* Ends the subtest before, and begins one. Return: is it to be run? */
bool test__start_subtest(const char *name);

/* Return: @condition. Marks the subtest as failed if it is false. */
bool nf_mainline_check(bool condition, const char *name, const char *file, int line);

#define NF_MAINLINE_CHECK(condition, name) \
	nf_mainline_check(condition, name, __FILE__, __LINE__)

#define ASSERT_OK(result, name)		NF_MAINLINE_CHECK(!(result), name)
#define ASSERT_OK_PTR(pointer, name)	NF_MAINLINE_CHECK(!libbpf_get_error(pointer), name)
#define ASSERT_ERR_PTR(pointer, name)	NF_MAINLINE_CHECK(libbpf_get_error(pointer), name)
#define ASSERT_EQ(actual, expected, name) NF_MAINLINE_CHECK((actual) == (expected), name)

#endif
