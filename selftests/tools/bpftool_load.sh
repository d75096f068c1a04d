#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# "bpftool prog load ... autoattach" fails and leaves no pin if a program cannot be attached.
# Only a program of a type that libbpf never attaches is pinned instead.
#
# Requires: bpftool jq

source "$(dirname "$0")/../lib.sh"

setup()
{
	setup_bpftool
	SECTIONS=$SELFTESTS/tools/progs/sections.bpf.o
	BPFTOOL=$(type -P bpftool)
}

# load COMMAND ARG...: run "bpftool prog COMMAND" in the router.
load()
{
	nf_prog exec "$NS_ROUTER" "$BPFTOOL" "${OPTIONS[@]}" prog "$@"
}

# No pin is left, and the places are free.
expect_nothing_loaded()
{
	local place

	[[ ! -e $PINS/links/one ]] || fail "a pin was left: $(ls -lR "$PINS/links")"
	[[ -z $(ls -A "$PINS/links/all" 2> /dev/null) ]] ||
		fail "pins were left: $(ls "$PINS/links/all")"
	for place in 1111 2222; do
		[[ $place != "${TAKEN:-}" ]] || continue
		attach accept ip forward "$place"
		nf_prog clean "$LINK"
	done
}

# renamed FROM TO: make an object with another section name of the same length.
renamed()
{
	expect_eq "length" "${#1}" "${#2}"
	sed "s#$1#$2#g" "$SECTIONS" > "$WORK/renamed.o"
	! cmp -s "$SECTIONS" "$WORK/renamed.o" || fail "$1: no such section"
}

# refused TEXT COMMAND ARG...: bpftool fails with TEXT; with -j it prints one JSON object.
refused()
{
	local text=$1 output status=0

	shift
	OPTIONS=()
	expect_fails -s 255 "$text" load "$@" autoattach
	expect_nothing_loaded
	OPTIONS=(-j)
	output=$(load "$@" autoattach 2> "$WORK/stderr") || status=$?
	expect_eq "exit status with -j" 255 "$status"
	expect_eq "objects printed" 1 "$(jq -s length <<< "$output")"
	expect_json "$output" ".error | contains(\"$text\")"
	expect_nothing_loaded
}

check_loaded()
{
	OPTIONS=("$@")
	load loadall "$SECTIONS" "$PINS/links/all" autoattach
	expect_link "$PINS/links/all/first" priority=1111
	expect_link "$PINS/links/all/second" priority=2222
	nf_prog clean "$PINS/links/all"
}

test_load_attaches_the_first()
{
	OPTIONS=()
	load load "$SECTIONS" "$PINS/links/one" autoattach
	expect_link "$PINS/links/one" priority=1111
}

test_place_is_taken()
{
	attach accept ip forward 1111
	TAKEN=1111
	refused "can't attach it as its section 'netfilter/ip/forward/1111' says: Device or resource busy: nothing stays attached" \
		load "$SECTIONS" "$PINS/links/one"
}

# The first program is attached before the second one fails.
test_second_place_is_taken()
{
	attach accept ip forward 2222
	TAKEN=2222
	refused "'netfilter/ip/forward/2222' says: Device or resource busy" \
		loadall "$SECTIONS" "$PINS/links/all"
	nf_prog clean "$PINS/links/accept-ip-forward-2222-$NS_ROUTER"
	OPTIONS=()
	load loadall "$SECTIONS" "$PINS/links/all" autoattach
	expect_link "$PINS/links/all/first" priority=1111
	nf_prog clean "$PINS/links/all"
}

check_misspelt()
{
	renamed "$1" "$2"
	refused "as its section '$2' says" load "$WORK/renamed.o" "$PINS/links/one"
	refused "as its section '$2' says" loadall "$WORK/renamed.o" "$PINS/links/all"
}

# SEC("netfilter") names no place, so autoattach fails and names the commands that attach it.
test_section_without_a_place()
{
	refused "it names no place" load "$SELFTESTS/progs/policy.bpf.o" "$PINS/links/one"
}

# The error of a program that is too large is the same, but takes the verifier long.
test_too_large()
{
	refused "failed to load object file: it exceeds a limit of the kernel: " \
		load "$SELFTESTS/tools/progs/too_large.bpf.o" "$PINS/links/one"
}

test_pin_exists()
{
	attach_here pin "$PINS/links/other"
	OPTIONS=()
	expect_fails -s 255 "already exists" \
		load load "$SECTIONS" "$PINS/links/other" autoattach
	expect_program "$PINS/links/other" accept
	attach accept ip forward 1111
}

# libbpf cannot attach programs of this type, so bpftool pins the program instead.
test_other_type_is_pinned()
{
	OPTIONS=()
	expect_match "what is said" "*falling back to pinning*" \
		"$(load load "$SELFTESTS/tools/progs/no_attach.bpf.o" "$PINS/links/xdp" autoattach 2>&1)"
	expect_json "$(bpftool -j prog show pinned "$PINS/links/xdp")" '.type == "xdp"'
	rm "$PINS/links/xdp"
}

add_test loadall_attaches check_loaded
add_test loadall_attaches_json check_loaded -j
add_test hook_misspelt check_misspelt netfilter/ip/forward/1111 netfilter/ip/forwrad/1111
add_test family_misspelt check_misspelt netfilter/ip/forward/1111 netfilter/pi/forward/1111
add_test priority_misspelt check_misspelt netfilter/ip/forward/1111 netfilter/ip/forward/filt

run_tests
