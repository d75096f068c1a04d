#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The router's devices are in a VRF. The tests say which hooks a packet passes, how often,
# and which devices the program sees.

source "$(dirname "$0")/lib.sh"

SIZES=1400,480,8,912
PIECES="0+1400 1400+480 1880+8 1888+912"
TOTAL=2800

# Let the router's sockets receive packets of all VRFs.
setup()
{
	router_up
	load_trace
	in_ns "$NS_ROUTER" sysctl -qw net.ipv4.udp_l3mdev_accept=1
	router_ip link add blue type vrf table 100
	router_ip link set blue up
	router_ip link set left master blue
	router_ip link set right master blue
	router_addresses_again
}

# When a device changes its master, it loses its IPv6 addresses and neighbours.
router_addresses_again()
{
	{
		router_end "$ROUTER_LEFT_DEV" "$ROUTER_LEFT_IP4" "$ROUTER_LEFT_IP6" \
			"$CLIENT_IP4" "$CLIENT_IP6" "$CLIENT_MAC"
		router_end "$ROUTER_RIGHT_DEV" "$ROUTER_RIGHT_IP4" "$ROUTER_RIGHT_IP6" \
			"$SERVER_IP4" "$SERVER_IP6" "$SERVER_MAC"
	} | sed 's/^address add/address replace/' | router_ip -batch -
}

check_forward()
{
	local family=$1 length

	length=$(whole "$family")
	trace_hooks defrag
	probe "$family" client-server -z "$SIZES" -o 3,2,1,0
	expect_whole
	expect_trace "prerouting:left>:udp:$length" "prerouting:blue>:udp:$length" \
		"forward:blue>right:udp:$length" "postrouting:blue>right:udp:$length"
}

# One route leads out of the VRF, and one route of the main table leads into it.
check_leak()
{
	local family=$1 length
	local server client

	length=$(whole "$family")
	server=$( ((family == 4)) && echo 198.51.100.0/24 || echo 2001:db8:2::/64)
	client=$( ((family == 4)) && echo 192.0.2.0/24 || echo 2001:db8:1::/64)
	router_ip link set right nomaster
	router_addresses_again
	router_ip route add vrf blue "$server" dev right
	router_ip route add "$client" dev left
	trace_hooks defrag
	probe "$family" client-server -z "$SIZES"
	expect_whole
	expect_trace "prerouting:left>:udp:$length" "prerouting:blue>:udp:$length" \
		"forward:blue>right:udp:$length" "postrouting:blue>right:udp:$length"
	probe "$family" server-client -z "$SIZES"
	expect_whole
	expect_trace "prerouting:right>:udp:$length" "forward:right>left:udp:$length" \
		"postrouting:right>left:udp:$length"
}

check_input()
{
	local family=$1 length

	length=$(whole "$family")
	trace_hooks defrag
	probe "$family" client-router -z "$SIZES"
	expect_whole
	expect_trace "prerouting:left>:udp:$length" "prerouting:blue>:udp:$length" \
		"input:blue>:udp:$length"
}

# A program at PRE_ROUTING counts an accepted packet twice, and a dropped packet once.
check_counts()
{
	local family=$1

	attach deny_port "$(pf_of "$family")" prerouting 0 defrag
	probe "$family" client-server -z "$SIZES" -p 53
	expect_whole
	expect_stats packets=2 fragments=0 dropped=0
	probe "$family" client-server -z "$SIZES"
	expect_wire ""
	expect_stats packets=3 fragments=0 dropped=1
	expect_link "$LINK" dropped=1
}

# The router sends through the VRF: LOCAL_OUT and POST_ROUTING run twice, and PRE_ROUTING
# runs twice for the answer.
check_output()
{
	local family=$1 server=SERVER_IP$1 length=$((28 + ($1 == 4 ? 20 : 40)))

	trace_hooks
	in_ns "$NS_ROUTER" ping -q -c 1 -s 20 -I blue "${!server}"
	expect_trace "output:>blue:icmp:$length" "postrouting:>blue:icmp:$length" \
		"output:>right:icmp:$length" "postrouting:blue>right:icmp:$length" \
		"prerouting:right>:icmp:$length" "prerouting:blue>:icmp:$length" \
		"input:blue>:icmp:$length"
}

for family in "${FAMILIES[@]}"; do
	add_test "forward_ipv$family" check_forward "$family"
	add_test "input_ipv$family" check_input "$family"
	add_test "counts_ipv$family" check_counts "$family"
	add_test "output_ipv$family" check_output "$family"
done
# These tests are the last, because they take a device out of the VRF.
for family in "${FAMILIES[@]}"; do
	add_test "leak_ipv$family" check_leak "$family"
done

run_tests
