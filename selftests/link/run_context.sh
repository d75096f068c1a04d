#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Programs run in softirqs, in a sending process, and in a process that gives a verdict on
# a queued packet; each with statistics and without.
#
# Requires: nft bpftool jq python3

source "$(dirname "$0")/../lib.sh"

setup()
{
	router_up
	load_policy
}

cleanup()
{
	[[ ! -e $WORK/statistics ]] || sysctl -q kernel.bpf_stats_enabled="$(< "$WORK/statistics")"
}

run_count()
{
	bpftool -j prog show pinned "$PINS/accept" | jq '.run_cnt // 0'
}

# The number of packets that the program of the link has accepted.
accepted()
{
	nf_prog info "$LINK" | sed -n 's/^accepted=//p'
}

# expect_runs all|none FAMILY PATH: the kernel counts all or no runs of the link's program.
expect_runs()
{
	local expected=$1 family=$2 path=$3 runs links

	runs=$(run_count)
	links=$(accepted)
	probe "$family" "$path"
	expect_delivered "92 intact"
	links=$(($(accepted) - links))
	runs=$(($(run_count) - runs))
	((links > 0)) || fail "the program has not run"
	[[ $expected == all ]] || links=0
	expect_eq "runs that were counted" "$links" "$runs"
}

check_statistics()
{
	local pf=$1 hook=$2 family=$3 path=$4

	sysctl -n kernel.bpf_stats_enabled > "$WORK/statistics"
	sysctl -q kernel.bpf_stats_enabled=0
	attach accept "$pf" "$hook" 0
	[[ -n $(accepted) ]] || lacks "BPF_NF_LINK_STATS"
	expect_runs none "$family" "$path"
	sysctl -q kernel.bpf_stats_enabled=1
	expect_runs all "$family" "$path"
	sysctl -q kernel.bpf_stats_enabled=0
	expect_runs none "$family" "$path"
}

# start_queue [GO]: accept the packets of queue 7 of the router by helpers/nfqueue.py.
start_queue()
{
	: > "$WORK/queue"
	"$HELPERS/nf_prog" exec "$NS_ROUTER" "$FOLDER/helpers/nfqueue.py" 7 "$@" \
		> "$WORK/queue" &
	QUEUE=$!
	wait_for -t 60 grep -q bound "$WORK/queue"
}

# The hooks after the queue run in the process that gives the verdict.
check_verdict_of_user_space()
{
	local pf=$1 hook=$2 family=$3

	nft_router -f - <<-EOF || lacks "NFQUEUE"
	table $pf t {
		chain c {
			type filter hook $hook priority -10;
			meta l4proto udp queue num 7
		}
	}
	EOF
	start_queue
	attach accept "$pf" "$hook" 0 defrag
	probe "$family" client-server -z 1400,480,912
	expect_delivered "2784 intact"
	expect_stats packets=1
	grep -q accepted "$WORK/queue" || fail "nothing was queued"
	detach_all
	: > "$WORK/queue"
	attach drop "$pf" "$hook" 0 defrag
	probe "$family" client-server -z 1400,480,912
	expect_delivered ""
	expect_stats packets=2 dropped=1
	wait_for grep -q accepted "$WORK/queue"
	kill "$QUEUE"
}

# queue_a_datagram FAMILY: send a datagram, which waits in the queue before the program.
queue_a_datagram()
{
	: > "$WORK/queue"
	probe "$1" client-server
	expect_delivered ""
	wait_for grep -q queued "$WORK/queue"
}

accept_the_queued()
{
	echo > "$WORK/go"
	wait_for grep -q accepted "$WORK/queue"
}

# A packet is queued, and then the program after the queue is detached. The verdict on the
# packet must not continue at the detached program. The kernel drops such packets.
check_queued_at_detach()
{
	local pf=$1 family=$2

	nft_router -f - <<-EOF || lacks "NFQUEUE"
	table $pf t {
		chain forward {
			type filter hook forward priority -10;
			udp dport 9999 queue num 7
		}
		chain leaves {
			type filter hook postrouting priority 0;
			udp dport 9999 counter
		}
	}
	EOF
	rm -f "$WORK/go"
	mkfifo "$WORK/go"
	start_queue "$WORK/go"
	attach accept "$pf" forward 0
	queue_a_datagram "$family"
	expect_stats packets=0
	accept_the_queued
	expect_nft_counter "$pf t leaves" 1
	expect_stats packets=1

	queue_a_datagram "$family"
	detach_all
	accept_the_queued
	wait_for grep -q gone "$WORK/queue"
	expect_nft_counter "$pf t leaves" 1
	expect_stats packets=1
	kill "$QUEUE"
}

for family in "${FAMILIES[@]}"; do
	pf=ip
	((family == 4)) || pf=ip6
	add_test "statistics_softirq_ipv$family" \
		check_statistics $pf forward "$family" client-server
	add_test "statistics_process_ipv$family" \
		check_statistics $pf output "$family" router-server
	add_test "queued_at_detach_ipv$family" check_queued_at_detach $pf "$family"
	for hook in prerouting forward postrouting; do
		add_test "verdict_of_user_space_${hook}_ipv$family" \
			check_verdict_of_user_space $pf $hook "$family"
	done
done

run_tests
