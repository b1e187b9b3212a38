"""Operations and bytes of one compiled beat of Regazzoni's loop.

    python benchmarks/compiled_beat.py

writes tests/reference/speed/regazzoni.toml, which tests/test_compiled_speed.py holds
the program to. XLA counts the body of a loop once however often it runs, so what a
step costs is counted apart from the table of what depends on time alone, which grows
with the steps: cost(2 n) - cost(n) is n rows, what remains of cost(n) is one step.
"""

from pathlib import Path
from typing import Any

import equinox as eqx
import jax

import cordax
from physio.hemodynamics.loops.regazzoni import regazzoni
from physio.simulate import march

ROOT = Path(__file__).resolve().parents[1]
FILE = ROOT / "tests" / "reference" / "speed" / "regazzoni.toml"
STEPS = 400


def _cost(model: Any, steps: int) -> dict[str, float]:
    arrays, static = eqx.partition(model, eqx.is_array)

    def beat(arrays: Any, y0: Any) -> Any:
        whole = eqx.combine(arrays, static)
        run = march(whole, y0=y0, beats=1, steps_per_beat=steps, save_every=steps)
        return run.y

    lowered = jax.jit(beat).lower(arrays, model.initial_state())
    found = lowered.compile().cost_analysis()
    return {"operations": found["flops"], "bytes": found["bytes accessed"]}


def of_beat(model: Any, steps: int = STEPS) -> dict[str, float]:
    """Floating-point operations and bytes accessed by one beat of ``steps`` steps."""
    once, twice = _cost(model, steps), _cost(model, 2 * steps)
    return {k: (twice[k] - v) + steps * (2.0 * v - twice[k]) for k, v in once.items()}


def main() -> None:
    """Measure, and store what was found."""
    cordax.setup()
    found = of_beat(regazzoni())
    lines = [
        "# Written by: python benchmarks/compiled_beat.py",
        f"# One beat of Regazzoni's loop, 64 bit, jax {jax.__version__}.",
        f"steps = {STEPS}",
        *(f"{name} = {value:.0f}" for name, value in found.items()),
        "# Programs compiled by the fit of a second patient of a kind seen before.",
        "compilations_of_a_second_fit = 0",
    ]
    FILE.parent.mkdir(parents=True, exist_ok=True)
    FILE.write_text("\n".join(lines) + "\n")
    print(FILE, found)


if __name__ == "__main__":
    main()
