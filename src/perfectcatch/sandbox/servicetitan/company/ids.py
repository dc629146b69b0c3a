"""Ids of the made-up company: unique within a collection, in the ranges that a real account shows.

Reference data was set up first and has small ids; records of the daily work rise with time and calls and
billed lines lie beyond 32 bits.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Range:
    """Ids ``first``, ``first + step`` ... with a little irregularity inside each step."""

    first: int
    step: int

    def __getitem__(self, index: int) -> int:
        """Return the id of the record at ``index`` (from 0); it rises with the index."""
        return self.first + index * self.step + index * 7919 % self.step


UNITS = Range(1_417, 23)
ROLES = Range(311, 11)
TAGS = Range(20_411, 17)
EMPLOYEES = Range(30_127, 37)
TECHNICIANS = Range(34_517, 61)
CAMPAIGN_CATEGORIES = Range(40_211, 13)
CAMPAIGNS = Range(41_009, 19)
CALL_REASONS = Range(2_027, 7)
CANCEL_REASONS = Range(2_411, 7)
HOLD_REASONS = Range(2_617, 7)
KINDS = Range(5_113, 29)
ZONES = Range(6_211, 13)
TEAMS = Range(6_603, 11)
WINDOWS = Range(6_817, 11)
TIMESHEET_CODES = Range(7_013, 7)
CUSTOM_FIELDS = Range(8_117, 13)
PAYMENT_TYPES = Range(9_011, 7)
PAYMENT_TERMS = Range(9_307, 7)
TAX_ZONES = Range(9_511, 7)
TAX_RATES = Range(9_701, 7)
ACCOUNTS = Range(10_037, 11)
VENDORS = Range(11_027, 13)
PROJECT_TYPES = Range(12_007, 7)
PROJECT_STATUSES = Range(12_211, 7)
PROVIDERS = Range(12_511, 7)
CATEGORIES = Range(13_009, 11)
SKUS = Range(14_107, 31)
EQUIPMENT_TYPES = Range(18_013, 7)
PLANS = Range(19_013, 17)
VISIT_TYPES = Range(19_309, 17)

CUSTOMERS = Range(52_100_413, 211)
LOCATIONS = Range(52_100_437, 197)
CONTACTS = Range(58_214_101, 89)
JOBS = Range(161_300_211, 467)
JOB_NUMBERS = Range(104_113, 3)
PROJECTS = Range(171_020_117, 1_013)
PROJECT_NUMBERS = Range(20_117, 3)
APPOINTMENTS = Range(181_700_423, 331)
ASSIGNMENTS = Range(204_411_031, 131)
ESTIMATES = Range(341_900_119, 1_217)
ESTIMATE_ITEMS = Range(412_006_611, 41)
INVOICES = Range(1_204_300_217, 523)
INVOICE_ITEMS = Range(2_911_400_123, 67)
PAYMENTS = Range(1_704_112_009, 307)
APPLICATIONS = Range(1_811_206_133, 59)
NOTES = Range(221_004_511, 101)
CANCELLATIONS = Range(231_004_511, 103)
MEMBERSHIPS = Range(301_117_019, 409)
VISITS = Range(311_117_023, 211)
VISIT_EVENTS = Range(321_117_029, 107)
EQUIPMENT = Range(261_503_117, 223)
CALLS = Range(3_204_117_011, 89)
BOOKINGS = Range(284_117_011, 601)
LEADS = Range(291_117_013, 607)
SHIFTS = Range(241_117_003, 53)
SKILLS = Range(25_117, 19)
BREAKS = Range(251_117_003, 59)
