#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Tests the example of Documentation/bpf/prog_netfilter_topologies.rst, which counts packets
# at each hook.
#
# Requires: clang jq bpftool

source "$(dirname "$0")/../lib.sh"

# shellcheck source=../helpers/doc_programs.sh
source "$SELFTESTS_SRC/helpers/doc_programs.sh"
DOC=$SELFTESTS_SRC/../Documentation/bpf/prog_netfilter_topologies.rst

setup()
{
	router_up
	load_policy
}

example()
{
	sed -n '/^\.\. code-block:: c$/,/^[^ .]/s/^   //p' "$DOC"
}

# count_at HOOK: print the count at a hook, over all devices.
count_at()
{
	bpftool -j map dump pinned "$PINS/doc/places" |
		jq "[.[].formatted | select(.key.hook == $1).value] | add"
}

compile_programs()
{
	{
		cat <<-'EOF'
		#include "vmlinux.h"
		#include <bpf/bpf_helpers.h>
		#define NF_ACCEPT 1
		char _license[] SEC("license") = "GPL";
		EOF
		example
	} > "$WORK/count_places.bpf.c"
	compile_program count_places -mcpu=v3 -I "$(vmlinux_dir)"
}

test_count_places()
{
	local hook

	compile_programs
	nf_prog load "$WORK/count_places.bpf.o" "$PINS/doc"
	for hook in "${HOOKS[@]}"; do
		attach doc/count_places ip "$hook" 0 defrag
	done
	probe 4 client-server -z 1400,480,8,912
	expect_delivered "2792 intact"
	# The example counts the datagram and the sentinel.
	expect_eq "packets at PRE_ROUTING" 2 "$(count_at 0)"
	expect_eq "packets at LOCAL_IN" null "$(count_at 1)"
	expect_eq "packets at FORWARD" 2 "$(count_at 2)"
	expect_eq "packets at POST_ROUTING" 2 "$(count_at 4)"
}

on_host "$@"
run_tests
