#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Every form of "bpftool net attach netfilter". Another program than bpftool reads what was
# attached, or packets show it.
#
# Requires: bpftool jq

source "$(dirname "$0")/../lib.sh"

setup()
{
	setup_bpftool
	ACCEPT_ID=$(nf_prog prog-id "$PINS/accept")
	DENY_ID=$(nf_prog prog-id "$PINS/deny_port")
}

check_program()
{
	local how=$1 value=$2

	case $how in
	id) value=$DENY_ID ;;
	tag) value=$(bpftool -j prog show id "$DENY_ID" | jq -r .tag) ;;
	pinned) value=$PINS/deny_port ;;
	esac
	bpftool net attach netfilter "$how" "$value" "$FAMILY" "${HERE[@]}" netns "$NS_ROUTER"
	expect_program "$(here_pin)" deny_port
}

# The program decides about packets after the command has ended.
test_policy_outlives_the_command()
{
	probe 4 client-server
	expect_delivered "92 intact"
	bpftool net attach netfilter pinned "$PINS/deny_port" "$FAMILY" "${HERE[@]}" \
		netns "$NS_ROUTER"
	probe 4 client-server
	expect_delivered ""
	probe 4 client-server -p 53
	expect_delivered "92 intact"
	expect_stats packets=2 dropped=1
}

check_family()
{
	local family=$1 pf=$2

	needs_family "$family"
	bpftool net attach netfilter id "$ACCEPT_ID" "$family" hook forward priority 7 \
		netns "$NS_ROUTER"
	expect_link "$(here_pin "$family")" "pf=$pf" hooknum=2 priority=7 flags=0
}

test_default_family_is_inet()
{
	needs_family inet
	bpftool net attach netfilter id "$ACCEPT_ID" hook forward priority 7 \
		netns "$NS_ROUTER"
	expect_link "$(here_pin inet)" pf=1
}

test_default_priority_is_filter()
{
	bpftool net attach netfilter id "$ACCEPT_ID" "$FAMILY" hook forward \
		netns "$NS_ROUTER"
	expect_link "$(here_pin "$FAMILY" 0)" priority=0
}

check_hook()
{
	local text=$1 number=$2

	attach_at hook "$text"
	expect_link "$PINS/links/here" "hooknum=$number"
}

# attach_at ARG...: attach with a pin of a known name.
attach_at()
{
	bpftool net attach netfilter id "$ACCEPT_ID" "$FAMILY" "$@" \
		netns "$NS_ROUTER" pin "$PINS/links/here"
}

# check_priority NUMBER WORD...: the words of a command mean this priority
check_priority()
{
	local number=$1

	shift
	attach_at hook output priority "$@"
	expect_link "$PINS/links/here" "priority=$number"
}

test_defrag()
{
	attach_here defrag
	expect_link "$(here_pin)" flags=1
	probe 4 client-server -z 1400,480,912 -o 2,1,0
	expect_stats packets=1 fragments=0
}

test_without_defrag()
{
	attach_here
	expect_link "$(here_pin)" flags=0
	probe 4 client-server -z 1400,480,912 -o 2,1,0
	expect_stats packets=3 fragments=3
}

test_strict()
{
	needs_own BPF_F_NETFILTER_DEFRAG_STRICT
	attach_here strict
	expect_link "$(here_pin)" flags=65537
}

test_defrag_and_strict()
{
	needs_own BPF_F_NETFILTER_DEFRAG_STRICT
	attach_here strict defrag
	expect_link "$(here_pin)" flags=65537
}

# check_fragments WORD FLAGS
check_fragments()
{
	needs_own BPF_F_NETFILTER_FRAG_TRACK
	attach_here fragments "$1"
	expect_link "$(here_pin)" flags="$2"
}

# check_cookie NUMBER WORD: the word of a command means this number. fdinfo tells it.
check_cookie()
{
	needs_own BPF_NF_LINK_COOKIE
	attach_here cookie "$2"
	expect_link "$(here_pin)" cookie="$1"
}

# One program has two links, and each link has its own cookie.
test_cookies_of_two_links()
{
	needs_own BPF_NF_LINK_COOKIE
	attach_here cookie 7
	attach_at cookie 8 hook output
	expect_link "$(here_pin)" cookie=7
	expect_link "$PINS/links/here" cookie=8
}

