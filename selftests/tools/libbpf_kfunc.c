// SPDX-License-Identifier: GPL-2.0
/* If a kernel function is missing, libbpf says which module has it. */
#include <stdarg.h>
#include <sys/syscall.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "kselftest_harness.h"
#include "helpers/nf_test.h"
#include "tools/progs/asked.skel.h"
#include "tools/progs/missing.skel.h"
#include "tools/progs/missing_strong.skel.h"

static char said[1 << 20];

static int collect(enum libbpf_print_level level, const char *format, va_list args)
{
	size_t used = strlen(said);

	if (level == LIBBPF_WARN)
		vsnprintf(said + used, sizeof(said) - used, format, args);
	return 0;
}

static int load(const char *name)
{
	struct tools_missing *skel = tools_missing__open();
	int err;

	said[0] = '\0';
	if (!skel)
		return -errno;
	bpf_program__set_autoload(bpf_object__find_program_by_name(skel->obj, name),
				  true);
	err = tools_missing__load(skel);
	tools_missing__destroy(skel);
	return err;
}

static int load_strong(void)
{
	struct tools_missing_strong *skel = tools_missing_strong__open();
	int err;

	said[0] = '\0';
	if (!skel)
		return -errno;
	err = tools_missing_strong__load(skel);
	tools_missing_strong__destroy(skel);
	return err;
}

FIXTURE(kfunc)
{
	const char *lacks;
};

FIXTURE_SETUP(kfunc)
{
	libbpf_set_print(collect);
	if (libbpf_probe_bpf_prog_type(BPF_PROG_TYPE_NETFILTER, NULL) != 1)
		self->lacks = "netfilter programs";
}

FIXTURE_TEARDOWN(kfunc)
{
}

static bool exists(const char *format, const char *module)
{
	char path[256];

	snprintf(path, sizeof(path), format, module);
	return !access(path, F_OK);
}

/* The expected message: @otherwise, unless the module is loaded or built in. */
static void expected(const char *module, const char *otherwise, char *text, size_t size)
{
	const char *format = otherwise;

	if (exists("/sys/module/%s/initstate", module))
		format = exists("/sys/kernel/btf/%s", module) ?
			 "the module %s of this kernel does not have it" :
			 "the module %s is loaded, but has no BTF";
	else if (exists("/sys/module/%s", module))
		format = "this kernel does not have it\n";
	snprintf(text, size, format, module, module);
}

#define EXPECT_SAID(text) do {						\
	const char *text_ = text;					\
									\
	EXPECT_NE(NULL, strstr(said, text_)) {				\
		TH_LOG("expected '%s' in: %s", text_, said);		\
	}								\
} while (0)

/* Other tools search for the first of the two lines, so it must not change. */
#define UNRESOLVED(name)	"kfunc '" name "' is referenced but wasn't resolved\n"
#define WHY(name)		"kfunc '" name "': "

#define EXPECT_MODULE(prog, name, module) do {				\
	char _text[256];						\
									\
	expected(module, NOT_LOADED, _text, sizeof(_text));		\
	EXPECT_GT(0, load(prog));					\
	EXPECT_SAID(UNRESOLVED(name) WHY(name));			\
	EXPECT_SAID(_text);						\
} while (0)

#define NOT_LOADED	"it may be in the module %s, which is not loaded: try 'modprobe %s'\n"

NF_TEST_F(kfunc, of_a_module)
{
	EXPECT_MODULE("conntrack_of_ours", "bpf_nf_ct_nothing", "nf_bpf_kfunc");
	EXPECT_MODULE("reject", "bpf_nf_reject_nothing", "nf_bpf_kfunc");
	EXPECT_MODULE("conntrack", "bpf_ct_nothing", "nf_conntrack");
	EXPECT_MODULE("conntrack_of_tc", "bpf_skb_ct_nothing", "nf_conntrack");
	EXPECT_MODULE("nat", "bpf_ct_set_nat_info_nothing", "nf_nat");
}

NF_TEST_F(kfunc, of_no_module)
{
	EXPECT_GT(0, load("no_module"));
	EXPECT_SAID(UNRESOLVED("bpf_nothing")
		    WHY("bpf_nothing") "this kernel does not have it\n");
	EXPECT_GT(0, load("flavour"));
	EXPECT_SAID(UNRESOLVED("bpf_nothing___flavour")
		    WHY("bpf_nothing") "this kernel does not have it\n");
}

NF_TEST_F(kfunc, other_arguments)
{
	EXPECT_GT(0, load("other_arguments"));
	EXPECT_SAID(UNRESOLVED("tcp_slow_start") WHY("tcp_slow_start")
		    "this kernel has it with other arguments or another return type\n");
}

NF_TEST_F(kfunc, not_weak)
{
	char text[256];

	expected("nf_bpf_kfunc", NOT_LOADED, text, sizeof(text));
	EXPECT_GT(0, load_strong());
	EXPECT_SAID("extern (func ksym) 'bpf_nf_ct_nothing': not found in kernel or module BTFs\n");
	EXPECT_SAID("extern (func ksym) 'bpf_nf_ct_nothing': ");
	EXPECT_SAID(text);
}

NF_TEST_F(kfunc, asked_for)
{
	EXPECT_EQ(0, load("asks"));
	EXPECT_STREQ("", said);
}

/* libbpf calls __wrap_syscall(), which calls __real_syscall(): see the Makefile. */
typeof(syscall) __real_syscall, __wrap_syscall;

static int probes;

static bool is_probe(const union bpf_attr *attr)
{
	const struct bpf_insn *insns = (void *)(unsigned long)attr->insns;

	return attr->insn_cnt == 4 && insns[0].src_reg == BPF_PSEUDO_BTF_ID &&
	       insns[3].code == (BPF_JMP | BPF_EXIT);
}

long __wrap_syscall(long number, ...)
{
	long args[6];
	va_list ap;
	int i;

	va_start(ap, number);
	for (i = 0; i < 6; i++)
		args[i] = va_arg(ap, long);
	va_end(ap);
	if (number == __NR_bpf && args[0] == BPF_PROG_LOAD)
		probes += is_probe((void *)args[1]);
	return __real_syscall(number, args[0], args[1], args[2], args[3], args[4],
			      args[5]);
}

static const char packet[64];

static int run(const struct bpf_program *prog)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts,
		    .data_in = packet,
		    .data_size_in = sizeof(packet));
	int err = bpf_prog_test_run_opts(bpf_program__fd(prog), &opts);

	return err ?: opts.retval;
}

/* Every kernel has these functions, so their address is not 0, though useless on 6.1. */
TEST_F(kfunc, that_exists)
{
	struct tools_asked *skel;

	probes = 0;
	said[0] = '\0';
	skel = tools_asked__open_and_load();
	ASSERT_NE(NULL, skel) {
		TH_LOG("%s", said);
	}
	EXPECT_EQ(2, run(skel->progs.both));
	EXPECT_EQ(1, run(skel->progs.one_of_two));
	EXPECT_EQ(1, probes);
	tools_asked__destroy(skel);
}

TEST_HARNESS_MAIN
