#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Installs the packages of scripts/packages.txt that this machine lacks.

. "$(dirname "$0")/lib/common.sh"

LIST=$TOP/scripts/packages.txt
LOG=$BUILD/packages.log
POLICY=/usr/sbin/policy-rc.d
MORE_KINDS=()

usage()
{
	cat <<USAGE
Usage: scripts/packages.sh [list | check | root | deb]

Installs through apt the packages that are missing, and says why each is needed.

  list    print every package and its reason
  check   print missing packages, and exit 1 if there are any; install nothing
  deb     also install the packages that build and check Debian packages
  root    print the packages from which scripts/guest-root.sh makes a guest's root

PACKAGES=no skips the check: for a distribution without apt, once its own
packages of the list are there.
USAGE
}

# VERSION files determine the packages of kernel sources, so a new base needs no entry.
source_packages()
{
	local version

	for version in "$PATCHES/VERSION" "$TOP/tools/lib/bpf-patch/VERSION"; do
		[[ -r $version ]] || continue
		[[ $version = "$PATCHES"/* && -n $KSRC ]] && continue
		printf 'linux-source-%s\tsource that patches/ and tools/ apply to\n' \
		       "$(first_two "$(< "$version")")"
	done
}

# of_kinds KIND...: print the packages of these kinds, with their purpose
of_kinds()
{
	awk -F '\t' -v kinds=" $* " '!/^#/ && index(kinds, " " $2 " ") { print $1 "\t" $3 }' \
		"$LIST"
}

list()
{
	local kinds=(host both guest "${MORE_KINDS[@]}")

	[[ $ARCH = x86 ]] || kinds+=("$ARCH")
	{
		of_kinds "${kinds[@]}"
		source_packages
	} | sort -u -t $'\t' -k 1,1
}

missing()
{
	local names

	mapfile -t names < <(list | cut -f 1)
	# shellcheck disable=SC2016	# dpkg-query expands these variables
	{ dpkg-query -W -f '${db:Status-Status}\t${Package}\n' "${names[@]}" 2> /dev/null || :; } |
		awk -F '\t' 'NR == FNR { if ($1 == "installed") have[$2] = 1; next }
			     !($1 in have)' - <(list)
}

# Do not start services of the packages, for example nsd, on this machine.
forbid_services()
{
	[[ -e $POLICY ]] && return
	trap 'rm -f "$POLICY"' EXIT
	printf '#!/bin/sh\nexit 101\n' > "$POLICY"
	chmod +x "$POLICY"
}

apt()
{
	DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300 "$@" \
		>> "$LOG" 2>&1
}

install_missing()
{
	local names=("$@")

	need_space /usr 2500 "the packages"
	mkdir -p "$BUILD"
	: > "$LOG"
	apt update || warn "apt-get update failed, trying with the lists at hand"
	forbid_services
	apt install -y --no-install-recommends "${names[@]}" && return
	grep '^E:' "$LOG" >&2 || tail -n 5 "$LOG" >&2
	die "apt-get could not install ${names[*]} (log: $(rel "$LOG"))"
}

table()
{
	awk -F '\t' '{ printf "  %-18s %s\n", $1, $2 }'
}

no_apt()
{
	list | table >&2
	die "no apt-get here: install these by your distribution's names, then add PACKAGES=no"
}

main()
{
	local lines names

	case ${1:-} in
	list)
		list
		return ;;
	root)
		of_kinds both guest root
		return ;;
	deb)
		MORE_KINDS=(deb) ;;
	""|check)
		;;
	-h|--help)
		usage
		return ;;
	*)
		usage >&2
		exit 2 ;;
	esac

	[[ ${PACKAGES:-} = no ]] && return
	[[ -n $(command -v apt-get) && -n $(command -v dpkg-query) ]] || no_apt

	lines=$(missing)
	[[ -n $lines ]] || return 0
	mapfile -t names < <(cut -f 1 <<< "$lines")

	if [[ ${1:-} = check ]]; then
		printf '%s\n' "$lines"
		exit 1
	fi
	((EUID == 0)) ||
		die "missing packages and not root: sudo apt-get install ${names[*]}"

	note "Installing ${#names[@]} packages:"
	table <<< "$lines"
	install_missing "${names[@]}"
}

main "$@"
