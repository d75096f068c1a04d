# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034	# variables are for scripts that source this
#
# Paths, messages and the facts about the base, for every script of the build. Source this
# file.

set -euo pipefail

TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)
BASE=${BASE:-6.1}
# The base that the programs of samples and tests are compiled for.
COMPILED_FOR=${COMPILED_FOR:-$BASE}
KSRC=${KSRC:-}
FLAVOUR=${FLAVOUR:-}
# Set it for the kernel as its source is, without our series: bench/ compares with it.
UNPATCHED=${UNPATCHED:-}
V=${V:-}

# The processor for which everything is built, by the kernel's name. Files that do not depend
# on it (sources, and a bpftool that runs here) are in SHARED.
ARCH=${ARCH:-x86}
SHARED=$TOP/build
case $ARCH in
x86)
	BUILD=$SHARED CROSS_COMPILE='' IMAGE_NAME=bzImage QEMU_BINARY=qemu-system-x86_64 ;;
arm64)
	BUILD=$SHARED/arm64 CROSS_COMPILE=aarch64-linux-gnu- IMAGE_NAME=Image
	QEMU_BINARY=qemu-system-aarch64 ;;
*)
	printf '%s\n' "${0##*/}: ARCH=$ARCH: give x86 or arm64" >&2
	exit 2 ;;
esac

PATCHES=$TOP/patches/$BASE
# Both kernels of a base have the same paths between source and objects, or the compiler
# cache would not share the objects.
OF_BASE=$BASE${UNPATCHED:+/unpatched}
KTREE=$SHARED/$OF_BASE/linux
KOBJ=$BUILD/$OF_BASE/kernel${FLAVOUR:+-$FLAVOUR}
MODULES=$BUILD/$OF_BASE/modules${FLAVOUR:+-$FLAVOUR}
IMAGE=$KOBJ/arch/$ARCH/boot/$IMAGE_NAME
VMLINUX=$KOBJ/vmlinux
# The guest's options, without those of a flavour. A base may have options of its own, and
# other names for options of a flavour.
FRAGMENTS=("$TOP/kconfig/machine/$ARCH.config" "$TOP/kconfig/guest.config")
[[ ! -r $TOP/kconfig/base/$BASE.config ]] || FRAGMENTS=("$TOP/kconfig/base/$BASE.config" "${FRAGMENTS[@]}")
[[ -z $UNPATCHED ]] || FRAGMENTS+=("$TOP/kconfig/unpatched.config")
[[ ! -r $TOP/kconfig/base/$BASE-$FLAVOUR.config ]] || FRAGMENTS+=("$TOP/kconfig/base/$BASE-$FLAVOUR.config")
VMLINUX_H=$BUILD/$COMPILED_FOR/vmlinux.h
TOOLS_SRC=$SHARED/tools/src
BPFTOOL=$SHARED/tools/bin/bpftool
LIBBPF_INCLUDE=$BUILD/tools/include
LIBBPF_A=$BUILD/tools/lib/libbpf.a
SAMPLES=$BUILD/$COMPILED_FOR/samples
SELFTESTS=$BUILD/$COMPILED_FOR/selftests

