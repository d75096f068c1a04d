#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The router's device to the server has a smaller MTU. If a packet is too large and must
# not be cut, the router answers with an ICMP error, which has the addresses that the client
# knows.
#
# Requires: nft

source "$(dirname "$0")/lib.sh"

MTU=1300
VIP4=203.0.113.7
VIP6=2001:db8:99::7

setup()
{
	router_up
	load_trace
	ip -n "$NS_ROUTER" link set "$ROUTER_RIGHT_DEV" mtu $MTU
	# The client must not reduce its packets after an ICMP error.
	ip -n "$NS_CLIENT" route replace default via "$ROUTER_LEFT_IP4" mtu lock 1500
	without ipv6 ||
		ip -n "$NS_CLIENT" route replace default via "$ROUTER_LEFT_IP6" \
			mtu lock 1500
}

# The ICMP error that the client gets: it quotes a packet of the client.
too_big()
{
	local family=$1 client=CLIENT_IP$1 to=${2:-SERVER_IP$1} type

	type=$( ((family == 4)) && echo 3/4 || echo 2/0)
	echo "icmp:$type/$MTU:${!client}>${!to}"
}

# probe_tapped FAMILY [OPTION...]: probe, and record the client's device and the router's
# device to the server.
probe_tapped()
{
	# The router may have told the client the route's MTU after an earlier probe.
	ip -n "$NS_CLIENT" -"$1" route flush cache
	tap "client=$NS_CLIENT:$CLIENT_DEV" "right=$NS_ROUTER:$ROUTER_RIGHT_DEV"
	probe "$1" client-server "${@:2}"
	tap_end
}

# The trace if the kernel refuses a packet between PRE_ROUTING and FORWARD and answers it.
refused_trace()
{
	local family=$1 what=$2 length

	length=$( ((family == 4)) && echo 576 || echo 1280)
	echo "prerouting:left>:udp:$what"
	echo "output:>left:icmp:$length"
	echo "postrouting:>left:icmp:$length"
}

# Without a link, the router decides on each piece: the small piece passes.
check_no_link()
{
	local family=$1 df=$2

	# shellcheck disable=SC2086 # none or two words
	probe_tapped "$family" -z 1400,1000 $df
	expect_wire "1400+1000"
	expect_tap client in "$(too_big "$family")"
}

# With a link, no packet leaves, and the client gets one error.
check_link()
{
	local family=$1 df=$2 length=$((2400 + ($1 == 4 ? 20 : 40)))

	trace_hooks defrag
	# shellcheck disable=SC2086 # none or two words
	probe_tapped "$family" -z 1400,1000 $df
	expect_wire ""
	expect_tap right out
	expect_tap client in "$(too_big "$family")"
	expect_trace "$(refused_trace "$family" "$length/2")"
	# These pieces fit.
	# shellcheck disable=SC2086 # none or two words
	probe_tapped "$family" -z 1200,1000 $df
	expect_wire "0+1200 1200+1000"
	expect_tap client in
}

# Without DF, the router cuts IPv4: without a link each piece, with a link the datagram.
test_cut_ipv4()
{
	probe 4 client-server -z 1400,1000
	expect_wire "0+1280 1280+120 1400+1000"
	attach accept ip forward 0 defrag
	probe 4 client-server -z 1400,1000
	expect_stats packets=1 fragments=0
	expect_wire "0+1280 1280+1120"
	expect_delivered "2392 intact"
}

nat_rule()
{
	nft_router -f - <<-EOF
	table $NFT_INET n {
		chain pre {
			type nat hook prerouting priority dstnat;
			ip daddr $VIP4 dnat ip to $SERVER_IP4
			$(without ipv6 || echo "ip6 daddr $VIP6 dnat ip6 to $SERVER_IP6")
		}
		chain post {
			type nat hook postrouting priority srcnat;
			oifname "$ROUTER_RIGHT_DEV" masquerade
		}
	}
	EOF
}

# The source addresses of all packets that left by the device with the smaller MTU.
sources()
{
	awk '$1 == "right" && $2 == "out" { print $3 }' "$WORK/tap" | sort -u
}

# Both addresses are translated on output, and translated back in the error to the client.
check_nat()
{
	local family=$1 sizes=$2 df=$3 vip=VIP$1 server=SERVER_IP$1 right=ROUTER_RIGHT_IP$1

	requires conntrack
	nat_rule
	attach accept "$(pf_of "$family")" prerouting 0 defrag
	attach accept "$(pf_of "$family")" forward 0 defrag
	# shellcheck disable=SC2086 # none or two words
	probe_tapped "$family" -d "${!vip}" -S "${!server}" -z "$sizes" $df
	expect_wire ""
	expect_tap right out
	expect_tap client in "$(too_big "$family" "VIP$family")"
	# The packet does not come to FORWARD.
	expect_stats packets=1 fragments=0
	# shellcheck disable=SC2086 # none or two words
	probe_tapped "$family" -d "${!vip}" -S "${!server}" -z 1200,1000 $df
	expect_tap right out 0+1200 1200+1000
	expect_tap client in
	expect_eq "source" "${!right}" "$(sources)"
	expect_stats packets=3 fragments=0
}

add_test "no_link_df_ipv4" check_no_link 4 "-m 0,1"
add_test "link_df_ipv4" check_link 4 "-m 0,1"
add_test -r ipv6 "no_link_ipv6" check_no_link 6 ""
add_test -r ipv6 "link_ipv6" check_link 6 ""
add_test "nat_df_ipv4" check_nat 4 1400 "-m 0,1"
add_test "nat_df_pieces_ipv4" check_nat 4 1400,1000 "-m 0,1"
add_test -r ipv6 "nat_ipv6" check_nat 6 1400 ""
add_test -r ipv6 "nat_pieces_ipv6" check_nat 6 1400,1000 ""

run_tests
