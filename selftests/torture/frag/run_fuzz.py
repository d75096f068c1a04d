#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Usage: run_fuzz.py PINS CORPUS

For fragment_fuzz.sh: tries the oracle, sends the trains of the directory CORPUS, and
then random ones, through the router of the environment under a strict program. A
batch that breaks a law is sent again, with less and less in it, and printed as a
file for the corpus. Prints KTAP.

NF_BPF_SECONDS: of random trains (600; 30 with NF_BPF_SMOKE=1)
NF_BPF_SEED: of these; batch N of a seed is always the same
"""

import copy
import os
import random
import socket
import sys
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import packets
from ip import dissect
from judge import Counters, Link, Log, obj_get, write_sysctl
from oracle import LAWS, Observed, judge
from train import IDENTS, PORTS, SPORT, Fragment, Train, mixed, parse_train, random_batch
from wire import WireError, Wires, bind_udp, enter_netns

BATCH = 12          # trains
SO_RCVBUFFORCE = 33
LIMIT = 1 << 25     # bytes of memory for fragments: many trains stay incomplete
EXPIRY = 20         # seconds until incomplete trains expire


class Router:
    """Sends trains through the router and collects the results."""

    def __init__(self, env, pins):
        self.env, self.wires, self.log = env, Wires(env), Log(pins)
        self.program = obj_get(f"{pins}/judge")
        self.hosts = {f: (env[f"CLIENT_IP{f}"], env[f"SERVER_IP{f}"]) for f in (4, 6)}
        self.sockets = [bind_udp(env["NS_SERVER"], env[f"SERVER_IP{f}"], PORTS[0]) for f in (4, 6)]
        for sock in self.sockets:
            sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 1 << 24)
            sock.setblocking(False)
        enter_netns(env["NS_CLIENT"])
        self.second = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        self.second.bind((env["CLIENT2_DEV"], 0))
        enter_netns(env["NS_ROUTER"])
        self.right = socket.if_nametoindex(env["ROUTER_RIGHT_DEV"])
        for prefix in ("ipv4/ipfrag_", "netfilter/nf_conntrack_frag6_"):
            write_sysctl(env["NS_ROUTER"], prefix + "high_thresh", LIMIT)
        self.expire_after(EXPIRY)
        self.counters = Counters(env["NS_ROUTER"])
        self.link, self.mode, self.base, self.began = None, None, 0, time.monotonic()

    def expire_after(self, seconds):
        """Reassembly gives up incomplete datagrams after this time."""
        self.expiry = seconds
        write_sysctl(self.env["NS_ROUTER"], "ipv4/ipfrag_time", seconds)
        write_sysctl(self.env["NS_ROUTER"], "netfilter/nf_conntrack_frag6_timeout", seconds)

    def next_base(self):
        """The first identification of an exchange. If they begin again, what is incomplete of
        them has to expire first."""
        self.base += IDENTS
        if self.base >= 0xFF00:
            time.sleep(max(0, self.began + 2 * self.expiry - time.monotonic()))
            self.base, self.began = 0, time.monotonic()
        return self.base

    def attach(self, mode):
        if mode != self.mode:
            if self.link:
                self.link.close()
            self.link, self.mode = Link(self.env["NS_ROUTER"], self.program, "forward", mode), mode

    def exchange(self, sent):
        """Sends (family, Fragment) pairs with new identifications. Returns an Observed, and the
        increase of the link's counters."""
        base, wires = self.next_base(), self.wires
        self.collect()
        unsent, before = self.unsent(), self.link.counters()
        packed = tuple(self.pack(family, f, base) for family, f in sent)
        for (_, f), packet in zip(sent, packed):
            if f.wire == "left":
                wires.send(wires.client, [packet])
            else:
                self.second.send(packets.ethernet(self.env["ROUTER_LEFT2_MAC"],
                                                  self.env["CLIENT2_MAC"], packet))
        wires.settle()
        after = self.link.counters()
        observed = replace(self.collect(), unsent=self.unsent() - unsent, sent=packed)
        return observed, {name: after[name] - before[name] for name in after}

    def pack(self, family, fragment, base):
        """The bytes of a packet, with its padding, which may count as data."""
        padding = fragment.padding if fragment.wire == "left" else 0
        return fragment.pack(family, *self.hosts[family], base) + bytes(padding)

    def unsent(self):
        counts = self.counters.read()
        return counts["IpFragFails"] + counts["Ip6FragFails"]

    def collect(self):
        self.wires.poll()
        left = [strip(s.frame) for s in self.wires.seen if s.wire == "server"
                and not s.to_router and s.frame[12:14] in (b"\x08\x00", b"\x86\xdd")]
        self.wires.seen.clear()
        delivered = []
        for sock in self.sockets:
            try:
                while True:
                    delivered.append(sock.recv(1 << 16))
            except BlockingIOError:
                pass
        # Leave out the answers of the server.
        judged = [j for j in self.log.read() if j.ifindex != self.right]
        return Observed(judged, [p for p in left if not is_multicast(p)], delivered, PORTS[0])


