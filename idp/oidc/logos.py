"""Logos of relying parties: fetched once when they register, served from here.

No page of ours loads anything from elsewhere (P-18): a hot-linked image would tell its server who signs in, from where
and when, and could change after it was looked at.
"""

import hashlib
import io
import re
import struct
from dataclasses import dataclass
from datetime import datetime

from flask import Blueprint, Response, abort
from PIL import Image
from sqlalchemy import ForeignKey, LargeBinary, String, delete, select
from sqlalchemy.orm import Mapped, mapped_column

from idp.db import Base, Moment, db, release
from idp.fetch import FetchFault, fetch

blueprint = Blueprint("logos", __name__, url_prefix="/logos")
_LARGEST = 100 * 1024
# What a browser must hold of it once it is decoded: a few kilobytes of PNG can be a gigabyte of pixels.
_WIDEST = 2_000
# What pages show of it at most, in pixels of a dense display.
_SHOWN = 384
_PNG = b"\x89PNG\r\n\x1a\n"
_SVG = re.compile(rb"<(?:[a-z]+:)?svg[\s>]", re.IGNORECASE)
_JPEG = b"\xff\xd8\xff"


class LogoFault(Exception):
    """There is no usable image; the message says why and may be told."""


@dataclass(frozen=True)
class Logo:
    """An image that may be shown; its type is what its bytes say."""

    media_type: str
    content: bytes

    @property
    def digest(self) -> str:
        """The name under which it is served."""
        return hashlib.sha256(self.content).hexdigest()


class ClientLogo(Base):
    """The logo of one client."""

    __tablename__ = "client_logos"

    client_id: Mapped[str] = mapped_column(ForeignKey("clients.client_id", ondelete="CASCADE"), primary_key=True)
    digest: Mapped[str] = mapped_column(String(64), index=True)
    media_type: Mapped[str] = mapped_column(String(20))
    content: Mapped[bytes] = mapped_column(LargeBinary)
    fetched_at: Mapped[datetime] = mapped_column(Moment)


def fetch_logo(uri: str) -> Logo:
    """Return the image at ``uri``, or raise `LogoFault`; ends the transaction."""
    release()
    try:
        answer = fetch(uri, limit=_LARGEST, accept="image/png, image/jpeg")
    except FetchFault as fault:
        raise LogoFault("cannot be fetched") from fault
    if answer.status != 200:
        raise LogoFault(f"answers with status {answer.status}")
    return read_logo(answer.body)


def read_logo(content: bytes) -> Logo:
    """Return ``content`` as a logo, or raise `LogoFault`."""
    size = _png_size(content) or _jpeg_size(content)
    if size is None and _SVG.search(content[:4096]):
        # A program, of which no list of allowed elements is ever complete; to draw it here would run it here.
        raise LogoFault("is SVG, which is a program; export it as PNG, 384 pixels wide")
    if size is None:
        raise LogoFault("is neither PNG nor JPEG")
    if not 0 < min(size) <= max(size) <= _WIDEST:
        raise LogoFault(f"is larger than {_WIDEST} pixels")
    return Logo("image/png" if content.startswith(_PNG) else "image/jpeg", content)


def clean_logo(content: bytes) -> Logo:
    """Return ``content`` drawn anew as a PNG of modest size, or raise `LogoFault`: nothing else of the file is kept.

    What hides in metadata, after the end, or between two readings of one file as picture and as program, is gone.
    """
    if len(content) > _LARGEST:
        raise LogoFault(f"is larger than {_LARGEST // 1024} KiB")
    read_logo(content)
    try:
        with Image.open(io.BytesIO(content), formats=("PNG", "JPEG")) as picture:
            drawn = picture.convert("RGBA")
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as fault:
        raise LogoFault("cannot be drawn") from fault
    drawn.thumbnail((_SHOWN, _SHOWN))
    clean = io.BytesIO()
    drawn.save(clean, "PNG", optimize=True)
    return Logo("image/png", clean.getvalue())


def keep_logo(client_id: str, logo: Logo | None, now: datetime) -> None:
    """Keep a client's logo in place of the one that it had; the caller commits."""
    db.session.execute(delete(ClientLogo).where(ClientLogo.client_id == client_id))
    if logo is not None:
        kept = {"digest": logo.digest, "media_type": logo.media_type, "content": logo.content}
        db.session.add(ClientLogo(client_id=client_id, fetched_at=now, **kept))


def find_logo(client_id: str) -> Logo | None:
    """Return what is kept of a client's logo."""
    kept = db.session.get(ClientLogo, client_id)
    return Logo(kept.media_type, kept.content) if kept else None


@blueprint.get("/<digest>")
def logo(digest: str) -> Response:
    """Show the logo of a service, as a picture and nothing else."""
    kept = db.session.scalars(select(ClientLogo).where(ClientLogo.digest == digest).limit(1)).first()
    if kept is None:
        abort(404)
    response = Response(kept.content, mimetype=kept.media_type)
    response.headers["Content-Security-Policy"] = "default-src 'none'; sandbox"
    response.headers["Cross-Origin-Resource-Policy"] = "same-origin"
    response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
    return response


def _png_size(content: bytes) -> tuple[int, int] | None:
    if not content.startswith(_PNG) or content[12:16] != b"IHDR" or len(content) < 33:
        return None
    width, height = struct.unpack(">II", content[16:24])
    return width, height


def _jpeg_size(content: bytes) -> tuple[int, int] | None:
    """Return what the first frame header says (ITU T.81 §B.2.2)."""
    if not content.startswith(_JPEG):
        return None
    at = 2
    while at + 9 <= len(content) and content[at] == 0xFF:
        marker, length = content[at + 1], int.from_bytes(content[at + 2 : at + 4], "big")
        if 0xC0 <= marker <= 0xCF and marker not in {0xC4, 0xC8, 0xCC}:
            height, width = struct.unpack(">HH", content[at + 5 : at + 9])
            return width, height
        at += 2 + max(length, 2)
    return None
