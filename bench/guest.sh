#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Measure in the guest. With QEMU's -icount shift=0, the guest's clock advances by one
# nanosecond for each instruction.
#
#   sender -> gen | veth | in [ router ] out: a dummy device

# shellcheck disable=SC2034	# sourced files use some variables

set -euo pipefail

HERE=$(cd "$(dirname "$0")" && pwd)
TOOLS=${BENCH_TOOLS:-}
PACKETS=${BENCH_PACKETS:-4000}
ROUNDS=3
# Unit of the guest's clock: "instructions", or "ns" with a real clock.
UNIT=${BENCH_UNIT:-instructions}
SIZES=${BENCH_SIZES-64 512 1500}
PINS=/sys/fs/bpf/bench
AT_END=()

usage()
{
	cat <<USAGE
Usage: bench/guest.sh [-l] PART [PATTERN...]
       bench/guest.sh -t
       bench/guest.sh -T PART CASE

Measures one part: udp4, udp6, last4, last6, frames4, frames6, tcp4, frag4, frag6 (cases
of cases.sh), cache4, cache6 or scaling. A PATTERN is the name of a case, or is contained
in the names of cases. "nothing" is always measured: it is the baseline of all others.
Parts "mainline-*" are the cases of mainline's kernel. Their baseline is
"mainline-nothing". A case that needs what the kernel lacks is left out with a message.

  -l   list the cases of the part that would be measured
  -t   print a line for each case: "case", its name, a text
  -T   for bench/trace, which watches from outside: print the addresses of programs and
       their code, print "ready", and send packets or datagrams with long gaps until the
       guest ends

Prints one line for each figure: unit, case, family, traffic, bytes, number of packets or
datagrams, and the total in this unit. cache.sh and scaling.sh describe their own lines.
USAGE
}

warn()
{
	printf 'bench: %s\n' "$*" >&2
}

# shellcheck source=cases.sh
source "$HERE/cases.sh"
# shellcheck source=traffic.sh
source "$HERE/traffic.sh"
# shellcheck source=control.sh
source "$HERE/control.sh"
# shellcheck source=cache.sh
source "$HERE/cache.sh"
# shellcheck source=scaling.sh
source "$HERE/scaling.sh"

# --- the router -------------------------------------------------------------

set_family()
{
	FAMILY=$1
	if [[ $FAMILY = 4 ]]; then
		PF=ip XTABLES=iptables-legacy
		CLIENT=192.0.2.2 SERVER=198.51.100.2
		LISTED_CLIENT=192.0.2.9 LISTED_SERVER=198.51.100.9
	else
		PF=ip6 XTABLES=ip6tables-legacy
		CLIENT=2001:db8:1::2 SERVER=2001:db8:2::2
		LISTED_CLIENT=2001:db8:1::9 LISTED_SERVER=2001:db8:2::9
	fi
}

# The router itself must send nothing through "out", because the packets of this device
# are counted.
router_addresses()
{
	if [[ $FAMILY = 4 ]]; then
		in_router sysctl -qw net.ipv4.ip_forward=1 net.ipv4.conf.all.rp_filter=0 \
			net.ipv6.conf.all.disable_ipv6=1
		ip -n router -batch - <<-BATCH
		addr add 192.0.2.1/24 dev in
		route add 198.51.100.0/24 dev out
		neigh add $SERVER lladdr 02:00:00:00:00:02 dev out nud permanent
		neigh add $LISTED_SERVER lladdr 02:00:00:00:00:02 dev out nud permanent
		BATCH
	else
		in_router sysctl -qw net.ipv6.conf.all.forwarding=1
		ip -n router -batch - <<-BATCH
		addr add 2001:db8:1::1/64 dev in nodad
		route add 2001:db8:2::/64 dev out
		neigh add $SERVER lladdr 02:00:00:00:00:02 dev out nud permanent
		neigh add $LISTED_SERVER lladdr 02:00:00:00:00:02 dev out nud permanent
		BATCH
		# Wait for reports of multicast groups. Idle time costs nothing here.
		sleep 5
	fi
}

# router_link [NUM]: create the devices genNUM and inNUM
router_link()
{
	ip link add "gen${1:-}" type veth peer name "in${1:-}" netns router
	ip link set "gen${1:-}" up
	ip -n router link set "in${1:-}" up
}