test_before_with_a_cookie()
{
	needs_own BPF_NF_LINK_COOKIE
	attach_here cookie 7
	attach_drop cookie 8 before pin "$(here_pin)"
	expect_link "$(here_pin "$FAMILY" 6)" priority=6 cookie=8
	expect_link "$(here_pin)" cookie=7
}

# attach_drop ARG...: attach "drop" next to the link of attach_here.
attach_drop()
{
	bpftool net attach netfilter pinned "$PINS/drop" "$FAMILY" hook forward \
		netns "$NS_ROUTER" "$@"
}

# The count shows which program is first: a packet that "drop" drops comes to no other.
test_before()
{
	needs_own BPF_NF_LINK_PLACE
	attach_here
	attach_drop before link "$(link_id "$(here_pin)")"
	expect_link "$(here_pin "$FAMILY" 6)" priority=6 flags=0
	expect_program "$(here_pin "$FAMILY" 6)" drop
	probe 4 client-server
	expect_delivered ""
	expect_stats packets=1 dropped=1
}

test_after()
{
	needs_own BPF_NF_LINK_PLACE
	attach_here
	attach_drop after link "$(link_id "$(here_pin)")"
	expect_link "$(here_pin "$FAMILY" 8)" priority=8 flags=0
	expect_program "$(here_pin "$FAMILY" 8)" drop
	probe 4 client-server
	expect_delivered ""
	expect_stats packets=2 dropped=1
}

test_before_with_pin_and_flags()
{
	needs_own BPF_NF_LINK_PLACE
	attach_here
	attach_drop before link "$(link_id "$(here_pin)")" strict pin "$PINS/links/mine"
	expect_link "$PINS/links/mine" priority=6 flags=65537
	[[ ! -e $(here_pin "$FAMILY" 6) ]] || fail "the default pin is there too"
}

test_after_in_short()
{
	needs_own BPF_NF_LINK_PLACE
	attach_here
	attach_drop af li "$(link_id "$(here_pin)")"
	expect_link "$(here_pin "$FAMILY" 8)" priority=8
}

test_before_json()
{
	local output

	needs_own BPF_NF_LINK_PLACE
	attach_here
	output=$(bpftool -j net attach netfilter pinned "$PINS/drop" "$FAMILY" hook forward \
		before link "$(link_id "$(here_pin)")" netns "$NS_ROUTER")
	expect_json "$output" '.prio == 6 and .priority_name == "filter + 6"' \
		'.flags == 0 and .flag_names == []' \
		".pinned == [\"$(here_pin "$FAMILY" 6)\"]"
}

test_before_a_pin()
{
	needs_own BPF_NF_LINK_PLACE
	attach_here
	attach_drop before pin "$(here_pin)"
	expect_link "$(here_pin "$FAMILY" 6)" priority=6
	expect_program "$(here_pin "$FAMILY" 6)" drop
}

# Two pins: that of the link to be next to, and that of the new link.
test_after_a_pin_with_a_pin()
{
	needs_own BPF_NF_LINK_PLACE
	attach_here pin "$PINS/links/anchor"
	attach_drop after pin "$PINS/links/anchor" pin "$PINS/links/mine"
	expect_link "$PINS/links/mine" priority=8
}

test_before_default_pin_of_a_detached_link()
{
	needs_own BPF_NF_LINK_PLACE
	attach_here
	attach_drop priority 6
	nf_prog detach "$(here_pin "$FAMILY" 6)"
	attach_drop before link "$(link_id "$(here_pin)")"
	expect_link "$(here_pin "$FAMILY" 6)" "netns=$ROUTER_INO"
}

expect_in_router()
{
	expect_program "$(here_pin)" accept
	probe 4 client-server
	expect_stats packets=1
}

test_netns_by_name()
{
	attach_here
	expect_in_router
}

test_netns_by_path()
{
	bpftool net attach netfilter id "$ACCEPT_ID" "$FAMILY" "${HERE[@]}" \
		netns "/run/netns/$NS_ROUTER"
	expect_in_router
}

