#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Usage: report.py [--json] RESULTS

For demo.sh: prints the results of measure.py, a table for each family or JSON, and
compares them with the expected results. Exit status: 0, 1 if a result is not as
expected, 2 wrong use.
"""

import json
import os
import sys

from traffic import EXFILTRATION_BYTES, SHAPES, families

# The tables have this order.
ROUTERS = {
    "none": "no policy",
    "tc-accept": "tc, later fragments accepted",
    "tc-drop": "tc, later fragments dropped",
    "track": "netfilter BPF with track",
    "netfilter": "netfilter BPF with defrag",
}
# Mainline's kernels cannot do these.
OWN = () if os.environ.get("NF_BPF_PATCHED") else ("track",)
DNS_ANSWER_BYTES = 3400     # at least


def total(result, side, what):
    return sum(result["exfiltration"][shape][side][what] for shape in SHAPES)


def sizes_kept(result):
    """Whether sizes are kept; None if no fragmented datagram got through whole."""
    passed = [s for s in result["sizes"] if s["out"]]
    return all(out == s["in"] for s in passed for out in s["out"]) if passed else None


def row(result):
    cells = [ROUTERS[result["router"]],
             f"answered, {result['dns']} B" if result["dns"] else "timed out"]
    for shape in SHAPES:
        arrived = result["exfiltration"][shape]["arrived"]
        cells.append(f"{arrived['bytes']} / {arrived['fragments']}")
    cells.append(f"{total(result, 'arrived', 'bytes')} / "
                 f"{total(result, 'arrived', 'fragments')}")
    cells.append({True: "kept", False: "changed", None: "-"}[sizes_kept(result)])
    return cells


def print_table(family, results):
    sent = results[0]["exfiltration"]
    rows = [[f"IPv{family}", "large DNS", *SHAPES, "together", "fragment sizes"],
            ["sent by the client", "",
             *(f"{sent[s]['sent']['bytes']} / {sent[s]['sent']['fragments']}" for s in SHAPES),
             f"{total(results[0], 'sent', 'bytes')} / {total(results[0], 'sent', 'fragments')}",
             ""], *map(row, results)]
    widths = [max(map(len, column)) for column in zip(*rows)]
    rows.insert(1, ["-" * width for width in widths])
    for cells in rows:
        print("  ".join(c.ljust(w) for c, w in zip(cells, widths)).rstrip())
    print()


def print_sizes(results):
    print("Fragment sizes of the datagrams on port 53, into and out of the router "
          "(netfilter BPF):")
    for s in (s for r in results if r["router"] == "netfilter" for s in r["sizes"]):
        out = " or ".join("+".join(map(str, o)) for o in s["out"]) or "nothing whole"
        print(f"  {s['flow']}: {'+'.join(map(str, s['in']))} -> {out}")
    print()


def print_verdicts(results):
    print("Counters of the programs:")
    for r in results:
        if r["verdicts"]:
            counts = ", ".join(f"{n} {name}" for name, n in r["verdicts"].items())
            print(f"  {ROUTERS[r['router']]}, IPv{r['family']}: {counts}")
    print()


def expectations(r):
    """Tuples of name, expected value, measured value, and a condition or None."""
    exfiltration = r["exfiltration"]
    answered = ("a large DNS answer", f"at least {DNS_ANSWER_BYTES} bytes",
                r["dns"], lambda n: n is not None and n >= DNS_ANSWER_BYTES)
    arrived, fragments = (("exfiltrated " + what, total(r, "arrived", what))
                          for what in ("bytes", "fragments"))
    # "in order" and "reversed" have one first fragment each, "bare later" has none.
    later = total(r, "sent", "fragments") - 2
    later_bytes = sum(exfiltration["bare later"]["sent"]["bytes"] for _ in SHAPES)
    yield ("a ping answered", True, r["ping"], None)
    yield ("sent in order", EXFILTRATION_BYTES, exfiltration["in order"]["sent"]["bytes"], None)
    yield ("sent reversed", EXFILTRATION_BYTES, exfiltration["reversed"]["sent"]["bytes"], None)
    yield ("sent fragments", "more than 6", total(r, "sent", "fragments"), lambda n: n > 6)
    if r["router"] == "none":
        yield answered
        yield (arrived[0], total(r, "sent", "bytes"), arrived[1], None)
        yield (fragments[0], total(r, "sent", "fragments"), fragments[1], None)
    elif r["router"] == "tc-accept":
        yield answered
        yield (arrived[0], later_bytes, arrived[1], None)
        yield (fragments[0], later, fragments[1], None)
        yield ("first fragments dropped", 2, r["verdicts"]["dropped"], None)
    elif r["router"] == "tc-drop":
        yield ("a large DNS answer", None, r["dns"], None)
        yield (arrived[0], 0, arrived[1], None)
        yield ("later fragments dropped", f"at least {later}",
               r["verdicts"]["dropped as fragment"], lambda n: n >= later)
    else:
        yield answered
        yield (arrived[0], 0, arrived[1], None)
        yield (fragments[0], 0, fragments[1], None)
        yield ("fragment sizes kept", True, sizes_kept(r), None)
        yield ("fragmented datagrams through", 2, sum(len(s["out"]) for s in r["sizes"]), None)
        # The program sees each datagram once. Bare later fragments never reach it.
        yield ("datagrams dropped", 2, r["verdicts"]["dropped"], None)
        yield ("fragments seen by the program", 0, r["verdicts"]["dropped as fragment"], None)
        yield ("datagrams accepted", "some", r["verdicts"]["accepted"], lambda n: n > 0)


def failures(results):
    found = {(r["router"], r["family"]) for r in results}
    for router in ROUTERS:
        for family in families(os.environ):
            if (router, family) not in found and router not in OWN:
                yield f"{ROUTERS[router]}, IPv{family}: was not measured"
    for r in results:
        for what, expected, measured, condition in expectations(r):
            if not (condition(measured) if condition else measured == expected):
                yield (f"{ROUTERS[r['router']]}, IPv{r['family']}: {what}: "
                       f"expected {expected}, measured {measured}")


def main():
    arguments = sys.argv[1:]
    as_json = arguments[:1] == ["--json"]
    if len(arguments) != 1 + as_json:
        print(__doc__, file=sys.stderr)
        return 2
    with open(arguments[-1], encoding="utf-8") as lines:
        results = [json.loads(line) for line in lines]
    failed = list(failures(results))
    if as_json:
        print(json.dumps({"results": results, "failed": failed}, indent=2))
    elif results:
        for family in families(os.environ):
            print_table(family, [r for r in results if r["family"] == family])
        print_sizes(results)
        print_verdicts(results)
    for failure in failed:
        print(f"demo: {failure}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
