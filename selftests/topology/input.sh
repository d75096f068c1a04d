#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# At LOCAL_IN, a program writes behind the first piece of a reassembled datagram that is for
# the router itself.

source "$(dirname "$0")/lib.sh"

SIZES=1400,480,8,912
TOTAL=2800

setup()
{
	router_up
	load_packet
}

udp_errors()
{
	snmp_counter "$NS_ROUTER" Udp InCsumErrors Udp6InCsumErrors
}

# The socket gets the new bytes, because the checksum is right.
check_write()
{
	local family=$1 sizes=$2 total errors

	total=$((${sizes//,/+}))
	errors=$(udp_errors)
	attach packet/write_end "$(pf_of "$family")" input 0 defrag
	probe "$family" client-router -z "$sizes"
	expect_stats_of packet packets=1 result=0
	expect_link "$LINK" dropped=0
	expect_delivered "$((total - 8)) damaged"
	expect_eq "InCsumErrors" "$errors" "$(udp_errors)"
	detach_all
	probe "$family" client-router -z "$sizes"
	expect_delivered "$((total - 8)) intact"
}

# With a wrong checksum, the socket gets nothing.
check_write_old_sum()
{
	local family=$1 errors

	errors=$(udp_errors)
	attach packet/write_end_old_sum "$(pf_of "$family")" input 0 defrag
	probe "$family" client-router -z "$SIZES"
	expect_stats_of packet packets=1 result=0
	expect_delivered ""
	expect_eq "InCsumErrors" $((errors + 1)) "$(udp_errors)"
	detach_all
	probe "$family" client-router -z "$SIZES"
	expect_delivered "$((TOTAL - 8)) intact"
}

for family in "${FAMILIES[@]}"; do
	add_test "write_ipv$family" check_write "$family" "$SIZES"
	add_test "write_two_pieces_ipv$family" check_write "$family" 104,1000
	add_test "write_unfragmented_ipv$family" check_write "$family" 1000
	add_test "write_old_sum_ipv$family" check_write_old_sum "$family"
done

run_tests
