// SPDX-License-Identifier: GPL-2.0
/* The calls of other loaders, byte for byte. Those of Debian's libbpf (1.1.2 of bookworm,
 * 1.5.0 of trixie, 1.7.0 of sid) were recorded when they loaded and attached a program. Those
 * of cilium/ebpf 0.17 are its ProgLoadAttr, LinkCreateNetfilterAttr and LinkInfo. libbpf-rs and
 * libbpf-sys call libbpf.
 */
#include <errno.h>
#include <linux/filter.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "helpers/nf_test.h"

enum { MAX_SIZE = 256 };

/* Indexes of 32-bit words in what the calls pass */
enum { LOAD_INSNS = 2, LOAD_LICENSE = 4 };
enum { CREATE_PROG, CREATE_PF = 4, CREATE_HOOK, CREATE_PRIORITY, CREATE_FLAGS };
enum { INFO_PF = 4, INFO_HOOK, INFO_PRIORITY, INFO_FLAGS };

FIXTURE(loaders)
{
	__u32 words[MAX_SIZE / sizeof(__u32)];
	int prog_fd;
};

FIXTURE_VARIANT(loaders)
{
	/* Sizes of what the loader passes, in bytes. That of bpf_link_info is the one of
	 * the headers that the loader was built with.
	 */
	__u32 load;
	__u32 create;
	__u32 info;
};

FIXTURE_VARIANT_ADD(loaders, libbpf_1_1)
{
	.load = 128,
	.create = 48,
	.info = 48,
};

FIXTURE_VARIANT_ADD(loaders, libbpf_1_5)
{
	.load = 148,
	.create = 64,
	.info = 64,
};

FIXTURE_VARIANT_ADD(loaders, libbpf_1_7)
{
	.load = 168,
	.create = 64,
	.info = 64,
};

FIXTURE_VARIANT_ADD(loaders, cilium_ebpf)
{
	.load = 152,
	.create = 64,
	.info = 64,
};

static void put_pointer(__u32 *words, const void *pointer)
{
	__u64 value = (unsigned long)pointer;

	memcpy(words, &value, sizeof(value));
}

/* The size is larger than the kernel's bpf_attr in some variants. Zeros must not matter. */
static int call(int cmd, __u32 *words, __u32 size)
{
	int ret = syscall(__NR_bpf, cmd, words, size);

	return ret < 0 ? -errno : ret;
}

FIXTURE_SETUP(loaders)
{
	static const struct bpf_insn insns[] = {
		BPF_MOV64_IMM(BPF_REG_0, NF_ACCEPT),
		BPF_EXIT_INSN(),
	};
	__u32 load[MAX_SIZE / sizeof(__u32)] = {
		0x20, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0x6122c, 0,
		0x65636361, 0x615f7470, 0x6c6c, 0, 0, 0x2d,
	};

	ASSERT_EQ(0, nf_netns_new());
	put_pointer(&load[LOAD_INSNS], insns);
	put_pointer(&load[LOAD_LICENSE], "GPL");
	self->prog_fd = call(BPF_PROG_LOAD, load, variant->load);
	ASSERT_LE(0, self->prog_fd);
	self->words[CREATE_PROG] = self->prog_fd;
	self->words[2] = 0x2d;
}

FIXTURE_TEARDOWN(loaders)
{
	close(self->prog_fd);
}

static int attach_at(__u32 *words, __u32 size, __u32 pf, __s32 priority, __u32 flags)
{
	words[CREATE_PF] = pf;
	words[CREATE_HOOK] = NF_INET_FORWARD;
	words[CREATE_PRIORITY] = priority;
	words[CREATE_FLAGS] = flags;
	return call(BPF_LINK_CREATE, words, size);
}

TEST_F(loaders, attach)
{
	int fd = attach_at(self->words, variant->create, NFPROTO_IPV4, 7, 0);

	ASSERT_LE(0, fd);
	EXPECT_EQ(-EBUSY, attach_at(self->words, variant->create, NFPROTO_IPV4, 7, 0));
	close(fd);
	fd = attach_at(self->words, variant->create, NFPROTO_IPV4, 7, 0);
	ASSERT_LE(0, fd);
	close(fd);
}

/* bpf_link_create() of libbpf before 1.3 leaves the place 0. Nothing is attached then. */
TEST_F(loaders, no_place)
{
	int before = nf_count_links();

	EXPECT_EQ(-EAFNOSUPPORT, call(BPF_LINK_CREATE, self->words, variant->create));
	EXPECT_EQ(before, nf_count_links());
}

TEST_F(loaders, info)
{
	__u32 info[MAX_SIZE / sizeof(__u32)] = {};
	__u32 get[4] = { 0, variant->info };
	int fd;

	fd = attach_at(self->words, variant->create, NFPROTO_IPV4, -7,
		       BPF_F_NETFILTER_IP_DEFRAG);
	ASSERT_LE(0, fd);

	/* The word behind what the loader knows stays as it is. */
	info[variant->info / sizeof(__u32)] = 0xdeadbeef;
	get[0] = fd;
	put_pointer(&get[2], info);
	ASSERT_EQ(0, call(BPF_OBJ_GET_INFO_BY_FD, get, sizeof(get)));
	EXPECT_EQ(BPF_LINK_TYPE_NETFILTER, info[0]);
	EXPECT_EQ(nf_prog_id(self->prog_fd), info[2]);
	EXPECT_EQ(NFPROTO_IPV4, info[INFO_PF]);
	EXPECT_EQ(NF_INET_FORWARD, info[INFO_HOOK]);
	EXPECT_EQ(-7, (int)info[INFO_PRIORITY]);
	EXPECT_EQ(BPF_F_NETFILTER_IP_DEFRAG, info[INFO_FLAGS]);
	EXPECT_EQ(0xdeadbeef, info[variant->info / sizeof(__u32)]);
	close(fd);
}

/* The same fields carry the family and the flag that only this project has. */
TEST_F(loaders, both_families_and_strict)
{
	int fd;

	if (!nf_has_inet(self->prog_fd))
		NF_LACKS(return, "pf NFPROTO_INET");
	fd = attach_at(self->words, variant->create, NFPROTO_INET, 0,
		       BPF_F_NETFILTER_IP_DEFRAG | BPF_F_NETFILTER_DEFRAG_STRICT);
	ASSERT_LE(0, fd);
	EXPECT_EQ(2, nf_count_hooks());
	close(fd);
}

TEST_HARNESS_MAIN
