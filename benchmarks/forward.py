"""How long a base takes to read a prompt: median milliseconds of a forward, up to the logits after its last token.

    python benchmarks/forward.py                        # saessak, two threads
    python benchmarks/forward.py --threads 1 --base ./models/mine

Keep the machine quiet. Lengths take turns, so that a disturbance meets all of them.
"""

from __future__ import annotations

import argparse
import statistics
import time

import torch
from torch import Tensor

from haechi.engine.trees import Tree, pack
from haechi.models.base import SharedBase
from haechi.models.load import load_base

_LENGTHS = (100, 300, 600)
_WARMUP = 3


def main() -> None:
    """Prints a row a length."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", default="saessak", help="saessak, a folder, or a name on the Hub")
    parser.add_argument("--dtype", default="float32", choices=("auto", "float32", "bfloat16"))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=51)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    base = load_base(arguments.base, dtype=arguments.dtype, device="cpu")
    generator = torch.Generator().manual_seed(0)
    vocabulary = len(base.codec.tokenizer)
    prompts = [torch.randint(0, vocabulary, (1, length), generator=generator) for length in _LENGTHS]
    seconds: dict[int, list[float]] = {length: [] for length in _LENGTHS}
    for repeat in range(_WARMUP + arguments.repeats):
        for prompt_1T in prompts:
            taken = seconds_to_read(base, prompt_1T)
            if repeat >= _WARMUP:
                seconds[prompt_1T.shape[1]].append(taken)
    print(f"{arguments.base}, {base.dtype}, {arguments.threads} threads, median of {arguments.repeats}")
    for length, times in seconds.items():
        print(f"{length:5} tokens  {1000 * statistics.median(times):7.1f} ms")


@torch.no_grad()
def seconds_to_read(base: SharedBase, prompt_1T: Tensor) -> float:
    """Wall-clock seconds until the logits after the prompt's last token are there."""
    *prompt, last = prompt_1T[0].tolist()
    begun = time.perf_counter()
    hidden_RD = base.hidden(pack([Tree(prompt, [[last]])], base.layout))
    weight_VD, _ = base.output_weight()
    _ = hidden_RD[-1] @ weight_VD.T
    return time.perf_counter() - begun


if __name__ == "__main__":
    main()
