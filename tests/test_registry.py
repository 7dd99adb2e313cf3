"""Registries of things by name."""

import sys

import pytest

from anchordrug.errors import SettingsError
from anchordrug.registry import Registry


@pytest.fixture
def cheeses(tmp_path, monkeypatch):
    """A registry whose package has a module that registers two things when it is imported."""
    package = tmp_path / "cheeses_of_a_test"
    package.mkdir()
    (package / "__init__.py").write_text("", encoding="utf-8")
    (package / "hard.py").write_text(
        "import cheeses_of_a_test\n"
        "for name in ('parmesan', 'cheddar'):\n"
        "    cheeses_of_a_test.registry.register(name, name.upper())\n",
        encoding="utf-8",
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    import cheeses_of_a_test  # pyright: ignore[reportMissingImports]

    registry: Registry[str] = Registry("cheese", "cheeses_of_a_test", "anchordrug.cheeses_of_a_test")
    cheeses_of_a_test.registry = registry
    yield registry
    for name in ("cheeses_of_a_test", "cheeses_of_a_test.hard"):
        sys.modules.pop(name, None)


def test_modules_of_the_package_are_imported_when_a_name_is_first_asked_for(cheeses):
    assert "cheeses_of_a_test.hard" not in sys.modules
    assert cheeses.get("cheddar") == "CHEDDAR"
    assert cheeses.names() == ["cheddar", "parmesan"]


def test_a_thing_is_kept_as_it_was_prepared(cheeses):
    registry = Registry(
        "cheese", cheeses.package, cheeses.group, lambda name, thing: f"{thing} called {name}"
    )
    assert registry.register("brie", "soft") == "soft called brie"
    assert registry.get("brie") == "soft called brie"


def test_a_name_that_is_registered_twice_is_an_error(cheeses):
    cheeses.register("brie", "soft")
    with pytest.raises(SettingsError, match=r"^cheese 'brie' is registered twice; rename one"):
        cheeses.register("brie", "soft")


@pytest.mark.parametrize(
    ("source", "start"), [(None, "cheese 'chedar' is unknown"), ("menu", "menu: 'chedar' is unknown")]
)
def test_an_unknown_name_is_an_error_that_lists_all_and_says_where_it_comes_from(cheeses, source, start):
    with pytest.raises(SettingsError) as caught:
        cheeses.get("chedar", source)
    assert str(caught.value) == f"{start}; did you mean 'cheddar'? (there are cheddar, parmesan)"
