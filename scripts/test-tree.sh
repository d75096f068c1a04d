#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Tests scripts/tree.sh, which makes a tree from any source that KSRC= names, and rewrites a
# series for it. The kernel of these tests has two files, so they are fast. scripts/lint.sh
# runs each test.

# shellcheck source=../selftests/lib.sh
source "$(dirname "$0")/../selftests/lib.sh"

TOP=$(cd "$SELFTESTS_SRC/.." && pwd -P)
FIRST=0001-change-line-20.patch
SECOND=0002-add-a-line-to-other.c.patch

# make_source DIR VERSION: make a kernel source. A patch changes line 20 of its file.c.
make_source()
{
	local dir=$1 IFS=.

	mkdir -p "$dir"
	# shellcheck disable=SC2086 # split the version at the dots
	printf 'VERSION = %s\nPATCHLEVEL = %s\nSUBLEVEL = %s\n' $2 > "$dir/Makefile"
	printf 'line %s\n' {1..40} > "$dir/file.c"
	printf 'other %s\n' {1..10} > "$dir/other.c"
}

# Make a project with two patches for 6.1.10, a file of its own, and the source 6.1.10.
project()
{
	PROJECT=$WORK/project
	TREE=$PROJECT/build/6.1/linux
	PATCHES=$PROJECT/patches/6.1
	KERNEL=$WORK/source
	EDITED=$PROJECT/build/edited/file.c
	mkdir -p "$PROJECT/net" "$PROJECT/include" "$PATCHES/compat"
	cp -r "$TOP/scripts" "$PROJECT"
	echo "int own;" > "$PROJECT/net/own.c"
	make_source "$KERNEL" 6.1.10
	echo 6.1.10 > "$PATCHES/VERSION"
	printf '%s\n' "# a comment" "$FIRST" "$SECOND" > "$PATCHES/series"
	make_patch "$FIRST" file.c 's/line 20/line 20 changed/'
	make_patch "$SECOND" other.c '5a added'
}

# make_patch NAME FILE SED: write a patch in quilt's format, with a subject.
make_patch()
{
	local changed=$WORK/changed

	sed "$3" "$KERNEL/$2" > "$changed"
	{
		printf '%s\n' "Subject: [PATCH] ${1%.patch}" "" "A reason." "---"
		diff -u --label "a/$2" --label "b/$2" "$KERNEL/$2" "$changed" || :
	} > "$PATCHES/$1"
}

# tree COMMAND [ARGUMENT]: run the project's tree.sh with the source $KERNEL.
tree()
{
	(cd "$PROJECT" && BUILD='' BASE=6.1 KSRC=$KERNEL scripts/tree.sh "$@" 2>&1)
}

# Change the source to another release, with three more lines at the beginning of file.c.
newer_release()
{
	make_source "$KERNEL" 6.1.11
	sed -i '1i new 1\nnew 2\nnew 3' "$KERNEL/file.c"
}

expect_prepared()
{
	expect_eq "version" "6.1.${1:-10}" "$(sed 's/.*= //' "$TREE/Makefile" | paste -sd .)"
	expect_eq "line 20" "line 20 changed" "$(grep '^line 20' "$TREE/file.c")"
	expect_eq "the added line" "other 5 added other 6" \
		"$(sed -n '5,7p' "$TREE/other.c" | paste -sd ' ')"
	expect_eq "own file" "int own;" "$(< "$TREE/net/own.c")"
}

# Objects and history of a source that was built in place are not copied.
test_directory()
{
	project
	mkdir -p "$KERNEL/.git" "$KERNEL/include/generated"
	touch "$KERNEL/file.o" "$KERNEL/.config" "$KERNEL/include/generated/autoconf.h"
	expect_eq "said" "Unpacking $KERNEL"$'\n'"Applying patches/6.1 to Linux 6.1.10" \
		"$(tree prepare kernel)"
	expect_prepared
	expect_eq "files of a build" "" \
		"$(find "$TREE" -name .git -o -name '*.o' -o -name .config -o -name autoconf.h)"
	expect_eq "source" "line 20" "$(grep '^line 20' "$KERNEL/file.c")"
}

test_tarball()
{
	project
	tar -c -f "$WORK/linux.tar" -C "$WORK" source
	rm -r "$KERNEL"
	KERNEL=$WORK/linux.tar
	tree prepare kernel
	expect_prepared
	# If a new patch touches a file, its pristine copy comes from the tarball.
	printf '%s\n' 0003-Makefile.patch >> "$PATCHES/series"
	KERNEL=$TREE make_patch 0003-Makefile.patch Makefile 's/SUBLEVEL = 10/&-rc1/'
	tree prepare kernel
	expect_prepared 10-rc1
}

# A second tree without the series, beside the first, has the files of the source only.
test_unpatched()
{
	local plain

	project
	plain=$PROJECT/build/6.1/unpatched/linux
	tree prepare kernel
	expect_eq "said" "Unpacking $KERNEL" "$(UNPATCHED=1 tree prepare kernel)"
	expect_eq "difference" "" "$(diff -r --exclude=.nf-bpf "$KERNEL" "$plain")"
	expect_prepared
	expect_eq "said again" "" "$(UNPATCHED=1 tree prepare kernel)"
	newer_release
	UNPATCHED=1 tree prepare kernel
	expect_eq "difference" "" "$(diff -r --exclude=.nf-bpf "$KERNEL" "$plain")"
	expect_prepared
}

