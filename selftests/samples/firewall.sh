#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Tests samples/firewall on the router: packets that a rule allows pass, others do not.
#
# Requires: bpftool python3

source "$(dirname "$0")/../lib.sh"

SAMPLES=$BUILD/$BASE/samples
RULE_PORT=9999		# probe() sends to this port
DENIED=9997

setup()
{
	router_up
	load_policy
	mkdir "$PINS/firewall"
	bpftool prog loadall "$SAMPLES/firewall.bpf.o" "$PINS/firewall" \
		pinmaps "$PINS/firewall"
}

firewall()
{
	"$SAMPLES/firewall" -m "$PINS/firewall/rules" "$@"
}

# A link of mainline has one family, so attach two.
attach_firewall()
{
	local pf

	firewall list | while read -r protocol address port rest; do
		# shellcheck disable=SC2086 # split "from ..." into words
		firewall remove "$protocol" "$address" "$port" ${rest%%packets*}
	done
	expect_eq "rules left by another test" "" "$(firewall list)"
	for pf in $( ((INET)) && echo inet || echo ip ip6); do
		attach firewall/firewall "$pf" forward 0 defrag
	done
	# Let the sentinel of probe() pass.
	firewall allow udp "$SERVER_IP4" 9998
	firewall allow udp "$SERVER_IP6" 9998
}

# ask NETNS FAMILY ADDRESS PORT PROTOCOL [CLIENT-PORT]: print the answer of an echo server in
# the server's namespace, or nothing.
ask()
{
	in_ns "$1" timeout $((5 * ${NF_BPF_SLOW:-1})) python3 - "${@:2}" <<-'PYTHON'
	import socket, sys
	family = socket.AF_INET if sys.argv[1] == "4" else socket.AF_INET6
	udp = sys.argv[4] == "udp"
	kind = socket.SOCK_DGRAM if udp else socket.SOCK_STREAM
	s = socket.socket(family, kind)
	s.settimeout(1)
	if len(sys.argv) > 5:
	    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
	    s.bind(("", int(sys.argv[5])))
	try:
	    s.connect((sys.argv[2], int(sys.argv[3])))
	    s.send(b"question")
	    print(s.recv(100).decode())
	except (TimeoutError, OSError):
	    pass
	PYTHON
}

# serve FAMILY PORT PROTOCOL: start an echo server, $SERVER, for the rest of the test.
serve()
{
	: > "$WORK/serving"
	nsenter --net="/run/netns/$NS_SERVER" -- python3 - "$@" \
		> "$WORK/serving" <<-'PYTHON' &
	import socket, sys
	family = socket.AF_INET if sys.argv[1] == "4" else socket.AF_INET6
	udp = sys.argv[3] == "udp"
	s = socket.socket(family, socket.SOCK_DGRAM if udp else socket.SOCK_STREAM)
	s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
	s.bind(("", int(sys.argv[2])))
	if not udp:
	    s.listen()
	print("serving", flush=True)
	while True:
	    if udp:
	        data, peer = s.recvfrom(100)
	        s.sendto(b"answer", peer)
	    else:
	        c, peer = s.accept()
	        c.recv(100)
	        c.send(b"answer")
	        c.close()
	PYTHON
	SERVER=$!
	# shellcheck disable=SC2064 # expand $SERVER now: kill this server
	trap "kill $SERVER" EXIT
	wait_for grep -q serving "$WORK/serving"
}

check_rule()
{
	local family=$1 server=SERVER_IP$1 client=CLIENT_IP$1

	attach_firewall
	probe "$family" client-server
	expect_delivered ""
	firewall allow udp "${!server}" "$RULE_PORT"
	probe "$family" client-server
	expect_delivered "92 intact"
	# The rule sees the datagram whole, and counts it once.
	probe "$family" client-server -z 1400,480,8,912
	expect_delivered "2792 intact"
	expect_match "rules" "*udp ${!server} $RULE_PORT  packets 2 bytes *" "$(firewall list)"
	probe "$family" client-server -p "$DENIED"
	expect_delivered ""
	firewall remove udp "${!server}" "$RULE_PORT"
	probe "$family" client-server
	expect_delivered ""
}

check_answer()
{
	local family=$1 protocol=$2 server=SERVER_IP$1

	attach_firewall
	serve "$family" 7000 "$protocol"
	expect_eq "answer without a rule" "" \
		"$(ask "$NS_CLIENT" "$family" "${!server}" 7000 "$protocol")"
	firewall allow "$protocol" "${!server}" 7000
	expect_eq "answer" "answer" \
		"$(ask "$NS_CLIENT" "$family" "${!server}" 7000 "$protocol")"
	firewall remove "$protocol" "${!server}" 7000
	expect_eq "answer without the rule" "" \
		"$(ask "$NS_CLIENT" "$family" "${!server}" 7000 "$protocol")"
}

