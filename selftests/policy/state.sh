#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Somebody damages the state or the pins. The version in force stays in force.
#
# Requires: jq
# Kernel: any

source "$(dirname "$0")/lib.sh"

ENOSPC=28

cleanup()
{
	rm -f "$STATE/fill"
	[[ -z $NF_BPF ]] || nf_bpf remove edge > /dev/null 2>&1 || :
	! mountpoint -q "$WORK/state" || umount "$WORK/state"
}

small_disk()
{
	begin
	mkdir "$STATE"
	mount -t tmpfs -o size=16M tmpfs "$STATE"
}

fill_disk()
{
	! cat /dev/zero > "$STATE/fill" 2> /dev/null
}

large_disk()
{
	rm -f "$STATE/fill"
	forget
	umount "$STATE"
}

stored()
{
	find "$STATE/edge/versions" -mindepth 1 -maxdepth 1 -printf '%f\n' | sort -n | tr '\n' ' '
}

test_no_current()
{
	local ids

	begin
	apply drop
	ids=$(link_ids)
	rm "$(current)"
	expect_match "what is said" "*current is missing: version 1 is in force*" \
		"$(nf_bpf status edge 2>&1)"
	expect_eq "links" "$ids" "$(link_ids)"
	expect_verdict dropped
	rm "$(current)"
	nf_bpf apply edge > /dev/null 2>&1
	! tells_attached || expect_eq "links" "$ids" "$(link_ids)"
	expect_verdict dropped
	expect_clean
}

test_no_current_in_a_trial()
{
	begin
	apply accept
	conf drop
	nf_bpf try 1000 edge > /dev/null
	rm "$(current)"
	nf_bpf status edge > /dev/null 2>&1
	expect_verdict dropped
	nf_bpf rollback edge
	expect_in_force 1
	expect_verdict passes
}

test_empty_state()
{
	local command

	begin
	apply accept
	apply drop
	: > "$STATE/edge/state"
	for command in status apply confirm rollback; do
		expect_fails -s 1 "does not say which version is in force" nf_bpf "$command" edge
	done
	expect_eq "versions" "1 2 " "$(stored)"
	expect_verdict dropped
	# nf-bpf finds out from the pins which version is in force.
	rm "$STATE/edge/state"
	nf_bpf apply edge > /dev/null
	expect_in_force 2
	expect_eq "versions" "1 2 " "$(stored)"
	nf_bpf rollback edge
	expect_in_force 1
}

# The end of the state is missing.
test_cut_state()
{
	begin
	apply accept
	apply drop
	printf '%s\n' current=2 newest=0 > "$STATE/edge/state"
	conf deny_port
	expect_fails -s 1 "does not say which version is in force" nf_bpf apply edge
	expect_eq "versions" "1 2 " "$(stored)"
	expect_verdict dropped
	rm "$STATE/edge/state"
	nf_bpf apply edge
	expect_in_force 3
	nf_bpf rollback edge
	expect_in_force 2
	expect_verdict dropped
}

test_no_state_after_a_reboot()
{
	begin
	apply accept
	apply drop
	rm "$STATE/edge/state"
	reboot
	expect_fails -s 3 "not applied" nf_bpf status edge
	expect_eq "versions" "1 2 " "$(stored)"
	nf_bpf start edge
	expect_in_force 3
	expect_verdict dropped
}

test_remove_of_a_damaged_state()
{
	begin
	apply drop
	expect_verdict dropped
	: > "$STATE/edge/state"
	nf_bpf remove edge > "$WORK/said" 2>&1
	expect_match "what is said" "*edge: removed" "$(< "$WORK/said")"
	expect_verdict passes
	# No version comes back at boot, and the versions are still there.
	nf_bpf start edge
	expect_in_force 2
	expect_verdict dropped
}

# Pins without a state: the fail-closed program of a start that could not write
test_remove_without_state()
{
	begin
	apply drop
	rm -r "$STATE/edge"
	expect_verdict dropped
	nf_bpf remove edge
	expect_verdict passes
	[[ ! -e $PINS/nf-bpf/edge ]] || fail "pins are left"
}

test_remove_of_a_misspelled_name()
{
	begin
	apply drop
	expect_fails -s 1 "egde: was never applied" nf_bpf remove egde
	expect_verdict dropped
	nf_bpf remove edge
	# A second "remove" of the same policy succeeds.
	nf_bpf remove edge
	expect_verdict passes
}

