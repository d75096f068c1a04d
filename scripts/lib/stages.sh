# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Prints how long the stages of a run take. Source this file after common.sh and progress.sh.
#
# STAGE_TIMES can name a file. Each stage that ends adds a line to it: seconds, a tab and
# the name of the stage.

begin_stage()
{
	STAGE=$1
	STAGE_BEGAN=$SECONDS
	note "# $STAGE"
}

end_stage()
{
	local seconds=$((SECONDS - STAGE_BEGAN))

	note "# $STAGE: took $(clock "$seconds")"
	[[ -z ${STAGE_TIMES:-} ]] || printf '%s\t%s\n' "$seconds" "$STAGE" >> "$STAGE_TIMES"
}

# print_stages: print the times in STAGE_TIMES and their sum
print_stages()
{
	local seconds name sum=0

	note "Stages, in minutes and seconds:"
	while IFS=$'\t' read -r seconds name; do
		printf '%8s  %s\n' "$(clock "$seconds")" "$name"
		sum=$((sum + seconds))
	done < "$STAGE_TIMES"
	printf '%8s  %s\n' "$(clock "$sum")" "all of them"
}

# print_slowest LOG...: print the five slowest tests, from the output of selftests/run.sh
print_slowest()
{
	local tests

	tests=$(sed -nE 's/^(ok|FAILED|skip) +([^ ]+) +[0-9]+ results +([0-9.]+) s$/\3\t\2/p' "$@" |
		sort -rn)
	[[ $tests = *$'\n'* ]] || return 0
	note "The slowest tests, in seconds:"
	head -n 5 <<< "$tests" | awk -F '\t' '{ printf "%8s  %s\n", $1, $2 }'
}
