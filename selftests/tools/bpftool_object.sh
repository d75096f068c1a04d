#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# "bpftool net attach netfilter obj FILE" loads and attaches a program in one step. Its
# pinned maps stay.
#
# Requires: bpftool jq

source "$(dirname "$0")/../lib.sh"

setup()
{
	setup_bpftool
	OBJECT=$SELFTESTS/progs/policy.bpf.o
	MAPS=$PINS/maps
	COUNTERS=$MAPS/counters
}

# Remove the maps before each test, because lib.sh keeps them.
no_maps()
{
	rm -rf "$MAPS"
	mkdir "$MAPS"
}

# attach_object ARG...: attach the object to HERE.
attach_object()
{
	bpftool net attach netfilter obj "$OBJECT" "$@" "$FAMILY" "${HERE[@]}" \
		netns "$NS_ROUTER"
}

# expect_packets NUMBER: check the counter in the pinned map.
expect_packets()
{
	expect_match "counters" "*packets=$1*" "$(nf_prog stats "$COUNTERS" | tr '\n' ' ')"
}

test_attaches_the_program()
{
	no_maps
	attach_object prog deny_port
	expect_link "$(here_pin)" priority=7
	expect_json "$(bpftool -j net show | jq -c ".[].netfilter[] | select(.pinned == [\"$(here_pin)\"])")" \
		'.prog_name == "deny_port"'
	probe 4 client-server
	expect_delivered ""
	probe 4 client-server -p 53
	expect_delivered "92 intact"
}

test_map_is_pinned()
{
	no_maps
	attach_object prog deny_port map stats pinned "$COUNTERS"
	probe 4 client-server -p 53
	expect_packets 1
}

# Keywords can be abbreviated and have any order.
test_keywords_in_any_order()
{
	no_maps
	bpftool net attach netfilter ob "$OBJECT" "$FAMILY" hook forward priority 7 \
		map stats pinned "$COUNTERS" netns "$NS_ROUTER" pro deny_port
	probe 4 client-server -p 53
	expect_packets 1
}

# The old version stays attached in this test, so both versions count the packet.
test_map_of_the_version_before()
{
	no_maps
	attach_object prog deny_port map stats pinned "$COUNTERS"
	probe 4 client-server -p 53
	expect_packets 1
	bpftool net attach netfilter obj "$OBJECT" prog accept map stats pinned "$COUNTERS" \
		"$FAMILY" hook forward priority 8 netns "$NS_ROUTER"
	probe 4 client-server -p 53
	expect_packets 3
}

# The same command works at boot and as an update.
test_again_with_overwrite()
{
	no_maps
	needs_own BPF_NF_LINK_UPDATE
	attach_object prog deny_port map stats pinned "$COUNTERS" overwrite
	probe 4 client-server
	expect_delivered ""
	expect_packets 1
	attach_object prog deny_port map stats pinned "$COUNTERS" overwrite
	probe 4 client-server
	expect_delivered ""
	expect_packets 2
	attach_object prog accept map stats pinned "$COUNTERS" overwrite
	probe 4 client-server
	expect_delivered "92 intact"
	expect_packets 3
}

test_json()
{
	no_maps
	expect_json "$(attach_object prog deny_port -j)" '.prog_name == "deny_port"' \
		".pinned == [\"$(here_pin)\"]"
}

# refused TEXT ARG...: bpftool fails with TEXT, attaches nothing and leaves no pin.
refused()
{
	local text=$1 output status=0

	shift
	expect_fails -s 255 "$text" attach_object "$@"
	output=$(attach_object "$@" -j 2> "$WORK/stderr") || status=$?
	expect_eq "exit status with -j" 255 "$status"
	expect_eq "objects printed" 1 "$(jq -s length <<< "$output")"
	expect_json "$output" 'has("error")'
	[[ ! -e $COUNTERS ]] || fail "the pin of the map was left"
}

# The test does what the message says.
test_several_programs()
{
	no_maps
	refused "choose one with 'prog NAME'"
	expect_nothing_attached
	attach_object prog accept
	expect_link "$(here_pin)" priority=7
}

# libbpf loads a program in SEC("?netfilter") only if its caller asks for it.
test_optional_program()
{
	local OBJECT=$SELFTESTS/tools/progs/optional.bpf.o

	no_maps
	attach_object prog optional
	expect_json "$(bpftool -j net show | jq -c ".[].netfilter[] | select(.pinned == [\"$(here_pin)\"])")" \
		'.prog_name == "optional"'
}

test_no_such_program()
{
	no_maps
	refused "it has no netfilter program 'nonesuch': it has " prog nonesuch
}

test_no_such_map()
{
	no_maps
	refused "it has no map 'nonesuch': it has 'stats'" prog accept \
		map nonesuch pinned "$COUNTERS"
}

test_no_netfilter_program()
{
	no_maps
	OBJECT=$SELFTESTS/tools/progs/no_attach.bpf.o
	refused "it has no netfilter program: give the program the section"
}

test_no_object()
{
	no_maps
	OBJECT=$WORK/none.o
	refused "can't open it: No such file"
	echo nonsense > "$WORK/none.o"
	refused "it is not a BPF object file: 'clang -O2 -g -target bpf -c' makes one"
}

# bpftool has created and pinned the map before the attach fails, and removes the pin.
test_place_is_taken()
{
	no_maps
	attach_here
	refused "taken by" prog drop map stats pinned "$COUNTERS"
	expect_program "$(here_pin)" accept
	bpftool net detach netfilter "$FAMILY" "${HERE[@]}" netns "$NS_ROUTER"
	attach_object prog drop map stats pinned "$COUNTERS"
	probe 4 client-server
	expect_delivered ""
}

# If the map's pin was there before, it stays after any failure.
test_old_map_stays_when_refused()
{
	no_maps
	attach_object prog accept map stats pinned "$COUNTERS"
	expect_fails -s 255 "taken by" attach_object prog drop map stats \
		pinned "$COUNTERS" pin "$PINS/links/second"
	probe 4 client-server
	expect_packets 1
}

test_map_of_other_sizes()
{
	no_maps
	bpftool map create "$COUNTERS" type hash key 4 value 4 entries 16 name other
	expect_fails -s 255 "is not like that of the object" \
		attach_object prog accept map stats pinned "$COUNTERS"
	expect_nothing_attached
	attach_object prog accept map stats pinned "$MAPS/another"
	expect_json "$(bpftool -j map show pinned "$COUNTERS")" '.name == "other"'
}

test_map_pin_not_on_bpffs()
{
	no_maps
	refused "is not on a BPF file system" prog accept map stats pinned "$WORK/map"
	[[ ! -e $WORK/map ]] || fail "a file was left behind"
}

test_too_large()
{
	OBJECT=$SELFTESTS/tools/progs/too_large.bpf.o
	refused "can't load program 'find': it exceeds a limit of the kernel: "
}

# check_words TEXT ARG...: bpftool refuses these arguments with TEXT
check_words()
{
	expect_fails -s 255 "$1" bpftool net attach netfilter "${@:2}"
}

check_prog_without_obj()
{
	check_words "unknown 'prog'" pinned "$PINS/accept" hook forward prog accept
}

add_test without_a_value check_words "'obj' needs a value" obj
add_test map_without_pinned check_words "map m: expected 'pinned FILE'" obj x hook forward map m
add_test map_without_file check_words "'pinned' needs a value" obj x hook forward map m pinned
add_test map_of_an_id check_words "unknown 'id': expected one of 'pinned'" obj x hook forward map m id 1
add_test prog_without_obj check_prog_without_obj

run_tests
