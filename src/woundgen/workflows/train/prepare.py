"""Make a training session: load the base, add what is trained, read the photographs, plan the run."""

from __future__ import annotations

from collections.abc import Iterator

from woundgen.adapters.noise_schedule import with_zero_terminal_snr
from woundgen.config.train import TrainConfig, prompts_for
from woundgen.errors import UserError
from woundgen.features.load import check_names
from woundgen.models.base import BaseModel, load_base
from woundgen.models.prompts import cut_prompts
from woundgen.privacy.private_names import find_names, private_names, refuse_names
from woundgen.runtime.console import silent_console
from woundgen.runtime.devices import choose_device, choose_precision
from woundgen.training.loop_state import LoopState
from woundgen.training.noising import choose_noise_stream
from woundgen.training.state import check_optimizer
from woundgen.training.trackers import check_trackers
from woundgen.workflows.train.dataset import Dataset, load_dataset
from woundgen.workflows.train.differences import run_identity
from woundgen.workflows.train.lean_pass import enable_where_equal
from woundgen.workflows.train.loss_terms import (
    build_discriminator,
    build_terms,
    load_perceptual_network,
    resolve_perceptual_network,
)
from woundgen.workflows.train.memory_plan import pass_shape
from woundgen.workflows.train.model import make_trainable, native_pixels, unet_pass_for_evaluation
from woundgen.workflows.train.session import TrainingJob, TrainingSession
from woundgen.workflows.train.settings import build_plan


def prepare(job: TrainingJob) -> TrainingSession:
    """Make the session of a run. Nothing is written yet: whatever the settings lack is a UserError here."""
    request, ranks = job.request, job.ranks
    console = job.console if ranks.first else silent_console()
    check_phase_prompts(request.config)
    config, perceptual_note = resolve_perceptual_network(request.config)
    check_optimizer(config.optimization.algorithm)
    device = choose_device(config.compute.device)
    precision, precision_note = choose_precision(config.compute.mixed_precision, device)
    base = _load_base(config)
    attention_note = "use_xformers: PyTorch's own memory-efficient attention serves" * config.compute.use_xformers
    for note in filter(None, (perceptual_note, precision_note, base.note, attention_note)):
        console.info(note)
    model = make_trainable(base, config, device, precision)
    for warning in _find_cut_prompts(config, base):  # after the learned word has joined the tokenizer
        console.warn(warning)
    perceptual = load_perceptual_network(config)
    check_names(config.evaluation.feature_networks)
    check_trackers(config.tracking.trackers)
    dataset = load_dataset(config, request.data)
    refuse_named_patients(config, dataset)
    discriminator = build_discriminator(config, base, device)
    session = TrainingSession(
        request=request,
        config=config,
        console=console,
        ranks=ranks,
        device=device,
        precision=precision,
        model=model,
        unet_pass=unet_pass_for_evaluation(model.recorder, precision, faults=model.faults),
        terms=build_terms(config, base, device, perceptual=perceptual, discriminator=discriminator),
        discriminator=discriminator,
        dataset=dataset,
        plan=build_plan(config, dataset, processes=ranks.size, native_pixels=native_pixels(base)),
        state=LoopState(step=0, average=None, noise_stream=choose_noise_stream(device)),
        identity=run_identity(config, dataset, base),
    )
    _enable_lean_pass(session)
    return session


def _enable_lean_pass(session: TrainingSession) -> None:
    """Use the lean pass on a GPU where it is equal; where it is not, the model's faults say so."""
    model = session.model
    if model.lean is None or session.device.type != "cuda":
        return
    side, images = session.config.trained_side, session.plan.micro_batch
    shape = pass_shape(session.base, images=images, side=side, prompt_gradient=model.method.reads_text)
    model.faults.extend(enable_where_equal(model.lean, session.base.unet, model.trainable, shape, session.precision))


def check_phase_prompts(config: TrainConfig) -> None:
    """Raise UserError where several phases would be trained with one and the same prompt."""
    if config.text.strategy in ("short", "none") and len(config.photographs.phases) > 1:
        raise UserError(
            f"prompts: {config.text.strategy} gives the phases {', '.join(config.photographs.phases)} the same text.",
            "Train one adapter a phase, or use prompts: medical.",
        )


def refuse_named_patients(config: TrainConfig, dataset: Dataset) -> None:
    """Raise UserError where a text that the adapter's file will carry names a patient or a photograph."""
    names = private_names(dataset.photos.photos)
    texts = {key: value for key, value in config.text.model_dump(mode="json").items() if isinstance(value, str)}
    for phase in config.photographs.phases:
        texts[f"prompt of phase {phase}"], texts[f"negative prompt of phase {phase}"] = prompts_for(config, phase)
    refuse_names({f"the adapter ({key})": text for key, text in texts.items()}, [lambda text: find_names(text, names)])


def _load_base(config: TrainConfig) -> BaseModel:
    """Load the base that the config names. UserError where the size of the images does not fit it."""
    base = load_base(config.model.base)
    factor = 2 ** (len(base.vae.config.block_out_channels) - 1)
    levels = 2 ** (len(base.unet.config.block_out_channels) - 1)
    if config.trained_side % (factor * levels):
        key = "resolution" if config.model.train_resolution is None else "train_resolution"
        raise UserError(
            f"{key} = {config.trained_side} does not fit base model {base.name}.",
            f"Give a multiple of {factor * levels}.",
        )
    return with_zero_terminal_snr(base) if config.loss.zero_terminal_snr else base


def _find_cut_prompts(config: TrainConfig, base: BaseModel) -> Iterator[str]:
    """Yield a warning for each prompt that is longer than the text encoder reads."""
    for phase in config.photographs.phases:
        positive, negative = prompts_for(config, phase)
        named = {f"prompt of phase {phase}": positive, f"negative prompt of phase {phase}": negative}
        yield from cut_prompts(base, named)
