// SPDX-License-Identifier: GPL-2.0
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/netlink.h>

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>

#include "helpers/nf_test.h"

const char * const nf_hook_names[NF_INET_NUMHOOKS] = {
	[NF_INET_PRE_ROUTING]	= "prerouting",
	[NF_INET_LOCAL_IN]	= "input",
	[NF_INET_FORWARD]	= "forward",
	[NF_INET_LOCAL_OUT]	= "output",
	[NF_INET_POST_ROUTING]	= "postrouting",
};

int nf_write_file(const char *path, const char *text)
{
	ssize_t len = strlen(text);
	int fd, err;

	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	err = write(fd, text, len) == len ? 0 : -errno;
	close(fd);
	return err;
}

int nf_netns_new(void)
{
	return unshare(CLONE_NEWNET) ? -errno : 0;
}

/* Enter a namespace that ip-netns(8) has named. */
int nf_netns_enter(const char *name)
{
	char path[512];
	int fd, err;

	snprintf(path, sizeof(path), "/run/netns/%s", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	err = setns(fd, CLONE_NEWNET) ? -errno : 0;
	close(fd);
	return err;
}

int nf_netns_loopback_up(void)
{
	struct ifreq ifr = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	int fd, err;

	fd = socket(AF_INET, SOCK_DGRAM, 0);
	if (fd < 0)
		return -errno;
	err = ioctl(fd, SIOCSIFFLAGS, &ifr) ? -errno : 0;
	close(fd);
	return err;
}

int nf_load(const struct nf_load *load)
{
	LIBBPF_OPTS(bpf_prog_load_opts, opts,
		    .expected_attach_type = load->expected_attach_type,
		    .log_buf = load->log,
		    .log_size = load->log_size,
		    .log_level = load->log ? 1 : 0,
		    .fd_array = load->fd_array,
		    .prog_flags = load->prog_flags);

	return bpf_prog_load(load->type, "nf_test", load->license,
			     load->insns, load->insn_cnt, &opts);
}

/* Load a program that only returns @value. */
int nf_load_return(enum bpf_prog_type type, enum bpf_attach_type expected_attach_type,
		   int value)
{
	const struct bpf_insn insns[] = {
		BPF_MOV64_IMM(BPF_REG_0, value),
		BPF_EXIT_INSN(),
	};
	const struct nf_load load = {
		.type = type,
		.expected_attach_type = expected_attach_type,
		.license = "GPL",
		.insns = insns,
		.insn_cnt = ARRAY_SIZE(insns),
	};

	return nf_load(&load);
}

int nf_load_verdict(int verdict)
{
	return nf_load_return(BPF_PROG_TYPE_NETFILTER, BPF_NETFILTER, verdict);
}

/* Load a program of another type whose links are also attached to a network namespace. */
int nf_load_sk_lookup(void)
{
	return nf_load_return(BPF_PROG_TYPE_SK_LOOKUP, BPF_SK_LOOKUP, 1);
}

int nf_link(int prog_fd, const struct nf_key *key)
{
	LIBBPF_OPTS(bpf_link_create_opts, opts,
		    .netfilter.pf = key->pf,
		    .netfilter.hooknum = key->hooknum,
		    .netfilter.priority = key->priority,
		    .netfilter.flags = key->flags);

	return bpf_link_create(prog_fd, 0, BPF_NETFILTER, &opts);
}

/* @place: link_create.flags
 * @relative: fd or id of the link or program next to which @place puts the new link, or 0
 */
int nf_link_at(int prog_fd, const struct nf_key *key, __u32 place, __u32 relative)
{
	/* The first members of bpf_attr.link_create. */
	const struct {
		__u32 prog_fd;
		__u32 target_fd;
		__u32 attach_type;
		__u32 flags;
		struct nf_key netfilter;
		__u32 relative;
	} attr = {
		.prog_fd = prog_fd,
		.attach_type = BPF_NETFILTER,
		.flags = place,
		.netfilter = *key,
		.relative = relative,
	};
	int fd = syscall(__NR_bpf, BPF_LINK_CREATE, &attr, sizeof(attr));

	return fd < 0 ? -errno : fd;
}

/* Attach a program of nf_load_sk_lookup() to this network namespace. */
int nf_link_sk_lookup(int prog_fd)
{
	int netns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	int fd;

	if (netns < 0)
		return -errno;
	fd = bpf_link_create(prog_fd, netns, BPF_SK_LOOKUP, NULL);
	close(netns);
	return fd;
}

/* Return: the number of links of all types in all namespaces */
int nf_count_links(void)
{
	__u32 id = 0;
	int nr = 0;

	while (!bpf_link_get_next_id(id, &id))
		nr++;
	return nr;
}

/* Return: the id, or 0 if it cannot be read */
__u32 nf_prog_id(int prog_fd)
{
	struct bpf_prog_info info = {};
	__u32 len = sizeof(info);

	return bpf_prog_get_info_by_fd(prog_fd, &info, &len) ? 0 : info.id;
}

int nf_link_info(int link_fd, struct bpf_link_info *info)
{
	__u32 len = sizeof(*info);

	memset(info, 0, sizeof(*info));
	return bpf_link_get_info_by_fd(link_fd, info, &len);
}

int nf_link_stats(int link_fd, struct nf_link_info *info)
{
	__u32 len = sizeof(*info);

	memset(info, 0, sizeof(*info));
	return bpf_link_get_info_by_fd(link_fd, (void *)info, &len);
}

/* @old_prog_fd: the program that the link must have now; -1: any program */
int nf_link_update(int link_fd, int prog_fd, int old_prog_fd)
{
	LIBBPF_OPTS(bpf_link_update_opts, opts);

	if (old_prog_fd >= 0) {
		opts.flags = BPF_F_REPLACE;
		opts.old_prog_fd = old_prog_fd;
	}
	return bpf_link_update(link_fd, prog_fd, &opts);
}

/* Parsed once: tests are forked, so a constructor should call this first. */
static struct btf *vmlinux_btf(void)
{
	static struct btf *btf;

	if (!btf)
		btf = btf__load_vmlinux_btf();
	return btf;
}

int nf_btf_size(const char *type)
{
	struct btf *btf = vmlinux_btf();
	int id;

	if (!btf)
		return -errno;
	id = btf__find_by_name_kind(btf, type, BTF_KIND_STRUCT);
	return id > 0 ? (int)btf__type_by_id(btf, id)->size : -ENOENT;
}

bool nf_btf_has_func(const char *name)
{
	struct btf *btf = vmlinux_btf();

	return btf && btf__find_by_name_kind(btf, name, BTF_KIND_FUNC) > 0;
}

static int member_offset(const struct btf *btf, int id, const char *name)
{
	const struct btf_type *type = btf__type_by_id(btf, id);
	int i, offset;

	for (i = 0; i < btf_vlen(type); i++) {
		const struct btf_member *member = btf_members(type) + i;
		const char *this = btf__name_by_offset(btf, member->name_off);

		if (!strcmp(this, name))
			return btf_member_bit_offset(type, i) / 8;
		/* sk_buff keeps many members in anonymous unions and structs */
		if (*this || !btf_is_composite(btf__type_by_id(btf, member->type)))
			continue;
		offset = member_offset(btf, member->type, name);
		if (offset >= 0)
			return btf_member_bit_offset(type, i) / 8 + offset;
	}
	return -ENOENT;
}

int nf_btf_offset(const char *type, const char *member)
{
	struct btf *btf = vmlinux_btf();
	int id;

	if (!btf)
		return -errno;
	id = btf__find_by_name_kind(btf, type, BTF_KIND_STRUCT);
	return id > 0 ? member_offset(btf, id, member) : -ENOENT;
}

bool nf_has_pkt_pointers(void)
{
	static int offset;

	if (!offset)
		offset = nf_btf_offset("bpf_nf_ctx", "data");
	return offset > 0;
}

bool nf_has_packet_access(void)
{
	static bool loaded;

	if (nf_has_pkt_pointers() || loaded)
		return true;
	loaded = !system("modprobe -q nf_bpf_packet");
	/* It is no error if the module is missing. */
	errno = 0;
	return loaded;
}

int nf_btf_module_fd(const char *module)
{
	struct bpf_btf_info info;
	__u32 id = 0, len;
	char name[64];
	int fd;

	while (!bpf_btf_get_next_id(id, &id)) {
		fd = bpf_btf_get_fd_by_id(id);
		if (fd < 0)
			continue;
		memset(&info, 0, sizeof(info));
		info.name = (__u64)(unsigned long)name;
		info.name_len = sizeof(name);
		len = sizeof(info);
		if (!bpf_btf_get_info_by_fd(fd, &info, &len) && info.kernel_btf &&
		    !strcmp(name, module))
			return fd;
		close(fd);
	}
	return -ENOENT;
}

/* Drop all capabilities but @caps, so that an exec() does not bring others back. */
int nf_set_caps(__u64 caps)
{
	struct __user_cap_header_struct header = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct data[2] = {
		{ .effective = caps, .permitted = caps },
		{ .effective = caps >> 32, .permitted = caps >> 32 },
	};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return -errno;
	return syscall(SYS_capset, &header, data) ? -errno : 0;
}

/* @to: a loopback address; gets the port */
static int send_to(struct sockaddr *to, socklen_t len, int count, bool wait)
{
	const struct timeval moment = { .tv_usec = 200 * 1000 };
	int from, fd, err = 0;
	char byte;

	fd = socket(to->sa_family, SOCK_DGRAM, 0);
	from = socket(to->sa_family, SOCK_DGRAM, 0);
	/* Without a receiver there would be ICMP errors, which would be counted, too. */
	if (fd < 0 || from < 0 || bind(fd, to, len) || getsockname(fd, to, &len) ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &moment, sizeof(moment)))
		err = -errno;
	while (!err && count--) {
		if (sendto(from, "x", 1, 0, to, len) != 1)
			err = -errno;
		else if (wait)
			recv(fd, &byte, sizeof(byte), 0);
	}
	close(from);
	close(fd);
	return err;
}

