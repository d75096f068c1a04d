#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# nf-bpf loads the modules with the functions that a program calls. If the kernel does not have
# the functions, nf-bpf names them and the remedy, and applies the policy.

source "$(dirname "$0")/lib.sh"

OBJECTS=$SELFTESTS/stock/progs
SOURCES=("$SELFTESTS_SRC"/../dkms/nf_bpf_{entry,packet}.c
	"$SELFTESTS_SRC/../net/netfilter/nf_bpf_kfunc.c")
TABLE=$SELFTESTS_SRC/../tools/nf-bpf/modules.c
MODULES=(nf_bpf_kfunc nf_bpf_entry nf_bpf_packet)

setup()
{
	setup_policy
	mkdir -p "$WORK/fake"
	# shellcheck disable=SC2016 # the arguments of the script
	printf '%s\n' '#!/bin/sh' 'echo "$*" >> "$ASKED"' 'exit 1' > "$WORK/fake/modprobe"
	chmod +x "$WORK/fake/modprobe"
}

is_patched()
{
	grep -qa BPF_NF_LINK_INET /sys/kernel/btf/vmlinux
}

# Unload the modules. The functions of a patched kernel can be built in.
unload()
{
	forget
	modprobe -q -r "${MODULES[@]}" || :
	! grep '^nf_bpf_' /proc/modules || fail "still loaded"
}

# apply_without OBJECT: apply a policy while modprobe loads nothing. The names of the modules
# are in $WORK/asked, and what nf-bpf says on stderr is in $WORK/warned.
apply_without()
{
	begin
	unload
	: > "$WORK/asked"
	conf filter "object = $OBJECTS/$1.bpf.o"
	ASKED=$WORK/asked PATH=$WORK/fake:$PATH nf_bpf "${@:2}" edge \
		> "$WORK/said" 2> "$WORK/warned" || fail "$(< "$WORK/warned")"
}

# expect_warned FUNCTION...
expect_warned()
{
	local functions

	printf -v functions ', %s' "$@"
	expect_eq "warnings" 1 "$(grep -c '' "$WORK/warned")"
	expect_match "the warning" "nf-bpf: warning: $OBJECTS/*.bpf.o: the kernel does not have \
these functions of the program, and each call of them fails: ${functions#, }: install the \
module* apply the policy again" "$(< "$WORK/warned")"
}

test_functions_that_are_missing()
{
	! is_patched || skip "a patched kernel has the functions"
	apply_without mark apply
	expect_eq "modules" "-q -- nf_bpf_packet" "$(< "$WORK/asked")"
	expect_warned bpf_nf_write_mark bpf_nf_write_priority
	expect_in_force 1
	apply_without state apply
	expect_eq "modules" "-q -- nf_bpf_kfunc" "$(< "$WORK/asked")"
	expect_warned bpf_nf_ct_info
}

# At boot the program is loaded by "start", and before that an author may have checked it.
test_other_commands_warn()
{
	local command

	! is_patched || skip "a patched kernel has the functions"
	for command in check start; do
		apply_without mark "$command"
		expect_eq "modules" "-q -- nf_bpf_packet" "$(< "$WORK/asked")"
		expect_warned bpf_nf_write_mark bpf_nf_write_priority
	done
}

test_a_program_that_needs_no_function()
{
	apply_without ports apply
	expect_eq "modules" "" "$(< "$WORK/asked")"
	expect_eq "warnings" "" "$(< "$WORK/warned")"
}

# A patched kernel has helpers in place of the functions of the other modules.
test_a_patched_kernel_asks_for_its_module_only()
{
	is_patched || skip "an unmodified kernel"
	apply_without mark apply
	expect_eq "modules" "" "$(< "$WORK/asked")"
	expect_eq "warnings" "" "$(< "$WORK/warned")"
	[[ ! -e /sys/kernel/btf/nf_bpf_kfunc ]] || fail "nf_bpf_kfunc is still loaded"
	! grep -q ' bpf_nf_ct_info$' /proc/kallsyms || skip "nf_bpf_kfunc is built in"
	apply_without state apply
	expect_eq "modules" "-q -- nf_bpf_kfunc" "$(< "$WORK/asked")"
	expect_warned bpf_nf_ct_info
}

test_modules_are_loaded()
{
	local object

	modprobe -q -a "${MODULES[@]}" || is_patched || lacks "the modules of dkms/"
	for object in mark state; do
		begin
		unload
		conf filter "object = $OBJECTS/$object.bpf.o"
		nf_bpf apply edge > "$WORK/said" 2> "$WORK/warned"
		expect_eq "warnings" "" "$(< "$WORK/warned")"
	done
	is_patched || grep -q '^nf_bpf_kfunc ' /proc/modules || fail "nf_bpf_kfunc is not loaded"
}

# A function that is not in the table of nf-bpf would stay away without a warning.
test_table()
{
	expect_eq "functions" \
		"$(sed -n 's/^BTF_ID_FLAGS(func, \([a-z0-9_]*\).*/\1/p' "${SOURCES[@]}" | sort)" \
		"$(grep -o '"bpf_nf_[a-z0-9_]*"' "$TABLE" | tr -d '"' | sort)"
}

run_tests
