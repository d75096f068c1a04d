#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Tests of run.sh: it counts right, and a broken test does not pass for a good one.
#
# Kernel: none

source "$(dirname "$0")/../lib.sh"

# fake NAME: write the test file group/NAME from standard input, in a tree of its own.
fake()
{
	FAKE=$WORK/fake
	GROUP=$FAKE/group
	rm -rf "$FAKE"
	mkdir -p "$GROUP"
	cp "$SELFTESTS_SRC/run.sh" "$FAKE"
	{
		echo '#!/bin/bash'
		cat
	} > "$GROUP/$1.sh"
	chmod +x "$GROUP/$1.sh"
}

run_fake()
{
	"$FAKE/run.sh" -k "$WORK/ktap" "$@"
}

# expect_run STATUS LAST_LINE [TEXT]: run the fake tests by the command BELOW, with a limit of
# LIMIT seconds (300), and check the result.
BELOW=()
expect_run()
{
	local status=0 output

	output=$(TEST_TIMEOUT=${LIMIT:-300} "${BELOW[@]}" "$FAKE/run.sh" -k "$WORK/ktap" 2>&1) || status=$?
	expect_eq "last line" "$2" "${output##*$'\n'}"
	expect_eq "exit status" "$1" "$status"
	[[ -z ${3-} || $output == *"$3"* ]] || fail "no '$3' in: $output"
}

test_all_pass()
{
	fake good <<-'EOF2'
	printf '%s\n' "TAP version 13" 1..2 "ok 1 a" "ok 2 - b"
	EOF2
	expect_run 0 "2 passed, 0 failed, 0 skipped"
}

test_one_fails()
{
	fake bad <<-'EOF2'
	printf '%s\n' 1..2 "ok 1 a" "# told you so" "not ok 2 b"
	exit 1
	EOF2
	expect_run 1 "1 passed, 1 failed, 0 skipped" "told you so"
}

test_last_line_without_an_end()
{
	fake bad <<-'EOF2'
	printf '%s\n' 1..1 "ok 1 a"
	printf %s "not quite"
	exit 3
	EOF2
	expect_run 1 "1 passed, 1 failed, 0 skipped" "exit status 3"
}

test_output_of_what_passed_is_not_shown()
{
	local output

	fake good <<-'EOF2'
	printf '%s\n' 1..1 "# chatter" "ok 1 a"
	EOF2
	output=$(run_fake)
	[[ $output != *chatter* ]] || fail "shown: $output"
}

test_skip()
{
	fake partly <<-'EOF2'
	printf '%s\n' 1..2 "ok 1 a" "ok 2 b # SKIP no such thing"
	EOF2
	expect_run 0 "1 passed, 0 failed, 1 skipped" "no such thing: group/partly (1)"
}

# 6.1's harness prints a skipped result in this form.
test_skip_without_a_name()
{
	fake partly <<-'EOF2'
	printf '%s\n' 1..1 "ok 1 # SKIP no such thing"
	EOF2
	expect_run 0 "0 passed, 0 failed, 1 skipped" "no such thing"
}

# fake_names NAME...: only lists the names of tests.
fake_names()
{
	local name

	fake any < /dev/null
	for name; do
		mkdir -p "$FAKE/${name%/*}"
		touch "$FAKE/$name.sh"
	done
	rm "$GROUP/any.sh"
}

# expect_names PATTERN NAME...
expect_names()
{
	expect_eq "$1" "${*:2}" "$(run_fake -l "$1" | paste -sd ' ')"
}

test_pattern_with_a_slash_begins_the_name()
{
	fake_names track/races conntrack/nat link/races
	expect_names races link/races track/races
	expect_names track conntrack/nat track/races
	expect_names track/ track/races
	expect_names "@(link|track)/r" link/races track/races
	expect_names conntrack/nat conntrack/nat
}

test_whole_file_skipped()
{
	fake none <<-'EOF2'
	echo "1..0 # SKIP no tool"
	exit 4
	EOF2
	expect_run 0 "0 passed, 0 failed, 1 skipped" "no tool: group/none (1)"
}

test_no_plan()
{
	fake planless <<-'EOF2'
	echo "ok 1 a"
	EOF2
	expect_run 1 "1 passed, 1 failed, 0 skipped" "printed no plan"
}

test_no_output()
{
	fake silent < /dev/null
	expect_run 1 "0 passed, 1 failed, 0 skipped" "printed no plan"
}

test_fewer_results_than_planned()
{
	fake short <<-'EOF2'
	printf '%s\n' 1..3 "ok 1 a" "ok 2 b"
	EOF2
	expect_run 1 "2 passed, 1 failed, 0 skipped" "2 results, 3 planned"
}

