#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Commands that "bpftool net attach netfilter" refuses. It says what was wrong and what to
# do, fails, prints an error object with -j, and attaches nothing.
#
# Requires: bpftool jq
# Kernel: any

source "$(dirname "$0")/../lib.sh"

setup()
{
	setup_bpftool
	BPFTOOL=$(type -P bpftool)
}

# expect_error TEXT COMMAND...: COMMAND fails with TEXT, without and with -j. It has the word
# "BPFTOOL" for bpftool and its options.
expect_error()
{
	local text=$1 output status=0
	local plain=() json=() word

	shift
	for word; do
		if [[ $word == BPFTOOL ]]; then
			plain+=("$BPFTOOL")
			json+=("$BPFTOOL" -j)
		else
			plain+=("$word")
			json+=("$word")
		fi
	done
	expect_fails -s 255 "$text" "${plain[@]}"
	output=$("${json[@]}" 2> "$WORK/stderr") || status=$?
	expect_eq "exit status of ${json[*]}" 255 "$status"
	expect_json "$output" ".error | contains(\"${text//\"/\\\"}\")"
}

# check_refused TEXT WORD...: bpftool refuses these arguments after the program.
check_refused()
{
	local text=$1

	shift
	expect_error "$text" BPFTOOL net attach netfilter pinned "$PINS/drop" "$@"
	expect_nothing_attached

	attach_here
	probe 4 client-server
	expect_stats packets=1
}

check_arguments()
{
	local text=$1

	shift
	check_refused "$text" "$FAMILY" "$@" netns "$NS_ROUTER"
}

check_program()
{
	local text=$1

	shift
	expect_error "$text" BPFTOOL net attach netfilter "$@" "$FAMILY" "${HERE[@]}" \
		netns "$NS_ROUTER"
	expect_nothing_attached
}

test_program_of_another_type()
{
	nf_prog load-xdp "$PINS/xdp"
	check_program "its type is xdp, not netfilter" pinned "$PINS/xdp"
	rm "$PINS/xdp"
}

test_program_is_a_map()
{
	check_program "incorrect object type" pinned "$PINS/stats"
}

test_two_programs_of_a_name()
{
	load_policy second
	check_program "several programs match this handle" name deny_port
	rm -r "$PINS/second"
	PIN_DIRS=("$PINS")
}

test_no_capabilities()
{
	expect_error "it takes CAP_BPF and CAP_NET_ADMIN" \
		setpriv --bounding-set=-all --inh-caps=-all \
		BPFTOOL net attach netfilter id 1 "$FAMILY" "${HERE[@]}"
}

# root of a user namespace has all capabilities, but not those of the host.
test_user_namespace()
{
	expect_error "the capabilities of a user namespace do not count" \
		unshare --user --map-root-user \
		BPFTOOL net attach netfilter id 1 "$FAMILY" "${HERE[@]}"
}

test_no_capability_to_enter()
{
	expect_error "it takes CAP_SYS_ADMIN" \
		setpriv --bounding-set=-all,+bpf,+net_admin \
		BPFTOOL net attach netfilter pinned "$PINS/drop" "$FAMILY" "${HERE[@]}" \
		netns "$NS_ROUTER"
	expect_nothing_attached

	attach_here
	probe 4 client-server
	expect_stats packets=1
}

# Without CAP_SYS_ADMIN bpftool says that the place is taken, but not by which link.
test_taken_without_cap_sys_admin()
{
	attach_here
	expect_error "taken by " "$HELPERS/nf_prog" exec "$NS_ROUTER" \
		setpriv --bounding-set=-all,+bpf,+net_admin \
		BPFTOOL net attach netfilter pinned "$PINS/drop" "$FAMILY" "${HERE[@]}"
	expect_program "$(here_pin)" accept
	probe 4 client-server
	expect_stats packets=1
}

