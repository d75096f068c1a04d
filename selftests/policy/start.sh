#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# nf-bpf start, as at boot: it puts the file in force, or else the version before, or else does
# what on-error says.
#
# Requires: jq
# Kernel: any

source "$(dirname "$0")/lib.sh"

# The file names an object that does not load.
broken()
{
	conf drop "object = /etc/passwd" "$@"
}

test_starts()
{
	begin
	conf drop
	nf_bpf start edge
	expect_in_force 1
	expect_verdict dropped
	nf_bpf start edge
	expect_in_force 1
}

waits_for_edge()
{
	grep -q "waits for this policy" "$WORK/first.said"
}

# Two policies start at the same time, and one is placed next to the other.
test_waits_for_the_policy_that_it_names()
{
	local first

	needs_own BPF_NF_LINK_PLACE
	begin
	conf drop
	sed -e 's/^program = .*/program = accept/' -e 's/^priority = .*/before = edge/' \
		"$ETC/edge.conf" > "$ETC/first.conf"
	nf_bpf start first > "$WORK/first.said" 2>&1 &
	first=$!
	wait_for waits_for_edge
	expect_verdict passes
	nf_bpf start edge
	wait "$first" || fail "exit status $?: $(< "$WORK/first.said")"
	expect_json "$(nf_bpf --json status first)" .in_force '.links[0].priority == 6'
	expect_verdict dropped
	nf_bpf remove first
}

test_after_a_reboot()
{
	begin
	apply drop
	reboot
	expect_verdict passes
	nf_bpf start edge
	expect_in_force 1
	expect_verdict dropped
}

test_broken_file_after_a_reboot()
{
	begin
	apply drop
	broken
	reboot
	expect_match "what is said" "*version 1 is brought in force*" \
		"$(nf_bpf start edge 2>&1)"
	expect_in_force 1
	expect_verdict dropped
}

test_broken_file_while_in_force()
{
	begin
	apply drop
	broken
	expect_fails -s 6 "" nf_bpf start edge
	expect_in_force 1
	expect_verdict dropped
}

test_rolled_back_file()
{
	begin
	apply accept
	apply drop
	nf_bpf rollback edge
	reboot
	expect_fails -s 6 "" nf_bpf start edge
	expect_verdict passes
	expect_in_force 1
	nf_bpf apply edge
	expect_verdict dropped
}

test_file_that_was_rolled_back_before()
{
	begin
	apply accept
	apply deny_port
	apply drop
	nf_bpf rollback edge
	nf_bpf rollback edge
	reboot
	expect_fails -s 6 "" nf_bpf start edge
	expect_in_force 1
	expect_verdict passes
}

# Two trials were not confirmed. Then the file of the first trial is there again.
test_file_of_an_older_trial()
{
	begin
	conf drop
	cp "$ETC/edge.conf" "$WORK/edge.conf"
	nf_bpf try 1000 edge
	nf_bpf rollback edge
	conf deny_port
	nf_bpf try 1000 edge
	nf_bpf rollback edge
	mv "$WORK/edge.conf" "$ETC/edge.conf"
	reboot
	expect_fails -s 4 "its trial was not confirmed" nf_bpf start edge
	nf_bpf remove edge
	nf_bpf start edge
	expect_verdict dropped
}

test_drop()
{
	begin
	broken
	expect_all pass
	expect_fails -s 4 "all packets of inet forward are dropped" nf_bpf start edge
	expect_all dropped
	expect_fails -s 3 "failed closed" nf_bpf status edge
	# A policy replaces the fail-closed program.
	apply accept
	expect_in_force 1
	expect_json "$(nf_bpf --json status edge)" 'all(.links[]; .priority == 7)'
	expect_clean
	expect_all pass
}

# If the next attempt fails, too, all packets are still dropped.
test_drop_again()
{
	local ids

	begin
	broken
	expect_fails -s 4 "all packets of inet forward are dropped" nf_bpf start edge
	expect_fails -s 1 "not applied" nf_bpf apply edge
	expect_all dropped
	ids=$(link_ids)
	expect_fails -s 4 "" nf_bpf start edge
	! tells_attached || expect_eq "links" "$ids" "$(link_ids)"
	expect_all dropped
	nf_bpf remove edge
	expect_all pass
}

test_drop_at_a_taken_priority()
{
	begin
	attach accept ip forward 7
	broken
	expect_fails -s 4 "all packets of inet forward are dropped" nf_bpf start edge
	expect_all dropped
}

test_drop_at_the_highest_priority()
{
	begin
	expect_all pass
	broken
	sed -i "s/^priority = 7/priority = 2147483646/" "$ETC/edge.conf"
	expect_fails -s 4 "all packets of inet forward are dropped" nf_bpf start edge
	expect_all dropped
	# Its priority is free for the policy.
	conf accept
	sed -i "s/^priority = 7/priority = 2147483646/" "$ETC/edge.conf"
	nf_bpf apply edge
	expect_json "$(nf_bpf --json status edge)" 'all(.links[]; .priority == 2147483646)'
	expect_all pass
}