# A rule for another client, one for this client, and one for a port of this client.
check_client()
{
	local family=$1 server=SERVER_IP$1 client=CLIENT_IP$1 router=ROUTER_LEFT_IP$1

	attach_firewall
	serve "$family" 7000 udp
	firewall allow udp "${!server}" 7000 from "${!router}"
	expect_eq "answer to another client" "" \
		"$(ask "$NS_CLIENT" "$family" "${!server}" 7000 udp)"
	firewall allow udp "${!server}" 7000 from "${!client}"
	expect_eq "answer to the client" "answer" \
		"$(ask "$NS_CLIENT" "$family" "${!server}" 7000 udp)"
	firewall remove udp "${!server}" 7000 from "${!client}"
	firewall allow udp "${!server}" 7000 from "${!client}" 5000
	expect_eq "answer to another port" "" \
		"$(ask "$NS_CLIENT" "$family" "${!server}" 7000 udp 5001)"
	expect_eq "answer to the port" "answer" \
		"$(ask "$NS_CLIENT" "$family" "${!server}" 7000 udp 5000)"
}

check_icmp()
{
	local server=SERVER_IP$1

	attach_firewall
	probe "$1" client-server
	expect_delivered ""
	in_ns "$NS_CLIENT" ping -c 1 -W 2 "${!server}"
}

test_errors()
{
	local before

	before=$(firewall list)
	expect_fails -s 2 "no command" firewall
	expect_fails -s 2 "no such command" firewall frob
	expect_fails -s 2 "not a protocol" firewall allow gre 192.0.2.1 1
	expect_fails -s 2 "not the address of a server" firewall allow udp example 1
	expect_fails -s 2 "not a port" firewall allow udp 192.0.2.1 65536
	expect_fails -s 2 "not a port" firewall allow udp 192.0.2.1 0
	expect_fails -s 2 "different families" firewall allow udp 192.0.2.1 1 from ::1
	expect_fails -s 2 "not a client" firewall allow udp 192.0.2.1 1 from 0.0.0.0 53
	expect_fails -s 2 "not a client" firewall allow udp ::1 1 from ::
	expect_fails -s 1 "No such file" "$SAMPLES/firewall" -m "$PINS/none" list
	expect_fails -s 1 "not the map of firewall.bpf.o" "$SAMPLES/firewall" -m "$PINS/stats" list
	expect_fails -s 1 "not the map of firewall.bpf.o" "$SAMPLES/firewall" -m "$PINS/stats" \
		allow udp 192.0.2.1 1
	expect_fails -s 1 "No such file" firewall remove udp 192.0.2.1 1
	expect_eq "rules" "$before" "$(firewall list)"
	firewall allow udp 192.0.2.1 1
	expect_match "rules" "*udp 192.0.2.1 1  packets 0 *" "$(firewall list)"
	firewall remove udp 192.0.2.1 1
	expect_eq "rules" "$before" "$(firewall list)"
	expect_match "help" "Usage: *" "$("$SAMPLES/firewall" --help)"
}

# "bpftool map dump" shows names for the members of the map's key.
test_readable_dump()
{
	attach_firewall
	firewall allow udp "$SERVER_IP4" 53 from "$CLIENT_IP4"
	bpftool -j map dump pinned "$PINS/firewall/rules" | python3 -c '
import ipaddress, json, socket, sys

def check(value):
    if isinstance(value, dict):
        assert "" not in value and "(anon)" not in value, value
        for member in value.values():
            check(member)

keys = [entry["formatted"]["key"] for entry in json.load(sys.stdin)]
check(dict(enumerate(keys)))
key = next(key for key in keys if socket.ntohs(key["dport"]) == 53)
for address, member in zip(sys.argv[1:], ("saddr", "daddr")):
    got = bytes(int(str(byte), 0) for byte in key[member]["bytes"][:4])
    assert ipaddress.IPv4Address(got) == ipaddress.IPv4Address(address), key
assert key["protocol"] == socket.IPPROTO_UDP and key["family"] == 2, key
' "$CLIENT_IP4" "$SERVER_IP4"
	firewall remove udp "$SERVER_IP4" 53 from "$CLIENT_IP4"
}

for family in "${FAMILIES[@]}"; do
	add_test "rule_ipv$family" check_rule "$family"
	add_test "answer_udp_ipv$family" check_answer "$family" udp
	add_test "answer_tcp_ipv$family" check_answer "$family" tcp
	add_test "client_ipv$family" check_client "$family"
	add_test "icmp_ipv$family" check_icmp "$family"
done

run_tests
