#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Floods of fragments that fill the memory for reassembly: to a port that the policy denies,
# to one that it allows, and of tiny fragments at random offsets of a few datagrams. During
# a flood, whole packets still pass, the memory stays below its limit, and nothing bypasses
# the policy. After the flood, reassembly works again.

source "$(dirname "$0")/../lib.sh"

# The number of whole datagrams that are sent during a flood.
WHOLE=$((${NF_BPF_SMOKE:-0} ? 2000 : 30000))
WHOLE_PORT=7777
# No test needs so many packets: the test ends the flood.
MAX_FLOOD=100000000
# The least memory that the kernel needs for a fragment of 1448 bytes: 2 KB for its data,
# and a struct sk_buff.
FRAGMENT_MEMORY=2304
# The same for a fragment of 8 bytes.
TINY_MEMORY=768
# The number of fragments in a short and in a long queue. The kernel sorts each fragment
# into its queue. The long queue fits into the memory.
SHORT=64 LONG=4096

setup()
{
	router_up
	load_policy
	load_policy received
	# This loads both modules, so that their limits can be read.
	attach accept inet forward 5 defrag
	LIMIT4=$(in_router cat /proc/sys/net/ipv4/ipfrag_high_thresh)
	LIMIT6=$(in_router cat /proc/sys/net/netfilter/nf_conntrack_frag6_high_thresh)
	# Let fragments expire soon, so that the end of the test need not wait a minute for them.
	in_router sh -c '
		echo 5 > /proc/sys/net/ipv4/ipfrag_time
		echo 5 > /proc/sys/net/netfilter/nf_conntrack_frag6_timeout'
	detach_all
	# Count once, not for each test: buffers of an earlier flood may stay for seconds.
	BUFFERS_BEFORE=$(buffers)
}

in_router()
{
	in_ns "$NS_ROUTER" "$@"
}

# send NAME KIND FAMILY PORT MAX [EACH]: run helpers/frag_flood.c in the background.
send()
{
	local from=CLIENT_IP$3 to=SERVER_IP$3

	"$HELPERS/nf_prog" exec "$NS_CLIENT" "$HELPERS/frag_flood" "$2" "${!from}" "${!to}" \
		"${@:4}" > "$WORK/$1.sent" 2> "$WORK/$1.error" &
}

# The packet buffers in use on the whole machine. The error is one or two pages of them.
buffers()
{
	awk '$1 == "skbuff_head_cache" { print $2 }' /proc/slabinfo
}

# The bytes of incomplete datagrams. The kernel does not tell this number for
# nf_defrag_ipv6, so count packet buffers.
held()
{
	local line

	if (($1 == 4)); then
		while read -r line; do
			[[ $line != FRAG:* ]] || echo "${line##* }"
		done < <(in_router cat /proc/net/sockstat)
	else
		echo $((($(buffers) - BUFFERS_BEFORE) * FRAGMENT_MEMORY))
	fi
}

# The memory can exceed the limit: each processor accepts one more packet while the memory
# is below the limit. Packet buffers in use include those of other traffic.
SLACK4=65536
SLACK6=300 # fragments

is_full()
{
	local limit=LIMIT$1

	(($(held "$1") > ${!limit} * 3 / 4))
}

is_empty()
{
	local limit=LIMIT$1

	(($(held "$1") < ${!limit} / 2))
}

is_reassembled()
{
	probe "$1" client-server -p 53 -z 1400,480,912 -o 2,1,0
	[[ $DELIVERED == *intact && $WIRE == 0+* ]]
}

# Set MOST to the largest memory while the whole datagrams are sent.
watch_memory()
{
	local family=$1 now

	MOST=0
	while kill -0 "$2" 2> /dev/null; do
		now=$(held "$family")
		MOST=$((now > MOST ? now : MOST))
	done
}

# The server's own program counts packets before the server's reassembly.
check_arrived()
{
	local allowed=$1 arrived

	read_stats received
	arrived=$((STATS[packets] - STATS[fragments]))
	expect_eq "whole datagrams at the server, of those sent during the flood" \
		"$WHOLE" "$arrived"
	if ((allowed)); then
		# Only complete datagrams arrive, and these consist of two fragments.
		expect_eq "first and later fragments at the server" \
			$((2 * STATS[later])) "${STATS[fragments]}"
	else
		expect_eq "fragments at the server" 0 "${STATS[fragments]}"
	fi
	PASSED=${STATS[later]}
}

# cost NAME: print how many ticks of the processor's counter a packet of this flood took on
# its way into the router.
cost()
{
	cut -d ' ' -f 3 "$WORK/$1.sent"
}

