#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A program reads through a pointer to the packet after functions of nf_bpf_packet have moved the
# data. The module keeps the old data, so the program reads the packet as it was. If the module kept
# nothing, the program could still read the same, because freed memory often keeps its content. So
# the test needs a kernel that overwrites memory when it frees it: tools/guest/boot boots unmodified
# kernels with slab_debug=P. The program also counts the packets that share the old data. The
# module's clone is one of them.
#
# Requires: tc

source "$(dirname "$0")/../lib.sh"

readonly TTL=64 NEW_TTL=33 ENOMEM=12

is_patched()
{
	grep -qa BPF_NF_LINK_INET /sys/kernel/btf/vmlinux
}

# Does the kernel overwrite the data of a packet when it frees the data?
overwrites_freed()
{
	[[ $(cat /sys/kernel/slab/skbuff_small_head/poison 2> /dev/null) == 1 ]]
}

setup()
{
	router_up
	load_policy
	! is_patched || return 0
	overwrites_freed || lacks "slab_debug=P, with which the module nf_bpf_packet is tested"
	modprobe -q nf_bpf_packet || lacks "the module nf_bpf_packet"
	modprobe -q nf_bpf_kfunc || lacks "the module nf_bpf_kfunc"
	nf_prog load "$SELFTESTS/stock/progs/kept_head.bpf.o" "$PINS/kept_head"
	nf_prog load "$SELFTESTS/stock/progs/kept_limit.bpf.o" "$PINS/kept_limit"
	PIN_DIRS+=("$PINS/kept_head" "$PINS/kept_limit")
}

# read_moved FAMILY SHARING PROBE-OPTION...: check what the program reads of each packet, and that
# SHARING packets share the old data after the calls.
read_moved()
{
	local family=$1 sharing=$2 i

	shift 2
	attach kept_head/filter inet prerouting 0 defrag
	for i in 1 2 3 4 5 6 7 8; do
		probe "$family" client-server "$@"
		expect_match "delivered" "* intact" "$DELIVERED"
		expect_stats_of kept_head packets="$i" result=0 mark="$TTL" priority="$NEW_TTL" \
			flags="$sharing"
	done
}

# Reassembled packets have their pieces in a list, which the calls pull. Then only the module's
# clone has the old data.
check_pulled()
{
	! is_patched || skip "the verifier of a patched kernel refuses the program"
	read_moved "$1" 1 -z 1400,480,8,912
}

# tc sends a clone to another device, where the clone waits until the program has ended. So the data
# is shared, and a call that makes the data writable copies it first. Then the clones of tc and of
# the module have the old data.
check_shared()
{
	! is_patched || skip "the verifier of a patched kernel refuses the program"
	router_tc qdisc add dev "$ROUTER_LEFT_DEV" clsact
	trap 'router_tc qdisc delete dev "$ROUTER_LEFT_DEV" clsact' EXIT
	router_tc filter add dev "$ROUTER_LEFT_DEV" ingress matchall \
		action mirred egress mirror dev "$ROUTER_RIGHT_DEV"
	read_moved "$1" 2 -z 400
}

router_tc()
{
	nf_prog exec "$NS_ROUTER" tc "$@"
}

# One run of a program must not fill the memory with old data. What was kept is freed afterwards.
test_limit()
{
	local answers

	! is_patched || skip "a patched kernel keeps no old data"
	attach kept_limit/filter inet forward 0 defrag
	probe 4 client-server -z 1400,480,8,912
	expect_match "delivered" "* intact" "$DELIVERED"
	expect_stats_of kept_limit packets=1 result="$ENOMEM"
	answers=${STATS[mark]}
	((answers > 0)) || fail "no answer was sent"
	wait_for answers_again "$answers"
}

answers_again()
{
	probe 4 client-server -z 1400,480,8,912
	read_stats kept_limit
	((STATS[mark] >= $1))
}

# The verifier of a patched kernel forgets the pointer.
test_refused_on_a_patched_kernel()
{
	is_patched || lacks "a verifier that forgets packet pointers when the data moves"
	expect_fails "invalid mem access" \
		nf_prog load "$SELFTESTS/stock/progs/kept_head.bpf.o" "$PINS/kept_head"
}

for family in "${FAMILIES[@]}"; do
	add_test "pulled_ipv$family" check_pulled "$family"
	add_test "shared_ipv$family" check_shared "$family"
done

run_tests