static int send_loopback(int count, bool wait)
{
	struct sockaddr_in to = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};

	return send_to((void *)&to, sizeof(to), count, wait);
}

/*
 * Send datagrams through LOCAL_OUT, POST_ROUTING, PRE_ROUTING and LOCAL_IN. On a busy
 * machine the receiving side can run later, in another thread. So wait for each datagram,
 * but only for a moment, because a program may drop it.
 */
int nf_send_loopback(int count)
{
	return send_loopback(count, true);
}

int nf_send_loopback_ipv6(int count)
{
	struct sockaddr_in6 to = {
		.sin6_family = AF_INET6,
		.sin6_addr = IN6ADDR_LOOPBACK_INIT,
	};

	return send_to((void *)&to, sizeof(to), count, true);
}

/* The same without waiting for the datagrams. */
int nf_flood_loopback(int count)
{
	return send_loopback(count, false);
}

/*
 * Read the word after @key in the link's part of /proc/self/fdinfo/@fd. A line has one key,
 * or several as in mainline. The part begins after the general keys: one of these is
 * "flags:", too.
 */
int nf_fdinfo(int fd, const char *key, char *value, size_t size)
{
	char path[64], word[128];
	bool of_link = false;
	int err = -ENOENT;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	file = fopen(path, "r");
	if (!file)
		return -errno;
	while (err && fscanf(file, "%127s", word) == 1) {
		of_link |= !strcmp(word, "link_type:");
		if (!of_link || strcmp(word, key) ||
		    fscanf(file, "%127s", word) != 1)
			continue;
		snprintf(value, size, "%s", word);
		err = 0;
	}
	fclose(file);
	return err;
}

