# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Functions for the tests of nf-bpf. A test file sources this file in place of ../lib.sh.
# The policies of the tests are for the router, and below directories of the test.

source "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

OBJECT=$SELFTESTS/progs/policy.bpf.o
NF_BPF=
ETC=		# files of policies
STATE=		# versions
MODE=		# of fragments, what this kernel has
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

# begin: without a policy, without a state.
begin()
{
	nf_bpf remove edge > /dev/null
	rm -rf "$STATE" "${ETC:?}"/*
	nf_prog clean "$PINS"
}

# conf PROGRAM [LINE...]: the file of the policy "edge". It differs from all before.
conf()
{
	local program=$1 hook="hook = forward" object="object = $OBJECT"

	shift
	[[ "$*" != *"hook = "* ]] || hook=
	[[ "$*" != *"object = "* && "$*" != *"source = "* ]] || object=
	CHANGES=$((CHANGES + 1))
	printf '%s\n' "# change $CHANGES" "[policy]" "$object" "program = $program" "$hook" \
		"priority = 7" "fragments = $MODE" "netns = $NS_ROUTER" "$@" > "$ETC/edge.conf"
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

# The ids of the links of the policy.
link_ids()
{
	local pin

	for pin in "$(current)"/{inet,ip,ip6}; do
		[[ ! -e $pin ]] || link_id "$pin"
	done
}

# Links and pins do not survive a reboot, which has another id.
reboot()
{
	local pin

	for pin in "$(current)"/{inet,ip,ip6}; do
		[[ ! -e $pin ]] || nf_prog detach "$pin"
	done
	rm -rf "$PINS/nf-bpf/edge"
	[[ ! -e $STATE/edge/state ]] || sed -i 's/^boot=.*/boot=before/' "$STATE/edge/state"
}

# expect_verdict dropped|passes: of datagrams of both families.
expect_verdict()
{
	local family expected="92 intact"

	[[ $1 == passes ]] || expected=
	for family in "${FAMILIES[@]}"; do
		probe "$family" client-server
		expect_delivered "$expected"
	done
}

# The packets that the policy of the program "drop" or "accept" has counted.
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

# Whether the kernel tells that a link is attached: links of this project do, or nfnetlink_hook.
tells_attached()
{
	grep -qsa BPF_NF_LINK_NETNS /sys/kernel/btf/vmlinux /sys/kernel/btf/nf_bpf_link ||
		{ modprobe -q nfnetlink_hook || :; grep -q nfnl_hook /proc/kallsyms; }
}

# One generation, and no file of a command that was killed.
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

# expect_all dropped|pass: packets of both families. A program that drops all packets drops the
# end of a probe, too.
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
ERRNO=0		# of the call; 0: nf-bpf is killed there

# killed NUMBER COMMAND...: of nf-bpf. Returns 1 if there was no such call.
killed()
{
	local number=$1

	shift
	"$HELPERS/fail_call" -c "$WORK/killed" "$number" "$ERRNO" "$NF_BPF" --etc "$ETC" \
		--state "$STATE" --pins "$PINS/nf-bpf" "$@" > "$WORK/said" 2>&1 || :
	[[ -s $WORK/killed ]]
}

# check_kills PREPARE VERDICT REPAIR COMMAND...: PREPARE changes the policy of the last round.
# After COMMAND was killed the verdict is VERDICT, also after "status", which repairs and
# attaches nothing. After the next command, REPAIR, nothing of the killed one is left.
# "any:VERDICT" is a verdict after REPAIR only.
check_kills()
{
	local prepare=$1 verdict=${2%:*} after=${2#*:} repair=$3 number all=("${FAMILIES[@]}")

	shift 3
	begin
	apply drop
	for ((number = 1; number < MAX_CALLS; number++)); do
		# One family each time, as there are many times.
		FAMILIES=("${all[number % ${#all[@]}]}")
		"$prepare"
		killed "$number" "$@" || break
		echo "call $number, $(< "$WORK/killed"): $(< "$WORK/said")"
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
