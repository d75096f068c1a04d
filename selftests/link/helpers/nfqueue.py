#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
#
# Accepts the packets of an NFQUEUE, so that they continue in the context of this process.
#
#   nfqueue.py QUEUE [GO]    prints "bound", then "accepted" for each packet
#
# With the FIFO GO, it prints "queued" for a packet and waits for a writer of GO before it
# accepts the packet. If the packet has left the queue by then, it prints "gone".
#
# Messages and attributes are those of linux/netfilter/nfnetlink_queue.h.

import errno
import socket
import struct
import sys

NETLINK_NETFILTER = 12
SUBSYS_QUEUE = 3
MSG_PACKET, MSG_VERDICT, MSG_CONFIG = 0, 1, 2
CFG_CMD, CFG_PARAMS = 1, 2
CMD_BIND = 1
COPY_META = 1
PACKET_HDR, VERDICT_HDR = 1, 2
REQUEST, ACK = 1, 4
NLMSG_ERROR = 2
NF_ACCEPT = 1


def message(kind, flags, queue, *attributes):
    body = struct.pack(">BBH", socket.AF_UNSPEC, 0, queue)
    for number, value in attributes:
        body += struct.pack("=HH", 4 + len(value), number) + value
        body += bytes(-len(value) % 4)
    return struct.pack("=IHHII", 16 + len(body), SUBSYS_QUEUE << 8 | kind, flags, 0, 0) + body


def configure(netlink, queue, attribute, value):
    netlink.send(message(MSG_CONFIG, REQUEST | ACK, queue, (attribute, value)))
    kind, error = struct.unpack_from("=4xH10xi", netlink.recv(65536))
    if kind != NLMSG_ERROR or error:
        sys.exit(f"nfqueue.py: queue {queue}: {-error}")


def packet_id(data):
    at = 20
    while at < len(data):
        length, number = struct.unpack_from("=HH", data, at)
        if number == PACKET_HDR:
            return data[at + 4:at + 8]
        at += (length + 3) & ~3
    sys.exit("nfqueue.py: a packet without a number")


def main():
    queue = int(sys.argv[1])
    netlink = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER)
    netlink.bind((0, 0))
    configure(netlink, queue, CFG_CMD, struct.pack(">BBH", CMD_BIND, 0, 0))
    configure(netlink, queue, CFG_PARAMS, struct.pack(">IB", 0, COPY_META))
    print("bound", flush=True)
    while True:
        data = netlink.recv(65536)
        kind, error = struct.unpack_from("=4xH10xi", data)
        if kind == NLMSG_ERROR:
            print("gone" if -error == errno.ENOENT else f"error {-error}", flush=True)
            continue
        number = packet_id(data)
        if len(sys.argv) > 2:
            print("queued", flush=True)
            with open(sys.argv[2], encoding="ascii") as go:
                go.read()
        netlink.send(message(MSG_VERDICT, REQUEST, queue,
                             (VERDICT_HDR, struct.pack(">I", NF_ACCEPT) + number)))
        print("accepted", flush=True)


main()
