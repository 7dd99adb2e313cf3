"""anchordrug slice: the rows of some cell lines become a bundle, and little else is fetched."""

import json
import shutil
from contextlib import contextmanager
from functools import partial

import h5py
import numpy as np
import pandas as pd
import pytest
import yaml

from anchordrug.errors import OutputError, RawDataError, SettingsError
from anchordrug.raw.bundle import find_bundle
from anchordrug.raw.matrix import open_matrix
from tests.conftest import ROOT, run_cli, small_params, write_params
from tests.release.serving import give, refuse, serving
from tests.release.test_pack import GO, demo, write_release

SLICE = {"cell_lines": 4, "dose_um": 10.0, "time_h": 24.0, "quality": "gold", "most": 40}
SHAPE = (720_216, 12_328)
MATRIX = "level5_beta_trt_cp_n720216x12328.gctx"
EXPRESSION = "OmicsExpressionProteinCodingGenesTPMLogp1.csv"
# Few but long numbers, so that rows are as long as DepMap's and quickly read.
LONG_ROW, ROWS, COLUMNS = 300_000, 60, 3_300


def write_matrix(path, layout):
    """Write the demo's matrix among rows and columns of others: as large as the release, or in chunks."""
    with open_matrix(demo("*.gctx")) as matrix:
        ids, genes = matrix.signature_ids, matrix.gene_ids
        z = matrix.read(slice(0, len(ids)), slice(0, len(genes)))
    rows, columns = SHAPE if layout == "contiguous" else (3 * len(ids), 3 * len(genes))
    places = np.sort(np.random.default_rng(0).choice(rows, len(ids), replace=False))
    with h5py.File(path, "w") as file:
        if layout == "contiguous":
            plan = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
            plan.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
            group = file.create_group("0/DATA/0")
            space = h5py.h5s.create_simple((rows, columns))
            data = h5py.Dataset(h5py.h5d.create(group.id, b"matrix", h5py.h5t.NATIVE_FLOAT, space, dcpl=plan))
            for place, values in zip(places.tolist(), z, strict=True):
                data[place, : len(genes)] = values
        else:
            whole = np.zeros((rows, columns), np.float32)
            whole[places, : len(genes)] = z
            file.create_dataset("0/DATA/0/matrix", data=whole, chunks=(50, 60), compression="gzip")
        names = np.array([b"other:%d" % row for row in range(rows)], dtype="S32")
        names[places] = [name.encode() for name in ids]
        file.create_dataset("0/META/COL/id", data=names, chunks=(min(rows, 50_000),), compression="gzip")
        others = [f"{8_000_000 + k}" for k in range(columns - len(genes))]
        file.create_dataset("0/META/ROW/id", data=np.array([*genes, *others], dtype="S"))
    return dict(zip(ids, z, strict=True))


def lengthen(path):
    """Make a table of expression as large as DepMap's in its rows, with other models around the lines."""
    header, *rows = path.read_text().splitlines()
    rng = np.random.default_rng(0)
    more = [f"ACH-9{k:05d},{rows[0].partition(',')[2]}" for k in range(ROWS - len(rows))]
    mixed = [(rows + more)[k] for k in rng.permutation(ROWS)]
    extra = ",".join(f"X{k} ({7_000_000 + k})" for k in range(COLUMNS))
    long = []
    for row in mixed:
        length = LONG_ROW + int(rng.integers(-20_000, 20_000))
        numbers = ",".join(["4." + "3" * 97] * (COLUMNS - 1))[: length - len(row)].rstrip(",")
        last = COLUMNS - numbers.count(",") - 1
        long.append(f"{row},{numbers}{',0' * last}")
    path.write_text("\n".join([f"{header},{extra}", *long]) + "\n")


@pytest.fixture(scope="module")
def release(tmp_path_factory):
    """As `made`, with a small matrix in chunks."""
    with made(tmp_path_factory.mktemp("release"), "chunked") as parts:
        yield parts


