#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# For which kernels dkms builds our modules, and what it says of the others. The headers are
# made up, and have only the lines that check-kernel reads. So this does not compile anything.
#
# Kernel: none

source "$(dirname "$0")/../lib.sh"

readonly RELEASE=6.12.99+test-amd64
CHECK=$SELFTESTS_SRC/../dkms/check-kernel

# header FILE LINE...: write a header
header()
{
	printf '%s\n' "${@:2}" > "$WORK/headers/include/$1"
}

# headers: of a kernel for which the modules can be built, in $WORK/headers
headers()
{
	rm -rf "$WORK/headers" "$WORK/common"
	mkdir -p "$WORK/headers/tools/bpf/resolve_btfids" \
		"$WORK/headers/include"/{linux,net,uapi/linux}
	touch "$WORK/headers"/{Makefile,Module.symvers,vmlinux}
	printf 'CONFIG_%s=m\n' NETFILTER_BPF_LINK DEBUG_INFO_BTF_MODULES NF_CONNTRACK IPV6 \
		NF_REJECT_IPV4 NF_REJECT_IPV6 > "$WORK/headers/.config"
	ln -s /bin/true "$WORK/headers/tools/bpf/resolve_btfids/resolve_btfids"
	header linux/btf.h '#define KF_TRUSTED_ARGS (1 << 4)'
	header linux/btf_ids.h '#define BTF_KFUNCS_START(name)'
	header linux/skbuff.h 'static inline __u32 skb_get_hash_net(const struct net *net)'
	header net/checksum.h \
		'void inet_proto_csum_replace_by_diff(__sum16 *sum, struct sk_buff *skb,' \
		'				     __wsum diff, bool pseudohdr, bool ipv6);'
	header net/flow.h '#define flowi4_tos __fl_common.flowic_tos'
	header net/gso.h 'bool skb_gso_validate_network_len(const struct sk_buff *skb);'
	header net/ipv6.h 'static inline int ipv6_has_hopopt_jumbo(const struct sk_buff *skb)'
	header net/ipv6_stubs.h 'void (*fib6_select_path)(const struct net *net);'
	header uapi/linux/bpf.h 'BPF_F_IPV6			= (1ULL << 7),' \
		'BPF_FIB_LOOKUP_MARK    = (1U << 5),'
}

# The types of the running kernel count only if it is the kernel to build for.
check()
{
	PAHOLE=true RUNNING_BTF=${RUNNING:-$WORK/none} "$CHECK" "${1:-$RELEASE}" "$WORK/headers"
}

expect_refused()
{
	local status=0 what said

	said=$(check 2>&1) || status=$?
	expect_eq "the exit status" 1 "$status"
	for what; do
		expect_match "the message" "*$what*" "$said"
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
	expect_refused "CONFIG_NETFILTER_BPF_LINK is off" "use Linux 6.12 from 6.12.35 on"
}

test_patched_kernel()
{
	headers
	echo CONFIG_NETFILTER_BPF_KFUNC=m >> "$WORK/headers/.config"
	expect_refused "kernel with the patches of nf-bpf" "dkms remove nf-bpf --all"
}

test_kernel_without_an_option()
{
	local option

	for option in NF_CONNTRACK IPV6 NF_REJECT_IPV4 NF_REJECT_IPV6; do
		headers
		sed -i "/CONFIG_$option=/d" "$WORK/headers/.config"
		expect_refused "CONFIG_$option is off" "use a kernel that has this option"
	done
}

# As Debian's: the Makefile of the flavour includes that of the headers for all flavours.
test_headers_in_two_directories()
{
	headers
	mv "$WORK/headers/include" "$WORK/"
	mkdir "$WORK/common"
	mv "$WORK/include" "$WORK/common/"
	expect_refused "include/net/flow.h: not there" "linux-headers-$RELEASE depends"
	echo "include $WORK/common/Makefile" > "$WORK/headers/Makefile"
	expect_eq "the check's output" "" "$(check 2>&1)"
}

# Each of these kernels lacks what a later one has. The release is that of a served kernel,
# because distributions also take changes into earlier kernels.
test_kernel_that_is_too_old()
{
	headers
	rm "$WORK/headers/include/net/gso.h"
	expect_refused "no net/gso.h, which Linux has from 6.5 on" "use Linux 6.12 from 6.12.35 on"
	headers
	header linux/btf_ids.h '#define BTF_SET8_START(name)'
	expect_refused "no BTF_KFUNCS_START(), which Linux has from 6.9 on: this kernel is too old"
	headers
	header uapi/linux/bpf.h 'BPF_F_IPV6 = (1ULL << 7),' 'BPF_FIB_LOOKUP_SRC = (1U << 4),'
	expect_refused "no BPF_FIB_LOOKUP_MARK, which Linux has from 6.10 on"
	headers
	header linux/skbuff.h 'void __skb_get_hash_net(const struct net *net);'
	expect_refused "no skb_get_hash_net(), which Linux has from 6.11 on"
	headers
	header uapi/linux/bpf.h '**BPF_F_IPV6**' 'BPF_FIB_LOOKUP_MARK = (1U << 5),'
	expect_refused "no BPF_F_IPV6, which Linux has from 6.12.35 and 6.16 on"
	headers
	header net/checksum.h \
		'void inet_proto_csum_replace_by_diff(__sum16 *sum, struct sk_buff *skb,' \
		'				     __wsum diff, bool pseudohdr);' \
		'void csum(__sum16 *sum, bool ipv6);'
	expect_refused "no inet_proto_csum_replace_by_diff() with 5 arguments"
}

# Linux 6.18 has flowi4_dscp in place of flowi4_tos.
test_kernel_with_the_new_name()
{
	headers
	header net/flow.h '#define flowi4_dscp __fl_common.flowic_dscp'
	expect_eq "the check's output" "" "$(check 6.18.5+test-amd64 2>&1)"
}

test_kernel_that_is_too_new()
{
	local header

	for header in linux/btf.h net/flow.h net/ipv6.h; do
		headers
		header "$header" '#define OTHER'
		expect_refused "include/$header: no " "this kernel is too new" "or a newer nf-bpf"
	done
	headers
	rm "$WORK/headers/include/net/ipv6_stubs.h"
	expect_refused "no struct ipv6_stub, which Linux 6.12 has"
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
	expect_refused "resolve_btfids: not there" "linux-kbuild-* on which linux-headers-$RELEASE"
}

# The package of the flavours amd64, cloud and rt is the same. Its name is in a link, which dangles
# without the package.
test_no_resolve_btfids_of_a_flavour()
{
	local release

	for release in 6.12.99+test-amd64 6.12.99+test-cloud-amd64 6.12.99+test-rt-amd64; do
		headers
		rm -r "$WORK/headers/tools"
		ln -s "../../lib/linux-kbuild-6.12.99+test/tools" "$WORK/headers/tools"
		expect_eq "the last line for $release" \
			"  install it: on Debian it is in the package linux-kbuild-6.12.99+test" \
			"$(check "$release" 2>&1 | tail -n 1)"
	done
}

test_no_pahole()
{
	headers
	PAHOLE=no-such-program expect_fails -s 1 "apt-get install dwarves" \
		"$CHECK" "$RELEASE" "$WORK/headers"
}

run_tests
