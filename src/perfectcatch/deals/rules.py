"""The company's rules of deals, from one file: how stages are called, what a deal is worth."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from importlib.resources import files
from pathlib import Path
from typing import Any, Final, Literal, get_args

import yaml

from perfectcatch.errors import BadSetting
from perfectcatch.model.deals import STEPS, Step, Track

Worth = Literal["sold", "highest", "sum", "latest"]
Contacted = Literal["logged", "reached", "never"]
Forward = Literal["respect", "overwrite"]
Reuse = Literal["open", "never"]
OneAContact = Literal["learnt", "always", "never"]
Deleted = Literal["ask", "news"]

_SHIPPED: Final = "rules.yaml"


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """How a pipeline and its stages may be called, the likeliest first; ``id:3dc14ef1`` begins an id."""

    pipeline: tuple[str, ...]
    stages: Mapping[Step, tuple[str, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """How deals go. The shipped file ``rules.yaml`` explains each.

    ``worth``: which estimates make the value while none is sold. ``contacted``: what makes a lead Contacted.
    ``follow_up_days``, ``nurture_days``: how long an open offer rests, and a lead; None is never.
    ``late_days``: a journey that ended longer ago gets no opportunity any more. ``forward``: what happens to
    a deal that a person moved on. ``reuse``: whether an opportunity that a person made becomes ours.
    ``one_a_contact``: whether the account takes one opportunity a contact, or learns it from a refusal.
    ``deleted_contacts``: whether a contact that a person deleted is made again.
    """

    names: Mapping[Track, Names]
    worth: Worth = "highest"
    contacted: Contacted = "logged"
    follow_up_days: float | None = 3
    nurture_days: float | None = None
    reviews: bool = False
    late_days: float = 30
    forward: Forward = "respect"
    reuse: Reuse = "open"
    deleted_contacts: Deleted = "ask"
    one_a_contact: OneAContact = "learnt"
    tags: tuple[str, ...] = ()
    alarm_hours: float = 24
    settle_seconds: float = field(default=30)  # how far behind a search of the CRM may be


_WORDS: Final[Mapping[str, tuple[str, ...]]] = {
    "worth": get_args(Worth),
    "contacted": get_args(Contacted),
    "forward": get_args(Forward),
    "reuse": get_args(Reuse),
    "one_a_contact": get_args(OneAContact),
    "deleted_contacts": get_args(Deleted),
}
_NUMBERS: Final = ("follow_up_days", "nurture_days", "late_days", "alarm_hours", "settle_seconds")
_MAY_BE_NONE: Final = ("follow_up_days", "nurture_days")


def read(path: Path | None = None) -> Rules:
    """The rules of a file over the shipped ones. Raises BadSetting naming the file and what is wrong."""
    document = _document(files("perfectcatch.deals").joinpath(_SHIPPED).read_text("utf-8"), _SHIPPED)
    if path is not None:
        try:
            text = path.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise BadSetting(f"GHL_RULES_FILE: {path} cannot be read ({error}): give another file.") from None
        own = _document(text, str(path))
        own_pipelines = own.pop("pipelines", None) or {}
        pipelines = {**document["pipelines"], **_mapping(own_pipelines, f"{path}: pipelines")}
        document = {**document, **own, "pipelines": pipelines}
    return _rules(document, str(path or _SHIPPED))


def _document(text: str, where: str) -> dict[str, Any]:
    try:
        return _mapping(yaml.safe_load(text) or {}, where)
    except yaml.YAMLError as error:
        raise BadSetting(f"GHL_RULES_FILE: {where} is no YAML: {error}") from None


def _mapping(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise BadSetting(f"GHL_RULES_FILE: {where} must be names with values, and is {value!r:.80}.")
    return value


def _rules(document: Mapping[str, Any], where: str) -> Rules:
    known = {each.name for each in fields(Rules)} - {"names"} | {"pipelines"}
    for name in document:
        if name not in known:
            raise BadSetting(
                f"GHL_RULES_FILE: {where} names {name!r}, which is no rule: {', '.join(sorted(known))}."
            )
    values = {name: _value(name, value, where) for name, value in document.items() if name != "pipelines"}
    return Rules(names={track: _names(track, document, where) for track in Track}, **values)


def _value(name: str, value: Any, where: str) -> Any:
    if name in _WORDS:
        fits = value in _WORDS[name]
    elif name in _NUMBERS:
        number = isinstance(value, int | float) and not isinstance(value, bool)
        fits = (number and value >= 0) or (value is None and name in _MAY_BE_NONE)
    elif name == "tags":
        fits = isinstance(value, list) and all(isinstance(each, str) and each for each in value)
        value = tuple(value) if fits else value
    else:
        fits = isinstance(value, bool)
    if not fits:
        raise BadSetting(f"GHL_RULES_FILE: {where} gives {name} the value {value!r}, which it cannot have.")
    return value


def _names(track: Track, document: Mapping[str, Any], where: str) -> Names:
    given = _mapping(document["pipelines"].get(track.value) or {}, f"{where}: {track}")
    stages = _mapping(given.get("stages") or {}, f"{where}: {track}.stages")
    for name in stages:
        if name not in STEPS[track]:
            raise BadSetting(
                f"GHL_RULES_FILE: {where} has a stage {name!r} in {track}: "
                f"it may have {', '.join(STEPS[track])}."
            )
    return Names(
        pipeline=_texts(given.get("names"), f"{where}: {track}.names"),
        stages={step: _texts(stages.get(step.value), f"{where}: {track}.{step}") for step in STEPS[track]},
    )


def _texts(value: Any, where: str) -> tuple[str, ...]:
    listed = [] if value is None else value if isinstance(value, list) else [value]
    if not all(isinstance(each, str) and each.strip() for each in listed):
        raise BadSetting(f"GHL_RULES_FILE: {where} must be a text or a list of texts.")
    return tuple(listed)
