"""How saessak, the embedded base, is made: generated worlds, a tokenizer, a plain Llama."""
