"""Preloading in the process that children are forked from, and its effect in them."""

from __future__ import annotations

import asyncio
import subprocess
import sys

from tests.provider_emulators.openai import OpenAIEmulator

FORKING = """
import os, threading, time
from pipeline.providers import preload
preload()
from livekit.rtc._ffi_client import FfiClient
assert threading.enumerate() == [threading.main_thread()], threading.enumerate()
assert len(os.listdir("/proc/self/task")) == 1, "a native thread was started"
assert FfiClient._instance is None, "the FFI client was touched"

def child():
    import asyncio
    from livekit import rtc
    from pipeline.options import ProviderOptions
    from pipeline.providers import build_llm, build_stt, build_tts
    began = time.process_time()
    local_stt, _, local_tts = (build(ProviderOptions("local")) for build in (build_stt, build_llm, build_tts))
    print("built in ms:", round((time.process_time() - began) * 1000, 1))

    async def call():
        said = await local_tts.synthesize("What are your opening hours?").collect()
        silence = rtc.AudioFrame(bytes(2 * said.sample_rate), said.sample_rate, 1, said.sample_rate)
        return (await local_stt.recognize([said, silence])).alternatives[0].text

    print("recognised:", asyncio.run(call()), flush=True)

children = []
for _ in range(3):
    pid = os.fork()
    if pid == 0:
        try:
            child()
        finally:
            os._exit(0)
    children.append(pid)
assert all(os.waitpid(pid, 0)[1] == 0 for pid in children)
"""


def test_a_parent_preloads_without_a_thread_and_its_children_share_what_it_loaded() -> None:
    environment = {"OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": "."}
    ran = subprocess.run(
        [sys.executable, "-c", FORKING], env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.count("recognised: what are your opening hours") == 3
    # Without the parent's models it takes ten times as long.
    times = [float(line.rpartition(" ")[2]) for line in ran.stdout.splitlines() if line.startswith("built")]
    assert max(times) < 50, times


def test_recognition_and_synthesis_import_no_livekit_agents() -> None:
    code = (
        "import sys, pipeline.providers.local.sphinx, pipeline.providers.local.espeak, pipeline.providers.local.script;"
        "sys.exit('livekit.agents' in sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": "."}, check=False)
    assert ran.returncode == 0


def test_a_worker_whose_agents_use_no_provider_of_ours_can_import_none() -> None:
    code = (
        "import sys; from pipeline.providers import preload; preload(['no-providers']);"
        "sys.exit(bool({'livekit', 'openai', 'pocketsphinx'} & sys.modules.keys()))"
    )
    ran = subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": "."}, check=False)
    assert ran.returncode == 0


# Prints the modules that a first answer has imported, after the answer.
ANSWERING = """
import asyncio, sys
from pipeline.providers import build_llm, preload
preload(())
from livekit.agents import llm
from pipeline.options import ProviderOptions
before = set(sys.modules)

async def call():
    model = build_llm(ProviderOptions("openai", model="m", base_url=sys.argv[1]))
    history = llm.ChatContext.empty()
    history.add_message(role="user", content="What is the weather")
    async with model.chat(chat_ctx=history) as stream:
        called = [call.name async for part in stream if part.delta for call in part.delta.tool_calls]
    await model.aclose()
    print(called, sorted(set(sys.modules) - before))

asyncio.run(call())
"""


async def test_a_first_answer_of_openai_imports_nothing() -> None:
    emulator = OpenAIEmulator()
    async with emulator.serve():
        answering = await asyncio.create_subprocess_exec(
            sys.executable, "-c", ANSWERING, emulator.url, stdout=asyncio.subprocess.PIPE, env={"PYTHONPATH": "."}
        )
        output, _ = await answering.communicate()
    assert output.decode() == "['lookup_weather'] []\n"