test_netns_by_process()
{
	"$HELPERS/nf_prog" exec "$NS_ROUTER" sleep 60 &
	HELD=$!
	wait_for test "/proc/$HELD/ns/net" -ef "/run/netns/$NS_ROUTER"
	bpftool net attach netfilter id "$ACCEPT_ID" "$FAMILY" "${HERE[@]}" netns "$HELD"
	kill "$HELD"
	expect_in_router
}

test_own_netns()
{
	nf_prog exec "$NS_ROUTER" "$(type -P bpftool)" net attach netfilter \
		id "$ACCEPT_ID" "$FAMILY" "${HERE[@]}"
	expect_in_router
}

# Only the arguments determine the name, so a script can know it.
test_default_pin_of_a_path()
{
	bpftool net attach netfilter id "$ACCEPT_ID" "$FAMILY" "${HERE[@]}" \
		netns "/run/netns/$NS_ROUTER"
	expect_program "$BPFFS/netfilter/${NS_ROUTER}_${FAMILY}_forward_7" accept
}

# If a namespace has several names, the pin has the name that was given, else the first.
test_default_pin_of_another_name()
{
	local alias=a-$NS_ROUTER

	ip netns attach "$alias" "$(nf_prog exec "$NS_ROUTER" sh -c 'sleep 60 > /dev/null & echo $!')"
	bpftool net attach netfilter id "$ACCEPT_ID" "$FAMILY" "${HERE[@]}" netns "$NS_ROUTER"
	bpftool net attach netfilter id "$ACCEPT_ID" "$FAMILY" hook forward priority 8 \
		netns "$alias"
	bpftool net attach netfilter id "$ACCEPT_ID" "$FAMILY" hook forward priority 9 \
		netns "/run/netns/$NS_ROUTER"
	ip netns delete "$alias"
	expect_link "$(here_pin)" priority=7
	expect_link "$BPFFS/netfilter/${alias}_${FAMILY}_forward_8" priority=8
	expect_link "$BPFFS/netfilter/${alias}_${FAMILY}_forward_9" priority=9
	rm "$BPFFS/netfilter/${alias}_"*
}

# The namespace of the first process has no name. Run this in a guest only: elsewhere it is
# the machine's own namespace.
test_default_pin_of_the_first_namespace()
{
	local pin=$BPFFS/netfilter/${FAMILY}_postrouting_2147483645

	[[ ${NF_BPF_PATCHED:-0} == 1 ]] || skip "the namespace of the machine"
	bpftool net attach netfilter id "$ACCEPT_ID" "$FAMILY" hook postrouting \
		priority 2147483645
	expect_link "$pin" hooknum=4 priority=2147483645
	bpftool net detach netfilter "$FAMILY" hook postrouting priority 2147483645
	[[ ! -e $pin ]] || fail "$pin: is still there"
}

test_pin_of_choice()
{
	attach_here pin "$PINS/links/mine"
	expect_program "$PINS/links/mine" accept
	[[ ! -e $(here_pin) ]] || fail "the default pin is there too"
}

test_any_order_of_keywords()
{
	bpftool net attach netfilter id "$ACCEPT_ID" pin "$PINS/links/here" defrag \
		netns "$NS_ROUTER" priority 9 "$FAMILY" hook input
	expect_link "$PINS/links/here" hooknum=1 priority=9 flags=1
}

test_short_keywords()
{
	bpftool net attach netfilter id "$ACCEPT_ID" "$FAMILY" ho fo pr 7 de ne "$NS_ROUTER"
	expect_link "$(here_pin)" hooknum=2 priority=7 flags=1
}

test_plain_prints_nothing()
{
	expect_eq "output" "" "$(attach_here 2>&1)"
}

check_json()
{
	local option=$1 output

	output=$(bpftool "$option" net attach netfilter id "$ACCEPT_ID" "$FAMILY" \
		hook forward priority filter+7 defrag netns "$NS_ROUTER" | cat)
	expect_json "$output" \
		".id == $ACCEPT_ID" \
		".link_id == $(nf_prog info "$(here_pin)" | sed -n 's/^id=//p')" \
		".pf_name == \"$FAMILY\"" \
		'.hook == 2 and .hook_name == "forward"' \
		'.prio == 7 and .priority_name == "filter + 7"' \
		'.flags == 1 and .flag_names == ["defrag"]' \
		".netns_ino == $ROUTER_INO" \
		".pinned == [\"$(here_pin)\"]"
}

