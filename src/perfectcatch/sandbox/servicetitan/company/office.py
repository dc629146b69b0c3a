"""The company itself: business units, people on the payroll, roles, tags, and what the records refer to."""

from collections import defaultdict
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from perfectcatch.sandbox.servicetitan.company import ids, trades, words
from perfectcatch.sandbox.servicetitan.company.moments import HOUR, Calendar, chance, stamp, stream
from perfectcatch.sandbox.servicetitan.company.plan import Size

Record = dict[str, Any]

TENANT_ID = 1_021_415_872
TENANT_NAME = "Clearwater Line Home Services"
SITE = "clearwater-line.example.com"
_DAY = 86_400

_STAFF = (
    "Owner",
    "Admin",
    "Dispatch",
    "Dispatch",
    "CSR",
    "CSR",
    "CSR",
    "Accounting",
    "SalesManager",
    "FieldManager",
    "CSR",
)
_FORMER = len(_STAFF) - 1
_FIRST_CSR, _LAST_CSR = 4, 6
_ROLES = (
    ("Owner", "Employee"),
    ("Admin", "Employee"),
    ("Dispatch", "Employee"),
    ("CSR", "Employee"),
    ("Accounting", "Employee"),
    ("Field Manager", "Employee"),
    ("Technician", "Technician"),
    ("Installer", "Technician"),
)
_ROLE_OF = {
    "Owner": 0,
    "Admin": 1,
    "Dispatch": 2,
    "CSR": 3,
    "Accounting": 4,
    "SalesManager": 1,
    "FieldManager": 5,
}
# Which business units a technician works for, dealt out in this order.
_CREWS = (
    (0, 7),
    (1, 7),
    (3, 4),
    (5, 6),
    (2, 1),
    (4, 3),
    (3,),
    (0, 1),
    (5,),
    (6, 5),
    (2, 7),
    (4,),
    (1, 2),
    (3, 5),
)
_FILTERS = ("AllScheduledDispatchedWorkingToday", "NextScheduledDispatchedWorking", "DispatchedWorking")


@dataclass(frozen=True, slots=True)
class Person:
    """Someone on the payroll: id and name."""

    id: int
    name: str


