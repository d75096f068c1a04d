#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Some fragments pass reassembly. With defrag alone, the program sees such a fragment and
# the router forwards it. With strict, the link drops and counts it.
#
# Requires: nft

source "$(dirname "$0")/../lib.sh"

SIZES=1400,480,8,912
WIRE="0+1400 1400+480 1880+8 1888+912"
TOTAL=2800

setup()
{
	router_up
	load_policy
	nf_prog load "$SELFTESTS/defrag/progs/watch.bpf.o" "$PINS/watching"
	PIN_DIRS+=("$PINS/watching")
}

# watch MODE PF HOOK [PRIORITY]: attach the program that watches all packets.
watch()
{
	local mode=$1 pf=$2 hook=$3 priority=${4:-0}

	attach watching/watch "$pf" "$hook" "$priority" "$mode" 2> "$WORK/error" &&
		return
	[[ $mode == strict && $(< "$WORK/error") == *"Operation not supported"* ]] ||
		fail "attach $mode: $(< "$WORK/error")"
	lacks "BPF_F_NETFILTER_DEFRAG_STRICT"
}

# expect_seen PACKETS FRAGMENTS DROPPED: the program has seen PACKETS and FRAGMENTS, and
# the link has dropped DROPPED before the program.
expect_seen()
{
	expect_stats_of watching packets="$1" fragments="$2"
	! has_counters || expect_link "$LINK" dropped=0 dropped_fragments="$3"
}

whole_length()
{
	echo $((TOTAL + ($1 == 4 ? 20 : 40)))
}

# Reassembled packets pass, in any order of their fragments.
check_whole()
{
	local mode=$1 pf=$2 family=$3

	watch "$mode" "$pf" forward
	probe "$family" client-server -z "$SIZES" -o 3,1,0,2
	expect_wire "$WIRE"
	expect_delivered "$((TOTAL - 8)) intact"
	expect_stats_of watching packets=1 fragments=0 length="$(whole_length "$family")"
	probe "$family" client-server -z 100
	expect_delivered "92 intact"
	expect_seen 2 0 0
	# The sentinels count, too.
	! has_counters || expect_link "$LINK" accepted=4
}

check_whole_at()
{
	local mode=$1 pf=$2 family=$3 hook=$4 priority=$5

	watch "$mode" "$pf" "$hook" "$priority"
	probe "$family" "$(path_through "$hook")" -z "$SIZES"
	expect_delivered "$((TOTAL - 8)) intact"
	expect_seen 1 0 0
}

# In both modes the router holds a datagram that never becomes whole, and does not count it.
check_part()
{
	local mode=$1 pf=$2 family=$3

	watch "$mode" "$pf" forward
	probe "$family" client-server -z "$SIZES" -o 0,1
	expect_wire ""
	expect_seen 0 0 0
	probe "$family" client-server -z "$SIZES"
	expect_delivered "$((TOTAL - 8)) intact"
	expect_seen 1 0 0
}

# Untracked packets are not reassembled.
check_untracked()
{
	local mode=$1 pf=$2 family=$3

	requires conntrack
	nft_router "table $NFT_INET t {
		chain c { type filter hook prerouting priority -450; notrack; }; }"
	watch "$mode" "$pf" forward
	probe "$family" client-server -z "$SIZES"
	if [[ $mode == strict ]]; then
		expect_wire ""
		expect_delivered ""
		expect_seen 0 0 4
		# The headers of fragments count, too.
		expect_link "$LINK" dropped_bytes=0 \
			dropped_fragments_bytes=$((TOTAL + 4 * (family == 4 ? 20 : 48)))
	else
		expect_wire "$WIRE"
		expect_delivered "$((TOTAL - 8)) intact"
		expect_seen 4 4 0
	fi
	probe "$family" client-server -z 1400
	expect_delivered "1392 intact"
}

# A socket with IP_NODEFRAG asks not to reassemble its packets.
check_nodefrag_socket()
{
	local mode=$1 pf=$2

	watch "$mode" "$pf" output
	probe 4 router-server -z "$SIZES" -n
	if [[ $mode == strict ]]; then
		expect_eq "fragments that could not be sent" 4 "$REFUSED"
		expect_wire ""
		expect_seen 0 0 4
	else
		expect_wire "$WIRE"
		expect_delivered "$((TOTAL - 8)) intact"
		expect_seen 4 4 0
	fi
	detach_all
	probe 4 router-server -z "$SIZES" -n
	expect_delivered "$((TOTAL - 8)) intact"
}

# Fragments of a tracked packet that come back over the loopback device have their
# conntrack entry already. IPv6 does not reassemble them. IPv4 does if the kernel has NAT.
check_tracked_fragments()
{
	local mode=$1 pf=$2 family=$3 address=ROUTER_LEFT_IP$3

	requires conntrack
	nft_router "table $NFT_INET t {
		chain c { type filter hook output priority 10; ct state new counter; }; }"
	ip -n "$NS_ROUTER" link set lo mtu 1500
	watch "$mode" "$pf" prerouting
	# shellcheck disable=SC2016 # the inner shell expands $1
	in_ns "$NS_ROUTER" bash -c 'printf %02000d 0 > "/dev/udp/$1/9999"' -- "${!address}"
	ip -n "$NS_ROUTER" link set lo mtu 65536
	expect_nft_counter "$NFT_INET t c" 1
	if ((family == 4)); then
		expect_seen 1 0 0
	elif [[ $mode == strict ]]; then
		expect_seen 0 0 2
	else
		expect_seen 2 2 0
	fi
}

