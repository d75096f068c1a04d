#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# If a program calls a kernel function that is missing, bpftool says which module has the
# function, and whether modprobe would find this module.
#
# Requires: bpftool jq

source "$(dirname "$0")/../lib.sh"

MODULE=nf_bpf_kfunc

setup()
{
	BPFTOOL=$(type -P bpftool)
}

# Earlier tests may have loaded the module, and their programs may still hold it.
unload()
{
	[[ ! -e /sys/module/$MODULE/initstate ]] || wait_for rmmod "$MODULE"
	[[ ! -e /sys/module/$MODULE ]] || lacks "$MODULE as a module"
}

# with_modules LINES COMMAND...: run COMMAND with a modules.dep that has only these lines.
# COMMAND must be linked statically, because /lib then has no libraries.
with_modules()
{
	local lib=$WORK/lib

	mkdir -p "$lib/modules/$(uname -r)"
	printf '%b' "$1" > "$lib/modules/$(uname -r)/modules.dep"
	shift
	# shellcheck disable=SC2016 # the inner shell expands it
	unshare -m bash -ec 'mount --bind "$1" /lib; shift; exec "$@"' -- "$lib" "$@"
}

NOT_LOADED="it is in the module $MODULE, which is not loaded: run 'modprobe $MODULE'"
NO_MODULE="this kernel does not have it, nor the module $MODULE that it would be in"

# check LINES TEXT COMMAND...: the command of bpftool fails with TEXT
check()
{
	unload
	expect_fails "Error: $2" with_modules "$1" "$BPFTOOL" "${@:3}"
}

# check_json LINES TEXT COMMAND...: the same with -j, which prints one JSON object
check_json()
{
	local text=$2 output status=0

	unload
	output=$(with_modules "$1" "$BPFTOOL" -j "${@:3}" 2> /dev/null) || status=$?
	((status)) || fail "-j ${*:3}: succeeded"
	expect_eq "objects printed" 1 "$(jq -s length <<< "$output")"
	expect_json "$output" ".error | endswith(\"$text\")"
}

# check_prog_load CHECK LINES WHY OBJECT: "bpftool prog load" of OBJECT fails with WHY
check_prog_load()
{
	"$1" "$2" "failed to load object file: kfunc 'bpf_nf_ct_nothing': $3" \
		prog load "$SELFTESTS/tools/progs/$4.bpf.o" "$BPFFS/none"
	[[ ! -e $BPFFS/none ]] || fail "it is pinned"
}

check_attach()
{
	check_json "$1" "can't load program '${3#missing_}': kfunc 'bpf_nf_ct_nothing': $2: nothing was attached" \
		net attach netfilter obj "$SELFTESTS/tools/progs/$3.bpf.o" ip hook forward
}

INSTALLED="kernel/a/$MODULE.ko.xz: kernel/a/nf_conntrack.ko\n"
# Another module that only needs this one, or has a similar name, does not count.
OTHERS="kernel/a/xt_a.ko: kernel/a/$MODULE.ko\nkernel/a/x_$MODULE.ko:\n"

# A strong function stops libbpf, a weak one the verifier.
add_test prog_load_strong check_prog_load check "$INSTALLED" "$NOT_LOADED" missing_strong
add_test prog_load_weak check_prog_load check_json "$INSTALLED" "$NOT_LOADED" missing_weak
add_test prog_load_no_module check_prog_load check "$OTHERS" "$NO_MODULE" missing_weak
add_test prog_load_no_modules_dep check_prog_load check "" "$NO_MODULE" missing_strong
add_test attach_not_loaded check_attach "$INSTALLED" "$NOT_LOADED" missing_strong
add_test attach_no_module check_attach "$OTHERS" "$NO_MODULE" missing_weak

run_tests
