#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Fragments of both families through the router in both directions. With defrag the
# program sees a datagram once, with its ports, and the fragments that leave have the
# sizes of those that came. Without defrag the program sees each fragment.
#
# The sizes are uneven and smaller than the MTU. So a router that only cuts the datagram
# to its MTU fails.

source "$(dirname "$0")/../lib.sh"

SIZES=1400,480,8,912
WIRE_IN_ORDER="0+1400 1400+480 1880+8 1888+912"
WIRE_REVERSED="1888+912 1880+8 1400+480 0+1400"
TOTAL=2800

setup()
{
	router_up
	load_policy
}

# skb->len of the whole datagram.
whole_length()
{
	echo $((TOTAL + ($1 == 4 ? 20 : 40)))
}

check_plain_router()
{
	local family=$1 path=$2

	probe "$family" "$path" -z "$SIZES" -o 3,2,1,0
	expect_wire "$WIRE_REVERSED"
	expect_delivered "$((TOTAL - 8)) intact"
}

check_no_defrag()
{
	local pf=$1 family=$2 path=$3

	attach accept "$pf" forward 0
	probe "$family" "$path" -z "$SIZES" -o 3,2,1,0
	expect_stats packets=4 fragments=4 later=3 ports=1
	expect_wire "$WIRE_REVERSED"
	expect_delivered "$((TOTAL - 8)) intact"
}

# The program sees whole datagrams. No piece of a denied datagram leaves the router. An
# allowed datagram leaves in the pieces that came.
check_defrag()
{
	local pf=$1 family=$2 path=$3 order=$4

	attach deny_port "$pf" forward 0 defrag
	probe "$family" "$path" -z "$SIZES" -o "$order"
	expect_stats packets=1 fragments=0 ports=1 dropped=1
	expect_wire ""
	expect_delivered ""

	probe "$family" "$path" -z "$SIZES" -o "$order" -p 53
	expect_stats packets=2 fragments=0 later=0 ports=2 dropped=1 \
		length="$(whole_length "$family")"
	expect_wire "$WIRE_IN_ORDER"
	expect_delivered "$((TOTAL - 8)) intact"
}

# Without defrag, the same policy lets fragments without a port through.
check_denied_without_defrag()
{
	local pf=$1 family=$2

	attach deny_port "$pf" forward 0
	probe "$family" client-server -z "$SIZES"
	expect_stats packets=4 later=3 ports=1 dropped=1
	expect_wire "1400+480 1880+8 1888+912"
	expect_delivered ""
}

# The router holds the fragments of a datagram that never becomes whole.
check_part()
{
	local pf=$1 family=$2 order=$3 wire=$4

	probe "$family" client-server -z "$SIZES" -o "$order"
	expect_wire "$wire"

	attach deny_port "$pf" forward 0 defrag
	probe "$family" client-server -z "$SIZES" -o "$order"
	expect_stats packets=0
	expect_wire ""

	probe "$family" client-server -z "$SIZES" -p 53
	expect_stats packets=1
	expect_wire "$WIRE_IN_ORDER"
}

check_duplicate()
{
	local pf=$1 family=$2

	attach accept "$pf" forward 0 defrag
	probe "$family" client-server -z "$SIZES" -o 0,1,1,2,3
	expect_stats packets=1 fragments=0
	expect_wire "$WIRE_IN_ORDER"
	expect_delivered "$((TOTAL - 8)) intact"
}

# The router must not change a datagram that came whole.
check_unfragmented()
{
	local pf=$1 family=$2

	attach accept "$pf" forward 0 defrag
	probe "$family" client-server -z 1400
	expect_stats packets=1 fragments=0 ports=1
	expect_wire "0+1400"
	expect_delivered "1392 intact"
}

# At each hook the program sees a whole datagram.
check_hook()
{
	local pf=$1 family=$2 hook=$3 priority=$4

	attach accept "$pf" "$hook" "$priority" defrag
	probe "$family" "$(path_through "$hook")" -z "$SIZES" -o 3,2,1,0
	expect_stats packets=1 fragments=0 ports=1 length="$(whole_length "$family")"
	expect_delivered "$((TOTAL - 8)) intact"
}

# The router's own large datagrams are cut after the hook.
check_pieces()
{
	local pf=$1 family=$2 sizes=$3 wire=$4

	attach accept "$pf" forward 0 defrag
	probe "$family" client-server -z "$sizes"
	expect_stats packets=1 fragments=0 ports=1
	expect_wire "$wire"
}

with_family()
{
	needs_family "$2"
	"$@"
}

for family in "${FAMILIES[@]}"; do
	add_test "plain_router_ipv$family" check_plain_router "$family" client-server
	for pf in "$(pf_of "$family")" inet; do
		name=${pf}_ipv${family}
		add_test "no_defrag_$name" \
			with_family check_no_defrag "$pf" "$family" client-server
		add_test "defrag_in_order_$name" \
			with_family check_defrag "$pf" "$family" client-server 0,1,2,3
		add_test "defrag_reversed_on_the_way_back_$name" \
			with_family check_defrag "$pf" "$family" server-client 3,2,1,0
	done
	pf=$(pf_of "$family")
	add_test "denied_without_defrag_ipv$family" \
		check_denied_without_defrag "$pf" "$family"
	add_test "bare_later_fragments_ipv$family" \
		check_part "$pf" "$family" 1,2,3 "1400+480 1880+8 1888+912"
	add_test "lone_first_fragment_ipv$family" \
		check_part "$pf" "$family" 0 "0+1400"
	add_test "lone_last_fragment_ipv$family" \
		check_part "$pf" "$family" 3 "1888+912"
	add_test "duplicate_ipv$family" check_duplicate "$pf" "$family"
	add_test "unfragmented_ipv$family" check_unfragmented "$pf" "$family"
	add_test "at_the_mtu_ipv$family" check_pieces "$pf" "$family" \
		1440,1440,8 "0+1440 1440+1440 2880+8"
	add_test "growing_ipv$family" check_pieces "$pf" "$family" \
		600,800,1000,1200 "0+600 600+800 1400+1000 2400+1200"
	for hook in "${HOOKS[@]}"; do
		add_test "defrag_at_${hook}_ipv$family" \
			check_hook "$pf" "$family" "$hook" 0
	done
	# The kernel reassembles at these hooks, at priority -400.
	for hook in prerouting output; do
		add_test "defrag_right_before_${hook}_ipv$family" \
			check_hook "$pf" "$family" "$hook" -399
	done
done

run_tests
