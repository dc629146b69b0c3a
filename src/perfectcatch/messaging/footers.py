"""What every message carries whatever its template says: how to stop it, and who writes."""

import re
from collections.abc import Mapping
from html import escape
from typing import Final

from perfectcatch.messaging import unsubscribe
from perfectcatch.messaging.desk import Company
from perfectcatch.model.messaging import Channel, Intent, Mail, Purpose

STOP_WORDS: Final = "Reply STOP to opt out."
_SAYS_STOP: Final = re.compile(r"\bSTOP\b", re.IGNORECASE)


def text_of(intent: Intent) -> str:
    """The words of a text or an email: a marketing text says how to end it."""
    body = intent.body.strip()
    marketing = intent.channel is Channel.SMS and intent.purpose is Purpose.MARKETING
    return f"{body} {STOP_WORDS}" if marketing and not _SAYS_STOP.search(body) else body


def mail_of(intent: Intent, company: Company, *, tenant_id: int, message_id: int, to: str) -> Mail:
    """The email with its footer; that of marketing has a link that ends it, and the headers for one click."""
    headers: Mapping[str, str] = {}
    lines = [line for line in (company.name, company.postal_address) if line]
    link = None
    if intent.purpose is Purpose.MARKETING:
        token = unsubscribe.token(company.secret, tenant_id, message_id)
        link = f"{company.public_url.rstrip('/')}/unsubscribe/{token}"
        headers = {
            "List-Unsubscribe": f"<{link}>",
            "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        }
    text = intent.body.strip()
    html = intent.html or "".join(f"<p>{escape(part)}</p>" for part in re.split(r"\n\s*\n", text))
    foot = "<br>".join(escape(line) for line in lines)
    if link:
        lines.append(f"Unsubscribe: {link}")
        foot += f'<br><a href="{escape(link)}">Unsubscribe</a>'
    if lines:
        text = f"{text}\n\n-- \n" + "\n".join(lines)
        html = _before_end(html, f'<hr><p style="font-size:small">{foot}</p>')
    return Mail(
        to=to, subject=intent.subject or "", text=text, html=html, reference=str(message_id), headers=headers
    )


def _before_end(html: str, foot: str) -> str:
    head, tag, tail = html.rpartition("</body>")
    return f"{head}{foot}{tag}{tail}" if tag else html + foot
