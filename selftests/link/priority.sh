#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Programs and nft chains at a hook run in the order of their priorities.
#
# Requires: nft

source "$(dirname "$0")/../lib.sh"

setup()
{
	router_up
	load_policy
	load_policy second
}

# chain FAMILY PRIORITY VERDICT: load a chain that counts packets to the denied port.
chain()
{
	nft_router -f - <<-EOF2
	table $1 t {
		chain c {
			type filter hook forward priority $2;
			udp dport 9999 counter $3
		}
	}
	EOF2
}

check_before_chain()
{
	local pf=$1 family=$2 table=$3

	chain "$table" 0 accept
	attach drop "$pf" forward -1
	probe "$family" client-server
	expect_delivered ""
	expect_stats packets=1 dropped=1
	expect_nft_counter "$table t c" 0

	detach_all
	probe "$family" client-server
	expect_delivered "92 intact"
	expect_nft_counter "$table t c" 1
}

check_after_chain()
{
	local pf=$1 family=$2 table=$3

	chain "$table" 0 accept
	attach drop "$pf" forward 1
	probe "$family" client-server
	expect_delivered ""
	expect_stats packets=1 dropped=1
	expect_nft_counter "$table t c" 1
}

check_chain_drops_first()
{
	local pf=$1 family=$2 table=$3

	attach accept "$pf" forward 1
	chain "$table" 0 drop
	probe "$family" client-server
	expect_delivered ""
	expect_stats packets=0
	expect_nft_counter "$table t c" 1

	nft_router flush ruleset
	probe "$family" client-server
	expect_delivered "92 intact"
	expect_stats packets=1
}

# If the program accepts a packet, the chain after it still decides.
check_chain_drops_after()
{
	local pf=$1 family=$2 table=$3

	attach accept "$pf" forward -1
	chain "$table" 0 drop
	probe "$family" client-server
	expect_delivered ""
	expect_stats packets=1 dropped=0
	expect_nft_counter "$table t c" 1
}

check_two_programs()
{
	local pf=$1 family=$2 first=$3 second=$4

	attach "$first" "$pf" forward -10
	attach "$second" "$pf" forward 10
	probe "$family" client-server
}

test_drop_before_accept()
{
	check_two_programs ip 4 drop second/accept
	expect_delivered ""
	expect_stats packets=1 dropped=1
	expect_stats_of second packets=0
}

test_drop_after_accept()
{
	check_two_programs ip 4 second/accept drop
	expect_delivered ""
	expect_stats packets=1 dropped=1
	expect_stats_of second packets=1 dropped=0
}

# The priorities determine the order, not the time of the attach.
test_attached_later_runs_earlier()
{
	attach second/accept ip forward 10
	attach drop ip forward -10
	probe 4 client-server
	expect_delivered ""
	expect_stats packets=1
	expect_stats_of second packets=0
}

test_both_accept()
{
	local family=${FAMILIES[-1]}

	check_two_programs "$(pf_of "$family")" "$family" accept second/accept
	expect_delivered "92 intact"
	expect_stats packets=1
	expect_stats_of second packets=1
}

# A link of one family and a link of both families are at the same hook.
test_inet_before_ip()
{
	needs_family inet
	attach accept inet forward -10
	attach second/drop ip forward 10
	probe 4 client-server
	expect_delivered ""
	without ipv6 || {
		probe 6 client-server
		expect_delivered "92 intact"
	}
	expect_stats packets="${#FAMILIES[@]}"
	expect_stats_of second packets=1
}

inet_table()
{
	requires ipv6
	"$@"
}

with_family()
{
	needs_family "$2"
	"$@"
}

for check in before_chain after_chain chain_drops_first chain_drops_after; do
	add_test "${check}_ip" check_$check ip 4 ip
	add_test -r ipv6 "${check}_ip6" check_$check ip6 6 ip6
	add_test "${check}_inet_table" inet_table check_$check ip 4 inet
	add_test -r ipv6 "${check}_inet_program" with_family check_$check inet 6 ip6
done

run_tests
