"""What steps of workflows do in the CRM, by our own ids, on the same functions as everything else."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

from perfectcatch.deals import deciding, mapping
from perfectcatch.deals.desk import Deals
from perfectcatch.deals.working import one
from perfectcatch.errors import BadArgument, NothingKnown, Refused
from perfectcatch.model.crm import DealStatus, Opportunity
from perfectcatch.model.deals import Track
from perfectcatch.store.deals import actions, copies, facts, rows
from perfectcatch.store.deals.turns import turn
from perfectcatch.store.pool import transaction

PLACING: Final = ("upsert_contact", "create_opportunity")
# Pipelines in the order of a journey; what stands in one of a person's own stays there.
_FAR: Final[Sequence[Track | None]] = (Track.NURTURE, Track.SALES, Track.INSTALL, Track.REVIEWS)
MOVING: Final = "move_opportunity"
_SKEW: Final = timedelta(minutes=5)  # between the database's clock and the CRM's
ACTIONS: Final = (*PLACING, MOVING, "add_tags", "add_note")


class Actions:
    """Fulfils ``model.roles.Crm``."""

    def __init__(self, deals: Deals) -> None:
        self._deals = deals

    async def act(self, action: str, values: Mapping[str, Any], *, key: str) -> Mapping[str, Any]:
        """Carry ``action`` out. A deal goes where our records say; a move asks for more than that.

        A note that was written with this ``key`` is not written again.
        """
        if action not in ACTIONS:
            raise Refused(f"The CRM knows no action {action!r}: {', '.join(ACTIONS)} are there.")
        if not self._deals.enabled:
            return {"skipped": "GHL_SYNC_ENABLED is off."}
        customer_id = await self._customer(values)
        placed = await one(self._deals, customer_id, late=True)
        told: dict[str, Any] = {"contact_id": placed.contact_id, "opportunities": dict(placed.opportunities)}
        if action == MOVING:
            told |= await self._move(customer_id, values, placed.opportunities)
        elif placed.contact_id is None:
            return told | {"skipped": "The customer has no deal."}
        elif action == "add_tags":
            await self._deals.crm.add_tags(placed.contact_id, _tags(values))
        elif action == "add_note":
            told |= await self._note(placed.contact_id, customer_id, str(values.get("body") or ""), key)
        return told

    async def _customer(self, values: Mapping[str, Any]) -> int:
        """The customer that is named, or whose job, estimate or deal is."""
        if (customer := values.get("customer")) is not None:
            return int(customer)
        keys = {"job": "jobs", "estimate": "estimates"}
        named = [(keys[name], int(values[name])) for name in keys if values.get(name) is not None]
        kind, _, its_id = str(values.get("opportunity") or "").partition("-")
        if kind in keys and its_id.isdigit():
            named.append((keys[kind], int(its_id)))
        async with self._deals.pool.connection() as connection:
            owners = await facts.owners(connection, self._deals.tenant_id, self._deals.entities, named)
        if not owners:
            raise NothingKnown(f"Nobody's deal is named by {dict(values)!r}: give customer, job or estimate.")
        return next(iter(owners.values()))

    async def _move(
        self, customer_id: int, values: Mapping[str, Any], opportunities: Mapping[str, str]
    ) -> Mapping[str, Any]:
        """Move on what our records have not moved so far; backwards nothing is moved."""
        opportunity_id = _named(values, opportunities)
        if opportunity_id is None or not values.get("stage"):
            return {}
        account = await self._deals.account()
        pipeline = str(values.get("pipeline") or "sales")
        spot = mapping.of_name(account.stages, self._deals.rules, pipeline, str(values["stage"]))
        if spot is None:
            return {"moved": False, "because": f"The account has no stage {values['stage']!r}."}
        async with turn(self._deals.pool, self._deals.tenant_id, customer_id, self._deals.clock):
            seen = await self._deals.crm.opportunity(opportunity_id)
            if not _is_onward(seen, spot.pipeline_id, spot.stage.position, account.stages):
                return {"moved": False, "because": "It is as far already."}
            texts = {deciding.STAGE: f"{spot.pipeline_id}/{spot.stage.id}"}
            await self._agree(opportunity_id, texts)
            moved = await self._deals.crm.update_opportunity(seen.id, deciding.change_of(texts, {}))
            async with transaction(self._deals.pool) as connection:
                names = (spot.pipeline_name, spot.stage.name)
                await copies.put_opportunity(connection, self._deals.tenant_id, moved, names=names)
        return {"moved": True, "opportunity_id": opportunity_id}

    async def _agree(self, opportunity_id: str, texts: deciding.Texts) -> None:
        """Keep beforehand that it stands there by our own doing, and is no move of a person's."""
        known = await rows.with_opportunities(self._deals.pool, self._deals.tenant_id, [opportunity_id])
        async with transaction(self._deals.pool) as connection:
            for marks in known.values():
                agreed = replace(marks, conceded={**marks.conceded, **texts})
                await rows.put(connection, self._deals.tenant_id, agreed)

    async def _note(self, contact_id: str, customer_id: int, body: str, key: str) -> Mapping[str, Any]:
        if not body.strip():
            raise BadArgument("A note needs a body.")
        async with turn(self._deals.pool, self._deals.tenant_id, customer_id, self._deals.clock):
            known = await actions.note_of(self._deals.pool, self._deals.tenant_id, key)
            if known:
                return {"note_id": known, "again": True}
            if known is not None and (there := await self._written(contact_id, body, key)) is not None:
                await actions.end(self._deals.pool, self._deals.tenant_id, key, there)
                return {"note_id": there, "again": True}
            await actions.begin(self._deals.pool, self._deals.tenant_id, key)
            note_id = await self._deals.crm.add_note(contact_id, body)
            await actions.end(self._deals.pool, self._deals.tenant_id, key, note_id)
        return {"note_id": note_id}

    async def _written(self, contact_id: str, body: str, key: str) -> str | None:
        """The note whose answer was lost: the same words, not older, and of nobody else's key."""
        pool, tenant_id = self._deals.pool, self._deals.tenant_id
        begun = await actions.begun_at(pool, tenant_id, key)
        found = [
            each.id
            for each in await self._deals.crm.notes_of(contact_id)
            if each.says(body) and (each.added_at is None or begun is None or each.added_at >= begun - _SKEW)
        ]
        others = await actions.results(pool, tenant_id, found)
        return next((each for each in found if each not in others), None)


def _named(values: Mapping[str, Any], opportunities: Mapping[str, str]) -> str | None:
    for name in ("opportunity", "job", "estimate"):
        said = values.get(name)
        key = str(said) if name == "opportunity" else f"{name}-{said}"
        if said is not None and key in opportunities:
            return opportunities[key]
    return next(iter(opportunities.values())) if len(opportunities) == 1 else None


def _is_onward(seen: Opportunity, pipeline_id: str, position: int, stages: mapping.Stages) -> bool:
    if seen.status is DealStatus.LOST:
        return False
    if seen.pipeline_id != pipeline_id:
        tracks = [stages.track(each) for each in (seen.pipeline_id, pipeline_id)]
        return None not in tracks and _FAR.index(tracks[1]) > _FAR.index(tracks[0])
    here = stages.position(seen.stage_id)
    return here is None or position > here


def _tags(values: Mapping[str, Any]) -> list[str]:
    tags = values.get("tags") or values.get("tag") or []
    listed = [tags] if isinstance(tags, str) else list(tags)
    if not listed:
        raise BadArgument("Tags are to be added, and none is given.")
    return [str(each) for each in listed]
