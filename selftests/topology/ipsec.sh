#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The router is one end of an IPsec tunnel (ESP) to the server. Some hooks see the client's
# packet, others see the ESP packet that carries it.

source "$(dirname "$0")/lib.sh"

SIZES=1000,480,8,912
PIECES=(0+1000 1000+480 1480+8 1488+912)
TOTAL=2400

# The server's address inside the tunnel.
INNER4=10.20.0.2
INNER6=2001:db8:20::2
# Its address inside a tunnel from the client to the server.
TRANSIT4=10.21.0.2
TRANSIT6=2001:db8:21::2
LEFT_NET4=192.0.2.0/24
LEFT_NET6=2001:db8:1::/64
INNER_NET4=10.20.0.0/24
INNER_NET6=2001:db8:20::/64

setup()
{
	local family

	router_up
	load_trace
	load_packet
	for family in "${FAMILIES[@]}"; do
		add_tunnel "$family"
	done
}

# state NETNS SOURCE DESTINATION SPI: add an xfrm state
state()
{
	ip -n "$1" xfrm state add src "$2" dst "$3" proto esp spi "$4" reqid 1 \
		mode tunnel aead "rfc4106(gcm(aes))" \
		0x0102030405060708090a0b0c0d0e0f1011121314 128
}

# policy NETNS DIRECTION NETWORK SOURCE DESTINATION: add an xfrm policy
policy()
{
	ip -n "$1" xfrm policy add dst "$3" dir "$2" tmpl src "$4" dst "$5" proto esp \
		reqid 1 mode tunnel
}

add_tunnel()
{
	local near=ROUTER_RIGHT_IP$1 far=SERVER_IP$1 left=LEFT_NET$1 inner=INNER_NET$1
	local address=INNER$1 netns

	ip -n "$NS_SERVER" address add "${!address}" dev lo
	ip -n "$NS_ROUTER" route add "${!inner}" via "${!far}" dev right
	for netns in "$NS_ROUTER" "$NS_SERVER"; do
		state "$netns" "${!near}" "${!far}" 0x1
		state "$netns" "${!far}" "${!near}" 0x2
	done
	policy "$NS_ROUTER" out "${!inner}" "${!near}" "${!far}"
	policy "$NS_ROUTER" fwd "${!left}" "${!far}" "${!near}"
	policy "$NS_SERVER" out "${!left}" "${!far}" "${!near}"
	policy "$NS_SERVER" in "${!inner}" "${!near}" "${!far}"
}

# into_tunnel, out_of_tunnel FAMILY [OPTION...]: probe through the tunnel.
into_tunnel()
{
	local inner=INNER$1

	probe "$1" client-server -d "${!inner}" "${@:2}"
}

out_of_tunnel()
{
	local inner=INNER$1

	probe "$1" server-client -s "${!inner}" "${@:2}"
}

# tap_esp COMMAND...: record the packets on the router's device to the server.
tap_esp()
{
	tap "right=$NS_ROUTER:right"
	"$@"
	tap_end
}

# esp FAMILY BYTES...: the length of ESP packets, without their IP header, that carry a
# packet with BYTES after its IP header. The sum: this packet and 2 bytes of trailer, padded
# to a multiple of 4; 8 bytes of ESP header, 8 bytes of IV, and 16 bytes of check value.
esp()
{
	local header=$(($1 == 4 ? 20 : 40)) size

	for size in "${@:2}"; do
		echo $(((size + header + 2 + 3) / 4 * 4 + 8 + 8 + 16))
	done
}

# expect_esp in|out LENGTH...: the lengths of the ESP packets. The last is the sentinel's.
expect_esp()
{
	local way=$1

	shift
	# shellcheck disable=SC2046 # split into words
	expect_tap right "$way" $(printf '50:%s ' "$@")
}

