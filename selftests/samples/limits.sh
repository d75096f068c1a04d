#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Tests samples/limits on the router with its own rules, and a lower rate for DNS.
#
# Requires: bpftool

source "$(dirname "$0")/lib.sh"

BURST=3
SENT=20
NEIGHBOUR4=192.0.2.9		# another source
NEIGHBOUR6=2001:db8:9::9
SAME_NETWORK6=2001:db8:1::9	# the /64 of the client
RULES=				# without sources

setup()
{
	local address

	setup_samples
	modprobe -q nf_bpf_packet || :
	begin_sample limits limits "s|rate=50 burst=100|rate=1 burst=$BURST|"
	RULES=$(grep -v '^\[sources]' "$ETC/limits.rules")
	for address in "$NEIGHBOUR4" "$NEIGHBOUR6" "$SAME_NETWORK6"; do
		[[ $address != *:* ]] || has_ipv6 || continue
		nf_prog exec "$NS_CLIENT" ip address replace "$address" dev lo
	done
}

# Forget the sources, and begin to count.
begin_test()
{
	rules_are "[sources]" "$RULES"
}

# count_limit RULE: set ACCEPTED and DROPPED to what the limit has counted.
count_limit()
{
	local line

	line=$(nf_bpf save limits - | grep "^$1 ->") || fail "no limit $1"
	ACCEPTED=0 DROPPED=0
	[[ ! $line =~ accepted=([0-9]+) ]] || ACCEPTED=${BASH_REMATCH[1]}
	[[ ! $line =~ dropped=([0-9]+) ]] || DROPPED=${BASH_REMATCH[1]}
}

# passes FAMILY [SOURCE]
passes()
{
	[[ -z ${2-} ]] || local "CLIENT_IP$1=$2"
	flow "$1" udp 53 send
	[[ $OUTCOME == delivered* ]]
}

# A source has its burst, and then waits. Others do not wait for it.
check_source()
{
	local family=$1 neighbour=NEIGHBOUR$1

	begin_test
	flow "$family" udp 53 send "flood=$SENT"
	expect_match "outcome" "delivered *, sent $SENT" "$OUTCOME"
	count_limit "dport=domain protocol=udp"
	expect_eq "datagrams" $((SENT + 1)) $((ACCEPTED + DROPPED))
	# A second can pass meanwhile, on a slow machine some more.
	((ACCEPTED >= BURST && ACCEPTED < SENT / 2)) || fail "$ACCEPTED datagrams of $SENT passed"
	flow "$family" udp 54 send
	expect_outcome "delivered *"
	passes "$family" "${!neighbour}" || fail "another source is limited"
	wait_for passes "$family"
}

# A line with a port and no protocol is for each protocol.
check_any_protocol()
{
	begin_test
	rules_are "[limits]" "dport=domain -> rate=1 burst=1"
	flow "$1" udp 53 send "flood=$SENT"
	count_limit "dport=domain"
	expect_eq "datagrams" $((SENT + 1)) $((ACCEPTED + DROPPED))
	((ACCEPTED < SENT / 2)) || fail "$ACCEPTED datagrams of $SENT passed"
}

# "save" keeps the times of sources, which begin again with a boot.
check_earlier_boot()
{
	local line

	begin_test
	passes "$1" || fail "the first datagram is lost"
	line=$(nf_bpf save limits - | grep "saddr=")
	rules_are "[sources]" "${line%-> *}-> 9000000000000000000" \
		"$RULES"
	passes "$1" || fail "a source of an earlier boot is cut off"
	flow "$1" udp 53 send "flood=$SENT"
	count_limit "dport=domain protocol=udp"
	((DROPPED)) || fail "there is no limit"
}

# All addresses of a /64 are one source.
test_same_network()
{
	requires ipv6
	begin_test
	flow 6 udp 53 "flood=$SENT"
	count_limit "dport=domain protocol=udp"
	local before=$ACCEPTED CLIENT_IP6=$SAME_NETWORK6
	flow 6 udp 53 "flood=$SENT"
	count_limit "dport=domain protocol=udp"
	((ACCEPTED - before < SENT / 2)) || fail "another address of the network has a limit of its own"
	expect_eq "datagrams" $((2 * SENT)) $((ACCEPTED + DROPPED))
}

# Without a limit for fragments a datagram in fragments counts as a whole one.
check_whole()
{
	begin_test
	probe "$1" client-server -p 4500 -z 1400,480,8,912
	expect_delivered "2792 intact"
	count_limit "dport=4500 protocol=udp"
	expect_eq "accepted" 1 "$ACCEPTED"
}

knows_fragments()
{
	grep -q '\<bpf_nf_frag_info\>' /proc/kallsyms || lacks "bpf_nf_frag_info()"
}

# IKE may come in four fragments, DNS in none.
check_fragments()
{
	local family=$1 limit="dport=isakmp protocol=udp fragmented=1"

	knows_fragments
	begin_test
	probe "$family" client-server -p 500 -z 1000,400,8,912
	expect_delivered "2312 intact"
	probe "$family" client-server -p 500 -z 1000,400,8,8,912
	expect_delivered ""
	probe "$family" client-server -p 500
	expect_delivered "92 intact"
	count_limit "$limit"
	expect_eq "accepted and dropped" "1 1" "$ACCEPTED $DROPPED"
	probe "$family" client-server -p 53
	expect_delivered "92 intact"
	probe "$family" client-server -p 53 -z 48,52
	expect_delivered ""
	count_limit "dport=domain protocol=udp fragmented=1"
	expect_eq "accepted and dropped" "0 1" "$ACCEPTED $DROPPED"
}

for family in "${FAMILIES[@]}"; do
	for check in source any_protocol earlier_boot whole fragments; do
		add_test "${check}_ipv$family" "check_$check" "$family"
	done
done

run_tests
