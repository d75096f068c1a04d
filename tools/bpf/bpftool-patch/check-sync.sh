#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Check that four places agree on the families, hooks, priorities and keywords that "bpftool net"
# accepts for netfilter: the tables of the source, the help text, the man page and bash completion.

set -euo pipefail

usage()
{
	cat <<USAGE
Usage: check-sync.sh [DIR]

Compare source, help, man page and completion of bpftool's netfilter commands.
DIR is where the tools were built (default: build/tools of the project); the
source is in DIR/src. Prints KTAP; exit status 0 when all agree, 1 when not,
2 when something to compare is missing.
USAGE
}

TOP=$(cd "$(dirname "$0")/../../.." && pwd -P)
N=0
FAILED=0

die()
{
	printf 'check-sync.sh: %s\n' "$*" >&2
	exit 2
}

# same WHAT WANTED PLACE GOT: print the result of a test that compares two lists of words. The
# order of the words does not count.
same()
{
	local what=$1 place=$3 wanted got

	wanted=$(words <<< "$2")
	got=$(words <<< "$4")
	N=$((N + 1))
	if [[ -n $wanted && $wanted = "$got" ]]; then
		printf 'ok %d %s: %s\n' "$N" "$what" "$place"
		return
	fi
	FAILED=$((FAILED + 1))
	printf 'not ok %d %s: %s\n' "$N" "$what" "$place"
	printf '# in the source: %s\n' "$(paste -sd ' ' <<< "$wanted")"
	printf '# %s: %s\n' "$place" "$(paste -sd ' ' <<< "$got")"
}

words()
{
	tr -s ' |\t' '\n' | sed '/^$/d' | sort -u
}

# --- the source ---

# table FILE NAME: print the first column of the array NAME, a table of names
table()
{
	sed -n "/ $2\[\] = {/,/^};/s/^\t{ \"\([^\"]*\)\".*/\1/p" "$1"
}

