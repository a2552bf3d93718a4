"""Writes per second: our client beside a client per call (as in the tutorial) and one bare shared httpx client.

    .venv/bin/python benchmarks/writes.py

All of them write the same body to the same sandbox, in turn, in each round; the ratio is taken within a round. Ours
carries the token, retries, meters each attempt and makes it durable in the ledger.
"""

import asyncio
import os
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx

from opslib import GenesysAuthManager, GenesysStorageRouter
from opslib.credentials import AwsKeys
from opslib.genesys.storage_targets_backend import target_body
from opslib.onboarding.models import StorageTarget
from opslib.sandbox.launch import start_sandbox

ROUNDS, WRITES = 5, 100
Writer = Callable[[int], Awaitable[object]]


async def in_turn(write: Writer) -> float:
    start = time.perf_counter()
    for number in range(WRITES):
        await write(number)
    return (time.perf_counter() - start) / WRITES * 1000


async def ten_at_once(write: Writer) -> float:
    slots = asyncio.Semaphore(10)

    async def one(number: int) -> None:
        async with slots:
            await write(number)

    start = time.perf_counter()
    await asyncio.gather(*(one(number) for number in range(WRITES)))
    return (time.perf_counter() - start) / WRITES * 1000


async def main() -> None:
    with tempfile.TemporaryDirectory() as home, start_sandbox(options=("--rate-limit", "10000000")) as sandbox:
        own = {"OPSLIB_HOME": str(Path(home, "home")), "OPSLIB_SIGNING_KEY": str(Path(home, "signing_key.pem"))}
        os.environ.update(sandbox.environment() | own)
        info = sandbox.info
        auth = GenesysAuthManager(info["client_id"], info["client_secret"], info["org_id"])
        router = GenesysStorageRouter(auth)
        keys = AwsKeys(access_key_id=info["aws_access_key_id"], secret_access_key=info["aws_secret_access_key"])
        target = StorageTarget(id="t", name="T", bucket=info["bucket"], region=info["region"], retention_days=365)
        body, url = target_body(target, keys), info["api_url"] + "/api/v2/recording/storage/targets/t"
        body["configuration"]["secretAccessKey"] = info["aws_secret_access_key"]
        headers = {"Authorization": f"Bearer {await auth.get_access_token()}"}
        shared = httpx.AsyncClient(headers=headers)

        async def client_per_call(_: int) -> None:
            async with httpx.AsyncClient(headers=headers) as client:
                (await client.put(url, json=body)).raise_for_status()

        async def bare(_: int) -> None:
            (await shared.put(url, json=body)).raise_for_status()

        writers: dict[str, Writer] = {
            "one bare shared httpx client": bare,
            "client per call (the tutorial)": client_per_call,
            "opslib, with ledger": lambda _: router.write_target(target, keys),
        }
        for way in (in_turn, ten_at_once):
            rounds = [{name: await way(write) for name, write in writers.items()} for _ in range(ROUNDS)]
            print(f"\n{way.__name__.replace('_', ' ')}, {WRITES} writes, {ROUNDS} rounds")
            for name in writers:
                ms = statistics.median(each[name] for each in rounds)
                ratio = statistics.median(each[name] / each["opslib, with ledger"] for each in rounds)
                print(f"  {name:34} {ms:7.2f} ms a write   {ratio:5.2f} × opslib")
        await shared.aclose()
        await router.aclose()


if __name__ == "__main__":
    asyncio.run(main())
