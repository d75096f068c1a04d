#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Kills bpftool and a program that uses libbpf: before and after each call that changes
# something, and at random times. The policy is then complete or absent. If there was a
# policy before, each packet meets one.
#
# NF_BPF_SEED determines the calls and the times.
#
# Requires: bpftool

source "$(dirname "$0")/../lib.sh"

SMOKE=${NF_BPF_SMOKE:-0}
SEED=${NF_BPF_SEED:-$((RANDOM << 15 | RANDOM))}
RANDOM=$((SEED % 32768))
# The number of system calls and of random times to try for each command.
STOPS=$((SMOKE ? 4 : 1000))
TIMES=$((SMOKE ? 3 : 30))
# Use both signals in turn. No command handles them, so their effect should be the same.
SIGNALS=(KILL INT)
FLOODS=()
MAX_SENT=2000000

setup()
{
	setup_bpftool
	copy_programs
	load_policy one
	load_policy two
	# A directory that read_state() does not look at.
	mkdir -p "$PINS/server"
	PIN_DIRS+=("$PINS/server")
	# The kernel may still be freeing links of an earlier test.
	wait_for -t 30 no_links || :
	BEFORE=$(nf_prog links)
	PIN=$(here_pin)
}

no_links()
{
	(($(nf_prog links) == 0))
}

# Use lib.sh's copy, which does not come over 9p each time.
copy_programs()
{
	BPFTOOL=$(type -P bpftool)
}

# bpf_hooks FAMILY: print the number of programs at the router's hook FORWARD.
bpf_hooks()
{
	nf_prog exec "$NS_ROUTER" "$HELPERS/nf_hooks" "$1" 2 | grep -c 'nf_hook_run_bpf' || :
}

# set_command NAME: set COMMAND to the command with this name.
set_command()
{
	local place=("$FAMILY" "${HERE[@]}" netns "$NS_ROUTER")

	case $1 in
	attach) COMMAND=("$BPFTOOL" net attach netfilter pinned "$PINS/one/accept" "${place[@]}") ;;
	attach_pin) COMMAND=("$BPFTOOL" net attach netfilter pinned "$PINS/one/accept"
			"${place[@]}" pin "$PINS/links/own") ;;
	overwrite) COMMAND=("$BPFTOOL" net attach netfilter pinned "$PINS/two/accept"
			"${place[@]}" overwrite) ;;
	detach) COMMAND=("$BPFTOOL" net detach netfilter "${place[@]}") ;;
	libbpf) COMMAND=("$HELPERS/nf_prog" auto "$NS_ROUTER" "$SELFTESTS/progs/auto_attach.bpf.o"
			ip_forward ip6_forward ip_input) ;;
	esac
}

# killed SIGNAL STOP: run the command and kill it at this stop. Set SEEN to the number of
# stops, and END to its end.
killed()
{
	local signal

	signal=$(kill -l "$1")
	read -r SEEN END < <("$HELPERS/kill_at" "$signal" "$2" "${COMMAND[@]}" \
		< /dev/null 2> "$WORK/said")
	[[ $END == killed || $END == exited* ]] || fail "kill_at: $SEEN: $(< "$WORK/said")"
	case $END in
	killed) KILLED=$((KILLED + 1)) ;;
	*) ENDED=$((ENDED + 1)) ;;
	esac
}

