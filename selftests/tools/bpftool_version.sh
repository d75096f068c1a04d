#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# "bpftool version" lists the keywords of the netfilter commands, for scripts.
#
# Requires: bpftool jq

source "$(dirname "$0")/../lib.sh"

# listed COMMAND: print the keywords that the JSON lists for the command
listed()
{
	bpftool -j version | jq -r ".netfilter.$1 | join(\" \")"
}

test_json()
{
	expect_json "$(bpftool -j version)" '.features.netfilter == true' \
		'.netfilter.attach | contains(["inet", "before", "strict", "overwrite", "map"])' \
		'.netfilter.detach | contains(["hook", "netns", "pin", "link"])' \
		'.netfilter.detach | contains(["strict"]) | not'
}

test_plain()
{
	local version command

	version=$(bpftool version)
	expect_match "features" "*features:*netfilter*" "$version"
	for command in attach detach; do
		expect_match "$command" "*netfilter $command: $(listed "$command")*" "$version"
	done
}

# If the parser does not know a word, its message lists the words that it knows.
check_taken()
{
	local command=$1 words output

	words=$(bpftool -j version | jq -r ".netfilter.$command | map(\"'\\(.)'\") | join(\", \")")
	shift
	! output=$(bpftool net "$command" netfilter "$@" nonsense 2>&1) ||
		fail "$command: takes nonsense"
	expect_eq "keywords" "Error: unknown 'nonsense': expected one of $words" "$output"
}

add_test attach_keywords check_taken attach obj none
add_test detach_keywords check_taken detach

run_tests
