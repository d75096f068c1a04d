#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A link lives as long as it has a pin, or a process holds its fd.

source "$(dirname "$0")/../lib.sh"

setup()
{
	router_up
	load_policy
}

expect_dropped()
{
	probe 4 client-server
	expect_delivered ""
}

expect_passed()
{
	probe 4 client-server
	expect_delivered "92 intact"
}

passes()
{
	probe 4 client-server
	[[ $DELIVERED == "92 intact" ]]
}

# The link lives on after the process that attached it.
test_pin_keeps_it()
{
	attach drop ip forward 0
	expect_dropped
	expect_stats packets=1
}

test_unpin_ends_it()
{
	attach drop ip forward 0
	expect_dropped
	rm "$LINK"
	wait_for passes
}

test_second_pin_keeps_it()
{
	attach drop ip forward 0
	nf_prog pin "$LINK" "$LINK-2"
	rm "$LINK"
	expect_dropped
	rm "$LINK-2"
	wait_for passes
}

test_process_keeps_it()
{
	hold drop ip forward 0
	expect_dropped
	kill "$HELD"
	wait "$HELD" || :
	wait_for passes
}

test_killed_process()
{
	hold drop ip forward 0
	expect_dropped
	kill -KILL "$HELD"
	wait "$HELD" || :
	wait_for passes
}

test_detach_leaves_the_pin()
{
	attach drop ip forward 0
	expect_dropped
	nf_prog detach "$LINK"
	expect_passed
	expect_stats packets=1
	[[ -e $LINK ]] || fail "the pin is gone"
	expect_match "info of the detached link" "*pf=2*" "$(nf_prog info "$LINK")"
	nf_prog detach "$LINK"
}

test_reattach_while_the_detached_is_pinned()
{
	attach drop ip forward 0
	nf_prog detach "$LINK"
	hold drop ip forward 0
	expect_dropped
	expect_stats packets=1
	rm "$LINK"
	expect_dropped
	expect_stats packets=2
	kill "$HELD"
	wait "$HELD" || :
}

# The link holds a reference on its program.
test_link_keeps_the_program()
{
	load_policy short
	attach short/drop ip forward 0
	rm -r "$PINS/short"
	expect_dropped
	nf_prog detach "$LINK"
	expect_passed
}

# The pins of a mount namespace's own bpffs end with the mount namespace, and the policy
# with them, without a message. "ip netns exec" creates such a mount namespace.
test_pin_in_a_private_mount_namespace()
{
	local bpffs=$WORK/bpffs

	mkdir -p "$bpffs"
	# shellcheck disable=SC2016 # the inner shell expands them
	unshare --mount --propagation private bash -euc '
		mount -t bpf bpf "$1"
		shift
		"$@"
	' -- "$bpffs" "$HELPERS/nf_prog" attach "$PINS/drop" ip forward 0 \
		netns "$NS_ROUTER" pin "$bpffs/link"
	wait_for passes
}

test_pin_in_a_mount_namespace_that_lives()
{
	local bpffs=$WORK/bpffs ready=$WORK/ready

	rm -f "$ready"
	mkdir -p "$bpffs"
	# shellcheck disable=SC2016 # the inner shell expands them
	unshare --mount --propagation private bash -euc '
		mount -t bpf bpf "$1"
		ready=$2
		shift 2
		"$@"
		: > "$ready"
		exec sleep 60
	' -- "$bpffs" "$ready" "$HELPERS/nf_prog" attach "$PINS/drop" ip forward 0 \
		netns "$NS_ROUTER" pin "$bpffs/link" &
	HELD=$!
	wait_for test -e "$ready"
	expect_dropped
	kill "$HELD"
	wait "$HELD" || :
	wait_for passes
}

# An update replaces the program in place.
test_update_of_a_pinned_link()
{
	attach accept ip forward 0
	expect_passed
	expect_stats packets=1 dropped=0
	nf_prog update "$LINK" "$PINS/drop" 2>/dev/null || {
		expect_fails "Operation not supported" nf_prog update "$LINK" "$PINS/drop"
		lacks "BPF_LINK_UPDATE"
	}
	expect_dropped
	expect_stats packets=2 dropped=1
	nf_prog update "$LINK" "$PINS/accept"
	expect_passed
	expect_stats packets=3 dropped=1
}

run_tests