test_pin_dir_missing()
{
	check_arguments "create it first with mkdir" "${HERE[@]}" \
		pin "$BPFFS/nf_selftests_none/link"
}

test_pin_not_on_bpffs()
{
	check_arguments "is not on a BPF file system" "${HERE[@]}" pin "$WORK/link"
	[[ ! -e $WORK/link ]] || fail "a file was left behind"
}

test_pin_with_a_dot()
{
	check_arguments "has no '.'" "${HERE[@]}" pin "$PINS/links/a.b"
}

test_pin_exists()
{
	attach_here pin "$PINS/links/mine"
	expect_error "exists already and holds link" BPFTOOL net attach netfilter \
		pinned "$PINS/drop" "$FAMILY" hook forward priority 8 \
		netns "$NS_ROUTER" pin "$PINS/links/mine"
	expect_program "$PINS/links/mine" accept
	probe 4 client-server
	expect_delivered "92 intact"
}

test_pin_of_something_else()
{
	check_arguments "incorrect object type" "${HERE[@]}" pin "$PINS/stats"
}

expect_taken()
{
	expect_error "$1" BPFTOOL net attach netfilter pinned "$PINS/drop" "$FAMILY" \
		"${HERE[@]}" netns "$NS_ROUTER" pin "$PINS/links/second" "${@:2}"
	[[ ! -e $PINS/links/second ]] || fail "a pin was left behind"
}

test_taken_by_a_program()
{
	attach_here
	expect_taken "$FAMILY forward priority 7 (filter + 7) in netns $NS_ROUTER: taken by"
	expect_taken "BPF program 'accept' (id $(nf_prog prog-id "$PINS/accept"), link"
	probe 4 client-server
	expect_delivered "92 intact"
	expect_stats packets=1 dropped=0
}

# The priority that the message offers is free.
test_taken_offers_a_free_priority()
{
	local message free

	attach_here
	attach_here priority 2>/dev/null && fail "attached without a priority"
	message=$(bpftool net attach netfilter pinned "$PINS/drop" "$FAMILY" \
		"${HERE[@]}" netns "$NS_ROUTER" pin "$PINS/links/second" 2>&1) &&
		fail "attached at a taken priority"
	[[ $message =~ free\ is\ (-?[0-9]+) ]] || fail "no free priority in: $message"
	free=${BASH_REMATCH[1]}
	bpftool net attach netfilter pinned "$PINS/drop" "$FAMILY" hook forward \
		priority "$free" netns "$NS_ROUTER" pin "$PINS/links/second"
	expect_link "$PINS/links/second" "priority=$free"
}

test_taken_by_an_nft_chain()
{
	type -P nft >/dev/null || lacks "nft"
	needs_listed_hooks
	nft_router 'table ip fw { chain guard { type filter hook forward priority 7; }; }'
	expect_taken "guard"
	expect_taken "free is"
}

test_taken_by_an_nft_chain_cannot_be_overwritten()
{
	needs_listed_hooks
	type -P nft >/dev/null || lacks "nft"
	nft_router 'table ip fw { chain guard { type filter hook forward priority 7; }; }'
	expect_taken "taken by" overwrite
}

# A hook takes 1024 functions. The server has none of its own.
test_full_hook()
{
	local i in_server=(nsenter --net="/run/netns/$NS_SERVER" --)

	type -P nft >/dev/null || lacks "nft"
	# shellcheck disable=SC2064 # the variable is known only here
	trap "${in_server[*]} nft delete table ip full" EXIT
	{
		echo "table ip full {"
		for ((i = 0; i < 1024; i++)); do
			echo "chain c$i { type filter hook output priority $((i + 100)); }"
		done
		echo "}"
	} > "$WORK/full"
	"${in_server[@]}" nft -f "$WORK/full"
	check_refused "Argument list too long: the hook has 1024 functions" \
		ip hook output priority 7 netns "$NS_SERVER"
	"${in_server[@]}" nft delete chain ip full c1023
	bpftool net attach netfilter pinned "$PINS/drop" ip hook output priority 7 \
		netns "$NS_SERVER" pin "$PINS/full"
	rm "$PINS/full"
}

