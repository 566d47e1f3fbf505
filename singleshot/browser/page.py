"""The page of a detector: images and camera in, detections out, in one document.

Where the detections come from is a script: it sets `openSource`, a function that resolves to a
source of detections,

    {about, place: "server" | "device", async detect(frame, {scoreThreshold}) -> answer}

`about` and the answer are what `GET /v1/model` and `POST /v1/detect` of the server send; a frame is
{width, height, blob, imageData(), toBlob(type, quality)}.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from singleshot.drawing.colours import PALETTE, Colour, text_colour
from singleshot.report.page import content_hash, environment
from singleshot.version import __version__

__all__ = ["PageExample", "PageSource", "build_page", "server_source"]

HERE = Path(__file__).parent / "page_files"

# In this order: constants of one are used by the next.
SCRIPTS = (
    "text.js",
    "about.js",
    "state.js",
    "frames.js",
    "drawing.js",
    "notices.js",
    "stage.js",
    "panel.js",
    "evidence.js",
    "images.js",
    "camera.js",
    "downloads.js",
    "main.js",
)


@dataclass(frozen=True)
class PageSource:
    """Scripts that bring detections to a page, and what its content security policy allows them."""

    scripts: Sequence[str]  # texts of classic scripts; one sets `openSource`
    policy: str = ""  # further directives, as "connect-src 'self'"
    script_policy: str = ""  # further sources of scripts, as "blob: 'wasm-unsafe-eval'"
    attachments: Mapping[str, str] = field(default_factory=dict)  # texts by the id of their element


@dataclass(frozen=True)
class PageExample:
    """An image that visitors can try."""

    name: str
    url: str  # also a data: URL


def server_source() -> PageSource:
    """Return the source that sends images to the server which the page came from."""
    return PageSource(scripts=[_read("server.js")], policy="connect-src 'self'")


def build_page(title: str, source: PageSource, examples: Sequence[PageExample] = ()) -> str:
    """Write the page as one document, which needs no other and no network of its own.

    `title` is shown until the source has opened.
    """
    check = _read("whole.js")
    scripts = [*source.scripts, "\n".join(_read(name) for name in SCRIPTS)]
    hashes = " ".join(f"'{content_hash(script)}'" for script in (check, *scripts))
    policy = [
        "default-src 'none'",
        "img-src 'self' data: blob:",
        "style-src 'unsafe-inline'",
        f"script-src {hashes} {source.script_policy}".rstrip(),
        "base-uri 'none'",
        "form-action 'none'",
        source.policy,
    ]
    settings = {
        "palette": [[_css(colour), _css(text_colour(colour))] for colour in PALETTE],
        "examples": [{"name": one.name, "url": one.url} for one in examples],
        "version": __version__,
    }
    return (
        environment(HERE)
        .get_template("page.html")
        .render(
            title=title,
            policy="; ".join(filter(None, policy)),
            check=check,
            scripts=scripts,
            settings=json.dumps(settings).replace("<", "\\u003c"),
            attachments={id_: _harmless(text) for id_, text in source.attachments.items()},
            version=__version__,
        )
    )


def _read(name: str) -> str:
    """Read a file of the page."""
    return (HERE / name).read_text(encoding="utf-8")


def _harmless(text: str) -> str:
    """Keep a text from ending its element; JavaScript and JSON read the backslashes away."""
    return text.replace("</script", "<\\/script").replace("<!--", "<\\!--")


def _css(colour: Colour) -> str:
    """Write a colour as CSS does."""
    return "#{:02x}{:02x}{:02x}".format(*colour)
