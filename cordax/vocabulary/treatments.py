"""What clinicians call treatments, and which dose is typed for it, if any.

A drug has no dose here: how far so many ug/kg/min move a patient's resistance or
contractility is not known from the rate, so the effect itself is typed. A drug that
does more than one dose says is sent to all of them, or is said not to be modelled.
"""

from cordax.vocabulary.matching import Term, Vocabulary

_NAMES: dict[str, tuple[str, ...]] = {
    "fluid_bolus": (
        "fluid", "fluids", "bolus", "volume", "crystalloid", "saline", "normal saline",
        "ringer", "ringers lactate", "hartmanns", "iv fluid", "volume expansion",
        "fluid challenge", "infusion", "plasmalyte", "volume load",
    ),
    "haemorrhage": (
        "bleeding", "hemorrhage", "blood loss", "bleed", "phlebotomy", "blood donation",
        "venesection",
    ),
    "vasodilator": ("vasodilation", "vasodilatation", "vasodilatator"),
    "vasopressor": ("vasoconstrictor", "vasoconstriction", "pressor"),
    "inotrope": ("inotropy", "positive inotrope", "inotropic", "contractility"),
    "beta_blocker": ("betablocker", "beta blockade", "b blocker", "bb"),
    "heart_rate": ("hr", "rate", "pulse"),
    "valve_replacement": (
        "avr", "savr", "tavi", "tavr", "aortic valve replacement",
        "transcatheter aortic valve", "aortic prosthesis",
    ),
    "valve_repair": (
        "mitral repair", "mitral valve repair", "mitraclip", "teer", "annuloplasty",
        "mitral annuloplasty", "edge to edge repair",
    ),
    "peep": ("positive end expiratory pressure", "end expiratory pressure"),
    "lvad": ("vad", "assist pump", "left ventricular assist device", "assist device"),
}  # fmt: skip

_CHOICES: dict[str, Term] = {
    "vasopressor drug": Term(
        ("noradrenaline", "norepinephrine", "levophed", "phenylephrine", "vasopressin",
         "metaraminol", "terlipressin", "angiotensin ii", "argipressin", "norad",
         "methoxamine"),
        "Type what it does to systemic resistance: vasopressor=1.3 is 30 % more.",
    ),
    "arterial vasodilator drug": Term(
        ("hydralazine", "nifedipine", "amlodipine", "nicardipine", "clevidipine",
         "minoxidil", "nimodipine", "felodipine", "calcium channel blocker",
         "dihydralazine", "afterload reduction"),
        "Type what it does to systemic resistance: vasodilator=0.8 is 20 % less.",
    ),
    "vasodilator of arteries and veins": Term(
        ("nitroprusside", "sodium nitroprusside", "snp", "nipride", "urapidil",
         "phentolamine", "prazosin", "doxazosin", "alpha blocker"),
        "Only its arteries are modelled: vasodilator=0.7 is 30 % less resistance; that "
        "its veins take up blood and filling pressures fall is not modelled.",
    ),
    "inotropic drug that dilates": Term(
        ("dobutamine", "milrinone", "levosimendan", "enoximone", "amrinone",
         "inodilator", "pde3 inhibitor"),
        "Type each effect: inotrope=1.3 vasodilator=0.85, and for dobutamine the rate "
        "as well, heart_rate=90bpm.",
    ),
    "catecholamine with several effects": Term(
        ("adrenaline", "epinephrine", "dopamine", "ephedrine", "isoprenaline",
         "isoproterenol", "catecholamine", "catecholamines"),
        "It acts on strength, rate and resistance at once: type each effect, as "
        "inotrope=1.3 heart_rate=100bpm vasopressor=1.1.",
    ),
    "digitalis": Term(
        ("digoxin", "digitoxin", "calcium", "calcium chloride", "calcium gluconate"),
        "Type what it does to the ventricles' strength: inotrope=1.1 is 10 % more.",
    ),
    "beta-blocking drug": Term(
        ("metoprolol", "bisoprolol", "atenolol", "esmolol", "landiolol", "propranolol",
         "nebivolol", "carvedilol", "labetalol", "sotalol", "bisoprolol fumarate"),
        "Milligrams are not understood: type beta_blocker=1 for a standard daily dose.",
    ),
    "calcium antagonist that slows": Term(
        ("verapamil", "diltiazem"),
        "Type each effect: inotrope=0.9 vasodilator=0.85 heart_rate=60bpm.",
    ),
    "drug for the heart rate": Term(
        ("ivabradine", "atropine", "glycopyrrolate", "glycopyrronium", "pacing",
         "pacemaker", "atrial pacing", "pacing rate", "chronotrope"),
        "Type the rate it leads to: heart_rate=60bpm. Pacing of a ventricle does more "
        "than that, which is not modelled.",
    ),
    "blood or colloid": Term(
        ("blood", "transfusion", "blood transfusion", "prbc", "red cells",
         "erythrocytes", "plasma", "ffp", "albumin", "colloid", "gelatin", "hes",
         "starch", "hydroxyethyl starch"),
        "Of cordax's bolus, a crystalloid, 70 % stays in the vessels; blood and "
        "colloid stay: for 350 mL of them type fluid_bolus=500mL.",
    ),
    "breathing support": Term(
        ("cpap", "niv", "non invasive ventilation", "bipap", "airway pressure"),
        "Type the pressure at the end of expiration: peep=8cmH2O.",
    ),
    "another assist pump": Term(
        ("heartmate", "heartmate 3", "heartmate ii", "hvad", "heartware", "jarvik"),
        "The pump here is that of Simaan 2009, whose speeds are its own: about 6000 "
        "(little) to 12000 (much) rpm; type lvad=9000rpm.",
    ),
    "valve operation": Term(
        ("valve surgery", "valve", "prosthesis", "valvuloplasty"),
        "Type valve_replacement=1.8cm2 for an aortic prosthesis, valve_repair=0.9 for "
        "a repair of the mitral valve.",
    ),
    "systemic resistance": Term(
        ("resistance", "svr", "afterload"),
        "Type vasodilator=0.8 for 20 % less, vasopressor=1.3 for 30 % more.",
    ),
}  # fmt: skip

