#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The root of a guest whose processor is not this machine's: Debian's packages for it,
# unpacked below build/<arch>/root. Programs for the guest are linked with its libraries.

. "$(dirname "$0")/lib/common.sh"

ROOT=$BUILD/root
LOG=$ROOT.log
SUITE=bookworm

usage()
{
	cat <<USAGE
Usage: scripts/guest-root.sh

Unpacks what "scripts/packages.sh root" lists for the processor of ARCH=, and what
these need, into $(rel "$ROOT"), unless it is there already.

MIRROR=URL  of Debian's packages (mmdebstrap's own)
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
	# tcpdump becomes this user when it has opened what it captures.
	echo "tcpdump:x:100:65534::/nonexistent:/usr/sbin/nologin" >> "$root/etc/passwd"
	ln -sf dash "$root/usr/bin/sh"
	ln -sf gawk "$root/usr/bin/awk"
	for name in {iptables,ip6tables}{,-save,-restore}; do
		ln -sf xtables-nft-multi "$root/usr/sbin/$name"
	done
	# Each test would compile them anew, in memory.
	/usr/bin/python3 -m compileall -q -j 0 --invalidation-mode unchecked-hash \
		-s "$root" -p / "$root/usr/lib/python3" "$root"/usr/lib/python3.* >> "$LOG" 2>&1 ||
		note "some of Python's modules do not compile (log: $(rel "$LOG"))"
}

main()
{
	case ${1:-} in
	"") ;;
	-h|--help)
		usage
		return ;;
	*)
		usage >&2
		exit 2 ;;
	esac

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
