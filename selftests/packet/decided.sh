#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The stack decides by a packet before a program changes it: on the receiver's socket, the
# checksum, the route, the remaining hops and the conntrack entry. write.sh tests
# segmentation.
#
# Requires: nft conntrack tcpdump ethtool

source "$(dirname "$0")/../lib.sh"

# skb->ip_summed
CHECKSUM_NONE=0
CHECKSUM_COMPLETE=2

setup()
{
	router_up
	load_packet
	load_transport
}

# two_sockets FAMILY FROM [OPTIONS]: the client sends 100 bytes by the protocol FROM to the
# router, where TCP and UDP sockets wait at one port, each connected if it is of FROM; with
# OPTIONS behind a header of IPv6's destination options. Says which of the two gets them:
# "tcp BYTES", "udp BYTES" or nothing. What UDP sends is a segment as well.
two_sockets()
{
	local left=ROUTER_LEFT_IP$1

	/usr/bin/python3 -BS -c '
import ctypes, select, socket, sys
libc = ctypes.CDLL(None, use_errno=True)
family, sent, router, client, address, options = sys.argv[1:]
version = int(family)
family = socket.AF_INET6 if version == 6 else socket.AF_INET

def make(netns, kind):
    with open("/run/netns/" + netns) as file:
        if libc.setns(file.fileno(), 0):
            raise OSError(ctypes.get_errno(), netns)
    fd = socket.socket(family, kind)
    fd.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if options and netns == client:
        fd.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_DSTOPTS, bytes(2) + b"\1\4" + bytes(4))
    if netns == router:
        # IP_TRANSPARENT, IPV6_TRANSPARENT: for what nft gives to it
        fd.setsockopt(socket.IPPROTO_IPV6 if version == 6 else 0, 75 if version == 6 else 19, 1)
    return fd

listener = make(router, socket.SOCK_STREAM)
listener.bind((address, 9999))
listener.listen()
udp = make(router, socket.SOCK_DGRAM)
if version == 6:
    udp.setsockopt(socket.IPPROTO_UDP, 102, 1)  # UDP_NO_CHECK6_RX
udp.bind((address, 9999))
if sent == "tcp":
    sender = make(client, socket.SOCK_STREAM)
    sender.connect((address, 9999))
    listener = listener.accept()[0]
    sender.send(b"x" * 100)
else:
    sender = make(client, socket.SOCK_DGRAM)
    sender.connect((address, 9999))
    udp.connect(sender.getsockname())
    sender.send(bytes(4) + b"\x50\x10" + bytes(94))
for fd in select.select([listener, udp], [], [], 1)[0]:
    if fd is udp:
        print("udp", len(fd.recv(4096)))
    elif sent == "tcp":
        print("tcp", len(fd.recv(4096)))
' "$1" "$2" "$NS_ROUTER" "$NS_CLIENT" "${!left}" "${3:-}"
}

# Early demux has found the TCP socket before the program makes a datagram of the
# segment. UDP must not take that socket for one of its own.
check_tcp_to_udp()
{
	local family=$1 hook=$2 priority=$3 options=${4:-}
	local length=$((100 + 32 - 8))

	expect_eq "without the program" "tcp 100" "$(two_sockets "$family" tcp "$options")"
	attach packet/tcp_to_udp "$(pf_of "$family")" "$hook" "$priority"
	expect_eq "with it" "udp $length" "$(two_sockets "$family" tcp "$options")"
	expect_stats_of packet result=0
	((STATS[packets] > 0)) || fail "the program saw no segment"
	detach_all
	expect_eq "after it" "tcp 100" "$(two_sockets "$family" tcp "$options")"
}

# nft has chosen the socket, at PRE_ROUTING, before a program there.
check_tproxy()
{
	local family=$1 options=${2:-} nft_family=ip left=ROUTER_LEFT_IP$1

	((family == 4)) || nft_family=ip6
	nft_router -f - <<-EOF
	table $nft_family p {
		chain c {
			type filter hook prerouting priority mangle;
			tcp dport 9999 tproxy to :9999 counter
		}
	}
	EOF
	check_tcp_to_udp "$family" prerouting -100 "$options"
	[[ $(nft_router list chain "$nft_family" p c) =~ packets\ [1-9] ]] ||
		fail "nft chose no socket: $(nft_router list chain "$nft_family" p c)"
}

resets_sent()
{
	snmp_counter "$NS_ROUTER" Tcp OutRsts none
}

# TCP finds no socket for the segment, and says so.
check_udp_to_tcp()
{
	local family=$1 before

	expect_eq "without the program" "udp 100" "$(two_sockets "$family" udp)"
	before=$(resets_sent)
	attach packet/udp_to_tcp "$(pf_of "$family")" input -1
	expect_eq "with it" "" "$(two_sockets "$family" udp)"
	expect_stats_of packet packets=1 result=0
	detach_all
	expect_eq "resets" $((before + 1)) "$(resets_sent)"
	expect_eq "after it" "udp 100" "$(two_sockets "$family" udp)"
}

