#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# <bpf/bpf_netfilter.h>: misuse that must not compile, next to the use that must.
#
# Requires: clang
# Kernel: none

source "$(dirname "$0")/../lib.sh"

HEADER='#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_netfilter.h>'

# compile NAME [OPTION]...: the source on the standard input. The result is clang's. Most
# tests need no object, which takes the emulated processor far longer: -fsyntax-only.
compile()
{
	local name=$1

	cat > "$WORK/$name.bpf.c"
	clang -O2 -g -Wall -Wextra -Werror -Wno-unused-function -target bpf -mcpu=v3 \
		-fno-caret-diagnostics "${@:2}" -I "$(vmlinux_dir)" \
		-I "$BUILD/tools/include" -c "$WORK/$name.bpf.c" -o "$WORK/$name.bpf.o" 2> "$WORK/$name.log"
}

expect_compiles()
{
	compile "$@" || fail "$1: $(< "$WORK/$1.log")"
}

# A line with "refused: TEXT" has an error that contains TEXT, and no other line has one.
expect_refused_lines()
{
	local name=$1 want got

	! compile "$@" || fail "$name: it compiles"
	want=$(sed -n '=; s/.*refused: \(.*\) \*\//\1/p' "$WORK/$name.bpf.c" |
		awk '/^[0-9]+$/ { line = $0; next } { print line ": " $0 }')
	got=$(sed -n "s,^$WORK/$name.bpf.c:\([0-9]*\):[0-9]*: error: ,\1: ,p" \
		"$WORK/$name.log")
	expect_match "refused lines" "*[1-9]*" "$want"
	expect_eq "errors of $name" "$want" "$got"
}

# Variables with a key beside the buffer, and functions that pass their arguments on.
variables()
{
	cat <<-EOC
	$HEADER
	char LICENSE[] SEC("license") = "GPL";
	struct frame { __u64 buf; __u64 key[3]; };
	struct { __u64 value[4]; } global;
	static __always_inline const void *
	inlined(struct bpf_nf_pkt *pkt, void *buf, __u32 len)
	{
		return bpf_nf_pkt_at(pkt, 0, buf, len);
	}
	SEC("netfilter")
	int prog(struct bpf_nf_ctx *ctx)
	{
		struct frame frame = {};
		__u8 bytes[40] __attribute__((aligned(8)));
		__u64 one, words[3];
		const void *p = NULL;
		BPF_NF_PKT(pkt, ctx);
		(void)frame; (void)bytes; (void)one; (void)words;
	EOC
	cat
	cat <<-'EOC'
		return p ? NF_ACCEPT : NF_DROP;
	}
	EOC
}

test_small_buffer()
{
	local text="bpf_nf_pkt_at(): the buffer is smaller than the length"

	variables <<-EOC | expect_refused_lines small -fsyntax-only
		p = bpf_nf_pkt_at(&pkt, 0, &one, 28); /* refused: $text */
		p = bpf_nf_pkt_at(&pkt, 0, &one, 9); /* refused: $text */
		p = bpf_nf_pkt_at(&pkt, 0, &one, 8);
		p = bpf_nf_pkt_at(&pkt, 0, words, 25); /* refused: $text */
		p = bpf_nf_pkt_at(&pkt, 0, &words[1], 24); /* refused: $text */
		p = bpf_nf_pkt_at(&pkt, 0, bytes, 41); /* refused: $text */
		p = bpf_nf_pkt_at(&pkt, 0, &frame.buf, 28); /* refused: $text */
		p = bpf_nf_pkt_at(&pkt, 0, &frame.buf, 8);
		p = bpf_nf_pkt_at(&pkt, 0, &global, 40); /* refused: $text */
	EOC
}

# The compiler finds these once the function is inlined, and names the header's line.
test_small_buffer_of_a_caller()
{
	! variables <<-EOC | compile inlined || fail "a small buffer compiles"
		p = inlined(&pkt, &one, 28);
	EOC
	expect_match "message" "*the buffer is smaller than the length*" \
		"$(< "$WORK/inlined.log")"
	! variables <<-EOC | compile variable || fail "a variable length compiles"
		p = inlined(&pkt, words, ctx->skb->len & 7);
	EOC
	expect_match "message" "*the length is not a constant*" "$(< "$WORK/variable.log")"
}

