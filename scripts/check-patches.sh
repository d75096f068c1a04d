#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Checks the series and our own files without booting anything: KTAP on stdout,
# one result for each patch and for each configuration.

. "$(dirname "$0")/lib/common.sh"
. "$(dirname "$0")/lib/series.sh"
. "$(dirname "$0")/lib/progress.sh"

CHECK=$BUILD/$BASE/check
TREE_COPY=$CHECK/linux
OBJ=$CHECK/obj
LOG=$CHECK/log

# Kernels have these parts built in, as modules or not at all. All lists of y, m and n have
# this order. SYMBOLS names the part of each symbol.
PARTS=(IPV6 NF_DEFRAG_IPV4 NF_DEFRAG_IPV6 NF_CONNTRACK NF_NAT NETFILTER_BPF_KFUNC)
ALL_MODULES="m m m m m m"
SYMBOLS=$CHECK/symbols

# What checkpatch says that does not apply here:
IGNORE=(
	# MAINTAINERS is the kernel's, a series here does not change it
	FILE_PATH_CHANGES
	# uapi headers cannot have BIT(): checkpatch knows, but not of their copies
	# below tools/. The assembler, which reads the flags of kfuncs, has no BIT().
	BIT_MACRO
)
IGNORE_COMPAT=(
	# lists of parameters, and what <linux/btf.h> of later kernels has
	COMPLEX_MACRO MULTISTATEMENT_MACRO_USE_DO_WHILE
)
IGNORE_TOOLS=(
	# a message to the user stays on one line, to be found by what it says
	LONG_LINE LONG_LINE_STRING
	# "size_t :0;" ends every options struct of libbpf
	SPACING
	# LIBBPF_OPTS() declares a variable
	LINE_SPACING
)
# The header for programs, in which a kfunc is declared "extern ... __ksym".
IGNORE_PROGRAMS=(
	AVOID_EXTERNS
	# compiler_types.h is the kernel's own
	PREFER_DEFINED_ATTRIBUTE_MACRO
	# a function is asked for, then called
	MACRO_ARG_REUSE
	# a prototype with attributes that name its arguments
	FUNCTION_ARGUMENTS
	# lists of a macro's arguments
	COMPLEX_MACRO
	# _Static_assert(), whose message stays on the line that the compiler prints
	CAMELCASE LONG_LINE_STRING
)
IGNORE_SELFTESTS=(
	# lists: of instructions, of the members of a fixture's variant, of names
	COMPLEX_MACRO TRAILING_SEMICOLON
	# a check names what it has checked; member names and lists in brackets
	MACRO_ARG_REUSE MACRO_ARG_PRECEDENCE
	# whole programs, of one line each
	MACRO_WITH_FLOW_CONTROL
)
# "FIXTURE_DATA(name) *self", to checkpatch a product.
FIXTURE_POINTER="CHECK:SPACING: spaces preferred around that '\*' (ctx:WxV)"

usage()
{
	cat <<USAGE
Usage: scripts/check-patches.sh [PATTERN]

Checks, of BASE=$BASE, those whose name holds PATTERN:

  revert          each series applies, and reverts to what was there
  patch NAME      with this patch and those before it the touched files compile
  btf             the sets of what programs call have names of their own
  link PARTS      a kernel links with these parts built in, as modules or absent
  compile PARTS   our files compile with these parts; built-in code uses no module, and
                  no code uses an absent part
  unwired         without NETFILTER_BPF_LINK the touched files use nothing of ours
  allmodconfig    our files and those the series touches compile, for x86, for i386 (our
                  only one of 32 bits) and for arm64, with all that Kconfig has, and W=1
                  says nothing of ours
  w1, sparse, header, checkpatch FILE     not a word about our files
  sync            bpftool's help, man page and completion agree with its source
  bases           README.md lists the bases, and what they were made for
  errors          bpf_nf.h and prog_netfilter.rst know the same errors of an attach
  differs         kconfig/guest.differs has a reason for each network option that the
                  guest's kernel sets differently from the distribution's
USAGE
}

# --- fixtures ---------------------------------------------------------------

