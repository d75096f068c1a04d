#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Unpacks a distribution's own kernel below build/stock. It installs nothing: see usage().

. "$(dirname "$0")/lib/common.sh"

PARTS=$SHARED/stock
DEBS=$PARTS/debs
# The kernel for which our modules are made
SERIES=6.12
MODULES_OPTIONAL=0
# The packages with which headers build a module, among those on which they depend
HEADERS_NEED='linux-(headers-[^ ,]*-common(-rt)?|kbuild-[^ ,]*)'
# The initramfs loads these drivers, which a guest needs to reach its root.
DRIVERS=(9p 9pnet_virtio overlay virtio_pci virtio_console virtio_rng)

usage()
{
	cat <<USAGE
Usage: KERNEL=stock|DEB|DIR scripts/stock.sh [--modules-optional]

Prepares a distribution's kernel for the guest. No kernel is built, nothing is installed.

  stock   the newest Linux $SERIES that apt finds: image, headers and linux-kbuild are
          downloaded to $(rel "$DEBS")
  DEB     the package of an image. The packages of its headers and linux-kbuild have to be
          in the same directory.
  DIR     a directory in which these packages are unpacked

With --modules-optional, a kernel for which our modules cannot be built is used without them.

The last line of the output is the directory with the kernel. Exit status: 0, 1 if something
failed, 2 for wrong use, 3 if KERNEL=stock cannot be had because no package source has it.
USAGE
}

# --- download ---------------------------------------------------------------

# A name such as linux-image-6.12.117+deb12-amd64. The names of other flavours have another word
# before the architecture.
newest_image()
{
	apt-cache search --names-only "^linux-image-${SERIES//./[.]}[.][0-9]+[^-]*-amd64\$" |
		cut -d ' ' -f 1 | sort -V | tail -n 1
}

# unavailable REASON...: that is not a mistake of this project.
unavailable()
{
	warn "KERNEL=stock: $*"
	exit 3
}

depends_of()
{
	apt-cache depends --no-recommends --no-suggests "$1" | sed -n 's/^ *|\?Depends: //p'
}

