#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# run-prog.sh prints verdicts by flow, for the demo's traffic and for a capture. It says what
# is wrong with a file that it cannot run.
#
# Requires: clang jq readelf tcpdump dig

source "$(dirname "$0")/../lib.sh"
ROUTER_DIR=$SELFTESTS_SRC/../tools/router

NETFILTER=$BUILD/$BASE/samples/udp_policy_netfilter.bpf.o
RUN_SUFFIX=-run$$
TC=$BUILD/$BASE/samples/udp_policy_tc.bpf.o

run_prog()
{
	env -u PROG -u HOOK -u PF -u PRIORITY -u DEFRAG -u PCAP \
		NS_SUFFIX="$RUN_SUFFIX" TMPDIR="$WORK/tmp" "$@"
}

# expect_flow PATTERN VERDICT...: $WORK/flows has flows with these verdicts.
expect_flow()
{
	local pattern=$1

	shift
	expect_eq "verdicts of $pattern" "$*" \
		"$(awk -v flow="$pattern" '$0 ~ flow { printf "%s%s", s, $NF; s = " " }' "$WORK/flows")"
}

# expect_flows PATTERN VERDICT...: the same for each family.
expect_flows()
{
	local pattern=$1 verdicts=() _

	shift
	for _ in "${FAMILIES[@]}"; do
		verdicts+=("$@")
	done
	expect_flow "$pattern" "${verdicts[@]}"
}

# expect_refusal TEXT VARIABLE=VALUE...: with these variables, it fails with TEXT
expect_refusal()
{
	local text=$1

	shift
	expect_fails -s 1 "$text" run_prog "$@" "$ROUTER_DIR/run-prog.sh"
}

compile()
{
	clang -g -O2 -target bpf -x c -c - -o "$WORK/$1.bpf.o"
}

# capture FILE: make a capture of fragmented datagrams to two ports and one with TTL 1.
capture()
{
	/usr/bin/python3 -B - "$1" <<-EOF2
	import struct, sys
	sys.path.insert(0, "$ROUTER_DIR")
	from packets import UDP, ethernet, fragments, ipv4, udp
	mac, src, dst = "02:00:00:00:00:01", "10.1.1.1", "10.2.2.2"
	packets = fragments(src, dst, UDP, udp(src, dst, 7, 53, bytes(3000)), [1400, 8], 1)
	packets += fragments(src, dst, UDP, udp(src, dst, 7, 9999, bytes(3000)), [1400], 2)
	expired = bytearray(ipv4(src, dst, UDP, udp(src, dst, 8, 53, b"late")))
	expired[8:12] = b"\x01\x11" + struct.pack(
	    "!H", struct.unpack_from("!H", expired, 10)[0] + 63 * 256)
	packets.append(bytes(expired))
	with open(sys.argv[1], "wb") as out:
	    out.write(struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 65535, 1))
	    for frame in (ethernet(mac, mac, p) for p in packets):
	        out.write(struct.pack("<IIII", 0, 0, len(frame), len(frame)) + frame)
	EOF2
}

setup()
{
	mkdir "$WORK/tmp"
	capture "$WORK/capture"
}

test_demo_traffic()
{
	run_prog PROG="$NETFILTER" "$ROUTER_DIR/run-prog.sh" > "$WORK/flows"
	expect_flows '^icmp' accepted accepted
	expect_flows '> .*:53 ' accepted accepted
	expect_flows ':53 >' accepted accepted
	expect_flows '> .*:9999 ' dropped dropped
	expect_flows 'no first fragment' dropped
}

# The first program of README.md. "make selftests" compiles it with the types of this project's
# kernel only.
test_tcp()
{
	local program=$SELFTESTS/samples/programs/doc_portable/no_telnet.bpf.o

	[[ -e $program ]] || lacks "the types of this project, with which $program is compiled"
	run_prog PROG="$program" "$ROUTER_DIR/run-prog.sh" > "$WORK/flows"
	expect_flows '^tcp .* > .*:23 ' dropped
	expect_flows '^tcp .* > .*:80 ' accepted
}

