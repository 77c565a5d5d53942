from __future__ import annotations

import json

import pytest
from livekit.agents import ChatContext
from livekit.agents.llm import AgentHandoff, ChatRole, FunctionCall, FunctionCallOutput

from pipeline.conversation import Conversation

NO_STATE = '{"history": {"items": []}, "state": 7}'


def said(*turns: tuple[ChatRole, str]) -> ChatContext:
    history = ChatContext.empty()
    for role, words in turns:
        history.add_message(role=role, content=words)
    return history


def again(conversation: Conversation, since: ChatContext | None = None, *, handed_over: bool = False) -> Conversation:
    return Conversation.from_json(conversation.to_json(since), handed_over=handed_over)


def turns(conversation: Conversation) -> list[tuple[str, str | None]]:
    return [(message.role, message.text_content) for message in conversation.history.messages()]


def test_a_new_conversation_is_empty_and_not_resumed() -> None:
    conversation = Conversation()
    assert (conversation.resumed, conversation.handed_over, conversation.unanswered) == (False, False, False)
    assert conversation.history.items == []


def test_one_that_was_kept_is_resumed_even_if_nothing_was_said() -> None:
    resumed = again(Conversation())
    assert (resumed.resumed, resumed.handed_over, resumed.unanswered) == (True, False, False)
    assert again(Conversation(), handed_over=True).handed_over


def test_what_was_said_comes_back_word_for_word_with_its_time() -> None:
    history = said(("assistant", "Acme, good morning."), ("user", "Où est mon colis? 📦"))
    resumed = again(Conversation(), history)
    assert turns(resumed) == [("assistant", "Acme, good morning."), ("user", "Où est mon colis? 📦")]
    assert [item.id for item in resumed.history.items] == [item.id for item in history.items]
    assert [item.created_at for item in resumed.history.items] == [item.created_at for item in history.items]


def test_each_attempt_adds_to_what_the_ones_before_it_have_kept() -> None:
    first = again(Conversation(), said(("user", "one")))
    second = again(first, said(("assistant", "two")))
    third = again(second, said(("user", "three")))
    assert [words for _, words in turns(third)] == ["one", "two", "three"]
    # Keeping it does not change it: the same attempt keeps it after each turn.
    assert turns(second) == turns(again(second))


def test_calls_of_functions_and_their_results_come_back() -> None:
    history = said(("user", "where is it?"))
    call = FunctionCall(call_id="c1", name="track", arguments='{"number": 7}')
    result = FunctionCallOutput(call_id="c1", name="track", output="on its way", is_error=False)
    history.insert([call, result])
    resumed = again(Conversation(), history).history.items
    assert [item.type for item in resumed] == ["message", "function_call", "function_call_output"]
    _, called, answered = resumed
    assert isinstance(called, FunctionCall)
    assert isinstance(answered, FunctionCallOutput)
    assert (called.name, called.call_id, called.arguments) == ("track", "c1", '{"number": 7}')
    assert (answered.call_id, answered.output, answered.is_error) == ("c1", "on its way", False)


def test_instructions_and_handoffs_between_agents_stay_with_the_attempt_that_made_them() -> None:
    history = said(("system", "You are a receptionist."), ("user", "hello"))
    history.insert(AgentHandoff(old_agent_id="one", new_agent_id="two"))
    resumed = again(Conversation(), history)
    assert turns(resumed) == [("user", "hello")]
    assert len(resumed.history.items) == 1


@pytest.mark.parametrize(
    ("history", "unanswered"),
    [
        (said(), False),
        (said(("assistant", "hello")), False),
        (said(("assistant", "hello"), ("user", "hi")), True),
        (said(("user", "hi"), ("assistant", "hello")), False),
        (said(("system", "be kind")), False),
        (said(("user", "hi"), ("system", "be kind")), True),
        (said(("user", "hi"), ("developer", "be kind")), True),
    ],
)
def test_last_words_are_unanswered_if_they_are_the_callers(history: ChatContext, *, unanswered: bool) -> None:
    assert Conversation(history).unanswered is unanswered
    assert again(Conversation(), history).unanswered is unanswered


def test_a_result_of_a_function_is_no_answer_yet() -> None:
    history = said(("user", "where is it?"))
    history.insert(FunctionCall(call_id="c1", name="track", arguments="{}"))
    history.insert(FunctionCallOutput(call_id="c1", name="track", output="here", is_error=False))
    assert again(Conversation(), history).unanswered


def test_the_state_of_an_agent_comes_back_as_json() -> None:
    conversation = Conversation(state={"step": 3, "order": {"items": ["a", None, True]}})
    assert again(conversation).state == {"step": 3, "order": {"items": ["a", None, True]}}


def test_a_state_that_json_does_not_know_does_not_lose_the_conversation() -> None:
    conversation = Conversation(said(("user", "hi")), state={"when": {1}})
    assert turns(again(conversation)) == [("user", "hi")]


@pytest.mark.parametrize("text", ["", "{", "null", "[]", "7", "{}", '{"history": 1, "state": {}}', NO_STATE])
def test_what_is_no_conversation_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        Conversation.from_json(text, handed_over=False)


def test_a_conversation_is_one_json_object() -> None:
    assert set(json.loads(Conversation().to_json())) == {"history", "state"}
