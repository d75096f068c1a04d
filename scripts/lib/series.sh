# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# shellcheck disable=SC2034	# variables are for the scripts that source this
# shellcheck disable=SC2153	# others come from common.sh
#
# Functions for source trees below build/. A tree consists of a pristine source, the project's
# own files, and one or more series of patches, which quilt applies. scripts/tree.sh makes the
# trees. Source this file after common.sh.

# Select the tree to work on: its place, its series (the lowest first), and its own files.
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
		SPACE=1900
		[[ -z $UNPATCHED ]] || SERIES=() OWN=()
		MADE_FOR=$PATCHES ;;
	tools)
		TREE=$TOOLS_SRC
		SERIES=("$TOP/tools/lib/bpf-patch" "$TOP/tools/bpf/bpftool-patch")
		OWN=()
		# libbpf includes the processor's <asm/bpf_perf_event.h>.
		MEMBERS=('arch/*/include/uapi' Makefile Documentation/bpf include kernel/bpf scripts tools)
		SOURCE=
		SPACE=500
		MADE_FOR=${SERIES[0]} ;;
	*)
		warn "${1:-no name}: no such tree: give kernel or tools"
		exit 2 ;;
	esac
	STATE=$TREE/.nf-bpf
	WANTED=$(< "$MADE_FOR/VERSION")
	[[ -n $SOURCE ]] || SOURCE=/usr/src/linux-source-$(first_two "$WANTED").tar.xz
}

tree_version()
{
	awk '$1 == "VERSION" || $1 == "PATCHLEVEL" || $1 == "SUBLEVEL" { v[++n] = $3 }
	     n == 3 { print v[1] "." v[2] "." v[3]; exit }' FS='[ \t]+' "$1/Makefile"
}

# Print FROM<TAB>PATH for each of our own files. PATH is its path in the tree.
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

# copy_own INTO: copy our own files to the tree INTO
copy_own()
{
	local from path

	while IFS=$'\t' read -r from path; do
		mkdir -p "$1/$(dirname "$path")"
		cp -p "$from" "$1/$path"
	done < <(own_files)
}

series_patches()
{
	local dir=$1

	[[ -r $dir/series ]] || return 0
	sed 's/#.*//; s/[ \t].*//; /^$/d' "$dir/series"
}

# Print the paths that the patches of all series touch.
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

# quilt_in DIR NUMBER COMMAND...: run quilt in DIR with the series of this number
quilt_in()
{
	local dir=$1 number=$2
	shift 2

	(cd "$dir" && LC_ALL=C QUILT_PATCHES=${SERIES[number]} QUILT_SERIES=series \
		QUILT_DIFF_OPTS=-p QUILT_PC=.pc${number#0} \
		QUILT_REFRESH_ARGS="-p ab --no-timestamps --no-index" \
		quilt --quiltrc - "$@")
}

# explain_failure INTO DIR PATCH < OUTPUT: say why quilt's push has failed, and end
explain_failure()
{
	local into=$1 dir=$2 patch=$3 made version

	made=$(< "$dir/VERSION")
	version=$(tree_version "$TREE")
	awk -v patch="$(rel "$dir")/$patch" -v version="$version" '
	/^patching file / { file = $3 }
	/^Hunk #[0-9]+ FAILED at/ {
		sub(/^#/, "", $2)
		sub(/\.$/, "", $5)
		said = said sprintf("%s: %s: hunk %s does not fit Linux %s (line %s)\n",
				    patch, file, $2, version, $5)
	}
	/^can.t find file to patch/ {
		missing = 1
	}
	/^\|\+\+\+ / && missing {
		sub(/^b\//, "", $2)
		said = said sprintf("%s: %s: no such file in Linux %s\n", patch, $2, version)
	}
	# This is the last line. The hunks do not fit because they are already there.
	/can be reverse-applied$/ {
		said = sprintf("%s: is in Linux %s already\n", patch, version)
	}
	/malformed patch/ {
		said = said patch ": " $0 "\n"
	}
	{ all = all "  " $0 "\n" }
	END { printf "%s", said ? said : patch ": does not apply:\n" all }' >&2
	die "$(rel "$dir") was made for Linux $made: mend the patch in $(rel "$into")" \
	    "(quilt push -f, edit, quilt refresh), or give a KSRC= that it fits"
}

# push_series DIR [REFRESHED]: apply all series in DIR, and rewrite the patches of the series
# REFRESHED that do not fit exactly
push_series()
{
	local into=$1 refreshed=${2:-} number dir patch output

	for number in "${!SERIES[@]}"; do
		dir=${SERIES[number]}
		while read -r patch; do
			output=$(quilt_in "$into" "$number" push "$patch" < /dev/null 2>&1) ||
				explain_failure "$into" "$dir" "$patch" <<< "$output"
			if [[ $dir = "$refreshed" && $output = *" (offset "* ||
			      $dir = "$refreshed" && $output = *" with fuzz "* ]]; then
				quilt_in "$into" "$number" refresh
			elif [[ $output = *" with fuzz "* ]]; then
				note "$(rel "$dir")/$patch: applied with fuzz" \
				     "(scripts/tree.sh refresh $(rel "$dir"))"
			fi
		done < <(series_patches "$dir")
	done
}
