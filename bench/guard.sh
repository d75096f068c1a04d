#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# bench/guard.sh [--record]: compare the cost of the main cases with the recorded cost.

# Count in the tests' kernel, which is built anyway.
export FLAVOUR='' BENCH_FLAVOUR=''
. "$(dirname "$0")/../scripts/lib/common.sh"

RECORDED=$TOP/bench/recorded/$BASE.tsv
RESULTS=$BUILD/$BASE/bench/guard
CASES=(bpf-accept bpf-tuple bpf-hash-100k)
ROOM=2	# allowed change, in percent of the recorded cost

usage()
{
	cat <<USAGE
Usage: bench/guard.sh [--record]

Measures the instructions that ${CASES[*]} add to a forwarded packet
(UDP over IPv4, 124 bytes), and compares them with bench/recorded/$BASE.tsv. A case fails if it
differs by more than $ROOM percent, up or down. The kernel is the one that the tests run
on, so the figures are not those of "make bench". Builds all that it needs.

  --record   write bench/recorded/$BASE.tsv instead; commit it with the reason
USAGE
}

# For each case, print CASE<TAB>INSTRUCTIONS, the instructions that it adds to a packet.
measure()
{
	BENCH_PARTS=udp4 BENCH_SIZES="" BENCH_RESULTS=$RESULTS \
		"$TOP/bench/measure.sh" "${CASES[@]}" > "$RESULTS/log" 2>&1 || {
		cat "$RESULTS/log" >&2
		return 1
	}
	awk -F, -v cases="${CASES[*]}" 'BEGIN { n = split(cases, names, " ") }
		{ added[$1] = $8 }
		END { for (i = 1; i <= n; i++) printf "%s\t%s\n", names[i], added[names[i]] }' \
		"$RESULTS/figures.csv"
}

# Print the difference in percent, with a sign and one digit.
moved()
{
	awk -v old="$1" -v new="$2" 'BEGIN { printf "%+.1f%%", 100 * (new - old) / old }'
}

compare()
{
	local name old new percent n=0 failed=0

	printf 'KTAP version 1\n1..%s\n' "${#CASES[@]}"
	while read -r name new; do
		n=$((n + 1))
		old=$(awk -v name="$name" '$1 == name { print $2 }' "$RECORDED")
		percent=none
		[[ -z $old ]] || percent=$(moved "$old" "$new")
		if [[ -n $old ]] && awk -v p="${percent%\%}" -v room="$ROOM" 'BEGIN { exit !(p * p <= room * room) }'; then
			printf 'ok %d %s # %s instructions (%s)\n' "$n" "$name" "$new" "$percent"
			continue
		fi
		failed=$((failed + 1))
		printf '# %s: %s instructions added to a packet, recorded: %s (%s)\n' \
			"$name" "$new" "${old:-never}" "$percent"
		printf '# if intended: bench/guard.sh --record, and commit bench/recorded/%s.tsv with the reason\n' "$BASE"
		printf '# otherwise: bench/trace %s, before and after the change\n' "$name"
		printf 'not ok %d %s\n' "$n" "$name"
	done
	printf '%s passed, %s failed, 0 skipped\n' "$((n - failed))" "$failed"
	((failed == 0))
}

main()
{
	local figures

	one_word_of "--record" "$@"
	make --no-print-directory -s -C "$TOP" bench-guard-build
	mkdir -p "$RESULTS"
	figures=$(measure) || die "the cases could not be measured (log: $(rel "$RESULTS/log"))"
	if [[ ${1:-} = --record ]]; then
		printf '%s\n' "$figures" > "$RECORDED"
		note "$figures"
		return
	fi
	[[ -r $RECORDED ]] || die "$RECORDED: not there: bench/guard.sh --record writes it"
	compare <<< "$figures"
}

main "$@"
