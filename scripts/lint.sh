#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Runs the cheap checks of our files, which build no kernel. It prints KTAP on stdout, with one
# result for each file.

. "$(dirname "$0")/lib/common.sh"
. "$(dirname "$0")/lib/series.sh"
. "$(dirname "$0")/lib/progress.sh"
. "$(dirname "$0")/lib/checks.sh"

CHECK=$BUILD/$BASE/lint

# Messages of checkpatch that do not apply here:
IGNORE=(
	# our series do not change the kernel's MAINTAINERS
	FILE_PATH_CHANGES
	# uapi headers cannot use BIT(). checkpatch does not know this of their copies below
	# tools/. The assembler reads the flags of kfuncs, and has no BIT() either.
	BIT_MACRO
)
IGNORE_COMPAT=(
	# __bpf_kfunc, as later kernels have it
	COMPLEX_MACRO
)
IGNORE_TOOLS=(
	# a message to the user stays on one line, so that grep finds it
	LONG_LINE LONG_LINE_STRING
	# "size_t :0;" ends every options struct of libbpf
	SPACING
	# LIBBPF_OPTS() declares a variable
	LINE_SPACING
	# the bootstrap version of bpftool is linked without some commands
	WEAK_DECLARATION
)
# The header for programs declares kfuncs as "extern ... __ksym".
IGNORE_PROGRAMS=(
	AVOID_EXTERNS
	# programs do not include the kernel's compiler_types.h
	PREFER_DEFINED_ATTRIBUTE_MACRO
	# a macro asks whether a function exists, then calls it
	MACRO_ARG_REUSE
	# a prototype with attributes that name its arguments
	FUNCTION_ARGUMENTS
	# lists of a macro's arguments
	COMPLEX_MACRO
	# the message of _Static_assert() stays on one line, which the compiler prints
	CAMELCASE LONG_LINE_STRING
)
IGNORE_SELFTESTS=(
	# lists of instructions, of members of a fixture's variant, of names
	COMPLEX_MACRO TRAILING_SEMICOLON
	# a check prints its argument; member names and lists in brackets
	MACRO_ARG_REUSE MACRO_ARG_PRECEDENCE
	# macros with a whole program on each line
	MACRO_WITH_FLOW_CONTROL
)
# checkpatch takes "FIXTURE_DATA(name) *self" for a multiplication.
FIXTURE_POINTER="CHECK:SPACING: spaces preferred around that '\*' (ctx:WxV)"

# Commands that end before they have read all
STOPS_READING='head\b|[ef]?grep( -[A-Za-z]+)* -[A-Za-z]*[qm]|sed [^|]*[0-9/;]q\b'

usage()
{
	cat <<USAGE
Usage: scripts/lint.sh [PATTERN]

Checks our files, as many at once as JOBS says ($JOBS). PATTERN, a regular expression,
selects checks by the names below.

  shellcheck FILE   shellcheck says nothing
  checkpatch FILE   the kernel's checkpatch.pl --strict says nothing
  pipes             no pipe of a script ends in a command that stops reading: the command
                    before it could die of SIGPIPE, which "pipefail" takes for a failure
  header FILE       a user-space program can include this header first and alone
  bases             README.md lists the bases, and the versions they were made for
  errors            bpf_nf.h and prog_netfilter.rst list the same errors of an attach
  differs           kconfig/guest.differs has a reason for each network option that the
                    guest's kernel sets differently from the distribution's
  tree TEST         a test of scripts/tree.sh: KSRC= and the refresh of a series
  series            the folder of "make series" makes the tree that scripts/tree.sh makes,
                    by git am and by patch -p1
  sync              bpftool's help, man page and completion agree with its source; this
                    one builds bpftool
USAGE
}

# --- the checks -------------------------------------------------------------

# A file without "#!" is sourced, so other files use its variables.
check_shellcheck()
{
	local options=()

	[[ $(head -c 2 "$TOP/$1") = '#!' ]] || options=(--exclude=SC2034)
	cd "$TOP" && shellcheck "${options[@]}" "$1"
}

# A pipe that goes on in the next line is joined first. sed -n 1p and awk read to the end,
# and [[ $(command) = *text* ]] needs no pipe.
check_pipes()
{
	local file

	while read -r file; do
		sed -e ':join' -e '/[^|]|$/ { N; s/\n[[:space:]]*/ /; b join' -e '}' "$TOP/$file" |
			sed -nE "/(^|[^|])\| *($STOPS_READING)/ s:^[[:space:]]*:$file\: :p"
	done < <(shell_files) > "$LOG.pipes"
	[[ ! -s $LOG.pipes ]] || { cat "$LOG.pipes"; return 1; }
}

# Run it in the kernel tree, which is no git repository: in a repository, checkpatch takes a
# patch under version control for a source file.
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

# A user-space program must be able to include the header first and alone.
check_header()
{
	gcc -x c -std=c99 -Wall -Wextra -Werror -pedantic -fsyntax-only \
	    -I"$TOP/include/uapi" - <<< "#include <${1#include/uapi/}>
int main(void) { return 0; }"
}

# README names the kernel versions for which the series were made.
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

# Users read one of the two, so both must list the same errors.
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

# The list of differences is long, so the log has only those without a reason.
check_differs()
{
	"$TOP/scripts/compare-config.sh" > "$LOG.differs"
}

# bpftool's help, man page, completion and source must agree. This needs no kernel.
check_sync()
{
	make -C "$TOP/tools" --no-print-directory BUILD="$BUILD" BASE="$BASE" check
}

check_series()
{
	"$TOP/scripts/export-series.sh" check
}

check_tree()
{
	"$TOP/scripts/test-tree.sh" "$1" "$LOG.tree"
}

# --- the list, and the run --------------------------------------------------

# Scripts have no common suffix. Find them by their "#!" line, and find libraries, which have
# no such line, by their line for shellcheck.
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

	# The longest check is the first, so that the others run at the same time.
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
	printf 'series of make series: git am and patch -p1 make the tree of the build\n'
	printf 'pipes of scripts are read to the end\n'
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
