"""What a process needs before it computes: precision, compiler, cache, renderer.

The command line, the examples and the tests call `setup()` once, at their start;
importing our packages never does, so that a host program keeps its own settings.
"""

import os
from pathlib import Path

# A beat is a long loop of tiny kernels, and XLA's CPU runtime spends a microsecond on
# calling each. A loop whose data fit this many bytes becomes one compiled function: the
# periodic beat takes a tenth of the time. Measured: docs/design_decisions.md.
_LOOP = "xla_cpu_small_while_loop_byte_threshold=524288"
_FUSE = "xla_cpu_use_multi_output_fusion=true"
_EXTRA = "--xla_backend_extra_options="


def setup(x64: bool = True, cache: bool = True, fuse: bool = False) -> None:
    """Prepares JAX and the renderer for this process.

    Call it before the first computation: JAX reads its compiler's options once.

    **Arguments**

    - `x64`: 64-bit numbers, which the circulation needs (see `settle`).
    - `cache`: keep compiled programs on disk, so that the next process starts warm.
    - `fuse`: for populations on a CPU. Kernels with several results, which XLA still
      calls experimental: twice as fast, compiled in half the time, and a program it
      cannot compile ends the process (NUTS is one). Results agree to rounding.
    """
    prepare_renderer()
    prepare_compiler(fuse)
    import jax

    jax.config.update("jax_enable_x64", x64)
    if cache:
        jax.config.update("jax_compilation_cache_dir", str(cache_folder()))
        # Circulation programs are many and small: keep every one of them.
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
        jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)


def cache_folder() -> Path:
    """The folder of compiled programs: `${XDG_CACHE_HOME:-~/.cache}/cordax/jax`."""
    from physio import files

    return files.cache_folder("jax")


def prepare_compiler(fuse: bool = False) -> None:
    """Gives XLA its options for loops of beats on a CPU; the user's own win."""
    given = os.environ.get("XLA_FLAGS", "")
    if _EXTRA not in given:
        options = ",".join([_LOOP, _FUSE] if fuse else [_LOOP])
        os.environ["XLA_FLAGS"] = f"{given} {_EXTRA}{options}".strip()


def prepare_renderer() -> None:
    """Lets VTK and matplotlib draw without a display; the user's settings win."""
    os.environ.setdefault("MPLBACKEND", "Agg")
    if not os.environ.get("DISPLAY"):
        os.environ.setdefault("VTK_DEFAULT_OPENGL_WINDOW", "vtkEGLRenderWindow")
        os.environ.setdefault("PYVISTA_OFF_SCREEN", "true")
