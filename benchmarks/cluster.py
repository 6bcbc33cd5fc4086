"""Starts on a cluster of Dask beside the built-in workers: CPU time, bytes, and what kills cost.

    python benchmarks/cluster.py overhead CONFIG... --starts 1000 --turns 3
    python benchmarks/cluster.py memory CONFIG... --starts 10000
    python benchmarks/cluster.py traffic CONFIG... --starts 1000
    python benchmarks/cluster.py kills CONFIG --starts 400 --kills 20
    python benchmarks/cluster.py schedulers CONFIG --starts 100 --kills 5

overhead: CPU seconds of this process and all that it started, with 2 workers each way, and what a cluster costs that
searches two starts only; turn about, and the median of the turns. memory: of client and scheduler, each a process of
its own, and of the built-in way, at each tenth of the starts. traffic: bytes and messages that client and scheduler
write, by Dask's own counts, for each start. kills: workers killed at random moments. schedulers: the cluster closed in
the middle of a fit, which is then resumed with a new one. Both compare the result with that of the built-in way, bit
for bit.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import signal
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from statistics import median
from typing import Any

import odefit
from odefit.runs.progress import Silent


def overrides(starts: int) -> list[str]:
    return ["fit.budget=null", f"fit.starts={starts}", "fit.screen=values", "fit.match=false"]


def one_way(config: str, starts: int, way: str) -> None:
    """In a process of its own: prints the CPU seconds, the best objective, and the memory in between."""
    memory = Memory(starts)
    run = odefit.fit(config, [*overrides(starts), way], progress=memory)
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    cpu = sum(one.ru_utime + one.ru_stime for one in used)
    print(json.dumps([cpu, run.result.objective.nll, memory.found]))


def measured(config: str, starts: int, way: str) -> list[Any]:
    words = [sys.executable, __file__, "one", config, "--starts", str(starts), "--way", way]
    found: list[Any] = json.loads(subprocess.run(words, capture_output=True, text=True, check=True).stdout)
    return found


def resident(pid: int | str = "self") -> int:
    """The memory of a process, MB."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * resource.getpagesize() // 1_000_000


