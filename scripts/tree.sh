#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Prepares a source tree under build/: pristine source, the project's own files,
# a patch series on top. Any step may be interrupted and run again.
#
# What a run relies on is kept in the tree's .nf-bpf/:
#   source     what the tree was unpacked from
#   pristine/  files that we replace or patch, as they were (absent/: were not)
#   own        names of the project's files that are in the tree
#   sums       checksums of all that we wrote
#   stamp      written last: source and series it was made from
#
# Nothing here trusts quilt's own record, which a killed push leaves half done;
# quilt is for who works on the patches (quilt push, pop, refresh in the tree).

. "$(dirname "$0")/lib/common.sh"

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
USAGE
}

# The tree to work on: its place, its series (bottom first), its own files.
select_tree()
{
	case ${1:-} in
	kernel)
		check_base
		TREE=$KTREE
		SERIES=("$PATCHES")
		OWN=("$TOP/net:net" "$TOP/include:include" "$PATCHES/compat:.")
		MEMBERS=()
		SOURCE=$KSRC
		SPACE=1900 ;;
	tools)
		TREE=$TOOLS_SRC
		SERIES=("$TOP/tools/lib/bpf-patch" "$TOP/tools/bpf/bpftool-patch")
		OWN=()
		# libbpf has the processor's <asm/bpf_perf_event.h>.
		MEMBERS=('arch/*/include/uapi' Makefile Documentation/bpf include kernel/bpf scripts tools)
		SOURCE=
		SPACE=500 ;;
	*)
		usage >&2
		exit 2 ;;
	esac
	STATE=$TREE/.nf-bpf
	WANTED=$(< "${SERIES[0]}/VERSION")
	[[ -n $SOURCE ]] || SOURCE=/usr/src/linux-source-$(first_two "$WANTED").tar.xz
}

# --- the pristine source ----------------------------------------------------

tree_version()
{
	awk '$1 == "VERSION" || $1 == "PATCHLEVEL" || $1 == "SUBLEVEL" { v[++n] = $3 }
	     n == 3 { print v[1] "." v[2] "." v[3]; exit }' FS='[ \t]+' "$1/Makefile"
}

source_id()
{
	local version=

	[[ ! -d $SOURCE ]] || version=" $(tree_version "$SOURCE")"
	[[ -e $SOURCE ]] || die "$SOURCE: no such kernel source: install it, or give KSRC="
	if [[ -d $SOURCE && -e $SOURCE/.git ]]; then
		version+=" $(git -C "$SOURCE" rev-parse HEAD 2> /dev/null || :)"
	fi
	# What is taken of it, too: a tree of other parts is another.
	stat -c "%n %s %Y$version${MEMBERS:+ ${MEMBERS[*]}}" "$(realpath "$SOURCE")"
}

