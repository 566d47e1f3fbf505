"""Options of `serve`."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import KW_ONLY, dataclass, field
from functools import cached_property
from pathlib import Path

from singleshot.errors import SingleshotError
from singleshot.options import DEVICE, Device, Options, callback, option

__all__ = ["API_KEY", "ServingOptions"]

API_KEY = "SINGLESHOT_API_KEY"  # environment variable
SHORTEST_KEY = 16  # characters
ORIGIN = re.compile(r"https?://[^\s/?#@]+")


@dataclass(frozen=True)
class ServingOptions(Options):
    """Address, limits and access of a server."""

    _: KW_ONLY
    host: str = field(
        default="127.0.0.1",
        metadata=option(
            "Address of the server; 0.0.0.0 for other machines as well, best behind a proxy with "
            "TLS."
        ),
    )
    port: int = field(
        default=8000,
        metadata=option("Port of the server; 0: any free one.", minimum=0, maximum=65535),
    )
    score_threshold: float | None = field(
        default=None,
        metadata=option(
            "Lowest score of a detection where a request names none. Default: the threshold of "
            "each class that `evaluate --threshold-rule` chose for the run, else 0.3.",
            metavar="T",
            minimum=0,
            maximum=1,
        ),
    )
    max_megabytes: float = field(
        default=10.0,
        metadata=option("Largest body of a request.", metavar="MB", minimum=0.001),
    )
    max_megapixels: float = field(
        default=25.0,
        metadata=option("Largest image, by its width x height.", metavar="MP", minimum=0.001),
    )
    body_seconds: float = field(
        default=30.0,
        metadata=option(
            "Longest time in which a body arrives.", metavar="S", minimum=0.1, unit="seconds"
        ),
    )
    max_waiting: int = field(
        default=32,
        metadata=option(
            "Images that are decoded, wait or are in work at once; more are refused with 429.",
            metavar="N",
            minimum=1,
        ),
    )
    rate: float = field(
        default=0.0,
        metadata=option(
            "Requests per second of one client, with as many at once; more are refused with 429. "
            "0: no limit.",
            metavar="R",
            minimum=0,
        ),
    )
    max_batch: int = field(
        default=8,
        metadata=option("Most images that the network is run on at once.", metavar="N", minimum=1),
    )
    batch_wait: float = field(
        default=3.0,
        metadata=option(
            "Longest time to wait for further images of a batch while some are being decoded.",
            metavar="MS",
            minimum=0,
            unit="milliseconds",
        ),
    )
    api_key_file: str | Path | None = field(
        default=None,
        metadata=option(
            "File of API keys, one a line; requests then need one: `Authorization: Bearer KEY`. "
            f"Default: the environment variable {API_KEY}, else none is needed.",
            metavar="FILE",
        ),
    )
    cors_origin: Sequence[str] = field(
        default=(),
        metadata=option(
            "Let pages of this origin, such as https://example.org, send requests; may be "
            "repeated. Default: none.",
            metavar="ORIGIN",
        ),
    )
    drain_seconds: float = field(
        default=2.0,
        metadata=option(
            "Time from SIGTERM, when /readyz turns to 503, until no connection is accepted any "
            "more.",
            metavar="S",
            minimum=0,
            unit="seconds",
        ),
    )
    network_threads: int = field(
        default=0,
        metadata=option(
            "Threads of the network. Default: as many as there are cores.", metavar="N", minimum=0
        ),
    )
    device: Device = field(default="auto", metadata=DEVICE)
    on_message: Callable[[str], None] | None = field(
        default=None, metadata=callback("Called with each message, such as the address.")
    )

    def __post_init__(self) -> None:
        """Raise SingleshotError for keys that cannot be read or are short, and for no origins."""
        super().__post_init__()
        _ = self.api_keys
        for origin in self.cors_origin:
            _require_origin(origin)

    @cached_property
    def api_keys(self) -> tuple[bytes, ...]:
        """The keys of the file, else that of the environment; empty where none is needed."""
        if self.api_key_file is None:
            key = os.environ.get(API_KEY, "").strip()
            return _require_long([key], API_KEY) if key else ()
        try:
            text = Path(self.api_key_file).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise SingleshotError(
                f"{self.api_key_file}: the API keys cannot be read ({error}); write a text file "
                f"with one key a line"
            ) from error
        keys = [line.strip() for line in text.splitlines()]
        keys = [key for key in keys if key and not key.startswith("#")]
        if not keys:
            raise SingleshotError(f"{self.api_key_file}: has no API key; write one key a line")
        return _require_long(keys, str(self.api_key_file))

    @property
    def max_bytes(self) -> int:
        """Largest body of a request, in bytes."""
        return int(self.max_megabytes * 1e6)

    @property
    def max_pixels(self) -> int:
        """Largest image, in pixels."""
        return int(self.max_megapixels * 1e6)


def _require_origin(origin: str) -> None:
    """Raise SingleshotError for what no browser sends as an origin: with it, no page is let in."""
    if origin != "*" and not ORIGIN.fullmatch(origin):
        raise SingleshotError(
            f"--cors-origin {origin}: is no origin; expected scheme and host, without a path, such "
            f"as https://example.org or http://localhost:3000; * for all"
        )


def _require_long(keys: Sequence[str], place: str) -> tuple[bytes, ...]:
    """Encode keys; raises SingleshotError, without the key in its message, for a short one."""
    if any(len(key) < SHORTEST_KEY for key in keys):
        raise SingleshotError(
            f"{place}: an API key of fewer than {SHORTEST_KEY} characters can be guessed; make "
            f"one with: openssl rand -hex 32"
        )
    return tuple(key.encode() for key in keys)
