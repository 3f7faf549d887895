"""A Croissant description of a folder of images with a table: what dataset search and mlcroissant read.

Format: MLCommons Croissant 1.0, https://docs.mlcommons.org/croissant/docs/croissant-spec.html
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from woundgen.storage.files import sha256_file, write_json
from woundgen.storage.names import CROISSANT_JSON, IMAGES, METADATA_CSV

TABLE, PICTURES, ROWS, FILES = "table", "pictures", "rows", "files"
_TYPES: Mapping[type, str] = {str: "sc:Text", int: "sc:Integer", float: "sc:Float"}
_CONTEXT: Mapping[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataBiases": "cr:dataBiases",
    "dataCollection": "cr:dataCollection",
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "extract": "cr:extract",
    "field": "cr:field",
    "fileProperty": "cr:fileProperty",
    "fileObject": "cr:fileObject",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "personalSensitiveInformation": "cr:personalSensitiveInformation",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}


def write_croissant(folder: Path, *, name: str, description: str, licence: str, columns: Mapping[str, type]) -> Path:
    """Write croissant.json beside metadata.csv, whose digest it carries; call it when the table is complete.

    columns: of metadata.csv, each str, int or float; file_name among them. licence: an SPDX or hub identifier.
    No date: the same set stays the same bytes.
    """
    table = {
        "@type": "cr:FileObject",
        "@id": TABLE,
        "name": TABLE,
        "contentUrl": METADATA_CSV,
        "encodingFormat": "text/csv",
        "sha256": sha256_file(folder / METADATA_CSV),
    }
    pictures = {
        "@type": "cr:FileSet", "@id": PICTURES, "name": PICTURES, "encodingFormat": "image/png",
        "includes": f"{IMAGES}/*.png",
    }  # fmt: skip
    path = folder / CROISSANT_JSON
    write_json(
        path,
        {
            "@context": _CONTEXT,
            "@type": "sc:Dataset",
            "conformsTo": "http://mlcommons.org/croissant/1.0",
            "name": name,
            "description": description,
            "license": licence,
            "version": "1.0.0",
            "distribution": [table, pictures],
            "recordSet": [
                {
                    "@type": "cr:RecordSet",
                    "@id": ROWS,
                    "name": ROWS,
                    "key": {"@id": f"{ROWS}/file_name"},
                    "field": [_field(column, kind) for column, kind in columns.items()],
                },
                {
                    "@type": "cr:RecordSet",
                    "@id": FILES,
                    "name": FILES,
                    "field": [
                        _property("image", "sc:ImageObject", "content"),
                        _property("name", "sc:Text", "filename"),
                    ],
                },
            ],
        },
    )
    return path


def _property(name: str, kind: str, of_file: str) -> dict[str, Any]:
    return {
        "@type": "cr:Field",
        "@id": f"{FILES}/{name}",
        "name": name,
        "dataType": kind,
        "source": {"fileSet": {"@id": PICTURES}, "extract": {"fileProperty": of_file}},
    }


def _field(column: str, kind: type) -> dict[str, Any]:
    return {
        "@type": "cr:Field",
        "@id": f"{ROWS}/{column}",
        "name": column,
        "dataType": _TYPES[kind],
        "source": {"fileObject": {"@id": TABLE}, "extract": {"column": column}},
    }
