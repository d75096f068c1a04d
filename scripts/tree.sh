#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Prepares a source tree below build/: a pristine source, the project's own files, and
# patch series on top. Every step can be interrupted and run again.
#
# The files that the project adds or patches are made in a directory of their own, and
# copied into the tree when all patches have been applied. The state is in the tree's
# .nf-bpf/:
#   source     identifies the source of the tree
#   known      names of all files that were ever added or patched
#   pristine/  these files as they are in the source
#   applied/   these files as they were copied into the tree
#   stamp      a checksum of the source, the series and the project's files, written last
#
# quilt's record of applied patches is for people who change patches (quilt push, pop, refresh
# in the tree).

. "$(dirname "$0")/lib/common.sh"
. "$(dirname "$0")/lib/series.sh"

EDITED=$SHARED/edited

usage()
{
	cat <<USAGE
Usage: scripts/tree.sh COMMAND [ARGUMENT]

  prepare kernel|tools   make the tree of BASE= (or of the tools) ready to build
  refresh SERIES         rewrite a series without offsets and fuzz
  clean kernel|tools     remove the tree

SERIES is a folder with VERSION, series and patches: patches/$BASE,
tools/lib/bpf-patch or tools/bpf/bpftool-patch. KSRC= names another kernel
source for 'kernel': a directory or a tarball of the same major and minor.
UNPATCHED=1 makes a second tree for 'kernel', without series and own files.
USAGE
}

# --- the pristine source ----------------------------------------------------

source_id()
{
	local version=

	[[ ! -d $SOURCE ]] || version=" $(tree_version "$SOURCE")"
	[[ -e $SOURCE ]] || die "$SOURCE: no such kernel source: install it, or give KSRC="
	if [[ -d $SOURCE && -e $SOURCE/.git ]]; then
		version+=" $(git -C "$SOURCE" rev-parse HEAD 2> /dev/null || :)"
	fi
	# Include the member list in the id: a different selection is a different tree.
	stat -c "%n %s %Y$version${MEMBERS:+ ${MEMBERS[*]}}" "$(realpath "$SOURCE")"
}

