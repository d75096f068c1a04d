/* SPDX-License-Identifier: GPL-2.0 */
/* Fragments that links with BPF_F_NETFILTER_FRAG_TRACK judge without reassembly. */
#ifndef _NF_BPF_TRACK_H
#define _NF_BPF_TRACK_H

#include <linux/types.h>

struct bpf_nf_track;
struct bpf_nf_track_entry;
struct net;
struct nf_hook_state;
struct seq_file;
struct sk_buff;

/**
 * enum bpf_nf_track_step - what the hook has to do with a fragment
 *
 * @BPF_NF_TRACK_ACCEPT: accept it, the program has accepted its datagram
 * @BPF_NF_TRACK_DROP: drop it, the program has dropped its datagram
 * @BPF_NF_TRACK_REFUSE: drop it, whatever the program says of its datagram
 * @BPF_NF_TRACK_STOLEN: leave it alone, reassembly holds it, or has freed an IPv6 duplicate
 * @BPF_NF_TRACK_FREED: leave it alone, reassembly has refused and freed it
 * @BPF_NF_TRACK_WHOLE: run the program, the packet is a reassembled datagram now
 * @BPF_NF_TRACK_JUDGE: run the program, then call bpf_nf_track_judged()
 * @BPF_NF_TRACK_HAND_OVER: call bpf_nf_track_hand_over()
 */
enum bpf_nf_track_step {
	BPF_NF_TRACK_ACCEPT,
	BPF_NF_TRACK_DROP,
	BPF_NF_TRACK_REFUSE,
	BPF_NF_TRACK_STOLEN,
	BPF_NF_TRACK_FREED,
	BPF_NF_TRACK_WHOLE,
	BPF_NF_TRACK_JUDGE,
	BPF_NF_TRACK_HAND_OVER,
};

struct bpf_nf_track *bpf_nf_track_alloc(void);
void bpf_nf_track_free(struct bpf_nf_track *track);
int bpf_nf_track_attach(struct bpf_nf_track *track, struct net *net, bool has_v6);
void bpf_nf_track_detach(struct bpf_nf_track *track);
enum bpf_nf_track_step bpf_nf_track(struct bpf_nf_track *track, struct sk_buff *skb,
				    const struct nf_hook_state *state,
				    struct bpf_nf_track_entry **entry);
enum bpf_nf_track_step bpf_nf_track_judged(struct bpf_nf_track *track,
					   struct bpf_nf_track_entry *entry,
					   const struct sk_buff *skb, bool accept);
enum bpf_nf_track_step bpf_nf_track_hand_over(struct bpf_nf_track *track,
					      struct sk_buff *skb,
					      const struct nf_hook_state *state);
void bpf_nf_track_fdinfo(const struct bpf_nf_track *track, struct seq_file *seq);

#endif /* _NF_BPF_TRACK_H */