# Set STATE: "whole" if there is one link, which is pinned and at the hooks of both families;
# "gone" if there is nothing; or else a description.
read_state()
{
	local pin=$1 links four six file files=()

	links=$(($(nf_prog links) - BEFORE))
	four=$(bpf_hooks ip)
	six=$(bpf_hooks ip6)
	for file in "$BPFFS"/netfilter/* "$PINS"/links/*; do
		[[ ! -e $file ]] || files+=("$file")
	done
	STATE="$links links, $four and $six hooks, pins: ${files[*]}"
	if [[ $STATE == "0 links, 0 and 0 hooks, pins: " ]]; then
		STATE=gone
	elif [[ $STATE == "1 links, 1 and 1 hooks, pins: $pin" ]]; then
		STATE=whole
	fi
}

expect_state()
{
	local expected=$1

	[[ " $expected " == *" $STATE "* ]] || fail "$WHERE: $END: $STATE"
	COUNTED[$STATE]=$((${COUNTED[$STATE]:-0} + 1))
}

remove_policy()
{
	local pins=("$BPFFS"/netfilter/* "$PINS"/links/*) pin

	for pin in "${pins[@]}"; do
		[[ ! -e $pin ]] || nf_prog clean "$pin"
	done
}

# Run the command to its end once, to learn how many stops it has and how long it takes.
measure()
{
	local start=$EPOCHREALTIME

	"${COMMAND[@]}" > /dev/null
	LASTS=$((${EPOCHREALTIME/[.,]/} - ${start/[.,]/}))
	"$1"
	killed KILL 0
	expect_eq "the command, left alone" "exited 0" "$END"
	NR_STOPS=$SEEN
	((NR_STOPS > 4)) || fail "${COMMAND[*]}: only $NR_STOPS stops"
	"$1"
}

# rounds PREPARE CHECK: kill the command again and again.
rounds()
{
	local prepare=$1 check=$2 signal=0 i step=1

	((NR_STOPS <= STOPS)) || step=$((NR_STOPS / STOPS))
	for ((i = 1 + RANDOM % step; i <= NR_STOPS; i += step)); do
		one_round "${SIGNALS[signal++ % 2]}" "$i"
	done
	for ((i = 0; i < TIMES; i++)); do
		one_round "${SIGNALS[signal++ % 2]}" \
			"us$(((RANDOM << 15 | RANDOM) % LASTS))"
	done
}

one_round()
{
	WHERE="SIG$1 at $2 of $NR_STOPS stops and $LASTS us (seed $SEED)"
	killed "$1" "$2"
	"$check"
	"$prepare"
}

nothing()
{
	remove_policy
}

# After the kill, the same command must still succeed.
check_attach()
{
	local pin=${COMMAND_PIN:-$PIN}

	read_state "$pin"
	expect_state "gone whole"
	if [[ $STATE == whole ]]; then
		expect_program "$pin" one/accept
	else
		"${COMMAND[@]}" > /dev/null || fail "$WHERE: it can't be repeated"
		read_state "$pin"
		expect_eq "state after another attach" whole "$STATE"
	fi
}

run_attach()
{
	COMMAND_PIN=$2
	set_command "$1"
	measure nothing
	rounds nothing check_attach
	print_counts "$1"
}

test_attach()
{
	run_attach attach "$PIN"
}

check_attach_with_pin()
{
	run_attach attach_pin "$PINS/links/own"
}

attached()
{
	remove_policy
	set_command attach
	"${COMMAND[@]}" > /dev/null
	set_command detach
}

check_detach()
{
	read_state "$PIN"
	expect_state "whole gone"
	[[ $STATE == gone ]] || expect_program "$PIN" one/accept
}

test_detach()
{
	attached
	measure attached
	rounds attached check_detach
	print_counts detach
}

# --- replaced under traffic ---

flood()
{
	local to=SERVER_IP$1

	"$HELPERS/nf_prog" exec "$NS_CLIENT" "$HELPERS/flood" "${!to}" 9999 "$MAX_SENT" \
		> "$WORK/$1.sent" 2> "$WORK/$1.error" &
	FLOODS+=($!)
}

back_to_one()
{
	nf_prog update "$PIN" "$PINS/one/accept"
}

check_overwrite()
{
	local id

	read_state "$PIN"
	expect_eq "$WHERE: state" whole "$STATE"
	id=$(nf_prog info "$PIN" | sed -n 's/^prog_id=//p')
	case $id in
	"$ONE") STATE=old ;;
	"$TWO") STATE=new ;;
	esac
	expect_state "old new"
}

seen_of()
{
	read_stats "$1"
	echo "${STATS[packets]}"
}

# One of the two programs has judged each datagram that was sent.
test_overwrite_under_traffic()
{
	local sent=0 file seen ns

	ONE=$(nf_prog prog-id "$PINS/one/accept")
	TWO=$(nf_prog prog-id "$PINS/two/accept")
	attach_in "$NS_SERVER" drop ip input 0 defrag
	attach_in "$NS_SERVER" drop ip6 input 0 defrag
	mv "$PINS"/links/* "$PINS/server/"
	BEFORE=$((BEFORE + 2))
	set_command attach
	"${COMMAND[@]}" defrag > /dev/null
	set_command overwrite
	COMMAND+=(defrag)
	# If a sender moves to a slow processor between two fragments, 64 other fragments can
	# come in between. By default, IPv4 then drops the datagram.
	for ns in "$NS_ROUTER" "$NS_SERVER"; do
		nf_prog exec "$ns" sysctl -q net.ipv4.ipfrag_max_dist=0
	done
	flood 4
	flood 6
	measure back_to_one
	rounds back_to_one check_overwrite
	kill -TERM "${FLOODS[@]}"
	wait "${FLOODS[@]}" || fail "flood: $(cat "$WORK"/*.error)"
	for file in "$WORK"/{4,6}.sent; do
		(($(< "$file") > 0)) || fail "$file: nothing was sent"
		sent=$((sent + $(< "$file")))
	done
	wait_for all_arrived "$sent" ||
		fail "$sent sent, judged by each $(seen_of one) and $(seen_of two), $(seen_of "") received, $(overflows) lost for want of room, $(reassembly_failures "$NS_ROUTER") and $(reassembly_failures "$NS_SERVER") in reassembly"
	seen=$(($(seen_of one) + $(seen_of two)))
	expect_eq "datagrams sent and judged" "$sent" "$seen"
	(($(seen_of two) > 0)) || fail "the new program has seen nothing"
	COUNTED[datagrams]=$sent
	print_counts overwrite
}

# The reassembly failures of a namespace, for both families.
reassembly_failures()
{
	snmp_counter "$1" Ip ReasmFails Ip6ReasmFails
}

# The number of packets that were lost because the queue of a processor was full.
overflows()
{
	local total=0 _ lost

	while read -r _ lost _; do
		total=$((total + 16#$lost))
	done < /proc/net/softnet_stat
	echo "$total"
}

all_arrived()
{
	(($(seen_of "") == $1))
}

# --- libbpf ---

# The three programs live as long as their process. All of them end with it.
check_libbpf()
{
	read_state none
	expect_state gone
}

test_libbpf_auto_attach()
{
	local loader

	set_command libbpf
	mkfifo "$WORK/input"
	# Open the FIFO for reading and writing, so that there is no end of file.
	"${COMMAND[@]}" <> "$WORK/input" > "$WORK/held" &
	loader=$!
	LASTS=$EPOCHREALTIME
	wait_for grep -q attached "$WORK/held"
	LASTS=$((${EPOCHREALTIME/[.,]/} - ${LASTS/[.,]/}))
	expect_eq "links of a loader" 3 $(($(nf_prog links) - BEFORE))
	expect_eq "hooks of IPv4 and IPv6" "1 1" "$(bpf_hooks ip) $(bpf_hooks ip6)"
	kill -KILL "$loader"
	wait "$loader" || :
	read_state none
	expect_eq "what is left of a loader" gone "$STATE"

	killed KILL 0
	expect_eq "the loader, left alone" "exited 0" "$END"
	NR_STOPS=$SEEN
	((NR_STOPS > 10)) || fail "a loader has only $NR_STOPS stops"
	rounds : check_libbpf
	print_counts "auto attach by libbpf"
}

declare -A COUNTED=()
KILLED=0
ENDED=0
print_counts()
{
	local state text=

	((KILLED > 0)) || fail "$1: never killed in time"
	for state in "${!COUNTED[@]}"; do
		text+=", $state ${COUNTED[$state]}"
	done
	echo "$1: killed $KILLED times, done before it $ENDED$text (seed $SEED)" \
		>> "$WORK/figures"
}

cleanup()
{
	local line

	[[ -e $WORK/figures ]] || return 0
	while read -r line; do
		echo "# figure: $line"
	done < "$WORK/figures"
}

((SMOKE)) || add_test attach_with_pin check_attach_with_pin
run_tests
