#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A router that is a bridge. Bridged packets pass the IP hooks only with br_netfilter.

source "$(dirname "$0")/lib.sh"

SIZES=1400,480,8,912
PIECES="0+1400 1400+480 1880+8 1888+912"
TOTAL=2800

# The router is a bridge, and the hosts have each other for neighbours.
setup()
{
	router_up
	load_trace
	load_packet
	router_ip link add br0 type bridge
	router_ip link set br0 up
	router_ip link set left master br0
	router_ip link set right master br0
	bridge_neighbour "$NS_CLIENT" "$SERVER_IP4" "$SERVER_IP6" "$SERVER_MAC"
	bridge_neighbour "$NS_SERVER" "$CLIENT_IP4" "$CLIENT_IP6" "$CLIENT_MAC"
}

bridge_neighbour()
{
	local netns=$1 address

	for address in "$2" "$3"; do
		has_ipv6 || [[ $address != *:* ]] || continue
		ip -n "$netns" route add "$address" dev eth0
		ip -n "$netns" neighbour replace "$address" lladdr "$4" nud permanent \
			dev eth0
	done
}

# bridge_calls 0|1: set whether bridged packets pass the IP hooks.
bridge_calls()
{
	local family

	((!$1)) || modprobe br_netfilter
	[[ -e /proc/sys/net/bridge ]] || return 0
	for family in ip ip6; do
		in_ns "$NS_ROUTER" sysctl -qw "net.bridge.bridge-nf-call-${family}tables=$1"
	done
}

check_plain()
{
	local family=$1

	bridge_calls 0
	attach drop "$(pf_of "$family")" prerouting 0 defrag
	attach drop "$(pf_of "$family")" forward 0 defrag
	probe "$family" client-server -z "$SIZES" -o 3,2,1,0
	expect_wire "1888+912 1880+8 1400+480 0+1400"
	expect_delivered "$((TOTAL - 8)) intact"
	expect_stats packets=0
	expect_link "$LINK" accepted=0 dropped=0
	# The same links drop the packets when these pass the IP hooks.
	bridge_calls 1
	probe "$family" client-server -z "$SIZES"
	expect_wire ""
	expect_stats packets=1 fragments=0 dropped=1
}

check_netfilter()
{
	local family=$1 length

	length=$(whole "$family")
	bridge_calls 1
	trace_hooks defrag
	probe "$family" client-server -z "$SIZES" -o 3,2,1,0
	expect_whole
	expect_trace "prerouting:br0>:udp:$length" "forward:br0>br0:udp:$length" \
		"postrouting:>br0:udp:$length"
}

# Fragments in order leave as they came. A datagram whose first fragment comes last is
# reassembled.
check_track()
{
	local family=$1 pf

	needs_own BPF_F_NETFILTER_FRAG_TRACK
	pf=$(pf_of "$family")
	bridge_calls 1
	attach accept "$pf" forward 0 track
	probe "$family" client-server -z "$SIZES"
	expect_wire "$PIECES"
	expect_delivered "$((TOTAL - 8)) intact"
	expect_stats packets=1 fragments=1
	expect_link "$LINK" dropped=0 dropped_fragments=0
	expect_link "$LINK" tracked_datagrams=1 later_fragments=3 reassembled_fragments=0
	probe "$family" client-server -z "$SIZES" -o 3,2,1,0
	expect_whole
	expect_stats packets=2 fragments=1
	expect_link "$LINK" tracked_datagrams=1 reassembled_fragments=4
	detach_all
	attach drop "$pf" forward 0 track
	probe "$family" client-server -z "$SIZES"
	expect_wire ""
	expect_stats packets=3 fragments=2 dropped=1
	expect_link "$LINK" tracked_datagrams=1 later_fragments=3
}

# The bridge floods a datagram to two ports. Each copy is judged on its own.
check_track_flooded()
{
	local family=$1 group=239.1.2.3 server=SERVER_IP$1

	((family == 4)) || group=ff0e::1:2:3
	needs_own BPF_F_NETFILTER_FRAG_TRACK
	bridge_calls 1
	trap 'router_ip link del port3' EXIT
	router_ip link add port3 type dummy
	router_ip link set port3 master br0 up
	in_ns "$NS_CLIENT" ip "-$family" route replace "$group" dev eth0
	attach accept "$(pf_of "$family")" forward 0 track
	tap "port3=$NS_ROUTER:port3"
	probe "$family" client-server -d "$group" -S "${!server}" -z "$SIZES"
	tap_end
	expect_wire "$PIECES"
	# shellcheck disable=SC2086 # a word for each fragment
	expect_tap port3 out $PIECES
	expect_link "$LINK" tracked_datagrams=2 later_fragments=6 reassembled_fragments=0
	expect_link "$LINK" dropped=0 dropped_fragments=0
}

