"""PRIVACY.md: an audit as a page that may be passed on. Names no photograph, patient or path."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def audit_page(result: Mapping[str, Any]) -> str:
    """result: what `woundgen audit` stores in privacy.json."""
    copies, own = result["copies"], result["authenticity"]
    usual = "no photograph held out" if own["held_out"] is None else f"{own['held_out']:.2f} (n = {own['n'][1]})"
    rows = [
        ("copies", f"{copies['count']} of {result['n']}; one-sided 95 % bound of the rate {copies['upper_bound']:.1%}"),
        ("held back when drawn", _held_back(result["drawn"])),
        ("nearest photograph", _nearness(result["nearness"])),
        ("authenticity", f"{own['value']:.2f} (n = {own['n'][0]}; no interval); photographs held out: {usual}"),
        ("membership, by the model's loss", _membership(result["membership"])),
        ("membership, from what is released beside the pixels", _released(result["released"])),
        ("where the adapter is shared too", _with_the_adapter(result)),
    ]
    table = [f"| {name} | {text} |" for name, text in rows]
    lines = ["# Privacy audit", "", f"**{result['verdict']}**", "", result["not_covered"], "", "| | |", "| --- | --- |"]
    return "\n".join([*lines, *table]) + "\n"


def _held_back(drawn: Mapping[str, Any]) -> str:
    return f"{drawn['held_back']} of {drawn['count']} drawn images were called copies, and are not in the set"


def _nearness(test: Mapping[str, Any]) -> str:
    if "not_made" in test:
        return f"not tested: {test['not_made']}"
    return (
        f"trained on for {test['share']:.0%} of {test['n']} images, where {test['usual']:.0%} are usual; patients "
        f"dealt anew, p = {test['p']:.3f} ({test['trained']} patients trained on, {test['held_out']} not)"
    )


def _released(test: Mapping[str, Any]) -> str:
    if "not_made" in test:
        return f"not tested: {test['not_made']}"
    trained, others = test["n"]
    rows = "; rows of images that were not kept are among the files" if test["rejected_rows"] else ""
    return (
        f"{test['proven']} of {trained} photographs proven, {test['false']} of {others} others wrongly; AUC "
        f"{test['auc']:.2f}, p = {test['p']:.3f} (the smallest that could be shown: {test['smallest']:.2f}){rows}"
    )


def _with_the_adapter(result: Mapping[str, Any]) -> str:
    held_back = result["drawn"]["held_back"]
    copies = (
        f"The {held_back} images held back as copies can be drawn again: set.json names the seed they follow from. "
        if held_back
        else ""
    )
    return (
        f"{copies}Whoever has the adapter draws without this screen, and can try its loss on a photograph (the row "
        "on the model's loss). Holding images back protects only while the adapter stays where it is."
    )


def _membership(test: Mapping[str, Any]) -> str:
    if "not_made" in test:
        return f"not tested: {test['not_made']}"
    return (
        f"AUC {test['auc']:.2f}, p = {test['p']:.3f}; the smallest that {test['trained']} patients trained on and "
        f"{test['held_out']} sealed could show: {test['smallest']:.2f}"
    )
