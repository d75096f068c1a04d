#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# "bpftool net trace netfilter" prints the packets that programs judge, with the reason.
#
# Requires: bpftool jq

source "$(dirname "$0")/../lib.sh"

TRACE=

setup()
{
	setup_bpftool
	nf_prog load "$SELFTESTS/progs/reason.bpf.o" "$PINS/reason"
	PIN_DIRS+=("$PINS/reason")
}

cleanup()
{
	[[ ! -e $WORK/trace.pid ]] || kill "$(< "$WORK/trace.pid")" 2> /dev/null || :
	rm -rf "$PINS/reason"
}

# start_trace [OPTION] ARG...: trace one program until stop_trace(). The lines are in $WORK/trace.
start_trace()
{
	local option=()

	[[ $1 != -* ]] || { option=("$1"); shift; }
	bpftool "${option[@]}" net trace netfilter "$@" > "$WORK/trace" 2> "$WORK/trace.said" &
	TRACE=$!
	echo "$TRACE" > "$WORK/trace.pid"
	wait_for traces
	kill -0 "$TRACE" 2> /dev/null || {
		cat "$WORK/trace" "$WORK/trace.said"
		# Some machines refuse tracing to everybody.
		! grep -q "Operation not permitted" "$WORK/trace.said" || lacks "permission to trace"
		fail "no trace"
	}
}

# Tell whether the program is attached, or the command has failed
traces()
{
	! kill -0 "$TRACE" 2> /dev/null || grep -q "^tracing 1 " "$WORK/trace.said"
}

stop_trace()
{
	kill -INT "$TRACE"
	wait "$TRACE" || fail "exit status $?: $(< "$WORK/trace.said")"
	rm "$WORK/trace.pid"
}

# expect_line PATTERN: the end of a line
expect_line()
{
	grep -q -e "$1\$" "$WORK/trace" || fail "no '$1': $(< "$WORK/trace")"
}

# has_lines PATTERN NUMBER: the packets at the end of a probe are printed after the probe.
has_lines()
{
	(($(grep -c "$1" "$WORK/trace") >= $2))
}

test_lines()
{
	local link from="udp $CLIENT_IP4:[0-9]* > $SERVER_IP4" in source

	attach reason/reasons ip forward 7 defrag
	link=$(link_id "$LINK")
	source="link $link prog $(nf_prog prog-id "$PINS/reason/reasons") reasons"
	in="netns $NS_ROUTER forward in $ROUTER_LEFT_DEV out $ROUTER_RIGHT_DEV"
	start_trace link "$link"
	probe 4 client-server
	expect_delivered ""
	probe 4 client-server -p 9997
	expect_delivered "92 intact"
	probe 4 client-server -p 9997 -z 800,800
	expect_delivered "1592 intact"
	wait_for has_lines ":9998 " 3
	stop_trace
	expect_line "$in $from:9999 length 120 dropped $source reason 7: port is \"denied\""
	expect_line "$in $from:9997 length 120 accepted $source reason 8: other port"
	expect_line "length 1620 reassembled 820 accepted $source reason 8: other port"
	expect_eq "lines" 6 "$(wc -l < "$WORK/trace")"
	expect_eq "programs that are left" "" "$(bpftool prog show | grep nf_trace || :)"
}

# test_lines() has the other family, where there is one.
test_dropped_as_json()
{
	local family=${FAMILIES[-1]}

	attach reason/reasons "$(pf_of "$family")" forward 7
	start_trace -j pin "$LINK" dropped
	probe "$family" client-server -p 9997
	probe "$family" client-server
	wait_for has_lines dropped 1
	stop_trace
	expect_json "$(jq -s . "$WORK/trace")" 'length == 1' \
		".[0].family == \"$(pf_of "$family")\" and .[0].hook == \"forward\"" \
		".[0].netns_ino == $ROUTER_INO and .[0].link_ids == [$(link_id "$LINK")]" \
		'.[0].protocol == "udp" and .[0].dport == 9999' \
		'.[0].verdict == "dropped" and .[0].prog_name == "reasons"' \
		'.[0].reason == 7 and .[0].reason_text == "port is \"denied\""'
}

