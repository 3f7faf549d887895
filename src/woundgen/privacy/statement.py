"""One sentence that an audit ends in, and what it does not cover."""

from __future__ import annotations

from woundgen.privacy.membership import Membership
from woundgen.privacy.nearness import Nearness

NOT_COVERED = (
    "Not covered: likeness that matched local features do not see (a wound drawn anew, a single small mark); "
    "what can be read from the adapter's file rather than from these images; attackers who know more than the "
    "loss; images that this model draws on other seeds or prompts."
)


def verdict(
    *,
    copies: int | None,
    n: int,
    bound: float,
    nearness: Nearness | None,
    membership: Membership | None,
    held_back: int = 0,
    proven: int = 0,
) -> str:
    """Compose the statement of an audit, worst first; without a finding, how little this n could have shown.

    copies: None where they could not be looked for.
    held_back: images that the screen called copies when the set was drawn: none in the set says nothing of the model.
    proven: photographs whose membership the released files prove.
    """
    signs = []
    if proven:
        signs.append(f"{proven} photographs trained on are proven by numbers in the files beside the images")
    if copies:
        signs.append(
            f"{copies} of {n} images agree with a training photograph in more places than photographs of different "
            "scenes do"
        )
    if nearness is not None and nearness.shown:
        signs.append(f"images lie nearer to photographs trained on than to others (p = {nearness.p:.3f})")
    if membership is not None and membership.shown:
        signs.append(f"whose photographs were trained on can be told (AUC {membership.auc:.2f})")
    if signs:
        return f"Do not share without a decision: {'; '.join(signs)}."
    untested = [
        name for name, test in (("copies", copies), ("nearness", nearness), ("membership", membership)) if test is None
    ]
    statement = (
        f"Copies could not be looked for among {n} images"
        if copies is None
        else f"No sign of copying in {n} images; up to {bound:.1%} of such images could still be copies"
    )
    if membership is not None:
        statement += f", and an AUC below {membership.smallest:.2f} could not have been shown"
    if held_back:
        statement += f". The screen held {held_back} copies back: the model makes them, this set was cleared of them"
    return f"{statement}." + (f" Not tested: {', '.join(untested)}." if untested else "")
