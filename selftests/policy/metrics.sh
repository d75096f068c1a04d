#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The figures of "nf-bpf metrics" follow the packets.
#
# Requires: jq

source "$(dirname "$0")/metrics.bash"

EDGE='.policy == "edge"'

# Packets of both families to the port that the program denies, and to another one
send()
{
	local family

	for family in "${FAMILIES[@]}"; do
		probe "$family" client-server
		expect_delivered ""
		probe "$family" client-server -p 9997
		expect_delivered "92 intact"
	done
}

# The labels of links, and what the links count
test_links()
{
	local links families=${#FAMILIES[@]}

	needs_own BPF_NF_LINK_STATS
	begin
	apply deny_port
	send
	attach accept ip forward 77
	nf_prog detach "$LINK"
	read_metrics
	expect_figure policy_in_force 1 "$EDGE"
	expect_figure link_attached 1 "$EDGE"
	expect_figure link_attached 0 '.policy == "" and .priority == "77"'
	expect_figure link_packets_total "$families" "$EDGE and .verdict == \"dropped\""
	# The end of each probe is accepted, too.
	expect_figure link_packets_total $((3 * families)) "$EDGE and .verdict == \"accepted\""
	links=$(jq -s 'map(select(.name == "nf_bpf_link_attached" and .policy == "edge"))' \
		<<< "$FIGURES")
	expect_json "$links" ".[0].link == \"$(link_ids)\"" \
		'.[0].hook == "forward" and .[0].priority == "7" and .[0].program == "deny_port"' \
		".[0].netns == \"$NS_ROUTER\" and .[0].family == \"inet\""
}

# After a reboot only the state tells that there was a policy.
test_file_is_gone()
{
	begin
	apply accept
	read_metrics
	expect_figure policy_in_force 1 "$EDGE"
	rm "$ETC/edge.conf"
	reboot
	read_metrics
	expect_figure policy_in_force 0 "$EDGE"
}

# The command of another process may take long.
test_lock_is_taken()
{
	begin
	apply accept
	exec {LOCK}< "$STATE/edge/lock"
	flock "$LOCK"
	read_metrics
	exec {LOCK}<&-
	expect_figure policy_in_force 1 "$EDGE"
}

# A kernel of mainline tells of the links of policies whether they are attached, if at all.
test_links_of_mainline()
{
	! grep -qsa BPF_NF_LINK_NETNS /sys/kernel/btf/vmlinux || skip "not mainline's links"
	begin
	apply accept
	read_metrics
	expect_figure policy_in_force 1 "$EDGE"
	if tells_attached; then
		read_metrics
		expect_figure link_attached 2 "$EDGE"
	fi
	expect_eq "packets of links" "" "$(figure link_packets_total)"
}

test_fragments_of_strict()
{
	requires ipv6
	needs_own BPF_F_NETFILTER_DEFRAG_STRICT
	begin
	apply accept
	# A fragment that is too short for its header of UDP stays a fragment.
	probe 6 client-server -x 44:1100000000000001
	read_metrics
	expect_figure link_dropped_fragments_total 1 "$EDGE"
}

# An entry stays until the last fragment has come.
test_tracked_fragments()
{
	needs_own BPF_F_NETFILTER_FRAG_TRACK
	begin
	apply accept "fragments = track"
	read_metrics
	expect_figure track_entries 0 "$(in_router)"
	probe 4 client-server -z 800,800 -o 0 -I 4711
	read_metrics
	expect_figure track_entries 1 "$(in_router)"
	expect_figure track_entries_limit 16384 "$(in_router)"
	expect_match "status" "*1 of 16384 entries of this network namespace*" \
		"$(nf_bpf status edge)"
	expect_json "$(nf_bpf --json status edge)" '.tracked_entries == 1' \
		'.tracked_entries_limit == 16384'
	probe 4 client-server -z 800,800 -o 1 -I 4711
	read_metrics
	expect_figure track_entries 0 "$(in_router)"
}

test_reasons()
{
	begin
	apply reasons "object = $SELFTESTS/progs/reason.bpf.o"
	send
	read_metrics
	expect_figure reason_packets_total ${#FAMILIES[@]} \
		"$EDGE and .reason == \"7\" and .text == \"port is \\\"denied\\\"\""
	expect_figure reason_packets_total 0 "$EDGE and .reason == \"9\""
	# With the end of each probe
	expect_figure reason_packets_total $((3 * ${#FAMILIES[@]})) "$EDGE and .reason == \"8\""
}

# A datagram that is complete, one whose fragment waits, and fragments that are too late.
# Netfilter has its own cache for IPv6, and counts its failures with those of IPv6.
test_reassembly()
{
	begin
	apply accept
	probe 4 client-server -z 800,800
	expect_delivered "1592 intact"
	probe 4 client-server -z 800,800 -o 0
	read_metrics
	expect_figure reassembly_datagrams_total 1 "$(in_router '.family == "ip"')"
	expect_figure reassembly_fragments_total 3 "$(in_router '.family == "ip"')"
	expect_figure reassembly_waiting_datagrams 1 "$(in_router '.cache == "ip"')"
	(($(figure reassembly_memory_bytes "$(in_router '.cache == "ip"')") > 800)) || fail "memory"
	(($(figure reassembly_memory_limit_bytes "$(in_router '.cache == "nf_ip6"')"))) ||
		without ipv6 || fail "no limit of nf_ip6"
	nf_prog exec "$NS_ROUTER" sysctl -q net.ipv4.ipfrag_time=1
	probe 4 client-server -z 800,800 -o 0
	without ipv6 || {
		nf_prog exec "$NS_ROUTER" sysctl -q net.netfilter.nf_conntrack_frag6_timeout=1
		probe 6 client-server -z 800,800 -o 0
	}
	wait_for have_timed_out
	expect_figure reassembly_timeout_seconds 1 "$(in_router '.cache == "ip"')"
	without ipv6 || expect_match "status" \
		"*IPv6 of this network namespace: 1 failed, 1 of them timeouts*" \
		"$(nf_bpf status edge)"
}

have_timed_out()
{
	local family

	read_metrics
	for family in "${FAMILIES[@]}"; do
		[[ $(figure reassembly_timeouts_total \
			"$(in_router ".family == \"$(pf_of "$family")\"")") == 1 ]] || return
	done
}

run_tests
