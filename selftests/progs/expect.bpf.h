/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Tags that say beside a program what the verifier must answer. verifier/compiled.c loads
 * each program that has one. The idea is that of bpf_misc.h in the kernel's selftests.
 */
#ifndef EXPECT_BPF_H
#define EXPECT_BPF_H

#define __expect(text)	__attribute__((btf_decl_tag("expect:" text)))

/* The verifier accepts the program, or refuses it with a message that contains @text, or
 * one of several texts with a '|' between them: bases have words of their own.
 */
#define __success	__expect("success")
#define __failure(text)	__expect("failure=" text)

/* The same for a loader that has CAP_BPF and CAP_NET_ADMIN but no CAP_PERFMON. */
#define __success_without_perfmon	__expect("success_without_perfmon")
#define __failure_without_perfmon(text)	__expect("failure_without_perfmon=" text)

/* The program is skipped on kernels without this kfunc. */
#define __needs(kfunc)	__expect("needs=" kfunc)

/* The program is skipped by verifiers that verify a callback until nothing changes (6.7 and
 * later): they find out more, or give up.
 */
#define __if_verified_once	__expect("if_verified_once")

/* BPF_F_TEST_STATE_FREQ: the verifier compares every path with those that it has seen. */
#define __test_state_freq	__expect("test_state_freq")

#endif
