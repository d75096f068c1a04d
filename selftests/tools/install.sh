#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# "make install-tools" installs a bpftool that runs and a libbpf to build programs with,
# and "make uninstall" of tools/ removes all of it.
#
# Requires: clang bpftool

source "$(dirname "$0")/../lib.sh"

TOP=$(cd "$SELFTESTS_SRC/.." && pwd -P)
PREFIX=/opt/nf

# make_tools TARGET: into $WORK/root, from a project that may be read-only: what make
# writes goes to memory.
make_tools()
{
	type -P make > /dev/null || lacks make
	# The tools of another processor need the options that they were built with.
	[[ $BUILD -ef $TOP/build ]] || skip "tools of another processor"
	mkdir -p "$WORK/layer"
	# shellcheck disable=SC2016 # the inner shell expands it
	unshare -m bash -ec 'mount -t tmpfs tmpfs "$2"
		mkdir "$2/upper" "$2/work"
		mount -t overlay -o "lowerdir=$1,upperdir=$2/upper,workdir=$2/work" overlay "$1"
		cd /
		exec make -s -C "$1/tools" "${@:3}"' -- "$TOP" "$WORK/layer" \
		"$1" DESTDIR="$WORK/root" PREFIX="$PREFIX" BUILD="$TOP/build"
}

installed()
{
	find "$WORK/root" -type f -printf '%P\n' | sort
}

expect_installed()
{
	local file files

	files=$(installed)
	for file; do
		[[ $'\n'$files$'\n' == *$'\n'"opt/nf/$file"$'\n'* ]] || fail "$file: not in: $files"
	done
}

test_files()
{
	make_tools install
	expect_installed bin/bpftool share/man/man8/bpftool-net.8 \
		share/bash-completion/completions/bpftool lib/libbpf.a lib/pkgconfig/libbpf.pc \
		include/bpf/libbpf.h include/bpf/bpf_netfilter.h
	[[ $(installed) != *include/linux* ]] || fail "headers of the kernel are installed"
}

test_bpftool()
{
	make_tools install
	expect_match "help of net" "*attach netfilter*" \
		"$("$WORK/root$PREFIX/bin/bpftool" net help 2>&1)"
}

# By what pkg-config says of it: the paths are those below PREFIX, without DESTDIR.
test_libbpf()
{
	local flags

	type -P pkg-config > /dev/null || lacks pkg-config
	make_tools install
	expect_eq "prefix" "$PREFIX" "$(PKG_CONFIG_PATH=$WORK/root$PREFIX/lib/pkgconfig \
		pkg-config --variable=prefix libbpf)"
	flags=$(PKG_CONFIG_PATH=$WORK/root$PREFIX/lib/pkgconfig \
		PKG_CONFIG_SYSROOT_DIR=$WORK/root pkg-config --cflags --libs libbpf)
	cat > "$WORK/program.c" <<-EOF2
	#include <stdio.h>
	#include <bpf/libbpf.h>
	int main(void)
	{
		printf("%s %d\n", libbpf_version_string(), !bpf_program__attach_netfilter);
	}
	EOF2
	# shellcheck disable=SC2086 # they are several
	clang "$WORK/program.c" -o "$WORK/program" $flags -lelf -lz
	expect_match "version" "v1.*[0-9] 0" "$("$WORK/program")"
}

test_uninstall()
{
	make_tools install
	[[ -n $(installed) ]] || fail "nothing is installed"
	make_tools uninstall
	expect_eq "left" "" "$(installed)"
}

run_tests
