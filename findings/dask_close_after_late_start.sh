#!/usr/bin/env bash
# distributed 2026.8.0: a LocalCluster whose start was given up after a while cannot be closed.
#
# Its workers take six seconds to start (a preload that waits), and the start is waited for three. Then close() raises:
# seen AssertionError: Status.init (asynchronous), UnboundLocalError: cannot access local variable 'result' (else).
# The processes of the workers stay until the program ends.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q "distributed==2026.8.0" "dask==2026.8.0"
cat > "$work/late.py" <<'PY'
import asyncio

from distributed import LocalCluster

SETTINGS = dict(
    threads_per_worker=1,
    processes=True,
    dashboard_address=None,
    silence_logs=50,
    preload=["import time\ntime.sleep(6)\n"],
)


async def asynchronous():
    cluster = LocalCluster(n_workers=2, asynchronous=True, **SETTINGS)

    async def start():
        await cluster

    try:
        await asyncio.wait_for(start(), 3)
    except TimeoutError:
        try:
            await cluster.close()
        except AssertionError as error:
            return f"AssertionError: {error}"
    return "closed"


def synchronous():
    cluster = LocalCluster(n_workers=0, **SETTINGS)
    cluster.scale(2)

    async def start():
        await cluster

    try:
        cluster.sync(start, callback_timeout=3)
    except TimeoutError:
        try:
            cluster.close()
        except UnboundLocalError as error:
            return f"UnboundLocalError: {error}"
    return "closed"


if __name__ == "__main__":
    found = asyncio.run(asynchronous()), synchronous()
    print(*found, sep="\n")
    assert "closed" not in found, "it has changed: such a cluster is closed now"
PY
"$work/venv/bin/python" "$work/late.py"
