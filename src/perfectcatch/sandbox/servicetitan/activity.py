"""Believable changes, so that a company goes on living while somebody watches.

A change is made of the vendor's own writes: what a dispatcher or a technician would have caused. Which one
comes next depends on the seed and on how many came before, never on the time.
"""

from collections.abc import Callable
from random import Random
from typing import Any

from perfectcatch.model.endpoint import Kind
from perfectcatch.sandbox.servicetitan import moments
from perfectcatch.sandbox.servicetitan.answers import AnswerError
from perfectcatch.sandbox.servicetitan.call import Call
from perfectcatch.sandbox.servicetitan.company import words
from perfectcatch.sandbox.servicetitan.routes import Route
from perfectcatch.sandbox.servicetitan.table import Record
from perfectcatch.sandbox.servicetitan.tenant import Tenant
from perfectcatch.sandbox.servicetitan.writes import (
    accounting,
    appointments,
    crm,
    inbound,
    jobs,
    payments,
    sales,
)
from perfectcatch.vendors.servicetitan.shapes import Operation

Did = dict[str, Any]
_TRIES = 20
_PAID_IN_FULL = 0.8
_HOUR = 60 * moments.MINUTE
_OWN = Route(
    method="POST", path="/_sandbox/activity", kind=Kind.COMMAND, operation=Operation(), collection=""
)


