"""Public keys as people copy them from a vendor's page: Base64, with the lines of PEM or without."""

from base64 import b64decode
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key

from perfectcatch.errors import BadSetting

_RAW_ED25519: Final = 32  # bytes of a key without its wrapping


def elliptic_curve(text: str | None, *, setting: str) -> EllipticCurvePublicKey | None:
    """The key in ``text``; None without any. Raises BadSetting that names ``setting`` for anything else."""
    if not text:
        return None
    try:
        key = load_der_public_key(_raw(text))
    except (ValueError, UnsupportedAlgorithm):
        raise _unusable(setting) from None
    if not isinstance(key, EllipticCurvePublicKey):
        raise _unusable(setting)
    return key


def ed25519(text: str | None, *, setting: str) -> Ed25519PublicKey | None:
    """The key in ``text``; None without any. Raises BadSetting that names ``setting`` for anything else."""
    if not text:
        return None
    try:
        raw = _raw(text)
        if len(raw) == _RAW_ED25519:
            return Ed25519PublicKey.from_public_bytes(raw)
        key = load_der_public_key(raw)
    except (ValueError, UnsupportedAlgorithm):
        raise _unusable(setting) from None
    if not isinstance(key, Ed25519PublicKey):
        raise _unusable(setting)
    return key


def _raw(text: str) -> bytes:
    lines = [line.strip() for line in text.splitlines() if not line.strip().startswith("-----")]
    return b64decode("".join(lines), validate=True)


def _unusable(setting: str) -> BadSetting:
    return BadSetting(
        f"{setting} is no public key of the kind that the vendor signs with: copy it anew, whole"
    )
