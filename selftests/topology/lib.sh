# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Functions for the tests of topologies: they record the packets at each hook and on each
# device. A test file sources this file in place of ../lib.sh.

source "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

router_ip()
{
	ip -n "$NS_ROUTER" "$@"
}

# progs/trace.bpf.c in $PINS/trace.
load_trace()
{
	load_policy
	needs_own BPF_NF_FRAG_REASSEMBLED
	nf_prog load "$SELFTESTS/topology/progs/trace.bpf.o" "$PINS/trace"
	PIN_DIRS+=("$PINS/trace")
}

# trace_hooks [-p PRIORITY] [defrag]: record what is at each hook of the router, of
# both families.
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

# expect_trace LINE...: recorded since the last time, see helpers/trace.c.
expect_trace()
{
	local traced

	traced=$("$HELPERS/trace" "$PINS/trace")
	nf_prog clean "$PINS/trace"
	expect_eq "trace" "$(printf '%s\n' "$@")" "$traced"
}

# tap LABEL=NETNS:DEVICE...: record what is on these devices, until tap_end; see
# helpers/tap.c.
tap()
{
	: > "$WORK/tap"
	"$HELPERS/tap" "$@" > "$WORK/tap" &
	TAP=$!
	wait_for grep -q ready "$WORK/tap"
}

# To $WORK/tap, for expect_tap.
tap_end()
{
	kill "$TAP"
	wait "$TAP" || fail "tap failed"
	sed -i '/^ready$/d' "$WORK/tap"
}

# expect_tap LABEL in|out WHAT...: all that was on the device in this direction.
expect_tap()
{
	local label=$1 way=$2

	shift 2
	expect_eq "packets $way of $label" "$*" \
		"$(awk -v label="$label" -v way="$way" '
			$1 == label && $2 == way { printf "%s%s", between, $5; between = " " }
			' "$WORK/tap")"
}

# add_dummy DEVICE NUMBER: in the router, to which packets leave for 10.NUMBER.0.0/24
# and 2001:db8:NUMBER::/64. The hosts there, from 2 on, never answer.
add_dummy()
{
	local device=$1 number=$2 lladdr=02:00:00:00:ff:02

	in_ns "$NS_ROUTER" ip link add "$device" address 02:00:00:00:ff:01 type dummy
	{
		router_end "$device" "10.$number.0.1" "2001:db8:$number::1" \
			"10.$number.0.2" "2001:db8:$number::2" "$lladdr"
	} | ip -n "$NS_ROUTER" -batch -
}
