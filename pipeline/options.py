"""The frozen options of a call. The pipeline reads no environment variable and no file; it is given these."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Kind = Literal["stt", "llm", "tts"]
"""The kinds of provider: speech to text, language model, text to speech."""


class Secret:
    """A provider's key. It shows as `***` where it is printed or logged, and refuses to be pickled."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Return the value, for the provider's client alone."""
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
    """A provider of STT, LLM or TTS, and its options. `extra` holds the options that only this provider has.

    `fallbacks` are tried in their order when it fails; they have none of their own.
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
    """Detection of the end of the caller's turn, and of interruptions. Times in seconds.

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
    """The options of Switchboard's own voice agent, for one tenant."""

    stt: ProviderOptions
    llm: ProviderOptions
    tts: ProviderOptions
    vad: VadOptions = VadOptions()
    turn: TurnOptions = TurnOptions()
    instructions: str = "You are a friendly voice assistant on the telephone. Answer in one or two short sentences."
    greeting: str | None = "Hello, how can I help you?"
    cut_off_phrase: str | None = "Sorry, I was cut off."
    """Said instead of the greeting by an agent that goes on with a call whose agent was lost."""
    trouble_phrase: str | None = "Sorry, something went wrong here. Could you say that again?"
    """Said when the STT or the LLM has failed, and all its fallbacks too. The call goes on."""
    recording_phrase: str | None = None
    """Said before the greeting, to the end, in a call whose audio or transcript is recorded."""
    refused_phrase: str | None = "I am sorry, I cannot help you at the moment. Please call again later."
    """Said when the STT or the LLM, and all its fallbacks, refuse the tenant's key. Then the call ends."""


@dataclass(frozen=True, slots=True)
class RecordOptions:
    """The parts of a call that are recorded and uploaded; none by default.

    `redaction`: as livekit-agents offers it: spans and log lines without what was said. `upload_seconds`: the time for
    the upload of audio and transcript, once the call is over.
    """

    audio: bool = False
    transcript: bool = False
    traces: bool = False
    logs: bool = False
    redaction: bool = False
    upload_seconds: float = 20.0

    @property
    def parts(self) -> tuple[str, ...]:
        """The names of the parts that are recorded."""
        parts = {"audio": self.audio, "transcript": self.transcript, "traces": self.traces, "logs": self.logs}
        return tuple(name for name, recorded in parts.items() if recorded)


@dataclass(frozen=True, slots=True)
class CallLimits:
    """The limits at which a call ends although its agent would go on, in seconds.

    `join`: until the first caller comes. `empty_grace`: after the last caller has left. `length`: of the whole call.
    `livekit_away`: without a sign of the LiveKit server; then the call has failed.
    """

    join_seconds: float = 60.0
    empty_grace_seconds: float = 5.0
    length_seconds: float = 3600.0
    livekit_away_seconds: float = 8.0


@dataclass(frozen=True, slots=True)
class CallOptions:
    """The room of one call, the access to it, and the options for its agent.

    `agent_metadata`: for the agent, in `ctx.job.metadata`. `attempt`: the fencing token, which the agent's identity
    carries. `announced_at`: the time of the room's announcement by the LiveKit server, by `time.monotonic()`; None if
    it was so long ago that the room may be gone.
    """

    room_sid: str
    room_name: str
    attempt: int
    livekit_url: str
    livekit_api_key: str
    livekit_api_secret: Secret
    worker: str
    agent_metadata: str
    voice: VoiceAgentOptions
    limits: CallLimits = CallLimits()
    record: RecordOptions = RecordOptions()
    announced_at: float | None = None

    @property
    def identity(self) -> str:
        """The agent's participant identity. It is unique for each attempt at a call, unlike the room's name."""
        return self._identity(self.attempt)

    @property
    def predecessors(self) -> frozenset[str]:
        """The identities of the agents of earlier attempts."""
        return frozenset(self._identity(attempt) for attempt in range(1, self.attempt))

    def is_successor(self, identity: str) -> bool:
        """Tell whether this is the identity of a later attempt's agent."""
        _, ours, attempt = identity.partition(f"agent-{self.room_sid}-")
        return bool(ours) and attempt.isdecimal() and int(attempt) > self.attempt

    def _identity(self, attempt: int) -> str:
        return f"agent-{self.room_sid}-{attempt}"
