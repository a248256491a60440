"""The readers in one place: files of the user to records."""

from haechi.records.documents import read_documents
from haechi.records.lines import ReadingLog
from haechi.records.preferences import PreferenceFormat, read_preferences, recognise_preferences
from haechi.records.questions import QuestionFormat, read_questions, recognise_questions

__all__ = [
    "PreferenceFormat",
    "QuestionFormat",
    "ReadingLog",
    "read_documents",
    "read_preferences",
    "read_questions",
    "recognise_preferences",
    "recognise_questions",
]
