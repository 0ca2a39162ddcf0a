"""Images of firmware: made known, their content uploaded, listed, deleted."""

from __future__ import annotations

import base64
import binascii
import secrets
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from edge.operators.call import Call
from edge.operators.models.base import Cursor, Limit, Page
from edge.operators.models.firmware import Image
from edge.operators.problems import ProblemError, missing
from edge.operators.resources.files import storage_of
from edge.operators.resources.lists import page, position, shown
from edge.operators.resources.stations import Text
from edge.operators.routes import Table
from edge.transfers import places
from edge.transfers.receiving import Limits, ReceiveError, TooLarge, TooSlow, WrongChecksum, receive
from edge.transfers.storage import NoSpace, Storage
from shared.bus import firmware_keys
from shared.bus.clock import now_ms
from shared.bus.lane import Lane
from shared.records import firmware
from shared.records.commands import make_id
from shared.records.files import FileRecord, make_file_id, plain_name
from shared.records.queries import files
from shared.records.queries import firmware as queries
from shared.records.queries.cursors import Position
from shared.urls import redact

TABLE: Final = Table("firmware")
_route = TABLE.route

UNFINISHED_MS: Final = 24 * 3600 * 1000
"""A content whose upload was never finished is swept after so long."""


class NewImage(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A firmware; its content follows, unless it is at `location`."""

    version: Annotated[str, Meta(min_length=1, max_length=50, description="As stations name it when they boot.")]
    vendor: Annotated[Text, Meta(description="Only stations of this vendor; empty: any.")] = ""
    model: Annotated[Text, Meta(description="Only stations of this model; empty: any.")] = ""
    file_name: Annotated[Text, Meta(description="Last part of the links to it; some stations look at it.")] = ""
    sha256: Annotated[str, Meta(pattern=r"^([0-9a-fA-F]{64})?$", description="What the content must be.")] = ""
    signature: Annotated[str, Meta(max_length=800, description="Base64, by the manufacturer.")] = ""
    signing_certificate: Annotated[str, Meta(max_length=5500, description="PEM.")] = ""
    location: Annotated[str, Meta(max_length=512, description="Where stations fetch it, if not from here.")] = ""
    note: Text = ""


class ImageList(msgspec.Struct, frozen=True, kw_only=True):
    """How many of the list."""

    limit: Limit = 100
    cursor: Cursor | None = None


class ImagePath(msgspec.Struct, frozen=True, kw_only=True):
    """One image."""

    image_id: Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[0-9A-Za-z-]+$")]


@_route(
    "POST", "/firmware-images", "Make an image known", scope="operate", body=NewImage, response=Image, status=201,
    errors=("conflict",),
)  # fmt: skip
async def create_image(call: Call[Any, NewImage]) -> Image:
    """Make a firmware known; then PUT its content. One at a `location` needs none: the setting must allow the place."""
    body, settings = call.body, call.parts.settings
    if body.location:
        if why := places.wrong(settings, body.location):
            raise ProblemError.of_field("bad_body", "body", "location", why)
    else:
        storage_of(settings)
    _check_signature(body)
    if len(await queries.images(call.lane)) >= queries.MAX_IMAGES:
        raise ProblemError("conflict", f"{queries.MAX_IMAGES} images are the most")
    now = await now_ms(call.lane)
    name = body.file_name or "-".join(filter(None, (body.vendor, body.model, body.version))) + ".bin"
    image = firmware.Image(
        image_id=make_id(now, secrets.token_hex(12)),
        version=body.version,
        vendor=body.vendor,
        model=body.model,
        file_name=plain_name(name),
        location=body.location,
        sha256=body.sha256.lower(),
        signature=body.signature,
        signing_certificate=body.signing_certificate,
        note=body.note,
        created_at=now,
        created_by=call.token.name,
    )
    await queries.put_image(call.lane, image)
    return Image.of(image)


@_route(
    "PUT", "/firmware-images/{image_id}/content", "Upload an image's content", scope="operate", params=ImagePath,
    body_media="application/octet-stream", response=Image,
    errors=("not_found", "conflict", "bad_body", "too_large", "body_timeout"),
)  # fmt: skip
async def put_image_content(call: Call[ImagePath, None]) -> Image:
    """Store the content, whole or not at all; 422 where its SHA-256 is another. 409 where it is here already."""
    image, settings = await _known(call), call.parts.settings
    storage = storage_of(settings)
    if image.file_id or image.location:
        raise ProblemError("conflict", "the image has its content; make another image for another one")
    now = await now_ms(call.lane)
    record = FileRecord(
        file_id=make_file_id(now, secrets.token_hex(12)),
        kind="firmware",
        state="receiving",
        name=image.file_name,
        limit=settings.image_max_bytes,
        created_at=now,
        created_by=call.token.name,
        expires_at=now + UNFINISHED_MS,
    )
    await files.create(call.lane, record)
    try:
        limits = Limits(settings.image_max_bytes, settings.transfer_idle_s, settings.transfer_rate_bytes)
        found = await receive(storage, record.file_id, call.request, limits, sha256=image.sha256)
    except (ReceiveError, NoSpace) as error:
        await files.forget(call.lane, record.file_id)
        raise _problem(error) from None
    stored = msgspec.structs.replace(
        record, state="stored", size=found.size, sha256=found.sha256, stored_at=await now_ms(call.lane), expires_at=0
    )
    if (await _known(call)).file_id:
        await _remove(call.lane, storage, record.file_id)
        raise ProblemError("conflict", "another upload was first")
    await files.create(call.lane, stored)
    await call.lane.one("ZREM", firmware_keys.FILES_EXPIRY, record.file_id)
    image = msgspec.structs.replace(
        image, file_id=record.file_id, size=found.size, sha256=found.sha256, verified=_verified(image, found.sha256)
    )
    await queries.put_image(call.lane, image)
    return Image.of(image)


@_route("GET", "/firmware-images", "List images", scope="read", params=ImageList, response=Page[Image])
async def list_images(call: Call[ImageList, None]) -> Page[Image]:
    """Return images, the newest first."""
    params, query = call.params, ("images",)
    every = await queries.images(call.lane)
    after = position(params.cursor, *query)
    if after is not None:
        every = [one for one in every if (-one.created_at, one.image_id) > (-after.score, after.member)]
    some = every[: params.limit]
    more = Position(some[-1].image_id, some[-1].created_at) if len(every) > len(some) else None
    return page(await shown(some, Image.of), more, *query)


@_route(
    "GET", "/firmware-images/{image_id}", "Show an image", scope="read", params=ImagePath, response=Image,
    errors=("not_found",),
)  # fmt: skip
async def show_image(call: Call[ImagePath, None]) -> Image:
    """Return an image."""
    return Image.of(await _known(call))


@_route(
    "DELETE", "/firmware-images/{image_id}", "Delete an image", scope="operate", params=ImagePath,
    errors=("not_found", "conflict"),
)  # fmt: skip
async def delete_image(call: Call[ImagePath, None]) -> None:
    """Delete an image with its content. 409 while a campaign brings it to stations."""
    image = await _known(call)
    if campaign := await queries.in_use(call.lane, image.image_id):
        raise ProblemError("conflict", f"the campaign {campaign} brings it to stations")
    await queries.delete_image(call.lane, image.image_id)
    if image.file_id:
        await _remove(call.lane, storage_of(call.parts.settings), image.file_id)


async def _remove(lane: Lane, storage: Storage, file_id: str) -> None:
    await storage.delete(file_id)
    await files.forget(lane, file_id)


def _verified(image: firmware.Image, sha256: str) -> bool | None:
    """Tell whether the image's signature fits its content; None where it has none."""
    if not image.signature:
        return None
    # Only who signs firmware pays for the import.
    from shared.certificates.signatures import is_signed

    return is_signed(bytes.fromhex(sha256), image.signature, image.signing_certificate)


def _check_signature(body: NewImage) -> None:
    if bool(body.signature) != bool(body.signing_certificate):
        name = "signing_certificate" if body.signature else "signature"
        raise ProblemError.of_field("bad_body", "body", name, "is missing: a signature and its certificate go together")
    if body.signature:
        try:
            base64.b64decode(body.signature, validate=True)
        except binascii.Error:
            raise ProblemError.of_field("bad_body", "body", "signature", "is no base64") from None
    if body.signing_certificate and "-----BEGIN CERTIFICATE-----" not in body.signing_certificate:
        raise ProblemError.of_field("bad_body", "body", "signing_certificate", "is no PEM certificate")


def _problem(error: ReceiveError | NoSpace) -> ProblemError:
    text = redact(str(error))
    if isinstance(error, NoSpace):
        return ProblemError("unavailable", text, headers={"Retry-After": "600"})
    if isinstance(error, TooLarge):
        return ProblemError("too_large", text)
    if isinstance(error, TooSlow):
        return ProblemError("body_timeout", text)
    name = "sha256" if isinstance(error, WrongChecksum) else "body"
    return ProblemError.of_field("bad_body", "body", name, f"does not fit: {text}")


async def _known(call: Call[ImagePath, None]) -> firmware.Image:
    found = await queries.image(call.lane, call.params.image_id)
    if found is None:
        raise missing("image", call.params.image_id)
    return found