_LACKING: dict[str, Term] = {
    "diuretic": Term(
        ("furosemide", "frusemide", "lasix", "torasemide", "torsemide", "bumetanide",
         "hydrochlorothiazide", "thiazide", "spironolactone", "eplerenone", "mannitol",
         "acetazolamide", "diuresis", "loop diuretic", "mra"),
        "There is no kidney in the model.",
    ),
    "removal of fluid": Term(
        ("dialysis", "ultrafiltration", "haemofiltration", "crrt", "haemodialysis"),
    ),
    "nitrate": Term(
        ("nitroglycerin", "nitroglycerine", "gtn", "glyceryl trinitrate", "isdn", "ntg",
         "isosorbide dinitrate", "isosorbide mononitrate", "nitrates"),
        "It dilates veins, which no dose here does.",
    ),
    "drug of the renin system": Term(
        ("ace inhibitor", "acei", "enalapril", "ramipril", "lisinopril", "captopril",
         "perindopril", "arb", "losartan", "valsartan", "candesartan", "telmisartan",
         "sacubitril", "arni", "entresto", "aliskiren"),
        "There are no hormones in the model. The fall of resistance alone is typed "
        "vasodilator=0.85.",
    ),
    "pulmonary vasodilator": Term(
        ("nitric oxide", "ino", "sildenafil", "tadalafil", "bosentan", "macitentan",
         "ambrisentan", "epoprostenol", "iloprost", "treprostinil", "riociguat",
         "selexipag", "prostacyclin", "oxygen"),
    ),
    "antiarrhythmic": Term(
        ("amiodarone", "adenosine", "lidocaine", "flecainide", "propafenone",
         "procainamide", "dofetilide", "cardioversion", "ablation", "defibrillation"),
    ),
    "anaesthetic": Term(
        ("propofol", "sevoflurane", "desflurane", "isoflurane", "ketamine", "etomidate",
         "thiopental", "fentanyl", "remifentanil", "sufentanil", "midazolam",
         "dexmedetomidine", "morphine", "anaesthesia", "clonidine", "epidural"),
    ),
    "other long-term drug": Term(
        ("sglt2 inhibitor", "dapagliflozin", "empagliflozin", "statin", "atorvastatin",
         "aspirin", "heparin", "warfarin", "insulin", "steroid", "hydrocortisone",
         "levothyroxine", "antibiotics"),
    ),
    "mitral valve replacement": Term(
        ("mvr", "mitral prosthesis", "tricuspid repair", "tricuspid valve repair",
         "balloon valvuloplasty", "commissurotomy"),
        "valve_replacement is of the aortic valve, valve_repair of the mitral one.",
    ),
    "circulatory support": Term(
        ("iabp", "balloon pump", "intra aortic balloon pump", "impella", "ecmo",
         "va ecmo", "vv ecmo", "ecls", "tandemheart", "rvad", "total artificial heart"),
    ),
    "revascularisation": Term(("pci", "stent", "cabg", "bypass", "thrombolysis")),
    "resynchronisation": Term(("crt", "biventricular pacing", "lv pacing")),
    "posture": Term(
        ("passive leg raise", "plr", "leg raise", "trendelenburg", "tilt", "head up "
         "tilt", "standing", "sitting", "supine", "prone"),
        "A what-if is supine.",
    ),
    "exercise": Term(("exertion", "handgrip", "valsalva", "cold", "heat")),
    "shunt": Term(("septal defect", "vsd", "septal occluder", "asd closure")),
    "ventilation": Term(
        ("tidal volume", "mechanical ventilation", "intubation",
         "recruitment manoeuvre", "extubation"),
        "What is modelled of it is the pressure at the end of expiration: "
        "peep=10cmH2O.",
    ),
}  # fmt: skip

TREATMENTS = Vocabulary("treatment", _NAMES, _CHOICES, _LACKING)
