// SPDX-License-Identifier: GPL-2.0
/* Makes the calls of syscall_fuzz, judges their results, and notes them in the world. */
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "torture/syscall/calls.h"

enum { PAGE = 4096, CANARY = 0xa5 };

/* An unmapped page follows each of these pages. */
static __u8 *attr_page, *in_page, *out_page, *ctx_page, *info_page;

static __u8 *guarded_page(void)
{
	__u8 *page = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			  -1, 0);

	if (page == MAP_FAILED || mprotect(page + PAGE, PAGE, PROT_NONE))
		bail("guarded page", 0);
	return page;
}

void make_pages(void)
{
	attr_page = guarded_page();
	in_page = guarded_page();
	out_page = guarded_page();
	ctx_page = guarded_page();
	info_page = guarded_page();
}

/* Return: a fd, 0, or a negative errno */
static int bpf(enum kind kind, int cmd, void *attr, __u32 size)
{
	long ret;

	world.calls[kind]++;
	cover_start();
	ret = syscall(__NR_bpf, cmd, attr, size);
	if (ret < 0)
		ret = -errno;
	cover_stop();
	if (ret < 0)
		world.errors[ret > -ERRNO_LIMIT ? -ret : 0]++;
	else
		world.good[kind]++;
	return ret;
}

static void keep_link(int fd, const struct nf_key *key, __u32 prog_id)
{
	struct link *link = free_link();
	struct bpf_link_info info;

	if (!link || nf_link_info(fd, &info)) {
		complain("create: no info of a new link");
		close(fd);
		return;
	}
	if (info.netfilter.pf != key->pf || info.netfilter.hooknum != key->hooknum ||
	    info.netfilter.priority != key->priority || info.prog_id != prog_id)
		complain("create: the link is not at the place that was asked for");
	*link = (struct link) {
		.fd = fd, .attached = true, .id = info.id, .prog_id = prog_id,
		.pf = key->pf, .hook = key->hooknum, .prio = key->priority, .flags = key->flags,
	};
}

static void set_byte(const long *at_byte, __u32 from)
{
	if (at_byte[0] >= from && at_byte[0] < PAGE)
		attr_page[at_byte[0]] = at_byte[1];
}

static void do_create(const long *arg)
{
	const __u32 relative = arg[C_LFLAGS] & RELATIVE_ID ? ref_id(arg[C_REL]) :
			       arg[C_REL] == REF_NONE ? 0 : ref_fd(arg[C_REL]);
	const __u32 given[9] = {
		ref_fd(arg[C_PROG]), 0, arg[C_TYPE], arg[C_LFLAGS], arg[C_PF], arg[C_HOOK],
		arg[C_PRIO], arg[C_FLAGS], relative,
	};
	const __u32 size = arg[C_SIZE];
	__u32 seen[9] = {};
	struct reasons why;
	struct nf_key key;
	int ret;

	if (!free_link())
		return;
	memset(attr_page, 0, PAGE);
	memcpy(attr_page, given, sizeof(given));
	set_byte(&arg[C_AT], sizeof(given));
	memcpy(seen, given, size < sizeof(seen) ? size : sizeof(seen));
	memcpy(&key, &seen[4], sizeof(key));
	why = why_not_create(attr_page, size, seen, &key);
	ret = bpf(CREATE, BPF_LINK_CREATE, attr_page, size);
	judge(CREATE, ret < 0 ? -ret : 0, &why);
	if (ret >= 0)
		keep_link(ret, &key, prog_id_of_fd(seen[0]));
}

static void do_update(const long *arg)
{
	const __u32 given[4] = {
		ref_fd(arg[U_LINK] == REF_FOREIGN_LINK ? REF_NONE : arg[U_LINK]),
		ref_fd(arg[U_PROG]), arg[U_FLAGS],
		arg[U_OLD] == REF_NONE ? 0 : ref_fd(arg[U_OLD]),
	};
	const __u32 size = arg[U_SIZE];
	struct bpf_link_info info;
	__u32 seen[4] = {};
	struct reasons why;
	struct link *link;
	int ret;

	memset(attr_page, 0, PAGE);
	memcpy(attr_page, given, sizeof(given));
	set_byte(&arg[U_AT], sizeof(given));
	memcpy(seen, given, size < sizeof(seen) ? size : sizeof(seen));
	why = why_not_update(attr_page, size, seen);
	ret = bpf(UPDATE, BPF_LINK_UPDATE, attr_page, size);
	judge(UPDATE, -ret, &why);
	link = link_of_fd(seen[0]);
	if (ret || !link)
		return;
	link->prog_id = prog_id_of_fd(seen[1]);
	if (nf_link_info(link->fd, &info) || info.prog_id != link->prog_id)
		complain("update: the link has another program");
}

