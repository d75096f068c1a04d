#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# NAT that programs set up for new connections: seen by the server, undone for the
# client.
#
# Requires: CONFIG_NF_CONNTRACK CONFIG_NETFILTER_BPF_KFUNC nft conntrack

source "$(dirname "$0")/../lib.sh"

declare -ri UDP=17 TCP=6
declare -ri SRC=0 DST=1		# enum nf_nat_manip_type
declare -ri ENOENT=2 EBUSY=16 EINVAL=22 EUNATCH=49 EOPNOTSUPP=95

# An unused address, routed through the router.
VIP4=203.0.113.7
VIP6=2001:db8:99::7

# Addresses as they are in memory.
SERVER_WORDS4=(addr0=0x026433c6)
SERVER_WORDS6=(addr0=0x00000200b80d0120 addr1=0x0200000000000000)
RIGHT_WORDS4=(addr0=0x016433c6)
RIGHT_WORDS6=(addr0=0x00000200b80d0120 addr1=0x0100000000000000)

setup()
{
	router_up
	load_kfunc
}

nat_hooks()
{
	nft_nat
	nf_prog exec "$NS_ROUTER" conntrack -F
}

check_dnat()
{
	local family=$1 protocol=$2 proto=$3 vip=VIP$1 client=CLIENT_IP$1
	local -n words=SERVER_WORDS$1
	local FLOW_TO_ADDRESS=${!vip} FLOW_LISTEN=8888

	nat_hooks
	flow "$family" "$protocol" 9999 send
	expect_outcome "icmp [13] 0"
	attach kfunc/nat inet prerouting -150
	tell proto="$proto" port=9999 "${words[@]}" nat_port=8888 manip="$DST"
	flow "$family" "$protocol" 9999 send
	expect_outcome "delivered ${!client} 40000"
	# Later packets of a connection have their NAT already.
	[[ $protocol != udp ]] || expect_told packets=1 ret=0
}

check_dnat_reply()
{
	local family=$1 vip=VIP$1 client=CLIENT_IP$1
	local -n words=SERVER_WORDS$1
	local FLOW_TO_ADDRESS=${!vip} FLOW_LISTEN=8888

	nat_hooks
	attach kfunc/nat inet prerouting -150
	tell proto="$UDP" port=9999 "${words[@]}" nat_port=8888 manip="$DST"
	flow "$family" udp 9999 send reply
	expect_outcome "delivered ${!client} 40000, delivered ${!vip} 9999"
	expect_told packets=1 ret=0
	# It goes on as it has begun.
	flow "$family" udp 9999 send
	expect_outcome "delivered ${!client} 40000"
	expect_told packets=2 ret=-"$EBUSY"
}

check_snat()
{
	local family=$1 hook=$2 priority=$3 right=ROUTER_RIGHT_IP$1 server=SERVER_IP$1
	local client=CLIENT_IP$1
	local -n words=RIGHT_WORDS$1

	nat_hooks
	flow "$family" udp 9999 send
	expect_outcome "delivered ${!client} 40000"
	nf_prog exec "$NS_ROUTER" conntrack -F
	attach kfunc/nat inet "$hook" "$priority"
	tell proto="$UDP" port=9999 "${words[@]}" nat_port=5555 manip="$SRC"
	flow "$family" udp 9999 send reply
	expect_outcome "delivered ${!right} 5555, delivered ${!server} 9999"

	# Without a port, it keeps its own.
	tell proto="$UDP" port=9999 "${words[@]}" nat_port=-1 manip="$SRC"
	FROM_PORT=41111 flow "$family" udp 9999 send
	expect_outcome "delivered ${!right} 41111"
	expect_told packets=1 ret=0
}

# The source address of packets to the router itself is translated at LOCAL_IN.
check_snat_input()
{
	local family=$1 right=ROUTER_RIGHT_IP$1 left=ROUTER_LEFT_IP$1 client=CLIENT_IP$1
	local FLOW_TO=$NS_ROUTER FLOW_TO_ADDRESS=${!left}
	local -n words=RIGHT_WORDS$1

	nat_hooks
	flow "$family" udp 9999 send
	expect_outcome "delivered ${!client} 40000"
	nf_prog exec "$NS_ROUTER" conntrack -F
	attach kfunc/nat inet input 99
	tell proto="$UDP" port=9999 "${words[@]}" nat_port=5555 manip="$SRC"
	flow "$family" udp 9999 send
	expect_outcome "delivered ${!right} 5555"
	expect_told packets=1 ret=0
}

