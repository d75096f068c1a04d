# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Measure the cache of reassembly: the memory of a datagram that waits for its last
# fragment, and the number of whole datagrams that get through as the cache fills.
#
#   memory: family, bytes, fragments that wait, datagrams that wait, bytes of memory
#   cache:  family, bytes, limit, datagrams offered, how, datagrams completed
#
# IPv6 has no memory line, because the kernel does not report the memory of
# nf_defrag_ipv6.

CACHE_SHARES="25 50 75 100 125 150 200"

# Wait until the kernel gives up all waiting datagrams. Idle time costs nothing here.
expire()
{
	sleep 65
}

cache_memory()
{
	# shellcheck disable=SC2016	# awk expands $1 and $5
	in_router awk '$1 == "FRAG:" { print $5 }' /proc/net/sockstat
}

cache_limit()
{
	if [[ $FAMILY = 4 ]]; then
		in_router sysctl -n net.ipv4.ipfrag_high_thresh
	else
		in_router sysctl -n net.netfilter.nf_conntrack_frag6_high_thresh
	fi
}

# Print the memory of waiting datagrams, as the kernel counts it for the limit.
measure_memory()
{
	local count each=0

	for count in 1 10 20; do
		frames "$count" -s "$BYTES" -x > /dev/null
		printf 'memory\t4\t%s\t%s\t%s\t%s\n' "$BYTES" "$(($(pieces "$BYTES") - 1))" \
			"$count" "$(cache_memory)"
		expire
	done
}

# completed COUNT OPTION...: send datagrams, and print how many get through
completed()
{
	local before

	before=$(forwarded)
	frames "$@" > /dev/null
	printf '%s' "$((($(forwarded) - before) / $(pieces "$BYTES")))"
}

# waiting COUNT: send incomplete datagrams. They have another source, so that the whole
# datagrams do not complete them.
waiting()
{
	"$TOOLS/send_frames" -n "$1" -s "$BYTES" -x gen "$ROUTER_MAC" "$LISTED_CLIENT" \
		"$SERVER" 9 10 > /dev/null
}

cache_line()
{
	printf 'cache\t%s\t%s\t%s\t%s\t%s\t%s\n' "$FAMILY" "$BYTES" "$(cache_limit)" "$@"
}

# Offer shares of the limit. "takes" is the measured memory of an IPv4 datagram.
measure_filling()
{
	local share offered
	local -A takes=([4096]=4808 [65400]=101576)

	for share in $CACHE_SHARES; do
		offered=$(($(cache_limit) * share / 100 / takes[$BYTES]))
		cache_line "$offered" interleaved "$(completed "$offered" -s "$BYTES" -i "$offered")"
		expire
		waiting "$offered"
		cache_line "$offered" waiting "$(completed 100 -s "$BYTES")"
		expire
	done
}

measure_cache()
{
	local CASE=defrag CONTROL SEND=send_fragments ORDER=in-order BYTES

	router_up
	# By default at most 64 other fragments may come between two of a datagram.
	in_router sysctl -qw net.ipv4.ipfrag_max_dist=0
	defrag > /dev/null
	$CONTROL
	for BYTES in 4096 65400; do
		[[ $FAMILY = 6 ]] || measure_memory
		measure_filling
	done
	router_down
}
