#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Every form of "bpftool net detach netfilter". A detached program no longer counts packets,
# and its pins are gone.
#
# Requires: bpftool jq

source "$(dirname "$0")/../lib.sh"

setup()
{
	setup_bpftool
}

detach()
{
	bpftool net detach netfilter "$@"
}

# expect_detached PIN: no pin and no program is left.
expect_detached()
{
	[[ ! -e $1 ]] || fail "$1 is still there"
	expect_nothing_attached
}

test_by_place()
{
	attach_here
	detach "$FAMILY" "${HERE[@]}" netns "$NS_ROUTER"
	expect_detached "$(here_pin)"
}

test_by_place_in_the_own_netns()
{
	attach_here
	nf_prog exec "$NS_ROUTER" "$(type -P bpftool)" net detach netfilter \
		"$FAMILY" "${HERE[@]}"
	expect_detached "$(here_pin)"
}

test_defaults_are_those_of_attach()
{
	needs_family inet
	bpftool net attach netfilter pinned "$PINS/accept" hook forward netns "$NS_ROUTER"
	detach hook forward netns "$NS_ROUTER"
	expect_detached "$(here_pin inet 0)"
}

test_by_pin()
{
	attach_here pin "$PINS/links/mine"
	detach pin "$PINS/links/mine"
	expect_detached "$PINS/links/mine"
}

test_by_default_pin()
{
	attach_here
	detach pin "$(here_pin)"
	expect_detached "$(here_pin)"
}

test_by_link_id()
{
	attach_here
	detach link "$(link_id "$(here_pin)")"
	expect_detached "$(here_pin)"
}

test_all_pins_are_removed()
{
	attach_here
	nf_prog pin "$(here_pin)" "$PINS/links/second"
	detach "$FAMILY" "${HERE[@]}" netns "$NS_ROUTER"
	[[ ! -e $PINS/links/second ]] || fail "the second pin is still there"
	expect_detached "$(here_pin)"
}

# If a pin cannot be removed, the link stays attached. The message says what detaches it.
test_pin_that_cannot_be_removed()
{
	local pin first last id

	attach_here
	pin=$(here_pin)
	id=$(link_id "$pin")
	# bpftool puts back the pins that it has removed.
	first=$PINS/links/first last=$PINS/links/last
	nf_prog pin "$pin" "$first"
	nf_prog pin "$pin" "$last"
	# A mount point cannot be removed.
	# shellcheck disable=SC2016 # the inner shell expands $1
	expect_fails "can't remove its pin $pin, so it is still attached" \
		unshare -m sh -c 'mount --bind "$1" "$1" && shift && exec "$@"' sh "$pin" \
		bpftool net detach netfilter "$FAMILY" "${HERE[@]}" netns "$NS_ROUTER"
	expect_eq "links of the other pins" "$id $id" "$(link_id "$first") $(link_id "$last")"
	probe 4 client-server
	expect_stats packets=1
	detach "$FAMILY" "${HERE[@]}" netns "$NS_ROUTER"
	for pin in "$pin" "$first" "$last"; do
		[[ ! -e $pin ]] || fail "$pin is still there"
	done
	probe 4 client-server
	expect_stats packets=1
}

# A bind mount shows the pin at a second place, which is read-only.
test_pin_seen_read_only()
{
	attach_here
	probe 4 client-server
	expect_stats packets=1
	mkdir "$WORK/read-only"
	# shellcheck disable=SC2016 # the inner shell expands $1
	unshare -m sh -c 'mount --bind -o ro "$1" "$2" && shift 2 && exec "$@"' sh \
		"$BPFFS" "$WORK/read-only" \
		bpftool net detach netfilter "$FAMILY" "${HERE[@]}" netns "$NS_ROUTER"
	[[ ! -e $(here_pin) ]] || fail "the pin is still there"
	probe 4 client-server
	expect_stats packets=1
}

# A process still holds the link's fd. The program must stop nevertheless.
test_held_by_a_process()
{
	hold accept "$FAMILY" forward 31007
	probe 4 client-server
	expect_stats packets=1
	detach link "$(bpftool -j net show |
		jq '.[].netfilter[] | select(.prio == 31007) | .link_id')"
	probe 4 client-server
	expect_stats packets=1
	kill "$HELD"
}

