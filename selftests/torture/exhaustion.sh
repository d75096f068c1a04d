#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Floods of fragments that fill the memory for reassembly, to a port that the
# policy denies and to one that it allows, and of tiny ones at random offsets of a
# few datagrams: whole packets keep flowing, memory stays below its limit, nothing
# passes the policy, and reassembly is back after the flood.

source "$(dirname "$0")/../lib.sh"

# Whole datagrams that are sent while the flood goes on.
WHOLE=$((${NF_BPF_SMOKE:-0} ? 2000 : 30000))
WHOLE_PORT=7777
# More than any of the tests takes; the test ends the flood.
MAX_FLOOD=100000000
# Memory that a fragment of 1448 bytes needs in the kernel, at least: 2 KB for its data,
# and the descriptor of the buffer.
FRAGMENT_MEMORY=2304
# The same for a fragment of 8 bytes.
TINY_MEMORY=768
# Fragments in a short and in a long queue, into which the kernel sorts the next fragment.
# The long one still fits into the memory.
SHORT=64 LONG=4096

setup()
{
	router_up
	load_policy
	load_policy received
	# Loads both, so that their limits are there to be read.
	attach accept inet forward 5 defrag
	LIMIT4=$(in_router cat /proc/sys/net/ipv4/ipfrag_high_thresh)
	LIMIT6=$(in_router cat /proc/sys/net/netfilter/nf_conntrack_frag6_high_thresh)
	# So that the end of the test need not wait a minute for the last of them.
	in_router sh -c '
		echo 5 > /proc/sys/net/ipv4/ipfrag_time
		echo 5 > /proc/sys/net/netfilter/nf_conntrack_frag6_timeout'
	detach_all
	# Count once, not for each test: buffers of the flood before may stay for seconds.
	BUFFERS_BEFORE=$(buffers)
}

in_router()
{
	in_ns "$NS_ROUTER" "$@"
}

# send NAME KIND FAMILY PORT MAX [EACH]: see helpers/frag_flood.c, in the background.
send()
{
	local from=CLIENT_IP$3 to=SERVER_IP$3

	"$HELPERS/nf_prog" exec "$NS_CLIENT" "$HELPERS/frag_flood" "$2" "${!from}" "${!to}" \
		"${@:4}" > "$WORK/$1.sent" 2> "$WORK/$1.error" &
}

# Packet buffers in use, wherever: exact but for a page of them or two.
buffers()
{
	awk '$1 == "skbuff_head_cache" { print $2 }' /proc/slabinfo
}

# Bytes that wait for the rest of their datagrams. What nf_defrag_ipv6 holds is
# told nowhere; its packet buffers are counted.
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

# One more packet is taken as long as the limit is not passed; each processor may
# be taking one. What is read as buffers may be traffic under way as well.
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

# Sets MOST to the most that was held while the whole datagrams were sent.
watch_memory()
{
	local family=$1 now

	MOST=0
	while kill -0 "$2" 2> /dev/null; do
		now=$(held "$family")
		MOST=$((now > MOST ? now : MOST))
	done
}

# The server's own program counts what arrives before the server's reassembly.
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

# cost NAME: ticks of the processor's counter that a packet of these took, until it
# was in the router.
cost()
{
	cut -d ' ' -f 3 "$WORK/$1.sent"
}

# Sets COST: of as many tiny fragments in short queues and in a long one.
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
	# shellcheck disable=SC2064 # this one
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

# The program has judged packets of the flood, and not one that was a fragment.
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
	# At last, as they leave thousands of packet buffers for seconds; IPv4 counts none.
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
