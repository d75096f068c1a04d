// SPDX-License-Identifier: GPL-2.0
/* Runs a case of packet_fuzz: loads and attaches its program, and sends packets. */
#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "torture/packet/run.h"

enum { LOG_SIZE = 1 << 16 };

/* --- the program --- */

static void judge_load(const struct prog *prog, int fd, const char *log)
{
	const char *end = strstr(log, "\nprocessed ") ?: log + strlen(log);
	const char *last = end;

	if (world.lie == LIE_ACCEPTED && prog->refused)
		fd = 0;
	if (world.lie == LIE_REFUSED && !prog->refused)
		fd = -EACCES;
	if (fd >= 0 && prog->refused)
		complain("the verifier takes the program, although %s", prog->refused);
	if (fd >= 0 || prog->refused || prog->dead)
		return;
	/* The verifier's reason is in the line before its figures. */
	while (last > log && last[-1] != '\n')
		last--;
	complain("the verifier refuses the program: %s: %.*s", strerror(-fd), (int)(end - last),
		 last);
}

int load(const struct input *input)
{
	static char log[LOG_SIZE];
	static struct prog prog;
	int fd;

	*log = '\0';
	make_prog(&prog, input, world.map);
	fd = load_prog(&prog, NULL, 0);
	if (fd < 0 && !prog.refused)
		load_prog(&prog, log, sizeof(log));
	judge_load(&prog, fd, log);
	world.loaded += fd >= 0;
	world.refused += fd < 0;
	return fd;
}

/* --- the counters of the program and of its links --- */

static __u64 counted(int key)
{
	__u64 values[64] = {}, sum = 0;
	int i;

	if (world.nr_cpus > ARRAY_SIZE(values) || bpf_map_lookup_elem(world.map, &key, values))
		bail("map", 0);
	for (i = 0; i < world.nr_cpus; i++)
		sum += values[i];
	return sum;
}

static void clear_counts(void)
{
	const __u64 zeros[64] = {};
	int key;

	for (key = 0; key < NR_COUNTS; key++)
		bpf_map_update_elem(world.map, &key, zeros, BPF_ANY);
}

static void judge_counts(const struct run *run)
{
	unsigned long long accepted = counted(NF_ACCEPT), dropped = counted(NF_DROP);
	struct nf_link_info info, sum = {};
	int i;

	world.packets[NF_ACCEPT] += accepted;
	world.packets[NF_DROP] += dropped;
	for (i = 0; i < run->nr_links; i++) {
		if (!nf_has_stats(run->links[i]) || nf_link_stats(run->links[i], &info))
			return;
		sum.accepted += info.accepted;
		sum.dropped += info.dropped;
		world.at[info.hooknum] += info.accepted + info.dropped;
	}
	if (world.lie == LIE_COUNTER)
		accepted++;
	if (sum.accepted != accepted || sum.dropped != dropped)
		complain("links count %llu accepted, %llu dropped; the program %llu, %llu",
			 (unsigned long long)sum.accepted, (unsigned long long)sum.dropped,
			 accepted, dropped);
}

/* --- links --- */

/* Odd arguments and taken places cause these errors. syscall_fuzz judges them. */
static bool attach_may_fail(int err)
{
	return err == -EBUSY || err == -ERANGE || err == -EAFNOSUPPORT || err == -EPROTO ||
	       err == -EOPNOTSUPP || err == -EINVAL;
}

void attach(struct run *run, const long *arg)
{
	const struct nf_key key = {
		.pf = arg[A_PF], .hooknum = arg[A_HOOK], .priority = arg[A_PRIORITY],
		.flags = arg[A_FLAGS],
	};
	int link;

	enter(within(arg[A_NETNS], 0, NR_NETNS - 1));
	link = nf_link(run->prog, &key);
	if (link >= 0)
		run->links[run->nr_links++] = link;
	else if (!attach_may_fail(link))
		complain("link: %s", strerror(-link));
	else
		world.busy++;
}

/* After a grace period, no packet is still in the program. */
static void detach(struct run *run)
{
	int i;

	for (i = 0; i < run->nr_links; i++)
		bpf_link_detach(run->links[i]);
	syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0);
	judge_counts(run);
	for (i = 0; i < run->nr_links; i++)
		close(run->links[i]);
}

