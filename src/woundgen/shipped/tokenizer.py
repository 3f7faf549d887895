"""The embedded base's tokenizer: CLIP's own scheme, learned on our captions so that each word is one token."""

from __future__ import annotations

import json
from collections.abc import Iterable

from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from transformers import CLIPTokenizer

from woundgen.shipped.architecture import CONTEXT

START, END = "<|startoftext|>", "<|endoftext|>"


def build_tokenizer(texts: Iterable[str]) -> CLIPTokenizer:
    """A CLIPTokenizer whose byte-pair merges make one token of every word of `texts`.

    All 256 bytes are in the alphabet with and without the end-of-word mark, so any other text encodes too.
    """
    words = sorted({word for text in texts for word in _words(text)})
    learner = Tokenizer(models.BPE(end_of_word_suffix="</w>", unk_token=END))
    learner.pre_tokenizer = pre_tokenizers.Whitespace()
    learner.train_from_iterator(
        words,
        trainers.BpeTrainer(
            vocab_size=50_000,
            min_frequency=1,
            end_of_word_suffix="</w>",
            show_progress=False,
            # Known beforehand: the trainer numbers them in the order of a hash table, other at each call, and
            # breaks ties between merges by number. A run that goes on would then read its captions anew.
            special_tokens=sorted({f"{word[-1]}</w>" for word in words}),
        ),
    )
    merges = [tuple(pair) for pair in _merges(learner)]
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokens = alphabet + [f"{symbol}</w>" for symbol in alphabet] + ["".join(pair) for pair in merges]
    tokens = [*dict.fromkeys(tokens), START, END]
    vocab = {token: index for index, token in enumerate(tokens)}
    return CLIPTokenizer(vocab=vocab, merges=merges, model_max_length=CONTEXT)  # type: ignore[arg-type]  # pairs, as files hold


def _words(text: str) -> list[str]:
    """Words as CLIP's pre-tokenizer splits them: letters together, digits and marks apart."""
    lower = "".join(symbol if symbol.isalpha() else f" {symbol} " for symbol in text.lower())
    return lower.split()


def _merges(tokenizer: Tokenizer) -> list[list[str]]:
    merges = json.loads(tokenizer.to_str())["model"]["merges"]
    return [pair if isinstance(pair, list) else pair.split(" ") for pair in merges]