# getopt() must not take the negative number for an option.
test_priority_negative_and_options_behind()
{
	local output

	output=$(bpftool net attach netfilter id "$ACCEPT_ID" "$FAMILY" hook forward \
		priority -42 netns "$NS_ROUTER" -j)
	expect_json "$output" '.prio == -42'
}

# Arguments of other commands stay as they are.
test_arguments_of_other_commands()
{
	local bpftool

	bpftool=$(type -P bpftool)
	cp "$SELFTESTS/progs/policy.bpf.o" "$WORK/-1.o"
	cp "$SELFTESTS/progs/policy.bpf.o" "$WORK/-1"
	cd "$WORK"
	"$bpftool" prog load -- -1.o "$PINS/links/one"
	"$bpftool" prog load -- -1 "$PINS/links/two"
	expect_fails "unrecognized option '-1'" "$bpftool" prog load -1 "$PINS/links/three"
	expect_fails "unrecognized option '-5'" "$bpftool" prog show id -5
	rm "$PINS/links/one" "$PINS/links/two"
}

# Listing links needs CAP_SYS_ADMIN. To attach a link and print it does not.
test_json_without_cap_sys_admin()
{
	local output

	output=$(without_admin "$(type -P bpftool)" -j net attach netfilter \
		pinned "$PINS/accept" "$FAMILY" "${HERE[@]}")
	expect_json "$output" '.hook_name == "forward"' '.prio == 7' \
		".netns_ino == $ROUTER_INO" ".pinned == [\"$(here_pin)\"]"
	expect_in_router
}

needs_update()
{
	nf_prog update "$1" "$PINS/accept" 2>/dev/null || lacks "BPF_LINK_UPDATE"
}

test_overwrite()
{
	local id

	attach_here
	needs_update "$(here_pin)"
	id=$(nf_prog info "$(here_pin)" | grep '^id=')
	bpftool net attach netfilter pinned "$PINS/drop" "$FAMILY" "${HERE[@]}" \
		netns "$NS_ROUTER" overwrite
	expect_program "$(here_pin)" drop
	expect_link "$(here_pin)" "$id"
	probe 4 client-server
	expect_delivered ""
	expect_stats packets=1 dropped=1
}

# An update keeps the link, with its cookie.
test_overwrite_keeps_the_cookie()
{
	needs_own BPF_NF_LINK_COOKIE
	attach_here cookie 7
	attach_drop priority 7 overwrite
	expect_program "$(here_pin)" drop
	expect_link "$(here_pin)" cookie=7
	attach_here cookie 0x7 overwrite
	expect_program "$(here_pin)" accept
	expect_link "$(here_pin)" cookie=7
}

# bpftool finds a link with another pin by its place.
test_overwrite_of_another_pin()
{
	attach_here pin "$PINS/links/mine"
	needs_update "$PINS/links/mine"
	bpftool net attach netfilter pinned "$PINS/drop" "$FAMILY" "${HERE[@]}" \
		netns "$NS_ROUTER" overwrite
	expect_program "$PINS/links/mine" drop
}

test_overwrite_adds_the_pin()
{
	attach_here
	needs_update "$(here_pin)"
	bpftool net attach netfilter pinned "$PINS/drop" "$FAMILY" "${HERE[@]}" \
		netns "$NS_ROUTER" pin "$PINS/links/mine" overwrite
	expect_program "$(here_pin)" drop
	expect_program "$PINS/links/mine" drop
}

# A process holds the link for its own program, and may end at any time.
test_overwrite_of_an_unpinned_link()
{
	needs_own BPF_NF_LINK_UPDATE
	hold accept "$FAMILY" forward 7
	bpftool net attach netfilter pinned "$PINS/drop" "$FAMILY" "${HERE[@]}" \
		netns "$NS_ROUTER" overwrite
	kill "$HELD"
	wait "$HELD" || :
	expect_program "$(here_pin)" drop
	probe 4 client-server
	expect_delivered ""
	expect_stats packets=1 dropped=1
}