# The route to the alias uses a device that does not lead to the server. If the program
# changes the address after routing, the packet keeps this route.
check_route()
{
	local family=$1 alias

	alias=$(alias_of "$family")
	ip -n "$NS_ROUTER" "-$family" route add "$alias" dev "$ROUTER_LEFT_DEV"
	attach packet/dnat "$(pf_of "$family")" forward 0
	expect_fails -s 3 "sentinel: lost" probe_alias "$family"
	expect_stats_of packet packets=1 result=0
	detach_all
	attach packet/dnat "$(pf_of "$family")" prerouting 0
	probe_alias "$family"
	expect_stats_of packet packets=2 result=0
	ip -n "$NS_ROUTER" "-$family" route delete "$alias" dev "$ROUTER_LEFT_DEV"
}

probe_alias()
{
	local client=CLIENT_IP$1

	"$HELPERS/frag_probe" -f "$NS_CLIENT" -t "$NS_SERVER" -i "$SERVER_DEV" \
		-s "${!client}" -d "$(alias_of "$1")"
}

entries()
{
	nf_prog exec "$NS_ROUTER" conntrack -L -f "ipv$1" -p udp 2>/dev/null
}

# An entry keeps the ports of the packet that it was made for, and an answer to the ports
# that a program has set later is of another connection.
check_conntrack_tuple()
{
	local family=$1 client=CLIENT_IP$1 FLOW_LISTEN=9999

	nft_track
	nf_prog exec "$NS_ROUTER" conntrack -F
	flow "$family" udp 9999 send reply
	expect_match "entries" "*sport=40000 dport=9999*sport=9999 dport=40000*" \
		"$(entries "$family")"
	expect_eq "entries" 1 "$(entries "$family" | wc -l)"

	nf_prog exec "$NS_ROUTER" conntrack -F
	attach transport/new_ports "$(pf_of "$family")" forward 0
	FLOW_LISTEN=8888 flow "$family" udp 9999 send reply
	expect_match "outcome" "delivered ${!client} 50000, *" "$OUTCOME"
	expect_stats_of transport packets=2 result=0
	expect_match "entries" "*sport=40000 dport=9999*\[UNREPLIED\]*" \
		"$(entries "$family" | grep sport=40000)"
	expect_match "entries" "*sport=8888 dport=50000*\[UNREPLIED\]*" \
		"$(entries "$family" | grep sport=8888)"
}

# hops_left FAMILY HOOK: what the server sees of the 33 that a program sets there.
hops_left()
{
	local family=$1 what=ttl

	((family == 4)) || what=hlim
	attach packet/set_ttl "$(pf_of "$family")" "$2" 0
	: > "$WORK/tcpdump"
	nsenter --net="/run/netns/$NS_SERVER" tcpdump -n -v -l --immediate-mode \
		-i "$SERVER_DEV" "udp port 9999" > "$WORK/capture" 2> "$WORK/tcpdump" &
	wait_for grep -q listening "$WORK/tcpdump"
	probe "$family" client-server
	wait_for grep -q "$what" "$WORK/capture"
	kill $!
	wait $! || :
	detach_all
	sed -n "s/.*$what \([0-9]*\).*/\1/p" "$WORK/capture"
}

# The hop was counted before FORWARD.
check_ttl()
{
	expect_eq "set at PRE_ROUTING" 32 "$(hops_left "$1" prerouting)"
	expect_eq "set at FORWARD" 33 "$(hops_left "$1" forward)"
	expect_stats_of packet packets=2 result=0
}

# waiting: how many datagrams the router has waiting for more.
# shellcheck disable=SC2016 # a column of awk
waiting()
{
	in_ns "$NS_ROUTER" awk '$1 == "FRAG:" { print $3 }' /proc/net/sockstat
}

# A whole datagram of which a program says that more is to come: the receiver waits, where
# it has not looked yet.
test_fragment_fields_ipv4()
{
	local FLOW_TO=$NS_ROUTER FLOW_TO_ADDRESS=$ROUTER_LEFT_IP4

	attach packet/more_fragments ip prerouting 0
	flow 4 udp 9999 send
	expect_outcome lost
	expect_stats_of packet packets=1 result=0
	expect_eq "datagrams that wait" 1 "$(waiting)"
	detach_all
	attach packet/more_fragments ip input 0
	flow 4 udp 9999 send
	expect_outcome "delivered *"
	expect_stats_of packet packets=2 result=0
}

