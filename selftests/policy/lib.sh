# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Functions for the tests of nf-bpf. A test file sources this file in place of ../lib.sh. The
# policies of the tests are for the router's network namespace. Their files are in directories of
# the test.

source "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

OBJECT=$SELFTESTS/progs/policy.bpf.o
NF_BPF=
ETC=		# directory of the policies' files
STATE=		# directory of the versions
MODE=		# value of the key fragments that this kernel supports
CHANGES=0

setup_policy()
{
	router_up
	load_policy
	NF_BPF=$(type -P nf-bpf) || fail "nf-bpf: not built: make tools"
	ETC=$WORK/etc
	STATE=$WORK/state
	mkdir -p "$ETC"
	MODE=reassemble
	! grep -qa BPF_F_NETFILTER_DEFRAG_STRICT /sys/kernel/btf/vmlinux || MODE=strict
}

setup()
{
	setup_policy
}

cleanup()
{
	[[ -z $NF_BPF ]] || nf_bpf remove edge > /dev/null 2>&1 || :
}

nf_bpf()
{
	"$NF_BPF" --etc "$ETC" --state "$STATE" --pins "$PINS/nf-bpf" "$@"
}

# Remove the policy, if it was applied.
forget()
{
	[[ ! -e $STATE/edge && ! -e $PINS/nf-bpf/edge ]] || nf_bpf remove edge > /dev/null
}

# begin: remove all policies and their state
begin()
{
	forget
	rm -rf "$STATE" "${ETC:?}"/*
	nf_prog clean "$PINS"
}

# conf PROGRAM [LINE...]: write the file of the policy "edge". It differs from each earlier file.
conf()
{
	local program=$1 hook="hook = forward" object="object = $OBJECT" mode="fragments = $MODE"

	shift
	[[ "$*" != *"hook = "* ]] || hook=
	[[ "$*" != *"fragments = "* ]] || mode=
	[[ "$*" != *"object = "* && "$*" != *"source = "* ]] || object=
	CHANGES=$((CHANGES + 1))
	printf '%s\n' "# change $CHANGES" "[policy]" "$object" "program = $program" "$hook" \
		"priority = 7" "$mode" "netns = $NS_ROUTER" "$@" > "$ETC/edge.conf"
}

# apply PROGRAM [LINE...]
apply()
{
	conf "$@"
	nf_bpf apply edge > "$WORK/said"
}

current()
{
	echo "$PINS/nf-bpf/edge/current"
}

# Print the ids of the policy's links.
link_ids()
{
	local pin

	for pin in "$(current)"/{inet,ip,ip6}; do
		[[ ! -e $pin ]] || link_id "$pin"
	done
}

# Simulate a reboot: remove links and pins, and change the id of the boot.
reboot()
{
	local pin

	for pin in "$(current)"/{inet,ip,ip6}; do
		[[ ! -e $pin ]] || nf_prog detach "$pin"
	done
	rm -rf "$PINS/nf-bpf/edge"
	[[ ! -e $STATE/edge/state ]] || sed -i 's/^boot=.*/boot=before/' "$STATE/edge/state"
}

# expect_verdict dropped|passes: check the verdict for datagrams of both families
expect_verdict()
{
	local family expected="92 intact"

	[[ $1 == passes ]] || expected=
	for family in "${FAMILIES[@]}"; do
		probe "$family" client-server
		expect_delivered "$expected"
	done
}

# Print the number of packets that the program "drop" or "accept" of the policy has counted.
counted()
{
	local pin

	pin=$(current)/maps/stats
	nf_prog stats "$pin" | sed -n 's/^packets=//p'
}

expect_in_force()
{
	local json

	json=$(nf_bpf --json status edge) || fail "not in force: $json"
	expect_json "$json" ".in_force" ".version == $1"
}

# Tell whether the kernel tells that a link is attached. This project's kernels tell it in the link
# information, other kernels with nfnetlink_hook.
tells_attached()
{
	grep -qsa BPF_NF_LINK_NETNS /sys/kernel/btf/vmlinux /sys/kernel/btf/nf_bpf_link ||
		{ modprobe -q nfnetlink_hook || :; grep -q nfnl_hook /proc/kallsyms; }
}

# Check that there is one generation, and no file that a killed command has left behind.
expect_clean()
{
	local pins state

	shopt -s dotglob
	pins=("$PINS"/nf-bpf/edge/*)
	state=("$STATE"/edge/*)
	shopt -u dotglob
	expect_match "generations" "current g+([0-9])" "${pins[*]##*/}"
	expect_eq "files of the state" "lock state versions" "${state[*]##*/}"
}

# expect_all dropped|pass: check packets of both families with ping. Do not use a probe: a program
# that drops all packets also drops the packet that ends a probe.
expect_all()
{
	local family address status

	for family in "${FAMILIES[@]}"; do
		address=SERVER_IP$family
		status=pass
		nf_prog exec "$NS_CLIENT" ping -q -c 1 -W 1 "${!address}" > /dev/null || status=dropped
		expect_eq "IPv$family packets" "$1" "$status"
	done
}

# --- kills -----------------------------------------------------------------------

MAX_CALLS=100
ERRNO=0		# the error of the call; 0: nf-bpf is killed before the call

# killed NUMBER COMMAND...: run a command of nf-bpf that is killed before call NUMBER of those that
# change something. Returns 1 if the command makes fewer calls.
killed()
{
	local number=$1

	shift
	"$HELPERS/fail_call" -c "$WORK/killed" "$number" "$ERRNO" "$NF_BPF" --etc "$ETC" \
		--state "$STATE" --pins "$PINS/nf-bpf" "$@" > "$WORK/said" 2>&1 || :
	[[ -s $WORK/killed ]]
}

# check_kills PREPARE VERDICT REPAIR COMMAND...: kill COMMAND before its first call, its second
# call, and so on. In each round:
# - PREPARE changes the policy.
# - COMMAND is killed. Packets then have the verdict VERDICT, also after "status", which completes
#   what was begun but attaches nothing.
# - The command REPAIR leaves nothing behind of the killed command. If a call of COMMAND failed, and
#   COMMAND says that nothing was changed, nothing is left behind at once.
# With "any:VERDICT", only the verdict after REPAIR is checked. With NF_BPF_SMOKE=1, COMMAND is killed
# before every third call only.
check_kills()
{
	local prepare=$1 verdict=${2%:*} after=${2#*:} repair=$3 number all=("${FAMILIES[@]}")
	local step=$((${NF_BPF_SMOKE:-0} ? 3 : 1))

	shift 3
	begin
	apply drop
	for ((number = 1; number < MAX_CALLS; number += step)); do
		# There are many rounds, so each tests one family only.
		FAMILIES=("${all[number % ${#all[@]}]}")
		"$prepare"
		killed "$number" "$@" || break
		echo "call $number, $(< "$WORK/killed"): $(< "$WORK/said")"
		! grep -q "nothing was changed" "$WORK/said" || expect_clean
		[[ $verdict == any ]] || expect_verdict "$verdict"
		nf_bpf status edge > /dev/null || :
		[[ $verdict == any ]] || expect_verdict "$verdict"
		nf_bpf "$repair" edge > /dev/null 2>&1 || [[ $repair == rollback ]]
		[[ ! -e $(current) ]] || expect_clean
		expect_verdict "$after"
	done
	((number > 5 && number < MAX_CALLS)) || fail "$number calls"
	FAMILIES=("${all[@]}")
	expect_verdict "$after"
}
