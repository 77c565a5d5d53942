"""What a process that prewarms does before it forks, in a fresh one: if this fails, livekit-agents has moved."""

from __future__ import annotations

import subprocess
import sys

# Prints, one a line: what a step of the rehearsal says if it fails, threads, and what a call would find undone.
PROGRAM = """
import logging, sys, threading
logging.basicConfig(stream=sys.stdout, format="%(name)s %(message)s %(step)s %(exc_info)s", level=logging.WARNING)
logging.getLogger("switchboard.pipeline.rehearsal").setLevel(logging.DEBUG)
from pipeline.runtime import warm_up
warm_up.rehearse()
from livekit.agents import llm
from livekit.agents.tokenize import _basic_hyphenator as hyphenator
from livekit.agents.utils import http_context
for module in warm_up.LATE_IMPORTS:
    if module not in sys.modules:
        print("not imported", module)
if not hyphenator._get_hyphenator.cache_info().currsize:
    print("no patterns to hyphenate by")
if not http_context._ssl_context_for.cache_info().currsize:
    print("no certificates")
for model in (llm.ChatMessage, llm.AgentConfigUpdate):
    for name, attribute in model.__private_attributes__.items():
        if attribute._default_factory_takes_validated_data not in {None, True, False}:
            print("not looked at", model.__name__, name)
print("threads:", [thread.name for thread in threading.enumerate()])
"""


def test_a_rehearsal_leaves_a_call_nothing_to_do_and_starts_no_thread() -> None:
    said = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True, timeout=60)
    assert said.stdout == "threads: ['MainThread']\n"