static void do_detach(const long *arg)
{
	const __u32 given = ref_fd(arg[D_LINK] == REF_FOREIGN_LINK ? REF_NONE : arg[D_LINK]);
	const __u32 size = arg[D_SIZE];
	struct reasons why = {};
	struct link *link;
	__u32 seen = 0;
	int ret;

	memset(attr_page, 0, PAGE);
	memcpy(attr_page, &given, sizeof(given));
	set_byte(&arg[D_AT], sizeof(given));
	memcpy(&seen, &given, size < sizeof(seen) ? size : sizeof(seen));
	reasons_of_size(&why, attr_page, size, sizeof(given));
	link = link_of_fd(seen);
	if (!link)
		reason(&why, error_of_fd(seen));
	ret = bpf(DETACH, BPF_LINK_DETACH, attr_page, size);
	judge(DETACH, -ret, &why);
	if (!ret && link)
		link->attached = false;
}

static void do_info(const long *arg)
{
	static const int known[] = { EINVAL, EBADFD /* what 6.1 has for EBADF */, EBADF, EFAULT,
				     E2BIG };
	const struct link *link = link_of_fd(ref_fd(arg[I_FD]));
	const __u32 len = arg[I_LEN];
	const __u32 room = len < PAGE ? len : PAGE;
	/* The kernel does not write holes. Avoid 0xff, which would look like an address there. */
	const __u8 fill = (unsigned long)arg[I_FILL] % 0xff;
	__u8 *data = info_page + PAGE - room;
	const struct reasons none = {};
	union bpf_attr attr = { .info = { .bpf_fd = ref_fd(arg[I_FD]), .info_len = len } };
	int ret;

	/* The kernel may read the bytes behind the answer, but must not write them. */
	memset(info_page, fill, PAGE);
	attr.info.info = arg[I_POINTER] == 0 ? (unsigned long)data :
			 arg[I_POINTER] == 1 ? 0 :
			 arg[I_POINTER] == 2 ? (unsigned long)info_page + PAGE :
					       0xffff888000000000UL;
	ret = bpf(INFO, BPF_OBJ_GET_INFO_BY_FD, &attr, 16);
	if (link && len && len <= PAGE && !arg[I_POINTER] && !fill)
		judge(INFO, -ret, &none);
	else
		judge_errno(INFO, -ret, known, ARRAY_SIZE(known));
	if (world.lie == LIE_BEYOND_INFO)
		info_page[PAGE - room - 1] ^= 1;
	judge_untouched(INFO, info_page, data, fill);
	if (ret || arg[I_POINTER] || !link)
		return;
	if (attr.info.info_len > len)
		complain("info: %u bytes in a buffer of %u", attr.info.info_len, len);
	else
		judge_addresses(INFO, data, attr.info.info_len);
	if (attr.info.info_len < room)
		judge_untouched(INFO, data + attr.info.info_len, info_page + PAGE, fill);
}

/* --- pins --- */

static struct reasons why_not_pin(const long *arg)
{
	const int fd = ref_fd(arg[P_FD]), path = arg[P_PATH];
	struct reasons why = {};

	if (arg[P_FLAGS])
		reason(&why, EINVAL);
	if (!link_of_fd(fd) && !prog_id_of_fd(fd) && fd != world.map &&
	    fd != world.foreign_prog && fd != world.foreign_link)
		reason(&why, EINVAL);
	if (path == PATH_NO_BPFFS)
		reason(&why, EPERM);
	else if (path == PATH_NO_DIRECTORY)
		reason(&why, ENOENT);
	else if (path == PATH_BAD)
		reason(&why, EFAULT);
	else if (world.occupied[path])
		reason(&why, EEXIST);
	return why;
}

static union bpf_attr obj_attr(const long *arg, int fd)
{
	return (union bpf_attr) {
		.pathname = (unsigned long)world.paths[arg[P_PATH]],
		.bpf_fd = fd,
		.file_flags = arg[P_FLAGS],
	};
}

static void do_pin(const long *arg)
{
	union bpf_attr attr;
	struct reasons why;
	int ret;

	if (arg[P_PATH] < 0 || arg[P_PATH] >= NR_PATHS)
		return;
	attr = obj_attr(arg, ref_fd(arg[P_FD]));
	why = why_not_pin(arg);
	ret = bpf(PIN, BPF_OBJ_PIN, &attr, 16);
	judge(PIN, -ret, &why);
	if (ret || arg[P_PATH] >= NR_PINS)
		return;
	world.occupied[arg[P_PATH]] = true;
	world.pinned[arg[P_PATH]] = link_of_fd(ref_fd(arg[P_FD]));
	if (world.pinned[arg[P_PATH]])
		world.pinned[arg[P_PATH]]->pins++;
}

