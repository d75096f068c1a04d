#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# "bpftool net attach netfilter ... overwrite" on a kernel that cannot replace the program of
# a link. bpftool attaches the new program beside the old one, gives it the old one's pin,
# and then detaches the old one. There is always a program, and bpftool undoes its steps if
# one of them fails.
#
# Requires: bpftool jq

source "$(dirname "$0")/../lib.sh"

# A replacement has fewer calls that fail_call counts.
MAX_CALLS=200
REPLACEMENTS=20
# The places of the tests. NAME:FAMILY:NUMBERS, where NUMBERS are the address families.
PLACES=(one:ip:4 two:inet:46)

setup()
{
	setup_bpftool
	load_policy received
	BPFTOOL=$(type -P bpftool)
}

cleanup()
{
	remove_dirs
}

# Remove the directories of two pins. "nf_prog clean" removes only the pins.
remove_dirs()
{
	local dir

	for dir in "$PINS/links"/*/; do
		[[ ! -d $dir ]] || rm -r "$dir"
	done
}

# place ONE_OF_PLACES: set the place of this test. PIN is its default pin.
place()
{
	local families

	remove_dirs
	IFS=: read -r _ PF families <<< "$1"
	FAMILIES=()
	while read -rn 1 family; do
		[[ -z $family ]] || FAMILIES+=("$family")
	done <<< "$families"
	PIN=$(here_pin "$PF")
	THERE=("$PF" "${HERE[@]}" netns "$NS_ROUTER")
}

# put PROG ARG...: attach the program to the place by bpftool.
put()
{
	"$BPFTOOL" net attach netfilter pinned "$PINS/$1" "${THERE[@]}" "${@:2}"
}

# members PIN: print the pins of the links that PIN stands for, one or two.
members()
{
	if [[ -d $1 ]]; then
		echo "$1/ip" "$1/ip6"
	else
		echo "$1"
	fi
}

# expect_one PROG PRIORITY [PIN]: the pin holds the program, each packet meets only this
# program, and no temporary pin is left.
expect_one()
{
	local pin=${3:-$PIN} member family tmp

	for member in $(members "$pin"); do
		expect_program "$member" "$1"
		expect_link "$member" "priority=$2"
	done
	for tmp in "$BPFFS/netfilter"/*~new "$PINS/links"/*~new; do
		[[ ! -e $tmp ]] || fail "$tmp: was left behind"
	done
	for family in "${FAMILIES[@]}"; do
		nf_prog clean "$PINS"
		probe "$family" client-server
		case $1 in
		drop) expect_stats packets=1 dropped=1 ;;
		*) expect_stats packets=1 dropped=0 ;;
		esac
	done
}

ids()
{
	local member

	for member in $(members "$1"); do
		link_id "$member"
	done
}

expect_gone()
{
	local id

	for id; do
		expect_fails "no such link" "$BPFTOOL" net detach netfilter link "$id"
	done
}

check_replaced()
{
	local ids

	place "$1"
	put accept
	ids=$(ids "$PIN")
	put drop overwrite
	expect_one drop 8
	# shellcheck disable=SC2086 # one or two ids
	expect_gone $ids
}

# bpftool returns to the priority that was asked for as soon as it is free.
check_repeated()
{
	local i

	place "$1"
	put accept overwrite
	expect_one accept 7
	for i in 1 2; do
		put drop overwrite
		expect_one drop 8
		put accept overwrite
		expect_one accept 7
	done
}

check_flags()
{
	place "$1"
	put accept defrag
	put drop defrag overwrite
	expect_link "$(members "$PIN" | cut -d ' ' -f 1)" flags=1
	expect_one drop 8
}

check_said()
{
	local output

	place "$1"
	put accept
	output=$(put drop overwrite 2>&1 > /dev/null)
	expect_match "what is said" \
		"$PF forward priority 7 (filter + 7) in netns $NS_ROUTER: *the new program was attached at priority 8 (filter + 8), and then the old one at 7 was detached: for a moment each packet met both" \
		"$output"
}

check_json()
{
	local output old

	place "$1"
	put accept
	old=$(ids "$PIN" | jq -sc .)
	output=$("$BPFTOOL" -j net attach netfilter pinned "$PINS/drop" "${THERE[@]}" overwrite \
		2> "$WORK/stderr")
	expect_eq "standard error" "" "$(< "$WORK/stderr")"
	expect_json "$output" ".pf_name == \"$PF\"" '.prio == 8 and .wanted_prio == 7' \
		'.replaced_prio == 7' ".replaced_link_ids == $old" \
		'.note | contains("each packet met both")' ".pinned == [\"$PIN\"]" \
		".link_ids // [.link_id] | . == $(ids "$PIN" | jq -sc .)"
}

# bpftool takes a free priority on one side, or else on the other side.
check_next_priority()
{
	place "$1"
	put accept
	attach accept ip forward 8
	put drop overwrite
	nf_prog clean "$LINK"
	expect_one drop 6
}

# The next priority is taken for the second family only. The first family's link must not
# stay there.
test_next_priority_of_both_families()
{
	place two:inet:46
	put accept
	attach accept ip6 forward 8
	put drop overwrite
	nf_prog clean "$LINK"
	expect_one drop 6
}

check_pin_of_choice()
{
	local pin=$PINS/links/mine

	place "$1"
	put accept pin "$pin"
	put drop pin "$pin" overwrite
	expect_one drop 8 "$pin"
	put accept pin "$pin" overwrite
	expect_one accept 7 "$pin"
	[[ ! -e $PIN ]] || fail "the default pin is there too"
}

# All pins of the old link become pins of the new one.
test_two_pins()
{
	place one:ip:4
	put accept
	nf_prog pin "$PIN" "$PINS/links/again"
	put drop overwrite
	expect_program "$PINS/links/again" drop
	expect_eq "the link of the second name" "$(link_id "$PIN")" \
		"$(link_id "$PINS/links/again")"
	expect_one drop 8
}

# The kernel does not tell the network namespace of a link, and without a pin its name does
# not tell it either. The test does what the message says.
test_link_without_a_pin()
{
	local id

	place one:ip:4
	hold accept ip forward 7
	expect_fails -s 255 "pin it with 'bpftool link pin id ID FILE'" put drop overwrite
	id=$("$BPFTOOL" -j net show |
		jq '.[].netfilter[] | select(.prog_name == "accept" and .prio == 7) | .link_id // .id')
	"$BPFTOOL" link pin id "$id" "$PINS/links/found"
	put drop pin "$PINS/links/found" overwrite
	expect_one drop 8 "$PINS/links/found"
	kill "$HELD"
	wait "$HELD" || :
	expect_one drop 8 "$PINS/links/found"
}

check_if_prog()
{
	place "$1"
	put accept
	put drop overwrite if-prog pinned "$PINS/accept"
	expect_one drop 8
	expect_fails -s 255 "not the one that 'if-prog' names: nothing was replaced" \
		put accept overwrite if-prog pinned "$PINS/accept"
	expect_one drop 8
}

# If two commands update at the same time, bpftool refuses one of them. One program is left.
check_at_once()
{
	local i one two status

	place "$1"
	put accept
	for i in 1 2 3 4 5; do
		status=0
		put drop overwrite if-prog pinned "$PINS/accept" 2> /dev/null & one=$!
		put drop overwrite if-prog pinned "$PINS/accept" 2> /dev/null & two=$!
		wait "$one" || status=$((status + 1))
		wait "$two" || status=$((status + 1))
		expect_eq "commands that were refused" 1 "$status"
		expect_one drop "$(nf_prog info "$(members "$PIN" | cut -d ' ' -f 1)" |
			sed -n 's/^priority=//p')"
		put accept overwrite 2> /dev/null
	done
}

# All programs drop everything. A program after them counts packets that no program has
# dropped.
check_never_unseen()
{
	local i

	place "$1"
	count_received
	put drop
	flood
	for ((i = 0; i < REPLACEMENTS; i++)); do
		put drop overwrite 2> /dev/null
	done
	expect_eq "packets that no program has dropped" 0 "$(received)"
	"$BPFTOOL" net detach netfilter pin "$PIN"
	wait_for some_received
	stop_flood
}

# check_failures PLACE: let each call fail once. The command has then replaced the program or
# changed nothing.
check_failures()
{
	local number old status

	place "$1"
	put accept
	for ((number = 1; number < MAX_CALLS; number++)); do
		old=$(ids "$PIN")
		status=0
		"$HELPERS/fail_call" "$WORK/failed" "$number" 5 "$BPFTOOL" net attach netfilter \
			pinned "$PINS/drop" "${THERE[@]}" overwrite > "$WORK/said" 2>&1 || status=$?
		[[ -s $WORK/failed ]] || break
		echo "$number $(< "$WORK/failed"): $status: $(< "$WORK/said")"
		clean_tmp
		if ((status)); then
			expect_eq "links" "$old" "$(ids "$PIN")"
			! changes || expect_one accept "$(priority_of_pin)"
		else
			expect_one drop "$(priority_of_pin)"
			put accept overwrite 2> /dev/null
		fi
	done
	((number > 10 && number < MAX_CALLS)) || fail "$number calls"
	expect_eq "exit status without a failure" 0 "$status"
	expect_one drop "$(priority_of_pin)"
}

# If the removal of the temporary pin has failed, the message says how to repeat it.
clean_tmp()
{
	[[ $(< "$WORK/said") =~ \'(bpftool net detach netfilter pin [^\']*)\' ]] || return 0
	# shellcheck disable=SC2086 # split the command into words
	${BASH_REMATCH[1]}
}

priority_of_pin()
{
	nf_prog info "$(members "$PIN" | cut -d ' ' -f 1)" | sed -n 's/^priority=//p'
}

# Does the failed call change something? Most calls only query.
changes()
{
	case $(< "$WORK/failed") in
	"bpf "[78] | "bpf 15" | "bpf 30") return 1 ;;
	esac
}

expect_dropped()
{
	local family

	for family in "${FAMILIES[@]}"; do
		probe "$family" client-server
		expect_delivered ""
	done
}

# check_kills PLACE: kill the command before each call. Each time a program is attached and
# pinned, and the next command says what to do.
check_kills()
{
	local number

	place "$1"
	put drop
	for ((number = 1; number < MAX_CALLS; number++)); do
		"$HELPERS/fail_call" "$WORK/failed" "$number" 0 "$BPFTOOL" net attach netfilter \
			pinned "$PINS/drop" "${THERE[@]}" overwrite > "$WORK/said" 2>&1 || :
		[[ -s $WORK/failed ]] || break
		! changes || expect_dropped
		if ! put drop overwrite > "$WORK/said" 2>&1; then
			expect_match "after kill $number at $(< "$WORK/failed")" "*was killed*" \
				"$(< "$WORK/said")"
			clean_tmp
			put drop overwrite 2> /dev/null
		fi
		! changes || expect_one drop "$(priority_of_pin)"
	done
	((number > 10 && number < MAX_CALLS)) || fail "$number calls"
}

# check_first_attach PLACE: let each call of a first attach fail once. Then all links of the
# place are attached, or none.
check_first_attach()
{
	local number status

	place "$1"
	for ((number = 1; number < MAX_CALLS; number++)); do
		status=0
		"$HELPERS/fail_call" "$WORK/failed" "$number" 5 "$BPFTOOL" net attach netfilter \
			pinned "$PINS/drop" "${THERE[@]}" > "$WORK/said" 2>&1 || status=$?
		[[ -s $WORK/failed ]] || break
		if ((status)); then
			[[ ! -e $PIN && ! -e $PIN~new ]] || fail "a pin is left: $(< "$WORK/failed")"
			expect_nothing_attached
		else
			expect_one drop 7
			"$BPFTOOL" net detach netfilter pin "$PIN"
			nf_prog clean "$PINS"
		fi
	done
	((number > 2 && number < MAX_CALLS)) || fail "$number calls"
	expect_eq "exit status without a failure" 0 "$status"
	expect_one drop 7
}

# A link in another namespace must stay.
check_of_another_netns()
{
	local pin=$PINS/links/server

	place "$1"
	"$BPFTOOL" net attach netfilter pinned "$PINS/accept" "$PF" "${HERE[@]}" \
		netns "$NS_SERVER" pin "$pin"
	expect_fails -s 255 "'overwrite' puts this program in that one's place if it is in this network namespace" \
		put drop pin "$pin"
	expect_fails -s 255 "is not attached in this network namespace" \
		put drop pin "$pin" overwrite
	expect_link "$(members "$pin" | cut -d ' ' -f 1)" priority=7
	expect_nothing_attached
	"$BPFTOOL" net detach netfilter pin "$pin"
}

# The pin is that of a detached link. bpftool says what to do.
check_of_a_detached_link()
{
	local message member

	place "$1"
	put accept
	for member in $(members "$PIN"); do
		nf_prog detach "$member"
	done
	message=$(put drop overwrite 2>&1) && fail "replaced"
	[[ $message =~ \'(bpftool net detach netfilter link [0-9]+)\' ]] || fail "$message"
	${BASH_REMATCH[1]}
	put drop overwrite
	expect_one drop 7
}

# A killed command has left a temporary pin, or an empty directory.
check_tmp_is_there()
{
	place "$1"
	put accept
	put drop pin "$PIN~new" priority 9 2> /dev/null && fail "two priorities"
	"$BPFTOOL" net attach netfilter pinned "$PINS/accept" "$PF" hook forward priority 9 \
		netns "$NS_ROUTER" pin "$PIN~new"
	put drop overwrite > "$WORK/said" 2>&1 && fail "replaced"
	expect_match "what is said" "*another command is about to pin something there*" \
		"$(< "$WORK/said")"
	clean_tmp
	put drop overwrite
	expect_one drop 8
	mkdir "$PIN~new"
	put accept overwrite > "$WORK/said" 2>&1 && fail "replaced"
	clean_tmp
	put accept overwrite
	expect_one accept 7
}

check_moved_is_detached()
{
	place "$1"
	put accept
	put drop overwrite
	"$BPFTOOL" net detach netfilter "${THERE[@]}"
	[[ ! -e $PIN ]] || fail "the pin is still there"
	nf_prog clean "$PINS"
	expect_nothing_attached
}

# The link of the pin has moved to the next priority. Another link has taken its priority,
# after which the pin is named.
check_moved_or_another()
{
	place "$1"
	put accept
	put accept overwrite
	put drop pin "$PINS/links/second"
	expect_fails -s 255 "with 'link'" \
		"$BPFTOOL" net detach netfilter "${THERE[@]}"
	"$BPFTOOL" net detach netfilter link "$(ids "$PINS/links/second" | sed -n 1p)"
	expect_one accept 8
}

check_moved_is_in_the_way()
{
	local message

	place "$1"
	put accept
	put accept overwrite
	message=$(put drop 2>&1) && fail "attached"
	expect_match "what is said" \
		"*exists already and holds link * priority 8 (filter + 8), *'overwrite' puts*" "$message"
	put drop overwrite
	expect_one drop 7
}

# Another tool has detached one of two links. After the command there are two again.
test_what_is_left_of_two()
{
	place two:inet:46
	put accept
	rm "$PIN/ip"
	put drop overwrite
	expect_one drop 8
}

test_directory_with_something_else()
{
	place two:inet:46
	put accept
	mkdir "$PIN/other"
	expect_fails -s 255 "the directory has more in it" put drop overwrite
	rmdir "$PIN/other"
	expect_one accept 7
}

for where in "${PLACES[@]}"; do
	for what in replaced repeated flags said json next_priority pin_of_choice if_prog at_once \
		never_unseen failures kills first_attach of_another_netns of_a_detached_link \
		tmp_is_there moved_is_detached moved_or_another moved_is_in_the_way; do
		add_test "${what}_${where%%:*}" "check_$what" "$where"
	done
done

if [[ ${ARGUMENTS[0]-} != -l ]] && grep -qsa BPF_NF_LINK_UPDATE /sys/kernel/btf/vmlinux; then
	echo "1..0 # SKIP this kernel has BPF_LINK_UPDATE"
	exit $KSFT_SKIP
fi

run_tests
