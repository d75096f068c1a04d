#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# torture.sh [PATTERN]: run the files of selftests/torture in the guest. The last line counts
# the results.
#
#   SMOKE=1       the short form: sets NF_BPF_SMOKE=1 for the tests
#   SEED=NUMBER   sets NF_BPF_SEED for the tests, which print their seed
#   NF_BPF_*      is passed on to the tests, for example NF_BPF_SECONDS

. "$(dirname "$0")/lib/common.sh"
. "$(dirname "$0")/lib/stages.sh"
. "$(dirname "$0")/lib/run-tests.sh"

PATTERN=${1:-}
SLOW=$(flavour_says "Guest slowness" 1)

main()
{
	local minutes=60

	[[ -z ${SMOKE:-} ]] || export NF_BPF_SMOKE=$SMOKE
	[[ -z ${SEED:-} ]] || export NF_BPF_SEED=$SEED
	[[ -z ${NF_BPF_SMOKE:-} ]] || minutes=20
	# One file may take most of the time. Races and fuzzers end by themselves.
	export TEST_TIMEOUT=${TEST_TIMEOUT:-$((minutes * 40 * SLOW))}

	"$TOP/selftests/run.sh" -l -d torture "$PATTERN" > /dev/null 2>&1 ||
		die "TEST=$PATTERN: no test has such a name (selftests/run.sh -l -d torture lists them)"
	mkdir -p "$BUILD"
	guest_command torture 2 "${GUEST_TIMEOUT:-$((minutes * 60 * SLOW))}" -d torture \
		${PATTERN:+"$PATTERN"}
	run_part torture "${GUEST[@]}"
	print_counts
}

main
