"""Base and prompt: those that a request names, else those that its adapter recorded."""

from __future__ import annotations

from woundgen.adapters.post_hoc_ema import adapter_of
from woundgen.adapters.saved import Adapter, DrawingNotes, drawing_notes
from woundgen.errors import UserError
from woundgen.workflows.generate.request import GenerateOptions, GenerateRequest


def check_named(request: GenerateRequest) -> None:
    """Raise UserError where neither request nor first adapter names base and prompt, before a model is loaded."""
    first = adapter_of(request.adapters[0][0], weights=request.options.weights)
    if request.options.base is None:
        recorded_base(first)
    choose_prompt(request.options, first, drawing_notes(first.file))


def recorded_base(adapter: Adapter) -> str:
    """Return the base that the adapter names, or that its shape fits. UserError where there is none."""
    if adapter.base is None:
        raise UserError(
            f"{adapter.file} does not say which base model it belongs to, and its shape is of none that is known.",
            "Give --base.",
        )
    return adapter.base


def choose_prompt(options: GenerateOptions, adapter: Adapter | None, notes: DrawingNotes) -> str:
    """Return the prompt asked for, or the adapter's; of several phases, that of options.label."""
    label = options.label
    if options.prompt is not None:
        return options.prompt
    if adapter is None:
        return ""
    if not notes.prompts:
        if adapter.prompt is None:
            raise UserError(f"{adapter.file} does not say which prompt it was trained with.", "Give --prompt.")
        return adapter.prompt
    if label not in notes.prompts:
        raise UserError(
            f"{adapter.file} was trained on the phases {adapter.phase}, told apart by prompt.",
            f"Say which to draw: --label {' | '.join(notes.prompts)} (or give --label and --prompt).",
        )
    return notes.prompts[label]
