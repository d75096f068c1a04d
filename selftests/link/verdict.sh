#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The verdict at each of the five hooks, for each family: the datagram arrives or not, and
# the counter shows that the program ran.

source "$(dirname "$0")/../lib.sh"

setup()
{
	router_up
	load_policy
	LEFT=$(ifindex "$ROUTER_LEFT_DEV")
	RIGHT=$(ifindex "$ROUTER_RIGHT_DEV")
}

ifindex()
{
	local line

	line=$(ip -n "$NS_ROUTER" -o link show dev "$1")
	echo "${line%%:*}"
}

check_drop()
{
	local pf=$1 hook=$2 family=$3
	local path

	path=$(path_through "$hook")
	probe "$family" "$path"
	expect_delivered "92 intact"
	expect_stats packets=0

	attach drop "$pf" "$hook" 0
	probe "$family" "$path"
	expect_stats packets=1 dropped=1
	expect_delivered ""

	detach_all
	probe "$family" "$path"
	expect_delivered "92 intact"
	expect_stats packets=1
}

# An accepted packet arrives, and the program gets the right nf_hook_state.
check_accept()
{
	local pf=$1 hook=$2 family=$3
	local number left right

	case $hook in
	prerouting) number=0 ;;
	input) number=1 ;;
	forward) number=2 ;;
	output) number=3 ;;
	postrouting) number=4 ;;
	esac
	left=$LEFT right=$RIGHT
	[[ $hook != output ]] || left=0
	[[ $hook != prerouting && $hook != input ]] || right=0

	attach accept "$pf" "$hook" 0
	probe "$family" "$(path_through "$hook")"
	expect_delivered "92 intact"
	expect_stats packets=1 ports=1 dropped=0 hook="$number" pf=$((family == 4 ? 2 : 10)) \
		in="$left" out="$right" length=$((family == 4 ? 120 : 140))
}

# A program of one family must not run for packets of the other family.
check_other_family()
{
	local pf=$1 family=$2

	attach drop "$pf" forward 0
	probe "$family" client-server
	expect_delivered "92 intact"
	expect_stats packets=0
	probe $((10 - family)) client-server
	expect_delivered ""
	expect_stats packets=1
}

families_of()
{
	case $1 in
	ip) echo 4 ;;
	ip6) without ipv6 || echo 6 ;;
	inet) echo "${FAMILIES[@]}" ;;
	esac
}

with_family()
{
	needs_family "$2"
	"$@"
}

for pf in ip ip6 inet; do
	for family in $(families_of $pf); do
		for hook in "${HOOKS[@]}"; do
			add_test "accept_${pf}_${hook}_ipv$family" \
				with_family check_accept $pf "$hook" "$family"
			add_test "drop_${pf}_${hook}_ipv$family" \
				with_family check_drop $pf "$hook" "$family"
		done
	done
done
add_test -r ipv6 ip_program_leaves_ipv6_alone check_other_family ip 6
add_test -r ipv6 ip6_program_leaves_ipv4_alone check_other_family ip6 4

run_tests
