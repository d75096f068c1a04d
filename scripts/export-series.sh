#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Writes all that this project adds to a kernel as one folder of numbered patches: the wiring
# of patches/<base>/, and the project's own files, with the messages of patches/own/.

. "$(dirname "$0")/lib/common.sh"
. "$(dirname "$0")/lib/series.sh"

MESSAGES=$TOP/patches/own
WORK=$BUILD/$BASE/export-series
MARK="# Patches of nf-bpf for Linux"
# The first patch of this file lets our C files be built.
MAKEFILE=net/netfilter/Makefile

usage()
{
	cat <<USAGE
Usage: scripts/export-series.sh OUT | check

  OUT     write the patches of BASE=$BASE into this folder, with a file "series"
  check   write them below $(rel "$WORK"), apply them with git am and with
          patch -p1 to the files of the source, and compare the results with the tree
          that scripts/tree.sh makes
USAGE
}

# --- own files --------------------------------------------------------------

# message_of PATH: the message of patches/own/ whose patch has this file
message_of()
{
	local message pattern patterns

	for message in "$MESSAGES"/*.message; do
		read -r -a patterns < <(sed -n 's/^Files: //p' "$message")
		for pattern in "${patterns[@]}"; do
			# shellcheck disable=SC2053 # it is a pattern
			[[ $1 != $pattern ]] || { printf '%s' "$message"; return; }
		done
	done
	die "$1: no message of $(rel "$MESSAGES") names this file: add it to a line \"Files:\"," \
	    "or write another message"
}

# Puts each own file and the file that it replaces into WORK/own/MESSAGE/.
sort_own_files()
{
	local from path message dir

	while IFS=$'\t' read -r from path; do
		message=$(message_of "$path")
		dir=$WORK/own/$(basename "$message" .message)
		mkdir -p "$dir/b/${path%/*}"
		cp "$from" "$dir/b/$path"
		[[ -e $STATE/pristine/$path ]] || continue
		mkdir -p "$dir/a/${path%/*}"
		cp "$STATE/pristine/$path" "$dir/a/$path"
	done < <(own_files)
}

# own_patch DIR: the patch of the files in DIR
own_patch()
{
	local message=$MESSAGES/${1##*/}.message

	mkdir -p "$1/a"
	# It exits with 1, because the folders differ.
	(cd "$1" && git diff --no-index --no-prefix --no-renames --output=patch a b) || [[ -s $1/patch ]]
	printf 'From: nf-bpf developers <dev@nf-bpf.invalid>\n'
	sed '/^Files: /d; s/^Subject: /&[PATCH] /' "$message"
	printf -- '---\n'
	# In no repository, or git takes paths of this one only.
	GIT_DIR=/dev/null git apply --stat --summary "$1/patch"
	printf '\n'
	# For a file that is new git names b/ twice.
	sed 's:^diff --git b/:diff --git a/:; /^index [0-9a-f]*\.\.[0-9a-f]/d' "$1/patch"
}

# --- the series -------------------------------------------------------------

# number FILE...: copies them to OUT, with their place in the subject
number()
{
	local file name place count=0

	printf '%s %s\n' "$MARK" "$(tree_version "$TREE")" > "$WORK/out/series"
	for file; do
		count=$((count + 1))
		name=$(basename "$file" | sed 's/^[0-9]*-//; s/\.message$/.patch/')
		printf -v name '%04d-%s' "$count" "$name"
		printf -v place '%0*d/%d' "${##}" "$count" "$#"
		sed "0,/^Subject: \[PATCH\]/s::Subject\: [PATCH $place]:" "$file" \
			> "$WORK/out/$name"
		printf '%s\n' "$name" >> "$WORK/out/series"
	done
}

# wiring before|after: the patches before the first one that touches MAKEFILE, or the others
wiring()
{
	local patch now=before

	while read -r patch; do
		! grep -q "^+++ b/$MAKEFILE" "$PATCHES/$patch" || now=after
		[[ $now != "$1" ]] || printf '%s\n' "$PATCHES/$patch"
	done < <(series_patches "$PATCHES")
}