# Files get the time of now: an object of another source must not look newer.
unpack()
{
	local into=$1 members=()

	if [[ -d $SOURCE ]]; then
		# A tree that was built in place refuses an O= build.
		rsync -rlp --exclude=.git --exclude='*.o' --exclude='.*.cmd' \
		      --exclude=/.config --exclude=/include/config \
		      --exclude='/arch/*/include/generated' \
		      --exclude=/include/generated "$SOURCE/" "$into/"
		return
	fi
	((${#MEMBERS[@]} == 0)) || members=(--no-wildcards-match-slash --wildcards
				       "${MEMBERS[@]/#/*/}")
	# Half of the files below tools/, and no part of what is built here.
	tar -x -m -f "$SOURCE" -C "$into" --strip-components=1 "${members[@]}" \
	    --exclude='tools/testing' --exclude='tools/perf'
}

ensure_source()
{
	local id version

	id=$(source_id)
	[[ -r $STATE/source && $(< "$STATE/source") = "$id" ]] && return

	need_space "$SHARED" "$SPACE" "the source of Linux $(first_two "$WANTED")"
	note "Unpacking $SOURCE"
	rm -rf "$TREE.part"
	mkdir -p "$TREE.part/.nf-bpf"
	unpack "$TREE.part"

	version=$(tree_version "$TREE.part")
	[[ $(first_two "$version") = "$(first_two "$WANTED")" ]] || {
		rm -rf "$TREE.part"
		die "$SOURCE: is Linux $version, $(rel "${SERIES[0]}") is for $(first_two "$WANTED").y"
	}
	printf '%s\n' "$id" > "$TREE.part/.nf-bpf/source"
	rm -rf "$TREE"
	mv "$TREE.part" "$TREE"
}

# --- the project's own files ------------------------------------------------

# FROM<TAB>PATH of every own file, PATH as it is in the tree.
own_files()
{
	local pair from to

	for pair in "${OWN[@]}"; do
		from=${pair%%:*}
		to=${pair##*:}
		[[ -d $from ]] || continue
		(cd "$from" && find . -type f \( -name '*.[chS]' -o -name 'Kconfig*' \
						 -o -name 'Makefile*' \) -printf '%P\n') |
			awk -v from="$from" -v to="$to/" \
			    '{ sub(/^\.\//, "", to); print from "/" $0 "\t" to $0 }'
	done
}

# A file that was edited in the tree must not be lost by writing over it.
keep_edit()
{
	local path=$1 sum

	[[ -e $TREE/$path && -r $STATE/sums ]] || return 0
	sum=$(awk -v path="$path" '$2 == path { print $1 }' "$STATE/sums")
	[[ -n $sum && $(sha256sum < "$TREE/$path") != "$sum  -" ]] || return 0
	mkdir -p "$EDITED/${path%/*}"
	cp "$TREE/$path" "$EDITED/$path"
	warn "$(rel "$TREE")/$path: was edited there; kept as $(rel "$EDITED")/$path"
}

copy_own()
{
	local from path

	while IFS=$'\t' read -r from path; do
		cmp -s "$from" "$TREE/$path" && continue
		[[ ${1:-} = first ]] || keep_edit "$path"
		mkdir -p "$TREE/$(dirname "$path")"
		cp "$from" "$TREE/$path"
		COPIED=1
	done < <(own_files)
}

# --- the series -------------------------------------------------------------

series_patches()
{
	local dir=$1

	[[ -r $dir/series ]] || return 0
	sed 's/#.*//; s/[ \t].*//; /^$/d' "$dir/series"
}

# Paths that the patches of a series touch.
touched_files()
{
	local dir patch

	for dir in "${SERIES[@]}"; do
		while read -r patch; do
			[[ -r $dir/$patch ]] || die "$(rel "$dir")/$patch: named in series, but missing"
			sed -n 's:^\(---\|+++\) [ab]/\([^\t]*\).*:\2:p' "$dir/$patch"
		done < <(series_patches "$dir")
	done | sort -u
}

managed_files()
{
	{
		touched_files
		own_files | cut -f 2
	} | sort -u
}

# What the tree must be made again for. Contents of own files are not in it:
# they are compared one by one.
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
	} | sha256sum
}

# The file as it was before anything of ours: the tree's own, or the oldest
# copy that quilt made when a patch in work touched it first.
pristine_of()
{
	local path=$1 applied patch

	for applied in "$TREE"/.pc*/applied-patches; do
		[[ -r $applied ]] || continue
		while read -r patch; do
			[[ -e ${applied%/*}/$patch/$path ]] || continue
			printf '%s' "${applied%/*}/$patch/$path"
			return
		done < "$applied"
	done
	printf '%s' "$TREE/$path"
}

save_pristine()
{
	local path from

	while read -r path; do
		[[ -e $STATE/pristine/$path || -e $STATE/absent/$path ]] && continue
		from=$(pristine_of "$path")
		if [[ -e $from && ( -s $from || $from = "$TREE/$path" ) ]]; then
			mkdir -p "$STATE/pristine/$(dirname "$path")"
			cp -p "$from" "$STATE/part"
			mv "$STATE/part" "$STATE/pristine/$path"
		else
			mkdir -p "$STATE/absent/$(dirname "$path")"
			: > "$STATE/absent/$path"
		fi
	done < <(managed_files)
}

state_list()
{
	[[ -d $STATE/$1 ]] || return 0
	(cd "$STATE/$1" && find . -type f -printf '%P\n')
}

# A file that ends up the same keeps its time, so that make rebuilds only what
# a changed patch really changed.
keep_times()
{
	local path

	rm -rf "$STATE/before"
	while read -r path; do
		[[ -e $TREE/$path ]] || continue
		mkdir -p "$STATE/before/$(dirname "$path")"
		cp -p "$TREE/$path" "$STATE/before/$path"
	done < <(state_list pristine; state_list absent)
}

give_times_back()
{
	local path

	while read -r path; do
		cmp -s "$STATE/before/$path" "$TREE/$path" || continue
		touch -r "$STATE/before/$path" "$TREE/$path"
	done < <(state_list before)
	rm -rf "$STATE/before"
}

restore_pristine()
{
	local path

	rm -rf "$TREE"/.pc*
	while read -r path; do
		cp "$STATE/pristine/$path" "$TREE/$path"
	done < <(state_list pristine)
	while read -r path; do
		rm -f "$TREE/$path"
	done < <(state_list absent)
}

in_tree()
{
	local number=$1
	shift

	(cd "$TREE" && LC_ALL=C QUILT_PATCHES=${SERIES[number]} QUILT_SERIES=series \
		QUILT_DIFF_OPTS=-p \
		QUILT_PC=.pc${number#0} QUILT_REFRESH_ARGS="-p ab --no-timestamps --no-index" \
		quilt --quiltrc - "$@")
}

# explain_failure DIR PATCH < what quilt said
explain_failure()
{
	local dir=$1 patch=$2 made version

	made=$(< "$dir/VERSION")
	version=$(tree_version "$TREE")
	awk -v patch="$(rel "$dir")/$patch" -v version="$version" '
	/^patching file / { file = $3 }
	/^Hunk #[0-9]+ FAILED at/ {
		sub(/^#/, "", $2)
		sub(/\.$/, "", $5)
		printf "%s: %s: hunk %s does not fit Linux %s (line %s)\n",
		       patch, file, $2, version, $5
		said = 1
	}
	/^can.t find file to patch/ {
		missing = 1
	}
	/^\|\+\+\+ / && missing {
		sub(/^b\//, "", $2)
		printf "%s: %s: no such file in Linux %s\n", patch, $2, version
		said = 1
	}
	/previously applied/ {
		printf "%s: %s: is in Linux %s already\n", patch, file, version
		said = 1
	}
	/malformed patch/ {
		print patch ": " $0
		said = 1
	}
	{ all = all "  " $0 "\n" }
	END { if (!said) printf "%s: does not apply:\n%s", patch, all }' >&2
	die "$(rel "$dir") was made for Linux $made: mend the patch in $(rel "$TREE")" \
	    "(quilt push -f, edit, quilt refresh), or give a KSRC= that it fits"
}

push_series()
{
	local number dir patch output

	for number in "${!SERIES[@]}"; do
		dir=${SERIES[number]}
		while read -r patch; do
			output=$(in_tree "$number" push "$patch" < /dev/null 2>&1) ||
				explain_failure "$dir" "$patch" <<< "$output"
			[[ $output != *" with fuzz "* ]] ||
				note "$(rel "$dir")/$patch: applied with fuzz (scripts/tree.sh refresh $(rel "$dir"))"
		done < <(series_patches "$dir")
	done
}

apply()
{
	local path

	rm -f "$STATE/stamp"
	while read -r path; do
		keep_edit "$path"
	done < <(state_list pristine; state_list absent)
	rm -f "$STATE/sums"

	save_pristine
	keep_times
	restore_pristine
	copy_own first
	push_series
	give_times_back
}

write_sums()
{
	local path

	while read -r path; do
		[[ ! -f $TREE/$path ]] || (cd "$TREE" && sha256sum "$path")
	done < <(managed_files) > "$STATE/sums.part"
	mv "$STATE/sums.part" "$STATE/sums"
}

prepare()
{
	local stamp version

	select_tree "$1"
	take_lock "tree-${TREE##*/}"
	ensure_source
	stamp=$(stamp_now)
	COPIED=
	if [[ -r $STATE/stamp && $(< "$STATE/stamp") = "$stamp" ]]; then
		copy_own
		[[ -z $COPIED ]] || write_sums
		return
	fi

	version=$(tree_version "$TREE")
	note "Applying ${SERIES[*]#"$TOP"/} to Linux $version"
	apply
	write_sums
	printf '%s\n' "$stamp" > "$STATE/stamp"
}

refresh()
{
	local dir number patch

	dir=$(realpath "$1")
	case $dir in
	"$TOP"/patches/*)
		BASE=${dir##*/}
		PATCHES=$dir
		KTREE=$SHARED/$BASE/linux
		prepare kernel ;;
	"$TOP"/tools/*)
		prepare tools ;;
	*)
		die "$1: not a series of this project" ;;
	esac
	for number in "${!SERIES[@]}"; do
		[[ ${SERIES[number]} = "$dir" ]] || continue
		[[ -n $(series_patches "$dir") ]] || continue
		in_tree "$number" pop -a -q
		while read -r patch; do
			in_tree "$number" push -q "$patch"
			in_tree "$number" refresh -p ab --no-timestamps --no-index
		done < <(series_patches "$dir")
	done
	tree_version "$TREE" > "$dir/VERSION"
	prepare_again "$dir"
}

# The patches changed, what they make did not: let the stamp say so.
prepare_again()
{
	case $1 in
	"$TOP"/patches/*) prepare kernel ;;
	*) prepare tools ;;
	esac
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

# check-patches.sh takes the functions.
[[ ${BASH_SOURCE[0]} != "$0" ]] || main "$@"
