#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Packets are read right wherever their bytes are: in place up to ctx->data_end, by
# bpf_skb_load_bytes() beyond, and in place again after bpf_skb_pull_data().

source "$(dirname "$0")/lib.sh"

EFAULT=14
SIZES=1400,480,8,912
WIRE_AS_IT_CAME="0+1400 1400+480 1880+8 1888+912"
TOTAL=2800

setup()
{
	router_up
	load_packet
}

header_length()
{
	echo $(($1 == 4 ? 20 : 40))
}

path_through()
{
	case $1 in
	input) echo client-router ;;
	output) echo router-server ;;
	*) echo client-server ;;
	esac
}

# One byte at the beginning, in the middle and at the end; none behind it.
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

for family in 4 6; do
	for hook in "${HOOKS[@]}"; do
		add_test "whole_at_${hook}_ipv$family" check_whole $family "$hook"
		add_test "reassembled_at_${hook}_ipv$family" \
			check_reassembled $family "$hook"
		add_test "pulled_at_${hook}_ipv$family" check_pulled $family "$hook"
	done
done
add_test extension_header_read check_extension_header read
add_test extension_header_pulled check_extension_header pull

run_tests
