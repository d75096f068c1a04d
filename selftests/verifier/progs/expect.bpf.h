/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Tags beside a program that say what the verifier must answer. verifier/compiled.c loads
 * each program that has a tag. The kernel's selftests have such tags in bpf_misc.h.
 */
#ifndef EXPECT_BPF_H
#define EXPECT_BPF_H

#define __expect(text)	__attribute__((btf_decl_tag("expect:" text)))

/* The verifier accepts the program, or refuses it with a message that contains @text. @text
 * can be several texts with a '|' between them, because messages differ between bases.
 */
#define __success	__expect("success")
#define __failure(text)	__expect("failure=" text)

/* The same for a loader that has CAP_BPF and CAP_NET_ADMIN. If a program has one of these tags, the
 * loader of __success and __failure has CAP_PERFMON, too, and no other capability.
 */
#define __success_without_perfmon	__expect("success_without_perfmon")
#define __failure_without_perfmon(text)	__expect("failure_without_perfmon=" text)

/* The loader without CAP_PERFMON is refused only if the verifier checks what a processor can do
 * speculatively.
 */
#define __if_speculation_is_checked	__expect("if_speculation_is_checked")

/* The program is skipped on kernels without this kfunc. */
#define __needs(kfunc)	__expect("needs=" kfunc)

/* The program is skipped if the verifier follows a callback repeatedly, until its state no
 * longer changes (6.7 and later). Such a verifier accepts more, or gives up.
 */
#define __if_verified_once	__expect("if_verified_once")

/* The program replaces @function of @program in the same file: a global function, or the program
 * itself.
 */
#define __replaces(program, function)	__expect("replaces=" program "/" function)

/* BPF_F_TEST_STATE_FREQ: the verifier compares states at every instruction. */
#define __test_state_freq	__expect("test_state_freq")

#endif
