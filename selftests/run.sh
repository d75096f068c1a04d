#!/bin/bash
# SPDX-License-Identifier: GPL-2.0

set -euo pipefail

usage()
{
	cat <<-EOF
	Usage: selftests/run.sh [-l] [-v] [-d DIR] [-k DIR] [-p N] [-q DIR] [PATTERN]

	Runs the tests whose name matches PATTERN, or all tests. PATTERN is a shell
	pattern for a part of the name: "topology", "frag*4"; with a slash, for the
	beginning of the name: "track/", "link/up". The name of a test is FOLDER/FILE.
	Each file has several results. FOLDER/FILE/RESULT runs one of them.

	  -l  list the tests, or the results of FOLDER/FILE/
	  -v  print every result, with its time, not only failures
	  -d  run only the tests of the folder DIR. The tests of torture/ run only with
	      "-d torture", because they take long
	  -k  keep the output of each test (KTAP) as DIR/FOLDER/FILE.ktap, by default in
	      ktap/ beside the programs; with "-" print it, marked, for scripts/lib/run-tests.sh
	  -p  run only the tests that ask for N processors ("Processors: N" at the
	      beginning of the file; 1 if this line is missing), or with "N,M" for N or M.
	      0 are the tests that need no kernel of ours ("Kernel: none")
	  -q  share the tests with other runs that have the same DIR: a run takes a test by
	      making its folder in DIR

	"Requires: ..." at the beginning of a test file names options of the kernel
	(CONFIG_NF_CONNTRACK) and programs (nft) that the test needs. If one of them
	is missing, the test is skipped. On our own kernel the test fails, except for
	options that the kernel's flavour leaves out. If our modules were built for an
	unmodified kernel, the test fails there without CONFIG_NETFILTER_BPF_KFUNC.

	If a test prints a line "# figure: TEXT", the line is always printed.

	Environment:
	  NF_BPF_PATCHED=1  the kernel is this project's: a missing feature is a failure.
	                    Without this variable, its tests are skipped
	  NF_BPF_MODULES=1  our modules were built for this unmodified kernel: a module
	                    that cannot be loaded is a failure
	  NF_BPF_BASE       the base of the kernel, such as 6.12
	  NF_BPF_FLAVOUR    the flavour of the kernel, such as noipv6
	  BUILD, BASE       where the programs were built (build, 6.1)
	  SELFTESTS         the directory of the programs, in place of BUILD and BASE
	  NF_BPF_SLOW       the factor by which the kernel may be slower (1)
	  NF_BPF_SMOKE=1    the short form of tests that repeat something many times
	  TEST_TIMEOUT      seconds for one file (300 * NF_BPF_SLOW)

	The last line is "N passed, N failed, N skipped". Exit status: 0 nothing
	failed, 1 something did, 2 wrong arguments or nothing to run.
	EOF
}

SRC=$(cd "$(dirname "$0")" && pwd)
export BUILD=${BUILD:-$(cd "$SRC/.." && pwd)/build}
export BASE=${BASE:-6.1}
export SELFTESTS=${SELFTESTS:-$BUILD/$BASE/selftests}
PATH=$BUILD/tools/bin:$PATH	# for bpftool
TEST_TIMEOUT=${TEST_TIMEOUT:-$((300 * ${NF_BPF_SLOW:-1}))}
FOLDER=			# folder with the tests; empty: all but torture
EXACT=0			# is the pattern a whole name?
RESULT=			# the only result to run
KTAP=			# directory for the output of the tests, or "-"
VERBOSE=0

passed=0
failed=0
skipped=0
declare -A skip_reasons=()
times=()		# "SECONDS NAME" of each file

die()
{
	echo "run.sh: $*" >&2
	exit 2
}

all_tests()
{
	local file

	# shellcheck disable=SC2231 # FOLDER may be a pattern
	for file in "$SRC"/${FOLDER:-*}/*.{c,sh}; do
		[[ -e $file && $file != */lib.sh ]] || continue
		[[ -n $FOLDER || $file != */torture/* ]] || continue
		[[ $file != "$SRC"/@(helpers|progs)/* ]] || continue
		file=${file#"$SRC/"}
		echo "${file%.*}"
	done | sort
}

# matching_tests PATTERN
matching_tests()
{
	local name pattern="*$1*"

	# "track/" must not run "conntrack/".
	[[ $1 != */* ]] || pattern="$1*"
	((!EXACT)) || pattern=$1
	while read -r name; do
		# shellcheck disable=SC2053 # a pattern must not be quoted
		[[ $name != $pattern ]] || echo "$name"
	done < <(all_tests)
}

# header_of NAME KEY: the text after "KEY: " in the comment at the beginning of a test.
header_of()
{
	local file

	for file in "$SRC/$1".{c,sh}; do
		[[ ! -e $file ]] ||
			sed -n "1,30s/^[# ]*\\*\\? *$2: \\(.*\\)/\\1/p" "$file"
	done
}