# Set COST to the costs of the same number of tiny fragments in short queues and in a long
# queue.
measure_tiny()
{
	local family=$1 each

	for each in "$SHORT" "$LONG"; do
		send tiny tiny "$family" 9999 "$LONG" "$each"
		wait $! || fail "$(< "$WORK/tiny.error")"
		COST+="; a fragment took $(cost tiny) ticks in a queue of up to $each"
		wait_for -t 60 is_empty "$family" || fail "still holds $(held "$family")"
	done
}

check_tiny_flood()
{
	local FRAGMENT_MEMORY=$TINY_MEMORY

	check_flood "$1" "$2" 9999 tiny
}

check_flood()
{
	local family=$1 mode=$2 port=$3 kind=${4:-flood} allowed flood whole start
	local limit=LIMIT$1 slack datagrams packets

	slack=$((family == 4 ? SLACK4 : SLACK6 * FRAGMENT_MEMORY))
	allowed=$((port != 9999))
	COST=
	attach deny_port inet forward 0 "$mode"
	wait_for -t 60 is_reassembled "$family" || fail "before the flood: $WIRE, $DELIVERED"
	attach_in "$NS_SERVER" received/drop inet prerouting -450

	if [[ $kind == tiny ]]; then
		((${NF_BPF_SMOKE:-0})) || measure_tiny "$family"
		send flood tiny "$family" "$port" "$MAX_FLOOD" "$LONG"
	else
		send flood flood "$family" "$port" "$MAX_FLOOD"
	fi
	flood=$!
	# shellcheck disable=SC2064 # expand $flood now: kill this flood
	trap "kill $flood 2> /dev/null || :" EXIT
	wait_for -t 60 is_full "$family" || fail "holds $(held "$family")"
	send whole whole "$family" "$WHOLE_PORT" "$WHOLE"
	whole=$!
	watch_memory "$family" "$whole"
	wait "$whole" || fail "$(< "$WORK/whole.error")"
	kill -TERM "$flood"
	wait "$flood" || fail "$(< "$WORK/flood.error")"
	start=$EPOCHREALTIME
	read -r datagrams packets _ < "$WORK/flood.sent"

	((MOST > ${!limit} / 2)) || fail "the flood held $MOST bytes only"
	((MOST <= ${!limit} + slack)) || fail "$MOST bytes held, limit ${!limit}"
	check_arrived "$allowed"
	check_judged "$allowed" "$kind"
	nf_prog clean "$LINK"
	wait_for -t 60 is_empty "$family" || fail "still holds $(held "$family")"
	wait_for -t 60 is_reassembled "$family" || fail "no service after the flood: $WIRE"
	add_figure
}

# Add a line on the flood of check_flood() to the figures.
add_figure()
{
	local what="$packets fragments of $datagrams datagrams"

	[[ $kind != tiny ]] || what="$packets tiny fragments of $((packets / LONG + 1)) datagrams"
	[[ -z $COST ]] || COST+=", a whole packet $(cost whole)"
	echo "IPv$family $mode, port $port: $what," \
		"$PASSED of them whole and allowed; all of $WHOLE whole packets meanwhile;" \
		"at most $MOST bytes held, limit ${!limit}; reassembly back after" \
		"$(((${EPOCHREALTIME/[.,]/} - ${start/[.,]/}) / 1000)) ms$COST" \
		>> "$WORK/figures"
}

# The program has judged packets of the flood, but no fragment.
check_judged()
{
	local allowed=$1 kind=$2

	read_stats
	expect_eq "fragments that the policy saw" 0 "${STATS[fragments]}"
	((STATS[packets] >= WHOLE)) || fail "the policy saw ${STATS[packets]} packets"
	if ((!allowed)) && [[ $kind != tiny ]]; then
		((STATS[dropped] > 0)) || fail "no datagram of the flood was judged"
	fi
}

add_floods()
{
	local family

	for family in "${FAMILIES[@]}"; do
		add_test "denied_port_ip$family" check_flood "$family" defrag 9999
		add_test "allowed_port_ip$family" check_flood "$family" defrag 53
		((${NF_BPF_SMOKE:-0})) ||
			add_test "denied_port_strict_ip$family" check_flood "$family" strict 9999
	done
	# These tests come last, because their thousands of packet buffers stay for seconds. IPv6 is
	# the first, because IPv4's memory is not counted in buffers.
	for family in 6 4; do
		add_test "tiny_ip$family" check_tiny_flood "$family" defrag
	done
}

print_figures()
{
	local line

	while read -r line; do
		echo "# figure: $line"
	done < "$WORK/figures"
}

cleanup()
{
	[[ ! -e $WORK/figures ]] || print_figures
}

add_floods
run_tests