# Without reassembly, fragments come one by one, and the later one has no port.
test_fragments()
{
	attach reason/reasons ip forward 7
	start_trace pin "$LINK" accepted
	probe 4 client-server -p 9997 -z 800,800
	wait_for has_lines ":9998 " 1
	stop_trace
	expect_line ":9997 fragment 0+ length 820 accepted .* reason 8: other port"
	expect_line "udp $CLIENT_IP4 > $SERVER_IP4 fragment 800 length 820 accepted .* reasons"
}

# trace_ping [OPTION]: the line of a packet that the router sends
trace_ping()
{
	start_trace "$@" pin "$LINK"
	nf_prog exec "$NS_ROUTER" ping -q -c 1 -W 1 203.0.113.2 > /dev/null || :
	wait_for has_lines 203.0.113.2 1
	stop_trace
}

# The name of a device can have any byte. Neither a terminal nor a parser of JSON gets it.
test_odd_device_name()
{
	local name=$'odd\e"\x01'

	nf_prog exec "$NS_ROUTER" ip link add "$name" type dummy || lacks "dummy devices"
	nf_prog exec "$NS_ROUTER" ip link set "$name" up
	nf_prog exec "$NS_ROUTER" ip address add 203.0.113.1/24 dev "$name"
	attach reason/reasons ip output 7
	trace_ping
	grep -q ' out odd?"? icmp ' "$WORK/trace" || fail "$(< "$WORK/trace")"
	trace_ping -j
	expect_json "$(jq -s . "$WORK/trace")" '.[0].out == "odd?\"?"'
	nf_prog exec "$NS_ROUTER" ip link del "$name"
}

# A burst of fragments is more than the rate.
test_rate()
{
	attach reason/reasons ip forward 7
	start_trace pin "$LINK" rate 1
	probe 4 client-server -p 9997 -z 80,80,80,80,80,80,80,80
	wait_for has_lines accepted 1
	stop_trace
	expect_match "what is said" "*not printed: +([0-9]) packets above the rate*" \
		"$(< "$WORK/trace.said")"
}

# A program that replaces another is traced, and the old one is not kept.
test_replaced()
{
	local id

	needs_own BPF_NF_LINK_UPDATE
	nf_prog load "$SELFTESTS/progs/policy.bpf.o" "$PINS/old"
	attach old/accept ip forward 7
	id=$(nf_prog prog-id "$PINS/old/accept")
	start_trace pin "$LINK"
	probe 4 client-server
	wait_for has_lines "prog $id accept\$" 1
	rm -r "$PINS/old"
	bpftool prog show id "$id" > /dev/null || fail "the program is gone"
	nf_prog update "$LINK" "$PINS/reason/reasons"
	wait_for shows_reason
	wait_for is_gone "$id"
	stop_trace
}

is_gone()
{
	! bpftool prog show id "$1" > /dev/null 2>&1
}

shows_reason()
{
	probe 4 client-server
	grep -q "reason 7" "$WORK/trace"
}

# The command must not keep a link: its policy would stay in force without its pin.
test_link_is_not_kept()
{
	attach drop ip forward 7
	start_trace pin "$LINK"
	rm "$LINK"
	wait_for passes
	stop_trace
}

passes()
{
	probe 4 client-server
	[[ $DELIVERED == "92 intact" ]]
}

test_wrong_arguments()
{
	expect_fails "expected 'netfilter'" bpftool net trace xdp
	expect_fails "expected one of 'link', 'pin', 'dropped', 'accepted', 'rate'" \
		bpftool net trace netfilter nothing
	expect_fails "'link' needs a value" bpftool net trace netfilter link
	expect_fails "no such link" bpftool net trace netfilter link 4294967295
	expect_fails "no such pin" bpftool net trace netfilter pin "$PINS/nothing"
	expect_fails "give one of" bpftool net trace netfilter dropped accepted
	expect_fails "above 0" bpftool net trace netfilter rate 0
	expect_fails "it was given before" bpftool net trace netfilter rate 1 rate 2
	expect_json "$(bpftool -j net trace netfilter rate x || :)" '.error | startswith("rate")'
}

run_tests
