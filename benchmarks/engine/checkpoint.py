"""A checkpoint of random weights in the table's shape, with a tokenizer of one word a token."""

from __future__ import annotations

from pathlib import Path

import torch

from engine import shape


def make(folder: Path) -> None:
    """Writes it, unless it is there."""
    if (folder / "config.json").exists():
        return
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast
    from transformers.utils import logging

    logging.disable_progress_bar()
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=shape.VOCABULARY,
        hidden_size=shape.WIDTH,
        intermediate_size=shape.INNER,
        num_hidden_layers=shape.LAYERS,
        num_attention_heads=shape.HEADS,
        num_key_value_heads=shape.HEADS,
        max_position_embeddings=4096,
        tie_word_embeddings=True,
        pad_token_id=shape.PAD,
        bos_token_id=shape.BOS,
        eos_token_id=shape.EOS,
    )
    words = {"<pad>": shape.PAD, "<s>": shape.BOS, "</s>": shape.EOS}
    words |= {f"t{token}": token for token in range(len(words), shape.VOCABULARY)}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="<pad>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()  # type: ignore[assignment]
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", bos_token="<s>", eos_token="</s>", padding_side="left"
    )
    fast.save_pretrained(folder)
    LlamaForCausalLM(config).save_pretrained(folder)


if __name__ == "__main__":
    import sys

    make(Path(sys.argv[1]))
