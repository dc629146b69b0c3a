"""Every operation that we use, a row each: both versions of the API have the same paths for them."""

from dataclasses import dataclass
from typing import Final

READ_CONTACTS: Final = "contacts.readonly"
WRITE_CONTACTS: Final = "contacts.write"
READ_OPPORTUNITIES: Final = "opportunities.readonly"
WRITE_OPPORTUNITIES: Final = "opportunities.write"
READ_FIELDS: Final = "locations/customFields.readonly"
WRITE_FIELDS: Final = "locations/customFields.write"
SCOPES: Final = (
    READ_CONTACTS,
    WRITE_CONTACTS,
    READ_OPPORTUNITIES,
    WRITE_OPPORTUNITIES,
    READ_FIELDS,
    WRITE_FIELDS,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """``scope`` is what the token must allow. ``changes``: it writes; ``repeatable``: twice is as once."""

    name: str
    method: str
    path: str
    scope: str
    changes: bool = False
    repeatable: bool = False

    @property
    def module(self) -> str:
        """The part of the vendor that answers."""
        return self.path.split("/")[1]


PIPELINES: Final = Operation(
    name="pipelines", method="GET", path="/opportunities/pipelines", scope=READ_OPPORTUNITIES
)
FIELDS: Final = Operation(
    name="custom fields", method="GET", path="/locations/{location}/customFields", scope=READ_FIELDS
)
CREATE_FIELD: Final = Operation(
    name="create custom field",
    method="POST",
    path="/locations/{location}/customFields",
    scope=WRITE_FIELDS,
    changes=True,
)
CONTACT: Final = Operation(name="contact", method="GET", path="/contacts/{id}", scope=READ_CONTACTS)
SEARCH_CONTACTS: Final = Operation(
    name="search contacts", method="POST", path="/contacts/search", scope=READ_CONTACTS
)
DUPLICATE: Final = Operation(
    name="duplicate contact", method="GET", path="/contacts/search/duplicate", scope=READ_CONTACTS
)
CREATE_CONTACT: Final = Operation(
    # The slash at the end belongs to it: without one the vendor knows no such path.
    name="create contact",
    method="POST",
    path="/contacts/",
    scope=WRITE_CONTACTS,
    changes=True,
)
UPDATE_CONTACT: Final = Operation(
    name="update contact",
    method="PUT",
    path="/contacts/{id}",
    scope=WRITE_CONTACTS,
    changes=True,
    repeatable=True,
)
ADD_TAGS: Final = Operation(
    name="add tags",
    method="POST",
    path="/contacts/{id}/tags",
    scope=WRITE_CONTACTS,
    changes=True,
    repeatable=True,
)
ADD_NOTE: Final = Operation(
    name="add note", method="POST", path="/contacts/{id}/notes", scope=WRITE_CONTACTS, changes=True
)
NOTES: Final = Operation(name="notes", method="GET", path="/contacts/{id}/notes", scope=READ_CONTACTS)
OPPORTUNITY: Final = Operation(
    name="opportunity", method="GET", path="/opportunities/{id}", scope=READ_OPPORTUNITIES
)
OPPORTUNITIES_OF: Final = Operation(
    name="opportunities of a contact", method="GET", path="/opportunities/search", scope=READ_OPPORTUNITIES
)
SEARCH_OPPORTUNITIES: Final = Operation(
    name="search opportunities", method="POST", path="/opportunities/search", scope=READ_OPPORTUNITIES
)
CREATE_OPPORTUNITY: Final = Operation(
    name="create opportunity",
    method="POST",
    path="/opportunities/",
    scope=WRITE_OPPORTUNITIES,
    changes=True,
)
UPDATE_OPPORTUNITY: Final = Operation(
    name="update opportunity",
    method="PUT",
    path="/opportunities/{id}",
    scope=WRITE_OPPORTUNITIES,
    changes=True,
    repeatable=True,
)
OPERATIONS: Final = (
    PIPELINES,
    FIELDS,
    CREATE_FIELD,
    CONTACT,
    SEARCH_CONTACTS,
    DUPLICATE,
    CREATE_CONTACT,
    UPDATE_CONTACT,
    ADD_TAGS,
    ADD_NOTE,
    NOTES,
    OPPORTUNITY,
    OPPORTUNITIES_OF,
    SEARCH_OPPORTUNITIES,
    CREATE_OPPORTUNITY,
    UPDATE_OPPORTUNITY,
)
