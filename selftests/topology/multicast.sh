#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Multicast routes lead from one device to three others. A reassembled datagram leaves on
# each of the three in fragments, and no fragment stays in the router.

source "$(dirname "$0")/lib.sh"

SIZES=1400,480,8,912
PIECES=(0+1400 1400+480 1880+8 1888+912)
# A copy of the packet does not keep the boundaries: the kernel cuts it to the largest size
# that came.
PIECES_OF_COPY=(0+1400 1400+1400)

GROUP4=239.1.2.3
GROUP6=ff0e::1:2:3

# The sysctls that limit the fragment cache, without their suffix.
FRAGMENTS4=net/ipv4/ipfrag
FRAGMENTS6=net/netfilter/nf_conntrack_frag6

setup()
{
	router_up
	load_trace
	add_dummy d1 11
	add_dummy d2 12
}

# route_group FAMILY [-j]: route the group from the client to the server, d1 and d2. With -j the
# router is a member of the group on the server's side.
route_group()
{
	local group=GROUP$1 client=CLIENT_IP$1

	: > "$WORK/mroute"
	"$HELPERS/mroute" "${@:2}" "$NS_ROUTER" "${!client}" "${!group}" "$ROUTER_LEFT_DEV" \
		"$ROUTER_RIGHT_DEV" d1 d2 > "$WORK/mroute" &
	wait_for grep -q ready "$WORK/mroute"
}

# to_group FAMILY [OPTION...]: probe the group. The sentinel goes to the server only.
to_group()
{
	local family=$1 group=GROUP$1 server=SERVER_IP$1

	shift
	probe "$family" client-server -d "${!group}" -S "${!server}" "$@"
}

tap_ways()
{
	tap "d1=$NS_ROUTER:d1" "d2=$NS_ROUTER:d2" "client=$NS_CLIENT:$CLIENT_DEV"
}

# The hooks that one datagram passes. At POST_ROUTING, state->in is NULL for IPv4, and the
# output device for IPv6.
multicast_trace()
{
	local family=$1 length=$2 device

	echo "prerouting:left>:udp:$length"
	for device in d2 d1 right; do
		echo "forward:left>$device:udp:$length"
		echo "postrouting:$( ((family == 4)) || echo "$device")>$device:udp:$length"
	done
}

# Without a link the pieces are routed one by one.
check_no_link()
{
	local family=$1

	route_group "$family"
	tap_ways
	to_group "$family" -z "$SIZES"
	tap_end
	expect_wire "${PIECES[*]}"
	expect_tap d1 out "${PIECES[@]}"
	expect_tap d2 out "${PIECES[@]}"
}

check_whole()
{
	local family=$1 length=$((1000 + ($1 == 4 ? 20 : 40)))

	route_group "$family"
	trace_hooks defrag
	tap_ways
	to_group "$family" -z 1000
	tap_end
	expect_wire "0+1000"
	expect_tap d1 out 0+1000
	expect_tap d2 out 0+1000
	expect_trace "$(multicast_trace "$family" "$length")"
}

check_two_devices()
{
	local family=$1 length=$((2800 + ($1 == 4 ? 20 : 40))) once

	once=$(multicast_trace "$family" "$length/4")
	route_group "$family"
	trace_hooks defrag
	tap_ways
	to_group "$family" -z "$SIZES"
	expect_wire "${PIECES[*]}"
	to_group "$family" -z "$SIZES" -o 3,2,1,0
	expect_wire "${PIECES[*]}"
	tap_end
	expect_tap d1 out "${PIECES_OF_COPY[@]}" "${PIECES_OF_COPY[@]}"
	expect_tap d2 out "${PIECES_OF_COPY[@]}" "${PIECES_OF_COPY[@]}"
	expect_tap client in
	expect_trace "$once" "$once"
}

# FORWARD runs once for each device.
check_denied()
{
	local family=$1

	route_group "$family"
	attach deny_port "$(pf_of "$family")" forward 0 defrag
	tap_ways
	to_group "$family" -z "$SIZES"
	expect_wire ""
	expect_stats packets=3 fragments=0 dropped=3
	expect_link "$LINK" dropped=3
	to_group "$family" -z "$SIZES" -p 53
	expect_wire "${PIECES[*]}"
	expect_stats packets=6 fragments=0 dropped=3
	tap_end
	expect_tap d1 out "${PIECES_OF_COPY[@]}"
	expect_tap d2 out "${PIECES_OF_COPY[@]}"
}

