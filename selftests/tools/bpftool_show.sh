#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# "bpftool net show" and "bpftool link show" of netfilter links, plain and JSON.
#
# Requires: bpftool jq

source "$(dirname "$0")/../lib.sh"

setup()
{
	setup_bpftool
	ACCEPT_ID=$(nf_prog prog-id "$PINS/accept")
}

# shown PRIORITY [ARG...]: print the JSON object of the link at this priority, which no other
# test uses.
shown()
{
	local priority=$1

	shift
	bpftool -j net show "$@" | jq -c ".[].netfilter[] | select(.prio == $priority)"
}

attach_unique()
{
	bpftool net attach netfilter pinned "$PINS/accept" "$FAMILY" hook "$1" \
		priority "$2" netns "$NS_ROUTER" "${@:3}"
}

test_json()
{
	attach_unique forward 30001 defrag
	expect_json "$(shown 30001)" \
		".pf_name == \"$FAMILY\"" \
		'.hook == 2' '.hook_name == "forward"' \
		'.prio == 30001' 'has("priority_name") | not' \
		'.flags == 1' '.flag_names == ["defrag"]' \
		".id == $ACCEPT_ID" '.prog_name == "accept"' \
		".link_id == $(nf_prog info "$(here_pin "$FAMILY" 30001)" | sed -n 's/^id=//p')" \
		".netns_ino == $ROUTER_INO" ".netns_name == \"$NS_ROUTER\"" \
		".pinned == [\"$(here_pin "$FAMILY" 30001)\"]"
}

test_plain()
{
	attach_unique forward 30002 defrag
	expect_match "the listing" \
		"*$FAMILY forward prio 30002 flags 0x1 (defrag) prog_id $ACCEPT_ID name accept link_id * netns $NS_ROUTER*pinned $(here_pin "$FAMILY" 30002)*" \
		"$(bpftool net show)"
}

# The whole output is one array with one object, also by the shorter forms of the command.
test_whole_output_is_json()
{
	attach_unique forward 30003
	expect_json "$(bpftool -j net show)" 'length == 1' '.[0].netfilter | type == "array"'
	expect_json "$(bpftool -p net list)" '.[0].netfilter | length > 0'
	expect_json "$(bpftool -j net)" '.[0].netfilter | length > 0'
}

