#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Runs the commands of Documentation/policy.rst in their order, with the files that the page shows.
#
# Requires: jq
# Kernel: any

source "$(dirname "$0")/lib.sh"

PAGE=$SELFTESTS_SRC/../Documentation/policy.rst
SAMPLE=$BUILD/$BASE/samples/firewall.bpf.o

# blocks: print each literal block of the page, and a line "--" after it
blocks()
{
	awk 'inside && /^[^ ]/ { inside = wait = 0; print "--" }
		/::$/ { wait = 1; next }
		wait && /^    / { inside = 1 }
		inside { sub(/^    /, ""); print }' "$PAGE"
}

# here TEXT: print TEXT with the directories of the test in place of those of the page
here()
{
	sed -e "s|/etc/nf-bpf|$ETC|g" -e "s|/usr/local/lib/nf-bpf|$WORK/lib|g" \
		-e "s|build/6.1/samples/firewall.bpf.o|$SAMPLE|g" -e "s|/sys/fs/bpf/nf-bpf|$PINS/nf-bpf|g" \
		-e "s|^fragments = strict|fragments = $MODE\nnetns = $NS_ROUTER|" \
		-e "s|^nf-bpf |nf_bpf |" <<< "$1"
}

# run_block TEXT: if the block is a file of the page, write it; if it has commands, run them
run_block()
{
	local text

	text=$(here "$1")
	case $1 in
	"[policy]"*) echo "$text" > "$ETC/edge.conf" ;;
	"[rules]"*) echo "$text" > "$ETC/edge.rules" ;;
	*systemctl* | keep* | netns*) ;;
	*)
		echo "$text"
		eval "$text"
		COMMANDS=$((COMMANDS + $(wc -l <<< "$text")))
		;;
	esac
}

test_commands()
{
	local line text='' COMMANDS=0

	[[ -e $SAMPLE ]] || fail "$SAMPLE: not built: make samples"
	begin
	while IFS= read -r line; do
		if [[ $line != -- ]]; then
			text+=$line$'\n'
			continue
		fi
		run_block "$text"
		# Apply a second version, so that "rollback" has one to go back to.
		[[ $text != *"apply edge"* ]] || apply_another
		text=
	done < <(blocks)
	((COMMANDS > 12)) || fail "only $COMMANDS lines of the page are commands"
	expect_in_force 1
}

apply_another()
{
	echo "# another" >> "$ETC/edge.conf"
	nf_bpf apply edge
}

run_tests
