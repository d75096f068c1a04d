#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Floods of fragments that fill the memory for reassembly, to a port that the
# policy denies and to one that it allows: whole packets keep flowing, memory
# stays below its limit, nothing passes the policy, and reassembly is back after
# the flood.

source "$(dirname "$0")/../lib.sh"

# Whole datagrams that are sent while the flood goes on.
WHOLE=$((${NF_BPF_SMOKE:-0} ? 2000 : 30000))
WHOLE_PORT=7777
# More than any of the tests takes; the test ends the flood.
MAX_FLOOD=100000000
# Of a fragment of 1448 bytes in the kernel's memory at least: 2 KB for its data,
# and what tells of it.
FRAGMENT_MEMORY=2304

setup()
{
	cp "$SELFTESTS/frag_flood" "$HELPERS"
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
}

in_router()
{
	in_ns "$NS_ROUTER" "$@"
}

# send NAME KIND FAMILY PORT MAX: see helpers/frag_flood.c, in the background.
send()
{
	local from=CLIENT_IP$3 to=SERVER_IP$3

	"$HELPERS/nf_prog" exec "$NS_CLIENT" "$HELPERS/frag_flood" "$2" "${!from}" "${!to}" \
		"$4" "$5" > "$WORK/$1.sent" 2> "$WORK/$1.error" &
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
SLACK6=$((300 * FRAGMENT_MEMORY))

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
		# Of complete datagrams, as those that passed in two pieces.
		expect_eq "first and later fragments at the server" \
			$((2 * STATS[later])) "${STATS[fragments]}"
	else
		expect_eq "fragments at the server" 0 "${STATS[fragments]}"
	fi
	PASSED=${STATS[later]}
}

check_flood()
{
	local family=$1 mode=$2 port=$3 allowed flood whole start limit=LIMIT$1
	local slack=SLACK$1 datagrams packets

	allowed=$((port != 9999))
	BUFFERS_BEFORE=$(buffers)
	attach deny_port inet forward 0 "$mode"
	is_reassembled "$family" || fail "before the flood: $WIRE, $DELIVERED"
	attach_in "$NS_SERVER" received/drop inet prerouting -450

	send flood flood "$family" "$port" "$MAX_FLOOD"
	flood=$!
	wait_for -t 60 is_full "$family" || fail "holds $(held "$family")"
	send whole whole "$family" "$WHOLE_PORT" "$WHOLE"
	whole=$!
	watch_memory "$family" "$whole"
	wait "$whole" || fail "$(< "$WORK/whole.error")"
	kill -TERM "$flood"
	wait "$flood" || fail "$(< "$WORK/flood.error")"
	start=$EPOCHREALTIME
	read -r datagrams packets < "$WORK/flood.sent"

	((MOST > ${!limit} / 2)) || fail "the flood held $MOST bytes only"
	((MOST <= ${!limit} + ${!slack})) || fail "$MOST bytes held, limit ${!limit}"
	check_arrived "$allowed"
	check_judged "$allowed"
	nf_prog clean "$LINK"
	wait_for -t 60 is_empty "$family" || fail "still holds $(held "$family")"
	wait_for -t 60 is_reassembled "$family" || fail "no service after the flood: $WIRE"
	echo "IPv$family $mode, port $port: $packets fragments of $datagrams datagrams," \
		"$PASSED of them whole and allowed; all of $WHOLE whole packets meanwhile;" \
		"at most $MOST bytes held, limit ${!limit}; reassembly back after" \
		"$(((${EPOCHREALTIME/[.,]/} - ${start/[.,]/}) / 1000)) ms" \
		>> "$WORK/figures"
}

# The program has judged packets of the flood, and not one that was a fragment.
check_judged()
{
	local allowed=$1

	read_stats
	expect_eq "fragments that the policy saw" 0 "${STATS[fragments]}"
	((STATS[packets] >= WHOLE)) || fail "the policy saw ${STATS[packets]} packets"
	if ((!allowed)); then
		((STATS[dropped] > 0)) || fail "no datagram of the flood was judged"
	fi
}

add_floods()
{
	local family

	for family in 4 6; do
		add_test "denied_port_ip$family" check_flood "$family" defrag 9999
		add_test "allowed_port_ip$family" check_flood "$family" defrag 53
		((${NF_BPF_SMOKE:-0})) ||
			add_test "denied_port_strict_ip$family" check_flood "$family" strict 9999
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
