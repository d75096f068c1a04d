#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Compares the network options of the guest's kernel with those of the distribution's. If
# only the distribution sets an option, packets there pass code that our tests do not run.

. "$(dirname "$0")/lib/common.sh"

DIFFERS=$TOP/kconfig/guest.differs
OBJ=$BUILD/$BASE/compare-config

usage()
{
	cat <<USAGE
Usage: scripts/compare-config.sh

Prints each option below net/ that the kernel of kconfig/guest.config sets differently
from the distribution's (package linux-config-$(first_two "$BASE")): the option, its value in the
guest, its value in the distribution, and the reason that kconfig/guest.differs gives.
No kernel is built. BASE= and KSRC= are those of scripts/kernel.sh.

Exit codes:
  0   each difference has a reason
  1   a difference has no reason, a reason matches no difference any more, or the
      configurations cannot be compared; stderr says which
  2   wrong arguments
USAGE
}

check_inputs()
{
	local version

	[[ $ARCH = x86 ]] || die "ARCH=$ARCH: compares the guest of x86 only"
	check_base
	version=$(first_two "$(< "$PATCHES/VERSION")")
	DISTRIBUTION=/usr/src/linux-config-$version/config.amd64_none_amd64.xz
	[[ -r $DISTRIBUTION ]] || die "$DISTRIBUTION: not found: install linux-config-$version"
	[[ -r $DIFFERS ]] || die "$(rel "$DIFFERS"): not found"
}

# If fragments set an option twice, Kconfig takes the last value.
configure_guest()
{
	mkdir -p "$OBJ"
	setup_compiler
	cat "${FRAGMENTS[@]}" > "$OBJ/fragments"
	make -s -C "$KTREE" "O=$OBJ" ARCH=x86 "CC=$CC" "HOSTCC=$HOSTCC" \
	     KCONFIG_ALLCONFIG="$OBJ/fragments" allnoconfig > "$OBJ/log" 2>&1 ||
		die "the configuration failed (log: $(rel "$OBJ/log"))"
}

# Print OPTION FOLDER for each option that a Kconfig file below net/ defines. If it has two
# definitions, use the first.
net_options()
{
	local file

	(cd "$KTREE" && find net -name 'Kconfig*' | sort) | while read -r file; do
		awk -v folder="${file%/*}" \
			'NF == 2 && /^[ \t]*(menu)?config[ \t]/ { print $2, folder }' "$KTREE/$file"
	done | sort -s -u -k 1,1 | sort -s -k 2,2
}

# Print OPTION VALUE for each option that is set
values()
{
	sed -n 's/^CONFIG_\([A-Za-z0-9_]*\)=\(.*\)/\1 \2/p'
}

# Print OPTION FOLDER GUEST DISTRIBUTION for each option that differs. n means not set.
differences()
{
	awk '
	FILENAME == ARGV[1] { guest[$1] = $2; next }
	FILENAME == ARGV[2] { distribution[$1] = $2; next }
	{
		here = ($1 in guest) ? guest[$1] : "n"
		there = ($1 in distribution) ? distribution[$1] : "n"
		if (here != there)
			print $1, $2, here, there
	}' <(values < "$OBJ/.config") <(xz -dc "$DISTRIBUTION" | values) <(net_options)
}

# Set ENTRIES and REASONS from the file of reasons.
read_reasons()
{
	local entry reason name bad=0

	name=$(rel "$DIFFERS")
	ENTRIES=()
	REASONS=()
	while IFS=$'\t' read -r entry reason; do
		[[ -n $entry && $entry != "#"* ]] || continue
		[[ -n $reason ]] || { warn "$name: $entry: no reason"; bad=1; }
		ENTRIES+=("$entry")
		REASONS+=("$reason")
	done < "$DIFFERS"
	((bad == 0)) || exit 1
}

# matches ENTRY OPTION FOLDER GUEST DISTRIBUTION: does the entry match this difference?
matches()
{
	local pattern=${1%:*}

	[[ $1 != *:* || $4/$5 = "${1##*:}" ]] || return
	case $pattern in
	*/*)
		[[ $3/ = "$pattern"/* ]] ;;
	*)
		# shellcheck disable=SC2053	# a pattern must not be quoted
		[[ $2 = $pattern ]] ;;
	esac
}

# Print the difference, and mark each entry that matches it.
explain()
{
	local number reason=

	for number in "${!ENTRIES[@]}"; do
		matches "${ENTRIES[number]}" "$@" || continue
		USED[number]=1
		reason=${reason:-${REASONS[number]}}
	done
	printf '%-36s %-5s %-5s %s\n' "$1" "$3" "$4" "${reason:-(no reason)}"
	[[ -n $reason ]] && return
	warn "$1 ($2): $3 in the guest, $4 in the distribution: set it in" \
	     "kconfig/guest.config, or give $(rel "$DIFFERS") the reason"
	bad=1
}

main()
{
	local option folder guest distribution number bad=0 USED=()

	one_word_of "" "$@"
	check_inputs
	"$TOP/scripts/tree.sh" prepare kernel >&2
	take_lock "compare-config-$BASE" >&2
	configure_guest
	read_reasons
	differences > "$OBJ/differences"
	while read -r option folder guest distribution; do
		explain "$option" "$folder" "$guest" "$distribution"
	done < "$OBJ/differences"
	for number in "${!ENTRIES[@]}"; do
		[[ -z ${USED[number]:-} ]] || continue
		warn "$(rel "$DIFFERS"): ${ENTRIES[number]}: matches no difference any more"
		bad=1
	done
	((bad == 0))
}

main "$@"