# Leave out the tests of which one kernel is enough.
leave_out_any_kernel()
{
	local name kept=()

	for name in "${tests[@]}"; do
		[[ $(header_of "$name" Kernel) == @(any|none) ]] || kept+=("$name")
	done
	((${#kept[@]})) || die "NF_BPF_SECOND_BASE: the tests do not depend on the kernel"
	tests=("${kept[@]}")
}

# keep_processors N[,M]: keep only the tests that ask for N or M processors
keep_processors()
{
	local name kept=() wanted

	for name in "${tests[@]}"; do
		wanted=$(header_of "$name" Processors)
		[[ $(header_of "$name" Kernel) != none ]] || wanted=0
		[[ ,$1, != *,${wanted:-1},* ]] || kept+=("$name")
	done
	((${#kept[@]})) || die "-p $1: no test asks for so many processors"
	tests=("${kept[@]}")
}

# take NAME: take the test from the queue. Fails if another run has it.
take()
{
	local place=$queue/${1//\//.}

	[[ -n $queue ]] || return 0
	mkdir "$place" 2> /dev/null && return
	[[ -d $place ]] || die "-q $queue: cannot write to it"
	return 1
}

program_of()
{
	if [[ -e $SRC/$1.sh ]]; then
		echo "$SRC/$1.sh"
	else
		echo "$SELFTESTS/$1"
	fi
}

# seconds_since EPOCHREALTIME
seconds_since()
{
	local us=$((${EPOCHREALTIME/[.,]/} - ${1/[.,]/}))

	printf '%d.%d' $((us / 1000000)) $((us / 100000 % 10))
}

# The kernel's taint flags. If a test adds a flag (the kernel warned, or worse), the test
# fails. The flags of modules from outside the tree (4096) and without a signature (8192)
# do not count.
tainted()
{
	echo $(($(< /proc/sys/kernel/tainted) & ~(4096 | 8192)))
}

file_failed()
{
	failed=$((failed + 1))
	printf '  not ok %s: %s\n' "$1" "$2"
}

# has REQUIREMENT: is there this option of the kernel, or this program?
has()
{
	case $1 in
	CONFIG_IPV6) [[ -e /proc/net/if_inet6 ]] ;;
	CONFIG_NF_CONNTRACK)
		[[ -e /proc/sys/net/netfilter/nf_conntrack_max ]] || modprobe -q nf_conntrack ;;
	# The programs are built only if vmlinux.h has the types of this project.
	CONFIG_NETFILTER_BPF_KFUNC)
		[[ -e $SELFTESTS/progs/kfunc.bpf.o ]] && modprobe -q nf_bpf_kfunc ;;
	CONFIG_FAILSLAB)
		[[ -w /proc/thread-self/fail-nth && -d /sys/kernel/debug/failslab ]] ;;
	CONFIG_*) die "Requires: $1: has() in run.sh does not know how to look for it" ;;
	*) type -P "$1" > /dev/null ;;
	esac
}

# left_out REQUIREMENT: does the kernel's flavour leave it out? The tests with failing
# allocations use IPv6 and conntrack.
left_out()
{
	case ${NF_BPF_FLAVOUR:-}:$1 in
	noipv6:CONFIG_IPV6 | noipv6:CONFIG_FAILSLAB) return 0 ;;
	noconntrack:CONFIG_NF_CONNTRACK | noconntrack:CONFIG_FAILSLAB) return 0 ;;
	*) return 1 ;;
	esac
}

# must_have REQUIREMENT: is it a failure that the kernel or the machine lacks it?
must_have()
{
	if [[ ${NF_BPF_PATCHED:-0} == 1 ]]; then
		left_out "$1" && return 1
		return 0
	fi
	[[ ${NF_BPF_MODULES:-0} == 1 && $1 == CONFIG_NETFILTER_BPF_KFUNC ]]
}

# Print KTAP in place of a test whose requirement is missing. Fails if nothing is missing.
run_nothing()
{
	local requirement

	for requirement in $(header_of "$1" Requires); do
		! has "$requirement" || continue
		echo "TAP version 13"
		if must_have "$requirement"; then
			printf '1..1\nnot ok 1 requires %s\n\nexit-status 1\n' "$requirement"
		else
			printf '1..0 # SKIP no %s\n\nexit-status 4\n' "$requirement"
		fi
		return 0
	done
	return 1
}

# run_program NAME PROGRAM: run it, then print a line with its exit status.
run_program()
{
	local status=0 result=()

	! run_nothing "$1" || return 0
	# kselftest_harness.h and lib.sh have the same option.
	[[ -z $RESULT ]] || result=(-r "$RESULT")
	# Start a new line, because the last line of the program may be incomplete.
	timeout --kill-after=10 "$TEST_TIMEOUT" "$2" "${result[@]}" </dev/null 2>&1 ||
		status=$?
	printf '\nexit-status %s\n' "$status"
}