# join GROUP MAC ADDRESS: let a station behind the server's port join the group.
join()
{
	in_ns "$NS_SERVER" python3 - "$@" <<-'EOF'
	import sys
	from scapy.all import (Ether, ICMPv6MLReport, IP, IPOption_Router_Alert, IPv6,
	                       IPv6ExtHdrHopByHop, RouterAlert, sendp)
	from scapy.contrib.igmp import IGMP

	group, mac, address = sys.argv[1:]
	if ":" in group:
	    report = (IPv6(src=address, dst=group, hlim=1) /
	              IPv6ExtHdrHopByHop(options=[RouterAlert()]) /
	              ICMPv6MLReport(mladdr=group))
	else:
	    report = (IP(src=address, dst=group, ttl=1, options=[IPOption_Router_Alert()]) /
	              IGMP(type=0x16, gaddr=group))
	sendp(Ether(src=mac, dst="01:00:5e:01:02:03") / report, iface="eth0", verbose=False)
	EOF
}

stations()
{
	bridge -n "$NS_ROUTER" mdb show dev br0 | grep -c "port right grp $1"
}

no_stations()
{
	router_ip link set br0 type bridge mcast_querier 0
	router_ip link set right type bridge_slave mcast_to_unicast off
}

# check_track_stations FAMILY NUMBER MAC MAC: two stations join a group of this number.
# The bridge sends a copy to each station that has joined, with the station's own address.
# All copies leave by the same port, and each is judged on its own.
check_track_stations()
{
	local family=$1 group=239.1.2.$2 server=SERVER_IP$1 of_host=192.0.2.
	local macs=("${@:3}")

	((family == 4)) || { group=ff0e::1:2:$2; of_host=fe80::; }
	needs_own BPF_F_NETFILTER_FRAG_TRACK
	bridge_calls 1
	trap no_stations EXIT
	router_ip link set right type bridge_slave mcast_to_unicast on
	# A bridge without a querier floods.
	! has_ipv6 || router_ip address replace fe80::1/64 dev br0 nodad
	# It floods for this interval after it has become the querier. One command would set the
	# interval last.
	router_ip link set br0 type bridge mcast_query_response_interval 1
	router_ip link set br0 type bridge mcast_querier 1
	in_ns "$NS_CLIENT" ip "-$family" route replace "$group" dev eth0
	join "$group" "${macs[0]}" "${of_host}31"
	join "$group" "${macs[1]}" "${of_host}32"
	expect_eq "stations" 2 "$(stations "$group")"
	attach accept "$(pf_of "$family")" forward 0 track
	probe "$family" client-server -d "$group" -S "${!server}" -z "$SIZES"
	expect_wire "0+1400 0+1400 1400+480 1400+480 1880+8 1880+8 1888+912 1888+912"
	expect_link "$LINK" tracked_datagrams=2 later_fragments=6 reassembled_fragments=0
	expect_link "$LINK" dropped=0 dropped_fragments=0
}

# Pieces with DF keep their sizes.
test_df_ipv4()
{
	bridge_calls 1
	trace_hooks defrag
	probe 4 client-server -z 1400,1000 -m 0,1
	expect_wire "0+1400 1400+1000"
	expect_delivered "2392 intact"
	expect_trace prerouting:br0\>:udp:2420/2 forward:br0\>br0:udp:2420/2 \
		postrouting:\>br0:udp:2420/2
}

# Give one port of the bridge a smaller MTU, until the test ends.
small_port()
{
	bridge_calls 1
	trap 'router_ip link set right mtu 1500' EXIT
	router_ip link set right mtu 1300
}

frag_fails()
{
	snmp_counter "$NS_ROUTER" Ip FragFails Ip6FragFails
}

# Without a link the bridge fragments packets that are too large. It drops reassembled
# packets without an error to the sender, and counts them.
test_mtu_ipv4()
{
	local fails

	small_port
	probe 4 client-server -z 1400,1000
	expect_wire "0+1280 1280+120 1400+1000"
	attach accept ip forward 0 defrag
	fails=$(frag_fails)
	tap "client=$NS_CLIENT:$CLIENT_DEV"
	probe 4 client-server -z 1400,1000
	tap_end
	expect_wire ""
	expect_tap client in
	expect_stats packets=1 fragments=0
	expect_eq "FragFails" $((fails + 1)) "$(frag_fails)"
	probe 4 client-server -z 1200,1000
	expect_wire "0+1200 1200+1000"
}

