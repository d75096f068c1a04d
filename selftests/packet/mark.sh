#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Mark and priority that a program sets are what nft and tc see, and the mark is what
# routes are looked up by; those that nft sets are what a program reads.
#
# Requires: nft tc

source "$(dirname "$0")/../lib.sh"

# Addresses to which only the routing table of marked packets has a route.
BEHIND_IP4=203.0.113.7
BEHIND_IP6=2001:db8:99::7

setup()
{
	local family

	router_up
	load_packet
	for family in "${FAMILIES[@]}"; do
		route_marked "$family"
	done
}

# By the mark that set_mark of progs/packet.bpf.c sets.
route_marked()
{
	local family=$1 server=SERVER_IP$1 behind=BEHIND_IP$1

	ip -n "$NS_SERVER" "-$family" address add "${!behind}" dev lo
	ip -n "$NS_ROUTER" "-$family" rule add fwmark 0x77 lookup 100
	ip -n "$NS_ROUTER" "-$family" route add "${!behind}" via "${!server}" table 100
	ip -n "$NS_ROUTER" "-$family" route add prohibit default table 100
}

check_nft_sees()
{
	local family=$1

	nft_router "table $NFT_INET t { chain c { type filter hook forward priority 10;
		udp dport 9999 meta mark 0x77 meta priority 1:5 counter; }; }"
	probe "$family" client-server
	expect_nft_counter "$NFT_INET t c" 0
	attach packet/set_mark "$(pf_of "$family")" forward 0
	probe "$family" client-server
	expect_delivered "92 intact"
	expect_nft_counter "$NFT_INET t c" 1
}

# The datagram and the sentinel.
check_tc_sees()
{
	local family=$1

	nf_prog exec "$NS_ROUTER" tc qdisc replace dev "$ROUTER_RIGHT_DEV" clsact
	nf_prog exec "$NS_ROUTER" tc filter replace dev "$ROUTER_RIGHT_DEV" egress \
		bpf da object-pinned "$PINS/packet/see_mark"
	probe "$family" client-server
	expect_stats_of packet tracked=0
	attach packet/set_mark "$(pf_of "$family")" forward 0
	probe "$family" client-server
	nf_prog exec "$NS_ROUTER" tc qdisc delete dev "$ROUTER_RIGHT_DEV" clsact
	expect_stats_of packet packets=1 tracked=2
	expect_delivered "92 intact"
}

# Before IPv4 forwards: that sets the priority by the TOS.
check_reads_nft()
{
	local family=$1

	nft_router "table $NFT_INET t { chain c { type filter hook prerouting priority -200;
		udp dport 9999 meta mark set 0x99 meta priority set 2:3 counter; }; }"
	attach packet/read "$(pf_of "$family")" prerouting 0
	probe "$family" client-server
	expect_nft_counter "$NFT_INET t c" 1
	expect_stats_of packet packets=1 mark=$((0x99)) priority=$((0x20003))
}

# The address behind the server has no route without the mark.
check_selects_route()
{
	local family=$1 client=CLIENT_IP$1 behind=BEHIND_IP$1
	local FLOW_TO_ADDRESS=${!behind}

	flow "$family" udp 9999 send
	expect_outcome "icmp [13] 0"
	attach packet/set_mark "$(pf_of "$family")" prerouting 0
	flow "$family" udp 9999 send
	expect_outcome "delivered ${!client} 40000"
	expect_stats_of packet packets=1
	detach_all
	flow "$family" udp 9999 send
	expect_outcome "icmp [13] 0"
}

# The server's own has one, and is prohibited with the mark; behind the lookup, at
# FORWARD, that comes too late.
check_prohibits()
{
	local family=$1 client=CLIENT_IP$1

	attach packet/set_mark "$(pf_of "$family")" forward 0
	flow "$family" udp 9999 send
	expect_outcome "delivered ${!client} 40000"
	expect_stats_of packet packets=1
	detach_all
	attach packet/set_mark "$(pf_of "$family")" prerouting 0
	flow "$family" udp 9999 send
	expect_outcome "icmp $2"
	expect_stats_of packet packets=2
}

for family in "${FAMILIES[@]}"; do
	add_test "nft_sees_ipv$family" check_nft_sees "$family"
	add_test "tc_sees_ipv$family" check_tc_sees "$family"
	add_test "reads_nft_ipv$family" check_reads_nft "$family"
	add_test "selects_route_ipv$family" check_selects_route "$family"
done
add_test prohibits_route_ipv4 check_prohibits 4 "3 13"
add_test -r ipv6 prohibits_route_ipv6 check_prohibits 6 "1 1"

run_tests
