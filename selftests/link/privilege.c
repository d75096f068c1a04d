// SPDX-License-Identifier: GPL-2.0
/*
 * A process without privileges holds the fd of a link or program. The tests say which
 * operations it may do, and that it gets no kernel memory, no kernel addresses and no
 * information about other network namespaces. capability.c tests loading and attaching.
 */
#include <ctype.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <sys/fsuid.h>

#include <bpf/bpf.h>

#include "kselftest_harness.h"
#include "helpers/nf_test.h"

#define CANARY	0xa5
#define STATE	"nf_hook_state"
#define TEST_RUN "BPF_PROG_TEST_RUN with data_out"

enum { PACKET = 64, STATE_MAX = 128, BUFFER = 4096, NOBODY = 65534 };

/* A packet of PACKET bytes, none of which is CANARY. */
static void set_packet(unsigned char packet[PACKET], __u32 pf)
{
	memset(packet, 0, PACKET);
	packet[0] = pf == NFPROTO_IPV4 ? 0x45 : 0x60;
	packet[2] = 0;
	packet[3] = PACKET;
}

/* Does the text contain an address, that is 12 hexadecimal digits in a row? */
static bool has_address(const char *text)
{
	int digits = 0;

	for (; *text; text++) {
		digits = isxdigit((unsigned char)*text) ? digits + 1 : 0;
		if (digits >= 12)
			return true;
	}
	return false;
}

static bool is_kernel_address(__u64 value)
{
	return value >= 0xffff800000000000ULL;
}

static void take_nothing(const struct nf_hook *hook, void *arg)
{
}

/* --- the holder of an fd --- */

enum who { WITHOUT_CAPS, IN_USER_NAMESPACE, IN_OWN_NETNS };

FIXTURE(passed)
{
	const char *lacks;
	int netns_fd;
	int prog_fd;
	int other_fd;
	int link_fd;
	__u32 link_id;
	struct nf_key key;
};

FIXTURE_VARIANT(passed)
{
	enum who who;
};

FIXTURE_VARIANT_ADD(passed, without_capabilities)
{
	.who = WITHOUT_CAPS,
};

FIXTURE_VARIANT_ADD(passed, to_a_user_namespace)
{
	.who = IN_USER_NAMESPACE,
};

/* The process has all capabilities, but over another network namespace. */
FIXTURE_VARIANT_ADD(passed, to_another_netns)
{
	.who = IN_OWN_NETNS,
};

FIXTURE_SETUP(passed)
{
	struct nf_link_info info;

	ASSERT_EQ(0, nf_netns_new());
	/* Keep the namespace: else the link is detached when the test enters another one. */
	self->netns_fd = open("/proc/self/ns/net", O_RDONLY);
	ASSERT_LE(0, self->netns_fd);
	self->prog_fd = nf_load_verdict(NF_ACCEPT);
	self->other_fd = nf_load_verdict(NF_ACCEPT);
	ASSERT_LE(0, self->prog_fd);
	ASSERT_LE(0, self->other_fd);
	if (!nf_has_update(self->prog_fd)) {
		self->lacks = "BPF_LINK_UPDATE";
		return;
	}
	self->key.pf = NFPROTO_IPV4;
	self->key.hooknum = NF_INET_FORWARD;
	self->link_fd = nf_link(self->prog_fd, &self->key);
	ASSERT_LE(0, self->link_fd);
	ASSERT_EQ(0, nf_link_stats(self->link_fd, &info));
	self->link_id = info.id;
}

FIXTURE_TEARDOWN(passed)
{
	close(self->link_fd);
	close(self->prog_fd);
	close(self->other_fd);
	close(self->netns_fd);
}

static int become(enum who who)
{
	int err;

	if (who == WITHOUT_CAPS)
		return nf_set_caps(0);
	if (unshare(CLONE_NEWUSER))
		return -errno;
	err = nf_write_file("/proc/self/uid_map", "0 0 1");
	if (!err && who == IN_OWN_NETNS)
		err = nf_netns_new();
	return err;
}

