// SPDX-License-Identifier: GPL-2.0
/*
 * Loads the compiled programs of progs/. Tags of expect.bpf.h beside each program say what
 * the verifier must answer. Each program is one result, named after its file and itself.
 *
 * Two files are mainline's own tests without changes, with the tags of mainline's bpf_misc.h.
 */
#include <linux/capability.h>

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>

#include "kselftest_harness.h"
#include "helpers/nf_test.h"
#include "mainline/tests/verifier_netfilter_ctx.skel.h"
#include "mainline/tests/verifier_netfilter_retcode.skel.h"
#include "verifier/progs/conntrack.skel.h"
#include "verifier/progs/context.skel.h"
#include "verifier/progs/frag_info.skel.h"
#include "verifier/progs/helper.skel.h"
#include "verifier/progs/license.skel.h"
#include "verifier/progs/mainline.skel.h"
#include "verifier/progs/module.skel.h"
#include "verifier/progs/packet.skel.h"
#include "verifier/progs/pointer.skel.h"
#include "verifier/progs/reject.skel.h"
#include "verifier/progs/slice.skel.h"
#include "verifier/progs/walk.skel.h"

#define CAPS_OF_A_LOADER (1ULL << CAP_BPF | 1ULL << CAP_NET_ADMIN)

enum { MAINLINE_DATA_LEN = 64 };

static const char *missing_packets(void)
{
	return nf_has_pkt_pointers() ? NULL : "packet pointers";
}

static const char *missing_reject(void)
{
	return system("modprobe -q nf_bpf_kfunc") ? "the module nf_bpf_kfunc" : NULL;
}

static const char *missing_conntrack(void)
{
	if (nf_without("conntrack"))
		return "conntrack";
	/* The module nf_bpf_entry has functions of other names for unmodified kernels. */
	if (!nf_has_pkt_pointers())
		return "bpf_ct_release() for netfilter programs";
	return missing_reject();
}

static const char *missing_module(void)
{
	return system("modprobe -q nf_bpf_packet") ? "the module nf_bpf_packet" : NULL;
}

static const struct file {
	const char *name;
	const void *(*bytes)(size_t *size);
	const char *prefix;	/* prefix of tags */
	const char *needs;	/* kfunc that the programs call */
	const char *(*missing)(void);	/* names the feature that this kernel lacks, or NULL */
	bool may_be_unsound;
	bool is_for_unmodified;	/* the kfuncs are those of modules for unmodified kernels */
} files[] = {
	{ "context", verifier_context__elf_bytes, "expect:", .missing = NULL },
	{ "walk", verifier_walk__elf_bytes, "expect:", .missing = NULL },
	{ "pointer", verifier_pointer__elf_bytes, "expect:", .missing = missing_packets },
	{ "helper", verifier_helper__elf_bytes, "expect:", .missing = missing_packets },
	{ "frag_info", verifier_frag_info__elf_bytes, "expect:", .missing = missing_packets },
	{ "license", verifier_license__elf_bytes, "expect:", .missing = missing_packets },
	{ "packet", verifier_packet__elf_bytes, "expect:", .missing = missing_packets },
	{ "slice", verifier_slice__elf_bytes, "expect:", .missing = missing_packets },
	{ "reject", verifier_reject__elf_bytes, "expect:", .missing = missing_reject },
	{ "conntrack", verifier_conntrack__elf_bytes, "expect:", .missing = missing_conntrack },
	{ "mainline", verifier_mainline__elf_bytes, "expect:", .may_be_unsound = true },
	{ "module", verifier_module__elf_bytes, "expect:", .missing = missing_module,
	  .is_for_unmodified = true },
	/* The first uses dynptrs, and the second expects messages of later kernels. */
	{ "netfilter_ctx", verifier_netfilter_ctx__elf_bytes, "comment:test_",
	  .needs = "bpf_dynptr_slice" },
	{ "netfilter_retcode", verifier_netfilter_retcode__elf_bytes, "comment:test_",
	  .needs = "bpf_dynptr_slice" },
};

FIXTURE(compiled)
{
	const char *lacks;
	char log[65536];
};

/* A member is NULL if the program has no such tag. */
FIXTURE_VARIANT(compiled)
{
	const char *success, *failure;
	const char *success_without_perfmon, *failure_without_perfmon;
	const char *test_state_freq, *needs, *if_verified_once, *if_speculation_is_checked;
	const char *replaces;	/* PROGRAM/FUNCTION */
	const char *retval;
};

enum { MAX_PROGRAMS = 512 };

struct program {
	FIXTURE_VARIANT(compiled) expected;
	const struct file *file;
	const char *name;
	char result[128];
	struct __fixture_variant_metadata metadata;
};

static struct program programs[MAX_PROGRAMS];

static struct program *program_of(const struct file *file, const char *name)
{
	struct program *program = programs;

