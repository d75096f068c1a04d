# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# The scripts that build Debian packages share this library. Source it after common.sh.

PACKAGING=$TOP/packaging/debian
DEB=$BUILD/deb

# The version of the packages: that of the changelog. A commit before its tag has a lower
# version, a commit after it has a higher one.
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
