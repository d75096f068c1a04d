# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Compiles programs that the documentation prints. "make selftests" does it on the host,
# because clang takes long where the processor is emulated. Source it after lib.sh, define
# compile_programs, and call on_host before run_tests.

# compile_program NAME [FLAG...]: $WORK/NAME.bpf.c. If the same source was compiled on the
# host, takes that object.
compile_program()
{
	local name=$1 built=$SELFTESTS/samples/programs/$1.bpf
	shift

	if [[ -e $built.o ]] && cmp -s "$built.c" "$WORK/$name.bpf.c"; then
		cp "$built.o" "$WORK/$name.bpf.o"
		return
	fi
	clang -O2 -g -target bpf -Wall -Werror "$@" -I "$BUILD/tools/include" \
		-c "$WORK/$name.bpf.c" -o "$WORK/$name.bpf.o"
}

# on_host [--compile DIR]: with these arguments of the test, compiles into DIR and ends
on_host()
{
	[[ ${1-} == --compile ]] || return 0
	WORK=$2
	SELFTESTS=$WORK/none
	mkdir -p "$WORK"
	compile_programs
	exit
}
