#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A link with the defrag flag holds two references: one on reassembly of its family in its
# namespace, and one on the module. It gives both back.
#
# The order on the wire shows whether the router reassembles: it then puts fragments that
# come in reversed order into order.

source "$(dirname "$0")/../lib.sh"
# shellcheck source=../helpers/defrag_modules.sh
source "$SELFTESTS_SRC/helpers/defrag_modules.sh"

MODPROBE=/proc/sys/kernel/modprobe

setup()
{
	router_up
	load_policy
	MODPROBE_BEFORE=$(cat $MODPROBE 2>/dev/null || :)
}

cleanup()
{
	[[ -z ${MODPROBE_BEFORE:-} ]] || echo "$MODPROBE_BEFORE" > "$MODPROBE"
}

order_at_server()
{
	probe "$1" client-server -z 1400,480,912 -o 2,1,0 -p 53
	case $WIRE in
	"0+1400 1400+480 1880+912") echo reassembled ;;
	"1880+912 1400+480 0+1400") echo untouched ;;
	*) echo "$WIRE" ;;
	esac
}

expect_defrag()
{
	local family=$1 expected=$2

	expect_eq "fragments of IPv$family" "$expected" "$(order_at_server "$family")"
}

is_untouched()
{
	[[ $(order_at_server "$1") == untouched ]]
}

check_without_flag()
{
	local pf=$1 family=$2

	attach accept "$pf" forward 0
	expect_defrag "$family" untouched
}

check_detach()
{
	local pf=$1 family=$2

	expect_defrag "$family" untouched
	attach accept "$pf" forward 0 defrag
	expect_defrag "$family" reassembled
	nf_prog detach "$LINK"
	expect_defrag "$family" untouched
	nf_prog detach "$LINK"
	expect_defrag "$family" untouched
}

check_unpin()
{
	local pf=$1 family=$2

	attach accept "$pf" forward 0 defrag
	expect_defrag "$family" reassembled
	rm "$LINK"
	wait_for is_untouched "$family"
}

check_killed()
{
	local pf=$1 family=$2 pid

	hold accept "$pf" forward 0 defrag
	expect_defrag "$family" reassembled
	kill -KILL "$HELD"
	wait "$HELD" 2>/dev/null || :
	wait_for is_untouched "$family"
}

check_two_links()
{
	local pf=$1 family=$2 first

	attach accept "$pf" forward 0 defrag
	first=$LINK
	attach accept "$pf" forward 1 defrag
	nf_prog detach "$first"
	expect_defrag "$family" reassembled
	nf_prog detach "$LINK"
	expect_defrag "$family" untouched
}

check_other_family()
{
	local pf=$1 family=$2

	attach accept "$pf" forward 0 defrag
	expect_defrag "$family" reassembled
	without ipv6 || expect_defrag $((10 - family)) untouched
}

test_inet_is_both()
{
	local family

	needs_family inet
	attach accept inet forward 0 defrag
	for family in "${FAMILIES[@]}"; do
		expect_defrag "$family" reassembled
	done
	nf_prog detach "$LINK"
	for family in "${FAMILIES[@]}"; do
		expect_defrag "$family" untouched
	done
}

check_other_namespace()
{
	local pf=$1 family=$2

	attach_in "$NS_SERVER" accept "$pf" forward 0 defrag
	expect_defrag "$family" untouched
	attach accept "$pf" forward 0 defrag
	expect_defrag "$family" reassembled
}

check_given_back_when_busy()
{
	local pf=$1 family=$2

	attach accept "$pf" forward 0
	expect_fails "Device or resource busy" \
		nf_prog attach "$PINS/drop" "$pf" forward 0 defrag netns "$NS_ROUTER"
	expect_defrag "$family" untouched
	attach drop "$pf" forward 1 defrag
	nf_prog detach "$LINK"
	expect_defrag "$family" untouched
}

# The place at IPv6's hook is taken, so the attach fails for the second family.
test_inet_given_back_when_ip6_is_busy()
{
	requires ipv6
	needs_family inet
	attach accept ip6 forward 0
	expect_fails "Device or resource busy" \
		nf_prog attach "$PINS/drop" inet forward 0 defrag netns "$NS_ROUTER"
	expect_defrag 4 untouched
	expect_defrag 6 untouched
	nf_prog clean "$PINS"
	probe 4 client-server
	expect_delivered "92 intact"
	expect_stats packets=0
}

# Conntrack has a reference of its own on reassembly.
check_conntrack_keeps_it()
{
	local pf=$1 family=$2

	requires conntrack
	type -P nft >/dev/null || lacks "nft"
	nft_router "table $NFT_INET t {
		chain c { type filter hook forward priority 0; ct state new; }; }"
	expect_defrag "$family" reassembled
	attach accept "$pf" forward 1 defrag
	nf_prog detach "$LINK"
	expect_defrag "$family" reassembled
	nft_router flush ruleset
	wait_for is_untouched "$family"
}

check_module_on_demand()
{
	local pf=$1 family=$2

	needs_unloaded "$family"
	attach accept "$pf" forward 0
	expect_eq "references without the flag" absent "$(refcount "$family")"
	attach accept "$pf" forward 1 defrag
	expect_eq "references with the flag" 1 "$(refcount "$family")"
	expect_defrag "$family" reassembled
}

