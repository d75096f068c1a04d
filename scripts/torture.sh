#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# torture.sh [PATTERN]: the files of selftests/torture in the guest; the last line
# is the count.
#
#   SMOKE=1       the short form: NF_BPF_SMOKE=1 for the tests
#   SEED=NUMBER   NF_BPF_SEED for the tests, which print theirs
#   NF_BPF_*      passed on, such as NF_BPF_SECONDS

. "$(dirname "$0")/lib.sh"

PATTERN=${1:-}
SLOW=$(flavour_says "Guest slowness" 1)
COUNTS='^[0-9]+ passed, [0-9]+ failed, [0-9]+ skipped$'

in_guest()
{
	local minutes=60 name environment=()

	[[ -z ${SMOKE:-} ]] || export NF_BPF_SMOKE=$SMOKE
	[[ -z ${SEED:-} ]] || export NF_BPF_SEED=$SEED
	[[ -z ${NF_BPF_SMOKE:-} ]] || minutes=20
	# One file may take most of it: races and fuzzers end by themselves.
	export TEST_TIMEOUT=${TEST_TIMEOUT:-$((minutes * 40 * SLOW))}
	for name in "${!NF_BPF_@}" TEST_TIMEOUT; do
		environment+=(--env "$name=${!name}")
	done
	"$TOP/tools/guest/run" --timeout "${GUEST_TIMEOUT:-$((minutes * 60 * SLOW))}" \
		"${environment[@]}" -- selftests/run.sh -d torture ${PATTERN:+"$PATTERN"}
}

main()
{
	local log=$BUILD/torture.log rc=0 counts passed failed skipped

	"$TOP/selftests/run.sh" -l -d torture "$PATTERN" > /dev/null 2>&1 ||
		die "TEST=$PATTERN: no test has such a name (selftests/run.sh -l -d torture lists them)"
	mkdir -p "$BUILD"
	in_guest 2>&1 | tee "$log" | sed -u -E "/$COUNTS/d" || rc=$?
	counts=$(grep -E "$COUNTS" "$log" | tail -n 1 || :)
	read -r passed _ failed _ skipped _ <<< "${counts:-0 passed, 0 failed, 0 skipped}"
	# A complaint of the kernel, a guest that died or a timeout.
	if ((rc != 0 && failed == 0)); then
		note "not ok torture: exit status $rc"
		failed=1
	fi
	note "$passed passed, $failed failed, $skipped skipped"
	((failed == 0))
}

main
