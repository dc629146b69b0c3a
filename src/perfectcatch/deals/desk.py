"""What deals are written with, composed once per process, and what is known of the account for a while."""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

import structlog

from perfectcatch.deals.deciding import CUSTOM, CUSTOMER_FIELD
from perfectcatch.deals.journeys import ALL_PARTS
from perfectcatch.deals.mapping import Known, Stages, discover
from perfectcatch.deals.rules import Rules
from perfectcatch.errors import AskPerson, NotConnected, ScopeMissing, VendorRefused
from perfectcatch.kit.clock import Clock
from perfectcatch.model.crm import CrmAccount, CustomField, Holder
from perfectcatch.model.deals import STEPS, Part, Step, Track
from perfectcatch.model.entity import Entity
from perfectcatch.store import state
from perfectcatch.store.deals import copies
from perfectcatch.store.deals import mapping as kept
from perfectcatch.store.deals.copies import Counts
from perfectcatch.store.deals.turns import turn
from perfectcatch.store.pool import Pool, transaction

ONE_A_CONTACT: Final = "deals_one_a_contact"  # kept: the account takes one opportunity a contact
_LEARNT: Final = timedelta(days=30)  # then it is tried again: an account's setting may have changed
_KEEP_SECONDS: Final = 600.0
_FIELDS_TURN: Final = 0  # no customer has this number
_TRACK_OF: Final = {step: track for track, steps in STEPS.items() for step in steps}

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """What the account has: stages, and ids of our custom fields by their names."""

    stages: Stages
    of_contacts: Mapping[str, str]
    of_opportunities: Mapping[str, str]
    one_a_contact: bool
    because: str | None = None  # in one sentence, why one_a_contact is believed


