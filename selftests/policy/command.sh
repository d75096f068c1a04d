#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# nf-bpf's help, man pages, completion and units agree with the command.
#
# Kernel: any

source "$(dirname "$0")/lib.sh"

TOOL=$SELFTESTS_SRC/../tools/nf-bpf

setup()
{
	NF_BPF=$(type -P nf-bpf) || fail "nf-bpf: not built: make tools"
	ETC=$WORK/etc
	STATE=$WORK/state
	mkdir -p "$ETC"
}

commands()
{
	"$NF_BPF" --help | sed -n 's/^  \([a-z][a-z]*\) .*/\1/p'
}

long_options()
{
	"$NF_BPF" --help | grep -o -- '--[a-z]*' | sort -u
}

test_help()
{
	"$NF_BPF" --help > "$WORK/help"
	"$NF_BPF" help | cmp - "$WORK/help"
	"$NF_BPF" --version > /dev/null
	expect_fails -s 2 "Usage: nf-bpf" "$NF_BPF"
	expect_fails -s 2 "unknown command" "$NF_BPF" nothing
	expect_fails -s 2 "0 arguments: write 'nf-bpf apply NAME'" "$NF_BPF" apply
	expect_fails -s 2 "1 argument: write 'nf-bpf try SECONDS NAME'" "$NF_BPF" try edge
	expect_fails -s 2 "2 arguments: write 'nf-bpf status [NAME]'" "$NF_BPF" status a b
	expect_fails -s 2 "--help" "$NF_BPF" --nothing
	expect_eq "commands" 12 "$(commands | wc -l)"
}

test_man_page()
{
	local word

	for word in $(commands); do
		grep -q "^$word" "$TOOL/nf-bpf.8.rst" || fail "nf-bpf.8.rst: no $word"
	done
	for word in $(long_options); do
		grep -q -e "$word" "$TOOL/nf-bpf.8.rst" || fail "nf-bpf.8.rst: no $word"
	done
}

# exit_statuses: read lines of "STATUS TEXT". Print each exit status, and with it the commands that
# TEXT names.
exit_statuses()
{
	local status text word names

	names=" $(commands | tr '\n' ' ')"
	while read -r status text; do
		for word in $(tr -c 'a-z-' ' ' <<< "$text"); do
			[[ $names != *" $word "* ]] || echo "$status $word"
		done
		echo "$status"
	done | sort -u
}

statuses_of_help()
{
	"$NF_BPF" --help | sed -n 's/^  \([0-9]  .*\)/\1/p' | exit_statuses
}

# In the man page, the commands are bold.
statuses_of_man_page()
{
	sed -n '/^EXIT STATUS/,/^RULES/p' "$TOOL/nf-bpf.8.rst" |
		awk '/^\*\*[0-9]\*\*$/ { status = substr($0, 3, 1); print status }
		     /^ / { n = split($0, part, /\*\*/)
			    for (i = 2; i <= n; i += 2) print status, part[i] }' | exit_statuses
}

test_exit_statuses()
{
	local statuses

	statuses=$(statuses_of_help)
	expect_eq "help" "$(sed -n 's/^\tEXIT_[A-Z_]*\t*= \([0-9]\),.*/\1/p' "$TOOL/nf-bpf.h")" \
		"$(grep -v ' ' <<< "$statuses")"
	[[ $statuses == *"3 load"* ]] || fail "no commands: $statuses"
	expect_eq "man page" "$statuses" "$(statuses_of_man_page)"
}

test_man_page_of_the_file()
{
	local key keys

	keys=$(printf '%s\n' "[policy]" "x = y" > "$ETC/edge.conf"
		{ nf_bpf check edge 2>&1 || :; } | sed -n 's/.*the keys are //p' | tr -d ,)
	[[ $keys == *on-error* ]] || fail "no keys: $keys"
	for key in ${keys/ and / }; do
		grep -q "\b$key = " "$TOOL/nf-bpf.conf.5.rst" || fail "nf-bpf.conf.5.rst: no $key"
	done
}

# complete WORD...: print the words that completion offers for the last WORD
complete_words()
{
	local COMP_WORDS=(nf-bpf "$@") COMP_CWORD=$# COMPREPLY=()

	_nf_bpf
	printf '%s\n' "${COMPREPLY[@]}" | sort
}

