#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Takes the examples out of prog_netfilter_packet.rst, compiles and loads them, and attaches
# them to the router, which continues to forward.
#
# Requires: clang

source "$(dirname "$0")/../lib.sh"

# shellcheck source=../helpers/doc_programs.sh
source "$SELFTESTS_SRC/helpers/doc_programs.sh"
DOC=$SELFTESTS_SRC/../Documentation/bpf/prog_netfilter_packet.rst

setup()
{
	needs_own BPF_NF_LINK_INET	# the page is about helpers and packet pointers
	router_up
	load_packet
}

examples()
{
	sed -n 's/^   int \([a-z_]*\)(struct bpf_nf_ctx \*ctx)$/\1/p' "$DOC"
}

# example NAME: print the code block with the function NAME.
example()
{
	awk -v name="int $1(" '
	/^\.\. code-block:: c$/ { if (index(block, name)) printf "%s", block; block = ""; on = 1; next }
	on && /^   :/ { next }
	on && /^[^ ]/ { on = 0 }
	on { sub(/^   /, ""); block = block $0 "\n" }
	END { if (index(block, name)) printf "%s", block }' "$DOC"
}

# compile NAME: compile the example NAME
compile()
{
	local name=$1

	{
		cat <<-'EOF'
		#include "vmlinux.h"
		#include <bpf/bpf_endian.h>
		#include <bpf/bpf_helpers.h>
		#define NF_DROP   0
		#define NF_ACCEPT 1
		char _license[] SEC("license") = "GPL";
		EOF
		example "$name"
	} > "$WORK/$name.bpf.c"
	grep -q "int $name" "$WORK/$name.bpf.c" || fail "not found: $name"
	compile_program "$name" -mcpu=v3 -I "$(vmlinux_dir)"
}

compile_programs()
{
	local name

	for name in $(examples); do
		compile "$name"
	done
}

check_example()
{
	local name=$1

	compile "$name"
	nf_prog load "$WORK/$name.bpf.o" "$PINS/doc-$name"
	attach "doc-$name/$name" ip prerouting 0 defrag
	probe 4 client-server -z 1400,480,8,912
	expect_delivered "2792 intact"
	expect_link "$LINK" accepted=2 dropped=0
}

# The example drops a datagram that consists of too many fragments.
test_too_many_pieces()
{
	check_example few_pieces
	probe 4 client-server -z 8,8,8,8,8
	expect_delivered ""
	expect_link "$LINK" accepted=3 dropped=1
}

# If the page's form changes, this test must still find every example.
test_every_block_is_an_example()
{
	expect_eq "examples" "$(grep -c '^\.\. code-block:: c$' "$DOC")" "$(examples | wc -l)"
}

for name in $(examples); do
	[[ $name == few_pieces ]] || add_test "$name" check_example "$name"
done

on_host "$@"
run_tests
