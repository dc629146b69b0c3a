"""Records of other operations in the form that an entity's feed gives, so that they hash alike."""

import msgspec

from perfectcatch.model.entity import Feed
from perfectcatch.model.source import Form, Listing

Document = bytes | memoryview

_fields = msgspec.json.Decoder(dict[str, msgspec.Raw])


def formed(record: Document, form: Form) -> Document:
    """``record`` in the form of the feed; every value stays as the vendor wrote it."""
    if not form.adds and not form.drops:
        return record
    try:
        fields = _fields.decode(record)
    except msgspec.MsgspecError:
        return record
    for name in form.drops:
        fields.pop(name, None)
    for name, value in form.adds:
        fields.setdefault(name, msgspec.Raw(msgspec.json.encode(value)))
    return msgspec.json.encode(fields)


def form_of(feed: Feed, listing: Listing) -> Form:
    """The list's own differences, and the feed's tag where several lists share a table."""
    return listing.form if feed.tag is None else Form(adds=(*listing.form.adds, feed.tag))


def number_of(record: Document) -> int | None:
    """The record's ``id``, None where it has no whole one."""
    try:
        return msgspec.convert(msgspec.json.decode(record).get("id"), int, strict=False)
    except (msgspec.MsgspecError, AttributeError):
        return None
