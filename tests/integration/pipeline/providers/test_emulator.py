"""The server of the provider emulators itself."""

from __future__ import annotations

import asyncio
import gc
import os
import socket
import warnings

from tests.provider_emulators.deepgram import DeepgramEmulator


async def test_a_client_that_connects_while_an_emulator_stops_leaves_no_socket_open() -> None:
    loop = asyncio.get_running_loop()
    read_end, write_end = os.pipe()
    both_ready = loop.create_future()
    emulator = DeepgramEmulator()
    with socket.socket() as client:
        async with emulator.serve():
            loop.add_reader(read_end, both_ready.set_result, None)
            host, _, port = emulator.root.removeprefix("http://").partition(":")
            # Both are ready in the next round of the loop: it accepts the client, and then runs this task.
            os.write(write_end, b"!")
            client.connect((host, int(port)))
            await both_ready
            loop.remove_reader(read_end)
    os.close(read_end)
    os.close(write_end)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        gc.collect()
    assert [str(warning.message) for warning in caught] == []
