#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Tests samples/zone-firewall on the router with its own rules: the client is in the LAN, and
# the server in the DMZ.
#
# Requires: bpftool jq nft CONFIG_NF_CONNTRACK

source "$(dirname "$0")/lib.sh"

# The reasons of the program
ACCEPTED_CONNECTION=1
ACCEPTED_RULE=2
REJECTED_RULE=3
DROPPED_NO_RULE=4
DROPPED_NO_ZONE=5
DROPPED_INVALID=6
SENTINEL="from=lan to=dmz dport=9998 protocol=udp"	# probe() sends it
ELSEWHERE4=203.0.113.7		# addresses of no zone
ELSEWHERE6=2001:db8:7::7

setup()
{
	setup_samples
	modprobe -q nf_bpf_kfunc || :
	HAS_CONNTRACK=$(grep -c '\<bpf_nf_ct_info\>' /proc/kallsyms || :)
	((HAS_CONNTRACK)) || return 0
	begin_sample zone-firewall zones "s|^\[rules\]|&\n$SENTINEL|"
	track
}

# Conntrack begins with the first rule that asks for it: see the README.
track()
{
	nf_prog exec "$NS_ROUTER" nft -f - <<-EOF
	table $NFT_INET conntrack {
		chain forward {
			type filter hook forward priority 10;
			ct state new counter
		}
	}
	EOF
}

begin_test()
{
	((HAS_CONNTRACK)) || lacks "the kernel functions of conntrack"
	begin_counting
}

# ping_from NETNS ADDRESS [OPTION...]
ping_from()
{
	nf_prog exec "$1" ping -q -c 1 -W 5 "${@:2}" > /dev/null
}

# A rule lets the question pass, and conntrack the answer. Fragments are judged as a whole.
check_service()
{
	local family=$1

	begin_test
	flow "$family" udp 53 send reply
	expect_outcome "delivered *, delivered *"
	expect_counted ACCEPTED_RULE=1 ACCEPTED_CONNECTION=1
	probe "$family" client-server -p 53 -z 1400,480,8,912
	expect_delivered "2792 intact"
	flow "$family" tcp 443 send echo=5000
	expect_outcome "delivered *, echoed 5000"
	expect_counted DROPPED_NO_RULE=0 DROPPED_INVALID=0 REJECTED_RULE=0
}

# Other services are rejected, between two that are not, also in fragments.
check_reject()
{
	local family=$1

	begin_test
	flow "$family" udp 53 send
	expect_outcome "delivered *"
	flow "$family" udp 9999 send
	expect_outcome "icmp *"
	flow "$family" tcp 9999 send
	expect_outcome "reset"
	begin_counting
	probe "$family" client-server -p 9999 -z 1400,480,8,912
	expect_delivered ""
	expect_counted REJECTED_RULE=1
	probe "$family" client-server -p 53 -z 1400,480,8,912
	expect_delivered "2792 intact"
}

# The ICMP error of a closed port passes, because an accepted connection causes it.
check_related()
{
	begin_test
	# No other test has this connection.
	FROM_PORT=40001 FLOW_LISTEN=54 flow "$1" udp 53 send
	expect_outcome "icmp *"
	expect_counted ACCEPTED_RULE=1 ACCEPTED_CONNECTION=1
}

# The rules allow echo requests from the LAN, not from the DMZ, and not from an address that no
# zone has behind this device.
check_icmp()
{
	local server=SERVER_IP$1 client=CLIENT_IP$1 elsewhere=ELSEWHERE$1

	begin_test
	nf_prog exec "$NS_CLIENT" ip address replace "${!elsewhere}" dev lo
	ping_from "$NS_CLIENT" "${!server}"
	! ping_from "$NS_SERVER" "${!client}" -W 1 || fail "the DMZ reaches the LAN"
	! ping_from "$NS_CLIENT" "${!server}" -W 1 -I "${!elsewhere}" ||
		fail "an address of no zone passes"
	ping_from "$NS_CLIENT" "${!server}"
	expect_counted ACCEPTED_RULE=2 ACCEPTED_CONNECTION=2 DROPPED_NO_RULE=1 DROPPED_NO_ZONE=1
}

# "any" has the addresses that no longer prefix has, of both families.
test_longest_prefix()
{
	local rules family
	local networks=("[networks]" "device=$ROUTER_LEFT_DEV addr=any -> lan"
			"device=$ROUTER_RIGHT_DEV addr=any -> wan")

	begin_test
	mapfile -t rules < <(sed -n '/^\[rules\]/,$p' "$ETC/zones.rules")
	cp "$ETC/zones.rules" "$WORK/zones.rules"
	rules_are "${networks[@]}" "${rules[@]}"
	for family in "${FAMILIES[@]}"; do
		flow "$family" udp 9997 send
		expect_outcome "delivered *"
	done
	rules_are "${networks[@]}" "device=$ROUTER_RIGHT_DEV addr=$SERVER_IP4/32 -> dmz" \
		"device=$ROUTER_RIGHT_DEV addr=$SERVER_IP6/128 -> dmz" "${rules[@]}"
	for family in "${FAMILIES[@]}"; do
		flow "$family" udp 9996 send
		expect_outcome "icmp *"
	done
	cp "$WORK/zones.rules" "$ETC/zones.rules"
	nf_bpf load "$SAMPLE"
}

# A packet of TCP to port 443 behind an authentication header
send_ah()
{
	nf_prog exec "$NS_CLIENT" python3 -c '
import socket, struct, sys
ah = struct.pack("!BBHII12x", socket.IPPROTO_TCP, 4, 0, 1, 1)
tcp = struct.pack("!HHIIBBHHH", 40002, 443, 1, 0, 5 << 4, 2, 1024, 0, 0)
raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_AH)
raw.sendto(ah + tcp, (sys.argv[1], 0))' "$SERVER_IP4"
}

# is_counted INDEX=NUMBER...
is_counted()
{
	(expect_counted "$@") > /dev/null
}

# For conntrack of IPv4 all packets behind AH are one connection, which has no ports.
test_authentication_header()
{
	begin_test
	send_ah
	wait_for is_counted ACCEPTED_RULE=0 REJECTED_RULE=1
	rules_are "$(cat "$ETC/zones.rules")" "from=lan to=dmz protocol=ah"
	begin_counting
	send_ah
	wait_for is_counted ACCEPTED_RULE=1
}

# Without conntrack nothing passes.
test_fails_closed()
{
	begin_test
	flow 4 udp 53 send
	expect_outcome "delivered *"
	nf_prog exec "$NS_ROUTER" nft flush ruleset
	flow 4 udp 53 send
	expect_outcome "lost"
	expect_counted DROPPED_INVALID=1
	track
	flow 4 udp 53 send
	expect_outcome "delivered *"
}

# A kernel that does not have the functions refuses the program, the message has a remedy, and
# nothing passes after a boot.
test_refused()
{
	((!HAS_CONNTRACK)) || skip "this kernel has the functions"
	expect_fails "try 'modprobe nf_bpf_kfunc'" begin_sample zone-firewall zones
	flow 4 udp 53 send
	expect_outcome "delivered *"
	expect_fails -s 4 "all packets of inet forward are dropped" nf_bpf start zones
	flow 4 udp 53 send
	expect_outcome "lost"
	nf_bpf remove zones
	flow 4 udp 53 send
	expect_outcome "delivered *"
}

for family in "${FAMILIES[@]}"; do
	for check in service reject related icmp; do
		add_test "${check}_ipv$family" "check_$check" "$family"
	done
done

run_tests
