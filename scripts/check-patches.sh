#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Compiles the series and our own files in many configurations, without booting anything:
# KTAP on stdout, one result for each patch and for each configuration.

. "$(dirname "$0")/lib/common.sh"
. "$(dirname "$0")/lib/series.sh"
. "$(dirname "$0")/lib/progress.sh"
. "$(dirname "$0")/lib/checks.sh"

CHECK=$BUILD/$BASE/check
TREE_COPY=$CHECK/linux
OBJ=$CHECK/obj
# Checksums of what patches were compiled with.
COMPILED=$CHECK/compiled
ALL=${ALL:-}

# Kernels have these parts built in, as modules or not at all. All lists of y, m and n have
# this order. SYMBOLS names the part of each symbol.
PARTS=(IPV6 NF_DEFRAG_IPV4 NF_DEFRAG_IPV6 NF_CONNTRACK NF_NAT NETFILTER_BPF_KFUNC)
ALL_MODULES="m m m m m m"
SYMBOLS=$CHECK/symbols

usage()
{
	cat <<USAGE
Usage: scripts/check-patches.sh [--all] [PATTERN]

Checks, of BASE=$BASE, those whose name matches PATTERN, a regular expression:

  revert          each series applies, and reverts to what was there
  patch NAME      the touched files compile with this patch and the patches before it.
                  This is not repeated as long as nothing that it depends on changes
  btf             the sets of what programs call have names of their own
  warnings        the compiler with W=1, and sparse, say nothing about our files
  link PARTS      a kernel links with these parts built in, as modules or absent
  compile PARTS   our files compile with these parts; built-in code uses no module, and
                  no code uses an absent part
  unwired         without NETFILTER_BPF_LINK the touched files use nothing of ours
  allmodconfig    our files and those the series touches compile, for x86, for i386 (our
                  only one of 32 bits) and for arm64, with all that Kconfig has, and W=1
                  says nothing of ours

  --all, ALL=1    compile after each patch, whether or not it was done before

scripts/lint.sh has the checks that compile nothing.
USAGE
}

# --- fixtures ---------------------------------------------------------------

# A hard-linked copy of the tree costs no space, as long as no file of it is
# written in place: what we or a patch may write is copied first. Copies are new to make: an
# object of an earlier run is of a patched file.
copy_tree()
{
	local path

	"$TOP/scripts/tree.sh" prepare kernel >&2
	select_tree kernel
	rm -rf "$TREE_COPY"
	mkdir -p "$CHECK"
	cp -al "$TREE" "$TREE_COPY"
	rm -rf "$TREE_COPY"/.pc* "$TREE_COPY/.nf-bpf"
	while read -r path; do
		rm -f "$TREE_COPY/$path"
		[[ ! -e $STATE/pristine/$path ]] ||
			cp "$STATE/pristine/$path" "$TREE_COPY/$path"
	done < <(managed_files)
	copy_own "$TREE_COPY"
}

setup_make()
{
	setup_compiler
	export KBUILD_BUILD_TIMESTAMP=0
	MAKE=(make -C "$TREE_COPY" "O=$OBJ" "CC=$CC" "HOSTCC=$HOSTCC" "LOCALVERSION=" "-j$JOBS")
	mkdir -p "$OBJ"
}

# configure LINE...: kconfig/check-patches.config and these lines
configure()
{
	{
		cat "$TOP/kconfig/check-patches.config"
		printf '%s\n' "$@"
	} > "$OBJ/fragment"
	make_config allnoconfig
}

# make_config TARGET: from the fragment. Does nothing if neither the fragment nor Kconfig
# changed since the last time.
make_config()
{
	local wanted

	wanted=$(cd "$TREE_COPY" && managed_files | grep Kconfig |
		 xargs cat "$OBJ/fragment" "$STATE/source" | sha256sum)
	[[ ! -e $OBJ/configured || $(< "$OBJ/configured") != "$wanted" ]] || return 0
	rm -f "$OBJ/configured"
	"${MAKE[@]}" -s KCONFIG_ALLCONFIG="$OBJ/fragment" "$1" || return
	printf '%s\n' "$wanted" > "$OBJ/configured"
}

# configure_all LINE...: with all that our files and the wiring can be built with: what
# has kfuncs is compiled with BTF only.
configure_all()
{
	configure CONFIG_IPV6=y CONFIG_NF_CONNTRACK=y CONFIG_NF_CONNTRACK_MARK=y \
		CONFIG_NF_CONNTRACK_LABELS=y CONFIG_NF_CONNTRACK_ZONES=y \
		CONFIG_NF_NAT=y CONFIG_NETFILTER_BPF_LINK=y CONFIG_NETFILTER_BPF_KFUNC=y \
		CONFIG_DEBUG_KERNEL=y CONFIG_DEBUG_INFO_DWARF_TOOLCHAIN_DEFAULT=y \
		CONFIG_DEBUG_INFO_BTF=y "$@"
}

