/* SPDX-License-Identifier: GPL-2.0 */
/* Functions that the tests written in C share. */
#ifndef NF_TEST_H
#define NF_TEST_H

#include <stdbool.h>
#include <stddef.h>

#include <linux/bpf.h>
#include <linux/bpf_nf.h>
#include <sys/socket.h>

#ifndef ARRAY_SIZE
#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))
#endif

/* <linux/netfilter.h> includes headers that clash with <netinet/in.h>, so repeat the values
 * of its enums here.
 */
enum {
	NFPROTO_UNSPEC		= 0,
	NFPROTO_INET		= 1,
	NFPROTO_IPV4		= 2,
	NFPROTO_ARP		= 3,
	NFPROTO_NETDEV		= 5,
	NFPROTO_BRIDGE		= 7,
	NFPROTO_IPV6		= 10,
	NFPROTO_NUMPROTO	= 11,
};

enum {
	NF_INET_PRE_ROUTING,
	NF_INET_LOCAL_IN,
	NF_INET_FORWARD,
	NF_INET_LOCAL_OUT,
	NF_INET_POST_ROUTING,
	NF_INET_NUMHOOKS,
};

extern const char * const nf_hook_names[NF_INET_NUMHOOKS];

enum { NF_DROP = 0, NF_ACCEPT = 1 };

enum { NF_IP_PRI_CONNTRACK_DEFRAG = -400 };

/* The place of a link: bpf_attr.link_create.netfilter. */
struct nf_key {
	__u32 pf;
	__u32 hooknum;
	__s32 priority;
	__u32 flags;
};

/* bpf_link_info of a netfilter link as our kernel has it: the <linux/bpf.h> that
 * the tests are built with may be mainline's, which ends with flags.
 */
struct nf_link_info {
	__u32 type;
	__u32 id;
	__u32 prog_id;
	__u32 hole;
	__u32 pf;
	__u32 hooknum;
	__s32 priority;
	__u32 flags;
	__u32 netns_ino;
	__u32 reserved;
	__u64 accepted;
	__u64 dropped;
	__u64 dropped_fragments;
	__u64 accepted_bytes;
	__u64 dropped_bytes;
	__u64 dropped_fragments_bytes;
	struct {
		__u64 accepted;
		__u64 dropped;
		__u64 dropped_fragments;
		__u64 accepted_bytes;
		__u64 dropped_bytes;
		__u64 dropped_fragments_bytes;
	} ipv6;
	__u64 cookie;
};

/* A hook as nfnetlink_hook reports it. Without a type or program, the member is -1. */
struct nf_hook {
	__s32 priority;
	const char *function;
	const char *module;
	int type;
	__s64 prog_id;
};

/* For self->lacks, if nf_has_packet_access() is false. */
#define NF_PACKET_ACCESS "helpers for packets, or the module nf_bpf_packet"

enum { NF_HOOK_TYPE_NFTABLES = 1, NF_HOOK_TYPE_BPF };

struct nf_load {
	enum bpf_prog_type type;
	enum bpf_attach_type expected_attach_type;
	const char *license;
	const struct bpf_insn *insns;
	size_t insn_cnt;
	char *log;
	__u32 log_size;
	const int *fd_array;	/* BTF of modules, or NULL */
	__u32 prog_flags;
};

/* All of these return a negative errno on failure. */
int nf_write_file(const char *path, const char *text);
int nf_netns_new(void);
int nf_netns_enter(const char *name);
int nf_netns_loopback_up(void);
int nf_load(const struct nf_load *load);
int nf_load_return(enum bpf_prog_type type, enum bpf_attach_type expected_attach_type,
		   int value);
