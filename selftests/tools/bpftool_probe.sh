#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# "bpftool feature probe netfilter" tells what this kernel has, and it is true: what it calls
# available can be used, and the hint of what is not can be followed.
#
# Requires: jq

source "$(dirname "$0")/../lib.sh"

setup()
{
	router_up
	load_policy
}

probe_json()
{
	bpftool -j feature probe netfilter
}

# available FEATURE: true or false
available()
{
	probe_json | jq -r --arg name "$1" '.netfilter[$name].available'
}

test_program_type()
{
	expect_eq "program type" true "$(available program_type)"
	expect_match "plain text" "*Program type netfilter is available*" \
		"$(bpftool feature probe netfilter)"
}

# load_policy() has found by an attach whether the kernel takes inet.
test_inet_as_attached()
{
	local expected=false

	((!INET)) || expected=true
	expect_eq "family inet" "$expected" "$(available inet)"
}

test_replace_as_updated()
{
	local expected=true

	attach accept ip forward 0
	nf_prog update "$LINK" "$PINS/drop" 2> /dev/null || expected=false
	expect_eq "replace" "$expected" "$(available replace)"
}

test_strict_as_attached()
{
	local expected=true

	attach accept ip forward 0 strict 2> /dev/null || expected=false
	expect_eq "strict" "$expected" "$(available strict)"
}

test_bytes_as_counted()
{
	local expected=false

	attach accept ip forward 0
	probe 4 client-server
	[[ $(nf_prog info "$LINK") != *$'\n'accepted_bytes=[1-9]* ]] || expected=true
	expect_eq "bytes" "$expected" "$(available bytes)"
}

test_cookie_as_attached()
{
	local expected=true pin=$PINS/links/cookie

	bpftool net attach netfilter pinned "$PINS/accept" ip hook forward netns "$NS_ROUTER" \
		pin "$pin" cookie 7 2> /dev/null || expected=false
	[[ $expected == false ]] || expect_link "$pin" cookie=7
	expect_eq "cookie" "$expected" "$(available cookie)"
}

test_patched_kernel_has_all()
{
	needs_own BPF_NF_LINK_INET
	modprobe -q nf_bpf_kfunc || :
	! without conntrack || return 0
	expect_json "$(probe_json)" '.netfilter | all(.[]; .available)' \
		'.netfilter.bpf_nf_frag_info.where == "vmlinux"' \
		'.netfilter.bpf_nf_reject.where | test("^(nf_bpf_kfunc|vmlinux)$")' \
		'.netfilter | has("bpf_ct_release") and (has("bpf_nf_ct_release") | not)'
}

# Modules that are not loaded have a hint, which is all that it takes.
test_hint_to_load_a_module()
{
	local hint

	modinfo nf_bpf_kfunc > /dev/null 2>&1 || lacks "the module nf_bpf_kfunc"
	modprobe -q -r nf_bpf_kfunc || lacks "nf_bpf_kfunc as a module"
	expect_eq "without the module" false "$(available bpf_nf_ct_get)"
	hint=$(probe_json | jq -r '.netfilter.bpf_nf_ct_get.hint')
	expect_eq "hint" "run 'modprobe nf_bpf_kfunc'" "$hint"
	modprobe nf_bpf_kfunc
	expect_eq "with the module" nf_bpf_kfunc \
		"$(probe_json | jq -r '.netfilter.bpf_nf_ct_get.where')"
}

# The hint says what there is to install.
test_hint_to_install_a_module()
{
	! grep -qa BPF_NF_LINK_INET /sys/kernel/btf/vmlinux || skip "a patched kernel"
	! modinfo nf_bpf_packet > /dev/null 2>&1 || skip "nf_bpf_packet is installed"
	expect_json "$(probe_json)" '.netfilter.bpf_nf_store_bytes.available == false' \
		'.netfilter.bpf_nf_store_bytes.hint | contains("nf-bpf'\''s module nf_bpf_packet")'
}

test_each_has_a_place_or_a_hint()
{
	expect_json "$(probe_json)" \
		'.netfilter | all(.[]; .available or (.hint | length > 0))' \
		'.netfilter | length > 20'
}

test_macros()
{
	local macros

	macros=$(bpftool feature probe netfilter macros prefix X_)
	expect_match "macros" "*#define X_HAVE_NETFILTER_PROGRAM_TYPE*" "$macros"
	expect_eq "lines that are no macro" "" \
		"$(tail -n +2 <<< "$macros" | grep -vE '^#define X_(NO_)?HAVE_NETFILTER_[A-Z0-9_]+$' || :)"
}

test_one_component_only()
{
	expect_fails "component to probe already specified" \
		bpftool feature probe netfilter kernel
	expect_fails "component to probe already specified" \
		bpftool feature probe kernel netfilter
}

run_tests
