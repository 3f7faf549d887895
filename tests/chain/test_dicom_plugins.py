"""Syntaxes that pydicom decodes by a plug-in: the same pixels as uncompressed. Slow: another environment (peers.py)."""

from __future__ import annotations

from pathlib import Path

import pytest

import woundgen

from ..peers import run_peer

DECODE = """
import sys
from pathlib import Path
import numpy as np
from pydicom.data import get_testdata_file
sys.path.insert(0, sys.argv[1])
from woundgen.data.files.images import decode_photograph
pictures = [decode_photograph(Path(get_testdata_file(name)).read_bytes(), name=name) for name in sys.argv[2:]]
print(pictures[0].shape, np.abs(pictures[0].astype(int) - pictures[1]).max())
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("compressed", "plain"),
    [("SC_rgb_jpeg_gdcm.dcm", "SC_rgb_rle.dcm"), ("MR_small_jpeg_ls_lossless.dcm", "MR_small.dcm")],
    ids=["JPEG lossless", "JPEG-LS"],
)
def test_lossless_syntaxes_through_gdcm(compressed: str, plain: str, tmp_path: Path) -> None:
    """pydicom's own samples, of which the second is the same picture in RLE or uncompressed."""
    source = Path(woundgen.__file__).parents[1]
    assert run_peer("dicom", DECODE, source, compressed, plain, folder=tmp_path).split()[-1] == "0"