# A distribution's kernel in place of ours: scripts/stock.sh has the values of KERNEL and
# prepares the directory.
KERNEL=${KERNEL:-}
case $KERNEL in
"")	STOCK='' ;;
stock)	STOCK=$SHARED/stock/kernel ;;
*.deb)	STOCK=$SHARED/stock/$(basename "$KERNEL" .deb) ;;
*)	STOCK=$(realpath -m "$KERNEL") ;;
esac
if [[ -n $STOCK ]]; then
	[[ -z $FLAVOUR && $ARCH = x86 ]] || {
		printf '%s\n' "${0##*/}: KERNEL=$KERNEL: not with FLAVOUR= or ARCH=, which choose" \
		       "a kernel that is built here" >&2
		exit 2
	}
	# Find the image, whose name has the release.
	for IMAGE in "$STOCK"/boot/vmlinuz-*; do :; done
	MODULES=$STOCK
	INITRAMFS=$SHARED/stock/initramfs-${IMAGE##*/vmlinuz-}
fi

# A user's PATH does not have the directory of depmod and other tools.
export PATH=$PATH:/usr/sbin:/sbin

# Do not pass the flags of our make to the kernel's make: -s would hide its steps.
unset MAKEFLAGS MFLAGS

JOBS=${JOBS:-$(nproc)}

note()
{
	printf '%s\n' "$*"
}

warn()
{
	printf '%s\n' "${0##*/}: $*" >&2
}

die()
{
	warn "$@"
	exit 1
}

# one_word_of WORDS [ARGUMENT...]: a script takes at most one argument, which is one of WORDS.
# --help prints usage() of the script, and ends it.
one_word_of()
{
	local words=" $1 " word=${2-}

	case $word in
	-h|--help)
		usage
		exit ;;
	esac
	[[ $# -lt 2 || $# -eq 2 && -n $word && $words == *" $word "* ]] || {
		usage >&2
		exit 2
	}
}

# The kernel's build and QEMU's options do not accept these characters.
[[ $TOP != *[[:space:]:,]* ]] ||
	die "$TOP: a path with a space, a colon or a comma: clone to another place"

# rel PATH: print a path in the project relative to the project.
rel()
{
	printf '%s' "${1#"$TOP"/}"
}

# flavour_says WHAT DEFAULT: print the value of WHAT in the comments of the flavour's fragment.
flavour_says()
{
	local fragment=$TOP/kconfig/$FLAVOUR.config value=

	[[ -z $FLAVOUR || ! -r $fragment ]] ||
		value=$(sed -n "s/^# $1: //p" "$fragment")
	printf '%s' "${value:-$2}"
}

check_base()
{
	[[ -r $PATCHES/VERSION ]] && return
	die "BASE=$BASE: there is no patches/$BASE/VERSION;" \
	    "bases are: $(bases)"
}

bases()
{
	local version

	for version in "$TOP"/patches/*/VERSION; do
		[[ -r $version ]] || continue
		version=${version%/VERSION}
		printf '%s ' "${version##*/}"
	done
}

# first_two 6.1.192 -> 6.1
first_two()
{
	local IFS=.
	# shellcheck disable=SC2086	# split at the dots
	set -- $1
	printf '%s.%s' "$1" "${2:-0}"
}

# need_space DIR MEGABYTES WHAT: end if DIR has less free space than WHAT needs
need_space()
{
	local dir=$1 need=$2 what=$3 have

	while [[ ! -d $dir ]]; do
		dir=${dir%/*}
		dir=${dir:-/}
	done
	have=$(df -Pm "$dir" | awk 'NR == 2 { print $4 }')
	((have >= need)) ||
		die "$dir: $have MB free, $what needs $need MB: make room, or clone to a larger disk"
}

# Set CC and HOSTCC. The compiler's input must not depend on this machine, the user or the
# path, so that clones can share a compiler cache.
setup_compiler()
{
	local cache

	CC=${CROSS_COMPILE}gcc HOSTCC=gcc
	export KBUILD_BUILD_USER=nf-bpf KBUILD_BUILD_HOST=build KBUILD_BUILD_VERSION=1
	[[ -n $(command -v ccache) ]] || return 0
	cache=$(ccache -k cache_dir 2> /dev/null) && mkdir -p "$cache" 2> /dev/null &&
		[[ -w $cache ]] || return 0
	CC="ccache $CC" HOSTCC="ccache $HOSTCC"
	export CCACHE_BASEDIR=$SHARED CCACHE_NOHASHDIR=1
}

# Only one make writes at a time. A second make waits, and then finds the work done.
take_lock()
{
	local name=$1

	[[ ${LOCKS_HELD:=} = *" $name "* ]] && return
	LOCKS_HELD+=" $name "
	mkdir -p "$SHARED"
	exec {LOCK_FD}> "$SHARED/.lock-$name"
	flock -n "$LOCK_FD" && return
	note "waiting for another make in $(rel "$SHARED")"
	flock "$LOCK_FD"
}