# Each copy of a tracked datagram is judged on its own, in order and reassembled.
check_track()
{
	local family=$1

	needs_own BPF_F_NETFILTER_FRAG_TRACK
	route_group "$family"
	attach accept "$(pf_of "$family")" forward 0 track
	tap_ways
	to_group "$family" -z "$SIZES"
	expect_wire "${PIECES[*]}"
	expect_stats packets=3 fragments=3
	to_group "$family" -z "$SIZES" -o 3,2,1,0
	expect_wire "${PIECES[*]}"
	expect_stats packets=6 fragments=3
	tap_end
	expect_tap d1 out "${PIECES[@]}" "${PIECES[@]}"
	expect_tap d2 out "${PIECES[@]}" "${PIECES[@]}"
	expect_link "$LINK" tracked_datagrams=3 later_fragments=9 reassembled_fragments=12
	expect_link "$LINK" dropped=0 dropped_fragments=0
}

# The router is a member of the group on an output device. There each fragment passes
# POST_ROUTING twice: on its way out, and as a copy for the router's own sockets.
check_track_own_copy()
{
	local family=$1

	needs_own BPF_F_NETFILTER_FRAG_TRACK
	route_group "$family" -j
	attach accept "$(pf_of "$family")" postrouting 0 track
	to_group "$family" -z "$SIZES"
	expect_wire "${PIECES[*]}"
	expect_stats packets=4 fragments=4
	expect_link "$LINK" tracked_datagrams=4 later_fragments=12
	expect_link "$LINK" dropped=0 dropped_fragments=0
}

# limit_fragments FAMILY BYTES: limit the router's fragment cache.
limit_fragments()
{
	local limit=FRAGMENTS$1

	# shellcheck disable=SC2016 # the inner shell expands $1 and $2
	in_ns "$NS_ROUTER" bash -ec '
		echo 1 > "/proc/sys/$1_low_thresh"
		echo "$2" > "/proc/sys/$1_high_thresh"' -- "${!limit}" "$2"
}

# No fragment stays in the cache: it has room for one datagram, and six datagrams arrive.
check_cache()
{
	local family=$1 i

	route_group "$family"
	attach accept "$(pf_of "$family")" forward 0 defrag
	# Remove the limit even if this test fails.
	trap 'limit_fragments "$family" $((4 << 20))' EXIT
	limit_fragments "$family" 8192
	for i in {1..6}; do
		to_group "$family" -z "$SIZES"
		expect_eq "datagram $i" "${PIECES[*]}" "$WIRE"
	done
	expect_stats packets=$((6 * 3)) fragments=0
	# The control: if fragments stay in the cache, the next datagram is lost.
	for i in {1..6}; do
		to_group "$family" -z "$SIZES" -o 0
	done
	to_group "$family" -z "$SIZES"
	expect_wire ""
	limit_fragments "$family" $((4 << 20))
	to_group "$family" -z "$SIZES"
	expect_wire "${PIECES[*]}"
}

# The pieces have DF, and the whole datagram is larger than the MTU. A multicast route
# drops it and sends no ICMP error.
check_df()
{
	local fails

	route_group 4
	to_group 4 -z 1400,1000 -m 0,1
	expect_wire "0+1400 1400+1000"
	attach accept ip forward 0 defrag
	fails=$(snmp_counter "$NS_ROUTER" Ip FragFails Ip6FragFails)
	tap_ways
	to_group 4 -z 1400,1000 -m 0,1
	tap_end
	expect_wire ""
	expect_tap d1 out
	expect_tap d2 out
	expect_tap client in
	expect_stats packets=0
	expect_eq "FragFails" $((fails + 3)) \
		"$(snmp_counter "$NS_ROUTER" Ip FragFails Ip6FragFails)"
	to_group 4 -z 1400,1000
	expect_wire "0+1400 1400+1000"
	expect_stats packets=3
}

for family in "${FAMILIES[@]}"; do
	add_test "no_link_ipv$family" check_no_link "$family"
	add_test "whole_ipv$family" check_whole "$family"
	add_test "two_devices_ipv$family" check_two_devices "$family"
	add_test "denied_ipv$family" check_denied "$family"
	add_test "track_ipv$family" check_track "$family"
	add_test "track_own_copy_ipv$family" check_track_own_copy "$family"
	add_test "cache_ipv$family" check_cache "$family"
done
add_test df_ipv4 check_df

run_tests
