#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# "nf-bpf metrics" writes the text format of Prometheus. What comes with it names only metrics
# that exist.
#
# Requires: jq
# Kernel: any

source "$(dirname "$0")/metrics.bash"

TOOL=$SELFTESTS_SRC/../tools/nf-bpf
EDGE='.policy == "edge"'

test_states_of_a_policy()
{
	begin
	conf accept
	read_metrics
	expect_figure policy_in_force 0 "$EDGE"
	expect_figure policy_version 0 "$EDGE"
	expect_eq "links" "" "$(figure link_attached "$EDGE")"
	apply accept
	conf drop
	nf_bpf try 1000 edge > /dev/null
	read_metrics
	expect_figure policy_in_force 1 "$EDGE"
	expect_figure policy_on_trial 1 "$EDGE"
	expect_figure policy_failed_closed 0 "$EDGE"
	expect_figure policy_version 2 "$EDGE"
	nf_bpf rollback edge
}

test_failed_closed()
{
	begin
	conf drop "on-error = drop" "rules = $WORK/missing"
	expect_fails -s 4 "" nf_bpf start edge
	read_metrics
	expect_figure policy_failed_closed 1 "$EDGE"
	expect_figure policy_in_force 0 "$EDGE"
}

# alerts: print the alerts about policies whose expressions are true for the policy "edge" now.
# These expressions are comparisons with "and" between them.
alerts()
{
	read_metrics
	/usr/bin/python3 - "$TOOL/monitoring/alerts.yml" <(echo "$FIGURES") <<-'END'
	import json, operator, sys, yaml
	compare = {"==": operator.eq, ">": operator.gt}
	figures = {}
	for line in open(sys.argv[2]):
	    sample = json.loads(line)
	    if sample.get("policy") == "edge":
	        figures[sample["name"]] = sample["value"]
	def is_true(comparison):
	    name, sign, number = comparison.split()
	    return name in figures and compare[sign](figures[name], int(number))
	for group in yaml.safe_load(open(sys.argv[1]))["groups"]:
	    for rule in group["rules"]:
	        if rule["expr"].startswith("nf_bpf_policy") and \
	           all(map(is_true, rule["expr"].split(" and "))):
	            print(rule["alert"])
	END
}

# One alert for each state in which packets pass without a policy that has a file
test_alerts_of_a_policy()
{
	begin
	expect_eq "no policy" "" "$(alerts)"
	conf drop "on-error = stop" "rules = $WORK/missing"
	expect_eq "before the start" NetfilterPolicyNotApplied "$(alerts)"
	expect_fails -s 1 "on-error = stop: nothing is attached" nf_bpf start edge
	expect_eq "failed start" NetfilterPolicyNotApplied "$(alerts)"
	conf drop "on-error = drop" "rules = $WORK/missing"
	expect_fails -s 4 "" nf_bpf start edge
	expect_eq "failed closed" NetfilterPolicyFailedClosed "$(alerts)"
	apply accept
	expect_eq "in force" "" "$(alerts)"
	reboot
	expect_eq "after a reboot" NetfilterPolicyNotInForce "$(alerts)"
	nf_bpf start edge
	expect_eq "started" "" "$(alerts)"
	sed -i 's/^current=1$/current=0/' "$STATE/edge/state"
	expect_eq "not recorded" NetfilterPolicyNotRecorded "$(alerts)"
	nf_bpf apply edge
	expect_eq "recorded" "" "$(alerts)"
	nf_bpf remove edge
	expect_eq "removed" NetfilterPolicyNotApplied "$(alerts)"
	rm "$ETC/edge.conf"
	expect_eq "without a file" "" "$(alerts)"
	read_metrics
	expect_figure policy_has_file 0 "$EDGE"
}

