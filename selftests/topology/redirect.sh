#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# tc or XDP redirect packets before the kernel routes them. No hook sees these packets.
#
# Requires: tc

source "$(dirname "$0")/lib.sh"

SIZES=1400,480,8,912
PIECES="0+1400 1400+480 1880+8 1888+912"
TOTAL=2800

setup()
{
	router_up
	load_policy
	nf_prog load "$SELFTESTS/topology/progs/redirect.bpf.o" "$PINS/redirect"
	PIN_DIRS+=("$PINS/redirect")
}

# redirect_by tc|xdp on|off: redirect the packets that come in on the left.
redirect_by()
{
	case $* in
	"tc on")
		in_ns "$NS_ROUTER" tc qdisc add dev left clsact
		in_ns "$NS_ROUTER" tc filter add dev left ingress matchall \
			action pedit ex munge eth dst set "$SERVER_MAC" pipe \
			action mirred egress redirect dev right || lacks "actions of tc"
		;;
	"tc off")
		in_ns "$NS_ROUTER" tc qdisc delete dev left clsact
		;;
	"xdp on")
		nf_prog exec "$NS_ROUTER" ip link set dev left xdpgeneric \
			pinned "$PINS/redirect/forward_early"
		;;
	"xdp off")
		in_ns "$NS_ROUTER" ip link set dev left xdpgeneric off
		;;
	esac
}

# Redirected fragments and datagrams bypass a policy that drops everything at PRE_ROUTING
# and FORWARD. Without the redirect, the policy has effect.
check_redirect()
{
	local how=$1 family=$2

	attach drop "$(pf_of "$family")" prerouting 0 defrag
	attach drop "$(pf_of "$family")" forward 0 defrag
	trap 'redirect_by "$how" off' EXIT
	redirect_by "$how" on
	probe "$family" client-server -z "$SIZES"
	expect_wire "$PIECES"
	expect_delivered "$((TOTAL - 8)) intact"
	probe "$family" client-server -z 1000
	expect_wire "0+1000"
	expect_stats packets=0
	! has_counters || expect_link "$LINK" accepted=0 dropped=0
	# The redirect has seen four pieces, a datagram and two sentinels.
	[[ $how != xdp ]] || expect_stats_of redirect packets=7

	redirect_by "$how" off
	trap - EXIT
	probe "$family" client-server -z "$SIZES"
	expect_wire ""
	expect_stats packets=1 fragments=0 dropped=1
}

for family in "${FAMILIES[@]}"; do
	for how in tc xdp; do
		add_test "${how}_ipv$family" check_redirect $how "$family"
	done
done

run_tests