# own headers|code: the patches of our files
own()
{
	local dir kind

	for dir in "$WORK"/own/*/; do
		dir=${dir%/}
		kind=headers
		[[ -z $(find "$dir/b" -name '*.c' -print -quit) ]] || kind=code
		[[ $kind != "$1" ]] || printf '%s\n' "$dir.message"
	done
}

make_patches()
{
	local dir patches

	rm -rf "$WORK"
	mkdir -p "$WORK/own" "$WORK/out"
	sort_own_files
	for dir in "$WORK"/own/*/; do
		own_patch "${dir%/}" > "${dir%/}.message"
	done
	mapfile -t patches < <(own headers; wiring before; own code; wiring after)
	number "${patches[@]}"
}

# A folder that has anything else is somebody's.
empty_folder()
{
	local name

	[[ -d $1 ]] || { mkdir -p "$1"; return; }
	if [[ -e $1/series && $(head -n 1 "$1/series") = "$MARK"* ]]; then
		while read -r name; do
			rm -f "$1/$name"
		done < <(series_patches "$1")
		rm "$1/series"
	fi
	[[ -z $(ls -A "$1") ]] ||
		die "$1: has other files: give a folder that is empty, or does not exist"
}

# --- the check --------------------------------------------------------------

# The other files of the tree are those of the source.
pristine_copy()
{
	mkdir -p "$1"
	cp -a "$STATE/pristine/." "$1"
}

apply_with_patch()
{
	local name

	while read -r name; do
		patch -d "$1" -p1 -s --fuzz=0 --forward --no-backup-if-mismatch \
			< "$WORK/out/$name" || return
	done < <(series_patches "$WORK/out")
}

apply_with_git()
{
	local git=(git -C "$1" -c user.name=check -c user.email=check@nf-bpf.invalid
		   -c core.autocrlf=false -c commit.gpgsign=false)

	"${git[@]}" init -q
	"${git[@]}" add -A
	"${git[@]}" commit -q --allow-empty -m source
	"${git[@]}" am -q "$WORK/out"/*.patch || return
	check_commits "${git[@]}" || return
	rm -rf "$1/.git"
}

# check_commits GIT...: each commit has author, a subject without the number, and a sign-off.
check_commits()
{
	local wanted bad

	wanted=$(series_patches "$WORK/out" | wc -l)
	"$@" log --format='%an <%ae>%x09%s%x09%(trailers:key=Signed-off-by,valueonly,separator=%x2c)' \
		-n "$wanted" > "$WORK/commits"
	bad=$(awk -F '\t' '$1 != "nf-bpf developers <dev@nf-bpf.invalid>" || $3 != $1 ||
			   $2 !~ /^[a-z0-9_]+: / || $2 ~ /PATCH/' "$WORK/commits")
	[[ -z $bad ]] || { printf 'author, subject or sign-off: %s\n' "$bad"; return 1; }
	[[ $(wc -l < "$WORK/commits") = "$wanted" ]]
}

check()
{
	local how

	for how in patch git; do
		pristine_copy "$WORK/$how"
		"apply_with_$how" "$WORK/$how" || die "the patches do not apply with $how"
		diff -r -x '.pc*' "$STATE/applied" "$WORK/$how" ||
			die "the tree that $how makes of the patches is not that of scripts/tree.sh"
	done
}

main()
{
	case $#:${1:-} in
	1:-h|1:--help)
		usage
		return ;;
	1:?*)
		;;
	*)
		usage >&2
		exit 2 ;;
	esac

	check_base
	take_lock "export-series-$BASE"
	"$TOP/scripts/tree.sh" prepare kernel
	select_tree kernel
	make_patches
	if [[ $1 = check ]]; then
		check
		return
	fi
	empty_folder "$1"
	cp "$WORK"/out/* "$1"
	note "$(series_patches "$1" | wc -l) patches for Linux $(tree_version "$TREE") in $1"
}

main "$@"
