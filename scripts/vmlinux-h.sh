#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Makes vmlinux.h, the types with which BPF programs are compiled. They come from our kernel.
# If it was not built, they come from the running kernel (check-host) or from that of KERNEL=.

. "$(dirname "$0")/lib/common.sh"

HOST_H=$BUILD/host/vmlinux.h
[[ -z $STOCK ]] || HOST_H=$BUILD/stock/vmlinux.h
HOST_BTF=/sys/kernel/btf/vmlinux

# An unchanged file keeps its time, because every program depends on it.
dump()
{
	local btf=$1 header=$2
	shift 2

	mkdir -p "${header%/*}"
	"$BPFTOOL" "$@" btf dump file "$btf" format c > "$header.part" ||
		die "$btf: bpftool cannot read its types"
	if cmp -s "$header.part" "$header"; then
		rm "$header.part"
	else
		mv "$header.part" "$header"
	fi
}

# A flavour can use programs that were compiled for another flavour: libbpf relocates the
# differences. So make the file again only after a change of the source.
suits_flavour()
{
	[[ -n $FLAVOUR && $VMLINUX_H -nt $KTREE/.nf-bpf/stamp && $VMLINUX_H -nt $BPFTOOL ]]
}

# A flavour without IPv6 or conntrack lacks their types. The tests' programs are the same for
# all flavours, so they are compiled with the types of the complete kernel. COMPILED_FOR= names
# another base.
use_whole_kernel()
{
	[[ $FLAVOUR = no* || $COMPILED_FOR != "$BASE" ]] || return 0
	BASE=$COMPILED_FOR FLAVOUR='' "$TOP/scripts/kernel.sh" if-needed
	VMLINUX=$BUILD/$COMPILED_FOR/kernel/vmlinux
}

# Debian's headers have a vmlinux that contains only types. Our module adds its own types.
dump_stock()
{
	local release=${IMAGE##*/vmlinuz-} vmlinux module

	vmlinux=$STOCK/usr/src/linux-headers-$release/vmlinux
	module=$STOCK/lib/modules/$release/updates/dkms/nf_bpf_packet.ko
	[[ -r $vmlinux ]] || die "KERNEL=$KERNEL: no types of it: unpack the package of its" \
		"headers beside it, or build ours first (make kernel)"
	if [[ -r $module ]]; then
		dump "$module" "$HOST_H" -B "$vmlinux"
	else
		dump "$vmlinux" "$HOST_H"
	fi
}

case ${1:-} in
"")
	if [[ -n $STOCK ]]; then
		[[ -e $VMLINUX_H ]] || dump_stock
		exit 0
	fi
	! suits_flavour || exit 0
	use_whole_kernel
	[[ ! $VMLINUX_H -nt $VMLINUX || ! $VMLINUX_H -nt $BPFTOOL ]] || exit 0
	dump "$VMLINUX" "$VMLINUX_H" ;;
host)
	[[ ! -e $VMLINUX_H ]] || exit 0
	[[ -r $HOST_BTF ]] || die "$HOST_BTF: this kernel has no BTF (CONFIG_DEBUG_INFO_BTF)"
	dump "$HOST_BTF" "$HOST_H" ;;
path)
	if [[ -e $VMLINUX_H ]]; then
		printf '%s\n' "$VMLINUX_H"
	else
		printf '%s\n' "$HOST_H"
	fi ;;
*)
	die "usage: scripts/vmlinux-h.sh [host | path]" ;;
esac