# setup_arch ARCH: all that Kconfig has for this processor, in objects of its own.
# Types are asked for, as what has kfuncs is not compiled without; the kernel's own
# warnings are no errors here.
setup_arch()
{
	local compiler=gcc

	OBJ+=-$1
	[[ $1 != arm64 ]] || compiler=aarch64-linux-gnu-gcc
	[[ -n $(command -v "$compiler") ]] || { echo "$compiler: not found"; return 1; }
	MAKE=(make -C "$TREE_COPY" "O=$OBJ" "ARCH=$1" "CROSS_COMPILE=${compiler%gcc}"
	      "HOSTCC=$CC" "CC=${CC/%gcc/$compiler}" LOCALVERSION= "-j$JOBS")
	mkdir -p "$OBJ"
	printf 'CONFIG_%s\n' WERROR=n DEBUG_INFO_DWARF_TOOLCHAIN_DEFAULT=y \
		DEBUG_INFO_REDUCED=n DEBUG_INFO_SPLIT=n DEBUG_INFO_BTF=y \
		HEADERS_INSTALL=n GCC_PLUGINS=n > "$OBJ/fragment"
	make_config allmodconfig
}

own_sources()
{
	own_files | cut -f 2 | grep '\.c$' || :
}

own_objects()
{
	own_sources | sed 's/\.c$/.o/'
}

# --- the checks -------------------------------------------------------------