test_completion()
{
	# shellcheck source=../../tools/nf-bpf/bash-completion/nf-bpf
	source "$TOOL/bash-completion/nf-bpf"
	expect_eq "commands" "$( (commands; echo help) | sort)" "$(complete_words "")"
	expect_eq "options" "$(long_options)" "$(complete_words --)"
	touch "$ETC/edge.conf"
	expect_eq "policies" edge "$(complete_words --etc "$ETC" apply "")"
	expect_eq "policies" edge "$(complete_words --etc "$ETC" try 60 "")"
}

# Names of files can have characters that the shell would expand.
test_completion_expands_nothing()
{
	local file="$ETC/\$(: > ran).conf"

	# shellcheck source=../../tools/nf-bpf/bash-completion/nf-bpf
	source "$TOOL/bash-completion/nf-bpf"
	cd "$WORK"
	touch "$ETC/edge.conf" "$file" "$ETC/-x.conf" "$ETC/a b.conf"
	expect_eq "policies" edge "$(complete_words --etc "$ETC" apply "")"
	[[ ! -e ran ]] || fail "a file name was run"
	expect_eq "files" "$file" "$(complete_words save edge "$ETC/\$")"
	rm "$file" "$ETC/-x.conf" "$ETC/a b.conf"
	expect_eq "policies" edge "$(complete_words --etc "$ETC" apply "")"
}

# In a terminal, readline quotes the names of files.
test_completion_quotes_files()
{
	local file="\$(: > ran)"

	mkdir "$WORK/quotes"
	touch "$WORK/quotes/$file"
	printf '%s\n' "PS1=; source '$TOOL/bash-completion/nf-bpf'; cd '$WORK/quotes'" \
		"nf-bpf() { printf '%s\\n' \"\${@:3}\" > ../said; }" > "$WORK/quotes.rc"
	printf 'nf-bpf save edge $\t\nexit\n' |
		TERM=dumb timeout 20 bash --rcfile "$WORK/quotes.rc" -i > "$WORK/output" 2>&1 || :
	expect_eq "argument" "$file" "$(< "$WORK/said")"
	[[ ! -e $WORK/quotes/ran ]] || fail "a file name was run"
}

# "..conf" would be the directory of all policies.
test_names_of_files()
{
	touch "$ETC/..conf" "$ETC/a b.conf"
	mkdir -p "$STATE"
	expect_match "what is said" "*a b.conf: not the name of a policy*" "$(nf_bpf status 2>&1)"
	[[ -z $(ls "$STATE") ]] || fail "$(ls "$STATE")"
}

# No unit may require another one: a missing disk must not prevent the start of a policy.
test_units_without_var()
{
	local unit

	for unit in "$TOOL"/*.service.in; do
		grep -q "^ExecStart=" "$unit" || fail "$unit: not the unit of a service"
		! grep -H "^Requires" "$unit" || fail "a unit needs another one"
	done
}

test_units()
{
	local unit status=0

	type -P systemd-analyze > /dev/null || skip "systemd-analyze"
	mkdir "$WORK/units"
	for unit in nf-bpf@ nf-bpf-watch@; do
		sed "s|@PREFIX@/bin/nf-bpf|$NF_BPF|" "$TOOL/$unit.service.in" > "$WORK/units/$unit.service"
		# systemd-analyze checks an instance. Ignore its messages about other units.
		cp "$WORK/units/$unit.service" "$WORK/units/${unit}edge.service"
		systemd-analyze verify --man=no "$WORK/units/${unit}edge.service" \
			> "$WORK/verified" 2>&1 || status=$?
		expect_eq "$unit" "" "$(grep "$unit" "$WORK/verified" || :)"
		((!status)) || fail "systemd-analyze: exit status $status: $(< "$WORK/verified")"
	done
}

test_units_of_metrics()
{
	local unit=nf-bpf-metrics status=0

	type -P systemd-analyze > /dev/null || skip "systemd-analyze"
	mkdir "$WORK/metrics"
	sed "s|@PREFIX@/bin/nf-bpf|$NF_BPF|" "$TOOL/$unit.service.in" \
		> "$WORK/metrics/$unit.service"
	cp "$TOOL/$unit.timer" "$WORK/metrics"
	systemd-analyze verify --man=no "$WORK/metrics/$unit."{service,timer} \
		> "$WORK/verified" 2>&1 || status=$?
	expect_eq "$unit" "" "$(grep "$unit" "$WORK/verified" || :)"
	((!status)) || fail "systemd-analyze: exit status $status: $(< "$WORK/verified")"
}

run_tests
