# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Compiles programs that the documentation prints. "make selftests" does it on the host,
# because clang takes long where the processor is emulated. Source it after lib.sh, define
# compile_programs, and call on_host before run_tests.

# Where "make selftests" compiled them: a folder for each test, because pages of the
# documentation call different programs by the same name.
COMPILED=$SELFTESTS/samples/programs/$(basename "$0" .sh)

# The flags for libbpf's headers.
HEADER_FLAGS=(-I "$BUILD/tools/include")

# compile_program NAME [FLAG...]: $WORK/NAME.bpf.c, a BPF program
compile_program()
{
	compile_source "$1.bpf" -O2 -g -target bpf -Wall -Werror "${@:2}"
}

# compile_source NAME [FLAG...]: $WORK/NAME.c. If the same source was compiled on the
# host, takes that object.
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

# on_host [--compile DIR]: with these arguments of the test, compiles into DIR and ends
on_host()
{
	[[ ${1-} == --compile ]] || return 0
	WORK=$2
	COMPILED=$WORK/none
	mkdir -p "$WORK"
	compile_programs
	exit
}

# snippets PAGE NAME [DIR]: the names of the pieces of C in a page, NAME_1 and so on. With
# DIR, DIR/NAME_1.snippet has the piece. A block that does not say its language is C if a
# line ends in a semicolon, and it is not what somebody types into a shell.
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
