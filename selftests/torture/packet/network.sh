#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# network.sh up|down SUFFIX: create or delete the network of packet_fuzz. It has the client,
# router and server of tools/router/topology.sh, and every kind of path between client and
# server that this kernel supports. "up" prints a line for each path:
#
#   path NAME FAMILY CLIENT_ADDRESS SERVER_ADDRESS
#
# and "has NAME" for each part of nft in the router (tproxy, flowtable, queue). If the kernel
# lacks a part, its line is missing, and standard error says why.

set -euo pipefail

NS_SUFFIX=$2
# shellcheck source=../../../tools/router/topology.sh
source "$(dirname "$0")/../../../tools/router/topology.sh"

# Ports of the rules below, as in packet/traffic.c.
TPROXY_PORT=5001
TPROXY_LISTENER=5002
FLOW_PORT=5003
QUEUE_PORT=5005

# A table of family inet needs IPv6.
NFT_INET=inet
has_ipv6 || NFT_INET=ip

client()
{
	ip -n "$NS_CLIENT" "$@"
}

router()
{
	ip -n "$NS_ROUTER" "$@"
}

server()
{
	ip -n "$NS_SERVER" "$@"
}

# try FUNCTION: run it in a shell of its own, which ends at the first command that fails.
try()
{
	"$BASH" "$0" "try_$1" "$NS_SUFFIX" >&2
}

# works SERVER_ADDRESS: wait for a ping's answer. Then the neighbours know each other.
works()
{
	wait_for in_ns "$NS_CLIENT" ping -c 1 -W 0.5 "$1"
}

# way NAME FUNCTION CLIENT4 SERVER4 [CLIENT6 SERVER6]: set up a path by FUNCTION.
way()
{
	local name=$1 status=0

	try "$2" || status=$?
	shift 2
	if ((status)); then
		echo "network.sh: no $name" >&2
		return 0
	fi
	works "$2"
	echo "path $name 4 $1 $2"
	[[ -n ${3:-} ]] && has_ipv6 || return 0
	works "$4"
	echo "path $name 6 $3 $4"
}

# six COMMAND...: run the command if the kernel has IPv6.
six()
{
	! has_ipv6 || "$@"
}

sysctls()
{
	local netns

	for netns in "$NS_CLIENT" "$NS_ROUTER" "$NS_SERVER"; do
		# Let incomplete datagrams expire soon, because they hold their conntrack entries.
		# shellcheck disable=SC2016 # the inner shell expands variables
		in_ns "$netns" bash -c 'cd /proc/sys/net
			echo 1 > ipv4/ipfrag_time
			echo "0 2147483647" > ipv4/ping_group_range
			echo 1 > ipv4/tcp_syn_retries
			echo 1 > ipv4/tcp_l3mdev_accept
			echo 1 > ipv4/udp_l3mdev_accept
			echo 0 > ipv4/icmp_ratelimit
			echo 10000 | tee ipv4/icmp_msgs_per_sec > ipv4/icmp_msgs_burst
			[[ ! -d ipv6 ]] || {
				echo 1 > ipv6/ip6frag_time
				echo 0 > ipv6/icmp/ratelimit
			}' 2> /dev/null || :
	done
}

# Conntrack's reassembly has a timeout of its own, which exists once the module is loaded.
conntrack_sysctls()
{
	local netns

	for netns in "$NS_CLIENT" "$NS_ROUTER" "$NS_SERVER"; do
		in_ns "$netns" bash -c 'cd /proc/sys/net/netfilter
			echo 1 > nf_conntrack_frag6_timeout' 2> /dev/null || :
	done
}

# A veth device does GRO if NAPI polls it.
offloads()
{
	in_ns "$NS_ROUTER" ethtool -K "$ROUTER_LEFT_DEV" gro on > /dev/null 2>&1 || :
	in_ns "$NS_SERVER" ethtool -K "$SERVER_DEV" gro on > /dev/null 2>&1 || :
}

direct()
{
	:
}

# tunnel NAME ADDRESS_PART OPTION...: an IPv4 tunnel, with a device NAME at both ends.
tunnel()
{
	local name=$1 part=$2

	shift 2
	client link add "$name" type "$@" local "$CLIENT_IP4" remote "$SERVER_IP4"
	server link add "$name" type "$@" local "$SERVER_IP4" remote "$CLIENT_IP4"
	ends client server "$name" "$part"
}