# Only the files that a series touches: that is all it could spoil.
check_revert()
{
	local mini=$CHECK/mini number path

	select_tree "$1"
	"$TOP/scripts/tree.sh" prepare "$1" || return
	rm -rf "$mini"
	mkdir -p "$mini/before" "$mini/after"
	while read -r path; do
		[[ -e $STATE/pristine/$path ]] || continue
		mkdir -p "$mini/before/${path%/*}" "$mini/after/${path%/*}"
		cp "$STATE/pristine/$path" "$mini/before/$path"
		cp "$STATE/pristine/$path" "$mini/after/$path"
	done < <(touched_files)

	push_series "$mini/after" || return
	for ((number = ${#SERIES[@]} - 1; number >= 0; number--)); do
		[[ -d $mini/after/.pc${number#0} ]] || continue
		quilt_in "$mini/after" "$number" pop -a || return
	done
	rm -rf "$mini"/after/.pc*
	find "$mini" -mindepth 2 -depth -type d -empty -delete
	diff -r "$mini/before" "$mini/after"
}

# Objects that show whether the wiring so far compiles: of every C file that the
# series touches anywhere, since a header reaches them all.
wired_objects()
{
	touched_files | grep '\.c$' | grep -v '^tools/' | sed 's/\.c$/.o/'
}

# A checksum of all that can change how the files compile after this patch. Our C files are
# compiled after the last patch only.
patch_key()
{
	local patch

	{
		cat "$STATE/source" "$TOP/kconfig/check-patches.config" \
			"$TOP/scripts/check-patches.sh"
		gcc --version
		own_files | grep -v '\.c$' | cut -f 1 | xargs cat
		for patch in "${PATCH_NAMES[@]}"; do
			cat "$PATCHES/$patch"
			[[ $patch != "$1" ]] || break
		done
		[[ $1 != "${PATCH_NAMES[-1]}" ]] || own_files | cut -f 1 | xargs cat
	} | sha256sum
}

check_patch()
{
	local objects key

	quilt_in "$TREE_COPY" 0 push "$1" || return
	key=$(patch_key "$1")
	if [[ -z $ALL ]] && grep -qxF -e "$key" "$COMPILED"; then
		remark "compiled in an earlier run"
		return
	fi
	configure_all || return
	mapfile -t objects < <(wired_objects)
	# Our own files belong to the last patch, which lets them be built.
	[[ $1 != "${PATCH_NAMES[-1]}" ]] ||
		mapfile -t -O "${#objects[@]}" objects < <(own_objects)
	"${MAKE[@]}" "${objects[@]}" || return
	printf '%s\n' "$key" >> "$COMPILED"
}

# With a pattern the checks of the patches may not have run before.
apply_rest()
{
	[[ -z $(series_patches "$PATCHES") || -z $(quilt_in "$TREE_COPY" 0 unapplied 2> /dev/null) ]] ||
		quilt_in "$TREE_COPY" 0 push -a > "$LOG.push" 2>&1 || { cat "$LOG.push"; return 1; }
}

# Kconfig has no prompt for reassembly, and no option selects it for IPv6 alone.
# A second definition in the copy adds the prompt.
add_prompts()
{
	grep -q 'reassembly for check-patches' "$TREE_COPY/net/netfilter/Kconfig" && return
	cat >> "$TREE_COPY/net/netfilter/Kconfig" <<-KCONFIG

	config NF_DEFRAG_IPV4
		tristate "IPv4 reassembly for check-patches"

	config NF_DEFRAG_IPV6
		tristate "IPv6 reassembly for check-patches"
		depends on IPV6
	KCONFIG
}

# Where all that programs call is built in, resolve_btfids finds the sets of it in vmlinux
# by their names, and ends the link when two have one.
check_btf()
{
	local objects twice

	apply_rest || return
	configure_all || return
	mapfile -t objects < <(own_objects)
	"${MAKE[@]}" "${objects[@]}" || return
	twice=$(cd "$OBJ" && nm "${objects[@]}" |
		sed -n 's/.* \(__BTF_ID__set8\{0,1\}__[a-z_0-9]*\)$/\1/p' | sort | uniq -d)
	[[ -z $twice ]] || { echo "two sets of one name: $twice"; return 1; }
}

# set_parts IPV6 DEFRAG4 DEFRAG6 CONNTRACK NAT KFUNC: y, m or n each. Configures a kernel
# with these parts, and makes sure that Kconfig left them as they were asked for.
set_parts()
{
	local part wanted=()

	for part in "${PARTS[@]}"; do
		wanted+=("CONFIG_$part=$1")
		shift
	done
	apply_rest || return
	add_prompts
	configure "${wanted[@]}" CONFIG_NETFILTER_BPF_LINK=y || return
	for part in "${wanted[@]}"; do
		[[ $(value_of "${part%=*}") = "${part#*=}" ]] ||
			{ echo "$part: not in .config"; return 1; }
	done
}

# value_of CONFIG_NAME: y, m or n, as configured
value_of()
{
	local value

	value=$(sed -n "s/^$1=//p" "$OBJ/.config")
	printf '%s' "${value:-n}"
}

check_link()
{
	set_parts "$@" || return
	"${MAKE[@]}" vmlinux modules || return
	[[ "$*" != "$ALL_MODULES" ]] || list_symbols
}

# Writes the part of each symbol into SYMBOLS. In the kernel whose parts are all modules,
# the objects of a part are linked into one file, and the file is called like the option.
# Only the module of the kfuncs has another name, and nothing calls that module.
list_symbols()
{
	local part ko object

	for part in "${PARTS[@]:0:5}"; do
		ko=$(find "$OBJ/net" -name "${part,,}.ko")
		[[ -n $ko ]] || { echo "ERROR: ${part,,}.ko: not built"; return 1; }
		symbols_of "$part" "$ko" || return
	done > "$SYMBOLS.part"
	while read -r object; do
		symbols_of NETFILTER_BPF_LINK "$OBJ/$object" || return
	done < <(own_objects | grep -v nf_bpf_kfunc) >> "$SYMBOLS.part"
	mv "$SYMBOLS.part" "$SYMBOLS"
}

# symbols_of PART OBJECT
symbols_of()
{
	nm -g --defined-only "$2" | awk -v part="$1" \
		'$3 !~ /^(init_module|cleanup_module|__this_module)$/ { print $3, part }'
}

# check_compile IPV6 DEFRAG4 DEFRAG6 CONNTRACK NAT KFUNC
#
# Links no kernel: the undefined symbols of our objects are compared with the symbols
# of the parts instead. Only a link shows the use of a symbol that the core of the kernel
# defines for the sake of a part.
check_compile()
{
	local objects

	need_symbols || return
	set_parts "$@" || return
	mapfile -t objects < <(own_objects)
	[[ $6 != n ]] || mapfile -t objects < <(own_objects | grep -v nf_bpf_kfunc)
	"${MAKE[@]}" "${objects[@]}" || return
	reach_parts "${objects[@]}"
}

# Each other part is built in.
check_unwired()
{
	local objects

	need_symbols || return
	apply_rest || return
	configure_all CONFIG_NETFILTER_BPF_LINK=n || return
	[[ $(value_of CONFIG_NETFILTER_BPF_LINK) = n ]] || return
	mapfile -t objects < <(wired_objects)
	"${MAKE[@]}" "${objects[@]}" || return
	reach_parts "${objects[@]}"
}

# With a pattern the kernel whose parts are all modules may not have been linked before.
need_symbols()
{
	# shellcheck disable=SC2086	# they are six words
	[[ -e $SYMBOLS ]] || check_link $ALL_MODULES
}

# reach_parts OBJECT...: fails for a built-in object that uses a module, and for any object
# that uses an absent part.
reach_parts()
{
	local object symbol part value own rc=0

	for object; do
		own=y
		[[ $object != *nf_bpf_kfunc.o ]] || own=$(value_of CONFIG_NETFILTER_BPF_KFUNC)
		while read -r symbol part; do
			value=$(value_of "CONFIG_$part")
			[[ $value = y || $value$own = mm ]] && continue
			echo "ERROR: $object: $symbol is in $part=$value"
			rc=1
		done < <(nm -u "$OBJ/$object" |
			 awk 'NR == FNR { part[$1] = $2; next }
			      $2 in part { print $2, part[$2] }' "$SYMBOLS" -)
	done
	return "$rc"
}

# Only what is said of our files counts: the kernel's own have words too.
silent_about_ours()
{
	! grep -E "(^|/)($(own_files | cut -f 2 | paste -s -d '|')):[0-9]+"
}

# One pass for both. make does not compile files again that did not change.
check_warnings()
{
	local objects

	[[ -n $(command -v sparse) ]] || { echo "sparse: not found"; return 1; }
	apply_rest || return
	configure_all || return
	mapfile -t objects < <(own_objects)
	(cd "$TREE_COPY" && touch -c "${objects[@]/%.o/.c}")
	"${MAKE[@]}" W=1 C=1 CF=-D__CHECK_ENDIAN__ "${objects[@]}" > "$LOG.make" 2>&1 ||
		{ cat "$LOG.make"; return 1; }
	silent_about_ours < "$LOG.make" || return
	(($(grep -c '^  CHECK ' "$LOG.make") >= ${#objects[@]})) ||
		{ echo "sparse did not see each of ${objects[*]}"; return 1; }
}

# check_allmodconfig ARCH
check_allmodconfig()
{
	local objects

	apply_rest || return
	setup_arch "$1" || return
	grep -qx CONFIG_DEBUG_INFO_BTF_MODULES=y "$OBJ/.config" ||
		{ echo "CONFIG_DEBUG_INFO_BTF_MODULES=y: not in .config"; return 1; }
	mapfile -t objects < <(wired_objects; own_objects)
	"${MAKE[@]}" W=1 "${objects[@]}" > "$LOG.w1" 2>&1 || { cat "$LOG.w1"; return 1; }
	silent_about_ours < "$LOG.w1"
}

# --- the list, and the run --------------------------------------------------

list_checks()
{
	local patch

	printf '%s\n' "revert kernel" "revert tools"
	for patch in "${PATCH_NAMES[@]}"; do
		printf 'patch %s\n' "$patch"
	done
	printf 'btf sets of kernel functions\n'
	printf 'warnings of W=1 and of sparse about our files\n'
	list_parts
	printf 'unwired without our files\n'
	printf 'allmodconfig %s\n' x86 i386 arm64
}

# IPv6, reassembly of IPv4 and of IPv6, conntrack, NAT, kfuncs. Only three kernels are
# linked: all built in, all modules, and as little as there can be. The other combinations
# are compiled only: they differ from these three in which parts built-in code can reach.
list_parts()
{
	printf 'link %s\n' "y y y y y y" "$ALL_MODULES" "n n n n n y"
	# IPv6 is built in, reassembly and all that the kfuncs call are modules.
	printf 'compile y m m m m m\n'
	# Reassembly of IPv4 is built in and of IPv6 is not, as IPv6 is a module.
	printf 'compile m y m n n m\n'
	# Reassembly of one family only, and of none.
	printf 'compile %s\n' "y y n n n n" "y n y n n n" "y n n n n n" "n y n n n n"
	# Conntrack without NAT, and no module but that of the kfuncs.
	printf 'compile %s\n' "y y y y n m" "n n n n n m"
}

title()
{
	local what=$1
	shift

	case $what in
	link|compile)
		printf '%s: IPv6 %s, reassembly v4=%s v6=%s, conntrack %s, NAT %s, kfuncs %s' \
			"$what" "$@" ;;
	*)
		printf '%s: %s' "$what" "$*" ;;
	esac
}

main()
{
	local rc=0

	case ${1:-} in
	-h|--help)
		usage
		return ;;
	--all)
		ALL=1
		shift ;;
	esac

	check_base
	need_space "$BUILD" 1000 "check-patches"
	take_lock "check-$BASE"
	copy_tree
	setup_make
	rm -f "$SYMBOLS"
	touch "$COMPILED"
	mapfile -t PATCH_NAMES < <(series_patches "$PATCHES")
	# One after the other: they share a tree.
	run_checks 1 "${1:-}" || rc=$?
	rm -rf "$TREE_COPY" "$CHECK/mini"
	return "$rc"
}

main "$@"
