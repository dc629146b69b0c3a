"""The simulated customer account: its collections, its clock, and how a record is written into it."""

from collections.abc import Iterable, Mapping
from typing import Any

from perfectcatch.model.endpoint import Endpoint
from perfectcatch.sandbox.servicetitan import moments
from perfectcatch.sandbox.servicetitan.answers import AnswerError
from perfectcatch.sandbox.servicetitan.clock import SimulatedClock
from perfectcatch.sandbox.servicetitan.journal import Journal
from perfectcatch.sandbox.servicetitan.madeup import Maker, number_of
from perfectcatch.sandbox.servicetitan.options import Options
from perfectcatch.sandbox.servicetitan.parts import PARTS, follow
from perfectcatch.sandbox.servicetitan.routes import Routes
from perfectcatch.sandbox.servicetitan.table import Id, Record, Row, Table, as_id, dig

# Where the record lives that a field such as ``soldById`` names.
_REFERS = {
    "customer": "crm.customers",
    "location": "crm.locations",
    "job": "jpm.jobs",
    "appointment": "jpm.appointments",
    "project": "jpm.projects",
    "technician": "settings.technicians",
    "employee": "settings.employees",
    "createdBy": "settings.employees",
    "modifiedBy": "settings.employees",
    "soldBy": "settings.technicians",
    "businessUnit": "settings.business_units",
    "campaign": "marketing.campaigns",
    "jobType": "jpm.job_types",
    "estimate": "sales.estimates",
    "invoice": "accounting.invoices",
    "payment": "accounting.payments",
    "tagType": "settings.tag_types",
    "membership": "memberships.memberships",
    "membershipType": "memberships.membership_types",
    "vendor": "inventory.vendors",
    "zone": "dispatch.zones",
    "taxZone": "accounting.tax_zones",
    "installedEquipment": "equipmentsystems.installed_equipment",
    "equipment": "equipmentsystems.installed_equipment",
    "timesheetCode": "payroll.timesheet_codes",
}

# What happens here alone, so nothing of it is made up.
_EMPTY_AT_FIRST = frozenset({"sales.status_estimates_changes", "crm.bookings_contacts", "crm.leads_notes"})