end()
{
	echo "link set $1 up"
	echo "address add 10.$2.0.$3/24 dev $1"
	six echo "address add 2001:db8:$2::$3/64 dev $1 nodad"
}

# ends COMMAND COMMAND DEVICE ADDRESS_PART: give the devices 10.PART.0.1 and 10.PART.0.2.
ends()
{
	local part=$4

	end "$3" "$part" 1 | "$1" -batch -
	end "$3" "$part" 2 | "$2" -batch -
}

ipip()
{
	client link add ipip1 type ipip local "$CLIENT_IP4" remote "$SERVER_IP4"
	server link add ipip1 type ipip local "$SERVER_IP4" remote "$CLIENT_IP4"
	client link set ipip1 up
	server link set ipip1 up
	client address add 10.10.0.1/24 dev ipip1
	server address add 10.10.0.2/24 dev ipip1
}

gre()
{
	tunnel gre1 11 gre
}

vxlan()
{
	tunnel vxlan1 12 vxlan id 1 dstport 4789
}

# esp FROM TO SPI: print an ESP state in transport mode.
esp()
{
	echo "xfrm state add src $1 dst $2 proto esp spi $3 mode transport" \
		"aead rfc4106(gcm(aes)) 0x0102030405060708090a0b0c0d0e0f1011121314 128"
}

# security LOCAL REMOTE OUT_SPI IN_SPI: print the states and policies of one end.
security()
{
	esp "$1" "$2" "$3"
	esp "$2" "$1" "$4"
	echo "xfrm policy add src $1 dst $2 dir out tmpl proto esp mode transport"
	echo "xfrm policy add src $2 dst $1 dir in tmpl proto esp mode transport"
}

# pair CLIENT SERVER LENGTHS: add addresses whose packets are encrypted.
pair()
{
	{
		echo "address add $1/$3 dev $CLIENT_DEV"
		security "$1" "$2" 0x1001 0x1002
	} | client -batch -
	{
		echo "address add $2/$3 dev $SERVER_DEV"
		security "$2" "$1" 0x1002 0x1001
	} | server -batch -
	router -batch - <<-EOF2
	neighbour replace $1 lladdr $CLIENT_MAC nud permanent dev $ROUTER_LEFT_DEV
	neighbour replace $2 lladdr $SERVER_MAC nud permanent dev $ROUTER_RIGHT_DEV
	EOF2
}

# The router gets a policy that matches nothing. For a policy, the kernel decodes the flow of
# a packet that it answers with an ICMP error.
ipsec()
{
	pair 192.0.2.3 198.51.100.3 24
	six pair 2001:db8:1::3 2001:db8:2::3 64
	router -batch - <<-EOF2
	xfrm policy add src 203.0.113.1 dst 203.0.113.2 dir fwd action block
	xfrm policy add src 203.0.113.1 dst 203.0.113.2 dir out action block
	EOF2
}

vrf()
{
	server link add vrf1 type vrf table 10
	server link set vrf1 up
	client link add slave1 type veth peer name slave1 netns "$NS_SERVER"
	server link set slave1 master vrf1
	ends client server slave1 13
}

# A bridge in the router. With br_netfilter its packets pass the IP hooks, too.
bridge()
{
	modprobe br_netfilter
	router -batch - <<-EOF2
	link add br0 type bridge
	link add port0 type veth peer name bridged1 netns $NS_CLIENT
	link add port1 type veth peer name bridged1 netns $NS_SERVER
	link set port0 master br0 up
	link set port1 master br0 up
	link set br0 up
	EOF2
	in_ns "$NS_ROUTER" sysctl -q net.bridge.bridge-nf-call-iptables=1 \
		net.bridge.bridge-nf-call-ip6tables=1
	ends client server bridged1 14
}

# A network device with a smaller MTU than the others of the router.
narrow()
{
	client link add narrow1 mtu 1400 type veth peer name narrow1 netns "$NS_SERVER"
	server link set narrow1 mtu 1400
	ends client server narrow1 15
}

# far COMMAND DEVICE PART HOST OTHER_PART: addresses 10.PART.0.HOST, and the way to the other
# part by the router, which is 254 of each.
far()
{
	local command=$1 device=$2 part=$3 host=$4 other=$5

	{
		end "$device" "$part" "$host"
		echo "route add 10.$other.0.0/24 via 10.$part.0.254"
		six echo "route add 2001:db8:$other::/64 via 2001:db8:$part::254"
	} | "$command" -batch -
}

