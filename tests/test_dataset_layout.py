"""The layout of a shard, rule by rule, so that one file serves several loaders."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from dataset_samples import EVERY, SALT, made, scenario, shards

from diffusim.atomic import StoreError
from diffusim.dataset.making import trajectories
from diffusim.dataset.recipe import Recipe
from diffusim.store.image import Image
from diffusim.store.rules import problems


@pytest.fixture(scope="module")
def every(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    place = tmp_path_factory.mktemp("every")
    return {name: made(place, text, name) for name, text in EVERY.items()}


@pytest.fixture(params=EVERY)
def file(request: pytest.FixtureRequest, every: dict[str, Path]) -> h5py.File:
    with h5py.File(shards(every[request.param])[0]) as opened:
        yield opened


@pytest.fixture
def salt(every: dict[str, Path]) -> Path:
    return every["salt"]


def names(node: h5py.Group, key: str) -> list[str]:
    return [str(name) for name in node.attrs[key]]


def test_no_shard_breaks_a_rule(every: dict[str, Path]) -> None:
    for folder in every.values():
        for path in shards(folder):
            assert problems(path) == []


def test_the_root_says_what_loaders_ask(file: h5py.File) -> None:
    assert file.attrs["grid_type"] == "cartesian"
    assert isinstance(file.attrs["dataset_name"], str)
    assert file.attrs["Conventions"] == "CF-1.11"
    assert file.attrs["n_spatial_dims"] == len(names(file["dimensions"], "spatial_dims"))
    assert file.attrs["n_trajectories"] == file["sample"].size
    for name in names(file, "simulation_parameters"):
        assert name in file["scalars"]
        assert file["scalars"][name].shape == ()
        assert file.attrs[name] == pytest.approx(file[name][()], rel=1e-6)


def test_every_list_of_names_holds_texts_of_any_length_also_an_empty_one(file: h5py.File) -> None:
    lists = [(file, "simulation_parameters"), (file["dimensions"], "spatial_dims")]
    lists += [
        (file[group], "field_names") for group in ("t0_fields", "t1_fields", "t2_fields", "scalars")
    ]
    for side in file["boundary_conditions"].values():
        lists += [(side, "associated_dims"), (side, "associated_fields")]
    assert len(lists) > 6
    for node, key in lists:
        kind = h5py.check_string_dtype(node.attrs.get_id(key).dtype)
        assert kind is not None
        assert kind.length is None
    assert names(file["t1_fields"], "field_names") == []


def test_flags_are_booleans_of_hdf5(file: h5py.File) -> None:
    seen = 0
    variables = [*names(file["t0_fields"], "field_names"), *names(file["scalars"], "field_names")]
    variables += ["time", *names(file["dimensions"], "spatial_dims")]
    for name in (*variables, *(f"boundary_conditions/{s}" for s in file["boundary_conditions"])):
        for flag in ("sample_varying", "time_varying"):
            assert isinstance(file[name].attrs[flag], np.bool_), name
            seen += 1
    assert seen >= 8
    assert bool(file["time"].attrs["time_varying"])
    assert not bool(file["x"].attrs["time_varying"])


def test_groups_hold_soft_links_to_variables_at_the_root(file: h5py.File) -> None:
    for group in ("dimensions", "t0_fields", "scalars"):
        for name in file[group]:
            link = file[group].get(name, getlink=True)
            assert isinstance(link, h5py.SoftLink)
            assert link.path == f"/{name}"
            assert isinstance(file.get(name, getlink=True), h5py.HardLink)


def test_fields_have_their_scales_a_frame_per_chunk_and_nan_where_nothing_is(
    file: h5py.File,
) -> None:
    axes = names(file["dimensions"], "spatial_dims")
    field = file[names(file["t0_fields"], "field_names")[0]]
    wanted = ["sample", "time", *axes]
    assert [[scale.name for scale in dim.values()] for dim in field.dims] == [
        [f"/{name}"] for name in wanted
    ]
    assert field.shape == tuple(file[name].size for name in wanted)
    assert field.chunks == (1, 1, *field.shape[2:])
    assert np.isnan(field.fillvalue)
    assert field.attrs["dim_varying"].tolist() == [True] * len(axes)
    assert isinstance(field.attrs["units"], str)
    assert np.all(np.isfinite(field[...]))


def test_single_precision_and_no_compression_unless_asked_for(every: dict[str, Path]) -> None:
    with h5py.File(shards(every["salt"])[0]) as plain:
        assert plain["concentration"].dtype == np.float32
        assert plain["time"].dtype == np.float32
        assert plain["concentration"].compression is None
        assert not plain["concentration"].shuffle
    with h5py.File(shards(every["walls"])[0]) as packed:
        assert packed["concentration"].dtype == np.float64
        assert packed["concentration"].compression == "gzip"
        assert packed["concentration"].compression_opts == 1
        assert packed["concentration"].shuffle


def test_sides_become_walls_openings_and_rings_with_the_exact_kind_beside(salt: Path) -> None:
    with h5py.File(shards(salt)[0]) as file:
        sides = file["boundary_conditions"]
        assert sorted(sides) == ["x_periodic", "y_wall"]
        ring, wall = sides["x_periodic"], sides["y_wall"]
        assert ring.attrs["bc_type"] == "PERIODIC"
        assert wall.attrs["bc_type"] == "WALL"
        assert names(wall, "associated_dims") == ["y"]
        assert wall["mask"].dtype == bool
        assert wall["mask"][...].nonzero()[0].tolist() == [0, 9]
        assert wall.attrs["low"] == "no-flux"
        assert json.loads(wall.attrs["high"]) == {"value": 0.5}


def test_what_exchanges_with_the_outside_is_open(tmp_path: Path) -> None:
    text = SALT.replace("top: {value: 0.5}", "top: {transfer: 1e-7 m/s, value: 0.5}")
    with h5py.File(shards(made(tmp_path, text))[0]) as file:
        sides = file["boundary_conditions"]
        assert sorted(sides) == ["x_periodic", "y_open", "y_wall"]
        assert sides["y_open/mask"][...].nonzero()[0].tolist() == [9]
        assert sides["y_wall/mask"][...].nonzero()[0].tolist() == [0]


def test_parameters_stand_once_per_trajectory_and_exactly_in_the_provenance(salt: Path) -> None:
    recipe = Recipe.read(scenario(salt.parent))
    rows = list(recipe.rows())
    for path in shards(salt):
        with h5py.File(path) as file:
            assert sorted(file["scalars"]) == ["angle", "diffusivity"]
            assert "diffusivity" not in file.attrs
            assert file["diffusivity"].attrs["units"] == "m^2/s"
            for k, index in enumerate(file["sample"][...]):
                row = rows[index]
                assert file["provenance/exact/exact_diffusivity"][k] == row["diffusivity"]
                assert file["diffusivity"][k] == np.float32(row["diffusivity"])
                assert file["checks/seed"][k] == row["seed"]
                assert file.attrs["split"] == row["split"]
            assert file["provenance/exact/exact_time"][...].tolist() == recipe.times.tolist()
            assert file["provenance/scenario"][()].decode() == SALT


def test_frames_are_those_that_are_made_without_a_disk(salt: Path) -> None:
    recipe = Recipe.read(scenario(salt.parent))
    count = 0
    for path in shards(salt):
        with h5py.File(path) as file:
            for k, one in enumerate(trajectories(recipe, map(int, file["sample"][...]))):
                assert one.frames.tobytes() == file["concentration"][k].tobytes()
                for name, value in one.checks.items():
                    assert file[f"checks/{name}"][k] == value
                count += 1
    assert count == recipe.count == 16


def test_splits_are_disjoint_and_hold_all_trajectories_and_seeds_once(salt: Path) -> None:
    samples: dict[str, list[int]] = {"train": [], "valid": [], "test": []}
    seeds: list[int] = []
    for split, own in samples.items():
        for path in sorted(salt.glob(f"data/{split}/*.hdf5")):
            with h5py.File(path) as file:
                own += file["sample"][...].tolist()
                seeds += file["checks/seed"][...].tolist()
    assert [len(own) for own in samples.values()] == [11, 3, 2]
    assert sorted(sum(samples.values(), [])) == [*range(16)]
    assert len(set(seeds)) == 16


def test_codes_have_their_meanings_and_maps_are_constant_fields(every: dict[str, Path]) -> None:
    with h5py.File(shards(every["walls"])[0]) as file:
        coded = [d for d in map(file.get, file["scalars"]) if "flag_meanings" in d.attrs]
        assert coded
        for data in coded:
            assert len(data.attrs["flag_values"]) == len(json.loads(data.attrs["meanings"]))
        fields = names(file["t0_fields"], "field_names")
        assert {"diffusivity_map", "open_y"} <= {*fields}
        maps = file["diffusivity_map"]
        assert maps.shape == (4, 12, 10)
        assert not bool(maps.attrs["time_varying"])
        values = {tuple(np.unique(one)) for one in maps[...]}
        assert values <= {(1e-9, 2e-9), (1e-9,)}
        assert len(values) == 2


def test_pdebench_finds_its_names(every: dict[str, Path]) -> None:
    with h5py.File(shards(every["salt"])[0]) as file:
        assert file.get("tensor", getlink=True).path == "/concentration"
        for name, scale in (("t", "time"), ("x", "x"), ("y", "y")):
            copy = file[f"{name}-coordinate"]
            assert isinstance(file.get(copy.name, getlink=True), h5py.HardLink)
            assert copy.id != file[scale].id
            assert copy[...].tolist() == file[scale][...].tolist()
        assert file["nu"].shape == (file["sample"].size, 12, 10)
        for k, value in enumerate(file["diffusivity"][...]):
            assert np.all(file["nu"][k] == value)
    with h5py.File(shards(every["walls"])[0]) as file:
        assert file.get("nu", getlink=True).path == "/diffusivity_map"
    with h5py.File(shards(every["rod"])[0]) as file:
        assert file["tensor"].shape == (4, 4, 24)


BREAKS: dict[str, tuple[str, Callable[[h5py.File], object]]] = {
    "an integer flag": ("flags", lambda f: f["x"].attrs.__setitem__("sample_varying", 0)),
    "no such flag": ("flags", lambda f: f["diffusivity"].attrs.__delitem__("time_varying")),
    "numbers for names": (
        "field_names", lambda f: f["t1_fields"].attrs.__setitem__("field_names", [])),
    "texts of one length": (
        "spatial_dims", lambda f: f["dimensions"].attrs.__setitem__(
            "spatial_dims", np.array([b"x", b"y"]))),
    "another type of side": (
        "bc_type", lambda f: f["boundary_conditions/y_wall"].attrs.__setitem__("bc_type", "DOOR")),
    "a parameter at the root": ("root attribute", lambda f: f.attrs.__setitem__("angle", 1.0)),
    "a wrong count": ("number for each", lambda f: f.attrs.__setitem__("n_trajectories", 4)),
    "no group": ("are missing", lambda f: f.__delitem__("t2_fields")),
    "a hard link": ("soft link", lambda f: (f["dimensions"].__delitem__("x"),
                                            f["dimensions"].__setitem__("x", f["x"]))),
    "no scale": ("one scale", lambda f: f["concentration"].dims[1].detach_scale(f["time"])),
    "no units": ("units", lambda f: f["concentration"].attrs.__delitem__("units")),
    "time that returns": ("grow", lambda f: f["time"].__setitem__(1, -1.0)),
}  # fmt: skip


@pytest.mark.parametrize("name", BREAKS)
def test_a_broken_rule_is_told(name: str, salt: Path, tmp_path: Path) -> None:
    words, change = BREAKS[name]
    path = tmp_path / "broken.hdf5"
    path.write_bytes(shards(salt)[0].read_bytes())
    with h5py.File(path, "r+") as file:
        change(file)
    told = problems(path)
    assert any(words in sentence for sentence in told), told


def test_links_that_lead_elsewhere_are_refused(salt: Path, tmp_path: Path) -> None:
    for link in (h5py.ExternalLink("other.hdf5", "/x"), h5py.SoftLink("/dimensions/x")):
        path = tmp_path / "hostile.hdf5"
        path.write_bytes(shards(salt)[0].read_bytes())
        with h5py.File(path, "r+") as file:
            file["scalars/leak"] = link
        with pytest.raises(StoreError, match="somewhere else"):
            problems(path)


def test_an_image_that_served_before_leaves_nothing_behind() -> None:
    image = Image()
    image.write(b"\xff" * 64)
    image.clear()
    image.write(b"ab")
    image.seek(10)
    image.write(b"c")
    image.truncate(12)
    assert bytes(image.content()) == b"ab" + bytes(8) + b"c" + bytes(1)
