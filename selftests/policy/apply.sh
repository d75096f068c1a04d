#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# nf-bpf apply puts the whole policy in force, or changes nothing. During an update no packet
# passes without a program. nf-bpf rollback goes back to the version before.
#
# Requires: jq python3

source "$(dirname "$0")/lib.sh"

UPDATES=10

cleanup()
{
	[[ ! -e $WORK/syslog.pid ]] || kill -KILL "$(< "$WORK/syslog.pid")" 2> /dev/null || :
	[[ -z $NF_BPF ]] || nf_bpf remove edge > /dev/null 2>&1 || :
}

test_both_families()
{
	begin
	expect_verdict passes
	apply drop
	expect_verdict dropped
	nf_bpf remove edge
	expect_verdict passes
}

test_repeated()
{
	local ids

	begin
	apply accept
	ids=$(link_ids)
	expect_match "what is said" "*version 1 is in force" "$(< "$WORK/said")"
	if tells_attached; then
		expect_match "what is said" "*version 1 is in force and unchanged" "$(nf_bpf apply edge)"
		expect_eq "links" "$ids" "$(link_ids)"
	else
		nf_bpf apply edge
		expect_in_force 1
		expect_clean
	fi
	expect_verdict passes
	! tells_attached || expect_eq "packets" "${#FAMILIES[@]}" "$(counted)"
}

test_updated()
{
	begin
	apply accept
	expect_verdict passes
	apply drop
	expect_in_force 2
	expect_verdict dropped
	expect_clean
	apply accept
	expect_in_force 3
	expect_verdict passes
	expect_clean
}

# A kernel of this project replaces the program of the link.
test_link_stays()
{
	local ids

	needs_own BPF_NF_LINK_UPDATE
	begin
	apply accept
	ids=$(link_ids)
	apply drop
	expect_eq "links" "$ids" "$(link_ids)"
	expect_verdict dropped
}

