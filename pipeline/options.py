"""Everything a call is told, frozen. The pipeline reads no environment variable and no file: it gets these."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal


class Secret:
    """A provider's key. It shows as `***` wherever it is printed, logged or pickled by mistake."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The value itself, for the provider's client alone."""
        return self._value

    def __repr__(self) -> str:
        return "***"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __reduce__(self) -> str | tuple[Any, ...]:
        msg = "a Secret is never serialised; pass a reference to it instead"
        raise TypeError(msg)


@dataclass(frozen=True, slots=True)
class ProviderOptions:
    """Which provider hears, thinks or speaks, and how. `extra` holds the options only that provider knows.

    `fallbacks` are asked in their order when it fails; they have none of their own.
    """

    name: str
    model: str | None = None
    voice: str | None = None
    language: str | None = None
    base_url: str | None = None
    api_key: Secret | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)
    fallbacks: tuple[ProviderOptions, ...] = ()


@dataclass(frozen=True, slots=True)
class VadOptions:
    """Voice activity detection (silero). Times in seconds, thresholds as probabilities of speech.

    The short `min_silence` lets the end-of-turn model decide early; it is the model, not the silence, that ends a turn.
    """

    min_speech_seconds: float = 0.05
    min_silence_seconds: float = 0.25
    prefix_padding_seconds: float = 0.5
    activation_threshold: float = 0.5


@dataclass(frozen=True, slots=True)
class TurnOptions:
    """When the caller's turn ends and when the caller interrupts. Times in seconds.

    `model` is the local end-of-turn model on top of the VAD; `vad` ends a turn on silence alone.
    """

    detection: Literal["model", "vad"] = "model"
    min_endpointing_delay_seconds: float = 0.3
    max_endpointing_delay_seconds: float = 2.5
    interruptions: bool = True
    min_interruption_seconds: float = 0.3
    min_interruption_words: int = 0
    resume_false_interruption: bool = True
    false_interruption_seconds: float = 2.0
    preemptive_generation: bool = True
    preemptive_tts: bool = False


@dataclass(frozen=True, slots=True)
class VoiceAgentOptions:
    """Switchboard's own voice agent, as one tenant has it."""

    stt: ProviderOptions
    llm: ProviderOptions
    tts: ProviderOptions
    vad: VadOptions = VadOptions()
    turn: TurnOptions = TurnOptions()
    instructions: str = "You are a friendly voice assistant on the telephone. Answer in one or two short sentences."
    greeting: str | None = "Hello, how can I help you?"
    cut_off_phrase: str | None = "Sorry, I was cut off."
    """Said in the place of the greeting by an agent that goes on with a call whose agent was lost."""
    trouble_phrase: str | None = "Sorry, something went wrong here. Could you say that again?"
    """Said when what hears or thinks has failed, fallbacks and all. The call goes on."""
    refused_phrase: str | None = "I am sorry, I cannot help you at the moment. Please call again later."
    """Said when what hears or thinks refuses the tenant's key, fallbacks and all. Then the call ends."""


@dataclass(frozen=True, slots=True)
class CallLimits:
    """When a call ends although its agent would go on. Seconds.

    `join`: nobody but agents has come. `empty_grace`: the last one but agents has left. `length`: the call as a whole.
    """

    join_seconds: float = 60.0
    empty_grace_seconds: float = 5.0
    length_seconds: float = 3600.0


@dataclass(frozen=True, slots=True)
class CallOptions:
    """One call: the room, the way into it, and the agent that answers.

    `agent` is `module:name` (see `pipeline.agents`), `agent_metadata` what it finds in `ctx.job.metadata`, `attempt`
    the fencing token that the agent's identity carries. `announced_at`: when the LiveKit server told of the room, by
    `time.monotonic()`, if that was so short a time ago that the room is surely there.
    """

    room_sid: str
    room_name: str
    attempt: int
    livekit_url: str
    livekit_api_key: str
    livekit_api_secret: Secret
    worker: str
    agent: str
    agent_metadata: str
    voice: VoiceAgentOptions
    limits: CallLimits = CallLimits()
    announced_at: float | None = None

    @property
    def identity(self) -> str:
        """The agent's participant identity; unlike the room's name it is unique for each attempt at a call."""
        return self._identity(self.attempt)

    @property
    def predecessors(self) -> frozenset[str]:
        """The identities of the agents of earlier attempts."""
        return frozenset(self._identity(attempt) for attempt in range(1, self.attempt))

    def is_successor(self, identity: str) -> bool:
        """Whether this is the identity of a later attempt's agent."""
        _, ours, attempt = identity.partition(f"agent-{self.room_sid}-")
        return bool(ours) and attempt.isdecimal() and int(attempt) > self.attempt

    def _identity(self, attempt: int) -> str:
        return f"agent-{self.room_sid}-{attempt}"
