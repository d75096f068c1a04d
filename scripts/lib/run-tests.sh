# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Runs tests in parts, and adds up their results. Source this file after common.sh and
# stages.sh.

COUNTS='^[0-9]+ passed, [0-9]+ failed, [0-9]+ skipped$'
KTAP=$BUILD/$BASE/ktap

passed=0
failed=0
skipped=0
logs=()

# Move the tests' output, which "run.sh -k -" marks, to files $KTAP/FOLDER/FILE.ktap. Pass on
# the other lines.
keep_ktap()
{
	local line name file=

	while IFS= read -r line; do
		if [[ $line != "ktap "* ]]; then
			printf '%s\n' "$line"
			continue
		fi
		read -r _ name _ <<< "$line"
		if [[ $file != $KTAP/$name.ktap ]]; then
			file=$KTAP/$name.ktap
			mkdir -p "${file%/*}"
			: > "$file"
		fi
		printf '%s\n' "${line#"ktap $name "}" >> "$file"
	done
}

# run_part NAME COMMAND...: run a part, and add its counts to the sums. If the part fails
# without counting a failure, or prints no counts, count one failure.
run_part()
{
	local name=$1 rc=0 counts _passed _failed _skipped
	shift

	"$@" 2>&1 | keep_ktap | tee "$BUILD/$name.log" |
		sed -u -E "/$COUNTS/d; /^slowest: /d" || rc=$?
	logs+=("$BUILD/$name.log")
	counts=$(grep -E "$COUNTS" "$BUILD/$name.log" | tail -n 1 || :)
	read -r _passed _ _failed _ _skipped _ <<< "${counts:-0 passed, 0 failed, 0 skipped}"
	passed=$((passed + _passed))
	failed=$((failed + _failed))
	skipped=$((skipped + _skipped))
	if ((rc != 0 && _failed == 0)) || [[ -z $counts ]]; then
		note "not ok $name: exit status $rc${counts:+, $counts}"
		failed=$((failed + 1))
	fi
}

# Print the last line, and set the exit status.
print_counts()
{
	print_slowest "${logs[@]}"
	((!failed)) || [[ ! -d $KTAP ]] || note "what each test has printed: $(rel "$KTAP")/"
	note "$passed passed, $failed failed, $skipped skipped"
	((failed == 0))
}

# guest_command NAME CPUS TIMEOUT [ARGUMENT...]: set GUEST to a command that runs
# selftests/run.sh in a guest with these arguments, and with the user's variables for tests.
# SHARE can be a directory that the guest can write to.
guest_command()
{
	local name=$1 cpus=$2 timeout=$3 variable
	shift 3

	GUEST=("$TOP/tools/guest/boot" --cpus "$cpus" --timeout "$timeout"
	       --log "$BUILD/guest/$name.log" ${SHARE:+--share "$SHARE"})
	for variable in "${!NF_BPF_@}" TEST_TIMEOUT; do
		[[ -z ${!variable:-} ]] || GUEST+=(--env "$variable=${!variable}")
	done
	GUEST+=(-- selftests/run.sh -k - "$@")
}
