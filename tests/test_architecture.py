"""The rules of the house, read from the syntax trees of the source.

A rule takes a source tree and yields a sentence for each breach. Below the rules, each is shown small
examples that break it: a rule that cannot fail guards nothing.
"""

import ast
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

SOURCE = Path(__file__).parent.parent / "src" / "perfectcatch"
LONGEST_FILE = 400

FLOORS = {
    "errors": 0,
    "kit": 1,
    "model": 2,
    "settings": 2,
    "vendors": 3,
    "store": 3,
    "people": 4,
    "pricebook": 4,
    "scheduling": 4,
    "messaging": 4,
    "deals": 4,
    "sync": 5,
    "workflows": 5,
    "gateway": 6,
    "sandbox": 6,
    "studio": 6,
    "connections": 6,
    "app": 7,
    "cli": 8,
    "__main__": 9,
    "": 0,  # the package itself: its version
}
MAY_READ_SETTINGS = {"app", "connections", "cli", "settings", "__main__"}
MAY_NAME_VENDORS = {
    "app.py",
    "connections.py",
    "settings",
    "cli",
    "vendors/__init__.py",
    "store/schema/migrations",
}
NAMES_OF_HEADERS = "x-twilio-email-event-webhook"  # what another vendor calls its own headers
HTTP_CLIENTS = {"aiohttp", "httptools", "httpx", "requests", "urllib3", "urllib.request", "http.client"}
WALL_CLOCKS = {
    ("datetime", "now"),
    ("datetime", "utcnow"),
    ("datetime", "today"),
    ("date", "today"),
    ("time", "time"),
}


