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

# A program that is attached twice: its links differ in the cookie. A link without one has no label.
test_cookies()
{
	local pf

	needs_own BPF_NF_LINK_COOKIE
	begin
	apply accept "cookie = 18446744073709551615"
	attach accept ip forward 77
	read_metrics
	expect_figure link_packets_total 0 "$EDGE and .cookie == \"18446744073709551615\""
	expect_figure link_attached 1 "$EDGE and .cookie == \"18446744073709551615\""
	expect_figure link_attached 1 '.priority == "77" and (has("cookie") | not)'
	for pf in ip ip6; do
		bpftool net attach netfilter pinned "$PINS/accept" "$pf" hook input priority 5 \
			netns "$NS_ROUTER" pin "$PINS/links/$pf" cookie "${#pf}"
	done
	read_metrics
	expect_figure link_attached 1 '.priority == "5" and .cookie == "2"'
	expect_figure link_attached 1 '.priority == "5" and .cookie == "3"'
}

# sum_of IPV4 IPV6: what one packet of each family has together
sum_of()
{
	echo $(($1 + (${#FAMILIES[@]} - 1) * $2))
}

# Bytes count from the IP header on: the datagram of a probe has 120 for IPv4 and 140 for IPv6, and
# the end of the probe 31 and 51.
test_bytes()
{
	needs_own BPF_NF_LINK_BYTES
	begin
	apply deny_port
	send
	read_metrics
	expect_figure link_bytes_total "$(sum_of 120 140)" "$EDGE and .verdict == \"dropped\""
	expect_figure link_bytes_total "$(sum_of $((120 + 2 * 31)) $((140 + 2 * 51)))" \
		"$EDGE and .verdict == \"accepted\""
	expect_figure link_dropped_fragments_bytes_total 0 "$EDGE"
	expect_match "status" "*bytes  *accepted_bytes * dropped_bytes $(sum_of 120 140), *" \
		"$(nf_bpf status edge)"
	expect_json "$(nf_bpf --json status edge)" ".links[0].dropped_bytes == $(sum_of 120 140)"
}

test_part_of_ipv6()
{
	local ipv6=$((${#FAMILIES[@]} - 1))

	needs_own BPF_NF_LINK_BYTES
	begin
	apply deny_port
	probe 4 client-server
	read_metrics
	expect_figure link_packets_total 1 "$EDGE and .verdict == \"dropped\""
	expect_figure link_ipv6_packets_total 0 "$EDGE"
	expect_figure link_ipv6_bytes_total 0 "$EDGE"
	[[ $(nf_bpf status edge) != *ipv6* ]] || fail "a line of IPv6 before IPv6"
	send
	read_metrics
	expect_figure link_ipv6_packets_total "$ipv6" "$EDGE and .verdict == \"dropped\""
	expect_figure link_ipv6_packets_total $((3 * ipv6)) "$EDGE and .verdict == \"accepted\""
	expect_figure link_ipv6_bytes_total $((140 * ipv6)) "$EDGE and .verdict == \"dropped\""
	expect_figure link_ipv6_dropped_fragments_total 0 "$EDGE"
	expect_json "$(nf_bpf --json status edge)" ".links[0].ipv6.dropped == $ipv6" \
		".links[0].ipv6.dropped_bytes == 140 * $ipv6"
	without ipv6 || expect_match "status" "*ipv6  *accepted 3, dropped 1, *dropped_bytes 140, *" \
		"$(nf_bpf status edge)"
}

# The part would be nothing or all. An inet link has samples.
test_no_part_of_ipv6_in_one_family()
{
	local pf

	requires ipv6
	needs_own BPF_NF_LINK_BYTES
	begin
	apply accept
	for pf in ip ip6; do
		attach accept "$pf" forward 77
	done
	read_metrics
	for pf in ip ip6; do
		expect_figure link_bytes_total 0 ".family == \"$pf\" and .priority == \"77\""
		expect_eq "metrics of IPv6 of $pf" "" "$(jq -r "select(.family == \"$pf\" and
			(.name | startswith(\"nf_bpf_link_ipv6_\"))).name" <<< "$FIGURES")"
	done
	expect_figure link_ipv6_bytes_total 0 "$EDGE"
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
	expect_eq "bytes of links" "" "$(figure link_bytes_total)$(figure link_ipv6_bytes_total)"
}

# Let the link drop one fragment of IPv6, which has 48 bytes.
drop_fragment()
{
	begin
	apply accept
	# A fragment that is too short for its header of UDP stays a fragment.
	probe 6 client-server -x 44:1100000000000001
	read_metrics
}

test_fragments_of_strict()
{
	requires ipv6
	needs_own BPF_F_NETFILTER_DEFRAG_STRICT
	drop_fragment
	expect_figure link_dropped_fragments_total 1 "$EDGE"
}

test_bytes_of_fragments_of_strict()
{
	requires ipv6
	needs_own BPF_NF_LINK_BYTES
	drop_fragment
	expect_figure link_ipv6_dropped_fragments_total 1 "$EDGE"
	expect_figure link_dropped_fragments_bytes_total 48 "$EDGE"
	expect_figure link_ipv6_dropped_fragments_bytes_total 48 "$EDGE"
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
