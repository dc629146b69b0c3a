"""The decision about one message, as a pure function of what is known at a moment.

Live, in shadow and over the past the same function decides. Each rule answers with a decision or with
nothing, in the order of ``RULES``: what is wrong for good comes before what is only wrong now, and a hold,
which a person opens, last.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from perfectcatch.messaging import quiet
from perfectcatch.messaging.facts import Facts, Send
from perfectcatch.messaging.numbers import fingerprint
from perfectcatch.messaging.rules import Rules
from perfectcatch.model.messaging import Channel, Decision, Intent, Purpose, Status

ALLOWED: Final = "allowed"
_DAY: Final = timedelta(days=1)
_WEEK: Final = timedelta(days=7)
_TROUBLES: Final = {
    "invalid": "the recipient is no valid {what}",
    "foreign": "the number belongs to another country",
    "toll_free": "the number is toll-free and takes no texts",
    "premium": "the number costs its callers extra",
    "pager": "the number is a pager's",
    "landline": "the number is a landline",
    "unreachable": "the number is not in service",
    "bounced": "email to this address came back",
    "complained": "the recipient reported our email as spam",
}
# What a message is about, by ``Intent.data["notice"]``, and the preference that speaks of it.
NOTICES: Final = {
    "job": "job_reminders_enabled",
    "invoice": "invoice_notification",
    "statement": "statement_notification",
}

Rule = Callable[[Intent, Facts, Rules, datetime], Decision | None]


def judge(intent: Intent, facts: Facts, rules: Rules, now: datetime) -> Decision:
    """Whether ``intent`` may go at ``now``: SENT with the reason "allowed" means yes.

    Read from ``intent.data``, all optional: ``reply`` (an answer that the person just asked for: HELP, STOP;
    quiet hours, budgets and holds do not count), ``confirms_opt_out`` (the one confirmation that an opt-out
    may get), ``may_repeat`` (the same words again are right, such as "on my way"), ``notice`` (see
    ``NOTICES``), ``expires_at`` (a moment after which the message is of no use).
    """
    for rule in RULES:
        decision = rule(intent, facts, rules, now)
        if decision is not None:
            return _in_time(intent, facts, rules, now, decision)
    return Decision(status=Status.SENT, reason=ALLOWED, sentence="Nothing stands against it.")


# The rules ---------------------------------------------------------------------------------------


def _expired(intent: Intent, _: Facts, __: Rules, now: datetime) -> Decision | None:
    expires = expiry(intent)
    if expires is None or now < expires:
        return None
    return _never("expired", f"since {expires:%Y-%m-%d %H:%M} UTC it is of no use")


def _channel(_: Intent, facts: Facts, __: Rules, ___: datetime) -> Decision | None:
    if facts.connected:
        return None
    return _never("not_connected", "no vendor is set up for this channel")


def _address(intent: Intent, facts: Facts, _: Rules, __: datetime) -> Decision | None:
    trouble = facts.trouble or (None if facts.to else "invalid")
    if trouble is None:
        return None
    what = "email address" if intent.channel is Channel.EMAIL else "telephone number"
    return _never(trouble, _TROUBLES.get(trouble, "the recipient cannot be reached").format(what=what))


def _opt_out(intent: Intent, facts: Facts, _: Rules, __: datetime) -> Decision | None:
    if intent.data.get("confirms_opt_out"):
        return None
    for each in facts.opt_outs:
        if each.channel in (None, intent.channel) and each.purpose in (None, intent.purpose):
            words = f" with the words {each.wording[:80]!r}" if each.wording else ""
            return _never("opted_out", f"the recipient opted out on {each.since:%Y-%m-%d %H:%M}{words}")
    return None


def _person(intent: Intent, facts: Facts, _: Rules, __: datetime) -> Decision | None:
    person = facts.person
    if person is None or intent.data.get("reply"):
        return None
    for holds, reason, sentence in (
        (not person.known, "customer_unknown", "there is no such customer in the mirror"),
        (person.deleted, "customer_deleted", "the customer was deleted"),
        (
            person.merged_to_id is not None,
            "customer_merged",
            f"the customer was merged into customer {person.merged_to_id}",
        ),
        (not person.active, "customer_inactive", "the customer is switched off"),
        (person.do_not_service, "do_not_service", "the customer is marked as do not service"),
        (
            person.do_not_text and intent.channel is Channel.SMS,
            "do_not_text",
            "texts to this number are marked as not wanted",
        ),
        (
            person.do_not_mail and intent.purpose is Purpose.MARKETING,
            "do_not_mail",
            "the customer is marked as do not mail",
        ),
        (
            intent.purpose is Purpose.MARKETING and person.wants.get("marketing_updates_enabled") is False,
            "preference",
            "the contact has marketing updates switched off",
        ),
    ):
        if holds:
            return _never(reason, sentence)
    preference = NOTICES.get(str(intent.data.get("notice")))
    if preference is not None and person.wants.get(preference) is False:
        what = preference.removesuffix("_enabled").replace("_", " ")
        return _never("preference", f"the contact has {what} switched off")
    return None


def _consent(intent: Intent, facts: Facts, rules: Rules, _: datetime) -> Decision | None:
    if facts.consent is not None and not facts.consent.given:
        if intent.purpose is Purpose.MARKETING:
            return _never("consent_withdrawn", f"consent was withdrawn on {facts.consent.at:%Y-%m-%d}")
        return None
    needed = intent.channel is Channel.SMS or rules.marketing_emails_need_consent
    if intent.purpose is Purpose.MARKETING and needed and facts.consent is None:
        return _never("no_consent", "there is no proof of consent to marketing on this channel")
    return None


def _registration(intent: Intent, facts: Facts, rules: Rules, now: datetime) -> Decision | None:
    if intent.purpose is not Purpose.MARKETING or intent.channel is not Channel.SMS:
        return None
    state = quiet.unregistered(facts.places, rules, now)
    if state is None:
        return None
    return _never("not_registered", f"marketing texts to {state} need the company to be registered there")


def _footer(intent: Intent, facts: Facts, _: Rules, __: datetime) -> Decision | None:
    if intent.channel is Channel.EMAIL and intent.purpose is Purpose.MARKETING and not facts.can_unsubscribe:
        return _never(
            "no_footer",
            "marketing email needs PUBLIC_BASE_URL, SECRET_KEY and COMPANY_POSTAL_ADDRESS for its footer",
        )
    return None


def _identical(intent: Intent, facts: Facts, rules: Rules, now: datetime) -> Decision | None:
    if intent.data.get("may_repeat") or intent.data.get("reply"):
        return None
    text = print_of(intent)
    for send in facts.sends:
        if send.to == facts.to and send.text == text and send.at > now - rules.identical_within:
            return _never("identical", f"the same words went to this recipient on {send.at:%Y-%m-%d %H:%M}")
    return None


def _household(intent: Intent, facts: Facts, rules: Rules, now: datetime) -> Decision | None:
    what = what_of(intent)
    if intent.purpose is not Purpose.MARKETING or what is None:
        return None
    for send in facts.sends:
        if (
            send.to == facts.to
            and send.what == what
            and send.customer_id != intent.customer_id
            and send.at > now - rules.household_within
        ):
            return _never(
                "household", f"customer {send.customer_id} got this message at the same address already"
            )
    return None


def _doubtful(intent: Intent, facts: Facts, _: Rules, __: datetime) -> Decision | None:
    if facts.doubtful_since is None or facts.released or intent.data.get("reply"):
        return None
    return _held(
        "doubtful_opt_out",
        f"what the recipient wrote on {facts.doubtful_since:%Y-%m-%d %H:%M} may be an opt-out",
    )


def _quiet(intent: Intent, facts: Facts, rules: Rules, now: datetime) -> Decision | None:
    if intent.data.get("reply") or (intent.channel is Channel.EMAIL and not rules.quiet_hours_for_emails):
        return None
    opening = quiet.allowed_from(facts.places, intent.purpose, now)
    if opening == now:
        return None
    because = quiet.reason(facts.places, intent.purpose, now)
    if opening is None:
        return _never("quiet_hours", f"no moment within two weeks is allowed: {because}")
    return _later("quiet_hours", because, opening)


def _budget(intent: Intent, facts: Facts, rules: Rules, now: datetime) -> Decision | None:
    if intent.data.get("reply"):
        return None
    limits = []
    if intent.purpose is Purpose.MARKETING:
        marketing = [send for send in facts.sends if send.purpose is Purpose.MARKETING]
        limits = [
            ("budget_day", marketing, rules.marketing_per_day, _DAY, "marketing messages in 24 hours"),
            ("budget_week", marketing, rules.marketing_per_week, _WEEK, "marketing messages in 7 days"),
        ]
    if intent.channel is Channel.SMS:
        texts = [send for send in facts.sends if send.channel is Channel.SMS]
        limits.append(("budget_texts", texts, rules.texts_per_day, _DAY, "texts in 24 hours"))
    found = [
        (free, name, f"the recipient had {most} of {most} {what}")
        for name, sends, most, span, what in limits
        if (free := _free_at(sends, most, span, now)) is not None
    ]
    if not found:
        return None
    until, name, because = max(found)
    return _later(name, because, until)


def _hold(intent: Intent, facts: Facts, _: Rules, __: datetime) -> Decision | None:
    if facts.hold is None or facts.released or intent.data.get("reply"):
        return None
    return _held(facts.hold.reason, facts.hold.sentence)


def _blast(intent: Intent, facts: Facts, rules: Rules, _: datetime) -> Decision | None:
    most = max(rules.blast_limit, facts.released_until)
    if facts.released or intent.data.get("reply") or facts.sent_by_workflow < most:
        return None
    sender = intent.workflow or intent.asked_by
    return _held("blast", f"{sender} has sent {facts.sent_by_workflow} messages: a person decides")


RULES: Final[tuple[Rule, ...]] = (
    _expired,
    _channel,
    _address,
    _opt_out,
    _person,
    _consent,
    _registration,
    _footer,
    _identical,
    _household,
    _doubtful,
    _quiet,
    _budget,
    _hold,
    _blast,
)


def expiry(intent: Intent) -> datetime | None:
    """After which the message is of no use."""
    given = intent.data.get("expires_at")
    found = datetime.fromisoformat(given) if isinstance(given, str) else given
    return found if isinstance(found, datetime) else None


def print_of(intent: Intent) -> str:
    """What equal messages have in common: their words, before a link in them was made their own."""
    return fingerprint(str(intent.data.get("said") or intent.body))


def what_of(intent: Intent) -> str | None:
    """The same for what two customers with one telephone should get once."""
    return f"{intent.workflow}/{intent.step or ''}" if intent.workflow else None


# Answers -----------------------------------------------------------------------------------------


def _never(reason: str, sentence: str) -> Decision:
    return Decision(status=Status.SUPPRESSED, reason=reason, sentence=f"Not sent: {sentence}.")


def _later(reason: str, sentence: str, until: datetime) -> Decision:
    text = f"Later, at {until:%Y-%m-%d %H:%M} UTC: {sentence}."
    return Decision(status=Status.DEFERRED, reason=reason, sentence=text, until=until)


def _held(reason: str, sentence: str) -> Decision:
    return Decision(status=Status.DEFERRED, reason=reason, sentence=f"Held: {sentence}.", held=True)


def _in_time(intent: Intent, facts: Facts, rules: Rules, now: datetime, decision: Decision) -> Decision:
    """A deferral that comes too late is none."""
    if decision.until is None:
        return decision
    expires = expiry(intent)
    if expires is not None and decision.until >= expires:
        return _never(
            decision.reason, f"at {expires:%Y-%m-%d %H:%M} UTC it is of no use; {decision.sentence}"
        )
    last = (facts.first_asked or now) + rules.longest_deferral
    if decision.until > last:
        return _never(decision.reason, f"it would wait beyond {last:%Y-%m-%d %H:%M} UTC; {decision.sentence}")
    return decision


def _free_at(sends: list[Send], most: int, span: timedelta, now: datetime) -> datetime | None:
    """When one more is within the limit; None: now."""
    recent = sorted((send.at for send in sends if send.at > now - span), reverse=True)
    if len(recent) < most:
        return None
    return recent[most - 1] + span if most else now + span