# expect_priority_name NUMBER NAME: "net show" has this name for this priority
expect_priority_name()
{
	attach_unique output "$1" pin "$PINS/links/here"
	expect_json "$(bpftool -j net show | jq -c \
		".[].netfilter[] | select(.pinned == [\"$PINS/links/here\"])")" \
		".prio == $1" ".priority_name == $2"
}

test_priority_named()
{
	expect_priority_name -150 '"mangle"'
}

test_priority_named_with_offset()
{
	expect_priority_name 53 '"security + 3"'
}

test_priority_named_with_negative_offset()
{
	expect_priority_name -301 '"raw - 1"'
}

test_priority_without_a_name()
{
	expect_priority_name -200 null
}

test_strict()
{
	needs_own BPF_F_NETFILTER_DEFRAG_STRICT
	attach_unique forward 30018 strict
	expect_json "$(shown 30018)" '.flags == 65537' '.flag_names == ["defrag", "strict"]'
	expect_match "the listing" "*prio 30018 flags 0x10001 (defrag, strict) prog_id*" \
		"$(bpftool net show)"
}

test_track()
{
	needs_own BPF_F_NETFILTER_FRAG_TRACK
	attach_unique forward 30029 fragments track
	expect_json "$(shown 30029)" '.flags == 131072' '.flag_names == ["track"]'
	expect_match "the listing" "*prio 30029 flags 0x20000 (track) prog_id*" \
		"$(bpftool net show)"
}

# attach_deny PRIORITY: attach, and let it drop one packet and accept another.
attach_deny()
{
	bpftool net attach netfilter pinned "$PINS/deny_port" "$FAMILY" hook forward \
		priority "$1" netns "$NS_ROUTER"
	probe 4 client-server
	probe 4 client-server -p 53
	expect_stats packets=2 dropped=1
}

# The link counts the sentinel of each probe, but the policy does not.
COUNTED=('.accepted == 3' '.dropped == 1' '.dropped_fragments == 0')

test_counters()
{
	needs_own BPF_NF_LINK_STATS
	attach_deny 30019
	expect_json "$(shown 30019)" "${COUNTED[@]}"
	expect_match "the listing" \
		"*prio 30019 *"$'\n\t\t'"accepted 3 dropped 1 dropped_fragments 0"$'\n'"*" \
		"$(bpftool net show)"
}

test_counters_of_link_show()
{
	local pin

	needs_own BPF_NF_LINK_STATS
	attach_deny 30020
	pin=$(here_pin "$FAMILY" 30020)
	expect_json "$(bpftool -j link show pinned "$pin")" "${COUNTED[@]}"
	expect_match "plain" "*accepted 3 dropped 1 dropped_fragments 0*" \
		"$(bpftool link show pinned "$pin")"
}

# Bytes count from the IP header on: the datagram of an IPv4 probe has 120, its sentinel 31.
BYTES="accepted_bytes $((120 + 2 * 31)) dropped_bytes 120 dropped_fragments_bytes 0"

test_bytes()
{
	local pin

	needs_own BPF_NF_LINK_BYTES
	attach_deny 30030
	pin=$(here_pin "$FAMILY" 30030)
	expect_json "$(shown 30030)" ".accepted_bytes == $((120 + 2 * 31))" \
		'.dropped_bytes == 120' '.dropped_fragments_bytes == 0'
	expect_match "the listing" \
		"*prio 30030 *"$'\n\t\t'"accepted 3 dropped 1 dropped_fragments 0"$'\n\t\t'"$BYTES"$'\n'"*" \
		"$(bpftool net show)"
	expect_json "$(bpftool -j link show pinned "$pin")" '.dropped_bytes == 120'
	expect_match "link show" "*dropped_fragments 0"$'\n\t\t'"$BYTES*" \
		"$(bpftool link show pinned "$pin")"
}

# The datagram of an IPv6 probe has 140 bytes, its sentinel 51.
test_part_of_ipv6()
{
	local pin

	requires ipv6
	needs_own BPF_NF_LINK_BYTES
	attach_deny 30031
	pin=$(here_pin "$FAMILY" 30031)
	expect_json "$(shown 30031)" '.ipv6 | length == 6 and all(. == 0)'
	[[ $(bpftool link show pinned "$pin") != *ipv6* ]] || fail "a line of IPv6 before IPv6"
	probe 6 client-server
	expect_json "$(shown 30031)" '.accepted == 4' '.dropped == 2' '.dropped_bytes == 120 + 140' \
		'.ipv6 == {accepted: 1, dropped: 1, dropped_fragments: 0, accepted_bytes: 51,
			   dropped_bytes: 140, dropped_fragments_bytes: 0}'
	expect_match "the listing" \
		"*accepted 4 dropped 2 *"$'\n\t\t'"ipv6: accepted 1 dropped 1 dropped_fragments 0 accepted_bytes 51 dropped_bytes 140 dropped_fragments_bytes 0*" \
		"$(bpftool link show pinned "$pin")"
}

# check_one_family PF IPV6_PACKETS: a link of one family needs no line for IPv6, but JSON has
# the object.
check_one_family()
{
	local pf=$1 packets=$2 family

	requires ipv6
	needs_own BPF_NF_LINK_BYTES
	bpftool net attach netfilter pinned "$PINS/deny_port" "$pf" hook forward \
		priority 30032 netns "$NS_ROUTER"
	for family in 4 6; do
		probe "$family" client-server
	done
	expect_json "$(shown 30032)" '.accepted == 1' '.dropped == 1' \
		".ipv6.accepted == $packets" ".ipv6.dropped == $packets"
	expect_match "plain" "*accepted 1 dropped 1 *accepted_bytes *" \
		"$(bpftool link show pinned "$(here_pin "$pf" 30032)")"
	[[ $(bpftool link show pinned "$(here_pin "$pf" 30032)") != *ipv6:* ]] ||
		fail "a line of IPv6"
}

