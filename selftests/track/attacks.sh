#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Fragments that do not fit those that have passed: a link that tracks fragments drops
# and counts them and what follows of their datagram. Floods of incomplete datagrams fill
# no more than the limits allow.
#
# Requires: nft

source "$(dirname "$0")/lib.sh"

FLOOD=$SELFTESTS/torture/helpers/frag_flood

setup()
{
	router_up
	load_policy
	needs_own BPF_F_NETFILTER_FRAG_TRACK
}

# A datagram in order passes, and is judged once.
expect_tracking()
{
	local family=$1 packets=$2

	probe "$family" client-server -p 53 -z 48,56
	expect_wire "0+48 48+56"
	expect_delivered "96 intact"
	expect_stats packets="$packets"
}

# The same after a flood of the client, which may have used any identification, and whose first
# fragments fill the server's own reassembly.
expect_passing()
{
	local family=$1 packets

	read_stats
	packets=${STATS[packets]}
	probe "$family" server-client -p 53 -z 48,56
	expect_wire "0+48 48+56"
	expect_stats packets=$((packets + 1)) \
		length=$((48 + (family == 4 ? 20 : 48)))
}

# check_parts FAMILY BYTES PARTS WIRE REFUSED: parts of one datagram of so many bytes, those
# that leave, and the number of those that the link refuses.
check_parts()
{
	local family=$1 bytes=$2 parts=$3 wire=$4 refused=$5

	attach deny_port "$(pf_of "$family")" forward 0 track
	expect_tracking "$family" 1
	expect_link "$LINK" dropped_fragments=0
	probe "$family" client-server -p 53 -z "$bytes" -F "$parts"
	expect_wire "$wire"
	expect_link "$LINK" dropped=0 dropped_fragments="$refused"
	expect_stats packets=2 fragments=2 later=0 ports=2
	expect_tracking "$family" 3
}

# All of the datagram passes, and the link refuses what is there twice.
check_duplicate()
{
	local family=$1 parts=$2 wire=$3 refused=$4

	check_parts "$family" 104 "$parts" "$wire" "$refused"
	expect_entries 0
}

# mark_ecn FAMILY BYTES: until the test ends, the client sends IP packets of so many bytes of
# data as if a router were congested (CE). Other packets say that the sender knows no ECN.
mark_ecn()
{
	local match="ip length $(($2 + 20)) ip"

	(($1 == 4)) || match="ip6 length $(($2 + 8)) ip6"
	trap 'in_ns "$NS_CLIENT" nft delete table '"$NFT_INET"' marks' EXIT
	in_ns "$NS_CLIENT" nft -f - <<-EOF
	table $NFT_INET marks {
		chain c {
			type filter hook postrouting priority 0
			$match ecn set ce
		}
	}
	EOF
}

# Fragments of which some know ECN and some do not are no datagram.
check_ecn()
{
	local family=$1

	mark_ecn "$family" 24
	check_parts "$family" 104 0+48m,48+24m,72+32 "0+48" 2
}

# The bits of a duplicate, which is dropped, do not matter.
check_ecn_of_duplicate()
{
	local family=$1

	mark_ecn "$family" 24
	check_duplicate "$family" 0+48m,48+40m,56+24m,88+16 "0+48 48+40 88+16" 1
}

# The same as check_parts() with a refused port: nothing leaves.
check_denied()
{
	local family=$1

	attach deny_port "$(pf_of "$family")" forward 0 track
	expect_tracking "$family" 1
	probe "$family" client-server -z 104 -F 0+48m,40+16m,48+56
	expect_wire ""
	expect_link "$LINK" dropped=1 dropped_fragments=2
	expect_tracking "$family" 3
}

