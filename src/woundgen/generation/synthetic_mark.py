"""Metadata of every image file: that no camera took it."""

from __future__ import annotations

from PIL.PngImagePlugin import iTXt

from woundgen import __version__

DIGITAL_SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"

# XMP specification part 3 (Adobe 2020), "PNG": an iTXt chunk of this keyword. The property is that of the
# IPTC Photo Metadata Standard 2023.1, "Digital Source Type".
XMP_KEYWORD = "XML:com.adobe.xmp"
_XMP = f"""<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/">
 <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
  <rdf:Description rdf:about="" xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/">
   <Iptc4xmpExt:DigitalSourceType>{DIGITAL_SOURCE_TYPE}</Iptc4xmpExt:DigitalSourceType>
  </rdf:Description>
 </rdf:RDF>
</x:xmpmeta>
<?xpacket end="r"?>"""


def synthetic_mark() -> dict[str, str]:
    """PNG text chunks by keyword: they name the software, and nothing of what it was trained on."""
    return {
        "Description": "Synthetic image: drawn by a diffusion model, not a photograph of a patient.",
        "Software": f"woundgen {__version__}",
        XMP_KEYWORD: iTXt(_XMP),
    }
