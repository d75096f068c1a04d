# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Compare two processors that forward at once with one processor. The result is a ratio
# of two times that are measured one after the other, because a single time of an emulated
# processor means nothing. This does not work with -icount, which has one processor.
#
#   scaling: case, round, nanoseconds of one sender, nanoseconds of two at once

SCALING_CASES="nothing floor bpf-accept bpf-tuple bpf-hash-1k nft-1"
SCALING_ROUNDS=5
# Send many packets, because the clock of an emulated processor advances in steps of 4 ms.
SCALING_PACKETS=50000

# Set up a sender on the second processor. A veth hands packets over on the same one.
second_sender()
{
	local mac

	mac=$(ip -n router -j link show dev in1 | jq -r '.[0].address')
	pktgen_set kpktgend_1 add_device gen1
	pktgen_set gen1 "pkt_size $((BYTES + 14))"
	pktgen_set gen1 "dst_mac $mac"
	pktgen_set gen1 "src_min $CLIENT"
	pktgen_set gen1 "src_max $CLIENT"
	pktgen_set gen1 "dst $SERVER"
	pktgen_set gen1 "udp_src_min 1000"
	pktgen_set gen1 "udp_src_max $((1000 + FLOWS))"
	pktgen_set gen1 "udp_dst_min 2000"
	pktgen_set gen1 "udp_dst_max 2000"
	pktgen_set gen1 "delay 0"
	pktgen_set gen1 "count $SCALING_PACKETS"
}

# Print the time of the slower sender.
slowest()
{
	awk '/^Result: OK/ { sub(/\(.*/, "", $3); if ($3 > most) most = $3 }
	     END { print most * 1000 }' "$@"
}

scaling_round()
{
	local one before

	pktgen_set kpktgend_1 rem_device_all
	one=$(send_udp "$SCALING_PACKETS")
	second_sender
	before=$(forwarded)
	pktgen_set pgctrl start
	wait_for forwarded_since "$before" "$((2 * SCALING_PACKETS))"
	printf 'scaling\t%s\t%s\t%s\t%s\n' "$CASE" "$1" "$one" \
		"$(slowest "$PKTGEN/gen" "$PKTGEN/gen1")"
}

scaling_case()
{
	local CASE=$1 CONTROL="listed_is_dropped" SEND=send_udp round

	load_pktgen
	router_up
	router_link 1
	at_end ip link del gen1
	eval "${CASE_RUN[$CASE]}" > /dev/null
	$CONTROL
	for ((round = 0; round < SCALING_ROUNDS; round++)); do
		scaling_round "$round"
	done
	router_down
}

measure_scaling()
{
	local name

	for name in $SCALING_CASES; do
		scaling_case "$name"
	done
}
