#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# As kill.sh, for other commands: nf-bpf is killed while it goes back, and while it begins a trial.
#
# Requires: jq
# Kernel: any

source "$(dirname "$0")/lib.sh"

another_file()
{
	conf drop
}

another_version()
{
	apply drop
}

add_test trial check_kills another_file dropped rollback try 1000 edge
add_test rollback check_kills another_version dropped apply rollback edge
add_test remove check_kills another_version any:passes remove remove edge

# A rollback is killed before it writes that the version is rejected. The version is rejected
# nevertheless.
test_rollback_is_recorded()
{
	local number

	begin
	apply accept
	apply drop
	for ((number = 1; number < MAX_CALLS; number++)); do
		killed "$number" rollback edge || fail "$number calls"
		[[ $(readlink "$(current)/version") != 1 ]] || break
	done
	grep -q '^current=2$' "$STATE/edge/state" || fail "$(< "$STATE/edge/state")"
	expect_json "$(nf_bpf --json status edge)" '.version == 1' '.rejected == 2'
	expect_fails -s 6 "" nf_bpf start edge
	expect_in_force 1
	expect_verdict passes
}

run_tests
