#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Errors in the file of a policy name the file, the line and what to write.
#
# Kernel: any

source "$(dirname "$0")/lib.sh"

# check_wrong LINE TEXT CONTENT...: a file of these lines is refused. The message names the LINE
# and has the TEXT.
check_wrong()
{
	local line=$1 text=$2

	shift 2
	begin
	printf '%s\n' "$@" > "$ETC/edge.conf"
	expect_fails -s 2 "$ETC/edge.conf:$line: $text" nf_bpf check edge
	expect_fails -s 2 "$ETC/edge.conf:$line: $text" nf_bpf apply edge
	[[ ! -e $(current) ]] || fail "it was applied"
}

GOOD=("[policy]" "object = $OBJECT" "program = accept" "hook = forward")

wrong()
{
	local name=$1 line=$2 text=$3

	shift 3
	add_test "$name" check_wrong "$line" "$text" "$@"
}

wrong unknown_key 5 "colour: unknown key: the keys are object" "${GOOD[@]}" "colour = red"
wrong unknown_section 6 "[other]: unknown section: there are [policy] and [limits]" \
	"${GOOD[@]}" "[other]" "key = value"
wrong no_section 1 "hook: before any section: write [policy] above it" "hook = forward"
wrong no_equals 5 "not a line of the form 'key = value'" "${GOOD[@]}" "netns router"
wrong hook 2 "hook = middle: unknown value: take prerouting, input, forward, output or postrouting" \
	"[policy]" "hook = middle" "object = $OBJECT"
wrong family 5 "family = ipx: unknown value: take inet, ip or ip6" "${GOOD[@]}" "family = ipx"
wrong fragments 5 "fragments = all: unknown value: take strict, reassemble, track or pass" \
	"${GOOD[@]}" "fragments = all"
wrong cookie 5 "cookie = seven: not a number: take one from 0 to 18446744073709551615" \
	"${GOOD[@]}" "cookie = seven"
wrong cookie_too_large 5 "cookie = 18446744073709551616: not a number" \
	"${GOOD[@]}" "cookie = 18446744073709551616"
wrong priority 5 "priority = high: not a priority: take a number" "${GOOD[@]}" "priority = high"
wrong on_error 5 "on-error = panic: unknown value: take drop, stop or pass" \
	"${GOOD[@]}" "on-error = panic"
wrong twice 5 "hook: given twice" "${GOOD[@]}" "hook = input"
wrong no_value 5 "netns: no value" "${GOOD[@]}" "netns ="
wrong relative_path 2 "object = policy.o: not an absolute path: begin it with '/'" \
	"[policy]" "object = policy.o" "hook = forward"
wrong two_places 6 "priority, before and after: more than one place" \
	"${GOOD[@]}" "priority = 1" "before = other"
wrong two_programs 5 "object and source: the policy has two programs" \
	"${GOOD[@]}" "source = /x.bpf.c"
wrong no_hook 3 "the file has no hook: add 'hook = forward'" "[policy]" "object = $OBJECT" "# end"
wrong no_program 2 "the file has no program: add 'object = FILE'" "[policy]" "hook = forward"
wrong limit 6 "stats = many: not a number of entries" "${GOOD[@]}" "[limits]" "stats = many"
wrong long_line 5 "line too long" "${GOOD[@]}" "include = /$(printf '%0300d' 0)"

wrong include 5 "include = headers: not an absolute path: begin it with '/'" "${GOOD[@]}" \
	"include = headers"
# A line that is indented is a line of its own.
wrong continued 6 "not a line of the form 'key = value'" "${GOOD[@]}" "include = /usr/include" \
	"	/usr/local/include"
wrong indented_key 6 "family = ipx: unknown value" "${GOOD[@]}" "include = /usr/include" \
	"	family = ipx"

wrong keep_variables 5 "keep = .bss: variables of the program can't be kept: put them into a map" \
	"[policy]" "object = $SELFTESTS/policy/progs/rules.bpf.o" "program = block" \
	"hook = forward" "keep = .bss"

test_byte_0()
{
	begin
	printf '%s\n' "${GOOD[@]}" "fragments = $MODE" "netns = $NS_ROUTER" > "$ETC/edge.conf"
	nf_bpf check edge
	printf '\0\0' >> "$ETC/edge.conf"
	expect_fails -s 2 "$ETC/edge.conf:7: a byte of the line is 0" nf_bpf check edge
	# The lines after it are read, too.
	printf '\nfamily = ipx\n' >> "$ETC/edge.conf"
	expect_fails -s 2 "$ETC/edge.conf:8: family = ipx: unknown value" nf_bpf check edge
	sed -i 7,8d "$ETC/edge.conf"
	nf_bpf check edge
}

# One call names all errors, so that the user corrects the file once.
test_all_errors()
{
	local said

	begin
	printf '%s\n' "[policy]" "hook = middle" "family = ipx" > "$ETC/edge.conf"
	said=$(nf_bpf check edge 2>&1) && fail "it is correct"
	expect_match "errors" "*edge.conf:2: hook*edge.conf:3: family*" "$said"
}

test_no_file()
{
	begin
	expect_fails -s 2 "$ETC/edge.conf: No such file or directory: write it" nf_bpf check edge
}

test_file_of_the_object()
{
	begin
	printf '%s\n' "[policy]" "object = /none.o" "hook = forward" > "$ETC/edge.conf"
	expect_fails -s 2 "/none.o: No such file or directory: correct its name" nf_bpf check edge
}

# libbpf has an error number of its own for this error.
test_no_object()
{
	begin
	printf '%s\n' "[policy]" "object = $ETC/edge.conf" "hook = forward" > "$ETC/edge.conf"
	expect_fails -s 1 "edge.conf: not a BPF object: BPF object format invalid" nf_bpf check edge
}

test_netns()
{
	begin
	printf '%s\n' "${GOOD[@]}" "netns = nowhere" "fragments = $MODE" > "$ETC/edge.conf"
	expect_fails -s 1 "netns nowhere: /run/netns/nowhere: No such file or directory" \
		nf_bpf apply edge
}

test_comments_and_blanks()
{
	begin
	printf '%s\n' "# comment" "; comment" "" "[policy]  " "	object=$OBJECT" \
		"program = accept ; comment" "hook  =  pre_routing" "netns = $NS_ROUTER" \
		"keep = stats" "priority = filter+7" "fragments = $MODE" > "$ETC/edge.conf"
	nf_bpf apply edge
	expect_json "$(nf_bpf --json status edge)" '.hook == "prerouting"' '.links[0].priority == 7'
}

test_name_of_a_policy()
{
	local name

	for name in ../edge edge.conf "" -x a/b; do
		expect_fails -s 2 "" nf_bpf check -- "$name"
	done
}

run_tests
