"""The table of the engine and its peers: python -m engine, in benchmarks/ (`make bench` does it).

    python -m engine                      every row that is not yet measured, then the table
    python -m engine --rows dpo-lora      one row (several: divided by commas)
    python -m engine --again ours         measure ours anew, and keep what results.json holds of the peers
    python -m engine --table              only print the table

Every measurement is a process of its own; ours and the peer's take turns. What has been measured stays in results.json
after each one, so an interrupted run goes on where it stopped. Keep the machine quiet.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from engine import shape
from engine.shape import ROWS, SETTINGS, Row, Setting

HERE = Path(__file__).parent
RESULTS = HERE.parent / "results.json"
WORK = HERE.parent / ".work"  # environments and the checkpoint; ignored by git
REPEATS = 3
_MODULES = {"ppo": "trl_ppo", "dpo": "trl_fixed", "reward": "trl_fixed", "sft": "trl_fixed"}
_BESIDE = ["torch==2.13.0", "transformers==5.23.0", "peft==0.21.2", "accelerate==1.15.0", "datasets==5.2.0"]


def main() -> None:
    """Measures and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", default=",".join(ROWS), help="rows, divided by commas")
    parser.add_argument("--settings", default=",".join(SETTINGS), help="settings, divided by commas")
    parser.add_argument("--again", choices=("ours", "peer", "both"), help="a side that is measured anew")
    parser.add_argument("--table", action="store_true", help="only print the table")
    arguments = parser.parse_args()
    wanted = _known(arguments.rows, ROWS), _known(arguments.settings, SETTINGS)
    if not arguments.table:
        measure([ROWS[name] for name in wanted[0]], wanted[1], again=arguments.again)  # type: ignore[arg-type]
    print(table(_read()))


def _known(given: str, names: Any) -> list[str]:
    chosen = given.split(",")
    for name in chosen:
        if name not in names:
            raise SystemExit(f"{name}: not known. Fix: choose among {', '.join(names)}.")
    return chosen


# ── measuring ─────────────────────────────────────────────────────────────────────────────────────────────────────


def measure(rows: list[Row], settings: list[Setting], *, again: str | None = None) -> None:
    """Runs what is missing of each row, ours and the peer's in turns, and writes it down after each process."""
    checkpoint = WORK / "checkpoint"
    _run([sys.executable, "-m", "engine.checkpoint", str(checkpoint)])
    results = _read()
    results["machine"] = {"processor": _processor(), "threads": shape.THREADS, "system": platform.platform()}
    for row in rows:
        for side in ("ours", "peer") if again == "both" else (again,):
            for setting in settings:
                results["rows"].get(row.name, {}).get(side, {}).pop(setting, None)
    for row in rows:
        for setting in settings:
            for turn in range(REPEATS):
                for side in ("ours", "peer"):
                    done = results["rows"].setdefault(row.name, {}).setdefault(side, {}).setdefault(setting, [])
                    if len(done) > turn or (side == "ours" and setting in ("bfloat16", "onednn")):
                        continue
                    began = time.perf_counter()
                    done.append(_measured(row, side, setting, checkpoint))
                    took = time.perf_counter() - began
                    seconds = f"{done[-1]['seconds']:8.2f} s  (in {took:.0f} s)"
                    print(f"{row.name:14} {side:5} {setting:9} {seconds}", flush=True)
                    _write(results)


def _measured(row: Row, side: str, setting: Setting, checkpoint: Path) -> dict[str, Any]:
    if side == "ours":
        command = [sys.executable, "-m", "engine.ours"]
    else:
        module = _MODULES.get(row.kind, "generate")
        command = [str(_environment(row.peer)), "-m", f"engine.peers.{module}"]
    return json.loads(_run([*command, row.name, setting, str(checkpoint)]).splitlines()[-1])


def _run(command: list[str]) -> str:
    threads = {name: str(shape.THREADS) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")}
    environment = os.environ | threads | {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, [str(HERE.parent), os.environ.get("PYTHONPATH")]))
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=HERE.parent, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr[-2000:]}")
    return done.stdout


def _environment(peer: str) -> Path:
    """The Python of a peer's environment, which is made when it is first needed."""
    folder = WORK / peer.replace("==", "-")
    python = folder / "bin" / "python"
    if not (folder / ".installed").exists():
        print(f"installing {peer} (once)", flush=True)
        _run([sys.executable, "-m", "venv", "--clear", str(folder)])
        pip = [str(python), "-m", "pip", "-qq", "--disable-pip-version-check", "install"]
        _run([*pip, _BESIDE[0]])
        _run([*pip, peer, *_BESIDE])
        (folder / ".installed").touch()
    return python


def _processor() -> str:
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.processor()


def _read() -> dict[str, Any]:
    return json.loads(RESULTS.read_text("utf-8")) if RESULTS.exists() else {"machine": {}, "rows": {}}


def _write(results: dict[str, Any]) -> None:
    building = RESULTS.with_name(f".{RESULTS.name}.building")
    building.write_text(json.dumps(results, indent=1) + "\n", "utf-8")
    building.replace(RESULTS)


# ── the table ─────────────────────────────────────────────────────────────────────────────────────────────────────


def median(measured: list[dict[str, Any]] | None, key: str = "seconds") -> float | None:
    """Of the measurements that have it."""
    values = [one[key] for one in measured or [] if key in one]
    return statistics.median(values) if values else None


def ratios(found: dict[str, Any]) -> dict[str, float | None]:
    """Peer over ours of a row: time in float32, time as a user gets it, peak memory in float32; with the peer in
    bfloat16 and with oneDNN, against ours as a user gets it and in float32."""
    ours, peer = found.get("ours", {}), found.get("peer", {})

    def over(theirs: Setting, mine: Setting, key: str = "seconds") -> float | None:
        above, below = median(peer.get(theirs), key), median(ours.get(mine), key)
        return above / below if above and below else None

    return {
        "float32": over("float32", "float32"),
        "user": over("user", "user"),
        "memory": over("float32", "float32", "peak_mb"),
        "bfloat16": over("bfloat16", "user"),
        "onednn": over("onednn", "float32"),
    }


def table(results: dict[str, Any]) -> str:
    """Markdown: a line a row; a mark that is missed stands in brackets behind the ratio."""
    lines = [
        "| row | peer | peer, s | ours, s | float32 | as a user gets it | peak memory | peer in bf16 | peer on oneDNN |"
        " of the floor |",
        "|---|---|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for row in ROWS.values():
        found = results["rows"].get(row.name)
        if not found:
            continue
        ours, peer = median(found["ours"].get("float32")), median(found["peer"].get("float32"))
        ratio = ratios(found)
        floor, training = (median(found["ours"].get("float32"), key) for key in ("floor_seconds", "training_seconds"))
        cells = [
            row.name,
            row.peer.replace("==", " "),
            _number(peer, "{:.1f}"),
            _number(ours, "{:.2f}"),
            _marked(ratio["float32"], row.float32),
            _marked(ratio["user"], row.user),
            _marked(ratio["memory"], row.memory),
            _number(ratio["bfloat16"], "{:.1f}×"),
            _number(ratio["onednn"], "{:.1f}×"),
            _number(100 * floor / training if floor and training else None, "{:.0f} %"),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _number(value: float | None, form: str) -> str:
    return "–" if value is None else form.format(value)


def _marked(ratio: float | None, mark: float | None) -> str:
    missed = ratio is not None and mark is not None and ratio < mark
    return _number(ratio, "{:.1f}×") + (f" (< {mark:g}×)" if missed else "")


if __name__ == "__main__":
    main()
