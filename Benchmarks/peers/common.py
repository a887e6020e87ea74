"""What the peers' scripts share: options, inputs written by `nde-bench workloads --export`, timing, results.

Threads are set before anything else is imported: the process is bound to as many processors as there are threads, which
also holds for thread pools that have no setting of their own.
"""
import argparse
import ctypes
import json
import os
import pathlib
import statistics
import sys
import time


def options(description):
    """Parses the command line and binds the threads. Call it before importing a framework."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--inputs", required=True, help="folder that `nde-bench workloads --export` wrote")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--variants", nargs="*", default=[], help="only these")
    parser.add_argument("--no-compile", action="store_true", help="leave torch.compile out, whose warm-up is long")
    chosen = parser.parse_args()
    processors = sorted(os.sched_getaffinity(0))
    if len(processors) < chosen.threads:
        sys.exit(f"{chosen.threads} threads on {len(processors)} processors")
    os.sched_setaffinity(0, processors[-chosen.threads:])
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[name] = str(chosen.threads)
    # OpenBLAS's own choice, not a slower one that the environment may ask for.
    os.environ.pop("OPENBLAS_CORETYPE", None)
    return chosen


def load(inputs, workload):
    """The arrays of a workload by name."""
    import numpy
    files = sorted(pathlib.Path(inputs).glob(f"{workload}.*.npy"))
    if not files:
        sys.exit(f"{inputs} has no inputs of {workload}: run nde-bench workloads --export {inputs}")
    return {f.name[len(workload) + 1:-4]: numpy.load(f) for f in files}


def status(field):
    with open("/proc/self/status") as f:
        return next(int(line.split()[1]) * 1024 for line in f if line.startswith(field))


def reset_peak():
    """From here on VmHWM is a new peak; free memory that the allocator keeps goes back first, or what follows would hide
    in it."""
    ctypes.CDLL(None).malloc_trim(0)
    with open("/proc/self/clear_refs", "w") as f:
        f.write("5")


def measure(chosen, workload, variant, peer, version, run, check=None, **more):
    """Times `run` after two calls that are not timed (compilation, warm-up) and prints one JSON line.

    `check`: a number of the result, taken after the first call, that our side computes too.
    """
    if chosen.variants and variant not in chosen.variants:
        return
    run()
    more = {key: value() if callable(value) else value for key, value in more.items()}
    if check is not None:
        more["check"] = float(check())
    run()
    reset_peak()
    before = status("VmRSS")
    wall, processor = [], []
    for _ in range(chosen.repeats):
        start, cpu = time.perf_counter(), time.process_time()
        run()
        wall.append(1e3 * (time.perf_counter() - start))
        processor.append(1e3 * (time.process_time() - cpu))
    print(json.dumps({
        "workload": workload, "variant": variant, "peer": peer, "version": version, "threads": chosen.threads,
        "median_ms": statistics.median(wall), "min_ms": min(wall), "max_ms": max(wall),
        "cpu_ms": statistics.median(processor), "peak_bytes": max(0, status("VmHWM") - before), **more}), flush=True)
