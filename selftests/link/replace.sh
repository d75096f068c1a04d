#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A thousand updates of a link while all processors forward packets and fragments of both
# families. Exactly one of the two programs sees each packet.
#
# Processors: 2

source "$(dirname "$0")/../lib.sh"

UPDATES=1000
# A flood must end even if the updates hang.
MAX_SENT=2000000
PROGRAMS=(one two)
FLOODS=()

setup()
{
	local dir

	router_up
	load_policy
	for dir in "${PROGRAMS[@]}" received; do
		load_policy "$dir"
	done
}

# flood NAME ADDRESS: send in the background. $WORK/NAME.sent gets the number of datagrams.
flood()
{
	"$HELPERS/nf_prog" exec "$NS_CLIENT" "$HELPERS/flood" "$2" 9999 "$MAX_SENT" \
		> "$WORK/$1.sent" 2> "$WORK/$1.error" &
	FLOODS+=($!)
}

stop_floods()
{
	kill -TERM "${FLOODS[@]}"
	wait "${FLOODS[@]}" || fail "flood: $(cat "$WORK"/*.error)"
	FLOODS=()
}

# The number of packets that the router has forwarded; with defrag, of datagrams.
forwarded()
{
	snmp_counter "$NS_ROUTER" Ip ForwDatagrams Ip6OutForwDatagrams
}

seen_of()
{
	read_stats "$1"
	echo "${STATS[packets]}"
}

received_is()
{
	(($(seen_of received) == $1))
}

check_updates()
{
	local flags=$1 before sent=0 seen=0 family address file dir

	needs_family inet
	# Drop at the server: the router would also count the answers of a closed port.
	attach_in "$NS_SERVER" received/drop inet input 0 defrag
	# shellcheck disable=SC2086 # flags may be empty
	attach one/accept inet forward 0 $flags
	before=$(forwarded)

	for family in "${FAMILIES[@]}"; do
		address=SERVER_IP$family
		flood "ipv$family" "${!address}"
	done
	nf_prog alternate "$LINK" "$PINS/two/accept" "$PINS/one/accept" "$UPDATES"
	stop_floods
	for file in "$WORK"/ipv?.sent; do
		(($(< "$file") > 0)) || fail "$file: nothing was sent"
		sent=$((sent + $(< "$file")))
	done

	wait_for received_is "$sent" || fail "$sent sent, $(seen_of received) received"
	for dir in "${PROGRAMS[@]}"; do
		(($(seen_of "$dir") >= UPDATES / 2)) ||
			fail "program $dir has seen $(seen_of "$dir") packets"
		seen=$((seen + $(seen_of "$dir")))
	done
	expect_eq "forwarded and seen by the programs" \
		"$(($(forwarded) - before))" "$seen"
	expect_link "$LINK" accepted="$seen" dropped=0 dropped_fragments=0
	[[ -z $flags ]] || expect_eq "sent and seen by the programs" "$sent" "$seen"
	expect_fragments "$flags" "$sent"
}

# Without reassembly the programs have seen two fragments of each large datagram.
expect_fragments()
{
	local flags=$1 sent=$2 fragments=0 dir

	for dir in "${PROGRAMS[@]}"; do
		read_stats "$dir"
		fragments=$((fragments + STATS[fragments]))
	done
	if [[ -n $flags ]]; then
		expect_eq "fragments seen by the programs" 0 "$fragments"
	else
		((fragments > sent / 2)) || fail "$fragments fragments of $sent datagrams"
	fi
}

add_test updates check_updates ""
add_test updates_with_defrag check_updates defrag
add_test updates_with_strict check_updates strict

run_tests
