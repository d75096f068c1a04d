#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# "bpftool net trace netfilter" prints the packets that programs judge, with the reason, or writes
# them into a pcapng file.
#
# Requires: bpftool jq python3 tcpdump expect

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
	! mountpoint -q "$WORK/small" || umount "$WORK/small"
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

# attach_twice: attach the program at two priorities of the hook, with the cookies 1 and 2
attach_twice()
{
	local number

	for number in 1 2; do
		bpftool net attach netfilter pinned "$PINS/reason/reasons" inet hook forward \
			priority "$number" netns "$NS_ROUTER" pin "$PINS/links/$number" \
			cookie "$number"
	done
}

# A line has the link through which the program ran, and its cookie. A trace of one link does not
# have the packets of the other one.
test_cookies()
{
	local number ids=()

	needs_own BPF_NF_LINK_COOKIE
	attach_twice
	for number in 1 2; do
		ids+=("$(link_id "$PINS/links/$number")")
	done
	start_trace accepted
	probe 4 client-server -p 9997
	expect_delivered "92 intact"
	wait_for has_lines ":9997 " 2
	stop_trace
	expect_line "accepted link ${ids[0]} cookie 1 prog .* reason 8: other port"
	expect_line "accepted link ${ids[1]} cookie 2 prog .* reason 8: other port"

	start_trace -j link "${ids[1]}" accepted
	probe 4 client-server -p 9997
	expect_delivered "92 intact"
	wait_for has_lines '"dport":9998' 1
	stop_trace
	expect_json "$(jq -s . "$WORK/trace")" \
		"all(.[]; .link_ids == [${ids[1]}] and .cookie == 2)" \
		'map(select(.dport == 9997)) | length == 1'

	start_trace link "${ids[0]}" accepted pcapng "$WORK/cookies"
	probe 4 client-server -p 9997
	expect_delivered "92 intact"
	wait_for has_packets 2 "$WORK/cookies"
	stop_trace
	grep -qa "accepted link ${ids[0]} cookie 1 prog " "$WORK/cookies"
	! grep -qa "cookie 2" "$WORK/cookies" || fail "packets of the other link"
}

