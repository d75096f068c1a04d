# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# A library to source: client - router - server in three network namespaces.
#
#   client eth0 192.0.2.2 2001:db8:1::2   --  left 192.0.2.1 2001:db8:1::1       router
#   server eth0 198.51.100.2 2001:db8:2::2 -- right 198.51.100.1 2001:db8:2::1   router
#
#   source tools/router/topology.sh
#   trap router_down EXIT
#   router_up || exit 1
#   in_ns "$NS_CLIENT" ping -c 1 "$SERVER_IP4"
#
# Everything is static (neighbours, routes, no DAD, no link-local addresses), so
# what is on the wires was sent on purpose, but for MLD reports as they come up.
# Set NS_SUFFIX (it may be empty) before sourcing to have names of your choice.

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
# Returns 1, and says so, when it has not after SECONDS (10), or NF_BPF_SLOW times
# that on a kernel which is slow by design.
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

# Of a kernel without IPv6, all this is IPv4's half only.
has_ipv6()
{
	[[ -e /proc/sys/net/ipv6 ]]
}

# in_ns NETNS COMMAND [ARG...]: unlike "ip netns exec" it enters the network
# namespace only. That one also mounts a private /sys, in which a bpffs and its
# pins die with the command. In the background write out the nsenter: of a function
# $! is a shell, and what that runs survives it.
in_ns()
{
	local netns=$1

	shift
	nsenter --net="/run/netns/$netns" -- "$@"
}

router_sysctls()
{
	local netns=$1 forwarding=$2

	# In one process. IPv4's values are copied from the initial namespace, so
	# everything the tests depend on is set whatever the host's values are.
	# shellcheck disable=SC2016 # $1 and $scope are the inner shell's
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

# One end of a wire: device, its two addresses, its neighbour's and their MAC.
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

# router_up: returns when packets of both families, which are ROUTER_FAMILIES then,
# cross the router; on failure nothing is left behind.
router_up()
{
	local netns

	# Where it is a module, nothing may have asked for it yet.
	has_ipv6 || modprobe -q ipv6 || :
	export ROUTER_FAMILIES=4
	! has_ipv6 || ROUTER_FAMILIES+=" 6"
	if ((EUID)); then
		echo "router_up: needs root: run it in the guest (make shell), or as root" >&2
		return 1
	fi
	for netns in "$NS_CLIENT" "$NS_ROUTER" "$NS_SERVER"; do
		if [[ -e /run/netns/$netns ]]; then
			echo "router_up: $netns: there is a network namespace of this name: choose another NS_SUFFIX" >&2
			return 1
		fi
	done
	# From here on they are ours to delete.
	ROUTER_IS_UP=1
	if ! router_build; then
		router_down
		echo "router_up: $NS_ROUTER: could not be set up (see above)" >&2
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

# router_down: may be called at any time and again, keeps the exit status of
# the command before it, so it can be a trap as it is. It deletes what router_up
# made, nothing else of these names.
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