# follow PATTERN MESSAGE: find the advice in the message. Its words are in BASH_REMATCH.
follow()
{
	[[ $2 =~ $1 ]] || fail "no '$1' in: $2"
}

# second ARG...: print bpftool's message if "drop" is to be attached HERE, too.
second()
{
	! bpftool net attach netfilter pinned "$PINS/drop" "$FAMILY" "${HERE[@]}" \
		netns "$NS_ROUTER" "$@" 2>&1 || fail "was attached"
}

# The advice: attach the new program first, then detach the old one. There is always one.
test_advice_for_other_flags()
{
	local message

	attach_here
	message=$(second defrag overwrite)
	[[ $message != *"detach it first"* ]] || fail "advises a gap: $message"
	follow "such as (-?[0-9]+) .*'bpftool net detach netfilter link ([0-9]+)'" "$message"
	bpftool net attach netfilter pinned "$PINS/drop" "$FAMILY" hook forward \
		priority "${BASH_REMATCH[1]}" defrag netns "$NS_ROUTER"
	bpftool net detach netfilter link "${BASH_REMATCH[2]}"
	expect_program "$(here_pin "$FAMILY" "${BASH_REMATCH[1]}")" drop
	[[ ! -e $(here_pin) ]] || fail "the old link is still there"
	probe 4 client-server
	expect_delivered ""
}

# The advice also works if the kernel cannot replace a program: it then replaces the link.
check_advice_to_overwrite()
{
	attach_here
	follow "'overwrite' puts this program" "$(second "$@")"
	bpftool net attach netfilter pinned "$PINS/drop" "$FAMILY" "${HERE[@]}" \
		netns "$NS_ROUTER" "$@" overwrite
	expect_program "$(here_pin)" drop
}

test_advice_for_a_taken_place()
{
	check_advice_to_overwrite
}

test_advice_for_the_pin_of_that_place()
{
	check_advice_to_overwrite pin "$(here_pin)"
}

# bpftool does not advise "overwrite" if it would refuse it.
test_no_advice_to_overwrite_with_other_flags()
{
	attach_here
	expect_match "what is said" "*taken by *" "$(second defrag)"
	[[ $(second defrag) != *overwrite* ]] || fail "$(second defrag)"
	attach_here priority 9 2> /dev/null && fail "two priorities"
	[[ $(second defrag pin "$(here_pin)") != *overwrite* ]] ||
		fail "$(second defrag pin "$(here_pin)")"
}

test_advice_for_a_pin_that_exists()
{
	attach_here pin "$PINS/links/mine"
	follow "'(bpftool net detach netfilter pin [^']*)' removes it" \
		"$(second pin "$PINS/links/mine")"
	# shellcheck disable=SC2086 # split the command into words
	${BASH_REMATCH[1]}
	bpftool net attach netfilter pinned "$PINS/drop" "$FAMILY" "${HERE[@]}" \
		netns "$NS_ROUTER" pin "$PINS/links/mine"
	expect_program "$PINS/links/mine" drop
}

test_overwrite_with_other_flags()
{
	attach_here
	expect_error "does not change" BPFTOOL net attach netfilter pinned "$PINS/drop" \
		"$FAMILY" "${HERE[@]}" netns "$NS_ROUTER" defrag overwrite
	expect_program "$(here_pin)" accept
	expect_link "$(here_pin)" flags=0
}

test_overwrite_with_strict()
{
	needs_own BPF_F_NETFILTER_DEFRAG_STRICT
	attach_here defrag
	expect_error "was attached with defrag, which 'overwrite' does not change" \
		BPFTOOL net attach netfilter pinned "$PINS/drop" "$FAMILY" "${HERE[@]}" \
		netns "$NS_ROUTER" strict overwrite
	expect_link "$(here_pin)" flags=1
	attach_here defrag overwrite
}