# check_indented COMMAND...: write a file with COMMAND, and indent its lines below [policy]
check_indented()
{
	begin
	expect_all pass
	"$@"
	sed -i '/^\[policy\]/,$ { /^\[/! s/^/  / }' "$ETC/edge.conf"
	expect_fails -s 4 "all packets of inet forward are dropped" nf_bpf start edge
	expect_all dropped
	nf_bpf remove edge
	expect_all pass
}

add_test drop_of_an_indented_file check_indented broken
add_test drop_of_an_indented_file_with_an_error check_indented conf drop "famly = ip"

# Write the file of the policy. A character @ in a line becomes a byte 0.
lines()
{
	printf '%s\n' "[policy]" "object = $OBJECT" "program = drop" "$@" | tr @ '\0' \
		> "$ETC/edge.conf"
}

# Let the router's network namespace be that of process 1, for which a policy without "netns" is.
start_in_router()
{
	nf_prog exec "$NS_ROUTER" unshare --pid --fork --mount-proc "$NF_BPF" --etc "$ETC" \
		--state "$STATE" --pins "$PINS/nf-bpf" start edge
}

# check_no_place LINE...: a file with these lines does not name the hook or the namespace, so
# nothing is attached.
check_no_place()
{
	begin
	lines "on-error = drop" "$@"
	expect_fails -s 1 "for which hook and network namespace" start_in_router
	expect_all pass
	[[ ! -e $(current) ]] || fail "something is attached"
}

add_test wrong_hook check_no_place "hook = midle" "netns = $NS_ROUTER"
add_test no_hook check_no_place "netns = $NS_ROUTER"
add_test misspelled_netns check_no_place "hook = forward" "nets = $NS_ROUTER"
add_test empty_netns check_no_place "hook = forward" "netns"
add_test netns_without_a_value check_no_place "hook = forward" "netns ="
add_test long_netns check_no_place "hook = forward" "netns = $(printf '/%0300d' 0)"
add_test netns_in_limits check_no_place "hook = forward" "[limits]" "netns = $NS_ROUTER"
add_test netns_in_unknown_section check_no_place "hook = forward" "[netns]" "netns = $NS_ROUTER"
add_test two_hooks check_no_place "hook = forward" "netns = $NS_ROUTER" "hook = input"
add_test two_netns check_no_place "hook = forward" "netns = $NS_ROUTER" "netns = $NS_CLIENT"
add_test zeros_at_the_end check_no_place "hook = forward" "@@@"
add_test zero_in_the_netns check_no_place "hook = forward" "netns = $NS_ROUTER@"

# check_known_place LINE: the line has an error, but does not hide the place.
check_known_place()
{
	begin
	lines "hook = forward" "netns = $NS_ROUTER" "$@"
	expect_fails -s 4 "all packets of inet forward are dropped" start_in_router
	expect_all dropped
	nf_bpf remove edge
	expect_all pass
}

add_test place_before_zeros check_known_place "@@@"
add_test place_before_a_long_line check_known_place "include = $(printf '/%0300d' 0)"

# A long comment is an error, but is not the line with the network namespace.
test_place_and_a_long_comment()
{
	begin
	lines "hook = forward" "# $(printf '/%0300d' 0)"
	expect_fails -s 4 "all packets of inet forward are dropped" start_in_router
	expect_all dropped
	nf_bpf remove edge
	expect_all pass
}

# All lines before the zeros count.
test_zeros_after_on_error()
{
	begin
	lines "hook = input" "netns = $NS_CLIENT" "on-error = pass" "@"
	expect_match "what is said" "*on-error = pass: packets pass*" "$(start_in_router 2>&1)"
	expect_all pass
	[[ ! -e $(current) ]] || fail "something is attached"
}

test_zeros_after_the_netns()
{
	begin
	lines "hook = forward" "netns = $NS_CLIENT" "@"
	expect_fails -s 4 "all packets of inet forward are dropped" start_in_router
	expect_eq "network namespace" "$(stat -L -c %i "/run/netns/$NS_CLIENT")" \
		"$(readlink "$(current)/netns")"
	expect_all pass
}

# The file has an error, but names the hook and the namespace.
test_drop_with_an_error()
{
	begin
	conf drop "famly = ip"
	expect_fails -s 4 "all packets of inet forward" nf_bpf start edge
	expect_all dropped
}

test_stop()
{
	begin
	broken "on-error = stop"
	expect_fails -s 1 "on-error = stop: nothing is attached" nf_bpf start edge
	expect_all pass
}

test_stop_is_the_default_of_input()
{
	begin
	broken "hook = input"
	expect_fails -s 1 "on-error = stop: nothing is attached" nf_bpf start edge
}

