"""People who work in the simulated location: they move deals, mend names, tag and write, drawn by seed."""

import random
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from perfectcatch.sandbox.gohighlevel.account import Account

_TAGS: Final = ("vip", "call back", "financing", "spanish", "do not visit before 9")
_NOTES: Final = (
    "Left a voicemail, will call again on Thursday.",
    "Wants a second quote for the attic.",
    "Wife decides; call after 5.",
    "Gate code is at the office.",
)
_ACTS: Final = ("move", "move", "rename", "tag", "note", "value", "rename deal")


@dataclass(slots=True)
class People:
    """``a_day``: how much they do by themselves on a simulated day."""

    account: Account
    a_day: float = 0.0
    draw: random.Random = field(default_factory=lambda: random.Random(11))
    acts: list[dict[str, Any]] = field(default_factory=list)
    _since: datetime | None = None

    def act(self, times: int) -> list[dict[str, Any]]:
        """Let them do so many things; tells what."""
        done = [act for _ in range(times) if (act := self._one()) is not None]
        self.acts += done
        return done

    def live(self) -> None:
        """Let them do what the time that has passed brings."""
        now = self.account.clock.now()
        since, self._since = self._since or now, now
        expected = self.a_day * (now - since).total_seconds() / 86_400
        whole = int(expected)
        self.act(whole + (self.draw.random() < expected - whole))

    def _one(self) -> dict[str, Any] | None:
        account, what = self.account, self.draw.choice(_ACTS)
        if what in ("rename", "tag", "note"):
            return self._to_a_contact(what)
        if not account.opportunities:
            return None
        row = account.opportunities[self.draw.choice(list(account.opportunities))]
        changes: dict[str, Any]
        if what == "move":
            stages = next(each["stages"] for each in account.pipelines if each["id"] == row["pipelineId"])
            changes = {"pipelineStageId": self.draw.choice(stages)["id"]}
        elif what == "value":
            changes = {"monetaryValue": self.draw.randrange(100, 20_000)}
        else:
            changes = {"name": f"{row['name']} (hot)"[:120]}
        account.update_opportunity(row["id"], changes)
        return {"what": what, "id": row["id"], "changes": changes}

    def _to_a_contact(self, what: str) -> dict[str, Any] | None:
        account = self.account
        if not account.contacts:
            return None
        row = account.contacts[self.draw.choice(list(account.contacts))]
        changes: dict[str, Any]
        if what == "rename":
            changes = {"firstName": f"{row.get('firstName') or 'Pat'} A."[:60]}
            account.update_contact(row["id"], changes)
        elif what == "tag":
            changes = {"tags": [self.draw.choice(_TAGS)]}
            account.tag(row["id"], changes["tags"])
        else:
            changes = {"body": self.draw.choice(_NOTES)}
            account.note(row["id"], changes)
        return {"what": what, "id": row["id"], "changes": changes}
