"""The vendor's routes: what each does with the simulated location."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from perfectcatch.sandbox.gohighlevel import index, shapes
from perfectcatch.sandbox.gohighlevel.account import (
    Account,
    email_of,
    phone_of,
    search_contacts,
    search_opportunities,
)
from perfectcatch.sandbox.gohighlevel.shapes import FIRST, RefusedError

_MOST: Final = 100


@dataclass(frozen=True, slots=True)
class Call:
    """A call that was let in. ``id`` is the record of the path, if it names one."""

    version: str
    id: str
    query: Mapping[str, str]
    body: Any

    def checked(self, operation: str) -> dict[str, Any]:
        """The body, if it is one for ``operation``."""
        return shapes.checked(operation, self.version, self.body)

    @property
    def done(self) -> dict[str, bool]:
        """How a version says that something was done; the old one misspells it."""
        return {"succeded": True} if self.version == FIRST else {"succeeded": True, "succeded": True}


Answer = tuple[int, dict[str, Any]]
Handler = Callable[[Account, Call], Answer]


def _create_contact(account: Account, call: Call) -> Answer:
    return 201, {"contact": account.create_contact(call.checked("create contact"))}


def _update_contact(account: Account, call: Call) -> Answer:
    return 200, call.done | {"contact": account.update_contact(call.id, call.checked("update contact"))}


def _contact(account: Account, call: Call) -> Answer:
    return 200, {"contact": account.contact(call.id)}


def _delete_contact(account: Account, call: Call) -> Answer:
    account.delete_contact(call.id)
    return 200, dict(call.done)


def _duplicate(account: Account, call: Call) -> Answer:
    account.here(call.query.get("locationId"))
    email, number = email_of(call.query.get("email")), phone_of(call.query.get("number"))
    for each in account.contacts.values():
        if (email and each.get("email") == email) or (number and each.get("phone") == number):
            return 200, {"contact": each}
    return 200, {"contact": None}


def _search_contacts(account: Account, call: Call) -> Answer:
    return 200, search_contacts(account, call.checked("search contacts"))


def _add_tags(account: Account, call: Call) -> Answer:
    given = call.checked("tags")["tags"]
    tags = account.tag(call.id, given)
    return 201, {"tags": tags, "tagsAdded": [each for each in tags if each in given]}


def _remove_tags(account: Account, call: Call) -> Answer:
    given = call.checked("tags")["tags"]
    return 200, {"tags": account.tag(call.id, given, remove=True), "tagsRemoved": given}


def _note(account: Account, call: Call) -> Answer:
    return 201, {"note": account.note(call.id, call.checked("note"))}


def _notes(account: Account, call: Call) -> Answer:
    account.contact(call.id)
    return 200, {"notes": [each for each in account.notes.values() if each["contactId"] == call.id]}


def _pipelines(account: Account, call: Call) -> Answer:
    if "locationId" not in call.query:
        raise RefusedError(422, ["locationId can't be undefined"])
    account.here(call.query["locationId"])
    return 200, {"pipelines": account.pipelines}


def _list_opportunities(account: Account, call: Call) -> Answer:
    query = shapes.asked(call.version, call.query)
    account.here(query["location"])
    size = int(query.get("limit", 20))
    if not 1 <= size <= _MOST:
        raise RefusedError(422, [f"limit must not be greater than {_MOST}"])
    names = {"contact": "contactId", "pipeline": "pipelineId", "stage": "pipelineStageId"}
    wanted = {held: query[name] for name, held in names.items() if name in query}
    if (status := query.get("status", "all")) != "all":
        wanted["status"] = status
    found = [
        each
        for each in account.opportunity_index.now().values()
        if all(each.get(name) == value for name, value in wanted.items())
    ]
    keyed = sorted(found, key=lambda row: (row["createdAt"], row["id"]), reverse=True)
    start = (int(query.get("page", 1)) - 1) * size
    if "startAfter" in query and "startAfterId" in query:
        place = (int(query["startAfter"]), query["startAfterId"])
        keyed = [row for row in keyed if (index.milliseconds(row["createdAt"]), row["id"]) < place]
        start = 0
    shown = keyed[start : start + size]
    meta: dict[str, Any] = {"total": len(found), "currentPage": int(query.get("page", 1))}
    if shown:
        last = shown[-1]
        meta |= {"startAfter": index.milliseconds(last["createdAt"]), "startAfterId": last["id"]}
    return 200, {"opportunities": [account.shown(each) for each in shown], "meta": meta, "aggregations": {}}


def _search_opportunities(account: Account, call: Call) -> Answer:
    return 200, search_opportunities(account, call.checked("search opportunities"))


def _create_opportunity(account: Account, call: Call) -> Answer:
    row = account.create_opportunity(call.checked("create opportunity"))
    return 201, {"opportunity": account.shown(row)}


def _update_opportunity(account: Account, call: Call) -> Answer:
    row = account.update_opportunity(call.id, call.checked("update opportunity"))
    return 200, {"opportunity": account.shown(row)}


def _opportunity(account: Account, call: Call) -> Answer:
    return 200, {"opportunity": account.shown(account.opportunity(call.id))}


def _delete_opportunity(account: Account, call: Call) -> Answer:
    account.delete_opportunity(call.id)
    return 200, dict(call.done)


def _fields(account: Account, call: Call) -> Answer:
    account.here(call.id)
    model = call.query.get("model", "contact")
    found = [each for each in account.fields.values() if model in ("all", each["model"])]
    return 200, {"customFields": found}


def _create_field(account: Account, call: Call) -> Answer:
    account.here(call.id)
    return 201, {"customField": account.create_field(call.checked("create field"))}


# Method, path, the scope that a token needs, and what is done; the first that fits answers.
ROUTES: Final[tuple[tuple[str, str, str, Handler], ...]] = (
    ("POST", "/contacts/", "contacts.write", _create_contact),
    ("POST", "/contacts/search", "contacts.readonly", _search_contacts),
    ("GET", "/contacts/search/duplicate", "contacts.readonly", _duplicate),
    ("POST", "/contacts/{id}/tags", "contacts.write", _add_tags),
    ("DELETE", "/contacts/{id}/tags", "contacts.write", _remove_tags),
    ("POST", "/contacts/{id}/notes", "contacts.write", _note),
    ("GET", "/contacts/{id}/notes", "contacts.readonly", _notes),
    ("GET", "/contacts/{id}", "contacts.readonly", _contact),
    ("PUT", "/contacts/{id}", "contacts.write", _update_contact),
    ("DELETE", "/contacts/{id}", "contacts.write", _delete_contact),
    ("GET", "/opportunities/pipelines", "opportunities.readonly", _pipelines),
    ("GET", "/opportunities/search", "opportunities.readonly", _list_opportunities),
    ("POST", "/opportunities/search", "opportunities.readonly", _search_opportunities),
    ("POST", "/opportunities/", "opportunities.write", _create_opportunity),
    ("GET", "/opportunities/{id}", "opportunities.readonly", _opportunity),
    ("PUT", "/opportunities/{id}", "opportunities.write", _update_opportunity),
    ("DELETE", "/opportunities/{id}", "opportunities.write", _delete_opportunity),
    ("GET", "/locations/{id}/customFields", "locations/customFields.readonly", _fields),
    ("POST", "/locations/{id}/customFields", "locations/customFields.write", _create_field),
)
