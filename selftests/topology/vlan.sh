#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The router's devices are a VLAN and a macvlan. The program sees them, and not the devices
# below them.

source "$(dirname "$0")/lib.sh"

SIZES=1400,480,8,912
PIECES="0+1400 1400+480 1880+8 1888+912"
TOTAL=2800

MACVLAN_MAC=02:00:00:00:02:09

# The client's packets come in VLAN 9, and leave by a macvlan.
setup()
{
	router_up
	load_trace
	ip -n "$NS_CLIENT" link add link eth0 name vlan9 type vlan id 9
	router_ip link add link left name vlan9 type vlan id 9
	router_ip link add link right name mac9 address "$MACVLAN_MAC" type macvlan \
		mode bridge
	router_ip address flush dev right
	{
		router_end vlan9 10.9.0.1 2001:db8:9::1 10.9.0.2 2001:db8:9::2 \
			"$CLIENT_MAC"
		router_end mac9 "$ROUTER_RIGHT_IP4" "$ROUTER_RIGHT_IP6" \
			"$SERVER_IP4" "$SERVER_IP6" "$SERVER_MAC"
	} | router_ip -batch -
	{
		router_end vlan9 10.9.0.2 2001:db8:9::2 10.9.0.1 2001:db8:9::1 \
			"$ROUTER_LEFT_MAC"
		router_defaults 10.9.0.1 2001:db8:9::1
	} | ip -n "$NS_CLIENT" -batch -
	{
		router_end eth0 "$SERVER_IP4" "$SERVER_IP6" "$ROUTER_RIGHT_IP4" \
			"$ROUTER_RIGHT_IP6" "$MACVLAN_MAC"
	} | sed 's/^address add/address replace/' | ip -n "$NS_SERVER" -batch -
}

check_forward()
{
	local family=$1 length address

	length=$(whole "$family")
	address=$( ((family == 4)) && echo 10.9.0.2 || echo 2001:db8:9::2)
	trace_hooks defrag
	tap "right=$NS_ROUTER:right"
	probe "$family" client-server -s "$address" -z "$SIZES"
	tap_end
	expect_whole
	# shellcheck disable=SC2086 # a word for each piece
	expect_tap right out $PIECES
	expect_trace "prerouting:vlan9>:udp:$length" "forward:vlan9>mac9:udp:$length" \
		"postrouting:vlan9>mac9:udp:$length"
}

# Pieces from this veth have no headroom for the VLAN tag. So the kernel copies the datagram
# and cuts it to the largest size that came.
check_back()
{
	local family=$1 length address

	length=$(whole "$family")
	address=$( ((family == 4)) && echo 10.9.0.2 || echo 2001:db8:9::2)
	trace_hooks defrag
	tap "left=$NS_ROUTER:left"
	probe "$family" server-client -d "$address" -i vlan9 -z "$SIZES"
	tap_end
	expect_wire "0+1400 1400+1400"
	expect_tap left out 0+1400 1400+1400
	expect_delivered "$((TOTAL - 8)) intact"
	expect_trace "prerouting:mac9>:udp:$length" "forward:mac9>vlan9:udp:$length" \
		"postrouting:mac9>vlan9:udp:$length"
}

for family in "${FAMILIES[@]}"; do
	add_test "vlan_to_macvlan_ipv$family" check_forward "$family"
	add_test "macvlan_to_vlan_ipv$family" check_back "$family"
done

run_tests
