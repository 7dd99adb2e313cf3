"""Pictures of plates: every drug told apart, whatever it is called."""

import xml.etree.ElementTree as ElementTree
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from anchordrug.bench.plates.layout import lay_out
from anchordrug.bench.plates.picture import Caption, picture
from tests.bench.plates.plates import drugs_of, few_examples, laid_out, plates_of


def texts(svg):
    return [
        element.text
        for element in ElementTree.fromstring(svg.encode()).iter()
        if element.tag.endswith("text")
    ]


def circles(svg, group):
    """Return how many circles a group of the picture has: wells, or entries of the legend."""
    (found,) = [
        element for element in ElementTree.fromstring(svg.encode()).iter() if element.get("id") == group
    ]
    # matplotlib draws a circle again where that is shorter than to refer to it.
    used = [element for element in found.iter() if element.tag.endswith("}use")]
    return len(used) or sum(element.tag.endswith("}path") for element in found.iter())


def test_picture_names_every_drug_of_its_plate():
    table = laid_out(40)
    pictures = picture(table, Caption("Round 1"))
    assert list(pictures) == ["R1-P1", "R1-P2", "R1-P3"]
    assert pictures == picture(table, Caption("Round 1"))
    for plate, svg in pictures.items():
        here = table[table["plate"] == plate]
        shown = texts(svg)
        assert {plate, "THP1", "Round 1", "A01"} <= set(shown)
        assert any("10 µM" in text for text in shown)
        assert shown.count("DMSO") == 6
        for name, wells in here[here["pert_type"] == "trt"].groupby("name"):
            assert shown.count(name) == len(wells) + 1  # wells and legend
        assert circles(svg, "wells") == 96
        assert circles(svg, "legend") == here["drug_id"].nunique()


def test_picture_of_384_wells_codes_its_drugs():
    table = laid_out(100, wells=384, use_edge=True, controls=16)
    (svg,) = picture(table, Caption("")).values()
    shown = texts(svg)
    assert {"P", "24"} <= set(shown)
    axis = Counter(str(number) for number in range(1, 25))
    vehicle = Counter(str(number) for number in range(1, 17))
    for number, name in enumerate(sorted(table.loc[table["pert_type"] == "trt", "name"].unique())):
        code = str(number + 1)
        assert shown[shown.index(name) - 1] == code
        assert shown.count(code) == 3 + 1 + axis[code] + vehicle[code]
    for wells, size in ((None, 96), (384, 384)):
        svg = picture(laid_out(1), Caption(""), wells)["R1-P1"]
        assert (circles(svg, "wells"), circles(svg, "legend")) == (size, 2)


@few_examples
@given(names=st.lists(st.one_of(st.none(), st.text()), min_size=1, max_size=12), title=st.text())
def test_picture_is_xml_whatever_the_names(names, title):
    plates = plates_of(replicates=1, controls=1)
    table = lay_out(drugs_of(len(names), names), plates, prefix=title, cell_line="A<&>", seed=0)
    for svg in picture(table, Caption(title)).values():
        assert "A<&>" in texts(svg)


def test_picture_escapes_and_tells_namesakes_apart():
    names = ['<script>alert("x")</script>', "same", "same", None]
    (svg,) = picture(
        lay_out(drugs_of(4, names), plates_of(), prefix="x", cell_line="L", seed=0), Caption("")
    ).values()
    assert "<script" not in svg
    assert {names[0], "BRD-K001", "BRD-K002", "BRD-K003"} <= set(texts(svg))
