#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A link that tracks fragments calls the reassembly of nf_defrag_ipv6, so this module stays
# loaded until the link ends. IPv4's reassembly is built in: the link takes no module for it.

source "$(dirname "$0")/lib.sh"
# shellcheck source=../helpers/defrag_modules.sh
source "$SELFTESTS_SRC/helpers/defrag_modules.sh"

setup()
{
	router_up
	load_policy
	needs_own BPF_F_NETFILTER_FRAG_TRACK
}

# The fragments come in reversed order, so the link needs reassembly.
expect_reassembled()
{
	probe "$1" client-server -p 53 -z 48,56 -o 1,0
	expect_wire "0+48 48+56"
	expect_delivered "96 intact"
}

expect_untouched()
{
	probe "$1" client-server -p 53 -z 48,56 -o 1,0
	expect_wire "48+56 0+48"
}

# A later fragment that waits in reassembly
leave_waiting()
{
	probe "$1" client-server -p 53 -z 48,56 -o 1 -I 4711
	expect_wire ""
	expect_entries 1
}

check_in_use()
{
	local pf=$1

	needs_family "$pf"
	needs_unloaded 6
	attach accept "$pf" forward 0 track
	expect_eq "references of a link" 1 "$(refcount 6)"
	expect_fails "in use" rmmod "${MODULE[6]}"
	expect_reassembled 6
	leave_waiting 6
	expect_fails "in use" rmmod "${MODULE[6]}"
	nf_prog detach "$LINK"
	expect_entries 0
	# The module ends the queue of the fragment that waits.
	rmmod "${MODULE[6]}"
	expect_untouched 6
}

check_references()
{
	local pf=$1 before first

	needs_family "$pf"
	needs_module 6
	modprobe "${MODULE[6]}"
	before=$(refcount 6)
	attach accept "$pf" forward 0 track
	first=$LINK
	attach accept "$pf" forward 1 track
	expect_eq references $((before + 2)) "$(refcount 6)"
	nf_prog detach "$first"
	expect_eq references $((before + 1)) "$(refcount 6)"
	rm "$LINK"
	wait_for has_refcount 6 "$before"

	attach accept "$pf" forward 1
	expect_fails "Device or resource busy" \
		nf_prog attach "$PINS/drop" "$pf" forward 1 track netns "$NS_ROUTER"
	expect_eq "references after a refusal" "$before" "$(refcount 6)"
}

# A module that somebody else has loaded can be unloaded under the link.
test_no_module_for_ipv4()
{
	needs_unloaded 4
	attach accept ip forward 0 track
	expect_eq "references on ${MODULE[4]}" absent "$(refcount 4)"
	expect_reassembled 4
	modprobe "${MODULE[4]}"
	expect_eq "references on ${MODULE[4]}" 0 "$(refcount 4)"
	leave_waiting 4
	rmmod "${MODULE[4]}"
	expect_reassembled 4
	nf_prog detach "$LINK"
	expect_entries 0
	expect_untouched 4
}

for pf in ip6 inet; do
	add_test -r ipv6 "in_use_$pf" check_in_use "$pf"
	add_test -r ipv6 "references_$pf" check_references "$pf"
done

run_tests
