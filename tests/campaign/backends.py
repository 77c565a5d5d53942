"""What backends do with rooms: make them ahead, delete them, and name their tenant late."""

from __future__ import annotations

import asyncio
import json

import aiohttp
from livekit import api

from ops.stack.livekit import LiveKitServer
from tests.campaign import tenants
from tests.campaign.history import BackendPlan
from tests.campaign.observations import Observations, RoomSeen

RETRY_SECONDS = 0.5


async def run_backend(plan: BackendPlan, room: RoomSeen, server: LiveKitServer, seen: Observations) -> None:
    """Do what a backend does to a room, and again while the LiveKit server does not answer."""
    async with api.LiveKitAPI(server.url, server.api_key, server.api_secret) as livekit:
        if plan.act == "names the tenant":
            await _name_tenant(plan, room, livekit, seen)
            return
        await asyncio.sleep(plan.at - seen.clock.now())
        while seen.clock.now() < seen.history.seconds:
            try:
                if plan.act == "makes":
                    await livekit.room.create_room(api.CreateRoomRequest(name=room.name))
                else:
                    await livekit.room.delete_room(api.DeleteRoomRequest(room=room.name))
                    room.deleted.append(seen.clock.now())
            except api.TwirpError as error:
                if error.code == api.TwirpErrorCode.NOT_FOUND:
                    return
            except (aiohttp.ClientError, TimeoutError, OSError):
                pass
            else:
                seen.note(plan.name, f"{plan.act} the room")
                return
            await asyncio.sleep(RETRY_SECONDS)


async def _name_tenant(plan: BackendPlan, room: RoomSeen, livekit: api.LiveKitAPI, seen: Observations) -> None:
    """Set the metadata of each room of this name, some time after it was made."""
    named: set[str] = set()
    metadata = json.dumps({"tenant_id": tenants.tenant_of(room.plan.agent, room.plan.tier)})
    delay = plan.at - min((visit.begin for caller in room.plan.callers for visit in caller.visits), default=plan.at)
    while seen.clock.now() < seen.history.seconds:
        try:
            listed = (await livekit.room.list_rooms(api.ListRoomsRequest(names=[room.name]))).rooms
            for new in [each for each in listed if each.sid not in named]:
                await asyncio.sleep(max(0.0, delay))
                request = api.UpdateRoomMetadataRequest(room=room.name, metadata=metadata)
                await livekit.room.update_room_metadata(request)
                named.add(new.sid)
                seen.note(plan.name, f"names the tenant of {new.sid}")
        except (api.TwirpError, aiohttp.ClientError, TimeoutError, OSError) as error:
            seen.note(plan.name, f"cannot name the tenant: {type(error).__name__}")
        await asyncio.sleep(RETRY_SECONDS / 2)