# A first fragment that no program could judge
check_bad_first()
{
	local packet=$1 seen=$2

	probe 6 client-server -x "$packet"
	expect_eq "on the wire without a program" "$seen" "$WIRE$OTHER"
	attach deny_port ip6 forward 0 track
	expect_tracking 6 1
	probe 6 client-server -x "$packet" -x "$packet"
	expect_eq "on the wire" "" "$WIRE$OTHER"
	expect_link "$LINK" dropped=0 dropped_fragments=2
	expect_entries 0
	expect_stats packets=1
	expect_tracking 6 2
}

# An IPv4 packet of the protocol AH. Its bytes say that the header that AH protects begins
# behind 264 bytes.
check_first_that_ends_in_its_ah()
{
	attach accept ip forward 0 track
	probe 4 client-server -P 51 -z 272,56
	expect_wire "0+272 272+56"
	expect_link "$LINK" tracked_datagrams=1 later_fragments=1
	probe 4 client-server -P 51 -z 264,56
	expect_wire ""
	expect_link "$LINK" tracked_datagrams=1 dropped_fragments=1 reassembled_fragments=1
	probe 4 client-server -P 51 -z 272,56
	expect_wire "0+272 272+56"
	expect_link "$LINK" tracked_datagrams=2 later_fragments=2
}

# A malformed fragment that comes first is lost, and no other fragment with it.
check_malformed_before()
{
	local family=$1 parts=$2

	attach deny_port "$(pf_of "$family")" forward 0 track
	expect_tracking "$family" 1
	probe "$family" client-server -p 53 -z 104 -F "$parts" -I 700
	expect_wire ""
	expect_link "$LINK" dropped_fragments=1 tracked_datagrams=1
	expect_entries 0
	probe "$family" client-server -p 53 -z 104 -F 0+48m,48+56 -I 700
	expect_wire "0+48 48+56"
	expect_link "$LINK" dropped_fragments=1 tracked_datagrams=2 reassembled_fragments=0
	expect_tracking "$family" 3
}

# Fragments behind a malformed first one wait. They leave only with a good one, and after the
# program has seen them all.
check_malformed_first()
{
	local family=$1

	attach deny_port "$(pf_of "$family")" forward 0 track
	expect_tracking "$family" 1
	probe "$family" client-server -p 53 -z 104 -F 0+45m,48+16m,64+40 -I 701
	expect_wire ""
	expect_link "$LINK" dropped_fragments=1 tracked_datagrams=1 reassembled_fragments=2
	expect_stats packets=1
	probe "$family" client-server -p 53 -z 104 -F 0+48m -I 701
	expect_wire "0+48 48+16 64+40"
	expect_stats packets=2 fragments=1 ports=2
	expect_entries 0
	expect_tracking "$family" 3
}

# Out of order IPv4's reassembly sees a fragment of an odd length, and cuts it.
check_odd_length_out_of_order_ipv4()
{
	attach deny_port ip forward 0 track
	expect_tracking 4 1
	probe 4 client-server -p 53 -z 104 -F 48+56,0+53m
	expect_wire "0+48 48+56"
	expect_delivered "96 intact"
	expect_link "$LINK" dropped_fragments=0 reassembled_fragments=2
	expect_stats packets=2 fragments=1 ports=2
	probe 4 client-server -z 104 -F 48+56,0+53m
	expect_wire ""
	expect_stats packets=3 ports=3 dropped=1
	# In order it is malformed.
	probe 4 client-server -p 53 -z 104 -F 0+53m
	expect_wire ""
	expect_link "$LINK" dropped_fragments=1
	expect_tracking 4 4
}

# IPv6's reassembly leaves it as it is. The link refuses it.
check_odd_length_out_of_order_ipv6()
{
	attach deny_port ip6 forward 0 track
	expect_tracking 6 1
	probe 6 client-server -p 53 -z 104 -F 48+56,0+53m
	expect_wire ""
	expect_link "$LINK" dropped_fragments=1 reassembled_fragments=2
	expect_tracking 6 2
}