test_overwrite_with_another_cookie()
{
	needs_own BPF_NF_LINK_COOKIE
	attach_here cookie 7
	expect_error "was attached with cookie 7, which 'overwrite' does not change" \
		BPFTOOL net attach netfilter pinned "$PINS/drop" "$FAMILY" "${HERE[@]}" \
		netns "$NS_ROUTER" cookie 8 overwrite
	expect_program "$(here_pin)" accept
	expect_link "$(here_pin)" cookie=7
	attach_here cookie 7 overwrite
	probe 4 client-server
	expect_stats packets=1 dropped=0
}

# The advice leads to a link with the other cookie, without a gap.
test_advice_for_another_cookie()
{
	local message

	needs_own BPF_NF_LINK_COOKIE
	attach_here cookie 7
	message=$(second cookie 8 overwrite)
	follow "such as (-?[0-9]+) .*'bpftool net detach netfilter link ([0-9]+)'" "$message"
	bpftool net attach netfilter pinned "$PINS/drop" "$FAMILY" hook forward \
		priority "${BASH_REMATCH[1]}" cookie 8 netns "$NS_ROUTER"
	bpftool net detach netfilter link "${BASH_REMATCH[2]}"
	expect_link "$(here_pin "$FAMILY" "${BASH_REMATCH[1]}")" cookie=8
	[[ ! -e $(here_pin) ]] || fail "the old link is still there"
}

# bpftool does not advise "overwrite" if it would refuse it.
test_no_advice_to_overwrite_with_another_cookie()
{
	needs_own BPF_NF_LINK_COOKIE
	attach_here cookie 7
	follow "'overwrite' puts this program" "$(second)"
	follow "'overwrite' puts this program" "$(second cookie 7)"
	expect_match "what is said" "*taken by *" "$(second cookie 8)"
	[[ $(second cookie 8) != *overwrite* ]] || fail "$(second cookie 8)"
}

check_bad_cookie()
{
	check_arguments "cookie '$1': expected a number from 0 to 18446744073709551615" \
		"${HERE[@]}" cookie "$1"
}

# A mainline kernel would ignore the cookie. Nothing is loaded or attached.
check_lacks_cookie()
{
	local family=$1

	expect_error "this kernel's netfilter links have no cookie (mainline's have not, nf-bpf's newer ones have)" \
		BPFTOOL net attach netfilter pinned "$PINS/drop" "$family" "${HERE[@]}" \
		netns "$NS_ROUTER" cookie 7
	expect_error "this kernel's netfilter links have no cookie" \
		BPFTOOL net attach netfilter obj "$SELFTESTS/progs/policy.bpf.o" prog drop \
		map stats pinned "$PINS/links/map" "$family" "${HERE[@]}" netns "$NS_ROUTER" \
		cookie 0xffffffffffffffff
	[[ ! -e $PINS/links/map ]] || fail "a map was left behind"
	expect_nothing_attached
	attach_here cookie 0
	expect_error "this kernel's netfilter links have no cookie" \
		BPFTOOL net attach netfilter pinned "$PINS/drop" "$FAMILY" "${HERE[@]}" \
		netns "$NS_ROUTER" cookie 7 overwrite
	expect_program "$(here_pin)" accept
	probe 4 client-server
	expect_stats packets=1 dropped=0
}

# expect_no_place TEXT ARG...: bpftool refuses a place next to a link, and attaches nothing.
expect_no_place()
{
	expect_error "$1" BPFTOOL net attach netfilter pinned "$PINS/drop" "$FAMILY" \
		hook forward netns "$NS_ROUTER" "${@:2}"
	probe 4 client-server
	expect_delivered "92 intact"
}

