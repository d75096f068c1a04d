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
PARTS=(udp4 frag4 frag6 udp6 cache4 cache6 tcp4 last4 last6 frames4 frames6)
MAINLINE_PARTS=(mainline-udp4 mainline-frag4 mainline-frag6 mainline-udp6 mainline-tcp4
		mainline-last4 mainline-last6)

usage()
{
	cat <<USAGE
Usage: bench/measure.sh [--doc | --mainline | PATTERN...]

Prints the instructions that each way to apply a policy adds to a forwarded packet. A
PATTERN is the name of a case (bench/cases.sh), or is contained in the names of cases.
Run "make bench", which builds the guest's programs first.

If the base has netfilter links of its own, the cases of mainline's kernel are measured,
too. This kernel has the same source and configuration, without our series.

  --doc        measure all cases, and write figures and plots to Documentation/bench/
  --mainline   build mainline's kernel, if the base has netfilter links of its own

BENCH_PARTS="..."     parts of bench/guest.sh (${PARTS[*]}
                      ${MAINLINE_PARTS[*]} scaling)
BENCH_FLAVOUR=NAME    kernel to measure in (bench; empty: the guest's own)
BENCH_PACKETS=4000    packets for each figure (not for fragments and scaling)
BENCH_SIZES="64 ..."  more sizes of the packets of main cases, from the IP header on
JOBS=$JOBS                guests at once
USAGE
}

# The file is our own in the patched tree, and was mainline's before.
has_mainline()
{
	[[ -e $KTREE/.nf-bpf/pristine/net/netfilter/nf_bpf_link.c ]]
}

build_mainline()
{
	"$TOP/scripts/tree.sh" prepare kernel
	! has_mainline || UNPATCHED=1 FLAVOUR=$FLAVOUR "$TOP/scripts/kernel.sh" if-needed
}

# of_mainline PATH: the path of the same file of mainline's kernel
of_mainline()
{
	printf '%s/%s/unpatched/%s' "$BUILD" "$BASE" "${1#"$BUILD/$BASE/"}"
}

measured_mainline()
{
	compgen -G "$RESULTS/mainline-*.tsv" > /dev/null
}

# in_guest PART OPTION...
in_guest()
{
	local part=$1 image=$IMAGE modules=$MODULES

	shift
	if [[ $part = mainline-* ]]; then
		image=$(of_mainline "$image")
		modules=$(of_mainline "$modules")
	fi
	"$TOP/tools/guest/boot" --memory 2048 --timeout 3600 \
		--kernel "$image" --modules "$modules" --log "$RESULTS/$part.log" \
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
	local part parts=() all=("${PARTS[@]}")

	! has_mainline || all+=("${MAINLINE_PARTS[@]}")
	for part in ${BENCH_PARTS:-"${all[@]}" scaling}; do
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
		"emulator" "$($QEMU_BINARY --version | sed -n 1p)"
	! measured_mainline || printf 'about\t%s\t%s\n' \
		"mainline source" "$(cut -c 1-16 "$(of_mainline "$KTREE")/.nf-bpf/stamp")" \
		"mainline config" "$(sha256sum < "$(of_mainline "$KOBJ")/.config" | cut -c 1-16)"
}

# Only a complete run writes the pages, so that a page does not mix runs.
write_doc()
{
	mkdir -p "$DOC/$BASE"
	cp "$RESULTS"/figures.{csv,json} "$RESULTS"/*.svg "$DOC/$BASE/"
	"$TOP/bench/report.py" --page "$DOC"
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
	--mainline)
		build_mainline
		return ;;
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