	while (program->name && (program->file != file || strcmp(program->name, name)))
		program++;
	if (program == &programs[MAX_PROGRAMS - 1])
		ksft_exit_fail_msg("verifier/compiled: more than %d programs\n",
				   MAX_PROGRAMS - 1);
	if (!program->name) {
		program->file = file;
		program->name = name;
		snprintf(program->result, sizeof(program->result), "%s.%s", file->name,
			 name);
		program->metadata.name = program->result;
		program->metadata.data = &program->expected;
		__register_fixture_variant(&_compiled_fixture_object, &program->metadata);
	}
	return program;
}

struct tag {
	const char *name;	/* ends with '=' if the tag has a value */
	const char **value;	/* NULL: ignore the tag */
	bool is_numbered;	/* the tag is NAME=NUMBER=VALUE */
};

static bool is_tag(const struct tag *tag, const char *text)
{
	size_t len = strlen(tag->name);

	return tag->name[len - 1] == '=' ? !strncmp(text, tag->name, len) :
					   !strcmp(text, tag->name);
}

/* An unknown tag is an error: otherwise nobody would notice a misspelt expectation. */
static void take_tag(const struct file *file, const char *name, const char *text)
{
	FIXTURE_VARIANT(compiled) *expected = &program_of(file, name)->expected;
	const struct tag tags[] = {
		{ "success", .value = &expected->success },
		{ "failure=", .value = &expected->failure },
		{ "success_without_perfmon", .value = &expected->success_without_perfmon },
		{ "failure_without_perfmon=", .value = &expected->failure_without_perfmon },
		{ "test_state_freq", .value = &expected->test_state_freq },
		{ "needs=", .value = &expected->needs },
		{ "if_verified_once", .value = &expected->if_verified_once },
		{ "if_speculation_is_checked", .value = &expected->if_speculation_is_checked },
		{ "replaces=", .value = &expected->replaces },
		/* mainline's tags */
		{ "expect_success", .value = &expected->success },
		{ "expect_failure", .value = NULL },
		{ "expect_failure_unpriv", .value = NULL },
		{ "expect_msg=", .value = &expected->failure, .is_numbered = true },
		{ "retval=", .value = &expected->retval },
		{ "description=", .value = NULL },
	};
	const struct tag *tag = tags;

	while (tag < tags + ARRAY_SIZE(tags) && !is_tag(tag, text))
		tag++;
	if (tag == tags + ARRAY_SIZE(tags))
		ksft_exit_fail_msg("verifier/compiled: %s: %s: no such tag\n", name, text);
	if (!tag->value)
		return;
	text += strlen(tag->name);
	*tag->value = tag->is_numbered ? strchr(text, '=') + 1 : text;
}

static struct bpf_object *open_file(const struct file *file)
{
	LIBBPF_OPTS(bpf_object_open_opts, opts, .object_name = file->name);
	const void *bytes;
	size_t size;

	bytes = file->bytes(&size);
	return bpf_object__open_mem(bytes, size, &opts);
}

/* The object stays open, because it holds the names and tags. */
static void find_programs_in(const struct file *file)
{
	struct bpf_object *object = open_file(file);
	const struct btf *btf = object ? bpf_object__btf(object) : NULL;
	const struct btf_type *type;
	const char *tag;
	__u32 id;

	for (id = 1; btf && id < btf__type_cnt(btf); id++) {
		type = btf__type_by_id(btf, id);
		tag = btf__name_by_offset(btf, type->name_off);
		if (!btf_is_decl_tag(type) ||
		    strncmp(tag, file->prefix, strlen(file->prefix)))
			continue;
		type = btf__type_by_id(btf, type->type);
		take_tag(file, btf__name_by_offset(btf, type->name_off),
			 tag + strlen(file->prefix));
	}
}

/* Runs after the fixture is registered and before main() counts the results. */
static void __attribute__((constructor(KSELFTEST_PRIO_TEST))) find_programs(void)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(files); i++)
		find_programs_in(&files[i]);
	/* It takes long, and remembers the answer. Each test is a process of its own. */
	nf_has_pkt_pointers();
}

static const struct program *program_of_variant(const FIXTURE_VARIANT(compiled) *variant)
{
	return (const void *)variant - offsetof(struct program, expected);
}

FIXTURE_SETUP(compiled)
{
	const struct program *program = program_of_variant(variant);

	libbpf_set_print(NULL);
	if (program->file->is_for_unmodified && nf_has_pkt_pointers())
		return;
	self->lacks = program->file->missing ? program->file->missing() : NULL;
}

FIXTURE_TEARDOWN(compiled)
{
}

/* Run it as mainline's test_loader.c does. Return: 0, 1 for a wrong retval, or an error */
static int run_program(int fd, const char *retval)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts);
	char data[MAINLINE_DATA_LEN] = {};
	int err;

	opts.data_in = data;
	opts.data_size_in = sizeof(data);
	err = bpf_prog_test_run_opts(fd, &opts);
	return err ?: opts.retval != strtoul(retval, NULL, 0);
}

/* Return: @name of @object, which is the only program that will be loaded, or NULL */
static struct bpf_program *only_program(struct bpf_object *object, const char *name)
{
	struct bpf_program *program, *found = NULL;

