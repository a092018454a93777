"""A scripted OpenAI-compatible endpoint on a real socket; its replies depend on the request alone.

Run as ``python fake_endpoint.py PORT_FILE LOG PROBLEMS [key=value …]``. It knows the answers of a GSM8K-style file and
gives the right one in a share of the draws, decided by a hash of prompt, seed and draw; else one of the row's ``wrong``, if it has
some, or another number. A row with a ``key`` is answered by that and the draw alone, in whatever words it is asked. A row with ``calls`` (``[[name, arguments], …]``) is solved with tools: the first call, at each retry the next one, and its
answer once it has a result. A prompt with images is its text and a line ``[image …]`` for each (:func:`show_image`). As a judge it gives texts the scores of the row's ``grades``, and of ``after`` where
something certain was said before. Each request that was
answered in full is one line in LOG: a hash of its body. Settings: ``latency`` in seconds, ``faults`` as
``429=0.1,500=0.1,reset=0.1,malformed=0.1,empty=0.1,length=0.1,stall=0.1`` (by hash of body and attempt; any status will do,
and a stall lasts ``STALL_S``), ``max_choices``, ``right``: the share of right answers, ``limit``: refuse (429) beyond so many
in flight, ``refuse_after``: refuse everything after so many answers, ``port``: listen there, ``says``: the
reply to what nothing else knows, ``models``: names that it lists besides its own, by commas; one that begins with
``harsh`` gives a point less than the others. Asked with tools, it calls the first one, and answers in words once it has a
result.
"""

import asyncio
import base64
import hashlib
import json
import re
import sys
from collections import Counter
from pathlib import Path

from aiohttp import web
from fake_judge import AFTER, GRADES, KNOWN, chances_of, judge
from fake_teacher import teach

MODEL = "fake-teacher"
STALL_S = 60.0


def digest(*parts):
    return hashlib.blake2b(json.dumps(parts, sort_keys=True).encode(), digest_size=8).hexdigest()


def unit(*parts):
    return int(digest(*parts), 16) / 2**64


def show_image(data):
    """Return what stands in a problem's question for an image that is asked about with it."""
    return f"[image {hashlib.blake2b(data, digest_size=8).hexdigest()}]"


def as_text(content):
    """Return the content of a message as text."""
    if not isinstance(content, list):
        return content
    urls = [p["image_url"]["url"] for p in content if "image_url" in p]
    assert all(url.startswith("data:image/") for url in urls), urls
    shown = [show_image(base64.b64decode(url.partition(",")[2])) for url in urls]
    return "\n".join([*(p["text"] for p in content if "text" in p), *shown])