/* --- packets --- */

/* Is the port of the flow in use? */
static bool is_taken(const struct run *run, const struct flow *flow)
{
	const struct flow *other;

	for (other = run->flows; other < run->flows + run->nr_flows; other++)
		if (other->traffic == flow->traffic && other->ipv6 == flow->ipv6 &&
		    (flow->traffic == TPROXY || other->arg[T_PATH] == flow->arg[T_PATH]))
			return true;
	return false;
}

static void open_flows(struct run *run, const struct input *input, bool early)
{
	const struct call *call;
	struct flow *flow;

	for (call = input->calls; call < input->calls + input->nr; call++) {
		flow = &run->flows[run->nr_flows];
		if (call->kind != SEND || !!call->arg[T_EARLY] != early ||
		    !flow_of(flow, call) || is_taken(run, flow))
			continue;
		open_flow(flow);
		run->nr_flows++;
	}
}

static void use_flows(struct run *run)
{
	int i;

	for (i = 0; i < run->nr_flows; i++)
		use_flow(&run->flows[i]);
}

static void close_flows(struct run *run, bool early)
{
	int i;

	for (i = 0; i < run->nr_flows; i++)
		if (!!run->flows[i].arg[T_EARLY] == early)
			close_flow(&run->flows[i]);
}

static void test_run(const struct run *run, const long *arg)
{
	static __u8 state[256], packet[1600], out[2048];
	const __u32 size = within(arg[R_SIZE], 40, 1500);

	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = packet, .data_size_in = size,
		    .data_out = out, .data_size_out = sizeof(out), .ctx_in = state,
		    .ctx_size_in = within(nf_btf_size("nf_hook_state"), 0, sizeof(state)),
		    .repeat = 2);
	const bool ipv6 = arg[R_PF] == NFPROTO_IPV6;
	int err;

	memset(packet, 0, sizeof(packet));
	packet[0] = ipv6 ? 0x60 : 0x45;
	packet[ipv6 ? 6 : 9] = arg[R_PROTOCOL];
	packet[ipv6 ? 4 : 2] = (size - (ipv6 ? 40 : 0)) >> 8;
	packet[ipv6 ? 5 : 3] = size - (ipv6 ? 40 : 0);
	memset(&packet[ipv6 ? 8 : 12], 1, ipv6 ? 32 : 8);
	state[within(nf_btf_offset("nf_hook_state", "hook"), 0, 255)] = arg[R_HOOK];
	state[within(nf_btf_offset("nf_hook_state", "pf"), 0, 255)] = arg[R_PF];
	err = bpf_prog_test_run_opts(run->prog, &opts);
	if (!err && opts.retval > NF_ACCEPT)
		complain("test run: verdict %u", opts.retval);
	world.runs += !err;
}

static void run_calls(struct run *run, const struct input *input, enum kind kind)
{
	int i;

	for (i = 0; i < input->nr; i++) {
		if (input->calls[i].kind == kind && kind == ATTACH)
			attach(run, input->calls[i].arg);
		if (input->calls[i].kind == kind && kind == RUN)
			test_run(run, input->calls[i].arg);
	}
}

static void note_ops(const struct input *input)
{
	int i;

	for (i = 0; i < input->nr; i++)
		if (input->calls[i].kind < NR_OPS)
			world.ops[input->calls[i].kind]++;
}

/* Run a case. @settle: also wait until sockets, entries and references have come back.
 *
 * Return: is a law broken? world.complaint says which
 */
bool run_input(const struct input *input, bool settle)
{
	static struct run run;
	__u64 before = world.packets[NF_ACCEPT] + world.packets[NF_DROP];

	memset(&run, 0, sizeof(run));
	*world.complaint = '\0';
	run.prog = load(input);
	if (run.prog >= 0) {
		clear_counts();
		open_flows(&run, input, true);
		run_calls(&run, input, ATTACH);
		open_flows(&run, input, false);
		use_flows(&run);
		close_flows(&run, false);
		queue_serve();
		detach(&run);
		close_flows(&run, true);
		run_calls(&run, input, RUN);
		close(run.prog);
	}
	if (before != world.packets[NF_ACCEPT] + world.packets[NF_DROP])
		note_ops(input);
	judge_log();
	if (settle)
		judge_machine();
	return *world.complaint;
}
