"""When each technician is taken: by visits that are not over, and by days off."""

from collections import defaultdict

from perfectcatch.sandbox.servicetitan import moments
from perfectcatch.sandbox.servicetitan.life import hours
from perfectcatch.sandbox.servicetitan.table import Id, Record, Row
from perfectcatch.sandbox.servicetitan.tenant import Tenant

OPEN = frozenset({"Scheduled", "Dispatched", "Working"})


class Busy:
    """Follows appointments, assignments and shifts as they are written."""

    def __init__(self) -> None:
        self._spans: dict[Id, tuple[int, int]] = {}
        self._crews: dict[Id, set[Id]] = defaultdict(set)
        self._visits: dict[Id, set[Id]] = defaultdict(set)
        self._off: set[tuple[Id, int]] = set()
        self._shifts: dict[Id, tuple[Id, int]] = {}

    def follow(self, tenant: Tenant) -> None:
        """Take in what there is and everything that comes."""
        for name, take in (
            ("jpm.appointments", self._visit),
            ("dispatch.appointment_assignments", self._assignment),
            ("dispatch.technician_shifts", self._shift),
        ):
            table = tenant.table(name)
            for row in list(table.rows.values()):
                take(row, row.record())
            table.watchers.append(take)

    def free(self, technician: Id, start: int, end: int) -> bool:
        """Whether a technician can be sent somewhere in a span."""
        if (technician, hours.local(start).toordinal()) in self._off:
            return False
        spans = (self._spans[visit] for visit in self._visits[technician] if visit in self._spans)
        return all(end <= other[0] or start >= other[1] for other in spans)

    def crew(self, visit: Id) -> set[Id]:
        """The technicians who are assigned to a visit."""
        return self._crews.get(visit, set())

    def _visit(self, row: Row, record: Record | None) -> None:
        if record is None or not row.active or record["status"] not in OPEN:
            self._spans.pop(row.id, None)
        else:
            self._spans[row.id] = (moments.read(record["start"]), moments.read(record["end"]))

    def _assignment(self, row: Row, record: Record | None) -> None:
        if record is None:
            return
        visit, technician = record["appointmentId"], record["technicianId"]
        if row.active:
            self._crews[visit].add(technician)
            self._visits[technician].add(visit)
        else:
            self._crews[visit].discard(technician)
            self._visits[technician].discard(visit)
        if record["status"] == "Done":  # over: it takes nobody's time any more
            self._visits[technician].discard(visit)

    def _shift(self, row: Row, record: Record | None) -> None:
        if (old := self._shifts.pop(row.id, None)) is not None:
            self._off.discard(old)
        if record is not None and row.active and record["shiftType"] == "TimeOff":
            day = hours.local(moments.read(record["start"])).toordinal()
            self._off.add((record["technicianId"], day))
            self._shifts[row.id] = (record["technicianId"], day)