# An IPv6 datagram in one fragment is judged, and leaves as it came.
check_atomic()
{
	attach deny_port ip6 forward 0 track
	probe 6 client-server -x "44:$(fragment_header 17 0 0)$(udp 40 0035)"
	expect_wire "0+40"
	expect_stats packets=1 ports=1 dropped=0
	probe 6 client-server -x "44:$(fragment_header 17 0 0)$(udp 40 270f)"
	expect_wire ""
	expect_stats packets=2 ports=2 dropped=1
	expect_entries 0
	expect_tracking 6 3
}

# RFC 6946: an atomic fragment has nothing to do with other fragments of its identification.
check_atomic_and_others()
{
	local atomic

	atomic="44:$(fragment_header 17 0 0)$(udp 40 0035)"
	attach deny_port ip6 forward 0 track
	# A later fragment with the same identification, zero
	probe 6 client-server -x "44:$(fragment_header 17 48 0)$(udp 40 0035)" -x "$atomic"
	expect_wire "0+40"
	expect_stats packets=1 ports=1 dropped=0
	expect_link "$LINK" dropped_fragments=0 reassembled_fragments=1
	expect_tracking 6 2
}

# Fragments that reassembly refuses are counted.
check_refused_in_reassembly()
{
	local family=$1

	attach accept "$(pf_of "$family")" forward 0 track
	expect_tracking "$family" 1
	# The later fragment first, and then one that overlaps with it
	probe "$family" client-server -p 53 -z 104 -F 48+56,40+16m
	expect_wire ""
	expect_link "$LINK" dropped_fragments=1 \
		dropped_fragments_bytes=$((16 + (family == 4 ? 20 : 48)))
	expect_tracking "$family" 2
}

# Lone later fragments are held, and whatever comes of them is judged as a whole.
check_lone_later()
{
	local family=$1

	attach accept "$(pf_of "$family")" forward 0 track
	expect_tracking "$family" 1
	probe "$family" client-server -p 53 -z 48,56 -o 1 -I 321
	expect_wire ""
	expect_stats packets=1
	expect_entries 1
	probe "$family" client-server -p 53 -z 48,56 -o 0 -I 321
	expect_wire "0+48 48+56"
	expect_stats packets=2 fragments=1
	expect_entries 0
	expect_tracking "$family" 3
}

# flood FAMILY COUNT: see torture/helpers/frag_flood.c. Three of four datagrams stay
# incomplete.
flood()
{
	local from=CLIENT_IP$1 to=SERVER_IP$1

	nf_prog exec "$NS_CLIENT" "$FLOOD" flood "${!from}" "${!to}" 53 "$2"
}

# Many datagrams in flight: each has an entry, and expires.
check_many()
{
	local family=$1

	limit max=100000 max_source=100000 timeout=120
	attach accept "$(pf_of "$family")" forward 0 track
	flood "$family" 10000
	expect_entries 7500
	expect_link "$LINK" tracked_datagrams=5000 later_fragments=2500 \
		reassembled_fragments=5000 table_full=0
	expect_passing "$family"
	detach_all
	expect_entries 0
}

# A link whose table has room for 100 datagrams of a source, which sends more
attach_and_fill()
{
	attach accept "$(pf_of "$1")" forward 0 track
	flood "$1" 200
	expect_entries 100
}

# A flood of one source ends at the limit, and leaves room for another source.
check_source_limit()
{
	local family=$1 before

	limit max_source=100
	attach_and_fill "$family"
	read_stats
	before=${STATS[packets]}
	probe "$family" server-client -p 53 -z 48,56
	expect_wire "0+48 48+56"
	expect_stats packets=$((before + 1)) length=$((48 + (family == 4 ? 20 : 48)))
	# The source of the flood gets reassembly.
	probe "$family" client-server -p 53 -z 48,56
	expect_wire "0+48 48+56"
	expect_stats packets=$((before + 2)) length=$((104 + (family == 4 ? 20 : 40)))
}

