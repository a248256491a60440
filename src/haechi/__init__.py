"""haechi: documents and people's judgement, turned into a question-answering model that can be trusted."""

__version__ = "0.1.0"