# take PRIORITY: attach a program that accepts packets there.
take()
{
	bpftool net attach netfilter pinned "$PINS/accept" "$FAMILY" hook forward \
		priority "$1" netns "$NS_ROUTER"
}

test_before_is_taken()
{
	local id

	needs_own BPF_NF_LINK_PLACE
	attach_here
	take 6
	take 5
	id=$(link_id "$(here_pin)")
	expect_no_place "6 (filter + 6) is taken by BPF program 'accept' (id $(nf_prog prog-id "$PINS/accept"), link $(link_id "$(here_pin "$FAMILY" 6)"), pinned" \
		before link "$id"
	expect_no_place "the nearest before link $id that is free is 4 (filter + 4)" \
		before link "$id"
	expect_stats packets=6 dropped=0
}

test_after_is_taken()
{
	local id

	needs_own BPF_NF_LINK_PLACE
	attach_here
	take 8
	id=$(link_id "$(here_pin)")
	expect_no_place "the nearest after link $id that is free is 9 (filter + 9)" \
		after link "$id"
	expect_stats packets=2 dropped=0
}

test_before_is_taken_by_an_nft_chain()
{
	needs_own BPF_NF_LINK_PLACE
	type -P nft >/dev/null || lacks "nft"
	needs_listed_hooks
	attach_here
	nft_router 'table ip fw { chain guard { type filter hook forward priority 6; }; }'
	expect_no_place "6 (filter + 6) is taken by nft chain ip fw guard" \
		before link "$(link_id "$(here_pin)")"
	expect_stats packets=1 dropped=0
}

test_before_with_defrag_is_taken_to_the_end()
{
	needs_own BPF_NF_LINK_PLACE
	take -398
	take -399
	expect_no_place "and so is all that is before it" \
		before link "$(link_id "$(here_pin "$FAMILY" -398)")" defrag
	expect_stats packets=2 dropped=0
}

test_before_the_lowest()
{
	needs_own BPF_NF_LINK_PLACE
	take -2147483647
	expect_no_place "there is no priority before that one" \
		before link "$(link_id "$(here_pin "$FAMILY" -2147483647)")"
	expect_stats packets=1 dropped=0
}

test_after_the_highest()
{
	needs_own BPF_NF_LINK_PLACE
	take 2147483646
	expect_no_place "there is no priority after that one" \
		after link "$(link_id "$(here_pin "$FAMILY" 2147483646)")"
	expect_stats packets=1 dropped=0
}

# check_elsewhere TEXT NETNS FAMILY HOOK: the link to be next to is there, and bpftool
# refuses with TEXT.
check_elsewhere()
{
	local text=$1 netns=$2 family=$3 hook=$4 id

	needs_own BPF_NF_LINK_PLACE
	netns=${!netns}
	bpftool net attach netfilter pinned "$PINS/accept" "$family" hook "$hook" \
		priority 7 netns "$netns" pin "$PINS/links/anchor"
	id=$(link_id "$PINS/links/anchor")
	expect_error "link $id is not at this hook of this network namespace: it is at $text in netns $netns" \
		BPFTOOL net attach netfilter pinned "$PINS/drop" ip hook forward \
		netns "$NS_ROUTER" before link "$id"
	nf_prog detach "$PINS/links/anchor"
	expect_nothing_attached
}

test_before_a_detached_link()
{
	local id

	needs_own BPF_NF_LINK_PLACE
	attach_here pin "$PINS/links/anchor"
	id=$(link_id "$PINS/links/anchor")
	nf_prog detach "$PINS/links/anchor"
	expect_no_place "link $id is detached" before link "$id"
	expect_nothing_attached
}

# check_other_type WORD: the link to be next to is of another type, and at no hook.
check_other_type()
{
	local word=$1 id

	needs_own BPF_NF_LINK_PLACE
	nf_prog link-lookup "$PINS/lookup"
	id=$(link_id "$PINS/lookup")
	expect_no_place "link $id: its type is netns, not netfilter" "$word" link "$id"
	rm "$PINS/lookup"
	expect_nothing_attached
}

