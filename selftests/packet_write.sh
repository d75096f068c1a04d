#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Packets that a program rewrites in the forwarding path: what leaves the router has
# the new bytes and right checksums, and what was captured before has the old ones.

source "$(dirname "$0")/lib.sh"
needs tcpdump ethtool

SIZES=1400,480,8,912

setup()
{
	router_up
	load_packet
	# So that the router completes checksums, and the receiver looks at them.
	in_ns "$NS_ROUTER" ethtool -K "$ROUTER_RIGHT_DEV" tx off > /dev/null
	in_ns "$NS_ROUTER" ethtool -K "$ROUTER_LEFT_DEV" tx off > /dev/null
}

# capture NETNS DEVICE FILTER: to $WORK/capture, until capture_end.
capture()
{
	: > "$WORK/tcpdump"
	nsenter --net="/run/netns/$1" tcpdump -n -v -l --immediate-mode -i "$2" "$3" \
		> "$WORK/capture" 2> "$WORK/tcpdump" &
	CAPTURE=$!
	wait_for grep -q listening "$WORK/tcpdump"
}

expect_captured()
{
	local pattern

	for pattern; do
		wait_for grep -q -- "$pattern" "$WORK/capture" ||
			fail "no $pattern in: $(cat "$WORK/capture")"
	done
	kill "$CAPTURE"
	wait "$CAPTURE" || :
}

# The capture on the way in shares the packet's data with what is rewritten.
check_ttl()
{
	local family=$1 old new

	if ((family == 4)); then
		old="tos 0x0, ttl 64"
		new="tos 0xb8, ttl 32"
	else
		old="hlim 64"
		new="class 0xb8.*hlim 32"
	fi
	attach packet/set_ttl "$(pf_of "$family")" prerouting -150
	capture "$NS_ROUTER" "$ROUTER_LEFT_DEV" "udp port 9999"
	probe "$family" client-server
	expect_stats_of packet packets=1 result=0
	expect_delivered "92 intact"
	expect_captured "$old"
	! grep -q "$new" "$WORK/capture" || fail "shared: $(cat "$WORK/capture")"

	capture "$NS_SERVER" "$SERVER_DEV" "udp port 9999"
	probe "$family" client-server
	expect_delivered "92 intact"
	expect_captured "$new"
}

alias_of()
{
	if (($1 == 4)); then
		echo 198.51.100.153
	else
		echo 2001:db8:2::99
	fi
}

# To an address that nobody has, rewritten before the packet is routed: a datagram
# with its checksum, and the sentinel, whose checksum a device is to complete.
check_dnat()
{
	local family=$1 sizes=$2 defrag=$3

	attach packet/dnat "$(pf_of "$family")" prerouting -150 ${defrag:+"$defrag"}
	probe "$family" client-server -d "$(alias_of "$family")" -z "$sizes"
	expect_stats_of packet packets=1 result=0
	expect_match delivered "* intact" "$DELIVERED"
	[[ $sizes != *,* ]] || expect_wire "0+1400 1400+480 1880+8 1888+912"
}

# Without the program the address has no owner.
check_no_dnat()
{
	local family=$1 client=CLIENT_IP$1

	expect_fails -s 3 "sentinel: lost" "$HELPERS/frag_probe" -f "$NS_CLIENT" \
		-t "$NS_SERVER" -i "$SERVER_DEV" -s "${!client}" \
		-d "$(alias_of "$family")"
}

check_snat()
{
	local family=$1 sizes=$2 defrag=$3

	attach packet/snat "$(pf_of "$family")" postrouting 100 ${defrag:+"$defrag"}
	capture "$NS_CLIENT" "$CLIENT_DEV" \
		"udp port 9999 or udp port 9998 or ip6[6] == 44"
	probe "$family" server-client -z "$sizes"
	expect_stats_of packet packets=1 result=0
	expect_match delivered "* intact" "$DELIVERED"
	expect_captured "$(alias_of "$family")\(.40000\)\? >" \
		"$(alias_of "$family").*9998"
}

for family in 4 6; do
	add_test "ttl_and_dscp_ipv$family" check_ttl $family
	add_test "no_dnat_ipv$family" check_no_dnat $family
	add_test "dnat_ipv$family" check_dnat $family 100 ""
	add_test "dnat_reassembled_ipv$family" check_dnat $family $SIZES defrag
	add_test "snat_ipv$family" check_snat $family 100 ""
	add_test "snat_reassembled_ipv$family" check_snat $family $SIZES defrag
done

run_tests
