#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Tests samples/minimal on the router: while it runs, it drops UDP to port 9999, in fragments
# or not. Any libbpf accepts the objects of all samples.
#
# Requires: bpftool readelf

source "$(dirname "$0")/../lib.sh"

SAMPLES=$BUILD/$BASE/samples

setup()
{
	router_up
}

# Start the sample. It ends with the test at the latest.
start_minimal()
{
	: > "$WORK/minimal"
	nsenter --net="/run/netns/$NS_ROUTER" -- "$SAMPLES/minimal" > "$WORK/minimal" &
	MINIMAL=$!
	trap 'kill "$MINIMAL" 2> /dev/null || :' EXIT
	wait_for grep -q attached "$WORK/minimal"
}

check_drop()
{
	local family=$1

	flow "$family" udp 9999 send
	expect_outcome "delivered *"
	start_minimal
	flow "$family" udp 9998 send
	expect_outcome "delivered *"
	flow "$family" udp 9999 send
	expect_outcome "lost"
	probe "$family" client-server -z 1400,480,8,912
	expect_delivered ""
	kill "$MINIMAL"
	wait "$MINIMAL"
	flow "$family" udp 9999 send
	expect_outcome "delivered *"
}

# A libbpf without this project's patches accepts only the section name "netfilter".
test_section_names()
{
	local sample sections

	for sample in minimal firewall packet_log udp_policy_netfilter udp_policy_track \
		zone_firewall blocklist limits nft_classes; do
		sections=$(readelf -WS "$SAMPLES/$sample.bpf.o" | grep -o ' netfilter[^ ]*')
		expect_eq "sections of $sample" " netfilter" "$sections"
	done
}

for family in "${FAMILIES[@]}"; do
	add_test "drop_ipv$family" check_drop "$family"
done

run_tests
