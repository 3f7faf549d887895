"""Give a text encoder another tokenizer: tokens that both know keep their rows."""

from __future__ import annotations

import copy

import torch
from torch import nn
from transformers import CLIPTextModel, CLIPTokenizer


@torch.no_grad()
def move_vocabulary(encoder: CLIPTextModel, old: CLIPTokenizer, new: CLIPTokenizer, *, seed: int) -> CLIPTextModel:
    """Build a text encoder for `new` with the shape and weights of `encoder`, which reads `old`.

    A token that only `new` knows starts at the mean row plus noise of a tenth of the rows' deviation.
    """
    torch.manual_seed(seed)
    config = copy.deepcopy(encoder.config)
    config.vocab_size = len(new)
    config.bos_token_id, config.eos_token_id, config.pad_token_id = new.bos_token_id, new.eos_token_id, new.eos_token_id
    moved = CLIPTextModel(config)
    table = _embedding(encoder).weight.detach().float()
    weights = {key: value for key, value in encoder.state_dict().items() if not key.endswith("token_embedding.weight")}
    moved.load_state_dict(weights, strict=False)
    rows = table.mean(0) + 0.1 * table.std(0) * torch.randn(len(new), table.shape[1])
    known = old.get_vocab()
    for token, index in new.get_vocab().items():
        if token in known:
            rows[index] = table[known[token]]
    _embedding(moved).weight.copy_(rows)
    return moved


def _embedding(encoder: CLIPTextModel) -> nn.Embedding:
    table = encoder.get_input_embeddings()
    assert isinstance(table, nn.Embedding)
    return table
