# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Shows, before a case is measured, that packets reach its policy: a figure of a
# policy that is not in their path would be good and worthless. Each function fails
# when they do not.

# What a policy is for: the listed flow, and no other, is not forwarded.
listed_is_dropped()
{
	local before

	before=$(forwarded)
	send_listed
	(($(forwarded) == before)) ||
		{ warn "$CASE: the listed flow was forwarded"; return 1; }
}

# The other half of the above: without a policy it is.
no_policy()
{
	local before

	before=$(forwarded)
	send_listed
	(($(forwarded) > before)) ||
		{ warn "$CASE: the listed flow was not forwarded without a policy"; return 1; }
}

# hook_is_hit FUNCTION: of what drops nothing, by a kprobe that is taken away again.
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

# What each link of the case has accepted.
link_counts()
{
	bpftool -j net show netns router | jq '.. | .accepted? // empty'
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

# The listed flow gets no state while it is not tracked.
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
