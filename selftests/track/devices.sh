#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Links that track fragments, and the devices that fragments come from and leave by: virtual
# machines, which can ask the router to cut what they send, several input devices, and routes
# by which some fragments of a datagram leave by another device.
#
# Requires: nft

source "$(dirname "$0")/lib.sh"

setup()
{
	local device

	router_up
	load_policy
	needs_own BPF_F_NETFILTER_FRAG_TRACK
	ip -n "$NS_ROUTER" tuntap add dev vm mode tap vnet_hdr || lacks "tap devices"
	ip -n "$NS_ROUTER" link add other type dummy
	for device in vm other; do
		! has_ipv6 || ip -n "$NS_ROUTER" link set "$device" addrgenmode none
		ip -n "$NS_ROUTER" link set "$device" up
	done
	# No socket of the server answers.
	in_ns "$NS_SERVER" nft -f - <<-EOF
	table $NFT_INET received {
		chain allowed {
			udp dport 53 counter drop
		}
		chain denied {
			udp dport 9999 counter drop
		}
		chain in {
			type filter hook input priority 0
			jump allowed
			jump denied
		}
	}
	EOF
}

# vm_send FAMILY ID PART...: see helpers/vm_send.c
vm_send()
{
	local from=CLIENT_IP$1 to=SERVER_IP$1

	"$HELPERS/vm_send" "$NS_ROUTER" vm "${!from}" "${!to}" "${@:2}"
}

# Print the number of datagrams of the virtual machine that the server received so far.
received()
{
	in_ns "$NS_SERVER" nft list chain "$NFT_INET" received "$1" |
		sed -n 's/.*counter packets \([0-9]*\).*/\1/p'
}

received_is()
{
	(($(received "$1") == $2))
}

wait_received()
{
	wait_for received_is "$1" "$2" || fail "$1: $(received "$1") datagrams, not $2"
}

# A packet that the router is to cut gets new offsets, which begin at 0 again. So a later
# fragment would become a datagram that no program has seen.
test_cut_by_the_router_ipv4()
{
	local attack=(0+8m:53 8+2800m:9999:1400 2808+2800:9999:1400)
	local allowed denied

	allowed=$(received allowed)
	denied=$(received denied)
	vm_send 4 1 "${attack[@]}"
	wait_received denied $((denied + 1))
	attach deny_port ip forward 0 track
	vm_send 4 2 0+48m:53 48+56:0
	wait_received allowed $((allowed + 1))
	vm_send 4 3 "${attack[@]}"
	expect_link "$LINK" dropped=0 dropped_fragments=2
	vm_send 4 4 0+48m:53 48+56:0
	wait_received allowed $((allowed + 2))
	expect_stats packets=3 fragments=3 ports=3
	expect_eq "datagrams for the refused port" $((denied + 1)) "$(received denied)"
}

# A whole packet may be cut. A first fragment must not be cut, nor an IPv6 fragment.
check_cut_first()
{
	local family=$1

	attach accept "$(pf_of "$family")" forward 0 track
	vm_send "$family" 11 0+2800:53:1400
	expect_stats packets=1 fragments=0
	vm_send "$family" 12 0+2800m:53:1400 2800+8:0
	expect_stats packets=1
	expect_link "$LINK" dropped_fragments=1 reassembled_fragments=1
	vm_send "$family" 13 0+48m:53 48+2800:0:1400
	expect_link "$LINK" dropped_fragments=2
	vm_send "$family" 14 0+48m:53 48+56:0
	expect_stats packets=3 fragments=2
	expect_link "$LINK" tracked_datagrams=2 later_fragments=1 dropped_fragments=2
}

# Reassembly does not cut fragments: a datagram out of order is judged as a whole.
check_cut_out_of_order()
{
	local family=$1

	attach deny_port "$(pf_of "$family")" forward 0 track
	vm_send "$family" 21 48+1200m:0 1248+1400:0:700 0+48m:53
	expect_stats packets=1 fragments=0 ports=1 dropped=0
	vm_send "$family" 22 48+1200m:0 1248+1400:0:700 0+48m:9999
	expect_stats packets=2 fragments=0 ports=2 dropped=1
	expect_link "$LINK" reassembled_fragments=6 dropped_fragments=0
}

# Reassembly joins fragments that came in by several devices, and so does the link.
check_input_devices()
{
	local family=$1

	attach accept "$(pf_of "$family")" forward 0 track
	probe "$family" client-server -z 48,56 -I 31
	expect_wire "0+48 48+56"
	probe "$family" client-server -z 48,56 -o 0 -I 32
	expect_wire "0+48"
	expect_entries 1
	vm_send "$family" 32 48+56:0
	expect_entries 0
	expect_link "$LINK" tracked_datagrams=2 later_fragments=2 reassembled_fragments=0
	expect_link "$LINK" dropped=0 dropped_fragments=0
}

# Until the test ends, packets of the client with these bytes of data and a class of their own
# leave the router by another device.
divert()
{
	local family=$1 match="ip length $(($2 + 20)) ip" server=SERVER_IP$1 lladdr=02:00:00:00:ff:02

	(($1 == 4)) || match="ip6 length $(($2 + 8)) ip6"
	# shellcheck disable=SC2064 # $family is known only here
	trap "in_ns $NS_CLIENT nft delete table $NFT_INET marks
		ip -n $NS_ROUTER -$family rule del tos 0x10 table 100" EXIT
	ip -n "$NS_ROUTER" "-$family" route replace "${!server}" dev other table 100
	ip -n "$NS_ROUTER" neighbour replace "${!server}" lladdr "$lladdr" nud permanent dev other
	ip -n "$NS_ROUTER" "-$family" rule add tos 0x10 table 100
	in_ns "$NS_CLIENT" nft -f - <<-EOF
	table $NFT_INET marks {
		chain c {
			type filter hook postrouting priority 0
			$match dscp set 4
		}
	}
	EOF
}

# The program accepts the first fragment for one device. A later fragment that is routed to
# another one was not judged for it.
check_output_devices()
{
	local family=$1 before

	divert "$family" 56
	before=$(sent_by other)
	probe "$family" client-server -p 53 -z 48,56,16
	expect_wire "0+48 104+16"
	expect_eq "packets by the other device" $((before + 1)) "$(sent_by other)"

	attach accept "$(pf_of "$family")" forward 0 track
	probe "$family" client-server -p 53 -z 48,64
	expect_wire "0+48 48+64"
	expect_link "$LINK" tracked_datagrams=1 later_fragments=1 dropped_fragments=0
	probe "$family" client-server -p 53 -z 48,56,16
	expect_wire "0+48"
	expect_link "$LINK" tracked_datagrams=2 later_fragments=1 dropped_fragments=2
	expect_eq "packets by the other device" $((before + 1)) "$(sent_by other)"
	# A datagram all of which takes this way
	probe "$family" client-server -p 53 -z 56,56
	expect_wire ""
	expect_link "$LINK" tracked_datagrams=3 later_fragments=2 dropped_fragments=2
	expect_eq "packets by the other device" $((before + 3)) "$(sent_by other)"
	probe "$family" client-server -p 53 -z 48,64
	expect_wire "0+48 48+64"
}

for family in "${FAMILIES[@]}"; do
	add_test "first_cut_by_the_router_ipv$family" check_cut_first "$family"
	add_test "cut_out_of_order_ipv$family" check_cut_out_of_order "$family"
	add_test "input_devices_ipv$family" check_input_devices "$family"
	add_test "output_devices_ipv$family" check_output_devices "$family"
done

run_tests
