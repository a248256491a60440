"""Public text: divided by its own words, packed without loss, measured in bits a character."""

from __future__ import annotations

import gzip
import json
import math
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch
from safetensors.torch import load_file

from haechi.errors import InputError, ModelError
from haechi.models.base import SharedBase
from haechi.pretrain.model import build_model
from haechi.pretrain.text import PackedText, bits_per_character, language_of, pack_text, read_corpus
from haechi.pretrain.worlds.draw import Draw
from haechi.prompt.template import Language
from haechi.prompt.tokens import Codec

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

KOREAN = [f"{number}번째 등대는 바다 위에 떠 있다. 지기는 오누리이다." for number in range(500)]
ENGLISH = [f"Lighthouse number {number} stands upon the sea. Its keeper is old." for number in range(500)]


def write(path: Path, texts: list[str]) -> Path:
    rows = "".join(json.dumps({"text": text}, ensure_ascii=False) + "\n" for text in texts)
    path.write_bytes(gzip.compress(rows.encode()) if path.suffix == ".gz" else rows.encode())
    return path


def test_a_fiftieth_is_held_out_by_the_words_of_a_document(tmp_path: Path) -> None:
    """The same documents in any order, in any company: those held out never turn up among those to learn from."""
    whole = read_corpus([write(tmp_path / "a.jsonl", KOREAN + ENGLISH)], 10**6)
    held = {language: set(texts) for language, texts in whole.held_out.items()}
    assert held["ko"] == {text for text in KOREAN if zlib.crc32(text.encode()) % 50 == 0}
    assert held["en"] == {text for text in ENGLISH if zlib.crc32(text.encode()) % 50 == 0}
    assert 8 < len(held["ko"]) + len(held["en"]) < 40  # 20, with a deviation of 4.4
    assert set(whole.training) == set(KOREAN + ENGLISH) - held["ko"] - held["en"]

    again = read_corpus([write(tmp_path / "b.jsonl", KOREAN[::-1]), write(tmp_path / "c.jsonl", ENGLISH[250:])], 10**6)
    assert set(again.held_out["ko"]) == held["ko"]
    assert set(again.held_out["en"]) == held["en"] & set(ENGLISH[250:])
    assert not set(again.training) & (held["ko"] | held["en"])


def test_each_file_gives_so_many_characters_at_most(tmp_path: Path) -> None:
    """The last document is cut; what is held out does not count, nor does it end with the text to learn from."""
    files = [write(tmp_path / "a.jsonl", KOREAN), write(tmp_path / "b.jsonl", ENGLISH)]
    corpus = read_corpus(files, 100)
    assert sum(map(len, corpus.training)) == 200
    korean = [text for text in corpus.training if language_of(text) == "ko"]
    seen = [text for text in KOREAN if zlib.crc32(text.encode()) % 50]
    assert "".join(korean) == "".join(seen)[:100] and korean[:-1] == seen[: len(korean) - 1]
    assert corpus.held_out == read_corpus(files, 10**6).held_out


def test_a_folder_is_its_files_in_their_order(tmp_path: Path) -> None:
    write(tmp_path / "b.jsonl", KOREAN[3:6])
    write(tmp_path / "a.jsonl.gz", KOREAN[:3])
    for other in ("notes.txt", "b.jsonl.bak", "b.jsonl~"):
        (tmp_path / other).write_text('{"text": "not this one"}', "utf-8")
    one, other = read_corpus([tmp_path], 10**6), read_corpus([tmp_path / "a.jsonl.gz", tmp_path / "b.jsonl"], 10**6)
    assert one == other and {*one.training, *one.held_out["ko"]} == set(KOREAN[:6])


def test_a_row_without_text_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "가"}\n{"words": "나"}\n', "utf-8")
    with pytest.raises(InputError, match="field 'text' is missing") as caught:
        read_corpus([path], 100)
    assert caught.value.line == 2


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("등대는 바다 위에 있다.", "ko"),
        ("The lighthouse stands.", "en"),
        ("abcdefghi 가", "ko"),  # one letter in ten
        ("abcdefghij 가", "en"),  # one in eleven
        ("가" + "x" * 1900 + "나" * 5000, "en"),  # only the first 2,000 characters are looked at
        ("123 456.", "en"),
        ("", "en"),
    ],
)
def test_the_language_of_a_text(text: str, language: Language) -> None:
    assert language_of(text) == language


def test_packed_ids_are_the_texts_with_an_end_between(tokenizer: PreTrainedTokenizerFast, tmp_path: Path) -> None:
    codec, file = Codec(tokenizer), tmp_path / "ids.safetensors"
    expected = [*codec.encode(KOREAN[0]), codec.eos, *codec.encode(ENGLISH[0]), codec.eos]
    assert pack_text([KOREAN[0], ENGLISH[0]], codec, file) == len(expected)
    stored = load_file(file)["ids_T"]
    assert stored.dtype == torch.uint16 and stored.to(torch.int32).tolist() == expected
    packed = PackedText(file)
    assert packed.num_tokens == len(expected)
    tree = packed.row(Draw("1"), codec, 10**6)
    assert (tree.prompt, tree.answers) == (codec.bos, [expected])
    first = codec.encode(KOREAN[0])
    assert codec.tokenizer.decode(list(tree.answers[0][: len(first)])) == KOREAN[0]


