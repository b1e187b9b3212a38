"""Importing changes nothing; `setup` changes what it says."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import cordax
from cordax import runtime

_IMPORTS = """
import sys
import jax
before = dict(jax.config.values)
import importlib, pkgutil
for name in ("physio", "learned", "calibration", "cordax"):
    package = importlib.import_module(name)
    for module in pkgutil.walk_packages(package.__path__, name + "."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
changed = {k for k, v in jax.config.values.items() if before.get(k) != v}
assert not changed, changed
assert not jax.config.jax_enable_x64
"""

_INSTANT = """
import sys
import cordax
assert cordax.__version__
assert not {"jax", "numpy", "matplotlib"} & set(sys.modules)
"""


def _fresh(program: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def test_importing_all_packages_leaves_the_configuration_as_it_was():
    _fresh(_IMPORTS)


def test_a_changed_configuration_would_be_noticed():
    program = _IMPORTS.replace(
        "changed =", "jax.config.update('jax_enable_x64', True)\nchanged ="
    ).replace('"physio", "learned", "calibration", "cordax"', "")
    with pytest.raises(AssertionError, match="jax_enable_x64"):
        _fresh(program)


def test_importing_cordax_loads_nothing_heavy():
    _fresh(_INSTANT)


def test_the_cache_lives_where_the_user_keeps_caches(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert runtime.cache_folder() == tmp_path / "cordax" / "jax"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert runtime.cache_folder() == Path.home() / ".cache" / "cordax" / "jax"


def test_setup_sets_precision_and_cache(tmp_path):
    _fresh(
        f"import os; os.environ['XDG_CACHE_HOME'] = {str(tmp_path)!r}\n"
        "import cordax; cordax.setup()\n"
        "import jax, jax.numpy as jnp\n"
        "assert jnp.zeros(1).dtype == 'float64'\n"
        "jax.jit(lambda x: x * 2)(1.0).block_until_ready()\n"
    )
    assert any((tmp_path / "cordax" / "jax").iterdir())


def test_setup_gives_the_compiler_its_options_once(monkeypatch):
    monkeypatch.setenv("XLA_FLAGS", "--xla_cpu_enable_fast_math=false")
    for _ in range(2):
        runtime.prepare_compiler()
    first, second = os.environ["XLA_FLAGS"].split()
    assert first == "--xla_cpu_enable_fast_math=false"
    assert second.endswith("=xla_cpu_small_while_loop_byte_threshold=524288")


def test_fusing_is_asked_for(monkeypatch):
    monkeypatch.delenv("XLA_FLAGS", raising=False)
    runtime.prepare_compiler(fuse=True)
    assert os.environ["XLA_FLAGS"].endswith(",xla_cpu_use_multi_output_fusion=true")


def test_the_users_compiler_options_win(monkeypatch):
    own = "--xla_backend_extra_options=xla_cpu_small_while_loop_byte_threshold=0"
    monkeypatch.setenv("XLA_FLAGS", own)
    runtime.prepare_compiler()
    assert os.environ["XLA_FLAGS"] == own


def test_an_unknown_name_lists_what_there_is():
    with pytest.raises(AttributeError, match="setup"):
        cordax.sett_up  # noqa: B018