# check_cookie NUMBER: it is printed, also if jq would round it.
check_cookie()
{
	local cookie=$1 pin

	needs_own BPF_NF_LINK_COOKIE
	attach_unique forward 30033 cookie "$cookie"
	pin=$(here_pin "$FAMILY" 30033)
	expect_match "JSON" "*\"cookie\":$cookie,*" "$(bpftool -j net show)"
	expect_match "JSON of link show" "*\"cookie\":$cookie,*" \
		"$(bpftool -j link show pinned "$pin")"
	expect_match "the listing" "*prio 30033 * netns $NS_ROUTER cookie $cookie"$'\n'"*" \
		"$(bpftool net show)"
	expect_match "link show" "* prio 30033 cookie $cookie"$'\n'"*" \
		"$(bpftool link show pinned "$pin")"
}

test_no_cookie()
{
	needs_own BPF_NF_LINK_COOKIE
	attach_unique forward 30034
	expect_json "$(shown 30034)" '.cookie == 0'
	expect_match "the listing" "*prio 30034 * netns $NS_ROUTER"$'\n'"*" "$(bpftool net show)"
	[[ $(bpftool net show) != *cookie* ]] || fail "a cookie in plain output"
}

# On mainline the link keeps the first of the two namespaces, which has no name any more.
test_namespace_made_again()
{
	local ns=again$$
	local pin=$BPFFS/netfilter/${ns}_${FAMILY}_forward_30022

	ip netns add "$ns"
	bpftool net attach netfilter pinned "$PINS/accept" "$FAMILY" hook forward priority 30022 \
		netns "$ns"
	expect_match "in its namespace" "*prio 30022*" "$(bpftool net show netns "$ns")"
	ip netns delete "$ns"
	ip netns add "$ns"
	expect_eq "links in the new namespace" 0 "$(bpftool -j net show netns "$ns" |
		jq '[.[].netfilter[]? | select(.prio == 30022)] | length')"
	expect_eq "links that are said to be in it" 0 "$(bpftool -j net show |
		jq "[.[].netfilter[]? | select(.prio == 30022 and .netns_name == \"$ns\")] | length")"
	bpftool net detach netfilter pin "$pin"
	ip netns delete "$ns"
}

test_counters_go_on_when_overwritten()
{
	needs_own BPF_NF_LINK_STATS
	attach_deny 30021
	attach_unique forward 30021 overwrite
	probe 4 client-server
	expect_json "$(shown 30021)" '.prog_name == "accept"' '.accepted == 5' '.dropped == 1'
}

# drop_fragments PRIORITY: attach a strict link, and let it accept a datagram and drop the three
# fragments of another one. Untracked packets are not reassembled, so the link drops their
# fragments.
drop_fragments()
{
	type -P nft >/dev/null || lacks "nft"
	attach_unique forward "$1" strict
	probe 4 client-server -z 1400,480,912
	expect_json "$(shown "$1")" '.accepted == 2' '.dropped_fragments == 0'
	nft_router 'table ip t { chain c { type filter hook prerouting priority -450; notrack; }; }'
	probe 4 client-server -z 1400,480,912
	expect_delivered ""
	expect_stats packets=1
}

test_counter_of_fragments()
{
	requires conntrack
	needs_own BPF_NF_LINK_STATS
	drop_fragments 30022
	expect_json "$(shown 30022)" '.accepted == 3' '.dropped == 0' '.dropped_fragments == 3'
}

test_bytes_of_fragments()
{
	requires conntrack
	needs_own BPF_NF_LINK_BYTES
	drop_fragments 30035
	expect_json "$(shown 30035)" '.dropped_fragments == 3' \
		".dropped_fragments_bytes == $((1400 + 480 + 912 + 3 * 20))"
}

