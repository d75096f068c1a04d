#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# nf-bpf is killed before each system call that changes something. Afterwards the old or the new
# version is in force, and the next command removes what is left behind.
#
# Requires: jq
# Kernel: any

source "$(dirname "$0")/lib.sh"

not_applied()
{
	forget
	conf drop
}

another_file()
{
	conf drop
}

add_test first_apply check_kills not_applied any:dropped apply apply edge
add_test update check_kills another_file dropped apply apply edge

# Each of these calls fails once. Afterwards the old or the new version is in force.
test_failures()
{
	ERRNO=5
	check_kills another_file dropped apply apply edge
}

# killed_from_start NUMBER: an update is killed at this call, or the call fails. Each update starts
# from the same state, and so makes the same calls.
killed_from_start()
{
	begin
	apply accept
	conf drop
	killed "$1" apply edge || fail "no call $1"
}

# The rename puts the new version in force. It fails, and then nf-bpf is killed there. The first
# calls only store the version and pin the program.
test_rename()
{
	local number before='' ERRNO=5

	for ((number = 20; number < MAX_CALLS; number++)); do
		killed_from_start "$number"
		[[ $before != symlink || $(< "$WORK/killed") != rename ]] || break
		before=$(< "$WORK/killed")
	done
	expect_match "what is said" "*current: can't be changed: *: nothing was changed*" \
		"$(< "$WORK/said")"
	expect_clean
	expect_in_force 1
	expect_verdict passes

	ERRNO=0
	killed_from_start "$number"
	[[ -L $PINS/nf-bpf/edge/current~ ]] || fail "not killed at the rename"
	nf_bpf status edge > /dev/null
	expect_in_force 1
	[[ ! -L $PINS/nf-bpf/edge/current~ ]] || fail "left behind"
	nf_bpf apply edge > /dev/null
	expect_in_force 2
	expect_clean
	expect_verdict dropped
}

# While the new program is attached and the old one not yet detached, both are attached.
test_old_program_goes()
{
	local ids

	begin
	apply accept
	conf drop
	killed_before "bpf 34"
	expect_verdict dropped
	nf_bpf status edge > /dev/null
	expect_in_force 2
	ids=$(link_ids)
	nf_bpf apply edge > /dev/null
	expect_clean
	! tells_attached || expect_eq "links" "$ids" "$(link_ids)"
}

# killed_before CALL: apply is killed before the first call of this name.
killed_before()
{
	local number

	! grep -qsa BPF_NF_LINK_UPDATE /sys/kernel/btf/vmlinux || skip "its link is updated"
	for ((number = 1; number < MAX_CALLS; number++)); do
		killed "$number" apply edge || fail "no such call: $1"
		[[ $(< "$WORK/killed") != "$1" ]] || return 0
		nf_bpf rollback edge > /dev/null 2>&1 || :
	done
	fail "no such call: $1"
}

run_tests
