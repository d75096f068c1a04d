// SPDX-License-Identifier: GPL-2.0
/* A program for each kfunc for conntrack and NAT of nf_bpf_kfunc.ko, nf_conntrack.ko and
 * nf_nat.ko.
 */
#include "vmlinux.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_netfilter.h>

#include "kfunc.bpf.h"
#include "kfunc_ct.bpf.h"

char _license[] SEC("license") = "GPL";

enum { CURRENT_NETNS = -1 };

SEC("netfilter")
int info(struct bpf_nf_ctx *ctx)
{
	struct bpf_nf_ct_info info;

	if (!meant(ctx))
		return ACCEPT;
	tell(KFUNC_ret, bpf_nf_ct_info(ctx, &info, sizeof(info)));
	tell(KFUNC_state, info.state);
	/* Leave out IPS_ASSURED, which depends on timing. */
	tell(KFUNC_status, info.status & (IPS_CONFIRMED | IPS_SEEN_REPLY));
	tell(KFUNC_mark, info.mark);
	tell(KFUNC_zone, info.zone);
	tell(KFUNC_zone_dir, info.zone_dir);
	tell(KFUNC_dir, info.dir);
	return told(KFUNC_verdict) & 1;
}

SEC("netfilter")
int own(struct bpf_nf_ctx *ctx)
{
	struct nf_conn *ct;

	if (!meant(ctx))
		return ACCEPT;
	ct = bpf_nf_ct_get(ctx);
	if (!ct)
		return told(KFUNC_verdict) & 1;
	count(KFUNC_found);
	tell(KFUNC_mark, ct->mark);
	tell(KFUNC_status, ct->status);
	bpf_nf_entry_release(ct);
	return told(KFUNC_verdict) & 1;
}

/* Write the mark through the pointer, as tc programs do, and call the entry's kfuncs. */
SEC("netfilter")
int direct(struct bpf_nf_ctx *ctx)
{
	struct nf_conn *ct;

	if (!meant(ctx))
		return ACCEPT;
	ct = bpf_nf_ct_get(ctx);
	if (!ct)
		return told(KFUNC_verdict) & 1;
	count(KFUNC_found);
	bpf_nf_entry_change_mark(ct, told(KFUNC_new_mark));
	tell(KFUNC_ret, bpf_nf_entry_change_timeout(ct, told(KFUNC_timeout)));
	bpf_nf_entry_change_status(ct, ct->status | IPS_ASSURED);
	bpf_nf_entry_release(ct);
	return told(KFUNC_verdict) & 1;
}

SEC("netfilter")
int mark(struct bpf_nf_ctx *ctx)
{
	if (!meant(ctx))
		return ACCEPT;
	tell(KFUNC_ret, bpf_nf_ct_set_mark(ctx, told(KFUNC_new_mark),
					   told(KFUNC_mask)));
	return told(KFUNC_verdict) & 1;
}

static void tell_labels(struct bpf_nf_ctx *ctx)
{
	struct bpf_nf_ct_labels now = {};

	bpf_nf_ct_get_labels(ctx, &now, sizeof(now));
	tell(KFUNC_labels0, now.bits[0] | (__u64)now.bits[1] << 32);
	tell(KFUNC_labels1, now.bits[2] | (__u64)now.bits[3] << 32);
}

SEC("netfilter")
int labels(struct bpf_nf_ctx *ctx)
{
	struct bpf_nf_ct_labels bits, mask;
	__u64 low, high;

	if (!meant(ctx))
		return ACCEPT;
	low = told(KFUNC_label0);
	high = told(KFUNC_label1);
	bits.bits[0] = low;
	bits.bits[1] = low >> 32;
	bits.bits[2] = high;
	bits.bits[3] = high >> 32;
	low = told(KFUNC_mask0);
	high = told(KFUNC_mask1);
	mask.bits[0] = low;
	mask.bits[1] = low >> 32;
	mask.bits[2] = high;
	mask.bits[3] = high >> 32;
	tell(KFUNC_ret, bpf_nf_ct_set_labels(ctx, &bits, sizeof(bits), &mask,
					     sizeof(mask)));
	tell_labels(ctx);
	return told(KFUNC_verdict) & 1;
}

