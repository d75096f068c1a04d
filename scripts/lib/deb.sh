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