/* From nfnetlink.h and nfnetlink_hook.h, which clash with the headers above. */
enum { NFNL_SUBSYS_HOOK = 12, NFNL_MSG_HOOK_GET = 0 };

enum {
	NFNLA_HOOK_HOOKNUM = 1,
	NFNLA_HOOK_PRIORITY,
	NFNLA_HOOK_DEV,
	NFNLA_HOOK_FUNCTION_NAME,
	NFNLA_HOOK_MODULE_NAME,
	NFNLA_HOOK_CHAIN_INFO,
	NFNLA_HOOK_MAX,
};

enum { NFNLA_HOOK_INFO_DESC = 1, NFNLA_HOOK_INFO_TYPE, NFNLA_HOOK_INFO_MAX };
enum { NFNLA_HOOK_BPF_ID = 1, NFNLA_HOOK_BPF_MAX };

struct nfgenmsg {
	__u8 nfgen_family;
	__u8 version;
	__be16 res_id;
};

struct hook_request {
	struct nlmsghdr nlh;
	struct nfgenmsg nfg;
	struct nlattr attr;
	__be32 hooknum;
};

static void parse_attrs(const struct nlattr **table, int size, const void *data, int len)
{
	const struct nlattr *attr = data;
	int type;

	memset(table, 0, size * sizeof(*table));
	while (len >= NLA_HDRLEN && attr->nla_len >= NLA_HDRLEN && attr->nla_len <= len) {
		type = attr->nla_type & NLA_TYPE_MASK;
		if (type < size)
			table[type] = attr;
		len -= NLA_ALIGN(attr->nla_len);
		attr = (const void *)attr + NLA_ALIGN(attr->nla_len);
	}
}