@contextmanager
def made(folder, layout):
    """A folder like sources/lincs/pipeline with the tables of the release; the large files are served."""
    write_release(folder, "lincs2020")
    served = folder / "served"
    served.mkdir()
    (folder / "downloads" / MATRIX).unlink()
    shutil.move(folder / "downloads" / EXPRESSION, served)
    lengthen(served / EXPRESSION)
    z = write_matrix(served / MATRIX, layout)
    (folder / "params.yaml").write_text(yaml.safe_dump({"mirror": None, "go": GO, "slice": SLICE}))
    with serving(served) as server:
        entries = {
            key: {"file": name, "url": f"{server.url}/{name}", "size": (served / name).stat().st_size}
            | {"checksum": None, "licence": "CC0", "what": "a test"}
            for key, name in (("lincs2020_matrix", MATRIX), ("depmap_expression", EXPRESSION))
        }
        (folder / "manifest.yaml").write_text(yaml.safe_dump({"files": entries}))
        yield folder, server, z


def take(folder, name="slice", **changes):
    """Run the command, with changed settings of the slice; return its result."""
    params = folder / f"{name}.yaml"
    values = yaml.safe_load((folder / "params.yaml").read_text())
    mirror = changes.pop("mirror", None)
    params.write_text(yaml.safe_dump(values | {"mirror": mirror, "slice": SLICE | changes}))
    files = ("--downloads", folder / "downloads", "--manifest", folder / "manifest.yaml", "--params", params)
    return run_cli("slice", *files, "--out", folder / "bundles" / name)


def taken(folder, name="slice", **changes):
    result = take(folder, name, **changes)
    assert result.exit_code == 0, (result.output, result.exception)
    return result.output


def forget(folder):
    for left in (folder / "downloads").glob("*.pieces"):
        shutil.rmtree(left)


def values_of(bundle):
    with open_matrix(find_bundle(bundle).matrix) as matrix:
        rows, columns = (np.arange(len(ids)) for ids in (matrix.signature_ids, matrix.gene_ids))
        ((_, z),) = matrix.blocks(rows, columns)
        return matrix.signature_ids, z


@pytest.mark.parametrize("layout", ["contiguous", "chunked"])
def test_the_rows_of_some_lines_become_a_bundle_that_curate_reads(layout, tmp_path):
    with made(tmp_path, layout) as (folder, server, z):
        said = taken(folder)
    bundle = folder / "bundles/slice"
    ids, values = values_of(bundle)
    np.testing.assert_array_equal(values, [z[name] for name in ids])
    signatures = pd.read_csv(bundle / "siginfo_beta.txt", sep="\t")
    assert sorted(signatures["sig_id"]) == sorted(ids)
    per_line = signatures["cell_iname"].value_counts()
    assert len(per_line) == 4
    assert per_line.max() == 40
    assert server.sent[f"/{EXPRESSION}"] < 6e6  # of 18 MB
    assert server.sent[f"/{MATRIX}"] < (12e6 if layout == "contiguous" else 1e6)  # of 35 GB, of 9 MB
    for name in (MATRIX, EXPRESSION):
        assert f"{server.sent[f'/{name}'] / 1e6:,.1f} of" in said
        assert f"in {server.requests[f'/{name}']:,} requests" in said
    assert json.loads((bundle / "SOURCES.json").read_text())["slice"] == SLICE
    params = small_params()
    params["raw"]["dir"] = str(bundle)
    write_params(tmp_path, params)
    result = run_cli("curate", folder=tmp_path)
    assert result.exit_code == 0, (result.output, result.exception)
    funnel = pd.read_csv(tmp_path / "tables/curated/funnel.csv").set_index("step")
    assert funnel["dropped"].loc[["dose 10 uM", "time 24 h", "quality gold", "row in the matrix"]].sum() == 0
    assert len(pd.read_csv(tmp_path / "tables/curated/cell_lines.csv")) == 4


def test_what_has_arrived_is_not_fetched_again(release):
    """After a failure the rest is fetched; what is damaged on the disk is, too."""
    folder, server, _ = release
    taken(folder)
    whole = values_of(folder / "bundles/slice")
    forget(folder)
    server.answers.extend([give] * 40 + [partial(refuse, status=404)] * 20)
    assert isinstance(take(folder).exception, RawDataError)
    server.answers.clear()
    server.sent.clear()
    taken(folder)
    first = server.sent.total()
    server.sent.clear()
    taken(folder)
    assert server.sent.total() == 2  # one byte of each, for its version
    content = folder / "downloads" / f"{MATRIX}.pieces/bytes"
    start, length, _ = (content.parent / "pieces.txt").read_text().splitlines()[-1].split()
    with (content.parent / "pieces.txt").open("a") as record:
        record.write("17 4")  # as a kill leaves it
    with content.open("r+b") as file:
        file.seek(int(start))
        file.write(bytes(int(length)))
    left = folder / "downloads/.slice/files/level5_half.gctx"
    left.parent.mkdir(exist_ok=True)
    left.write_text("of a killed run")
    taken(folder)
    assert not left.parent.exists()
    assert 2 < server.sent.total() < max(first, 10_000)
    after = values_of(folder / "bundles/slice")
    assert whole[0] == after[0]
    np.testing.assert_array_equal(whole[1], after[1])


