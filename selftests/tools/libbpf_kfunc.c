// SPDX-License-Identifier: GPL-2.0
/* What libbpf says of kernel functions that are not there: where they would be. */
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/utsname.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "kselftest_harness.h"
#include "helpers/nf_test.h"
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

/* modules.dep of this kernel, for this process: as if it had just these modules. */
static int fake_modules(const char *lines)
{
	struct utsname uts;
	char path[256];
	int fd, err = 0;

	if (uname(&uts) || unshare(CLONE_NEWNS) ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
		return -errno;
	/* A kernel without modules has no directory either. */
	if (mount("tmpfs", "/lib/modules", "tmpfs", 0, NULL) &&
	    (mount("tmpfs", "/lib", "tmpfs", 0, NULL) || mkdir("/lib/modules", 0755)))
		return -errno;
	snprintf(path, sizeof(path), "/lib/modules/%s", uts.release);
	if (mkdir(path, 0755))
		return -errno;
	strncat(path, "/modules.dep", sizeof(path) - strlen(path) - 1);
	fd = open(path, O_WRONLY | O_CREAT, 0644);
	if (fd < 0)
		return -errno;
	if (write(fd, lines, strlen(lines)) < 0)
		err = -errno;
	close(fd);
	return err;
}

/* @otherwise, unless the module at hand is loaded or built in. */
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

#define UNRESOLVED(name) "kfunc '" name "' is referenced but wasn't resolved: "

#define EXPECT_MODULE(prog, name, module, otherwise) do {		\
	char _text[256];						\
									\
	expected(module, otherwise, _text, sizeof(_text));		\
	EXPECT_GT(0, load(prog));					\
	EXPECT_SAID(UNRESOLVED(name));					\
	EXPECT_SAID(_text);						\
} while (0)

#define NOT_LOADED	"it is in the module %s, which is not loaded: run 'modprobe %s'\n"
#define NO_MODULE	"this kernel does not have it, nor the module %s that it would be in\n"

NF_TEST_F(kfunc, module_not_loaded)
{
	ASSERT_EQ(0, fake_modules("kernel/a/nf_bpf_kfunc.ko: kernel/a/nf_conntrack.ko\n"
				  "kernel/a/nf_conntrack.ko.xz:\n"
				  "kernel/a/nf_nat.ko.zst: kernel/a/nf_conntrack.ko\n"));
	EXPECT_MODULE("conntrack_of_ours", "bpf_nf_ct_nothing", "nf_bpf_kfunc", NOT_LOADED);
	EXPECT_MODULE("reject", "bpf_nf_reject_nothing", "nf_bpf_kfunc", NOT_LOADED);
	EXPECT_MODULE("conntrack", "bpf_ct_nothing", "nf_conntrack", NOT_LOADED);
	EXPECT_MODULE("conntrack_of_tc", "bpf_skb_ct_nothing", "nf_conntrack", NOT_LOADED);
	EXPECT_MODULE("nat", "bpf_ct_set_nat_info_nothing", "nf_nat", NOT_LOADED);
}

/* What another module needs, or has in its name, is not there by that. */
NF_TEST_F(kfunc, no_module)
{
	ASSERT_EQ(0, fake_modules("kernel/a/xt_a.ko: kernel/a/nf_bpf_kfunc.ko\n"
				  "kernel/a/x_nf_bpf_kfunc.ko:\n"));
	EXPECT_MODULE("conntrack_of_ours", "bpf_nf_ct_nothing", "nf_bpf_kfunc", NO_MODULE);
	EXPECT_MODULE("nat", "bpf_ct_set_nat_info_nothing", "nf_nat", NO_MODULE);
}

NF_TEST_F(kfunc, of_no_module)
{
	EXPECT_GT(0, load("no_module"));
	EXPECT_SAID(UNRESOLVED("bpf_nothing") "this kernel does not have it\n");
	EXPECT_GT(0, load("flavour"));
	EXPECT_SAID(UNRESOLVED("bpf_nothing") "this kernel does not have it\n");
}

NF_TEST_F(kfunc, other_arguments)
{
	EXPECT_GT(0, load("other_arguments"));
	EXPECT_SAID(UNRESOLVED("tcp_slow_start")
		    "this kernel's takes or returns something else\n");
}

NF_TEST_F(kfunc, not_weak)
{
	char text[256];

	ASSERT_EQ(0, fake_modules("kernel/a/nf_bpf_kfunc.ko:\n"));
	expected("nf_bpf_kfunc", NOT_LOADED, text, sizeof(text));
	EXPECT_GT(0, load_strong());
	EXPECT_SAID("extern (func ksym) 'bpf_nf_ct_nothing': not found in kernel or module BTFs: ");
	EXPECT_SAID(text);
}

NF_TEST_F(kfunc, asked_for)
{
	EXPECT_EQ(0, load("asks"));
	EXPECT_STREQ("", said);
}

TEST_HARNESS_MAIN
