"""Datasets in the hands of others: xarray by both of its engines, and a cluster of Dask."""

from __future__ import annotations

import json
import os
import subprocess
import venv
from collections.abc import Callable
from pathlib import Path

import pytest
from dataset_samples import EVERY, LONG, SALT, contents, made, scenario, shards
from shell import ROOT

Figure = Callable[..., None]

MANY = SALT.replace("  check: poisson", "    seed: trajectory\n  check: poisson").replace(
    "    initial.angle", "    initial.values.0: {uniform: [0.5, 1]}\n    initial.angle"
)
READ = """if True:
    import json, sys, warnings, xarray
    warnings.simplefilter("error")
    found = {}
    for path in sys.argv[1:]:
        for engine in ("h5netcdf", "netcdf4"):
            root = xarray.open_dataset(path, engine=engine)
            name = next(n for n in ("concentration", "temperature") if n in root)
            field = root[name]
            tree = xarray.open_datatree(path, engine=engine)
            found.setdefault(path, []).append({
                "dims": list(field.dims), "shape": list(field.shape),
                "sum": float(field.astype("f8").sum()), "units": field.attrs["units"],
                "coordinates": sorted(map(str, field.coords)),
                "per trajectory": sorted(
                    str(n) for n, v in root.data_vars.items() if v.dims == ("sample",)),
                "middle": float(field.isel(sample=0).sel(x=root.x[3].item()).isel(time=-1).max()),
                "seeds": [int(seed) for seed in tree["checks"]["seed"].values],
                "exact": sorted(map(str, tree["provenance/exact"].data_vars)),
                "saved": bool(root.drop_attrs().to_netcdf(path + "." + engine) is None),
            })
    print(json.dumps(found))
"""
DASK = """if True:
    import pathlib, sys, yaml
    from distributed import LocalCluster
    from diffusim.dataset.engine import write
    from diffusim.dataset.recipe import Recipe

    class Told:
        notes = []
        def note(self, text): self.notes.append(text)
        def advance(self, standing): pass

    if __name__ == "__main__":
        source, out = sys.argv[1:]
        with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as cluster:
            told = Told()
            written = write(Recipe.read(source), out, scheduler=cluster.scheduler_address,
                            reporter=told)
        assert written.whole
        assert any("http" in note for note in told.notes), told.notes
        stats = yaml.safe_load((pathlib.Path(written.folder) / "stats.yaml").read_text())
        assert len(stats) == 6
        assert all(type(v) is float for kind in stats.values() for v in kind.values()), stats
"""


def python_with(folder: Path, *packages: str) -> Path:
    """Make an environment with these packages and return its interpreter."""
    venv.create(folder, with_pip=True, symlinks=os.name != "nt")
    python = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
    pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    pinned = [*pip, "-c", ROOT / "constraints.txt", *packages]
    subprocess.run(pinned, check=True, capture_output=True, timeout=600)
    return python


def ran(python: Path, *words: object) -> str:
    done = subprocess.run(
        [python, *map(str, words)], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.proof
def test_xarray_opens_shards_of_every_form_through_both_engines(
    tmp_path: Path, figure: Figure
) -> None:
    texts = {**EVERY, "many": MANY}
    files = {name: shards(made(tmp_path, text, name))[-1] for name, text in texts.items()}
    python = python_with(tmp_path / "venv", "xarray", "h5netcdf", "netCDF4", "h5py")
    found = json.loads(ran(python, "-c", READ, *files.values()))
    for name, path in files.items():
        by_h5netcdf, by_netcdf4 = found[str(path)]
        assert by_h5netcdf == by_netcdf4
        axes = ["x"] if name == "rod" else ["x", "y"]
        assert by_h5netcdf["dims"] == ["sample", "time", *axes]
        assert by_h5netcdf["coordinates"] == sorted(["sample", "time", *axes])
        assert len(by_h5netcdf["seeds"]) == by_h5netcdf["shape"][0]
        assert "exact_time" in by_h5netcdf["exact"]
    told = {name: found[str(path)][0]["per trajectory"] for name, path in files.items()}
    assert told["rod"] == told["one"] == []
    assert told["salt"] == ["angle", "diffusivity"]
    assert len(told["many"]) == 3
    figure("forms of shards that xarray opens through both engines", len(files), limit="all")


@pytest.mark.proof
def test_a_cluster_of_dask_writes_the_same_bytes(tmp_path: Path, figure: Figure) -> None:
    (tmp_path / "here").mkdir()
    wanted = contents(made(tmp_path / "here", LONG))
    python = python_with(tmp_path / "venv", f"{ROOT}[cluster]")
    (tmp_path / "run.py").write_text(DASK.replace("if True:\n", "if 1:\n", 1), encoding="utf-8")
    ran(python, tmp_path / "run.py", scenario(tmp_path, LONG), tmp_path / "there")
    assert contents(tmp_path / "there" / "salt") == wanted
    figure("files of a dataset, the same from a cluster of Dask", len(wanted), limit="all")
