"""The workflows of a company: what it has, and what comes with the product and is not there yet."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from perfectcatch.errors import BadWorkflow, NothingKnown
from perfectcatch.model.entity import Entity
from perfectcatch.model.workflow import Definition, Mode
from perfectcatch.store.pool import Pool, transaction
from perfectcatch.store.workflows import definitions as kept
from perfectcatch.workflows.definitions import blank_settings, read, shipped
from perfectcatch.workflows.lint import Finding, lint

OWN: Final = "own"  # where a definition comes from that the company wrote or changed


@dataclass(frozen=True, slots=True, kw_only=True)
class OnShelf:
    """A workflow as it counts now. ``trouble``: why its document cannot be read."""

    name: str
    mode: Mode
    source: str
    definition: Definition | None
    trouble: str = ""

    def told(self) -> dict[str, Any]:
        """The line of a list."""
        definition = self.definition
        return {
            "name": self.name,
            "title": definition.title if definition else self.name,
            "does": definition.does if definition else self.trouble,
            "recipe": definition.recipe if definition else None,
            "class": str(definition.purpose) if definition else None,
            "mode": str(self.mode),
            "source": self.source,
            "version": definition.version if definition else None,
            "starts_on": list(definition.trigger.events) if definition else [],
            "clock": definition.trigger.clock if definition else None,
            "needs": list(definition.needs) if definition else [],
            "steps": len(definition.steps) if definition else 0,
            "priority": definition.priority if definition else None,
        }


async def shelf(pool: Pool, tenant_id: int) -> dict[str, OnShelf]:
    """Every workflow by its name."""
    found = {
        name: OnShelf(name=name, mode=Mode.DISABLED, source=kept.SHIPPED, definition=definition)
        for name, definition in shipped().items()
    }
    for row in await kept.current(pool, tenant_id):
        definition, trouble = None, ""
        try:
            definition = read(dict(row.document))
        except BadWorkflow as error:
            trouble = str(error)
        found[row.name] = OnShelf(
            name=row.name, mode=Mode(row.mode), source=row.source, definition=definition, trouble=trouble
        )
    return dict(sorted(found.items()))


async def one(pool: Pool, tenant_id: int, name: str) -> OnShelf:
    """A workflow by its name. Raises NothingKnown."""
    found = (await shelf(pool, tenant_id)).get(name)
    if found is None:
        raise NothingKnown(f"There is no workflow {name}: `perfectcatch workflow list` shows them.")
    return found


async def definitions_of(pool: Pool, tenant_id: int, names: Sequence[str]) -> list[Definition]:
    """The definitions of ``names`` as they count now. Raises NothingKnown, BadWorkflow."""
    found = []
    for name in dict.fromkeys(names):
        each = await one(pool, tenant_id, name)
        if each.definition is None:
            raise BadWorkflow(each.trouble)
        found.append(each.definition)
    return found


async def must_be_whole(pool: Pool, tenant_id: int, name: str) -> None:
    """Raises NothingKnown, and BadWorkflow for what cannot act yet: it would only break its messages."""
    [definition] = await definitions_of(pool, tenant_id, [name])
    if blank := blank_settings(definition):
        listed, words = " and ".join(blank), " ".join(f"{each}=..." for each in blank)
        raise BadWorkflow(
            f"{name} cannot go live without {listed}: run `perfectcatch workflow set {name} {words}`."
        )


async def findings(
    pool: Pool,
    tenant_id: int,
    entities: Mapping[str, Entity],
    definition: Definition,
    *,
    operation: Callable[[str], object] | None = None,
) -> list[Finding]:
    """What is wrong with ``definition`` beside the company's other workflows."""
    others = {
        name: each.definition
        for name, each in (await shelf(pool, tenant_id)).items()
        if each.definition is not None
    }
    return lint(definition, entities, others, operation=operation)


async def take_in(
    pool: Pool,
    tenant_id: int,
    entities: Mapping[str, Entity],
    definition: Definition,
    *,
    by: str,
    operation: Callable[[str], object] | None = None,
    before: Definition | None = None,
) -> list[Finding]:
    """Make ``definition`` the company's version, in the mode that the name had; a new one is disabled.

    ``operation``: as for ``lint``. ``before``: what is changed a little; an error that it has too, which an
    older linter did not know, refuses nothing. Gives what was found. Raises BadWorkflow with the other errors
    that the linter finds: such a one is not kept.
    """
    known = []
    if before is not None:
        known = await findings(pool, tenant_id, entities, before, operation=operation)
    found = await findings(pool, tenant_id, entities, definition, operation=operation)
    wrong = [each for each in found if each.level == "error" and each not in known]
    if wrong:
        listed = " ".join(f"{each.place}: {each.sentence}" for each in wrong[:5])
        raise BadWorkflow(f"{definition.name} is not kept. {listed}")
    async with transaction(pool) as connection:
        await kept.put(connection, tenant_id, definition, mode=None, source=OWN, by=by)
    return found
