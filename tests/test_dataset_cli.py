"""The verb dataset: what it prints, what it refuses, its exit codes, and what verify finds."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

import h5py
import numpy as np
import pytest
from dataset_samples import ROD, SALT, contents, made, scenario, shards
from shell import diffusim, refused

from diffusim.dataset import crew
from diffusim.dataset.making import Maker
from diffusim.dataset.manifest import MOMENTS, read_manifest
from diffusim.dataset.recipe import Recipe

ONE_PROCESS = ("--workers", "1", "-q")


@pytest.fixture
def salt(tmp_path: Path) -> Path:
    return made(tmp_path)


def rewritten(folder: Path, path: Path) -> None:
    """Bring the manifest in line with a changed shard, as somebody with intent would."""
    manifest = json.loads((folder / "manifest.json").read_text())
    for record in manifest["shards"]:
        if record["file"] == path.relative_to(folder).as_posix():
            record["sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
    (folder / "manifest.json").write_text(json.dumps(manifest))


# --- making -------------------------------------------------------------------------------------


def test_a_scenario_alone_makes_its_dataset(tmp_path: Path) -> None:
    source = scenario(tmp_path)
    done = diffusim("dataset", source, "--out", tmp_path / "out", *ONE_PROCESS)
    assert done.code == 0
    assert re.search(r"16 trajectories, [\d.e+]+ trajectories/s, [\d.e+]+ MB/s", done.err)
    assert done.out == f"dataset in {tmp_path / 'out' / 'salt'}\n"
    folder = tmp_path / "out" / "salt"
    assert sorted(path.name for path in folder.iterdir()) == [
        *("README.md", "data", "dataset.log", "manifest.json", "stats.yaml")
    ]
    assert contents(folder) == contents(made(tmp_path))


def test_set_changes_the_dataset_and_verify_knows_of_it(tmp_path: Path) -> None:
    source = scenario(tmp_path)
    done = diffusim("dataset", source, "--out", tmp_path, "--set", "seed=9", *ONE_PROCESS)
    assert done.code == 0
    assert diffusim("dataset", "verify", tmp_path / "salt", "-q").code == 0


def test_a_dry_run_prints_the_list_and_writes_nothing(tmp_path: Path) -> None:
    source = scenario(tmp_path)
    done = diffusim("dataset", source, "--dry-run", "--out", tmp_path / "out")
    head, *lines = [line.split("\t") for line in done.out.splitlines()]
    assert done.code == 0
    assert head == ["index", "split", "seed", "diffusivity", "angle"]
    rows = list(Recipe.read(source).rows())
    assert [line[0] for line in lines] == [str(row["index"]) for row in rows]
    assert [float(line[3]) for line in lines] == [row["diffusivity"] for row in rows]
    assert not (tmp_path / "out").exists()


def test_a_sample_is_made_alone(salt: Path, tmp_path: Path) -> None:
    source = tmp_path / "salt.yaml"
    made_one = Maker(Recipe.read(source)).make(5)
    done = diffusim("dataset", source, "--sample", 5)
    told = dict(line.split("\t") for line in done.out.splitlines())
    assert done.code == 0
    assert (told["index"], told["seed"]) == ("5", str(made_one.seed))
    assert float(told["residual"]) == made_one.checks["residual"]
    for name in ("one.hdf5", "one.npz"):
        assert diffusim("dataset", source, "--sample", 5, "--out", tmp_path / name).code == 0
    with h5py.File(tmp_path / "one.hdf5") as file:
        assert file["concentration"][0].tobytes() == made_one.frames.tobytes()
        assert file["sample"][...].tolist() == [5]
    with np.load(tmp_path / "one.npz") as arrays:
        assert arrays["frames"].tobytes() == made_one.frames.tobytes()
        assert arrays["diffusivity"] == made_one.parameters["diffusivity"]
        assert arrays["x"].size == 12


def test_the_last_part_gathers(tmp_path: Path) -> None:
    source = scenario(tmp_path)
    words = ("dataset", source, "--out", tmp_path / "parts", *ONE_PROCESS)
    first = diffusim(*words, "--shard", "1/2")
    assert first.code == 0
    assert "other shards are missing yet" in first.err
    assert diffusim(*words, "--shard", "2/2").code == 0
    assert contents(tmp_path / "parts" / "salt") == contents(made(tmp_path))


def test_refusals_are_sentences(salt: Path, tmp_path: Path) -> None:
    source = tmp_path / "salt.yaml"
    plain = scenario(tmp_path, SALT.partition("dataset:")[0], "plain")
    for words, told in {
        (source, "--out", tmp_path): ("holds this dataset", "--overwrite"),
        (plain,): ("missing key 'dataset'",),
        (source, "--shard", "0/3"): ("such as 3/16",),
        (source, "--shard", "4/3"): ("such as 3/16",),
        (source, "--shard", "1/2", "--overwrite"): ("--shard does not go with --overwrite",),
        (source, "--shard", "1/2", "--scheduler", "x"): ("--shard does not go with --scheduler",),
        (source, "--workers", "2", "--scheduler", "x"): ("--scheduler does not go with --workers",),
        (source, "--resume", "--overwrite"): ("--resume does not go with --overwrite",),
        (source, "--dry-run", "--sample", "1"): ("--dry-run does not go with --sample",),
        (source, "--sample", "1", "--shard", "1/2"): ("--sample does not go with --shard",),
        (source, "--sample", "1", "--workers", "1"): ("--sample does not go with --workers",),
        (source, "--sample", "0", "--scheduler", "x"): ("--sample does not go with --scheduler",),
        (source, "--sample", "0", "--resume"): ("--sample does not go with --resume",),
        (source, "--workers", "0"): ("--workers",),
        (source, "--sample", "16"): ("0 to 15",),
        (source, "--sample", "1", "--out", "one.csv"): (".hdf5 or .npz",),
        (tmp_path / "none.yaml",): ("cannot be read",),
    }.items():
        refused(diffusim("dataset", *words), *told)


def test_another_files_sample_is_not_overwritten(salt: Path, tmp_path: Path) -> None:
    (tmp_path / "one.npz").write_bytes(b"mine")
    words = ("dataset", tmp_path / "salt.yaml", "--sample", "1", "--out", tmp_path / "one.npz")
    refused(diffusim(*words), "is here already", "--overwrite")
    assert (tmp_path / "one.npz").read_bytes() == b"mine"


def test_without_dask_a_scheduler_is_refused_in_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(scheduler: str) -> object:
        monkeypatch.setitem(__import__("sys").modules, "distributed", None)
        return original(scheduler)

    original = crew._client
    monkeypatch.setattr(crew, "_client", missing)
    words = ("dataset", scenario(tmp_path), "--out", tmp_path, "--scheduler", "tcp://nowhere:1")
    refused(diffusim(*words), "Dask is not installed", "diffusim[cluster]", code=1)


def test_shards_that_cannot_be_made_end_with_4(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(self: Maker, index: int, out: object = None) -> object:
        raise ArithmeticError("a planted fault")

    monkeypatch.setattr(Maker, "make", failing)
    done = diffusim("dataset", scenario(tmp_path), "--out", tmp_path, *ONE_PROCESS)
    refused(done, "6 shards could not be made in 2 tries", "a planted fault", "--resume", code=4)


def test_progress_tells_rates_and_the_time_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from diffusim.dataset.engine import Standing

    monkeypatch.setattr(Standing, "seconds", property(lambda self: 2.0))
    words = ("dataset", scenario(tmp_path), "--out", tmp_path, "--workers", "1")
    lines = [line for line in diffusim(*words).err.splitlines() if " % " in line or "%:" in line]
    assert 5 <= len(lines) <= 10
    assert re.fullmatch(
        r"19 %: 3 trajectories, 1\.5 trajectories/s, [\d.e+-]+ MB/s, 9 s left", lines[0]
    )
    assert lines[-1].startswith("100 %: 16 trajectories, 8 trajectories/s")


# --- what lies beside the data ------------------------------------------------------------------


def test_statistics_are_those_of_the_training_split(salt: Path) -> None:
    frames = []
    for path in sorted(salt.glob("data/train/*.hdf5")):
        with h5py.File(path) as file:
            frames.append(file["concentration"][...].astype(np.float64))
    u = np.concatenate(frames)
    du = np.diff(u, axis=1)
    wanted = {
        "mean": u.mean(), "std": u.std(), "rms": np.sqrt(np.mean(u**2)),
        "mean_delta": du.mean(), "std_delta": du.std(), "rms_delta": np.sqrt(np.mean(du**2)),
    }  # fmt: skip
    lines = (salt / "stats.yaml").read_text().splitlines()
    found = {kind.rstrip(":"): value for kind, value in zip(lines[::2], lines[1::2], strict=True)}
    assert found.keys() == wanted.keys()
    for kind, line in found.items():
        # What readers of YAML 1.1 take for a number.
        value = re.fullmatch(r"  concentration: (-?\d\.\d+e[-+]\d+)", line)
        assert value is not None
        assert float(value[1]) == pytest.approx(wanted[kind], rel=1e-12, abs=1e-15)


def test_the_manifest_names_every_file_its_hash_and_its_seeds(salt: Path, tmp_path: Path) -> None:
    manifest = read_manifest(salt)
    assert manifest is not None
    rows = list(Recipe.read(tmp_path / "salt.yaml").rows())
    assert [record.file for record in manifest["shards"]] == [
        f"data/{split}/{split}-{k:05d}.hdf5"
        for split, count in (("train", 4), ("valid", 1), ("test", 1))
        for k in range(count)
    ]
    for record in manifest["shards"]:
        path = salt / record.file
        assert record.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
        assert record.size == path.stat().st_size
        first, last = record.trajectories
        assert [*record.seeds] == [row["seed"] for row in rows[first : last + 1]]
    assert manifest["splits"] == {"train": 11, "valid": 3, "test": 2}
    assert {"diffusim", "numpy", "h5py"} <= manifest["versions"].keys()


def test_the_card_says_what_varies_how_it_was_checked_and_how_to_read_it(salt: Path) -> None:
    card = (salt / "README.md").read_text()
    for words in (
        "# Salt in water",
        "16 trajectories of 12 x 10 cells and 5 frames",
        "11 for train, 3 for valid, 2 for test",
        SALT.rstrip(),
        "`chebyshev`",
        "`poisson`",
        '| `propagator.diffusivity` | {"loguniform":',
        "| `residual` |",
        "WellDataset",
        "xarray.open_dataset",
        "h5py.File",
        "u[x, y]",
    ):
        assert words in card  # fmt: skip
    assert "None" not in card


# --- verify -------------------------------------------------------------------------------------


def verified(folder: Path, *words: object) -> tuple[int, str]:
    done = diffusim("dataset", "verify", folder, "-q", *words)
    return done.code, done.out


def test_a_dataset_that_is_as_it_was_made_is_verified(salt: Path) -> None:
    assert verified(salt, "--samples", "16") == (0, f"all is well in {salt}\n")


def test_a_flipped_bit_is_found(salt: Path) -> None:
    for path in (*shards(salt)[:2], salt / "README.md", salt / "stats.yaml"):
        whole = path.read_bytes()
        data = bytearray(whole)
        data[len(data) // 2] ^= 4
        path.write_bytes(data)
        code, told = verified(salt)
        assert code == 3
        assert path.name in told
        path.write_bytes(whole)
    assert verified(salt) == (0, f"all is well in {salt}\n")


def test_swapped_trajectories_are_found_though_every_hash_is_right(salt: Path) -> None:
    path = shards(salt)[1]
    with h5py.File(path, "r+") as file:
        frames = file["concentration"]
        frames[0], frames[1] = frames[1], frames[0]
    rewritten(salt, path)
    code, told = verified(salt, "--samples", "0")
    assert code == 3
    assert told.count("is not the one that was made") == 2


def test_a_change_that_keeps_every_moment_is_found_by_making_it_again(salt: Path) -> None:
    path = shards(salt)[1]
    with h5py.File(path, "r+") as file:
        file["concentration"][0] = file["concentration"][0][:, ::-1, :]
        checks = file["checks"]
        frames = np.ascontiguousarray(file["concentration"][0]).reshape(5, -1)
        from diffusim.loops.moments import moments

        found = np.empty(4)
        moments(frames, found)
        for name, value in zip(MOMENTS, found, strict=True):
            checks[f"concentration_{name}"][0] = value
    rewritten(salt, path)
    assert verified(salt, "--samples", "0")[0] == 0
    code, told = verified(salt, "--samples", "16")
    assert code == 3
    assert "made again differs in concentration" in told


def test_a_missing_shard_and_one_too_many_are_found(salt: Path) -> None:
    gone, other = shards(salt)[1:3]
    data = gone.read_bytes()
    gone.unlink()
    (other.parent / "more.hdf5").write_bytes(data)
    code, told = verified(salt)
    assert code == 3
    assert f"{gone.name} cannot be read" in told
    assert "more.hdf5 is not in manifest.json" in told


def test_wrong_statistics_are_found_though_their_hash_is_right(salt: Path) -> None:
    path = salt / "stats.yaml"
    text = path.read_text()
    path.write_text(text.replace("e-01", "e-02", 1))
    manifest = json.loads((salt / "manifest.json").read_text())
    manifest["files"]["stats.yaml"] = hashlib.sha256(path.read_bytes()).hexdigest()
    (salt / "manifest.json").write_text(json.dumps(manifest))
    code, told = verified(salt)
    assert code == 3
    assert "stats.yaml does not follow from the training split" in told


def test_a_broken_rule_is_found_though_every_hash_is_right(salt: Path) -> None:
    path = shards(salt)[0]
    with h5py.File(path, "r+") as file:
        del file["time"].attrs["units"]
    rewritten(salt, path)
    code, told = verified(salt)
    assert code == 3
    assert "/time has no units" in told


def test_what_is_no_dataset_is_refused_in_a_sentence(salt: Path, tmp_path: Path) -> None:
    refused(diffusim("dataset", "verify", tmp_path), "holds no finished dataset", code=1)
    file = salt / "manifest.json"
    refused(diffusim("dataset", "verify", file), "manifest.json is a file; name the", code=1)


def test_a_scenario_that_names_files_is_verified_with_it(tmp_path: Path) -> None:
    np.save(tmp_path / "u.npy", np.linspace(0.0, 1.0, 24))
    text = ROD.replace("{kind: noise, mean: 1.0, deviation: 0.1}", "{kind: array, path: u.npy}")
    folder = made(tmp_path, text, "rod")
    refused(diffusim("dataset", "verify", folder), "there is no file", "--scenario", code=1)
    assert verified(folder, "--scenario", tmp_path / "rod.yaml")[0] == 0
