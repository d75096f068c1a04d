#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Links that track fragments: the program runs once for a datagram whose first fragment
# comes first, the later fragments get its verdict, and what leaves is what came. If
# another fragment comes first, the kernel reassembles the datagram.
#
# Requires: CONFIG_NETFILTER_BPF_KFUNC nft

source "$(dirname "$0")/lib.sh"

SIZES=1400,480,8,912
WIRE_IN_ORDER="0+1400 1400+480 1880+8 1888+912"
TOTAL=2800

setup()
{
	router_up
	load_policy
	load_packet
	needs_own BPF_F_NETFILTER_FRAG_TRACK
	nf_prog load "$SELFTESTS/track/progs/refuse.bpf.o" "$PINS/refusing"
	PIN_DIRS+=("$PINS/refusing")
}

# headers_of ID DF: those of four fragments.
headers_of()
{
	echo "$1:$2 $1:$2 $1:$2 $1:$2"
}

# length FAMILY BYTES: of a fragment with its headers
length()
{
	echo $(($2 + ($1 == 4 ? 20 : 48)))
}

# sentinel_length FAMILY: of the packet that a probe sends last
sentinel_length()
{
	echo $(($1 == 4 ? 31 : 51))
}

check_in_order()
{
	local pf=$1 family=$2 path=$3

	attach deny_port "$pf" forward 0 track
	probe "$family" "$path" -z "$SIZES" -p 53 -I 4711
	expect_wire "$WIRE_IN_ORDER"
	expect_eq "headers" "$(headers_of $((4711 + (family == 4))) cut)" "$HEADERS"
	expect_delivered "$((TOTAL - 8)) intact"
	expect_stats packets=1 fragments=1 later=0 ports=1 dropped=0 \
		length="$(length "$family" 1400)"
	expect_entries 0
	expect_link "$LINK" dropped=0 dropped_fragments=0
	expect_link "$LINK" tracked_datagrams=1 later_fragments=3 reassembled_fragments=0 table_full=0

	probe "$family" "$path" -z "$SIZES"
	expect_wire ""
	expect_delivered ""
	expect_stats packets=2 ports=2 dropped=1
	expect_link "$LINK" dropped=4 dropped_fragments=0 \
		dropped_bytes=$((TOTAL + 4 * $(length "$family" 0)))
	expect_link "$LINK" ipv6_dropped=$((family == 4 ? 0 : 4))
	expect_entries 0

	probe "$family" "$path" -z "$SIZES" -p 53
	expect_wire "$WIRE_IN_ORDER"
	expect_stats packets=3 dropped=1
}

# A fragment that must not be cut leaves as such.
test_df()
{
	attach accept ip forward 0 track
	probe 4 client-server -z "$SIZES" -m 0,1,2,3 -I 77
	expect_wire "$WIRE_IN_ORDER"
	expect_eq "headers" "$(headers_of 78 df)" "$HEADERS"
	expect_stats packets=1 fragments=1
	expect_delivered "$((TOTAL - 8)) intact"
}

# The first fragment comes first, the others in any order.
check_any_order()
{
	local pf=$1 family=$2 order=$3 wire=$4

	attach deny_port "$pf" forward 0 track
	probe "$family" client-server -z "$SIZES" -o "$order" -p 53
	expect_wire "$wire"
	expect_delivered "$((TOTAL - 8)) intact"
	expect_stats packets=1 fragments=1 later=0 ports=1
	expect_link "$LINK" accepted_bytes=$((TOTAL + 4 * $(length "$family" 0) +
					      $(sentinel_length "$family")))
	expect_link "$LINK" tracked_datagrams=1 later_fragments=3 reassembled_fragments=0
	expect_entries 0
	probe "$family" client-server -z "$SIZES" -o "$order"
	expect_wire ""
	expect_stats packets=2 dropped=1
	expect_entries 0
}