static __u32 program_of(int link_fd)
{
	struct nf_link_info info;

	return nf_link_stats(link_fd, &info) ? 0 : info.prog_id;
}

NF_TEST_F(passed, update)
{
	__u32 before = program_of(self->link_fd);

	ASSERT_EQ(0, become(variant->who));
	EXPECT_EQ(-EPERM, nf_link_update(self->link_fd, self->prog_fd, self->other_fd));
	EXPECT_EQ(before, program_of(self->link_fd));
	EXPECT_EQ(0, nf_link_update(self->link_fd, self->other_fd, self->prog_fd));
	EXPECT_NE(before, program_of(self->link_fd));
}

NF_TEST_F(passed, detach)
{
	struct nf_link_info info;

	ASSERT_EQ(0, become(variant->who));
	EXPECT_EQ(0, nf_link_update(self->link_fd, self->prog_fd, -1));
	EXPECT_EQ(0, bpf_link_detach(self->link_fd));
	ASSERT_EQ(0, nf_link_stats(self->link_fd, &info));
	EXPECT_EQ(0, info.netns_ino);
	EXPECT_EQ(-ENOLINK, nf_link_update(self->link_fd, self->prog_fd, -1));
}

NF_TEST_F(passed, info_and_fdinfo)
{
	struct nf_link_info before, after;
	char value[32];

	ASSERT_EQ(0, nf_link_stats(self->link_fd, &before));
	ASSERT_EQ(0, become(variant->who));
	ASSERT_EQ(0, nf_link_stats(self->link_fd, &after));
	EXPECT_EQ(0, memcmp(&before, &after, sizeof(before)));
	ASSERT_EQ(0, nf_fdinfo(self->link_fd, "hooknum:", value, sizeof(value)));
	EXPECT_STREQ("2", value);
}

NF_TEST_F(passed, test_run)
{
	unsigned char packet[PACKET];
	struct bpf_test_run_opts opts = {
		.sz = sizeof(opts),
		.data_in = packet,
		.data_size_in = sizeof(packet),
	};

	set_packet(packet, NFPROTO_IPV4);
	ASSERT_EQ(0, become(variant->who));
	EXPECT_EQ(0, bpf_prog_test_run_opts(self->prog_fd, &opts));
	EXPECT_EQ(NF_ACCEPT, opts.retval);
}

/* Ids of all namespaces are visible with CAP_SYS_ADMIN only. */
NF_TEST_F(passed, ids)
{
	__u32 id = self->link_id - 1;
	int fd;

	fd = bpf_link_get_fd_by_id(self->link_id);
	ASSERT_LE(0, fd);
	close(fd);
	ASSERT_EQ(0, bpf_link_get_next_id(id, &id));
	ASSERT_EQ(self->link_id, id);

	ASSERT_EQ(0, become(variant->who));
	EXPECT_EQ(-EPERM, bpf_link_get_fd_by_id(self->link_id));
	id = self->link_id - 1;
	EXPECT_EQ(-EPERM, bpf_link_get_next_id(id, &id));
	EXPECT_EQ(self->link_id - 1, id);
}

NF_TEST_F(passed, attach)
{
	const bool may = variant->who == IN_OWN_NETNS;
	int fd;

	self->key.priority = 1;
	fd = nf_link(self->prog_fd, &self->key);
	ASSERT_LE(0, fd);
	close(fd);

	ASSERT_EQ(0, become(variant->who));
	fd = nf_link(self->prog_fd, &self->key);
	if (may) {
		EXPECT_LE(0, fd);
		close(fd);
	} else {
		EXPECT_EQ(-EPERM, fd);
	}
}

