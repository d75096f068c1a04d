#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The policies of Documentation/coming_from.rst in nft, iptables, tc, XDP and a netfilter program.
# Each lets pass of a fragmented datagram what the page's table says.
#
# Requires: clang nft iptables bpftool

source "$(dirname "$0")/../lib.sh"

# shellcheck source=../helpers/doc_programs.sh
source "$SELFTESTS_SRC/helpers/doc_programs.sh"
PAGE=$SELFTESTS_SRC/../Documentation/coming_from.rst
PLACE=(hook forward priority -10)
MODE=strict

setup()
{
	router_up
	compile_programs
	grep -qa BPF_F_NETFILTER_DEFRAG_STRICT /sys/kernel/btf/vmlinux || MODE=defrag
}

# block FILE: print a file that the page shows
block()
{
	awk -v file="$1" '
	index($0, "Write ``" file "``") { found = 1; next }
	found && /^ / { inside = 1 }
	inside && /^[^ ]/ { exit }
	inside { sub(/^   /, ""); print }' "$PAGE"
}

# Let rule 4 accept the datagram that ends a probe, in place of TCP to port 22.
accept_sentinel()
{
	local port

	port=$(sed -n 's/^\tSENTINEL_PORT[^0-9]*\([0-9]*\).*/\1/p' "$SELFTESTS_SRC/progs/policy.h")
	sed "s/\b22\b/$port/; s/IPPROTO_TCP/IPPROTO_UDP/; s/\btcp\b/udp/"
}

compile_programs()
{
	local name

	for name in five frame; do
		block "$name.bpf.c" | accept_sentinel > "$WORK/$name.bpf.c"
		compile_program "$name" -mcpu=v3 -I "$(vmlinux_dir)"
	done
}

in_router()
{
	in_ns "$NS_ROUTER" "$@"
}

begin_nft()
{
	block five.nft | accept_sentinel > "$WORK/five.nft"
	in_router nft -f "$WORK/five.nft"
}

begin_nft_with_conntrack()
{
	begin_nft
	in_router nft insert rule inet five forward ct state established,related accept
}

begin_iptables()
{
	block five.ipt | accept_sentinel | sed 's/^ *//' > "$WORK/five.ipt"
	in_router iptables-restore "$WORK/five.ipt"
}

begin_iptables_with_conntrack()
{
	begin_iptables
	in_router iptables -I FORWARD -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT
}

begin_tc()
{
	in_router tc qdisc add dev "$ROUTER_LEFT_DEV" clsact
	in_router tc filter add dev "$ROUTER_LEFT_DEV" ingress bpf direct-action \
		obj "$WORK/frame.bpf.o" sec tc
}

begin_xdp()
{
	in_router ip link set dev "$ROUTER_LEFT_DEV" xdpgeneric obj "$WORK/frame.bpf.o" sec xdp
}

begin_program()
{
	bpftool net attach netfilter obj "$WORK/five.bpf.o" "${PLACE[@]}" netns "$NS_ROUTER" "$@" \
		pin "$PINS/five"
}

begin_program_with_reassembly()
{
	begin_program "$MODE"
}

end_policy()
{
	case $1 in
	nft*)		in_router nft delete table inet five ;;
	iptables*)	in_router iptables -F FORWARD; in_router iptables -P FORWARD ACCEPT ;;
	tc)		in_router tc qdisc delete dev "$ROUTER_LEFT_DEV" clsact ;;
	xdp)		in_router ip link set dev "$ROUTER_LEFT_DEV" xdpgeneric off ;;
	program*)	bpftool net detach netfilter pin "$PINS/five" ;;
	esac
}

# expect_left WHAT PACKETS PROBE...: these packets of a datagram leave the router
expect_left()
{
	probe 4 client-server "${@:3}"
	expect_eq "$1" "$2" "$WIRE"
}

# check POLICY PACKETS: of a fragmented datagram to port 53, these packets leave the router.
check()
{
	local policy=$1 packets=$2

	expect_left "a forbidden datagram without the policy" "0+1000 1000+600" -z 1000,600
	# shellcheck disable=SC2064 # expand $policy now
	trap "end_policy $policy" EXIT
	"begin_$policy"
	expect_left "a datagram in one piece" "0+600" -p 53 -z 600
	expect_left "fragments" "$packets" -p 53 -z 1000,600
	expect_left "reversed fragments" "$packets" -p 53 -z 1000,600 -o 1,0
	expect_left "a forbidden datagram in one piece" "" -z 600
	expect_left "a forbidden datagram in fragments" "" -z 1000,600
	expect_left "a later fragment" "" -p 53 -z 1000,600 -o 1
	trap - EXIT
	end_policy "$policy"
	expect_left "a forbidden datagram after the policy" "0+1000 1000+600" -z 1000,600
}

add_test nft check nft "0+1000"
add_test -r conntrack nft_with_conntrack check nft_with_conntrack "0+1000 1000+600"
add_test iptables check iptables "0+1000"
add_test -r conntrack iptables_with_conntrack check iptables_with_conntrack "0+1000 1000+600"
add_test tc check tc "0+1000"
add_test xdp check xdp "0+1000"
add_test program check program ""
add_test program_with_reassembly check program_with_reassembly "0+1000 1000+600"

on_host "$@"
run_tests
