#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Builds Debian packages of the patched kernel with the kernel's own bindeb-pkg.

. "$(dirname "$0")/lib/common.sh"
. "$(dirname "$0")/lib/progress.sh"
. "$(dirname "$0")/lib/deb.sh"

KCONFIG=${KCONFIG:-debian}
COSTS=$TOP/packaging/kernel-cost.tsv
CONFIGS=/usr/src/linux-config-$BASE

usage()
{
	cat <<USAGE
Usage: scripts/deb-kernel.sh [estimate]

Builds linux-image and linux-headers of the patched kernel in $(rel "$DEB").

  estimate   configure, say how long the build takes and how much space it needs, and stop

BASE=      series under patches/ ($BASE)
KSRC=      another kernel source
KCONFIG=   the configuration:
  debian   that of Debian's kernel, from the package linux-config-$BASE
  cloud    that of Debian's kernel for virtual machines, from the same package
  running  that of the kernel of this machine
  FILE     any other: a .config, also as .gz or .xz
USAGE
}

# --- the configuration ------------------------------------------------------

# Set CONFIG to the file of the configuration, NAME to a word for it, and RELEASE to the end of the
# kernel's release.
select_config()
{
	NAME=$KCONFIG
	RELEASE=-nf-bpf
	case $KCONFIG in
	debian)
		CONFIG=$CONFIGS/config.amd64_none_amd64.xz
		RELEASE+=-amd64 ;;
	cloud)
		CONFIG=$CONFIGS/config.amd64_none_cloud-amd64.xz
		RELEASE+=-cloud-amd64 ;;
	running)
		CONFIG=/boot/config-$(uname -r)
		[[ -r $CONFIG ]] || CONFIG=/proc/config.gz ;;
	*)
		CONFIG=$(realpath -m "$KCONFIG")
		NAME=$(basename "$KCONFIG" | sed 's/\.[gx]z$//; s/[^A-Za-z0-9.]/-/g') ;;
	esac
	[[ -r $CONFIG ]] || die "KCONFIG=$KCONFIG: $CONFIG: no such configuration: $(
		case $KCONFIG in
		debian|cloud)	printf 'install linux-config-%s' "$BASE" ;;
		running)	printf 'give the file, or debian or cloud' ;;
		*)		printf 'give debian, cloud, running or a file' ;;
		esac)"
	# OBJ is as deep in the tree as the objects of scripts/kernel.sh. So relative paths are the
	# same, and ccache finds those objects.
	OBJ=$BUILD/$BASE/deb-$NAME
	LOG=$OBJ.log
}

unpack_config()
{
	case $CONFIG in
	*.xz)	xz -dc "$CONFIG" ;;
	*.gz)	gzip -dc "$CONFIG" ;;
	*)	cat "$CONFIG" ;;
	esac
}

# Print the options of this project. Only the distribution has the files of its certificates, so
# clear them. The build makes a key, and signs all modules with it, so that its own modules do not
# taint the kernel.
our_options()
{
	cat <<-OPTIONS
	CONFIG_LOCALVERSION="$RELEASE"
	# CONFIG_LOCALVERSION_AUTO is not set
	CONFIG_BUILD_SALT=""
	CONFIG_SYSTEM_TRUSTED_KEYS=""
	CONFIG_SYSTEM_REVOCATION_KEYS=""
	CONFIG_MODULE_SIG_KEY="certs/signing_key.pem"
	CONFIG_MODULE_SIG_ALL=y
	CONFIG_BPF_SYSCALL=y
	CONFIG_NETFILTER_BPF_LINK=y
	CONFIG_NETFILTER_BPF_KFUNC=m
	CONFIG_DEBUG_INFO_BTF=y
	OPTIONS
	# The build makes the types (BTF) from debug information.
	[[ -n $(unpack_config | sed -n '/^CONFIG_DEBUG_INFO_DWARF.*=y/p') ]] || cat <<-OPTIONS
	CONFIG_DEBUG_KERNEL=y
	# CONFIG_DEBUG_INFO_NONE is not set
	CONFIG_DEBUG_INFO_DWARF_TOOLCHAIN_DEFAULT=y
	OPTIONS
}

verify_config()
{
	local line

	for line in CONFIG_NETFILTER_BPF_LINK=y CONFIG_DEBUG_INFO_BTF=y; do
		grep -qxF "$line" "$OBJ/.config" ||
			die "KCONFIG=$KCONFIG: $line: not in the final $(rel "$OBJ")/.config:" \
			    "an option that it depends on is off (make menuconfig's / shows them)"
	done
	grep -q '^CONFIG_NETFILTER_BPF_KFUNC=[ym]' "$OBJ/.config" ||
		warn "KCONFIG=$KCONFIG: CONFIG_NETFILTER_BPF_KFUNC cannot be set: programs have" \
		     "no functions for conntrack, NAT and reject"
}

# If an option occurs twice, Kconfig takes the last line, and prints a warning to stderr.
configure()
{
	mkdir -p "$OBJ"
	{
		unpack_config
		our_options
	} > "$OBJ/.config"
	make "${MAKE[@]}" -s olddefconfig > "$LOG" 2>&1 || {
		first_error "$LOG" >&2
		die "KCONFIG=$KCONFIG: the configuration failed (log: $(rel "$LOG"))"
	}
	verify_config
}

