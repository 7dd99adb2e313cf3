"""Strategies and predictors that another package offers by entry points."""

import re
import subprocess
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.forks import python

STRATEGY = '''
"""The first drugs of the pool."""

import numpy as np

from anchordrug.acquisition import Selection


def first(view, batch, rng):
    """Choose the first drugs of the pool."""
    return Selection(np.arange(batch), np.zeros(batch))


def most_down(view, batch, rng):
    """Choose the drugs that are expected to bring most genes down."""
    down = view.probabilities[:, :, 0].mean(axis=1, dtype=np.float64)
    positions = np.argsort(-down, kind="stable")[:batch]
    return Selection(positions, down[positions])


def twice(view, batch, rng):
    return Selection(np.zeros(batch, int), np.zeros(batch))


number = 3
'''


class Site:
    """A folder on the path of Python, with packages as pip would install them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def install(self, name: str, source: str, **groups: dict[str, str]) -> None:
        """Install a package of one module; `groups` are its entry points, without "anchordrug."."""
        about = self.folder / f"{name}-1.0.dist-info"
        about.mkdir()
        (about / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n", encoding="utf-8"
        )
        lines = [
            line
            for group, points in groups.items()
            for line in (f"[anchordrug.{group}]", *(f"{point} = {place}" for point, place in points.items()))
        ]
        (about / "entry_points.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
        (self.folder / f"{name}.py").write_text(source, encoding="utf-8")

    def python(self, *arguments: str) -> subprocess.CompletedProcess:
        """Run Python where the packages are installed, from the repository."""
        return python(*arguments, cwd=ROOT, path=self.folder)

    def printed(self, code: str) -> str:
        """Return what `code` prints; it must end well."""
        done = self.python("-c", code)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()


@pytest.fixture
def site(tmp_path):
    return Site(tmp_path)


CHOOSE = """
import numpy as np
from anchordrug.acquisition import Catalogue, PoolView, strategy
from anchordrug.errors import AnchorDrugError

def chosen(name):
    view = PoolView(None, np.array([7, 3, 5]), np.array([], int), Catalogue(np.zeros((9, 4)), [None] * 9))
    try:
        return strategy(name, "params.yaml")(view, 2, np.random.default_rng(0)).positions.tolist()
    except AnchorDrugError as error:
        return f"{type(error).__name__}: {error}"
"""


class TestStrategies:
    def test_one_is_listed_and_chooses_under_the_checks_of_our_own(self, site):
        site.install("others", STRATEGY, strategies={"first": "others:first", "twice": "others:twice"})
        assert site.printed(f"{CHOOSE}\nprint(chosen('first'))") == "[0, 1]"
        told = "StrategyError: strategy 'twice' chose position 0 more than once; "
        assert site.printed(f"{CHOOSE}\nprint(chosen('twice'))").startswith(told)
        names = site.printed("from anchordrug.acquisition.registry import strategies; print(*strategies())")
        assert {"first", "twice", "random"} <= set(names.split())

    def test_the_contract_test_runs_over_it(self, site):
        site.install("others", STRATEGY, strategies={"most_down": "others:most_down"})
        tests = "tests/acquisition/test_contract.py"
        done = site.python("-P", "-m", "pytest", "-v", "-p", "no:cacheprovider", tests, "-k", "most_down")
        assert done.returncode == 0, done.stdout
        assert re.search(r"\b[2-9]\d passed", done.stdout), done.stdout

    def test_a_module_that_registers_its_strategy_itself_may_be_an_entry_point_too(self, site):
        source = STRATEGY.replace("\n\ndef first", '\n\n@register("first")\ndef first').replace(
            "import Selection", "import Selection\nfrom anchordrug.acquisition.registry import register"
        )
        site.install("others", source, strategies={"first": "others:first"})
        assert site.printed(f"{CHOOSE}\nprint(chosen('first'), chosen('first'))") == "[0, 1] [0, 1]"

    @pytest.mark.parametrize(
        ("place", "told"),
        [
            ("others:third", "AttributeError: "),
            ("nothere:first", "ModuleNotFoundError: No module named 'nothere'"),
            ("others:number", "SettingsError: strategy 'mine' must be a function"),
        ],
    )
    def test_one_that_cannot_be_loaded_is_one_line_and_harms_nobody_else(self, site, place, told):
        site.install("others", STRATEGY, strategies={"mine": place})
        text = site.printed(f"{CHOOSE}\nprint(chosen('mine'))\nprint(chosen('random'))")
        error, chosen = text.splitlines()
        start = f"SettingsError: params.yaml: 'mine' of package others cannot be loaded ({told}"
        assert error.startswith(start)
        assert error.endswith("correct or uninstall that package")
        assert chosen.startswith("[")

    def test_a_name_that_is_taken_is_one_line(self, site):
        site.install("others", STRATEGY, strategies={"random": "others:first", "first": "others:first"})
        site.install("rivals", STRATEGY, strategies={"first": "rivals:first"})
        ours, theirs, rest = site.printed(
            f"{CHOOSE}\nprint(*map(chosen, ('random', 'first', 'moa')), sep='\\n')"
        ).splitlines()
        told = (
            "SettingsError: params.yaml: '{}' is offered by {} and {}; uninstall one or rename its strategy"
        )
        assert ours == told.format("random", "anchordrug", "others")
        assert theirs in (told.format("first", "others", "rivals"), told.format("first", "rivals", "others"))
        assert rest.startswith("[")


PREDICTOR = '''
"""A predictor that has learned nothing."""

from anchordrug.predictors.base import NoSettings, Predictor, PredictorParams


class Params(PredictorParams):
    pretrain: NoSettings
    fit: NoSettings


class Clueless(Predictor):
    Params = Params
'''

LEARN = """
from anchordrug.errors import AnchorDrugError
from anchordrug.predictors.registry import params_class, predictor_class, predictors

def learner(name):
    try:
        return predictor_class(name, "params.yaml").__name__, params_class(name).__module__
    except AnchorDrugError as error:
        return f"{type(error).__name__}: {error}"
"""


class TestPredictors:
    def test_one_is_listed_and_found_with_its_settings(self, site):
        site.install("others", PREDICTOR, predictors={"clueless": "others:Clueless"})
        listed, found = site.printed(
            f"{LEARN}\nprint(*predictors())\nprint(*learner('clueless'))"
        ).splitlines()
        assert {"clueless", "mlp", "response_gp"} <= set(listed.split())
        assert found == "Clueless others"

    def test_one_that_cannot_be_loaded_is_one_line_and_harms_nobody_else(self, site):
        site.install("others", PREDICTOR, predictors={"clueless": "others:Clue"})
        error, ours = site.printed(
            f"{LEARN}\nprint(learner('clueless'))\nprint(*learner('response_gp'))"
        ).splitlines()
        assert error.startswith("SettingsError: params.yaml: 'clueless' of package others cannot be loaded (")
        assert "SettingsError" not in ours

    def test_the_contract_test_runs_over_it(self, site):
        page = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
        (source,) = re.findall(r'^```python title="[^"]*gene_shares.py"\n(.*?)^```', page, flags=re.M | re.S)
        source = source.replace('@register("gene_shares")\n', "")
        site.install("others", source, predictors={"gene_counts": "others:GeneSharesPredictor"})
        tests = "tests/predictors/test_contract.py"
        done = site.python("-P", "-m", "pytest", "-v", "-p", "no:cacheprovider", tests, "-k", "gene_counts")
        assert done.returncode == 0, done.stdout
        assert re.search(r"\b1\d passed", done.stdout), done.stdout
