"""What may happen to a company's records, one small change at a time."""

from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, Final

from perfectcatch.kit.clock import FakeClock
from perfectcatch.sandbox.servicetitan import moments
from perfectcatch.sandbox.servicetitan.company import generate
from perfectcatch.sandbox.servicetitan.options import Options
from perfectcatch.sandbox.servicetitan.service import Service
from perfectcatch.sandbox.servicetitan.table import Record, Row

CUSTOMERS, CONTACTS = "crm.customers", "crm.customers_contacts"
UNITS, JOBS = "settings.business_units", "jpm.jobs"
VISITS, ASSIGNMENTS = "jpm.appointments", "dispatch.appointment_assignments"
ESTIMATES, INVOICES = "sales.estimates", "accounting.invoices"
TYPES, REASONS, WINDOWS = "jpm.job_types", "jpm.job_cancel_reasons", "dispatch.arrival_windows"

KEPT: Final = {
    CUSTOMERS: 6, CONTACTS: 9, UNITS: 5, JOBS: 9, VISITS: 9, ASSIGNMENTS: 9,
    ESTIMATES: 5, INVOICES: 7, TYPES: 5, REASONS: 7, WINDOWS: 5,
}  # fmt: skip
"""The collections of the small company, and how many records of each it begins with."""

MAY_VANISH: Final = (CONTACTS, JOBS, VISITS, ASSIGNMENTS, ESTIMATES, REASONS, WINDOWS, TYPES)
MAY_BE_SWITCHED_OFF: Final = (CUSTOMERS, CONTACTS, JOBS, VISITS, ASSIGNMENTS, ESTIMATES, INVOICES)
STATES: Final = ("Scheduled", "Dispatched", "InProgress", "Hold", "Completed", "Canceled")
UNFIT: Final = "a lot"  # as an amount of money
_MOST_GONE: Final = 3  # of a collection; more at once are held for a person


