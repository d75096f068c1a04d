#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# bpftool names flowtables whose packets bypass the hook of a program, and chains that were
# loaded at its priority.
#
# Requires: bpftool jq nft

source "$(dirname "$0")/../lib.sh"

setup()
{
	setup_bpftool
}

# flowtable FAMILY DEVICE...: create an nft flowtable in the router.
flowtable()
{
	local family=$1 devices

	shift
	devices=$(IFS=, && echo "$*")
	nft_router -f - 2> "$WORK/nft-error" <<-EOF || lacks "nft flowtables"
	table $family t {
		flowtable fast {
			hook ingress priority 0
			${devices:+devices = { $devices \}}
		}
	}
	EOF
}

# Print the JSON object of the link that attach_here has attached.
shown()
{
	bpftool -j net show | jq -c ".[].netfilter[] | select(.pinned == [\"$(here_pin "$@")\"])"
}

# The flowtable in JSON. The kernel determines the order of its devices.
FAST='.flowtables | length == 1 and .[0].table == "t" and .[0].name == "fast"'

test_show_flowtable_json()
{
	requires conntrack
	attach_here
	expect_json "$(shown)" 'has("flowtables") | not'
	flowtable "$NFT_INET" "$ROUTER_LEFT_DEV" "$ROUTER_RIGHT_DEV"
	expect_json "$(shown)" "$FAST" ".flowtables[0].family == \"$NFT_INET\"" \
		".flowtables[0].devices | sort == ([\"$ROUTER_LEFT_DEV\", \"$ROUTER_RIGHT_DEV\"] | sort)"
}

test_show_flowtable_plain()
{
	requires conntrack
	attach_here
	flowtable "$NFT_INET" "$ROUTER_LEFT_DEV"
	expect_match "the listing" \
		"*pinned $(here_pin)"$'\n\t\t'"flowtable $NFT_INET t fast ($ROUTER_LEFT_DEV): its established flows bypass this hook*" \
		"$(bpftool net show)"
	expect_match "the listing of the namespace" "*flowtable $NFT_INET t fast*" \
		"$(bpftool net show netns "$NS_ROUTER")"
}

test_attach_warns()
{
	requires conntrack
	flowtable "$NFT_INET" "$ROUTER_LEFT_DEV"
	expect_match "standard error" \
		"warning: nft flowtable $NFT_INET t fast ($ROUTER_LEFT_DEV): *" \
		"$(attach_here 2>&1 > /dev/null)"
	expect_program "$(here_pin)" accept
}

test_attach_json()
{
	requires conntrack
	flowtable "$NFT_INET" "$ROUTER_LEFT_DEV"
	expect_json "$(bpftool -j net attach netfilter pinned "$PINS/accept" "$FAMILY" \
		"${HERE[@]}" netns "$NS_ROUTER")" "$FAST"
}

# check_hook HOOK SHOWN: does bpftool show the flowtable for this hook?
check_hook()
{
	local pin=$PINS/links/here

	requires conntrack
	bpftool net attach netfilter pinned "$PINS/accept" "$FAMILY" hook "$1" priority 7 \
		netns "$NS_ROUTER" pin "$pin"
	flowtable "$NFT_INET" "$ROUTER_LEFT_DEV"
	expect_json "$(bpftool -j net show netns "$NS_ROUTER" | jq -c '.[].netfilter[]')" \
		"has(\"flowtables\") == $2"
}

# Packets of one family pass the hooks if the flowtable is of the other family.
test_flowtable_of_another_family()
{
	requires conntrack
	requires ipv6
	bpftool net attach netfilter pinned "$PINS/accept" ip "${HERE[@]}" netns "$NS_ROUTER"
	flowtable ip6 "$ROUTER_LEFT_DEV"
	expect_json "$(shown ip)" 'has("flowtables") | not'
	flowtable ip "$ROUTER_LEFT_DEV"
	expect_json "$(shown ip)" "$FAST" '.flowtables[0].family == "ip"'
}

test_flowtable_without_devices()
{
	requires conntrack
	attach_here
	flowtable "$NFT_INET"
	expect_json "$(shown)" 'has("flowtables") | not'
	flowtable "$NFT_INET" "$ROUTER_LEFT_DEV"
	expect_json "$(shown)" "$FAST"
}

test_flowtable_of_another_netns()
{
	requires conntrack
	attach_here
	nf_prog exec "$NS_SERVER" nft add table "$NFT_INET" t
	nf_prog exec "$NS_SERVER" nft "add flowtable $NFT_INET t fast { hook ingress priority 0; devices = { $SERVER_DEV }; }" ||
		lacks "nft flowtables"
	expect_json "$(shown)" 'has("flowtables") | not'
	nf_prog exec "$NS_SERVER" nft flush ruleset
}

# chain FAMILY PRIORITY [RULE]: load a chain at the hook of the program.
chain()
{
	nft_router -f - <<-EOF
	table $1 fw {
		chain guard {
			type filter hook forward priority $2;
			${3:-}
		}
	}
	EOF
}

# bpftool says that the chain runs first. So the program does not see what the chain drops.
test_chain_at_the_same_priority()
{
	needs_listed_hooks
	attach_here
	expect_json "$(shown)" 'has("same_priority") | not'
	chain ip 7 "udp dport 9999 drop"
	expect_json "$(shown)" \
		'.same_priority == [{"family": "ip", "table": "fw", "chain": "guard", "runs": "before"}]'
	expect_match "the listing" \
		"*nft chain ip fw guard came to the same priority: it runs before the program*" \
		"$(bpftool net show)"
	probe 4 client-server
	expect_delivered ""
	expect_stats packets=0
	nft_router flush ruleset
	probe 4 client-server
	expect_stats packets=1
}

# A chain of family inet is at the hooks of both families.
test_chain_of_both_families_is_named_once()
{
	needs_listed_hooks
	requires ipv6
	attach_here
	chain inet 7
	expect_json "$(shown)" '.same_priority | length == 1 and .[0].family == "inet"'
}

test_chain_at_another_priority()
{
	needs_listed_hooks
	attach_here
	chain ip 8
	expect_json "$(shown)" 'has("same_priority") | not'
	nft_router delete table ip fw
	chain ip 7
	expect_json "$(shown)" '.same_priority | length == 1'
}

add_test hook_prerouting check_hook prerouting true
add_test hook_postrouting check_hook postrouting true
add_test hook_input check_hook input false
add_test hook_output check_hook output false

run_tests
