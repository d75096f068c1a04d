#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Packets are read right wherever their bytes are: in place up to ctx->data_end, by
# bpf_skb_load_bytes() beyond, and in place again after bpf_skb_pull_data().
#
# Requires: ethtool

source "$(dirname "$0")/../lib.sh"

EFAULT=14
SIZES=1400,480,8,912
WIRE_AS_IT_CAME="0+1400 1400+480 1880+8 1888+912"
TOTAL=2800
# IPv4 options, in hexadecimal: room for one address and an end; 40 bytes of nothing.
RECORD_ROUTE=0707040000000000
FULL=$(printf '01%.0s' {1..40})

setup()
{
	router_up
	load_packet
	load_transport
}

header_length()
{
	echo $(($1 == 4 ? 20 : 40))
}

# Read a byte at the beginning, in the middle and at the end, and fail beyond the end.
check_whole()
{
	local family=$1 hook=$2

	attach packet/read "$(pf_of "$family")" "$hook" 0
	probe "$family" "$(path_through "$hook")" -z 1000
	expect_stats_of packet packets=1 intact=3 result="$EFAULT" \
		length=$((1000 + $(header_length "$family")))
	expect_delivered "992 intact"
}

# The pieces are in a list behind the first, which alone is linear.
check_reassembled()
{
	local family=$1 hook=$2

	attach packet/read "$(pf_of "$family")" "$hook" 0 defrag
	probe "$family" "$(path_through "$hook")" -z "$SIZES"
	expect_stats_of packet packets=1 intact=3 result="$EFAULT" \
		linear=$((1400 + $(header_length "$family"))) \
		length=$((TOTAL + $(header_length "$family")))
	expect_delivered "$((TOTAL - 8)) intact"
	case $hook in
	prerouting | forward | postrouting) expect_wire "$WIRE_AS_IT_CAME" ;;
	esac
}

# Everything is linear then, and leaves in pieces of the largest size that came.
check_pulled()
{
	local family=$1 hook=$2

	attach packet/pull "$(pf_of "$family")" "$hook" 0 defrag
	probe "$family" "$(path_through "$hook")" -z "$SIZES"
	expect_stats_of packet packets=1 intact=3 result="$EFAULT" \
		linear=$((TOTAL + $(header_length "$family"))) \
		length=$((TOTAL + $(header_length "$family")))
	expect_delivered "$((TOTAL - 8)) intact"
	case $hook in
	prerouting | forward | postrouting) expect_wire "0+1400 1400+1400" ;;
	esac
}

# A packet that the router received keeps its link layer header at each hook.
check_link_layer()
{
	local family=$1 hook=$2

	attach packet/link_layer "$(pf_of "$family")" "$hook" 0
	probe "$family" "$(path_through "$hook")" -z 1000
	expect_stats_of packet packets=1 result=0 \
		smac="$(link_layer_number "$CLIENT_MAC")" \
		dmac="$(link_layer_number "$ROUTER_LEFT_MAC")"
	expect_delivered "992 intact"
}

# A packet that the router sends has no header yet: the program must read zeroes.
check_no_link_layer()
{
	local family=$1 hook=$2

	attach packet/link_layer "$(pf_of "$family")" "$hook" 0
	probe "$family" router-server -z 1000
	expect_stats_of packet packets=1 result="$EFAULT" smac=0 dmac=0
	expect_delivered "992 intact"
}

# Ports that are in another piece than the beginning of the extension headers.
check_extension_header()
{
	local options=1100010400000000 udp=9c40270f00101234
	local payload=38 i

	for i in 9 10 11 12 13 14 15; do
		payload+=$(printf %02x $((i * 7 % 256)))
	done
	attach "packet/$1" ip6 forward 0 defrag
	probe 6 client-server -x "60:$options$udp$payload"
	expect_eq "on the wire" "60:24" "$OTHER"
	expect_stats_of packet packets=1 intact=3 length=64
}

