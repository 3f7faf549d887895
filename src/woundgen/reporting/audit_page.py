"""PRIVACY.md: an audit as a page that may be passed on. Names no photograph, patient or path."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from woundgen.reporting.html import render
from woundgen.reporting.read_audit import audit_facts, audit_word


def audit_page(result: Mapping[str, Any]) -> str:
    """Return PRIVACY.md. result: what `woundgen audit` stores in privacy.json."""
    table = [f"| {name} | {text} |" for name, text in audit_rows(result)]
    lines = ["# Privacy audit", "", f"**{result['verdict']}**", "", result["not_covered"], "", "| | |", "| --- | --- |"]
    return "\n".join([*lines, *table]) + "\n"


def audit_html(result: Mapping[str, Any]) -> str:
    """Return privacy.html, the same in the dress of the reports."""
    facts = audit_facts(result)
    word, tone = audit_word(facts)
    context = {"title": "Privacy audit", "word": word, "tone": tone, "n": facts.n}
    context["rows"] = [(name, text.replace("`", "")) for name, text in audit_rows(result)]
    return render("audit.html.j2", {**context, "sentence": facts.sentence, "not_covered": facts.not_covered})


def audit_rows(result: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return each test's name and its outcome in words, with n and interval."""
    copies, own = result["copies"], result["authenticity"]
    units = result.get("grouping", "patients")
    usual = "no photograph held out" if own["held_out"] is None else f"{own['held_out']:.2f} (n = {own['n'][1]})"
    return [
        ("copies", _copies(copies, result["n"])),
        ("held back when drawn", _held_back(result["drawn"])),
        ("nearer to those trained on?", _nearness(result["nearness"], units)),
        (
            "no near copies (authenticity)",
            f"a share of {own['value']:.2f} (n = {own['n'][0]}; no interval); of photographs held out: {usual}",
        ),
        ("membership, by the model's loss", _membership(result["membership"], units)),
        ("membership, from what is released beside the pixels", _released(result["released"])),
        ("networks that looked", _networks(result.get("networks"))),
        *[("begun from photographs", text) for text in [_begun(result.get("from_photographs", []))] if text],
        ("where the adapter is shared too", _with_the_adapter(result)),
    ]


def _networks(used: Mapping[str, str] | None) -> str:
    if used is None:
        return "not recorded: an older version"
    return f"feature distance {used['embedding']}, perceptual distance {used['perceptual']}; copies by keypoints"


def _copies(copies: Mapping[str, Any], n: int) -> str:
    rule = copies.get("rule", "")  # audits of earlier versions have none
    if copies["count"] is None:
        return f"not looked for: {rule}"
    return f"{copies['count']} of {n}; one-sided 95 % bound of the rate {copies['upper_bound']:.1%}" + (
        f"; {rule}" if rule else ""
    )


def _begun(outcome: Any) -> str:
    """Of images that begin from a photograph trained on: at which strengths it is recognised."""
    if isinstance(outcome, Mapping):
        return f"not tested: {outcome['not_made']}"
    parts = [
        f"at strength {row['strength']:g} {row['recognised']} of {row['n']} are recognised "
        f"({row['low']:.0%} to {row['high']:.0%})"
        for row in outcome
    ]
    return "; ".join(parts)


def _held_back(drawn: Mapping[str, Any]) -> str:
    return f"{drawn['held_back']} of {drawn['count']} drawn images were called copies, and are not in the set"


def _groups(grouping: str) -> str:
    """Describe the groups as a reader has to know them: only named patients are patients."""
    known = {"patients": "patients", "near-duplicate clusters": "clusters of near duplicates (patients unknown)"}
    return known.get(grouping, f"groups ({grouping})")


def _nearness(test: Mapping[str, Any], units: str) -> str:
    if "not_made" in test:
        return f"not tested: {test['not_made']}"
    return (
        f"the {test['n']} images lie {_factor(test['excess'])} to photographs trained on than to others, beyond what "
        f"groups drawn at random give (p = {test['p']:.3f}; {test['trained']} {_groups(units)} trained on, "
        f"{test['held_out']} not). The nearest photograph of {test['share']:.0%} of the images was trained on; with "
        f"groups at random {test['usual']:.0%} (not tested)"
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


def _factor(excess: float) -> str:
    """Mean log ratio of distances -> how many times nearer, or farther."""
    return f"{math.exp(abs(excess)):.3g} times {'nearer' if excess > 0 else 'less near'}"


def _membership(test: Mapping[str, Any], units: str) -> str:
    if "not_made" in test:
        return f"not tested: {test['not_made']}"
    return (
        f"AUC {test['auc']:.2f}, p = {test['p']:.3f}; the smallest that {test['trained']} {_groups(units)} trained on "
        f"and {test['held_out']} sealed could show: {test['smallest']:.2f}"
    )