# The bridge has an IPv6 address, and answers as a router does.
test_mtu_ipv6()
{
	local error="icmp:2/0/1300:$CLIENT_IP6>$SERVER_IP6"

	requires ipv6
	small_port
	tap "client=$NS_CLIENT:$CLIENT_DEV"
	probe 6 client-server -z 1400,1000
	tap_end
	expect_wire "1400+1000"
	expect_tap client in "$error"
	# Let the client forget the path MTU, so that it sends a large packet again.
	ip -n "$NS_CLIENT" -6 route flush cache
	attach accept ip6 forward 0 defrag
	tap "client=$NS_CLIENT:$CLIENT_DEV"
	probe 6 client-server -z 1400,1000
	tap_end
	expect_wire ""
	expect_tap client in "$error"
	expect_stats packets=1 fragments=0
	probe 6 client-server -z 1200,1000
	expect_wire "0+1200 1200+1000"
}

# Put the hosts into a VLAN. The bridge does not change the tag.
tagged_hosts()
{
	local netns peer_mac number=2

	for netns in "$NS_CLIENT" "$NS_SERVER"; do
		peer_mac=$([[ $netns == "$NS_CLIENT" ]] && echo "$SERVER_MAC" ||
			echo "$CLIENT_MAC")
		ip -n "$netns" link add link eth0 name vlan9 type vlan id 9
		router_end vlan9 "10.9.0.$number" "2001:db8:9::$number" \
			"10.9.0.$((5 - number))" "2001:db8:9::$((5 - number))" \
			"$peer_mac" | ip -n "$netns" -batch -
		number=$((number + 1))
	done
}

# Packets with a VLAN tag pass the hooks only if bridge-nf-filter-vlan-tagged is 1.
check_tagged()
{
	local family=$1 src dst

	src=$( ((family == 4)) && echo 10.9.0.2 || echo 2001:db8:9::2)
	dst=${src%2}3
	bridge_calls 1
	[[ -n $(ip -n "$NS_CLIENT" -o link show type vlan) ]] || tagged_hosts
	attach drop "$(pf_of "$family")" prerouting 0 defrag
	in_ns "$NS_ROUTER" sysctl -qw net.bridge.bridge-nf-filter-vlan-tagged=0
	probe "$family" client-server -s "$src" -d "$dst" -i vlan9 -z "$SIZES"
	expect_whole
	expect_stats packets=0
	expect_link "$LINK" accepted=0 dropped=0
	in_ns "$NS_ROUTER" sysctl -qw net.bridge.bridge-nf-filter-vlan-tagged=1
	probe "$family" client-server -s "$src" -d "$dst" -i vlan9 -z "$SIZES"
	expect_wire ""
	expect_stats packets=1 fragments=0 dropped=1
	in_ns "$NS_ROUTER" sysctl -qw net.bridge.bridge-nf-filter-vlan-tagged=0
}

# A program at PRE_ROUTING gives a bridged packet another destination. The kernel then routes
# the packet to this destination.
check_destination()
{
	local family=$1 alias=198.51.100.153 server=SERVER_IP$1

	((family == 4)) || alias=2001:db8:2::99
	bridge_calls 1
	in_ns "$NS_CLIENT" ip "-$family" route replace "$alias" dev eth0
	ip -n "$NS_CLIENT" neighbour replace "$alias" lladdr "$SERVER_MAC" nud permanent \
		dev eth0
	probe "$family" client-server
	expect_delivered "92 intact"
	attach packet/dnat "$(pf_of "$family")" prerouting 0
	probe "$family" client-server -d "$alias"
	expect_delivered "92 intact"
	expect_stats_of packet packets=1 result=0
	detach_all
	expect_fails -s 3 "sentinel: lost" "$HELPERS/frag_probe" -f "$NS_CLIENT" \
		-t "$NS_SERVER" -i "$SERVER_DEV" -s "${!server}" -d "$alias"
}

for family in "${FAMILIES[@]}"; do
	add_test "plain_ipv$family" check_plain "$family"
	add_test "netfilter_ipv$family" check_netfilter "$family"
	add_test "track_ipv$family" check_track "$family"
	add_test "track_flooded_ipv$family" check_track_flooded "$family"
	add_test "track_stations_ipv$family" check_track_stations "$family" 3 \
		02:00:00:00:03:01 02:00:00:00:03:02
	add_test "track_stations_of_two_vendors_ipv$family" check_track_stations "$family" 4 \
		02:00:00:00:04:01 06:01:00:00:04:01
	add_test "tagged_ipv$family" check_tagged "$family"
	add_test "destination_ipv$family" check_destination "$family"
done

run_tests