test_others_stay()
{
	local other=$PINS/links/other

	attach_here
	bpftool net attach netfilter pinned "$PINS/accept" "$FAMILY" hook forward \
		priority 8 netns "$NS_ROUTER" pin "$other"
	detach "$FAMILY" "${HERE[@]}" netns "$NS_ROUTER"
	probe 4 client-server
	expect_stats packets=1
	expect_link "$other" priority=8
}

test_other_netns_stays()
{
	attach_here
	bpftool net attach netfilter pinned "$PINS/accept" "$FAMILY" "${HERE[@]}" \
		netns "$NS_SERVER" pin "$PINS/links/server"
	detach "$FAMILY" "${HERE[@]}" netns "$NS_ROUTER"
	[[ ! -e $(here_pin) ]] || fail "the router's is still there"
	expect_link "$PINS/links/server" priority=7
}

test_json()
{
	attach_here
	expect_json "$(bpftool -j net detach netfilter pin "$(here_pin)")"
	expect_detached "$(here_pin)"
}

# expect_refused TEXT ARG...: bpftool refuses, and the link stays.
expect_refused()
{
	local text=$1 output status=0

	shift
	attach_here
	expect_fails "$text" bpftool net detach netfilter "$@"
	output=$(bpftool -j net detach netfilter "$@" 2>/dev/null) || status=$?
	((status)) || fail "succeeded with -j"
	expect_json "$output" '.error | length > 0'
	expect_link "$(here_pin)" priority=7
	probe 4 client-server
	expect_stats packets=1
}

test_nothing_there()
{
	expect_refused "no program is attached there" \
		"$FAMILY" hook forward priority 8 netns "$NS_ROUTER"
}

test_nothing_there_names_what_is()
{
	expect_refused "$FAMILY forward priority 7 (filter + 7) netns $NS_ROUTER" \
		"$FAMILY" hook forward priority 8 netns "$NS_ROUTER"
}

test_not_in_this_netns()
{
	expect_refused "no program is attached there" \
		"$FAMILY" "${HERE[@]}" netns "$NS_SERVER"
}

test_other_family()
{
	expect_refused "no program is attached there" ip6 "${HERE[@]}" netns "$NS_ROUTER"
}

# One link is at the place, and another link has the default pin of the place. bpftool does
# not guess which one is meant.
test_name_of_another_link()
{
	needs_own BPF_NF_LINK_NETNS
	attach_here pin "$PINS/links/mine"
	bpftool net attach netfilter pinned "$PINS/accept" "$FAMILY" hook forward priority 8 \
		netns "$NS_ROUTER" pin "$(here_pin)"
	expect_fails -s 255 "choose one with 'link'" \
		bpftool net detach netfilter "$FAMILY" "${HERE[@]}" netns "$NS_ROUTER"
	expect_link "$PINS/links/mine" priority=7 "netns=$ROUTER_INO"
	expect_link "$(here_pin)" priority=8 "netns=$ROUTER_INO"
	bpftool net detach netfilter link "$(link_id "$PINS/links/mine")"
	bpftool net detach netfilter "$FAMILY" "${HERE[@]}" netns "$NS_ROUTER"
	[[ ! -e $(here_pin) ]] || fail "the pin is still there"
}

test_no_hook()
{
	expect_refused "'hook' is missing" "$FAMILY" priority 7 netns "$NS_ROUTER"
}

test_no_arguments()
{
	expect_refused "'hook' is missing: which one, prerouting"
}

test_no_such_link()
{
	expect_refused "no such link" link 4000000000
}

test_bad_link_id()
{
	expect_refused "can't parse '12x' as link ID" link 12x
}

test_no_such_pin()
{
	expect_refused "no such pin" pin "$PINS/links/none"
}

test_pin_of_a_program()
{
	expect_refused "incorrect object type" pin "$PINS/accept"
}

test_pin_and_place()
{
	expect_refused "give one of" pin "$(here_pin)" "${HERE[@]}"
}

test_pin_and_link()
{
	expect_refused "give one of" pin "$(here_pin)" link 1
}

test_keyword_of_attach()
{
	expect_refused "unknown 'defrag'" "$FAMILY" "${HERE[@]}" defrag netns "$NS_ROUTER"
}

test_no_such_netns()
{
	expect_refused "nonesuch" "$FAMILY" "${HERE[@]}" netns nonesuch
}

run_tests