test_large_enough_buffer()
{
	variables <<-EOC | expect_compiles large
		p = bpf_nf_pkt_at(&pkt, 0, &one, 8);
		p = bpf_nf_pkt_at(&pkt, ctx->skb->len, &one, 1);
		p = bpf_nf_pkt_at(&pkt, 0, &words[1], 16);
		p = bpf_nf_pkt_at(&pkt, 0, bytes, sizeof(bytes));
		p = bpf_nf_pkt_at(&pkt, 0, &frame, sizeof(frame));
		p = bpf_nf_pkt_at(&pkt, 0, &global, 32);
		p = inlined(&pkt, &one, 8);
		p = inlined(&pkt, words, ctx->skb->len ? 8 : 8);
	EOC
}

# Functions of the kernel that take an object and its size.
test_small_object()
{
	variables <<-EOC | expect_refused_lines objects -fsyntax-only
		struct bpf_nf_frag_info___nf frag;
		struct bpf_nf_ct_info___nf info;
		struct bpf_nf_ct_labels___nf labels = {};
		struct bpf_nf_ct_opts___nf opts = {};
		struct bpf_sock_tuple tuple = {};
		__u32 word = 0;
		int err = 0;
		err |= bpf_nf_frag_info___nf(ctx, &frag, sizeof(frag));
		err |= bpf_nf_frag_info___nf(ctx, &frag, 16); /* refused: bpf_nf_frag_info(): info is smaller than info__sz */
		err |= BPF_NF_TRY(bpf_nf_ct_info, ctx, &info, sizeof(info));
		err |= BPF_NF_TRY(bpf_nf_ct_info, ctx, (void *)&word, sizeof(info)); /* refused: bpf_nf_ct_info(): info is smaller than info__sz */
		err |= bpf_nf_ct_get_labels___nf(ctx, &labels, sizeof(labels));
		err |= bpf_nf_ct_get_labels___nf(ctx, (void *)&word, 16); /* refused: bpf_nf_ct_get_labels(): labels is smaller than labels__sz */
		err |= bpf_nf_ct_set_labels___nf(ctx, (void *)&word, 16, &labels, 16); /* refused: bpf_nf_ct_set_labels(): labels is smaller than labels__sz */
		err |= bpf_nf_ct_set_labels___nf(ctx, &labels, 16, (void *)&word, 16); /* refused: bpf_nf_ct_set_labels(): mask is smaller than mask__sz */
		p = bpf_nf_ct_lookup___nf(ctx, &tuple, sizeof(tuple.ipv4), (void *)&word, sizeof(opts)); /* refused: bpf_nf_ct_lookup(): opts is smaller than opts__sz */
		p = bpf_nf_ct_lookup___nf(ctx, (void *)&word, 12, &opts, sizeof(opts)); /* refused: bpf_nf_ct_lookup(): tuple is smaller than tuple__sz */
		p = (void *)bpf_nf_ct_alloc___nf(ctx, &tuple, sizeof(tuple.ipv4), (void *)&word, 16); /* refused: bpf_nf_ct_alloc(): opts is smaller than opts__sz */
		p = (void *)bpf_nf_ct_alloc___nf(ctx, (void *)&word, 12, &opts, sizeof(opts)); /* refused: bpf_nf_ct_alloc(): tuple is smaller than tuple__sz */
		if (err) return NF_DROP;
	EOC
}

# A vmlinux.h of a kernel with these functions may declare them.
test_names_of_the_kernel()
{
	local names

	names=$(variables < /dev/null | clang -E -dM -target bpf -I "$(vmlinux_dir)" \
		-I "$BUILD/tools/include" -x c - | awk '/^#define bpf_/ { print $2 }')
	expect_match "macros" "*bpf_ksym_exists*" "$names"
	names=$(grep -E '^bpf_(nf_|dynptr_)' <<< "$names" || :)
	expect_eq "macros over the names of functions" "" "$names"
}