check_module_references()
{
	local pf=$1 family=$2 before first

	needs_module "$family"
	modprobe "${MODULE[$family]}"
	before=$(refcount "$family")
	attach accept "$pf" forward 0 defrag
	first=$LINK
	expect_eq references $((before + 1)) "$(refcount "$family")"
	attach accept "$pf" forward 1 defrag
	expect_eq references $((before + 2)) "$(refcount "$family")"
	nf_prog detach "$first"
	expect_eq references $((before + 1)) "$(refcount "$family")"
	rm "$LINK"
	wait_for has_refcount "$family" "$before"

	attach accept "$pf" forward 1
	expect_fails "Device or resource busy" \
		nf_prog attach "$PINS/drop" "$pf" forward 1 defrag netns "$NS_ROUTER"
	expect_eq "references after a refusal" "$before" "$(refcount "$family")"
}

check_module_in_use()
{
	local pf=$1 family=$2

	needs_unloaded "$family"
	attach accept "$pf" forward 0 defrag
	expect_fails "in use" rmmod "${MODULE[$family]}"
	expect_defrag "$family" reassembled
	nf_prog detach "$LINK"
	rmmod "${MODULE[$family]}"
	expect_defrag "$family" untouched
}

check_module_missing()
{
	local pf=$1 family=$2

	needs_unloaded "$family"
	echo /bin/false > "$MODPROBE"
	expect_fails "Invalid argument" \
		nf_prog attach "$PINS/drop" "$pf" forward 0 defrag netns "$NS_ROUTER"
	# The kernel loads the module before it looks whether the place is free.
	attach accept "$pf" forward 0
	expect_fails "Invalid argument" \
		nf_prog attach "$PINS/drop" "$pf" forward 0 defrag netns "$NS_ROUTER"
	detach_all
	# If the program that loads modules is missing, the attach fails with its error.
	echo "$WORK/none" > "$MODPROBE"
	expect_fails "No such file or directory" \
		nf_prog attach "$PINS/drop" "$pf" forward 0 defrag netns "$NS_ROUTER"
	probe "$family" client-server
	expect_delivered "92 intact"
	expect_stats packets=0

	echo "$MODPROBE_BEFORE" > "$MODPROBE"
	attach drop "$pf" forward 0 defrag
	probe "$family" client-server
	expect_delivered ""
	expect_stats packets=1
}

# If IPv6's module is missing, the attach must give back the reference on IPv4's module.
test_inet_with_half_of_the_modules()
{
	requires ipv6
	needs_family inet
	needs_unloaded 6
	modprobe nf_defrag_ipv4
	echo /bin/false > "$MODPROBE"
	expect_fails "Invalid argument" \
		nf_prog attach "$PINS/drop" inet forward 0 defrag netns "$NS_ROUTER"
	echo "$MODPROBE_BEFORE" > "$MODPROBE"
	expect_eq "references on nf_defrag_ipv4" 0 "$(refcount 4)"
	expect_defrag 4 untouched
	probe 4 client-server
	expect_delivered "92 intact"
}

# During an attach, the new link has an id already but cannot be opened.
test_show_while_a_link_is_made()
{
	local attach

	type -P bpftool >/dev/null || lacks bpftool
	needs_unloaded 4
	# With this module bpftool also lists the hooks.
	modprobe -q nfnetlink_hook || :
	attach accept ip forward 0
	cat > "$WORK/modprobe" <<-EOF
	#!/bin/bash
	touch $WORK/asked
	until [[ -e $WORK/go ]]; do sleep 0.02; done
	exec $MODPROBE_BEFORE "\$@"
	EOF
	chmod +x "$WORK/modprobe"
	echo "$WORK/modprobe" > "$MODPROBE"
	nf_prog attach "$PINS/accept" ip forward 1 defrag netns "$NS_ROUTER" \
		pin "$PINS/links/made" &
	attach=$!
	wait_for test -e "$WORK/asked"
	bpftool net show netns "$NS_ROUTER" > "$WORK/shown" || touch "$WORK/failed"
	touch "$WORK/go"
	wait "$attach"
	echo "$MODPROBE_BEFORE" > "$MODPROBE"
	[[ ! -e $WORK/failed ]] || fail "bpftool net show failed: $(cat "$WORK/shown")"
	expect_match "what is shown" "*ip forward*accept*" "$(cat "$WORK/shown")"
	[[ -e $PINS/links/made ]] || fail "the link was not made"
	expect_defrag 4 reassembled
}

# The namespace ends while a link in it holds the reference.
check_namespace_exit()
{
	local pf=$1 family=$2 netns=extra$NS_SUFFIX before

	needs_module "$family"
	modprobe "${MODULE[$family]}"
	before=$(refcount "$family")
	ip netns add "$netns"
	attach_in "$netns" accept "$pf" forward 0 defrag
	expect_eq references $((before + 1)) "$(refcount "$family")"
	ip netns delete "$netns"
	wait_for has_refcount "$family" "$before"
}

for check in without_flag detach unpin killed two_links other_family \
	     other_namespace given_back_when_busy conntrack_keeps_it \
	     module_on_demand module_references module_in_use module_missing \
	     namespace_exit; do
	add_test "${check}_ip" check_$check ip 4
	add_test -r ipv6 "${check}_ip6" check_$check ip6 6
done

run_tests