static const void *attr_data(const struct nlattr *attr)
{
	return (const void *)attr + NLA_HDRLEN;
}

static __u32 attr_number(const struct nlattr *attr)
{
	__be32 value;

	memcpy(&value, attr_data(attr), sizeof(value));
	return ntohl(value);
}

static void parse_nested(const struct nlattr **table, int size, const struct nlattr *attr)
{
	parse_attrs(table, size, attr_data(attr), attr->nla_len - NLA_HDRLEN);
}

static void parse_chain_info(const struct nlattr *attr, struct nf_hook *hook)
{
	const struct nlattr *info[NFNLA_HOOK_INFO_MAX], *bpf[NFNLA_HOOK_BPF_MAX];

	parse_nested(info, NFNLA_HOOK_INFO_MAX, attr);
	if (!info[NFNLA_HOOK_INFO_TYPE])
		return;
	hook->type = attr_number(info[NFNLA_HOOK_INFO_TYPE]);
	if (hook->type != NF_HOOK_TYPE_BPF || !info[NFNLA_HOOK_INFO_DESC])
		return;
	parse_nested(bpf, NFNLA_HOOK_BPF_MAX, info[NFNLA_HOOK_INFO_DESC]);
	if (bpf[NFNLA_HOOK_BPF_ID])
		hook->prog_id = attr_number(bpf[NFNLA_HOOK_BPF_ID]);
}

static void parse_hook(const struct nlmsghdr *nlh, struct nf_hook *hook)
{
	const struct nlattr *attrs[NFNLA_HOOK_MAX];
	const int header = NLMSG_ALIGN(sizeof(struct nfgenmsg));

	*hook = (struct nf_hook) { .type = -1, .prog_id = -1 };
	parse_attrs(attrs, NFNLA_HOOK_MAX, NLMSG_DATA(nlh) + header,
		    nlh->nlmsg_len - NLMSG_LENGTH(header));
	if (attrs[NFNLA_HOOK_PRIORITY])
		hook->priority = attr_number(attrs[NFNLA_HOOK_PRIORITY]);
	if (attrs[NFNLA_HOOK_FUNCTION_NAME])
		hook->function = attr_data(attrs[NFNLA_HOOK_FUNCTION_NAME]);
	if (attrs[NFNLA_HOOK_MODULE_NAME])
		hook->module = attr_data(attrs[NFNLA_HOOK_MODULE_NAME]);
	if (attrs[NFNLA_HOOK_CHAIN_INFO])
		parse_chain_info(attrs[NFNLA_HOOK_CHAIN_INFO], hook);
}

static int receive_hooks(int fd, void (*take)(const struct nf_hook *, void *), void *arg)
{
	const struct nlmsgerr *error;
	struct nlmsghdr *nlh;
	struct nf_hook hook;
	char buf[65536];
	int len, nr = 0;

	while ((len = recv(fd, buf, sizeof(buf), 0)) > 0) {
		for (nlh = (void *)buf; NLMSG_OK(nlh, len); nlh = NLMSG_NEXT(nlh, len)) {
			if (nlh->nlmsg_type == NLMSG_DONE)
				return nr;
			error = NLMSG_DATA(nlh);
			if (nlh->nlmsg_type == NLMSG_ERROR)
				return error->error;
			parse_hook(nlh, &hook);
			take(&hook, arg);
			nr++;
		}
	}
	return -errno;
}