# check_never_unseen LINE...: update the policy many times. Each version has one of the LINEs, and
# drops all packets. The program at the server counts the packets that passed no version.
check_never_unseen()
{
	local i line

	begin
	load_policy received
	count_received
	apply drop
	flood
	for ((i = 0; i < UPDATES; i++)); do
		line=${*:1 + i % $#:1}
		apply drop "$line"
		[[ $line != "cookie = "* ]] ||
			expect_link "$(current)/inet" "cookie=${line#cookie = }"
	done
	expect_eq "packets that no program has dropped" 0 "$(received)"
	nf_bpf remove edge
	wait_for some_received
	stop_flood
}

add_test never_unseen check_never_unseen "hook = forward"
add_test never_unseen_at_another_hook check_never_unseen "hook = prerouting" "hook = forward"

test_never_unseen_with_another_cookie()
{
	needs_own BPF_NF_LINK_COOKIE
	check_never_unseen "cookie = 1" "cookie = 2"
}

test_maps_are_kept()
{
	begin
	apply accept "keep = stats"
	expect_verdict passes
	apply accept "keep = stats"
	expect_eq "packets after an update" "${#FAMILIES[@]}" "$(counted)"
	expect_verdict passes
	expect_eq "packets" "$((2 * ${#FAMILIES[@]}))" "$(counted)"
	apply accept
	expect_eq "packets of a new map" 0 "$(counted)"
}

test_another_shape()
{
	begin
	apply drop "keep = stats"
	conf drop "keep = stats" "[limits]" "stats = 3"
	expect_fails -s 1 "map stats: can't be kept" nf_bpf apply edge
	expect_in_force 1
	expect_verdict dropped
	conf drop "[limits]" "stats = 3"
	nf_bpf apply edge
	expect_in_force 2
}

# refused TEXT LINE...: apply refuses a file with these lines, says TEXT, and keeps the old version
refused()
{
	conf drop "${@:2}"
	expect_fails -s 1 "$1" nf_bpf apply edge
	expect_in_force 1
	expect_verdict dropped
	expect_clean
	expect_eq "versions" 1 "$(ls "$STATE/edge/versions")"
}

test_no_object()
{
	begin
	apply drop
	head -c 1000 "$OBJECT" > "$WORK/half.o"
	refused "not a BPF object" "object = $WORK/half.o"
}

test_no_program()
{
	begin
	apply drop
	conf nothing
	expect_fails -s 1 "program = deny_port" nf_bpf apply edge
	expect_in_force 1
	expect_verdict dropped
}

test_refused_by_the_verifier()
{
	begin
	apply drop
	conf refused "object = $SELFTESTS/policy/progs/rules.bpf.o"
	expect_fails -s 1 "program refused can't be loaded" nf_bpf apply edge
	expect_in_force 1
	expect_verdict dropped
	expect_clean
}

test_too_large()
{
	begin
	apply drop
	conf find "object = $SELFTESTS/tools/progs/too_large.bpf.o"
	expect_fails -s 1 "program find can't be loaded: it exceeds a limit of the kernel: " \
		nf_bpf apply edge
	expect_in_force 1
	expect_verdict dropped
	expect_clean
}

test_place_is_taken()
{
	begin
	attach accept ip forward 7
	conf drop
	expect_fails -s 1 "write 'priority = " nf_bpf apply edge
	expect_fails -s 3 "" nf_bpf status edge
	expect_verdict passes
	detach_all
	nf_bpf apply edge
	expect_verdict dropped
}

# If the place of one link is taken, neither link is attached.
test_place_is_half_taken()
{
	requires ipv6
	begin
	attach accept ip6 forward 7
	conf drop
	expect_fails -s 1 "can't attach" nf_bpf apply edge
	expect_verdict passes
	[[ ! -e $(current) ]] || fail "there is a generation"
}

test_pins_that_would_vanish()
{
	begin
	conf drop
	expect_fails -s 1 "do not use 'ip netns exec'" ip netns exec "$NS_ROUTER" \
		bash -c 'mount -t bpf bpf /sys/fs/bpf; "$@"' -- \
		"$NF_BPF" --etc "$ETC" --state "$STATE" apply edge
	expect_verdict passes
}

# Without "netns", the policy stays in the network namespace of the machine.
test_command_in_another_netns()
{
	local file=("[policy]" "object = $OBJECT" "program = accept" "hook = forward"
		    "priority = 7" "fragments = pass")

	[[ -r /proc/1/ns/net ]] || lacks "permission to look at process 1"
	begin
	printf '%s\n' "${file[@]}" > "$ETC/edge.conf"
	expect_fails -s 1 "this command runs in another one" nsenter --net="/run/netns/$NS_ROUTER" \
		"$NF_BPF" --etc "$ETC" --state "$STATE" --pins "$PINS/nf-bpf" apply edge
	[[ ! -e $(current) ]] || fail "there is a generation"
	nf_bpf apply edge
	expect_in_force 1
	# Commands in any network namespace read and remove the policy of the machine.
	nsenter --net="/run/netns/$NS_ROUTER" "$NF_BPF" --etc "$ETC" --state "$STATE" \
		--pins "$PINS/nf-bpf" --json status edge > "$WORK/said"
	expect_json "$(< "$WORK/said")" .in_force
	printf '%s\n' "# changed" "${file[@]}" > "$ETC/edge.conf"
	expect_fails -s 1 "this command runs in another one" nsenter --net="/run/netns/$NS_ROUTER" \
		"$NF_BPF" --etc "$ETC" --state "$STATE" --pins "$PINS/nf-bpf" try 60 edge
	expect_fails -s 1 "this command runs in another one" nsenter --net="/run/netns/$NS_ROUTER" \
		"$NF_BPF" --etc "$ETC" --state "$STATE" --pins "$PINS/nf-bpf" start edge
	expect_in_force 1
	nf_bpf apply edge
	expect_in_force 2
	expect_clean
	nf_bpf remove edge
}

test_at_once()
{
	local i commands=()

	begin
	apply drop
	for i in 1 2 3 4; do
		conf drop
		cp "$ETC/edge.conf" "$WORK/edge.$i"
		mkdir -p "$WORK/etc$i"
		mv "$WORK/edge.$i" "$WORK/etc$i/edge.conf"
	done
	for i in 1 2 3 4; do
		"$NF_BPF" --etc "$WORK/etc$i" --state "$STATE" --pins "$PINS/nf-bpf" apply edge &
		commands+=($!)
	done
	for i in "${commands[@]}"; do
		wait "$i" || fail "a command failed"
	done
	cp "$WORK/etc1/edge.conf" "$ETC/edge.conf"
	expect_in_force 5
	expect_clean
	expect_verdict dropped
}

# The file changes while the command waits for another command.
test_file_of_now()
{
	local command

	begin
	apply accept
	exec 9< "$STATE/edge/lock"
	flock 9
	conf accept
	nf_bpf apply edge 9<&- &
	command=$!
	wait_for grep -e "-> FLOCK .*:$(stat -c %i "$STATE/edge/lock") " /proc/locks
	conf drop
	flock -u 9
	wait "$command" || fail "the command failed"
	exec 9<&-
	expect_in_force 2
	expect_verdict dropped
}

test_rollback()
{
	begin
	apply accept
	apply drop
	expect_verdict dropped
	nf_bpf rollback edge
	expect_in_force 1
	expect_verdict passes
	expect_clean
	expect_fails -s 1 "is the first one" nf_bpf rollback edge
	expect_verdict passes
}

# rollback goes back to the version that was in force, not to the one with the number before.
test_rollback_passes_a_bad_version()
{
	begin
	apply accept
	apply drop
	nf_bpf rollback edge
	apply deny_port
	expect_in_force 3
	nf_bpf rollback edge
	expect_in_force 1
	expect_verdict passes
}

test_status_names_changes()
{
	begin
	apply accept
	expect_json "$(nf_bpf --json status edge)" '.changes == []' '.program.name == "accept"' \
		'.hook == "forward"' '.links | length > 0'
	conf drop
	expect_json "$(nf_bpf --json status edge)" \
		'.changes == [{"what": "program", "in_force": "accept", "file": "drop"}]'
	expect_match "status" "*differs*program: 'accept' in force, 'drop' in the file*" \
		"$(nf_bpf status edge)"
}

# expect_strict_json TEXT FILTER...: jq accepts more than JSON allows, so ask Python as well.
expect_strict_json()
{
	/usr/bin/python3 -c 'import json, sys; json.loads(sys.stdin.buffer.read().decode())' <<< "$1" ||
		fail "no JSON: $1"
	expect_json "$@"
}

# A control character, and a byte that is not UTF-8
test_status_is_json()
{
	local name=$'a\x01\xff\xc3\xbc"' json

	begin
	conf accept
	SUDO_USER=$name nf_bpf apply edge > /dev/null
	json=$(nf_bpf --json status edge)
	expect_strict_json "$json" '.in_force' '.versions[0].by == "a\\x01\\xffü\""'
	expect_match "text" '*by a\\x01\\xffü"*' "$(nf_bpf status edge)"
	expect_strict_json "$(nf_bpf --json status)" '.[0].versions[0].by == "a\\x01\\xffü\""'
}

# If the state cannot be read, the error is JSON, too.
test_status_fails_as_json()
{
	local json

	begin
	apply accept
	cp "$STATE/edge/state" "$WORK/good"
	: > "$STATE/edge/state"
	json=$(! nf_bpf --json status edge 2> "$WORK/said")
	expect_strict_json "$json" '.name == "edge"' '.error | test("which version is in force")' \
		'has("in_force") | not'
	expect_match "message" "*which version is in force*" "$(< "$WORK/said")"
	json=$(! nf_bpf --json status 2> /dev/null)
	expect_strict_json "$json" '.[0] | .name == "edge" and has("error")'
	cp "$WORK/good" "$STATE/edge/state"
	expect_strict_json "$(nf_bpf --json status edge)" '.in_force' 'has("error") | not'
	json=$(! nf_bpf --etc "$WORK/missing" --json status 2> /dev/null)
	expect_strict_json "$json" '.[0].error | test("No such file")'
}

test_counters()
{
	needs_own BPF_NF_LINK_STATS
	begin
	apply drop
	expect_verdict dropped
	expect_json "$(nf_bpf --json status edge)" \
		"[.links[].dropped] | add == ${#FAMILIES[@]}"
}

# Somebody else detaches the links of the policy.
detach_links()
{
	local pin

	for pin in "$(current)"/{inet,ip,ip6}; do
		[[ ! -e $pin ]] || nf_prog detach "$pin"
	done
}

# Somebody detached the link: status tells, and apply repairs.
test_detached()
{
	begin
	apply drop
	detach_links
	expect_fails -s 3 "not attached" nf_bpf status edge
	expect_verdict passes
	nf_bpf apply edge
	expect_in_force 1
	expect_verdict dropped
	expect_clean
}

# Somebody detached the link, and then attached another program at its place.
test_detached_and_place_is_taken()
{
	begin
	apply drop
	detach_links
	attach_both accept 7
	if tells_attached; then
		expect_fails -s 3 "edge: version 1: not attached" nf_bpf status edge
	else
		expect_match "status" "*unverified*" "$(nf_bpf status edge)"
	fi
	expect_verdict passes
	nf_bpf apply edge
	expect_in_force 1
	expect_verdict dropped
	detach_all
}

attach_both()
{
	local family

	for family in "${FAMILIES[@]}"; do
		attach "$1" "ip${family/4/}" forward "$2"
	done
}

test_old_versions_go()
{
	local i

	begin
	for ((i = 0; i < 13; i++)); do
		apply accept
	done
	expect_eq "versions" 10 "$(find "$STATE/edge/versions" -mindepth 1 -maxdepth 1 | wc -l)"
	expect_in_force 13
}

# nf-bpf removes old versions, but not the one that rollback needs, even if it is the oldest.
test_version_to_go_back_to_stays()
{
	local i

	begin
	apply accept
	for ((i = 0; i < 12; i++)); do
		apply drop
		[[ $i == 11 ]] || nf_bpf rollback edge > /dev/null
	done
	expect_in_force 13
	nf_bpf rollback edge
	expect_in_force 1
}

# check attaches the program as the file says, where no packet is, and so refuses what apply would
# refuse. Reassembly before the program needs a priority behind that of reassembly.
test_check_attaches()
{
	begin
	apply drop
	conf accept
	nf_bpf check edge
	sed -i "s/^priority = .*/priority = -450/" "$ETC/edge.conf"
	expect_fails -s 1 "can't attach: Numerical result out of range" nf_bpf check edge
	expect_fails -s 1 "can't attach: Numerical result out of range" nf_bpf apply edge
	sed -i "s/^fragments = .*/fragments = pass/" "$ETC/edge.conf"
	nf_bpf check edge
	expect_in_force 1
	expect_verdict dropped
	expect_clean
}

# Without fragments, the file asks for strict, which mainline's kernels do not have.
test_check_without_strict()
{
	[[ $MODE != strict ]] || skip "this kernel has strict"
	begin
	conf accept
	nf_bpf check edge
	sed -i "/^fragments = /d" "$ETC/edge.conf"
	expect_fails -s 1 "this kernel has no 'strict'" nf_bpf check edge
}

# Mainline's kernels cannot attach a program next to another.
test_check_without_places()
{
	! grep -qsa BPF_NF_LINK_PLACE /sys/kernel/btf/vmlinux || skip "this kernel has places"
	begin
	apply drop
	conf accept
	nf_bpf check edge
	sed -e "s/^priority = .*/before = edge/" "$ETC/edge.conf" > "$ETC/first.conf"
	expect_fails -s 1 "before = edge: this kernel can't attach a program next to another" \
		nf_bpf check first
	expect_in_force 1
}

test_place_next_to_another_policy()
{
	local id

	needs_own BPF_NF_LINK_PLACE
	begin
	apply drop
	sed -e 's/^program = .*/program = accept/' -e 's/^priority = .*/before = edge/' \
		"$ETC/edge.conf" > "$ETC/first.conf"
	nf_bpf apply first
	expect_json "$(nf_bpf --json status first)" '.links[0].priority == 6'
	id=$(nf_bpf --json status first | jq '.links[0].id')
	echo "# another" >> "$ETC/first.conf"
	nf_bpf apply first
	expect_json "$(nf_bpf --json status first)" '.version == 2' '.links[0].priority == 6' \
		".links[0].id == $id"
	nf_bpf remove first
}

# expect_at PRIORITY: the policy "first" has one link, which has this priority
expect_at()
{
	expect_json "$(nf_bpf --json status first)" '.links | length == 1' \
		".links[0].priority == $1"
}

# check_beside_own_link WORD AT BESIDE LINE LINE: put the policy "first" next to "edge", with the
# first LINE. The kernel cannot change a link from the first LINE to the second one, so nf-bpf
# attaches another link. The old link has the priority next to "edge".
check_beside_own_link()
{
	local word=$1 at=$2 beside=$3

	needs_own BPF_NF_LINK_PLACE
	[[ $4 != cookie* ]] || needs_own BPF_NF_LINK_COOKIE
	begin
	apply drop
	sed -e "s/^program = .*/program = accept/" -e "s/^priority = .*/$word = edge/" \
		-e "/^fragments = /d" "$ETC/edge.conf" > "$WORK/first.conf"
	{ cat "$WORK/first.conf"; echo "$4"; } > "$ETC/first.conf"
	nf_bpf apply first
	expect_at "$at"
	{ cat "$WORK/first.conf"; echo "$5"; } > "$ETC/first.conf"
	nf_bpf apply first
	expect_at "$beside"
	nf_bpf rollback first
	expect_at "$at"
	nf_bpf try 60 first
	expect_at "$beside"
	nf_bpf rollback first
	expect_at "$at"
	expect_verdict dropped
	nf_bpf remove first
}

add_test fragments_changed_before_a_policy check_beside_own_link before 6 5 \
	"fragments = reassemble" "fragments = strict"
add_test fragments_changed_after_a_policy check_beside_own_link after 8 9 \
	"fragments = reassemble" "fragments = strict"
add_test cookie_changed_before_a_policy check_beside_own_link before 6 5 "cookie = 1" "cookie = 2"
add_test cookie_changed_after_a_policy check_beside_own_link after 8 9 "cookie = 1" "cookie = 2"

# A first fragment leaves alone. Reassembly would hold it.
test_tracked_fragments()
{
	begin
	conf accept "fragments = track"
	if ! grep -qsa BPF_F_NETFILTER_FRAG_TRACK /sys/kernel/btf/vmlinux; then
		expect_fails -s 1 "this kernel has no 'track'" nf_bpf apply edge
		lacks "BPF_F_NETFILTER_FRAG_TRACK"
	fi
	nf_bpf apply edge > /dev/null
	probe 4 client-server -z 1400,480,8,912 -o 0
	expect_wire "0+1400"
	apply accept "fragments = strict"
	probe 4 client-server -z 1400,480,8,912 -o 0
	expect_wire ""
}

# A mainline kernel would ignore the cookie. nf-bpf refuses it before it loads or stores anything. An
# error of the object, which comes later, would have another message.
check_no_cookie()
{
	local command

	apply drop "cookie = 0"
	for command in check apply "try 60"; do
		conf nothing "cookie = 7"
		# shellcheck disable=SC2086 # a command has several words
		expect_fails -s 1 "cookie = 7: this kernel's netfilter links have no cookie" \
			nf_bpf $command edge
		expect_in_force 1
		expect_verdict dropped
		expect_clean
		expect_eq "versions" 1 "$(ls "$STATE/edge/versions")"
	done
	# The state is that of a kernel with cookies.
	apply accept
	sed -i "s/^cookie = 0/cookie = 7/" "$STATE/edge/versions/1/conf"
	expect_fails -s 1 "apply a file without this line" nf_bpf rollback edge
	expect_in_force 2
	expect_verdict passes
}

# with_log COMMAND...: run a command of nf-bpf where /dev/log is the socket $WORK/syslog
with_log()
{
	# shellcheck disable=SC2016 # the inner shell expands it
	unshare --mount bash -c 'mount -t tmpfs tmpfs /dev && mknod -m 666 /dev/null c 1 3 &&
		ln -s "$1" /dev/log && "${@:2}"' -- "$WORK/syslog" timeout 60 "$NF_BPF" \
		--etc "$ETC" --state "$STATE" --pins "$PINS/nf-bpf" "$@"
}

has_logged()
{
	grep -qE "^<29>nf-bpf\\[[0-9]+\\]: $1, by root\$" "$WORK/syslog.lines"
}

# logged LINE: the log gets this line, and has no other new ones
logged()
{
	wait_for has_logged "$1"
	expect_eq "lines of the log" 1 "$(wc -l < "$WORK/syslog.lines")"
	: > "$WORK/syslog.lines"
}

# The log has each change, and nothing else.
test_log()
{
	local log

	unset SUDO_USER
	begin
	/usr/bin/python3 -c 'import socket, sys
log = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
log.bind(sys.argv[1])
while True:
    print(log.recv(4096).decode(), flush=True)' "$WORK/syslog" >> "$WORK/syslog.lines" &
	log=$!
	echo "$log" > "$WORK/syslog.pid"
	wait_for test -S "$WORK/syslog"
	conf accept
	with_log check edge
	with_log apply edge
	logged "edge: version 1 is attached"
	with_log status edge > /dev/null
	conf drop
	with_log try 1000 edge
	logged "edge: version 2 is attached"
	with_log confirm edge
	logged "edge: version 2 is confirmed"
	with_log rollback edge
	logged "edge: version 1 is attached"
	: > "$WORK/none"
	with_log load edge "$WORK/none"
	logged "edge: the rules of $WORK/none are loaded"
	with_log remove edge
	logged "edge: detached"
	with_log remove edge
	conf drop "object = /etc/passwd"
	! with_log start edge || fail "started"
	logged "edge: a program that drops all packets is attached"
	# If nobody reads the log, nf-bpf does not wait for it.
	kill -STOP "$log"
	/usr/bin/python3 -c 'import socket, sys
log = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
log.connect(sys.argv[1])
log.setblocking(False)
try:
    while True:
        log.send(b"full")
except BlockingIOError:
    pass' "$WORK/syslog"
	conf accept
	with_log apply edge
	expect_in_force 3
	kill -KILL "$log"
	wait "$log" 2> /dev/null || :
	rm "$WORK/syslog.pid"
	# There may be no log at all.
	rm "$WORK/syslog"
	conf accept
	with_log apply edge
	expect_in_force 4
}

# Another cookie needs another link.
test_cookie()
{
	local id

	begin
	if ! grep -qsa BPF_NF_LINK_COOKIE /sys/kernel/btf/vmlinux; then
		check_no_cookie
		lacks "BPF_NF_LINK_COOKIE"
	fi
	conf accept "cookie = 7"
	nf_bpf check edge > /dev/null
	nf_bpf apply edge > /dev/null
	expect_link "$(current)/inet" cookie=7 priority=7
	expect_json "$(nf_bpf --json status edge)" '.links[0].cookie == 7'
	expect_match "status" "*link  *, inet, priority 7, cookie 7"$'\n'"*" "$(nf_bpf status edge)"
	id=$(link_ids)
	apply drop "cookie = 0x7"
	expect_eq "link with the same cookie" "$id" "$(link_ids)"
	conf accept "cookie = 8"
	expect_match "status" "*differs  *cookie: '7' in force, '8' in the file*" "$(nf_bpf status edge)"
	nf_bpf apply edge > /dev/null
	expect_link "$(current)/inet" cookie=8
	[[ $(link_ids) != "$id" ]] || fail "it is the same link"
	expect_clean
	nf_bpf rollback edge
	expect_link "$(current)/inet" cookie=7
	expect_verdict dropped
}

test_source()
{
	type -P clang > /dev/null || skip "clang"
	begin
	cat > "$WORK/all.bpf.c" <<-'EOT'
	#include <linux/bpf.h>
	#include <bpf/bpf_helpers.h>
	char _license[] SEC("license") = "GPL";
	SEC("netfilter") int all(void *ctx) { return 1; }
	EOT
	conf all "source = $WORK/all.bpf.c" "include = /usr/include/$(gcc -print-multiarch)"
	nf_bpf apply edge
	expect_json "$(nf_bpf --json status edge)" '.program.name == "all"'
	expect_verdict passes
	nf_bpf apply edge
	(cd "$WORK" && nf_bpf apply edge)
	expect_in_force 1
	echo 'error' >> "$WORK/all.bpf.c"
	expect_fails -s 2 "can't be compiled" nf_bpf apply edge
	expect_in_force 1
}

run_tests
