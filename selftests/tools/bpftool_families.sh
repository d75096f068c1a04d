#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# One program for both families on a kernel whose links have one family. bpftool attaches two
# links, whose pins are "ip" and "ip6" in a directory. It shows, replaces and detaches them
# as one.
#
# Requires: bpftool jq

source "$(dirname "$0")/../lib.sh"

setup()
{
	setup_bpftool
	ACCEPT_ID=$(nf_prog prog-id "$PINS/accept")
	DIR=$PINS/links/both
}

# "nf_prog clean" does not remove pins in directories.
cleanup()
{
	remove_dirs "$DIR"*
}

remove_dirs()
{
	local dir

	for dir; do
		[[ ! -d $dir ]] || rm -r "$dir"
	done
}

# couple [PRIORITY_OF_IP6]: make two such links without bpftool, on any kernel.
couple()
{
	remove_dirs "$DIR"*
	mkdir "$DIR"
	nf_prog attach "$PINS/accept" ip forward 7 netns "$NS_ROUTER" pin "$DIR/ip"
	nf_prog attach "$PINS/accept" ip6 forward "${1:-7}" netns "$NS_ROUTER" pin "$DIR/ip6"
}

# Print the entries of "net show" that have a pin of this test.
shown()
{
	bpftool -j net show | jq -c "[.[].netfilter[] | select(any(.pinned[]; startswith(\"$DIR\")))]"
}

# expect_gone ID...: no link has this id any more.
expect_gone()
{
	local id

	for id; do
		expect_fails "no such link" bpftool net detach netfilter link "$id"
	done
}

test_show_json()
{
	local ip ip6

	requires ipv6
	couple
	ip=$(link_id "$DIR/ip")
	ip6=$(link_id "$DIR/ip6")
	expect_json "$(shown)" 'length == 1' '.[0].pf == 1 and .[0].pf_name == "inet"' \
		".[0].link_id == $ip and .[0].link_ids == [$ip, $ip6]" \
		".[0].id == $ACCEPT_ID" ".[0].pinned == [\"$DIR\"]"
}

test_show_plain()
{
	requires ipv6
	couple
	expect_match "the listing" \
		"*inet forward prio 7 (filter + 7) prog_id $ACCEPT_ID name accept link_id $(link_id "$DIR/ip"),$(link_id "$DIR/ip6")*pinned $DIR"$'\n'"*" \
		"$(bpftool net show)"$'\n'
}

test_counters_are_added()
{
	requires ipv6
	needs_own BPF_NF_LINK_STATS
	couple
	probe 4 client-server
	probe 6 client-server
	# The link also counts the sentinel of each probe.
	expect_json "$(shown)" '.[0].accepted == 4'
}

test_bytes_are_added()
{
	requires ipv6
	needs_own BPF_NF_LINK_BYTES
	couple
	probe 4 client-server
	probe 6 client-server
	expect_json "$(shown)" ".[0].accepted_bytes == $((120 + 31 + 140 + 51))" \
		'.[0].ipv6.accepted == 2' ".[0].ipv6.accepted_bytes == $((140 + 51))"
	expect_match "plain" "*ipv6: accepted 2 dropped 0 *" "$(bpftool net show)"
}

# couple_cookies IP IP6: the same with a cookie for each link
couple_cookies()
{
	needs_own BPF_NF_LINK_COOKIE
	remove_dirs "$DIR"*
	mkdir "$DIR"
	bpftool net attach netfilter pinned "$PINS/accept" ip "${HERE[@]}" netns "$NS_ROUTER" \
		pin "$DIR/ip" cookie "$1"
	bpftool net attach netfilter pinned "$PINS/accept" ip6 "${HERE[@]}" netns "$NS_ROUTER" \
		pin "$DIR/ip6" cookie "$2"
}

overwrite_both()
{
	bpftool net attach netfilter pinned "$PINS/drop" inet "${HERE[@]}" netns "$NS_ROUTER" \
		pin "$DIR" overwrite "$@"
}

# The link that replaces both has their cookie.
test_overwrite_keeps_the_cookie()
{
	requires ipv6
	couple_cookies 7 7
	expect_json "$(shown)" 'length == 1' '.[0].pf_name == "inet"' '.[0].cookie == 7'
	expect_fails -s 255 "was attached with cookie 7, which 'overwrite' does not change" \
		overwrite_both cookie 8
	overwrite_both
	expect_program "$DIR" drop
	expect_link "$DIR" cookie=7
	bpftool net detach netfilter pin "$DIR"
}

# bpftool shows two links as two if their cookies differ, and does not make one link of them.
test_other_cookies_are_two()
{
	local cookie

	requires ipv6
	couple_cookies 7 8
	expect_json "$(shown)" 'length == 2' 'map(.cookie) == [7, 8]'
	for cookie in "" "cookie 7" "cookie 8"; do
		# shellcheck disable=SC2086 # two words
		expect_fails -s 255 \
			"has cookie 7 and link $(link_id "$DIR/ip6") has cookie 8, so they are not one attachment" \
			overwrite_both $cookie
	done
	expect_program "$DIR/ip" accept
	expect_program "$DIR/ip6" accept
	probe 4 client-server
	probe 6 client-server
	expect_stats packets=2 dropped=0
}

