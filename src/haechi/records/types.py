"""What flows through a run: documents, questions and preferences.

Plain frozen dataclasses: readers validate at the border, everything behind it trusts them.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One source text. `id` is stable across runs; character offsets elsewhere point into `text`."""

    id: str
    title: str
    text: str
    source: str = ""
    metadata: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A question, with whatever is known of its right answer.

    Attributes:
        answer: the answer as a person would write it, without a citation; None where nobody wrote one.
        accepted: strings of which one must occur in a right answer (the checkable core); empty if unknown.
        answerable: False where the documents do not hold the answer and abstaining is right.
        gold_documents: ids of the documents that hold the answer.
        evidence: a verbatim quotation from a gold document that holds the answer.
        topic: what the question is about; questions of one topic never cross a split.
    """

    id: str
    text: str
    answer: str | None = None
    accepted: tuple[str, ...] = ()
    answerable: bool = True
    gold_documents: tuple[str, ...] = ()
    evidence: str | None = None
    topic: str = ""
    source: str = ""

    @property
    def subject(self) -> str:
        """The topic; a question without one is a topic of its own. Answers on one subject are not independent."""
        return self.topic or self.id


@dataclass(frozen=True, slots=True, kw_only=True)
class Preference:
    """Two answers to one question, of which somebody preferred the first.

    Attributes:
        prompt: the question's text (a transcript for conversations of several turns).
        margin: how much better, in units of reward (0 = not said).
        weight: how much this pair counts.
        kind: the class of pair (for example "citation"), for accuracy per class; "" if unknown.
        annotator: "human", "simulated", "ai" or "file".
        question_id: the id of the `Question`, where the pair comes from one.
    """

    id: str
    prompt: str
    chosen: str
    rejected: str
    margin: float = 0.0
    weight: float = 1.0
    kind: str = ""
    annotator: str = "file"
    question_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """A piece of a document, small enough for a prompt.

    `text` equals `document.text[start:end]`. `id` is `"{document_id}#{hash of text}"`, so that it survives changes
    elsewhere in the document.
    """

    id: str
    document_id: str
    title: str
    text: str
    start: int
    end: int