# Without counters bpftool shows none: zeroes would say that no packet came.
check_no_counters()
{
	attach_deny 30023
	expect_json "$(shown 30023)" 'has("accepted") | not' 'has("dropped") | not' \
		'has("dropped_fragments") | not' 'has("accepted_bytes") | not' 'has("ipv6") | not' \
		'has("cookie") | not'
	[[ $(bpftool net show) != *accepted* ]] || fail "counters in plain output"
}

test_no_flags()
{
	attach_unique forward 30004
	expect_json "$(shown 30004)" '.flags == 0' '.flag_names == []'
	expect_match "the listing" "* prio 30004 prog_id *" "$(bpftool net show | grep -w 30004)"
}

test_netns()
{
	attach_unique forward 30005
	bpftool net attach netfilter pinned "$PINS/accept" "$FAMILY" hook forward \
		priority 30006 netns "$NS_SERVER" pin "$PINS/links/server"
	expect_json "$(shown 30005 netns "$NS_ROUTER")" '.link_id > 0'
	expect_eq "the server's, shown of the router" "" "$(shown 30006 netns "$NS_ROUTER")"
	expect_eq "the router's, shown of the server" "" "$(shown 30005 netns "$NS_SERVER")"
}

# The kernel tells the namespace of a link, so the pin's name does not matter.
test_netns_of_a_link_without_default_pin()
{
	attach_unique forward 30007 pin "$PINS/links/here"
	needs_listed_hooks
	expect_json "$(shown 30007 netns "$NS_ROUTER")" '.link_id > 0'
	expect_eq "shown of the server" "" "$(shown 30007 netns "$NS_SERVER")"
}

# There are more hooks than fit into one buffer of the kernel's answer.
test_ordered()
{
	local priority

	for priority in 30013 30011 30012; do
		attach_unique forward "$priority"
	done
	expect_eq "order of priorities" "30011 30012 30013" \
		"$(bpftool -j net show | jq -r '[.[].netfilter[].prio | select(. > 30010 and . < 30020)] | join(" ")')"
}

test_without_a_pin()
{
	hold accept "$FAMILY" forward 30008
	expect_json "$(shown 30008)" '.pinned == []' ".id == $ACCEPT_ID"
	kill "$HELD"
}

test_two_pins()
{
	attach_unique forward 30009
	nf_prog pin "$(here_pin "$FAMILY" 30009)" "$PINS/links/second"
	expect_json "$(shown 30009)" '.pinned | length == 2' \
		".pinned | contains([\"$PINS/links/second\"])"
}

# bpftool lists a pin once for each visible mount of its file system.
test_mounted_over()
{
	local pin pins

	attach_unique forward 30091
	pin=$(here_pin "$FAMILY" 30091)
	mkdir "$WORK/mounted"
	# shellcheck disable=SC2016 # the inner shell expands $1
	pins=$(unshare -m sh -c 'mount --bind "$1" "$2"; mount --bind "$1" "$2"; shift 2; exec "$@"' \
		sh "$BPFFS" "$WORK/mounted" bpftool -j net show |
		jq -c '.[].netfilter[] | select(.prio == 30091) | .pinned | sort')
	expect_json "$pins" "length == 2" "index(\"$pin\")" \
		"index(\"$WORK/mounted${pin#"$BPFFS"}\")"
}

# If bpftool cannot know the namespace of a link, the listing of a namespace says so.
test_untold()
{
	local json

	hold accept "$FAMILY" forward 30092
	json=$(bpftool -j net show netns "$NS_ROUTER")
	if [[ -n $(shown 30092 netns "$NS_ROUTER") ]]; then
		expect_json "$json" '.[0] | has("netfilter_untold") | not'
	else
		expect_json "$json" '.[0].netfilter_untold > 0'
		expect_match "the note" "*more link* may be in netns $NS_ROUTER*" \
			"$(bpftool net show netns "$NS_ROUTER" 2>&1)"
	fi
	kill "$HELD"
}

