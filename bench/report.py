#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Write tables, CSV, JSON and plots from the lines that the guests printed.

Usage: bench/report.py DIR
       bench/report.py --page DOC

Reads DIR/figures. bench/guest.sh, cache.sh and scaling.sh describe its lines. With --page
the program reads DOC/<base>/figures.json of all bases, and writes the page figures.rst
and the plot bases.svg.
"""

import csv
import glob
import json
import os
import re
import statistics
import subprocess
import sys
from typing import NamedTuple

BASELINE = "nothing"
MAINLINE = "mainline-"


def baseline_of(case: str) -> str:
    """The case to which the figures of a case are compared: each kernel has its own."""
    return MAINLINE + BASELINE if case.startswith(MAINLINE) else BASELINE



class Traffic(NamedTuple):
    family: int
    order: str
    size: int


class Cost(NamedTuple):
    """Instructions (or nanoseconds) per packet, or per datagram if it is fragmented."""
    case: str
    traffic: Traffic
    count: int
    each: float
    added: float


class Figures(NamedTuple):
    about: dict[str, str]
    texts: dict[str, str]
    costs: list[Cost]
    clock: list[Cost]
    memory: list[list[int]]
    cache: list[list]
    scaling: dict[str, list[float]]


def to_costs(lines: list[list[str]]) -> list[Cost]:
    """Costs with their difference to the same traffic without a policy."""
    costs = []
    baseline: dict[tuple[str, Traffic], float] = {}
    for case, family, order, size, count, total in lines:
        traffic = Traffic(int(family), order, int(size))
        each = int(total) / int(count)
        if case == baseline_of(case):
            baseline[case, traffic] = each
        costs.append(Cost(case, traffic, int(count), each,
                          each - baseline[baseline_of(case), traffic]))
    return costs


def read_figures(path: str) -> Figures:
    kinds: dict[str, list[list[str]]] = {}
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            kind, *fields = line.rstrip("\n").split("\t")
            kinds.setdefault(kind, []).append(fields)
    scaling: dict[str, list[float]] = {}
    for case, _, one, two in kinds.get("scaling", []):
        scaling.setdefault(case, []).append(2 * int(one) / int(two))
    return Figures(
        about=dict(kinds.get("about", [])), texts=dict(kinds.get("case", [])),
        costs=to_costs(kinds.get("instructions", [])), clock=to_costs(kinds.get("ns", [])),
        memory=[[int(field) for field in fields] for fields in kinds.get("memory", [])],
        cache=[[int(f) if f.isdigit() else f for f in fields]
               for fields in kinds.get("cache", [])],
        scaling=scaling)


def figures_of_json(path: str) -> Figures:
    """Figures that write_json() wrote."""
    with open(path, encoding="utf-8") as file:
        data = json.load(file)

    def costs(rows: list[dict]) -> list[Cost]:
        return [Cost(row["case"], Traffic(row["family"], row["traffic"], row["bytes"]),
                     row["count"], row["each"], row["added"]) for row in rows]

    return Figures(
        about=data["about"], texts=data["cases"], costs=costs(data["instructions"]),
        clock=costs(data["ns"]), memory=[[*row.values()] for row in data["memory"]],
        cache=[[*row.values()] for row in data["cache"]], scaling=data["scaling"])


# --- tables -----------------------------------------------------------------

class Table(NamedTuple):
    title: str
    head: list[str]
    rows: list[list[str]]


UDP, LAST = Traffic(4, "udp", 124), Traffic(4, "last", 124)
FRAGMENTS = Traffic(4, "in-order", 4096)
PACKETS = {UDP: "first field", LAST: "last field", FRAGMENTS: "3 fragments"}


def added(figures: Figures) -> dict[tuple[str, Traffic], Cost]:
    return {(cost.case, cost.traffic): cost for cost in figures.costs}


def packet_table(figures: Figures) -> Table:
    at = UDP
    costs = [cost for cost in figures.costs if cost.traffic == at]
    measured = {cost.case for cost in costs}
    costs += [cost for cost in figures.costs if cost.traffic == Traffic(4, "frames", 124)
              and cost.case not in measured]
    clock = {cost.case: cost for cost in figures.clock if cost.traffic == at}
    rule = added(figures).get(("nft-1", at))
    head = ["case", "policy", "instructions", "added"]
    head += ["of nft-1"] if rule else []
    head += ["ns", "ns added"] if clock else []
    rows = []
    for cost in costs:
        row = [cost.case, figures.texts[cost.case], f"{cost.each:.1f}", f"{cost.added:.1f}"]
        row += [f"{cost.added / rule.added:.2f}"] if rule else []
        if clock:
            row += [f"{clock[cost.case].each:.0f}", f"{clock[cost.case].added:.0f}"]
        rows.append(row)
    return Table("UDP over IPv4, packets of 124 bytes", head, rows)


def pivot(figures: Figures, title: str, traffics: list[tuple[str, Traffic]]) -> Table:
    """Added instructions, and all instructions of the baseline. Empty rows are left out."""
    have = added(figures)
    columns = [(head, at) for head, at in traffics if (BASELINE, at) in have]
    rows = []
    for case in figures.texts:
        row = []
        for _, at in columns:
            cost = have.get((case, at))
            figure = cost and (cost.each if case == baseline_of(case) else cost.added)
            row.append("" if figure is None else f"{figure:.1f}")
        # The first table has the cases with one traffic only.
        if sum(bool(cell) for cell in row) > 1 or len(columns) == 1 and any(row):
            rows.append([case if case != baseline_of(case) else f"{case} (all)", *row])
    return Table(title, ["case", *[head for head, _ in columns]], rows)


def traffic_table(figures: Figures) -> Table:
    traffics = [(f"UDP/IPv4 {size}", Traffic(4, "udp", size)) for size in (64, 124, 512, 1500)]
    traffics += [("TCP/IPv4 1500", Traffic(4, "tcp", 1500)),
                 ("UDP/IPv6 124", Traffic(6, "udp", 124)),
                 ("last field/IPv4 124", Traffic(4, "last", 124)),
                 ("last field/IPv6 124", Traffic(6, "last", 124)),
                 ("packet socket/IPv4 124", Traffic(4, "frames", 124)),
                 ("packet socket/IPv6 124", Traffic(6, "frames", 124))]
    return pivot(figures, "Other packets, added instructions", traffics)


class Target(NamedTuple):
    case: str
    compared: str
    traffic: Traffic
    limit: float


TARGETS = [Target("bpf-accept", "mainline-accept", UDP, 0.75),
           Target("bpf-tuple", "mainline-dynptr", UDP, 0.45),
           Target("bpf-tuple", "nft-1", LAST, 0.40),
           Target("bpf-tuple", "iptables-1", LAST, 0.40),
           Target("bpf-tuple", "tcx-tuple", UDP, 0.55)]


def target_table(figures: Figures) -> Table:
    """The targets of which both figures were measured."""
    have = added(figures)
    rows = []
    for case, compared, traffic, limit in TARGETS:
        ours, other = have.get((case, traffic)), have.get((compared, traffic))
        if ours and other:
            ratio = ours.added / other.added
            rows.append([case, compared, PACKETS[traffic], f"{ours.added:.1f}",
                         f"{other.added:.1f}", f"{ratio:.3f}", f"{limit:.2f}",
                         "yes" if ratio <= limit else "no"])
    return Table("Targets", ["case", "compared with", "packets", "added", "added there",
                             "ratio", "at most", "met"], rows)


# Rows of the table and the plot of all bases: the policy, our case and mainline's.
COMPARED = {
    UDP: [("no policy (all)", "nothing", "mainline-nothing"),
          ("empty hook in C", "floor", ""),
          ("accept", "bpf-accept", "mainline-accept"),
          ("accept, defrag", "bpf-accept-defrag", "mainline-accept-defrag"),
          ("one flow: packet pointers", "bpf-tuple", ""),
          ("one flow: skb dynptr", "bpf-dynptr", "mainline-dynptr"),
          ("one flow: portable parser", "bpf-portable", "mainline-portable"),
          ("one flow: tcx", "tcx-tuple", ""), ("one flow: tc clsact", "tc-tuple", ""),
          ("one flow: nft", "nft-1", "mainline-nft-1"),
          ("one flow: iptables", "iptables-1", "mainline-iptables-1"),
          ("100,000 flows: hash", "bpf-hash-100k", ""),
          ("100,000 flows: nft", "nft-set-100k", ""),
          ("100,000 flows: ipset", "iptables-set-100k", "")],
    LAST: [("one flow: packet pointers", "bpf-tuple", ""),
           ("one flow: skb dynptr", "bpf-dynptr", "mainline-dynptr"),
           ("one flow: portable parser", "bpf-portable", "mainline-portable"),
           ("one flow: tcx", "tcx-tuple", ""), ("one flow: tc clsact", "tc-tuple", ""),
           ("one flow: nft", "nft-1", "mainline-nft-1"),
           ("one flow: iptables", "iptables-1", "mainline-iptables-1")],
    FRAGMENTS: [("no policy, no defrag (all)", "nothing", "mainline-nothing"),
                ("accept, defrag", "bpf-accept-defrag", "mainline-accept-defrag"),
                ("one flow, defrag", "bpf-tuple-defrag", "mainline-dynptr-defrag"),
                ("one flow: nft, conntrack", "nft-1-conntrack", "")],
}


def bases_table(bases: dict[str, Figures]) -> Table:
    """The same policies on all bases, and on mainline's kernels of those that have one."""
    have = {base: added(figures) for base, figures in bases.items()}
    columns = [(base, 1) for base in bases]
    columns += [(base, 2) for base in bases
                if any(case.startswith(MAINLINE) for case, _ in have[base])]
    rows = []
    for traffic, policies in COMPARED.items():
        for policy in policies:
            row = [policy[0], PACKETS[traffic]]
            for base, which in columns:
                cost = have[base].get((policy[which], traffic))
                figure = cost and (cost.each if "(all)" in policy[0] else cost.added)
                row.append("" if figure is None else f"{figure:.1f}")
            rows.append(row)
    return Table("All bases, added instructions per packet or datagram",
                 ["policy", "packets",
                  *[base + (" mainline" if which == 2 else "") for base, which in columns]],
                 rows)


