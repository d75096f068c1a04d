#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Compiles the series and our own files in many configurations. It boots no kernel. It prints
# KTAP on stdout, with one result for each patch and for each configuration.

. "$(dirname "$0")/lib/common.sh"
. "$(dirname "$0")/lib/series.sh"
. "$(dirname "$0")/lib/progress.sh"
. "$(dirname "$0")/lib/checks.sh"

CHECK=$BUILD/$BASE/check
TREE_COPY=$CHECK/linux
OBJ=$CHECK/obj
# The keys (see patch_key) of patches that have compiled: on this machine, and before the
# commit on any machine (see record_compiled).
COMPILED=$CHECK/compiled
RECORDED=$PATCHES/compiled
ALL=${ALL:-}

# A kernel has each of these parts built in, as a module, or not at all. All lists of y, m and
# n have this order. The file SYMBOLS has the part of each symbol.
PARTS=(IPV6 NF_DEFRAG_IPV4 NF_DEFRAG_IPV6 NF_CONNTRACK NF_NAT NETFILTER_BPF_KFUNC)
ALL_MODULES="m m m m m m"
SYMBOLS=$CHECK/symbols

usage()
{
	cat <<USAGE
Usage: scripts/check-patches.sh [--all] [PATTERN]
       scripts/check-patches.sh --record

Runs the checks of BASE=$BASE whose name matches PATTERN, a regular expression:

  revert          each series applies, and reverts to the original files
  patch NAME      the touched files compile with this patch and the patches before it.
                  This is repeated only after a change of something that it depends on
  btf             the sets of kfuncs have different names
  warnings        the compiler with W=1 and sparse print nothing about our files
  link PARTS      a kernel links with these parts built in, as modules or absent
  compile PARTS   our files compile with these parts; built-in code uses no module, and
                  no code uses an absent part
  unwired         without NETFILTER_BPF_LINK the touched files use nothing of ours
  allmodconfig    our files and the touched files compile for x86, i386 (the only one with 32
                  bits) and arm64 with allmodconfig, and W=1 prints nothing about ours

  --all, ALL=1    compile after each patch, even if nothing has changed
  --record        compile the patches that have changed, and write patches/$BASE/compiled.
                  Commit it with the patches: no machine then repeats this work

scripts/lint.sh has the checks that compile nothing.
USAGE
}

# --- fixtures ---------------------------------------------------------------

# Hard links cost no space, but a file with several links must not be written in place. So
# make real copies of the files that we or a patch may write. make sees them as new, and
# compiles them again.
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

# configure LINE...: configure from kconfig/check-patches.config and these lines
configure()
{
	{
		cat "$TOP/kconfig/check-patches.config"
		printf '%s\n' "$@"
	} > "$OBJ/fragment"
	make_config allnoconfig
}

# make_config TARGET: configure from the fragment, unless neither the fragment nor Kconfig has
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

# configure_all LINE...: enable all options that our files and the wiring use. Files with
# kfuncs need BTF.
configure_all()
{
	configure CONFIG_IPV6=y CONFIG_NF_CONNTRACK=y CONFIG_NF_CONNTRACK_MARK=y \
		CONFIG_NF_CONNTRACK_LABELS=y CONFIG_NF_CONNTRACK_ZONES=y \
		CONFIG_NF_NAT=y CONFIG_NETFILTER_BPF_LINK=y CONFIG_NETFILTER_BPF_KFUNC=y \
		CONFIG_DEBUG_KERNEL=y CONFIG_DEBUG_INFO_DWARF_TOOLCHAIN_DEFAULT=y \
		CONFIG_DEBUG_INFO_BTF=y "$@"
}

# setup_arch ARCH: configure allmodconfig for this processor, with an object directory of its
# own. Files with kfuncs need BTF. Warnings are no errors, because the kernel has some.
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

# Apply and revert a series on the files that it touches. It cannot change others.
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

# List the objects to compile after each patch: those of all C files that the series touches,
# because a changed header can affect each of them.
wired_objects()
{
	touched_files | grep '\.c$' | grep -v '^tools/' | sed 's/\.c$/.o/'
}

# patch_key PATCH: a checksum of everything that affects the compilation after this patch.
# Our C files and the headers beside them are used after the last patch only.
patch_key()
{
	local patch

	{
		cat "$STATE/source" "$TOP/kconfig/check-patches.config"
		declare -f configure make_config configure_all wired_objects check_patch
		gcc --version
		own_files | grep $'\tinclude/' | cut -f 1 | sort | xargs cat
		for patch in "${PATCH_NAMES[@]}"; do
			cat "$PATCHES/$patch"
			[[ $patch != "$1" ]] || break
		done
		[[ $1 != "${PATCH_NAMES[-1]}" ]] || own_files | cut -f 1 | sort | xargs cat
	} | sha256sum | cut -d ' ' -f 1
}