test_defunct()
{
	attach_unique forward 30010
	if [[ $(shown 30010) != *'"defunct":false'* ]]; then
		lacks "a way to tell that a link is defunct"
	fi
	nf_prog detach "$(here_pin "$FAMILY" 30010)"
	expect_json "$(shown 30010)" '.defunct == true'
	expect_match "the listing" "* defunct*" "$(bpftool net show | grep -w 30010)"
}

# A user's name for a pin may begin with a number. That is not a namespace.
test_pin_with_a_number()
{
	local pin=$BPFFS/netfilter/10-allow

	mkdir -p "$BPFFS/netfilter"
	attach_unique forward 30090 pin "$pin"
	nf_prog detach "$pin"
	expect_json "$(shown 30090)" ".pinned == [\"$pin\"]" 'has("netns_ino") | not'
	rm "$pin"
}

test_without_cap_sys_admin()
{
	expect_fails -s 255 "can't list links" without_admin "$(type -P bpftool)" net show
	expect_fails -s 255 "it takes CAP_SYS_ADMIN" \
		without_admin "$(type -P bpftool)" -j net show
}

test_detached_is_gone()
{
	attach_unique forward 30014
	expect_json "$(shown 30014)" '.link_id > 0'
	bpftool net detach netfilter "$FAMILY" hook forward priority 30014 netns "$NS_ROUTER"
	expect_eq "after detach" "" "$(shown 30014)"
}

test_link_show()
{
	local id

	attach_unique input 30015 defrag
	id=$(shown 30015 | jq .link_id)
	expect_json "$(bpftool -j link show id "$id")" \
		'.type == "netfilter"' ".prog_id == $ACCEPT_ID" \
		".pf_name == \"$FAMILY\"" '.hook_name == "input"' '.prio == 30015' \
		'.flags == 1'
	expect_match "plain" "*$FAMILY input prio 30015 flags 0x1 (defrag)*" \
		"$(bpftool link show id "$id")"
}

test_link_show_pinned()
{
	attach_unique input 30016 pin "$PINS/links/here"
	expect_json "$(bpftool -j link show pinned "$PINS/links/here")" '.prio == 30016'
}

# A script needs the exit status, because the output does not show it.
test_link_show_exit_status()
{
	attach_unique input 30016 pin "$PINS/links/here"
	bpftool link show pinned "$PINS/links/here" > /dev/null
	bpftool -j link show pinned "$PINS/links/here" > /dev/null
	bpftool link show id "$(link_id "$PINS/links/here")" > /dev/null
	bpftool link show > /dev/null
	expect_fails "No such file" bpftool link show pinned "$PINS/links/none"
}

# no_duplicate_keys COMMAND...: the JSON has no key twice. jq would silently take the last.
no_duplicate_keys()
{
	"$@" | python3 -c '
import collections, json, sys
def check(pairs):
    for key, count in collections.Counter(key for key, _ in pairs).items():
        if count > 1:
            sys.exit("key twice: " + key)
    return dict(pairs)
json.load(sys.stdin, object_pairs_hook=check)' || fail "$*"
}

# JSON has each key once, and each value under one name.
test_json_has_no_key_twice()
{
	attach_unique input 30024 pin "$PINS/links/here"
	no_duplicate_keys bpftool -j net show
	no_duplicate_keys bpftool -j link show pinned "$PINS/links/here"
	expect_json "$(shown 30024)" 'has("priority") | not' 'has("prog_id") | not' \
		'.prio == 30024' ".id == $ACCEPT_ID"
	expect_json "$(bpftool -j link show pinned "$PINS/links/here")" \
		'has("priority") | not' '.prio == 30024' ".prog_id == $ACCEPT_ID"
}

