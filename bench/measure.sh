#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# bench/measure.sh [PATTERN...]: measure in the guest, print tables, and write the figures as
# CSV, JSON and plots to build/<base>/bench/.

FLAVOUR=${BENCH_FLAVOUR-bench}
. "$(dirname "$0")/../scripts/lib/common.sh"

OUT=$BUILD/$BASE/bench
RESULTS=${BENCH_RESULTS:-$OUT}
DOC=$TOP/Documentation/bench
# The longest part comes first. The last part needs both processors for itself.
PARTS=${BENCH_PARTS:-udp4 frag4 frag6 udp6 cache4 cache6 tcp4 last4 last6 frames4 frames6 scaling}

usage()
{
	cat <<USAGE
Usage: bench/measure.sh [--doc | PATTERN...]

Prints the instructions that each way to apply a policy adds to a forwarded packet. A
PATTERN is the name of a case (bench/cases.sh), or is contained in the names of cases.
Run "make bench", which builds the guest's programs first.

  --doc   measure all cases, and copy figures and plots to Documentation/bench/

BENCH_PARTS="..."     parts of bench/guest.sh ($PARTS)
BENCH_FLAVOUR=NAME    kernel to measure in (bench; empty: the guest's own)
BENCH_PACKETS=4000    packets for each figure (not for fragments and scaling)
BENCH_SIZES="64 ..."  more sizes of the packets of main cases, from the IP header on
JOBS=$JOBS                guests at once
USAGE
}

# in_guest PART OPTION...
in_guest()
{
	local part=$1

	shift
	"$TOP/tools/guest/boot" --memory 2048 --timeout 3600 \
		--kernel "$IMAGE" --modules "$MODULES" --log "$RESULTS/$part.log" \
		--env BENCH_TOOLS="$OUT" --env BENCH_PACKETS="${BENCH_PACKETS:-}" \
		--env BENCH_SIZES="${BENCH_SIZES-64 512 1500}" "$@"
}

# Lines without a tab are messages, all others are figures.
run_part()
{
	local part=$1 options=(--icount) rc=0 start=$SECONDS

	shift
	[[ $part != scaling ]] || options=(--cpus 2)
	in_guest "$part" "${options[@]}" -- bench/guest.sh "$part" "$@" > "$RESULTS/$part.out" ||
		rc=$?
	grep -v $'\t' "$RESULTS/$part.out" >&2 || :
	((rc == 0)) || { warn "$part: exit status $rc (log: $(rel "$RESULTS/$part.log"))"; return 1; }
	grep $'\t' "$RESULTS/$part.out" > "$RESULTS/$part.tsv"
	warn "$part: $((SECONDS - start)) seconds"
}

# Measure nanoseconds only on a real processor.
run_clock()
{
	[[ ${ACCEL:-$(tail -n 1 "$BUILD/guest/accel" 2> /dev/null)} = kvm ]] || return 0
	in_guest clock --cpus 1 --env BENCH_UNIT=ns -- bench/guest.sh udp4 "$@" |
		grep $'\t' > "$RESULTS/clock.tsv"
}

run_parts()
{
	local part parts=()

	for part in $PARTS; do
		[[ -z $("$TOP/bench/guest.sh" -l "$part" "$@") ]] || parts+=("$part")
	done
	((${#parts[@]})) || die "$*: no case has such a name (bench/guest.sh -l udp4 lists them)"

	for part in "${parts[@]}"; do
		[[ $part != scaling ]] || wait
		while (($(jobs -rp | wc -l) >= JOBS)); do
			wait -n || :
		done
		run_part "$part" "$@" &
	done
	wait
	for part in "${parts[@]}"; do
		[[ -e $RESULTS/$part.tsv ]] || die "$part: failed"
	done
}

# Print what was measured: command, kernel, compiler and emulator.
about()
{
	local name set=

	for name in "${!BENCH_@}"; do
		set+="$name=\"${!name}\" "
	done
	printf 'about\t%s\t%s\n' \
		"command" "${set}make bench${1:+ CASE=\"$*\"}" \
		"kernel" "$(< "$KOBJ/include/config/kernel.release")" \
		"source" "$(cut -c 1-16 "$KTREE/.nf-bpf/stamp")" \
		"config" "$(sha256sum < "$KOBJ/.config" | cut -c 1-16)" \
		"compiler" "$(sed -n 's/^CONFIG_CC_VERSION_TEXT="\(.*\)"/\1/p' "$KOBJ/.config")" \
		"emulator" "$($QEMU_BINARY --version | head -n 1)"
}

# Only a complete run writes the pages, so that a page does not mix runs.
write_doc()
{
	mkdir -p "$DOC"
	cp "$RESULTS"/figures.{csv,json} "$RESULTS"/*.svg "$DOC/"
	"$TOP/bench/report.py" "$RESULTS" "$DOC/figures.rst"
	note "" "Wrote $(rel "$DOC")"
}

main()
{
	local doc=0

	case ${1:-} in
	-h|--help)
		usage
		return ;;
	--doc)
		doc=1
		set -- ;;
	-*)
		usage >&2
		exit 2 ;;
	esac

	mkdir -p "$RESULTS"
	rm -f "$RESULTS"/*.tsv "$RESULTS"/*.out "$RESULTS"/*.svg
	run_parts "$@"
	run_clock "$@"
	{
		about "$@"
		"$TOP/bench/guest.sh" -t
		cat "$RESULTS"/*.tsv
	} > "$RESULTS/figures"
	"$TOP/bench/report.py" "$RESULTS"
	((doc == 0)) || write_doc
}

main "$@"