# Without a cookie, JSON has 0, if the kernel keeps cookies.
test_no_cookie()
{
	attach reason/reasons ip forward 7
	start_trace -j pin "$LINK" dropped
	probe 4 client-server
	wait_for has_lines dropped 1
	stop_trace
	if grep -qa BPF_NF_LINK_COOKIE /sys/kernel/btf/vmlinux; then
		expect_json "$(jq -s . "$WORK/trace")" 'all(.[]; .cookie == 0)'
	else
		expect_json "$(jq -s . "$WORK/trace")" 'all(.[]; has("cookie") | not)'
	fi
	start_trace pin "$LINK" dropped
	probe 4 client-server
	wait_for has_lines dropped 1
	stop_trace
	expect_line "dropped link $(link_id "$LINK") prog .*"
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

# read_file [FILE]: the file as JSON
read_file()
{
	"$FOLDER/helpers/pcapng.py" "${1:-$WORK/file}"
}

# has_packets NUMBER [FILE]
has_packets()
{
	read_file "${2:-$WORK/file}" | jq -e ".packets | length >= $1"
}

# The bytes of a datagram that the kernel has reassembled are not all in the linear part.
test_file()
{
	local link source where="netns $NS_ROUTER forward in $ROUTER_LEFT_DEV out $ROUTER_RIGHT_DEV"
	local valid

	attach reason/reasons ip forward 7 defrag
	link=$(link_id "$LINK")
	source="link $link prog $(nf_prog prog-id "$PINS/reason/reasons") reasons"
	start_trace link "$link" pcapng "$WORK/file"
	probe 4 client-server
	expect_delivered ""
	probe 4 client-server -p 9997 -z 800,800
	expect_delivered "1592 intact"
	wait_for has_packets 4
	stop_trace
	expect_json "$(read_file)" \
		".interfaces == [{link: 101, snaplen: 65280, name: \"$ROUTER_LEFT_DEV\",
			description: \"netns $NS_ROUTER\", tsresol: 9}]" \
		".packets[] | select(.length == 120) | .comment ==
			\"$where dropped $source reason 7: port is \\\"denied\\\"\"" \
		'.packets[] | select(.length == 120) | .captured == 120 and .flags == 1' \
		'.packets[0].time / 1e9 - now | fabs < 600' \
		'[.packets[] | select(.captured == 1620 and .length == 1620)] | length == 1' \
		".packets[] | select(.length == 1620) | .comment ==
			\"$where reassembled 820 accepted $source reason 8: other port\"" \
		'.statistics == [{interface: 0, lost: 0, written: 4}]'
	valid=$(tcpdump -n -vv -r "$WORK/file" | grep -c -E '\.(9999|9997): \[udp sum ok\]')
	expect_eq "datagrams with a valid checksum" 2 "$valid"
	expect_eq "mode of the file" 600 "$(stat -c %a "$WORK/file")"
}

# Standard output is a file here.
test_file_of_dropped()
{
	local family=${FAMILIES[-1]}

	attach reason/reasons "$(pf_of "$family")" forward 7
	start_trace pin "$LINK" dropped pcapng -
	probe "$family" client-server -p 9997
	probe "$family" client-server
	wait_for has_packets 1 "$WORK/trace"
	stop_trace
	expect_json "$(read_file "$WORK/trace")" '.packets | length == 1' \
		'.comment == "bpftool net trace netfilter pin '"$LINK"' dropped pcapng -"' \
		".packets[0].data[:1] == \"$family\"" \
		'.packets[0].comment | test(" dropped .* reason 7: ")'
	tcpdump -n -r "$WORK/trace" > "$WORK/packets"
	grep -q '\.9999: UDP' "$WORK/packets" || fail "tcpdump: $(< "$WORK/packets")"
}

test_snaplen()
{
	attach reason/reasons ip forward 7
	start_trace pin "$LINK" dropped pcapng "$WORK/file" snaplen 61
	probe 4 client-server
	wait_for has_packets 1
	stop_trace
	expect_json "$(read_file)" '.interfaces[0].snaplen == 61' \
		'.packets[0] | .captured == 61 and .length == 120 and (.data | length) == 122'
}

# While the command is stopped, nobody reads the buffer of 2 MiB that each CPU has.
test_lost_packets()
{
	local i sizes lost

	sizes=$(printf '1400,%.0s' {1..45})
	attach reason/reasons ip forward 7 defrag
	start_trace pin "$LINK" pcapng "$WORK/file"
	kill -STOP "$TRACE"
	taskset -c -p 0 "$BASHPID"
	for ((i = 0; i < 40; i++)); do
		probe 4 client-server -p 9997 -z "${sizes%,}"
	done
	kill -CONT "$TRACE"
	stop_trace
	lost=$(read_file | jq '.statistics[0].lost')
	((lost)) || fail "nothing was lost"
	expect_json "$(read_file)" '.statistics[0] | .lost + .written == 80' \
		'.statistics[0].written == (.packets | length)' \
		'.packets[0] | .captured == 63020 and .length == 63020'
	expect_match "what is said" "*not in the file: 0 packets above the rate, $lost because*" \
		"$(< "$WORK/trace.said")"
}

trace_ended()
{
	! kill -0 "$TRACE"
}

# The datagram is larger than the file system.
test_full_file_system()
{
	local sizes status=0

	sizes=$(printf '1400,%.0s' {1..45})
	mkdir -p "$WORK/small"
	mount -t tmpfs -o size=16k tmpfs "$WORK/small"
	attach reason/reasons ip forward 7 defrag
	start_trace pin "$LINK" pcapng "$WORK/small/file"
	probe 4 client-server -p 9997 -z "${sizes%,}"
	wait_for trace_ended
	wait "$TRACE" || status=$?
	rm "$WORK/trace.pid"
	umount "$WORK/small"
	((status)) || fail "exit status 0: $(< "$WORK/trace.said")"
	expect_match "what is said" "*pcapng $WORK/small/file: No space left on device*" \
		"$(< "$WORK/trace.said")"
}

# If the command does not refuse the file, it runs until it is ended.
test_wrong_file()
{
	local file=$WORK/nothing/file limit=$((10 * ${NF_BPF_SLOW:-1}))

	expect_fails "pcapng /dev/full: No space left on device" \
		timeout "$limit" bpftool net trace netfilter pcapng /dev/full
	expect_fails "pcapng $file: can't write it: No such file" \
		bpftool net trace netfilter pcapng "$file"
	expect_fails "this is a terminal" \
		expect -c "set timeout $limit; spawn bpftool net trace netfilter pcapng -
			   expect timeout { exit 1 } eof; exit [lindex [wait] 3]"
	expect_json "$(bpftool -j net trace netfilter pcapng "$WORK/file" || :)" \
		'.error | startswith("\u0027pcapng\u0027: not together with JSON")'
	expect_fails "add 'pcapng FILE'" bpftool net trace netfilter snaplen 100
	expect_fails "at most 65280 bytes" \
		bpftool net trace netfilter pcapng "$WORK/file" snaplen 65281
	expect_fails "above 0" bpftool net trace netfilter pcapng "$WORK/file" snaplen 0
	expect_fails "it was given before" \
		bpftool net trace netfilter pcapng "$WORK/file" pcapng "$WORK/file"
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
