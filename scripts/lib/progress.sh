# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Shows a long make as one line of progress. Source this file after common.sh.

# On a terminal the line is written each second, in a log file after this many seconds.
QUIET_EVERY=30

clock()
{
	printf '%d:%02d' $(($1 / 60)) $(($1 % 60))
}

stage_of()
{
	case $1 in
	"  CC [M]"*|"  LD [M]"*|"  BTF [M]"*|"  MODPOST"*)
		printf 'modules' ;;
	"  BTF"*)
		printf 'types (BTF)' ;;
	"  LD      .tmp_vmlinux"*|"  LD      vmlinux"*|"  KSYMS"*|"  SORTTAB"*)
		printf 'link' ;;
	"  BUILD"*|"  LZ4"*|"  OBJCOPY arch/"*)
		printf 'image' ;;
	"  INSTALL"*|"  STRIP"*|"  DEPMOD"*)
		printf 'install' ;;
	"  HOSTCC"*|"  SYNC"*|"  UPD"*|"  WRAP"*|"  SYSHDR"*)
		printf 'prepare' ;;
	"  CC "*|"  AS "*|"  AR "*)
		printf 'compile' ;;
	esac
}

draw()
{
	local stage=$1 steps=$2 total=$3 start=$4 elapsed text

	elapsed=$((SECONDS - start))
	text="  $stage: $steps"
	if ((total > 0)); then
		((steps <= total)) || total=$steps
		text+=" of about $total steps, $(clock $elapsed)"
		if ((steps > total / 50 && elapsed > 5)); then
			text+=", about $(clock $((elapsed * (total - steps) / steps))) left"
		fi
	else
		text+=" steps, $(clock $elapsed)"
	fi
	if [[ -t 1 ]]; then
		printf '\r%s\033[K' "$text"
	else
		printf '%s\n' "$text"
	fi
}

# progress TOTAL < OUTPUT: show make's output as one line. If TOTAL is 0, the number of steps is
# unknown. Sets STEPS to the number of steps.
progress()
{
	local total=$1 line stage=prepare start=$SECONDS drawn=-1 next now

	STEPS=0
	while IFS= read -r line; do
		[[ $line = "  "[A-Z]* ]] || continue
		STEPS=$((STEPS + 1))
		((SECONDS > drawn)) || continue
		next=$QUIET_EVERY
		[[ ! -t 1 ]] || next=1
		((SECONDS - drawn >= next)) || continue
		now=$(stage_of "$line")
		stage=${now:-$stage}
		draw "$stage" "$STEPS" "$total" "$start"
		drawn=$SECONDS
	done
	[[ ! -t 1 ]] || printf '\r\033[K'
}

# first_error LOG: print the first error with the lines that belong to it. If no line looks like
# an error, print the lines before make's last message.
first_error()
{
	awk '
	found && (/^make(\[[0-9]+\])?: / || /^  [A-Z]+ / || NR > found + 12) { exit }
	found { print; next }
	/(: |^)(fatal |internal compiler )?error: |undefined reference|^ERROR: |^FAILED|No space left on device|No rule to make target|^Error: / {
		found = NR
		printf "%s", context
		print
		next
	}
	/^In file included from|: In function |^                 from / {
		context = context $0 "\n"
		next
	}
	{ context = "" }
	/^make(\[[0-9]+\])?: .*\*\*\*/ && !last { last = said $0 }
	/^  [A-Z]+ / { said = "" }
	!/^  [A-Z]+ |^make/ { said = said $0 "\n" }
	END { if (!found && last) print last }' "$1"
}

# run_make LOG TOTAL ARGUMENT...: run make with a line of progress. On failure, print the first
# error. V=1 shows all output.
run_make()
{
	local log=$1 total=$2 rc=0
	shift 2

	if [[ -n $V ]]; then
		make V=1 "$@" 2>&1 | tee "$log" || rc=$?
		STEPS=0
	else
		# Write the status before the pipe closes, because progress ends at that time.
		progress "$total" < <({
			make "$@" 2>&1 || rc=$?
			printf '%s' "$rc" > "$log.rc"
		} | tee "$log")
		rc=$(< "$log.rc")
		rm -f "$log.rc"
	fi
	((rc == 0)) && return
	first_error "$log" >&2
	return "$rc"
}