# The client sends segments one by one, in linear buffers. GRO of the router joins them in a
# list. They leave by a device that does not segment.
joined()
{
	client link add joined1 type veth peer name joined0 netns "$NS_ROUTER"
	server link add apart1 type veth peer name apart0 netns "$NS_ROUTER"
	end joined0 16 254 | router -batch -
	end apart0 17 254 | router -batch -
	far client joined1 16 1 17
	far server apart1 17 2 16
	in_ns "$NS_CLIENT" ethtool -K joined1 tx on sg off tso off > /dev/null
	in_ns "$NS_ROUTER" ethtool -K joined0 gro on > /dev/null
	in_ns "$NS_ROUTER" ethtool -K apart0 tso off > /dev/null
}

nft_tproxy()
{
	in_ns "$NS_ROUTER" nft -f - <<-EOF2
	table $NFT_INET divert {
		chain pre {
			type filter hook prerouting priority mangle;
			meta nfproto ipv4 tcp dport $TPROXY_PORT tproxy ip to :$TPROXY_LISTENER meta mark set 1 accept
			$(six echo "meta nfproto ipv6 tcp dport $TPROXY_PORT tproxy ip6 to :$TPROXY_LISTENER meta mark set 1 accept")
		}
	}
	EOF2
	router rule add fwmark 1 lookup 100
	router route add local default dev lo table 100
	six router -6 rule add fwmark 1 lookup 100
	six router -6 route add local default dev lo table 100
}

nft_flowtable()
{
	in_ns "$NS_ROUTER" nft -f - <<-EOF2
	table $NFT_INET fast {
		flowtable f {
			hook ingress priority filter;
			devices = { $ROUTER_LEFT_DEV, $ROUTER_RIGHT_DEV };
		}
		chain forward {
			type filter hook forward priority 20;
			tcp dport $FLOW_PORT flow add @f
			udp dport $FLOW_PORT flow add @f
		}
	}
	EOF2
}

nft_queue()
{
	in_ns "$NS_ROUTER" nft -f - <<-EOF2
	table $NFT_INET queued {
		chain forward {
			type filter hook forward priority 40;
			udp dport $QUEUE_PORT queue num 0 bypass
		}
	}
	EOF2
}

# Every namespace tracks connections, but has no rules for NAT. Its empty nat chains allow
# programs to translate.
nft_conntrack()
{
	local netns

	for netns in "$NS_CLIENT" "$NS_ROUTER" "$NS_SERVER"; do
		in_ns "$netns" nft -f - <<-EOF2
		table $NFT_INET tracked {
			chain in {
				type filter hook input priority 10;
				ct state new counter
			}
			chain pre {
				type nat hook prerouting priority dstnat;
			}
			chain post {
				type nat hook postrouting priority srcnat;
			}
		}
		EOF2
	done
}

# part NAME: run nft_NAME, and print "has NAME" if it succeeds.
part()
{
	local status=0

	try "nft_$1" || status=$?
	if ((status)); then
		echo "network.sh: no $1" >&2
	else
		echo "has $1"
	fi
}

up()
{
	trap 'router_down' ERR
	router_up >&2
	sysctls
	offloads
	way direct direct "$CLIENT_IP4" "$SERVER_IP4" "$CLIENT_IP6" "$SERVER_IP6"
	way ipip ipip 10.10.0.1 10.10.0.2
	way gre gre 10.11.0.1 10.11.0.2 2001:db8:11::1 2001:db8:11::2
	way vxlan vxlan 10.12.0.1 10.12.0.2 2001:db8:12::1 2001:db8:12::2
	way vrf vrf 10.13.0.1 10.13.0.2 2001:db8:13::1 2001:db8:13::2
	way bridge bridge 10.14.0.1 10.14.0.2 2001:db8:14::1 2001:db8:14::2
	way narrow narrow 10.15.0.1 10.15.0.2 2001:db8:15::1 2001:db8:15::2
	way ipsec ipsec 192.0.2.3 198.51.100.3 2001:db8:1::3 2001:db8:2::3
	way joined joined 10.16.0.1 10.17.0.2 2001:db8:16::1 2001:db8:17::2
	part conntrack
	conntrack_sysctls
	part tproxy
	part flowtable
	part queue
}

case ${1-} in
up)
	up
	;;
try_*)
	"${1#try_}"
	;;
down)
	ROUTER_IS_UP=1
	router_down
	;;
*)
	echo "Usage: network.sh up|down SUFFIX" >&2
	exit 2
	;;
esac