/* A link or program of another namespace is no anchor here. */
NF_TEST_F(passed, attach_next_to)
{
	const int refusal = variant->who == IN_OWN_NETNS ? -ESRCH : -EPERM;
	int fd;

	fd = nf_link_at(self->other_fd, &self->key, BPF_F_AFTER | BPF_F_LINK, self->link_fd);
	ASSERT_LE(0, fd);
	close(fd);

	ASSERT_EQ(0, become(variant->who));
	EXPECT_EQ(refusal, nf_link_at(self->other_fd, &self->key, BPF_F_AFTER | BPF_F_LINK,
				      self->link_fd));
	EXPECT_EQ(refusal, nf_link_at(self->other_fd, &self->key, BPF_F_BEFORE,
				      self->prog_fd));
}

/* The error code must not reveal whether an id exists. */
NF_TEST_F(passed, attach_next_to_id)
{
	const __u32 place = BPF_F_AFTER | BPF_F_LINK | BPF_F_ID;
	int fd;

	fd = nf_link_at(self->other_fd, &self->key, place, self->link_id);
	ASSERT_LE(0, fd);
	close(fd);
	EXPECT_EQ(-ENOENT, nf_link_at(self->other_fd, &self->key, place, INT_MAX));

	ASSERT_EQ(0, become(variant->who));
	EXPECT_EQ(-EPERM, nf_link_at(self->other_fd, &self->key, place, self->link_id));
	EXPECT_EQ(-EPERM, nf_link_at(self->other_fd, &self->key, place, INT_MAX));
	EXPECT_EQ(-EPERM, nf_link_at(self->other_fd, &self->key, BPF_F_AFTER | BPF_F_ID,
				     INT_MAX));
}

NF_TEST_F(passed, hooks)
{
	int seen = nf_dump_hooks(NFPROTO_IPV4, NF_INET_FORWARD, take_nothing, NULL);

	ASSERT_EQ(1, seen);
	ASSERT_EQ(0, become(variant->who));
	seen = nf_dump_hooks(NFPROTO_IPV4, NF_INET_FORWARD, take_nothing, NULL);
	EXPECT_EQ(variant->who == IN_OWN_NETNS ? 0 : -EPERM, seen);
	if (variant->who != IN_OWN_NETNS)
		return;
	self->link_fd = nf_link(self->prog_fd, &self->key);
	ASSERT_LE(0, self->link_fd);
	EXPECT_EQ(1, nf_dump_hooks(NFPROTO_IPV4, NF_INET_FORWARD, take_nothing, NULL));
}

/* A pin is a file. A process that may not open it does not get the link. */
NF_TEST_F(passed, pin)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/sys/fs/bpf/nf_privilege_%d", getpid());
	ASSERT_EQ(0, bpf_obj_pin(self->link_fd, path));
	fd = bpf_obj_get(path);
	EXPECT_LE(0, fd);
	close(fd);

	/* Change only the file system uid, so that root can remove the pin below. */
	setfsuid(NOBODY);
	EXPECT_EQ(-EACCES, bpf_obj_get(path));
	setfsuid(0);
	fd = bpf_obj_get(path);
	EXPECT_LE(0, fd);
	close(fd);
	EXPECT_EQ(0, unlink(path));
}

/* --- the information on a link --- */

FIXTURE(told)
{
	const char *lacks;
	int prog_fd;
	int link_fd;
};

FIXTURE_SETUP(told)
{
	const struct nf_key key = {
		.pf = NFPROTO_INET,
		.hooknum = NF_INET_LOCAL_OUT,
		.priority = -5,
		.flags = BPF_F_NETFILTER_IP_DEFRAG,
	};

	ASSERT_EQ(0, nf_netns_new());
	ASSERT_EQ(0, nf_netns_loopback_up());
	self->prog_fd = nf_load_verdict(NF_ACCEPT);
	ASSERT_LE(0, self->prog_fd);
	if (!nf_has_inet(self->prog_fd)) {
		self->lacks = "pf NFPROTO_INET";
		return;
	}
	self->link_fd = nf_link(self->prog_fd, &key);
	ASSERT_LE(0, self->link_fd);
	ASSERT_EQ(0, nf_send_loopback(1));
}

FIXTURE_TEARDOWN(told)
{
	close(self->link_fd);
	close(self->prog_fd);
}

