#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Tests samples/packet-log on the router: it writes a line or a pcap record for each packet
# that its options select, and packets that it drops do not arrive.
#
# Requires: bpftool python3 tcpdump

source "$(dirname "$0")/../lib.sh"

SAMPLE=$BUILD/$BASE/samples/packet_log
DENIED=9997
LOGGER=			# process id

setup()
{
	router_up
	# Do not load programs that would keep nf_bpf_packet in use: see test_no_samples().
	need_packet_access
}

# start OPTION...: start the sample on the router. It writes to $WORK/lines or $WORK/pcap.
start()
{
	: > "$WORK/lines"
	: > "$WORK/errors"
	nsenter --net="/run/netns/$NS_ROUTER" -- "$SAMPLE" "$@" \
		> "$WORK/lines" 2> "$WORK/errors" &
	LOGGER=$!
	# Wait for its end: else the next test would read its last lines.
	# shellcheck disable=SC2064 # expand $LOGGER now: kill this process
	trap "kill $LOGGER 2>/dev/null && wait $LOGGER || :" EXIT
	# To load the sample takes seconds, and longer on a debug kernel.
	wait_for -t 60 grep -q attached "$WORK/errors" || fail "$(cat "$WORK/errors")"
}

# End the sample. It writes the packets that came before the signal, reports no loss, and
# succeeds.
stop()
{
	kill -INT "$LOGGER"
	wait "$LOGGER" || fail "packet_log: exit status $?: $(cat "$WORK/errors")"
	expect_eq "messages" "packet_log: attached, interrupt to end" \
		"$(cat "$WORK/errors")"
}

# expect_lines PATTERN...: check all lines. A PATTERN is for the text after the time.
expect_lines()
{
	local line lines=()

	mapfile -t lines < "$WORK/lines"
	expect_eq "number of lines of '$(cat "$WORK/lines")'" $# ${#lines[@]}
	for line in "${lines[@]}"; do
		[[ $line =~ ^20[0-9-]{8}T[0-9:]{8}\.[0-9]{6}' '(.*)$ ]] ||
			fail "no time: $line"
		expect_match "line" "$1" "${BASH_REMATCH[1]}"
		shift
	done
}

# ends FAMILY: set CLIENT and SERVER to the addresses as a line shows them, and set IP, and
# HEADER_BYTES to the length of the IP and UDP headers.
ends()
{
	if (($1 == 4)); then
		CLIENT=$CLIENT_IP4 SERVER=$SERVER_IP4 IP=ip HEADER_BYTES=28
	else
		CLIENT="\[$CLIENT_IP6]" SERVER="\[$SERVER_IP6]" IP=ip6 HEADER_BYTES=48
	fi
}

# flow() sends datagrams of 10 bytes.
check_lines()
{
	ends "$1"
	start
	flow "$1" udp 9999 send reply
	expect_outcome "delivered *, delivered *"
	stop
	expect_lines \
		"forward $IP udp $CLIENT:40000 > $SERVER:9999 length $((HEADER_BYTES + 10))" \
		"forward $IP udp $SERVER:9999 > $CLIENT:40000 length $((HEADER_BYTES + 10))"
}

# Log one of the two families at another hook, and a protocol without ports.
check_family()
{
	local other=$((10 - $1)) server=SERVER_IP$1 client=CLIENT_IP$1
	local other_server=SERVER_IP$((10 - $1))

	requires ipv6
	ends "$1"
	start -f "$IP" -H postrouting -p 7
	in_ns "$NS_CLIENT" ping -c 1 -W 5 "${!other_server}"
	in_ns "$NS_CLIENT" ping -c 1 -W 5 -s 100 "${!server}"
	stop
	grep -v -e ' fe80:' -e ' > ff02:' "$WORK/lines" > "$WORK/echoes" || :
	mv "$WORK/echoes" "$WORK/lines"
	expect_lines \
		"postrouting $IP icmp* ${!client} > ${!server} length $((HEADER_BYTES + 100))" \
		"postrouting $IP icmp* ${!server} > ${!client} length $((HEADER_BYTES + 100))"
}

