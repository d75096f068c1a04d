#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Packets that a program rewrites in the forwarding path: what leaves the router has
# the new bytes and right checksums, and what was captured before has the old ones.
#
# Requires: tcpdump ethtool python3 jq

source "$(dirname "$0")/../lib.sh"

SIZES=1400,480,8,912

# Bytes that need several packets, or fewer large ones if a device segments.
BULK=200000
HOPOPTS=0000010400000000	# a hop-by-hop header of padding

setup()
{
	router_up
	load_packet
	load_transport
	# Let the router complete checksums, and the receiver check them.
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

# The program rewrites an unused destination address before routing. The datagram has
# its checksum; a device is to complete the checksum of the sentinel.
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

	check_dnat "$family" 100 ""
	detach_all
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

# hosts_sum on|off: on, checksums are still incomplete in the router. The router has to
# rewrite them for the device that completes them.
hosts_sum()
{
	in_ns "$NS_CLIENT" ethtool -K "$CLIENT_DEV" tx "$1" > /dev/null
	in_ns "$NS_SERVER" ethtool -K "$SERVER_DEV" tx "$1" > /dev/null
}

# Both ports change: the server sees another client port, and listens to another port.
check_ports()
{
	local family=$1 offload=$2 client=CLIENT_IP$1 server=SERVER_IP$1
	local FLOW_LISTEN=8888

	hosts_sum "$offload"
	attach transport/new_ports "$(pf_of "$family")" prerouting -150
	flow "$family" udp 9999 send reply
	expect_outcome "delivered ${!client} 50000, delivered ${!server} 9999"
	expect_stats_of transport packets=2 result=0
	flow "$family" tcp 9999 send "echo=$BULK"
	expect_outcome "delivered ${!client} 50000, echoed $BULK"
	expect_stats_of transport result=0
}

# The receiver does look at the sums.
check_ports_old_sum()
{
	local family=$1 FLOW_LISTEN=8888

	hosts_sum off
	attach transport/new_ports_old_sum "$(pf_of "$family")" prerouting -150
	flow "$family" udp 9999 send
	expect_outcome "lost"
	expect_stats_of transport packets=1 result=0
	flow "$family" tcp 9999 send
	expect_outcome "lost"
	expect_stats_of transport packets=2 result=0
	detach_all
	attach transport/new_ports "$(pf_of "$family")" prerouting -150
	flow "$family" udp 9999 send
	expect_outcome "delivered *"
}

# NAT without conntrack, from and to an unused address and port.
check_translated()
{
	local family=$1 offload=$2 client=CLIENT_IP$1 alias
	local FLOW_LISTEN=8888 FLOW_TO_ADDRESS

	alias=$(alias_of "$family")
	FLOW_TO_ADDRESS=$alias
	hosts_sum "$offload"
	attach transport/translate "$(pf_of "$family")" prerouting -150
	flow "$family" tcp 9999 send "echo=$BULK"
	expect_outcome "delivered ${!client} 40000, echoed $BULK"
	flow "$family" udp 9999 send reply
	expect_outcome "delivered ${!client} 40000, delivered $alias 9999"
	expect_stats_of transport result=0
	detach_all
	flow "$family" udp 9999 send
	expect_match "outcome without the program" "@(lost|icmp *)" "$OUTCOME"
}

# The stack relied on the length of the header when the packet arrived.
check_hopopts()
{
	capture "$NS_SERVER" "$SERVER_DEV" "ip6[6] == 0"
	flow 6 udp 9999 "options=$HOPOPTS" send
	expect_captured "HBH .*UDP"
	attach packet/change_hopopts ip6 prerouting -150
	capture "$NS_SERVER" "$SERVER_DEV" "ip6[6] == 0"
	flow 6 udp 9999 "options=$HOPOPTS" send
	expect_captured "HBH .*UDP"
	expect_stats_of packet packets=1 result=13
}

# Send a packet from the client to the server by way of the router, which processes the destination
# options and the routing header. The kernel skips the option, which it does not know.
send_by_segments()
{
	in_ns "$NS_CLIENT" python3 - "$CLIENT_DEV" "$CLIENT_IP6" "$ROUTER_LEFT_IP6" "$SERVER_IP6" \
		"$(ip -n "$NS_ROUTER" -j link show dev "$ROUTER_LEFT_DEV" | jq -r '.[0].address')" <<-EOF
	import sys
	from scapy.all import (Ether, HBHOptUnknown, IPv6, IPv6ExtHdrDestOpt,
	                       IPv6ExtHdrSegmentRouting, UDP, sendp)
	device, client, router, server, mac = sys.argv[1:]
	options = [HBHOptUnknown(otype=0x1e, optlen=64, optdata=bytes(64))]
	sendp(Ether(dst=mac) / IPv6(src=client, dst=router) / IPv6ExtHdrDestOpt(options=options) /
	      IPv6ExtHdrSegmentRouting(addresses=[server, router], segleft=1, lastentry=1) /
	      UDP(sport=40000, dport=9999) / b"x", iface=device, verbose=0)
	EOF
}

has_judged()
{
	read_stats packet
	((STATS[packets] == $1))
}

# At FORWARD the router has parsed the destination options of the packet.
check_parsed_options()
{
	# shellcheck disable=SC2016 # the shell in the namespace expands it
	in_ns "$NS_ROUTER" bash -ec 'for file in /proc/sys/net/ipv6/conf/*/seg6_enabled; do
		echo 1 > "$file"; done'
	attach packet/change_dstopts ip6 prerouting -150
	send_by_segments
	wait_for has_judged 1
	expect_stats_of packet packets=1 result=0
	detach_all
	attach packet/change_dstopts ip6 forward 0
	send_by_segments
	wait_for has_judged 2
	expect_stats_of packet packets=2 result=2
}

# router_joins on|off: on, GRO of the router joins the segments of the client in a list of
# buffers, and the device on the other side wants them apart again.
router_joins()
{
	local off=on

	[[ $1 == off ]] || off=off
	in_ns "$NS_CLIENT" ethtool -K "$CLIENT_DEV" tx on sg "$off" tso "$off" > /dev/null
	in_ns "$NS_ROUTER" ethtool -K "$ROUTER_LEFT_DEV" gro "$1" > /dev/null
	in_ns "$NS_ROUTER" ethtool -K "$ROUTER_RIGHT_DEV" tx on sg on tso "$off" > /dev/null
}

# The server gets the bytes that the client sent, although the program has moved them.
check_pulled_segments()
{
	local family=$1

	router_joins on
	attach transport/pull_segments "$(pf_of "$family")" forward 0
	flow "$family" tcp 9999 send "echo=$BULK"
	expect_outcome "delivered *, echoed $BULK"
	expect_stats_of transport result=0
	((STATS[larger] > 0)) || fail "nothing was joined"
	router_joins off
}

# A flow whose headers lie does not arrive. The next one does.
check_longer_header()
{
	local family=$1

	router_joins on
	attach transport/longer_header "$(pf_of "$family")" forward 0
	flow "$family" tcp 9999 send "echo=$BULK"
	expect_stats_of transport result=0
	((STATS[larger] > 0)) || fail "nothing was joined"
	detach_all
	flow "$family" tcp 9999 send "echo=$BULK"
	expect_outcome "delivered *, echoed $BULK"
	router_joins off
}

add_test -r ipv6 "hop_by_hop_options_ipv6" check_hopopts
add_test -r ipv6 "parsed_options_ipv6" check_parsed_options
for family in "${FAMILIES[@]}"; do
	add_test "ttl_and_dscp_ipv$family" check_ttl "$family"
	add_test "no_dnat_ipv$family" check_no_dnat "$family"
	add_test "dnat_ipv$family" check_dnat "$family" 100 ""
	add_test "dnat_reassembled_ipv$family" check_dnat "$family" $SIZES defrag
	add_test "snat_ipv$family" check_snat "$family" 100 ""
	add_test "snat_reassembled_ipv$family" check_snat "$family" $SIZES defrag
done
# Last, as they change the offloads of the hosts.
for family in "${FAMILIES[@]}"; do
	for offload in off on; do
		add_test "ports_tx_${offload}_ipv$family" check_ports "$family" $offload
		add_test "translated_tx_${offload}_ipv$family" \
			check_translated "$family" $offload
	done
	add_test "ports_old_sum_ipv$family" check_ports_old_sum "$family"
	add_test "pulled_segments_ipv$family" check_pulled_segments "$family"
	add_test "longer_header_ipv$family" check_longer_header "$family"
done

run_tests