	if (!object)
		return NULL;
	bpf_object__for_each_program(program, object) {
		bpf_program__set_autoload(program, !strcmp(bpf_program__name(program), name));
		if (bpf_program__autoload(program))
			found = program;
	}
	return found;
}

/* Load the program that @which replaces, or a function of which it replaces. Return: its object */
static struct bpf_object *load_target(const struct program *which, struct bpf_program *program)
{
	const char *function = strchr(which->expected.replaces, '/');
	struct bpf_object *object = open_file(which->file);
	struct bpf_program *target;
	char name[64];

	snprintf(name, sizeof(name), "%.*s", (int)(function - which->expected.replaces),
		 which->expected.replaces);
	target = only_program(object, name);
	if (target && !bpf_object__load(object) &&
	    !bpf_program__set_attach_target(program, bpf_program__fd(target), function + 1))
		return object;
	bpf_object__close(object);
	return NULL;
}

/* Return: 0, or a negative error */
static int load_program(FIXTURE_DATA(compiled) *self, const struct program *which)
{
	const __u32 flags = which->expected.test_state_freq ? BPF_F_TEST_STATE_FREQ : 0;
	struct bpf_object *object = open_file(which->file), *target = NULL;
	struct bpf_program *program = only_program(object, which->name);
	int err = -ENOENT;

	self->log[0] = '\0';
	if (program && which->expected.replaces)
		target = load_target(which, program);
	if (program && !which->expected.replaces == !target) {
		bpf_program__set_flags(program, flags);
		bpf_program__set_log_buf(program, self->log, sizeof(self->log));
		err = bpf_object__load(object);
	}
	if (!err && which->expected.retval)
		err = run_program(bpf_program__fd(program), which->expected.retval);
	bpf_object__close(object);
	bpf_object__close(target);
	return err;
}

/* Return: true if @log contains one of @texts, which have '|' between them. The messages
 * differ between kernels.
 */
static bool says(const char *log, const char *texts)
{
	size_t len;

	for (;; texts += len + 1) {
		len = strcspn(texts, "|");
		if (memmem(log, strlen(log), texts, len))
			return true;
		if (!texts[len])
			return false;
	}
}

/* @failure: a part of the verifier's message, or NULL if the program must be loaded. */
#define EXPECT_VERDICT(failure) do {					\
	const char *_failure = failure;					\
	int _err = load_program(self, program);				\
									\
	if (!_failure) {						\
		EXPECT_EQ(0, _err)					\
			TH_LOG("%s", self->log);			\
		break;							\
	}								\
	EXPECT_GT(0, _err);						\
	EXPECT_TRUE(says(self->log, _failure))				\
		TH_LOG("no '%s' in: %s", _failure, self->log);		\
} while (0)

/* Kernels after 6.1 check it only if the processor's mitigation for Spectre v1 is on. */
static bool speculation_is_checked(void)
{
	const char *base = getenv("NF_BPF_BASE");
	char line[256] = "";
	FILE *file;

	if (base && !strcmp(base, "6.1"))
		return true;
	file = fopen("/sys/devices/system/cpu/vulnerabilities/spectre_v1", "r");
	if (!file)
		return false;
	if (!fgets(line, sizeof(line), file))
		line[0] = '\0';
	fclose(file);
	return !strncmp(line, "Mitigation", strlen("Mitigation"));
}

NF_TEST_F(compiled, verdict)
{
	const struct program *program = program_of_variant(variant);
	const char *needs;

	/* A program has exactly one of the two tags. */
	ASSERT_NE(!variant->success, !variant->failure);
	if (program->file->is_for_unmodified && nf_has_pkt_pointers())
		SKIP(return, "a patched kernel has helpers in place of these kfuncs");
	needs = variant->needs ?: program->file->needs;
	if (needs && !nf_btf_has_func(needs))
		SKIP(return, "no kfunc %s", needs);
	/* A kernel with this function verifies callbacks repeatedly. */
	if (variant->if_verified_once && nf_btf_has_func("push_callback_call"))
		SKIP(return, "callbacks are verified repeatedly");
	/* The verifier of 6.18 warns about one of these programs, which taints the kernel. */
	if (program->file->may_be_unsound && !nf_patched() && !getenv("NF_BPF_UNSOUND"))
		SKIP(return, "set NF_BPF_UNSOUND=1 to ask mainline's verifier");
	if (!variant->success_without_perfmon && !variant->failure_without_perfmon) {
		EXPECT_VERDICT(variant->failure);
		return;
	}
	ASSERT_EQ(0, nf_set_caps(CAPS_OF_A_LOADER | 1ULL << CAP_PERFMON));
	EXPECT_VERDICT(variant->failure);
	ASSERT_EQ(0, nf_set_caps(CAPS_OF_A_LOADER));
	EXPECT_VERDICT(variant->if_speculation_is_checked && !speculation_is_checked() ? NULL :
		       variant->failure_without_perfmon);
}

TEST_HARNESS_MAIN
