"""Float32 products: exact whoever computes them, and given back to MKL where they would not be."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch

from haechi.engine import products

matmul: Any = torch.backends.mkldnn.matmul  # type: ignore[attr-defined]


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    before = matmul.fp32_precision
    products.by_onednn.cache_clear()
    yield
    products.by_onednn.cache_clear()
    matmul.fp32_precision = before


def test_products_are_float32_whoever_computes_them() -> None:
    products.by_onednn()
    assert products.largest_error() < 5e-6


def test_rounded_products_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    matmul.fp32_precision = "none"
    monkeypatch.setattr(products, "largest_error", lambda: 2e-3)
    assert products.by_onednn() is False
    assert matmul.fp32_precision == "none"


@pytest.mark.parametrize(("machine", "tiles"), [("aarch64", False), ("x86_64", True)])
def test_processors_that_would_round_are_left_alone(
    machine: str, tiles: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    matmul.fp32_precision = "none"
    monkeypatch.setattr(products.platform, "machine", lambda: machine)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: tiles)
    assert products.by_onednn() is False
    assert matmul.fp32_precision == "none"


def test_the_error_of_bfloat16_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    exact = torch.Tensor.__matmul__

    def rounded(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return exact(a, b) if a.dtype is torch.float64 else exact(a.bfloat16(), b.bfloat16()).float()

    monkeypatch.setattr(torch.Tensor, "__matmul__", rounded)
    assert products.largest_error() > 1e-3
