"""Our LoRA files in diffusers and peft of the last two years, each in an environment of its own: right strength."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from woundgen.adapters.lora import add_lora, save_lora
from woundgen.adapters.saved import apply_trained
from woundgen.config.method_groups import LoraOptions
from woundgen.models.base import load_base
from woundgen.storage.names import ADAPTER_FILE

from ..peers import run_peer

STACKS = {"d033": "0.33.1 0.15.2", "d036": "0.36.0 0.18.1", "d042": "0.42.1 0.20.0"}
# alpha / rank = 2 and alpha / sqrt(rank) = 4: neither is what a reader that knows no alpha would take.
PLAIN = LoraOptions(rank=4, alpha=8.0, dropout=0.0, target_modules=("to_q", "to_k", "to_v", "to_out.0", "conv1"))
KINDS = {
    "plain": PLAIN,
    "stabilised": PLAIN.model_copy(update={"rslora": True}),
    "decomposed": PLAIN.model_copy(update={"dora": True}),
}
PROGRAM = """
import json, sys, torch, diffusers, peft
from diffusers import StableDiffusionPipeline, UNet2DConditionModel
from safetensors.torch import load_file
base, adapter, inputs = sys.argv[1:]
file = {"weight_name": "pytorch_lora_weights.safetensors"}  # which older ones want where there is no network
unet = UNet2DConditionModel.from_pretrained(base + "/unet")
try:
    state, alphas, metadata = StableDiffusionPipeline.lora_state_dict(adapter, return_lora_metadata=True, **file)
    more = {"metadata": metadata}
except (TypeError, ValueError):
    state, alphas = StableDiffusionPipeline.lora_state_dict(adapter, **file)
    more = {}
StableDiffusionPipeline.load_lora_into_unet(state, network_alphas=alphas, unet=unet, **more)
given = load_file(inputs)
with torch.no_grad():
    found = unet(given["noisy"], torch.tensor([3, 500]), given["text"]).sample
error = float((found - given["expected"]).abs().max() / given["expected"].abs().max())
print(json.dumps([diffusers.__version__ + " " + peft.__version__, error]))
"""


@pytest.mark.slow
@pytest.mark.parametrize("stack", STACKS)
@pytest.mark.parametrize("kind", KINDS)
def test_an_older_stack_applies_our_lora(stack: str, kind: str, base_folders: dict[str, Path], tmp_path: Path) -> None:
    folder = base_folders["v_prediction"]
    tuned, fused = (load_base(str(folder)) for _ in range(2))
    parameters = add_lora(tuned.unet, KINDS[kind], seed=1)
    source = torch.Generator().manual_seed(2)
    values = {name: 0.2 * torch.randn(value.shape, generator=source) for name, value in parameters.items()}
    save_lora(tmp_path, tuned.unet, values, KINDS[kind], {})
    apply_trained(fused, [(tmp_path / ADAPTER_FILE, 1.0)])
    noisy, text = torch.randn(2, 4, 8, 8, generator=source), torch.randn(2, 7, 16, generator=source)
    with torch.no_grad():
        expected = fused.unet(noisy, torch.tensor([3, 500]), text).sample
    save_file({"noisy": noisy, "text": text, "expected": expected}, tmp_path / "inputs.safetensors")
    said = run_peer(stack, PROGRAM, folder, tmp_path, tmp_path / "inputs.safetensors", folder=tmp_path)
    version, error = json.loads(said.splitlines()[-1])
    assert version == STACKS[stack]
    assert error < 1e-3
