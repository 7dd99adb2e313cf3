"""Which campaigns the page is for, and which of their files it offers."""

from dataclasses import dataclass
from pathlib import Path

from anchordrug.app import jobs
from anchordrug.app.beside import (
    FORM,
    LOOK,
    RANKING,
    SUFFIX,
    beside,
    read_form,
    results_role,
    safe_name,
    state_of,
)
from anchordrug.bench import folder as files
from anchordrug.errors import SettingsError
from anchordrug.files.lock import holder

CAMPAIGNS = "campaigns"


@dataclass(frozen=True)
class Place:
    """A campaign, that may not be made yet: its name in addresses, its folder, and the project's."""

    name: str
    campaign: Path
    root: Path

    @property
    def beside(self) -> Path:
        """The folder next to it."""
        return beside(self.campaign)

    @property
    def is_made(self) -> bool:
        """Whether the campaign's folder is complete."""
        return (self.campaign / files.SETTINGS).is_file()

    def busy(self) -> str:
        """Return why no run can start now: the page or a terminal has one in progress; "" if one can."""
        if jobs.is_running(self.beside):
            return "Wait until the run in progress has ended."
        command = holder(self.campaign)
        return f"A command works in this campaign ({command}); wait until it has ended." if command else ""

    def start(self, kind: str, **asked: object) -> None:
        """Start a run (`anchordrug.app.jobs.start`) of this campaign."""
        jobs.start(self.beside, kind, {"campaign": str(self.campaign), **asked}, self.root)

    def offered(self) -> dict[str, Path]:
        """Return the files that can be downloaded, by their place below the campaign or next to it."""
        found = [
            self.campaign / files.SETTINGS,
            self.campaign / files.LIBRARY,
            *self.campaign.glob("*.rejects.csv"),
        ]
        for number in files.round_numbers(self.campaign):
            found += files.round_of(self.campaign, number).iterdir()
        found += (self.campaign / files.FINISH).glob("*")
        of_page = [*(self.beside / LOOK).glob("*.rejects.csv"), self.beside / RANKING]
        of_page += self.beside.glob("summary-*.svg")
        offered = {path.relative_to(self.campaign).as_posix(): path for path in found}
        offered |= {f"{SUFFIX}/{path.relative_to(self.beside).as_posix()}": path for path in of_page}
        return {
            place: path
            for place, path in offered.items()
            # A link may lead out of the campaign.
            if path.is_file() and not path.is_symlink() and not path.name.startswith(".")
        }


@dataclass(frozen=True)
class Places:
    """The campaigns of a project below `campaigns/`, or the campaign that was named."""

    root: Path
    only: Path | None

    def called(self, name: str) -> Place:
        """Return the campaign of a name, which may be new.

        Raises
        ------
        SettingsError
            It is not a name for a folder.
        """
        if self.only is not None:
            if name != self.only.name:
                raise SettingsError(f"{name}: this page is for {self.only.name} alone")
            return Place(name, self.only, self.root)
        if not name or safe_name(name) != name or name.endswith(SUFFIX):
            raise SettingsError(
                f"{name!r}: is not a name for a folder; take letters, digits, '-' and '_', such as my-line"
            )
        return Place(name, self.root / CAMPAIGNS / name, self.root)

    def names(self) -> list[str]:
        """Return the campaigns that are made or begun, by name."""
        if self.only is not None:
            return [self.only.name]
        here = self.root / CAMPAIGNS
        made = {path.parent.name for path in here.glob(f"*/{files.SETTINGS}")}
        begun = {path.parent.name.removesuffix(SUFFIX) for path in here.glob(f"*{SUFFIX}/{FORM}")}
        return sorted(name for name in made | begun if safe_name(name) == name and not name.endswith(SUFFIX))


def after_drop(place: Place, role: str) -> None:
    """Read or judge a dropped file, unless a run is in progress."""
    if jobs.is_running(place.beside):
        return
    number = next(iter(files.round_numbers(place.campaign)[::-1]), 0)
    if place.is_made and role == results_role(number):
        place.start("judge", **of_results(place, number))
    elif not place.is_made:
        from anchordrug.app.plan import order

        asked = order(place, read_form(place.beside))
        if asked["library"] and asked["target"]:
            place.start("look", **asked)


def of_results(place: Place, number: int) -> dict[str, object]:
    """Return the arguments of a run on results: round, files, their plate or line, their matrix."""
    form = read_form(place.beside)
    about = {name: form.get(f"results_{name}") or None for name in ("of", "layer")}
    return {"round": number, "files": state_of(place.beside, results_role(number)), **about}
