#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The results of bpf_nf_frag_info() for packets in the forwarding path.

source "$(dirname "$0")/../lib.sh"

REASSEMBLED=1
DF=2
IS_FRAGMENT=4

setup()
{
	router_up
	load_packet
}

# check FAMILY SIZES FLAGS PIECES MAX_SIZE: MAX_SIZE does not include the headers.
check()
{
	local family=$1 sizes=$2 flags=$3 pieces=$4 max=$5 header

	header=$((family == 4 ? 20 : 48))
	attach packet/frag_info "$(pf_of "$family")" forward 0 defrag
	probe "$family" client-server -z "$sizes"
	expect_stats_of packet packets=1 result=0 flags="$flags" pieces="$pieces" \
		max_size=$((max ? max + header : 0))
	[[ $DELIVERED == *intact ]] || fail "not delivered: $DELIVERED"
}

# Fragments with DF, which forbids to cut them further.
check_df()
{
	local sizes=$1 with_df=$2 flags=$3

	attach packet/frag_info ip forward 0 defrag
	probe 4 client-server -z "$sizes" -m "$with_df"
	expect_stats_of packet packets=1 result=0 flags="$flags" pieces=2 \
		max_size=$((1000 + 20))
	expect_delivered "1192 intact"
}

# The length of a piece does not include IP options, but max_size does.
test_ipv4_options()
{
	attach packet/frag_info ip forward 0 defrag
	probe 4 client-server -z 1400,480,8,912 -O 0101010101010100
	expect_stats_of packet packets=1 result=0 flags="$REASSEMBLED" pieces=4 \
		max_size=$((1400 + 28))
	expect_delivered "2792 intact"
}

# A pull joins the pieces. Then the kernel cannot count them, and cuts the datagram to the
# largest size that came.
check_pulled()
{
	local family=$1

	attach packet/frag_info_after_pull "$(pf_of "$family")" forward 0 defrag
	probe "$family" client-server -z 1400,480,8,912
	expect_stats_of packet packets=1 flags="$REASSEMBLED" pieces=0 \
		max_size=$((1400 + (family == 4 ? 20 : 48)))
	expect_wire "0+1400 1400+1400"
	expect_delivered "2792 intact"
}

# The kernel does not know how many pieces a partial pull has taken from the list.
check_partly_pulled()
{
	local family=$1 sizes=$2 bytes=$3

	attach packet/frag_info "$(pf_of "$family")" forward 0 defrag
	probe "$family" client-server -z "$sizes"
	expect_stats_of packet packets=1 flags="$REASSEMBLED" \
		pieces="$(tr ',' '\n' <<< "$sizes" | wc -l)"
	detach_all
	attach packet/frag_info_after_partial_pull "$(pf_of "$family")" forward 0 defrag
	probe "$family" client-server -z "$sizes"
	expect_stats_of packet packets=2 flags="$REASSEMBLED" pieces=0 \
		max_size=$((1400 + (family == 4 ? 20 : 48)))
	expect_delivered "$bytes intact"
}

# Calls with wrong arguments pull nothing: EFAULT (14) and EPERM (1).
check_refusals()
{
	local family=$1

	attach packet/frag_info_after_refusals "$(pf_of "$family")" forward 0 defrag
	probe "$family" client-server -z 1400,480,8,912
	expect_stats_of packet packets=1 result=1401 flags="$REASSEMBLED" pieces=4
	expect_delivered "2792 intact"
}

# Without a link, IPv4 still reassembles for local delivery, and joins the fragments.
test_joined_ipv4()
{
	local sizes=8,8,8,8,8,8,8,8,1400

	attach packet/frag_info ip input 0
	probe 4 client-router -z "$sizes"
	expect_stats_of packet packets=1 result=0 flags="$REASSEMBLED" pieces=0 \
		max_size=$((1400 + 20))
	detach_all
	attach packet/frag_info ip input 0 defrag
	probe 4 client-router -z "$sizes"
	expect_stats_of packet packets=2 result=0 flags="$REASSEMBLED" pieces=9
}

# At the hook where packets are reassembled, and at the hooks after it.
check_hook()
{
	local family=$1 hook=$2

	attach packet/frag_info "$(pf_of "$family")" "$hook" 0 defrag
	probe "$family" "$(path_through "$hook")" -z 1400,480,8,912
	expect_stats_of packet packets=1 flags="$REASSEMBLED" pieces=4
}

check_without_defrag()
{
	local family=$1

	attach packet/frag_info "$(pf_of "$family")" forward 0
	probe "$family" client-server -z 104,8
	# A later fragment of IPv4 has no UDP header, so the program does not count it.
	expect_stats_of packet packets=$((family == 4 ? 1 : 2)) result=0 \
		flags="$IS_FRAGMENT" pieces=0 max_size=0
	expect_delivered "104 intact"
}

# RFC 6946: an atomic fragment is a whole datagram. It leaves without its fragment header.
test_atomic_fragment_ipv6()
{
	local header=1100000012345678
	local udp=9c40270f00101234aaaaaaaaaaaaaaaa

	requires ipv6
	attach packet/frag_info ip6 forward 0 defrag
	probe 6 client-server -x "44:$header$udp"
	expect_stats_of packet packets=1 flags="$REASSEMBLED" pieces=1 max_size=$((48 + 16))
	expect_wire "0+16"
}

for family in "${FAMILIES[@]}"; do
	add_test "unfragmented_ipv$family" check "$family" 1000 0 0 0
	add_test "two_pieces_ipv$family" check "$family" 1000,200 $REASSEMBLED 2 1000
	add_test "larger_second_ipv$family" check "$family" 200,1000 $REASSEMBLED 2 1000
	add_test "uneven_ipv$family" check "$family" 1400,480,8,912 $REASSEMBLED 4 1400
	add_test "64_pieces_ipv$family" check "$family" \
		"$(printf '8,%.0s' {1..63})8" $REASSEMBLED 64 8
	add_test "100_pieces_ipv$family" check "$family" \
		"$(printf '8,%.0s' {1..99})8" $REASSEMBLED 100 8
	add_test "pulled_ipv$family" check_pulled "$family"
	add_test "refusals_ipv$family" check_refusals "$family"
	add_test "without_defrag_ipv$family" check_without_defrag "$family"
	for hook in "${HOOKS[@]}"; do
		add_test "at_${hook}_ipv$family" check_hook "$family" "$hook"
	done
done
add_test partly_pulled_ipv4 check_partly_pulled 4 104,104,1400 1600
add_test -r ipv6 partly_pulled_ipv6 check_partly_pulled 6 104,8,104,1400 1608
add_test df_on_both check_df 1000,200 0,1 $((REASSEMBLED | DF))
add_test df_on_largest check_df 1000,200 0 $((REASSEMBLED | DF))
add_test df_on_largest_second check_df 200,1000 1 $((REASSEMBLED | DF))
add_test df_on_smaller_second check_df 1000,200 1 $((REASSEMBLED | DF))

run_tests
