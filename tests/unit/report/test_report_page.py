"""The page as a whole: what it holds, what it leaves out, and that nothing in it asks for the network or runs."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from fixture import SYSTEMS, comparison, number, results, write_run
from lxml import html

from haechi.errors import InputError, StageError
from haechi.prompt.template import Language
from haechi.report import build_report, write_report
from haechi.report.korean import KOREAN


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_run(tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module")
def page(run: Path) -> html.HtmlElement:
    return html.fromstring(build_report(run, "en"))


def words(element: html.HtmlElement) -> str:
    return " ".join(" ".join(element.itertext()).split())


def test_sections_stand_in_the_order_a_reader_asks(page: html.HtmlElement) -> None:
    wanted = ["verdict", "systems", "comparisons", "reward", "curves", "kl", "answers", "retrieval", "cost", "glossary"]
    assert [section.get("id") for section in page.iter("section")] == wanted
    assert [link.get("href") for link in page.xpath("//nav//a")] == [f"#{name}" for name in wanted]


def test_every_figure_is_named_and_described_with_ids_of_its_own(page: html.HtmlElement) -> None:
    figures = page.xpath("//figure")
    for figure in figures:
        (svg,) = figure.xpath("./svg")
        title, description = svg.find("title"), svg.find("desc")
        assert title.text.strip()
        assert description.text.strip()
        assert svg.get("aria-labelledby") == f"{title.get('id')} {description.get('id')}"
        assert figure.xpath("./figcaption/strong")[0].text == title.text
    ids = page.xpath("//@id")
    assert len(ids) == len(set(ids))
    # correct; differences; 3 of the reward model; sft 3, reward 3, dpo 4, ppo 11 curves; 2 against KL; 2 of cost
    assert len(figures) == 1 + 1 + 3 + (3 + 3 + 4 + 11) + 2 + 2


def test_every_curve_explains_itself_in_a_line(page: html.HtmlElement) -> None:
    for caption in page.xpath("//section[@id='curves']//figcaption"):
        assert caption.xpath("./span")[0].text.strip(), words(caption)


def test_a_validation_curve_shares_the_figure_of_what_it_validates(page: html.HtmlElement) -> None:
    legends = {
        figure.xpath("./figcaption/strong")[0].text: [words(item) for item in figure.xpath(".//li")]
        for figure in page.xpath("//section[@id='curves']//figure")
    }
    assert legends["Reward and its terms"] == ["total", "learned", "grounded", "cited", "length", "validation"]
    assert legends["Correct answers"] == ["validation"]
    assert legends["Entropy"] == []


def test_nothing_leaves_the_page(run: Path, page: html.HtmlElement) -> None:
    source = build_report(run, "en")
    assert not re.findall(r"https?:|//[a-z]|url\(|@import", source.replace("// Filters", ""))
    assert not page.xpath("//@src | //link | //iframe | //object | //form")
    assert all(target.startswith("#") for target in page.xpath("//@href"))
    policy = page.xpath("//meta[@http-equiv='Content-Security-Policy']/@content")[0]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy


def test_tables_show_every_interval(page: html.HtmlElement) -> None:
    (table,) = page.xpath("//section[@id='systems']//table")
    assert [words(head) for head in table.xpath(".//thead//th")] == [
        "Metric", "Base", "SFT", "Best-of-n", "DPO", "PPO",
    ]  # fmt: skip
    cells = table.xpath(".//td")
    assert len(cells) == 14 * len(SYSTEMS)
    assert all(re.search(r"\[.+, .+\]", words(cell)) for cell in cells)
    # 0.76 ± 1.96 √(0.76·0.24/120) = 0.76 ± 0.0764
    assert words(table.xpath(".//tr[th[contains(., 'Correct')]]/td[5]")[0]) == "76.0% ▲ [68.4, 83.6]"


def test_the_verdict_says_what_is_not_distinguishable(page: html.HtmlElement) -> None:
    said = [words(one) for one in page.xpath("//li[contains(@class, 'statement')]")]
    # ± 0.8 · 7.64 points around 10 and 4 points
    assert said[0] == (
        "PPO answers more questions correctly than SFT Difference +10.0 points [+3.9, +16.1] over 120 questions."
    )
    assert said[1].startswith("PPO and Best-of-n cannot be told apart in correctness")
    assert "[−2.1, +10.1]" in said[1]


def test_who_compared_is_said_in_the_words_of_the_run(page: html.HtmlElement) -> None:
    assert [words(item) for item in page.xpath("//div[@class='note']//li")] == results()["notes"]


def test_a_run_that_does_not_say_who_compared_is_told_so(tmp_path: Path) -> None:
    assert "does not record who compared" in build_report(write_run(tmp_path, changed={"notes": []}), "en")


def test_data_is_inert(tmp_path: Path) -> None:
    attack = "</style></title><script>alert(1)</script><img src=x onerror=alert(2)>"
    write_run(tmp_path, changed={"name": attack, "notes": [attack]})
    answers = tmp_path / "evaluate" / "answers.jsonl"
    rows = [json.loads(line) for line in answers.read_text(encoding="utf-8").splitlines()]
    for row in rows:
        row["question"] = row["gold"] = attack
        row["passages"][0] = {"id": attack, "title": attack, "text": attack}
        row["systems"]["ppo"]["text"] = f"{attack} [1]"
    answers.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    loaded = json.loads((tmp_path / "results.json").read_text(encoding="utf-8"))
    loaded["reward_model"]["by_kind"][attack] = number(0.5, 0.1)
    loaded["stages"][attack] = {"seconds": 1.0, "peak_memory_mb": 1.0, "trained_parameters": 1}
    loaded["versions"][attack] = attack
    for metric in ('"><script>', attack):
        loaded["systems"]["ppo"][metric] = number(0.5, 0.1)
        loaded["comparisons"].append(comparison(metric, "ppo", "sft", 0.5, 0.1, attack))
    (tmp_path / "results.json").write_text(json.dumps(loaded), encoding="utf-8")
    (tmp_path / "ppo" / "metrics.jsonl").write_text(json.dumps({"step": 1, attack: 1.0, f"a/{attack}": 2.0}))
    page = html.fromstring(build_report(tmp_path))
    assert len(page.xpath("//script")) == 1
    assert not page.xpath("//img")
    assert not page.xpath("//@onerror")
    assert words(page.xpath("//h1")[0]) == attack
    assert attack in words(page.xpath("//article")[0])


def test_missing_stages_and_systems_are_left_out(tmp_path: Path) -> None:
    page = html.fromstring(build_report(write_run(tmp_path, without=("dpo", "best_of_n")), "en"))
    body = words(page.xpath("//main")[0]).split("Glossary")[0]
    assert "DPO" not in body
    assert "Best-of-n" not in body
    assert [heading.text for heading in page.xpath("//section[@id='curves']/h3")] == ["SFT", "Reward model", "PPO"]


def test_a_run_of_nothing_but_results_still_reads(tmp_path: Path) -> None:
    bare = {"schema": 1, "name": "bare", "systems": {"base": {"correct": number(0.3, 0.1)}}}
    (tmp_path / "results.json").write_text(json.dumps(bare))
    page = html.fromstring(build_report(tmp_path, "en"))
    assert [section.get("id") for section in page.iter("section")] == ["verdict", "systems", "glossary"]
    assert "No trained system was compared" in words(page.xpath("//section[@id='verdict']")[0])


@pytest.mark.parametrize(
    ("language", "title", "counted"),
    [("en", "Likeness to the gold answers", "moved away"), ("ko", "모범 답과의 유사도", "모범 답에서 멀어짐")],
)
def test_a_run_without_accepted_answers_speaks_of_likeness(
    tmp_path: Path, language: Language, title: str, counted: str
) -> None:
    write_run(tmp_path, changed={"systems": {"sft": {"f1": number(0.3, 0.1)}, "ppo": {"f1": number(0.2, 0.1)}}})
    answers = tmp_path / "evaluate" / "answers.jsonl"
    rows = [json.loads(line) for line in answers.read_text("utf-8").splitlines()]
    for row in rows:
        for system in row["systems"].values():
            system |= {"correct": None, "f1": 0.25}
        row["systems"]["ppo"]["f1"] = 0.125
    answers.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    page = html.fromstring(build_report(tmp_path, language))
    assert title in words(page.xpath("//section[@id='verdict']")[0])
    counts = words(page.xpath("//section[@id='answers']//ul[@class='counts']")[0])
    assert f"{len(rows)} {counted}" in counts or f"{len(rows)}{counted}" in counts
    assert "F1 0.25" in words(page.xpath("//section[@id='answers']//article")[0])


def test_numbers_that_are_not_finite_are_shown_as_missing(tmp_path: Path) -> None:
    systems = {"base": {"correct": {"value": float("nan"), "low": None, "high": None, "n": 0}}, "sft": {}}
    write_run(tmp_path, changed={"systems": systems, "comparisons": []})
    page = html.fromstring(build_report(tmp_path))
    assert [words(cell) for cell in page.xpath("//section[@id='systems']//td")] == ["–", "–"]
    assert "nan" not in words(page.xpath("//section[@id='systems']")[0])


def test_both_languages_hold_the_same_findings(run: Path) -> None:
    korean, english = (html.fromstring(build_report(run, language)) for language in ("ko", "en"))
    assert korean.get("lang") == "ko"
    assert english.get("lang") == "en"
    for path in ("//section", "//figure", "//article", "//table//td"):
        assert len(korean.xpath(path)) == len(english.xpath(path))
    assert KOREAN["verdict.better"].format(a="PPO", b="SFT") in words(korean)


def test_an_answer_shows_its_passages_with_what_was_cited(page: html.HtmlElement) -> None:
    article = page.xpath("//article[@data-outcome='won']")[0]
    assert len(article.xpath(".//div[@class='said']/div")) == len(SYSTEMS)
    cited = article.xpath(".//ol/li[contains(@class, 'cited')]")
    assert any("PPO" in words(passage) and "holds the answer" in words(passage) for passage in cited)


def test_the_same_files_give_the_same_page(run: Path) -> None:
    assert build_report(run) == build_report(run)


def test_the_page_is_written_whole_and_alone(run: Path) -> None:
    path = write_report(run, "en")
    assert path == run / "report.html"
    assert path.read_text(encoding="utf-8") == build_report(run, "en")
    assert not list(run.glob(".*"))


def test_a_run_without_results_names_the_command(tmp_path: Path) -> None:
    with pytest.raises(StageError, match=r"Run: haechi run RECIPE\.yaml"):
        build_report(tmp_path)
    (tmp_path / "recipe.json").write_text("{}")
    with pytest.raises(StageError, match=re.escape(f"Run: haechi run {tmp_path / 'recipe.json'}")):
        write_report(tmp_path)
    assert not (tmp_path / "report.html").exists()


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("{", "not JSON"),
        ("[]", "not a JSON object"),
        ('{"schema": 2}', "its schema is 2"),
        ('{"schema": 1, "name": "x"}', "`systems`: Field required"),
        ('{"schema": 1, "name": "x", "systems": {"sft": {"correct": "high"}}}', "`systems.sft.correct`"),
    ],
)
def test_results_that_break_the_contract_are_refused(tmp_path: Path, content: str, problem: str) -> None:
    (tmp_path / "results.json").write_text(content)
    with pytest.raises(InputError, match=re.escape(problem)):
        build_report(tmp_path)


def test_a_broken_row_is_named_by_its_line(tmp_path: Path) -> None:
    answers = write_run(tmp_path) / "evaluate" / "answers.jsonl"
    first = answers.read_text(encoding="utf-8").splitlines()[0]
    answers.write_text(f'{first}\n\n{{"question": "q"}}\n', encoding="utf-8")
    with pytest.raises(InputError, match=r"answers\.jsonl:3: `question_id`"):
        build_report(tmp_path)
    metrics = tmp_path / "sft" / "metrics.jsonl"
    answers.unlink()
    metrics.write_text('{"step": 1}\n{"step": 2, "lo')
    with pytest.raises(InputError, match=r"metrics\.jsonl:2: not JSON"):
        build_report(tmp_path)
