# SPDX-License-Identifier: GPL-2.0
"""The traffic of the demo: large DNS, and exfiltration by large UDP datagrams."""

import random
import re
import socket
import struct
import subprocess

from flows import fold
from packets import ECHO_REPLY, UDP, echo_request, fragments, udp
from wire import bind_udp, enter_netns

DNS_PORT, EXFILTRATION_PORT = 53, 9999
TCP_PORTS = (23, 80)
LARGE_NAME = "large.example"

EXFILTRATION_BYTES = 4096
QUERY_PADDING = 3600
# No router creates these sizes by itself, so they show whether it re-fragments.
UNEVEN_SIZES = [1400, 480, 8, 992]
SHAPES = ("in order", "reversed", "bare later")


def families(env):
    """Address families of the router: 4, and 6 if the kernel has IPv6."""
    return [int(family) for family in env["ROUTER_FAMILIES"].split()]


class Traffic:
    """The client and server of one address family, on both wires."""

    def __init__(self, wires, env, family):
        self.wires, self.env, self.family = wires, env, family
        self.client = env[f"CLIENT_IP{family}"]
        self.server = env[f"SERVER_IP{family}"]
        # The largest data that fits the MTU and is a multiple of 8.
        self.mtu_data = 1480 if family == 4 else 1448
        self.ident = random.randrange(1, 1 << 15)
        self.sinks = [bind_udp(env["NS_SERVER"], self.server, EXFILTRATION_PORT)]

    def fragments(self, datagram, sizes):
        self.ident += 1
        return fragments(self.client, self.server, UDP, datagram, sizes, self.ident)

    def large_dns(self, seconds=3):
        """Queries 3.5 KB with dig; returns the size of the answer, or None."""
        enter_netns(self.env["NS_CLIENT"])
        dig = subprocess.run(
            ["dig", f"@{self.server}", LARGE_NAME, "TXT", "+bufsize=4096", "+notcp",
             "+ignore", "+tries=1", f"+time={seconds}", "+noall", "+comments", "+stats"],
            capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
        self.wires.settle()
        size = re.search(r"MSG SIZE +rcvd: (\d+)", dig.stdout)
        if dig.returncode == 0 and size and "status: NOERROR" in dig.stdout:
            return int(size[1])
        # 9 is "no reply from server". The router cannot cause another status.
        if dig.returncode != 9:
            raise RuntimeError(f"dig: @{self.server}: exit status {dig.returncode}: "
                               + (dig.stdout + dig.stderr).strip())
        return None

    def ping(self):
        """Pings the server; returns whether its answer came back."""
        request = echo_request(self.client, self.server, random.randrange(1 << 16))
        self.wires.send(self.wires.client, [request])
        self.wires.settle()
        return any(s.wire == "client" and not s.to_router and s.packet
                   and ECHO_REPLY.get(s.packet.proto) == s.packet.data[0]
                   for s in self.wires.seen)

    def connect(self):
        """Begins a TCP connection to each of two ports, where the server has nothing."""
        enter_netns(self.env["NS_CLIENT"])
        family = socket.AF_INET if self.family == 4 else socket.AF_INET6
        clients = [socket.socket(family, socket.SOCK_STREAM) for _ in TCP_PORTS]
        for client, port in zip(clients, TCP_PORTS):
            client.setblocking(False)
            client.connect_ex((self.server, port))
        self.wires.settle()
        for client in clients:
            client.close()

    def padded_query(self):
        """Sends a padded query (RFC 7830) in uneven fragments; returns its port."""
        sport = random.randrange(20000, 30000)
        self.sinks.append(bind_udp(self.env["NS_CLIENT"], self.client, sport))
        query = udp(self.client, self.server, sport, DNS_PORT, padded_query())
        self.wires.send(self.wires.client, self.fragments(query, UNEVEN_SIZES))
        self.wires.settle()
        if self.reached(sport, DNS_PORT, to_router=False):
            # The next measurement must not see nsd's answer.
            self.wires.wait(lambda: self.reached(DNS_PORT, sport, to_router=True), 5)
            self.wires.settle()
        return sport

    def reached(self, sport, dport, to_router):
        """Whether a whole datagram with these ports was on the server's wire."""
        flows = fold([s for s in self.wires.seen if s.packet and s.wire == "server"])
        for flow in flows.values():
            if (flow.sport, flow.dport) == (sport, dport):
                side = flow.into if to_router else flow.out
                return any(d.whole for d in side.datagrams.values())
        return False

    def exfiltrate(self):
        """Sends a datagram in every shape, filled with the token of its shape."""
        for shape in SHAPES:
            payload = token(shape) * (EXFILTRATION_BYTES // 8)
            packets = self.fragments(
                udp(self.client, self.server, 40000 + SHAPES.index(shape),
                    EXFILTRATION_PORT, payload), [self.mtu_data])
            if shape == "reversed":
                packets.reverse()
            elif shape == "bare later":
                del packets[0]
            self.wires.send(self.wires.client, packets)
        self.wires.settle()


def token(shape):
    """Eight bytes, so that no fragment begins or ends inside a token."""
    return b"exfil-%02d" % SHAPES.index(shape)


def padded_query():
    name = b"".join(bytes([len(p)]) + p.encode() for p in LARGE_NAME.split("."))
    question = name + b"\0" + struct.pack("!HH", 6, 1)      # SOA, IN
    option = struct.pack("!HH", 12, QUERY_PADDING) + bytes(QUERY_PADDING)
    opt = b"\0" + struct.pack("!HHIH", 41, 4096, 0, len(option)) + option
    header = struct.pack("!HHHHHH", random.randrange(1 << 16), 0, 1, 0, 0, 1)
    return header + question + opt