# refused HOOK PRIORITY ERROR NAME=VALUE...: the packet passes as it was.
refused()
{
	local hook=$1 priority=$2 error=$3 client=${CLIENT:-CLIENT_IP$family}

	shift 3
	attach kfunc/nat inet "$hook" "$priority"
	tell proto="$UDP" port=9999 "${words[@]}" "$@"
	flow "$family" udp 9999 send
	expect_outcome "delivered ${!client} 40000"
	expect_told packets=1 ret=-"$error"
	detach_all
	nf_prog exec "$NS_ROUTER" conntrack -F
}

check_refused()
{
	local family=$1
	local -n words=SERVER_WORDS$1

	refused prerouting -150 "$ENOENT" manip="$DST"
	# With conntrack and nothing that translates.
	nft_track
	refused prerouting -150 "$EUNATCH" manip="$DST"
	refused postrouting 0 "$EUNATCH" manip="$SRC"
	nft_router flush ruleset
	nat_hooks
	refused prerouting -150 "$EINVAL" manip=2
	refused prerouting -150 "$EINVAL" manip=-1
	refused prerouting -150 "$EINVAL" manip="$DST" nat_port=65536
	refused prerouting -150 "$EOPNOTSUPP" manip="$SRC"
	refused forward 0 "$EOPNOTSUPP" manip="$DST"
	refused postrouting 0 "$EOPNOTSUPP" manip="$DST"
	FLOW_FROM=$NS_ROUTER CLIENT=ROUTER_RIGHT_IP$family \
		refused output -150 "$EOPNOTSUPP" manip="$SRC"
	# Conntrack is at -200, the hooks of NAT at -100 and 100.
	refused prerouting -250 "$ENOENT" manip="$DST"
	refused prerouting -99 "$EBUSY" manip="$DST"
	refused postrouting 101 "$EBUSY" manip="$SRC"
	# NAT needs room in an entry to which an expectation points.
	nft_expectation "$family"
	refused postrouting 0 "$EBUSY" manip="$SRC"
	nft_router delete table "$NFT_INET" e
	check_dnat "$family" udp "$UDP"
}

# bpf_ct_set_nat_info(), for a connection that is still to come: without an address it
# does nothing, and a second time either.
check_set_nat_info()
{
	local family=$1 client=CLIENT_IP$1
	local -n words=SERVER_WORDS$1

	nat_hooks
	attach kfunc/alloc inet forward 0
	tell proto="$UDP" port=9999 other_port=6666 other_proto="$UDP" timeout=60000 \
		"${words[@]}" nat_port=8888
	FLOW_LISTEN=8888 flow "$family" udp 6666 send
	expect_outcome "icmp *"
	nf_prog exec "$NS_ROUTER" conntrack -F
	flow "$family" udp 9999 send
	expect_told packets=1 found=1 ret=0 status=-"$EBUSY"
	# The verifier of unmodified kernels does not let a program pass NULL.
	[[ ${NF_BPF_PATCHED:-0} != 1 ]] || expect_told state=-"$EINVAL"
	FLOW_LISTEN=8888 flow "$family" udp 6666 send
	expect_outcome "delivered ${!client} 40000"
}

# The same for the destination and the source of one connection.
check_set_nat_info_twice()
{
	local family=$1 right=ROUTER_RIGHT_IP$1
	local -n words=SERVER_WORDS$1 source=RIGHT_WORDS$1

	nat_hooks
	attach kfunc/alloc inet forward 0
	tell proto="$UDP" port=9999 other_port=6666 other_proto="$UDP" timeout=60000 \
		"${words[@]}" nat_port=8888 "${source[@]/addr/source}"
	FLOW_LISTEN=8888 flow "$family" udp 6666 send
	expect_outcome "icmp *"
	nf_prog exec "$NS_ROUTER" conntrack -F
	flow "$family" udp 9999 send
	expect_told packets=1 found=1 ret=0 source_ret=0
	FLOW_LISTEN=8888 flow "$family" udp 6666 send
	expect_outcome "delivered ${!right} 40000"
}

for family in "${FAMILIES[@]}"; do
	add_test "dnat_udp_ipv$family" check_dnat "$family" udp $UDP
	add_test "dnat_tcp_ipv$family" check_dnat "$family" tcp $TCP
	add_test "dnat_reply_ipv$family" check_dnat_reply "$family"
	add_test "snat_forward_ipv$family" check_snat "$family" forward 0
	add_test "snat_postrouting_ipv$family" check_snat "$family" postrouting 99
	add_test "snat_input_ipv$family" check_snat_input "$family"
	add_test "refused_ipv$family" check_refused "$family"
	add_test "set_nat_info_ipv$family" check_set_nat_info "$family"
	add_test "set_nat_info_twice_ipv$family" check_set_nat_info_twice "$family"
done

run_tests
