#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# check.sh [PATTERN]: the tests in the guest, then (without FLAVOUR=) the cost of a
# packet and the checks of the series, and one line that counts all.

. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/tests.sh"

PATTERN=${1:-}
SLOW=$(flavour_says "Guest slowness" 1)
GUEST_TIMEOUT=${GUEST_TIMEOUT:-$((2400 * SLOW))}
# Two guests on two processors take their time from each other.
export TEST_TIMEOUT=${TEST_TIMEOUT:-$((600 * SLOW))}
SECOND=

# A test hardly ever uses two processors: on two, each half has a guest.
run_selftests()
{
	local tests=$1 output=$BUILD/selftests-2.output rc=0

	if ((JOBS < 2 || tests < 4)); then
		guest_command kernel "$GUEST_TIMEOUT" ${PATTERN:+"$PATTERN"}
		run_part selftests "${GUEST[@]}"
		return
	fi

	guest_command kernel-2 "$GUEST_TIMEOUT" -s 2/2 ${PATTERN:+"$PATTERN"}
	"${GUEST[@]}" > "$output" 2>&1 &
	SECOND=$!
	trap 'kill "$SECOND" 2> /dev/null || :' EXIT
	guest_command kernel "$GUEST_TIMEOUT" -s 1/2 ${PATTERN:+"$PATTERN"}
	run_part selftests "${GUEST[@]}"
	# The second half is printed after the first, not in between.
	wait "$SECOND" || rc=$?
	trap - EXIT
	run_part selftests-2 print_output "$output" "$rc"
}

print_output()
{
	cat "$1"
	return "$2"
}

main()
{
	local tests ran=0

	mkdir -p "$BUILD"
	tests=$("$TOP/selftests/run.sh" -l "$PATTERN" 2> /dev/null | wc -l || :)
	if ((tests)); then
		note "# selftests, in the guest"
		run_selftests "$tests"
		ran=1
	fi
	# These build kernels of their own, whatever the flavour is.
	if [[ -z $FLAVOUR && bench-guard = *$PATTERN* ]]; then
		note "# bench-guard"
		run_part bench-guard "$TOP/bench/guard.sh"
		ran=1
	fi
	if [[ -z $FLAVOUR && check-patches = *$PATTERN* ]]; then
		note "# check-patches"
		run_part check-patches "$TOP/scripts/check-patches.sh"
		ran=1
	fi
	((ran)) || die "TEST=$PATTERN: no test has such a name (selftests/run.sh -l lists them)"
	print_counts
}

main