class Tenant:
    """Everything that the sandbox knows. ``opened`` is the moment at which the company was made."""

    def __init__(self, options: Options, endpoints: Iterable[Endpoint]) -> None:
        self.options = options
        self.clock = SimulatedClock(
            options.clock, ago=options.ago, speed=1.0 if options.speed is None else options.speed
        )
        self.routes = Routes(endpoints)
        self.journal = Journal(options.changes)
        self.tables: dict[str, Table] = {}
        self.given: set[str] = set(_EMPTY_AT_FIRST)  # collections that the company keeps
        self.documents: dict[tuple[str, tuple[str, ...]], Any] = {}
        self.actor: int | None = None  # the employee who does what is done now
        self._last = 0
        self._picks: dict[str, list[Id]] = {}
        self.opened = self.now()
        self.maker = Maker(options.seed, self.opened, self._pick)

    def load(self, records: Iterable[tuple[str, Record]]) -> None:
        """Take in the company, a record at a time."""
        for collection, record in records:
            self.given.add(collection)
            self._given(collection).put(record, default=self.opened)
        for table in self.tables.values():
            table.settle()

    def now(self) -> int:
        """The clock's moment; two changes never share one, so that their order is never in doubt."""
        self._last = max(moments.micros(self.clock.now()), self._last + 1)
        return self._last

    def stamp(self) -> str:
        """Now, as the vendor writes it."""
        return moments.write(self.now())

    # Collections --------------------------------------------------------------------------------

    def _given(self, collection: str) -> Table:
        table = self.tables.get(collection)
        if table is None:
            table = self.tables[collection] = Table(collection, self.routes.list_fields(collection))
        return table

    def table(self, collection: str) -> Table:
        """A collection; one that the company does not keep is made up when it is first asked for."""
        if collection in self.tables:
            return self.tables[collection]
        table = self._given(collection)
        if collection in PARTS:
            owner, link = PARTS[collection]
            follow(self.table(owner), table, link)
            return table
        fields = self.routes.all_fields(collection)
        routes = self.routes.by_collection.get(collection, ())
        if (
            fields
            and collection not in self.given
            and any(route.method == "GET" and not route.parents for route in routes)
        ):
            for index in range(self.options.made_up):
                table.put(self.made(collection, index), default=self.opened)
        return table

    def made(self, collection: str, index: int, known: Mapping[str, Any] | None = None, *path: Any) -> Record:
        """Make up record number ``index`` of a collection around what is ``known`` of it."""
        fields = self.routes.all_fields(collection)
        facts = dict(known or {})
        if "id" in fields and "id" not in facts:
            first = 1_000_000 + number_of(collection, *path) % 8_000_000
            if fields["id"].word == "string" or fields["id"].word == "guid":
                facts["id"] = self.maker.record(fields["id"], collection, *path, index)
            else:
                facts["id"] = first + 7 * index
        record = self.maker.fill(fields, facts, collection, *path, index)
        if {"createdOn", "modifiedOn"} <= record.keys() and record["modifiedOn"] and record["createdOn"]:
            pair = sorted([record["createdOn"], record["modifiedOn"]])
            record["createdOn"], record["modifiedOn"] = pair
        if index and "active" in record:
            record["active"] = number_of(collection, index) % 10 != 0
        elif "active" in record:
            record["active"] = True
        return record

    def _pick(self, name: str, number: int) -> Id | None:
        key = name.removesuffix("s").removesuffix("Id")
        collection = _REFERS.get(key)
        if collection is None or collection not in self.tables:
            return None
        ids = self._picks.get(collection)
        if not ids:
            ids = self._picks[collection] = list(self.tables[collection].rows)[:5000]
        return ids[number % len(ids)] if ids else None

    # Records ------------------------------------------------------------------------------------

    def row(self, collection: str, record_id: Any) -> Row:
        """Find a record. Raises 404."""
        row = self.table(collection).rows.get(self.key(collection, record_id))
        if row is None or row.hidden:
            raise AnswerError(404, f"No record with id {record_id} was found.")
        return row

    def key(self, collection: str, record_id: Any) -> Id:
        """A path's text as the collection's kind of id."""
        if isinstance(record_id, str) and (number := as_id(record_id)) in self.table(collection).rows:
            return number
        return record_id if isinstance(record_id, int | str) else str(record_id)

    def get(self, collection: str, record_id: Any) -> Record:
        """Read a record whole. Raises 404."""
        return self.row(collection, record_id).record()

    def find(self, collection: str, field: str, value: Any) -> list[Record]:
        """All records whose ``field`` (dotted) has this value, lowest id first."""
        table = self.table(collection)
        ids = sorted(table.column(*field.split(".")).ids(value), key=str)
        return [table.rows[each].record() for each in ids if not table.rows[each].hidden]

    def put(
        self,
        collection: str,
        record: Record,
        scope: tuple[str, ...] = (),
        *,
        kind: str = "",
        what: tuple[str, ...] = (),
    ) -> Record:
        """Write a record now: it gets this moment as its modification time. The journal notes it.

        ``kind`` and ``what`` are what the journal says of it, where the caller knows better than that the
        record is new or another.
        """
        moment = self.now()
        if "modifiedOn" in record or "modifiedOn" in self.routes.all_fields(collection):
            record["modifiedOn"] = moments.write(moment)
        table = self.table(collection)
        before = table.rows.get(record["id"]) if record.get("id") is not None else None
        known, merged = before is not None, before is not None and before.merged
        row = table.put(record, default=moment, modified=moment, scope=scope)
        kind = kind or ("merged" if row.merged and not merged else "changed" if known else "added")
        self.journal.note(collection, row.id, kind, moment, what)
        return record

    def add(self, collection: str, known: Mapping[str, Any], scope: tuple[str, ...] = ()) -> Record:
        """Create a record: what the caller does not say is empty, null or made up."""
        table, fields = self.table(collection), self.routes.all_fields(collection)
        moment = self.stamp()
        facts = {
            "createdOn": moment,
            "modifiedOn": moment,
            "active": True,
            "createdById": self.office(),
            **known,
        }
        if "id" not in facts:
            facts["id"] = self.new_id(collection)
        keep = {
            name: value for name, value in facts.items() if name in fields or name in known or name == "id"
        }
        record = self.maker.bare(fields, keep, collection, table.version)
        for name, value in keep.items():
            record.setdefault(name, value)
        return self.put(collection, record, scope)

    def new_id(self, collection: str) -> Id:
        """An id that no record of the collection has had."""
        shape = self.routes.all_fields(collection).get("id")
        if shape is not None and shape.word in {"guid", "string"}:
            return str(self.maker.record(shape, collection, "new", self.now()))
        return self.table(collection).next_id()

    def edit(self, collection: str, record_id: Any, **changes: Any) -> Record:
        """Change fields of a record; its modification time moves. Raises 404."""
        row = self.row(collection, record_id)
        record = row.record()
        what = tuple(name for name, value in changes.items() if record.get(name) != value)
        return self.put(collection, {**record, **changes}, row.scope, what=what)

    def delete(self, collection: str, record_id: Any) -> None:
        """Take a record out of every list; feeds tell it as inactive, but for CRM contacts. Raises 404."""
        table = self.table(collection)
        row = self.row(collection, record_id)
        feed = any(route.kind == "export" for route in self.routes.by_collection.get(collection, ()))
        if not feed or collection in {"crm.customers_contacts", "crm.locations_contacts"}:
            self.remove(collection, row.id)
            return
        record = row.record()
        record["active"] = False
        self.put(collection, record, row.scope, kind="deleted")
        table.rows[row.id].hidden = True

    def remove(self, collection: str, record_id: Id) -> None:
        """Take a record away without a trace."""
        self.table(collection).remove(record_id)
        self.journal.note(collection, record_id, "deleted", self.now())

    def restore(self, collection: str, record_id: Id) -> Record:
        """Bring back a record that was deleted as feeds tell it, or deactivated. Raises 404."""
        row = self.table(collection).rows.get(record_id)
        if row is None:
            raise AnswerError(404, f"No record with id {record_id} was found.")
        return self.put(collection, {**row.record(), "active": True}, row.scope, what=("active",))

    def merge(self, collection: str, loser: Id, winner: Id) -> None:
        """Merge a customer or location into another: children move, the loser is inactive. Raises 404."""
        self.row(collection, winner)
        field = "customerId" if collection == "crm.customers" else "locationId"
        nested = field.removesuffix("Id")
        self.edit(collection, loser, active=False, mergedToId=winner)
        for name in list(self.tables):
            table = self.tables[name]
            if table.has(field):
                for row_id in list(table.column(field).ids(loser)):
                    self.edit(name, row_id, **{field: winner})
            elif table.has(nested) and name.startswith("accounting."):
                for row_id in list(table.column(nested, "id").ids(loser)):
                    record = table.rows[row_id].record()
                    self.edit(name, row_id, **{nested: {**record[nested], "id": winner}})

    def office(self) -> int:
        """The id of the employee who does what nobody else is named for."""
        if self.actor is not None:
            return self.actor
        rows = self.tables.get("settings.employees")
        first = next(iter(rows.rows), 30_127) if rows else 30_127
        return first if isinstance(first, int) else 30_127

    def named(self, collection: str, record_id: Any) -> dict[str, Any] | None:
        """``{id, name}`` of a record, as accounting and telecom embed it; None where there is none."""
        if record_id is None or self.key(collection, record_id) not in self.table(collection).rows:
            return None
        record = self.get(collection, record_id)
        return {"id": record["id"], "name": dig(record, ("name",))}
