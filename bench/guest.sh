#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# guest.sh [PATTERN]: measures, in the guest, the cases of cases.sh whose name
# matches, and the first one always, since all others are told relative to it.
# One line for each on stdout: name, packet size, packets, nanoseconds of guest
# time. With QEMU's -icount shift=0 a nanosecond is an instruction.
#
#   pktgen -> gen | veth | in [ router ] out: a dummy device

set -euo pipefail

HERE=$(cd "$(dirname "$0")" && pwd)
TOOLS=$BENCH_TOOLS
PACKETS=${BENCH_PACKETS:-20000}
SIZES=${BENCH_SIZES:-124}
PINS=/sys/fs/bpf/bench
PKTGEN=/proc/net/pktgen

# shellcheck source=cases.sh
source "$HERE/cases.sh"

# --- what the cases are made of ---------------------------------------------

# listed_flows N: the flow that the programs know, and others; none is that of
# the packets. Each rule is left at its first field.
listed_flows()
{
	awk -v n="$1" 'BEGIN {
		print "192.0.2.9 198.51.100.9 9 10"
		for (i = 1; i < n; i++)
			printf "10.%d.%d.%d 198.51.100.9 %d 10\n",
			       int(i / 65536), int(i / 256) % 256, i % 256, 1024 + i % 50000
	}'
}

fill_flows()
{
	listed_flows "$1" | "$TOOLS/fill_map" "$PINS/flows"
}

fill_prefixes()
{
	awk -v n="$1" 'BEGIN {
		for (i = 0; i < n; i++)
			printf "10.%d.%d.0/24\n", int(i / 256), i % 256
	}' | "$TOOLS/fill_map" "$PINS/prefixes"
}

# --- the router -------------------------------------------------------------

router_up()
{
	ip netns add router
	ip link add gen type veth peer name in netns router
	ip link set gen up
	ip -n router link set lo up
	ip -n router addr add 192.0.2.1/24 dev in
	ip -n router link set in up
	ip -n router link add out type dummy
	ip -n router addr add 198.51.100.1/24 dev out
	ip -n router link set out up
	ip -n router neigh add 198.51.100.2 lladdr 02:00:00:00:00:02 dev out nud permanent
	ip netns exec router sysctl -qw net.ipv4.ip_forward=1 net.ipv4.conf.all.rp_filter=0
	mkdir -p "$PINS"
	bpftool prog loadall "$TOOLS/policy.bpf.o" "$PINS" pinmaps "$PINS"
}

router_down()
{
	ip netns del router
	ip link del gen 2> /dev/null || :
	rm -rf "${PINS:?}"
}

# --- packets ----------------------------------------------------------------

pktgen_set()
{
	local file=$1

	shift
	printf '%s\n' "$*" > "$PKTGEN/$file"
}

pktgen_up()
{
	local size=$1 mac

	mac=$(ip -n router -br link show dev in | awk '{ print $3 }')
	pktgen_set kpktgend_0 rem_device_all
	pktgen_set kpktgend_0 add_device gen
	pktgen_set gen "pkt_size $((size + 14))"
	pktgen_set gen "dst_mac $mac"
	pktgen_set gen "src_min 192.0.2.2"
	pktgen_set gen "src_max 192.0.2.2"
	pktgen_set gen "dst 198.51.100.2"
	pktgen_set gen "udp_src_min 1000"
	pktgen_set gen "udp_src_max 1000"
	pktgen_set gen "udp_dst_min 2000"
	pktgen_set gen "udp_dst_max 2000"
	pktgen_set gen "delay 0"
}

# Prints the nanoseconds that COUNT packets took.
send()
{
	local count=$1

	pktgen_set gen "count $count"
	pktgen_set pgctrl start
	awk '/^Result: OK/ { sub(/\(.*/, "", $3); print $3 * 1000; found = 1 }
	     END { exit !found }' "$PKTGEN/gen"
}

forwarded()
{
	ip -n router -s -j link show dev out | jq '.[0].stats64.tx.packets'
}

# A figure of packets that were not forwarded would be of something else.
measure()
{
	local name=$1 size=$2 before after ns

	pktgen_up "$size"
	send 2000 > /dev/null
	before=$(forwarded)
	ns=$(send "$PACKETS")
	after=$(forwarded)
	((after - before == PACKETS)) ||
		{ echo "$name: $((after - before)) of $PACKETS packets were forwarded" >&2; exit 1; }
	printf '%s\t%s\t%s\t%s\n' "$name" "$size" "$PACKETS" "$ns"
}

run_case()
{
	local name=$1 size

	router_up
	eval "${CASE_RUN[$name]}" > /dev/null
	for size in $SIZES; do
		measure "$name" "$size"
	done
	router_down
}

main()
{
	local name

	[[ -d $PKTGEN ]] || modprobe pktgen
	for name in "${CASES[@]}"; do
		# shellcheck disable=SC2053 # it is a pattern
		if [[ $name == "${CASES[0]}" || $name == *${1:-}* ]]; then
			run_case "$name"
		fi
	done
}

main "$@"
