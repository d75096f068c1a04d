#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Builds the Debian packages that need no kernel: those of packaging/debian. It uses the results of
# earlier builds in build/.

. "$(dirname "$0")/lib/common.sh"
. "$(dirname "$0")/lib/progress.sh"
. "$(dirname "$0")/lib/deb.sh"

WORK=$DEB/tools
LOG=$WORK/log

usage()
{
	cat <<USAGE
Usage: scripts/deb-tools.sh

Builds nf-bpf-tools, nf-bpf-dkms and nf-bpf in $(rel "$DEB"). V=1 shows every command.
USAGE
}

# dpkg-buildpackage needs a folder that has debian/ in it, and puts the packages beside this folder.
stage()
{
	rm -rf "$WORK"
	mkdir -p "$WORK/source"
	cp -r "$PACKAGING" "$WORK/source/debian"
	VERSION=$(package_version)
	sed -i "1s/(.*)/($VERSION)/" "$WORK/source/debian/changelog"
}

build()
{
	export TOP
	# Give the files in the packages the time of the last commit.
	SOURCE_DATE_EPOCH=$(git -C "$TOP" log -1 --format=%ct 2> /dev/null) ||
		SOURCE_DATE_EPOCH=$(date +%s)
	export SOURCE_DATE_EPOCH
	(cd "$WORK/source" && dpkg-buildpackage -b -us -uc -ui -rfakeroot -j"$JOBS")
}

run_build()
{
	local rc=0

	if [[ -n $V ]]; then
		build 2>&1 | tee "$LOG"
		return
	fi
	build > "$LOG" 2>&1 || rc=$?
	((rc == 0)) && return
	grep -m 5 -E 'error:|Error|unmet|^dh_|^tools: ' "$LOG" >&2 || tail -n 20 "$LOG" >&2
	die "the packages could not be built (log: $(rel "$LOG"))"
}

# Delete packages of earlier versions: "apt-get install ./*.deb" would take them, too.
collect()
{
	local deb name

	for deb in "$WORK"/*.deb; do
		name=${deb##*/}
		rm -f "$DEB/${name%%_*}"_*.deb
		mv "$deb" "$DEB/"
		note "$(rel "$DEB/$name")"
	done
}

main()
{
	one_word_of "" "$@"
	[[ $ARCH = x86 ]] || die "ARCH=$ARCH: packages are built on the processor that they are for"
	take_lock deb-tools
	stage
	note "Building the packages of nf-bpf $VERSION"
	run_build
	collect
}

main "$@"
