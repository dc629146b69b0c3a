"""The gate over the past: the same judgement as live, on facts of the moment, remembering what it let go."""

from bisect import bisect_right, insort
from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from perfectcatch.messaging.facts import Consent, Facts, OptOut, Person, Place, Send
from perfectcatch.messaging.judging import judge, what_of
from perfectcatch.messaging.numbers import fingerprint, normalized, place_of_address, place_of_number
from perfectcatch.messaging.rules import Rules, StopCovers
from perfectcatch.model.messaging import Channel, Decision, Intent, Purpose, Status
from perfectcatch.workflows.bundle import Bundle
from perfectcatch.workflows.rehearsal.history import History

_PREFERENCES: Final = ("job_reminders_enabled", "marketing_updates_enabled", "invoice_notification")


class PastGate:
    """Decides about intents at moments of the past, in the order of time."""

    def __init__(self, history: History, rules: Rules, *, assume_consent: bool) -> None:
        self.rules = rules
        self.assume_consent = assume_consent
        self._opt_outs: dict[Any, list[Mapping[str, Any]]] = defaultdict(list)  # by address and customer
        for row in history.opt_outs:
            for who in {row["address"], *(row["customer_ids"] or ())} - {None}:
                self._opt_outs[who].append(row)
        self._consents: dict[tuple[str, Any], list[Mapping[str, Any]]] = defaultdict(list)
        for row in history.consents:
            self._consents[row["channel"], row["address"] or row["customer_id"]].append(row)
        self._addresses: dict[tuple[Channel, str], tuple[str | None, str | None]] = {}
        self._to: dict[str, list[Send]] = defaultdict(list)
        self._customer: dict[int, list[Send]] = defaultdict(list)
        self._workflow: dict[str, list[datetime]] = defaultdict(list)
        for row in history.sends:
            self._keep(_send(row), row["workflow"])

    def decide(
        self, intent: Intent, bundle: Bundle, now: datetime, *, first_asked: datetime | None = None
    ) -> Decision:
        """What the gate would have said; a message that may go counts from now on."""
        to, trouble = self._address(intent.channel, intent.recipient)
        facts = Facts(
            to=to,
            trouble=trouble,
            person=bundle.once(
                ("person", intent.customer_id, intent.recipient), lambda: _person(intent, bundle)
            ),
            places=bundle.once(
                ("places", intent.customer_id, intent.location_id, intent.channel, to),
                lambda: _places(intent, bundle, to),
            ),
            opt_outs=tuple(self._out(intent, to, now)),
            consent=self._consent(intent, to, now),
            sends=self._sends(intent, to, now),
            sent_by_workflow=self._sent_by(intent.workflow, now),
            first_asked=first_asked,
        )
        decision = judge(intent, facts, self.rules, now)
        if decision.status is Status.SENT and to is not None:
            self._keep(_sent(intent, to, now), intent.workflow)
        return decision

    def _address(self, channel: Channel, recipient: str) -> tuple[str | None, str | None]:
        known = self._addresses.get((channel, recipient))
        if known is None:
            known = self._addresses[channel, recipient] = normalized(channel, recipient)
        return known

    def _keep(self, send: Send, workflow: str | None) -> None:
        self._to[send.to].append(send)
        if send.customer_id is not None:
            self._customer[send.customer_id].append(send)
        if workflow is not None:
            insort(self._workflow[workflow], send.at)

    def _sends(self, intent: Intent, to: str | None, now: datetime) -> tuple[Send, ...]:
        since = now - max(self.rules.identical_within, timedelta(days=7))
        mine = [*self._to.get(to or "", ()), *self._customer.get(intent.customer_id or -1, ())]
        recent = {id(send): send for send in mine if since < send.at <= now}
        return tuple(sorted(recent.values(), key=lambda send: send.at, reverse=True))

    def _sent_by(self, workflow: str | None, now: datetime) -> int:
        since = now - self.rules.blast_window
        moments = self._workflow.get(workflow or "", [])
        return bisect_right(moments, now) - bisect_right(moments, since)

    def _out(self, intent: Intent, to: str | None, now: datetime) -> list[OptOut]:
        found = []
        rows = {id(row): row for who in (to, intent.customer_id) for row in self._opt_outs.get(who, ())}
        for row in rows.values():
            if row["since"] <= now and (row["ended_at"] is None or row["ended_at"] > now):
                covers = StopCovers(row["covers"]) if row["covers"] else self.rules.stop_covers
                found.append(
                    OptOut(
                        since=row["since"],
                        channel=Channel(row["channel"]) if covers is StopCovers.CHANNEL else None,
                        purpose=Purpose.MARKETING if covers is StopCovers.PURPOSE else None,
                        source=row["source"],
                        wording=row["wording"],
                    )
                )
        return found

    def _consent(self, intent: Intent, to: str | None, now: datetime) -> Consent | None:
        rows = [
            row
            for who in (to, intent.customer_id)
            for row in self._consents.get((str(intent.channel), who), ())
            if row["at"] <= now
        ]
        if rows:
            last = max(rows, key=lambda row: row["at"])
            return Consent(given=last["given"], at=last["at"], source=last["source"])
        return Consent(given=True, at=now, source="assumed") if self.assume_consent else None


def _person(intent: Intent, bundle: Bundle) -> Person | None:
    if intent.customer_id is None:
        return None
    row = bundle.get("customers", intent.customer_id)
    if row is None:
        return Person(customer_id=intent.customer_id, known=False)
    contacts = [
        *bundle.of("customer_contacts", "customer_id", intent.customer_id),
        *(
            contact
            for place in bundle.of("locations", "customer_id", intent.customer_id)
            for contact in bundle.of("location_contacts", "location_id", place["st_id"])
        ),
    ]
    theirs = [each for each in contacts if intent.recipient in (each["phone"], each["email"])]
    return Person(
        customer_id=intent.customer_id,
        active=row["active"] is not False,
        deleted=row["deleted_at"] is not None,
        merged_to_id=row["merged_to_id"],
        do_not_service=bool(row["do_not_service"]),
        do_not_mail=bool(row["do_not_mail"]),
        do_not_text=any(each["do_not_text"] for each in theirs),
        wants={name: _every([each[name] for each in theirs]) for name in _PREFERENCES},
    )


def _every(flags: list[bool | None]) -> bool | None:
    known = [flag for flag in flags if flag is not None]
    return all(known) if known else None


def _places(intent: Intent, bundle: Bundle, to: str | None) -> tuple[Place, ...]:
    place = bundle.get("locations", intent.location_id)
    rows = [place] if place is not None else []
    if not rows and intent.customer_id is not None:
        customer = bundle.get("customers", intent.customer_id)
        rows = [*([customer] if customer else []), *bundle.of("locations", "customer_id", intent.customer_id)]
    addresses = dict.fromkeys(place_of_address(row["state"], row["zip"]) for row in rows)
    number = (place_of_number(to),) if intent.channel is Channel.SMS and to else ()
    return (*number, *addresses)


def _send(row: Mapping[str, Any]) -> Send:
    return Send(
        at=row["at"],
        channel=Channel(row["channel"]),
        purpose=Purpose(row["purpose"]),
        to=row["to"] or "",
        text=row["text"],
        customer_id=row["customer_id"],
        what=f"{row['workflow']}/{row['step'] or ''}" if row["workflow"] else None,
    )


def _sent(intent: Intent, to: str, now: datetime) -> Send:
    return Send(
        at=now,
        channel=intent.channel,
        purpose=intent.purpose,
        to=to,
        text=fingerprint(intent.body),
        customer_id=intent.customer_id,
        what=what_of(intent),
    )