# check_wrong_on_error LINE: the line has no valid value, so the default of the hook applies.
check_wrong_on_error()
{
	begin
	conf drop "$1" "hook = input"
	expect_fails -s 1 "on-error = stop: nothing is attached" nf_bpf start edge
	[[ ! -e $(current) ]] || fail "something is attached"
	conf drop "$1"
	expect_fails -s 4 "all packets of inet forward are dropped" nf_bpf start edge
	expect_all dropped
	nf_bpf remove edge
	expect_all pass
}

add_test wrong_on_error check_wrong_on_error "on-error = stopp"
add_test empty_on_error check_wrong_on_error "on-error ="

test_pass()
{
	begin
	broken "on-error = pass"
	expect_match "what is said" "*on-error = pass: packets pass without a policy*" \
		"$(nf_bpf start edge 2>&1)"
	expect_all pass
}

test_state_that_cannot_be_read()
{
	begin
	conf drop
	touch "$WORK/file"
	expect_fails -s 4 "all packets of inet forward are dropped" \
		"$NF_BPF" --etc "$ETC" --state "$WORK/file" --pins "$PINS/nf-bpf" start edge
	expect_all dropped
	nf_bpf apply edge
	expect_fails -s 1 "what is attached stays" \
		"$NF_BPF" --etc "$ETC" --state "$WORK/file" --pins "$PINS/nf-bpf" start edge
	expect_in_force 1
	expect_all pass
}

test_no_file()
{
	begin
	expect_fails -s 2 "$ETC/nothing.conf: No such file or directory" nf_bpf start nothing
	expect_all pass
	[[ ! -e $STATE/nothing ]] || fail "$STATE/nothing"
	# The state knows the policy, so its version comes in force without the file.
	apply drop
	reboot
	rm "$ETC/edge.conf"
	expect_fails -s 6 "" nf_bpf start edge
	expect_verdict dropped
}

test_neither_file_nor_version()
{
	begin
	apply drop
	reboot
	rm -r "$ETC/edge.conf" "$STATE/edge/versions/1"
	expect_fails -s 1 "for which hook and network namespace" nf_bpf start edge
	[[ $(nf_bpf start edge 2>&1) != *null* ]] || fail "(null) in a message"
}

# The stored version cannot be loaded, but says for which hook.
test_neither_file_nor_object()
{
	begin
	apply drop
	reboot
	expect_all pass
	rm "$ETC/edge.conf" "$STATE/edge/versions/1/object"
	expect_fails -s 4 "all packets of inet forward are dropped" nf_bpf start edge
	expect_all dropped
	nf_bpf remove edge
	expect_all pass
}

# check_stays COMMAND...: COMMAND damages the object of the stored version. If the file cannot be
# applied either, the program that is attached stays.
check_stays()
{
	local action status=1

	! tells_attached || status=6
	begin
	apply accept
	expect_all pass
	"$@" "$STATE/edge/versions/1/object"
	for action in drop stop pass; do
		broken "on-error = $action"
		expect_fails -s "$status" "version 1 stays" nf_bpf start edge
		expect_eq "version" 1 "$(readlink "$(current)/version")"
		expect_all pass
	done
	# Without the program, the action is taken.
	reboot
	broken
	expect_fails -s 4 "all packets of inet forward are dropped" nf_bpf start edge
	expect_all dropped
}

add_test missing_object_while_in_force check_stays rm
add_test damaged_object_while_in_force check_stays truncate -s 100

test_trial_that_is_not_attached()
{
	local pin

	begin
	apply drop
	conf accept
	nf_bpf try 1000 edge
	for pin in "$(current)"/{inet,ip,ip6}; do
		[[ ! -e $pin ]] || nf_prog detach "$pin"
	done
	expect_fails -s 6 "the trial ends" nf_bpf start edge
	expect_in_force 1
	expect_verdict dropped
}

test_on_error_changes()
{
	begin
	broken
	expect_fails -s 4 "" nf_bpf start edge
	broken "on-error = stop"
	expect_fails -s 4 "all packets are still dropped" nf_bpf start edge
	expect_all dropped
	broken "on-error = pass"
	nf_bpf start edge
	expect_all pass
}

test_no_bpffs()
{
	begin
	conf drop "on-error = pass"
	mkdir "$WORK/pins"
	"$NF_BPF" --etc "$ETC" --state "$STATE" --pins "$WORK/pins" start edge > "$WORK/said" 2>&1
	grep "on-error = pass: packets pass" "$WORK/said"
	conf drop
	expect_fails -s 1 "packets pass without a policy" \
		"$NF_BPF" --etc "$ETC" --state "$STATE" --pins "$WORK/pins" start edge
}

# Only "start" fails closed. The user who calls "apply" reads the message.
test_apply_attaches_nothing()
{
	begin
	broken
	expect_fails -s 1 "not applied" nf_bpf apply edge
	expect_all pass
}

run_tests
