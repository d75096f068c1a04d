#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# If a network namespace is deleted and made again, it gets its policy again.
#
# Requires: jq

source "$(dirname "$0")/lib.sh"

WATCHED=watched$NS_SUFFIX
MARK=mark$NS_SUFFIX
WATCH=

cleanup()
{
	[[ -z $NF_BPF ]] || nf_bpf remove edge > /dev/null 2>&1 || :
	[[ ! -e $WORK/watch.pid ]] || kill "$(< "$WORK/watch.pid")" 2> /dev/null || :
	ip netns delete "$WATCHED" 2> /dev/null || :
	ip netns delete "$MARK" 2> /dev/null || :
}

start_watch()
{
	"$NF_BPF" --etc "$ETC" --state "$STATE" --pins "$PINS/nf-bpf" watch edge \
		> "$WORK/watch" 2>&1 &
	WATCH=$!
	echo "$WATCH" > "$WORK/watch.pid"
}

stop_watch()
{
	kill "$WATCH"
	wait "$WATCH" || :
	rm "$WORK/watch.pid"
}

# in_netns NAME: write another network namespace into the file of the policy
in_netns()
{
	sed -i "s/^netns = .*/netns = $1/" "$ETC/edge.conf"
}

# Make the namespace $WATCHED and a policy for it, and start "nf-bpf watch".
begin_watched()
{
	begin
	conf drop
	in_netns "$WATCHED"
	ip netns add "$WATCHED"
	start_watch
	wait_for is_in_force
}

end_watched()
{
	stop_watch
	nf_bpf remove edge
	ip netns delete "$1"
}

# Check that "watch" has not detached the policy. Make a namespace after all other events: when
# the policy is in force there, "watch" has handled these events. It prints a line when it detaches.
expect_kept()
{
	in_netns "$MARK"
	ip netns add "$MARK"
	wait_for is_in_mark
	! grep "namespace was removed" "$WORK/watch" || fail "detached"
}

is_in_mark()
{
	[[ $(nf_bpf --json status edge | jq -r .netns) == "$MARK" ]]
}

is_in_force()
{
	nf_bpf status edge
}

# Check that a program is attached: the kernel then refuses another one at the same place.
expect_attached()
{
	expect_fails "" nf_prog attach "$PINS/accept" ip forward "$(priority)" \
		netns "$WATCHED" pin "$PINS/links/probe"
}

priority()
{
	nf_bpf --json status edge | jq '.links[0].priority'
}

test_made_again()
{
	begin_watched
	expect_attached
	ip netns delete "$WATCHED"
	ip netns add "$WATCHED"
	wait_for is_in_force
	expect_attached
	expect_clean
	end_watched "$WATCHED"
}

# A link of a mainline kernel keeps the namespace alive, with its devices.
test_namespace_is_released()
{
	begin_watched
	ip -n "$NS_ROUTER" link add outer type veth peer name inner netns "$WATCHED"
	ip netns delete "$WATCHED"
	wait_for device_is_gone
	expect_fails -s 3 "not applied" nf_bpf status edge
	stop_watch
}

# Only the configuration of the stored version is needed.
test_namespace_is_released_without_the_object()
{
	begin_watched
	rm "$STATE"/edge/versions/*/object
	ip netns delete "$WATCHED"
	wait_for is_released
	expect_fails -s 3 "not applied" nf_bpf status edge
	stop_watch
}

is_released()
{
	[[ ! -e $(current) ]]
}

device_is_gone()
{
	! ip -n "$NS_ROUTER" link show outer
}

test_made_later()
{
	begin
	conf drop
	in_netns "$WATCHED"
	start_watch
	wait_for pgrep -f "^$NF_BPF --etc $ETC .*watch edge"
	expect_fails -s 3 "not applied" nf_bpf status edge
	ip netns add "$WATCHED"
	wait_for is_in_force
	expect_attached
	end_watched "$WATCHED"
}

# If no "nf-bpf watch" runs, a new namespace has no policy.
test_not_in_force_until_then()
{
	begin
	ip netns add "$WATCHED"
	conf drop
	in_netns "$WATCHED"
	nf_bpf apply edge
	ip netns delete "$WATCHED"
	ip netns add "$WATCHED"
	expect_fails -s 3 "not attached" nf_bpf status edge
	nf_bpf start edge
	is_in_force > /dev/null
	expect_attached
	nf_bpf remove edge
	ip netns delete "$WATCHED"
}

# The old namespace is deleted when the policy is already in force in another one.
test_policy_has_moved()
{
	begin_watched
	in_netns "$NS_ROUTER"
	nf_bpf apply edge
	expect_verdict dropped
	ip netns delete "$WATCHED"
	expect_kept
	end_watched "$MARK"
}

# "watch" handles the deletion of the old namespace late.
test_late_event()
{
	begin_watched
	kill -STOP "$WATCH"
	ip netns delete "$WATCHED"
	ip netns add "$WATCHED"
	nf_bpf start edge
	expect_attached
	kill -CONT "$WATCH"
	expect_kept
	end_watched "$MARK"
	ip netns delete "$WATCHED"
}

test_broken_file()
{
	begin
	conf drop
	in_netns "$WATCHED"
	ip netns add "$WATCHED"
	nf_bpf apply edge
	echo "nothing = 1" >> "$ETC/edge.conf"
	reboot
	start_watch
	wait_for is_in_force
	expect_attached
	ip netns delete "$WATCHED"
	ip netns add "$WATCHED"
	wait_for is_in_force
	expect_attached
	end_watched "$WATCHED"
}

is_closed()
{
	[[ $(nf_bpf status edge 2>&1) == *"failed closed"* ]]
}

# "start" drops all packets because the object is missing. "watch" repeats it.
test_object_comes_later()
{
	begin
	conf drop "object = $WORK/later.o"
	in_netns "$WATCHED"
	start_watch
	ip netns add "$WATCHED"
	wait_for is_closed
	cp "$OBJECT" "$WORK/later.o"
	wait_for -t 30 is_in_force
	expect_attached
	end_watched "$WATCHED"
}

test_no_netns()
{
	begin
	conf drop
	sed -i '/^netns/d' "$ETC/edge.conf"
	expect_fails -s 2 "write 'netns = NAME'" nf_bpf watch edge
}

run_tests
