"""What every section of the company shares while its records are written."""

from collections import defaultdict
from datetime import datetime

from perfectcatch.sandbox.servicetitan.company.ids import Range
from perfectcatch.sandbox.servicetitan.company.moments import Calendar, stream
from perfectcatch.sandbox.servicetitan.company.office import Office
from perfectcatch.sandbox.servicetitan.company.plan import Plan, Size, make_plan
from perfectcatch.sandbox.servicetitan.company.pricebook import Pricebook


class World:
    """The company, its plan, one random stream per section, and the running numbers of ids."""

    def __init__(self, seed: int, size: Size, now: datetime) -> None:
        self.seed = seed
        self.size = size
        self.calendar = Calendar(now)
        self.office = Office(seed, size, self.calendar)
        self.pricebook = Pricebook(self.office)
        self.plan: Plan = make_plan(seed, size, self.calendar)
        self.people = stream(seed, "people")
        self.work = stream(seed, "work")
        self.money = stream(seed, "money")
        self.sales = stream(seed, "sales")
        self.upkeep = stream(seed, "upkeep")
        self.inbound = stream(seed, "inbound")
        self.board = stream(seed, "board")
        self._used: dict[Range, int] = defaultdict(int)

    def next(self, numbers: Range) -> int:
        """Return the next unused id of a range."""
        used = self._used[numbers]
        self._used[numbers] = used + 1
        return numbers[used]