# Another fragment comes first: the program sees the whole datagram.
check_reassembled()
{
	local pf=$1 family=$2 order=$3

	attach deny_port "$pf" forward 0 track
	probe "$family" client-server -z "$SIZES" -o "$order" -p 53
	expect_wire "$WIRE_IN_ORDER"
	expect_delivered "$((TOTAL - 8)) intact"
	expect_stats packets=1 fragments=0 later=0 ports=1 \
		length=$((TOTAL + (family == 4 ? 20 : 40)))
	expect_link "$LINK" accepted_bytes=$((TOTAL + (family == 4 ? 20 : 40) +
					      $(sentinel_length "$family")))
	expect_link "$LINK" tracked_datagrams=0 later_fragments=0 reassembled_fragments=4
	expect_entries 0
	probe "$family" client-server -z "$SIZES" -o "$order"
	expect_wire ""
	expect_stats packets=2 dropped=1 fragments=0
	expect_entries 0
	probe "$family" client-server -z "$SIZES" -p 53
	expect_wire "$WIRE_IN_ORDER"
	expect_stats packets=3 fragments=1
}

# Whole packets are none of its business.
check_unfragmented()
{
	local pf=$1 family=$2

	attach deny_port "$pf" forward 0 track
	probe "$family" client-server -z 1400 -p 53
	expect_wire "0+1400"
	expect_delivered "1392 intact"
	probe "$family" client-server -z 1400
	expect_wire ""
	expect_stats packets=2 fragments=0 ports=2 dropped=1
	expect_link "$LINK" tracked_datagrams=0 later_fragments=0 reassembled_fragments=0
}

# 64 KB, and as many fragments as one may send
check_sizes()
{
	local family=$1 sizes=$2 total=$3

	attach accept "$(pf_of "$family")" forward 0 track
	probe "$family" client-server -z "$sizes"
	expect_delivered "$((total - 8)) intact"
	expect_stats packets=1 fragments=1
	expect_entries 0
}

check_hook()
{
	local pf=$1 family=$2 hook=$3 path fragments=1

	path=$(path_through "$hook")
	# IPv4 has reassembled what it delivers before this hook.
	[[ $family$hook != 4input ]] || fragments=0
	attach deny_port "$pf" "$hook" 0 track
	probe "$family" "$path" -z "$SIZES" -p 53
	expect_delivered "$((TOTAL - 8)) intact"
	expect_stats packets=1 fragments="$fragments" ports=1
	probe "$family" "$path" -z "$SIZES" -p 53 -o 3,1,0,2
	expect_delivered "$((TOTAL - 8)) intact"
	expect_stats packets=2 fragments="$fragments" later=0 ports=2
	probe "$family" "$path" -z "$SIZES"
	expect_delivered ""
	expect_stats packets=3 dropped=1
	expect_entries 0
}

# Later fragments get mark and priority of the first one. nft sees the four fragments, and
# the sentinel.
check_mark()
{
	local family=$1

	nft_router "table $NFT_INET t { chain c { type filter hook forward priority 10;
		meta mark 0x77 meta priority 1:5 counter; }; }"
	probe "$family" client-server -z "$SIZES"
	expect_nft_counter "$NFT_INET t c" 0
	attach packet/set_mark "$(pf_of "$family")" forward 0 track
	probe "$family" client-server -z "$SIZES"
	expect_delivered "$((TOTAL - 8)) intact"
	expect_nft_counter "$NFT_INET t c" 5
}

check_info()
{
	local family=$1

	attach packet/frag_info "$(pf_of "$family")" forward 0 track
	probe "$family" client-server -z "$SIZES"
	# IS_FRAGMENT, TRACKED
	expect_stats_of packet packets=1 result=0 flags=12 pieces=0 max_size=0
	probe "$family" client-server -z "$SIZES" -o 1,0,2,3
	expect_stats_of packet packets=2 result=0 flags=1 pieces=4
	expect_delivered "$((TOTAL - 8)) intact"
}

# mirror FAMILY NUMBER: add the device mirrorNUMBER, and print a rule that sends it a copy of
# each packet for the server.
mirror()
{
	local family=$1 device=mirror$2 to=10.13.$2.2 address=10.13.$2.1/24 server=SERVER_IP$1

	((family == 4)) || to=2001:db8:13:$2::2 address=2001:db8:13:$2::1/64
	ip -n "$NS_ROUTER" link add "$device" type dummy
	ip -n "$NS_ROUTER" link set "$device" up
	ip -n "$NS_ROUTER" address add "$address" dev "$device"
	ip -n "$NS_ROUTER" neighbour add "$to" lladdr 02:00:00:00:ff:02 dev "$device"
	echo "$(pf_of "$family") daddr ${!server} dup to $to device $device"
}

