"""A tokenizer in which every word of the consultation's prompts is one token."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from transformers import CLIPTokenizer

from woundgen.config.prompts import MEDICAL_NEGATIVE, MEDICAL_PROMPTS, SHORT_PROMPT
from woundgen.models.base import EMBEDDED_FOLDER
from woundgen.shipped.tokenizer import END, START, build_tokenizer

TEXTS = [*MEDICAL_PROMPTS.values(), MEDICAL_NEGATIVE, SHORT_PROMPT]
WORDS = sorted({word for text in TEXTS for word in re.findall(r"[a-z]+|[^\sa-z]", text.lower())})


@pytest.fixture(scope="module")
def built() -> CLIPTokenizer:
    return build_tokenizer(TEXTS)


@pytest.fixture(scope="module")
def shipped() -> CLIPTokenizer:
    return CLIPTokenizer.from_pretrained(EMBEDDED_FOLDER / "tokenizer", local_files_only=True)


@pytest.mark.parametrize("word", WORDS)
def test_a_word_is_a_token(word: str, built: CLIPTokenizer, shipped: CLIPTokenizer) -> None:
    for tokenizer in (built, shipped):
        pieces = tokenizer.tokenize(word)
        assert pieces == [f"{word}</w>"]
        assert tokenizer.convert_tokens_to_ids(pieces[0]) not in (None, tokenizer.unk_token_id)


def test_the_prompts_as_a_whole(built: CLIPTokenizer, shipped: CLIPTokenizer) -> None:
    """One id a word, between start and end; none is unknown; all of it comes back; nothing is cut off."""
    for tokenizer in (built, shipped):
        start, end = (tokenizer.convert_tokens_to_ids(mark) for mark in (START, END))
        assert tokenizer.model_max_length == 77
        for text in TEXTS:
            ids = tokenizer(text).input_ids
            assert ids[0] == start
            assert ids[-1] == end
            assert len(ids) - 2 == len(re.findall(r"[a-z]+|[^\sa-z]", text.lower()))
            assert not {start, end} & set(ids[1:-1])
            assert len(ids) <= 77
            squeezed = str(tokenizer.decode(ids[1:-1])).replace(" ", "")
            assert squeezed == text.lower().replace(" ", "")


@pytest.mark.parametrize("text", ["pus", "Wundränder", "伤口", "🩹", "50% (±2)", "it's"])
def test_any_other_text_encodes_too(text: str, built: CLIPTokenizer) -> None:
    """From bytes, without the unknown mark (which is the end mark in CLIP)."""
    ids = built(text).input_ids[1:-1]
    assert ids
    assert built.convert_tokens_to_ids(END) not in ids
    assert str(built.decode(ids)).replace(" ", "") == text.lower().replace(" ", "")


def test_start_end_and_padding(built: CLIPTokenizer) -> None:
    assert (built.bos_token, built.eos_token, built.pad_token) == (START, END, END)
    assert built.convert_tokens_to_ids(START) != built.convert_tokens_to_ids(END)


def test_the_same_texts_give_the_same_ids(built: CLIPTokenizer) -> None:
    """In any order, as often as one likes: a base that goes on training builds its tokenizer again."""
    assert build_tokenizer([*reversed(TEXTS), *TEXTS]).get_vocab() == built.get_vocab()


def test_saved_and_read_again(built: CLIPTokenizer, tmp_path: Path) -> None:
    built.save_pretrained(tmp_path)
    again = CLIPTokenizer.from_pretrained(tmp_path, local_files_only=True)
    for text in [*TEXTS, "Wundränder"]:
        assert again(text).input_ids == built(text).input_ids