static void do_get(const long *arg)
{
	static const int known[] = { EINVAL, EFAULT, ENOENT, EACCES, EPERM };
	const bool ours = arg[P_PATH] >= 0 && arg[P_PATH] < NR_PINS;
	const struct reasons none = {};
	struct link *link;
	union bpf_attr attr;
	int ret;

	if (arg[P_PATH] < 0 || arg[P_PATH] >= NR_PATHS)
		return;
	attr = obj_attr(arg, arg[P_FD] == REF_NONE ? 0 : ref_fd(arg[P_FD]));
	ret = bpf(GET, BPF_OBJ_GET, &attr, 16);
	if (ours && world.occupied[arg[P_PATH]] && !arg[P_FLAGS] && arg[P_FD] == REF_NONE)
		judge(GET, ret < 0 ? -ret : 0, &none);
	else
		judge_errno(GET, ret < 0 ? -ret : 0, known, ARRAY_SIZE(known));
	if (ret < 0)
		return;
	link = ours ? world.pinned[arg[P_PATH]] : NULL;
	if (!ours || !world.occupied[arg[P_PATH]])
		complain("get: succeeded where nothing is pinned");
	if (link && link->fd < 0)
		link->fd = ret;
	else
		close(ret);
}

static void do_unpin(const long *arg)
{
	const long path = arg[P_PATH];

	if (path < 0 || path >= NR_PINS || !world.occupied[path])
		return;
	if (unlink(world.paths[path]))
		complain("unlink of a pin: %s", strerror(errno));
	drop_pin(path);
}

/* --- runs --- */

static const struct packet {
	__u8 bytes[64];
} packets[] = {
	/* IPv4: UDP, a first fragment, with an Ethernet header, TCP with options */
	{ { 0x45, 0, 0, 60, 0, 1, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, 0, 53, 0, 53,
	    0, 40 } },
	{ { 0x45, 0, 0, 60, 0, 1, 0x20, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, 0, 53, 0,
	    53, 0, 80 } },
	{ { 2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0, 0x45, 0, 0, 46, 0, 1, 0, 0, 64, 17, 0, 0,
	    10, 0, 0, 1, 10, 0, 0, 2, 0, 53, 0, 53, 0, 26 } },
	{ { 0x46, 0, 0, 60, 0, 1, 0, 0, 64, 6, 0, 0, 127, 0, 0, 1, 127, 0, 0, 1, 1, 1, 1, 0,
	    0, 80, 0, 80, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, 2 } },
	/* IPv6: UDP, a fragment */
	{ { 0x60, 0, 0, 0, 0, 20, 17, 64, [23] = 1, [39] = 1, 0, 53, 0, 53, 0, 20 } },
	{ { 0x60, 0, 0, 0, 0, 20, 44, 64, [23] = 1, [39] = 1, 17, 0, 0, 1, 0, 0, 0, 1 } },
};

static union bpf_attr run_attr(const long *arg, __u32 size, __u32 out, __u32 ctx)
{
	__u8 *from = in_page + (size <= PAGE ? PAGE - size : 0);
	const __u32 in = size < sizeof(packets[0]) ? size : sizeof(packets[0]);
	union bpf_attr attr = { .test = {
		.prog_fd = ref_fd(arg[R_PROG]), .data_size_in = size, .data_size_out = out,
		.repeat = arg[R_REPEAT], .ctx_size_in = ctx, .flags = arg[R_FLAGS],
		.cpu = arg[R_CPU], .batch_size = arg[R_BATCH],
	} };

	memset(in_page, 0, PAGE);
	memcpy(from, &packets[(unsigned long)arg[R_PACKET] % ARRAY_SIZE(packets)], in);
	if (arg[R_BYTE] >= 0 && arg[R_AT] >= 0 && arg[R_AT] < in)
		from[arg[R_AT]] = arg[R_BYTE];
	attr.test.data_in = arg[R_POINTERS] & BAD_IN ? 0xffff888000000000UL :
						       (unsigned long)from;
	memset(out_page, CANARY, PAGE);
	attr.test.data_out = arg[R_POINTERS] & NULL_OUT ? 0 :
			     arg[R_POINTERS] & BAD_OUT ? (unsigned long)out_page + PAGE :
			     out ? (unsigned long)out_page + PAGE - out :
				   (unsigned long)out_page;
	return attr;
}