# Files get the current time: else an object of another source could look newer.
unpack()
{
	local into=$1 members=()

	if [[ -d $SOURCE ]]; then
		# Leave out what a build in place has made, because O= builds refuse such a tree.
		rsync -rlp --exclude=.git --exclude='*.o' --exclude='.*.cmd' \
		      --exclude=/.config --exclude=/include/config \
		      --exclude='/arch/*/include/generated' \
		      --exclude=/include/generated "$SOURCE/" "$into/"
		return
	fi
	((${#MEMBERS[@]} == 0)) || members=(--no-wildcards-match-slash --wildcards
				       "${MEMBERS[@]/#/*/}")
	# Leave out these two: half of the files below tools/, and not built here.
	tar -x -m -f "$SOURCE" -C "$into" --strip-components=1 "${members[@]}" \
	    --exclude='tools/testing' --exclude='tools/perf'
}

ensure_source()
{
	local id version

	id=$(source_id)
	[[ -e $STATE/known && $(< "$STATE/source") = "$id" ]] && return

	need_space "$SHARED" "$SPACE" "the source of Linux $(first_two "$WANTED")"
	note "Unpacking $SOURCE"
	rm -rf "$TREE.part"
	mkdir -p "$TREE.part/.nf-bpf"
	unpack "$TREE.part"

	version=$(tree_version "$TREE.part")
	[[ $(first_two "$version") = "$(first_two "$WANTED")" ]] || {
		rm -rf "$TREE.part"
		die "$SOURCE: is Linux $version, $(rel "$MADE_FOR") is for $(first_two "$WANTED").y"
	}
	printf '%s\n' "$id" > "$TREE.part/.nf-bpf/source"
	: > "$TREE.part/.nf-bpf/known"
	rm -rf "$TREE"
	mv "$TREE.part" "$TREE"
}

# Save the original of each new file. Once patches were applied, somebody may have edited the
# tree, so take the file from the source then.
save_pristine()
{
	local new=$STATE/new from=

	managed_files | grep -vxF -f "$STATE/known" > "$new" || return 0
	mkdir -p "$STATE/pristine"
	if [[ ! -d $STATE/applied ]]; then
		from=$TREE
	elif [[ -d $SOURCE ]]; then
		from=$SOURCE
	fi
	if [[ -n $from ]]; then
		rsync -lp --ignore-missing-args --files-from="$new" "$from/" "$STATE/pristine/"
	else
		# tar fails for the names of new files, which the source does not have.
		sed 's:^:*/:' "$new" | tar -x -f "$SOURCE" -C "$STATE/pristine" \
			--strip-components=1 --wildcards --no-wildcards-match-slash -T - \
			2> "$STATE/tar.log" || grep -q 'Not found in archive' "$STATE/tar.log" ||
			die "$SOURCE: $(head -n 1 "$STATE/tar.log")"
	fi
	sort -u "$STATE/known" "$new" > "$STATE/known.part"
	mv "$STATE/known.part" "$STATE/known"
}

# --- the series -------------------------------------------------------------

# Print the stamp. The tree is made again when it changes.
stamp_now()
{
	local dir patch

	{
		cat "$STATE/source"
		for dir in "${SERIES[@]}"; do
			while read -r patch; do
				printf '%s\n' "$patch"
				cat "$dir/$patch"
			done < <(series_patches "$dir")
		done
		own_files | cut -f 2
		own_files | cut -f 1 | xargs -r cat
	} | sha256sum
}

# make_next [REFRESHED]: make the new versions of all added and patched files in next/
make_next()
{
	save_pristine
	mkdir -p "$STATE/pristine"
	rm -rf "$STATE/next"
	cp -a "$STATE/pristine" "$STATE/next"
	copy_own "$STATE/next"
	push_series "$STATE/next" "$@"
}

applied_files()
{
	[[ ! -d $STATE/applied ]] || (cd "$STATE/applied" && find . -type f -printf '%P\n')
}

# Keep copies of files that were edited in the tree, before they are overwritten.
keep_edits()
{
	local path copy

	while read -r path; do
		[[ -e $TREE/$path ]] || continue
		for copy in applied next pristine; do
			! cmp -s "$TREE/$path" "$STATE/$copy/$path" || continue 2
		done
		mkdir -p "$(dirname "$EDITED/$path")"
		cp "$TREE/$path" "$EDITED/$path"
		warn "$(rel "$TREE")/$path: was edited there; kept as $(rel "$EDITED")/$path"
	done < <(applied_files)
}

# Copy only files that differ. Others keep their time, so that make builds only what a patch
# has really changed.
install_next()
{
	local path pc

	rm -rf "$TREE"/.pc*
	for pc in "$STATE"/next/.pc*; do
		[[ ! -d $pc ]] || mv "$pc" "$TREE/"
	done
	rsync -rlpc "$STATE/next/" "$TREE/"
	while read -r path; do
		[[ -e $STATE/next/$path ]] || rm -f "$TREE/$path"
	done < <(applied_files)
	rm -rf "$STATE/applied"
	mv "$STATE/next" "$STATE/applied"
}

prepare()
{
	local stamp

	select_tree "$1"
	take_lock "tree-${TREE##*/}"
	ensure_source
	stamp=$(stamp_now)
	[[ ! -r $STATE/stamp || $(< "$STATE/stamp") != "$stamp" ]] || return 0

	((${#SERIES[@]} == 0)) ||
		note "Applying ${SERIES[*]#"$TOP"/} to Linux $(tree_version "$TREE")"
	rm -f "$STATE/stamp"
	make_next
	keep_edits
	install_next
	printf '%s\n' "$stamp" > "$STATE/stamp"
}

refresh()
{
	local dir what

	dir=$(realpath "$1")
	case $dir in
	"$TOP"/patches/*)
		what=kernel
		BASE=${dir##*/}
		PATCHES=$dir
		KTREE=$SHARED/$BASE/linux ;;
	"$TOP"/tools/*)
		what=tools ;;
	*)
		die "$1: not a series of this project" ;;
	esac
	select_tree "$what"
	take_lock "tree-${TREE##*/}"
	ensure_source
	make_next "$dir"
	tree_version "$TREE" > "$dir/VERSION"
	prepare "$what"
}

main()
{
	case ${1:-} in
	prepare)
		prepare "${2:-}" ;;
	refresh)
		[[ -d ${2:-} ]] || die "refresh: which series? (a folder with a series file)"
		refresh "$2" ;;
	clean)
		select_tree "${2:-}"
		rm -rf "$TREE" "$TREE.part" ;;
	-h|--help)
		usage ;;
	*)
		usage >&2
		exit 2 ;;
	esac
}

main "$@"