# However much a source may have, it leaves half of the free room to others.
check_half_of_the_room()
{
	local family=$1

	limit max=100
	attach accept "$(pf_of "$family")" forward 0 track
	flood "$family" 200
	expect_entries 50
	expect_passing "$family"
	flood "$family" 200
	expect_entries 50
	expect_passing "$family"
}

# The room of a source is free again when its datagrams have ended.
check_source_again()
{
	limit max_source=100
	attach_and_fill "$1"
	detach_all
	expect_entries 0
	attach_and_fill "$1"
}

# To the limit, all addresses of an IPv6 network (/64) are one source.
check_network_limit()
{
	local neighbour=2001:db8:1::3

	limit max_source=100
	attach_and_fill 6
	ip -n "$NS_CLIENT" address add "$neighbour/128" dev lo
	CLIENT_IP6=$neighbour flood 6 200
	ip -n "$NS_CLIENT" address delete "$neighbour/128" dev lo
	expect_eq "entries of the network" 100 "$(entries)"
	expect_passing 6
}

check_expiry()
{
	local family=$1

	limit_time
	attach accept "$(pf_of "$family")" forward 0 track
	flood "$family" 40
	# On a busy machine some entries have expired already: look at what made them.
	expect_link "$LINK" tracked_datagrams=20 later_fragments=10 reassembled_fragments=20
	wait_for no_entries
	expect_passing "$family"
}

# A network namespace ends with tracked datagrams, and with fragments that wait.
test_netns_exit()
{
	local netns=$NS_ROUTER-track address

	ip netns add "$netns"
	ip -n "$netns" link set lo up
	for address in 127.0.0.1 ::1; do
		[[ $address != ::1 ]] || ! without ipv6 || continue
		attach_in "$netns" accept "$([[ $address = ::1 ]] && echo ip6 || echo ip)" \
			output 0 track
		"$HELPERS/frag_probe" -f "$netns" -t "$netns" -i lo -s "$address" -d "$address" \
			-z 800,800,800 -o 0,1 > "$WORK/first"
		expect_link "$LINK" tracked_datagrams=1 later_fragments=1
		"$HELPERS/frag_probe" -f "$netns" -t "$netns" -i lo -s "$address" -d "$address" \
			-z 800,800,800 -o 1,2 > "$WORK/later"
		expect_link "$LINK" reassembled_fragments=2
	done
	ip netns del "$netns"
	wait_for is_defunct
	detach_all
	attach accept ip forward 0 track
	expect_passing 4
}

is_defunct()
{
	[[ $'\n'$(nf_prog info "$LINK")$'\n' == *$'\nnetns=0\n'* ]]
}

