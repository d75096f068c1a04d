#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# bpf_fib_lookup() in the router: its results are enum's BPF_FIB_LKUP_RET_*.
#
# Requires: ethtool

source "$(dirname "$0")/../lib.sh"

SUCCESS=0 BLACKHOLE=1 UNREACHABLE=2 PROHIBIT=3 NO_NEIGH=7 FRAG_NEEDED=8
EOPNOTSUPP=$(printf '%u' -95)

setup()
{
	router_up
	load_packet
	load_transport
	RIGHT=$(ip -n "$NS_ROUTER" -o link show dev "$ROUTER_RIGHT_DEV")
	RIGHT=${RIGHT%%:*}
}

# A datagram to what may have no route, and so no answer.
send_to()
{
	# shellcheck disable=SC2016 # the inner shell expands it
	in_ns "$NS_CLIENT" bash -c 'echo x > "/dev/udp/$1/9999"' -- "$1"
	wait_for counted
}

counted()
{
	read_stats packet
	((STATS[packets]))
}

check_found()
{
	local family=$1 prog=$2

	attach "packet/$prog" "$(pf_of "$family")" prerouting 0
	probe "$family" client-server -z 1000
	expect_stats_of packet packets=1 result="$SUCCESS" out="$RIGHT"
	expect_delivered "992 intact"
}

# From the router's device, to the server's.
check_link_layer()
{
	local family=$1

	attach packet/fib "$(pf_of "$family")" prerouting 0
	probe "$family" client-server -z 1000
	expect_stats_of packet packets=1 result="$SUCCESS" \
		smac="$(link_layer_number "$ROUTER_RIGHT_MAC")" \
		dmac="$(link_layer_number "$SERVER_MAC")"
	expect_delivered "992 intact"
}

check_output()
{
	local family=$1

	attach packet/fib_output "$(pf_of "$family")" output 0
	probe "$family" router-server -z 1000
	expect_stats_of packet packets=1 result="$SUCCESS" out="$RIGHT"
	expect_delivered "992 intact"
}

check_no_route()
{
	local family=$1 kind=$2 result=$3 to

	to=$( ((family == 4)) && echo 203.0.113.9 || echo 2001:db8:9::9)
	ip -n "$NS_ROUTER" -"$family" route replace "$kind" "$to"
	attach packet/fib "$(pf_of "$family")" prerouting 0
	send_to "$to"
	ip -n "$NS_ROUTER" -"$family" route delete "$kind" "$to"
	expect_stats_of packet packets=1 result="$result"
}

check_no_neighbour()
{
	local family=$1 to

	to=$( ((family == 4)) && echo 198.51.100.200 || echo 2001:db8:2::200)
	attach packet/fib "$(pf_of "$family")" prerouting 0
	send_to "$to"
	expect_stats_of packet packets=1 result="$NO_NEIGH"
}

# A route with several paths. The module nf_bpf_packet cannot choose one of them for IPv4, because
# the kernel does not export the function that chooses.
check_paths()
{
	local family=$1 result=$SUCCESS to client=CLIENT_IP$1 server=SERVER_IP$1
	local table=(ip -n "$NS_ROUTER" -"$1" route)

	((family == 6)) || has_packet_helpers || result=$EOPNOTSUPP
	to=$( ((family == 4)) && echo 203.0.113.9 || echo 2001:db8:9::9)
	# Let the router learn both neighbours.
	probe "$family" client-server
	"${table[@]}" replace "$to" nexthop via "${!server}" dev "$ROUTER_RIGHT_DEV" \
		nexthop via "${!client}" dev "$ROUTER_LEFT_DEV"
	attach packet/fib "$(pf_of "$family")" prerouting 0
	send_to "$to"
	"${table[@]}" delete "$to"
	expect_stats_of packet packets=1 result="$result"
}