# keyword_set MACRO: print the keywords of a macro, and of the macros that it uses
keyword_set()
{
	local body member

	body=$(awk -v macro="$1" '
	$1 == "#define" && $2 == macro { on = 1; sub(/^#define [A-Z_]+/, "") }
	on { print }
	!/\\$/ { on = 0 }' "$NF_ARGS_C")
	grep -o 'KW_[A-Z0-9_]*' <<< "$body" | while read -r member; do
		if grep -q "^#define $member	" "$NF_ARGS_C"; then
			keyword_set "$member"
		else
			sed -n "s/^\t{ \"\([^\"]*\)\",[ \t]*$member }.*/\1/p" "$NF_ARGS_C"
		fi
	done
}

attach_types()
{
	sed -n '/attach_type_strings\[\] = {/,/^};/s/.*= "\([^"]*\)".*/\1/p' "$NET_C" |
		grep -v '^netfilter$'
}

# Print the hooks and their numbers, as "NAME:NUMBER".
hook_numbers()
{
	local number=0 name

	# in the order of enum nf_inet_hooks, which is ABI
	for name in $HOOKS; do
		printf '%s:%d\n' "$name" "$number"
		number=$((number + 1))
	done
}

priority_numbers()
{
	printf '#include <linux/netfilter_ipv4.h>\n%s\n' \
		"$(sed -n '/ libbpf_nf_priorities\[\] = {/,/^};/s/^\t{ "\([^"]*\)",[ \t]*\([A-Z_]*\) }.*/check:\1:\2/p' "$NF_UTIL_C")" |
		sed -n 's/^check:\(.*\):\(.*\)/\1 \2/p' |
		while read -r name constant; do
			printf '%s:%s\n' "$name" "$(constant_value "$constant")"
		done
}

constant_value()
{
	sed -n "s/.*\b$1 = \(-\?[0-9]*\),.*/\1/p" /usr/include/linux/netfilter_ipv4.h
}

# --- help ---

# help_list NAME: print the list behind "NAME :=", also if it has several lines
help_list()
{
	tr '\n' ' ' <<< "$HELP" | tr -s ' ' |
		sed -n "s/.* $1 := { \([^}]*\) }.*/\1/p"
}

# help_keywords WORDS: print the keywords of the usage lines that begin with "bpftool net WORDS".
# Keywords are the words in small letters.
help_keywords()
{
	awk -v head="bpftool net $1" '
	/^(Usage:)? +bpftool / { on = index($0, head) }
	/^$/ { on = 0 }
	on { sub(head, ""); sub("Usage:", ""); print }' <<< "$HELP" |
		grep -oE '[A-Za-z_]+(-[a-z]+)?' | sed "/^FAMILY\$/c$(paste -sd ' ' <<< "$FAMILIES")" |
		grep -v '[A-Z]' | grep -vx devname
}

# --- man page ---

man_list()
{
	sed -n "s/^| \*$1\* := { \(.*\) }\$/\1/p" "$RST" | grep -o '\*\*[a-z][a-z0-9_]*\*\*' | tr -d '*'
}

man_keywords()
{
	grep "^| \*\*bpftool\*\* \*\*net $1\*\*" "$RST" | sed "s/.*\*\*net $1\*\*//" |
		sed 's/\*FAMILY\*/**'"$(paste -sd ' ' <<< "$FAMILIES" | sed 's/ /** **/g')"'**/' |
		grep -o '\*\*[a-z][a-z0-9-]*\*\*' | tr -d '*'
}

# man_numbers NAMES: print the numbers that the description gives as "**NAME** (NUMBER"
man_numbers()
{
	local name

	for name in $1; do
		{ tr '\n' ' ' < "$RST"; echo; } | tr -s ' ' |
			sed -n "s/.*\*\*$name\*\* (\(-\?[0-9]*\)[,)].*/$name:\1/p"
	done
}

# --- completion ---

# complete_words WORD...: print the words that completion offers behind these words.
# _init_completion() and _filedir() are the only functions of the package bash-completion that
# bpftool's completion calls, so they are replaced here.
complete_words()
{
	bash -c '
	_init_completion()
	{
		words=("${COMP_WORDS[@]}")
		cword=$((${#words[@]} - 1))
		cur=${words[cword]}
		prev=${words[cword - 1]}
	}
	_filedir() { COMPREPLY+=(FILE); }
	complete() { :; }
	bpftool() { :; }
	. "$1"
	shift
	COMP_WORDS=("$@")
	COMPREPLY=()
	_bpftool
	printf "%s\n" "${COMPREPLY[@]}"' bash "$COMPLETION" bpftool net "$@" ''
}

# Compare the names of families, hooks and priorities, and the numbers in the man page.
check_names()
{
	same families "$FAMILIES" help "$(help_list FAMILY)"
	same families "$FAMILIES" 'man page' "$(man_list FAMILY)"
	same hooks "$HOOKS" help "$(help_list HOOK | sed 's/ *| *[0-9].*//')"
	same hooks "$HOOKS" 'man page' "$(man_list HOOK)"
	same hooks "$HOOKS" completion "$(complete_words attach netfilter id 1 hook)"
	same fragments "$FRAGMENTS" help "$(help_list FRAGMENTS)"
	same fragments "$FRAGMENTS" 'man page' "$(man_list FRAGMENTS)"
	same fragments "$FRAGMENTS" completion "$(complete_words attach netfilter id 1 fragments)"
	same priorities "$PRIORITIES" help "$(help_list PRIORITY_NAME)"
	same priorities "$PRIORITIES" 'man page' "$(man_list PRIORITY_NAME)"
	same priorities "$PRIORITIES" completion "$(complete_words attach netfilter id 1 hook input priority)"
	same 'numbers of hooks' "$(hook_numbers)" 'man page' "$(man_numbers "$HOOKS")"
	same 'numbers of priorities' "$(priority_numbers)" 'man page' \
		"$(man_numbers "$PRIORITIES")"
}

check_keywords()
{
	local attach anchor detach load from word

	attach=$(keyword_set KW_ATTACH)
	anchor=$(keyword_set KW_ANCHOR)
	detach=$(keyword_set KW_DETACH)
	load=$(keyword_set KW_LOAD)
	from=$(keyword_set KW_MAP_FROM)
	same 'attach keywords' "$attach $anchor" help "$(help_keywords 'attach netfilter')"
	same 'attach keywords' "$attach $anchor" 'man page' "$(man_keywords 'attach netfilter')"
	same 'object keywords' "obj $load $from" help "$(help_list OBJECT | grep -o '\b[a-z]*\b')"
	same 'object keywords' "obj $load $from" 'man page' "$(man_list OBJECT)"
	same 'object keywords' "$attach $load" completion \
		"$(complete_words attach netfilter obj FILE)"
	same 'keywords behind map' "$from" completion \
		"$(complete_words attach netfilter obj FILE map NAME)"
	for word in $(keyword_set KW_RELATIVE); do
		same "keywords behind $word" "$anchor" completion \
			"$(complete_words attach netfilter id 1 "$word")"
	done
	same 'attach keywords' "$attach" completion "$(complete_words attach netfilter id 1)"
	same 'detach keywords' "$detach" help "$(help_keywords 'detach netfilter')"
	same 'detach keywords' "$detach" 'man page' "$(man_keywords 'detach netfilter')"
	same 'detach keywords' "$detach" completion "$(complete_words detach netfilter)"
}

check_trace()
{
	local trace

	trace=$(table "$NF_TRACE_C" trace_keywords)
	same 'trace keywords' "$trace" help "$(help_keywords 'trace netfilter')"
	same 'trace keywords' "$trace" 'man page' "$(man_keywords 'trace netfilter')"
	same 'trace keywords' "$trace" completion "$(complete_words trace netfilter)"
}

check_types()
{
	local types

	types=$(attach_types)
	same 'attach types' "$types" help "$(help_list ATTACH_TYPE)"
	same 'attach types' "$types" 'man page' "$(man_list ATTACH_TYPE)"
	same 'attach types' "$types netfilter" completion "$(complete_words attach)"
	same 'show keywords' "$(sed -n '/^static int do_show(/,/^}/s/.*is_prefix(\*argv, "\([a-z]*\)").*/\1/p' "$NET_C")" \
		completion "$(complete_words show)"
}

case ${1:-} in
-h|--help)
	usage
	exit 0 ;;
esac

OUT=${1:-$TOP/build/tools}
NF_UTIL_C=$OUT/src/tools/lib/bpf/nf_util.c
NF_ARGS_C=$OUT/src/tools/bpf/bpftool/nf_args.c
NF_TRACE_C=$OUT/src/tools/bpf/bpftool/nf_trace.c
NET_C=$OUT/src/tools/bpf/bpftool/net.c
RST=$OUT/src/tools/bpf/bpftool/Documentation/bpftool-net.rst
COMPLETION=$OUT/share/bash-completion/completions/bpftool
BPFTOOL=$OUT/bin/bpftool

for file in "$NF_UTIL_C" "$NF_ARGS_C" "$NF_TRACE_C" "$NET_C" "$RST" "$COMPLETION" "$BPFTOOL"; do
	[[ -e $file ]] || die "$file: missing: build the tools first (make tools)"
done

HELP=$("$BPFTOOL" net help 2>&1)
FAMILIES=$(table "$NF_UTIL_C" libbpf_nf_families)
HOOKS=$(table "$NF_UTIL_C" libbpf_nf_hooks)
FRAGMENTS=$(table "$NF_ARGS_C" nf_fragments)
PRIORITIES=$(table "$NF_UTIL_C" libbpf_nf_priorities)

printf 'KTAP version 1\n1..32\n'
check_names
check_keywords
check_trace
check_types
[[ $N = 32 ]] || die "the plan says 32 tests, there were $N"
exit $((FAILED > 0))
