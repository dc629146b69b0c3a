"""Records of other operations in the form that an entity's feed gives, so that they hash alike."""

import msgspec

from perfectcatch.model.source import Form

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
