"""Stand-ins for CUDA graphs on a CPU: recordings that tell the truth, and such as lie."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import Tensor

from woundgen.models.recorded_function import Function


class StandIn:
    """Runs the recorded function on memory of its own, as a graph does. lie: how what it returns is spoilt.

    "stale" does not copy the inputs, "scaled" and "not a number" change the output, "twice" runs the function twice,
    which adds gradients twice, "error" cannot record. shapes: of
    the first input of each recording that was made.
    """

    def __init__(self, lie: str = "") -> None:
        self.lie = lie
        self.shapes: list[tuple[int, ...]] = []
        self.replays = 0

    def __call__(self, function: Function, inputs: Sequence[Tensor]) -> Callable[..., Tensor]:
        if self.lie == "error":
            raise RuntimeError("operation not permitted when stream is capturing\nmore lines")
        self.shapes.append(tuple(inputs[0].shape))
        places = [value.clone() for value in inputs]

        def replay(*values: Tensor) -> Tensor:
            self.replays += 1
            if self.lie != "stale":
                for place, value in zip(places, values, strict=True):
                    place.copy_(value)
            output = function(*places)
            if self.lie == "twice":
                output = function(*places)
            factor = {"scaled": 1.1, "not a number": float("nan")}.get(self.lie, 1.0)
            return output * factor

        return replay
