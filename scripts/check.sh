#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# check.sh [PATTERN]: run the tests in the guest. Without FLAVOUR=, KERNEL= and ARCH=, then
# compare the cost of a packet and check the series. The last line counts all results.

. "$(dirname "$0")/lib/common.sh"
. "$(dirname "$0")/lib/progress.sh"
. "$(dirname "$0")/lib/stages.sh"
. "$(dirname "$0")/lib/run-tests.sh"

PATTERN=${1:-}
SLOW=$(flavour_says "Guest slowness" 1)
GUEST_TIMEOUT=${GUEST_TIMEOUT:-$((2400 * SLOW))}
# The time limit of one test in seconds, on any machine.
export TEST_TIMEOUT=${TEST_TIMEOUT:-$((600 * SLOW))}
SECOND=

# count_tests NR: print the number of tests that need NR processors.
count_tests()
{
	"$TOP/selftests/run.sh" -l -p "$1" "$PATTERN" 2> /dev/null | wc -l || :
}

# Most tests need one processor. On a machine with two, run two guests that take these tests
# from one queue. Two guests with two processors each would wait for one another: this took
# three times as long.
run_selftests()
{
	local of_one=$1 of_two=$2

	if ((JOBS < 2 || of_one < 4)); then
		guest_command kernel 2 "$GUEST_TIMEOUT" -p 1,2 ${PATTERN:+"$PATTERN"}
		run_part selftests "${GUEST[@]}"
		return
	fi
	run_side_by_side "$of_one"
	((of_two)) || return 0
	guest_command kernel-smp 2 "$GUEST_TIMEOUT" -p 2 ${PATTERN:+"$PATTERN"}
	run_part selftests-smp "${GUEST[@]}"
}

run_side_by_side()
{
	local output=$BUILD/selftests-2.output rc=0 SHARE

	SHARE=$(mktemp -d "$BUILD/queue.XXXXXX")
	guest_command kernel-2 1 "$GUEST_TIMEOUT" -p 1 -q /run/share ${PATTERN:+"$PATTERN"}
	"${GUEST[@]}" > "$output" 2>&1 &
	SECOND=$!
	# shellcheck disable=SC2064 # expand $SHARE now: it is local
	trap "kill $SECOND 2> /dev/null || :; rm -rf '$SHARE'" EXIT
	guest_command kernel 1 "$GUEST_TIMEOUT" -p 1 -q /run/share ${PATTERN:+"$PATTERN"}
	run_part selftests "${GUEST[@]}"
	# Print the output of the second guest after that of the first, so that their lines do
	# not mix.
	wait "$SECOND" || rc=$?
	trap - EXIT
	run_part selftests-2 print_output "$output" "$rc"
	run_part queue check_queue "$1" "$(find "$SHARE" -mindepth 1 | wc -l)"
	rm -r "$SHARE"
}

# check_queue WANTED TAKEN: a test that no guest has taken is a failure.
check_queue()
{
	if (($1 == $2)); then
		echo "0 passed, 0 failed, 0 skipped"
	else
		note "$2 of $1 tests were taken by a guest"
		echo "0 passed, $(($1 - $2)) failed, 0 skipped"
		return 1
	fi
}

print_output()
{
	cat "$1"
	return "$2"
}

# Tests that need no kernel of ours run here, where the processor is not emulated. They need
# root, as in the guest.
run_here()
{
	if ((EUID)); then
		guest_command kernel-any 2 "$GUEST_TIMEOUT" -p 0 ${PATTERN:+"$PATTERN"}
		run_part selftests-here "${GUEST[@]}"
	else
		run_part selftests-here env NF_BPF_PATCHED=1 "$TOP/selftests/run.sh" -k - -p 0 \
			${PATTERN:+"$PATTERN"}
	fi
}

main()
{
	local of_one of_two ran=0

	mkdir -p "$BUILD"
	of_one=$(count_tests 1)
	of_two=$(count_tests 2)
	# If there are no tests, the list could not be made.
	[[ -n $PATTERN ]] || ((of_one && of_two)) ||
		die "selftests/run.sh -l: lists $of_one and $of_two tests"
	if (($(count_tests 0))); then
		begin_stage "selftests, here"
		run_here
		end_stage
		ran=1
	fi
	if ((of_one + of_two)); then
		begin_stage "selftests, in the guest"
		run_selftests "$of_one" "$of_two"
		end_stage
		ran=1
	fi
	# These two do not use the kernel of the flavour.
	if [[ -z $FLAVOUR$KERNEL && $ARCH = x86 && bench-guard = *$PATTERN* ]]; then
		begin_stage bench-guard
		run_part bench-guard "$TOP/bench/guard.sh"
		end_stage
		ran=1
	fi
	if [[ -z $FLAVOUR$KERNEL && $ARCH = x86 && check-patches = *$PATTERN* ]]; then
		begin_stage check-patches
		run_part check-patches "$TOP/scripts/check-patches.sh" ${CHECK_PATCHES:+"$CHECK_PATCHES"}
		end_stage
		ran=1
	fi
	((ran)) || die "TEST=$PATTERN: no test has such a name (selftests/run.sh -l lists them)"
	print_counts
}

main
