// SPDX-License-Identifier: GPL-2.0
/*
 * The kernel functions that programs call, a program each, for packets to the port
 * that the test names; and how far it still was to this task's fault before and
 * after the calls.
 */
#include "vmlinux.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "kfunc_ct.bpf.h"

char _license[] SEC("license") = "GPL";

int bpf_nf_reject(struct bpf_nf_ctx *ctx, __u32 type, __u32 code) __ksym;
int bpf_nf_frag_info(struct bpf_nf_ctx *ctx, struct bpf_nf_frag_info *info,
		     __u32 info__sz) __ksym;

enum { CURRENT_NETNS = -1, ENOENT = 2, EEXIST = 17, TIMEOUT = 20000, LABEL = 0x10 };

/* By the test: */
__u32 verdict;
__u16 port;			/* packets to it are meant */
__u16 nat_port;
__u32 address[4];	/* of NAT */
struct bpf_sock_tuple tuple;	/* of an entry to be made */

/* Results for the test, of the first packet: */
__u32 packets;
__s32 ret;
__u32 before;
__u32 after;

/* Only a kernel with faults has it. */
struct task_struct___faults {
	unsigned int fail_nth;
} __attribute__((preserve_access_index));

/* 0 after the fault. Packets of a softirq belong to no task and do not count. */
static __u32 fail_nth(void)
{
	struct task_struct___faults *task = (void *)bpf_get_current_task_btf();

	return task->fail_nth;
}

static __be16 destination(struct bpf_nf_ctx *ctx)
{
	const __u32 transport = ctx->state->pf == NFPROTO_IPV4 ? sizeof(struct iphdr) :
								  sizeof(struct ipv6hdr);
	__be16 ports[2] = {};

	bpf_skb_load_bytes(ctx, transport, ports, sizeof(ports));
	return ports[1];
}

static bool begin(struct bpf_nf_ctx *ctx)
{
	/* TCP may send again what got no answer: to be judged, but not told. */
	if (destination(ctx) != bpf_htons(port) || packets++)
		return false;
	before = fail_nth();
	return true;
}

static int end(struct bpf_nf_ctx *ctx, int error)
{
	after = fail_nth();
	ret = error;
	return verdict & 1;
}

static int others(struct bpf_nf_ctx *ctx)
{
	return destination(ctx) == bpf_htons(port) ? verdict & 1 : 1;
}

SEC("netfilter")
int reads(struct bpf_nf_ctx *ctx)
{
	struct bpf_nf_ct_labels labels;
	struct bpf_nf_frag_info frag;
	struct bpf_nf_ct_info info;
	struct nf_conn *ct;
	int error;

	if (!begin(ctx))
		return others(ctx);
	ct = bpf_nf_ct_get(ctx);
	if (!ct)
		return end(ctx, -ENOENT);
	bpf_ct_release(ct);
	error = bpf_nf_ct_info(ctx, &info, sizeof(info));
	error = error ?: bpf_nf_ct_set_mark(ctx, 1, -1);
	error = error ?: bpf_nf_ct_get_labels(ctx, &labels, sizeof(labels));
	error = error ?: bpf_nf_frag_info(ctx, &frag, sizeof(frag));
	return end(ctx, error);
}

SEC("netfilter")
int labels(struct bpf_nf_ctx *ctx)
{
	const struct bpf_nf_ct_labels bits = { .bits = { LABEL } };
	struct bpf_nf_ct_labels now = {};
	int error;

	if (!begin(ctx))
		return others(ctx);
	error = bpf_nf_ct_set_labels(ctx, &bits, sizeof(bits), &bits, sizeof(bits));
	bpf_nf_ct_get_labels(ctx, &now, sizeof(now));
	if (now.bits[0] != (error ? 0 : LABEL))
		error = -EEXIST;
	return end(ctx, error);
}

static void read_address(union nf_inet_addr *addr)
{
	__builtin_memcpy(addr, address, sizeof(*addr));
}

static int insert(struct nf_conn___init *init)
{
	union nf_inet_addr addr;
	struct nf_conn *ct;
	int error;

	read_address(&addr);
	bpf_ct_set_timeout(init, TIMEOUT);
	bpf_ct_set_status(init, IPS_SEEN_REPLY);
	error = bpf_ct_set_nat_info(init, &addr, nat_port, NF_NAT_MANIP_DST);
	ct = bpf_ct_insert_entry(init);
	if (!ct)
		return -EEXIST;
	bpf_ct_release(ct);
	return error;
}

/* Makes an entry, and finds it. The size is a constant at each call, as the
 * verifier wants.
 */
#define ENTRY(ctx, of) ({						\
	struct bpf_nf_ct_opts opts = {					\
		.netns_id = CURRENT_NETNS,				\
		.l4proto = IPPROTO_UDP,					\
	};								\
	struct nf_conn___init *init;					\
	struct nf_conn *ct;						\
	int error;							\
									\
	init = bpf_nf_ct_alloc(ctx, &tuple, sizeof(tuple.of), &opts,	\
			       sizeof(opts));				\
	error = init ? insert(init) : opts.error;			\
	if (!error) {							\
		ct = bpf_nf_ct_lookup(ctx, &tuple, sizeof(tuple.of),	\
				      &opts, sizeof(opts));		\
		error = opts.error;					\
		if (ct) {						\
			error = bpf_ct_change_timeout(ct, TIMEOUT);	\
			bpf_ct_change_status(ct, ct->status);		\
			bpf_ct_release(ct);				\
		}							\
	}								\
	error;								\
})

SEC("netfilter")
int entry(struct bpf_nf_ctx *ctx)
{
	if (!begin(ctx))
		return others(ctx);
	if (ctx->state->pf == NFPROTO_IPV4)
		return end(ctx, ENTRY(ctx, ipv4));
	return end(ctx, ENTRY(ctx, ipv6));
}

SEC("netfilter")
int nat(struct bpf_nf_ctx *ctx)
{
	union nf_inet_addr addr;

	if (!begin(ctx))
		return others(ctx);
	read_address(&addr);
	return end(ctx, bpf_nf_ct_set_nat(ctx, &addr, nat_port, NF_NAT_MANIP_DST));
}

SEC("netfilter")
int unreachable(struct bpf_nf_ctx *ctx)
{
	if (!begin(ctx))
		return others(ctx);
	return end(ctx, bpf_nf_reject(ctx, BPF_NF_REJECT_ICMPX,
				      BPF_NF_REJECT_PORT_UNREACH));
}

SEC("netfilter")
int reset(struct bpf_nf_ctx *ctx)
{
	if (!begin(ctx))
		return others(ctx);
	return end(ctx, bpf_nf_reject(ctx, BPF_NF_REJECT_TCP_RESET, 0));
}

SEC("netfilter")
int pull(struct bpf_nf_ctx *ctx)
{
	if (!begin(ctx))
		return others(ctx);
	return end(ctx, bpf_skb_pull_data((void *)ctx, ctx->skb->len));
}

/* The packets of the test end with 'x'. */
SEC("netfilter")
int store(struct bpf_nf_ctx *ctx)
{
	if (!begin(ctx))
		return others(ctx);
	return end(ctx, bpf_skb_store_bytes((void *)ctx, ctx->skb->len - 1, "y", 1, 0));
}
