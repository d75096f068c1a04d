// SPDX-License-Identifier: GPL-2.0
/* Programs that call the kfuncs for conntrack and NAT; see verifier/compiled.c. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

#include "calls.bpf.h"
#include "expect.bpf.h"
#include "kfunc_ct.bpf.h"

char _license[] SEC("license") = "GPL";

static union nf_inet_addr address;

enum { TUPLE_SIZE = sizeof(((struct bpf_sock_tuple *)0)->ipv4) };

struct nf_conn *bpf_xdp_ct_lookup(struct xdp_md *ctx, struct bpf_sock_tuple *tuple,
				  __u32 tuple__sz, struct bpf_nf_ct_opts *opts,
				  __u32 opts__sz) __ksym;
struct nf_conn *bpf_skb_ct_lookup(struct __sk_buff *ctx, struct bpf_sock_tuple *tuple,
				  __u32 tuple__sz, struct bpf_nf_ct_opts *opts,
				  __u32 opts__sz) __ksym;

static __always_inline struct nf_conn *lookup(struct bpf_nf_ctx *ctx)
{
	struct bpf_sock_tuple tuple = {};
	struct bpf_nf_ct_opts opts = {};

	return bpf_nf_ct_lookup(ctx, &tuple, TUPLE_SIZE, &opts, sizeof(opts));
}

static __always_inline struct nf_conn___init *alloc(struct bpf_nf_ctx *ctx)
{
	struct bpf_sock_tuple tuple = {};
	struct bpf_nf_ct_opts opts = {};

	return bpf_nf_ct_alloc(ctx, &tuple, TUPLE_SIZE, &opts, sizeof(opts));
}

/* A program that runs @then with the packet's entry, @ct. */
#define ENTRY_PROGRAM(name, then)					\
	SEC("?netfilter")						\
	int name(struct bpf_nf_ctx *ctx)				\
	{								\
		struct nf_conn *ct = bpf_nf_ct_get(ctx);		\
									\
		if (ct) {						\
			then;						\
		}							\
		return 1;						\
	}

/* --- references --- */

__failure("Unreleased reference")
ENTRY_PROGRAM(get_leaked, ct = NULL)
__success
ENTRY_PROGRAM(get_and_release, bpf_ct_release(ct))
__failure("arg#0 pointer type STRUCT nf_conn|Possibly NULL pointer")
ENTRY_PROGRAM(release_twice, bpf_ct_release(ct); bpf_ct_release(ct))
__failure("invalid mem access 'scalar'")
ENTRY_PROGRAM(use_after_release, bpf_ct_release(ct); return ct->status & 1)

__failure("invalid mem access 'ptr_or_null_")
SEC("?netfilter")
int get_without_null_check(struct bpf_nf_ctx *ctx)
{
	return bpf_nf_ct_get(ctx)->status & 1;
}

__failure("arg#0 pointer type STRUCT nf_conn|Possibly NULL pointer")
SEC("?netfilter")
int release_without_null_check(struct bpf_nf_ctx *ctx)
{
	bpf_ct_release(bpf_nf_ct_get(ctx));
	return 1;
}

/* A pointer that the program reads from memory holds no reference. */
__failure("expected pointer to STRUCT nf_conn but R1 has")
SEC("?netfilter")
int release_not_acquired(struct bpf_nf_ctx *ctx)
{
	bpf_ct_release((void *)ctx->skb);
	return 1;
}

__success
SEC("?netfilter")
int lookup_and_release(struct bpf_nf_ctx *ctx)
{
	struct nf_conn *ct = lookup(ctx);

	if (ct)
		bpf_ct_release(ct);
	return 1;
}

__failure("Unreleased reference")
SEC("?netfilter")
int lookup_leaked(struct bpf_nf_ctx *ctx)
{
	return !!lookup(ctx);
}

static __noinline int jump_and_release(struct bpf_nf_ctx *ctx, struct nf_conn *ct)
{
	bpf_tail_call(ctx, &jump, 0);
	bpf_ct_release(ct);
	return 0;
}

/* If the tail call succeeds, the rest of the function does not run. */
__failure("Unreleased reference")
ENTRY_PROGRAM(release_after_a_tail_call, jump_and_release(ctx, ct))

__success
SEC("?netfilter")
int release_before_a_tail_call(struct bpf_nf_ctx *ctx)
{
	struct nf_conn *ct = bpf_nf_ct_get(ctx);

	if (ct)
		bpf_ct_release(ct);
	return jump_or_4(ctx) & 1;
}

static __noinline int acquire(struct bpf_nf_ctx *ctx)
{
	return !!bpf_nf_ct_get(ctx);
}

static __noinline int acquire_and_release(struct bpf_nf_ctx *ctx)
{
	struct nf_conn *ct = bpf_nf_ct_get(ctx);

	if (ct)
		bpf_ct_release(ct);
	return !!ct;
}

static long call_acquire(__u32 i, struct bpf_nf_ctx **ctx)
{
	return acquire(*ctx);
}

static long call_acquire_and_release(__u32 i, struct bpf_nf_ctx **ctx)
{
	return acquire_and_release(*ctx);
}

__failure("Unreleased reference")
LOOP_PROGRAM(callback_leaks_below, call_acquire)
__success
LOOP_PROGRAM(callback_releases_below, call_acquire_and_release)

struct found {
	struct nf_conn *ct;
};

static long look_at(__u32 i, struct found *found)
{
	return found->ct ? 0 : 1;
}