class Endpoint:
    def __init__(
        self, log, problems, latency=0.0, faults="", max_choices=0, right=0.5, port=0, limit=0, refuse_after=0, says="",
        models="",
    ):  # fmt: skip
        self.log = Path(log)
        self.latency = float(latency)
        self.max_choices = int(max_choices)
        self.right = float(right)
        self.port = int(port)
        self.limit = int(limit)
        self.refuse_after = int(refuse_after)
        self.n_answered = 0
        self.says = says
        self.names = [MODEL, *(m for m in models.split(",") if m)]
        self.in_flight = 0
        self.faults = {k: float(v) for k, _, v in (f.partition("=") for f in faults.split(",") if f)}
        self.answers, self.wrongs, self.calls, self.keys = {}, {}, {}, {}
        for line in Path(problems).read_text().splitlines():
            row = json.loads(line)
            self.answers[row["question"]] = row["answer"]
            self.wrongs[row["question"]] = row.get("wrong")
            self.keys[row["question"]] = row.get("key")
            if "calls" in row:
                self.calls[row["question"]] = row
            GRADES.update(row.get("grades", {}))
            AFTER.update(row.get("after", {}))
            if "#### " in row["answer"]:
                KNOWN[row["question"]] = row["answer"].rpartition("#### ")[2].strip()
        self.attempts = Counter()

    def fault_of(self, key):
        self.attempts[key] += 1
        draw, edge = unit(key, self.attempts[key], "fault"), 0.0
        for name, share in self.faults.items():
            edge += share
            if draw < edge:
                return name
        return None

    def complete(self, messages, seed, draw, model=MODEL):
        said = self.say(messages, seed, draw)
        return (
            re.sub(r"Score: ([2-9])", lambda m: f"Score: {int(m[1]) - 1}", said) if model.startswith("harsh") else said
        )

    def say(self, messages, seed, draw):
        messages = [{**m, "content": as_text(m["content"])} for m in messages]
        question = messages[-1]["content"]
        if (said := teach(messages, draw) or judge(messages, draw)) is not None:
            return said
        if self.says and question not in self.answers:
            return self.says
        gold = self.answers.get(question, "#### 0")
        key = self.keys.get(question)
        asked = (messages, seed, draw) if key is None else (key, draw)
        if unit(*asked) < self.right:
            return gold
        if wrongs := self.wrongs.get(question):
            return wrongs[int(unit(*asked, "wrong") * len(wrongs))]
        steps, _, final = gold.rpartition("#### ")
        wrong = int(unit(*asked, "wrong") * 1000) + 1000
        return f"{steps}#### {wrong}" if final else "no idea"

    def call(self, body):
        """Return a call of the first tool, if there is one and none was called yet; of a row with calls these, then its answer."""
        asked = next((m["content"] for m in body["messages"] if m["role"] == "user"), "")
        row = next((r for q, r in self.calls.items() if isinstance(asked, str) and q in asked), None)
        if body.get("tools") and row is not None:
            if any(m["role"] == "tool" for m in body["messages"]):
                return {"role": "assistant", "content": row["answer"]}
            last = body["messages"][-1]["content"]
            n_tried = last.count("\n- ") if "was tried before" in last else 0
            name, arguments = row["calls"][min(n_tried, len(row["calls"]) - 1)]
            function = {"name": name, "arguments": json.dumps(arguments)}
            return {
                "role": "assistant",
                "content": None,
                "tool_calls": [{"id": "c", "type": "function", "function": function}],
            }
        if not body.get("tools") or any(m["role"] == "tool" for m in body["messages"]):
            return None
        function = {"name": body["tools"][0]["function"]["name"], "arguments": "{}"}
        return {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "c", "type": "function", "function": function}],
        }

    async def chat(self, request):
        if self.limit and self.in_flight >= self.limit:
            return web.json_response({"error": {"message": "slow down"}}, status=429, headers={"retry-after": "0.05"})
        if self.refuse_after and self.n_answered >= self.refuse_after:
            return web.json_response({"error": {"message": "slow down"}}, status=429, headers={"retry-after": "0"})
        self.in_flight += 1
        try:
            return await self.answer(request)
        finally:
            self.in_flight -= 1

    async def answer(self, request):
        body = await request.json()
        key = digest(body)
        if self.latency:
            await asyncio.sleep(self.latency)
        fault = self.fault_of(key)
        if fault == "429":
            return web.json_response({"error": {"message": "slow down"}}, status=429, headers={"retry-after": "0"})
        if fault == "stall":
            await asyncio.sleep(STALL_S)
        if fault == "reset":
            request.transport.abort()
            return web.Response()
        if fault is not None and fault.isdigit():
            return web.json_response({"error": {"message": "I cannot do this"}}, status=int(fault))
        n = body.get("n") or 1
        n = min(n, self.max_choices) if self.max_choices else n
        choices = [
            {
                "index": i,
                "finish_reason": "length" if fault == "length" else "stop",
                "message": self.call(body)
                or {
                    "role": "assistant",
                    "content": self.complete(body["messages"], body.get("seed"), i, body.get("model") or MODEL),
                },
            }
            for i in range(n)
        ]
        if body.get("top_logprobs"):
            for choice in choices:
                choice["logprobs"] = chances_of(choice["message"]["content"], body["top_logprobs"])
        reply = {
            "id": key,
            "object": "chat.completion",
            "created": 1,
            "model": MODEL,
            "choices": [] if fault == "empty" else choices,
            "usage": {"prompt_tokens": 10, "completion_tokens": 20 * n, "total_tokens": 10 + 20 * n},
        }
        text = json.dumps(reply)
        if fault == "malformed":
            return web.Response(text=text[: len(text) // 2], content_type="application/json")
        self.n_answered += 1
        if fault in (None, "length", "stall"):
            with self.log.open("a") as log:
                log.write(digest(body["messages"], body.get("seed")) + "\n")
        return web.Response(text=text, content_type="application/json")

    async def models(self, request):
        listed = [{"id": name, "object": "model", "created": 1, "owned_by": "t"} for name in self.names]
        return web.json_response({"object": "list", "data": listed})


async def main():
    port_file, log, problems, *settings = sys.argv[1:]
    endpoint = Endpoint(log, problems, **dict(s.split("=", 1) for s in settings))
    app = web.Application()
    app.router.add_post("/v1/chat/completions", endpoint.chat)
    app.router.add_get("/v1/models", endpoint.models)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", endpoint.port, reuse_address=True)
    await site.start()
    port = site._server.sockets[0].getsockname()[1]
    partial = Path(port_file + ".part")
    partial.write_text(str(port))
    partial.rename(port_file)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
