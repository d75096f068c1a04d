#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# demo.sh finds what it should, and fails if a result is wrong. The test falsifies its results
# one by one, and demo.sh must name each falsified result.
#
# Requires: dig jq nft tc

source "$(dirname "$0")/../lib.sh"
ROUTER_DIR=$SELFTESTS_SRC/../tools/router

DEMO_SUFFIX=-demo$$

report()
{
	ROUTER_FAMILIES=${FAMILIES[*]} /usr/bin/python3 -B "$ROUTER_DIR/report.py" "$@"
}

setup()
{
	mkdir "$WORK/tmp"
	TMPDIR=$WORK/tmp NS_SUFFIX=$DEMO_SUFFIX "$ROUTER_DIR/demo.sh" \
		--results "$WORK/results" > "$WORK/demo" || echo "$?" > "$WORK/status"
}

# falsify ROUTER FAMILY CHANGE: apply the jq filter CHANGE to one of the results.
falsify()
{
	jq -c "if .router == \"$1\" and .family == $2 then $3 else . end" \
		"$WORK/results" > "$WORK/false"
	! cmp -s "$WORK/results" "$WORK/false" || fail "$3: changes nothing"
}

# expect_named TEXT ROUTER FAMILY CHANGE: the report fails with TEXT for the falsified result.
# Skip this if the kernel lacks the family.
expect_named()
{
	[[ ${FAMILIES[*]} == *$3* ]] || return 0
	falsify "$2" "$3" "$4"
	expect_fails -s 1 "$1" report "$WORK/false"
}

test_as_expected()
{
	local track=

	! grep -qa BPF_F_NETFILTER_FRAG_TRACK /sys/kernel/btf/vmlinux ||
		track="kept netfilter BPF with track answered"
	[[ ! -e $WORK/status ]] || fail "exit status $(< "$WORK/status"): $(< "$WORK/demo")"
	expect_eq "failed expectations" '[]' \
		"$(report --json "$WORK/results" | jq -c .failed)"
	expect_eq "rows of the tables" "$(for _ in "${FAMILIES[@]}"; do cat <<-EOF2
	kept no policy answered
	kept tc, later fragments accepted answered
	- tc, later fragments dropped timed
	$track
	kept netfilter BPF with defrag answered
	EOF2
	done | sed '/^$/d')" "$(sed -nE 's/^(no policy|tc, later fragments [a-z]+|netfilter BPF with [a-z]+)  +(answered|timed).* ([a-z-]+)$/\3 \1 \2/p' "$WORK/demo")"
}

test_names_dns_that_fails()
{
	local router

	for router in none tc-accept netfilter; do
		expect_named "a large DNS answer: expected at least" "$router" 4 '.dns = null'
		expect_named "a large DNS answer: expected at least" "$router" 6 '.dns = 1200'
	done
	expect_named "a large DNS answer: expected None" tc-drop 4 '.dns = 3450'
	expect_named "a ping answered" netfilter 6 '.ping = false'
}

test_names_exfiltration()
{
	local arrived='.exfiltration["reversed"].arrived'

	expect_named "netfilter BPF with defrag, IPv6: exfiltrated bytes: expected 0, measured 8" \
		netfilter 6 "$arrived.bytes = 8"
	expect_named "netfilter BPF with defrag, IPv4: exfiltrated fragments: expected 0, measured 1" \
		netfilter 4 "$arrived.fragments = 1"
	expect_named "exfiltrated bytes: expected 0" tc-drop 4 "$arrived.bytes = 8"
	expect_named "exfiltrated bytes" tc-accept 4 "$arrived.bytes = 0"
	expect_named "exfiltrated fragments" none 6 "$arrived.fragments = 0"
}

test_names_what_was_not_sent()
{
	expect_named "sent in order" none 4 '.exfiltration["in order"].sent.bytes = 0'
	expect_named "sent reversed" netfilter 6 '.exfiltration["reversed"].sent.bytes = 0'
}

test_names_sizes()
{
	expect_named "fragment sizes kept: expected True, measured False" \
		netfilter 4 '.sizes[1].out[0][0] = 1480'
	expect_named "fragmented datagrams through: expected 2, measured 1" \
		netfilter 6 '.sizes[0].out = []'
}

test_names_a_program_that_did_not_run()
{
	expect_named "datagrams dropped: expected 2, measured 0" netfilter 4 '.verdicts.dropped = 0'
	expect_named "datagrams accepted" netfilter 6 '.verdicts.accepted = 0'
	expect_named "fragments seen by the program: expected 0, measured 3" \
		netfilter 6 '.verdicts["dropped as fragment"] = 3'
	expect_named "first fragments dropped" tc-accept 6 '.verdicts.dropped = 0'
	expect_named "later fragments dropped" tc-drop 4 '.verdicts["dropped as fragment"] = 0'
}

test_names_what_was_not_measured()
{
	sed '$d' "$WORK/results" > "$WORK/false"
	expect_fails -s 1 "netfilter BPF with defrag, IPv${FAMILIES[-1]}: was not measured" \
		report "$WORK/false"
	: > "$WORK/false"
	expect_fails -s 1 "was not measured" report "$WORK/false"
}

test_usage()
{
	expect_match "help" "Usage:*" "$("$ROUTER_DIR/demo.sh" --help)"
	expect_fails -s 2 "Usage:" "$ROUTER_DIR/demo.sh" --nothing
}

test_leaves_nothing()
{
	expect_eq "namespaces and pins left" "" \
		"$(find /run/netns "$BPFFS" -name "*$DEMO_SUFFIX")"
	expect_eq "files left" "" "$(ls "$WORK/tmp")"
	expect_eq "processes left" "" "$(pgrep -f "nsd -d -c $WORK/tmp" || :)"
}

run_tests
