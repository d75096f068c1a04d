#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The program sees the headers of the first fragment only. Later fragments have to have the
# same headers in front of the fragment header (IPv6), and the same source route (IPv4). A
# link that tracks fragments drops the others.

source "$(dirname "$0")/lib.sh"

# Options of IPv4: loose source routes (LSRR) by way of two hosts, and record route
VIA_A=830704c000020700
VIA_B=830704c000020800
RECORD=07070400000000

# IPv6 packets for the option -x of probe(), in two halves: the headers before the fragment
# header, with the number of the first one, and the rest.
PLAIN=44:
OPTIONS=60:2c00010400000000		# padding
OTHER_OPTIONS=60:2c001e0400000001	# an option that every host ignores
ROUTING=43:2c00010400000000		# the bytes of $OPTIONS, but a routing header
LONG=60:2c11018c$(printf '%0280d' 0)	# 144 bytes of padding

setup()
{
	router_up
	load_policy
	needs_own BPF_F_NETFILTER_FRAG_TRACK
	in_ns "$NS_ROUTER" sysctl -qw net.ipv4.conf.all.accept_source_route=1
	FIRST=$(fragment_header 17 0 1)$(udp 48 0035)
	LATER=$(fragment_header 17 48 1)$(zeros 16)
	LAST=$(fragment_header 17 64 0)$(zeros 8)
}

# expect_arrived COUNT: whatever their headers are, so many fragments of the last probe() have
# arrived.
expect_arrived()
{
	# shellcheck disable=SC2086 # a word for each packet
	set -- "$1" $WIRE $OTHER
	expect_eq "packets at the receiver" "$1" $(($# - 1))
}

# send_v6 A B C: a datagram in three fragments with these headers. $LAST comes second.
send_v6()
{
	probe 6 client-server -x "$1$FIRST" -x "$2$LAST" -x "$3$LATER"
}

check_v6()
{
	local first=$1 later=$2 arrived=$3

	send_v6 "$first" "$later" "$first"
	expect_arrived 3
	attach deny_port ip6 forward 0 track
	send_v6 "$first" "$first" "$first"
	expect_arrived 3
	expect_stats packets=1 fragments=1 ports=1
	expect_link "$LINK" later_fragments=2 dropped_fragments=0
	send_v6 "$first" "$later" "$first"
	expect_arrived "$arrived"
	expect_link "$LINK" tracked_datagrams=2 dropped_fragments=$((3 - arrived))
	detach_all
	attach deny_port ip6 forward 0 track
	send_v6 "$first" "$first" "$first"
	expect_arrived 3
	expect_stats packets=3 fragments=3 ports=3
}

# send_v4 A B C: a datagram in three fragments with these options
send_v4()
{
	local options order=0 wire=

	ID=$((ID + 1))
	for options; do
		probe 4 client-server -p 53 -z 48,16,8 -I "$ID" -o "$order" \
			${options:+-O "$options"}
		wire+=${WIRE:+ $WIRE}
		order=$((order + 1))
	done
	WIRE=${wire# }
}

check_v4()
{
	local hook=$1 first=$2 later=$3 wire=$4

	ID=0
	send_v4 "$first" "$later" "$later"
	expect_wire "0+48 48+16 64+8"
	attach deny_port ip "$hook" 0 track
	send_v4 "$first" "$first" "$first"
	expect_wire "0+48 48+16 64+8"
	expect_link "$LINK" later_fragments=2 dropped_fragments=0
	send_v4 "$first" "$later" "$first"
	expect_wire "$wire"
	expect_link "$LINK" tracked_datagrams=2
	[[ $wire != 0+48 ]] || expect_link "$LINK" dropped_fragments=2
	send_v4 "$first" "$first" "$first"
	expect_wire "0+48 48+16 64+8"
	expect_link "$LINK" tracked_datagrams=3
}

add_v6()
{
	add_test -r ipv6 "${1}_ipv6" check_v6 "${@:2}"
}

# The first fragment of these leaves alone.
add_v6 routing_header_in_a_later_one "$PLAIN" "$ROUTING" 1
add_v6 options_in_the_first_one_only "$OPTIONS" "$PLAIN" 1
add_v6 options_that_differ "$OPTIONS" "$OTHER_OPTIONS" 1
add_v6 routing_header_in_place_of_options "$OPTIONS" "$ROUTING" 1
add_v6 options_that_differ_at_the_end "$LONG" "${LONG%00}01" 1

for hook in prerouting forward postrouting; do
	add_test "source_route_in_a_later_one_at_$hook" check_v4 "$hook" "" "$VIA_A" 0+48
done
add_test source_route_in_the_first_one_only check_v4 forward "$VIA_A" "" 0+48
add_test source_routes_that_differ check_v4 forward "$VIA_A" "$VIA_B" 0+48
add_test source_route_behind_another_option \
	check_v4 forward "${RECORD}00" "01$RECORD$VIA_A" 0+48
# RFC 791: only the first fragment has these.
add_test options_of_the_first_one_only check_v4 forward "${RECORD}00" "" "0+48 48+16 64+8"

run_tests
