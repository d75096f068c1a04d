# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# A library to source. It builds client, router and server in network namespaces.
#
#   client eth0 192.0.2.2 2001:db8:1::2   --  left 192.0.2.1 2001:db8:1::1       router
#   server eth0 198.51.100.2 2001:db8:2::2 -- right 198.51.100.1 2001:db8:2::1   router
#
#   source tools/router/topology.sh
#   trap router_down EXIT
#   router_up || exit 1
#   in_ns "$NS_CLIENT" ping -c 1 "$SERVER_IP4"
#
# Everything is static (neighbours, routes, no DAD, no link-local addresses). So the
# wires carry only packets that were sent on purpose, and MLD reports at the start.
# To choose the names, set NS_SUFFIX (it may be empty) before you source the file.

: "${NS_SUFFIX=-$(printf '%04x%04x' $((RANDOM)) $((RANDOM)))}"
# shellcheck disable=SC2034 # users of the library read these
{
NS_CLIENT=client$NS_SUFFIX
NS_ROUTER=router$NS_SUFFIX
NS_SERVER=server$NS_SUFFIX

CLIENT_DEV=eth0
ROUTER_LEFT_DEV=left
ROUTER_RIGHT_DEV=right
SERVER_DEV=eth0
ROUTER_MTU=1500

CLIENT_IP4=192.0.2.2
ROUTER_LEFT_IP4=192.0.2.1
ROUTER_RIGHT_IP4=198.51.100.1
SERVER_IP4=198.51.100.2

CLIENT_IP6=2001:db8:1::2
ROUTER_LEFT_IP6=2001:db8:1::1
ROUTER_RIGHT_IP6=2001:db8:2::1
SERVER_IP6=2001:db8:2::2

CLIENT_MAC=02:00:00:00:01:02
ROUTER_LEFT_MAC=02:00:00:00:01:01
ROUTER_RIGHT_MAC=02:00:00:00:02:01
SERVER_MAC=02:00:00:00:02:02
}

# wait_for [-t SECONDS] COMMAND [ARG...]: run COMMAND until it succeeds.
# If it still fails after SECONDS (10), print an error and return 1. On a slow kernel
# the time is multiplied by NF_BPF_SLOW.
wait_for()
{
	local limit=10 start=$EPOCHREALTIME

	if [[ $1 == -t ]]; then
		limit=$2
		shift 2
		if [[ ! $limit =~ ^[0-9]+$ ]]; then
			echo "wait_for: -t $limit: not a whole number of seconds" >&2
			return 2
		fi
	fi
	limit=$((limit * ${NF_BPF_SLOW:-1}))
	until "$@" >/dev/null 2>&1; do
		if ((${EPOCHREALTIME/[.,]/} - ${start/[.,]/} > limit * 1000000)); then
			echo "wait_for: $*: still fails after $limit seconds" >&2
			return 1
		fi
		sleep 0.02
	done
}

# On a kernel without IPv6 the topology is IPv4 only.
has_ipv6()
{
	[[ -e /proc/sys/net/ipv6 ]]
}

# in_ns NETNS COMMAND [ARG...]: enter only the network namespace. "ip netns exec" also
# mounts a private /sys, in which a bpffs and its pins die with the command.
# To run COMMAND in the background, call nsenter itself: $! of a function is a shell,
# and COMMAND survives the shell.
in_ns()
{
	local netns=$1

	shift
	nsenter --net="/run/netns/$netns" -- "$@"
}

router_sysctls()
{
	local netns=$1 forwarding=$2

	# One process sets all values. A new namespace copies IPv4's values from the
	# initial namespace, so set everything that the tests depend on.
	# shellcheck disable=SC2016 # the inner shell expands $1 and $scope
	in_ns "$netns" bash -ec '
		cd /proc/sys/net
		for scope in all default; do
			echo 0 > ipv4/conf/$scope/rp_filter
			[[ -d ipv6 ]] || continue
			echo 0 > ipv6/conf/$scope/accept_dad
			echo 0 > ipv6/conf/$scope/accept_ra
			echo 0 > ipv6/conf/$scope/disable_ipv6
			echo 0 > ipv6/conf/$scope/router_solicitations
		done
		echo "$1" > ipv4/ip_forward
		[[ ! -d ipv6 ]] || echo "$1" > ipv6/conf/all/forwarding
	' -- "$forwarding"
}

