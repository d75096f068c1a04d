#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Tests samples/blocklist on the router: packets from and to a listed network do not pass, in
# fragments or not, and no packet passes while a list takes the place of another.
#
# NF_BPF_PREFIXES=1000000 makes the long list as long.
#
# Requires: bpftool jq

source "$(dirname "$0")/lib.sh"

PREFIXES=${NF_BPF_PREFIXES:-5000}
REPLACEMENTS=5
# The reasons of the program
DROPPED_SOURCE=1
DROPPED_DESTINATION=2
PIECES=1400,480,8,912

setup()
{
	setup_policy
	begin_sample blocklist blocklist
}

# lists_are NETWORK...: of either family
lists_are()
{
	local list=("[blocked]") list6=("[blocked6]") network

	for network; do
		if [[ $network == *:* ]]; then
			list6+=("$network")
		else
			list+=("$network")
		fi
	done
	rules_are "${list[@]}" "${list6[@]}"
}

# check_listed FAMILY VERDICT NETWORK: each fragment has the addresses, and is dropped: four of
# 5000 bytes.
check_listed()
{
	local family=$1 verdict=$2 network=$3

	lists_are 203.0.113.0/24 2001:db8:bad::/48
	begin_counting
	probe "$family" client-server -z "$PIECES"
	expect_delivered "2792 intact"
	expect_counted DROPPED_SOURCE=0 DROPPED_DESTINATION=0
	lists_are "$network"
	begin_counting
	flow "$family" udp 9999 send
	expect_outcome "lost"
	expect_counted "$verdict=1"
	flow "$family" udp 9999 size=5000 send
	expect_outcome "lost"
	expect_counted "$verdict=5"
	lists_are
	probe "$family" client-server -z "$PIECES"
	expect_delivered "2792 intact"
}

# Both lists have the client, so no packet may pass.
test_replaced_at_once()
{
	local i family

	load_policy received
	lists_are "$CLIENT_IP4/32" "$CLIENT_IP6/128"
	count_received
	flood
	for ((i = 0; i < REPLACEMENTS; i++)); do
		lists_are 192.0.2.0/25 2001:db8::/33 203.0.113."$i"/32
		lists_are "$CLIENT_IP4/32" "$CLIENT_IP6/128"
	done
	expect_eq "packets that no list has stopped" 0 "$(received)"
	lists_are
	wait_for some_received
	stop_flood
}

# A list that is wrong leaves the one before.
test_wrong_list()
{
	lists_are "$CLIENT_IP4/32"
	expect_fails "192.0.2.0/33: not a value" lists_are 192.0.2.0/33
	flow 4 udp 9999 send
	expect_outcome "lost"
	lists_are
	flow 4 udp 9999 send
	expect_outcome "delivered *"
}

slab()
{
	sed -n 's/^SUnreclaim: *\([0-9]*\).*/\1/p' /proc/meminfo
}

# Print the networks of the long list: distinct ones all over the address space, but not those of
# the test.
long_list()
{
	echo "[blocked]"
	awk -v count="$PREFIXES" 'BEGIN {
		for (i = 1; i < count; n++) {
			net = n * 16777 % 16777216
			if (net == 192 * 65536 + 2 || net == 198 * 65536 + 51 * 256 + 100)
				continue
			printf "%d.%d.%d.0/24\n", net / 65536, net / 256 % 256, net % 256
			i++
		}
	}'
}

test_long_list()
{
	local before began took

	lists_are
	{ long_list; echo "$CLIENT_IP4/32"; } > "$WORK/long"
	before=$(slab)
	began=${EPOCHREALTIME/[.,]/}
	nf_bpf load "$SAMPLE" "$WORK/long"
	took=$(((${EPOCHREALTIME/[.,]/} - began) / 1000))
	echo "$PREFIXES prefixes: loaded in $took ms, $(($(slab) - before)) kB" > "$WORK/figures"
	flow 4 udp 9999 send
	expect_outcome "lost"
	sed -i '$d' "$WORK/long"
	nf_bpf load "$SAMPLE" "$WORK/long"
	flow 4 udp 9999 send
	expect_outcome "delivered *"
	lists_are
}

add_test "source_ipv4" check_listed 4 DROPPED_SOURCE "$CLIENT_IP4/32"
add_test "destination_ipv4" check_listed 4 DROPPED_DESTINATION "${SERVER_IP4%.*}.0/24"
add_test -r ipv6 "source_ipv6" check_listed 6 DROPPED_SOURCE "$CLIENT_IP6/128"
add_test -r ipv6 "destination_ipv6" check_listed 6 DROPPED_DESTINATION "${SERVER_IP6%:*}:/64"

run_tests
