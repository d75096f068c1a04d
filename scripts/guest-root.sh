#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Makes the root of a guest with another processor than this machine's. It unpacks Debian's
# packages for the processor below build/<arch>/root. Programs for the guest are linked with
# the libraries there.

. "$(dirname "$0")/lib/common.sh"

ROOT=$BUILD/root
LOG=$ROOT.log
SUITE=bookworm

usage()
{
	cat <<USAGE
Usage: scripts/guest-root.sh

Unpacks the packages that "scripts/packages.sh root" lists, and the packages that they need,
for the processor of ARCH= into $(rel "$ROOT"), unless the root is there already.

MIRROR=URL  the mirror of Debian's packages (default: that of mmdebstrap)
USAGE
}

inputs()
{
	{
		printf '%s\n' "$SUITE" "${MIRROR:-}"
		"$TOP/scripts/packages.sh" root | cut -f 1
		cat "$TOP/scripts/guest-root.sh"
	} | sha256sum
}

unpack()
{
	local names

	names=$("$TOP/scripts/packages.sh" root | cut -f 1 | paste -sd ,)
	note "Unpacking Debian's packages for $ARCH into $(rel "$ROOT")"
	mmdebstrap --variant=extract --architectures="$ARCH" --include="$names" \
		--hook-dir=/usr/share/mmdebstrap/hooks/merged-usr \
		"$SUITE" "$ROOT.part" ${MIRROR:+"$MIRROR"} > "$LOG" 2>&1 || {
		grep '^E:' "$LOG" >&2 || tail -n 5 "$LOG" >&2
		die "mmdebstrap failed (log: $(rel "$LOG"))"
	}
}

# Do the work of the packages' own scripts. These scripts cannot run here: they call programs
# of another processor.
settle()
{
	local root=$1 name

	mkdir -p "$root"/{dev,mnt,proc,root,run,sys}
	install -d -m 1777 "$root/tmp"
	for name in passwd group; do
		cp "$root/usr/share/base-passwd/$name.master" "$root/etc/$name"
	done
	# tcpdump changes to this user after it has opened its input.
	echo "tcpdump:x:100:65534::/nonexistent:/usr/sbin/nologin" >> "$root/etc/passwd"
	ln -sf dash "$root/usr/bin/sh"
	ln -sf gawk "$root/usr/bin/awk"
	for name in {iptables,ip6tables}{,-save,-restore}; do
		ln -sf xtables-nft-multi "$root/usr/sbin/$name"
	done
	# Compile Python's modules: else each test would compile them again, in memory.
	/usr/bin/python3 -m compileall -q -j 0 --invalidation-mode unchecked-hash \
		-s "$root" -p / "$root/usr/lib/python3" "$root"/usr/lib/python3.* >> "$LOG" 2>&1 ||
		note "some of Python's modules do not compile (log: $(rel "$LOG"))"
}

main()
{
	one_word_of "" "$@"
	[[ $ARCH != x86 ]] || die "ARCH=x86: its guest has this machine's root"
	take_lock "root-$ARCH"
	if [[ -r $ROOT.built && $(< "$ROOT.built") = "$(inputs)" ]]; then
		return
	fi
	need_space "$BUILD" 1500 "the root of the guest"
	mkdir -p "$BUILD"
	rm -rf "$ROOT.built" "$ROOT.part" "$ROOT"
	unpack
	settle "$ROOT.part"
	mv "$ROOT.part" "$ROOT"
	inputs > "$ROOT.built"
}

main "$@"
