#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""The traffic of scripts/check-install.sh.

traffic.py client|server

The client sends UDP datagrams of two or three fragments, over IPv4 and IPv6, all the time. Those
to port 5300 are allowed ("A"), those to port 5301 are forbidden ("F"). /run/check/sent has a line
for each: "A4 17" is the 17th allowed one over IPv4. The server writes the same lines into
/run/check/received, and into /run/check/leaked a line for each frame of a forbidden datagram.
Each byte of a datagram behind its head says what it is, so that each fragment does.
"""

import os
import select
import socket
import sys
import time

DIRECTORY = "/run/check/"
PORTS = {"A": 5300, "F": 5301}
SERVER = {"4": "198.51.100.2", "6": "2001:db8:2::2"}
FAMILIES = {"4": socket.AF_INET, "6": socket.AF_INET6}
SIZE = 2500
INTERVAL = 0.02
MTU_DISCOVER_DONT = 0   # IP_PMTUDISC_DONT: the sender makes fragments
IP_MTU_DISCOVER = 10
PACKET_OUTGOING = 4
ETH_P_ALL = 3
SO_RCVBUFFORCE = 33


def notify_ready():
    path = os.environ.get("NOTIFY_SOCKET")
    if path:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.sendto(b"READY=1", path.replace("@", "\0", 1))


def client():
    sockets = {name: socket.socket(family, socket.SOCK_DGRAM)
               for name, family in FAMILIES.items()}
    sockets["4"].setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, MTU_DISCOVER_DONT)
    number = 0
    with open(DIRECTORY + "sent", "w", buffering=1) as sent:
        notify_ready()
        while True:
            number += 1
            for family, sock in sockets.items():
                for kind, port in PORTS.items():
                    text = f"{kind}{family} {number}"
                    data = f"{text}\n".encode().ljust(SIZE, kind.encode())
                    try:
                        sock.sendto(data, (SERVER[family], port))
                    except OSError:
                        continue
                    sent.write(text + "\n")
            time.sleep(INTERVAL)


def watch_wire():
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 1 << 26)
    sock.bind(("eth0", ETH_P_ALL))
    return sock


def server():
    wire = watch_wire()
    sockets = [wire]
    for name, family in FAMILIES.items():
        sock = socket.socket(family, socket.SOCK_DGRAM)
        sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 1 << 26)
        sock.bind((SERVER[name], PORTS["A"]))
        sockets.append(sock)
    with open(DIRECTORY + "received", "w", buffering=1) as received, \
            open(DIRECTORY + "leaked", "w", buffering=1) as leaked:
        notify_ready()
        while True:
            for sock in select.select(sockets, [], [])[0]:
                data, address = sock.recvfrom(65536)
                if sock is not wire:
                    received.write(data.split(b"\n", 1)[0].decode() + "\n")
                elif address[2] != PACKET_OUTGOING and len(data) > 500 and data[-1:] == b"F":
                    leaked.write("F" + ("4" if data[12:14] == b"\x08\0" else "6") + "\n")


if __name__ == "__main__":
    {"client": client, "server": server}[sys.argv[1]]()