# The tree --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Module:
    name: str  # dotted, below the package; "" is the package itself
    path: str  # below the source root, with slashes
    is_package: bool
    tree: ast.Module

    @property
    def room(self) -> str:
        return self.name.split(".")[0]

    def imports(self) -> Iterator[str]:
        """Dotted names of what is imported, wherever the import stands; ours begin with ``perfectcatch``."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                origin = self._origin(node)
                yield from (f"{origin}.{alias.name}" for alias in node.names)

    def _origin(self, node: ast.ImportFrom) -> str:
        if not node.level:
            return node.module or ""
        here = ["perfectcatch", *filter(None, self.name.split("."))]
        above = node.level - (1 if self.is_package else 0)
        return ".".join([*here[: len(here) - above], *([node.module] if node.module else [])])


@dataclass(frozen=True)
class Source:
    root: Path

    @cached_property
    def files(self) -> dict[str, str]:
        """Text of each file by its path: Python, SQL, templates, whatever is readable."""
        paths = sorted(
            path for path in self.root.rglob("*") if path.is_file() and "__pycache__" not in path.parts
        )
        return {path.relative_to(self.root).as_posix(): path.read_text() for path in paths}

    @cached_property
    def modules(self) -> dict[str, Module]:
        found = {}
        for path, text in self.files.items():
            if path.endswith(".py"):
                name = path.removesuffix(".py").replace("/", ".")
                is_package = name.split(".")[-1] == "__init__"
                name = name.removesuffix("__init__").removesuffix(".")
                found[name] = Module(name, path, is_package, ast.parse(text))
        return found

    @cached_property
    def vendors(self) -> set[str]:
        return {path.split("/")[1] for path in self.files if re.match(r"vendors/\w+/", path)}

    def ours(self, module: Module) -> Iterator[str]:
        """Names of our modules that ``module`` imports."""
        for imported in module.imports():
            package, _, name = imported.partition(".")
            if package == "perfectcatch":
                while name not in self.modules:  # the last words may be things inside the module
                    name = name.rpartition(".")[0]
                yield name


# The rules -------------------------------------------------------------------------------------


def imports_point_down(source: Source) -> Iterator[str]:
    for module in source.modules.values():
        if module.room not in FLOORS:
            yield f"{module.path} is in a room without a floor"
            continue
        for target in source.ours(module):
            room = target.split(".")[0]
            if room not in FLOORS or (room != module.room and FLOORS[module.room] <= FLOORS[room] and target):
                yield f"{module.path} imports {target or 'the package'}, which is not on a lower floor"


def errors_import_nothing(source: Source) -> Iterator[str]:
    yield from (f"errors imports {name}" for name in source.modules["errors"].imports())


def settings_are_read_at_the_top(source: Source) -> Iterator[str]:
    for module in source.modules.values():
        read = any(target.split(".")[0] == "settings" for target in source.ours(module))
        if read and module.room not in MAY_READ_SETTINGS:
            yield f"{module.path} imports settings"


def vendors_stay_apart(source: Source) -> Iterator[str]:
    for module in source.modules.values():
        for target in source.ours(module):
            here, there = module.name.split("."), target.split(".")
            if len(here) > 1 and len(there) > 1 and here[0] == there[0] == "vendors" and here[1] != there[1]:
                yield f"{module.path} imports the other vendor {there[1]}"


def no_import_circle(source: Source) -> Iterator[str]:
    graph = {name: set(source.ours(module)) - {name} for name, module in source.modules.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        yield " imports ".join(reversed(error.args[1]))


def vendors_are_named_at_home(source: Source) -> Iterator[str]:
    """Comments and text count: a room that explains itself by a vendor is about that vendor."""
    for path, text in source.files.items():
        for vendor in source.vendors:
            homes = MAY_NAME_VENDORS | {f"vendors/{vendor}", f"sandbox/{vendor}"}
            if any(path == home or path.startswith(f"{home}/") for home in homes):
                continue
            for number, line in enumerate(text.splitlines(), 1):
                schema = path == "store/names.py" and re.match(rf'[A-Z]+: Final = "{vendor}"', line)
                said = re.sub(r"[^a-z]", "", line.lower().replace(NAMES_OF_HEADERS, ""))
                if vendor in said and not schema:
                    yield f"{path}:{number} names {vendor}"


def sandbox_knows_no_columns_of_ours(source: Source) -> Iterator[str]:
    """Otherwise our misreading of a field would be confirmed by our own test."""
    for module in source.modules.values():
        for target in source.ours(module):
            if module.room == "sandbox" and re.match(
                r"vendors\.\w+\.entities|model\.entity|store|sync", target
            ):
                yield f"{module.path} imports {target}"


def environment_is_read_in_settings(source: Source) -> Iterator[str]:
    for module in source.modules.values():
        read = {"os.environ", "os.environb", "os.getenv", "os.putenv"}
        attributes = {ast.unparse(node) for node in ast.walk(module.tree) if isinstance(node, ast.Attribute)}
        if module.name != "settings.reading" and read & (attributes | set(module.imports())):
            yield f"{module.path} reads the environment"


def vendor_calls_leave_through_one_function(source: Source) -> Iterator[str]:
    for module in source.modules.values():
        for imported in module.imports():
            client = any(imported == name or imported.startswith(f"{name}.") for name in HTTP_CLIENTS)
            serves = FLOORS.get(module.room) == FLOORS["sandbox"] and re.match(
                r"aiohttp\.(web|typedefs)", imported
            )
            parses = module.name == "kit.wire" and imported == "httptools"
            sends = module.name == "kit.general"
            if client and not serves and not parses and not sends:
                yield f"{module.path} imports {imported} instead of calling kit.http"


def wall_clock_is_injected(source: Source) -> Iterator[str]:
    for module in source.modules.values():
        for node in ast.walk(module.tree):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and (ast.unparse(node.func.value).split(".")[-1], node.func.attr) in WALL_CLOCKS
                and module.name != "kit.clock"
            ):
                yield f"{module.path}:{node.lineno} reads the wall clock"


def results_are_printed_by_the_command_line(source: Source) -> Iterator[str]:
    for module in source.modules.values():
        calls = (node for node in ast.walk(module.tree) if isinstance(node, ast.Call))
        if module.room != "cli" and any(isinstance(c.func, ast.Name) and c.func.id == "print" for c in calls):
            yield f"{module.path} prints"


def messages_leave_through_the_gate(source: Source) -> Iterator[str]:
    """Whoever holds a vendor of messages may ask it what it knows; the gate alone hands it a message."""
    for module in source.modules.values():
        for node in ast.walk(module.tree):
            if not isinstance(node, ast.Attribute) or node.attr != "send":
                continue
            holder = ast.unparse(node.value).split(".")[-1]
            if holder in ("messenger", "mailer") and module.name != "messaging.gate":
                yield f"{module.path}:{node.lineno} sends a message past the gate"


def messengers_are_known_to_the_desk(source: Source) -> Iterator[str]:
    """Otherwise a vendor could be held under another name."""
    for module in source.modules.values():
        roles = {f"perfectcatch.model.messaging.{role}" for role in ("Messenger", "Mailer")}
        known = module.room in ("connections", "vendors") or module.name in (
            "messaging.desk",
            "model.messaging",
        )
        if roles & set(module.imports()) and not known:
            yield f"{module.path} imports a role of those who carry messages: take a desk"


def files_stay_short(source: Source) -> Iterator[str]:
    for path, text in source.files.items():
        lines = len(text.splitlines())
        if lines > LONGEST_FILE and not path.endswith(".json"):
            yield f"{path} has {lines} lines, {LONGEST_FILE} are allowed"


RULES = (
    imports_point_down,
    errors_import_nothing,
    settings_are_read_at_the_top,
    vendors_stay_apart,
    no_import_circle,
    vendors_are_named_at_home,
    sandbox_knows_no_columns_of_ours,
    environment_is_read_in_settings,
    vendor_calls_leave_through_one_function,
    wall_clock_is_injected,
    results_are_printed_by_the_command_line,
    messages_leave_through_the_gate,
    messengers_are_known_to_the_desk,
    files_stay_short,
)


@pytest.fixture(scope="module")
def source() -> Source:
    return Source(SOURCE)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_house_keeps(rule: Callable[[Source], Iterator[str]], source: Source):
    assert list(rule(source)) == []


# The rules on small houses ---------------------------------------------------------------------

HOUSE = {
    "__init__.py": "",
    "errors.py": "class E(Exception): ...",
    "kit/__init__.py": "",
    "kit/clock.py": "from datetime import datetime\nnow = datetime.now()",
    "kit/general.py": "import aiohttp",
    "kit/http.py": "",
    "model/__init__.py": "",
    "store/__init__.py": "",
    "store/names.py": 'MIRROR: Final = "servicetitan"',
    "vendors/__init__.py": "from perfectcatch.vendors import servicetitan",
    "vendors/servicetitan/__init__.py": "from perfectcatch import errors\nimport perfectcatch.kit.http",
    "vendors/servicetitan/entities.py": "",
    "vendors/twilio/__init__.py": "",
    "settings/__init__.py": "from perfectcatch.settings.reading import url",
    "settings/reading.py": "import os\nurl = os.environ['SERVICE_TITAN_API_URL']",
    "sandbox/__init__.py": "from aiohttp import web",
    "sync/__init__.py": "from perfectcatch.store import names",
    "app.py": "from perfectcatch.settings import url\nfrom perfectcatch import __version__",
    "cli.py": "import perfectcatch.app\nprint(1)",
}

BREACHES = [
    (imports_point_down, "kit/a.py", "from perfectcatch.model import event"),
    (imports_point_down, "kit/a.py", "import perfectcatch.model"),
    (imports_point_down, "kit/a.py", "from perfectcatch import model"),
    (imports_point_down, "kit/a.py", "from .. import model"),
    (imports_point_down, "kit/a.py", "from ..model import event"),
    (imports_point_down, "kit/a.py", "def f():\n    import perfectcatch.store.names"),
    (imports_point_down, "store/a.py", "from perfectcatch.vendors import servicetitan"),
    (imports_point_down, "vendors/servicetitan/a.py", "import perfectcatch.store"),
    (
        imports_point_down,
        "store/a.py",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import perfectcatch.sync",
    ),
    (imports_point_down, "sandbox/a.py", "from perfectcatch import app"),
    (imports_point_down, "attic/__init__.py", ""),
    (errors_import_nothing, "errors.py", "import enum"),
    (settings_are_read_at_the_top, "sync/a.py", "from perfectcatch.settings import Settings"),
    (settings_are_read_at_the_top, "sync/a.py", "from perfectcatch import settings"),
    (vendors_stay_apart, "vendors/twilio/a.py", "from perfectcatch.vendors.servicetitan import entities"),
    (no_import_circle, "errors.py", "import perfectcatch.kit"),
    (vendors_are_named_at_home, "store/a.py", "service_titan_id = 1"),
    (vendors_are_named_at_home, "store/a.py", "# because ServiceTitan says so"),
    (vendors_are_named_at_home, "store/a.py", 'x = "SERVICE-TITAN"'),
    (vendors_are_named_at_home, "store/a.sql", "select * from servicetitan.st_jobs"),
    (vendors_are_named_at_home, "store/names.py", 'MIRROR: Final = "m"\nx = "servicetitan"'),
    (vendors_are_named_at_home, "vendors/twilio/a.py", "# unlike Service Titan"),
    (vendors_are_named_at_home, "sync/a.py", "import twilio"),
    (
        sandbox_knows_no_columns_of_ours,
        "sandbox/a.py",
        "from perfectcatch.vendors.servicetitan import entities",
    ),
    (sandbox_knows_no_columns_of_ours, "sandbox/a.py", "from perfectcatch.store import names"),
    (environment_is_read_in_settings, "app.py", "import os\nos.getenv('A')"),
    (environment_is_read_in_settings, "kit/a.py", "from os import environ"),
    (
        vendor_calls_leave_through_one_function,
        "vendors/servicetitan/a.py",
        "from aiohttp import ClientSession",
    ),
    (vendor_calls_leave_through_one_function, "sandbox/a.py", "import aiohttp"),
    (vendor_calls_leave_through_one_function, "sandbox/a.py", "from httptools import HttpResponseParser"),
    (vendor_calls_leave_through_one_function, "sync/a.py", "from urllib.request import urlopen"),
    (vendor_calls_leave_through_one_function, "sync/a.py", "from urllib import request"),
    (wall_clock_is_injected, "sync/a.py", "import datetime\ndatetime.datetime.now(None)"),
    (wall_clock_is_injected, "sync/a.py", "import time\ntime.time()"),
    (results_are_printed_by_the_command_line, "sync/a.py", "print('done')"),
    (messages_leave_through_the_gate, "sync/a.py", "async def f(desk):\n    await desk.messenger.send(1)"),
    (messages_leave_through_the_gate, "sync/a.py", "def f(desk):\n    g = desk.mailer.send"),
    (messengers_are_known_to_the_desk, "sync/a.py", "from perfectcatch.model.messaging import Mailer"),
    (files_stay_short, "store/a.sql", "--\n" * 401),
]


def built(root: Path, files: dict[str, str]) -> Source:
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    return Source(root)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_a_sound_house_passes(rule: Callable[[Source], Iterator[str]], tmp_path: Path):
    assert list(rule(built(tmp_path, HOUSE))) == []


@pytest.mark.parametrize(("rule", "path", "text"), BREACHES)
def test_a_breach_is_found(rule: Callable[[Source], Iterator[str]], path: str, text: str, tmp_path: Path):
    extra = {"kit/__init__.py": "import perfectcatch.errors"} if rule is no_import_circle else {}
    assert len(list(rule(built(tmp_path, {**HOUSE, **extra, path: text})))) == 1


def test_every_rule_has_a_breach():
    assert {rule for rule, _, _ in BREACHES} == set(RULES)


def test_no_two_test_files_have_one_name():
    """They could not be collected together."""
    names = [path.name for path in Path(__file__).parent.rglob("test_*.py")]
    assert sorted(names) == sorted(set(names))