# without_update COMMAND...: bpf(BPF_LINK_UPDATE) kills it (seccomp: SIGSYS).
without_update()
{
	python3 - "$@" <<-'EOF_PYTHON'
	import ctypes, os, platform, struct, sys
	BPF = {"x86_64": 321, "aarch64": 280}[platform.machine()]
	LINK_UPDATE = 29
	def insn(code, jt, jf, k):
	    return struct.pack("HBBI", code, jt, jf, k)
	code = b"".join((
	    insn(0x20, 0, 0, 0),		# A = nr
	    insn(0x15, 0, 3, BPF),
	    insn(0x20, 0, 0, 16),		# A = args[0]
	    insn(0x15, 0, 1, LINK_UPDATE),
	    insn(0x06, 0, 0, 0x80000000),	# kill the process
	    insn(0x06, 0, 0, 0x7fff0000)))	# allow
	class Fprog(ctypes.Structure):
	    _fields_ = [("len", ctypes.c_ushort), ("filter", ctypes.c_char_p)]
	libc = ctypes.CDLL(None, use_errno=True)
	prog = Fprog(len(code) // 8, code)
	if libc.prctl(38, 1, 0, 0, 0) or libc.prctl(22, 2, ctypes.byref(prog), 0, 0):
	    sys.exit("seccomp: " + os.strerror(ctypes.get_errno()))
	os.execvp(sys.argv[1], sys.argv[1:])
	EOF_PYTHON
}

check_writes_nothing()
{
	attach_unique forward 30025
	without_update "$@" > /dev/null
}

# A refused command, which looks at the link, does not update it.
check_refused_writes_nothing()
{
	attach_unique forward 30025
	expect_fails -s 255 "taken by" without_update bpftool net attach netfilter \
		pinned "$PINS/accept" "$FAMILY" hook forward priority 30025 \
		netns "$NS_ROUTER"
}

# The control: the filter kills "overwrite", which updates.
test_overwrite_writes()
{
	needs_own BPF_NF_LINK_UPDATE
	attach_unique forward 30025
	! without_update bpftool net attach netfilter pinned "$PINS/accept" "$FAMILY" \
		hook forward priority 30025 netns "$NS_ROUTER" overwrite ||
		fail "BPF_LINK_UPDATE was not seen"
}

# Listing links needs CAP_SYS_ADMIN. An array of links must not contain an error.
test_json_without_cap_sys_admin()
{
	local output status=0

	attach_unique forward 30026
	output=$(without_admin "$(type -P bpftool)" -j net show) || status=$?
	expect_eq "exit status" 255 "$status"
	expect_json "$output" 'length == 1' '.[0].netfilter == []' \
		'.[0].netfilter_error | contains("CAP_SYS_ADMIN")'
	expect_fails -s 255 "can't list links: Operation not permitted: it takes CAP_SYS_ADMIN" \
		without_admin "$(type -P bpftool)" net show
	expect_json "$(bpftool -j net show)" '.[0] | has("netfilter_error") | not'
}

test_link_detach()
{
	attach_unique forward 30017
	probe 4 client-server
	expect_stats packets=1
	bpftool link detach pinned "$(here_pin "$FAMILY" 30017)"
	probe 4 client-server
	expect_stats packets=1
}

test_unknown_netns()
{
	expect_fails "nonesuch" bpftool net show netns nonesuch
}

test_help()
{
	expect_match "help" "*attach netfilter*detach netfilter*" "$(bpftool net help 2>&1)"
}

add_test one_family_ip check_one_family ip 0
add_test one_family_ip6 check_one_family ip6 1
add_test cookie check_cookie 7
add_test cookie_of_64_bits check_cookie 18446744073709551615
add_test net_show_writes_nothing check_writes_nothing bpftool net show
add_test net_show_json_writes_nothing check_writes_nothing bpftool -j net show
add_test net_list_writes_nothing check_writes_nothing bpftool net list netns "/proc/self/ns/net"
add_test link_show_writes_nothing check_writes_nothing bpftool -f link show
add_test attach_refused_writes_nothing check_refused_writes_nothing
grep -qa BPF_NF_LINK_STATS /sys/kernel/btf/vmlinux ||
	add_test no_counters_where_nothing_counts check_no_counters

run_tests
