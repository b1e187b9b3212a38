"""What `cordax doctor` looks at: versions, devices, renderer, cache, shadows."""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from cordax import runtime
from physio.versions import versions

_LIBRARIES = (
    "jax",
    "jaxlib",
    "equinox",
    "diffrax",
    "optimistix",
    "lineax",
    "optax",
    "numpy",
    "scipy",
    "h5py",
    "matplotlib",
    "pyvista",
    "vtk",
    "numpyro",
)
_OURS = ("physio", "learned", "calibration", "cordax")
_RENDER_LIMIT_S = 60
_RENDER = """
import pyvista
plotter = pyvista.Plotter(off_screen=True, window_size=(64, 64))
plotter.add_mesh(pyvista.Sphere())
image = plotter.screenshot(None, return_img=True)
assert image.std() > 0
"""


def devices() -> list[str]:
    """The devices JAX computes on; loads JAX."""
    import jax

    return [f"{d.platform}:{d.id} {d.device_kind}" for d in jax.devices()]


def shadows() -> list[str]:
    """Sentences about foreign packages that carry one of our names."""
    home = Path(__file__).resolve().parents[1]
    found = []
    for name in _OURS:
        spec = find_spec(name)
        places = list(spec.submodule_search_locations or ()) if spec else []
        if not places:
            found.append(f"the package {name} is missing. Install cordax again.")
        elif Path(places[0]).resolve().parent != home:
            found.append(
                f"{name} comes from {places[0]}, not from {home}: a foreign package or "
                "a folder of that name comes first on the path. Uninstall or rename it."
            )
    return found


def cache() -> dict[str, Any]:
    """Where compiled programs are kept, how many, and whether that can be written."""
    folder = runtime.cache_folder()
    files = [f for f in folder.glob("*") if f.is_file()] if folder.is_dir() else []
    parent = folder
    while not parent.exists():
        parent = parent.parent
    return {
        "folder": str(folder),
        "programs": len(files),
        "megabytes": round(sum(f.stat().st_size for f in files) / 1e6, 1),
        "writable": os.access(parent, os.W_OK),
    }


def renderer() -> str:
    """Whether VTK can draw: tried in a child process, because it may crash.

    **Returns** "works", or why not and what to install.
    """
    runtime.prepare_renderer()
    if find_spec("pyvista") is None:
        return "pyvista is not installed: pip install pyvista"
    try:
        done = subprocess.run(
            [sys.executable, "-c", _RENDER],
            capture_output=True,
            text=True,
            timeout=_RENDER_LIMIT_S,
        )
    except subprocess.TimeoutExpired:
        return (
            f"VTK did not answer within {_RENDER_LIMIT_S} s; 3-D pictures are left out"
        )
    if done.returncode == 0:
        return "works"
    return (
        "VTK cannot draw here; 3-D pictures are left out (the report does not need "
        "them). On Debian or Ubuntu: sudo apt install libegl1 libgl1-mesa-dri"
    )


def examine() -> dict[str, Any]:
    """Everything above as a plain dict; `problems` is empty where all is well."""
    store = cache()
    problems = shadows()
    if not store["writable"]:
        problems.append(
            f"the cache {store['folder']} cannot be written, so every run compiles "
            "again. Set XDG_CACHE_HOME to a folder of your own."
        )
    return {
        "versions": versions(("cordax", *_LIBRARIES)),
        "devices": devices(),
        "renderer": renderer(),
        "cache": store,
        "problems": problems,
    }
