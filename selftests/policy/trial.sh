#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# nf-bpf try goes back to the version before, unless the trial is confirmed. This holds even if the
# command, its terminal or its guard ends, or the machine reboots.
#
# Requires: jq
# Kernel: any

source "$(dirname "$0")/lib.sh"

SECONDS_OF_TRIAL=3

# try PROGRAM [SECONDS]
try()
{
	conf "$1"
	nf_bpf try "${2:-$SECONDS_OF_TRIAL}" edge > "$WORK/said"
}

# Read the pin directly: a command of nf-bpf would itself end a trial whose time is over.
is_version()
{
	[[ $(readlink "$(current)/version") == "$1" ]]
}

is_over()
{
	grep -q '^trying=0$' "$STATE/edge/state"
}

expect_went_back()
{
	wait_for is_over
	is_version 1 || fail "version $(readlink "$(current)/version")"
	expect_verdict passes
	expect_in_force 1
	expect_clean
}

test_goes_back()
{
	begin
	apply accept
	expect_verdict passes
	try drop
	expect_verdict dropped
	expect_match "what is said" "*version 2 is in force for $SECONDS_OF_TRIAL seconds*" \
		"$(< "$WORK/said")"
	expect_went_back
}

test_keeps_maps()
{
	begin
	apply accept
	expect_verdict passes
	try drop
	wait_for is_over
	expect_eq "packets of the old map" "${#FAMILIES[@]}" "$(counted)"
}

test_confirmed()
{
	begin
	apply accept
	try drop
	nf_bpf confirm edge
	expect_in_force 2
	expect_clean
	sleep "$((SECONDS_OF_TRIAL + 1))"
	expect_in_force 2
	expect_verdict dropped
	expect_fails -s 1 "no version is on trial" nf_bpf confirm edge
}

test_rolled_back()
{
	begin
	apply accept
	try drop 1000
	expect_verdict dropped
	nf_bpf rollback edge
	expect_went_back
}

test_first_version()
{
	begin
	try drop
	expect_verdict dropped
	wait_for is_over
	expect_verdict passes
	expect_fails -s 3 "not applied" nf_bpf status edge
}

# The machine reboots in the first trial, so there is no version to go back to. The file is not
# applied.
test_reboot_in_the_first_trial()
{
	begin
	try drop 1000
	kill -KILL "$(guard)"
	reboot
	expect_verdict passes
	expect_fails -s 4 "its trial was not confirmed" nf_bpf start edge
	expect_all dropped
	nf_bpf apply edge
	expect_in_force 2
}

# All packets were dropped before the trial.
test_goes_back_to_fail_closed()
{
	begin
	conf drop "object = /etc/passwd"
	expect_fails -s 4 "" nf_bpf start edge
	try accept
	expect_all pass
	wait_for is_over
	expect_all dropped
	expect_fails -s 3 "failed closed" nf_bpf status edge
}

