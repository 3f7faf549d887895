"""The base model of a run, ready to be trained: precision, checkpointing, what is trained, and the loop's UNet."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from woundgen.adapters.dropout import DropoutMasks
from woundgen.adapters.lora_forward import run_by_position
from woundgen.adapters.methods import Method, prepare_method
from woundgen.config.train import TrainConfig
from woundgen.models.base import BaseModel
from woundgen.models.cuda_graphs import ReplayedUNet
from woundgen.models.flat_parameters import FlatParameters, flatten
from woundgen.models.half_precision import HALVES, run_in_half
from woundgen.models.recorded_function import GraphRecorder, Recorder
from woundgen.models.unet_pass import RecordedPasses, UNetPass, plain_pass
from woundgen.models.verified_unet import TOLERANCES, VerifiedUNet
from woundgen.training.loop import Network
from woundgen.training.loss_pass import VerifiedLossPass
from woundgen.training.state import new_optimizer
from woundgen.workflows.train.lean_pass import LeanPass, build_lean_pass


@dataclass(frozen=True, slots=True)
class TrainableModel:
    """A base with what is trained of it, ready to take steps.

    trainable: the parameters of the method, as one vector. dropout, lean: of LoRA, and in half precision only; or None.
    recorder: of CUDA graphs, None without. unet: what the loop calls. loss_pass: what it calls instead where it can.
    faults: lines on recordings that differ, not yet shown.
    """

    base: BaseModel
    method: Method
    trainable: FlatParameters
    dropout: DropoutMasks | None
    lean: LeanPass | None
    recorder: Recorder | None
    unet: Network
    loss_pass: VerifiedLossPass | None
    optimizer: torch.optim.Optimizer
    scaler: torch.amp.GradScaler
    faults: list[str]

    @property
    def trained_modules(self) -> tuple[nn.Module, ...]:
        """Return the networks of a step: the UNet, and the text encoders where they are trained."""
        return self.base.unet, *(self.base.text_encoders.values() if self.method.reads_text else ())


def make_trainable(base: BaseModel, config: TrainConfig, device: torch.device, precision: str) -> TrainableModel:
    """Add to the base what the config trains, and build the optimizer and the passes of the loop."""
    method, trainable = prepare_model(base, config, device, precision)
    dropout = run_by_position(base.unet, dropout=config.lora.dropout) if method.name == "lora" else None
    lean = None if config.compute.compile else build_lean_pass(base.unet, method, trainable, dropout, precision)
    recorder = choose_recorder(config, device)
    faults: list[str] = []
    return TrainableModel(
        base=base,
        method=method,
        trainable=trainable,
        dropout=dropout,
        lean=lean,
        recorder=recorder,
        unet=unet_for_training(base, config, trainable, device, faults=faults),
        loss_pass=loss_pass_for_training(base, method, trainable, recorder, faults=faults),
        optimizer=new_optimizer(
            trainable,
            betas=(0.9, 0.999),
            weight_decay=config.optimization.weight_decay,
            kind=config.optimization.algorithm,
        ),
        scaler=torch.amp.GradScaler(device.type, enabled=precision == "fp16"),
        faults=faults,
    )


def native_pixels(base: BaseModel) -> int:
    """Return the side of the images that the base was made for."""
    return int(base.unet.config.sample_size) * 2 ** (len(base.vae.config.block_out_channels) - 1)


def prepare_model(
    base: BaseModel, config: TrainConfig, device: torch.device, precision: str
) -> tuple[Method, FlatParameters]:
    """Move the base to `device`, add what the method trains, and return it with its parameters as one vector."""
    for part in base.modules:
        part.to(device)
    method = prepare_method(base, config)
    if config.compute.gradient_checkpointing:
        # The recomputed pass draws nothing (adapters/dropout.py), so no generator's state need be saved for it; reading
        # one cannot be recorded in a CUDA graph.
        base.unet.enable_gradient_checkpointing(partial(checkpoint, use_reentrant=False, preserve_rng_state=False))
    if precision in HALVES:
        run_in_half(base.unet, HALVES[precision])
    trainable = flatten(method.parameters)
    assert trainable.values.numel() == method.expected
    return method, trainable


def unet_for_training(
    base: BaseModel,
    config: TrainConfig,
    trainable: FlatParameters,
    device: torch.device,
    *,
    faults: list[str],
) -> Network:
    """Return the UNet callable for the loop: torch.compile'd, wrapped in CUDA graphs, or unchanged.

    The first two are checked against the plain UNet at the first micro-batch of each shape; where they differ, or the
    compiler fails, `faults` gets a line and training goes on without them.
    """
    if config.compute.compile:
        errors = compiler_errors()
        return VerifiedUNet(base.unet, torch.compile(base.unet), trainable, faults=faults, build_errors=errors)
    if config.compute.cuda_graphs and device.type == "cuda":
        return VerifiedUNet(base.unet, ReplayedUNet(base.unet, trainable), trainable, faults=faults)
    return base.unet


def compiler_errors() -> tuple[type[Exception], ...]:
    """Return the exceptions that torch.compile raises where it cannot compile, such as without a C++ compiler."""
    from torch._dynamo.exc import TorchDynamoException  # seconds of import that only a compiled run needs
    from torch._inductor.exc import CppCompileError, InvalidCxxCompiler

    return TorchDynamoException, CppCompileError, InvalidCxxCompiler


def choose_recorder(config: TrainConfig, device: torch.device) -> Recorder | None:
    """Return what records functions of a step as CUDA graphs; None where they are launched kernel by kernel."""
    is_used = config.compute.cuda_graphs and not config.compute.compile and device.type == "cuda"
    return GraphRecorder() if is_used else None


def unet_pass_for_evaluation(recorder: Recorder | None, precision: str, *, faults: list[str]) -> UNetPass:
    """Return how the UNet is run where nothing is learned: as recordings of the loop's recorder, or kernel by kernel.

    It serves the whole run: each evaluation loads its weights into the memory that the recordings read.
    """
    if recorder is None:
        return plain_pass
    # What the UNet computes in half precision comes out in single.
    tolerances = {torch.float32: TOLERANCES[HALVES.get(precision, torch.float32)]}
    return RecordedPasses(recorder, faults=faults, tolerances=tolerances)


def loss_pass_for_training(
    base: BaseModel,
    method: Method,
    trainable: FlatParameters,
    recorder: Recorder | None,
    *,
    faults: list[str],
) -> VerifiedLossPass | None:
    """Return the micro-batch as a recorded function; None without a recorder, or where a text encoder is trained."""
    if recorder is None or method.reads_text:
        return None
    return VerifiedLossPass(base.unet, trainable, record=recorder, faults=faults)