def strip(frame):
    """The IP packet, without padding."""
    packet = frame[14:]
    length = int.from_bytes(packet[2:4], "big") if packet[0] >> 4 == 4 else \
        40 + int.from_bytes(packet[4:6], "big")
    return packet[:length]


def is_multicast(packet):
    return packet[24] == 0xFF if packet[0] >> 4 == 6 else packet[16] >> 4 == 0xE


class Results:
    """Prints KTAP."""

    def __init__(self, count):
        self.number, self.failed = 0, False
        print(f"TAP version 13\n1..{count}", flush=True)

    def add(self, name, problems):
        self.number += 1
        self.failed |= bool(problems)
        for problem in problems:
            print("\n".join(f"# {line}" for line in problem.splitlines()))
        print(f"{'not ok' if problems else 'ok'} {self.number} {name}", flush=True)


# --- the corpus ---------------------------------------------------------------------

def read_corpus(trains):
    return [parse_train(path.stem, path.read_text(encoding="utf-8"))
            for path in sorted(Path(trains).glob("*.train"))]


def run_train(router, train, mode):
    """The differences from the results that the file expects."""
    router.attach(mode)
    observed, links = router.exchange([(train.family, f) for f in train.fragments])
    opinion = judge(observed)
    got = {"judged": str(len(observed.judged)), "left": str(len(observed.left)),
           "delivered": str(opinion.delivered), "fragments": str(links["dropped_fragments"]),
           "violations": ",".join(opinion.kinds)}
    wanted = {"violations": "", **train.expect[mode]}
    wanted["violations"] = ",".join(sorted(filter(None, wanted["violations"].split(","))))
    return [f"{name}: expected {wanted[name] or 'none'}, got {got[name] or 'none'}"
            for name in wanted if wanted[name] != got[name]] \
        + [f"{kind}: {text}" for kind, text in opinion.violations if not wanted["violations"]]


# --- does the oracle see false results? ------------------------------------------------

def other(judged, **changes):
    changed = copy.copy(judged)
    changed.__dict__.update(changes)
    return changed


