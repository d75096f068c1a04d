#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Tests samples/nft-classes on the router with its own rules and its own table of nft: the
# client has the class of its address.
#
# Requires: bpftool jq nft CONFIG_NF_CONNTRACK

source "$(dirname "$0")/lib.sh"

COUNTERS=packets
SENTINEL="udp dport 9998 accept"	# probe() sends it
PIECES=1400,480,8,912
TABLE=$SELFTESTS_SRC/../samples/nft-classes/classes.nft
# An address of each class; those of IPv6 have no class 3.
EVERYTHING4=192.0.2.2 DNS4=192.0.2.129 CLOSED4=192.0.2.200
EVERYTHING6=2001:db8:1::2 DNS6=2001:db8:1::2:1

setup()
{
	local address

	setup_samples
	modprobe -q nf_bpf_packet || :
	begin_sample nft-classes classes
	for address in "$DNS4" "$CLOSED4" "$DNS6"; do
		[[ $address != *:* ]] || has_ipv6 || continue
		nf_prog exec "$NS_CLIENT" ip address replace "$address" dev lo
	done
	# IPv6 does not answer for addresses of lo.
	! has_ipv6 || ip -n "$NS_ROUTER" route replace "$DNS6" via "$CLIENT_IP6"
}

sets_marks()
{
	grep -q '\<bpf_nf_write_mark\>' /proc/kallsyms ||
		grep -qa BPF_NF_LINK_INET /sys/kernel/btf/vmlinux
}

begin_test()
{
	sets_marks || lacks "the mark"
	# Only tables of the family inet have answers for both families.
	sed -e "s/inet classes/$NFT_INET classes/" -e "s/chain dns_only {/&\n$SENTINEL/" \
		-e "$([[ $NFT_INET == inet ]] || echo s/icmpx/icmp/)" "$TABLE" |
		nft_router -f -
	begin_counting
}

# send FAMILY CLASS PORT: from the address of the class
send()
{
	local from=$2$1

	local "CLIENT_IP$1=${!from}"
	flow "$1" udp "$3" send
}

# Each class has its verdict, and only this.
check_verdicts()
{
	local family=$1

	begin_test
	send "$family" EVERYTHING 9999
	expect_outcome "delivered *"
	send "$family" DNS 53
	expect_outcome "delivered *"
	send "$family" DNS 9999
	expect_outcome "lost"
	send "$family" EVERYTHING 9999
	expect_outcome "delivered *"
	expect_counted 1=2 2=2
	expect_nft_counter "$NFT_INET classes dns_only" 1
}

# send_back FAMILY CLASS PORT: from the server, whose address has no class, to that of the class
send_back()
{
	local to=$2$1 server=SERVER_IP$1

	local "CLIENT_IP$1=${!server}"
	FLOW_FROM=$NS_SERVER FLOW_TO=$NS_CLIENT FLOW_TO_ADDRESS=${!to} flow "$1" udp "$3" send
}

# If the source has no class, that of the destination counts.
check_destination()
{
	local family=$1

	begin_test
	send_back "$family" EVERYTHING 9999
	expect_outcome "delivered *"
	send_back "$family" DNS 9999
	expect_outcome "lost"
	send_back "$family" DNS 53
	expect_outcome "delivered *"
	expect_counted 1=1 2=2
	expect_nft_counter "$NFT_INET classes dns_only" 1
}

test_reject()
{
	begin_test
	send 4 EVERYTHING 53
	expect_outcome "delivered *"
	send 4 CLOSED 53
	expect_outcome "icmp 3 13"
	expect_counted 3=1
	expect_nft_counter "$NFT_INET classes closed" 1
}

# The rules of nft see the ports of a datagram that came in fragments.
check_fragments()
{
	local family=$1 dns=DNS$1

	local "CLIENT_IP$family=${!dns}"
	begin_test
	probe "$family" client-server -p 53 -z "$PIECES"
	expect_delivered "2792 intact"
	probe "$family" client-server -p 9999 -z "$PIECES"
	expect_delivered ""
	probe "$family" client-server -p 53 -z "$PIECES"
	expect_delivered "2792 intact"
	expect_nft_counter "$NFT_INET classes dns_only" 2
}

# Without a class nothing passes, and other bits of the mark stay.
test_no_class()
{
	begin_test
	rules_are "[classes]"
	send 4 EVERYTHING 9999
	expect_outcome "lost"
	expect_counted 1=0
	rules_are "[classes]" "addr=192.0.2.0/24 -> 1"
	nft_router -f - <<-EOF
	table $NFT_INET t {
		chain before {
			type filter hook prerouting priority -160;
			meta mark set 0xab2
		}
		chain after {
			type filter hook postrouting priority 0;
			meta mark 0xab1 counter
		}
	}
	EOF
	send 4 EVERYTHING 9999
	expect_outcome "delivered *"
	expect_nft_counter "$NFT_INET t after" 1
}

# A kernel that cannot set marks drops all packets.
test_fails_closed()
{
	! sets_marks || skip "this kernel sets marks"
	flow 4 udp 9999 send
	expect_outcome "lost"
	nf_bpf remove "$SAMPLE"
	flow 4 udp 9999 send
	expect_outcome "delivered *"
}

for family in "${FAMILIES[@]}"; do
	add_test "verdicts_ipv$family" check_verdicts "$family"
	add_test "destination_ipv$family" check_destination "$family"
	add_test "fragments_ipv$family" check_fragments "$family"
done

run_tests