class Company:
    """A vendor's account and what its people do.

    ``gone_once``: collection and id of all that ever vanished; ``untraced``: of all that changed in a way
    that no feed tells.
    """

    def __init__(self, tenant_id: int) -> None:
        self.clock = FakeClock(datetime.now(UTC) - timedelta(days=4))
        began = self.clock.now()
        counted = dict.fromkeys(KEPT, 0)
        chosen: list[tuple[str, Record]] = []
        for name, record in generate(7, 6, now=began):
            if counted.get(name, 99) < KEPT.get(name, 0):
                counted[name] += 1
                chosen.append((name, record))
        options = Options(
            tenant_id=tenant_id,
            clock=self.clock,
            export_page_size=5,
            repeat_recent=False,  # a place that was skipped is not passed again by itself
            rate=1e9,
            tokens_per_minute=10**6,
        )
        self.service = Service(options, records=chosen)
        self.tenant = self.service.tenant
        self.gone: dict[str, dict[int, Record]] = {name: {} for name in KEPT}
        self.gone_once: set[tuple[str, int]] = set()
        self.untraced: set[tuple[str, int]] = set()
        self.earlier: dict[tuple[str, int], Record] = {}

    @classmethod
    def kinds(cls) -> tuple[str, ...]:
        """What can happen."""
        return tuple(name.removeprefix("_do_") for name in vars(cls) if name.startswith("_do_"))

    def change(self, kind: str, number: int) -> None:
        """Let one change of ``kind`` happen; ``number`` says to what."""
        self.clock.advance(1.0)
        getattr(self, f"_do_{kind}")(Random(number))

    def rows(self, collection: str) -> list[Row]:
        return list(self.tenant.table(collection).by_id())

    # Choosing and writing -----------------------------------------------------------------------

    def _some(self, draw: Random, collection: str, *, active: bool | None = True) -> Record | None:
        records = [row.record() for row in self.rows(collection) if not row.hidden]
        fit = [each for each in records if active is None or bool(each.get("active", True)) is active]
        return draw.choice(fit) if fit else None

    def _edit(self, collection: str, record: Record | None, **changes: Any) -> None:
        if record is None:
            return
        self.earlier[collection, record["id"]] = record
        self.tenant.edit(collection, record["id"], **changes)

    def _like(self, draw: Random, collection: str, **known: Any) -> Record | None:
        """A new record like one that is there."""
        like = self._some(draw, collection)
        if like is None:
            return None
        moment = self.tenant.stamp()
        fresh = {"id": self.tenant.new_id(collection), "createdOn": moment, "active": True}
        return self.tenant.put(collection, {**like, **fresh, **known})

    # What happens -------------------------------------------------------------------------------

    def _do_job_changes_state(self, draw: Random) -> None:
        state = draw.choice(STATES)
        done = self.tenant.stamp() if state == "Completed" else None
        self._edit(JOBS, self._some(draw, JOBS), jobStatus=state, completedOn=done)

    def _do_job_moves(self, draw: Random) -> None:
        unit = self._some(draw, UNITS)
        assert unit is not None
        self._edit(JOBS, self._some(draw, JOBS), businessUnitId=unit["id"], summary=f"moved {draw.random()}")

    def _do_job_is_booked(self, draw: Random) -> None:
        self._like(draw, JOBS, jobStatus=draw.choice(STATES), completedOn=None)

    def _do_unit_opens_with_a_job(self, draw: Random) -> None:
        name = draw.choice(("Pool Install", "Repairs", "INSTALLATIONS"))
        unit = self._like(draw, UNITS, name=name)
        assert unit is not None
        self._edit(JOBS, self._some(draw, JOBS), businessUnitId=unit["id"])

    def _do_customer_changes(self, draw: Random) -> None:
        record = self._some(draw, CUSTOMERS, active=None)
        self._edit(CUSTOMERS, record, name=f"Person {draw.randrange(100)}", balance=draw.randrange(100))

    def _do_customer_is_new(self, draw: Random) -> None:
        self._like(draw, CUSTOMERS, mergedToId=None)

    def _do_merge(self, draw: Random) -> None:
        self._merge(draw, touching=True)

    def _do_merge_that_moves_silently(self, draw: Random) -> None:
        self._merge(draw, touching=False)

    def _merge(self, draw: Random, *, touching: bool) -> None:
        loser, winner = self._some(draw, CUSTOMERS), self._some(draw, CUSTOMERS)
        if loser is None or winner is None or loser["id"] == winner["id"]:
            return
        if touching:
            self.tenant.merge(CUSTOMERS, loser["id"], winner["id"])
            return
        self._edit(CUSTOMERS, loser, active=False, mergedToId=winner["id"])
        for name in (JOBS, CONTACTS, VISITS, ESTIMATES):
            for row in self.rows(name):
                record = row.record()
                if record.get("customerId") == loser["id"]:
                    hidden, at = row.hidden, row.modified
                    self.tenant.table(name).put({**record, "customerId": winner["id"]}, modified=at)
                    row.hidden = hidden
                    self.untraced.add((name, record["id"]))

    def _do_contact_changes(self, draw: Random) -> None:
        kind = draw.choice(("MobilePhone", "Phone", "Email"))
        value = (
            f"a{draw.randrange(99)}@example.com" if kind == "Email" else f"8135550{draw.randrange(100, 200)}"
        )
        self._edit(CONTACTS, self._some(draw, CONTACTS), type=kind, value=value)

    def _do_contact_is_new(self, draw: Random) -> None:
        customer = self._some(draw, CUSTOMERS)
        if customer is not None:
            number = f"727555{draw.randrange(1000, 9999)}"
            self._like(draw, CONTACTS, customerId=customer["id"], type="MobilePhone", value=number)

    def _do_visit_moves(self, draw: Random) -> None:
        start = self.tenant.now() + draw.randrange(1, 9) * moments.DAY
        names = ("start", "end", "arrivalWindowStart", "arrivalWindowEnd")
        times = {name: moments.write(start + place * moments.MINUTE) for place, name in enumerate(names)}
        self._edit(VISITS, self._some(draw, VISITS), **times, status=draw.choice(("Scheduled", "Dispatched")))

    def _do_visit_goes_on(self, draw: Random) -> None:
        state = draw.choice(("Working", "Hold", "Done", "Canceled"))
        self._edit(VISITS, self._some(draw, VISITS), status=state, isConfirmed=draw.random() < 0.5)

    def _do_somebody_is_assigned(self, draw: Random) -> None:
        job, visit = self._some(draw, JOBS), self._some(draw, VISITS)
        if job is not None and visit is not None:
            self._like(draw, ASSIGNMENTS, jobId=job["id"], appointmentId=visit["id"], status="Scheduled")

    def _do_assignment_goes_on(self, draw: Random) -> None:
        record = self._some(draw, ASSIGNMENTS)
        self._edit(ASSIGNMENTS, record, status=draw.choice(("Scheduled", "Dispatched", "Working", "Done")))

    def _do_estimate_goes_on(self, draw: Random) -> None:
        value, name = draw.choice(((0, "Open"), (1, "Sold"), (2, "Dismissed")))
        sold = self.tenant.stamp() if name == "Sold" else None
        record = self._some(draw, ESTIMATES)
        self._edit(ESTIMATES, record, status={"value": value, "name": name}, soldOn=sold)

    def _do_estimate_is_revised(self, draw: Random) -> None:
        record = self._some(draw, ESTIMATES)
        if record is not None:
            items = record["items"][: draw.randrange(len(record["items"]) + 1)]
            self._edit(ESTIMATES, record, items=items, subtotal=draw.randrange(1, 900))

    def _do_invoice_is_paid(self, draw: Random) -> None:
        record = self._some(draw, INVOICES)
        if record is not None:
            left = draw.choice(("0.00", "12.50", record["total"]))
            paid = self.tenant.stamp() if left == "0.00" else None
            self._edit(INVOICES, record, balance=left, paidOn=paid)

    def _do_list_changes(self, draw: Random) -> None:
        name = draw.choice((REASONS, TYPES, WINDOWS))
        record = self._some(draw, name, active=None)
        if record is not None:
            field = next((each for each in ("name", "summary") if each in record), "start")
            self._edit(name, record, **{field: f"{draw.randrange(10, 20)}:00:00"})

    def _do_switched_off(self, draw: Random) -> None:
        name = draw.choice(MAY_BE_SWITCHED_OFF)
        self._edit(name, self._some(draw, name), active=False)

    def _do_switched_on(self, draw: Random) -> None:
        name = draw.choice(MAY_BE_SWITCHED_OFF)
        record = self._some(draw, name, active=False)
        if record is not None and record.get("mergedToId") is None:
            self._edit(name, record, active=True)

    def _do_changed_while_off(self, draw: Random) -> None:
        self._edit(JOBS, self._some(draw, JOBS, active=False), jobStatus=draw.choice(STATES))

    def _do_vanishes(self, draw: Random) -> None:
        name = draw.choice(MAY_VANISH)
        record = self._some(draw, name, active=None)
        if record is None or len(self.gone[name]) >= _MOST_GONE:
            return
        self.gone[name][record["id"]] = record
        self.gone_once.add((name, record["id"]))
        self.untraced.add((name, record["id"]))
        self.tenant.table(name).remove(record["id"])

    def _do_comes_back(self, draw: Random) -> None:
        names = [name for name in MAY_VANISH if self.gone[name]]
        if names:
            name = draw.choice(names)
            record = self.gone[name].pop(draw.choice(sorted(self.gone[name])))
            if draw.random() < 0.5:
                self.tenant.put(name, record)
            else:
                self.restore(name, record)

    def restore(self, name: str, record: Record) -> None:
        """Put a record back exactly as it was, its time included."""
        self.tenant.table(name).put(record, default=self.tenant.now())

    def all_come_back(self) -> None:
        """Everything that vanished is there again as if nothing had been."""
        for name, records in self.gone.items():
            for record in records.values():
                self.restore(name, record)
            records.clear()

    def _do_back_to_what_it_was(self, draw: Random) -> None:
        if self.earlier:
            name, record_id = draw.choice(sorted(self.earlier))
            if record_id in self.tenant.table(name).rows:
                self.tenant.put(name, dict(self.earlier[name, record_id]))

    def _do_value_that_fits_nowhere(self, draw: Random) -> None:
        self._edit(JOBS, self._some(draw, JOBS), total=UNFIT)

    def _do_value_is_mended(self, draw: Random) -> None:
        spoilt = sorted(self.spoilt)
        if spoilt:
            self.tenant.edit(JOBS, draw.choice(spoilt), total=draw.randrange(1000))

    @property
    def spoilt(self) -> set[int]:
        """Jobs that hold a value which fits no column."""
        return {row.record()["id"] for row in self.rows(JOBS) if row.record().get("total") == UNFIT}