static void set_ctx(union bpf_attr *attr, const long *arg, __u32 ctx)
{
	const __u32 room = ctx < PAGE ? ctx : PAGE;
	__u8 state[PAGE] = {};

	if (!ctx)
		return;
	state[world.state_hook] = arg[R_HOOK];
	state[world.state_pf] = arg[R_PF];
	if (arg[R_POKE] >= world.state_pf + 1 && arg[R_POKE] < PAGE)
		state[arg[R_POKE]] = 1;
	memcpy(ctx_page + PAGE - room, state, room);
	attr->test.ctx_in = (unsigned long)ctx_page + PAGE - room;
}

/* Return: true if the kernel must refuse it. Without a hook state it is valid. */
static bool run_is_wrong(const long *arg, __u32 size, __u32 ctx)
{
	const bool has_pf = ctx > world.state_pf, has_hook = ctx > world.state_hook;
	const __u8 pf = has_pf ? arg[R_PF] : 0, hook = has_hook ? arg[R_HOOK] : 0;

	if (arg[R_FLAGS] || arg[R_CPU] || arg[R_BATCH] || size > PAGE)
		return true;
	if (!prog_id_of_fd(ref_fd(arg[R_PROG])) || ctx > PAGE || arg[R_POINTERS] & BAD_IN)
		return true;
	if (!ctx)
		return size < 20;
	return (pf != NFPROTO_IPV4 && pf != NFPROTO_IPV6) || hook >= NF_INET_NUMHOOKS ||
	       size < (pf == NFPROTO_IPV6 ? 40 : 20) ||
	       (arg[R_POKE] > world.state_pf + 6 && arg[R_POKE] < ctx);
}

static bool run_is_right(const long *arg, __u32 size, __u32 out, __u32 ctx)
{
	return size == 60 && arg[R_BYTE] < 0 && !arg[R_PACKET] &&
	       !arg[R_POINTERS] && !arg[R_POKE] &&
	       (!ctx || (__u8)arg[R_PF] == NFPROTO_IPV4) && !run_is_wrong(arg, size, ctx);
}

static void judge_run(const long *arg, const union bpf_attr *attr, int err, __u32 size,
		      __u32 out)
{
	__u8 *data = out_page + (out ? PAGE - out : 0);
	__u32 written = attr->test.data_size_out < out || !out ? attr->test.data_size_out : out;

	if (world.lie == LIE_BEYOND_PACKET && out < PAGE)
		out_page[PAGE - out - 1] ^= 1;
	if (arg[R_POINTERS] & (NULL_OUT | BAD_OUT) || err)
		written = 0;
	judge_untouched(RUN, out_page, data, CANARY);
	if (written <= PAGE)
		judge_untouched(RUN, data + written, out_page + PAGE, CANARY);
	else if (!err)
		complain("run: a packet of %u bytes", written);
	if (err)
		return;
	judge_verdict(attr->test.retval);
	if (arg[R_PROG] < REF_LOADED && written &&
	    (attr->test.data_size_out != size ||
	     memcmp(data, in_page + PAGE - size, written)))
		complain("run: another packet than went in, of a program that changes none");
}

static void do_run(const long *arg)
{
	static const int known[] = { EINVAL, EPROTO, EFAULT, EBADF, E2BIG };
	const __u32 size = arg[R_SIZE], ctx = arg[R_CTX];
	const __u32 out = (unsigned long)arg[R_OUT] % (PAGE + 1);
	const __u32 ctx_out = (unsigned long)arg[R_CTX_OUT] % (PAGE + 1);
	union bpf_attr attr = run_attr(arg, size, out, ctx);
	const struct reasons none = {};
	int ret;

	memset(ctx_page, CANARY, PAGE);
	set_ctx(&attr, arg, ctx);
	/* Without ctx_in, ctx_out can use its page. */
	if (ctx_out && !ctx) {
		attr.test.ctx_size_out = ctx_out;
		attr.test.ctx_out = (unsigned long)ctx_page + PAGE - ctx_out;
	}
	attr.test.repeat %= 101;
	ret = bpf(RUN, BPF_PROG_TEST_RUN, &attr, 76);
	if (run_is_right(arg, size, out, ctx) && !attr.test.ctx_out)
		judge(RUN, -ret, &none);
	else
		judge_errno(RUN, -ret, known, ARRAY_SIZE(known));
	if (world.lie == LIE_SUCCESS)
		ret = 0;
	if (!ret && run_is_wrong(arg, size, ctx))
		complain("run: succeeded, should fail");
	if (ret == -EFAULT && !(arg[R_POINTERS] & (BAD_IN | BAD_OUT)))
		complain("run: wrote or read beyond a buffer");
	if (world.lie == LIE_CTX_OUT)
		ctx_page[0] ^= 1;
	judge_untouched(RUN, ctx_page, ctx_page + PAGE - (ctx < PAGE ? ctx : PAGE), CANARY);
	judge_run(arg, &attr, -ret, size, out);
}