router_links()
{
	ip -batch - <<-EOF
	link add name $CLIENT_DEV address $CLIENT_MAC mtu $ROUTER_MTU netns $NS_CLIENT type veth peer name $ROUTER_LEFT_DEV address $ROUTER_LEFT_MAC mtu $ROUTER_MTU netns $NS_ROUTER
	link add name $SERVER_DEV address $SERVER_MAC mtu $ROUTER_MTU netns $NS_SERVER type veth peer name $ROUTER_RIGHT_DEV address $ROUTER_RIGHT_MAC mtu $ROUTER_MTU netns $NS_ROUTER
	EOF
}

# router_end DEVICE ADDRESS4 ADDRESS6 PEER4 PEER6 PEER_MAC: print the ip commands that set up
# one end of a wire.
router_end()
{
	cat <<-EOF
	link set lo up
	$(! has_ipv6 || echo "link set $1 addrgenmode none")
	link set $1 up
	address add $2/24 dev $1
	neighbour replace $4 lladdr $6 nud permanent dev $1
	EOF
	has_ipv6 || return 0
	cat <<-EOF
	address add $3/64 dev $1 nodad
	neighbour replace $5 lladdr $6 nud permanent dev $1
	EOF
}

router_defaults()
{
	echo "route replace default via $1"
	! has_ipv6 || echo "route replace default via $2"
}

router_addresses()
{
	{
		router_end "$ROUTER_LEFT_DEV" "$ROUTER_LEFT_IP4" "$ROUTER_LEFT_IP6" \
			"$CLIENT_IP4" "$CLIENT_IP6" "$CLIENT_MAC"
		router_end "$ROUTER_RIGHT_DEV" "$ROUTER_RIGHT_IP4" "$ROUTER_RIGHT_IP6" \
			"$SERVER_IP4" "$SERVER_IP6" "$SERVER_MAC"
	} | ip -n "$NS_ROUTER" -batch - || return 1
	{
		router_end "$CLIENT_DEV" "$CLIENT_IP4" "$CLIENT_IP6" \
			"$ROUTER_LEFT_IP4" "$ROUTER_LEFT_IP6" "$ROUTER_LEFT_MAC"
		router_defaults "$ROUTER_LEFT_IP4" "$ROUTER_LEFT_IP6"
	} | ip -n "$NS_CLIENT" -batch - || return 1
	{
		router_end "$SERVER_DEV" "$SERVER_IP4" "$SERVER_IP6" \
			"$ROUTER_RIGHT_IP4" "$ROUTER_RIGHT_IP6" "$ROUTER_RIGHT_MAC"
		router_defaults "$ROUTER_RIGHT_IP4" "$ROUTER_RIGHT_IP6"
	} | ip -n "$NS_SERVER" -batch -
}

# router_up: set ROUTER_FAMILIES, and return when packets of these families cross the
# router. On failure nothing is left.
router_up()
{
	local netns

	# If IPv6 is a module, nothing may have loaded it yet.
	has_ipv6 || modprobe -q ipv6 || :
	export ROUTER_FAMILIES=4
	! has_ipv6 || ROUTER_FAMILIES+=" 6"
	if ((EUID)); then
		echo "router_up: needs root: run it in the guest (make shell) or as root" >&2
		return 1
	fi
	for netns in "$NS_CLIENT" "$NS_ROUTER" "$NS_SERVER"; do
		if [[ -e /run/netns/$netns ]]; then
			echo "router_up: $netns: there is a network namespace of this name: choose another NS_SUFFIX" >&2
			return 1
		fi
	done
	# From here on router_down may delete the namespaces.
	ROUTER_IS_UP=1
	if ! router_build; then
		router_down
		echo "router_up: $NS_ROUTER: set-up failed (see above)" >&2
		return 1
	fi
}

router_build()
{
	ip -batch - <<-EOF || return 1
	netns add $NS_CLIENT
	netns add $NS_ROUTER
	netns add $NS_SERVER
	EOF
	router_sysctls "$NS_CLIENT" 0 &&
	router_sysctls "$NS_ROUTER" 1 &&
	router_sysctls "$NS_SERVER" 0 &&
	router_links &&
	router_addresses &&
	wait_for in_ns "$NS_CLIENT" ping -c 1 -W 0.5 "$SERVER_IP4" &&
	{ ! has_ipv6 || wait_for in_ns "$NS_CLIENT" ping -c 1 -W 0.5 "$SERVER_IP6"; }
}

# router_down: delete the namespaces that router_up made, and no others of these names.
# It can be a trap: it may be called at any time and again, and keeps the exit status
# of the command before it.
router_down()
{
	local status=$? netns

	[[ -n ${ROUTER_IS_UP-} ]] || return "$status"
	for netns in "$NS_CLIENT" "$NS_ROUTER" "$NS_SERVER"; do
		[[ ! -e /run/netns/$netns ]] || ip netns delete "$netns" || :
	done
	ROUTER_IS_UP=
	return "$status"
}