int nf_load_verdict(int verdict);
int nf_load_sk_lookup(void);
int nf_link(int prog_fd, const struct nf_key *key);
int nf_link_at(int prog_fd, const struct nf_key *key, __u32 place, __u32 relative);
int nf_link_sk_lookup(int prog_fd);
int nf_count_links(void);
__u32 nf_prog_id(int prog_fd);
int nf_link_info(int link_fd, struct bpf_link_info *info);
int nf_link_stats(int link_fd, struct nf_link_info *info);
int nf_link_update(int link_fd, int prog_fd, int old_prog_fd);
int nf_btf_size(const char *type);
int nf_btf_offset(const char *type, const char *member);
bool nf_btf_has_func(const char *name);
/* Return: true if the context of a program has packet pointers, as on this project's kernel */
bool nf_has_pkt_pointers(void);
/* Return: true if the kernel has helpers for packets, or the module in their place. Load it. */
bool nf_has_packet_access(void);
/* Return: a fd of the BTF of a loaded module, for nf_load.fd_array */
int nf_btf_module_fd(const char *module);
int nf_set_caps(__u64 caps);
int nf_send_loopback(int count);
int nf_send_loopback_ipv6(int count);
/* Both send datagrams of NF_LOOPBACK_LEN bytes behind the IP header. */
enum { NF_LOOPBACK_LEN = 8 + 1 };
int nf_flood_loopback(int count);
int nf_dump_hooks(int pf, int hooknum, void (*take)(const struct nf_hook *, void *),
		  void *arg);
/* Return: the number of BPF programs at hooks of both families in this network namespace */
int nf_count_hooks(void);
/* Flush all conntrack entries of this network namespace. */
int nf_flush_conntrack(void);
int nf_fdinfo(int fd, const char *key, char *value, size_t size);
int nf_module_unload(const char *name);
int nf_module_unload_with_users(const char *name);
bool nf_module_is_loaded(const char *name);
/* Unload both modules of reassembly and their users. Return: true if both are gone */
bool nf_defrag_unload(void);
/* Return: the reference count; 0 if the module is not loaded */
int nf_module_references(const char *name);
/* Bind this thread to @cpu, or to the processor on which it runs. */
int nf_bind_cpu(int cpu);
int nf_one_cpu(void);
int nf_parse_address(const char *text, struct sockaddr_storage *address);
void nf_set_port(struct sockaddr_storage *address, int port);
socklen_t nf_address_length(const struct sockaddr_storage *address);

/* The Internet checksum of 16-bit words in network order: add up, then fold. */
__u32 nf_sum(__u32 sum, const void *data, int length);
__u16 nf_sum_fold(__u32 sum);

/* Return: true if this project's kernel is under test: a missing feature is a failure */
bool nf_patched(void);
/* Return: true if it is a failure that the kernel lacks @what. This project's kernel must have
 * everything. A kernel for which our modules were built must have what names a "module nf_bpf_".
 */
bool nf_must_have(const char *what);
/* Return: true if the kernel's flavour leaves out @part, "ipv6" or "conntrack" */
bool nf_without(const char *part);
/* Return: true if @key asks for reassembly and this kernel has none for its family */
bool nf_without_defrag(const struct nf_key *key);
bool nf_has_inet(int prog_fd);
bool nf_has_update(int prog_fd);
bool nf_has_stats(int link_fd);
bool nf_has_bytes(int link_fd);
bool nf_has_cookie(int link_fd);

/* Skip a test of a feature that this kernel lacks. If nf_must_have() it, the test fails. */
#define NF_LACKS(statement, what) do {					\
	const char *_what = (what);					\
									\
	ASSERT_FALSE(nf_must_have(_what)) {				\
		TH_LOG("missing: %s", _what);				\
	}								\
	SKIP(statement, "%s", _what);					\
} while (0)

/* Timeout of one test in seconds: a debug kernel on a busy machine is slow. */
#undef TEST_TIMEOUT_DEFAULT
#define TEST_TIMEOUT_DEFAULT	300

/*
 * A test of a feature that may be missing. The fixture's setup names the missing feature in
 * self->lacks. A SKIP() in setup is not enough: 6.1's harness runs the test all the same.
 */
#define NF_TEST_F(fixture, test)					\
	static void nf_##fixture##_##test(				\
		struct __test_metadata *_metadata,			\
		FIXTURE_DATA(fixture) *self,				\
		const FIXTURE_VARIANT(fixture) *variant);		\
									\
	TEST_F(fixture, test)						\
	{								\
		if (self->lacks && nf_without(self->lacks))		\
			SKIP(return, "kernel without %s", self->lacks);	\
		if (self->lacks)					\
			NF_LACKS(return, self->lacks);				\
		nf_##fixture##_##test(_metadata, self, variant);	\
	}								\
									\
	static void nf_##fixture##_##test(				\
		struct __test_metadata *_metadata,			\
		FIXTURE_DATA(fixture) *self,				\
		const FIXTURE_VARIANT(fixture) *variant)

#endif