# packages_of IMAGE: print the packages to download: the image and its headers
packages_of()
{
	local release=${1#linux-image-}

	printf '%s\n' "$1" "linux-headers-$release"
	depends_of "linux-headers-$release" | grep -oE "$HEADERS_NEED"
}

find_packages()
{
	local image

	image=$(newest_image)
	[[ -n $image ]] || return 1
	mapfile -t PACKAGES < <(packages_of "$image")
	((${#PACKAGES[@]} == 4))
}

# A new machine has no lists of packages. If the first search finds nothing, update them.
download()
{
	local log=$PARTS/download.log

	mkdir -p "$DEBS"
	if ! find_packages; then
		apt-get -q update > "$log" 2>&1 ||
			{ cat "$log" >&2; unavailable "apt-get update failed"; }
		find_packages || unavailable "apt-cache knows no Linux $SERIES with its headers:" \
			"add the sources that have it"
	fi
	IMAGE_DEB=$(echo "$DEBS/${PACKAGES[0]}"_*.deb)
	[[ ! -r $IMAGE_DEB ]] || return 0
	need_space "$DEBS" 1200 "an unpacked kernel"
	note "Downloading ${PACKAGES[0]} and its headers"
	(cd "$DEBS" && apt-get -q download "${PACKAGES[@]}") > "$log" 2>&1 || {
		cat "$log" >&2
		unavailable "${PACKAGES[0]}: apt-get could not download it: run apt-get update"
	}
	IMAGE_DEB=$(echo "$DEBS/${PACKAGES[0]}"_*.deb)
}

# --- unpack -----------------------------------------------------------------

# beside DIR RELEASE: print the packages in DIR that are needed to build a module: the headers, and
# those on which they depend. Flavours share packages, so the release does not tell their names.
beside()
{
	local dir=$1 release=$2 headers name

	headers=$(find "$dir" -maxdepth 1 -name "linux-headers-${release}_*.deb" | sort | tail -n 1)
	[[ -n $headers ]] || return 0
	echo "$headers"
	while read -r name; do
		find "$dir" -maxdepth 1 -name "${name}_*.deb" | sort | tail -n 1
	done < <(dpkg-deb -f "$headers" Depends | grep -oE "$HEADERS_NEED")
}

# The headers refer to each other by the absolute paths of an installation. Change these.
relocate_headers()
{
	local dir=$1 release=$2 final=$3 headers=$1/usr/src/linux-headers-$2

	[[ -d $headers ]] || return 0
	sed -i "s:/usr/src/:$final/usr/src/:" "$headers/Makefile"
	ln -sfn "../../../usr/src/linux-headers-$release" "$dir/lib/modules/$release/build"
	rm -f "$dir/lib/modules/$release/source"
}

# unpack DEB TO: unpack the image DEB, and the packages of its headers beside it
unpack()
{
	local deb=$1 to=$2 part=$2.part other release

	rm -rf "$part"
	mkdir -p "$part"
	note "Unpacking ${deb##*/}"
	dpkg-deb -x "$deb" "$part"
	release=$(release_of "$part")
	while IFS= read -r other; do
		dpkg-deb -x "$other" "$part"
	done < <(beside "${deb%/*}" "$release")
	relocate_headers "$part" "$release" "$to"
	depmod -b "$part" "$release"
	rm -rf "$to"
	mv "$part" "$to"
}

# release_of DIR: print the release, which is in the name of the image
release_of()
{
	local images=("$1"/boot/vmlinuz-*)

	[[ -r ${images[0]} ]] ||
		die "KERNEL=$KERNEL: $1 has no boot/vmlinuz-*: give the package of an image," \
		    "or a directory in which it is unpacked"
	((${#images[@]} == 1)) ||
		die "KERNEL=$KERNEL: $1 has ${#images[@]} kernels: give a directory with one"
	printf '%s' "${images[0]##*/vmlinuz-}"
}

# --- initramfs --------------------------------------------------------------

# Print the modules in the order of loading. Built-in drivers have none.
driver_files()
{
	local dir=$1 release=$2 name

	for name in "${DRIVERS[@]}"; do
		modprobe -d "$dir" -S "$release" --show-depends "$name" ||
			die "$dir: has no driver $name: the guest cannot reach its root"
	done | awk '$1 == "insmod" && !seen[$2]++ { print $2 }'
}

make_initramfs()
{
	local dir=$1 release=$2 to=$3 files

	files=$(driver_files "$dir" "$release")
	gcc -static -O2 -Wall -Werror -o "$to.init" "$TOP/tools/guest/initramfs.c"
	# shellcheck disable=SC2086	# split the paths of modules, which have no spaces
	"$TOP/tools/guest/initramfs.py" "$to.part" "$to.init" $files
	mv "$to.part" "$to"
	rm "$to.init"
}

is_current()
{
	local file

	[[ -e $1 ]] || return 1
	for file in "$TOP"/tools/guest/initramfs.{c,py} "$0"; do
		[[ ! $file -nt $1 ]] || return 1
	done
}

# --- our modules ------------------------------------------------------------

# modules_failed DIR RELEASE LOG: say why our modules could not be built. Modules of an earlier
# build must not stay.
modules_failed()
{
	local dir=$1 release=$2 log=$3

	grep -A 5 -E '^nf-bpf:|error:' "$log" >&2 || tail -n 5 "$log" >&2
	((MODULES_OPTIONAL)) ||
		die "our modules could not be built (log: $(rel "$log"))"
	warn "our modules could not be built: the guest is without them (log: $(rel "$log"))"
	rm -rf "$dir/lib/modules/$release/updates/dkms"
	depmod -b "$dir" "$release"
}

# Build our modules, and put them where dkms would. Without headers there are no modules.
add_modules()
{
	local dir=$1 release=$2 headers=$1/lib/modules/$2/build
	local module stale=0 log=$PARTS/modules.log to=$1/lib/modules/$2/updates/dkms source=$PARTS/modules-$2

	[[ -e $headers ]] || {
		warn "$dir: has no headers: the guest is without our modules"
		return 0
	}
	make -C "$TOP/dkms" OUT="$source" KDIR="$headers" KERNEL_RELEASE="$release" modules \
		> "$log" 2>&1 || {
		modules_failed "$dir" "$release" "$log"
		return
	}
	mkdir -p "$to"
	for module in "$source"/*.ko; do
		[[ ! $to/${module##*/} -nt $module ]] || continue
		cp "$module" "$to"
		stale=1
	done
	((!stale)) || depmod -b "$dir" "$release"
}

main()
{
	local release initramfs dir

	case ${1:-} in
	-h|--help)
		usage
		return ;;
	--modules-optional)
		MODULES_OPTIONAL=1 ;;
	esac
	[[ -n $KERNEL && $ARCH = x86 ]] || { usage >&2; exit 2; }

	mkdir -p "$PARTS"
	take_lock stock
	case $KERNEL in
	stock)
		download
		dir=$PARTS/$(basename "$IMAGE_DEB" .deb)
		[[ -d $dir ]] || unpack "$IMAGE_DEB" "$dir"
		ln -sfn "${dir##*/}" "$STOCK" ;;
	*.deb)
		[[ -r $KERNEL ]] || die "KERNEL=$KERNEL: no such package"
		[[ -d $STOCK && ! $KERNEL -nt $STOCK ]] || unpack "$(realpath "$KERNEL")" "$STOCK" ;;
	*)
		[[ -d $STOCK ]] || die "KERNEL=$KERNEL: no such directory" ;;
	esac
	release=$(release_of "$STOCK")
	# common.sh has the same name, for tools/guest/boot.
	initramfs=$PARTS/initramfs-$release
	is_current "$initramfs" || make_initramfs "$STOCK" "$release" "$initramfs"
	add_modules "$STOCK" "$release"
	note "$STOCK"
}

main "$@"
