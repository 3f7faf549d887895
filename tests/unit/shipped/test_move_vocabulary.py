"""A text encoder that gets another tokenizer says the same of words that both know."""

from __future__ import annotations

import torch

from woundgen.shipped.architecture import build_text_encoder
from woundgen.shipped.move_vocabulary import move_vocabulary
from woundgen.shipped.tokenizer import build_tokenizer

OLD, NEW = ["photograph of a wound"], ["photograph of a wound", "close-up of a heel"]


def encode(encoder: torch.nn.Module, tokenizer: object, text: str) -> torch.Tensor:
    ids = tokenizer([text], padding="max_length", max_length=77, return_tensors="pt").input_ids  # type: ignore[operator]
    return encoder(ids)[0]


def test_known_words_are_encoded_alike_and_new_ones_have_rows_of_their_own() -> None:
    torch.manual_seed(0)
    old, new = build_tokenizer(OLD), build_tokenizer(NEW)
    encoder = build_text_encoder(len(old), start=old.bos_token_id, end=old.eos_token_id).eval()
    moved = move_vocabulary(encoder, old, new, seed=1).eval()
    assert new.tokenize("heel") == ["heel</w>"]
    with torch.no_grad():
        torch.testing.assert_close(encode(moved, new, OLD[0]), encode(encoder, old, OLD[0]))
        assert not torch.allclose(encode(moved, new, "heel"), encode(moved, new, "wound"))