class Memory(Silent):
    """Looks at the memory of this process at each tenth of the starts, and at that of a scheduler, if there is one."""

    def __init__(self, starts: int) -> None:
        self.every, self.found = max(starts // 10, 1), list[list[int]]()
        scheduler = os.environ.get("SCHEDULER")
        self.pids: list[str] = ["self"] if scheduler is None else ["self", scheduler]

    def start(self, finished: int, *_: Any) -> None:
        if finished % self.every == 0:
            self.found.append([resident(pid) for pid in self.pids])


def overhead(config: str, starts: int, turns: int) -> None:
    dask = "fit.cluster={dask: {workers: 2}}"
    shares, heres, constants, equal = list[float](), list[float](), list[float](), True
    for _ in range(turns):
        here, there = (measured(config, starts, way) for way in ("fit.workers=2", dask))
        constant = measured(config, 2, dask)[0] - measured(config, 2, "fit.workers=1")[0]
        shares.append((there[0] - constant) / here[0] - 1)
        heres.append(here[0])
        constants.append(constant)
        equal &= here[1] == there[1]
    each = ", ".join(f"{share:+.1%}" for share in sorted(shares))
    print(f"{config}: {starts} starts: built-in {median(heres):.1f} s of CPU; Dask {median(shares):+.1%} ({each})")
    print(f"  beside the {median(constants):.1f} s to start it; objectives equal: {equal}", flush=True)


def memory(config: str, starts: int) -> None:
    from distributed import Client

    here = measured(config, starts, "fit.workers=2")[2]
    words = [sys.executable, "-m", "dask"]
    with tempfile.TemporaryDirectory() as place:
        told = Path(place) / "scheduler.json"
        at = ["--scheduler-file", str(told), "--host", "127.0.0.1", "--no-dashboard"]
        scheduler = subprocess.Popen([*words, "scheduler", *at, "--port", "0"], stderr=subprocess.DEVNULL)
        at = ["--scheduler-file", str(told), "--host", "127.0.0.1", "--no-dashboard", "--nthreads", "1"]
        workers = [subprocess.Popen([*words, "worker", *at], stderr=subprocess.DEVNULL) for _ in range(2)]
        try:
            with Client(scheduler_file=str(told), set_as_default=False) as client:
                client.wait_for_workers(2)
                address = client.scheduler.address
            os.environ["SCHEDULER"] = str(scheduler.pid)
            there = measured(config, starts, f"fit.cluster={address}")[2]
        finally:
            del os.environ["SCHEDULER"]
            for process in (*workers, scheduler):
                process.terminate()
                process.wait()
    print(f"{config}: {starts} starts: MB at each tenth, of the built-in way: {', '.join(str(one[0]) for one in here)}")
    for k, what in enumerate(("the client", "the scheduler")):
        print(f"  of {what}: {', '.join(str(one[k]) for one in there)}")


def traffic(config: str, starts: int) -> None:
    from distributed.comm.tcp import TCP

    counts = [0, 0]

    async def counted(self: Any, *args: Any, genuine: Any = TCP.write, **kwargs: Any) -> Any:
        found = await genuine(self, *args, **kwargs)
        counts[0] += int(found)
        counts[1] += 1
        return found

    TCP.write = counted
    found = []
    for n in (starts // 2, starts):
        counts[:] = [0, 0]
        odefit.fit(config, [*overrides(n), "fit.cluster={dask: {workers: 2}, batch: 100}"])
        found.append(list(counts))
    (a, b), (c, d) = found
    more = starts - starts // 2
    print(f"{config}: {(c - a) / more:.0f} bytes and {(d - b) / more:.3f} messages for each start in batches of 100")


def same(one: odefit.Run, other: odefit.Run) -> bool:
    tables = [run.starts.drop(columns="seconds") for run in (one, other)]
    return bool(tables[0].equals(tables[1]) and one.result.estimates == other.result.estimates)


def kills(config: str, starts: int, n: int) -> None:
    import dask
    from distributed import LocalCluster

    dask.config.set({"distributed.deploy.lost-worker-timeout": "1h"})  # as odefit does for its own
    whole, rng, done = odefit.fit(config, [*overrides(starts), "fit.workers=1"]), random.Random(1), 0
    rounds = 0
    settings = {"threads_per_worker": 1, "host": "127.0.0.1", "dashboard_address": None, "silence_logs": 50}
    with LocalCluster(n_workers=2, **settings) as cluster:
        while done < n:
            ended = threading.Event()

            def killing(ended: threading.Event = ended) -> None:
                nonlocal done
                while not ended.wait(rng.uniform(1.0, 4.0)) and done < n:
                    pids = [nanny.pid for nanny in cluster.workers.values() if nanny.pid]
                    if pids:
                        os.kill(rng.choice(pids), signal.SIGKILL)
                        done += 1

            thread = threading.Thread(target=killing)
            thread.start()
            way = f"fit.cluster={{address: '{cluster.scheduler_address}', batch: 5}}"
            run = odefit.fit(config, [*overrides(starts), way])
            ended.set()
            thread.join()
            rounds += 1
            assert same(run, whole), "a killed worker has changed the result"
            assert run.result.starts.finished == starts
    print(
        f"{config}: {done} workers killed in {rounds} fits of {starts} starts: no start lost, same result bit for bit"
    )


class After(Silent):
    """Calls something when so many starts are finished."""

    def __init__(self, n: int, call: Any) -> None:
        self.n, self.call = n, call

    def start(self, finished: int, *_: Any) -> None:
        if finished >= self.n and self.call is not None:
            call, self.call = self.call, None
            call()


def schedulers(config: str, starts: int, n: int) -> None:
    from distributed import LocalCluster

    whole, rng, lost = odefit.fit(config, [*overrides(starts), "fit.workers=1"]), random.Random(1), 0
    while lost < n:
        with tempfile.TemporaryDirectory() as place:
            run, out = None, Path(place) / "run"
            while run is None or run.result.status == "interrupted":
                begun = 0 if run is None else run.result.starts.finished
                cluster = LocalCluster(
                    n_workers=1,
                    threads_per_worker=1,
                    processes=False,
                    protocol="tcp://",
                    host="127.0.0.1",
                    dashboard_address=None,
                )
                at = begun + rng.randint(1, max(1, starts // 4))
                way = f"fit.cluster={{address: '{cluster.scheduler_address}', batch: 1}}"
                told = After(at, cluster.close) if lost < n and at < starts else Silent()
                run = odefit.fit(config, [*overrides(starts), way], out=out, resume=run is not None, progress=told)
                lost += run.result.status == "interrupted"
                assert run.result.starts.finished >= begun, "something finished was not kept"
                cluster.close()
            assert same(run, whole), "a lost scheduler has changed the result"
    print(f"{config}: {lost} schedulers lost: everything finished was kept, and resumed to the same result bit for bit")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=["overhead", "memory", "traffic", "kills", "schedulers", "one"])
    parser.add_argument("configs", nargs="+")
    parser.add_argument("--starts", type=int, default=100)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--way", default="fit.workers=1")
    asked = parser.parse_args()
    for config in asked.configs:
        if asked.what == "one":
            one_way(config, asked.starts, asked.way)
        elif asked.what == "overhead":
            overhead(config, asked.starts, asked.turns)
        elif asked.what in ("memory", "traffic"):
            {"memory": memory, "traffic": traffic}[asked.what](config, asked.starts)
        else:
            {"kills": kills, "schedulers": schedulers}[asked.what](config, asked.starts, asked.kills)


if __name__ == "__main__":
    main()
