#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Usage: run_attacks.py PINS

For fragment_attacks.sh: sends each row of attacks.py through the router of the
environment, without reassembly, with it, with strict and with track, and prints KTAP. PINS
is where judge.bpf.c is pinned. NF_BPF_SEED: of the shuffled orders.
"""

import os
import random
import socket
import struct
import subprocess
import sys
import time
import zlib
from contextlib import nullcontext

import packets
from attacks import DENIED_DPORT, DPORT, IDENT4, IDENT6, MODES, ROWS, Builder
from ip import Overlap, Reassembler, Unreadable, describe, dissect, fix_checksum, forwarded
from judge import Counters, KernelLog, Link, Log, obj_get, read_sysctl
from tracked import FORGOTTEN, JUDGED, LATER, REFUSED, WAITS, WHOLE, Event, outcome
from wire import WireError, Wires, bind_udp, enter_netns

PROBE_PORT = 9996
IP_NODEFRAG = 22
LABELS = 16     # the most datagrams of a run
COUNTED = {4: ("IpReasmReqds", "IpReasmOKs", "IpReasmFails", "IpReasmTimeout",
               "IpExtReasmOverlaps", "IpInHdrErrors", "IpFragOKs", "IpFragFails",
               "IpFragCreates"),
           6: ("Ip6ReasmReqds", "Ip6ReasmOKs", "Ip6ReasmFails", "Ip6ReasmTimeout",
               "Ip6InHdrErrors", "Ip6FragOKs", "Ip6FragFails", "Ip6FragCreates")}
ICMP_PROTO = {4: 1, 6: 58}
TRACKED = 8     # BPF_NF_FRAG_TRACKED


def stamp(packet, base):
    """The packet with an identification of this run. A wrong checksum stays wrong."""
    if packet[0] >> 4 == 4:
        size = (packet[0] & 15) * 4
        ident = struct.unpack_from("!H", packet, 4)[0] - IDENT4 + base & 0xFFFF
        stamped = packet[:4] + struct.pack("!H", ident) + packet[6:]
        return fix_checksum(stamped, size) if not packets.checksum(packet[:size]) else stamped
    for label in range(LABELS):
        mark = struct.pack("!I", IDENT6 + label)
        if mark in packet[:120]:
            return packet.replace(mark, struct.pack("!I", 0x10000000 + base + label), 1)
    return packet


def trim(packet):
    """The packet without bytes behind the length in its IP header."""
    if packet[0] >> 4 == 4:
        return packet[:int.from_bytes(packet[2:4], "big")]
    return packet[:40 + int.from_bytes(packet[4:6], "big")]


class Router:
    """The router under attack, with a program attached in one mode at one hook."""

    def __init__(self, env, pins):
        self.env, self.wires, self.log = env, Wires(env), Log(pins)
        self.kernel_log = KernelLog()
        self.program = obj_get(f"{pins}/judge")
        self.counters = Counters(env["NS_ROUTER"])
        self.sinks = [bind_udp(env["NS_SERVER"], env[f"SERVER_IP{family}"], port)
                      for family in (4, 6) for port in (DPORT, DENIED_DPORT, PROBE_PORT)]
        enter_netns(env["NS_CLIENT"])
        self.second = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        self.second.bind((env["CLIENT2_DEV"], 0))
        enter_netns(env["NS_ROUTER"])
        self.devices = {name: socket.if_nametoindex(env[f"ROUTER_{name.upper()}_DEV"])
                        for name in ("left", "left2", "right")}
        self.raw = {}
        for nodefrag in (0, 1):
            sock = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
            sock.setsockopt(socket.IPPROTO_IP, IP_NODEFRAG, nodefrag)
            self.raw[nodefrag] = sock
        self.link, self.mode, self.hook = None, None, None

    def attach(self, mode, hook):
        if self.link:
            self.link.close()
        self.link = Link(self.env["NS_ROUTER"], self.program, hook, mode)
        self.mode, self.hook = mode, hook

    def nft(self, text):
        enter_netns(self.env["NS_ROUTER"])
        subprocess.run(["nft", text], check=True, stdin=subprocess.DEVNULL)

    def transmit(self, packet, wire="left", padding=0, nodefrag=1):
        """Returns False if the router itself would not send the packet."""
        if self.hook == "output":
            try:
                self.raw[nodefrag].sendto(packet, (socket.inet_ntoa(packet[16:20]), 0))
            except PermissionError:
                return False
        elif wire == "left":
            self.wires.send(self.wires.client, [packet + bytes(padding)])
        else:
            self.second.send(packets.ethernet(self.env["ROUTER_LEFT2_MAC"],
                                              self.env["CLIENT2_MAC"], packet))
        return True


class Run:
    """One run of a row, with one family, mode and order."""

    numbers = iter(range(1, 1 << 30))

    def __init__(self, router, row, order, seed, built):
        self.router, self.row, self.order = router, row, order
        self.env, self.mode, self.family = router.env, router.mode, row.families[0]
        self.base = next(Run.numbers) * LABELS % 0xF000
        self.built, self.problems = built, []
        self.denied = order == "denied"
        self.sent = self.arrange(list(enumerate(built.sent)), random.Random(f"{seed} {row.name}"))
        self.probes = [self.probe(mark) for mark in (b"before", b"behind")]
        self.events, self.sent_before, self.entries = [], [], 0

    def arrange(self, sent, rng):
        cut = len(sent) - self.row.tail
        head, tail = sent[:cut], sent[cut:]
        if self.order == "reversed":
            head.reverse()
        elif self.order == "shuffled":
            before = list(head)
            rng.shuffle(head)
            if head == before:
                head.reverse()
        return head + tail

    def probe(self, mark):
        src, dst = (self.env[f"{host}_IP{self.family}"] for host in
                    ("ROUTER_RIGHT" if self.router.hook == "output" else "CLIENT", "SERVER"))
        payload = mark + struct.pack("!I", self.base) * 8
        build = packets.ipv4 if self.family == 4 else packets.ipv6
        return build(src, dst, packets.UDP,
                     packets.udp(src, dst, PROBE_PORT, PROBE_PORT, payload))

    def nft(self, text):
        self.router.nft(text)

    def send(self, sent):
        """Sends these packets before the run, and waits until they have settled."""
        self.sent_before += sent
        for s in sent:
            self.router.transmit(stamp(s.packet, self.base), s.wire)
        self.router.wires.settle()

    def wrong(self, what, expected, actual):
        if expected != actual:
            self.problems.append(f"{what}: expected {expected}, got {actual}")

    # --- what happened ----------------------------------------------------------

    def go(self):
        router, wires = self.router, self.router.wires
        with self.row.around(self) if self.row.around else nullcontext():
            wires.settle()
            router.log.read()
            router.kernel_log.read()
            wires.seen.clear()
            self.before = router.counters.read()
            links = {**router.link.counters(), **router.link.tracking()}
            router.transmit(self.probes[0], nodefrag=0)
            self.refused = 0
            for _, s in self.sent:
                self.refused += not router.transmit(stamp(s.packet, self.base), s.wire, s.padding)
            router.transmit(self.probes[1], nodefrag=0)
            wires.settle()
        wires.settle()
        after = router.counters.read()
        now = {**router.link.counters(), **router.link.tracking()}
        self.links = {name: now[name] - links[name] for name in now}
        self.counts = {name: after[name] - self.before.get(name, 0) for name in after}
        self.judged = router.log.read()
        self.said = router.kernel_log.read()
        self.frames, wires.seen = wires.seen, []
        self.events = self.outcome() if self.mode == "track" else []
        self.check()
        return self.problems

    def wait_for(self, what, condition):
        end = time.monotonic() + 20
        while not condition():
            if time.monotonic() > end:
                self.problems.append(f"{what} after 20 s")
                return
            time.sleep(0.02)

    def wait_for_expiry(self):
        name = "IpReasmTimeout" if self.family == 4 else "Ip6ReasmTimeout"
        self.wait_for(f"{name}: still the same",
                      lambda: self.router.counters.read()[name] != self.before[name])

    def count_entries(self):
        return int(read_sysctl(self.env["NS_ROUTER"], "netfilter/nf_bpf_track_count"))

    def wait_for_end_of_entries(self):
        self.wait_for("the run's entries: still there",
                      lambda: self.count_entries() <= self.entries)

    def expect_bounded_memory(self):
        limit = int(read_sysctl(self.env["NS_ROUTER"], "ipv4/ipfrag_high_thresh"))
        memory = self.router.counters.fragment_memory()
        if not 0 < memory <= limit:
            self.problems.append(f"memory of fragments: {memory}, the limit is {limit}")

    # --- what should happen -----------------------------------------------------

    def completed(self):
        """The labels in the order in which their datagrams become complete."""
        needed = {}
        for _, s in self.sent:
            piece = dissect(s.packet)
            needed.setdefault(s.label, set()).update(range(piece.offset, piece.end))
        order = []
        for _, s in self.sent:
            piece = dissect(s.packet)
            if s.label in needed:
                needed[s.label] -= set(range(piece.offset, piece.end))
                if not needed[s.label]:
                    del needed[s.label]
                    order.append(s.label)
        return [label for label in order if label in self.row.whole]

    def as_they_are(self):
        """The packets that the program should judge unchanged."""
        if self.mode == "plain":
            chosen = [s for i, s in self.sent if i not in self.row.unforwarded]
        elif self.mode == "defrag":
            chosen = [s for i, s in self.sent if i in self.row.passed]
        else:
            chosen = []
        return [self.on_the_way(s) for s in chosen]

    def on_the_way(self, sent):
        """The bytes of a packet at the hook, and behind it."""
        change = forwarded if self.router.hook == "forward" else trim
        return change(stamp(sent.packet, self.base))

    def wholes(self):
        if self.mode == "track":
            return [e.label for e in self.events if e.what == WHOLE]
        return [] if self.mode == "plain" else self.completed()

    # --- what a link that tracks fragments should do ------------------------------

    def outcome(self):
        """The Events of the packets that reach the hook."""
        if self.row.gathered:
            return [Event(WHOLE, -1, label) for label in self.completed()]
        needed = {}
        for _, s in self.sent:
            piece = dissect(s.packet)
            if s.label in self.row.whole:
                needed.setdefault(s.label, set()).update(range(piece.offset, piece.end))
        hidden = self.row.unforwarded if self.router.hook == "forward" else ()
        return outcome([self.part(-1, s) for s in self.sent_before],
                       [self.part(i, s) for i, s in self.sent if i not in hidden], needed)

    def part(self, index, sent):
        piece = dissect(stamp(sent.packet, self.base))
        local = piece.family == 6 and piece.dst[:2] == b"\xfe\x80"
        return index, sent.label, piece, sent.wire if local else None

    def happened(self, *whats):
        """The Events of these kinds."""
        return [e for e in self.events or self.outcome() if e.what in whats]

    def is_handed_over(self):
        """Whether reassembly gets all packets, in the order in which they were sent."""
        return not self.row.unforwarded and not self.happened(JUDGED, LATER, REFUSED, FORGOTTEN)

    def expected_out(self, label):
        """(offset, length) of the fragments of a datagram that should leave."""
        text = self.row.out.get(label)
        if self.mode == "track":
            text = self.row.track_out.get(label, text)
        if text == "whole":
            return None
        if text:
            return [tuple(map(int, part.split("+"))) for part in text.split()]
        pieces = [dissect(s.packet) for _, s in self.sent if s.label == label]
        ranges = sorted({(p.offset, len(p.data)) for p in pieces if p.data})
        reach, kept = 0, []
        for offset, length in ranges:
            if offset == reach:
                kept.append((offset, length))
                reach += length
        return kept

    def check(self):
        probes = [forwarded(p) if self.router.hook == "forward" else trim(p) for p in self.probes]
        # Leave out the answers of the server, which the router forwards, too.
        ours = [j for j in self.judged if j.ifindex != self.router.devices["right"]]
        # At LOCAL_OUT the program also sees the router's own errors. Leave them out.
        ours = [j for j in ours if not (self.router.hook == "output" and self.icmp_of(j.packet))]
        bracket = [j for j in ours if self.is_probe(j.packet)]
        self.wrong("probes judged", [p[-36:] for p in probes], [j.packet[-36:] for j in bracket])
        self.check_judged([j for j in ours if not self.is_probe(j.packet)])
        out = [trim(s.frame[14:]) for s in self.frames if s.wire == "server"
               and not s.to_router and s.frame[12:14] in (b"\x08\x00", b"\x86\xdd")]
        out = [p for p in out if p[0] >> 4 == self.family and not self.is_multicast(p)]
        self.wrong("probes that left", [p[-36:] for p in probes],
                   [p[-36:] for p in out if self.is_probe(p)])
        self.check_out([p for p in out if not self.is_probe(p)])
        self.check_icmp()
        self.check_counts()
        self.check_log()

    def is_multicast(self, packet):
        return packet[24] == 0xFF if self.family == 6 else packet[16] >> 4 == 0xE

    def is_probe(self, packet):
        return packet.endswith(struct.pack("!I", self.base) * 8)

    def icmp_of(self, packet):
        """(type, code) of an ICMP packet, or None for other packets."""
        piece = dissect(packet)
        if piece.proto == ICMP_PROTO[piece.family] and not piece.offset:
            return piece.data[0], piece.data[1]
        return None

    def check_judged(self, judged):
        if self.mode == "track":
            self.check_judged_in_order(judged)
            return
        wholes, fragments = self.wholes(), self.as_they_are()
        self.wrong("packets judged", len(wholes) + len(fragments), len(judged))
        for j, packet in zip(judged, fragments):
            self.wrong("fragment judged", packet.hex(), j.packet.hex())
        for j, label in zip(judged, wholes):
            self.check_whole(j, label)
        if self.mode == "strict" and any(j.fragment for j in judged):
            self.problems.append("strict: the program saw a fragment")

    def check_whole(self, j, label):
        self.wrong("fragments judged", False, j.fragment)
        self.wrong("verdict", 0 if self.denied else 1, j.verdict)
        self.wrong("bytes judged are those sent", True,
                   j.packet.endswith(self.built.datagrams[label]))
        if self.row.device:
            self.wrong("device", self.router.devices[self.row.device], j.ifindex)

    def check_judged_in_order(self, judged):
        expected, sent = self.happened(JUDGED, WHOLE), dict(self.sent)
        self.wrong("packets judged", len(expected), len(judged))
        for e, j in zip(expected, judged):
            if e.what == WHOLE:
                self.check_whole(j, e.label)
                continue
            self.wrong("fragment judged", self.on_the_way(sent[e.index]).hex(), j.packet.hex())
            self.wrong("verdict", 0 if self.denied else 1, j.verdict)
            self.wrong("the program knows that it sees a fragment", TRACKED, j.info & TRACKED)
            if self.router.hook != "output":
                self.wrong("device", self.router.devices[sent[e.index].wire], j.ifindex)

    def check_out(self, out):
        if self.router.hook == "prerouting":
            return self.wrong("packets that left", [], out)
        if self.mode == "track":
            return self.check_out_in_order([] if self.denied else self.happened(
                JUDGED, LATER, WHOLE), out)
        if self.mode == "plain" or not self.row.whole:
            return self.wrong("packets that left", [p.hex() for p in self.as_they_are()],
                              [p.hex() for p in out])
        if self.denied:
            return self.wrong("packets that left", [], [p.hex() for p in out])
        pieces = [dissect(p) for p in out]
        expected = [text for label in self.wholes() for text in self.expected_pieces(label)]
        self.wrong("pieces that left", expected, [describe(p) for p in pieces])
        return self.check_pieces(pieces)

    def expected_pieces(self, label):
        """The descriptions of what leaves of a datagram that was reassembled."""
        ranges = self.expected_out(label)
        if not ranges:
            return [f"whole {len(self.built.datagrams[label])}"]
        return [f"{o}+{n}{' more' if (o, n) != ranges[-1] else ''}" for o, n in ranges]

    def check_out_in_order(self, events, out):
        """Fragments leave as they came, or in what leaves of a reassembled datagram."""
        expected, sent, kept = [], dict(self.sent), []
        for e in events:
            texts = self.expected_pieces(e.label) if e.what == WHOLE else \
                [name_of(self.on_the_way(sent[e.index]))]
            expected += texts
            kept += [e.what != WHOLE] * len(texts)
        kept += [True] * (len(out) - len(kept))
        self.wrong("packets that left", expected, [
            name_of(p) if keep else describe(dissect(p)) for p, keep in zip(out, kept)])
        self.check_pieces([dissect(p) for p, keep in zip(out, kept) if not keep])

    def check_pieces(self, pieces):
        reassembler, whole = Reassembler(), []
        sent = {dissect(stamp(s.packet, self.base)).ident for _, s in self.sent}
        for piece in pieces:
            self.wrong("TTL", 63, piece.ttl)
            self.wrong("TOS", self.row.tos, piece.tos)
            self.wrong("flags", 0, piece.flags)
            if piece.ident is not None:
                self.wrong("identification kept", self.family == 4, piece.ident in sent)
            try:
                found = reassembler.add(piece)
            except (Overlap, Unreadable) as error:
                self.problems.append(f"what left: {error}")
                return
            if found:
                whole.append(found.data)
        for data, label in zip(whole, self.wholes()):
            self.wrong("bytes that left are those sent", True,
                       data.endswith(self.built.datagrams[label]))

    def check_icmp(self):
        hosts = {"router": self.env[f"ROUTER_LEFT_IP{self.family}"],
                 "server": self.env[f"SERVER_IP{self.family}"]}
        got = {name: tuple(tuple(s.packet.data[:2]) for s in self.frames
                           if s.wire == "client" and not s.to_router and s.packet
                           and s.packet.src == address
                           and s.packet.proto == ICMP_PROTO[self.family])
               for name, address in hosts.items()}
        expected = self.row.plain_icmp if self.mode in ("plain", "track") else self.row.icmp
        self.wrong("ICMP from the router", expected, got["router"])
        if self.mode != "plain":
            self.wrong("ICMP from the server",
                       self.row.host_icmp if self.mode == "defrag" else (), got["server"])

    def expected_counts(self):
        counts = dict.fromkeys(COUNTED[self.family], 0)
        if self.mode == "plain":
            counts.update({n: v for n, v in self.row.counts.items() if "InHdrErrors" in n})
            return counts
        prefix = "Ip" if self.family == 4 else "Ip6"
        leaving = [] if self.denied or self.router.hook != "forward" else \
            [self.expected_out(label) for label in self.wholes()]
        counts[prefix + "FragOKs"] = sum(1 for ranges in leaving if ranges)
        counts[prefix + "FragCreates"] = sum(len(ranges) for ranges in leaving if ranges)
        if self.family == 4:
            counts["IpReasmReqds"] = len(self.sent)
            counts["IpReasmOKs"] = len(self.wholes())
        if self.mode != "track" or self.is_handed_over():
            counts.update(self.row.counts)
        elif self.family == 4:
            counts["IpReasmReqds"] = len(self.happened(WAITS))
        return counts

    def check_counts(self):
        expected = self.expected_counts()
        if self.mode == "plain" or (self.mode == "track" and self.row.unforwarded):
            # Without reassembly these counters do not count large fragments or those with TTL 1.
            for name in [n for n in expected if "FragFails" in n or "InHdrErrors" in n]:
                del expected[name]
        if self.mode in ("plain", "track") and self.router.hook == "prerouting":
            expected = {}       # the router reassembles what is for itself
        for name, count in expected.items():
            self.wrong(name, count, self.counts[name])
        later = len(self.happened(LATER)) if self.mode == "track" else 0
        self.wrong("accepted by the link", sum(j.verdict for j in self.judged) +
                   (0 if self.denied else later), self.links["accepted"])
        self.wrong("dropped by the link", sum(not j.verdict for j in self.judged) +
                   (later if self.denied else 0), self.links["dropped"])
        fragments = self.check_fragments()
        if self.router.hook == "output":
            self.wrong("packets that could not be sent", fragments, self.refused)
            return
        received = self.counts["IpInReceives" if self.family == 4 else "Ip6InReceives"]
        if received < len(self.sent) + len(self.probes):
            self.problems.append(f"the router received {received} packets of {len(self.sent) + 2}")

    def check_fragments(self):
        """Returns the number of fragments that the link should have dropped."""
        links, expected = self.links, len(self.row.passed) if self.mode == "strict" else 0
        refused = links["dropped_fragments"]
        if self.mode == "track":
            sent = dict(self.sent)
            first = [e for e in self.happened(JUDGED) if dissect(sent[e.index].packet).more]
            for name, count in (("tracked_datagrams", len(first)), ("table_full", 0),
                                ("later_fragments", len(self.happened(LATER))),
                                ("reassembled_fragments", len(self.happened(WAITS)))):
                self.wrong(name, count, links[name])
            expected = len(self.happened(REFUSED, FORGOTTEN))
            # Reassembly refuses some of the fragments that it gets.
            if expected < refused <= expected + len(self.happened(WAITS)):
                refused = expected
        self.wrong("fragments dropped by the link", expected, refused)
        return expected

    def check_log(self):
        expected = [self.row.log.format(self.env["CLIENT_IP4"])] if self.row.log else []
        if self.mode == "track" and not self.is_handed_over():
            expected = []
        self.wrong("kernel's log", expected, [text for text in self.said if "Oversized" in text])


def name_of(packet):
    """A short text for the bytes of a packet."""
    return f"{describe(dissect(packet))} crc32 {zlib.crc32(packet):08x}"


def plan():
    """(mode, hook, row, order) of every result."""
    for mode in MODES:
        for hook in ("forward", "prerouting", "output"):
            for row in ROWS:
                if row.hook != hook or mode not in row.modes:
                    continue
                for order in row.orders_of(mode):
                    yield mode, hook, row, order
                if row.deniable and mode != "plain":
                    yield mode, hook, row, "denied"


def build(row, denied, env, cache={}):
    key = (row.name, row.families, denied)
    if key not in cache:
        cache[key] = Builder(row.families[0], env, DENIED_DPORT if denied else DPORT)
        row.build(cache[key])
    return cache[key]


def main():
    if len(sys.argv) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    seed, failed = os.environ.get("NF_BPF_SEED", "1"), 0
    results = list(plan())
    print(f"TAP version 13\n1..{len(results)}")
    print(f"# figure: seed {seed}, {len({r.number for r in ROWS})} rows of the list, "
          f"{len(ROWS)} cases", flush=True)
    router, sent, ran = Router(os.environ, sys.argv[1]), 0, 0
    only = os.environ.get("NF_BPF_CASE", "")
    for number, (mode, hook, row, order) in enumerate(results, 1):
        name = f"case_{row.number:02}_{row.name}_ipv{row.families[0]}_{mode}_{order}"
        if only not in name:
            print(f"ok {number} {name} # SKIP not NF_BPF_CASE")
            continue
        ran += 1
        if (router.mode, router.hook) != (mode, hook):
            router.attach(mode, hook)
        run = Run(router, row, order, seed, build(row, order == "denied", os.environ))
        try:
            problems = run.go()
        except (WireError, OSError, Unreadable, subprocess.CalledProcessError) as error:
            problems = [f"{type(error).__name__}: {error}"]
        sent += len(run.sent)
        for problem in problems:
            print(f"# {problem}")
        failed += bool(problems)
        print(f"{'not ok' if problems else 'ok'} {number} {name}", flush=True)
    print(f"# figure: {sent} packets sent")
    if not ran:
        print(f"# NF_BPF_CASE={only}: no case has such a name")
    return 1 if failed or not ran else 0


if __name__ == "__main__":
    sys.exit(main())
