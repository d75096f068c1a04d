#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Prints KEY=PATH for the results of the build. stderr names those that are not built yet.

. "$(dirname "$0")/lib/common.sh"

for key in IMAGE VMLINUX KTREE KOBJ MODULES BPFTOOL LIBBPF_INCLUDE LIBBPF_A \
	   VMLINUX_H SELFTESTS SAMPLES; do
	printf '%s=%s\n' "$key" "${!key}"
	[[ -e ${!key} ]] || warn "$key: not built yet"
done