# check_damaged_at_boot CONTENT: "start" applies the file, although the state is damaged.
check_damaged_at_boot()
{
	begin
	apply accept "hook = input"
	apply drop "hook = input"
	reboot
	printf '%s' "$1" > "$STATE/edge/state"
	expect_match "what is said" "*$STATE/edge/state.damaged*" "$(nf_bpf start edge 2>&1)"
	expect_eq "damaged state" "$1" "$(< "$STATE/edge/state.damaged")"
	expect_in_force 3
	expect_eq "versions" "1 2 3 " "$(stored)"
	nf_bpf start edge
	expect_in_force 3
}

add_test empty_state_at_boot check_damaged_at_boot ""
add_test incomplete_state_at_boot check_damaged_at_boot $'newest=2\ntrying=1\nrejected=1'
add_test cut_state_at_boot check_damaged_at_boot $'current=2\nnewest=0'

# The pins tell which version is in force.
test_start_with_empty_state()
{
	local ids

	begin
	apply accept
	apply drop
	ids=$(link_ids)
	: > "$STATE/edge/state"
	nf_bpf start edge > "$WORK/said" 2>&1
	expect_in_force 2
	expect_eq "versions" "1 2 " "$(stored)"
	! tells_attached || expect_eq "links" "$ids" "$(link_ids)"
	expect_verdict dropped
	nf_bpf rollback edge
	expect_in_force 1
	expect_verdict passes
}

# There is nothing to apply, so the versions stay, and "rollback" and "apply" can be called.
test_empty_state_and_a_broken_file_at_boot()
{
	begin
	apply drop
	reboot
	: > "$STATE/edge/state"
	conf drop "object = /etc/passwd" "hook = input"
	expect_fails -s 1 "on-error = stop: nothing is attached" nf_bpf start edge
	expect_eq "versions" "1 " "$(stored)"
	apply drop
	expect_verdict dropped
}

# A version that cannot be read is attached nevertheless.
test_unreadable_version()
{
	begin
	apply accept
	apply drop
	mv "$STATE/edge/versions/2" "$WORK/version"
	expect_fails -s 1 "edge: version 2: attached, but its version can't be read" \
		nf_bpf status edge
	expect_json "$(nf_bpf --json status edge 2> /dev/null || :)" '.version == 2' \
		'.changes == [{"what": "unknown"}]' '.links | length > 0'
	expect_fails -s 1 "the version before version 2 is not known" nf_bpf rollback edge
	expect_fails -s 1 "versions/2/conf: No such file" nf_bpf save edge -
	[[ $(nf_bpf save edge - 2>&1) != *"not applied"* ]] || fail "it is applied"
	expect_verdict dropped
	# Only its object is missing.
	mv "$WORK/version" "$STATE/edge/versions/2"
	mv "$STATE/edge/versions/2/object" "$WORK"
	expect_json "$(nf_bpf --json status edge 2> /dev/null)" .in_force '.version == 2' \
		'.hook == "forward"' '.changes == [{"what": "unknown"}]'
	expect_match "status" "*version 2: in force*differs *not known*" \
		"$(nf_bpf status edge 2> /dev/null)"
	mv "$WORK/object" "$STATE/edge/versions/2"
	expect_in_force 2
	nf_bpf rollback edge
	expect_in_force 1
	expect_verdict passes
}

# The number of a version that was lost is not taken again: it would be before itself.
test_number_of_a_lost_version()
{
	begin
	apply accept
	apply drop
	apply deny_port
	rm -r "$STATE/edge/versions/3"
	apply drop
	expect_in_force 4
	expect_eq "versions" "1 2 4 " "$(stored)"
	expect_fails -s 1 "can't go back to version 3: version 4 stays" nf_bpf rollback edge
	expect_in_force 4
	expect_verdict dropped
}

