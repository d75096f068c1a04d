// SPDX-License-Identifier: GPL-2.0
/*
 * Verdicts, the context, and the helpers of this program type; see verifier/compiled.c. Mainline
 * has the same rules. walk.bpf.c follows the pointers of the context.
 */

/* The context has the same layout on all kernels. Without relocations, the file loads faster. */
#define BPF_NO_PRESERVE_ACCESS_INDEX
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

#include "access.bpf.h"
#include "either.bpf.h"
#include "expect.bpf.h"

char _license[] SEC("license") = "GPL";

/* --- verdicts --- */

#define RETURNS(name, value)						\
	SEC("?netfilter")						\
	int name(struct bpf_nf_ctx *ctx)				\
	{								\
		return value;						\
	}

#define NO_VERDICT "At program exit the register R0 has"

/* NF_DROP and NF_ACCEPT. The next number is NF_STOLEN: nobody would own the packet. */
__success
RETURNS(returns_0, 0)
__success
RETURNS(returns_1, 1)
__failure(NO_VERDICT)
RETURNS(returns_2, 2)
__failure(NO_VERDICT)
RETURNS(returns_minus_1, -1)
/* NF_DROP_ERR(): an errno in the upper half of NF_DROP. */
__failure(NO_VERDICT)
RETURNS(returns_drop_with_errno, 1 << 16)
__success
RETURNS(returns_a_bit, bpf_get_prandom_u32() & 1)
__failure(NO_VERDICT)
RETURNS(returns_any_number, bpf_get_prandom_u32())

/* Two paths lead to one exit. The verifier must check both. */
__success __test_state_freq
RETURNS(returns_either_verdict, EITHER(1, 0))
__failure(NO_VERDICT) __test_state_freq
RETURNS(returns_2_on_one_path, EITHER(1, 2))

/* The compiler would return some value, so the only instruction is written in assembly. */
__failure("R0 !read_ok")
SEC("?netfilter")
__attribute__((naked)) int returns_nothing(struct bpf_nf_ctx *ctx)
{
	asm volatile("exit");
}

/* --- the context --- */

#define CTX "invalid bpf_context access"

/* A program can only load a whole pointer. */
__success
LOADS(loads_state, __u64, AT(state))
__failure(CTX)
LOADS(loads_half_of_state, __u32, AT(state))
__failure(CTX)
LOADS(loads_upper_half_of_state, __u32, AT(state) + 4)
__failure(CTX)
STORES(stores_state, __u64, AT(state))
__success
LOADS(loads_skb, __u64, AT(skb))
__failure(CTX)
LOADS(loads_half_of_skb, __u32, AT(skb))
__failure(CTX)
LOADS(loads_upper_half_of_skb, __u32, AT(skb) + 4)
__failure(CTX)
STORES(stores_skb, __u64, AT(skb))

__failure(CTX)
LOADS(loads_across_two_members, __u64, AT(skb) - 4)
__failure(CTX)
LOADS(loads_before_the_context, __u64, -8)
__failure(CTX)
LOADS(loads_after_the_context, __u64, sizeof(struct bpf_nf_ctx))
__failure(CTX)
STORES(stores_before_the_context, __u64, -8)
__failure(CTX)
STORES(stores_after_the_context, __u64, sizeof(struct bpf_nf_ctx))

/* Even a pointer from the same member, which has the right type, must not be stored. */
__failure(CTX)
SEC("?netfilter")
int stores_its_own_skb(struct bpf_nf_ctx *ctx)
{
	struct sk_buff *skb = ctx->skb;

	barrier_var(skb);
	ctx->skb = skb;
	return 1;
}

__failure("not allowed")
SEC("?netfilter")
int adds_to_the_context(struct bpf_nf_ctx *ctx)
{
	__sync_fetch_and_add((__u64 *)ctx, 1);
	return 1;
}

__failure("variable ctx access")
SEC("?netfilter")
int loads_at_a_variable_offset(struct bpf_nf_ctx *ctx)
{
	sum += *(__u64 *)((void *)ctx + (bpf_get_prandom_u32() & 8));
	return 1;
}

/* User space must not read a kernel address. */
__failure("R0 is not a known value")
__failure_without_perfmon("leaks addr")
SEC("?netfilter")
__u64 returns_a_pointer(struct bpf_nf_ctx *ctx)
{
	return (__u64)ctx->skb;
}

/* --- helpers --- */

__success
SEC("?netfilter")
int calls_common_helpers(struct bpf_nf_ctx *ctx)
{
	sum += bpf_ktime_get_ns();
	sum += bpf_ktime_get_boot_ns();
	sum += bpf_jiffies64();
	sum += bpf_get_prandom_u32();
	sum += bpf_get_smp_processor_id();
	sum += bpf_get_numa_node_id();
	return 1;
}

/* "unknown func" before Linux 6.9 */
#define NO_FUNC "unknown func|cannot use helper"

#define CALLS(helper)							\
	SEC("?netfilter")						\
	int calls_##helper(struct bpf_nf_ctx *ctx)			\
	{								\
		long (*call)(void) = (void *)BPF_FUNC_##helper;		\
									\
		sum += call();						\
		return 1;						\
	}

/* These helpers belong to other program types, or change the packet's size. */
__failure(NO_FUNC)
CALLS(skb_vlan_push)
__failure(NO_FUNC)
CALLS(skb_change_tail)
__failure(NO_FUNC)
CALLS(csum_update)
__failure(NO_FUNC)
CALLS(redirect)
__failure(NO_FUNC)
CALLS(get_socket_cookie)
__failure(NO_FUNC)
CALLS(override_return)
__failure(NO_FUNC)
CALLS(probe_write_user)

/* Needed for memory that neither packet pointers nor bpf_skb_load_bytes() can read. */
__success __failure_without_perfmon(NO_FUNC)
SEC("?netfilter")
int calls_probe_read_kernel(struct bpf_nf_ctx *ctx)
{
	__u64 word;

	bpf_probe_read_kernel(&word, sizeof(word), ctx->skb);
	return 1;
}

unsigned long long load_byte(void *skb, unsigned long long offset) asm("llvm.bpf.load.byte");

/* BPF_LD_ABS, which needs a context that is an skb. */
__failure("BPF_LD_[ABS|IND] instructions not allowed")
SEC("?netfilter")
int loads_a_byte_of_the_packet(struct bpf_nf_ctx *ctx)
{
	sum += load_byte(ctx, 0);
	return 1;
}
