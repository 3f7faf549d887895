"""Charts follow the page into dark mode: rules inside the SVG that replace the colours of figures.STYLE."""

from __future__ import annotations

# Light colour -> dark colour, as matplotlib writes them. Each keeps 4.5 to 1 for text and 3 to 1 for lines on #14191f.
DARK = {
    "#ffffff": "#14191f",
    "#1f2933": "#e6eaef",
    "#9aa5b1": "#7d8894",
    "#e4e7eb": "#2c353f",
    "#6b7280": "#a3adb8",
    "#0072b2": "#6db9f0",
    "#d55e00": "#f2914a",
    "#009e73": "#3cc79c",
    "#b8cfe0": "#3f5f78",
}


def add_dark_colours(svg: bytes) -> bytes:
    """Return the SVG with a style for screens that prefer dark; unchanged where it has no style to add to."""
    rules = "".join(
        f'[style*="{kind}: {light}"]{{{kind}:{dark}!important}}'
        for light, dark in DARK.items()
        for kind in ("fill", "stroke")
    )
    style = f"@media screen and (prefers-color-scheme:dark){{{rules}}}</style>"
    return svg.replace(b"</style>", style.encode(), 1)
