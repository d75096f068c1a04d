# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Compiles programs that the documentation prints. "make selftests" compiles them on the
# host, because clang is slow in a guest with an emulated processor. A test sources this
# file after lib.sh, defines compile_programs, and calls on_host before run_tests.

# The results of "make selftests", in a folder for each test: pages of the documentation
# use the same name for different programs.
COMPILED=$SELFTESTS/samples/programs/$(basename "$0" .sh)

# The flags for libbpf's headers.
HEADER_FLAGS=(-I "$BUILD/tools/include")

# compile_program NAME [FLAG...]: compile $WORK/NAME.bpf.c, a BPF program
compile_program()
{
	compile_source "$1.bpf" -O2 -g -target bpf -Wall -Werror "${@:2}"
}

# compile_source NAME [FLAG...]: compile $WORK/NAME.c. If the host has compiled the same
# source, copy its object.
compile_source()
{
	local name=$1 built=$COMPILED/$1
	shift

	if [[ -e $built.o ]] && cmp -s "$built.c" "$WORK/$name.c"; then
		cp "$built.o" "$WORK/$name.o"
		return
	fi
	clang "$@" "${HEADER_FLAGS[@]}" -c "$WORK/$name.c" -o "$WORK/$name.o"
}

# on_host [--compile DIR]: if the test has these arguments, compile into DIR and exit
on_host()
{
	[[ ${1-} == --compile ]] || return 0
	WORK=$2
	COMPILED=$WORK/none
	mkdir -p "$WORK"
	compile_programs
	exit
}

# snippets PAGE NAME [DIR]: print a name for each piece of C in a page: NAME_1 and so on.
# With DIR, write the pieces to DIR/NAME_1.snippet and so on. A block without a language is
# C if one of its lines ends in a semicolon and it does not begin with a shell prompt.
snippets()
{
	awk -v name="$2" -v dir="${3-}" -v markdown="$([[ $1 == *.md ]] && echo 1)" '
	function is_c()
	{
		return block ~ /;[ \t]*(\/\*[^\n]*)?\n/ && block !~ /^[ \t\n]*[#$] /
	}
	function end_block()
	{
		if (on && (kind == "c" || kind == "unknown" && is_c())) {
			print name "_" ++count
			if (dir)
				printf "%s", block > (dir "/" name "_" count ".snippet")
		}
		on = 0
	}
	function begin_block(language)
	{
		on = 1
		kind = language
		block = ""
		outer = RLENGTH
	}
	{ match($0, /^[ \t]*/) }
	markdown && /^```/ && on { end_block(); next }
	markdown && /^```/ { begin_block(substr($0, 4)); next }
	!markdown && on && NF && RLENGTH <= outer { end_block() }
	on { block = block $0 "\n"; next }
	markdown { next }
	/^ *\.\. code-block:: / { begin_block($3); next }
	/::$/ && !/^ *\.\. / { begin_block("unknown") }
	END { end_block() }' "$1"
}
