#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# "make install-tools" installs a bpftool that runs and a libbpf for building programs, in a
# directory of its own. "make uninstall" in tools/ removes all of it.
#
# Requires: clang bpftool
# Kernel: none

source "$(dirname "$0")/../lib.sh"

TOP=$(cd "$SELFTESTS_SRC/.." && pwd -P)
PREFIX=/opt/nf-bpf	# the default
ROOT=			# DESTDIR, one for each test

needs_make()
{
	# The tools of another processor need the options that they were built with.
	[[ $BUILD -ef $TOP/build ]] || skip "tools of another processor"
	type -P make pkg-config > /dev/null || lacks "make and pkg-config"
}

# make_tools TARGET [VARIABLE=VALUE...]: run make in tools/ with DESTDIR=$ROOT. The project
# may be read-only, so make's other files go to a tmpfs.
make_tools()
{
	needs_make
	[[ -n $ROOT ]] || ROOT=$(mktemp -d "$WORK/root.XXXXXX")
	mkdir -p "$WORK/layer"
	# shellcheck disable=SC2016 # the inner shell expands $2
	unshare -m bash -ec 'mount -t tmpfs tmpfs "$2"
		mkdir "$2/upper" "$2/work"
		mount -t overlay -o "lowerdir=$1,upperdir=$2/upper,workdir=$2/work" overlay "$1"
		cd /
		exec make -s -C "$1/tools" "${@:3}"' -- "$TOP" "$WORK/layer" \
		"$@" DESTDIR="$ROOT" BUILD="$TOP/build"
}

installed()
{
	find "$ROOT" -type f -printf '/%P\n' 2> /dev/null | sort
}

# pkg_config ARG...: run pkg-config for the installed files, without others of this machine
pkg_config()
{
	PKG_CONFIG_LIBDIR=$ROOT$PREFIX/lib/pkgconfig PKG_CONFIG_SYSROOT_DIR=$ROOT \
		pkg-config "$@" libbpf
}

test_files()
{
	local file files

	make_tools install
	files=$(installed)
	for file in bin/bpftool bin/nf-bpf lib/systemd/system/nf-bpf@.service \
		    share/man/man5/nf-bpf.conf.5 share/man/man8/bpftool-net.8 \
		    share/bash-completion/completions/bpftool lib/libbpf.a \
		    lib/pkgconfig/libbpf.pc include/bpf/libbpf.h include/bpf/bpf_netfilter.h \
		    include/linux/bpf.h include/linux/bpf_nf.h; do
		[[ $'\n'$files$'\n' == *$'\n'"$PREFIX/$file"$'\n'* ]] ||
			fail "$file: not in: $files"
	done
	expect_eq "outside of the prefix" "" "$(grep -v "^$PREFIX/" <<< "$files" || :)"
}

# In a shared prefix, compilers, shells and man find the files without more options.
check_shared_prefix()
{
	needs_make
	expect_fails "would shadow those of the distribution" make_tools copy PREFIX="$1"
	expect_eq "installed" "" "$(installed)"
}

test_bpftool()
{
	make_tools copy
	expect_match "help of net" "*attach netfilter*" \
		"$("$ROOT$PREFIX/bin/bpftool" net help 2>&1)"
}

test_version()
{
	make_tools copy
	expect_match "version" "1.*+nf-bpf" "$(pkg_config --modversion)"
	pkg_config --atleast-version=1.3
	! pkg_config --atleast-version=1.99 || fail "it is at least 1.99"
}

test_other_prefix()
{
	local PREFIX=/srv/nf

	make_tools copy PREFIX="$PREFIX"
	expect_eq "prefix" "$PREFIX" "$(PKG_CONFIG_LIBDIR=$ROOT$PREFIX/lib/pkgconfig \
		pkg-config --variable=prefix libbpf)"
	expect_eq "outside of the prefix" "" "$(installed | grep -v "^$PREFIX/" || :)"
}

# check_link ARG...: compile, link and run a program with only the flags of pkg-config ARG...
# The program uses names that no distribution's headers have.
check_link()
{
	local flags

	make_tools copy
	flags=$(pkg_config --cflags --libs "$@")
	cat > "$WORK/program.c" <<-'EOF'
	#include <stdio.h>
	#include <linux/bpf_nf.h>
	#include <bpf/bpf.h>
	#include <bpf/bpf_netfilter.h>
	#include <bpf/libbpf.h>
	int main(void)
	{
		LIBBPF_OPTS(bpf_netfilter_opts, opts,
			    .flags = BPF_F_NETFILTER_IP_DEFRAG | BPF_F_NETFILTER_DEFRAG_STRICT,
			    .link_flags = BPF_F_BEFORE | BPF_F_LINK);
		struct bpf_link_info info = { .netfilter.netns_ino = 0 };

		bpf_object__open_mem("", 1, NULL);
		printf("%s %d %u %zu\n", libbpf_version_string(),
		       !bpf_program__attach_netfilter, opts.flags + info.netfilter.netns_ino,
		       sizeof(struct bpf_nf_tuple));
	}
	EOF
	# shellcheck disable=SC2086 # split the flags into words
	clang "${LINK_MODE[@]}" "$WORK/program.c" -o "$WORK/program" $flags
	expect_match "output" "v1.*[0-9] 0 65537 40" "$("$WORK/program" 2> /dev/null)"
}

# libbpf.a is the only libbpf that is installed.
test_link()
{
	local LINK_MODE=()

	check_link
}

test_link_static()
{
	local LINK_MODE=(-static)

	check_link --static
}

test_uninstall()
{
	make_tools copy
	[[ -n $(installed) ]] || fail "nothing is installed"
	make_tools uninstall
	expect_eq "left" "" "$(installed)"
	[[ ! -e $ROOT$PREFIX ]] || fail "$PREFIX: still there: $(find "$ROOT$PREFIX")"
}

test_uninstall_keeps_other_files()
{
	make_tools copy
	touch "$ROOT$PREFIX/bin/other"
	make_tools uninstall
	expect_eq "left" "$PREFIX/bin/other" "$(installed)"
}

for prefix in / /usr /usr/local/; do
	add_test "prefix_refused_${prefix//\//_}" check_shared_prefix "$prefix"
done

# The name of a network namespace can have characters that the shell would expand.
test_completion_of_netns()
{
	mkdir "$WORK/completion"
	# shellcheck disable=SC2016 # the inner shell expands them
	unshare -m bash -ec 'mount -t tmpfs tmpfs /run
		mkdir /run/netns
		touch /run/netns/{router1,router-2.x,"a b","\$(: > ran)"}
		cd "$2"
		source "$1"
		cur=
		_bpftool_get_netns || :
		printf "%s\n" "${COMPREPLY[@]}" | sort > names' -- \
		"$BUILD/tools/share/bash-completion/completions/bpftool" "$WORK/completion"
	expect_eq "names" "router-2.x router1" "$(tr '\n' ' ' < "$WORK/completion/names" | sed 's/ $//')"
	[[ ! -e $WORK/completion/ran ]] || fail "a name was run"
}

run_tests