# First the client's packet passes PRE_ROUTING, FORWARD and POST_ROUTING. Then the ESP packet
# that carries it passes LOCAL_OUT and POST_ROUTING.
check_out()
{
	local family=$1 header=$(($1 == 4 ? 20 : 40)) whole end

	whole=$(esp "$family" 1000)
	end=$(esp "$family" 11)
	trace_hooks defrag
	tap_esp into_tunnel "$family" -z 1000
	expect_delivered "992 intact"
	expect_esp out "$whole" "$end"
	expect_trace "prerouting:left>:udp:$((1000 + header))" \
		"forward:left>right:udp:$((1000 + header))" \
		"postrouting:left>right:udp:$((1000 + header))" \
		"output:>right:esp:$((whole + header))" \
		"postrouting:left>right:esp:$((whole + header))" \
		"output:>right:esp:$((end + header))" \
		"postrouting:left>right:esp:$((end + header))"
}

# First the ESP packet passes PRE_ROUTING and LOCAL_IN. Then the packet that was in it
# passes PRE_ROUTING, FORWARD and POST_ROUTING.
check_in()
{
	local family=$1 header=$(($1 == 4 ? 20 : 40)) whole end

	whole=$(esp "$family" 1000)
	end=$(esp "$family" 11)
	trace_hooks defrag
	out_of_tunnel "$family" -z 1000
	expect_delivered "992 intact"
	expect_trace "prerouting:right>:esp:$((whole + header))" \
		"input:right>:esp:$((whole + header))" \
		"prerouting:right>:udp:$((1000 + header))" \
		"forward:right>left:udp:$((1000 + header))" \
		"postrouting:right>left:udp:$((1000 + header))" \
		"prerouting:right>:esp:$((end + header))" \
		"input:right>:esp:$((end + header))"
}

# Without a link each piece has an ESP packet of its own. With a link, IPv6 cuts the datagram
# into its pieces before it encrypts them. IPv4 encrypts the whole datagram and cuts the ESP
# packet, so the datagram is whole at the other end.
test_out_pieces_ipv4()
{
	local whole end

	whole=$(esp 4 "$TOTAL")
	end=$(esp 4 11)
	tap_esp into_tunnel 4 -z "$SIZES"
	expect_wire "${PIECES[*]}"
	# shellcheck disable=SC2046 # split into words
	expect_esp out $(esp 4 1000 480 8 912 11)

	attach accept ip forward 0 defrag
	tap_esp into_tunnel 4 -z "$SIZES"
	expect_stats packets=1 fragments=0
	expect_wire "0+$TOTAL"
	expect_delivered "$((TOTAL - 8)) intact"
	expect_esp out 1480 $((whole - 1480)) "$end"
}

test_out_pieces_ipv6()
{
	# The pieces have a fragment header inside the tunnel.
	local pieces=(1008 488 16 920)

	requires ipv6
	tap_esp into_tunnel 6 -z "$SIZES"
	expect_wire "${PIECES[*]}"
	# shellcheck disable=SC2046 # split into words
	expect_esp out $(esp 6 "${pieces[@]}" 11)

	attach accept ip6 forward 0 defrag
	tap_esp into_tunnel 6 -z "$SIZES"
	expect_stats packets=1 fragments=0
	expect_wire "${PIECES[*]}"
	expect_delivered "$((TOTAL - 8)) intact"
	# shellcheck disable=SC2046 # split into words
	expect_esp out $(esp 6 "${pieces[@]}" 11)
}

# Pieces that come out of the tunnel one by one are reassembled.
check_in_pieces()
{
	local family=$1

	attach accept "$(pf_of "$family")" forward 0 defrag
	out_of_tunnel "$family" -z "$SIZES" -o 3,2,1,0
	expect_stats packets=1 fragments=0 length=$((TOTAL + (family == 4 ? 20 : 40)))
	expect_wire "${PIECES[*]}"
	expect_delivered "$((TOTAL - 8)) intact"
}

