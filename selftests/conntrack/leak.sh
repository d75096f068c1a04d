#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Thousands of packets use each function for entries. Afterwards no entry is left, and
# conntrack can be unloaded: the unload waits for entries with a reference.
#
# Requires: CONFIG_NF_CONNTRACK CONFIG_NETFILTER_BPF_KFUNC nft conntrack

source "$(dirname "$0")/../lib.sh"

readonly PACKETS=2000

setup()
{
	router_up
	load_kfunc
	nf_prog load "$SELFTESTS/progs/reject.bpf.o" "$PINS/reject"
	nft_nat
	rm "$WORK/nft"	# it stays from test to test
}

attach_all()
{
	local program priority=0

	for program in info own direct mark labels read_labels lookup alloc nat sizes; do
		attach "kfunc/$program" inet forward $((priority++))
	done
	attach kfunc/own inet prerouting -150 defrag
	attach kfunc/nat inet prerouting -149
	attach reject/reject inet forward 100
}

entries()
{
	nf_prog exec "$NS_ROUTER" cat /proc/sys/net/netfilter/nf_conntrack_count
}

# Entries that programs have acquired.
found()
{
	"$HELPERS/kfunc_values" get "$PINS/kfunc/values" | sed -n 's/^found=//p'
}

no_entries()
{
	nf_prog exec "$NS_ROUTER" conntrack -F
	[[ $(entries) == 0 ]]
}

# NAT is to the server's own address, and all is let through: what the programs say
# is not what is tested here.
check_packets()
{
	local family=$1 server=(addr0=0x026433c6) i

	((family == 4)) || server=(addr0=0x00000200b80d0120 addr1=0x0200000000000000)
	attach_all
	tell proto=17 port=9999 other_port=7777 other_proto=17 timeout=20000 \
		new_mark=5 mask=-1 label0=1 mask0=1 "${server[@]}" size=16 \
		manip=1 type=2 times=1
	flow "$family" udp 9999 flood="$PACKETS"
	for ((i = 0; i < 20; i++)); do
		FROM_PORT=$((41000 + i)) flow "$family" udp 9999 flood=10
		FROM_PORT=$((42000 + i)) flow "$family" udp 7777 flood=1
		FROM_PORT=$((42000 + i)) flow "$family" udp 9999 flood=1
	done
	probe "$family" client-server -z 1400,480,912
	(($(found) > 2 * PACKETS)) || fail "the programs had $(found) entries only"
	(($(entries) > 60)) || fail "there are $(entries) entries only"
	detach_all
	wait_for no_entries
}

unload()
{
	local module

	while read -r module _; do
		[[ $module != nf* && $module != xt_* && $module != ip*_tables ]] ||
			rmmod "$module" 2> /dev/null || :
	done < /proc/modules
	! grep -q '^nf_conntrack ' /proc/modules
}

# It has to be the last: with the namespace, the programs and the rules are gone.
test_unload()
{
	grep -q '^nf_bpf_kfunc ' /proc/modules || fail "nf_bpf_kfunc is not loaded"
	if rmmod nf_bpf_kfunc 2> /dev/null; then
		fail "nf_bpf_kfunc went, though programs call it"
	fi
	router_down
	rm -rf "$PINS/kfunc" "$PINS/reject"
	wait_for -t 60 unload
}

add_test packets_ipv4 check_packets 4
add_test -r ipv6 packets_ipv6 check_packets 6
run_tests
