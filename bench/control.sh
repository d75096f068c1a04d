# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Show, before a case is measured, that packets reach its policy. A policy outside their
# path would have a good and worthless figure. Each function fails if packets do not
# reach the policy.

# With a policy the router does not forward the listed flow.
listed_is_dropped()
{
	local before

	before=$(forwarded)
	send_listed
	(($(forwarded) == before)) ||
		{ warn "$CASE: the listed flow was forwarded"; return 1; }
}

# Without a policy the router forwards the listed flow.
no_policy()
{
	local before

	before=$(forwarded)
	send_listed
	(($(forwarded) > before)) ||
		{ warn "$CASE: the listed flow was not forwarded without a policy"; return 1; }
}

# hook_is_hit FUNCTION: for a case that drops nothing. Set a kprobe on FUNCTION, and
# remove it after the check.
hook_is_hit()
{
	local tracing=/sys/kernel/tracing hits

	echo "p:bench_hook $1" > $tracing/kprobe_events
	echo 1 > $tracing/events/kprobes/bench_hook/enable
	send_listed
	hits=$(awk '$1 == "bench_hook" { print $2 }' $tracing/kprobe_profile)
	echo 0 > $tracing/events/kprobes/bench_hook/enable
	: > $tracing/kprobe_events
	: > $tracing/trace
	((hits > 0)) || { warn "$CASE: $1() was not called"; return 1; }
}

# Print the accepted packets of each link of the case.
link_counts()
{
	bpftool -j net show netns router | jq '.. | objects | select(has("netns_ino")) | .accepted // empty'
}

links_count()
{
	local before after n=0 i

	mapfile -t before < <(link_counts)
	send_listed
	mapfile -t after < <(link_counts)
	for i in "${!after[@]}"; do
		((after[i] > before[i])) ||
			{ warn "$CASE: a link did not count the packets"; return 1; }
		n=$((n + 1))
	done
	((n > 0)) || { warn "$CASE: no link counts"; return 1; }
}

# The policy drops the listed flow while conntrack does not track it.
untracked_is_dropped()
{
	local rc=0

	in_router nft -f - <<-NFT
	table $PF untracked {
		chain prerouting {
			type filter hook prerouting priority raw;
			$PF saddr $LISTED_CLIENT notrack
		}
	}
	NFT
	listed_is_dropped || rc=1
	in_router nft delete table "$PF" untracked
	return "$rc"
}