# A rollback that could not be recorded. The message says what to do when there is room.
test_rollback_without_room()
{
	local said

	small_disk
	apply accept
	apply drop
	apply deny_port
	fill_disk
	said=$(nf_bpf rollback edge 2>&1) && fail "no message: $said"
	expect_verdict dropped
	grep -qx current=3 "$STATE/edge/state"
	rm "$STATE/fill"
	[[ $said =~ \'nf-bpf\ ([a-z]+)\ edge\' ]] || fail "no advice: $said"
	nf_bpf "${BASH_REMATCH[1]}" edge > /dev/null
	grep -qx current=2 "$STATE/edge/state"
	expect_in_force 2
	expect_verdict dropped
	large_disk
}

# "status" lists a policy that is attached, also if it has no file.
test_no_file()
{
	begin
	apply drop
	rm "$ETC/edge.conf"
	expect_match "status of all" "edge: version 1: in force*file *$ETC/edge.conf does not exist*" \
		"$(nf_bpf status 2>&1)"
	expect_json "$(nf_bpf --json status)" 'length == 1' '.[0].in_force' '.[0].name == "edge"'
	nf_bpf remove edge
	expect_eq "status of all" "" "$(nf_bpf status 2>&1)"
}

test_full_disk()
{
	small_disk
	apply accept
	apply drop
	fill_disk
	nf_bpf status edge > /dev/null
	conf deny_port
	expect_fails -s 1 "version 2 stays in force" nf_bpf apply edge
	expect_fails -s 1 "comes back at boot" nf_bpf rollback edge
	expect_verdict passes
	expect_fails -s 1 "comes back at boot" nf_bpf remove edge
	[[ ! -e $(current) ]] || fail "still attached"
	large_disk
}

# fails_without_room NUMBER COMMAND...: the call NUMBER of those that change something fails,
# because the disk is full. Print the exit status.
fails_without_room()
{
	local status=0

	"$HELPERS/fail_call" -c "$WORK/failed" "$1" "$ENOSPC" "$NF_BPF" --etc "$ETC" \
		--state "$STATE" --pins "$PINS/nf-bpf" "${@:2}" > "$WORK/said" 2>&1 || status=$?
	echo "$status"
}

# check_unrecorded COMMAND: if only the last write fails, the file is in force. COMMAND says so. In
# all other cases it says which version stays.
check_unrecorded()
{
	local number status version

	for ((number = 1; number < MAX_CALLS; number++)); do
		begin
		apply drop
		conf accept
		status=$(fails_without_room "$number" "$1" edge)
		echo "call $number, $(< "$WORK/failed"): $status: $(< "$WORK/said")"
		version=$(jq .version <<< "$(nf_bpf --json status edge 2> /dev/null)")
		[[ $status != 7 ]] || break
		[[ -s $WORK/failed ]] || fail "no call was the last write"
		! grep "version $((3 - version)) .*in force" "$WORK/said" ||
			fail "version $version is in force"
		((version == 1)) || ! grep "not applied\|not in force" "$WORK/said" ||
			fail "the file is in force"
	done
	((number < MAX_CALLS)) || fail "$number calls"
	expect_eq "version" 2 "$version"
	grep -q "edge: version 2 is in force, but this is not recorded" "$WORK/said"
	expect_verdict passes
	nf_bpf apply edge
	grep -qx current=2 "$STATE/edge/state"
	expect_in_force 2
}

add_test apply_is_not_recorded check_unrecorded apply
# It takes long, and "start" applies the file as "apply" does.
((${NF_BPF_SMOKE:-0})) || add_test start_is_not_recorded check_unrecorded start

# Without room, each "apply" says that the version in force is not recorded.
test_not_recorded_again()
{
	small_disk
	apply accept
	apply drop
	sed -i -e 's/^current=.*/current=1/' -e 's/^newest=.*/newest=1/' "$STATE/edge/state"
	fill_disk
	expect_fails -s 7 "this is not recorded" nf_bpf apply edge
	expect_fails -s 7 "this is not recorded" nf_bpf start edge
	grep -qx current=1 "$STATE/edge/state"
	expect_verdict dropped
	rm "$STATE/fill"
	nf_bpf apply edge
	grep -qx current=2 "$STATE/edge/state"
	expect_in_force 2
	large_disk
}

# After a reboot in a trial, the disk is full, so the state cannot be written.
test_full_disk_at_boot()
{
	small_disk
	apply drop
	conf accept
	nf_bpf try 1000 edge
	fill_disk
	reboot_with_full_disk
	expect_fails -s 6 "" nf_bpf start edge
	expect_verdict dropped
	expect_in_force 1
	large_disk
}

test_read_only_disk_at_boot()
{
	small_disk
	apply drop
	reboot
	mount -o remount,ro "$STATE"
	nf_bpf start edge
	expect_verdict dropped
	expect_in_force 1
	mount -o remount,rw "$STATE"
	large_disk
}

# sed, which reboot() uses, needs room on the disk, so fill the disk afterwards.
reboot_with_full_disk()
{
	rm "$STATE/fill"
	reboot
	fill_disk
}

run_tests