/* Call @take for each hook that nfnetlink reports. Return: their number */
int nf_dump_hooks(int pf, int hooknum, void (*take)(const struct nf_hook *, void *),
		  void *arg)
{
	const struct hook_request request = {
		.nlh.nlmsg_len = sizeof(request),
		.nlh.nlmsg_type = NFNL_SUBSYS_HOOK << 8 | NFNL_MSG_HOOK_GET,
		.nlh.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP,
		.nfg.nfgen_family = pf,
		.attr.nla_len = NLA_HDRLEN + sizeof(__be32),
		.attr.nla_type = NFNLA_HOOK_HOOKNUM,
		.hooknum = htonl(hooknum),
	};
	int fd, nr;

	fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
	if (fd < 0)
		return -errno;
	if (send(fd, &request, sizeof(request), 0) < 0)
		nr = -errno;
	else
		nr = receive_hooks(fd, take, arg);
	close(fd);
	return nr;
}

/* From nfnetlink_conntrack.h, for the same reason as above. */
enum { NFNL_SUBSYS_CTNETLINK = 1, IPCTNL_MSG_CT_DELETE = 2 };

int nf_flush_conntrack(void)
{
	const struct {
		struct nlmsghdr nlh;
		struct nfgenmsg nfg;
	} request = {
		.nlh.nlmsg_len = sizeof(request),
		.nlh.nlmsg_type = NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_DELETE,
		.nlh.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK,
	};
	struct {
		struct nlmsghdr nlh;
		struct nlmsgerr error;
	} reply;
	int fd, err;

	fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
	if (fd < 0)
		return -errno;
	if (send(fd, &request, sizeof(request), 0) < 0 ||
	    recv(fd, &reply, sizeof(reply), 0) < 0)
		err = -errno;
	else
		err = reply.error.error;
	close(fd);
	return err;
}

/* Do not wait for users of the module. */
int nf_module_unload(const char *name)
{
	return syscall(SYS_delete_module, name, O_NONBLOCK) ? -errno : 0;
}

/* Unload the modules that use it first. If one of them is in use, @name stays as well. */
int nf_module_unload_with_users(const char *name)
{
	const struct dirent *user;
	char path[80];
	DIR *holders;

	snprintf(path, sizeof(path), "/sys/module/%s/holders", name);
	holders = opendir(path);
	while (holders && (user = readdir(holders)))
		if (user->d_name[0] != '.')
			nf_module_unload_with_users(user->d_name);
	if (holders)
		closedir(holders);
	return nf_module_unload(name);
}

bool nf_module_is_loaded(const char *name)
{
	char path[64];

	/* Code that is built in has no reference count. */
	snprintf(path, sizeof(path), "/sys/module/%s/refcnt", name);
	return !access(path, F_OK);
}

/* The namespace of an earlier test may not be freed yet, and still use the modules. */
bool nf_defrag_unload(void)
{
	static const char * const modules[] = { "nf_defrag_ipv4", "nf_defrag_ipv6" };
	const struct timespec pause = { .tv_nsec = 50 * 1000 * 1000 };
	int i, err, nr_left;
	size_t m;

	for (i = 0; i < 400; i++) {
		for (nr_left = 0, m = 0; m < ARRAY_SIZE(modules); m++) {
			err = nf_module_unload_with_users(modules[m]);
			nr_left += err && err != -ENOENT;
		}
		if (!nr_left)
			return true;
		nanosleep(&pause, NULL);
	}
	return false;
}

int nf_module_references(const char *name)
{
	char path[64];
	int nr = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/sys/module/%s/refcnt", name);
	file = fopen(path, "r");
	if (!file)
		return 0;
	if (fscanf(file, "%d", &nr) != 1)
		nr = 0;
	fclose(file);
	return nr;
}