# Rules send copies of each packet to other devices. These pass POST_ROUTING before the packet.
check_copies_of_rules()
{
	local family=$1 copies=$2 pf rules='' i

	pf=$(pf_of "$family")
	# shellcheck disable=SC2064 # $pf is known only here
	trap "in_ns $NS_ROUTER nft delete table $pf dups
		for ((i = 1; i <= $copies; i++)); do
			ip -n $NS_ROUTER link del mirror\$i
		done" EXIT
	for ((i = 1; i <= copies; i++)); do
		rules+=$(mirror "$family" "$i")$'\n'
	done
	in_ns "$NS_ROUTER" nft -f - <<-EOF
	table $pf dups {
		chain c {
			type filter hook prerouting priority 0
			$rules
		}
	}
	EOF
	attach accept "$pf" postrouting 0 track
	probe "$family" client-server -z "$SIZES"
	expect_wire "$WIRE_IN_ORDER"
	expect_delivered "$((TOTAL - 8)) intact"
	expect_stats fragments=$((copies + 1))
	expect_link "$LINK" tracked_datagrams=$((copies + 1)) \
		later_fragments=$((3 * (copies + 1))) reassembled_fragments=0
	expect_link "$LINK" dropped=0 dropped_fragments=0
	# The last packet of the probe has a copy, too.
	for ((i = 1; i <= copies; i++)); do
		expect_eq "packets by mirror$i" 5 "$(sent_by "mirror$i")"
	done
}

# A program cannot change what binds the fragments of a datagram.
check_refusals()
{
	local family=$1

	attach refusing/refuse "$(pf_of "$family")" forward 0 track
	probe "$family" client-server -z 1400
	expect_stats_of refusing packets=0
	probe "$family" client-server -z "$SIZES"
	expect_wire "$WIRE_IN_ORDER"
	expect_delivered "$((TOTAL - 8)) intact"
	expect_stats_of refusing packets=1 flags=15 pieces=5 result=0
}

# In a user namespace root cannot let the table grow, but can change the other limits.
test_limits_in_a_user_namespace()
{
	local dir=/proc/sys/net/netfilter name

	for name in timeout drop_full; do
		unshare -r -n sh -c "echo 1 > $dir/nf_bpf_track_$name"
	done
	for name in max max_source; do
		expect_fails "Permission denied" \
			unshare -r -n sh -c "echo 1 > $dir/nf_bpf_track_$name"
		unshare -n sh -c "echo 1 > $dir/nf_bpf_track_$name"
	done
}

# By default an entry lives as long as hosts may keep the fragments that have passed.
test_default_timeout()
{
	local timeout

	timeout=$(unshare -n cat /proc/sys/net/netfilter/nf_bpf_track_timeout)
	expect_eq "seconds" 60 "$timeout"
	((timeout >= $(unshare -n cat /proc/sys/net/ipv4/ipfrag_time)))
	! has_ipv6 || ((timeout >= $(unshare -n cat /proc/sys/net/ipv6/ip6frag_time)))
}

# The verdict on a datagram stands when the program is replaced between two fragments.
check_replacement()
{
	local family=$1

	attach accept "$(pf_of "$family")" forward 0 track
	probe "$family" client-server -z "$SIZES" -o 0,1 -I 99
	expect_wire "0+1400 1400+480"
	nf_prog update "$LINK" "$PINS/drop"
	probe "$family" client-server -z "$SIZES" -o 2,3 -I 99
	expect_wire "1880+8 1888+912"
	expect_stats packets=1 dropped=0
	expect_entries 0
	probe "$family" client-server -z "$SIZES" -o 0,1 -I 98
	expect_wire ""
	expect_stats packets=2 dropped=1
	nf_prog update "$LINK" "$PINS/accept"
	probe "$family" client-server -z "$SIZES" -o 2,3 -I 98
	expect_wire ""
	expect_stats packets=2 dropped=1
	expect_entries 0
	probe "$family" client-server -z "$SIZES"
	expect_wire "$WIRE_IN_ORDER"
}

# The entries of a link end with it.
check_detach()
{
	local family=$1

	attach accept "$(pf_of "$family")" forward 0 track
	probe "$family" client-server -z "$SIZES" -o 0,1 -I 55
	expect_wire "0+1400 1400+480"
	expect_entries 1
	detach_all
	expect_entries 0
	attach accept "$(pf_of "$family")" forward 0 track
	probe "$family" client-server -z "$SIZES" -o 2,3 -I 55
	expect_wire ""
	expect_entries 1
	detach_all
	expect_entries 0
	probe "$family" client-server -z "$SIZES" -o 2,3
	expect_wire "1880+8 1888+912"
}