test_before_with_a_pin_that_exists()
{
	needs_own BPF_NF_LINK_PLACE
	attach_here
	expect_no_place "exists already and holds link" \
		before link "$(link_id "$(here_pin)")" pin "$(here_pin)"
	expect_program "$(here_pin)" accept
	expect_stats packets=1 dropped=0
}

# check_lacks WORD: on a mainline kernel bpftool refuses the word, which its links lack.
check_lacks()
{
	local word=$1 place=()

	attach_here
	case $word in
	strict) place=(strict) ;;
	*) place=("$word" link "$(link_id "$(here_pin)")") ;;
	esac
	expect_no_place "this kernel's netfilter links have no '$word'" "${place[@]}"
	expect_stats packets=1
}

# refused_if TEXT PROG...: "overwrite if-prog" is refused and changes nothing.
refused_if()
{
	expect_error "$1" BPFTOOL net attach netfilter pinned "$PINS/drop" "$FAMILY" \
		"${HERE[@]}" netns "$NS_ROUTER" overwrite if-prog "${@:2}"
}

test_if_prog_is_another()
{
	needs_own BPF_NF_LINK_UPDATE
	attach_here
	refused_if "runs program $(nf_prog prog-id "$PINS/accept"), not the one that 'if-prog' names: nothing was replaced" \
		pinned "$PINS/deny_port"
	expect_program "$(here_pin)" accept
	probe 4 client-server
	expect_delivered "92 intact"
}

# If links do not tell their namespaces, bpftool looks for a link among the listed hooks.
test_if_prog_of_nothing()
{
	grep -qa BPF_NF_LINK_NETNS /sys/kernel/btf/vmlinux || needs_listed_hooks
	refused_if "no netfilter program is attached there" pinned "$PINS/accept"
	expect_nothing_attached
}

test_if_prog_of_a_detached_link()
{
	needs_own BPF_NF_LINK_NETNS
	attach_here
	nf_prog detach "$(here_pin)"
	refused_if "no netfilter program is attached there" pinned "$PINS/accept"
	[[ -e $(here_pin) ]] || fail "the pin was removed"
}

test_if_prog_without_overwrite()
{
	check_arguments "'if-prog' goes with 'overwrite'" "${HERE[@]}" \
		if-prog pinned "$PINS/accept"
}

test_if_prog_unknown()
{
	attach_here
	refused_if "no program with name 'nonesuch'" name nonesuch
	expect_program "$(here_pin)" accept
}

# An anonymous namespace has no name for a pin.
test_namespace_without_a_name()
{
	unshare --net sleep 60 &
	HELD=$!
	# shellcheck disable=SC2016 # the inner shell expands $0
	wait_for bash -c '! [[ /proc/$0/ns/net -ef /proc/self/ns/net ]]' "$HELD"
	expect_error "this network namespace has no name" BPFTOOL net attach netfilter \
		pinned "$PINS/accept" "$FAMILY" "${HERE[@]}" netns "$HELD"
	bpftool net attach netfilter pinned "$PINS/accept" "$FAMILY" "${HERE[@]}" \
		netns "$HELD" pin "$PINS/links/mine"
	kill "$HELD"
	expect_link "$PINS/links/mine" priority=7
}

# "ip netns exec" makes such a mount namespace: the pin would end with the command.
test_private_mount_namespace()
{
	expect_error "ends with it, and so would the program" \
		ip netns exec "$NS_ROUTER" BPFTOOL net attach netfilter \
		id "$(nf_prog prog-id "$PINS/drop")" "$FAMILY" "${HERE[@]}"
	expect_nothing_attached
}