int nf_bind_cpu(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	return sched_setaffinity(0, sizeof(set), &set) ? -errno : 0;
}

/* veth delivers packets on the sender's processor, so a sender on one processor keeps the
 * order of its packets.
 */
int nf_one_cpu(void)
{
	return nf_bind_cpu(sched_getcpu());
}

int nf_parse_address(const char *text, struct sockaddr_storage *address)
{
	struct sockaddr_in6 *sin6 = (void *)address;
	struct sockaddr_in *sin = (void *)address;

	if (inet_pton(AF_INET, text, &sin->sin_addr) == 1)
		address->ss_family = AF_INET;
	else if (inet_pton(AF_INET6, text, &sin6->sin6_addr) == 1)
		address->ss_family = AF_INET6;
	else
		return -EINVAL;
	return 0;
}

void nf_set_port(struct sockaddr_storage *address, int port)
{
	/* sin_port and sin6_port are in the same place. */
	((struct sockaddr_in *)address)->sin_port = htons(port);
}

socklen_t nf_address_length(const struct sockaddr_storage *address)
{
	return address->ss_family == AF_INET ? sizeof(struct sockaddr_in) :
					       sizeof(struct sockaddr_in6);
}

__u32 nf_sum(__u32 sum, const void *data, int length)
{
	const unsigned char *byte = data;
	int i;

	for (i = 0; i < length; i++)
		sum += i % 2 ? byte[i] : byte[i] << 8;
	return sum;
}

__u16 nf_sum_fold(__u32 sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

static bool is_set(const char *variable)
{
	const char *value = getenv(variable);

	return value && !strcmp(value, "1");
}

bool nf_patched(void)
{
	return is_set("NF_BPF_PATCHED");
}

bool nf_must_have(const char *what)
{
	return nf_patched() || (is_set("NF_BPF_MODULES") && strstr(what, "module nf_bpf_"));
}

bool nf_without(const char *part)
{
	const char *flavour = getenv("NF_BPF_FLAVOUR");

	return flavour && !strncmp(flavour, "no", 2) && !strcmp(flavour + 2, part);
}

bool nf_without_defrag(const struct nf_key *key)
{
	const __u32 flags = BPF_F_NETFILTER_IP_DEFRAG | BPF_F_NETFILTER_FRAG_TRACK;

	return key->pf == NFPROTO_IPV6 && key->flags & flags && nf_without("ipv6");
}

bool nf_has_inet(int prog_fd)
{
	const struct nf_key key = { .pf = NFPROTO_INET, .priority = 12345 };
	int fd = nf_link(prog_fd, &key);

	if (fd < 0)
		return fd != -EAFNOSUPPORT;
	close(fd);
	return true;
}

bool nf_has_update(int prog_fd)
{
	const struct nf_key key = { .pf = NFPROTO_IPV4, .priority = 12345 };
	int fd = nf_link(prog_fd, &key);
	int err;

	if (fd < 0)
		return true;
	err = nf_link_update(fd, prog_fd, -1);
	close(fd);
	return err != -EOPNOTSUPP;
}

static bool has_fdinfo(int link_fd, const char *key)
{
	char value[32];

	return !nf_fdinfo(link_fd, key, value, sizeof(value));
}

bool nf_has_stats(int link_fd)
{
	return has_fdinfo(link_fd, "accepted:");
}

bool nf_has_bytes(int link_fd)
{
	return has_fdinfo(link_fd, "accepted_bytes:");
}

bool nf_has_cookie(int link_fd)
{
	return has_fdinfo(link_fd, "cookie:");
}

static void count_hook(const struct nf_hook *hook, void *arg)
{
	*(int *)arg += hook->type == NF_HOOK_TYPE_BPF;
}

int nf_count_hooks(void)
{
	int hooknum, nr = 0;

	for (hooknum = 0; hooknum < NF_INET_NUMHOOKS; hooknum++) {
		nf_dump_hooks(NFPROTO_IPV4, hooknum, count_hook, &nr);
		nf_dump_hooks(NFPROTO_IPV6, hooknum, count_hook, &nr);
	}
	return nr;
}
