#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The cheap checks of our files: KTAP on stdout, one result for each file. No kernel is
# built for them.

. "$(dirname "$0")/lib/common.sh"
. "$(dirname "$0")/lib/series.sh"
. "$(dirname "$0")/lib/progress.sh"
. "$(dirname "$0")/lib/checks.sh"

CHECK=$BUILD/$BASE/lint

# Messages of checkpatch that do not apply here:
IGNORE=(
	# MAINTAINERS is the kernel's, a series here does not change it
	FILE_PATH_CHANGES
	# uapi headers cannot have BIT(): checkpatch knows, but not of their copies
	# below tools/. The assembler, which reads the flags of kfuncs, has no BIT().
	BIT_MACRO
)
IGNORE_COMPAT=(
	# lists of parameters, and what <linux/btf.h> of later kernels has
	COMPLEX_MACRO MULTISTATEMENT_MACRO_USE_DO_WHILE
)
IGNORE_TOOLS=(
	# a message to the user stays on one line, to be found by what it says
	LONG_LINE LONG_LINE_STRING
	# "size_t :0;" ends every options struct of libbpf
	SPACING
	# LIBBPF_OPTS() declares a variable
	LINE_SPACING
	# bpftool's commands, which its bootstrap version is linked without
	WEAK_DECLARATION
)
# The header for programs, in which a kfunc is declared "extern ... __ksym".
IGNORE_PROGRAMS=(
	AVOID_EXTERNS
	# compiler_types.h is the kernel's own
	PREFER_DEFINED_ATTRIBUTE_MACRO
	# a function is asked for, then called
	MACRO_ARG_REUSE
	# a prototype with attributes that name its arguments
	FUNCTION_ARGUMENTS
	# lists of a macro's arguments
	COMPLEX_MACRO
	# _Static_assert(), whose message stays on the line that the compiler prints
	CAMELCASE LONG_LINE_STRING
)
IGNORE_SELFTESTS=(
	# lists: of instructions, of the members of a fixture's variant, of names
	COMPLEX_MACRO TRAILING_SEMICOLON
	# a check names what it has checked; member names and lists in brackets
	MACRO_ARG_REUSE MACRO_ARG_PRECEDENCE
	# whole programs, of one line each
	MACRO_WITH_FLOW_CONTROL
)
# "FIXTURE_DATA(name) *self", to checkpatch a product.
FIXTURE_POINTER="CHECK:SPACING: spaces preferred around that '\*' (ctx:WxV)"

usage()
{
	cat <<USAGE
Usage: scripts/lint.sh [PATTERN]

Checks our files, as many at once as JOBS says ($JOBS). PATTERN, a regular expression,
selects checks by the names below.

  shellcheck FILE   shellcheck says nothing
  checkpatch FILE   the kernel's checkpatch.pl --strict says nothing
  header FILE       a user-space program can include this header first and alone
  bases             README.md lists the bases, and the versions they were made for
  errors            bpf_nf.h and prog_netfilter.rst list the same errors of an attach
  differs           kconfig/guest.differs has a reason for each network option that the
                    guest's kernel sets differently from the distribution's
  tree TEST         a test of scripts/tree.sh: KSRC= and the refresh of a series
  sync              bpftool's help, man page and completion agree with its source; this
                    one builds bpftool
USAGE
}

# --- the checks -------------------------------------------------------------

# A file without "#!" is sourced: its variables are for others.
check_shellcheck()
{
	local options=()

	[[ $(head -c 2 "$TOP/$1") = '#!' ]] || options=(--exclude=SC2034)
	cd "$TOP" && shellcheck "${options[@]}" "$1"
}