test_capture()
{
	run_prog PROG="$NETFILTER:udp_policy_netfilter" PCAP="$WORK/capture" \
		"$ROUTER_DIR/run-prog.sh" > "$WORK/flows"
	expect_flow '10.1.1.1:7 > 10.2.2.2:53 ' accepted
	expect_flow '10.1.1.1:7 > 10.2.2.2:9999 ' dropped
	expect_flow '10.1.1.1:8 > 10.2.2.2:53 ' forwarded
	expect_match "the one with TTL 1" "*not forwarded" \
		"$(grep '10.1.1.1:8 >' "$WORK/flows")"
}

# Without defrag the program sees fragments and drops them, also those to port 53.
test_no_defrag()
{
	run_prog PROG="$NETFILTER" PCAP="$WORK/capture" DEFRAG=0 \
		"$ROUTER_DIR/run-prog.sh" > "$WORK/flows"
	expect_flow '10.1.1.1:7 > 10.2.2.2:53 ' dropped
}

# Forwarded packets do not pass this hook.
test_other_hook_and_priority()
{
	run_prog PROG="$NETFILTER" PCAP="$WORK/capture" HOOK=output PF=ip PRIORITY=-10 \
		"$ROUTER_DIR/run-prog.sh" > "$WORK/flows"
	expect_match "attached" "*ip hook output priority -10 defrag*" "$(grep '^#' "$WORK/flows")"
	expect_flow '10.1.1.1:7 > 10.2.2.2:53 ' accepted
	expect_flow '10.1.1.1:7 > 10.2.2.2:9999 ' accepted
}

test_verifier_refuses()
{
	local output

	compile bad <<-'EOF2'
	char LICENSE[] __attribute__((section("license"))) = "GPL";
	__attribute__((section("netfilter"))) int bad(void *ctx) { return 2; }
	EOF2
	expect_refusal "the verifier refuses it" PROG="$WORK/bad.bpf.o"
	output=$(run_prog PROG="$WORK/bad.bpf.o" "$ROUTER_DIR/run-prog.sh" 2>&1) || :
	expect_match "the log" "*At program exit the register R0 has*" "$output"
	[[ $output != *libbpf:* ]] || fail "libbpf's own messages are there: $output"
}

test_several_programs()
{
	expect_refusal "udp_policy_accept_later udp_policy_drop_later" PROG="$TC"
	expect_refusal "no program nope in it" PROG="$TC:nope"
}

test_other_type()
{
	expect_refusal "is a program of type sched_cls" PROG="$TC:udp_policy_drop_later"
}

test_not_a_program()
{
	expect_refusal "no such file" PROG="$WORK/nothing"
	expect_refusal "not a BPF object" PROG=/bin/true
	expect_refusal "not a capture" PROG="$NETFILTER" PCAP=/bin/true
	echo 'int nothing;' | compile empty
	expect_refusal "there is no program in it" PROG="$WORK/empty.bpf.o"
}

test_usage()
{
	"$ROUTER_DIR/run-prog.sh" --help > "$WORK/help"
	expect_match "help" "Usage:*" "$(<"$WORK/help")"
	expect_fails -s 2 "no program given" run_prog "$ROUTER_DIR/run-prog.sh"
	expect_fails -s 2 "give 0 or 1" run_prog PROG=x DEFRAG=yes "$ROUTER_DIR/run-prog.sh"
	expect_fails -s 2 "give inet, ip or ip6" run_prog PROG=x PF=arp "$ROUTER_DIR/run-prog.sh"
}

# A namespace that was there before stays.
test_namespace_that_is_there()
{
	ip netns add "router$RUN_SUFFIX"
	expect_refusal "there is a network namespace of this name" PROG="$NETFILTER"
	in_ns "router$RUN_SUFFIX" true || fail "it was deleted"
	ip netns delete "router$RUN_SUFFIX"
}

# Check after the runs of the other tests. One more run would take seconds in a guest.
test_leaves_nothing()
{
	expect_match "the last run" "*flows: *" "$(<"$WORK/flows")"
	expect_eq "namespaces and pins left" "" \
		"$(find /run/netns "$BPFFS" -name "*$RUN_SUFFIX")"
	expect_eq "files left" "" "$(ls "$WORK/tmp")"
	expect_eq "processes left" "" "$(pgrep -f "nsd -d -c $WORK/tmp" || :)"
}

run_tests
