#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The hook dump shows the type and the program id of a hook with a program. The tests read
# it directly and by "nft list hooks".

source "$(dirname "$0")/../lib.sh"

NFNL_HOOK_TYPE_BPF=2
declare -A IDS

setup()
{
	local prog

	router_up
	load_policy
	for prog in accept drop; do
		IDS[$prog]=$(nf_prog prog-id "$PINS/$prog")
	done
}

hook_number()
{
	local i

	for i in "${!HOOKS[@]}"; do
		[[ ${HOOKS[i]} != "$1" ]] || echo "$i"
	done
}

# hooks FAMILY HOOK: print PRIORITY FUNCTION MODULE TYPE ID of each function at a hook of
# the router.
hooks()
{
	nf_prog exec "$NS_ROUTER" "$HELPERS/nf_hooks" "$1" "$(hook_number "$2")"
}

# expect_hook FAMILY HOOK PRIORITY EXPECTED: EXPECTED is "TYPE ID" of the function there.
expect_hook()
{
	local listing priority function module info found=

	listing=$(hooks "$1" "$2")
	while read -r priority function module info; do
		[[ $priority != "$3" ]] || found=$info
	done <<< "$listing"
	expect_eq "type and program of the $1 $2 hook at $3" "$4" "$found"
}

needs_hook_dump()
{
	local error

	error=$(hooks ip forward 2>&1 >/dev/null) || {
		expect_match "error of the dump" "*Invalid argument" "$error"
		lacks "CONFIG_NETFILTER_NETLINK_HOOK"
	}
}

bpf_hook()
{
	echo "$NFNL_HOOK_TYPE_BPF ${IDS[$1]}"
}

check_dump()
{
	local pf=$1 family=$2 hook=$3 priority=$4

	needs_hook_dump
	needs_family "$pf"
	attach accept "$pf" "$hook" "$priority"
	expect_hook "$family" "$hook" "$priority" "$(bpf_hook accept)"
	nf_prog detach "$LINK"
	expect_hook "$family" "$hook" "$priority" ""
}

test_other_family_is_not_told()
{
	needs_hook_dump
	attach accept ip forward 3
	expect_hook ip forward 3 "$(bpf_hook accept)"
	expect_hook ip6 forward 3 ""
}

test_other_namespace_is_not_told()
{
	needs_hook_dump
	attach_in "$NS_SERVER" accept ip forward 3
	expect_hook ip forward 3 ""
	NS_ROUTER=$NS_SERVER expect_hook ip forward 3 "$(bpf_hook accept)"
}

test_two_programs_in_order()
{
	needs_hook_dump
	attach accept ip forward 20
	attach drop ip forward -20
	expect_eq "hooks in order" \
		"-20 $(bpf_hook drop), 20 $(bpf_hook accept)" \
		"$(hooks ip forward | awk '{ printf "%s%s %s %s", s, $1, $4, $5; s = ", " }')"
}

test_update_changes_the_program()
{
	needs_hook_dump
	attach accept ip forward 3
	expect_hook ip forward 3 "$(bpf_hook accept)"
	nf_prog update "$LINK" "$PINS/drop" 2>/dev/null || lacks "BPF_LINK_UPDATE"
	expect_hook ip forward 3 "$(bpf_hook drop)"
}

test_function_is_named()
{
	needs_hook_dump
	attach accept ip forward 3
	expect_match "the hook" "3 nf_hook_run_bpf - 2 *" "$(hooks ip forward)"
}

# A program does not change the dump of other kinds of hooks.
test_beside_an_nft_chain()
{
	needs_hook_dump
	type -P nft >/dev/null || lacks "nft"
	nft_router 'table ip t { chain c { type filter hook forward priority 0; }; }'
	attach accept ip forward 1
	expect_hook ip forward 0 "1 -"
	expect_hook ip forward 1 "$(bpf_hook accept)"
}

# The dump of so many hooks has several messages. With each length of the chain's name another
# part of an entry is the last that fits into the first message.
test_many_programs()
{
	local i name=c count=60 program

	needs_hook_dump
	type -P nft > /dev/null || lacks "nft"
	program=$(bpf_hook accept)
	for ((i = 1; i <= count; i++)); do
		attach accept ip forward "$i"
	done
	for i in 1 2 3 4; do
		nft_router "table ip t { chain $name { type filter hook forward priority 0; }; }"
		expect_hook ip forward 0 "1 -"
		expect_eq "hooks with the program" "$count" \
			"$(hooks ip forward | grep -c " $program\$")"
		nft_router delete table ip t
		name+=$(printf 'c%.0s' {1..20})
	done
}

test_nft_list_hooks()
{
	local listing

	type -P nft >/dev/null || lacks "nft"
	needs_hook_dump
	attach accept ip forward 37
	listing=$(nft_router list hooks ip)
	expect_match "nft list hooks" "*hook forward {*0000000037*" "$listing"
	nf_prog detach "$LINK"
	listing=$(nft_router list hooks ip)
	[[ $listing != *0000000037* ]] || fail "still listed: $listing"
}

for hook in "${HOOKS[@]}"; do
	add_test "ip_$hook" check_dump ip ip "$hook" 3
	add_test -r ipv6 "ip6_$hook" check_dump ip6 ip6 "$hook" -3
	add_test "inet_${hook}_as_ip" check_dump inet ip "$hook" 4
	add_test -r ipv6 "inet_${hook}_as_ip6" check_dump inet ip6 "$hook" 4
done

run_tests