# The rename is the only thing that others see.
test_file_is_replaced()
{
	local inode

	begin
	apply accept
	echo old > "$WORK/metrics.prom"
	chmod 600 "$WORK/metrics.prom"
	inode=$(stat -c %i "$WORK/metrics.prom")
	read_metrics
	expect_eq "mode" 644 "$(stat -c %a "$WORK/metrics.prom")"
	[[ $(stat -c %i "$WORK/metrics.prom") != "$inode" ]] || fail "written in place"
	expect_eq "files" "$WORK/metrics.prom" "$(echo "$WORK"/metrics.prom*)"
	expect_fails -s 1 "can't write" nf_bpf metrics "$WORK/missing/file"
	mkfifo "$WORK/pipe"
	expect_fails -s 1 "not a regular file" nf_bpf metrics "$WORK/pipe"
	nf_bpf metrics > "$WORK/printed"
	grep -qx 'nf_bpf_policy_in_force{policy="edge"} 1' "$WORK/printed"
}

# A name of a namespace can have any byte, also one that is not UTF-8.
test_labels_are_escaped()
{
	local name=$'a"b\\cü\xff'

	begin
	apply accept
	: > "$WORK/$name"
	mount --bind "/run/netns/$NS_ROUTER" "$WORK/$name"
	sed -i "s|^netns = .*|netns = $WORK/${name//\\/\\\\}|" "$ETC/edge.conf"
	nf_bpf apply edge > /dev/null
	read_metrics
	umount "$WORK/$name"
	# In a string of jq
	name='a\"b\\cü\\xff'
	(($(figure reassembly_memory_limit_bytes ".netns == \"$WORK/$name\""))) ||
		fail "no such label: $(grep -o 'netns="[^}]*' "$WORK/metrics.prom")"
}

# The program chooses the text of a reason. Here it has two lines.
test_text_of_a_reason_is_escaped()
{
	begin
	apply reasons "object = $SELFTESTS/progs/reason.bpf.o"
	read_metrics
	expect_figure reason_packets_total 0 "$EDGE and .text == \"other port\""
	expect_figure reason_packets_total 0 "$EDGE and .text == \"can't be\nread\""
}

# An alert must not fail to come because a file is damaged.
test_damaged_state()
{
	begin
	apply accept
	: > "$STATE/edge/state"
	read_metrics 2> "$WORK/said"
	grep -q "does not say which version is in force" "$WORK/said"
	expect_figure policy_in_force 1 "$EDGE"
	rm "$STATE/edge/state"
}

# names_in FILE: the metrics that the dashboard or the rules name
names_in()
{
	grep -o 'nf_bpf_[a-z0-9_]*' "$1" | sort -u
}

# Only metrics that "nf-bpf metrics" can write, each with an explanation in the man page
test_names()
{
	local known file name

	known=$(grep -o '"nf_bpf_[a-z0-9_]*"' "$TOOL/metrics.c" | tr -d '"' | sort -u)
	[[ -n $known ]] || fail "no names in metrics.c"
	for file in "$TOOL"/monitoring/*; do
		[[ -n $(names_in "$file") ]] || fail "$file: names no metric"
		expect_eq "$file" "" "$(comm -13 <(echo "$known") <(names_in "$file"))"
	done
	for name in $known; do
		grep -q "\*\*$name\*\*" "$TOOL/nf-bpf.8.rst" || fail "nf-bpf.8.rst: no $name"
	done
	read_metrics
	[[ -z $(comm -23 <(jq -r .name <<< "$FIGURES" | sort -u) <(echo "$known")) ]] ||
		fail "metrics.c does not name all metrics"
}

test_files_of_monitoring()
{
	jq -e '.panels | length > 5 and all(.targets | length > 0)' \
		"$TOOL/monitoring/dashboard.json" > /dev/null || fail "dashboard.json"
	/usr/bin/python3 - "$TOOL/monitoring/alerts.yml" <<-'END'
	import sys, yaml
	rules = [r for g in yaml.safe_load(open(sys.argv[1]))["groups"] for r in g["rules"]]
	assert len(rules) > 4
	for rule in rules:
	    assert rule["expr"] and rule["annotations"]["summary"], rule
	END
}

run_tests