/* --- programs --- */

/* Run an accepted program on each packet at each hook. It must return accept or drop, and
 * the kernel must survive.
 */
static void run_loaded(void)
{
	long arg[MAX_ARGS];
	int packet, hook;

	for (packet = 0; packet < ARRAY_SIZE(packets); packet++)
		for (hook = 0; hook < NF_INET_NUMHOOKS; hook++) {
			struct call call = default_call(RUN);

			memcpy(arg, call.arg, sizeof(arg));
			arg[R_PROG] = REF_LOADED;
			arg[R_PACKET] = packet;
			arg[R_HOOK] = hook;
			arg[R_CTX] = world.state_size;
			arg[R_PF] = packet < 4 ? NFPROTO_IPV4 : NFPROTO_IPV6;
			do_run(arg);
		}
}

static void do_load(const struct call *call)
{
	static const int known[] = { EACCES, EINVAL, EPERM, E2BIG, ERANGE, EFAULT, ENOENT, EBADF,
				     EOPNOTSUPP, 524 /* ENOTSUPP */ };
	const struct prog prog = make_prog(call);
	union bpf_attr attr = {
		.prog_type = call->arg[L_TYPE],
		.insn_cnt = prog.nr + call->arg[L_COUNT],
		.insns = (unsigned long)prog.insns,
		.license = (unsigned long)"GPL",
		.prog_flags = call->arg[L_FLAGS],
		.expected_attach_type = call->arg[L_ATTACH],
		.fd_array = (unsigned long)kfunc_btf_fds,
	};
	int ret = bpf(LOAD, BPF_PROG_LOAD, &attr, 128);

	judge_errno(LOAD, ret < 0 ? -ret : 0, known, ARRAY_SIZE(known));
	if (ret < 0 && is_whole_template(call))
		complain("load: template %ld, unchanged: %s", call->arg[L_TEMPLATE],
			 strerror(-ret));
	if (ret < 0)
		return;
	if (call->arg[L_TYPE] != BPF_PROG_TYPE_NETFILTER) {
		close(ret);
		return;
	}
	if (attr.expected_attach_type != BPF_NETFILTER)
		complain("load: expected_attach_type %u", attr.expected_attach_type);
	drop_loaded();
	world.prog[REF_LOADED] = ret;
	world.prog_id[REF_LOADED] = nf_prog_id(ret);
	run_loaded();
}

static void do_close(const long *arg)
{
	const int fd = ref_fd(arg[0]);
	struct link *link = link_of_fd(fd);

	if (link)
		drop_link_fd(link);
	else if (arg[0] == REF_LOADED)
		drop_loaded();
}

/* Send through LOCAL_OUT, POST_ROUTING, PRE_ROUTING and LOCAL_IN. Programs may drop it. */
static void do_send(const long *arg)
{
	int err = -nf_flood_loopback((unsigned long)arg[0] % 4);

	if (err && err != EPERM)
		complain("send: %s", strerror(err));
}

static void do_call(const struct call *call)
{
	static void (*const of_kind[NR_KINDS])(const long *arg) = {
		[CREATE] = do_create, [UPDATE] = do_update, [DETACH] = do_detach,
		[INFO] = do_info, [PIN] = do_pin, [GET] = do_get, [UNPIN] = do_unpin,
		[RUN] = do_run, [CLOSE] = do_close, [SEND] = do_send,
	};

	if (call->kind == LOAD)
		do_load(call);
	else
		of_kind[call->kind](call->arg);
}

/* Is a law broken? Then world.complaint says which, and after which call. */
bool run_input(const struct input *input)
{
	size_t length;
	int i;

	*world.complaint = '\0';
	for (i = 0; i < input->nr && !*world.complaint; i++)
		do_call(&input->calls[i]);
	length = strlen(world.complaint);
	if (length)
		snprintf(world.complaint + length, sizeof(world.complaint) - length,
			 " (call %d)", i);
	judge_machine();
	drop_everything();
	judge_machine();
	judge_count("programs", count_progs, world.base_progs);
	return *world.complaint;
}
