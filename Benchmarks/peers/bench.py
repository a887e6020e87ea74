#!/usr/bin/env python3
"""Our runner and the peers in turns, on one machine in one run, and one table of both (`make bench-peers`).

Every round runs each workload's sides one after the other, in new processes; which side is first alternates. The table
has the median over the rounds of the sides' medians, by the clock and by processor time: on a machine that does
other things besides, the latter is the fairer one for one thread.
"""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
OURS = "NODECore"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runner", required=True, help="nde-bench")
    parser.add_argument("--workloads", nargs="*", default=["w1", "w2", "w3", "w4", "w5", "w6", "w7", "w8"])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--no-compile", action="store_true", help="leave torch.compile out")
    parser.add_argument("--out", default="Benchmarks/runs/peers")
    chosen = parser.parse_args()
    processors = sorted(os.sched_getaffinity(0))[-chosen.threads:]
    environment = {k: v for k, v in os.environ.items() if k not in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")}
    before = os.getloadavg()[0]
    results, text = [], ""
    with tempfile.TemporaryDirectory() as inputs:
        subprocess.run([chosen.runner, "workloads", *chosen.workloads, "--export", inputs], check=True, env=environment)
        for turn in range(chosen.rounds):
            for workload in chosen.workloads:
                sides = [[chosen.runner, "workloads", workload, "--json"]]
                for script in sorted(HERE.glob(f"{workload}_*.py")):
                    sides.append([sys.executable, str(script), "--inputs", inputs]
                                 + (["--no-compile"] if chosen.no_compile else []))
                for side in sides if turn % 2 == 0 else reversed(sides):
                    command = side + ["--threads", str(chosen.threads), "--repeats", str(chosen.repeats)]
                    results += run(command, environment, processors)
                # After each workload, so that an interrupted run leaves a table too.
                text = write(summary(results), chosen, before)
    print("\n" + text + f"\npeers.json and peers.md are in {chosen.out}")


def run(command, environment, processors):
    """The JSON lines that a side prints. A side that fails is said, and the others go on."""
    name = pathlib.Path(command[1] if command[0] == sys.executable else command[0]).name
    print(f"... {name} {command[2] if name.startswith('nde') else ''}", file=sys.stderr, flush=True)
    done = subprocess.run(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        preexec_fn=lambda: os.sched_setaffinity(0, processors))
    if done.returncode != 0:
        print(f"{name} ended with {done.returncode}: {done.stderr[-2000:]}", file=sys.stderr)
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    for line in lines:
        line.setdefault("side", name)
    return lines


def summary(results):
    """One entry a (workload, variant, peer): medians over the rounds."""
    groups = {}
    for line in results:
        groups.setdefault((line["workload"], line["variant"], line["peer"]), []).append(line)
    merged = []
    for lines in groups.values():
        one = dict(lines[0])
        for key in ("median_ms", "cpu_ms", "peak_bytes", "floor_ms", "share_of_floor", "gflops", "peak_gflops"):
            values = [line[key] for line in lines if line.get(key) is not None]
            if values:
                one[key] = statistics.median(values)
        one["min_ms"], one["max_ms"] = min(l["min_ms"] for l in lines), max(l["max_ms"] for l in lines)
        one["rounds"] = len(lines)
        merged.append(one)
    return merged


def megabytes(count):
    return "-" if count is None else f"{count / 1e6:.1f}"


def ms(x):
    return f"{x:.3f}" if x < 10 else f"{x:.1f}"


def ourselves(mine):
    """Median, share of the floor by the clock and by processor time (that of all threads), memory."""
    by_clock = mine["floor_ms"] / mine["median_ms"]
    by_cpu = mine["floor_ms"] * mine["threads"] / mine["cpu_ms"]
    return [ms(mine["median_ms"]), f"{100 * by_clock:.0f} %", f"{100 * by_cpu:.0f} %",
            megabytes(mine["planned_bytes"])]


def table(entries):
    head = ["workload", "variant", "ours, ms", "of the floor", "by cpu", "ours, MB", "peer", "its ms", "its MB", "times", "times, cpu"]
    rows, remarks = [], []
    ours = {(e["workload"], e["variant"]): e for e in entries if e["peer"] == OURS}
    for key, mine in ours.items():
        peers = sorted(
            (e for e in entries if (e["workload"], e["variant"]) == key and e["peer"] != OURS),
            key=lambda e: e["median_ms"])
        if not peers:
            rows.append([*key, *ourselves(mine), "-", "-", "-", "-", "-"])
        for place, peer in enumerate(peers):
            first = place == 0
            rows.append([
                *((*key, *ourselves(mine)) if first else [""] * 6), peer["peer"], ms(peer["median_ms"]),
                megabytes(peer["peak_bytes"]), f"{peer['median_ms'] / mine['median_ms']:.2f}",
                f"{peer['cpu_ms'] / mine['cpu_ms']:.2f}"])
            # Adaptive solves and sums in another order differ; other mathematics would differ more.
            if "check" in peer and abs(peer["check"] - mine["check"]) > 0.02 * max(abs(mine["check"]), 1e-3):
                remarks.append(f"{key[0]} {key[1]}: {peer['peer']} computes {peer['check']:.6g}, we {mine['check']:.6g}")
    return head, rows, remarks


def aligned(head, rows, markdown):
    widths = [max(len(row[i]) for row in [head] + rows) for i in range(len(head))]
    text = {0, 1, 6}
    line = lambda row: [c.ljust(w) if i in text else c.rjust(w) for i, (c, w) in enumerate(zip(row, widths))]  # noqa: E731
    if not markdown:
        return "\n".join("  ".join(line(row)) for row in [head] + rows)
    rule = ["-" * w if i in text else "-" * (w - 1) + ":" for i, w in enumerate(widths)]
    return "\n".join("| " + " | ".join(row) + " |" for row in [line(head), rule] + [line(row) for row in rows])


def write(entries, chosen, load):
    """peers.json and peers.md; returns the table for a terminal."""
    head, rows, remarks = table(entries)
    mine = next((e for e in entries if e["peer"] == OURS), None)
    versions = sorted({e["version"] for e in entries if e["peer"] != OURS})
    after = os.getloadavg()[0]
    busy = load > 0.5 * chosen.threads
    notes = [
        f"{mine['version'] if mine else 'our side did not run'}; fused-multiply-add peak of one thread "
        f"{mine['peak_gflops']:.0f} GFLOP/s" if mine else "our side did not run",
        "peers: " + "; ".join(versions),
        f"{chosen.threads} thread(s), {chosen.rounds} rounds of {chosen.repeats} repeats, sides in turns; "
        f"load average {load:.1f} before, {after:.1f} after" + (" (not a quiet machine)" if busy else ""),
        "ours: memory is what the program plans, peers': growth of the resident peak while timed; times: peer / ours",
    ]
    out = pathlib.Path(chosen.out)
    out.mkdir(parents=True, exist_ok=True)
    (out / "peers.json").write_text(json.dumps(
        {"threads": chosen.threads, "load": [load, after], "notes": notes, "remarks": remarks, "results": entries},
        indent=1, sort_keys=True) + "\n")
    (out / "peers.md").write_text(
        "# Peers\n\n" + "\n".join(f"* {n}" for n in notes) + "\n\n" + aligned(head, rows, True) + "\n"
        + "".join(f"\nDifferent results: {remark}\n" for remark in remarks))
    return "\n".join(notes) + "\n\n" + aligned(head, rows, False) + "\n" + "".join(
        f"different results: {remark}\n" for remark in remarks)


if __name__ == "__main__":
    main()
