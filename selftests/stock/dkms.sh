#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# For which kernels dkms builds our modules, and what it says of the others. The headers are
# made up, so this does not compile anything.

source "$(dirname "$0")/../lib.sh"

readonly RELEASE=6.12.99+test-amd64
CHECK=$SELFTESTS_SRC/../dkms/check-kernel

# headers: of a kernel for which the modules can be built, in $WORK/headers
headers()
{
	rm -rf "$WORK/headers"
	mkdir -p "$WORK/headers/tools/bpf/resolve_btfids"
	touch "$WORK/headers"/{Makefile,Module.symvers,vmlinux}
	printf 'CONFIG_%s=y\n' NETFILTER_BPF_LINK DEBUG_INFO_BTF_MODULES > "$WORK/headers/.config"
	ln -s /bin/true "$WORK/headers/tools/bpf/resolve_btfids/resolve_btfids"
}

# The types of the running kernel count only if it is the kernel to build for.
check()
{
	PAHOLE=true RUNNING_BTF=${RUNNING:-$WORK/none} "$CHECK" "${1:-$RELEASE}" "$WORK/headers"
}

expect_refused()
{
	local what

	for what; do
		expect_fails -s 1 "$what" check
	done
}

test_complete_headers()
{
	headers
	expect_eq "the check's output" "" "$(check 2>&1)"
	expect_eq "where the types are" "$WORK/headers/vmlinux" "$(BTF='' check)"
}

test_no_headers()
{
	headers
	rm "$WORK/headers/Makefile"
	expect_refused "nf-bpf: $RELEASE: $WORK/headers: no headers of this kernel" \
		"apt-get install linux-headers-$RELEASE"
}

test_no_symbol_versions()
{
	headers
	rm "$WORK/headers/Module.symvers"
	expect_refused "Module.symvers: not there" "--reinstall linux-headers-$RELEASE"
}

test_kernel_without_the_type()
{
	headers
	sed -i '/BPF_LINK/d' "$WORK/headers/.config"
	expect_refused "CONFIG_NETFILTER_BPF_LINK is off" "kernel from 6.4 on"
}

test_patched_kernel()
{
	headers
	echo CONFIG_NETFILTER_BPF_KFUNC=m >> "$WORK/headers/.config"
	expect_refused "kernel with the patches of nf-bpf" "dkms remove nf-bpf --all"
}

test_modules_without_types()
{
	headers
	sed -i '/BTF_MODULES/d' "$WORK/headers/.config"
	expect_refused "CONFIG_DEBUG_INFO_BTF_MODULES is off" "use a kernel of a distribution"
}

test_no_types()
{
	headers
	rm "$WORK/headers/vmlinux"
	touch "$WORK/btf"
	RUNNING=$WORK/btf expect_refused "no types (BTF) of this kernel" "boot $RELEASE"
}

test_types_of_the_running_kernel()
{
	headers
	rm "$WORK/headers/vmlinux"
	touch "$WORK/btf"
	expect_eq "where the types are" "$WORK/btf" \
		"$(BTF='' RUNNING=$WORK/btf check "$(uname -r)")"
}

test_no_resolve_btfids()
{
	headers
	rm -r "$WORK/headers/tools"
	expect_refused "resolve_btfids: not there" "linux-kbuild-6.12.99+test"
}

test_no_pahole()
{
	headers
	PAHOLE=no-such-program expect_fails -s 1 "apt-get install dwarves" \
		"$CHECK" "$RELEASE" "$WORK/headers"
}

run_tests