test_overwrite_in_another_netns()
{
	local pin=$PINS/links/server
	local there=("$FAMILY" "${HERE[@]}" netns "$NS_SERVER" pin "$pin")

	bpftool net attach netfilter pinned "$PINS/accept" "${there[@]}"
	needs_update "$pin"
	expect_fails " in netns $NS_SERVER" bpftool net attach netfilter pinned "$PINS/drop" \
		"$FAMILY" "${HERE[@]}" netns "$NS_ROUTER" pin "$pin" overwrite
	expect_program "$pin" accept
	bpftool net attach netfilter pinned "$PINS/drop" "${there[@]}" overwrite
	expect_program "$pin" drop
}

overwrite_if()
{
	bpftool net attach netfilter pinned "$PINS/drop" "$FAMILY" "${HERE[@]}" \
		netns "$NS_ROUTER" overwrite if-prog "$@"
}

check_if_prog()
{
	local how=$1 value=$2

	attach_here
	needs_update "$(here_pin)"
	case $how in
	id) value=$ACCEPT_ID ;;
	pinned) value=$PINS/accept ;;
	tag) value=$(bpftool -j prog show id "$ACCEPT_ID" | jq -r .tag) ;;
	esac
	overwrite_if "$how" "$value"
	expect_program "$(here_pin)" drop
	probe 4 client-server
	expect_delivered ""
}

# The link has no default pin.
test_if_prog_of_another_pin()
{
	attach_here pin "$PINS/links/mine"
	needs_update "$PINS/links/mine"
	overwrite_if pinned "$PINS/accept"
	expect_program "$PINS/links/mine" drop
}

# If two scripts update at the same time, one of them must fail.
test_if_prog_twice()
{
	attach_here
	needs_update "$(here_pin)"
	overwrite_if pinned "$PINS/accept"
	expect_fails -s 255 "not the one that 'if-prog' names: nothing was replaced" \
		overwrite_if pinned "$PINS/accept"
	expect_program "$(here_pin)" drop
}

test_overwrite_of_nothing_attaches()
{
	attach_here overwrite
	expect_in_router
}

test_overwrite_json()
{
	local output

	attach_here
	needs_update "$(here_pin)"
	output=$(bpftool -j net attach netfilter pinned "$PINS/drop" "$FAMILY" \
		"${HERE[@]}" netns "$NS_ROUTER" overwrite)
	expect_json "$output" ".id == $(nf_prog prog-id "$PINS/drop")" \
		".pinned == [\"$(here_pin)\"]"
}

# The pin belongs to a namespace that has ended. A new namespace may get its inode number.
test_default_pin_of_a_detached_link()
{
	attach_here
	needs_update "$(here_pin)"
	nf_prog detach "$(here_pin)"
	attach_here
	expect_in_router
}

for how in id name tag pinned; do
	add_test "program_by_$how" check_program $how deny_port
done
add_test family_inet check_family inet 1
add_test family_ip check_family ip 2
add_test -r ipv6 family_ip6 check_family ip6 10
for i in "${!HOOKS[@]}"; do
	add_test "hook_${HOOKS[i]}" check_hook "${HOOKS[i]}" "$i"
	add_test "hook_$i" check_hook "$i" "$i"
done
add_test hook_local_in check_hook local_in 1
add_test hook_post_routing check_hook post_routing 4
add_test hook_in_short check_hook pre 0
add_test priority_filter check_priority 0 filter
add_test priority_three_words check_priority 10 filter + 10
add_test priority_two_words check_priority 10 filter +10
add_test priority_quoted check_priority 90 "srcnat - 10"
for how in id name tag pinned; do
	add_test "if_prog_by_$how" check_if_prog $how accept
done
add_test fragments_reassemble check_fragments reassemble 1
add_test fragments_strict check_fragments strict 65537
add_test fragments_track check_fragments track 131072
add_test cookie_decimal check_cookie 7 7
add_test cookie_of_64_bits check_cookie 18446744073709551615 18446744073709551615
add_test cookie_hexadecimal check_cookie 18446744073709551615 0xFFFFFFFFFFFFFFFF
add_test cookie_is_not_octal check_cookie 10 010
add_test cookie_of_0 check_cookie 0 0
add_test json check_json -j
add_test pretty_json check_json -p

run_tests