# --- the estimate -----------------------------------------------------------

# Print the number of steps, the seconds of one processor, the megabytes, and a word. Take the
# recorded build whose number of options is nearest, and scale its figures by the number of
# options. The word is "measured" if that build had this configuration, otherwise "estimated".
cost()
{
	local options

	options=$(grep -c '=[ym]$' "$OBJ/.config")
	awk -F '\t' -v base="$BASE" -v options="$options" -v name="$NAME" '
	/^#/ { next }
	{
		ratio = options / $2
		distance = ratio > 1 ? ratio : 1 / ratio
		if (!n++ || distance < best || distance == best && $1 == base) {
			best = distance
			as = $1 == base && $7 == name ? "measured" : "estimated"
			line = sprintf("%d %d %d %s", $3 * ratio, $4 * ratio, $5 * ratio, as)
		}
	}
	END { print line }' "$COSTS"
}

# Set TOTAL, the number of steps. If this folder had a build, take its number of steps.
estimate()
{
	local seconds space as

	read -r TOTAL seconds space as < <(cost)
	[[ ! -r $OBJ.cost ]] || TOTAL=$(cut -f 3 "$OBJ.cost")
	note "Linux $KERNELRELEASE: about $((seconds / JOBS / 60 + 1)) minutes on $JOBS" \
	     "processors, less with what ccache has, and $((space / 1024 + 1)) GB of" \
	     "$(rel "$OBJ") ($as)"
	[[ -e $OBJ/vmlinux ]] || need_space "$BUILD" "$space" "the build of the kernel"
}

# --- the build --------------------------------------------------------------

setup_env()
{
	setup_compiler
	KBUILD_BUILD_TIMESTAMP=$(date -u -d "@$(awk '{ print $3; exit }' "$KTREE/.nf-bpf/source")")
	export KBUILD_BUILD_TIMESTAMP
	export DEBFULLNAME="nf-bpf developers" DEBEMAIL=dev@nf-bpf.invalid
	# Leave out the package of debug symbols, which is larger than all others together. 6.1
	# makes this package in any case, so choose a fast compression.
	export DEB_BUILD_PROFILES=pkg.linux-upstream.nokerneldbg
	export KDEB_COMPRESS=${KDEB_COMPRESS:-zstd} KDEB_CHANGELOG_DIST=unstable
	MAKE=(-C "$KTREE" "O=$OBJ" ARCH=x86 "CC=$CC" "HOSTCC=$HOSTCC" LOCALVERSION= "-j$JOBS")
}

# Print the user and system time of all child processes, in seconds. The caller has to write the
# output of "times" to a file: in a subshell, "times" would print the times of the subshell.
processor_seconds()
{
	awk 'NR == 2 {
		for (i = 1; i <= 2; i++) {
			split($i, part, /[ms]/)
			sum += part[1] * 60 + part[2]
		}
		printf "%d", sum
	}' "$OBJ.times"
}

# Build the packages. "uname -v" prints the number behind the last dash of KDEB_PKGVERSION as the
# number of the build.
build()
{
	local start=$SECONDS

	run_make "$LOG" "${TOTAL:-0}" "${MAKE[@]}" DPKG_FLAGS=-d \
		"KDEB_PKGVERSION=${KERNELRELEASE%%-*}+nf-bpf$(package_version)-1" bindeb-pkg ||
		die "the build of the kernel's packages failed (log: $(rel "$LOG"))"
	times > "$OBJ.times"
	printf '%s\t%s\t%s\t%s\t%s\t%s\t%s\n' "$BASE" "$(grep -c '=[ym]$' "$OBJ/.config")" \
		"$STEPS" "$(processor_seconds)" "$(du -sm "$OBJ" | cut -f 1)" \
		"$(date -u +%F)" "$NAME" > "$OBJ.cost"
	note "Built in $(clock $((SECONDS - start))) (cost: $(rel "$OBJ").cost)"
}

# bindeb-pkg puts the packages beside OBJ. Move them to DEB. Delete linux-libc-dev, because it would
# replace the distribution's package.
collect()
{
	local name deb

	for name in image headers; do
		rm -f "$DEB/linux-$name-${KERNELRELEASE}"_*.deb
		for deb in "$BUILD/$BASE/linux-$name-${KERNELRELEASE}"_*.deb; do
			mv "$deb" "$DEB/"
			note "$(rel "$DEB/${deb##*/}")"
		done
	done
	rm -f "$BUILD/$BASE/linux-image-$KERNELRELEASE-dbg"_*.deb \
		"$BUILD/$BASE"/linux-libc-dev_*.deb "$BUILD/$BASE"/linux-upstream_*
}

main()
{
	one_word_of "estimate" "$@"
	[[ $ARCH = x86 ]] || die "ARCH=$ARCH: kernel packages are made for x86 only"
	check_base
	select_config
	"$TOP/scripts/tree.sh" prepare kernel
	take_lock "deb-kernel-$BASE-$NAME"
	mkdir -p "$DEB"
	setup_env
	configure
	KERNELRELEASE=$(make -s "${MAKE[@]}" kernelrelease | tail -n 1)
	estimate
	[[ ${1:-} != estimate ]] || return 0
	build
	collect
}

main "$@"
