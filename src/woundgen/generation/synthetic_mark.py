"""Metadata of every image file: that no camera took it."""

from __future__ import annotations

from PIL.PngImagePlugin import iTXt

from woundgen import __version__

_TERMS = "http://cv.iptc.org/newscodes/digitalsourcetype"
DIGITAL_SOURCE_TYPE = f"{_TERMS}/trainedAlgorithmicMedia"
RENDERED_SOURCE_TYPE = f"{_TERMS}/algorithmicMedia"  # by an algorithm that was trained on nothing

# XMP specification part 3 (Adobe 2020), "PNG": an iTXt chunk of this keyword. The property is that of the
# IPTC Photo Metadata Standard 2023.1, "Digital Source Type".
XMP_KEYWORD = "XML:com.adobe.xmp"
_XMP = """<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/">
 <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
  <rdf:Description rdf:about="" xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/">
   <Iptc4xmpExt:DigitalSourceType>{source_type}</Iptc4xmpExt:DigitalSourceType>
  </rdf:Description>
 </rdf:RDF>
</x:xmpmeta>
<?xpacket end="r"?>"""


def synthetic_mark() -> dict[str, str]:
    """Return PNG text chunks by keyword: they name the software, and nothing of what it was trained on."""
    return _chunks("Synthetic image: drawn by a diffusion model, not a photograph of a patient.", DIGITAL_SOURCE_TYPE)


def rendered_mark() -> dict[str, str]:
    """Return the same for a phantom, which a renderer has made."""
    return _chunks("Synthetic image: rendered phantom, not a photograph of a patient.", RENDERED_SOURCE_TYPE)


def _chunks(description: str, source_type: str) -> dict[str, str]:
    xmp = _XMP.replace("{source_type}", source_type)
    return {"Description": description, "Software": f"woundgen {__version__}", XMP_KEYWORD: iTXt(xmp)}
