#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A program on either side of conntrack, which attaches a packet to its
# connection at priority -200 of prerouting and output.
#
# Requires: CONFIG_NF_CONNTRACK nft

source "$(dirname "$0")/../lib.sh"

setup()
{
	router_up
	load_policy
	load_policy second
}

# The rule leaves out the sentinel.
track()
{
	nft_track 'udp dport { 53, 9999 }'
}

check_before()
{
	local pf=$1 family=$2 priority=$3

	track
	attach accept "$pf" prerouting "$priority"
	attach second/accept "$pf" prerouting -199
	probe "$family" client-server
	expect_stats packets=1 tracked=0
	expect_stats_of second packets=1 tracked=1
}

check_after()
{
	local pf=$1 family=$2 hook=$3 priority=$4

	attach accept "$pf" "$hook" "$priority"
	probe "$family" client-server
	expect_stats packets=1 tracked=0

	track
	probe "$family" client-server
	expect_stats packets=2 tracked=1
	expect_nft_counter "$NFT_INET t c" 1
}

# The verdict comes before conntrack has seen anything of the packet.
check_drop_before()
{
	local pf=$1 family=$2

	track
	attach drop "$pf" prerouting -399
	probe "$family" client-server
	expect_delivered ""
	expect_stats packets=1 dropped=1 tracked=0
	expect_nft_counter "$NFT_INET t c" 0

	detach_all
	probe "$family" client-server
	expect_nft_counter "$NFT_INET t c" 1
}

# Between defragmentation and conntrack packets are whole and not yet tracked.
check_defrag_before()
{
	local pf=$1 family=$2

	track
	attach accept "$pf" prerouting -399 defrag
	probe "$family" client-server -z 1400,480,912 -o 2,1,0
	expect_stats packets=1 fragments=0 ports=1 tracked=0
	expect_delivered "2784 intact"
}

# Before defragmentation there are fragments, whoever has asked for defrag.
check_before_defrag()
{
	local pf=$1 family=$2

	track
	attach accept "$pf" prerouting -401
	probe "$family" client-server -z 1400,480,912 -o 2,1,0
	expect_stats packets=3 fragments=3 later=2 tracked=0
	expect_wire "0+1400 1400+480 1880+912"
	expect_delivered "2784 intact"
}

check_untracked()
{
	local pf=$1 family=$2

	track
	attach accept "$pf" prerouting -199
	nft_raw 'udp dport 9999 notrack'
	probe "$family" client-server
	expect_stats packets=1 tracked=0
	probe "$family" client-server -p 53
	expect_stats packets=2 tracked=1
}

for family in "${FAMILIES[@]}"; do
	pf=$( ((family == 4)) && echo ip || echo ip6)
	add_test "right_before_ipv$family" check_before "$pf" "$family" -201
	add_test "long_before_ipv$family" check_before "$pf" "$family" -399
	add_test "right_after_ipv$family" check_after "$pf" "$family" prerouting -199
	add_test "forward_ipv$family" check_after "$pf" "$family" forward 0
	add_test "postrouting_ipv$family" check_after "$pf" "$family" postrouting 0
	add_test "drop_before_ipv$family" check_drop_before "$pf" "$family"
	add_test "defrag_before_ipv$family" check_defrag_before "$pf" "$family"
	add_test "before_defrag_ipv$family" check_before_defrag "$pf" "$family"
	add_test "untracked_ipv$family" check_untracked "$pf" "$family"
done

run_tests
