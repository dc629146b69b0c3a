"""Every error of the product, grouped by what the caller should do next.

    PerfectCatchError
    ├── Retry            the same call may succeed later; nothing is wrong with us or with the request
    ├── AskPerson        a person must change something outside: a credential, a scope, a disk, a hold
    ├── Refused          what was asked for is wrong and stays wrong: usage, configuration, a value
    └── Crash            an assumption of ours does not hold; stop, lose nothing, show everything

The text of an error is one sentence that names what is wrong and how to mend it. Errors carry plain
values only, so that this module imports nothing. ``exit_status`` is what a command ends with. ``cause`` is
the text without what differs from call to call: the same trouble of many calls is told once by it.
"""


class PerfectCatchError(Exception):
    """Something went wrong that the product understands."""

    exit_status = 1

    def __init__(self, message: str = "", *, cause: str | None = None) -> None:
        super().__init__(message)
        self.cause = cause or message


class Retry(PerfectCatchError):
    """The same call may succeed later."""

    def __init__(self, message: str, *, after_seconds: float | None = None, cause: str | None = None) -> None:
        super().__init__(message, cause=cause)
        self.after_seconds = after_seconds


class AskPerson(PerfectCatchError):
    """A person must change something before this can succeed."""


class Refused(PerfectCatchError):
    """What was asked for is wrong; asking again gives the same answer."""

    exit_status = 2


class Crash(PerfectCatchError):
    """An assumption of the program does not hold."""


# Retry -----------------------------------------------------------------------------------------


class VendorUnavailable(Retry):
    """The vendor did not give a usable answer: refused connection, deadline, 5xx, broken body."""

    status: int | None = None  # the vendor's own, where it gave one


class VendorTimeout(VendorUnavailable):
    """The vendor did not finish its answer in time."""


class OutcomeUnknown(VendorUnavailable):
    """A change was sent and no usable answer came: it may have been carried out."""


class RateLimited(Retry):
    """The vendor said 429 more often than the retry rules allow."""


class CircuitOpen(Retry):
    """The vendor failed repeatedly; calls pause until one probe succeeds."""


class DatabaseUnavailable(Retry):
    """PostgreSQL cannot be reached right now."""


class StatementStopped(DatabaseUnavailable):
    """PostgreSQL stopped a statement that took too long: one about less may go through."""


class AlreadyRunning(Retry):
    """Another process holds this run or this data directory."""


# AskPerson -------------------------------------------------------------------------------------


class CredentialsRejected(AskPerson):
    """The vendor refused the credentials."""

    exit_status = 2


class ScopeMissing(AskPerson):
    """The vendor's app lacks a permission."""


class AccountInactive(AskPerson):
    """The account at the vendor is suspended or closed."""


class PrivilegeMissing(AskPerson):
    """The database's role may not do what it was asked to."""


class DiskFull(AskPerson):
    """There is no room left to write."""


class HeldForPerson(AskPerson):
    """A step was stopped because it looks too large to be right."""


class NotConnected(AskPerson):
    """Something that a workflow needs is not set up."""


# Refused ---------------------------------------------------------------------------------------


class BadSetting(Refused):
    """A setting is missing or cannot be used."""


class BadArgument(Refused):
    """An argument names nothing or has no usable value."""


class BadWorkflow(Refused):
    """The definition of a workflow has no meaning, or one that it must not have."""


class Undecidable(Refused):
    """An expression has no value with these records: something that it compares is not there."""


class BadTemplate(Refused):
    """The template of a message cannot be read."""


class BrokenMerge(Refused):
    """A message lacks a value: it would read as nobody wants to be written to."""


class NothingKnown(Refused):
    """What was asked about is not in the database."""

    exit_status = 1


class VendorRefused(Refused):
    """The vendor understood the request and said no (a 4xx that is final)."""

    exit_status = 1

    def __init__(
        self,
        message: str,
        *,
        status: int,
        trace_id: str | None = None,
        errors: dict[str, list[str]] | None = None,
        cause: str | None = None,
    ) -> None:
        super().__init__(message, cause=cause)
        self.status = status
        self.trace_id = trace_id
        self.errors = errors  # what the vendor says of each field


class NotFound(VendorRefused):
    """The vendor has no such record."""


# Crash -----------------------------------------------------------------------------------------


class VendorLoop(Crash):
    """The vendor's paging does not end: the same token or the same page came again."""


class SchemaDiffers(Crash):
    """The live database does not have the declared shape."""
