# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Functions for the tests of topologies, which record the packets at hooks and on devices.
# A test file sources this file in place of ../lib.sh.

source "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

router_ip()
{
	ip -n "$NS_ROUTER" "$@"
}

# Load progs/trace.bpf.c into $PINS/trace.
load_trace()
{
	load_policy
	needs_own BPF_NF_FRAG_REASSEMBLED
	nf_prog load "$SELFTESTS/topology/progs/trace.bpf.o" "$PINS/trace"
	PIN_DIRS+=("$PINS/trace")
}

# trace_hooks [-p PRIORITY] [defrag]: record the packets of both families at each hook of
# the router.
trace_hooks()
{
	local priority=0 hook

	if [[ ${1-} == -p ]]; then
		priority=$2
		shift 2
	fi
	for hook in "${HOOKS[@]}"; do
		attach trace/record "$( ! without ipv6 && echo inet || echo ip)" \
			"$hook" "$priority" "$@"
	done
}

# expect_trace LINE...: check the records since the last call. helpers/trace.c prints them.
expect_trace()
{
	local traced

	traced=$("$HELPERS/trace" "$PINS/trace")
	nf_prog clean "$PINS/trace"
	expect_eq "trace" "$(printf '%s\n' "$@")" "$traced"
}

# tap LABEL=NETNS:DEVICE...: record the packets on these devices until tap_end, by
# helpers/tap.c.
tap()
{
	: > "$WORK/tap"
	"$HELPERS/tap" "$@" > "$WORK/tap" &
	TAP=$!
	wait_for grep -q ready "$WORK/tap"
}

# End the record. It is in $WORK/tap, for expect_tap.
tap_end()
{
	kill "$TAP"
	wait "$TAP" || fail "tap failed"
	sed -i '/^ready$/d' "$WORK/tap"
}

# expect_tap LABEL in|out WHAT...: check all packets on the device in this direction.
expect_tap()
{
	local label=$1 way=$2

	shift 2
	expect_eq "packets $way of $label" "$*" \
		"$(awk -v label="$label" -v way="$way" '
			$1 == label && $2 == way { printf "%s%s", between, $5; between = " " }
			' "$WORK/tap")"
}

# add_dummy DEVICE NUMBER: add a dummy device with the networks 10.NUMBER.0.0/24 and
# 2001:db8:NUMBER::/64 to the router. Host 2 has a neighbour entry, and no host answers.
add_dummy()
{
	local device=$1 number=$2 lladdr=02:00:00:00:ff:02

	in_ns "$NS_ROUTER" ip link add "$device" address 02:00:00:00:ff:01 type dummy ||
		lacks "dummy devices"
	{
		router_end "$device" "10.$number.0.1" "2001:db8:$number::1" \
			"10.$number.0.2" "2001:db8:$number::2" "$lladdr"
	} | ip -n "$NS_ROUTER" -batch -
}