class Activity:
    """Makes changes. ``make(n)`` returns what was done, one entry a change."""

    def __init__(self, tenant: Tenant, seed: int) -> None:
        self._tenant = tenant
        self._random = Random(f"{seed}/activity")
        self._kinds: tuple[tuple[int, Callable[[], Did | None]], ...] = (
            (3, self._new_customer),
            (5, self._booked_job),
            (3, self._rescheduled),
            (5, self._completed),
            (4, self._estimate),
            (3, self._estimate_sold),
            (2, self._estimate_dismissed),
            (5, self._payment),
            (2, self._canceled),
            (2, self._booking),
            (4, self._call),
            (2, self._confirmed),
            (2, self._assigned),
            (2, self._note),
        )

    def make(self, changes: int) -> list[Did]:
        """Make so many changes now."""
        done: list[Did] = []
        weights = [weight for weight, _ in self._kinds]
        for _ in range(changes):
            for _try in range(_TRIES):
                kind = self._random.choices(self._kinds, weights)[0][1]
                try:
                    did = kind()
                except AnswerError:  # a refusal of the vendor's own rules: something else happens instead
                    did = None
                if did is not None:
                    done.append({"what": kind.__name__.strip("_"), **did})
                    break
        return done

    # Choosing -----------------------------------------------------------------------------------

    def _call_on(self, body: Any = None, **path: Any) -> Call:
        return Call(self._tenant, _OWN, {name: str(value) for name, value in path.items()}, {}, body)

    def _some(self, collection: str, fits: Callable[[Record], bool] = lambda _: True) -> Record | None:
        """A record that fits, from a few drawn at random; the newest ones are drawn more often."""
        rows = self._tenant.table(collection).by_id()
        for _ in range(60 if rows else 0):
            row = rows[int(len(rows) * self._random.random() ** 0.4)]
            if row.active and not row.merged and not row.hidden and fits(record := row.record()):
                return record
        return None

    def _slot(self) -> dict[str, str]:
        """A visit on one of the next days, two hours long, with its arrival window."""
        now = self._tenant.now()
        day = now - now % moments.DAY + self._random.randrange(1, 8) * moments.DAY
        start = day + self._random.randrange(13, 20) * _HOUR
        spans = {"start": start, "end": start + 2 * _HOUR, "arrivalWindowStart": start}
        return {
            name: moments.write(at) for name, at in {**spans, "arrivalWindowEnd": start + 2 * _HOUR}.items()
        }

    # Customers and jobs -------------------------------------------------------------------------

    def _new_customer(self) -> Did | None:
        random = self._random
        template = self._some("crm.locations")
        if template is None:
            return None
        name = f"{random.choice(words.FIRST_NAMES)} {random.choice(words.LAST_NAMES)}"
        road = f"{random.choice(words.STREET_NAMES)} {random.choice(words.STREET_KINDS)}"
        street = f"{random.randrange(100, 9999)} {road}"
        address = {**template["address"], "street": street, "unit": None}
        phone = f"{random.choice(('813', '727'))}5550{random.randrange(100, 200)}"
        email = f"{name.lower().replace(' ', '.')}@example.com"
        body = {
            "name": name,
            "type": "Residential",
            "address": address,
            "locations": [{"name": name, "address": address}],
            "contacts": [{"type": "MobilePhone", "value": phone}, {"type": "Email", "value": email}],
        }
        call = self._call_on(body)
        crm.create_customer(call)
        record = self._tenant.table("crm.customers").by_id()[-1].record()
        return {"customerId": record["id"], "name": name}

    def _booked_job(self) -> Did | None:
        place, like = self._some("crm.locations"), self._some("jpm.jobs")
        if place is None or like is None:
            return None
        names = ("businessUnitId", "jobTypeId", "priority", "campaignId", "summary")
        visit = {**self._slot(), "technicianIds": self._crew(like["businessUnitId"])}
        owner = {"customerId": place["customerId"], "locationId": place["id"]}
        job = jobs.book(
            self._call_on(), {**{name: like[name] for name in names}, **owner, "appointments": [visit]}
        )
        return {"jobId": job["id"], "jobNumber": job["jobNumber"], "customerId": job["customerId"]}

    def _crew(self, unit: int) -> list[int]:
        crew = self._some("settings.technicians", lambda each: each["businessUnitId"] == unit)
        return [crew["id"]] if crew else []

    def _open_visit(self) -> Record | None:
        return self._some(
            "jpm.appointments", lambda each: each["status"] in {"Scheduled", "Dispatched", "Working"}
        )

    def _rescheduled(self) -> Did | None:
        visit = self._open_visit()
        if visit is None:
            return None
        appointments.reschedule(self._call_on(self._slot(), id=visit["id"]))
        return {"appointmentId": visit["id"], "jobId": visit["jobId"]}

    def _completed(self) -> Did | None:
        visit = self._open_visit()
        if visit is None:
            return None
        tenant, call = self._tenant, self._call_on()
        job = tenant.get("jpm.jobs", visit["jobId"])
        jobs.finish(call, job, tenant.stamp())
        invoice = next(iter(tenant.find("accounting.invoices", "job.id", job["id"])), None)
        if invoice is not None and not invoice["items"]:
            accounting.bill(call, invoice, self._lines(), tenant.stamp())
        return {"jobId": job["id"], "invoiceId": job["invoiceId"]}

    def _lines(self) -> list[Record]:
        found = [self._some("pricebook.services"), self._some("pricebook.materials")]
        return [{"skuId": each["id"], "quantity": 1, "description": ""} for each in found if each]

    def _canceled(self) -> Did | None:
        visit = self._open_visit()
        reason = self._some("jpm.job_cancel_reasons")
        if visit is None or reason is None:
            return None
        job = self._tenant.get("jpm.jobs", visit["jobId"])
        jobs.cancel(self._call_on(), job, reason["id"], "The customer called it off.")
        return {"jobId": job["id"], "reason": reason["name"]}

    def _confirmed(self) -> Did | None:
        visit = self._some(
            "jpm.appointments", lambda each: each["status"] == "Scheduled" and not each["isConfirmed"]
        )
        if visit is None:
            return None
        self._tenant.edit("jpm.appointments", visit["id"], isConfirmed=True)
        return {"appointmentId": visit["id"]}

    def _assigned(self) -> Did | None:
        visit, crew = self._open_visit(), self._some("settings.technicians")
        if visit is None or crew is None:
            return None
        record = appointments.assign(self._call_on(), visit, crew["id"])
        return {"assignmentId": record["id"], "technicianId": crew["id"]}

    def _note(self) -> Did | None:
        job = self._some("jpm.jobs")
        if job is None:
            return None
        text = self._random.choice(
            ("Gate code changed.", "Customer asked for a call ahead.", "Dog in the yard.")
        )
        record = self._tenant.add("jpm.job_notes", {"text": text, "isPinned": False, "jobId": job["id"]})
        return {"noteId": record["id"], "jobId": job["id"]}

    # Sales and money ----------------------------------------------------------------------------

    def _estimate(self) -> Did | None:
        job = self._some(
            "jpm.jobs", lambda each: each["jobStatus"] in {"Completed", "InProgress", "Scheduled"}
        )
        if job is None:
            return None
        body = {"jobId": job["id"], "name": "Repair options", "items": self._lines()}
        record = sales.add_estimate(self._call_on(), body)
        return {"estimateId": record["id"], "jobId": job["id"], "subtotal": record["subtotal"]}

    def _open_estimate(self) -> Record | None:
        return self._some("sales.estimates", lambda each: (each["status"] or {}).get("name") == "Open")

    def _estimate_sold(self) -> Did | None:
        record, crew = self._open_estimate(), self._some("settings.technicians")
        if record is None or crew is None:
            return None
        sales.set_status(self._call_on(), record, "Sold", crew["id"])
        return {"estimateId": record["id"], "soldBy": crew["id"]}

    def _estimate_dismissed(self) -> Did | None:
        record = self._open_estimate()
        if record is None:
            return None
        sales.set_status(self._call_on(), record, "Dismissed")
        return {"estimateId": record["id"]}

    def _payment(self) -> Did | None:
        invoice = self._some("accounting.invoices", lambda each: accounting.amount_of(each["balance"]) > 0)
        kind = self._some("accounting.payment_types")
        if invoice is None or kind is None:
            return None
        owed = accounting.amount_of(invoice["balance"])
        amount = (
            owed
            if self._random.random() < _PAID_IN_FULL
            else accounting.amount_of(accounting.written(owed / 2))
        )
        split = {"invoiceId": invoice["id"], "amount": str(amount)}
        payment = payments.pay(self._call_on(), [split], kind["id"], {})
        return {"paymentId": payment["id"], "invoiceId": invoice["id"], "amount": payment["total"]}

    # What comes in ------------------------------------------------------------------------------

    def _booking(self) -> Did | None:
        provider, place = self._some("crm.booking_provider_tags"), self._some("crm.locations")
        if provider is None or place is None:
            return None
        address = {
            name: value for name, value in place["address"].items() if name not in {"latitude", "longitude"}
        }
        body = {
            "source": provider["tagName"],
            "name": place["name"],
            "address": address,
            "customerType": "Residential",
            "summary": "Booked on the website.",
            "isFirstTimeClient": False,
            "uploadedImages": [],
            "isSendConfirmationEmail": True,
            "externalId": f"web-{self._random.randrange(16**8):08x}",
            "start": self._slot()["start"],
        }
        return {"bookingId": inbound.add_booking(self._call_on(), provider["id"], body)["id"]}

    def _call(self) -> Did | None:
        like = self._some("telecom.calls", lambda each: each["customer"] is not None)
        if like is None:
            return None
        number = self._tenant.table("telecom.calls").next_id()
        moment = self._tenant.stamp()
        fresh = {"id": number, "createdOn": moment, "recordingUrl": None, "job": None, "lead": None}
        record = self._tenant.put("telecom.calls", {**like, **fresh})
        return {"callId": record["id"], "customerId": record["customer"]["id"]}