# Pass on what a test prints, and keep a copy where KTAP says.
keep_ktap()
{
	local name=$1 file=$KTAP/$1.ktap

	case $KTAP in
	"") cat ;;
	-) sed -u "/^exit-status /b; p; s|^|ktap $name |" ;;
	*)
		mkdir -p "${file%/*}"
		tee "$file" ;;
	esac
}

print_output()
{
	local line

	for line in "${output[@]}"; do
		# The harness prints these lines for every result, so omit them.
		[[ $line =~ ^#\ +(RUN|OK|FAIL)\  ]] || printf '      %s\n' "$line"
	done
}

# Take one KTAP result. $output has the lines since the result before.
take_result()
{
	local name=$1 ok=$2 what=$3 time=$4

	seen=$((seen + 1))
	if [[ $what =~ (.*)#\ *(SKIP|skip)\ *(.*) ]]; then
		skipped=$((skipped + 1))
		skip_reasons[${BASH_REMATCH[3]:-no reason}]+=" $name"
		((!VERBOSE)) || printf '  skip %6s s  %s\n' "$time" "$what"
	elif [[ $ok == ok ]]; then
		passed=$((passed + 1))
		((!VERBOSE)) || printf '  ok   %6s s  %s\n' "$time" "$what"
	else
		failed=$((failed + 1))
		printf '  not ok %s: %s (%s s)\n' "$name" "$what" "$time"
		print_output
	fi
	output=()
}

run_file()
{
	local name=$1 program seen=0 plan=-1 status=255 line start since
	local failed_before=$failed skipped_before=$skipped taint_before
	local output=()

	start=$EPOCHREALTIME
	since=$start
	taint_before=$(tainted)
	program=$(program_of "$name")
	if [[ ! -x $program ]]; then
		file_failed "$name" "$program is not built: make -C selftests"
		return
	fi

	while IFS= read -r line; do
		if [[ $line =~ ^exit-status\ ([0-9]+)$ ]]; then
			status=${BASH_REMATCH[1]}
			# Do not read to the end of the pipe: a process that the
			# test left behind may hold the pipe open.
			break
		elif [[ $KTAP == - && $line == "ktap "* ]]; then
			printf '%s\n' "$line"
		elif [[ $line =~ ^1\.\.([0-9]+)(.*)$ && $plan == -1 ]]; then
			plan=${BASH_REMATCH[1]}
			# The harness plans 0 results if it has no result of the name RESULT.
			[[ $plan != 0 || -n $RESULT && -z ${BASH_REMATCH[2]} ]] ||
				take_result "$name" ok "${BASH_REMATCH[2]}" 0.0
			output=()
		elif [[ $line =~ ^(ok|not\ ok)\ [0-9]+\ ?-?\ ?(.*)$ ]]; then
			take_result "$name" "${BASH_REMATCH[1]}" \
				"${BASH_REMATCH[2]}" "$(seconds_since "$since")"
			since=$EPOCHREALTIME
		elif [[ $line == "# figure: "* ]]; then
			printf '  %s\n' "${line#"# figure: "}"
		elif [[ -n $line ]]; then
			output+=("$line")
		fi
	# This subshell lives as long as any process that the test leaves behind. It must
	# not hold the standard error of a caller who waits for all tests.
	done < <(exec 2>&1; run_program "$name" "$program" | keep_ktap "$name")

	check_file
	since=$(seconds_since "$start")
	times+=("$since $name")
	printf '%-6s %-26s %3d results  %6s s\n' "$(file_verdict)" "$name" "$seen" "$since"
}

file_verdict()
{
	if ((failed > failed_before)); then
		echo FAILED
	elif ((skipped - skipped_before == seen)); then
		echo skip
	else
		echo ok
	fi
}

# Check a file's plan and exit status, which its results do not show.
check_file()
{
	local failures=$((failed - failed_before)) reason=

	if [[ $status == 124 || $status == 137 ]]; then
		reason="not done after $TEST_TIMEOUT s"
	elif [[ -n $RESULT ]] && ((!seen && plan <= 0)); then
		reason="has no result $RESULT: selftests/run.sh -l $name/ lists them"
	elif ((plan == -1)); then
		reason="printed no plan (exit status $status)"
	elif ((plan && seen != plan)); then
		reason="$seen results, $plan planned (exit status $status)"
	elif ((status != 0 && status != 4 && !failures)); then
		reason="exit status $status"
	elif [[ $(tainted) != "$taint_before" ]]; then
		reason="the kernel is tainted: see dmesg"
	fi
	[[ -n $reason ]] || return 0
	file_failed "$name" "$reason"
	print_output
}

print_skips()
{
	local reason name
	local -A names

	for reason in "${!skip_reasons[@]}"; do
		names=()
		for name in ${skip_reasons[$reason]}; do
			names[$name]=$((${names[$name]:-0} + 1))
		done
		printf 'skipped: %s:' "$reason"
		for name in "${!names[@]}"; do
			printf ' %s (%d)' "$name" "${names[$name]}"
		done
		echo
	done
}

# The five files that took longest.
print_slowest()
{
	((${#times[@]} > 1)) || return 0
	printf 'slowest:'
	printf '%s\n' "${times[@]}" | sort -rn | awk 'NR <= 5 { printf " %s (%s s)", $2, $1 }'
	echo
}

print_summary()
{
	print_skips
	print_slowest
	((!failed)) || [[ -z $KTAP || $KTAP == - ]] ||
		echo "what the tests have printed: $KTAP/"
	echo "$passed passed, $failed failed, $skipped skipped"
}

# list_results: list the results of the only test
list_results()
{
	local program

	program=$(program_of "${tests[0]}")
	if [[ $program == *.sh ]]; then
		"$program" -l
	else
		# After the list, the harness exits with the status of a skipped test.
		{ "$program" -l 2>&1 || :; } | list_of_harness
	fi
}

# kselftest_harness.h prints a table. The first line of a fixture has its name in column 1.
# From this line on, column 2 lists its variants and column 3 its tests.
list_of_harness()
{
	awk '
	function end_fixture(v, t)
	{
		for (v = 1; v <= (variants ? variants : 1); v++)
			for (t = 1; t <= tests; t++)
				print fixture (variants ? "." variant[v] : "") "." test[t]
		variants = tests = 0
	}
	/^#/ { next }
	/^--/ { end_fixture(); next }
	{
		name = /^[^ ]/ ? $1 : ""
		if (name)
			fixture = name
		rest = substr($0, (length(name) > 20 ? length(name) : 20) + 2)
		n = split(rest, word)
		if (rest ~ /^[^ ]/)
			variant[++variants] = word[1]
		else if (n)
			test[++tests] = word[1]
		if (n > 1)
			test[++tests] = word[2]
	}
	END { end_fixture() }'
}

# parse_arguments ARGUMENT...: set the variables that main() has declared.
parse_arguments()
{
	while (($#)); do
		case $1 in
		-h | --help)
			usage
			exit 0
			;;
		-l) list=1 ;;
		-v) VERBOSE=1 ;;
		-d | -k | -p | -q)
			(($# > 1)) || die "$1: an argument is missing (see --help)"
			set_option "$1" "$2"
			shift
			;;
		-*) die "$1: unknown option (see --help)" ;;
		*)
			[[ -z $pattern ]] || die "$1: one pattern only"
			pattern=$1
			;;
		esac
		shift
	done
	# Slashes between parentheses belong to several names.
	if [[ $pattern == */*/* && $pattern != *"("* ]]; then
		EXACT=1
		RESULT=${pattern##*/}
		pattern=${pattern%/*}
	fi
}

set_option()
{
	case $1 in
	-d)
		[[ -d $SRC/$2 ]] || die "$2: no such folder in $SRC"
		FOLDER=$2
		;;
	-k) KTAP=$2 ;;
	-p) processors=$2 ;;
	-q) queue=$2 ;;
	esac
}

# In a guest, nothing can be written beside the programs, and no output is kept.
choose_ktap()
{
	[[ -z $KTAP ]] || return 0
	KTAP=$(dirname "$SELFTESTS")/ktap
	mkdir -p "$KTAP" 2> /dev/null && [[ -w $KTAP ]] || KTAP=
}

main()
{
	local list=0 pattern='' queue='' processors='' name
	local tests=()

	parse_arguments "$@"
	mapfile -t tests < <(matching_tests "$pattern")
	((${#tests[@]})) || die "$pattern: no test has such a name (see -l)"
	[[ -z ${NF_BPF_SECOND_BASE:-} ]] || leave_out_any_kernel
	[[ -z $processors ]] || keep_processors "$processors"
	if ((list)); then
		if ((EXACT)) && [[ -z $RESULT ]]; then
			list_results
		else
			printf '%s\n' "${tests[@]}"
		fi
		return 0
	fi
	((!EUID)) || die "needs root"
	# Do not unmount it at the end: another run may use it by then.
	[[ $(stat -f -c %T /sys/fs/bpf) == bpf_fs ]] || mount -t bpf bpf /sys/fs/bpf
	choose_ktap
	NF_BPF_COPIES=$(mktemp -d)
	export NF_BPF_COPIES
	trap 'rm -rf "$NF_BPF_COPIES"' EXIT

	for name in "${tests[@]}"; do
		! take "$name" || run_file "$name"
	done

	print_summary
	((!failed))
}

main "$@"