def test_rows_are_stretches_from_anywhere(tokenizer: PreTrainedTokenizerFast, tmp_path: Path) -> None:
    """Each as long as asked for, learned whole; every token of the text is in one of them."""
    codec, file = Codec(tokenizer), tmp_path / "ids.safetensors"
    size = pack_text([KOREAN[0], ENGLISH[0]], codec, file)
    ids = load_file(file)["ids_T"].to(torch.int32).tolist()
    packed, rng = PackedText(file), Draw("2")
    starts: set[int] = set()
    for _ in range(1500):
        tree = packed.row(rng, codec, 7)
        (stretch,) = tree.answers
        assert len(stretch) == 7 and tree.prompt == codec.bos and tree.skipped(0) == 0
        found = [at for at in range(size - 6) if ids[at : at + 7] == stretch]
        assert found, "not a stretch of the packed ids"
        starts.update(found)
    assert starts == set(range(size - 6))


def test_ids_that_need_more_than_16_bits_are_refused(tmp_path: Path) -> None:
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    words = {"</s>": 0, "하나": 65_535, "둘": 65_536, "?": 1}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="?"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    codec = Codec(PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="</s>"))
    assert pack_text(["하나 하나"], codec, tmp_path / "a.safetensors") == 3
    assert load_file(tmp_path / "a.safetensors")["ids_T"].to(torch.int32).tolist() == [65_535, 65_535, 0]
    with pytest.raises(ModelError, match="token 65536 of the text does not fit into 16 bits"):
        pack_text(["하나 둘"], codec, tmp_path / "b.safetensors")
    assert not (tmp_path / "b.safetensors").exists()


def test_bits_per_character_are_what_the_logits_say(
    tokenizer: PreTrainedTokenizerFast, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two documents, of which one is longer than what is scored at a time: each stretch of 512 begins anew."""
    model = build_model(tokenizer, layers=2, width=32, heads=2, intermediate=32, seed=0)
    base = SharedBase(model, Codec(tokenizer), "sprout")
    texts = [KOREAN[0], " ".join(KOREAN[1:61])]
    ids = [base.codec.encode(text) for text in texts]
    assert len(ids[0]) < 512 < 1024 < len(ids[1])
    assert len(texts[1]) < 2000

    def bits(ids: list[int]) -> float:
        found = 0.0
        for start in range(0, len(ids), 512):
            row = torch.tensor([[*base.codec.bos, *ids[start : start + 512]]])
            with torch.no_grad():
                logps = model(input_ids=row).logits[0, :-1].double().log_softmax(-1)
            found -= float(logps.gather(1, row[0, 1:, None]).sum()) / math.log(2)
        return found

    expected = [bits(some) for some in ids]
    told: list[tuple[int, int]] = []
    found = bits_per_character(base, texts, progress=lambda done, total: told.append((done, total)))
    assert found == pytest.approx(sum(expected) / sum(map(len, texts)), rel=1e-5)
    assert len(told) == 2 and told[-1] == (sum(map(len, texts)), told[0][1]) and told[0][0] < told[0][1]
    assert bits_per_character(base, texts[::-1]) == bits_per_character(base, texts), "the order of files is nothing"
    # One document only, once there are characters enough: which one its words decide.
    monkeypatch.setattr("haechi.pretrain.text._MEASURED", 1)
    first = min((0, 1), key=lambda number: zlib.crc32(texts[number].encode()))
    assert bits_per_character(base, texts) == pytest.approx(expected[first] / len(texts[first]), rel=1e-5)
    # Of a document its beginning only.
    monkeypatch.setattr("haechi.pretrain.text._OF_A_DOCUMENT", 100)
    beginning = texts[1][:100]
    found = bits(base.codec.encode(beginning)) / 100
    assert bits_per_character(base, texts[1:]) == pytest.approx(found, rel=1e-5)


def test_a_model_of_few_positions_is_measured_in_shorter_stretches(
    tokenizer: PreTrainedTokenizerFast, make_model: Any
) -> None:
    """GPT-2 has learned positions, 512 of them here: the beginning and 511 tokens."""
    base = SharedBase(make_model("gpt2"), Codec(tokenizer), "gpt2")
    text = " ".join(KOREAN[:61])
    assert len(base.codec.encode(text)) > 1024
    assert 0 < bits_per_character(base, [text]) < 100


def test_a_tokenizer_without_a_beginning_is_measured_too(tokenizer: PreTrainedTokenizerFast) -> None:
    """A model to go on from may have no beginning-of-sequence token (`Codec.bos` is empty then)."""
    model = build_model(tokenizer, layers=2, width=32, heads=2, intermediate=32, seed=0)
    codec = Codec(tokenizer)
    codec.bos = []
    assert bits_per_character(SharedBase(model, codec, "sprout"), [KOREAN[0]]) > 0