# bpftool shows two links as two if their priorities differ.
test_other_priorities_are_two()
{
	requires ipv6
	couple 8
	expect_json "$(shown)" 'length == 2' 'map(.pf) == [2, 10]' \
		'map(has("link_ids")) == [false, false]'
}

# Without a common directory, bpftool shows two links as two.
test_other_directories_are_two()
{
	requires ipv6
	couple
	mkdir "$DIR-2"
	mv "$DIR/ip6" "$DIR-2/ip6"
	expect_json "$(shown)" 'length == 2'
}

# check_detach HOW: detach by one of the names of the two links.
check_detach()
{
	local how=("$@") ids

	requires ipv6
	couple
	ids=("$(link_id "$DIR/ip")" "$(link_id "$DIR/ip6")")
	case ${how[*]} in
	"link ip") how=(link "${ids[0]}") ;;
	"link ip6") how=(link "${ids[1]}") ;;
	pin) how=(pin "$DIR") ;;
	esac
	bpftool net detach netfilter "${how[@]}"
	expect_gone "${ids[@]}"
	[[ ! -e $DIR ]] || fail "the directory is still there"
	probe 4 client-server
	probe 6 client-server
	expect_stats packets=0
}

# Another tool has detached one of the links. The name now stands for the other link.
test_detach_what_is_left()
{
	local id

	requires ipv6
	couple
	rm "$DIR/ip"
	id=$(link_id "$DIR/ip6")
	bpftool net detach netfilter pin "$DIR"
	expect_gone "$id"
	[[ ! -e $DIR ]] || fail "the directory is still there"
}

test_detach_keeps_other_files()
{
	requires ipv6
	couple
	mkdir "$DIR/other"
	bpftool net detach netfilter pin "$DIR"
	expect_eq "what is left" other "$(ls "$DIR")"
}

# One pin of the pair names one link only, but that link stands for both.
test_detach_by_one_of_the_pins()
{
	requires ipv6
	couple
	bpftool net detach netfilter pin "$DIR/ip6"
	[[ ! -e $DIR/ip6 ]] || fail "the pin is still there"
	expect_link "$DIR/ip" priority=7
}

test_detach_another_directory()
{
	remove_dirs "$DIR"*
	mkdir "$DIR"
	expect_fails -s 255 "a directory without the pins of netfilter links" \
		bpftool net detach netfilter pin "$DIR"
	[[ -d $DIR ]] || fail "it was removed"
}

# If one family cannot be attached, the other is not attached either.
test_second_family_is_taken()
{
	((!INET)) || skip "a link has both families"
	attach accept ip6 forward 7
	expect_fails -s 255 "taken by " bpftool net attach netfilter pinned "$PINS/drop" \
		"${HERE[@]}" netns "$NS_ROUTER"
	nf_prog clean "$LINK"
	expect_nothing_attached
}

test_attach_json()
{
	local output pin

	((!INET)) || skip "a link has both families"
	pin=$(here_pin inet)
	output=$(bpftool -j net attach netfilter pinned "$PINS/accept" "${HERE[@]}" defrag \
		netns "$NS_ROUTER")
	expect_json "$output" '.pf_name == "inet" and .prio == 7 and .flags == 1' \
		".link_ids == [$(link_id "$pin/ip"), $(link_id "$pin/ip6")]" \
		".pinned == [\"$pin\"]" 'has("note") | not'
}

test_detach_by_place()
{
	((!INET)) || skip "a link has both families"
	bpftool net attach netfilter pinned "$PINS/drop" "${HERE[@]}" netns "$NS_ROUTER"
	bpftool net detach netfilter "${HERE[@]}" netns "$NS_ROUTER"
	[[ ! -e $(here_pin inet) ]] || fail "the directory is still there"
	expect_nothing_attached
}

# Two links cannot be updated at once. If the kernel has inet links, one link replaces both.
test_overwrite()
{
	local family

	requires ipv6
	couple
	bpftool net attach netfilter pinned "$PINS/drop" inet "${HERE[@]}" netns "$NS_ROUTER" \
		pin "$DIR" overwrite
	expect_json "$(shown)" 'length == 1' '.[0].pf_name == "inet" and .[0].prio == 8' \
		".[0].id == $(nf_prog prog-id "$PINS/drop")" ".[0].pinned == [\"$DIR\"]"
	for family in 4 6; do
		nf_prog clean "$PINS"
		probe "$family" client-server
		expect_stats packets=1 dropped=1
	done
	bpftool net detach netfilter pin "$DIR"
	expect_nothing_here
}

expect_nothing_here()
{
	[[ ! -e $DIR && ! -e $DIR~new ]] || fail "pins are left"
	nf_prog clean "$PINS"
	expect_nothing_attached
}

add_test detach_by_pin check_detach pin
add_test detach_by_link_of_ip check_detach link ip
add_test detach_by_link_of_ip6 check_detach link ip6

run_tests