SEC("netfilter")
int read_labels(struct bpf_nf_ctx *ctx)
{
	if (!meant(ctx))
		return ACCEPT;
	tell_labels(ctx);
	return told(KFUNC_verdict) & 1;
}

static void read_opts(struct bpf_nf_ct_opts *opts)
{
	opts->netns_id = told(KFUNC_netns_id);
	opts->l4proto = told(KFUNC_other_proto);
	opts->zone = told(KFUNC_in_zone);
	opts->zone_dir = told(KFUNC_in_zone_dir);
	opts->reserved[0] = told(KFUNC_reserved) == 1;
	opts->reserved[1] = told(KFUNC_reserved) == 2;
	opts->reserved[2] = told(KFUNC_reserved) == 3;
}

/* Make the packet's tuple with another destination port. */
static __u32 other_tuple(struct bpf_nf_ctx *ctx, struct bpf_sock_tuple *tuple)
{
	__be16 port = bpf_htons(told(KFUNC_other_port));
	__u8 proto;
	__u32 size;

	size = parse(ctx, tuple, &proto);
	if (size == sizeof(tuple->ipv4))
		tuple->ipv4.dport = port;
	else
		tuple->ipv6.dport = port;
	return size;
}

/* The size is a constant at each call, because some kernels' verifiers require it. */
static struct nf_conn *find(struct bpf_nf_ctx *ctx, struct bpf_sock_tuple *tuple,
			    __u32 size, struct bpf_nf_ct_opts *opts)
{
	if (size == sizeof(tuple->ipv4))
		return bpf_nf_ct_lookup(ctx, tuple, sizeof(tuple->ipv4), opts,
					sizeof(*opts));
	return bpf_nf_ct_lookup(ctx, tuple, sizeof(tuple->ipv6), opts,
				sizeof(*opts));
}

SEC("netfilter")
int lookup(struct bpf_nf_ctx *ctx)
{
	struct bpf_sock_tuple tuple = {};
	struct bpf_nf_ct_opts opts = {};
	struct nf_conn *ct;
	__u32 size;

	if (!meant(ctx))
		return ACCEPT;
	size = other_tuple(ctx, &tuple);
	read_opts(&opts);
	ct = find(ctx, &tuple, size, &opts);
	tell(KFUNC_ret, opts.error);
	if (!ct)
		return told(KFUNC_verdict) & 1;
	count(KFUNC_found);
	tell(KFUNC_dir, opts.dir);
	tell(KFUNC_mark, ct->mark);
	bpf_nf_entry_release(ct);
	return told(KFUNC_verdict) & 1;
}

static struct nf_conn___init *make(struct bpf_nf_ctx *ctx,
				   struct bpf_sock_tuple *tuple, __u32 size,
				   struct bpf_nf_ct_opts *opts)
{
	if (size == sizeof(tuple->ipv4))
		return bpf_nf_ct_alloc(ctx, tuple, sizeof(tuple->ipv4), opts,
				       sizeof(*opts));
	return bpf_nf_ct_alloc(ctx, tuple, sizeof(tuple->ipv6), opts,
			       sizeof(*opts));
}

static void read_addr(union bpf_nf_addr *addr)
{
	addr->words[0] = told(KFUNC_addr0);
	addr->words[1] = told(KFUNC_addr1);
}

enum bpf_type_flag___later {
	PTR_TRUSTED___later,
};

/* After 6.1 the verifier refuses to load a program that passes a NULL that it knows. For
 * such a verifier, the result of this function is a constant.
 */
static __always_inline bool takes_null(void)
{
	return !bpf_core_enum_value_exists(enum bpf_type_flag___later, PTR_TRUSTED___later);
}

static void set_source(struct nf_conn___init *init)
{
	union bpf_nf_addr addr;

	addr.words[0] = told(KFUNC_source0);
	addr.words[1] = told(KFUNC_source1);
	tell(KFUNC_source_ret, bpf_nf_entry_set_nat(init, &addr, 0, BPF_NF_NAT_SRC));
}