# A hard-linked copy of the tree costs no space, as long as no file of it is
# written in place: what we or a patch may write is copied first.
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
			cp -p "$STATE/pristine/$path" "$TREE_COPY/$path"
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

# configure LINE...: kconfig/check-patches.config and these lines.
configure()
{
	{
		cat "$TOP/kconfig/check-patches.config"
		printf '%s\n' "$@"
	} > "$OBJ/fragment"
	"${MAKE[@]}" -s KCONFIG_ALLCONFIG="$OBJ/fragment" allnoconfig
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
	"${MAKE[@]}" -s KCONFIG_ALLCONFIG="$OBJ/fragment" allmodconfig
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

check_patch()
{
	local objects

	quilt_in "$TREE_COPY" 0 push "$1" || return
	configure_all || return
	mapfile -t objects < <(wired_objects)
	# Our own files belong to the last patch, which lets them be built.
	[[ $1 != "${PATCH_NAMES[-1]}" ]] ||
		mapfile -t -O "${#objects[@]}" objects < <(own_objects)
	"${MAKE[@]}" "${objects[@]}"
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

prepare_object()
{
	apply_rest || return
	configure_all || return
	touch "$TREE_COPY/$1"
}

check_w1()
{
	prepare_object "$1" || return
	"${MAKE[@]}" W=1 "${1%.c}.o" > "$LOG.w1" 2>&1 || { cat "$LOG.w1"; return 1; }
	silent_about_ours < "$LOG.w1"
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

check_sparse()
{
	[[ -n $(command -v sparse) ]] || { echo "sparse: not found"; return 1; }
	prepare_object "$1" || return
	"${MAKE[@]}" C=2 CF=-D__CHECK_ENDIAN__ "${1%.c}.o" > "$LOG.sparse" 2>&1 ||
		{ cat "$LOG.sparse"; return 1; }
	silent_about_ours < "$LOG.sparse"
}

# A user-space program includes it first and alone.
check_header()
{
	gcc -x c -std=c99 -Wall -Wextra -Werror -pedantic -fsyntax-only \
	    -I"$TOP/include/uapi" - <<< "#include <${1#include/uapi/}>
int main(void) { return 0; }"
}

# In the tree, which is no git repository: in one, checkpatch takes a patch that
# is under version control for a source file.
check_checkpatch()
{
	local file=() ignore=("${IGNORE[@]}") IFS=,

	[[ $1 = *.patch ]] || file=(-f)
	case $1 in
	*/compat/*)	ignore+=("${IGNORE_COMPAT[@]}") ;;
	tools/*.h)	ignore+=("${IGNORE_PROGRAMS[@]}") ;;
	tools/*)	ignore+=("${IGNORE_TOOLS[@]}") ;;
	selftests/*)	ignore+=("${IGNORE_SELFTESTS[@]}") ;;
	esac
	cd "$TREE_COPY" || return
	perl scripts/checkpatch.pl --strict --no-summary --show-types --terse \
	     --ignore "${ignore[*]}" "${file[@]}" "$TOP/$1" > "$LOG.checkpatch" && return
	[[ -s $LOG.checkpatch && $1 = selftests/* ]] || { cat "$LOG.checkpatch"; return 1; }
	! grep -v "$FIXTURE_POINTER" "$LOG.checkpatch"
}

# Needs no kernel: bpftool's own places that say what it takes.
check_sync()
{
	make -C "$TOP/tools" --no-print-directory BUILD="$BUILD" BASE="$BASE" check
}

# What README says of bases is what the series were made for.
check_bases()
{
	local version said

	for version in "$TOP"/patches/*/VERSION; do
		version=${version#"$TOP/"}
		printf '%s %s\n' "$(basename "${version%/VERSION}")" "$(< "$TOP/$version")"
	done > "$LOG.bases"
	said=$(sed -n 's/^| \([0-9.]*\) | .* | \([0-9.]*\) |$/\1 \2/p' "$TOP/README.md")
	diff -u --label 'patches/*/VERSION' --label README.md "$LOG.bases" - <<< "$said"
}

# Users read either of the two.
check_errors()
{
	local name='E[A-Z0-9]\{4,\}'

	sed -n '/BPF_LINK_CREATE .* fails with$/,/BPF_LINK_UPDATE fails with$/p' \
		"$TOP/include/uapi/linux/bpf_nf.h" | grep -ow "$name" | sort -u > "$LOG.errors"
	[[ -s $LOG.errors ]] || die "bpf_nf.h: names no error of BPF_LINK_CREATE"
	sed -n '/^Errors$/,/^Priorities$/p' "$TOP/Documentation/bpf/prog_netfilter.rst" |
		grep -ow "$name" | sort -u |
		diff -u --label bpf_nf.h --label prog_netfilter.rst "$LOG.errors" -
}

# The list of the differences is long: only those without a reason are for the log.
check_differs()
{
	"$TOP/scripts/compare-config.sh" > "$LOG.differs"
}

# --- the list, and the run --------------------------------------------------

list_checks()
{
	local path patch dir

	printf '%s\n' "revert kernel" "revert tools"
	for patch in "${PATCH_NAMES[@]}"; do
		printf 'patch %s\n' "$patch"
	done
	printf 'btf sets of kernel functions\n'
	list_parts
	printf 'unwired without our files\n'
	printf 'allmodconfig %s\n' x86 i386 arm64
	while read -r path; do
		printf '%s\n' "w1 $path" "sparse $path"
	done < <(own_sources)
	while read -r path; do
		[[ $path != include/uapi/* ]] || printf 'header %s\n' "$path"
	done < <(own_files | cut -f 2)
	{
		cd "$TOP"
		find net include "patches/$BASE/compat" tools samples selftests bench \
		     -name '*.[ch]' | sort
		for dir in "patches/$BASE" tools/lib/bpf-patch tools/bpf/bpftool-patch; do
			series_patches "$dir" | sed "s:^:$dir/:"
		done
	} | sed 's/^/checkpatch /'
	printf 'sync bpftool: help, man page, completion and source agree\n'
	printf 'bases README.md lists what there are patches for\n'
	printf 'errors of an attach are the same in the header and on the page\n'
	printf 'differs from the distribution with a reason: network options of the guest\n'
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
	w1)
		printf 'W=1: %s' "$*" ;;
	*)
		printf '%s: %s' "$what" "$*" ;;
	esac
}

# A check is a process of its own: what it sets does not reach the next.
run_check()
{
	local number=$1 line=$2 name
	local words
	read -r -a words <<< "$line"

	name=$(title "${words[@]}")
	if (set +e; "check_${words[0]}" "${words[@]:1}") > "$LOG" 2>&1 < /dev/null; then
		printf 'ok %d %s\n' "$number" "$name"
		passed=$((passed + 1))
		return
	fi
	printf 'not ok %d %s\n' "$number" "$name"
	failed=$((failed + 1))
	{
		first_error "$LOG"
		[[ -n $(first_error "$LOG") ]] || tail -n 20 "$LOG"
	} | sed 's/^/# /'
}

main()
{
	local checks pattern=${1:-} number=0 line passed=0 failed=0

	case $pattern in
	-h|--help)
		usage
		return ;;
	esac

	check_base
	need_space "$BUILD" 1000 "check-patches"
	take_lock "check-$BASE"
	copy_tree
	setup_make
	rm -f "$SYMBOLS"
	mapfile -t PATCH_NAMES < <(series_patches "$PATCHES")
	mapfile -t checks < <(list_checks)
	if [[ -n $pattern ]]; then
		mapfile -t checks < <(printf '%s\n' "${checks[@]}" | grep -e "$pattern")
	fi
	((${#checks[@]})) || die "$pattern: no check has such a name"

	printf 'KTAP version 1\n1..%d\n' "${#checks[@]}"
	for line in "${checks[@]}"; do
		number=$((number + 1))
		run_check "$number" "$line"
	done
	rm -rf "$TREE_COPY" "$CHECK/mini"
	note "$passed passed, $failed failed, 0 skipped"
	((failed == 0))
}

main "$@"
