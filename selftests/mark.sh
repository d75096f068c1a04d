#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Mark and priority that a program sets are what nft and tc see; those that nft sets
# are what a program reads.

source "$(dirname "$0")/lib.sh"
needs nft tc

setup()
{
	router_up
	load_packet
}

check_nft_sees()
{
	local family=$1

	nft_router 'table inet t { chain c { type filter hook forward priority 10;
		udp dport 9999 meta mark 0x77 meta priority 1:5 counter; }; }'
	probe "$family" client-server
	expect_nft_counter "inet t c" 0
	attach packet/set_mark "$(pf_of "$family")" forward 0
	probe "$family" client-server
	expect_delivered "92 intact"
	expect_nft_counter "inet t c" 1
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

	nft_router 'table inet t { chain c { type filter hook prerouting priority -200;
		udp dport 9999 meta mark set 0x99 meta priority set 2:3 counter; }; }'
	attach packet/read "$(pf_of "$family")" prerouting 0
	probe "$family" client-server
	expect_nft_counter "inet t c" 1
	expect_stats_of packet packets=1 mark=$((0x99)) priority=$((0x20003))
}

for family in 4 6; do
	add_test "nft_sees_ipv$family" check_nft_sees $family
	add_test "tc_sees_ipv$family" check_tc_sees $family
	add_test "reads_nft_ipv$family" check_reads_nft $family
done

run_tests
