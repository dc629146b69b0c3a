"""What lies in the database and must open nothing: sealed with a secret that is not there.

AES-256-GCM under a key derived from the secret (HKDF, SHA-256). Whose it is goes into the seal, so that a row
copied to another company or account does not open.
"""

import os
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

_NONCE: Final = 12  # bytes, as the method wants it
_KEY: Final = 32


class Seal:
    """Seals with ``secret``; what is sealed for one ``purpose`` does not open for another."""

    def __init__(self, secret: str, purpose: str) -> None:
        derived = HKDF(algorithm=hashes.SHA256(), length=_KEY, salt=None, info=purpose.encode())
        self._cipher = AESGCM(derived.derive(secret.encode()))

    def close(self, content: bytes, whose: str) -> bytes:
        """Seal ``content``."""
        nonce = os.urandom(_NONCE)
        return nonce + self._cipher.encrypt(nonce, content, whose.encode())

    def open(self, sealed: bytes, whose: str) -> bytes:
        """What was sealed. Raises ValueError under another secret, for somebody else, or when changed."""
        try:
            return self._cipher.decrypt(sealed[:_NONCE], sealed[_NONCE:], whose.encode())
        except InvalidTag:
            raise ValueError("this seal is not ours") from None