# To drop all packets, only the configuration of the version on trial is needed.
test_goes_back_without_the_object()
{
	begin
	conf drop "object = /etc/passwd"
	expect_fails -s 4 "" nf_bpf start edge
	expect_all dropped
	conf accept
	nf_bpf try 1000 edge
	expect_all pass
	rm "$STATE"/edge/versions/*/object
	nf_bpf rollback edge
	expect_all dropped
	expect_fails -s 3 "failed closed" nf_bpf status edge
}

# A shell in a session of its own calls nf-bpf. Then all processes of the session are killed.
test_session_is_killed()
{
	local shell

	begin
	apply accept
	conf drop
	# shellcheck disable=SC2016 # the inner shell expands it
	setsid bash -c '"$@"; sleep 1000' -- "$NF_BPF" --etc "$ETC" --state "$STATE" \
		--pins "$PINS/nf-bpf" try "$SECONDS_OF_TRIAL" edge &
	shell=$!
	wait_for is_version 2
	kill -HUP -- "-$shell"
	# Nobody is left if the shell has seen by now that all ended.
	kill -KILL -- "-$shell" 2> /dev/null || :
	wait "$shell" || :
	expect_verdict dropped
	expect_went_back
}

test_terminal_is_gone()
{
	type -P expect > /dev/null || lacks "expect"
	begin
	apply accept
	conf drop
	expect -c "spawn $NF_BPF --etc $ETC --state $STATE --pins $PINS/nf-bpf try $SECONDS_OF_TRIAL edge" \
		-c 'expect "confirm edge"' -c close > /dev/null
	is_version 2 || fail "not on trial"
	expect_went_back
}

guard()
{
	pgrep -nf "^$NF_BPF --etc $ETC .*(try|guard) "
}

# The next command does what the guard should have done.
test_guard_is_killed()
{
	begin
	apply accept
	try drop
	kill -KILL "$(guard)"
	sleep "$((SECONDS_OF_TRIAL + 1))"
	is_version 2 || fail "somebody went back"
	expect_match "what is said" "*not confirmed in time*" "$(nf_bpf status edge 2>&1)"
	expect_went_back
}

test_place_was_taken()
{
	begin
	apply accept
	conf drop "hook = input"
	nf_bpf try "$SECONDS_OF_TRIAL" edge
	attach accept ip forward 7
	wait_for is_over
	expect_went_back
	detach_all
}

# The first attempt to go back fails.
test_goes_back_later()
{
	begin
	apply accept
	try drop
	mv "$STATE/edge/versions/1" "$WORK/away"
	sleep "$((SECONDS_OF_TRIAL + 2))"
	! is_over || fail "went back without a version"
	mv "$WORK/away" "$STATE/edge/versions/1"
	expect_went_back
}

# The file is that of the current version, but the links of this version are gone.
test_same_file()
{
	begin
	apply drop
	! tells_attached ||
		expect_fails -s 5 "nothing to try" nf_bpf try "$SECONDS_OF_TRIAL" edge
	reboot
	nf_bpf try "$SECONDS_OF_TRIAL" edge
	expect_verdict dropped
	wait_for is_over
	expect_verdict passes
	expect_fails -s 3 "not applied" nf_bpf status edge
	nf_bpf start edge
	expect_in_force 1
	expect_verdict dropped
}

test_same_file_confirmed()
{
	begin
	apply accept
	apply drop
	reboot
	nf_bpf try 1000 edge > /dev/null
	nf_bpf confirm edge
	expect_in_force 3
	nf_bpf rollback edge
	expect_in_force 1
}

# The guard has closed the files of the command, among them the lock and the maps.
test_guard_has_no_files()
{
	begin
	try drop 1000
	expect_eq "files of the guard" "0 1 2 " "$(find "/proc/$(guard)/fd" -type l -printf '%f\n' |
		sort | tr '\n' ' ')"
	nf_bpf rollback edge > /dev/null
}

# If systemd runs, a service of systemd is the guard. A systemd-run of this test starts it.
test_service_goes_back()
{
	begin
	apply accept
	mkdir "$WORK/fake" "$WORK/run"
	cat > "$WORK/fake/systemd-run" <<-'EOT'
	#!/bin/bash
	while [[ $1 != -- ]]; do shift; done
	setsid "${@:2}" < /dev/null > /dev/null 2>&1 &
	EOT
	chmod +x "$WORK/fake/systemd-run"
	conf drop
	# shellcheck disable=SC2016 # the inner shell expands it
	PATH=$WORK/fake:$PATH unshare --mount bash -c \
		'mount -t tmpfs tmpfs "$1" && mkdir -p "$1/systemd/system" "$1/netns" &&
		mount --rbind /run/netns "$1/netns" && mount --rbind "$1" /run && "${@:2}"' -- \
		"$WORK/run" "$NF_BPF" --etc "$ETC" --state "$STATE" --pins "$PINS/nf-bpf" \
		try "$SECONDS_OF_TRIAL" edge > "$WORK/said"
	expect_verdict dropped
	pgrep -f "^$NF_BPF --etc $ETC .* guard edge 2 " > /dev/null || fail "no service"
	expect_went_back
}

# "status" waits for ever for a file of the policy. The guard goes back all the same.
test_status_does_not_end()
{
	local command

	begin
	apply accept
	try drop
	mkfifo "$WORK/fifo"
	conf drop "rules = $WORK/fifo"
	"$NF_BPF" --etc "$ETC" --state "$STATE" --pins "$PINS/nf-bpf" status edge > /dev/null &
	command=$!
	wait_for is_over
	is_version 1 || fail "version $(readlink "$(current)/version")"
	expect_verdict passes
	kill "$command"
	wait "$command" || :
}

# elsewhere COMMAND...: run a command in a mount namespace in which the pins cannot be seen
elsewhere()
{
	# shellcheck disable=SC2016 # the inner shell expands it
	unshare --mount bash -c 'mount -t tmpfs tmpfs "$1" && "${@:2}"' -- "$(bpffs)" \
		"$NF_BPF" --etc "$ETC" --state "$STATE" --pins "$PINS/nf-bpf" "$@"
}

bpffs()
{
	stat -c %m "$PINS"
}

test_commands_elsewhere()
{
	local command

	begin
	apply accept
	try drop 1000
	for command in status confirm rollback remove; do
		expect_fails -s 1 "not on a bpffs" elsewhere "$command" edge
		! is_over || fail "$command ended the trial"
		is_version 2 || fail "$command changed the policy"
	done
	expect_verdict dropped
	nf_bpf rollback edge
	expect_went_back
}

test_apply_is_refused()
{
	begin
	apply accept
	try drop 1000
	conf accept
	expect_fails -s 1 "version 2 is on trial: 'nf-bpf confirm edge' keeps it" nf_bpf apply edge
	expect_match "status" "*on trial*" "$(nf_bpf status edge)"
	nf_bpf rollback edge
	nf_bpf apply edge
	expect_in_force 3
}

test_bad_object()
{
	begin
	apply accept
	conf drop "object = /etc/passwd"
	expect_fails -s 1 "not a BPF object" nf_bpf try 1000 edge
	expect_went_back
}

test_reboot_goes_back()
{
	begin
	apply accept
	try drop 1000
	kill -KILL "$(guard)"
	reboot
	expect_match "what is said" "*its trial was not confirmed*version 1 is brought in force*" \
		"$(nf_bpf start edge 2>&1)"
	expect_went_back
	# When the file changes, it is applied again.
	apply drop
	expect_verdict dropped
}

run_tests
