"""What the company does: its business units and kinds of jobs, as rows."""

from dataclasses import dataclass

POOL, HVAC, PLUMBING = "Pool", "HVAC", "Plumbing"
SERVICE, INSTALL = "Service", "Install"


@dataclass(frozen=True, slots=True)
class Unit:
    """A business unit. Its place in ``UNITS`` is what a job kind refers to."""

    name: str
    trade: str
    division: str
    account: str
    active: bool = True


UNITS = (
    Unit("Pool Service", POOL, SERVICE, "4010"),
    Unit("Pool Repair", POOL, SERVICE, "4020"),
    Unit("Pool Equipment Install", POOL, INSTALL, "4030"),
    Unit("HVAC Service", HVAC, SERVICE, "4110"),
    Unit("HVAC Install", HVAC, INSTALL, "4120"),
    Unit("Plumbing Service", PLUMBING, SERVICE, "4210"),
    Unit("Plumbing Install", PLUMBING, INSTALL, "4220"),
    Unit("Commercial Pools", POOL, SERVICE, "4040"),
    Unit("Pool Resurfacing (closed)", POOL, INSTALL, "4050", active=False),
)
COMMERCIAL_UNIT = 7


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of job: hours on site, how common it is, how many billed lines, what is usually quoted."""

    name: str
    unit: int
    hours: float
    priority: str
    weight: int
    lines: tuple[int, int]
    quotes: int  # how readily an estimate is written
    sold_above: float | None = None
    no_charge: bool = False
    active: bool = True

    @property
    def trade(self) -> str:
        """The trade of its business unit."""
        return UNITS[self.unit].trade

    @property
    def division(self) -> str:
        """Service or Install, from its business unit."""
        return UNITS[self.unit].division


KINDS = (
    Kind("Pool Cleaning Visit", 0, 1, "Normal", 12, (1, 3), 1),
    Kind("Green Pool Cleanup", 0, 3, "Normal", 4, (2, 4), 2),
    Kind("Filter Cleaning", 0, 1.5, "Normal", 5, (1, 3), 2),
    Kind("Salt Cell Service", 0, 1, "Normal", 4, (1, 3), 3, 250.0),
    Kind("Pool Inspection", 0, 1, "Low", 3, (1, 1), 5),
    Kind("Pump Repair", 1, 1.5, "High", 8, (2, 4), 6, 400.0),
    Kind("Heater Repair", 1, 2, "Normal", 5, (2, 4), 6, 400.0),
    Kind("Leak Detection", 1, 3, "High", 4, (1, 3), 5, 400.0),
    Kind("Automation Troubleshooting", 1, 1.5, "Normal", 3, (1, 3), 4, 400.0),
    Kind("Pool Light Repair", 1, 1.5, "Low", 3, (2, 3), 3, 300.0),
    Kind("Pump Replacement", 2, 3, "High", 5, (2, 5), 2, 900.0),
    Kind("Heater Installation", 2, 6, "Normal", 3, (3, 5), 2, 2500.0),
    Kind("Salt System Installation", 2, 4, "Normal", 3, (3, 5), 2, 1500.0),
    Kind("Automation Upgrade", 2, 7, "Normal", 2, (3, 6), 3, 2500.0),
    Kind("AC No Cool", 3, 2, "Urgent", 13, (2, 4), 7, 350.0),
    Kind("AC Maintenance", 3, 1.5, "Normal", 13, (1, 3), 4, 350.0),
    Kind("Heat Pump Repair", 3, 2, "High", 4, (2, 4), 6, 350.0),
    Kind("Duct Inspection", 3, 1.5, "Low", 2, (1, 2), 6, 350.0),
    Kind("AC System Replacement", 4, 9, "High", 5, (3, 6), 1, 6000.0),
    Kind("Mini Split Installation", 4, 7, "Normal", 3, (3, 5), 1, 3500.0),
    Kind("Duct Replacement", 4, 9, "Normal", 2, (3, 5), 1, 4000.0),
    Kind("Drain Clearing", 5, 1.5, "High", 9, (1, 3), 3, 300.0),
    Kind("Water Heater Repair", 5, 2, "High", 6, (2, 4), 6, 300.0),
    Kind("Toilet Repair", 5, 1, "Normal", 5, (1, 3), 2, 300.0),
    Kind("Water Leak Repair", 5, 2, "Urgent", 7, (2, 4), 3, 300.0),
    Kind("Faucet and Fixture Repair", 5, 1, "Normal", 4, (1, 3), 2, 300.0),
    Kind("Water Heater Installation", 6, 4, "High", 4, (3, 5), 1, 1200.0),
    Kind("Whole House Repipe", 6, 9, "Normal", 1, (3, 6), 2, 6000.0),
    Kind("Water Softener Installation", 6, 4, "Normal", 2, (3, 5), 2, 1500.0),
    Kind("Commercial Pool Service", 7, 2, "Normal", 6, (2, 4), 2, 500.0),
    Kind("Commercial Equipment Repair", 7, 3, "High", 4, (2, 5), 6, 900.0),
    Kind("Warranty Callback", 1, 1, "High", 2, (1, 2), 0, no_charge=True),
    Kind("Free Estimate (old)", 8, 1, "Low", 0, (0, 0), 5, no_charge=True, active=False),
)

# How busy each trade is, January to December, against its yearly mean.
SEASONS = {
    POOL: (0.75, 0.8, 1.15, 1.3, 1.3, 1.2, 1.1, 1.05, 0.95, 0.85, 0.75, 0.7),
    HVAC: (0.75, 0.65, 0.75, 0.95, 1.25, 1.45, 1.5, 1.45, 1.2, 0.85, 0.6, 0.65),
    PLUMBING: (1.1, 1.0, 1.0, 0.95, 0.95, 0.95, 0.95, 0.95, 0.95, 1.0, 1.05, 1.15),
}
WEEKDAYS = (1.15, 1.1, 1.05, 1.05, 1.0, 0.4, 0.1)

# name, category, source, medium, active
CAMPAIGNS = (
    ("Existing Customer", "Repeat Business", "Other", "Other", True),
    ("Customer Referral", "Repeat Business", "Referral", "Word of Mouth", True),
    ("Google Search", "Online", "Google", "Organic", True),
    ("Google Ads - AC Repair", "Online", "Google", "Paid Search", True),
    ("Google Ads - Pool Equipment", "Online", "Google", "Paid Search", True),
    ("Google Local Services", "Online", "Google", "Paid Search", True),
    ("Facebook", "Online", "Facebook", "Social Media", True),
    ("Company Website", "Online", "Website", "Organic", True),
    ("Spring Pool Postcard", "Direct Mail", "Direct Mail", "Print", True),
    ("Summer Tune-Up Postcard", "Direct Mail", "Direct Mail", "Print", True),
    ("Truck Wrap", "Brand", "Vehicle", "Outdoor", True),
    ("Home Show 2022", "Brand", "Event", "Event", False),
    ("Property Managers", "Commercial", "Other", "Other", True),
)
CAMPAIGN_CATEGORIES = ("Repeat Business", "Online", "Direct Mail", "Brand", "Commercial")

# name, colour, code, importance, shown on the dispatch board; C customer, L location, J job
TAGS = (
    ("VIP", "#C0392B", "VIP", "High", "C"),
    ("Member", "#27AE60", "MBR", "Medium", "CJ"),
    ("Prefers Text", "#2980B9", "TXT", "Medium", "C"),
    ("Slow Payer", "#8E44AD", "SLW", "High", "C"),
    ("Landlord", "#7F8C8D", "LND", "Medium", "C"),
    ("Gated Community", "#16A085", "GTE", "Medium", "L"),
    ("Dog on Property", "#D35400", "DOG", "High", "L"),
    ("Screened Lanai", "#95A5A6", "SCR", "Medium", "L"),
    ("Salt Pool", "#1ABC9C", "SLT", "Medium", "L"),
    ("Warranty", "#F39C12", "WTY", "High", "J"),
    ("Financing", "#2C3E50", "FIN", "Medium", "J"),
    ("Permit Needed", "#E74C3C", "PMT", "High", "J"),
    ("Second Opinion", "#9B59B6", "2ND", "Medium", "J"),
    ("After Hours", "#34495E", "AFT", "Medium", "J"),
    ("Parts Ordered", "#E67E22", "PRT", "Medium", "J"),
)

CANCEL_REASONS = (
    "Customer rescheduled", "Customer canceled", "No answer at arrival", "Duplicate booking", "Weather",
    "Outside service area", "Price", "Went with a competitor",
)  # fmt: skip
HOLD_REASONS = ("Waiting for parts", "Waiting for permit", "Waiting for customer", "Needs second technician")

# name, whether it is a lead
CALL_REASONS = (
    ("Wants service", True), ("Wants quote", True), ("Price shopper", True), ("Called back later", True),
    ("Outside service area", True), ("Billing question", False), ("Vendor", False), ("Wrong number", False),
    ("Appointment question", False), ("Solicitation", False),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Membership:
    """A membership on sale: how and at what price it is billed, and the visit that it brings."""

    name: str
    frequency: str
    price: int
    discount: int
    unit: int
    visit: str

    @property
    def kind(self) -> int:
        """The place of its visit in ``KINDS``."""
        return next(index for index, kind in enumerate(KINDS) if kind.name == self.visit)


MEMBERSHIPS = (
    Membership("Pool Care Plan", "Monthly", 149, 10, 0, "Pool Cleaning Visit"),
    Membership("Comfort Club", "Monthly", 19, 15, 3, "AC Maintenance"),
    Membership("Home Shield Annual", "Annual", 349, 10, 5, "Water Heater Repair"),
)