# Its bpffs also hides the pins of programs and links, which others can see.
test_hidden_pins()
{
	local hidden="this mount namespace ('ip netns exec', 'unshare -m') has another bpffs"

	expect_error "pin $PINS/drop: $hidden" ip netns exec "$NS_ROUTER" \
		BPFTOOL net attach netfilter pinned "$PINS/drop" "$FAMILY" "${HERE[@]}"
	attach accept ip forward 20
	expect_error "pin $LINK: $hidden" ip netns exec "$NS_ROUTER" \
		BPFTOOL net detach netfilter pin "$LINK"
	expect_error "pin $PINS/nonesuch: no such pin" ip netns exec "$NS_ROUTER" \
		BPFTOOL net detach netfilter pin "$PINS/nonesuch"
	expect_link "$LINK" priority=20
	detach_all
	expect_nothing_attached
}

test_private_bpffs()
{
	# shellcheck disable=SC2016 # the inner shell expands them
	expect_error "ends with it, and so would the program" \
		unshare --mount --propagation private \
		bash -euc 'mkdir -p "$1"; mount -t bpf bpf "$1"; shift; "$@"' -- "$WORK/bpffs" \
		BPFTOOL net attach netfilter id "$(nf_prog prog-id "$PINS/drop")" \
		"$FAMILY" "${HERE[@]}" netns "$NS_ROUTER" pin "$WORK/bpffs/link"
	expect_nothing_attached
}

# A mount namespace of its own is no problem if it shares the bpffs of the others.
test_mount_namespace_with_the_common_bpffs()
{
	unshare --mount --propagation private \
		bpftool net attach netfilter pinned "$PINS/accept" "$FAMILY" \
		"${HERE[@]}" netns "$NS_ROUTER"
	probe 4 client-server
	expect_stats packets=1
}

add_test no_arguments expect_error "which program, and where? Usage: bpftool net attach netfilter { id" \
	BPFTOOL net attach netfilter
add_test program_without_value expect_error "'id' needs a value" BPFTOOL net attach netfilter id
add_test no_program expect_error "expected 'obj' and a file, or 'id', 'tag', 'name' or 'pinned'" \
	BPFTOOL net attach netfilter nonesuch x y z
