from __future__ import annotations

import json

import pytest
from livekit.agents import ChatContext
from livekit.agents.llm import AgentHandoff, ChatRole, FunctionCall, FunctionCallOutput

from pipeline.conversation import Conversation

NO_STATE = '{"history": {"items": []}, "state": 7}'


def history_of(*turns: tuple[ChatRole, str]) -> ChatContext:
    history = ChatContext.empty()
    for role, words in turns:
        history.add_message(role=role, content=words)
    return history


def reloaded(
    conversation: Conversation, since: ChatContext | None = None, *, handed_over: bool = False
) -> Conversation:
    return Conversation.from_json(conversation.to_json(since), handed_over=handed_over)


def turns(conversation: Conversation) -> list[tuple[str, str | None]]:
    return [(message.role, message.text_content) for message in conversation.history.messages()]


def test_a_new_conversation_is_empty_and_not_resumed() -> None:
    conversation = Conversation()
    assert (conversation.resumed, conversation.handed_over, conversation.unanswered) == (False, False, False)
    assert conversation.history.items == []


def test_a_saved_conversation_is_resumed_even_if_it_is_empty() -> None:
    resumed = reloaded(Conversation())
    assert (resumed.resumed, resumed.handed_over, resumed.unanswered) == (True, False, False)
    assert reloaded(Conversation(), handed_over=True).handed_over


def test_messages_are_restored_word_for_word_with_their_time() -> None:
    history = history_of(("assistant", "Acme, good morning."), ("user", "Où est mon colis? 📦"))
    resumed = reloaded(Conversation(), history)
    assert turns(resumed) == [("assistant", "Acme, good morning."), ("user", "Où est mon colis? 📦")]
    assert [item.id for item in resumed.history.items] == [item.id for item in history.items]
    assert [item.created_at for item in resumed.history.items] == [item.created_at for item in history.items]


def test_each_attempt_adds_to_the_conversation_of_those_before_it() -> None:
    first = reloaded(Conversation(), history_of(("user", "one")))
    second = reloaded(first, history_of(("assistant", "two")))
    third = reloaded(second, history_of(("user", "three")))
    assert [words for _, words in turns(third)] == ["one", "two", "three"]
    # Saving it does not change it: an attempt saves it after each turn.
    assert turns(second) == turns(reloaded(second))


def test_function_calls_and_their_results_are_restored() -> None:
    history = history_of(("user", "where is it?"))
    call = FunctionCall(call_id="c1", name="track", arguments='{"number": 7}')
    result = FunctionCallOutput(call_id="c1", name="track", output="on its way", is_error=False)
    history.insert([call, result])
    resumed = reloaded(Conversation(), history).history.items
    assert [item.type for item in resumed] == ["message", "function_call", "function_call_output"]
    _, called, answered = resumed
    assert isinstance(called, FunctionCall)
    assert isinstance(answered, FunctionCallOutput)
    assert (called.name, called.call_id, called.arguments) == ("track", "c1", '{"number": 7}')
    assert (answered.call_id, answered.output, answered.is_error) == ("c1", "on its way", False)


def test_instructions_and_handoffs_between_agents_stay_with_the_attempt_that_made_them() -> None:
    history = history_of(("system", "You are a receptionist."), ("user", "hello"))
    history.insert(AgentHandoff(old_agent_id="one", new_agent_id="two"))
    resumed = reloaded(Conversation(), history)
    assert turns(resumed) == [("user", "hello")]
    assert len(resumed.history.items) == 1


@pytest.mark.parametrize(
    ("history", "unanswered"),
    [
        (history_of(), False),
        (history_of(("assistant", "hello")), False),
        (history_of(("assistant", "hello"), ("user", "hi")), True),
        (history_of(("user", "hi"), ("assistant", "hello")), False),
        (history_of(("system", "be kind")), False),
        (history_of(("user", "hi"), ("system", "be kind")), True),
        (history_of(("user", "hi"), ("developer", "be kind")), True),
    ],
)
def test_a_conversation_is_unanswered_if_its_last_message_is_the_callers(
    history: ChatContext, *, unanswered: bool
) -> None:
    assert Conversation(history).unanswered is unanswered
    assert reloaded(Conversation(), history).unanswered is unanswered


def test_a_result_of_a_function_is_no_answer_yet() -> None:
    history = history_of(("user", "where is it?"))
    history.insert(FunctionCall(call_id="c1", name="track", arguments="{}"))
    history.insert(FunctionCallOutput(call_id="c1", name="track", output="here", is_error=False))
    assert reloaded(Conversation(), history).unanswered


def test_the_state_of_an_agent_is_restored_as_json() -> None:
    conversation = Conversation(state={"step": 3, "order": {"items": ["a", None, True]}})
    assert reloaded(conversation).state == {"step": 3, "order": {"items": ["a", None, True]}}


def test_a_state_that_json_does_not_know_does_not_lose_the_conversation() -> None:
    conversation = Conversation(history_of(("user", "hi")), state={"when": {1}})
    assert turns(reloaded(conversation)) == [("user", "hi")]


@pytest.mark.parametrize("text", ["", "{", "null", "[]", "7", "{}", '{"history": 1, "state": {}}', NO_STATE])
def test_any_other_text_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        Conversation.from_json(text, handed_over=False)


def test_a_conversation_is_one_json_object() -> None:
    assert set(json.loads(Conversation().to_json())) == {"history", "state"}
