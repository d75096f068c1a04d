#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Tests the examples of Documentation/bpf/prog_netfilter_portable.rst and of README.md, as
# these pages print them.
#
# Requires: bpftool clang rst2man

source "$(dirname "$0")/../lib.sh"

# shellcheck source=../helpers/doc_programs.sh
source "$SELFTESTS_SRC/helpers/doc_programs.sh"
DOC=$SELFTESTS_SRC/../Documentation/bpf/prog_netfilter_portable.rst
README=$SELFTESTS_SRC/../README.md
PROGRAMS=(no_new_ssh no_telnet pieces)

setup()
{
	local name

	router_up
	load_policy
	compile_programs
	mkdir "$PINS/doc"
	for name in "${PROGRAMS[@]}"; do
		bpftool prog load "$WORK/$name.bpf.o" "$PINS/doc/$name"
	done
}

compile_programs()
{
	local name

	example > "$WORK/no_new_ssh.bpf.c"
	readme > "$WORK/no_telnet.bpf.c"
	pieces > "$WORK/pieces.bpf.c"
	for name in "${PROGRAMS[@]}"; do
		compile_program "$name" -I "$(vmlinux_dir)"
	done
}

# Print the first block of code.
example()
{
	awk '/^.. code-block:: c/ { code = 1; next }
	     code && /^[^ ]/ { exit }
	     code { sub(/^   /, ""); print }' "$DOC"
}

readme()
{
	awk '/^```c$/ { code = 1; next }
	     code && /^```$/ { exit }
	     code' "$README"
}

# Make a program of the other blocks of code, which are parts of one.
pieces()
{
	cat <<-'EOC'
	#include "vmlinux.h"
	#include <bpf/bpf_helpers.h>
	#include <bpf/bpf_netfilter.h>

	char LICENSE[] SEC("license") = "GPL";

	SEC("netfilter")
	int pieces(struct bpf_nf_ctx *ctx)
	{
		struct bpf_nf_flow flow, inner;

		BPF_NF_PKT(pkt, ctx);
		if (bpf_nf_pkt_parse(&pkt, &flow))
			return NF_DROP;
	EOC
	awk '/^.. code-block::/ { blocks += code = $3 == "c"; next }
	     /^[^ ]/ { code = 0 }
	     code && blocks > 1' "$DOC"
	echo '	return NF_ACCEPT;'
	echo '}'
}

# expect_tcp OUTCOME FAMILY PORT: try to connect to a port without a server.
expect_tcp()
{
	FLOW_LISTEN=1234 flow "$2" tcp "$3" send
	expect_outcome "$1"
}

check_example()
{
	local family=$1 pf

	expect_tcp reset "$family" 22
	for pf in $( ((INET)) && echo inet || echo ip ip6); do
		attach doc/no_new_ssh "$pf" forward 0 defrag
	done
	expect_tcp reset "$family" 23
	expect_tcp lost "$family" 22
	# Mainline's links have no counters.
	[[ $'\n'$(nf_prog info "$LINK")$'\n' != *$'\n'dropped=0$'\n'* ]] ||
		fail "lost, and not dropped by the program"
	expect_tcp reset "$family" 23
}

# Attach with the flag of README's command, if the kernel has it.
check_readme()
{
	local family=$1 pf reassembly=defrag

	grep -q "no_telnet.bpf.o hook forward strict$" "$README" || fail "README.md: not strict"
	! ((INET)) || reassembly=strict
	expect_tcp reset "$family" 23
	for pf in $( ((INET)) && echo inet || echo ip ip6); do
		attach doc/no_telnet "$pf" forward 0 "$reassembly"
	done
	expect_tcp reset "$family" 24
	expect_tcp lost "$family" 23
	flow "$family" udp 23 send
	expect_outcome "delivered *"
}

# The page's number for Go programs is that of the flag, and its listing is right.
test_number_of_the_flag()
{
	local seen="flags 0x1 (defrag)"

	grep -q "NetfilterFlags: 1, .*BPF_F_NETFILTER_IP_DEFRAG" "$DOC" || fail "no number"
	grep -q "^ *ip forward prio 0 (filter) $seen " "$DOC" || fail "no line of net show"
	attach doc/no_telnet ip forward 0
	expect_match "without the flag" "*ip forward prio 0 (filter) prog_id*" \
		"$(bpftool net show | grep "name no_telnet")"
	detach_all
	attach doc/no_telnet ip forward 0 defrag
	expect_match "with the flag" "*ip forward prio 0 (filter) $seen prog_id*" \
		"$(bpftool net show | grep "name no_telnet")"
}

test_text_is_valid()
{
	rst2man --exit-status=2 "$DOC" > "$WORK/man"
}

for family in "${FAMILIES[@]}"; do
	add_test "example_ipv$family" check_example "$family"
	add_test "readme_ipv$family" check_readme "$family"
done

on_host "$@"
run_tests
