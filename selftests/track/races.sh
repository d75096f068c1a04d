#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Two processors receive the fragments of a datagram at the same time: links that track
# fragments lose none, pass none of a datagram that the program refuses, and keep no entry.
#
# Processors: 2

source "$(dirname "$0")/lib.sh"

readonly COUNT=400

setup()
{
	router_up
	load_policy
	nf_prog load "$SELFTESTS/track/progs/slow.bpf.o" "$PINS/slow"
	PIN_DIRS+=("$PINS/slow")
	needs_own BPF_F_NETFILTER_FRAG_TRACK
}

# snmp FAMILY NAME: a counter of the server
# shellcheck disable=SC2016 # awk expands it
snmp()
{
	if (($1 == 4)); then
		in_ns "$NS_SERVER" awk -v name="$2" '
			$1 == "Ip:" && !n { n = split($0, names); next }
			$1 == "Ip:" { for (i in names) if (names[i] == name) print $i }' \
			/proc/net/snmp
	else
		in_ns "$NS_SERVER" awk -v name="Ip6$2" '$1 == name { print $2 }' \
			/proc/net/snmp6
	fi
}

snmp_is()
{
	(($(snmp "$1" "$2") == $3))
}

# link_value NAME: a counter of the last link
link_value()
{
	nf_prog info "$LINK" | sed -n "s/^$1=//p"
}

# race FAMILY PORT COUNT ID: see helpers/frag_race.c
race()
{
	local from=CLIENT_IP$1 to=SERVER_IP$1

	nf_prog exec "$NS_CLIENT" "$HELPERS/frag_race" "${!from}" "${!to}" "${@:2}"
}

expect_probe()
{
	probe "$1" client-server -p 53 -z 48,56
	expect_wire "0+48 48+56"
}

# race_accepted FAMILY PROGRAM: all datagrams arrive, and leave no entry.
race_accepted()
{
	local family=$1 before

	attach "$2" "$(pf_of "$family")" forward 0 track
	expect_probe "$family"
	before=$(snmp "$family" ReasmOKs)
	expect_eq "sent" "$COUNT" "$(race "$family" 53 "$COUNT" 1)"
	wait_for snmp_is "$family" ReasmOKs $((before + COUNT)) ||
		fail "$(snmp "$family" ReasmOKs) - $before of $COUNT datagrams arrived"
	wait_for no_entries || fail "$(entries) entries are left"
	expect_link "$LINK" dropped=0 dropped_fragments=0 table_full=0
	expect_probe "$family"
}

# Either fragment comes first. On a busy machine it can be the same one in many rounds.
check_accepted()
{
	local round

	for round in {1..5}; do
		race_accepted "$1" deny_port
		(($(link_value later_fragments) <= 2 ||
		  $(link_value reassembled_fragments) == 0)) || return 0
		detach_all
	done
	fail "no race in $round rounds of $COUNT datagrams"
}

# The last fragment comes while the program runs: it runs for the whole datagram again.
check_accepted_later()
{
	race_accepted "$1" slow/slow_accept
	read_stats slow
	((STATS[packets] > COUNT + 2)) || fail "no race: ${STATS[packets]} runs of the program"
}

# race_refused FAMILY PROGRAM: no fragment leaves.
race_refused()
{
	local family=$1 before

	expect_probe "$family"
	attach "$2" "$(pf_of "$family")" forward 0 track
	before=$(snmp "$family" InReceives)
	expect_eq "sent" "$COUNT" "$(race "$family" 9999 "$COUNT" 1)"
	detach_all
	expect_probe "$family"
	# Two fragments and the sentinel of the probe
	expect_eq "packets at the server" 3 $(($(snmp "$family" InReceives) - before))
}

check_refused()
{
	race_refused "$1" deny_port
	read_stats
	((STATS[dropped] > 0))
}

check_refused_later()
{
	race_refused "$1" slow/slow_drop
	read_stats slow
	((STATS[packets] > 0))
}

# Links come and go, and change their program, while fragments pass.
check_link_changes()
{
	local family=$1 from=CLIENT_IP$1 to=SERVER_IP$1 i

	"$HELPERS/nf_prog" exec "$NS_CLIENT" "$HELPERS/frag_race" "${!from}" "${!to}" \
		53 1000000 1 > "$WORK/raced" &
	for i in {1..10}; do
		attach accept "$(pf_of "$family")" forward 0 track
		nf_prog update "$LINK" "$PINS/drop"
		nf_prog update "$LINK" "$PINS/accept"
		((i % 2)) || wait_for has_seen_fragments
		detach_all
	done
	kill "$!"
	wait "$!"
	(($(< "$WORK/raced") > 0))
	attach accept "$(pf_of "$family")" forward 0 track
	expect_probe "$family"
}

has_seen_fragments()
{
	(($(link_value tracked_datagrams) > 0))
}

for family in "${FAMILIES[@]}"; do
	add_test "accepted_ipv$family" check_accepted "$family"
	add_test "accepted_later_ipv$family" check_accepted_later "$family"
	add_test "refused_ipv$family" check_refused "$family"
	add_test "refused_later_ipv$family" check_refused_later "$family"
	add_test "link_changes_ipv$family" check_link_changes "$family"
done

run_tests