# was_compiled KEY
was_compiled()
{
	local files=("$COMPILED")

	[[ ! -e $RECORDED ]] || files+=("$RECORDED")
	cut -d ' ' -f 1 "${files[@]}" | grep -xF -e "$1" > /dev/null
}

# Write the keys of the series to RECORDED, if each of its patches has compiled.
record_compiled()
{
	local patch key lines=()

	for patch in "${PATCH_NAMES[@]}"; do
		key=$(patch_key "$patch")
		was_compiled "$key" || { warn "$patch: has not compiled"; return 1; }
		lines+=("$key $patch")
	done
	printf '%s\n' "${lines[@]}" > "$RECORDED"
}

check_patch()
{
	local objects key

	quilt_in "$TREE_COPY" 0 push "$1" || return
	key=$(patch_key "$1")
	if [[ -z $ALL ]] && was_compiled "$key"; then
		remark "compiled in an earlier run"
		return
	fi
	configure_all || return
	mapfile -t objects < <(wired_objects)
	# The last patch adds our own files to the build.
	[[ $1 != "${PATCH_NAMES[-1]}" ]] ||
		mapfile -t -O "${#objects[@]}" objects < <(own_objects)
	"${MAKE[@]}" "${objects[@]}" || return
	printf '%s\n' "$key" >> "$COMPILED"
}

# Apply the patches that are not applied yet: a pattern may leave out their checks.
apply_rest()
{
	[[ -z $(series_patches "$PATCHES") || -z $(quilt_in "$TREE_COPY" 0 unapplied 2> /dev/null) ]] ||
		quilt_in "$TREE_COPY" 0 push -a > "$LOG.push" 2>&1 || { cat "$LOG.push"; return 1; }
}

# Kconfig has no prompt for reassembly, and no option selects it only for IPv6. A second
# definition in the copy adds a prompt.
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

# If all files with kfuncs are built in, resolve_btfids finds their sets in vmlinux by name. If
# two sets have the same name, the link fails.
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

# set_parts IPV6 DEFRAG4 DEFRAG6 CONNTRACK NAT KFUNC: configure a kernel with these parts, each
# y, m or n. Fail if Kconfig has changed one of them.
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

# value_of CONFIG_NAME: print the configured value: y, m or n
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

# Write the part of each symbol to SYMBOLS, from the kernel whose parts are all modules. There
# each part is one module, named like its option. Only the module of the kfuncs has another
# name, and no other part calls it.
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

# symbols_of PART OBJECT: print the symbols that OBJECT defines, with PART
symbols_of()
{
	nm -g --defined-only "$2" | awk -v part="$1" \
		'$3 !~ /^(init_module|cleanup_module|__this_module)$/ { print $3, part }'
}

# check_compile IPV6 DEFRAG4 DEFRAG6 CONNTRACK NAT KFUNC
#
# This links no kernel. It compares the undefined symbols of our objects with the symbols of
# the parts. It does not find symbols that the kernel's core defines only if it has a part:
# only a link finds them.
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

# All other parts are built in.
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

# Make SYMBOLS if it is missing: a pattern may leave out the link that makes it.
need_symbols()
{
	# shellcheck disable=SC2086	# split it into six words
	[[ -e $SYMBOLS ]] || check_link $ALL_MODULES
}

# reach_parts OBJECT...: fail if a built-in object uses a module, or if any object uses a part
# that is absent.
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

# silent_about_ours < OUTPUT: fail if there is a message about our files. Ignore messages about
# the kernel's files.
silent_about_ours()
{
	! grep -E "(^|/)($(own_files | cut -f 2 | paste -s -d '|')):[0-9]+"
}

# Use one pass for W=1 and sparse. make compiles only changed files, so touch ours first.
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

# check_allmodconfig ARCH: compile with allmodconfig for this processor
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

# The values are those of PARTS. Only three kernels are linked: with all parts built in, with
# all as modules, and with as few parts as possible. For other combinations only our files are
# compiled: they differ from the three kernels only in the parts that built-in code can use.
list_parts()
{
	printf 'link %s\n' "y y y y y y" "$ALL_MODULES" "n n n n n y"
	# IPv6 is built in. Reassembly and all parts that kfuncs call are modules.
	printf 'compile y m m m m m\n'
	# Reassembly is built in for IPv4 only, because IPv6 is a module.
	printf 'compile m y m n n m\n'
	# Reassembly is there for one family only, or for none.
	printf 'compile %s\n' "y y n n n n" "y n y n n n" "y n n n n n" "n y n n n n"
	# Conntrack without NAT. Only the kfuncs are a module.
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
	local rc=0 record=

	case ${1:-} in
	-h|--help)
		usage
		return ;;
	--record)
		record=1
		set -- '^patch ' ;;
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
	# Run one check after the other, because they share a tree.
	run_checks 1 "${1:-}" || rc=$?
	((rc)) || [[ -z $record ]] || record_compiled || rc=1
	rm -rf "$TREE_COPY" "$CHECK/mini"
	return "$rc"
}

main "$@"
