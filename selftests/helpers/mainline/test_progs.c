// SPDX-License-Identifier: GPL-2.0
/* Runs mainline's own tests, and prints a result for each of their subtests. */
#include <stdarg.h>

#include <bpf/btf.h>

#include "helpers/mainline/test_progs.h"

static const struct nf_mainline_subtest *all_left_out;
static const char *subtest;
static bool failed, skipped;

/* ksft_test_result_skip() has no place for the name. */
static void skip(const char *name, const char *reason)
{
	ksft_cnt.ksft_xskip++;
	printf("ok %u %s # SKIP %s\n", ksft_test_num(), name, reason);
}

static void end_subtest(void)
{
	if (subtest && skipped && !failed)
		skip(subtest, "a command is missing");
	else if (subtest)
		ksft_test_result(!failed, "%s\n", subtest);
	subtest = NULL;
	failed = false;
	skipped = false;
}

static const struct nf_mainline_subtest *is_left_out(const char *name)
{
	const struct nf_mainline_subtest *each;

	for (each = all_left_out; each && each->name; each++)
		if (!strcmp(each->name, name))
			return each;
	return NULL;
}

bool test__start_subtest(const char *name)
{
	const struct nf_mainline_subtest *left_out = is_left_out(name);

	end_subtest();
	if (!left_out) {
		subtest = name;
		return true;
	}
	if (left_out->lacks)
		skip(name, left_out->reason);
	else
		ksft_print_msg("not run: %s: %s\n", name, left_out->reason);
	return false;
}

void test__skip(void)
{
	skipped = true;
}

bool nf_mainline_check(bool condition, const char *name, const char *file, int line)
{
	if (condition)
		return true;
	failed = true;
	ksft_print_msg("%s:%d: %s\n", file, line, name);
	return false;
}

int nf_mainline_system(bool quiet, const char *format, ...)
{
	static const char silence[] = " >/dev/null 2>&1";
	char command[1024];
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(command, sizeof(command), format, args);
	va_end(args);
	if (n < 0 || n + sizeof(silence) > sizeof(command))
		return -1;
	if (quiet)
		memcpy(command + n, silence, sizeof(silence));
	return system(command);
}

bool nf_mainline_has_func(const char *name)
{
	struct btf *btf = btf__load_vmlinux_btf();
	bool found = btf && btf__find_by_name_kind(btf, name, BTF_KIND_FUNC) > 0;

	btf__free(btf);
	return found;
}

static bool has_member(const struct btf *btf, const char *type, const char *member)
{
	int id = btf__find_by_name_kind(btf, type, BTF_KIND_STRUCT), i;
	const struct btf_type *t;

	if (id < 0)
		return false;
	t = btf__type_by_id(btf, id);
	for (i = 0; i < btf_vlen(t); i++)
		if (!strcmp(btf__name_by_offset(btf, btf_members(t)[i].name_off), member))
			return true;
	return false;
}

bool nf_mainline_has_member(const char *module, const char *type, const char *member)
{
	struct btf *vmlinux = btf__load_vmlinux_btf(), *btf;
	bool found;

	if (!vmlinux)
		return false;
	btf = btf__load_module_btf(module, vmlinux);
	found = has_member(btf ?: vmlinux, type, member);
	btf__free(btf);
	btf__free(vmlinux);
	return found;
}

static unsigned int count_on_purpose(void)
{
	const struct nf_mainline_subtest *each;
	unsigned int n = 0;

	for (each = all_left_out; each && each->name; each++)
		n += !each->lacks;
	return n;
}

void nf_mainline_run(void (*test)(void), unsigned int n,
		     const struct nf_mainline_subtest *left_out)
{
	all_left_out = left_out;
	n -= count_on_purpose();
	ksft_print_header();
	ksft_set_plan(n);
	test();
	end_subtest();
	if (ksft_test_num() != n)
		ksft_exit_fail_msg("%u of %u subtests ran\n", ksft_test_num(), n);
	ksft_finished();
}
