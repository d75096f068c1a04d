#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A link belongs to the network namespace in which it was attached. Its program sees no
# packets of other namespaces, and the link ends with the namespace.

source "$(dirname "$0")/../lib.sh"

setup()
{
	router_up
	load_policy
	load_policy second
}

check_isolation()
{
	local pf=$1 family=$2

	attach_in "$NS_CLIENT" drop "$pf" forward 0
	attach_in "$NS_SERVER" drop "$pf" forward 0
	probe "$family" client-server
	expect_delivered "92 intact"
	expect_stats packets=0

	attach drop "$pf" forward 0
	probe "$family" client-server
	expect_delivered ""
	expect_stats packets=1
}

# A program in the initial namespace sees no packets of the router.
check_initial_namespace()
{
	local pf=$1 family=$2

	LINK=$PINS/links/initial
	nf_prog attach "$PINS/drop" "$pf" forward 31000 pin "$LINK"
	expect_link "$LINK" priority=31000
	probe "$family" client-server
	expect_delivered "92 intact"
	expect_stats packets=0
}

# One program has a link in each of two namespaces, and sees the packets of both.
check_same_program_twice()
{
	local pf=$1 family=$2

	attach accept "$pf" prerouting 0
	attach_in "$NS_SERVER" accept "$pf" prerouting 0
	probe "$family" client-server
	expect_delivered "92 intact"
	expect_stats packets=2
}

check_detach_in_one()
{
	local pf=$1 family=$2

	attach_in "$NS_SERVER" second/accept "$pf" prerouting 0
	attach accept "$pf" prerouting 0
	nf_prog detach "$LINK"
	probe "$family" client-server
	expect_stats packets=0
	expect_stats_of second packets=1
}

# The kernel has freed the namespace when its end of the veth pair is gone.
router_is_freed()
{
	! ip -n "$NS_CLIENT" link show dev "$CLIENT_DEV" >/dev/null 2>&1
}

# Delete the router's namespace. Pinned links must not keep it.
delete_router()
{
	ip netns delete "$NS_ROUTER"
	wait_for router_is_freed
}

restore_router()
{
	router_down
	router_up
}

needs_defunct_links()
{
	attach accept ip forward 12345
	[[ $'\n'$("$HELPERS/nf_prog" info "$LINK") == *$'\n'netns=* ]] ||
		lacks "links which do not keep their namespace"
	nf_prog detach "$LINK"
	rm "$LINK"
}

check_exit()
{
	local pf=$1 family=$2 flags=$3 id

	needs_defunct_links
	# shellcheck disable=SC2086 # flags may be empty
	attach accept "$pf" forward 0 $flags
	probe "$family" client-server -z 1400,480,912
	expect_delivered "2784 intact"
	id=$(nf_prog info "$LINK" | grep '^id=')

	delete_router
	expect_match "the defunct link" "*$id
*priority=0
*netns=0*" "$(nf_prog info "$LINK")"
	expect_fails "Link has been severed" nf_prog update "$LINK" "$PINS/drop"
	nf_prog detach "$LINK"
	restore_router
}

# When the namespace ends, half a datagram waits for the rest.
check_exit_with_queue()
{
	local pf=$1 family=$2

	needs_defunct_links
	attach accept "$pf" forward 0 defrag
	probe "$family" client-server -z 1400,480,912
	expect_delivered "2784 intact"
	probe "$family" client-server -z 1400,480,912 -o 0,1
	expect_wire ""
	expect_stats packets=1
	delete_router
	restore_router
}

# The same with conntrack: queued fragments may hold references on its entries.
check_exit_with_queue_and_conntrack()
{
	local pf=$1 family=$2

	type -P nft >/dev/null || lacks "nft"
	needs_defunct_links
	nft_router "table $NFT_INET t {
		chain c { type filter hook forward priority 10; ct state new; }; }"
	attach accept "$pf" forward 0 defrag
	probe "$family" client-server -z 1400,480,912
	expect_delivered "2784 intact"
	probe "$family" client-server -z 1400,480,912 -o 0,1
	expect_wire ""
	delete_router
	restore_router
}

# Make a queue of fragments that have a conntrack entry. The router sends a datagram to
# itself, conntrack gives it an entry, and the fragments keep the entry on their way over
# the loopback device. They wait in reassembly, at the hook or in local delivery, because
# the last fragment is dropped.
queue_tracked_fragments()
{
	local family=$1 address=ROUTER_LEFT_IP$1 header

	if ((family == 4)); then
		header="ip frag-off & 0x1fff != 0"
	else
		header="frag frag-off != 0"
	fi
	nft_router -f - <<-EOF2
	table $NFT_INET t {
		chain early {
			type filter hook prerouting priority -450
			iif lo $header counter drop
		}
		chain track {
			type filter hook output priority 10
			ct state new counter
		}
	}
	EOF2
	ip -n "$NS_ROUTER" link set lo mtu 1500
	# shellcheck disable=SC2016 # the inner shell expands $1
	in_ns "$NS_ROUTER" bash -c 'printf %02000d 0 > "/dev/udp/$1/9999"' -- "${!address}"
	expect_nft_counter "$NFT_INET t early" 1
	expect_nft_counter "$NFT_INET t track" 1
}

# CVE-2025-68768: conntrack's exit waited for an entry of a queued fragment, but the queue
# is freed after conntrack's exit. The devices of a namespace that hangs in this way still
# disappear, but those of the next namespace do not. So delete two namespaces.
check_exit_with_tracked_queue()
{
	local pf=$1 family=$2 flags=$3

	requires conntrack
	type -P nft >/dev/null || lacks "nft"
	needs_defunct_links
	# shellcheck disable=SC2086 # flags may be empty
	attach accept "$pf" input 0 $flags
	queue_tracked_fragments "$family"
	# Local delivery reassembles IPv4 before the input hook, and IPv6 after it.
	expect_stats packets=$((family == 6)) fragments=$((family == 6))
	delete_router
	expect_link "$LINK" netns=0
	restore_router
	delete_router
	restore_router
}

with_family()
{
	needs_family "$2"
	"$@"
}

for family in "${FAMILIES[@]}"; do
	pf=$( ((family == 4)) && echo ip || echo ip6)
	for check in isolation initial_namespace same_program_twice detach_in_one; do
		add_test "${check}_ipv$family" check_$check "$pf" "$family"
	done
	add_test "exit_with_queue_ipv$family" check_exit_with_queue "$pf" "$family"
	add_test -r conntrack "exit_with_queue_and_conntrack_ipv$family" \
		check_exit_with_queue_and_conntrack "$pf" "$family"
	add_test "exit_with_tracked_queue_ipv$family" \
		check_exit_with_tracked_queue "$pf" "$family" ""
	add_test "exit_with_tracked_queue_and_defrag_ipv$family" \
		check_exit_with_tracked_queue "$pf" "$family" defrag
done
add_test exit check_exit ip 4 ""
add_test -r ipv6 exit_with_defrag check_exit ip6 6 defrag
add_test exit_of_inet with_family check_exit inet "${FAMILIES[-1]}" defrag

run_tests
