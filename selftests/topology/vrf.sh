#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The router's devices are in a VRF. The tests say which hooks a packet passes, how often,
# and which devices the program sees.

source "$(dirname "$0")/lib.sh"

SIZES=1400,480,8,912
PIECES="0+1400 1400+480 1880+8 1888+912"
TOTAL=2800

OTHER_CLIENT=other_$NS_CLIENT
OTHER_SERVER=other_$NS_SERVER

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

# Hosts with the addresses of client and server, in VLAN 9, which the router has in VRF red.
other_hosts()
{
	router_ip link add red type vrf table 200
	router_ip link set red up
	ip netns add "$OTHER_CLIENT"
	ip netns add "$OTHER_SERVER"
	other_host "$NS_CLIENT" "$OTHER_CLIENT" left "$ROUTER_LEFT_IP4" "$ROUTER_LEFT_IP6" \
		"$ROUTER_LEFT_MAC" "$CLIENT_IP4" "$CLIENT_IP6" "$CLIENT_MAC"
	other_host "$NS_SERVER" "$OTHER_SERVER" right "$ROUTER_RIGHT_IP4" "$ROUTER_RIGHT_IP6" \
		"$ROUTER_RIGHT_MAC" "$SERVER_IP4" "$SERVER_IP6" "$SERVER_MAC"
}

# other_host NETNS OTHER DEVICE IP4 IP6 MAC HOST_IP4 HOST_IP6 HOST_MAC: the router's DEVICE,
# with its addresses, leads to NETNS. In VLAN 9 it also leads to OTHER.
other_host()
{
	local netns=$1 other=$2 device=$3 own=("${@:4:3}") host=("${@:7:3}")

	router_ip link add link "$device" name "$device.9" type vlan id 9
	router_ip link set "$device.9" master red
	router_end "$device.9" "${own[@]:0:2}" "${host[@]}" | router_ip -batch -
	router_sysctls "$other" 0
	ip -n "$netns" link add link eth0 name vlan9 type vlan id 9
	ip -n "$netns" link set vlan9 netns "$other" name eth0
	{
		router_end eth0 "${host[@]:0:2}" "${own[@]}"
		router_defaults "${own[@]:0:2}"
	} | ip -n "$other" -batch -
}

no_other_hosts()
{
	ip netns delete "$OTHER_CLIENT"
	ip netns delete "$OTHER_SERVER"
	router_ip link delete red
	router_ip link delete left.9
	router_ip link delete right.9
}

# In both VRFs, probe with these fragments.
probe_both()
{
	local family=$1 wire=$2

	shift 2
	probe "$family" client-server -z "$SIZES" -I 77 "$@"
	expect_wire "$wire"
	NS_CLIENT=$OTHER_CLIENT NS_SERVER=$OTHER_SERVER \
		probe "$family" client-server -z "$SIZES" -I 77 "$@"
	expect_wire "$wire"
}

# Datagrams of two VRFs have the same addresses and the same identification, and their
# fragments come by turns. Each is judged on its own, in order and reassembled.
check_track()
{
	local family=$1

	needs_own BPF_F_NETFILTER_FRAG_TRACK
	trap no_other_hosts EXIT
	other_hosts
	attach accept "$(pf_of "$family")" forward 0 track
	probe_both "$family" "0+1400 1400+480" -o 0,1
	expect_stats packets=2 fragments=2
	probe_both "$family" "1880+8 1888+912" -o 2,3
	expect_stats packets=2
	expect_link "$LINK" tracked_datagrams=2 later_fragments=6 reassembled_fragments=0
	probe_both "$family" "" -o 3,2
	probe_both "$family" "$PIECES" -o 1,0
	expect_stats packets=4 fragments=2
	expect_link "$LINK" tracked_datagrams=2 later_fragments=6 reassembled_fragments=8
	expect_link "$LINK" dropped=0 dropped_fragments=0
}

for family in "${FAMILIES[@]}"; do
	add_test "forward_ipv$family" check_forward "$family"
	add_test "input_ipv$family" check_input "$family"
	add_test "counts_ipv$family" check_counts "$family"
	add_test "output_ipv$family" check_output "$family"
	add_test "track_equal_addresses_ipv$family" check_track "$family"
done
# These tests are the last, because they take a device out of the VRF.
for family in "${FAMILIES[@]}"; do
	add_test "leak_ipv$family" check_leak "$family"
done

run_tests