add_test no_such_id check_program "4000000000" id 4000000000
add_test no_such_name check_program "nonesuch" name nonesuch
add_test no_such_tag check_program "0123456789abcdef" tag 0123456789abcdef
add_test no_such_pin check_program "No such file" pinned /sys/fs/bpf/nonesuch
add_test no_hook check_arguments "'hook' is missing: which one, prerouting, input, forward, output or postrouting?" priority 7
add_test unknown_hook check_arguments "unknown hook 'ingress': expected prerouting, input" hook ingress
add_test ambiguous_hook check_arguments "ambiguous hook 'p'" hook p
add_test hook_5 check_arguments "unknown hook '5'" hook 5
add_test hook_negative check_arguments "-1': expected prerouting" hook -1
add_test hook_of_more_than_32_bits check_arguments "unknown hook '4294967298'" hook 4294967298
add_test unknown_keyword check_arguments "unknown 'nonsense': expected one of 'inet'" "${HERE[@]}" nonsense
add_test keyword_twice check_arguments "it was given before" "${HERE[@]}" hook input
add_test family_twice check_arguments "a family was given before" ip6 "${HERE[@]}"
add_test ambiguous_keyword check_arguments "ambiguous 'p'" "${HERE[@]}" p 5
add_test hook_without_value check_refused "'hook' needs a value" ip hook
add_test priority_without_value check_refused "'priority' needs a value" ip hook forward priority
add_test netns_without_value check_refused "'netns' needs a value" ip hook forward netns
add_test pin_without_value check_refused "'pin' needs a value" ip hook forward pin
add_test priority_unknown check_arguments "bad priority 'late': expected a number, or raw, mangle" hook forward priority late
add_test priority_too_large check_arguments "out of range" hook forward priority 2147483648
add_test priority_min check_arguments "the lowest priority is -2147483647" hook forward priority -2147483648
add_test defrag_too_early check_arguments "the lowest priority is -399" hook forward priority -400 defrag
add_test before_without_value check_refused "'before' needs a value" ip hook forward before
add_test before_what check_arguments "unknown '5': expected one of 'pin', 'link'" hook forward before 5
add_test before_link_without_value check_refused "'link' needs a value" ip hook forward before link
add_test before_bad_link_id check_arguments "can't parse '12x' as link ID" hook forward before link 12x
add_test before_no_such_link check_arguments "link 4000000000: no such link" hook forward before link 4000000000
add_test before_pin_without_value check_refused "'pin' needs a value" ip hook forward before pin
add_test before_no_such_pin check_arguments "pin /sys/fs/bpf/nonesuch: no such pin" hook forward before pin /sys/fs/bpf/nonesuch
add_test if_prog_without_value check_refused "'if-prog' needs a value" ip hook forward overwrite if-prog
add_test if_prog_half check_refused "'id' needs a value" ip hook forward overwrite if-prog id
add_test before_and_priority check_arguments "'before': give one of 'priority', 'before' and 'after'" "${HERE[@]}" before link 1
add_test after_and_priority check_arguments "'priority': give one of 'priority', 'before' and 'after'" hook forward after link 1 priority 7
add_test before_and_after check_arguments "'after': give one of 'priority', 'before' and 'after'" hook forward before link 1 after link 1
add_test before_and_overwrite check_arguments "'overwrite': 'before' and 'after' choose a place that is free" hook forward before link 1 overwrite
add_test overwrite_and_after check_arguments "'after': 'before' and 'after' choose a place that is free" hook forward overwrite after link 1
add_test before_a_link_of_another_type check_other_type before
add_test after_a_link_of_another_type check_other_type after
add_test before_a_link_of_another_hook check_elsewhere "ip input priority 7 (filter + 7)" NS_ROUTER ip input
add_test before_a_link_of_another_netns check_elsewhere "ip forward priority 7 (filter + 7)" NS_SERVER ip forward
add_test before_a_link_of_another_family check_elsewhere "ip6 forward priority 7 (filter + 7)" NS_ROUTER ip6 forward
if ! grep -qa BPF_NF_LINK_PLACE /sys/kernel/btf/vmlinux; then
	for word in strict before after; do
		add_test "kernel_without_$word" check_lacks $word
	done
fi
if ! grep -qa BPF_NF_LINK_COOKIE /sys/kernel/btf/vmlinux; then
	add_test kernel_without_cookie check_lacks_cookie ip
	add_test -r ipv6 kernel_without_cookie_inet check_lacks_cookie inet
fi
add_test cookie_without_value check_refused "'cookie' needs a value" ip hook forward cookie
add_test cookie_is_a_word check_bad_cookie many
add_test cookie_with_a_rest check_bad_cookie 7x
add_test cookie_without_digits check_bad_cookie 0x
add_test cookie_empty check_bad_cookie ""
add_test cookie_negative check_bad_cookie -1
add_test cookie_too_large check_bad_cookie 18446744073709551616
add_test cookie_too_large_hexadecimal check_bad_cookie 0x10000000000000000
add_test cookie_twice check_arguments "'cookie': it was given before" "${HERE[@]}" cookie 7 cookie 7
add_test fragments_of_no_kind check_refused "expected reassemble, strict or track" \
	ip "${HERE[@]}" fragments whole
add_test fragments_and_defrag check_refused "give one of 'defrag', 'strict' and 'fragments'" \
	ip "${HERE[@]}" defrag fragments track
add_test no_such_netns check_refused "nonesuch" ip "${HERE[@]}" netns nonesuch
add_test no_such_process check_refused "4000000" ip "${HERE[@]}" netns 4000000
add_test netns_is_no_namespace check_refused "/etc/passwd" ip "${HERE[@]}" netns /etc/passwd

run_tests