router_up()
{
	ip netns add router
	router_link
	ip -n router -batch - <<-BATCH
	link set lo up
	link add out type dummy
	link set out addrgenmode none
	link set out up
	BATCH
	router_addresses
	ROUTER_MAC=$(router_mac)
	start_in_router sleep infinity
	ROUTER_PID=$!
	wait_for router_is_entered
}

# Until nsenter has entered the namespace, its /proc/PID/net is that of the host.
router_is_entered()
{
	[[ -n $(forwarded) ]]
}

# Hash buckets of neighbours are random, and an older neighbour in the same bucket costs
# each packet 7 instructions. A new neighbour is the first of its bucket.
first_neighbour()
{
	ip -n router -batch - <<-BATCH
	neigh del $SERVER dev out
	neigh add $SERVER lladdr 02:00:00:00:00:02 dev out nud permanent
	BATCH
}

# at_end COMMAND...: let router_down run COMMAND
at_end()
{
	AT_END+=("$(printf ' %q' "$@")")
}

router_down()
{
	local command

	for command in "${AT_END[@]}"; do
		eval "$command"
	done
	AT_END=()
	ip netns del router
	ip link del gen 2> /dev/null || :
	rm -rf "${PINS:?}"
}

# --- measuring --------------------------------------------------------------

# send_all COUNT PIECES: print the cost of COUNT packets or datagrams, and fail if not
# all were forwarded. The figure is that of forwarded packets only.
send_all()
{
	local before after took

	# Let background work end. Idle time costs nothing here.
	sleep 1
	before=$(forwarded)
	took=$($SEND "$1")
	after=$(forwarded)
	((after - before == $1 * $2)) || {
		warn "$CASE: $((after - before)) of $(($1 * $2)) packets were forwarded"
		return 1
	}
	printf '%s\n' "$took"
}

# measure COUNT PIECES WARMUP: print the lowest cost of some rounds. Other work of the
# kernel only adds to a round.
measure()
{
	local count=$1 pieces=$2 rounds=$ROUNDS took least=

	((count * pieces < 10000)) || rounds=1
	ORDER=in-order $SEND "$3" > /dev/null
	for ((; rounds; rounds--)); do
		took=$(send_all "$count" "$pieces")
		((least && least <= took)) || least=$took
	done
	printf '%s\t%s\t%s\t%s\t%s\t%s\t%s\n' \
		"$UNIT" "$CASE" "$FAMILY" "$ORDER" "$BYTES" "$count" "$least"
}

# Make room for 1,000 of the larger datagrams at once, all from one source.
raise_cache()
{
	local file

	for file in ipv4/ipfrag_high_thresh ipv6/ip6frag_high_thresh \
		    netfilter/nf_conntrack_frag6_high_thresh; do
		! in_router test -e "/proc/sys/net/$file" ||
			in_router sysctl -qw "net/$file=268435456"
	done
	in_router sysctl -qw net.ipv4.ipfrag_max_dist=0
}

# pieces BYTES: number of fragments of a datagram, with an MTU of 1,500
pieces()
{
	local most=1480

	[[ $FAMILY = 4 ]] || most=1448
	printf '%s' "$((($1 + most - 1) / most))"
}

measure_fragments()
{
	local ORDER BYTES count

	raise_cache
	for BYTES in 4096 65400; do
		for ORDER in in-order reversed interleaved-100 interleaved-1000; do
			count=100
			((BYTES > 4096)) || count=400
			[[ $ORDER != interleaved-1000 ]] || count=1000
			measure "$count" "$(pieces "$BYTES")" 50
		done
	done
}

sizes()
{
	printf '%s\n' "$BYTES"
	[[ $PART != udp4 || ${CASE_PARTS[$CASE]} != *" sizes "* ]] ||
		printf '%s\n' "$SIZES"
}

measure_part()
{
	local ORDER=$TRAFFIC BYTES=$BYTES

	case ${PART#mainline-} in
	udp*|last*|frames*|tcp*)
		for BYTES in $(sizes); do
			measure "$PACKETS" 1 1000
		done ;;
	frag*)
		measure_fragments ;;
	esac
}

