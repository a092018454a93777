"""The raw client over a chain of ``--variant`` dependent steps: a worker takes a row through all of them."""

import asyncio
import json
import time

import aiohttp
from common import args, passage, write


async def main(a):
    """Return {row: text of the last step}."""
    url, rows, out = a.base_url + "/chat/completions", iter(range(a.n)), {}
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        async def ask(text):
            body = {"model": "stub", "max_tokens": 128, "messages": [{"role": "user", "content": text}]}
            async with session.post(url, json=body) as reply:
                return json.loads(await reply.read())["choices"][0]["message"]["content"]

        async def worker():
            for i in rows:
                text = passage(i)
                for _ in range(int(a.variant)):
                    text = await ask(f"Write one question and one answer about {text}")
                out[i] = text

        await asyncio.gather(*(worker() for _ in range(a.concurrency)))
    return out


if __name__ == "__main__":
    a = args()
    t0 = time.perf_counter()
    found = asyncio.run(main(a))
    write(a, t0, found.items(), len(found))
