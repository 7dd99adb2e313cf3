"""Drawings of structures: one element that suits any page, the same bytes for the same structure."""

import re
from xml.etree import ElementTree

import pytest

from anchordrug.chem.drawing import drawing
from tests.chem.molecules import real_smiles

SVG = "{http://www.w3.org/2000/svg}"


@pytest.mark.parametrize("smiles", [*real_smiles()[::8], "C", "[Na+].[Cl-]", "[2H]C([2H])Br", "C[C@H](N)F"])
def test_a_drawing_is_one_small_element_that_names_nothing_outside(smiles):
    text = drawing(smiles, 150, 100)
    root = ElementTree.fromstring(text)
    assert text.startswith("<svg ")
    assert {element.tag.removeprefix(SVG) for element in root.iter()} <= {"svg", "path", "g", "text"}
    names = {name for element in root.iter() for name in element.keys()}  # noqa: SIM118
    assert not names & {"id", "class", "style", "href"}
    assert text.count("http") == 1
    assert len(text) < 6000
    assert text == drawing(smiles, 150, 100)


def test_lines_and_letters_of_carbon_have_the_colour_of_the_page():
    root = ElementTree.fromstring(drawing("CC", 150, 100))
    assert [line.get("stroke") for line in root] == ["currentColor"]
    assert "#000" not in "".join(drawing(smiles, 150, 100) for smiles in real_smiles()[:20])


def test_the_letters_are_those_of_the_atoms_and_all_is_on_the_canvas():
    root = ElementTree.fromstring(drawing("OC(=O)c1cc(Cl)ccc1[N+](=O)[O-]", 150, 100))
    letters = "".join(text.text for text in root.iter(f"{SVG}text"))
    assert sorted(letters) == sorted("OHOClN+OO-")
    width, height = map(int, root.get("viewBox").split()[2:])
    assert width * 100 == height * 150
    lines = " ".join(path.get("d") for path in root.iter(f"{SVG}path"))
    points = [tuple(map(int, pair)) for pair in re.findall(r"(-?\d+),(-?\d+)", lines)]
    assert points
    assert all(0 <= x <= width and 0 <= y <= height for x, y in points)


@pytest.mark.parametrize("smiles", ["", "</script>", "C1CC"])
def test_no_structure_no_drawing(smiles):
    with pytest.raises(ValueError, match="not a valid SMILES"):
        drawing(smiles, 150, 100)
