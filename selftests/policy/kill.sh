#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# nf-bpf is killed before each call that changes something. The old or the new version is in
# force then, and the next command repairs the rest.
#
# Requires: jq

source "$(dirname "$0")/lib.sh"

MAX_CALLS=100

# killed NUMBER COMMAND...: of nf-bpf. Returns 1 if there was no such call.
killed()
{
	local number=$1

	shift
	"$HELPERS/fail_call" -c "$WORK/killed" "$number" "$ERRNO" "$NF_BPF" --etc "$ETC" \
		--state "$STATE" --pins "$PINS/nf-bpf" "$@" > "$WORK/said" 2>&1 || :
	[[ -s $WORK/killed ]]
}

# check_kills PREPARE VERDICT REPAIR COMMAND...: PREPARE changes the policy of the last round.
# After COMMAND was killed the verdict is VERDICT. The next command, REPAIR, leaves nothing of
# the one that was killed.
check_kills()
{
	local prepare=$1 verdict=$2 repair=$3 number

	shift 3
	begin
	apply drop
	for ((number = 1; number < MAX_CALLS; number++)); do
		"$prepare"
		killed "$number" "$@" || break
		echo "call $number, $(< "$WORK/killed"): $(< "$WORK/said")"
		[[ $verdict == any ]] || expect_verdict "$verdict"
		# It repairs, and attaches nothing.
		nf_bpf status edge > /dev/null || :
		[[ $verdict == any ]] || expect_verdict "$verdict"
		nf_bpf "$repair" edge > /dev/null 2>&1 || [[ $repair == rollback ]]
		[[ ! -e $(current) ]] || expect_clean
		[[ $verdict == any ]] || expect_verdict "$verdict"
	done
	((number > 5 && number < MAX_CALLS)) || fail "$number calls"
}

ERRNO=0		# kill it

not_applied()
{
	nf_bpf remove edge > /dev/null
	conf drop
}

another_file()
{
	conf drop
}

another_version()
{
	apply drop
}

add_test first_apply check_kills not_applied any apply apply edge
add_test update check_kills another_file dropped apply apply edge
add_test trial check_kills another_file dropped rollback try 1000 edge
add_test rollback check_kills another_version dropped apply rollback edge
add_test remove check_kills another_version any remove remove edge

# Each call fails once: the old version stays, or the new one is in force.
test_failures()
{
	ERRNO=5
	check_kills another_file dropped apply apply edge
}

# The version that was left stays rejected, if the command is killed before it can say so.
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
	nf_bpf start edge > /dev/null 2>&1
	expect_in_force 1
	expect_verdict passes
}

# Between the new program and the end of the old one both are attached.
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
	expect_clean
	ids=$(link_ids)
	nf_bpf apply edge > /dev/null
	expect_eq "links" "$ids" "$(link_ids)"
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
