#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Builds the kernel of BASE= from the prepared tree.

. "$(dirname "$0")/lib/common.sh"
. "$(dirname "$0")/lib/progress.sh"

LOG=$KOBJ.log
[[ -z $FLAVOUR ]] || FRAGMENTS+=("$TOP/kconfig/$FLAVOUR.config")

usage()
{
	cat <<USAGE
Usage: scripts/kernel.sh [if-needed | config]

Prepares the source, configures it from kconfig/ and builds image and modules.

  if-needed   build only if sources, patches or fragments have changed
  config      stop after the configuration, and check it

BASE=   series under patches/ (6.1)           KSRC=  another kernel source
FLAVOUR= one more fragment from kconfig/      V=1    every command of the build
ARCH=   x86 or arm64
USAGE
}

check_tools()
{
	local tool

	[[ -r ${FRAGMENTS[-1]} ]] ||
		die "FLAVOUR=$FLAVOUR: there is no kconfig/$FLAVOUR.config"
	for tool in gcc "${CROSS_COMPILE}gcc" make bison flex bc perl pahole lz4 depmod quilt; do
		[[ -n $(command -v "$tool") ]] ||
			die "$tool: not found: run scripts/packages.sh"
	done
	[[ -e $VMLINUX ]] || need_space "$BUILD" 2200 "a kernel build"
}

setup_env()
{
	setup_compiler
	# Use the time of the source, which the tree has recorded.
	KBUILD_BUILD_TIMESTAMP=$(date -u -d "@$(awk '{ print $3; exit }' "$KTREE/.nf-bpf/source")")
	export KBUILD_BUILD_TIMESTAMP
	MAKE=(-C "$KTREE" "O=$KOBJ" "ARCH=$ARCH" "CROSS_COMPILE=$CROSS_COMPILE" "CC=$CC"
	      "HOSTCC=$HOSTCC" "LOCALVERSION=" "-j$JOBS")
}

# --- configuration ----------------------------------------------------------

# Merge the fragments. A later fragment overrules an earlier one.
merged_fragments()
{
	awk '
	match($0, /^CONFIG_[A-Za-z0-9_]+=/) { name = substr($0, 1, RLENGTH - 1) }
	/^# CONFIG_[A-Za-z0-9_]+ is not set$/ { name = $2 }
	name { if (!(name in line)) order[++n] = name; line[name] = $0; name = "" }
	END { for (i = 1; i <= n; i++) print line[order[i]] }' "${FRAGMENTS[@]}"
}

why_not()
{
	local name=${1#CONFIG_}

	grep -rn -A 12 --include='Kconfig*' -E "^(menu)?config $name\$" "$KTREE" |
		sed -n 's/.*-[[:space:]]*\(depends on .*\)/	\1/p' | sed -n 1,4p || :
}

verify_config()
{
	local line name bad=0

	while IFS= read -r line; do
		name=${line#\# }
		name=${name%%[= ]*}
		if [[ $line = "# "* ]]; then
			grep -q "^$name=" "$KOBJ/.config" || continue
		else
			grep -qxF "$line" "$KOBJ/.config" && continue
		fi
		warn "$line: asked for in kconfig/, the final .config says:" \
		     "$(grep -w "$name" "$KOBJ/.config" || printf 'nothing')"
		why_not "$name" >&2
		bad=1
	done < <(merged_fragments)
	((bad == 0)) || die "the configuration is not what kconfig/ asks for"
}

configure()
{
	mkdir -p "$KOBJ"
	merged_fragments > "$KOBJ/fragments"
	make "${MAKE[@]}" -s KCONFIG_ALLCONFIG="$KOBJ/fragments" allnoconfig \
		> "$LOG" 2>&1 || {
		first_error "$LOG" >&2
		die "the configuration failed (log: $(rel "$LOG"))"
	}
	verify_config
}

# --- build ------------------------------------------------------------------

inputs()
{
	{
		cat "$KTREE/.nf-bpf/stamp" "${FRAGMENTS[@]}"
		cat "$TOP/scripts/kernel.sh"
	} | sha256sum
}

# Print the number of steps of a build from nothing, to estimate the progress. The last such
# build has recorded it. Before the first build, take it from the fragment's comment.
known_steps()
{
	[[ ! -e $VMLINUX ]] || { printf '0'; return; }
	cat "$KOBJ.steps" 2> /dev/null ||
		sed -n 's/^# Build steps: //p' "${FRAGMENTS[-1]}"
}

install_modules()
{
	local stamp=$MODULES/.stamp

	[[ -e $stamp && -z $(find "$KOBJ" -name '*.ko' -newer "$stamp" -print -quit) ]] && return
	rm -rf "$MODULES"
	run_make "$LOG.modules" 0 "${MAKE[@]}" INSTALL_MOD_PATH="$MODULES" \
		 INSTALL_MOD_STRIP=1 modules_install ||
		die "modules_install failed (log: $(rel "$LOG.modules"))"
	: > "$stamp"
}

build()
{
	local total start=$SECONDS fresh=

	total=$(known_steps)
	[[ -e $VMLINUX ]] || fresh=1
	# Remove the modules. After a change of vmlinux, make writes the BTF of existing
	# modules again. resolve_btfids then sorts the ids of kfuncs a second time without
	# their flags, so a kfunc gets the flags of another, such as acquire or release.
	find "$KOBJ" -name '*.ko' -delete
	note "Building Linux $(make -s "${MAKE[@]}" kernelrelease | tail -n 1)$(
		[[ $CC != ccache* ]] || printf ' with ccache')"
	run_make "$LOG" "${total:-0}" "${MAKE[@]}" "$IMAGE_NAME" modules ||
		die "the kernel build failed (log: $(rel "$LOG"))"
	[[ -z $fresh ]] || ((STEPS == 0)) || printf '%s\n' "$STEPS" > "$KOBJ.steps"
	install_modules
	note "Built $(rel "$IMAGE") in $(clock $((SECONDS - start)))"
}

main()
{
	one_word_of "if-needed config" "$@"
	check_base
	check_tools
	"$TOP/scripts/tree.sh" prepare kernel
	take_lock "kernel-$ARCH-$BASE$FLAVOUR"
	if [[ ${1:-} = if-needed && -e $IMAGE && -r $KOBJ.built &&
	      $(< "$KOBJ.built") = "$(inputs)" ]]; then
		return
	fi

	rm -f "$KOBJ.built"
	setup_env
	configure
	[[ ${1:-} != config ]] || return 0
	build
	inputs > "$KOBJ.built"
}

main "$@"