# The name, the kind that the oracle must report, and a function that falsifies an Observed.
# In this Observed, the first packet that left is a fragment.
FALSIFIED = (
    ("a_byte_on_the_way", "left_unjudged", lambda o: replace(
        o, left=[o.left[0][:-1] + bytes([o.left[0][-1] ^ 1])] + o.left[1:])),
    ("a_fragment_less", "left_in_part", lambda o: replace(o, left=o.left[1:])),
    ("a_fragment_twice", "left_overlapping", lambda o: replace(o, left=o.left[:1] + o.left)),
    ("half_a_header", "left_unreadable", lambda o: replace(o, left=o.left + [o.left[0][:30]])),
    ("a_packet_that_nobody_judged", "left_unjudged", lambda o: replace(o, judged=o.judged[1:])),
    ("a_verdict", "verdict_wrong", lambda o: replace(
        o, judged=[other(o.judged[0], verdict=0)] + o.judged[1:])),
    ("a_fragment_seen", "fragment_judged", lambda o: replace(
        o, judged=o.judged + [other(o.judged[0], packet=o.left[0])])),
    ("a_fragment_seen_by_the_program", "fragment_judged", lambda o: replace(
        o, judged=[other(o.judged[0], fragment=True)] + o.judged[1:])),
    ("nothing_left", "not_left", lambda o: replace(o, left=[])),
    ("a_datagram_not_delivered", "not_delivered", lambda o: replace(o, delivered=o.delivered[1:])),
    ("another_datagram_delivered", "delivered_other", lambda o: replace(
        o, delivered=o.delivered[1:] + [o.delivered[0] + b"x"])),
)


def accepted_trains(router):
    """A fragmented datagram of each family that every host accepts."""
    trains = []
    for family in (4, 6):
        data = packets.udp(*router.hosts[family], SPORT, PORTS[0], bytes(range(200)) * 5)
        trains += [(family, Fragment(0, True, data[:800])),
                   (family, Fragment(800, False, data[800:]))]
    return trains


def try_oracle(router, results):
    router.attach("strict")
    observed, _ = router.exchange(accepted_trains(router))
    results.add("oracle_content_with_what_is_right",
                [f"{kind}: {text}" for kind, text in judge(observed).violations])
    if len(observed.left) < 4 or dissect(observed.left[0]).ident is None:
        raise RuntimeError("the oracle cannot be tried: two datagrams in four fragments "
                           f"were sent, and {len(observed.left)} packets left")
    for name, kind, change in FALSIFIED:
        kinds = judge(change(observed)).kinds
        got = ", ".join(kinds) or "none"
        results.add(f"oracle_names_{name}",
                    [] if kind in kinds else [f"expected {kind}, got {got}"])


# --- random trains ------------------------------------------------------------------

def breaks(router, sent, kinds):
    """Whether these packets still cause a violation of one of these kinds."""
    observed, _ = router.exchange(sent)
    return bool(set(judge(observed).kinds) & set(kinds))


def fewer_packets(sent, still_breaks, end):
    """Fewer packets that still break a law, found until the time end."""
    size = len(sent) // 2
    while size and time.monotonic() < end:
        at = 0
        while at < len(sent) and time.monotonic() < end:
            fewer = sent[:at] + sent[at + size:]
            if fewer and still_breaks(fewer):
                sent = fewer
            else:
                at += size
        size //= 2
    return sent


def shrink(router, sent, kinds, seconds=60):
    """Fewer and simpler packets that still break the law."""
    end = time.monotonic() + seconds
    sent = fewer_packets(sent, lambda fewer: breaks(router, fewer, kinds), end)
    for at in range(len(sent)):
        sent = plainer(router, sent, at, kinds, end)
    return sent


def plainer(router, sent, at, kinds, end):
    """The packets, with one of them made as simple as possible."""
    while time.monotonic() < end:
        family, f = sent[at]
        fewer = [{"before": f.before[:i] + f.before[i + 1:]} for i in range(len(f.before))]
        for change in fewer + [
                {"padding": 0}, {"wire": "left"}, {"tos": 0}, {"ttl": 64}, {"flags": 0},
                {"options": b""}, {"lie": 0}, {"ident": 0}, {"bare": False},
                {"data": f.data[:8] + bytes(max(0, len(f.data) - 8))}]:
            changed = replace(f, **change)
            trial = sent[:at] + [(family, changed)] + sent[at + 1:]
            if changed != f and breaks(router, trial, kinds):
                sent = trial
                break
        else:
            break
    return sent