@dataclass(slots=True, kw_only=True)
class Deals:
    """Everything that writing deals needs. ``parts``: what is switched on; without ``enabled`` nothing is."""

    pool: Pool
    tenant_id: int
    clock: Clock
    entities: Mapping[str, Entity]
    crm: CrmAccount
    rules: Rules
    parts: frozenset[Part] = ALL_PARTS
    enabled: bool = True
    location_id: str = ""  # the account's own id there; "" where it has none
    tally: Counts = field(default_factory=Counts)  # what was written since the last line of the log
    finds_fields: bool = True  # contacts can be searched by a custom field; tried anew with the account
    _known: Account | None = None
    _read_at: float = 0.0
    _is_home: bool = False
    _lacking: set[str] = field(default_factory=set)  # pipelines of business units that are not there
    _asking: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def account(self) -> Account:
        """What the account has, at most ten minutes old. Raises AskPerson where a needed stage is missing."""
        async with self._asking:
            now = self.clock.monotonic()
            if self._known is None or now - self._read_at > _KEEP_SECONDS:
                self._known, self._read_at = await self._read(), now
            if missing := self._known.stages.missing:
                raise AskPerson(
                    f"The account has no stage for {', '.join(missing)}: run `perfectcatch ghl check`, then "
                    "add the stage there or name it in GHL_RULES_FILE."
                )
            return self._known

    async def account_with(self, pipelines: Iterable[str]) -> Account:
        """The same, asked for again where it lacks one of these pipelines: another process chose it since.

        Once for each: one that is gone from the account would be asked for at every deal.
        """
        account = await self.account()
        if lacking := set(pipelines) - account.stages.of_units.keys() - self._lacking:
            self._known = None
            account = await self.account()
            self._lacking |= lacking - account.stages.of_units.keys()
        return account

    async def stages(self) -> Stages:
        """The account's stages, whether or not all that are needed are there."""
        try:
            return (await self.account()).stages
        except AskPerson:
            if self._known is None:
                raise
            return self._known.stages

    def forget(self) -> None:
        """Something in the account is not as it was: ask again at the next need."""
        self._known, self._is_home = None, False

    async def at_home(self) -> None:
        """Raise NotConnected where the database keeps what another account has.

        Every deal of the other one would be taken for deleted there, and be created anew here.
        """
        if self._is_home or not self.location_id:
            return
        home = await copies.home(self.pool, self.tenant_id, self.location_id)
        if home != self.location_id:
            raise NotConnected(
                f"This database keeps the deals of the location {home}, and GHL_LOCATION_ID is "
                f"{self.location_id}: set it back, or use another database for that location."
            )
        self._is_home = True

    async def _read(self) -> Account:
        await self.at_home()
        self.finds_fields = True
        rows = await kept.load(self.pool, self.tenant_id)
        stages = discover(await self.crm.pipelines(), self.rules, map(known, rows))
        if self.enabled:
            await self._keep(stages, rows)
        because = await self.one_a_contact()
        return Account(
            stages=stages,
            of_contacts=await self._fields(Holder.CONTACT, (CUSTOMER_FIELD,)),
            of_opportunities=await self._fields(Holder.OPPORTUNITY, CUSTOM),
            one_a_contact=because is not None,
            because=because,
        )

    async def _keep(self, stages: Stages, before: list[kept.Row]) -> None:
        """A stage that was renamed keeps its old name here until ``ghl check --repair`` has told of it."""
        old = {(row.stage, row.ghl_stage_id): row for row in before}
        rows = [old.get((row.stage, row.ghl_stage_id), row) for row in rows_of(stages)]
        if set(rows) != set(before):
            await kept.save(self.pool, self.tenant_id, rows)

    async def _fields(self, holder: Holder, names: tuple[str, ...]) -> dict[str, str]:
        """Our custom fields by name; those that the account lacks are added, once."""
        found = _ours(await self.crm.custom_fields(holder), names)
        if len(found) == len(names) or not self.enabled:
            return found
        async with turn(self.pool, self.tenant_id, _FIELDS_TURN, self.clock):
            found = _ours(await self.crm.custom_fields(holder), names)
            for name in names:
                if name in found:
                    continue
                try:
                    found[name] = (await self.crm.create_custom_field(holder, name)).id
                except (ScopeMissing, VendorRefused) as error:  # deals go on without what a field would tell
                    log.warning("a custom field cannot be added", field=name, error=str(error))
        return found

    async def one_a_contact(self) -> str | None:
        """Why the account is taken for one with one opportunity a contact; None: it is not."""
        if self.rules.one_a_contact != "learnt":
            always = self.rules.one_a_contact == "always"
            return "GHL_RULES_FILE says that the account takes one opportunity a contact." if always else None
        kept = (await state.get(self.pool, self.tenant_id, ONE_A_CONTACT)).get(ONE_A_CONTACT)
        if kept is True:  # as earlier versions kept it, without evidence: it counts from now on
            said = "An earlier version learnt it, and kept no words."
            kept = await self._keep_one_a_contact(said=said, contact="a contact", opportunity="another")
        if not isinstance(kept, dict):
            return None
        until = datetime.fromisoformat(kept["at"]) + _LEARNT
        if self.clock.now() >= until:
            return None
        return (
            f"The account takes one opportunity a contact: on {kept['at'][:16]} it refused a second one for "
            f"{kept['contact']} beside {kept['opportunity']} ({kept['said']}). It is tried again after "
            f"{until:%Y-%m-%d}; `one_a_contact: never` in GHL_RULES_FILE ends it now."
        )

    async def learn_one_a_contact(self, *, said: str, contact: str, opportunity: str) -> None:
        """The account takes one opportunity a contact, as its refusal says: what has none shares one."""
        await self._keep_one_a_contact(said=said, contact=contact, opportunity=opportunity)
        self.forget()

    async def _keep_one_a_contact(self, *, said: str, contact: str, opportunity: str) -> dict[str, str]:
        evidence = {
            "at": self.clock.now().isoformat(),
            "said": said,
            "contact": contact,
            "opportunity": opportunity,
        }
        async with transaction(self.pool) as connection:
            await state.put(connection, self.tenant_id, ONE_A_CONTACT, evidence)
        return evidence


def _ours(fields: Iterable[CustomField], names: tuple[str, ...]) -> dict[str, str]:
    found: dict[str, str] = {}
    for each in fields:
        for name in names:
            if name in (each.name, each.key, each.key.rpartition(".")[2]):
                found.setdefault(name, each.id)
    return found


def known(row: kept.Row) -> Known:
    """A row of the mapping as ``discover`` takes it."""
    return Known(
        track=Track(row.pipeline),
        step=Step(row.stage),
        pipeline_id=row.ghl_pipeline_id,
        pipeline_name=row.ghl_pipeline_name,
        stage_id=row.ghl_stage_id,
        stage_name=row.ghl_stage_name,
    )


def rows_of(stages: Stages) -> list[kept.Row]:
    """The mapping as it is kept."""
    return [
        kept.Row(
            pipeline=_TRACK_OF[step].value,
            stage=step.value,
            ghl_pipeline_id=spot.pipeline_id,
            ghl_pipeline_name=spot.pipeline_name,
            ghl_stage_id=spot.stage.id,
            ghl_stage_name=spot.stage.name,
        )
        for step, spot in stages.spots.items()
    ]
