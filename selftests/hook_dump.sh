#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What the kernel tells of a hook with a program: its type and the program's id,
# raw and by "nft list hooks".

source "$(dirname "$0")/lib.sh"

NFNL_HOOK_TYPE_BPF=2

setup()
{
	router_up
	load_policy
}

# hooks FAMILY HOOK: PRIORITY FUNCTION MODULE TYPE ID of each, in the router.
hooks()
{
	local i

	for i in "${!HOOKS[@]}"; do
		[[ ${HOOKS[i]} != "$2" ]] ||
			in_ns "$NS_ROUTER" "$SELFTESTS/nf_hooks" "$1" "$i"
	done
}

# TYPE and ID of the hook at PRIORITY.
hook_at()
{
	hooks "$1" "$2" | awk -v priority="$3" '$1 == priority { print $4, $5 }'
}

needs_hook_dump()
{
	local error

	error=$(hooks ip forward 2>&1 >/dev/null) || {
		expect_match "error of the dump" "*Invalid argument" "$error"
		lacks "CONFIG_NETFILTER_NETLINK_HOOK"
	}
}

check_dump()
{
	local pf=$1 family=$2 hook=$3 priority=$4

	needs_hook_dump
	needs_family "$pf"
	expect_eq "hook before attaching" "" "$(hook_at "$family" "$hook" "$priority")"
	attach accept "$pf" "$hook" "$priority"
	expect_eq "hook type and program" \
		"$NFNL_HOOK_TYPE_BPF $(nf_prog prog-id "$PINS/accept")" \
		"$(hook_at "$family" "$hook" "$priority")"
	nf_prog detach "$LINK"
	expect_eq "hook after detaching" "" "$(hook_at "$family" "$hook" "$priority")"
}

test_other_family_is_not_told()
{
	needs_hook_dump
	attach accept ip forward 3
	expect_eq "hook of ip6" "" "$(hook_at ip6 forward 3)"
}

test_other_namespace_is_not_told()
{
	needs_hook_dump
	attach_in "$NS_SERVER" accept ip forward 3
	expect_eq "hook of the router" "" "$(hook_at ip forward 3)"
}

test_two_programs_in_order()
{
	local accept drop

	needs_hook_dump
	accept=$(nf_prog prog-id "$PINS/accept")
	drop=$(nf_prog prog-id "$PINS/drop")
	attach accept ip forward 20
	attach drop ip forward -20
	expect_eq "hooks in order" "-20 2 $drop, 20 2 $accept" \
		"$(hooks ip forward | awk '{ printf "%s%s %s %s", s, $1, $4, $5; s = ", " }')"
}

test_update_changes_the_program()
{
	needs_hook_dump
	attach accept ip forward 3
	nf_prog update "$LINK" "$PINS/drop" 2>/dev/null || lacks "BPF_LINK_UPDATE"
	expect_eq "hook type and program" \
		"$NFNL_HOOK_TYPE_BPF $(nf_prog prog-id "$PINS/drop")" \
		"$(hook_at ip forward 3)"
}

test_function_is_named()
{
	needs_hook_dump
	attach accept ip forward 3
	expect_match "the hook" "3 *nf*bpf* - 2 *" "$(hooks ip forward)"
}

# A program among hooks of other kinds does not change what is told of them.
test_beside_an_nft_chain()
{
	needs_hook_dump
	type -P nft >/dev/null || skip "nft is not installed"
	nft_router 'table ip t { chain c { type filter hook forward priority 0; }; }'
	attach accept ip forward 1
	expect_eq "nft's hook" "1 -" "$(hook_at ip forward 0)"
	expect_eq "the program's hook" \
		"$NFNL_HOOK_TYPE_BPF $(nf_prog prog-id "$PINS/accept")" \
		"$(hook_at ip forward 1)"
}

test_nft_list_hooks()
{
	local listing

	type -P nft >/dev/null || skip "nft is not installed"
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
	add_test "ip6_$hook" check_dump ip6 ip6 "$hook" -3
	add_test "inet_${hook}_as_ip" check_dump inet ip "$hook" 4
	add_test "inet_${hook}_as_ip6" check_dump inet ip6 "$hook" 4
done

run_tests