def report(router, seed, number, sent, opinion):
    """Texts: the violations, and the train that causes them."""
    found = [f"{kind}: {text}" for kind, text in opinion.violations]
    if not breaks(router, sent, opinion.kinds):
        return found + [f"seed {seed}, batch {number}: not again, when sent a second time"]
    small = shrink(router, sent, opinion.kinds)
    for family in (4, 6):
        fragments = [f for fam, f in small if fam == family]
        if fragments:
            found.append(f"seed {seed}, batch {number}, shrunk to:\n"
                         f"expect strict violations={','.join(opinion.kinds)}\n"
                         + str(Train(family, fragments)))
    return found


def fuzz(router, seconds, seed):
    """Returns the violations of each law, and the figures."""
    router.attach("strict")
    figures, broken = Counter(), {law: [] for law in LAWS}
    end, number = time.monotonic() + seconds, 0
    while time.monotonic() < end and not any(broken.values()):
        trains = random_batch(seed, number, router.hosts, BATCH)
        sent = mixed(seed, number, trains)
        observed, links = router.exchange(sent)
        opinion = judge(observed)
        figures.update(batches=1, trains=len(trains), fragments=len(sent),
                       judged=len(observed.judged), accepted=opinion.accepted,
                       refused=opinion.refused, left=opinion.left,
                       unsent=opinion.unsent, packets_left=len(observed.left),
                       delivered=opinion.delivered,
                       strict=links["dropped_fragments"],
                       whole=sum(1 for j in observed.judged if j.pieces > 1))
        if opinion.violations:
            print(f"# batch {number}: {', '.join(opinion.kinds)}: shrinking it", flush=True)
            texts = report(router, seed, number, sent, opinion)
            for law, kinds in LAWS.items():
                if set(kinds) & set(opinion.kinds):
                    broken[law] = texts
        number += 1
    return broken, figures


def run(main, usage, arguments):
    """Ends the process with the status of main(seed, seconds, *arguments)."""
    if len(sys.argv) != 1 + arguments:
        print(usage, file=sys.stderr)
        sys.exit(2)
    smoke = os.environ.get("NF_BPF_SMOKE") == "1"
    seconds = float(os.environ.get("NF_BPF_SECONDS") or (30 if smoke else 600))
    seed = os.environ.get("NF_BPF_SEED") or str(random.randrange(1 << 31))
    try:
        sys.exit(main(seed, seconds, *sys.argv[1:]))
    except (OSError, RuntimeError, ValueError, WireError) as error:
        print(f"Bail out! {error}")
        sys.exit(1)


def main(seed, seconds, pins, trains):
    corpus = read_corpus(trains)
    results = Results(1 + len(FALSIFIED) + sum(len(t.expect) for t in corpus) +
                      len(LAWS) + 1)
    print(f"# figure: seed {seed}", flush=True)
    router = Router(os.environ, pins)
    try_oracle(router, results)
    for mode in ("plain", "defrag", "strict"):
        for train in corpus:
            if mode in train.expect:
                results.add(f"corpus_{train.name}_{mode}", run_train(router, train, mode))
    start = time.monotonic()
    broken, figures = fuzz(router, seconds, seed)
    for law in LAWS:
        results.add(f"fuzz_{law}", broken[law])
    results.add("fuzz_reached_everything",
                [f"{name}: none of {figures['trains']} trains" for name in
                 ("accepted", "refused", "whole", "delivered", "strict") if not figures[name]])
    print(f"# figure: {figures['trains']} trains of {figures['fragments']} fragments in "
          f"{time.monotonic() - start:.0f} s: {figures['judged']} packets judged, "
          f"{figures['whole']} of them reassembled; {figures['accepted']} accepted, "
          f"{figures['refused']} refused, {figures['strict']} fragments dropped by strict; "
          f"{figures['packets_left']} packets left, {figures['unsent']} accepted ones could "
          f"not be cut again, {figures['delivered']} datagrams delivered")
    return 1 if results.failed else 0


if __name__ == "__main__":
    run(main, __doc__, 2)
