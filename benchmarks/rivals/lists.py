"""The five lists of the comparison, and an access token for them: standard library only."""

import json
import time
import urllib.error
import urllib.parse
import urllib.request
from http import HTTPStatus
from typing import Any

LISTS = {
    "customers": "crm/v2/tenant/{tenant}/customers",
    "jobs": "jpm/v2/tenant/{tenant}/jobs",
    "estimates": "sales/v2/tenant/{tenant}/estimates",
    "invoices": "accounting/v2/tenant/{tenant}/invoices",
    "appointments": "jpm/v2/tenant/{tenant}/appointments",
}


def headers(known: dict[str, Any]) -> dict[str, str]:
    """What each call carries: a token for ten minutes, and the application's key."""
    form = {
        "grant_type": "client_credentials",
        "client_id": known["client_id"],
        "client_secret": known["client_secret"],
    }
    request = urllib.request.Request(
        known["url"] + "/connect/token", urllib.parse.urlencode(form).encode(), method="POST"
    )
    while True:
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                token = json.load(answer)["access_token"]
            break
        except urllib.error.HTTPError as error:  # tokens are few a minute, and many of us ask for one
            if error.code != HTTPStatus.TOO_MANY_REQUESTS:
                raise
            time.sleep(float(error.headers.get("Retry-After", 5)))
    return {"Authorization": f"Bearer {token}", "ST-App-Key": known["app_key"]}
