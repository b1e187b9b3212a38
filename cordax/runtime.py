"""What a process needs before it computes: precision, compilation cache, renderer.

The command line, the examples and the tests call `setup()` once, at their start;
importing our packages never does, so that a host program keeps its own settings.
"""

import os
from pathlib import Path


def setup(x64: bool = True, cache: bool = True) -> None:
    """Prepares JAX and the renderer for this process.

    **Arguments**

    - `x64`: 64-bit numbers, which the circulation needs (see `settle`).
    - `cache`: keep compiled programs on disk, so that the next process starts warm.
    """
    prepare_renderer()
    import jax

    jax.config.update("jax_enable_x64", x64)
    if cache:
        jax.config.update("jax_compilation_cache_dir", str(cache_folder()))
        # Circulation programs are many and small: keep every one of them.
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
        jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)


def cache_folder() -> Path:
    """The folder of compiled programs: `${XDG_CACHE_HOME:-~/.cache}/cordax/jax`."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "cordax" / "jax"


def prepare_renderer() -> None:
    """Lets VTK and matplotlib draw without a display; the user's settings win."""
    os.environ.setdefault("MPLBACKEND", "Agg")
    if not os.environ.get("DISPLAY"):
        os.environ.setdefault("VTK_DEFAULT_OPENGL_WINDOW", "vtkEGLRenderWindow")
        os.environ.setdefault("PYVISTA_OFF_SCREEN", "true")
