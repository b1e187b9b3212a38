"""Does a hybrid foresee real patients better than the physics or the learning alone?

Pulse-pressure variation (PPV) under mechanical ventilation: each setting of a patient
is foreseen from that patient's other settings; what patients share comes from others.
Data: periop_haemodynamics/vent_protocol_odd_ids.csv in the folder $CORDAX_DATA, or a
table with its columns:

    python examples/18_hybrid_and_parents.py TABLE.csv
"""

import os
import sys
import tempfile
from pathlib import Path

import cordax
from cordax.bench import hybrid

SMALL = os.environ.get("CORDAX_EXAMPLE_SIZE") == "ci"
MODELS = {
    "mechanistic": "circulation x the patient's gain",
    "gp": "Gaussian process",
    "log_gp": "the same, of the logarithm",
    "boosting": "gradient boosting",
    "two_level_log_gp": "the hybrid without its circulation",
    "hybrid": "circulation and what it lacks",
}
shared = Path(__file__).resolve().parents[2] / "shared" / "data"
data = Path(os.environ.get("CORDAX_DATA") or shared)
file = data / "periop_haemodynamics" / "vent_protocol_odd_ids.csv"
file = Path(sys.argv[1]) if len(sys.argv) > 1 else file
cordax.setup()

if not file.exists():
    print(f"Skipped: no {file}. Name the table, or set CORDAX_DATA to its folder.")
    sys.exit()
if SMALL:  # the first patients alone
    few = file.read_text().splitlines()[:41]
    file = Path(tempfile.mkdtemp()) / "few.csv"
    file.write_text("\n".join(few) + "\n")
try:
    used = ("mechanistic", "gp", "hybrid") if SMALL else tuple(MODELS)
    found = hybrid.details(file, models=used)
except ImportError as absent:
    print(f"Skipped: {absent}")
    sys.exit()

print(f"{found['n']} settings of {found['patients']} patients, all in % PPV")
print(f"{'':36}  RMSE  CRPS  in 90 %  hybrid less it (90 % interval)")
for name in used:
    score = found["scores"][name]
    row = f"{MODELS[name]:36}{score['rmse']:6.2f}{score['crps']:6.2f}"
    row += f"{100.0 * score['coverage90']:7.0f} %"
    if name != "hybrid":
        less = found["hybrid_minus"][name]
        low, high = less["interval90"]
        row += f"{less['mean']:+8.2f} ({low:+.2f} to {high:+.2f})"
    print(row)

minus = found["hybrid_minus"]
better = [MODELS[k] for k, less in minus.items() if less["interval90"][1] < 0.0]
print(f"Answer: better beyond chance than {', '.join(better) or 'none of them'};")
print(f"too few patients to tell it from the other {len(minus) - len(better)}.")
if found["learned"] != "shipped":
    print("The circulation and the kind of hybrid were chosen with these patients in")
    print("sight, whom no model is trained on while it foresees them.")
