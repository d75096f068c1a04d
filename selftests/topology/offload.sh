#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Packets that the kernel joins on input (GRO), and flows that bypass the hooks (nft's
# flowtables).
#
# Requires: nft ethtool

source "$(dirname "$0")/lib.sh"

# The number of datagrams of one send, and their size.
NUMBER=50
SIZE=1000

setup()
{
	router_up
	load_trace
	# The datagrams of one send come to the router at once, as single packets, and leave as
	# single packets.
	in_ns "$NS_CLIENT" ethtool -K "$CLIENT_DEV" tx-udp-segmentation off
	in_ns "$NS_ROUTER" ethtool -K "$ROUTER_RIGHT_DEV" tx-udp-segmentation off \
		tx-gso-list off
}

# gro list|forwarding|off: set how the router joins datagrams that it forwards.
gro()
{
	local how=$1

	in_ns "$NS_ROUTER" ethtool -K "$ROUTER_LEFT_DEV" \
		gro "$([[ $how == off ]] && echo off || echo on)" \
		rx-gro-list "$([[ $how == list ]] && echo on || echo off)" \
		rx-udp-gro-forwarding "$([[ $how == forwarding ]] && echo on || echo off)"
}

# train FAMILY PORT: send NUMBER datagrams from the client to the server, and print how many
# the server has received and their sizes.
train()
{
	local server=SERVER_IP$1

	/usr/bin/python3 -BS -c '
import ctypes, select, socket, sys
libc = ctypes.CDLL(None, use_errno=True)
client, server, address, port, number, size, last = sys.argv[1:]
port, number, size, last = int(port), int(number), int(size), int(last)
family = socket.AF_INET6 if ":" in address else socket.AF_INET

def make(netns):
    with open("/run/netns/" + netns) as file:
        if libc.setns(file.fileno(), 0):
            raise OSError(ctypes.get_errno(), netns)
    return socket.socket(family, socket.SOCK_DGRAM)

got, end = make(server), make(server)
got.bind((address, port))
end.bind((address, last))
sender = make(client)
sender.sendto(b"x", (address, last))
end.recv(10)
sender.setsockopt(socket.IPPROTO_UDP, 103, size)  # UDP_SEGMENT
sender.sendto(b"x" * size * number, (address, port))
sender.setsockopt(socket.IPPROTO_UDP, 103, 0)
sender.sendto(b"x", (address, last))
if not select.select([end], [], [], 10)[0]:
    sys.exit("the sentinel is lost")
sizes = []
got.setblocking(False)
try:
    while True:
        sizes.append(len(got.recv(65536)))
except BlockingIOError:
    print(len(sizes), *sorted(set(sizes)))
' "$NS_CLIENT" "$NS_SERVER" "${!server}" "$2" "$NUMBER" "$SIZE" 9998
}

# The program sees one packet, which does not count as reassembled. Each datagram leaves as
# it came.
check_gro()
{
	local family=$1 how=$2 length=$((NUMBER * SIZE + 8 + ($1 == 4 ? 20 : 40)))

	gro "$how"
	trace_hooks defrag
	tap "right=$NS_ROUTER:right"
	expect_eq "received" "$NUMBER $SIZE" "$(train "$family" 9999)"
	tap_end
	# shellcheck disable=SC2046 # split into words
	expect_tap right out $(printf "0+$((SIZE + 8)) %.0s" $(seq "$NUMBER"))
	expect_trace "prerouting:left>:udp:$length" "forward:left>right:udp:$length" \
		"postrouting:left>right:udp:$length"
}

# The program gives one verdict for the joined packet, and counts one packet.
check_gro_verdict()
{
	local family=$1 how=$2 packets=$3
	local length=$((NUMBER * SIZE / packets + 8 + (family == 4 ? 20 : 40)))

	gro "$how"
	attach deny_port "$(pf_of "$family")" forward 0 defrag
	expect_eq "received" "$NUMBER $SIZE" "$(train "$family" 53)"
	expect_stats packets="$packets" fragments=0 dropped=0 length="$length"
	expect_eq "received" 0 "$(train "$family" 9999)"
	expect_stats packets=$((2 * packets)) fragments=0 dropped="$packets"
	expect_link "$LINK" dropped="$packets"
}

flowtable()
{
	nft_router -f - <<-EOF
	table $NFT_INET t {
		flowtable fast {
			hook ingress priority 0
			devices = { $ROUTER_LEFT_DEV, $ROUTER_RIGHT_DEV }
		}
		chain c {
			type filter hook forward priority 0
			meta l4proto { tcp, udp } flow add @fast
		}
	}
	EOF
}

# Only the first packet of each direction passes the hooks. Later packets do not even pass
# PRE_ROUTING.
check_flowtable_conntrack()
{
	local family=$1 client=CLIENT_IP$1 server=SERVER_IP$1
	local length=$((18 + ($1 == 4 ? 20 : 40)))

	flowtable
	trace_hooks -p 5 defrag
	flow "$family" udp 7001 send reply send reply
	expect_outcome "delivered ${!client} 40000, delivered ${!server} 7001, delivered ${!client} 40000, delivered ${!server} 7001"
	expect_trace "prerouting:left>:udp:$length" "forward:left>right:udp:$length" \
		"postrouting:left>right:udp:$length" "prerouting:right>:udp:$length" \
		"forward:right>left:udp:$length" "postrouting:right>left:udp:$length"
}

# A program is attached after the flow has begun, and drops everything. It does not stop the
# flow. It does stop other flows, and the flow's fragments, which do not use the flowtable.
check_flowtable_late_drop()
{
	local family=$1 client=CLIENT_IP$1

	flowtable
	flow "$family" udp 7002 send reply send
	expect_outcome "delivered *, delivered *, delivered *"
	attach drop "$(pf_of "$family")" forward 5 defrag
	flow "$family" udp 7002 send
	expect_outcome "delivered ${!client} 40000"
	expect_stats packets=0
	probe "$family" client-server -p 7002 -z 1000,200
	expect_delivered ""
	expect_stats packets=1 fragments=0 dropped=1
	flow "$family" udp 7003 send
	expect_outcome "lost"
	expect_stats packets=2 dropped=2
}

for family in "${FAMILIES[@]}"; do
	for how in list forwarding; do
		add_test "gro_${how}_ipv$family" check_gro "$family" $how
		add_test "gro_${how}_verdict_ipv$family" \
			check_gro_verdict "$family" $how 1
	done
	add_test "gro_off_verdict_ipv$family" check_gro_verdict "$family" off $NUMBER
	add_test -r conntrack "flowtable_conntrack_ipv$family" check_flowtable_conntrack "$family"
	add_test -r conntrack "flowtable_late_drop_conntrack_ipv$family" \
		check_flowtable_late_drop "$family"
done

run_tests
