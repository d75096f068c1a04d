/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The functions and macros that mainline's own tests call, on top of kselftest.h. Such a test
 * is one function with subtests. Each subtest is one result here.
 */
#ifndef TEST_PROGS_H
#define TEST_PROGS_H

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <netinet/in.h>
#include <sys/param.h>
#include <sys/socket.h>

#include <linux/compiler.h>
#include <linux/types.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "kselftest.h"

#ifndef ARRAY_SIZE
#define ARRAY_SIZE(array)	(sizeof(array) / sizeof((array)[0]))
#endif

/**
 * struct nf_mainline_subtest - a subtest that cannot pass
 * @name: its name
 * @reason: what this kernel does in another way, or what it lacks
 * @lacks: the kernel lacks something: this result is a skip. Otherwise it does something
 *	else on purpose, and there is no result
 */
struct nf_mainline_subtest {
	const char *name;
	const char *reason;
	bool lacks;
};

/*
 * Runs a test of mainline, which has @n subtests. Some of them are not run: those in
 * @left_out, whose last name is NULL. Does not return.
 */
void __noreturn nf_mainline_run(void (*test)(void), unsigned int n,
				const struct nf_mainline_subtest *left_out);

/* The running kernel's types: those of vmlinux, and those of a module. */
bool nf_mainline_has_func(const char *name);
bool nf_mainline_has_member(const char *module, const char *type, const char *member);

/* Ends the subtest before, and begins one. Return: is it to be run? */
bool test__start_subtest(const char *name);

/* The subtest finds that it lacks a command. */
void test__skip(void);

/* Return: @condition. Marks the subtest as failed if it is false. */
bool nf_mainline_check(bool condition, const char *name, const char *file, int line);

#define NF_MAINLINE_CHECK(condition, name) \
	nf_mainline_check(condition, name, __FILE__, __LINE__)

#define ASSERT_OK(result, name)		NF_MAINLINE_CHECK(!(result), name)
#define ASSERT_ERR(result, name)	NF_MAINLINE_CHECK((result) < 0, name)
#define ASSERT_OK_PTR(pointer, name)	NF_MAINLINE_CHECK(!libbpf_get_error(pointer), name)
#define ASSERT_ERR_PTR(pointer, name)	NF_MAINLINE_CHECK(libbpf_get_error(pointer), name)
#define ASSERT_EQ(actual, expected, name) NF_MAINLINE_CHECK((actual) == (expected), name)
#define ASSERT_GE(actual, least, name)	NF_MAINLINE_CHECK((actual) >= (least), name)
#define ASSERT_GT(actual, less, name)	NF_MAINLINE_CHECK((actual) > (less), name)
#define ASSERT_LE(actual, most, name)	NF_MAINLINE_CHECK((actual) <= (most), name)
#define ASSERT_STREQ(actual, expected, name) \
	NF_MAINLINE_CHECK(!strcmp(actual, expected), name)

/* The status of a command, in printf's form. SYS() fails the subtest, SYS_NOFAIL() does not. */
int __printf(2, 3) nf_mainline_system(bool quiet, const char *format, ...);

#define SYS(label, ...)	do {						\
	if (!ASSERT_OK(nf_mainline_system(false, __VA_ARGS__), "SYS(" #__VA_ARGS__ ")"))	\
		goto label;						\
} while (0)
#define SYS_NOFAIL(...)	nf_mainline_system(true, __VA_ARGS__)

#endif