# One error, with a sentence that says what is missing.
test_vmlinux_without_the_type()
{
	mkdir "$WORK/without"
	awk '/^struct bpf_nf_ctx {/ { skip = 1 }
		!skip && !/^\tstruct bpf_nf_ctx [A-Za-z_]*;/
		/^}/ { skip = 0 }' \
		"$(vmlinux_dir)/vmlinux.h" > "$WORK/without/vmlinux.h"
	! compile without -fsyntax-only -fcaret-diagnostics -I "$WORK/without" <<-EOC || fail "it compiles"
	$HEADER
	SEC("netfilter")
	int prog(struct bpf_nf_ctx *ctx)
	{
		struct bpf_nf_flow flow;
		BPF_NF_PKT(pkt, ctx);
		bpf_nf_set_mark(ctx, bpf_nf_mark(ctx) + 1);
		return bpf_nf_pkt_parse(&pkt, &flow) ? NF_DROP : NF_ACCEPT;
	}
	EOC
	expect_eq "number of errors" 1 "$(grep -c ' error: ' "$WORK/without.log")"
	expect_match "message" \
		"*vmlinux.h lacks it: dump that of a kernel with CONFIG_NETFILTER_BPF_LINK*" \
		"$(< "$WORK/without.log")"
}

# A source of mainline, with declarations as there are in public ones.
dynptr_source()
{
	cat <<-EOC
	#include "vmlinux.h"
	#include <bpf/bpf_helpers.h>
	#define NF_DROP 0
	#define NF_ACCEPT 1
	$1
	char LICENSE[] SEC("license") = "GPL";
	$2
	EOC
}

DYNPTR_ENTRY='SEC("netfilter")
int prog(struct bpf_nf_ctx *ctx)
{
	struct iphdr buffer, *ip;
	struct bpf_dynptr ptr;
	if (bpf_dynptr_from_skb((void *)ctx->skb, 0, &ptr)) return NF_DROP;
	ip = bpf_dynptr_slice(&ptr, 0, &buffer, sizeof(buffer));
	return ip && ip->ttl ? NF_ACCEPT : NF_DROP;
}'

with_dynptr_header()
{
	"$1" "$2" -include bpf/bpf_netfilter_dynptr.h "${@:3}"
}

test_dynptr_declarations()
{
	dynptr_source "" "$DYNPTR_ENTRY" | with_dynptr_header expect_compiles none -fsyntax-only
	dynptr_source '
	extern int bpf_dynptr_from_skb(struct sk_buff *skb, __u64 flags,
				       struct bpf_dynptr *ptr__uninit) __ksym;
	extern void *bpf_dynptr_slice(const struct bpf_dynptr *ptr, uint32_t offset,
				      void *buffer, uint32_t buffer__sz) __ksym;' \
		"$DYNPTR_ENTRY" | with_dynptr_header expect_compiles skb -fsyntax-only
	dynptr_source '
	int bpf_dynptr_from_skb(struct __sk_buff *skb, u64 flags,
				struct bpf_dynptr *ptr__uninit) __ksym __weak;
	void *bpf_dynptr_slice(const struct bpf_dynptr *ptr, u32 offset,
			       void *buffer, u32 buffer__szk) __ksym __weak;' \
		"$DYNPTR_ENTRY" | with_dynptr_header expect_compiles context -fsyntax-only
}

test_dynptr_misuse()
{
	dynptr_source "" "${DYNPTR_ENTRY/sizeof(buffer)/28}" |
		with_dynptr_header compile slice -fsyntax-only && fail "a small buffer compiles"
	expect_match "message" "*bpf_dynptr_slice(): the buffer is smaller than the length*" \
		"$(< "$WORK/slice.log")"
	dynptr_source "" "${DYNPTR_ENTRY//ctx/c}" | sed 's/bpf_nf_c /bpf_nf_ctx /' |
		with_dynptr_header compile context -fsyntax-only && fail "it compiles without ctx"
	expect_match "message" "*pass the program's context to this function as ctx*" \
		"$(< "$WORK/context.log")"
	dynptr_source "" "${DYNPTR_ENTRY//ctx/c}" | sed 's/bpf_nf_c /bpf_nf_ctx /' |
		with_dynptr_header expect_compiles linear -fsyntax-only -DBPF_NF_DYNPTR_LINEAR
}

run_tests
