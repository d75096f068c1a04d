# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# The scripts that build Debian packages share this library. Source it after common.sh.

PACKAGING=$TOP/packaging/debian
DEB=$BUILD/deb

# Print the version of the packages. It is that of the changelog. A commit before the tag of this
# version has a lower version, and a commit after the tag has a higher one.
package_version()
{
	local version sign=+ commit

	version=$(dpkg-parsechangelog -l "$PACKAGING/changelog" -S Version)
	[[ -n $(git -C "$TOP" tag --merged HEAD --list "v$version" 2> /dev/null) ]] || sign='~'
	commit=$(TZ=UTC git -C "$TOP" show -s --date=format-local:%Y%m%d%H%M%S \
		--format="${sign}git%cd.%h" HEAD 2> /dev/null) || commit=
	[[ -z $(git -C "$TOP" tag --points-at HEAD "v$version" 2> /dev/null) ]] || commit=
	printf '%s%s' "$version" "$commit"
}

# dependencies DEB...: print the packages of Debian that these packages of this project need, with
# commas between them.
dependencies()
{
	local deb

	for deb; do
		dpkg-deb -f "$deb" Depends
	done | tr ',' '\n' | sed 's/|.*//; s/(.*//; s/ //g' | grep -v -e '^nf-bpf' -e '^$' |
		sort -u | paste -sd ,
}

# make_debian DIR MEGABYTES PACKAGES [OPTION...]: make a Debian of the release $SUITE with these
# packages. mmdebstrap gets the options. If DIR has the same packages, keep it for a month.
make_debian()
{
	local dir=$1 wanted

	wanted="$3 $(date +%Y-%m)"
	[[ ! -e $dir.made || $(< "$dir.made") != "$wanted" ]] || return 0
	need_space "$BUILD" "$2" "a Debian to install in"
	note "Making a Debian $SUITE in $(rel "$dir")"
	rm -rf "$dir" "$dir.made"
	mkdir -p "${dir%/*}"
	mmdebstrap --mode=root --variant=apt --include="$3" "${@:4}" "$SUITE" "$dir" \
		> "$dir.log" 2>&1 || {
		tail -n 5 "$dir.log" >&2
		die "mmdebstrap could not make $(rel "$dir") (log: $(rel "$dir.log"))"
	}
	printf '%s\n' "$wanted" > "$dir.made"
}