/* Create an entry for the packet's tuple with another port; with NAT of the destination if addr0
 * is set, and of the source if source0 is set.
 */
SEC("netfilter")
int alloc(struct bpf_nf_ctx *ctx)
{
	struct bpf_sock_tuple tuple = {};
	struct bpf_nf_ct_opts opts = {};
	struct nf_conn___init *init;
	union bpf_nf_addr addr;
	struct nf_conn *ct;
	__u32 size;

	if (!meant(ctx))
		return ACCEPT;
	size = other_tuple(ctx, &tuple);
	read_opts(&opts);
	init = make(ctx, &tuple, size, &opts);
	tell(KFUNC_ret, opts.error);
	if (!init)
		return told(KFUNC_verdict) & 1;
	count(KFUNC_found);
	bpf_nf_entry_set_timeout(init, told(KFUNC_timeout));
	bpf_nf_entry_set_status(init, IPS_SEEN_REPLY);
	bpf_nf_entry_set_mark(init, told(KFUNC_new_mark));
	if (told(KFUNC_addr0)) {
		read_addr(&addr);
		tell(KFUNC_state, takes_null() ?
		     bpf_nf_entry_set_nat(init, NULL, 0, BPF_NF_NAT_DST) : -EINVAL);
		tell(KFUNC_ret, bpf_nf_entry_set_nat(init, &addr, told(KFUNC_nat_port),
						     BPF_NF_NAT_DST));
		tell(KFUNC_status, bpf_nf_entry_set_nat(init, &addr, 0, BPF_NF_NAT_DST));
	}
	if (told(KFUNC_source0))
		set_source(init);
	ct = bpf_nf_entry_insert(init);
	if (ct)
		bpf_nf_entry_release(ct);
	else
		tell(KFUNC_ret, -1);
	return told(KFUNC_verdict) & 1;
}

SEC("netfilter")
int nat(struct bpf_nf_ctx *ctx)
{
	union bpf_nf_addr addr;

	if (!meant(ctx))
		return ACCEPT;
	read_addr(&addr);
	tell(KFUNC_ret, bpf_nf_ct_set_nat(ctx, (void *)&addr, told(KFUNC_nat_port),
					  told(KFUNC_manip)));
	return told(KFUNC_verdict) & 1;
}

/* Pass sizes that the verifier does not know. */
SEC("netfilter")
int sizes(struct bpf_nf_ctx *ctx)
{
	__u32 size = told(KFUNC_size) & 63;
	__u64 buf[8] = { -1, -1, -1, -1, -1, -1, -1, -1 };
	struct bpf_nf_ct_labels *labels = (void *)buf;
	struct bpf_sock_tuple tuple = {};
	struct bpf_nf_ct_opts *opts;
	struct nf_conn *ct;

	if (!meant(ctx))
		return ACCEPT;
	tell(KFUNC_ret, bpf_nf_ct_info(ctx, (void *)buf, size));
	tell(KFUNC_state, bpf_nf_ct_get_labels(ctx, labels, size));
	tell(KFUNC_status, bpf_nf_ct_set_labels(ctx, labels, size, labels, 16));
	tell(KFUNC_mark, bpf_nf_ct_set_labels(ctx, labels, 16, labels, size));

	__builtin_memset(buf, 0, sizeof(buf));
	opts = (void *)buf;
	opts->netns_id = CURRENT_NETNS;
	opts->l4proto = IPPROTO_UDP;
	ct = bpf_nf_ct_lookup(ctx, &tuple, sizeof(tuple.ipv4), opts, size);
	if (ct)
		bpf_nf_entry_release(ct);
	tell(KFUNC_zone, (__s64)opts->error);
	/* The function must not write beyond the size. */
	tell(KFUNC_dir, buf[2] | buf[3] | buf[4] | buf[5] | buf[6] | buf[7]);
	return told(KFUNC_verdict) & 1;
}
