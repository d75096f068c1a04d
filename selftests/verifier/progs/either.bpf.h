/* SPDX-License-Identifier: GPL-2.0 */
/* Two values on two paths that meet again. Include this file after bpf_helpers.h. */
#ifndef EITHER_BPF_H
#define EITHER_BPF_H

/* The value is @_first on the path that is verified first, and @_second on the other path. */
#define EITHER(_first, _second) ({					\
	__u64 _number = bpf_get_prandom_u32();				\
	__u64 _value = (__u64)(_second), _one = (__u64)(_first);	\
									\
	asm volatile("if %[number] == 0 goto +1; %[value] = %[one]"	\
		     : [value]"+r"(_value)				\
		     : [number]"r"(_number), [one]"r"(_one));		\
	_value;								\
})

#endif