# Without -d, the sample logs fragments, and the router forwards them as they came.
check_fragments()
{
	start
	probe "$1" client-server -z 1400,480,8,912
	expect_delivered "2792 intact"
	stop
	expect_eq "lines of fragments" 4 "$(grep -c ' fragment$' "$WORK/lines")"
}

check_drop()
{
	ends "$1"
	start --drop "$DENIED"
	flow "$1" udp 9999 send
	expect_outcome "delivered *"
	flow "$1" udp "$DENIED" send
	expect_outcome "lost"
	# With -d, a datagram in pieces is one packet with a port.
	probe "$1" client-server -p "$DENIED" -z 1400,480,8,912
	expect_delivered ""
	probe "$1" client-server -z 1400,480,8,912
	expect_delivered "2792 intact"
	stop
	expect_lines \
		"forward $IP udp $CLIENT:40000 > $SERVER:$DENIED length $((HEADER_BYTES + 10)) dropped" \
		"forward $IP udp $CLIENT:* > $SERVER:$DENIED length $((HEADER_BYTES + 2792)) dropped"
	flow "$1" udp "$DENIED" send
	expect_outcome "delivered *"
}

# read_pcap FILE: print the link type, and for each record its number of bytes, its length on
# the wire and its age in seconds.
read_pcap()
{
	python3 - "$1" <<-'PYTHON'
	import struct, sys, time
	data = open(sys.argv[1], "rb").read()
	magic, major, minor, _, _, snaplen, link = struct.unpack_from("=IHHiIII", data)
	assert (magic, major, minor) == (0xa1b23c4d, 2, 4)
	print(f"link {link} snaplen {snaplen}")
	at = 24
	while at < len(data):
	    s, ns, size, length = struct.unpack_from("=IIII", data, at)
	    assert ns < 10 ** 9 and abs(time.time() - s) < 300 and size <= len(data) - at - 16
	    print(f"{size} of {length}")
	    at += 16 + size
	PYTHON
}

check_pcap()
{
	local client=CLIENT_IP$1 server=SERVER_IP$1

	ends "$1"
	start -w "$WORK/pcap" -s 100
	flow "$1" udp 9999 send size=500 send
	expect_outcome "delivered *, delivered *"
	stop
	expect_lines
	expect_eq "pcap" "link 101 snaplen 100
$((HEADER_BYTES + 10)) of $((HEADER_BYTES + 10))
100 of $((HEADER_BYTES + 500))" "$(read_pcap "$WORK/pcap")"
	expect_match "tcpdump" "*link-type RAW*
*${!client}.40000 > ${!server}.9999: *UDP, length 10
*${!client}.40000 > ${!server}.9999: *UDP, length 500" \
		"$(tcpdump -n -K -r "$WORK/pcap" 2>&1)"
}

# The bytes are those that another capture has after the link's header.
check_bytes()
{
	local capture

	start -w - -s 2000
	nsenter --net="/run/netns/$NS_SERVER" -- tcpdump -U -n -i "$SERVER_DEV" \
		-w "$WORK/wire" -c 1 udp port 9999 2> "$WORK/tcpdump" &
	capture=$!
	wait_for grep -q listening "$WORK/tcpdump"
	flow "$1" udp 9999 size=1200 send
	expect_outcome "delivered *"
	wait "$capture"
	stop
	# Ignore the hop limit and IPv4's checksum, which the router changes.
	python3 - "$WORK/lines" "$WORK/wire" "$1" <<-'PYTHON'
	import sys
	log, wire = (open(name, "rb").read() for name in sys.argv[1:3])
	log, wire = bytearray(log[40:]), bytearray(wire[40 + 14:])
	for packet in log, wire:
	    if sys.argv[3] == "4":
	        packet[8] = 0
	        packet[10:12] = bytes(2)
	    else:
	        packet[7] = 0
	assert len(log) >= 1228, len(log)
	assert log == wire, (log.hex(), wire.hex())
	PYTHON
}

