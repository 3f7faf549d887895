"""A function of tensors as CUDA graphs, a graph a shape, each checked against the function before it is used."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

import torch
from torch import Tensor

from woundgen.models.verified_unet import TOLERANCES

Function: TypeAlias = Callable[..., Tensor]
"""Tensors -> a tensor. Depends on nothing but the values of its inputs and of parameters that stay where they are."""

Recorder: TypeAlias = Callable[[Function, Sequence[Tensor]], Function]
"""(function, inputs of the shapes to record) -> what computes the same for inputs of these shapes."""

Key: TypeAlias = tuple[tuple[torch.Size, torch.dtype], ...]
WARM_UPS = 3  # libraries choose their kernels in the first passes, which a recording cannot hold


class GraphRecorder:
    """Records CUDA graphs into a common memory pool, which they can share because they never run at the same time."""

    def __init__(self) -> None:
        self._pool = torch.cuda.graph_pool_handle()

    def __call__(self, function: Function, inputs: Sequence[Tensor]) -> Function:
        """Return a function that replays `function` on copies of its inputs, and returns a new tensor."""
        places = [value.clone() for value in inputs]
        torch.cuda.empty_cache()  # what the plain pass took is free for the recording
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(WARM_UPS):
                function(*places)
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=self._pool, stream=stream):
            output = function(*places)

        def replay(*values: Tensor) -> Tensor:
            for place, value in zip(places, values, strict=True):
                place.copy_(value)
            graph.replay()
            return output.clone()

        return replay


class VerifiedFunction:
    """Stands in for `function`, and runs recordings of it for the shapes at which both agree.

    A recording is made from zeros and compared on the first real inputs, so that a recording that does not read its
    inputs is noticed.

    tolerances: largest relative difference (L2 norm) by the output's precision. faults: gets a line, with the
    difference or the error, where a recording cannot be used; every later call is then plain. name: of the function.
    """

    def __init__(
        self,
        function: Function,
        *,
        record: Recorder,
        name: str,
        faults: list[str],
        tolerances: Mapping[torch.dtype, float] = TOLERANCES,
    ) -> None:
        self.function, self.record, self.name = function, record, name
        self.faults, self.tolerances = faults, tolerances
        self.trusted = True
        self._recordings: dict[Key, Function] = {}

    def __call__(self, *inputs: Tensor) -> Tensor:
        if not self.trusted:
            return self.function(*inputs)
        key = tuple((value.shape, value.dtype) for value in inputs)
        if key not in self._recordings:
            return self._first_call(key, inputs)
        return self._recordings[key](*inputs)

    def _first_call(self, key: Key, inputs: Sequence[Tensor]) -> Tensor:
        """Record, compare, and return what the plain function gives."""
        expected = self.function(*inputs)
        try:
            recording = self.record(self.function, [torch.zeros_like(value) for value in inputs])
            difference = relative_difference(recording(*inputs), expected)
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:  # of torch, where a kernel cannot be recorded
            self._distrust(f"could not be recorded ({str(error).splitlines()[0] if str(error) else 'no message'})")
            return expected
        bound = self.tolerances[expected.dtype]
        if difference <= bound:
            self._recordings[key] = recording
        else:
            self._distrust(f"differs from the plain pass by {difference:.2g} (at most {bound:g} is rounding)")
        return expected

    def _distrust(self, problem: str) -> None:
        self.trusted = False
        self._recordings.clear()
        self.faults.append(f"the recorded {self.name} {problem}: it goes on without CUDA graphs, slower")


def relative_difference(actual: Tensor, expected: Tensor) -> float:
    """|actual - expected| / |expected|, L2 norms in fp32; 0 where they are equal, infinite where it is no number."""
    if torch.equal(actual, expected):
        return 0.0
    ratio = ((actual.float() - expected.float()).norm() / expected.float().norm()).item()
    return ratio if ratio == ratio else float("inf")