# In the tree, which is no git repository: in one, checkpatch takes a patch that
# is under version control for a source file.
check_checkpatch()
{
	local file=() ignore=("${IGNORE[@]}") IFS=,

	[[ $1 = *.patch ]] || file=(-f)
	case $1 in
	*/compat/*)	ignore+=("${IGNORE_COMPAT[@]}") ;;
	tools/*.h)	ignore+=("${IGNORE_PROGRAMS[@]}") ;;
	tools/*)	ignore+=("${IGNORE_TOOLS[@]}") ;;
	selftests/*)	ignore+=("${IGNORE_SELFTESTS[@]}") ;;
	esac
	cd "$KTREE" || return
	perl scripts/checkpatch.pl --strict --no-summary --show-types --terse \
	     --ignore "${ignore[*]}" "${file[@]}" "$TOP/$1" > "$LOG.checkpatch" && return
	[[ -s $LOG.checkpatch && $1 = selftests/* ]] || { cat "$LOG.checkpatch"; return 1; }
	! grep -v "$FIXTURE_POINTER" "$LOG.checkpatch"
}

# A user-space program includes it first and alone.
check_header()
{
	gcc -x c -std=c99 -Wall -Wextra -Werror -pedantic -fsyntax-only \
	    -I"$TOP/include/uapi" - <<< "#include <${1#include/uapi/}>
int main(void) { return 0; }"
}

# README names the versions of the bases that the series were made for.
check_bases()
{
	local version said

	for version in "$TOP"/patches/*/VERSION; do
		version=${version#"$TOP/"}
		printf '%s %s\n' "$(basename "${version%/VERSION}")" "$(< "$TOP/$version")"
	done > "$LOG.bases"
	said=$(sed -n 's/^| \([0-9.]*\) | .* | \([0-9.]*\) |$/\1 \2/p' "$TOP/README.md")
	diff -u --label 'patches/*/VERSION' --label README.md "$LOG.bases" - <<< "$said"
}

# Users read either of the two.
check_errors()
{
	local name='E[A-Z0-9]\{4,\}'

	sed -n '/BPF_LINK_CREATE .* fails with$/,/BPF_LINK_UPDATE fails with$/p' \
		"$TOP/include/uapi/linux/bpf_nf.h" | grep -ow "$name" | sort -u > "$LOG.errors"
	[[ -s $LOG.errors ]] || die "bpf_nf.h: names no error of BPF_LINK_CREATE"
	sed -n '/^Errors$/,/^Priorities$/p' "$TOP/Documentation/bpf/prog_netfilter.rst" |
		grep -ow "$name" | sort -u |
		diff -u --label bpf_nf.h --label prog_netfilter.rst "$LOG.errors" -
}

# The list of the differences is long: only those without a reason are for the log.
check_differs()
{
	"$TOP/scripts/compare-config.sh" > "$LOG.differs"
}

# Needs no kernel: bpftool's own places that say what it takes.
check_sync()
{
	make -C "$TOP/tools" --no-print-directory BUILD="$BUILD" BASE="$BASE" check
}

check_tree()
{
	"$TOP/scripts/test-tree.sh" "$1" "$LOG.tree"
}

# --- the list, and the run --------------------------------------------------

# Scripts have no common ending: they are found by their first line, and libraries, which
# have none, by what they tell shellcheck.
shell_files()
{
	cd "$TOP" && find . -type d \( -path ./build -o -name .git \) -prune -o \
		-type f -exec awk 'FNR > 4 { nextfile }
			/^#!.*sh$/ && FNR == 1 || /^# shellcheck shell=/ { print FILENAME }' {} + |
		sed 's:^\./::' | sort -u
}

list_checks()
{
	local dir

	# The longest is the first, so that the others run beside it.
	printf 'sync bpftool: help, man page, completion and source agree\n'
	"$TOP/scripts/test-tree.sh" -l | sed 's/^/tree /'
	shell_files | sed 's/^/shellcheck /'
	{
		cd "$TOP"
		find net include dkms patches/*/compat tools samples selftests bench \
		     -name '*.[ch]' | sort
		for dir in patches/* tools/lib/bpf-patch tools/bpf/bpftool-patch; do
			series_patches "$dir" | sed "s:^:$dir/:"
		done
	} | sed 's/^/checkpatch /'
	(cd "$TOP" && find include/uapi -name '*.h' | sed 's/^/header /')
	printf 'bases README.md lists what there are patches for\n'
	printf 'errors of an attach are the same in the header and on the page\n'
	printf 'differs from the distribution with a reason: network options of the guest\n'
}

main()
{
	case ${1:-} in
	-h|--help)
		usage
		return ;;
	esac

	check_base
	mkdir -p "$CHECK"
	take_lock "lint-$BASE"
	"$TOP/scripts/tree.sh" prepare kernel >&2
	run_checks "$JOBS" "${1:-}"
}

main "$@"