# Without the helper, and without the module, the first word is the cause.
test_no_samples()
{
	local output

	! grep -qa BPF_NF_LINK_INET /sys/kernel/btf/vmlinux || skip "a patched kernel"
	# The kernel frees the programs of the tests before this one a moment after they end.
	wait_for modprobe -q -r nf_bpf_kfunc nf_bpf_entry nf_bpf_packet ||
		skip "other programs use nf_bpf_packet"
	output=$(nf_prog exec "$NS_ROUTER" "$SAMPLE" 2>&1) && fail "it runs"
	modprobe -q nf_bpf_packet || :
	expect_match "message" "packet_log: load: *modprobe nf_bpf_packet" "$output"
	expect_eq "lines" 1 "$(wc -l <<< "$output")"
}

test_every()
{
	start -e 3
	flow 4 udp 9999 send reply send reply send reply send
	stop
	expect_lines "*length 38" "*length 38" "*length 38"
}

test_count()
{
	start -c 2
	flow 4 udp 9999 send reply send
	wait "$LOGGER" || fail "exit status $?: $(cat "$WORK/errors")"
	expect_lines "*length 38" "*length 38"
}

# A rule on ports drops packets without a port, logged or not.
test_unparsed()
{
	start -d "$DENIED"
	in_ns "$NS_CLIENT" python3 - "$SERVER_IP4" <<-'PYTHON'
	import socket, sys
	s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_UDP)
	s.sendto(b"\x27\x0d", (sys.argv[1], 0))
	PYTHON
	wait_for grep -q length "$WORK/lines"
	flow 4 udp 9999 send
	expect_outcome "delivered *"
	stop
	expect_lines "forward ip udp $CLIENT_IP4 > $SERVER_IP4 length 22 cut dropped"
}

# The sample does not count packets as logged if it cannot write them.
test_full()
{
	nsenter --net="/run/netns/$NS_ROUTER" -- "$SAMPLE" > /dev/full 2> "$WORK/errors" &
	LOGGER=$!
	wait_for -t 60 grep -q attached "$WORK/errors"
	flow 4 udp 9999 send
	expect_outcome "delivered *"
	! wait "$LOGGER" || fail "succeeded"
	expect_match "error" "*write: standard output: No space left on device (28)" \
		"$(cat "$WORK/errors")"
}

test_errors()
{
	local in_router=(in_ns "$NS_ROUTER" "$SAMPLE")

	expect_fails -s 2 "option: -x: no such option" "$SAMPLE" -x
	expect_fails -s 2 "option: --frob: no such option" "$SAMPLE" --frob
	expect_fails -s 2 "option: -e: its argument is missing" "$SAMPLE" -e
	expect_fails -s 2 "argument: forward: there are only options" "$SAMPLE" forward
	expect_fails -s 2 "hook: egress: no such name" "$SAMPLE" -H egress
	expect_fails -s 2 "family: arp: no such name" "$SAMPLE" -f arp
	expect_fails -s 2 "every: 0: not a number from 1 to" "$SAMPLE" -e 0
	expect_fails -s 2 "drop: 65536: not a number from 1 to 65535" "$SAMPLE" -d 65536
	expect_fails -s 2 "snaplen: 1k: not a number" "$SAMPLE" -s 1k
	expect_fails -s 1 "open: $WORK/no/pcap: No such file" "$SAMPLE" -w "$WORK/no/pcap"
	expect_fails -s 1 "attach: prerouting: Numerical result out of range" \
		"${in_router[@]}" -H prerouting -p -400 -d 53
	start -p 5
	expect_fails -s 1 "attach: forward: Device or resource busy" "${in_router[@]}" -p 5
	stop
	expect_match "help" "Usage: *-d, --drop PORT *Exit status: *" "$("$SAMPLE" --help)"
}

for family in "${FAMILIES[@]}"; do
	for check in lines family fragments drop pcap bytes; do
		add_test "${check}_ipv$family" check_$check "$family"
	done
done

run_tests