NF_TEST_F(told, info)
{
	static __u64 buffer[BUFFER / sizeof(__u64)];
	const struct nf_link_info *info = (void *)buffer;
	__u32 len = sizeof(buffer);
	size_t i;

	ASSERT_EQ(0, bpf_link_get_info_by_fd(self->link_fd, (void *)buffer, &len));
	ASSERT_LE(sizeof(*info), len);
	EXPECT_EQ(1, info->accepted);
	EXPECT_EQ(0, info->hole);
	EXPECT_EQ(0, info->reserved);
	for (i = 0; i < sizeof(*info) / sizeof(__u64); i++)
		EXPECT_FALSE(is_kernel_address(buffer[i]));
	for (; i < BUFFER / sizeof(__u64); i++)
		EXPECT_EQ(0, buffer[i]);
}

/* The kernel writes no byte beyond the length that the caller gives. */
NF_TEST_F(told, short_info)
{
	unsigned char whole[sizeof(struct nf_link_info)] = {};
	unsigned char part[sizeof(whole)];
	__u32 size, len = sizeof(whole);

	ASSERT_EQ(0, bpf_link_get_info_by_fd(self->link_fd, (void *)whole, &len));
	for (size = 0; size < sizeof(whole); size++) {
		memset(part, 0, size);
		memset(part + size, CANARY, sizeof(part) - size);
		len = size;
		ASSERT_EQ(0, bpf_link_get_info_by_fd(self->link_fd, (void *)part, &len));
		EXPECT_EQ(size, len);
		EXPECT_EQ(0, memcmp(whole, part, size));
		for (len = size; len < sizeof(part); len++)
			EXPECT_EQ(CANARY, part[len]);
	}
}

NF_TEST_F(told, fdinfo)
{
	char path[64], text[BUFFER] = "";
	int fd;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", self->link_fd);
	fd = open(path, O_RDONLY);
	ASSERT_LE(0, fd);
	ASSERT_LT(0, read(fd, text, sizeof(text) - 1));
	close(fd);
	EXPECT_NE(NULL, strstr(text, "hooknum:"));
	/* prog_tag is as long as an address, but it is a hash of the program. */
	EXPECT_TRUE(has_address(text));
	memset(strstr(text, "prog_tag:"), ' ', strlen("prog_tag:\t") + 16);
	EXPECT_FALSE(has_address(text)) {
		TH_LOG("%s", text);
	}
}

struct names {
	int hooks;
	int addresses;
};

static void take_names(const struct nf_hook *hook, void *arg)
{
	struct names *names = arg;

	names->hooks++;
	names->addresses += hook->function && has_address(hook->function);
	names->addresses += hook->module && has_address(hook->module);
}

NF_TEST_F(told, hooks)
{
	struct names names = {};

	/* At least the program and reassembly are at the hook. */
	ASSERT_LE(2, nf_dump_hooks(NFPROTO_IPV4, NF_INET_LOCAL_OUT, take_names, &names));
	EXPECT_LE(2, names.hooks);
	EXPECT_EQ(0, names.addresses);
}

FIXTURE(result)
{
	const char *lacks;
	int prog_fd;
	int offset_pf;
	int offset_hook;
	int state_size;
};

FIXTURE_VARIANT(result)
{
	__u32 pf;
	bool ethernet;
};

FIXTURE_VARIANT_ADD(result, ip)
{
	.pf = NFPROTO_IPV4,
};

FIXTURE_VARIANT_ADD(result, ip6)
{
	.pf = NFPROTO_IPV6,
};

FIXTURE_VARIANT_ADD(result, ip_with_ethernet)
{
	.pf = NFPROTO_IPV4,
	.ethernet = true,
};

FIXTURE_VARIANT_ADD(result, ip6_with_ethernet)
{
	.pf = NFPROTO_IPV6,
	.ethernet = true,
};

