#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Five object files of <bpf/bpf_netfilter.h>, and the same traffic, on each kernel: patched, or
# unmodified with the modules of dkms/ and without them. Without a function the program
# is loaded, its call returns -EOPNOTSUPP, and it does what it has chosen for this case.
#
# Requires: CONFIG_NF_CONNTRACK nft

source "$(dirname "$0")/../lib.sh"

readonly EOPNOTSUPP=95
MODULES=(nf_bpf_kfunc nf_bpf_entry nf_bpf_packet)
OBJECTS=(mark rewrite state route)	# those that need a function

setup()
{
	router_up
	load_policy
}

# load OBJECT: its program, in a directory that the end of the test removes.
load()
{
	nf_prog load "$SELFTESTS/stock/progs/$1.bpf.o" "$PINS/$1"
	LOADED=$PINS/$1
	trap unload EXIT
}

unload()
{
	detach_all
	rm -rf "$LOADED"
}

# count_what OBJECT FAMILY: nft counts the packets that have what the program gave them.
count_what()
{
	local match

	case $1 in
	mark) match="meta mark 0x77 meta priority 1:5" ;;
	rewrite) match="$(pf_of "$2") dscp ef" ;;
	*) match="ct state new" ;;
	esac
	nft_router -f - <<-EON
	table $NFT_INET t {
		chain c {
			type filter hook postrouting priority 0;
			udp dport 9999 $match counter
		}
	}
	EON
}

# send OBJECT FAMILY [OPTION...]: what the object's program does to one datagram.
send()
{
	local object=$1 family=$2

	shift 2
	attach "$object/filter" inet "$([[ $object == route ]] && echo prerouting || echo forward)" 0
	probe "$family" client-server "$@"
	detach_all
}

# The kernel has the function: the packet arrives, with what the program gave it.
expect_effect()
{
	local object=$1 family=$2

	load "$object"
	count_what "$object" "$family"
	send "$object" "$family"
	expect_stats_of "$object" packets=1 result=0 dropped=0
	expect_delivered "92 intact"
	expect_nft_counter "$NFT_INET t c" 1
	# Without the program nothing has it.
	[[ $object == state || $object == route ]] || {
		probe "$family" client-server
		expect_delivered "92 intact"
		expect_nft_counter "$NFT_INET t c" 1
	}
}

# The kernel does not have the function: the program drops the packet.
expect_choice()
{
	local object=$1 family=$2

	load "$object"
	send "$object" "$family"
	expect_stats_of "$object" packets=1 result="$EOPNOTSUPP" dropped=1
	expect_delivered ""
	probe "$family" client-server
	expect_delivered "92 intact"
	expect_stats_of "$object" packets=1
}

# A datagram in pieces is judged whole. This needs no function, on any kernel.
check_ports()
{
	local family=$1

	load ports
	attach ports/filter inet forward 0 defrag
	probe "$family" client-server -z 1000,1000
	expect_delivered ""
	expect_stats_of ports packets=1 dropped=1
	probe "$family" client-server -z 1000,1000 -p 53
	expect_delivered "1992 intact"
	expect_stats_of ports packets=2 dropped=1
}

is_patched()
{
	grep -qa BPF_NF_LINK_INET /sys/kernel/btf/vmlinux
}

# A patched kernel has nf_bpf_kfunc, built in or as a module, and no other of these modules.
load_modules()
{
	local module

	if is_patched; then
		modprobe -q nf_bpf_kfunc || lacks "the module nf_bpf_kfunc"
		return
	fi
	for module in "${MODULES[@]}"; do
		modprobe -q "$module" || lacks "the module $module"
	done
}

check_with()
{
	[[ $1 != state ]] || requires conntrack
	load_modules
	expect_effect "$@"
}

# The modules come back for the next test.
check_without()
{
	! is_patched || skip "a patched kernel has the functions"
	modprobe -q -r "${MODULES[@]}" || :
	! grep -q '^nf_bpf_' /proc/modules || fail "still loaded: $(grep '^nf_bpf_' /proc/modules)"
	expect_choice "$@"
}

for family in "${FAMILIES[@]}"; do
	add_test "ports_ipv$family" check_ports "$family"
	for object in "${OBJECTS[@]}"; do
		add_test "${object}_ipv$family" check_with "$object" "$family"
		add_test "${object}_ipv${family}_without_the_module" \
			check_without "$object" "$family"
	done
done

run_tests
