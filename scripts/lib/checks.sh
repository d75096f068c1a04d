# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Runs checks and prints their results as KTAP. Source it after common.sh and progress.sh.
#
# The program that sources this file defines list_checks, which prints a line for each check:
# WORD ARGUMENT... The check is the function check_WORD. If its exit status is not 0, the
# check has failed and its output is shown. Files of the checks are in the directory CHECK.

# title WORD ARGUMENT...: print the name of a result. A program may define its own title.
title()
{
	local what=$1
	shift

	printf '%s: %s' "$what" "$*"
}

# remark TEXT: print TEXT after the name of the result
remark()
{
	printf '%s' "$*" > "$LOG.remark"
}

# skip REASON: end the check, which is neither passed nor failed
skip()
{
	remark "SKIP $*"
	exit 0
}

# run_check NUMBER LINE: run a check in a process of its own, so that its variables do not
# reach the next check. LOG is the file for its output, and a prefix for its other files.
run_check()
{
	local number=$1 name
	local words
	read -r -a words <<< "$2"

	LOG=$CHECK/results/$number
	name=$(title "${words[@]}")
	if (set +e; "check_${words[0]}" "${words[@]:1}") > "$LOG" 2>&1 < /dev/null; then
		[[ ! -e $LOG.remark ]] || name+=" # $(< "$LOG.remark")"
		printf 'ok %d %s\n' "$number" "$name"
		return
	fi
	printf 'not ok %d %s\n' "$number" "$name"
	{
		first_error "$LOG"
		[[ -n $(first_error "$LOG") ]] || tail -n 20 "$LOG"
	} | sed 's/^/# /'
}

# run_checks NUMBER_AT_ONCE [PATTERN]: run the checks whose line matches PATTERN
run_checks()
{
	local at_once=$1 pattern=${2:-} number=0 line checks passed failed skipped

	mapfile -t checks < <(list_checks | grep -E -e "$pattern")
	((${#checks[@]})) || die "$pattern: no check has such a name"
	rm -rf "$CHECK/results"
	mkdir -p "$CHECK/results"

	printf 'KTAP version 1\n1..%d\n' "${#checks[@]}"
	for line in "${checks[@]}"; do
		number=$((number + 1))
		while (($(jobs -rp | wc -l) >= at_once)); do
			wait -n || :
		done
		run_check "$number" "$line" > "$CHECK/results/$number.result" &
		((at_once > 1)) || show_result "$number"
	done
	wait
	for ((line = 1; at_once > 1 && line <= number; line++)); do
		show_result "$line"
	done

	passed=$(cat "$CHECK"/results/*.result | grep -c '^ok ' || :)
	skipped=$(cat "$CHECK"/results/*.result | grep -c '^ok .* # SKIP ' || :)
	failed=$((number - passed))
	note "$((passed - skipped)) passed, $failed failed, $skipped skipped"
	((failed == 0))
}

show_result()
{
	wait
	cat "$CHECK/results/$1.result"
}