FIXTURE_SETUP(result)
{
	ASSERT_EQ(0, nf_netns_new());
	self->prog_fd = nf_load_verdict(NF_ACCEPT);
	ASSERT_LE(0, self->prog_fd);
	self->state_size = nf_btf_size(STATE);
	self->offset_pf = nf_btf_offset(STATE, "pf");
	self->offset_hook = nf_btf_offset(STATE, "hook");
	ASSERT_GE(STATE_MAX, self->state_size);
	ASSERT_LE(0, self->offset_pf);
	ASSERT_LE(0, self->offset_hook);
	if (nf_btf_offset("bpf_nf_ctx", "data") < 0)
		self->lacks = TEST_RUN;
}

FIXTURE_TEARDOWN(result)
{
	close(self->prog_fd);
}

/* The packet comes back unchanged, and the kernel writes no other byte of the buffers. */
NF_TEST_F(result, nothing_but_the_packet)
{
	static unsigned char in[14 + PACKET], out[BUFFER], ctx_out[BUFFER], canary[BUFFER];
	unsigned char state[STATE_MAX] = {};
	const int mac = variant->ethernet ? 14 : 0;
	int hook;

	memset(canary, CANARY, sizeof(canary));
	in[12] = variant->pf == NFPROTO_IPV4 ? 0x08 : 0x86;
	in[13] = variant->pf == NFPROTO_IPV4 ? 0x00 : 0xdd;
	set_packet(in + mac, variant->pf);
	state[self->offset_pf] = variant->pf;
	for (hook = 0; hook < NF_INET_NUMHOOKS; hook++) {
		struct bpf_test_run_opts opts = {
			.sz = sizeof(opts),
			.data_in = in, .data_size_in = mac + PACKET,
			.data_out = out, .data_size_out = sizeof(out),
			.ctx_in = state, .ctx_size_in = self->state_size,
			.ctx_out = ctx_out, .ctx_size_out = sizeof(ctx_out),
		};

		if (mac && hook == NF_INET_LOCAL_OUT)
			continue;
		state[self->offset_hook] = hook;
		memcpy(out, canary, sizeof(out));
		memcpy(ctx_out, canary, sizeof(ctx_out));
		ASSERT_EQ(0, bpf_prog_test_run_opts(self->prog_fd, &opts));
		EXPECT_EQ(mac + PACKET, opts.data_size_out);
		EXPECT_EQ(0, memcmp(out, in, mac + PACKET));
		EXPECT_EQ(0, memcmp(out + mac + PACKET, canary,
				    sizeof(out) - mac - PACKET));
		EXPECT_EQ(0, memcmp(ctx_out, canary, sizeof(ctx_out)));
	}
}

/* If the kernel refuses the packet, it writes nothing. */
TEST(nothing_of_a_refused_packet)
{
	static unsigned char in[14 + PACKET], out[BUFFER], canary[BUFFER];
	struct bpf_test_run_opts opts = {
		.sz = sizeof(opts),
		.data_in = in, .data_size_in = 1,
		.data_out = out, .data_size_out = sizeof(out),
	};
	int prog_fd;

	if (nf_btf_offset("bpf_nf_ctx", "data") < 0)
		NF_LACKS(return, TEST_RUN);
	ASSERT_EQ(0, nf_netns_new());
	prog_fd = nf_load_verdict(NF_ACCEPT);
	ASSERT_LE(0, prog_fd);
	memset(canary, CANARY, sizeof(canary));
	memcpy(out, canary, sizeof(out));
	set_packet(in, NFPROTO_IPV4);
	EXPECT_EQ(-EINVAL, bpf_prog_test_run_opts(prog_fd, &opts));
	EXPECT_EQ(0, memcmp(out, canary, sizeof(out)));
	opts.data_size_in = PACKET;
	opts.data_size_out = sizeof(out);
	EXPECT_EQ(0, bpf_prog_test_run_opts(prog_fd, &opts));
	EXPECT_EQ(0, memcmp(out, in, PACKET));
	close(prog_fd);
}

TEST_HARNESS_MAIN