test_more_results_than_planned()
{
	fake long <<-'EOF2'
	printf '%s\n' 1..1 "ok 1 a" "ok 2 b"
	EOF2
	expect_run 1 "2 passed, 1 failed, 0 skipped" "2 results, 1 planned"
}

test_killed()
{
	fake dying <<-'EOF2'
	printf '%s\n' 1..2 "ok 1 a"
	kill -SEGV $$
	EOF2
	expect_run 1 "1 passed, 1 failed, 0 skipped" "1 results, 2 planned"
}

test_exit_status_without_a_failure()
{
	fake liar <<-'EOF2'
	printf '%s\n' 1..1 "ok 1 a"
	exit 3
	EOF2
	expect_run 1 "1 passed, 1 failed, 0 skipped" "exit status 3"
}

# The kernel warns while a test runs. A file takes the place of the kernel's flags.
test_kernel_warns()
{
	echo 512 > "$WORK/tainted"
	fake warned <<< 'printf "%s\n" 1..1 "ok 1 a"'
	# shellcheck disable=SC2016 # the inner shell expands it
	BELOW=(unshare -m bash -ec 'mount --bind "$0" /proc/sys/kernel/tainted; exec "$@"'
	       "$WORK/tainted")
	expect_run 0 "1 passed, 0 failed, 0 skipped"
	echo "echo 640 > $WORK/tainted" >> "$GROUP/warned.sh"
	expect_run 1 "1 passed, 1 failed, 0 skipped" "the kernel is tainted"
	expect_run 0 "1 passed, 0 failed, 0 skipped"
}

test_timeout()
{
	local limit=$((3 * ${NF_BPF_SLOW:-1}))

	fake slow <<-'EOF2'
	printf '%s\n' 1..2 "ok 1 a"
	exec sleep 1000
	EOF2
	# The first result has to come within this time.
	LIMIT=$limit expect_run 1 "1 passed, 1 failed, 0 skipped" \
		"not done after $limit s"
}

# If a test leaves a daemon behind, the next test must not wait for it.
test_process_left_behind()
{
	fake daemon <<-EOF2
	printf '%s\n' 1..1 "ok 1 a"
	setsid sleep $((100 * ${NF_BPF_SLOW:-1})) &
	echo \$! > $WORK/daemon
	EOF2
	expect_run 0 "1 passed, 0 failed, 0 skipped"
	kill "$(< "$WORK/daemon")" || fail "run.sh has waited for it"
}

test_bail_out()
{
	fake bailing <<-'EOF2'
	printf '%s\n' 1..1 "Bail out! no good"
	exit 1
	EOF2
	expect_run 1 "0 passed, 1 failed, 0 skipped" "no good"
}

test_not_built()
{
	fake good <<< 'printf "%s\n" 1..1 "ok 1 a"'
	echo 'int main(void) { return 0; }' > "$GROUP/missing.c"
	expect_run 1 "1 passed, 1 failed, 0 skipped" "not built"
}

test_pattern()
{
	fake good <<< 'printf "%s\n" 1..1 "ok 1 a"'
	cp "$GROUP/good.sh" "$GROUP/better.sh"
	mkdir "$FAKE/other"
	cp "$GROUP/good.sh" "$FAKE/other"
	expect_eq listed "group/better
group/good
other/good" "$(run_fake -l)"
	expect_eq "listed by a pattern" group/better "$(run_fake -l 'b*er')"
	expect_eq "listed by a folder" other/good "$(run_fake -l other/)"
	expect_eq "listed by its name" group/good "$(run_fake -l group/good)"
	expect_eq "last line" "2 passed, 0 failed, 0 skipped" \
		"$(run_fake goo | tail -n 1)"
}

# Without a match run.sh must fail: "0 failed" would look like success.
test_pattern_without_a_match()
{
	fake good <<< 'printf "%s\n" 1..1 "ok 1 a"'
	expect_fails -s 2 "no test has such a name" run_fake nonsense
}

# Libraries, files in deeper folders and files in torture/ are no tests for run.sh.
test_folder()
{
	fake good <<< 'printf "%s\n" 1..1 "ok 1 a"'
	cp "$GROUP/good.sh" "$GROUP/lib.sh"
	mkdir "$FAKE/torture" "$GROUP/helpers"
	cp "$GROUP/good.sh" "$GROUP/helpers"
	cp "$GROUP/good.sh" "$FAKE/torture/better.sh"
	echo 'int main(void) { return 0; }' > "$FAKE/torture/built.c"
	mkdir -p "$WORK/programs/torture"
	cp "$GROUP/good.sh" "$WORK/programs/torture/built"
	expect_eq "listed" group/good "$(run_fake -l)"
	expect_eq "listed in the folder" "torture/better
torture/built" "$(run_fake -l -d torture)"
	expect_eq "last line" "2 passed, 0 failed, 0 skipped" \
		"$(SELFTESTS=$WORK/programs run_fake -d torture | tail -n 1)"
	expect_fails -s 2 "no such folder" run_fake -d nonsense
}