# kernel_has SYMBOL
kernel_has()
{
	[[ -n $1 ]] || return 0
	awk -v name="$1" '$3 == name { found = 1; exit } END { exit !found }' /proc/kallsyms ||
		{ warn "$CASE: left out: this kernel has no $1()"; return 1; }
}

run_case()
{
	local CASE=$1 CONTROL="listed_is_dropped" SEND="send_$TRAFFIC" OBJECT=policy

	kernel_has "${CASE_NEEDS[$CASE]:-}" || return 0
	router_up
	eval "${CASE_RUN[$CASE]}" > /dev/null
	$CONTROL
	first_neighbour
	measure_part
	router_down
}

# Send datagrams of 4,096 bytes in fragments, with gaps.
send_traced_fragments()
{
	while :; do
		frames 1000 -s 4096 -g 20000 > /dev/null
	done
}

send_traced_packets()
{
	pktgen_up "$BYTES"
	pktgen_flow "$CLIENT" "$SERVER" 1000 0 2000
	pktgen_set gen "delay 20000000"
	send_pktgen 0
}

trace_case()
{
	local CASE=$1 CONTROL=listed_is_dropped SEND=send_udp OBJECT=policy

	sysctl -qw net.core.bpf_jit_kallsyms=1
	router_up
	eval "${CASE_RUN[$CASE]}" > /dev/null
	$CONTROL
	grep -F ' bpf_prog_' /proc/kallsyms | sed 's/^/symbol /' || :
	bpftool -j link show | jq -r '.[] | select(.type == "netfilter").prog_id' | sort -nu |
		xargs -r -n 1 bpftool prog dump jited id | sed 's/^/jited /'
	first_neighbour
	echo ready
	if [[ $TRAFFIC = fragments ]]; then
		send_traced_fragments
	else
		send_traced_packets
	fi
}

# Set the traffic and the family of a part.
set_part()
{
	PART=$1 L4=udp TRAFFIC=udp BYTES=124
	case ${PART#mainline-} in
	udp[46]|scaling)
		;;
	last[46])
		TRAFFIC=last ;;
	frames[46])
		TRAFFIC=frames ;;
	tcp4)
		L4=tcp TRAFFIC=tcp BYTES=1500 ;;
	frag[46]|cache[46])
		TRAFFIC=fragments ;;
	*)
		warn "$PART: no such part"
		exit 2 ;;
	esac
	set_family "${PART//[^46]/}"
	[[ $PART != scaling ]] || set_family 4
}

# matching_cases PATTERN: print the matching cases of the part
matching_cases()
{
	local name

	for name in "${CASES[@]}"; do
		[[ ${CASE_PARTS[$name]} = *" $PART "* ]] || continue
		if [[ -v CASE_TEXT[$1] ]]; then
			[[ $name != "$1" ]] || printf '%s\n' "$name"
		elif [[ $name == *$1* ]]; then
			printf '%s\n' "$name"
		fi
	done
}

main()
{
	local list=0 name names baseline=nothing

	case ${1:-} in
	-h|--help)
		usage
		return ;;
	-t)
		for name in "${CASES[@]}"; do
			printf 'case\t%s\t%s\n' "$name" "${CASE_TEXT[$name]}"
		done
		return ;;
	-T)
		(($# == 3)) || { usage >&2; exit 2; }
		set_part "$2"
		trace_case "$3"
		return ;;
	-l)
		list=1
		shift ;;
	esac
	(($# > 0)) || { usage >&2; exit 2; }
	set_part "$1"
	shift
	case $PART in
	cache*|scaling)
		if ((list)); then
			for name in "${@:-}"; do
				[[ $PART != *$name* ]] || printf '%s\n' "$PART"
			done
		else
			"measure_${PART%[46]}"
		fi
		return ;;
	esac

	mapfile -t names < <(for name in "${@:-}"; do matching_cases "$name"; done)
	if ((list)); then
		((${#names[@]} == 0)) || printf '%s\n' "${names[@]}"
		return
	fi
	[[ $PART != mainline-* ]] || baseline=mainline-nothing
	[[ ${names[0]:-} = "$baseline" ]] || run_case "$baseline"
	for name in "${names[@]}"; do
		run_case "$name"
	done
}

main "$@"
