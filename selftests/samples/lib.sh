# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Functions for the tests of samples that nf-bpf runs. A test file sources this file in place
# of ../lib.sh. The policy is for the router, and in directories of the test.

source "$(dirname "${BASH_SOURCE[0]}")/../policy/lib.sh"

SAMPLE=			# name of the policy
COUNTERS=bpf_nf_reasons	# map of the program
COUNTED=()

# The router, and nf-bpf. Unlike setup_policy() it loads no program of the tests.
setup_samples()
{
	router_up
	NF_BPF=$(type -P nf-bpf) || fail "nf-bpf: not built: make tools"
	ETC=$WORK/etc
	STATE=$WORK/state
	mkdir "$ETC"
}

# begin_sample FOLDER NAME [SED]: copy NAME.conf and NAME.rules of the sample to $ETC, with the
# places and devices of the test, and put the policy in force.
begin_sample()
{
	local file

	SAMPLE=$2
	for file in "$SELFTESTS_SRC/../samples/$1/$2".{conf,rules}; do
		sed -e "s|/usr/local/lib/nf-bpf|$BUILD/$BASE/samples|" -e "s|/etc/nf-bpf|$ETC|" \
			-e "s|^hook = .*|&\nnetns = $NS_ROUTER|" -e "s|\<eth0\>|$ROUTER_LEFT_DEV|" \
			-e "s|\<eth[12]\>|$ROUTER_RIGHT_DEV|" -e "${3-}" "$file" \
			> "$ETC/${file##*/}"
	done
	nf_bpf apply "$SAMPLE"
}

# $WORK/figures has a line for each figure of the tests.
cleanup()
{
	[[ ! -e $WORK/figures ]] || sed 's/^/# figure: /' "$WORK/figures"
	[[ -z $NF_BPF || -z $SAMPLE ]] || nf_bpf remove "$SAMPLE" > /dev/null 2>&1 || :
}

# rules_are LINE...: change the rules file, and load it while packets pass.
rules_are()
{
	printf '%s\n' "$@" > "$ETC/$SAMPLE.rules"
	nf_bpf load "$SAMPLE"
}

# Print the program's counters: "INDEX NUMBER", the sum of all processors.
counters()
{
	bpftool -j map dump pinned "$PINS/nf-bpf/$SAMPLE/current/maps/$COUNTERS" |
		jq -r '.[].formatted | "\(.key) \([.values[].value] | add)"'
}

# begin_counting: expect_counted INDEX=NUMBER... checks what was counted since then.
begin_counting()
{
	local index number

	while read -r index number; do
		COUNTED[index]=$number
	done < <(counters)
}

expect_counted()
{
	local index number pair now=()

	while read -r index number; do
		now[index]=$((number - COUNTED[index]))
	done < <(counters)
	for pair; do
		expect_eq "number $((${pair%=*})) of $COUNTERS (${now[*]})" "${pair#*=}" \
			"${now[${pair%=*}]}"
	done
}