# An identification is used again when its datagram is complete, or expired.
check_reuse()
{
	local family=$1

	limit_time
	attach deny_port "$(pf_of "$family")" forward 0 track
	probe "$family" client-server -z "$SIZES" -I 5 -p 53
	expect_wire "$WIRE_IN_ORDER"
	probe "$family" client-server -z "$SIZES" -I 5
	expect_wire ""
	probe "$family" client-server -z "$SIZES" -I 5 -p 53
	expect_wire "$WIRE_IN_ORDER"
	expect_stats packets=3 dropped=1
	probe "$family" client-server -z 800,800 -I 5 -p 53 -o 0
	expect_wire "0+800"
	expect_entries 1
	wait_for no_entries
	probe "$family" client-server -z "$SIZES" -I 5 -p 53
	expect_wire "$WIRE_IN_ORDER"
	expect_stats packets=5 dropped=1
}

# A table without room: reassembly gets the datagrams, or they are dropped.
check_full()
{
	local family=$1 name=$2

	limit "$name=1"
	attach deny_port "$(pf_of "$family")" forward 0 track
	probe "$family" client-server -z "$SIZES" -o 0 -p 53
	expect_wire "0+1400"
	expect_entries 1
	probe "$family" client-server -z "$SIZES" -p 53
	expect_wire "$WIRE_IN_ORDER"
	expect_stats packets=2 fragments=1
	probe "$family" client-server -z "$SIZES"
	expect_wire ""
	expect_stats packets=3 fragments=1 dropped=1
	expect_link "$LINK" tracked_datagrams=1 reassembled_fragments=8 table_full=8
	set_limits drop_full=1
	probe "$family" client-server -z "$SIZES" -p 53
	expect_wire ""
	expect_stats packets=3
	expect_link "$LINK" dropped_fragments=4
	set_limits drop_full=0 "$name=4096"
	probe "$family" client-server -z "$SIZES" -p 53
	expect_wire "$WIRE_IN_ORDER"
	expect_stats packets=4 fragments=2
}

with_family()
{
	needs_family "$2"
	"$@"
}

for family in "${FAMILIES[@]}"; do
	for pf in "$(pf_of "$family")" inet; do
		name=${pf}_ipv${family}
		add_test "in_order_$name" with_family check_in_order "$pf" "$family" client-server
		add_test "in_order_on_the_way_back_$name" \
			with_family check_in_order "$pf" "$family" server-client
		add_test "others_reversed_$name" with_family check_any_order "$pf" "$family" \
			0,3,2,1 "0+1400 1888+912 1880+8 1400+480"
		add_test "reversed_$name" with_family check_reassembled "$pf" "$family" 3,2,1,0
		add_test "first_behind_the_second_$name" \
			with_family check_reassembled "$pf" "$family" 1,0,2,3
	done
	pf=$(pf_of "$family")
	add_test "others_shuffled_ipv$family" check_any_order "$pf" "$family" \
		0,2,1,3 "0+1400 1880+8 1400+480 1888+912"
	add_test "unfragmented_ipv$family" check_unfragmented "$pf" "$family"
	add_test "hundred_fragments_ipv$family" check_sizes "$family" \
		"$(printf '8,%.0s' {1..99})8" 800
	add_test "largest_ipv$family" check_sizes "$family" \
		"$(printf '1400,%.0s' {1..46})1000" 65400
	for hook in "${HOOKS[@]}"; do
		add_test "at_${hook}_ipv$family" check_hook "$pf" "$family" "$hook"
	done
	add_test "mark_ipv$family" check_mark "$family"
	add_test "frag_info_ipv$family" check_info "$family"
	add_test "refusals_ipv$family" check_refusals "$family"
	add_test "copy_of_a_rule_ipv$family" check_copies_of_rules "$family" 1
	add_test "copies_of_two_rules_ipv$family" check_copies_of_rules "$family" 2
	add_test "replacement_ipv$family" check_replacement "$family"
	add_test "detach_ipv$family" check_detach "$family"
	add_test "identification_used_again_ipv$family" check_reuse "$family"
	add_test "table_full_ipv$family" check_full "$family" max
	add_test "source_full_ipv$family" check_full "$family" max_source
done

run_tests
