#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Programs ask for entries while their network namespace is dismantled. It has no
# references then, but its hooks still judge packets.
#
# Processors: 2
# Requires: CONFIG_NF_CONNTRACK CONFIG_NETFILTER_BPF_KFUNC nft

source "$(dirname "$0")/../lib.sh"

readonly MAX_SENT=1000000 DEVICES=200
BUSY=busy$NS_SUFFIX

setup()
{
	# A link of mainline keeps its namespace.
	needs_own BPF_NF_LINK_NETNS
	router_up
	load_policy
	load_kfunc
	router_down
}

# A namespace whose end takes the kernel a while, for its devices.
busy_up()
{
	local i

	ip netns add "$BUSY"
	for ((i = 0; i < DEVICES; i++)); do
		echo "link add v$i netns $BUSY type veth peer w$i netns $BUSY"
	done | ip -batch -
	attach_in "$BUSY" accept ip forward 0
}

# Count the kernel's warnings of a reference on an object without references.
complaints()
{
	dmesg | grep -c 'refcount_t: ' || :
}

check_end()
{
	local program=$1 before busy

	before=$(complaints)
	router_up
	busy_up
	busy=$LINK
	# A closed port would answer, and the answer would end the flood.
	attach_in "$NS_SERVER" drop inet input 0
	attach "kfunc/$program" ip forward 0
	tell proto=17 port=9999 other_port=9999 other_proto=17 timeout=60000
	nf_prog exec "$NS_CLIENT" "$HELPERS/flood" "$SERVER_IP4" 9999 "$MAX_SENT" \
		> "$WORK/sent" 2>&1 &
	"$HELPERS/end_netns" "$BUSY" "$busy" "$NS_ROUTER" "$LINK"
	# The devices end with the namespace, and the flood ends with the devices.
	wait $! || :
	grep -q unreachable "$WORK/sent" || fail "the flood: $(cat "$WORK/sent")"
	expect_told ret="$2"
	router_down
	expect_eq "complaints of the kernel" "$before" "$(complaints)"
}

add_test "lookup" check_end lookup -2
# The first packet has inserted an entry with this tuple, so a later insert fails.
add_test "alloc" check_end alloc -1

run_tests
