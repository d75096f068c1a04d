#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Equal-cost routes that are chosen by ports (fib_multipath_hash_policy=1): all pieces
# of a datagram that a link has reassembled leave by the next hop of its flow.

source "$(dirname "$0")/lib.sh"

SIZES=1400,480,8,912
PIECES=(0+1400 1400+480 1880+8 1888+912)

FAR4=203.0.113.7
FAR6=2001:db8:99::7

setup()
{
	router_up
	load_policy
	add_dummy d1 11
	add_dummy d2 12
}

tap_ways()
{
	tap "d1=$NS_ROUTER:d1" "d2=$NS_ROUTER:d2"
}

# Make a route with two next hops. The ports choose between them.
route_far()
{
	local family=$1 far

	far=$( ((family == 4)) && echo 203.0.113.0/24 || echo 2001:db8:99::/64)
	in_ns "$NS_ROUTER" sysctl -qw "net.ipv$family.fib_multipath_hash_policy=1"
	if ((family == 4)); then
		ip -n "$NS_ROUTER" route replace "$far" nexthop via 10.11.0.2 dev d1 \
			nexthop via 10.12.0.2 dev d2
	else
		ip -n "$NS_ROUTER" route replace "$far" nexthop via 2001:db8:11::2 dev d1 \
			nexthop via 2001:db8:12::2 dev d2
	fi
}

# far_way FAMILY PORT SIZES PIECE...: send a datagram. All pieces must leave by one device,
# which is WAY afterwards.
far_way()
{
	local family=$1 port=$2 sizes=$3 far=FAR$1 server=SERVER_IP$1

	shift 3
	tap_ways
	probe "$family" client-server -d "${!far}" -S "${!server}" -p "$port" -z "$sizes"
	tap_end
	WAY=$(awk 'NR == 1 { print $1 }' "$WORK/tap")
	[[ -n $WAY ]] || fail "port $port: nothing left the router"
	expect_tap "$WAY" out "$@"
	expect_eq "packets on both devices" $# "$(grep -c '^d[12] out' "$WORK/tap")"
}

# find_ports FAMILY: set PORT_OF[DEVICE] to a port whose whole datagrams leave by DEVICE.
find_ports()
{
	local family=$1 port

	declare -gA PORT_OF=()
	for ((port = 5001; port < 5100 && ${#PORT_OF[@]} < 2; port++)); do
		far_way "$family" "$port" 1000 0+1000
		PORT_OF[$WAY]=$port
	done
	expect_eq "devices in use" 2 "${#PORT_OF[@]}"
}

# A fragmented datagram takes the next hop of the whole datagrams of its flow.
check_ecmp()
{
	local family=$1 way

	route_far "$family"
	find_ports "$family"
	attach accept "$(pf_of "$family")" forward 0 defrag
	for way in d1 d2; do
		far_way "$family" "${PORT_OF[$way]}" "$SIZES" "${PIECES[@]}"
		expect_eq "way of port ${PORT_OF[$way]}" "$way" "$WAY"
		far_way "$family" "${PORT_OF[$way]}" 1000 0+1000
		expect_eq "way of port ${PORT_OF[$way]}" "$way" "$WAY"
	done
	expect_stats packets=4 fragments=0 ports=4
}

# Without reassembly, the kernel chooses the next hop of a fragment by addresses alone.
check_no_defrag()
{
	local family=$1 first

	route_far "$family"
	find_ports "$family"
	attach accept "$(pf_of "$family")" forward 0
	far_way "$family" "${PORT_OF[d1]}" "$SIZES" "${PIECES[@]}"
	first=$WAY
	far_way "$family" "${PORT_OF[d2]}" "$SIZES" "${PIECES[@]}"
	expect_eq "way of the other port" "$first" "$WAY"
	expect_stats packets=8 fragments=8
}

# So all fragments of a tracked datagram leave by the device that the first one was judged for.
check_track()
{
	local family=$1

	needs_own BPF_F_NETFILTER_FRAG_TRACK
	route_far "$family"
	find_ports "$family"
	attach accept "$(pf_of "$family")" forward 0 track
	far_way "$family" "${PORT_OF[d1]}" "$SIZES" "${PIECES[@]}"
	far_way "$family" "${PORT_OF[d2]}" "$SIZES" "${PIECES[@]}"
	expect_stats packets=2 fragments=2 ports=2
	expect_link "$LINK" tracked_datagrams=2 later_fragments=6 dropped_fragments=0
}

for family in "${FAMILIES[@]}"; do
	add_test "defrag_ipv$family" check_ecmp "$family"
	add_test "no_defrag_ipv$family" check_no_defrag "$family"
	add_test "track_ipv$family" check_track "$family"
done

run_tests