def test_cuts_and_refusals_of_a_busy_server_are_survived(release, monkeypatch):
    folder, server, z = release
    monkeypatch.setattr("anchordrug.release.http.time.sleep", lambda _: None)
    forget(folder)
    bad = [partial(give, cut=10), partial(refuse, status=503), partial(give, cut=0), give]
    server.answers.extend(bad * 30)
    taken(folder)
    server.answers.clear()
    ids, values = values_of(folder / "bundles/slice")
    np.testing.assert_array_equal(values, [z[name] for name in ids])


@pytest.mark.parametrize("knows_if_range", [True, False])
def test_another_version_is_not_mixed_with_what_has_arrived(release, knows_if_range):
    folder, server, _ = release
    server.etag = '"one"'

    def changed(handler):
        server.etag = '"two"'
        if not knows_if_range:
            del handler.headers["If-Range"]
        give(handler)

    # The version is asked for first; then the file changes.
    forget(folder)
    server.answers.extend([give, *[changed] * 1000])
    error = take(folder).exception
    assert isinstance(error, RawDataError)
    assert "has changed on the server meanwhile; run it again" in str(error)
    server.answers.clear()
    taken(folder)
    server.etag = '"three"'
    server.sent.clear()
    taken(folder)
    assert server.sent.total() > 10_000


def test_a_server_without_parts_and_another_size_are_told(release):
    folder, server, _ = release
    forget(folder)
    server.answers.append(partial(give, parts=False))
    error = take(folder).exception
    assert isinstance(error, RawDataError)
    assert "gives no parts of files" in str(error)
    server.answers.clear()
    text = (folder / "manifest.yaml").read_text()
    (folder / "manifest.yaml").write_text(text.replace("size: ", "size: 9"))
    try:
        assert "it has changed on the server" in str(take(folder).exception)
    finally:
        (folder / "manifest.yaml").write_text(text)


def test_a_mirror_gives_the_same_bundle(release):
    folder, server, _ = release
    taken(folder)
    server.sent.clear()
    said = taken(folder, "mirrored", mirror=str(folder / "served"))
    assert server.sent.total() == 0
    assert f"{MATRIX}: read from {folder / 'served'}" in said
    for one in (folder / "bundles/slice").iterdir():
        assert one.read_bytes() == (folder / "bundles/mirrored" / one.name).read_bytes(), one.name


def test_lines_by_name_and_mistakes(release):
    folder, _, _ = release
    lines = pd.read_csv(folder / "bundles/slice/siginfo_beta.txt", sep="\t")["cell_iname"].unique().tolist()
    assert lines[0] in taken(folder, "named", cell_lines=[lines[0]], most=1000)
    mistakes = [
        ({"cell_lines": [f"{lines[0]}x"]}, f"did you mean '{lines[0]}'"),
        ({"dose_um": 77.0}, "no cell line has gold signatures of 77 uM"),
        ({"quality": "silver"}, "slice.quality: 'silver'"),
        ({"mots": 3}, "did you mean"),
    ]
    for change, told in mistakes:
        error = take(folder, "mistaken", **change).exception
        assert isinstance(error, SettingsError)
        assert told in str(error)
    assert not (folder / "bundles/mistaken").exists()
    error = run_cli(
        "slice",
        "--downloads",
        folder / "downloads",
        "--manifest",
        folder / "manifest.yaml",
        "--params",
        folder / "params.yaml",
        "--out",
        folder / "downloads",
    ).exception
    assert isinstance(error, OutputError)
    (folder / "downloads/Model.csv").rename(folder / "Model.csv")
    try:
        assert "dvc repro slice" in str(take(folder).exception)
    finally:
        (folder / "Model.csv").rename(folder / "downloads/Model.csv")


def test_the_shipped_settings_take_twenty_lines():
    params = yaml.safe_load((ROOT / "sources/lincs/pipeline/params.yaml").read_text(encoding="utf-8"))
    assert params["slice"]["cell_lines"] == 20
