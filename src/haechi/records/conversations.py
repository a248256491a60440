"""Conversations in and out of transcripts: message lists, and the Human/Assistant text of HH-RLHF."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from haechi.records.lines import Row

_TURN = re.compile(r"(?:\A\s*|\n\n)(Human|Assistant):")
_SPEAKERS = {"system": "System", "user": "Human", "assistant": "Assistant"}
_ROLES = {speaker: role for role, speaker in _SPEAKERS.items()}


@dataclass(frozen=True, slots=True)
class Message:
    """One turn; `role` is "system", "user" or "assistant"."""

    role: str
    content: str


def messages_of(row: Row, value: object, name: str) -> list[Message]:
    """A `[{"role", "content"}, …]` list.

    Raises:
        InputError: the value is not such a list, a role is unknown, or a content is null.
    """
    if not isinstance(value, list) or not value:
        raise row.fault(f"{name!r} is not a list of messages", 'write [{"role": "user", "content": "…"}, …]')
    messages = []
    for index, item in enumerate(value):
        where = f"{name}[{index}]"
        if not isinstance(item, dict):
            raise row.fault(f"{where!r} is not a message", 'write {"role": …, "content": …}')
        role = item.get("role")
        if role not in _SPEAKERS:
            raise row.fault(f"the role of {where!r} is {role!r}", f"use one of {', '.join(_SPEAKERS)}")
        # An empty answer is something a model can say; an empty question is damage.
        content = row.check_text(item.get("content"), f"{where}.content", blank=role == "assistant")
        messages.append(Message(role, content))
    return messages


def parse_transcript(row: Row, text: str, name: str) -> list[Message]:
    r"""The turns of a text like `"\n\nHuman: 안녕?\n\nAssistant: 네."` (HH-RLHF; Bai et al. 2022)."""
    turns = list(_TURN.finditer(text))
    if not turns or text[: turns[0].start()].strip():
        raise row.fault(
            f"{name!r} is no transcript, so its prompt is unknown",
            "begin it with 'Human:', or give the prompt in a field of its own",
        )
    ends = [turn.start() for turn in turns[1:]] + [len(text)]
    return [Message(_ROLES[turn[1]], text[turn.end() : end].strip()) for turn, end in zip(turns, ends, strict=True)]


def check_order(row: Row, messages: Sequence[Message], name: str) -> None:
    """Raises `InputError` unless an optional system message is followed by user and assistant in turn."""
    turns = messages[1:] if messages and messages[0].role == "system" else messages
    for index, message in enumerate(turns):
        due = "assistant" if index % 2 else "user"
        if message.role != due:
            position = index + len(messages) - len(turns)
            raise row.fault(
                f"{name}[{position}] is from the {message.role} where the {due} is due",
                "let user and assistant take turns, beginning with the user",
            )


def transcript(messages: Sequence[Message]) -> str:
    """Messages as one text: a lone user message as it is, anything longer with a speaker before every turn."""
    if len(messages) == 1 and messages[0].role == "user":
        return messages[0].content
    return "\n\n".join(f"{_SPEAKERS[message.role]}: {message.content}" for message in messages)


def user_turns(prompt: str) -> list[str]:
    """What the user says in a prompt as `transcript` writes it; a prompt without speakers is one turn."""
    turns = list(_TURN.finditer(prompt))
    ends = [*(turn.start() for turn in turns), len(prompt)][1:]
    said = [prompt[turn.end() : end].strip() for turn, end in zip(turns, ends, strict=True) if turn[1] == "Human"]
    return said or [prompt]


def prompt_text(row: Row, name: str) -> str:
    """A prompt given as a text or as messages that end with the user's, as one text."""
    value = row.fields.get(name)
    if not isinstance(value, list):
        return row.text(name)
    messages = messages_of(row, value, name)
    check_order(row, messages, name)
    if messages[-1].role != "user":
        raise row.fault(f"{name!r} does not end with the user's message", "end it with a message of role user")
    return transcript(messages)


def answer_text(row: Row, name: str, *, blank: bool = False) -> str:
    """An answer given as a text or as a list of one assistant message."""
    value = row.fields.get(name)
    if not isinstance(value, list):
        return row.text(name, blank=blank)
    messages = messages_of(row, value, name)
    if len(messages) != 1 or messages[0].role != "assistant":
        raise row.fault(f"{name!r} is not one assistant message", "give the answer alone, the rest in 'prompt'")
    return row.check_text(messages[0].content, name, blank=blank)