# A GRE tunnel with checksums, from the client to the router: once the outer checksum is
# right, the kernel has the sum of the inner packet, as if a device had found it.
tunnel_up()
{
	trap tunnel_down EXIT
	tunnel_end "$NS_CLIENT" "$CLIENT_IP4" "$ROUTER_LEFT_IP4" 2
	tunnel_end "$NS_ROUTER" "$ROUTER_LEFT_IP4" "$CLIENT_IP4" 1
	# Otherwise the sum is still to be completed when it arrives.
	in_ns "$NS_CLIENT" ethtool -K "$CLIENT_DEV" tx off > /dev/null
}

tunnel_down()
{
	in_ns "$NS_CLIENT" ethtool -K "$CLIENT_DEV" tx on > /dev/null
	ip -n "$NS_CLIENT" link delete gre9
	ip -n "$NS_ROUTER" link delete gre9
}

# tunnel_end NETNS LOCAL REMOTE NUMBER
tunnel_end()
{
	ip -n "$1" link add gre9 type gre local "$2" remote "$3" csum
	ip -n "$1" address add "10.30.0.$4/24" dev gre9
	! has_ipv6 || ip -n "$1" address add "2001:db8:30::$4/64" dev gre9 nodad
	ip -n "$1" link set gre9 up
}

# tunnel_flow FAMILY: a datagram from the client's end to the router's.
tunnel_flow()
{
	local net=10.30.0.

	(($1 == 4)) || net=2001:db8:30::
	OUTCOME=$("$HELPERS/flow" "$NS_CLIENT" "$NS_ROUTER" udp "${net}2" 40000 "${net}1" 9999 \
		9999 send)
	OUTCOME=${OUTCOME//$'\n'/, }
}

# A program that changes the packet makes that sum wrong. The kernel forgets it, and the
# receiver sums up the packet.
check_checksum_complete()
{
	local family=$1 net=10.30.0. alias=10.30.0.153

	((family == 4)) || net=2001:db8:30:: alias=2001:db8:30::99
	tunnel_up
	attach packet/ip_summed "$(pf_of "$family")" input 100
	tunnel_flow "$family"
	expect_match "outcome" "delivered ${net}2 40000" "$OUTCOME"
	expect_stats_of packet packets=1 result="$CHECKSUM_COMPLETE"
	attach packet/snat "$(pf_of "$family")" input 0
	tunnel_flow "$family"
	expect_match "outcome" "delivered $alias 40000" "$OUTCOME"
	expect_stats_of packet packets=3 result="$CHECKSUM_NONE"
}

# policy_errors: packets that a policy of IPsec has refused.
# shellcheck disable=SC2016 # a column of awk
policy_errors()
{
	in_ns "$NS_ROUTER" awk '$1 ~ /^XfrmIn/ { sum += $2 } END { print sum }' \
		/proc/net/xfrm_stat
}

# The router accepts packets of one address by ESP only, and tests this after LOCAL_IN: a
# packet that has this address since LOCAL_IN is refused.
check_ipsec_policy()
{
	local family=$1 left=ROUTER_LEFT_IP$1 alias=192.0.2.153 FLOW_TO=$NS_ROUTER before

	((family == 4)) || alias=2001:db8:1::99
	local FLOW_TO_ADDRESS=${!left}
	ip -n "$NS_ROUTER" xfrm policy add src "$alias" dst "${!left}" dir in \
		tmpl src "$alias" dst "${!left}" proto esp mode transport
	flow "$family" udp 9999 send
	expect_outcome "delivered *"
	before=$(policy_errors)
	attach packet/snat "$(pf_of "$family")" input 0
	flow "$family" udp 9999 send
	expect_outcome lost
	expect_stats_of packet packets=1 result=0
	expect_eq "refused by the policy" $((before + 1)) "$(policy_errors)"
	ip -n "$NS_ROUTER" xfrm policy flush
	flow "$family" udp 9999 send
	expect_outcome "delivered $alias *"
}

for family in "${FAMILIES[@]}"; do
	add_test "tcp_to_udp_ipv$family" check_tcp_to_udp "$family" input -1
	add_test "tcp_to_udp_after_tproxy_ipv$family" check_tproxy "$family"
	add_test "udp_to_tcp_ipv$family" check_udp_to_tcp "$family"
	add_test "route_ipv$family" check_route "$family"
	add_test "ttl_ipv$family" check_ttl "$family"
	add_test "checksum_complete_ipv$family" check_checksum_complete "$family"
	add_test "ipsec_policy_ipv$family" check_ipsec_policy "$family"
	add_test -r conntrack "conntrack_tuple_ipv$family" check_conntrack_tuple "$family"
done
add_test -r ipv6 "tcp_to_udp_behind_options_ipv6" check_tproxy 6 options

run_tests