tcp_header()
{
	printf '9c40270f%s5002ffff00000000' "$(zeros 8)"
}

# check_bypass MODE PF NEXTHDR:HEX FRAGMENTS SEEN: send an IPv6 packet that reassembly lets
# pass. The program counts FRAGMENTS fragments, and the packet is SEEN in WIRE or OTHER.
check_bypass()
{
	local mode=$1 pf=$2 packet=$3 fragments=$4 seen=$5

	probe 6 client-server -x "$packet"
	expect_eq "on the wire without a program" "$seen" "$WIRE$OTHER"

	watch "$mode" "$pf" forward
	probe 6 client-server -x "$packet"
	if [[ $mode == strict ]]; then
		expect_eq "on the wire" "" "$WIRE$OTHER"
		expect_seen 0 0 1
		probe 6 client-server -x "$packet" -x "$packet"
		expect_eq "on the wire" "" "$WIRE$OTHER"
		expect_seen 0 0 3
		probe 6 client-server -z 100
		expect_delivered "92 intact"
	else
		expect_eq "on the wire" "$seen" "$WIRE$OTHER"
		expect_seen 1 "$fragments" 0
	fi
}

# Reassembly itself drops a packet with half a fragment header.
check_half_a_header()
{
	local mode=$1 pf=$2

	probe 6 client-server -x 44:1100
	expect_eq "on the wire without a program" "44:2" "$OTHER"
	watch "$mode" "$pf" forward
	probe 6 client-server -x 44:1100
	expect_eq "on the wire" "" "$WIRE$OTHER"
	expect_seen 0 0 0
	probe 6 client-server -z 100
	expect_delivered "92 intact"
	expect_seen 1 0 0
}

# An unusual packet passes if it is no fragment.
check_no_fragment()
{
	local mode=$1 pf=$2 packet=$3 seen=$4

	watch "$mode" "$pf" forward
	probe 6 client-server -x "$packet"
	expect_eq "on the wire" "$seen" "$WIRE$OTHER"
	expect_seen 1 0 0
}

with_family()
{
	needs_family "$3"
	"$@"
}

# Add tests: add_bypass NAME NEXTHDR:HEX FRAGMENTS SEEN, add_no_fragment NAME NEXTHDR:HEX SEEN
add_bypass()
{
	local mode

	for mode in defrag strict; do
		add_test -r ipv6 "$1_${mode}" check_bypass $mode ip6 "${@:2}"
	done
	add_test -r ipv6 "$1_strict_inet_ipv6" with_family check_bypass strict inet "${@:2}"
}

add_no_fragment()
{
	add_test -r ipv6 "$1_strict" check_no_fragment strict ip6 "${@:2}"
}

for mode in defrag strict; do
	for family in "${FAMILIES[@]}"; do
		for pf in "$(pf_of "$family")" inet; do
			add_test "whole_${mode}_${pf}_ipv$family" \
				with_family check_whole $mode "$pf" "$family"
			add_test "untracked_${mode}_${pf}_ipv$family" \
				with_family check_untracked $mode "$pf" "$family"
		done
		pf=$(pf_of "$family")
		add_test "tracked_fragments_${mode}_ipv$family" \
			check_tracked_fragments $mode "$pf" "$family"
		add_test "part_${mode}_ipv$family" check_part $mode "$pf" "$family"
	done
	add_test -r ipv6 "cut_in_the_fragment_header_$mode" check_half_a_header $mode ip6
	add_test "nodefrag_socket_$mode" check_nodefrag_socket $mode ip
	add_test "nodefrag_socket_${mode}_inet" \
		with_family check_nodefrag_socket $mode inet
done

for family in "${FAMILIES[@]}"; do
	pf=$(pf_of "$family")
	# The kernel reassembles at these two hooks. fragments.sh tests the others.
	for hook in prerouting output; do
		add_test "whole_right_behind_defrag_at_${hook}_ipv$family" \
			check_whole_at strict "$pf" "$family" "$hook" -399
	done
done

# 6 TCP, 17 UDP, 44 fragment, 60 destination options, 59 nothing
add_bypass first_fragment_without_its_tcp_header \
	"44:$(fragment_header 6 0 1)$(zeros 8)" 1 "44:16"
add_bypass first_fragment_that_ends_in_its_options \
	"44:$(fragment_header 60 0 1)$(dstopts 17)" 1 "44:16"
add_bypass more_to_come_and_an_odd_length \
	"44:$(fragment_header 17 0 1)$(udp 13)" 1 "0+13"
add_bypass more_to_come_and_an_odd_length_behind_options \
	"60:$(dstopts 44)$(fragment_header 17 0 1)$(udp 13)" 1 "60:29"
add_bypass nested_first_of_a_first \
	"44:$(fragment_header 44 0 1)$(fragment_header 6 0 1)" 1 "44:16"
add_bypass cut_before_the_fragment_header "44:" 1 "44:0"
add_bypass cut_in_its_options "60:2c" 0 "60:1"
add_bypass cut_before_its_options "60:" 0 "60:0"
add_bypass options_beyond_the_end "60:3cff010400000000" 0 "60:8"

add_no_fragment options_before_udp "60:$(dstopts 17)$(udp 16)" "60:24"
add_no_fragment tcp "6:$(tcp_header)" "6:20"
add_no_fragment nothing_behind "59:$(zeros 8)" "59:8"

run_tests