/*
 * The callback finds NULL, but the caller's reference stays. The verifier must not warn,
 * because a warning taints the kernel.
 */
__failure("Unreleased reference")
SEC("?netfilter")
int callback_finds_null(struct bpf_nf_ctx *ctx)
{
	struct found found = { bpf_nf_ct_get(ctx) };

	bpf_loop(2, look_at, &found, 0);
	if (found.ct)
		bpf_ct_release(found.ct);
	return 1;
}

/* --- arguments --- */

__failure("expected pointer to ctx")
SEC("?netfilter")
int context_on_the_stack(struct bpf_nf_ctx *ctx)
{
	struct bpf_nf_ctx other = {};
	struct nf_conn *ct = bpf_nf_ct_get(&other);

	if (ct)
		bpf_ct_release(ct);
	return 1;
}

#define INFO_PROGRAM(name, size)					\
	SEC("?netfilter")						\
	int name(struct bpf_nf_ctx *ctx)				\
	{								\
		struct bpf_nf_ct_info info = {};			\
									\
		return !bpf_nf_ct_info(ctx, &info, size);		\
	}

__success
INFO_PROGRAM(info, sizeof(info))
__failure("invalid indirect access to stack R2")
INFO_PROGRAM(info_beyond_the_stack, sizeof(info) + 1)
__failure("unbounded memory access")
INFO_PROGRAM(info_of_an_unbounded_size, bpf_get_prandom_u32())

#define NAT_PROGRAM(name, size)						\
	SEC("?netfilter")						\
	int name(struct bpf_nf_ctx *ctx)				\
	{								\
		char addr[size] = {};					\
									\
		bpf_nf_ct_set_nat(ctx, (void *)addr, 80, NF_NAT_MANIP_DST); \
		return 1;						\
	}

__success
NAT_PROGRAM(set_nat, 16)
__failure("invalid indirect access to stack R2")
NAT_PROGRAM(set_nat_to_a_short_address, 4)
/* An entry need not have a master. */
__failure("must be referenced")
ENTRY_PROGRAM(set_nat_to_an_address_of_the_kernel,
	      bpf_nf_ct_set_nat(ctx, &ct->master->tuplehash[0].tuple.src.u3, 80,
				NF_NAT_MANIP_DST);
	      bpf_ct_release(ct))

/* The functions for tc and XDP take another context. */
#define LOOKUP_PROGRAM(name, function)					\
	SEC("?netfilter")						\
	int name(struct bpf_nf_ctx *ctx)				\
	{								\
		struct bpf_sock_tuple tuple = {};			\
		struct bpf_nf_ct_opts opts = {};			\
									\
		return !!function((void *)ctx, &tuple, TUPLE_SIZE, &opts, \
				  sizeof(opts));			\
	}

__failure("bpf_xdp_ct_lookup is not allowed")
LOOKUP_PROGRAM(lookup_of_xdp, bpf_xdp_ct_lookup)
__failure("bpf_skb_ct_lookup is not allowed")
LOOKUP_PROGRAM(lookup_of_tc, bpf_skb_ct_lookup)

/* --- new entries --- */

__success
SEC("?netfilter")
int alloc_and_insert(struct bpf_nf_ctx *ctx)
{
	struct nf_conn___init *init = alloc(ctx);
	struct nf_conn *ct;

	if (!init)
		return 1;
	bpf_ct_set_timeout(init, 1000);
	bpf_ct_set_nat_info(init, &address, 80, NF_NAT_MANIP_DST);
	ct = bpf_ct_insert_entry(init);
	if (ct)
		bpf_ct_release(ct);
	return 1;
}

__failure("Unreleased reference")
SEC("?netfilter")
int alloc_leaked(struct bpf_nf_ctx *ctx)
{
	return !!alloc(ctx);
}

__failure("Unreleased reference")
SEC("?netfilter")
int inserted_entry_leaked(struct bpf_nf_ctx *ctx)
{
	struct nf_conn___init *init = alloc(ctx);

	return init && bpf_ct_insert_entry(init);
}

/* The packet's entry is in the table already, so these functions must not change it. */
__failure("expected pointer to STRUCT nf_conn___init")
ENTRY_PROGRAM(insert_of_the_packets_entry, bpf_ct_insert_entry((void *)ct))
__failure("expected pointer to STRUCT nf_conn___init")
ENTRY_PROGRAM(set_timeout_of_the_packets_entry, bpf_ct_set_timeout((void *)ct, 1000))
__failure("expected pointer to STRUCT nf_conn___init")
ENTRY_PROGRAM(set_nat_info_of_the_packets_entry,
	      bpf_ct_set_nat_info((void *)ct, &address, 80, NF_NAT_MANIP_DST))
__success
ENTRY_PROGRAM(change_timeout, bpf_ct_change_timeout(ct, 1000); bpf_ct_release(ct))

/* --- stores --- */

__success
ENTRY_PROGRAM(store_mark, ct->mark = 0; bpf_ct_release(ct))
__failure("beyond the member of nf_conn")
ENTRY_PROGRAM(store_beyond_mark, *(__u64 *)&ct->mark = 0; bpf_ct_release(ct))
__failure("no write support to nf_conn")
ENTRY_PROGRAM(store_status, ct->status = 0; bpf_ct_release(ct))
/* The other entry may be missing, or be freed. */
__failure("store to kernel 'struct nf_conn' needs a reference on it")
ENTRY_PROGRAM(store_mark_of_another_entry, ct->master->mark = 0; bpf_ct_release(ct))