for family in "${FAMILIES[@]}"; do
	add_parts()
	{
		add_test "${1}_ipv$family" check_parts "$family" "${@:2}"
	}
	add_duplicate()
	{
		add_test "${1}_ipv$family" check_duplicate "$family" "${@:2}"
	}
	add_parts overlap_front 104 0+48m,40+40,48+56 "0+48" 2
	add_parts overlap_of_later_ones 104 0+48m,64+40,56+16m,48+16m "0+48 64+40" 2
	add_parts superset 104 0+48m,56+16m,48+32m,80+24 "0+48 56+16" 2
	add_parts second_first_is_longer 104 0+48m,0+56m,48+56 "0+48" 2
	add_parts zero_length 104 0+48m,48+0m,48+56 "0+48" 2
	add_parts two_ends 104 0+48m,80+24,80+8,48+32m "0+48 80+24" 2
	add_parts two_ends_the_nearer_first 104 0+48m,80+8,80+24,48+32m "0+48 80+8" 2
	add_parts beyond_the_end 104 0+48m,80+8,96+8m,48+32m "0+48 80+8" 2
	add_parts end_before_what_has_passed 104 0+48m,96+8m,80+8,48+32m "0+48 96+8" 2
	add_parts beyond_the_end_of_a_duplicate 104 0+48m,48+16m,48+16,64+40 "0+48 48+16" 2
	add_parts odd_length_and_more 104 0+48m,48+13m,48+56 "0+48" 2
	add_parts too_long 1400 0+1400m,65528+200,1400+8 "0+1400" 2
	add_parts too_many_holes 600 \
		"0+8m$(printf ',%d+8m' {16..496..16}),512+8m,8+8m" \
		"0+8$(printf ' %d+8' {16..496..16})" 2
	add_parts duplicate_across_runs 104 0+48m,64+16m,48+16m,56+16m,80+24 \
		"0+48 64+16 48+16" 2
	add_duplicate duplicate_of_the_first 0+48m,0+48m,48+56 "0+48 48+56" 1
	add_duplicate second_first_is_shorter 0+48m,0+40m,48+56 "0+48 48+56" 1
	add_duplicate duplicate 0+48m,48+16m,48+16m,64+40 "0+48 48+16 64+40" 1
	add_duplicate contained 0+48m,48+32m,40+24m,80+24 "0+48 48+32 80+24" 1
	add_duplicate holes_that_are_filled 0+8m,32+8m,16+8m,64+40,40+24m,8+8m,24+8m \
		"0+8 32+8 16+8 64+40 40+24 8+8 24+8" 0
	add_test "ecn_ipv$family" check_ecn "$family"
	add_test "ecn_of_a_duplicate_ipv$family" check_ecn_of_duplicate "$family"
	add_test "denied_ipv$family" check_denied "$family"
	add_test "odd_length_before_the_first_ipv$family" \
		check_malformed_before "$family" 48+13m
	add_test "too_long_before_the_first_ipv$family" \
		check_malformed_before "$family" 65528+200
	add_test "first_of_an_odd_length_and_later_ones_ipv$family" \
		check_malformed_first "$family"
	add_test "lone_later_ipv$family" check_lone_later "$family"
	add_test "refused_in_reassembly_ipv$family" check_refused_in_reassembly "$family"
done

add_test first_that_ends_in_its_ah_ipv4 check_first_that_ends_in_its_ah
add_test odd_length_out_of_order_ipv4 check_odd_length_out_of_order_ipv4
# 6 TCP, 17 UDP, 44 fragment, 60 destination options, 135 mobility
add_test -r ipv6 first_without_its_tcp_header \
	check_bad_first "44:$(fragment_header 6 0 1)$(zeros 8)" "44:16"
add_test -r ipv6 first_that_ends_in_its_options \
	check_bad_first "44:$(fragment_header 60 0 1)$(dstopts 17)" "44:16"
add_test -r ipv6 first_that_ends_in_a_mobility_header \
	check_bad_first "44:$(fragment_header 135 0 1)11$(zeros 7)" "44:16"
add_test -r ipv6 fragment_in_a_fragment \
	check_bad_first "44:$(fragment_header 44 0 1)$(fragment_header 17 0 1)$(udp 40 0035)" \
	"44:56"
add_test -r ipv6 first_of_an_odd_length \
	check_bad_first "44:$(fragment_header 17 0 1)$(udp 13 0035)" "0+13"
add_test -r ipv6 odd_length_out_of_order_ipv6 check_odd_length_out_of_order_ipv6
add_test -r ipv6 atomic check_atomic
add_test -r ipv6 atomic_and_others check_atomic_and_others

# The floods come last: fragments that wait fill the router's reassembly, and first fragments
# that of the server.
for family in "${FAMILIES[@]}"; do
	add_test "expiry_ipv$family" check_expiry "$family"
	add_test "limit_of_a_source_ipv$family" check_source_limit "$family"
	add_test "half_of_the_room_ipv$family" check_half_of_the_room "$family"
	add_test "limit_of_a_source_again_ipv$family" check_source_again "$family"
	add_test "many_in_flight_ipv$family" check_many "$family"
done
add_test -r ipv6 limit_of_a_network_ipv6 check_network_limit

run_tests
