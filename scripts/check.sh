#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# check.sh [PATTERN]: the tests in the guest, then (without FLAVOUR=) the checks of
# the series, and one line that counts both.

. "$(dirname "$0")/lib.sh"

PATTERN=${1:-}
GUEST_TIMEOUT=${GUEST_TIMEOUT:-$((2400 * $(flavour_says "Guest slowness" 1)))}
passed=0
failed=0
skipped=0

COUNTS='^[0-9]+ passed, [0-9]+ failed, [0-9]+ skipped$'

# Takes the counts of a part out of its output, and adds them up. A part that
# fails without saying what counts as one failure of its own.
run_part()
{
	local name=$1 rc=0 counts _passed _failed _skipped
	shift

	"$@" 2>&1 | tee "$BUILD/$name.log" | sed -u -E "/$COUNTS/d" || rc=$?
	counts=$(grep -E "$COUNTS" "$BUILD/$name.log" | tail -n 1 || :)
	read -r _passed _ _failed _ _skipped _ <<< "${counts:-0 passed, 0 failed, 0 skipped}"
	passed=$((passed + _passed))
	failed=$((failed + _failed))
	skipped=$((skipped + _skipped))
	if ((rc != 0 && _failed == 0)); then
		note "not ok $name: exit status $rc"
		failed=$((failed + 1))
	fi
}

in_guest()
{
	local name environment=()

	# What the caller has set for the tests.
	for name in "${!NF_BPF_@}" TEST_TIMEOUT; do
		[[ -z ${!name:-} ]] || environment+=(--env "$name=${!name}")
	done
	"$TOP/tools/guest/run" --timeout "$GUEST_TIMEOUT" "${environment[@]}" -- \
		selftests/run.sh ${PATTERN:+"$PATTERN"}
}

main()
{
	local ran=0

	mkdir -p "$BUILD"
	if "$TOP/selftests/run.sh" -l "$PATTERN" > /dev/null 2>&1; then
		note "# selftests, in the guest"
		run_part selftests in_guest
		ran=1
	fi
	# It builds kernels of its own, whatever the flavour is.
	if [[ -z $FLAVOUR && check-patches = *$PATTERN* ]]; then
		note "# check-patches"
		run_part check-patches "$TOP/scripts/check-patches.sh"
		ran=1
	fi
	((ran)) || die "TEST=$PATTERN: no test has such a name (selftests/run.sh -l lists them)"

	note "$passed passed, $failed failed, $skipped skipped"
	((failed == 0))
}

main
