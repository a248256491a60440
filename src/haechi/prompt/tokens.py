"""Text to token ids, with no way for a document to smuggle in a control token."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from haechi.errors import ModelError
from haechi.prompt.template import Template
from haechi.records.types import Passage

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_WORD_JOINER = "\u2060"


@dataclass(frozen=True)
class PromptTokens:
    """A question's prompt as ids, and how many passages were left out to fit the context."""

    ids: list[int]
    dropped_passages: int


class Codec:
    """A tokenizer with the few ids and rules that haechi relies on.

    Prompt and answer are encoded apart, so that the border between them is a token border in training, rollout and
    serving alike.

    Attributes:
        bos: ids put before every prompt (none for tokenizers without a beginning-of-sequence token).
        eos: the id that ends an answer.
        pad: an id for padding; it never reaches a loss.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, name: str = "tokenizer") -> None:
        if tokenizer.eos_token_id is None:
            raise ModelError(
                f"{name}: the tokenizer has no end-of-sequence token, so answers could never end. "
                "Fix: set eos_token in its tokenizer_config.json."
            )
        # Transformers types a tokenizer's attributes as anything that any of its settings may be.
        self.tokenizer = cast("Any", tokenizer)
        self.eos = int(self.tokenizer.eos_token_id)
        self.pad = int(self.tokenizer.pad_token_id) if self.tokenizer.pad_token_id is not None else self.eos
        self.bos = [int(self.tokenizer.bos_token_id)] if self.tokenizer.bos_token_id is not None else []

    @cached_property
    def _control_strings(self) -> tuple[str, ...]:
        # An added token of one character that is not special (an emoji, a rare letter) is text.
        added = {token for token in self.tokenizer.get_added_vocab() if len(token) > 1}
        added |= set(self.tokenizer.all_special_tokens)
        return tuple(sorted((token for token in added if token.strip()), key=len, reverse=True))

    def neutralise(self, text: str) -> str:
        """Breaks every control string that occurs in a text by a word joiner after its first character.

        A control string of a single character cannot be broken and becomes a word joiner.
        """
        for control in self._control_strings:
            if control in text:
                broken = control[0] + _WORD_JOINER + control[1:] if len(control) > 1 else _WORD_JOINER
                text = text.replace(control, broken)
        return text

    def encode(self, text: str) -> list[int]:
        """Ids of a text, without any special token, whatever the text says."""
        return list(self.tokenizer.encode(self.neutralise(text), add_special_tokens=False))

    def encode_all(self, texts: Sequence[str]) -> list[list[int]]:
        """`encode` of many texts at once, which is much faster."""
        return (
            self.tokenizer([self.neutralise(text) for text in texts], add_special_tokens=False)["input_ids"]
            if texts
            else []
        )

    def decode(self, ids: Sequence[int]) -> str:
        """The text of an answer, up to its end-of-sequence token."""
        kept = list(ids)
        if self.eos in kept:
            kept = kept[: kept.index(self.eos)]
        return self.tokenizer.decode(kept, skip_special_tokens=True, clean_up_tokenization_spaces=False).strip()

    def context(self, template: Template, passages: Sequence[tuple[str, str]]) -> list[int]:
        """The shared beginning of a prompt: BOS and the passages."""
        return self.bos + self.encode(template.context(passages))

    def prompt(
        self, template: Template, question: str, passages: Sequence[Passage], max_tokens: int | None = None
    ) -> PromptTokens:
        """The whole prompt; passages are dropped from the end until it fits in `max_tokens`.

        Raises:
            ModelError: the question alone does not fit.
        """
        ask = self.encode(template.ask(question))
        for kept in range(len(passages), -1, -1):
            ids = self.context(template, [(p.title, p.text) for p in passages[:kept]]) + ask
            if max_tokens is None or len(ids) <= max_tokens:
                return PromptTokens(ids, len(passages) - kept)
        raise ModelError(
            f"a question of {len(ask)} tokens does not fit a prompt of {max_tokens}: “{question[:60]}…”. "
            "Fix: raise prompt.max_prompt_tokens or shorten the question."
        )

    def answer(self, text: str) -> list[int]:
        """An answer to learn: a space, the words, the end-of-sequence token."""
        return [*self.encode(" " + text.strip()), self.eos]

    def save(self, folder: Path) -> None:
        """Writes the tokenizer's files into a folder, without how this process came by it."""
        self.tokenizer.save_pretrained(folder)
        file = folder / "tokenizer_config.json"
        settings = json.loads(file.read_text("utf-8"))
        kept = {name: value for name, value in settings.items() if name not in ("is_local", "local_files_only")}
        file.write_text(json.dumps(kept, indent=2, ensure_ascii=False) + "\n", "utf-8")
