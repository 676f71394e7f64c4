"""Compare Steepest with its peers, in time to the same result.

python benchmarks                                       # the quick set
python benchmarks --full                                # everything
python benchmarks --tasks gd-linear --sizes 1000x10 1000000x32:F:float32 --peers steepest numpy
python benchmarks --memory                              # peak memory of a fit beside its data
"""

from __future__ import annotations

import argparse
import os

THREADS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMBA_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "RAYON_NUM_THREADS",
    "STEEPEST_NUM_THREADS",
)


def main() -> None:
    options = parse()
    limit_threads(options.threads)
    # Libraries read the number of threads when they are loaded.
    from run import run

    run(options)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    extent = parser.add_mutually_exclusive_group()
    extent.add_argument("--quick", action="store_true", help="few sizes and rounds (the default)")
    extent.add_argument("--full", action="store_true", help="all sizes, layouts and dtypes")
    parser.add_argument("--tasks", nargs="+", metavar="TASK", help="tasks, by name")
    parser.add_argument("--sizes", nargs="+", metavar="SIZE", help="such as 1000x10 or 1000000x32:F:float32")
    parser.add_argument("--peers", nargs="+", metavar="PEER", help="libraries, by name")
    parser.add_argument("--rounds", type=int, help="runs of each contender (quick: 5, full: 9)")
    parser.add_argument(
        "--budget", type=float, help="seconds a contender may spend on one problem (quick: 2, full: 30)"
    )
    parser.add_argument("--threads", type=int, default=available(), help="threads for everyone (default: all cores)")
    parser.add_argument("--memory", action="store_true", help="measure peak memory instead of time")
    parser.add_argument("--markdown", action="store_true", help="print tables for the README as well")
    parser.add_argument("--output", default=os.path.join(os.path.dirname(__file__), "results"), help="a folder")
    return parser.parse_args()


def available() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def limit_threads(count: int) -> None:
    """Give every library as many threads, and no more cores than that."""
    os.environ.update(dict.fromkeys(THREADS, str(count)))
    eigen = "true" if count > 1 else "false"
    os.environ["XLA_FLAGS"] = f"--xla_cpu_multi_thread_eigen={eigen} intra_op_parallelism_threads={count}"
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:count])


if __name__ == "__main__":
    main()
