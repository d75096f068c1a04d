// SPDX-License-Identifier: GPL-2.0
/*
 * The compiled programs of progs/packet.bpf.c and progs/mainline.bpf.c. Global functions
 * and callbacks cannot be written as bare instructions, because the verifier finds them by
 * their BTF. The tags of expect.bpf.h beside each program say what the verifier must answer.
 * Each program is one result, whose name is that of the file and of the program.
 */
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>

#include "kselftest_harness.h"
#include "helpers/nf_test.h"
#include "helpers/nf_verifier.h"
#include "verifier/progs/mainline.skel.h"
#include "verifier/progs/packet.skel.h"

static const char prefix[] = "expect:";

static const struct file {
	const char *name;
	const void *(*bytes)(size_t *size);
	bool has_packet_pointers;
} files[] = {
	{ "packet", verifier_packet__elf_bytes, true },
	{ "mainline", verifier_mainline__elf_bytes, false },
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
	const char *test_state_freq, *needs;
};

enum { MAX_PROGRAMS = 128 };

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

/* An unknown tag is an error: otherwise nobody would notice a misspelt expectation. */
static void take_tag(const struct file *file, const char *name, const char *tag)
{
	FIXTURE_VARIANT(compiled) *expected = &program_of(file, name)->expected;
	const struct {
		const char *name;
		const char **value;
	} tags[] = {
		{ "success", &expected->success },
		{ "failure=", &expected->failure },
		{ "success_without_perfmon", &expected->success_without_perfmon },
		{ "failure_without_perfmon=", &expected->failure_without_perfmon },
		{ "test_state_freq", &expected->test_state_freq },
		{ "needs=", &expected->needs },
	};
	size_t i, len;

	for (i = 0; i < ARRAY_SIZE(tags); i++) {
		len = strlen(tags[i].name);
		if (tags[i].name[len - 1] == '=' ? strncmp(tag, tags[i].name, len) :
						   strcmp(tag, tags[i].name))
			continue;
		*tags[i].value = tag + len;
		return;
	}
	ksft_exit_fail_msg("verifier/compiled: %s: %s: no such tag\n", name, tag);
}

static struct bpf_object *open_file(const struct file *file)
{
	LIBBPF_OPTS(bpf_object_open_opts, opts, .object_name = file->name);
	const void *bytes;
	size_t size;

	bytes = file->bytes(&size);
	return bpf_object__open_mem(bytes, size, &opts);
}

/* The object stays open, as it holds the names and tags. */
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
		if (!btf_is_decl_tag(type) || strncmp(tag, prefix, strlen(prefix)))
			continue;
		type = btf__type_by_id(btf, type->type);
		take_tag(file, btf__name_by_offset(btf, type->name_off),
			 tag + strlen(prefix));
	}
}

/* Runs after the fixture is registered and before main() counts the results. */
static void __attribute__((constructor(KSELFTEST_PRIO_TEST))) find_programs(void)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(files); i++)
		find_programs_in(&files[i]);
}

static const struct program *program_of_variant(const FIXTURE_VARIANT(compiled) *variant)
{
	return (const void *)variant - offsetof(struct program, expected);
}

FIXTURE_SETUP(compiled)
{
	const struct program *program = program_of_variant(variant);

	libbpf_set_print(NULL);
	if (program->file->has_packet_pointers && nf_btf_offset("bpf_nf_ctx", "data") <= 0)
		self->lacks = "packet pointers";
}

FIXTURE_TEARDOWN(compiled)
{
}

static int load_program(FIXTURE_DATA(compiled) *self, const struct program *which)
{
	const __u32 flags = which->expected.test_state_freq ? BPF_F_TEST_STATE_FREQ : 0;
	struct bpf_object *object = open_file(which->file);
	struct bpf_program *program;
	int err;

	program = object ? bpf_object__find_program_by_name(object, which->name) : NULL;
	if (!program)
		return -ENOENT;
	self->log[0] = '\0';
	bpf_program__set_autoload(program, true);
	bpf_program__set_flags(program, flags);
	bpf_program__set_log_buf(program, self->log, sizeof(self->log));
	err = bpf_object__load(object);
	bpf_object__close(object);
	return err;
}

/* @texts has a '|' between two texts. */
static bool log_has_one_of(const char *log, const char *texts)
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

#define EXPECT_VERDICT(failure) do {					\
	int _err = load_program(self, program);				\
									\
	if (!(failure)) {						\
		EXPECT_EQ(0, _err)					\
			TH_LOG("%s", self->log);			\
		break;							\
	}								\
	EXPECT_GT(0, _err);						\
	EXPECT_TRUE(log_has_one_of(self->log, failure))			\
		TH_LOG("no '%s' in: %s", failure, self->log);		\
} while (0)

NF_TEST_F(compiled, verdict)
{
	const struct program *program = program_of_variant(variant);

	/* A program has one of both tags. */
	ASSERT_NE(!variant->success, !variant->failure);
	if (variant->needs && !nf_btf_has_func(variant->needs))
		SKIP(return, "no kfunc %s", variant->needs);
	/* The verifier of 6.18 warns at one of these programs. */
	if (!program->file->has_packet_pointers && !nf_patched() && !getenv("NF_BPF_UNSOUND"))
		SKIP(return, "set NF_BPF_UNSOUND=1 to ask mainline's verifier");
	EXPECT_VERDICT(variant->failure);
	if (!variant->success_without_perfmon && !variant->failure_without_perfmon)
		return;
	ASSERT_EQ(0, nf_set_caps(CAPS_OF_A_LOADER));
	EXPECT_VERDICT(variant->failure_without_perfmon);
}

TEST_HARNESS_MAIN
