"""Decoders of Llama's family by hand: trees without padding, and a backward pass that keeps only what it must.

A layer is two steps, attention and feed-forward, each with a backward of its own (`attention`, `feed_forward`), over
linear layers that wear adapters (`linear`) and norms (`norms`). `decoder` runs them over trees laid one after another;
`decoding` writes answers token by token. Every weight stays in its Transformers module: what a role replaces there is
replaced here.
"""