# One run takes "slow". Meanwhile the other one runs the rest.
test_queue()
{
	local first

	fake a_slow <<-'EOF2'
	until [[ -e ${0%/*}/done ]]; do sleep 0.1; done
	printf "%s\n" 1..1 "ok 1 a"
	EOF2
	printf '#!/bin/bash\nprintf "%%s\\n" 1..1 "ok 1 a"\n' > "$GROUP/b.sh"
	# shellcheck disable=SC2016 # the test expands $0
	printf '#!/bin/bash\ntouch "${0%%/*}/done"; printf "%%s\\n" 1..1 "ok 1 a"\n' > "$GROUP/c.sh"
	chmod +x "$GROUP"/*.sh
	mkdir "$WORK/queue"
	run_fake -q "$WORK/queue" > "$WORK/first" &
	first=$!
	wait_for [ -d "$WORK/queue/group.a_slow" ]
	run_fake -q "$WORK/queue" > "$WORK/second"
	wait "$first"
	expect_match "first run" "*1 passed, 0 failed, 0 skipped" "$(< "$WORK/first")"
	expect_match "second run" "*2 passed, 0 failed, 0 skipped" "$(< "$WORK/second")"
	expect_match "nothing is left" "0 passed, 0 failed, 0 skipped" "$(run_fake -q "$WORK/queue")"
}

test_queue_that_is_missing()
{
	fake a <<< 'printf "%s\n" 1..1 "ok 1 a"'
	expect_fails -s 2 "cannot write to it" run_fake -q "$WORK/nothing"
	mkdir "$WORK/nothing"
	expect_match "with it" "*1 passed, 0 failed, 0 skipped" "$(run_fake -q "$WORK/nothing")"
}

test_processors()
{
	fake a <<< 'printf "%s\n" 1..1 "ok 1 a"'
	sed "2i # Processors: 2" "$GROUP/a.sh" > "$GROUP/b.sh"
	printf '/*\n * Processors: 2\n */\n' > "$GROUP/c.c"
	expect_eq "of one processor" group/a "$(run_fake -l -p 1)"
	sed "2i # Kernel: none" "$GROUP/a.sh" > "$GROUP/d.sh"
	expect_eq "of no kernel" group/d "$(run_fake -l -p 0)"
	expect_eq "of one or none" "group/a
group/d" "$(run_fake -l -p 0,1)"
	expect_eq "of two processors" "group/b
group/c" "$(run_fake -l -p 2)"
	expect_fails -s 2 "no test asks for so many" run_fake -p 3
}

# CI runs a test that does not depend on the kernel on the first base only.
test_second_base()
{
	fake a <<< 'printf "%s\n" 1..1 "ok 1 a"'
	sed "2i # Kernel: any" "$GROUP/a.sh" > "$GROUP/b.sh"
	expect_eq "of the first base" "group/a
group/b" "$(NF_BPF_SECOND_BASE='' run_fake -l)"
	expect_eq "of the second base" group/a "$(NF_BPF_SECOND_BASE=1 run_fake -l)"
	NF_BPF_SECOND_BASE=1 expect_fails -s 2 "do not depend on the kernel" run_fake group/b
}

test_requirements()
{
	fake needy <<-'EOF2'
	# Requires: bash no-such-program
	printf '%s\n' 1..1 "ok 1 a"
	EOF2
	NF_BPF_PATCHED=0 expect_run 0 "0 passed, 0 failed, 1 skipped" "no no-such-program"
	NF_BPF_PATCHED=1 expect_run 1 "0 passed, 1 failed, 0 skipped" "requires no-such-program"
	sed -i 's/no-such-program/awk/' "$GROUP/needy.sh"
	expect_run 0 "1 passed, 0 failed, 0 skipped"
}

# An option may only be missing if the kernel's flavour leaves it out.
test_requirements_of_a_flavour()
{
	fake needy <<-'EOF2'
	# Requires: CONFIG_FAILSLAB
	printf '%s\n' 1..1 "ok 1 a"
	EOF2
	# shellcheck disable=SC2016 # the inner shell expands "$@"
	BELOW=(unshare -m bash -ec 'mount -t tmpfs none /sys/kernel/debug
		exec "$0" "$@"')
	NF_BPF_PATCHED=1 NF_BPF_FLAVOUR=noipv6 \
		expect_run 0 "0 passed, 0 failed, 1 skipped" "no CONFIG_FAILSLAB"
	NF_BPF_PATCHED=1 NF_BPF_FLAVOUR=lockdebug \
		expect_run 1 "0 passed, 1 failed, 0 skipped" "requires CONFIG_FAILSLAB"
}

test_output_is_kept()
{
	fake good <<-'EOF2'
	printf '%s\n' "TAP version 13" 1..1 "# chatter" "ok 1 a"
	EOF2
	expect_run 0 "1 passed, 0 failed, 0 skipped"
	expect_eq "kept" "TAP version 13
1..1
# chatter
ok 1 a" "$(grep -v -e '^exit-status' -e '^$' "$WORK/ktap/group/good.ktap")"
	expect_eq "marked" "ktap group/good # chatter" \
		"$(run_fake -k - | grep 'ktap.*chatter')"
}

test_slowest_files()
{
	fake quick <<< 'printf "%s\n" 1..1 "ok 1 a"'
	printf '#!/bin/bash\nsleep 1\nprintf "%%s\n" 1..1 "ok 1 a"\n' > "$GROUP/slow.sh"
	chmod +x "$GROUP/slow.sh"
	expect_run 0 "2 passed, 0 failed, 0 skipped" "slowest: group/slow ("
}

# If one result of a shell test is chosen, the others do not run.
test_one_result()
{
	library <<-'EOF2'
	test_first()
	{
		false
	}
	test_second()
	{
		true
	}
	EOF2
	expect_eq "listed" "first
second" "$(run_fake -l group/library/)"
	expect_eq "last line" "1 passed, 0 failed, 0 skipped" \
		"$(run_fake group/library/second | tail -n 1)"
	expect_fails -s 1 "has no result third" run_fake group/library/third
	expect_fails -s 2 "no test has such a name" run_fake librar/library/second
}

# A program with the options of kselftest_harness.h: -l lists results, -r runs one result.
test_one_result_of_a_program()
{
	local names

	names=$("$SELFTESTS_SRC/run.sh" -l tools/libbpf/)
	expect_match "listed" "*global.probe_helper global.names*" "${names//$'\n'/ }"
	expect_eq "last line" "1 passed, 0 failed, 0 skipped" "$("$SELFTESTS_SRC/run.sh" \
		-k "$WORK/ktap" tools/libbpf/global.names | tail -n 1)"
	expect_fails -s 1 "has no result nothing" \
		"$SELFTESTS_SRC/run.sh" -k "$WORK/ktap" tools/libbpf/nothing
}

test_figures_are_shown()
{
	fake good <<-'EOF2'
	printf '%s\n' 1..1 "# chatter" "# figure: 17 of them" "ok 1 a"
	EOF2
	expect_run 0 "1 passed, 0 failed, 0 skipped" "17 of them"
}

test_wrong_arguments()
{
	local option

	expect_fails -s 2 "unknown option" "$SELFTESTS_SRC/run.sh" --nonsense
	for option in -d -k -p -q; do
		expect_fails -s 2 "an argument is missing" "$SELFTESTS_SRC/run.sh" "$option"
	done
	expect_fails -s 2 "one pattern only" "$SELFTESTS_SRC/run.sh" a b
	"$SELFTESTS_SRC/run.sh" --help > /dev/null
}

# library: write a test that uses lib.sh, from standard input.
library()
{
	mkdir -p "$WORK/tools/router"
	cp "$SELFTESTS_SRC/../tools/router/topology.sh" "$WORK/tools/router"
	# shellcheck disable=SC2016 # the test expands $0
	fake library < <(echo 'source "$(dirname "$0")/../lib.sh"'; cat; echo run_tests)
	cp "$SELFTESTS_SRC/lib.sh" "$FAKE"
}

# lib.sh reports a test that fails and a test that dies.
test_library()
{
	local status=0 output

	library <<-'EOF2'
	test_passes()
	{
		expect_eq one 1 1
	}
	test_differs()
	{
		expect_eq one 1 2
		echo "not reached"
	}
	test_command_fails()
	{
		false
		echo "not reached"
	}
	test_skips()
	{
		skip "not today"
	}
	EOF2
	output=$(run_fake 2>&1) || status=$?
	expect_eq "exit status" 1 "$status"
	expect_eq "last line" "1 passed, 2 failed, 1 skipped" "${output##*$'\n'}"
	[[ $output == *"one: expected '1', got '2'"* ]] || fail "no reason: $output"
	[[ $output != *"not reached"* ]] || fail "went on: $output"
}

run_tests