# check_mtu FAMILY PROGRAM SIZES [defrag]: of a route that is too narrow for 1000
# bytes of payload or for 2000, but not for pieces of 600.
check_mtu()
{
	local family=$1 prog=$2 sizes=$3 result=$4 defrag=${5-}

	ip -n "$NS_ROUTER" link set "$ROUTER_RIGHT_DEV" mtu 1300
	attach "packet/$prog" "$(pf_of "$family")" prerouting 0 ${defrag:+"$defrag"}
	probe "$family" client-server -z "$sizes"
	ip -n "$NS_ROUTER" link set "$ROUTER_RIGHT_DEV" mtu "$ROUTER_MTU"
	# The router may have told the client of the route's MTU.
	ip -n "$NS_CLIENT" -"$family" route flush cache
	expect_stats_of packet packets=1 result="$result" mtu=1300
}

# check_segments FAMILY MTU: packets larger than any MTU, which leave in segments: of
# 1500 bytes, until an ICMP error has told the sender of the route's MTU. What comes
# back is small, as the router's device takes no more than it sends.
check_segments()
{
	local family=$1 mtu=$2 client=CLIENT_IP$1 bytes=200000
	local server=SERVER_IP$1 left=ROUTER_LEFT_IP$1

	ip -n "$NS_CLIENT" route replace "${!server}" via "${!left}" advmss 1000
	in_ns "$NS_CLIENT" ethtool -K "$CLIENT_DEV" tso on gso on > /dev/null
	ip -n "$NS_ROUTER" link set "$ROUTER_RIGHT_DEV" mtu "$mtu"
	attach transport/routes "$(pf_of "$family")" prerouting 0
	flow "$family" tcp 9999 send "echo=$bytes"
	ip -n "$NS_ROUTER" link set "$ROUTER_RIGHT_DEV" mtu "$ROUTER_MTU"
	ip -n "$NS_CLIENT" route delete "${!server}"
	ip -n "$NS_CLIENT" -"$family" route flush cache
	expect_outcome "delivered ${!client} 40000, echoed $bytes"
	read_stats transport
	echo "${STATS[larger]} larger than the MTU, ${STATS[too_long]} too long"
	((STATS[fitting] > 0)) || fail "no packet had segments that fit"
	expect_eq "larger packets with another result" 0 \
		$((STATS[larger] - STATS[fitting] - STATS[too_long]))
	if ((mtu == ROUTER_MTU)); then
		expect_eq "packets too long" 0 "${STATS[too_long]}"
	else
		((STATS[too_long] > 0)) || fail "no packet had segments too long"
	fi
}

for family in "${FAMILIES[@]}"; do
	add_test "found_ipv$family" check_found "$family" fib
	add_test "link_layer_addresses_ipv$family" check_link_layer "$family"
	add_test "found_by_length_ipv$family" check_found "$family" fib_length
	add_test "output_ipv$family" check_output "$family"
	add_test "blackhole_ipv$family" check_no_route "$family" blackhole $BLACKHOLE
	add_test "unreachable_ipv$family" check_no_route "$family" unreachable $UNREACHABLE
	add_test "prohibit_ipv$family" check_no_route "$family" prohibit $PROHIBIT
	add_test "no_neighbour_ipv$family" check_no_neighbour "$family"
	add_test "several_paths_ipv$family" check_paths "$family"
	add_test "mtu_fits_ipv$family" check_mtu "$family" fib 1200 $SUCCESS
	add_test "mtu_by_length_fits_ipv$family" check_mtu "$family" fib_length 1200 $SUCCESS
	add_test "mtu_too_long_ipv$family" check_mtu "$family" fib 1400 $FRAG_NEEDED
	add_test "mtu_by_length_too_long_ipv$family" \
		check_mtu "$family" fib_length 1400 $FRAG_NEEDED
	add_test "mtu_pieces_fit_ipv$family" check_mtu "$family" fib 1200,1000 $SUCCESS defrag
	add_test "mtu_pieces_too_long_ipv$family" \
		check_mtu "$family" fib 1400,1000 $FRAG_NEEDED defrag
	add_test "mtu_length_of_the_whole_ipv$family" \
		check_mtu "$family" fib_length 1200,1000 $FRAG_NEEDED defrag
	add_test "segments_fit_ipv$family" check_segments "$family" "$ROUTER_MTU"
	add_test "segments_too_long_ipv$family" check_segments "$family" 1300
done

run_tests