# The router does not encrypt a denied datagram, and forwards no piece of one that comes out
# of the tunnel.
check_denied()
{
	local family=$1 end

	end=$(esp "$family" 11)
	attach deny_port "$(pf_of "$family")" forward 0 defrag
	tap_esp into_tunnel "$family" -z "$SIZES"
	expect_esp out "$end"
	expect_delivered ""
	expect_stats packets=1 dropped=1
	out_of_tunnel "$family" -z "$SIZES"
	expect_wire ""
	expect_stats packets=2 dropped=2
	expect_link "$LINK" dropped=2
	into_tunnel "$family" -z "$SIZES" -p 53
	expect_delivered "$((TOTAL - 8)) intact"
	out_of_tunnel "$family" -z "$SIZES" -p 53
	expect_delivered "$((TOTAL - 8)) intact"
	expect_stats packets=4 dropped=2
}

# A tunnel between client and server passes through the router. The router forwards an ESP
# packet for each piece, and a policy by ports has no effect.
check_transit()
{
	local family=$1 client=CLIENT_IP$1 server=SERVER_IP$1 transit=TRANSIT$1
	local header=$(($1 == 4 ? 20 : 40)) extra=$(($1 == 4 ? 0 : 8)) netns

	for netns in "$NS_CLIENT" "$NS_SERVER"; do
		state "$netns" "${!client}" "${!server}" 0x3
	done
	policy "$NS_CLIENT" out "${!transit}" "${!client}" "${!server}"
	policy "$NS_SERVER" in "${!transit}" "${!client}" "${!server}"
	ip -n "$NS_SERVER" address add "${!transit}" dev lo
	attach deny_port "$(pf_of "$family")" forward 0 defrag
	attach trace/record "$(pf_of "$family")" forward 1
	probe "$family" client-server -d "${!transit}" -z 1000,200
	expect_wire "0+1000 1000+200"
	expect_delivered "1192 intact"
	expect_stats packets=0
	# IPv6 pieces have a fragment header inside the tunnel.
	# shellcheck disable=SC2046 # split into lines
	expect_trace $(esp "$family" $((1000 + extra)) $((200 + extra)) 11 |
		while read -r length; do
			echo "forward:left>right:esp:$((length + header))"
		done)
	probe "$family" client-server -z 1000,200
	expect_stats packets=1 fragments=0 dropped=1
	expect_wire ""
}

# The router chooses the tunnel between PRE_ROUTING and FORWARD, by the packet's destination
# at this point. The server accepts packets to this address only out of the tunnel.
check_choice()
{
	local family=$1 inner=10.22.0.2 alias=10.22.0.153 bits=32
	local near=ROUTER_RIGHT_IP$1 far=SERVER_IP$1

	((family == 4)) || inner=2001:db8:22::2 alias=2001:db8:22::99 bits=128
	local FLOW_TO_ADDRESS=$alias
	ip -n "$NS_SERVER" address add "$inner/$bits" dev lo
	ip -n "$NS_ROUTER" route add "$inner" via "${!far}" dev right
	ip -n "$NS_ROUTER" route add "$alias" via "${!far}" dev right
	policy "$NS_ROUTER" out "$inner" "${!near}" "${!far}"
	policy "$NS_SERVER" in "$inner" "${!near}" "${!far}"
	attach packet/dnat "$(pf_of "$family")" prerouting 0
	tap_esp flow "$family" udp 9999 send
	expect_esp out "$(esp "$family" 18)"
	expect_outcome "delivered *"
	expect_stats_of packet packets=1 result=0
	detach_all
	attach packet/dnat "$(pf_of "$family")" forward 0
	tap_esp flow "$family" udp 9999 send
	expect_tap right out 0+18
	expect_outcome lost
	expect_stats_of packet packets=2 result=0
}

for family in "${FAMILIES[@]}"; do
	add_test "transit_ipv$family" check_transit "$family"
	add_test "out_ipv$family" check_out "$family"
	add_test "in_ipv$family" check_in "$family"
	add_test "in_pieces_ipv$family" check_in_pieces "$family"
	add_test "denied_ipv$family" check_denied "$family"
	add_test "choice_ipv$family" check_choice "$family"
done

run_tests