ORDERS = ["in-order", "reversed", "interleaved-100", "interleaved-1000"]


def fragment_tables(figures: Figures) -> list[Table]:
    return [pivot(figures, f"Datagrams of {size} bytes over IPv{family} in fragments, "
                           "added instructions per datagram",
                  [(order, Traffic(family, order, size)) for order in ORDERS])
            for family in (4, 6) for size in (4096, 65400)]


def memory_table(figures: Figures) -> Table:
    return Table("Memory of IPv4 datagrams that wait for their last fragment",
                 ["bytes", "fragments", "datagrams", "memory", "each"],
                 [[*map(str, fields[1:]), str(fields[-1] // fields[-2])]
                  for fields in figures.memory])


def cache_table(figures: Figures) -> Table:
    rows = []
    for family, size, limit, offered, how, completed in figures.cache:
        sent = offered if how == "interleaved" else 100
        before = how if how == "interleaved" else "after as many that wait"
        rows.append([f"IPv{family}", str(size), str(limit), str(offered), before, str(sent),
                     str(completed)])
    return Table("As the cache fills", ["family", "bytes", "limit", "datagrams", "how",
                                        "whole ones sent", "completed"], rows)


def scaling_table(figures: Figures) -> Table:
    return Table("Packets of two processors, of one",
                 ["case", "ratio", "lowest", "highest", "rounds"],
                 [[case, f"{statistics.median(ratios):.2f}", f"{min(ratios):.2f}",
                   f"{max(ratios):.2f}", str(len(ratios))]
                  for case, ratios in figures.scaling.items()])


def tables(figures: Figures) -> list[Table]:
    every = [target_table(figures), packet_table(figures), traffic_table(figures), *fragment_tables(figures),
             memory_table(figures), cache_table(figures), scaling_table(figures)]
    return [table for table in every if table.rows]


def is_number(cell: str) -> bool:
    return re.fullmatch(r"-?[0-9.]*", cell) is not None


def format_table(table: Table) -> list[str]:
    """Lines of the table, with a line of "=" above and below, and after the head."""
    widths = [max(len(row[i]) for row in [table.head, *table.rows])
              for i in range(len(table.head))]
    right = [all(is_number(row[i]) for row in table.rows) for i in range(len(table.head))]
    border = "  ".join("=" * width for width in widths)
    lines = ["  ".join(cell.rjust(width) if numeric else cell.ljust(width)
                       for cell, width, numeric in zip(row, widths, right)).rstrip()
             for row in [table.head, *table.rows]]
    return [border, lines[0], border, *lines[1:], border]


def print_table(table: Table) -> None:
    lines = format_table(table)
    print(f"\n{table.title}\n", lines[1], *lines[3:-1], sep="\n")


# --- files ------------------------------------------------------------------

def write_csv(path: str, figures: Figures) -> None:
    with open(path, "w", encoding="ascii", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["case", "family", "traffic", "bytes", "count", "unit", "each", "added"])
        for unit, costs in (("instructions", figures.costs), ("ns", figures.clock)):
            for cost in costs:
                writer.writerow([cost.case, *cost.traffic, cost.count, unit,
                                 round(cost.each, 1), round(cost.added, 1)])


def write_json(path: str, figures: Figures) -> None:
    def rows(costs: list[Cost]) -> list[dict]:
        return [{"case": cost.case, "family": cost.traffic.family,
                 "traffic": cost.traffic.order, "bytes": cost.traffic.size,
                 "count": cost.count, "each": round(cost.each, 1),
                 "added": round(cost.added, 1)} for cost in costs]

    with open(path, "w", encoding="utf-8") as file:
        json.dump({"about": figures.about, "cases": figures.texts,
                   "instructions": rows(figures.costs), "ns": rows(figures.clock),
                   "memory": [dict(zip(("family", "bytes", "fragments", "datagrams", "memory"),
                                       row)) for row in figures.memory],
                   "cache": [dict(zip(("family", "bytes", "limit", "datagrams", "how",
                                       "completed"), row)) for row in figures.cache],
                   "scaling": {case: [round(ratio, 3) for ratio in ratios]
                               for case, ratios in figures.scaling.items()}},
                  file, indent=1)
        file.write("\n")


def write_data(path: str, series: dict[str, list[tuple[float, float]]]) -> None:
    """Writes a file for gnuplot: a block for each series, named by its first line."""
    with open(path, "w", encoding="ascii") as file:
        for name, points in series.items():
            if len(points) > 1:
                print(f'"{name}"', *[f"{x} {y:.1f}" for x, y in points],
                      sep="\n", end="\n\n\n", file=file)


def counted(figures: Figures, prefix: str) -> list[tuple[float, float]]:
    """Points (N, cost) of the cases PREFIX-N."""
    points = []
    for cost in figures.costs:
        match = re.fullmatch(re.escape(prefix) + r"-(\d+)(k?)", cost.case)
        if match and cost.traffic == UDP:
            points.append((int(match[1]) * (1000 if match[2] else 1), cost.added))
    return points


def write_plots(out: str, figures: Figures) -> None:
    write_data(f"{out}/rules.dat", {
        "nft rules": counted(figures, "nft"), "iptables rules": counted(figures, "iptables"),
        "nft set": counted(figures, "nft-set"), "ipset": counted(figures, "iptables-set"),
        "netfilter BPF hash": counted(figures, "bpf-hash")})
    accept = [(1, cost.added) for cost in figures.costs
              if cost.case == "bpf-accept" and cost.traffic == UDP]
    write_data(f"{out}/programs.dat", {
        "netfilter BPF accept": accept + counted(figures, "bpf-accept")})
    main = dict.fromkeys(cost.case for cost in figures.costs
                         if cost.traffic == Traffic(4, "udp", 512))
    write_data(f"{out}/sizes.dat", {
        case: sorted((cost.traffic.size, cost.added) for cost in figures.costs
                     if cost.case == case and cost.traffic[:2] == (4, "udp"))
        for case in main if case != BASELINE})
    write_data(f"{out}/fragments.dat", {
        case: [(ORDERS.index(cost.traffic.order), cost.added) for cost in figures.costs
               if cost.case == case and cost.traffic[::2] == (4, 4096)]
        for case in figures.texts if case != BASELINE})
    draw_plots(out)


def draw_plots(out: str) -> None:
    subprocess.run(["gnuplot", "-e", f"dir='{out}'",
                    os.path.join(os.path.dirname(__file__), "plots.gp")], check=True)


def plot_bases(doc: str, table: Table) -> None:
    """Draws the rows of the table for single packets, without the sums."""
    rows = [row for row in table.rows if row[1] == PACKETS[UDP] and "(all)" not in row[0]]
    with open(f"{doc}/bases.dat", "w", encoding="ascii") as file:
        for row in [table.head, *rows]:
            cells = [row[0], *row[2:]]
            print(*[f'"{cell}"' if not cell or not is_number(cell) or row is table.head
                    else cell for cell in cells], file=file)
    draw_plots(doc)
    os.remove(f"{doc}/bases.dat")


def heading(text: str, mark: str) -> str:
    return f"\n{text}\n{mark * len(text)}\n"


def write_page(doc: str, bases: dict[str, Figures]) -> None:
    """Writes the page of all bases: what they have in common, then each run."""
    compared = bases_table(bases)
    plot_bases(doc, compared)
    with open(f"{doc}/figures.rst", "w", encoding="utf-8") as file:
        def write(*lines: str) -> None:
            print(*lines, sep="\n", file=file)

        write(".. SPDX-License-Identifier: GPL-2.0", ".. Written by make bench-doc",
              heading("Figures of make bench", "="),
              "`bench.rst <../bench.rst>`_ says how, and what it cannot show. It also",
              "describes the cases and the packets.", "",
              ".. contents::", "   :local:", "   :depth: 1", heading(compared.title, "="),
              "Packets of UDP over IPv4, 124 bytes, differ from the listed flow in their",
              "first or in their last field. A datagram of 4,096 bytes has 3 fragments, which",
              "arrive in order.", "", *format_table(compared), "", ".. image:: bases.svg")
        for base, figures in bases.items():
            write(heading(f"Linux {base}", "="),
                  *[f":{key}: ``{value}``" for key, value in figures.about.items()])
            for table in tables(figures):
                write(heading(table.title, "-"), *format_table(table))
            write(heading("Plots", "-"))
            for name in ("rules", "programs", "sizes", "fragments"):
                write(f".. image:: {base}/{name}.svg", "")


def bases_in(doc: str) -> dict[str, Figures]:
    paths = glob.glob(f"{doc}/*/figures.json")
    names = [os.path.basename(os.path.dirname(path)) for path in paths]
    found = sorted(zip(names, paths),
                   key=lambda base: [int(part) for part in base[0].split(".")])
    return {name: figures_of_json(path) for name, path in found}


def main() -> None:
    if len(sys.argv) == 3 and sys.argv[1] == "--page":
        write_page(sys.argv[2], bases_in(sys.argv[2]))
        return
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        sys.exit(__doc__)
    out = sys.argv[1]
    figures = read_figures(f"{out}/figures")
    write_csv(f"{out}/figures.csv", figures)
    write_json(f"{out}/figures.json", figures)
    write_plots(out, figures)
    for table in tables(figures):
        print_table(table)


main()
