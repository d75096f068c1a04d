# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Functions for the tests of links that track fragments. A test file sources this file in place
# of ../lib.sh.

source "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

# entries: in the router, of all links
entries()
{
	in_ns "$NS_ROUTER" cat /proc/sys/net/netfilter/nf_bpf_track_count
}

expect_entries()
{
	expect_eq "entries" "$1" "$(entries)"
}

no_entries()
{
	(($(entries) == 0))
}

# set_limits NAME=VALUE...: sysctls of the router
set_limits()
{
	# shellcheck disable=SC2016 # the inner shell expands it
	in_ns "$NS_ROUTER" sh -c '
		for limit; do
			echo "${limit#*=}" > "/proc/sys/net/netfilter/nf_bpf_track_${limit%=*}"
		done' -- "$@"
}

# limit NAME=VALUE...: set sysctls of the router until the test ends
limit()
{
	trap 'set_limits max=16384 max_source=4096 timeout=60 drop_full=0' EXIT
	set_limits "$@"
}

# limit_time: let entries expire soon. The datagrams of a test have to be sent before.
limit_time()
{
	limit timeout=$((2 * ${NF_BPF_SLOW:-1}))
}

# sent_by DEVICE: packets that the router has sent by it
# shellcheck disable=SC2016 # columns of awk
sent_by()
{
	in_ns "$NS_ROUTER" awk -v device="$1:" '$1 == device { print $11 }' /proc/net/dev
}
