#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A state or pins that somebody has damaged: what is in force stays.
#
# Requires: jq

source "$(dirname "$0")/lib.sh"

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
	expect_eq "links" "$ids" "$(link_ids)"
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
	for command in status apply confirm rollback remove; do
		expect_fails -s 1 "does not say which version is in force" nf_bpf "$command" edge
	done
	expect_eq "versions" "1 2 " "$(stored)"
	expect_verdict dropped
	# What is in force is known from the pins.
	rm "$STATE/edge/state"
	nf_bpf apply edge > /dev/null
	expect_in_force 2
	expect_eq "versions" "1 2 " "$(stored)"
	nf_bpf rollback edge
	expect_in_force 1
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

run_tests
