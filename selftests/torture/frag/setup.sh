# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034	# variables are for the Python programs
# shellcheck disable=SC2153	# topology.sh has ROUTER_LEFT_DEV, too
#
# Sets up the router of the fragment tests. It has a second device to the client, and its
# program logs its verdicts. Source this file after lib.sh.

CLIENT2_DEV=eth1
CLIENT2_MAC=02:00:00:00:03:02
ROUTER_LEFT2_DEV=left2
ROUTER_LEFT2_MAC=02:00:00:00:03:01

# Longer than a run, so that no fragment expires by accident.
TIMEOUT=7200

setup()
{
	local netns

	router_up
	ip -batch - <<-EOF2
	link add name $CLIENT2_DEV address $CLIENT2_MAC netns $NS_CLIENT type veth peer name $ROUTER_LEFT2_DEV address $ROUTER_LEFT2_MAC netns $NS_ROUTER
	EOF2
	ip -n "$NS_CLIENT" -batch - <<-EOF2
	link set $CLIENT2_DEV addrgenmode none
	link set $CLIENT2_DEV up
	EOF2
	ip -n "$NS_ROUTER" -batch - <<-EOF2
	link set $ROUTER_LEFT2_DEV addrgenmode none
	link set $ROUTER_LEFT2_DEV up
	address add fe80::1/64 dev $ROUTER_LEFT_DEV nodad
	address add fe80::1/64 dev $ROUTER_LEFT2_DEV nodad
	EOF2
	modprobe -a nf_defrag_ipv4 nf_defrag_ipv6
	for netns in "$NS_ROUTER" "$NS_SERVER"; do
		# shellcheck disable=SC2016 # the inner shell expands variables
		in_ns "$netns" bash -ec 'cd /proc/sys/net
			echo "$1" > ipv4/ipfrag_time
			echo "$1" > ipv6/ip6frag_time
			echo 0 > ipv6/icmp/ratelimit' -- "$TIMEOUT"
	done
	# Do not limit ICMP errors, because the tests check them.
	# shellcheck disable=SC2016 # the inner shell expands variables
	in_ns "$NS_ROUTER" bash -ec 'cd /proc/sys/net
		echo "$1" > netfilter/nf_conntrack_frag6_timeout
		echo 10000 | tee ipv4/icmp_msgs_per_sec > ipv4/icmp_msgs_burst
		echo 0 > ipv4/icmp_ratelimit' -- "$TIMEOUT"
	nf_prog load "$SELFTESTS/torture/progs/judge.bpf.o" "$PINS/judge"
	PIN_DIRS+=("$PINS/judge")
}

# python FILE [ARG...]: run the system's Python with the router in its environment.
python()
{
	local file=$1

	shift
	export "${!NS_@}" "${!CLIENT@}" "${!ROUTER_@}" "${!SERVER_@}"
	PYTHONPATH=$SELFTESTS_SRC/../tools/router \
		/usr/bin/python3 -B "$SELFTESTS_SRC/torture/$file" "$@"
}