@dataclass
class Office:
    """The company and the lists that its records refer to. Built once per seed, size and moment."""

    seed: int
    size: Size
    calendar: Calendar
    technicians: list[Record] = field(init=False)
    employees: list[Record] = field(init=False)
    business_units: list[Record] = field(init=False)

    def __post_init__(self) -> None:
        self.random = stream(self.seed, "office")
        self.crews: dict[int, list[Person]] = defaultdict(list)
        self.business_units = [self._unit(index, unit) for index, unit in enumerate(trades.UNITS)]
        self.employees = [self._employee(index, role) for index, role in enumerate(_STAFF)]
        self.technicians = [self._technician(index) for index in range(self.size.technicians)]
        for index in range(len(trades.UNITS)):
            if not self.crews[index]:
                self.crews[index] = [Person(each["id"], each["name"]) for each in self.technicians]
        self.everyone = [Person(each["id"], each["name"]) for each in self.technicians]
        self.clerks = [
            Person(each["id"], each["name"]) for each in self.employees[_FIRST_CSR : _LAST_CSR + 1]
        ]
        self.manager = Person(self.employees[1]["id"], self.employees[1]["name"])

    @cached_property
    def tag_ids(self) -> dict[str, int]:
        """Ids of tag types by name."""
        return {row[0]: ids.TAGS[index] for index, row in enumerate(trades.TAGS)}

    def life(self, *, changed: float = 0.4) -> tuple[str, str]:
        """Return (createdOn, modifiedOn) of a record that was set up with the company."""
        random, calendar = self.random, self.calendar
        created = calendar.opening - random.randrange(5 * _DAY, 40 * _DAY)
        text = stamp(created, random)
        if not chance(random, changed):
            return text, text
        return text, stamp(random.randrange(created + HOUR, calendar.now), random)

    def put_to_work(self, crew: list[Person], job: int, appointment: int) -> None:
        """Show on the technicians' records what they are doing right now."""
        busy = {person.id for person in crew}
        for technician in self.technicians:
            if technician["id"] in busy:
                # The vendor's own spelling.
                technician |= {"status": "Working", "jobId": job, "appoitmentId": appointment}

    def _name(self) -> tuple[str, str]:
        return self.random.choice(words.FIRST_NAMES), self.random.choice(words.LAST_NAMES)

    def _phone(self, index: int) -> str:
        return f"(727) 555-01{index % 100:02d}"

    def _unit(self, index: int, unit: trades.Unit) -> Record:
        created, modified = self.life()
        return {
            "id": ids.UNITS[index],
            "active": unit.active,
            "name": unit.name,
            "officialName": f"{TENANT_NAME} LLC - {unit.name}",
            "email": f"{unit.trade.lower()}@{SITE}",
            "currency": "USD",
            "phoneNumber": self._phone(index),
            "invoiceHeader": f"<p>{TENANT_NAME}</p><p>{unit.trade} department</p>",
            "invoiceMessage": "<p>Thank you for your business. Payment is due as stated above.</p>",
            "defaultTaxRate": 0.075,
            "authorizationParagraph": "<p>I authorize the work described above.</p>",
            "acknowledgementParagraph": "<p>I find the work complete and satisfactory.</p>",
            "address": {
                "street": "4410 Drew St",
                "unit": None,
                "city": "Clearwater",
                "state": "FL",
                "zip": "33765",
                "country": "USA",
                "latitude": 27.9683,
                "longitude": -82.7451,
                "isManualCoordinates": False,
                "isMilitary": False,
            },
            "materialSku": None,
            "quickbooksClass": unit.trade,
            "accountCode": unit.account,
            "franchiseId": None,
            "conceptCode": None,
            "corporateContractNumber": None,
            "trade": {
                "id": 11 + (trades.POOL, trades.HVAC, trades.PLUMBING).index(unit.trade),
                "name": unit.trade,
            },
            "division": {
                "id": 21 + (trades.SERVICE, trades.INSTALL).index(unit.division),
                "name": unit.division,
            },
            "tagTypeIds": [],
            "tenant": {
                "id": TENANT_ID,
                "name": TENANT_NAME,
                "accountCode": None,
                "franchiseId": None,
                "conceptCode": None,
                "modifiedOn": modified,
            },
            "createdOn": created,
            "modifiedOn": modified,
            "externalData": [],
            "certifiedSentriconSpecialistCode": None,
        }

    def _employee(self, index: int, role: str) -> Record:
        first, last = self._name()
        created, modified = self.life()
        former = index == _FORMER
        return {
            "customFields": [],
            "permissions": [],
            "id": ids.EMPLOYEES[index],
            "userId": ids.EMPLOYEES[index] + 3,
            "name": f"{first} {last}",
            "firstName": first,
            "lastName": last,
            "managerId": ids.EMPLOYEES[0] if index else None,
            "role": role,
            "roleIds": [ids.ROLES[_ROLE_OF[role]]],
            "businessUnitId": None if role in {"Owner", "Admin", "Accounting"} else ids.UNITS[index % 8],
            "createdOn": created,
            "modifiedOn": modified,
            "email": f"{first}.{last}{index}@{SITE}".lower(),
            "phoneNumber": self._phone(20 + index),
            "loginName": f"{first[0]}{last}{index}".lower(),
            "active": not former,
            "aadUserId": None,
            "accountLocked": former,
            "home": None,
            "agentId": 400 + index,
            "startDate": f"{created[:10]}T00:00:00Z",
            "terminationDate": f"{modified[:10]}T00:00:00Z" if former else None,
            "hourlyRate": 0.0 if role == "Owner" else 18.5 + 1.25 * index,
            "overtimeProfileId": None,
        }

    def _technician(self, index: int) -> Record:
        random = self.random
        first, last = self._name()
        created, modified = self.life(changed=0.9)
        units = _CREWS[index % len(_CREWS)]
        unit = trades.UNITS[units[0]]
        person = Person(ids.TECHNICIANS[index], f"{first} {last}")
        for number in units:
            self.crews[number].append(person)
        installer = unit.division == trades.INSTALL
        zone = index % len(words.ZONES)
        town, zips, latitude, longitude, _, _ = words.TOWNS[index % len(words.TOWNS)]
        street = words.street(random)
        return {
            "id": person.id,
            "userId": person.id + 7,
            "name": person.name,
            "roleIds": [ids.ROLES[7 if installer else 6]],
            "businessUnitId": ids.UNITS[units[0]],
            "mainZoneId": ids.ZONES[zone],
            "zoneIds": sorted({ids.ZONES[zone], ids.ZONES[(zone + 1) % len(words.ZONES)]}),
            "createdOn": created,
            "modifiedOn": modified,
            "email": f"{first}.{last}.t{index}@{SITE}".lower(),
            "phoneNumber": self._phone(40 + index),
            "loginName": f"{first[0]}{last}.t{index}".lower(),
            "home": {
                "street": street,
                "unit": None,
                "country": "USA",
                "city": town,
                "state": "FL",
                "zip": zips[0],
                "streetAddress": street,
                "latitude": latitude,
                "longitude": longitude,
            },
            "dailyGoal": float(random.randrange(900, 3_200, 100)),
            "isManagedTech": True,
            "licenseType": "ManagedInstaller" if installer else "ManagedTech",
            "customFields": [],
            "active": True,
            "aadUserId": None,
            "burdenRate": 7.85,
            "team": f"{unit.trade} Team",
            "jobFilter": random.choice(_FILTERS),
            "permissions": [],
            "accountLocked": False,
            "commissionRate": random.choice((0.0, 5.0, 7.5)),
            "currentValue": None,
            "firstName": first,
            "lastName": last,
            "hourlyRate": 22.0 + random.randrange(0, 17),
            "jobId": None,
            "mobilePhone": self._phone(40 + index),
            "outboundCallerId": None,
            "payrollId": f"T{100 + index}",
            "payrollProfileId": None,
            "appoitmentId": None,
            "shiftStart": "08:00:00",
            "shiftEnd": "17:00:00",
            "soldByRate": 2.0,
            "startDate": f"{created[:10]}T00:00:00Z",
            "status": "Idle",
            "skills": [],
            "positions": ["Installer"] if installer else ["Service", "Maintenance"],
            "location": {
                "latitude": latitude,
                "longitude": longitude,
                "coordinatesUpdatedOn": modified,
            },
            "bio": f"<p>{first} has worked in {unit.trade} for {random.randrange(3, 25)} years.</p>",
            "memo": None,
        }

    def records(self) -> list[tuple[str, Record]]:
        """Return what the vendor's settings hold."""
        rows = [("settings.business_units", each) for each in self.business_units]
        rows += [("settings.employees", each) for each in self.employees]
        rows += [("settings.technicians", each) for each in self.technicians]
        rows += [("settings.user_roles", self._role(*each)) for each in enumerate(_ROLES)]
        rows += [("settings.tag_types", self._tag(index, row)) for index, row in enumerate(trades.TAGS)]
        return rows

    def _role(self, index: int, row: tuple[str, str]) -> Record:
        name, kind = row
        created, _ = self.life()
        return {
            "id": ids.ROLES[index],
            "active": True,
            "name": name,
            "createdOn": created,
            "employeeType": kind,
        }

    def _tag(self, index: int, row: tuple[str, str, str, str, str]) -> Record:
        name, color, code, importance, _ = row
        created, modified = self.life()
        return {
            "id": ids.TAGS[index],
            "name": name,
            "color": color,
            "code": code,
            "importance": importance,
            "isConversionOpportunity": name == "Second Opinion",
            "allowToUseOnTimesheetActivity": False,
            "isVisibleOnDispatchBoard": importance == "High",
            "active": True,
            "createdOn": created,
            "modifiedOn": modified,
        }