# The tree follows the source. If nothing has changed, the tree stays as it is.
test_other_release()
{
	project
	tree prepare kernel
	expect_eq "said of the same source" "" "$(tree prepare kernel)"
	newer_release
	expect_match "said" "*Applying patches/6.1 to Linux 6.1.11" "$(tree prepare kernel)"
	expect_prepared 11
	expect_eq "line 1" "new 1" "$(head -n 1 "$TREE/file.c")"
	expect_eq "series" 6.1.10 "$(< "$PATCHES/VERSION")"
}

test_other_version()
{
	project
	make_source "$KERNEL" 6.2.0
	expect_fails -s 1 "$KERNEL: is Linux 6.2.0, patches/6.1 is for 6.1.y" tree prepare kernel
	[[ ! -e $TREE && ! -e $TREE.part ]] || fail "a tree is left"
}

test_no_such_source()
{
	project
	rm -r "$KERNEL"
	expect_fails -s 1 "$KERNEL: no such kernel source: install it, or give KSRC=" \
		tree prepare kernel
}

# check_kept COMMAND...: the command keeps a file that was edited in the tree.
check_kept()
{
	project
	tree prepare kernel
	echo "an edit" >> "$TREE/file.c"
	make_patch "$FIRST" file.c 's/line 20/line 20 changed again/'
	expect_match "said" "*build/6.1/linux/file.c: was edited there; kept as build/edited/file.c" \
		"$(tree "$@")"
	expect_eq "kept" "an edit" "$(tail -n 1 "$EDITED")"
	expect_eq "line 20" "line 20 changed again" "$(grep '^line 20' "$TREE/file.c")"
	expect_eq "last line" "line 40" "$(tail -n 1 "$TREE/file.c")"
}

# refresh writes the new line numbers. A patch that fits does not change.
test_refresh_offsets()
{
	project
	cp "$PATCHES/$SECOND" "$WORK/second"
	newer_release
	grep -q '^@@ -17,7 +17,7 @@' "$PATCHES/$FIRST" || fail "made otherwise"
	tree refresh patches/6.1
	grep -q '^@@ -20,7 +20,7 @@' "$PATCHES/$FIRST" || fail "$(< "$PATCHES/$FIRST")"
	expect_eq "header" "Subject: [PATCH] ${FIRST%.patch}" "$(head -n 1 "$PATCHES/$FIRST")"
	cmp "$PATCHES/$SECOND" "$WORK/second" || fail "$SECOND was rewritten"
	expect_eq "made for" 6.1.11 "$(< "$PATCHES/VERSION")"
	expect_prepared 11
	cp "$PATCHES/$FIRST" "$WORK/first"
	tree refresh patches/6.1
	cmp "$PATCHES/$FIRST" "$WORK/first" || fail "refreshed twice"
}

# prepare names a patch with fuzz and does not change it. refresh removes the fuzz.
test_refresh_fuzz()
{
	local said="patches/6.1/$FIRST: applied with fuzz (scripts/tree.sh refresh patches/6.1)"

	project
	cp "$PATCHES/$FIRST" "$WORK/first"
	sed -i 's/line 17/line 17 of a newer release/' "$KERNEL/file.c"
	expect_match "said" "*$said" "$(tree prepare kernel)"
	cmp "$PATCHES/$FIRST" "$WORK/first" || fail "prepare has rewritten a patch"
	tree refresh patches/6.1
	grep -q '^ line 17 of a newer release' "$PATCHES/$FIRST" || fail "$(< "$PATCHES/$FIRST")"
	expect_prepared
	tree clean kernel
	[[ $(tree prepare kernel) != *"with fuzz"* ]] || fail "fuzz is left"
	expect_prepared
}

# expect_no_fit TEXT COMMAND...: the command fails with TEXT, and the series does not change.
expect_no_fit()
{
	cp -r "$PATCHES" "$WORK/before"
	expect_fails -s 1 "$1" tree "${@:2}"
	diff -r "$WORK/before" "$PATCHES" || fail "the series was changed"
	rm -r "$WORK/before"
}

test_no_fit()
{
	local command

	project
	sed -i 's/line \(19\|20\|21\)/& of a newer release/' "$KERNEL/file.c"
	for command in "prepare kernel" "refresh patches/6.1"; do
		# shellcheck disable=SC2086 # split command and argument
		expect_no_fit "patches/6.1/$FIRST: file.c: hunk 1 does not fit Linux 6.1.10 (line 17)" \
			$command
	done
}

test_no_fit_is_in_the_source()
{
	project
	sed -i 's/line 20/line 20 changed/' "$KERNEL/file.c"
	expect_no_fit "patches/6.1/$FIRST: is in Linux 6.1.10 already" prepare kernel
}

test_refresh_what()
{
	project
	expect_fails -s 1 "refresh: which series?" tree refresh nonesuch
	expect_fails -s 1 "net: not a series of this project" tree refresh net
}

test_keeps_an_edited_file()
{
	check_kept prepare kernel
}

test_refresh_keeps_an_edited_file()
{
	check_kept refresh patches/6.1
}

usage()
{
	echo "Usage: scripts/test-tree.sh -l | TEST DIR"
	echo
	echo "Runs TEST, one of those that -l lists. DIR is for its files."
}

main()
{
	add_functions
	case $#:${1:-} in
	1:-l)
		printf '%s\n' "${TESTS[@]}" ;;
	1:-h|1:--help)
		usage ;;
	2:*)
		declare -F "test_$1" > /dev/null || { usage >&2; exit 2; }
		rm -rf "$2"
		mkdir -p "$2"
		WORK=$(realpath "$2")
		"test_$1" ;;
	*)
		usage >&2
		exit 2 ;;
	esac
}

main "$@"