# The UDP header is behind options: of a record of the route, or as many as there may
# be that say nothing.
check_options()
{
	local options=$1 hook=$2 header=$((20 + ${#1} / 2))

	attach packet/read ip "$hook" 0
	probe 4 "$(path_through "$hook")" -z 1000 -O "$options"
	expect_stats_of packet packets=1 intact=3 result="$EFAULT" \
		length=$((1000 + header)) linear=$((1000 + header))
	expect_delivered "992 intact"
}

check_options_reassembled()
{
	local options=$1 header=$((20 + ${#1} / 2))

	attach "packet/$2" ip forward 0 defrag
	probe 4 client-server -z "$SIZES" -O "$options"
	expect_stats_of packet packets=1 intact=3 result="$EFAULT" \
		length=$((TOTAL + header))
	expect_delivered "$((TOTAL - 8)) intact"
}

# offloads SEGMENTATION GRO: of the host, and of the router's device at the other end.
offloads()
{
	in_ns "$NS_CLIENT" ethtool -K "$CLIENT_DEV" tso "$1" gso "$1" > /dev/null
	in_ns "$NS_SERVER" ethtool -K "$SERVER_DEV" tso "$1" gso "$1" > /dev/null
	in_ns "$NS_ROUTER" ethtool -K "$ROUTER_LEFT_DEV" gro "$2" > /dev/null
	in_ns "$NS_ROUTER" ethtool -K "$ROUTER_RIGHT_DEV" gro "$2" > /dev/null
}

# A million bytes there and back, with packets larger than the MTU or without any:
# the ports are right in all.
check_bulk()
{
	local family=$1 segmentation=$2 gro=$3 client=CLIENT_IP$1 bytes=1000000

	offloads "$segmentation" "$gro"
	attach transport/ports "$(pf_of "$family")" prerouting 0
	flow "$family" tcp 9999 send "echo=$bytes"
	expect_outcome "delivered ${!client} 40000, echoed $bytes"
	read_stats transport
	echo "${STATS[packets]} packets, ${STATS[larger]} larger than the MTU"
	expect_eq "packets with their ports" "${STATS[packets]}" "${STATS[ports]}"
	((STATS[packets] > 20)) || fail "not all of the transfer was seen"
	if [[ $segmentation$gro == offoff ]]; then
		expect_eq "packets larger than the MTU" 0 "${STATS[larger]}"
	else
		((STATS[larger] > 0)) || fail "no packet was larger than the MTU"
	fi
}

for family in "${FAMILIES[@]}"; do
	for hook in "${HOOKS[@]}"; do
		add_test "whole_at_${hook}_ipv$family" check_whole "$family" "$hook"
		add_test "reassembled_at_${hook}_ipv$family" \
			check_reassembled "$family" "$hook"
		add_test "pulled_at_${hook}_ipv$family" check_pulled "$family" "$hook"
	done
done
for family in "${FAMILIES[@]}"; do
	for hook in prerouting input forward postrouting; do
		add_test "link_layer_at_${hook}_ipv$family" \
			check_link_layer "$family" $hook
	done
	for hook in output postrouting; do
		add_test "no_link_layer_at_${hook}_ipv$family" \
			check_no_link_layer "$family" $hook
	done
done
add_test -r ipv6 extension_header_read_ipv6 check_extension_header read
add_test -r ipv6 extension_header_pulled_ipv6 check_extension_header pull
for hook in "${HOOKS[@]}"; do
	add_test "options_at_$hook" check_options "$RECORD_ROUTE" "$hook"
done
add_test full_options check_options "$FULL" prerouting
for program in read pull; do
	add_test "options_reassembled_$program" \
		check_options_reassembled "$RECORD_ROUTE" $program
	add_test "full_options_reassembled_$program" \
		check_options_reassembled "$FULL" $program
done
for family in "${FAMILIES[@]}"; do
	add_test "bulk_ipv$family" check_bulk "$family" off off
	add_test "bulk_tso_ipv$family" check_bulk "$family" on off
	add_test "bulk_gro_ipv$family" check_bulk "$family" off on
done

run_tests
