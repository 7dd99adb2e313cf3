"""anchordrug campaign status: the progress of a campaign and the next step, on one screen."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from rich.console import Console, Group
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from anchordrug import schemas
from anchordrug.bench import folder as files
from anchordrug.bench.assays.result import OK
from anchordrug.bench.evidence import evidence_in_words
from anchordrug.bench.forecast import forecast_in_words
from anchordrug.bench.laid_out import campaign_of
from anchordrug.bench.measurements import read_outcome, read_selection
from anchordrug.bench.refusals import notes_of
from anchordrug.bench.settings import CampaignSettings
from anchordrug.errors import counted
from anchordrug.files.tables import read_table


@dataclass(frozen=True)
class Standing:
    """The rounds in the folder of a campaign; `outcomes` are of those whose results are in."""

    campaign: CampaignSettings
    rounds: list[int]
    outcomes: dict[int, pd.DataFrame]
    measured: int


def run(folder: Path, console: Console) -> None:
    """Show the campaign in `folder`; it reads the folder alone and changes nothing.

    Raises
    ------
    SettingsError
        It is not a campaign's folder.
    """
    standing = _standing(folder)
    campaign, rounds, outcomes = standing.campaign, standing.rounds, standing.outcomes
    bar = Table.grid(padding=(0, 1))
    bar.add_row(
        ProgressBar(
            total=campaign.budget,
            completed=min(standing.measured, campaign.budget),
            width=40,
            complete_style="green",
        ),
        f"{standing.measured} of {campaign.budget} drugs measured",
    )
    parts = [bar, Text()]
    if rounds:
        parts += [_rounds(folder, rounds, outcomes), Text()]
    parts += [Text(note) for note in notes_of(folder, campaign)]
    parts += [Text(line) for line in _evidence(folder, rounds)]
    parts += [Text(line) for line in _forecast(folder, campaign, rounds, outcomes)]
    what, command = _next_step(folder, standing)
    # On a line of its own, a command can be copied whole.
    parts.append(Text.assemble((f"{what}\n", "bold"), (command, "cyan")))
    lines = ", ".join(campaign.targets)
    rehearsal = " (rehearsal)" if campaign.rehearsal else ""
    sizes = f"{counted(campaign.rounds, 'round')} of {counted(campaign.batch, 'drug')}"
    about = f"{campaign.strategy}, {sizes}, seed {campaign.seed}"
    console.print(
        Panel(Group(*parts), title=f"{lines}{rehearsal}", subtitle=about, title_align="left", padding=(1, 2))
    )


def as_values(folder: Path) -> dict[str, object]:
    """Return the same as JSON-serialisable values: a round waits until it has outcomes of its cell lines.

    Raises
    ------
    SettingsError
        It is not a campaign's folder.
    """
    standing = _standing(folder)
    campaign = standing.campaign
    what, command = _next_step(folder, standing)
    return {
        "targets": list(campaign.targets),
        "rehearsal": campaign.rehearsal,
        "strategy": campaign.strategy,
        "seed": campaign.seed,
        "budget": campaign.budget,
        "measured": standing.measured,
        "rounds": [
            {
                "round": number,
                "asked": len(read_selection(folder, number)),
                "accepted": {
                    str(line): {
                        str(status): int(count) for status, count in own["status"].value_counts().items()
                    }
                    for line, own in standing.outcomes[number].groupby("cell_line", sort=False)
                }
                if number in standing.outcomes
                else None,
            }
            for number in standing.rounds
        ],
        "notes": notes_of(folder, campaign),
        "next": {"what": what, "command": command},
    }


def _standing(folder: Path) -> Standing:
    files.require_campaign(folder)
    campaign = campaign_of(folder)
    rounds = files.round_numbers(folder)
    outcomes = {number: read_outcome(folder, number) for number in files.ingested_rounds(folder)}
    measured: set[str] = set()
    for outcome in outcomes.values():
        measured |= set(outcome.loc[outcome["status"] == OK, "drug_id"])
    return Standing(campaign, rounds, outcomes, len(measured))


def _rounds(folder: Path, rounds: list[int], outcomes: dict[int, pd.DataFrame]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("round", "asked", "ok", "failed", "missing", "replicates r", "changed genes", "results"):
        table.add_column(name, justify="left" if name == "results" else "right")
    for number in rounds:
        asked = str(len(read_selection(folder, number)))
        outcome = outcomes.get(number)
        if outcome is None:
            table.add_row(str(number), asked, *["-"] * 5, Text("waiting", style="yellow"))
            continue
        several = outcome["cell_line"].nunique() > 1
        for line, own in outcome.groupby("cell_line", sort=False):
            counts = own["status"].value_counts()
            good = own[own["status"] == OK]
            correlation, changed = good["replicate_correlation"].median(), good["changed"].median()
            table.add_row(
                str(number),
                asked,
                *(str(int(counts.get(status, 0))) for status in (OK, "failed", "missing")),
                "-" if pd.isna(correlation) else f"{correlation:.2f}",
                "-" if pd.isna(changed) else f"{changed:.0%}",
                Text(f"accepted: {line}" if several else "accepted", style="green"),
            )
    return table


def _evidence(folder: Path, rounds: list[int]) -> list[str]:
    """Return how well each evidence group is predicted, given the most drugs measured.

    The last round that was planned tells it, or `finish` if that came later.
    """
    places = [*(files.round_of(folder, number) for number in rounds[-1:]), folder / files.FINISH]
    tables = [_evidence_in(place / files.EVIDENCE) for place in places if (place / files.EVIDENCE).exists()]
    if not tables:
        return []
    return [*evidence_in_words(max(tables, key=lambda table: table["anchors"].sum())), ""]


def _evidence_in(path: Path) -> pd.DataFrame:
    table = read_table(path, schemas.text_columns(schemas.EVIDENCE))
    return schemas.validate(table, schemas.EVIDENCE, path, files.RESTORE)


def _forecast(
    folder: Path, campaign: CampaignSettings, rounds: list[int], outcomes: dict[int, pd.DataFrame]
) -> list[str]:
    """Return the expected gain of the round that waits."""
    if not rounds or rounds[-1] in outcomes:
        return []
    path = files.round_of(folder, rounds[-1]) / files.ADVICE
    if not path.exists():
        return []
    return [
        *forecast_in_words(
            schemas.validate(
                read_table(path, schemas.text_columns(schemas.ADVICE)), schemas.ADVICE, path, files.RESTORE
            ),
            campaign.stop_below,
        ),
        "",
    ]


def _next_step(folder: Path, standing: Standing) -> tuple[str, str]:
    """Return the next step, in words and as a command or a file."""
    rounds, campaign = standing.rounds, standing.campaign
    if rounds and rounds[-1] not in standing.outcomes:
        here = files.round_of(folder, rounds[-1])
        return f"pipette {here / files.PLATE_MAP}, then", f"anchordrug campaign ingest {folder} RESULTS"
    if standing.measured < campaign.budget:
        return "next:", f"anchordrug campaign next {folder}"
    report = folder / files.FINISH / files.REPORT
    if report.exists():
        return "finished; open", str(report)
    return "the budget is spent:", f"anchordrug campaign finish {folder}"
