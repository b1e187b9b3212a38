"""Where an arterial pressure was taken, how a number was measured, what it is for."""

from cordax.vocabulary.matching import Term, Vocabulary

SITES = Vocabulary(
    "site",
    {
        "aortic": ("aorta", "central", "central aortic", "ascending aorta"),
        "radial": ("wrist", "radial artery", "radial line", "radial arterial line"),
        "brachial": ("brachial artery", "elbow"),
        "femoral": ("groin", "femoral artery", "femoral line"),
        "cuff": (
            "nibp", "non invasive", "noninvasive", "arm cuff", "upper arm",
            "sphygmomanometer", "oscillometric", "auscultatory",
        ),
    },
    choices={
        "arterial line": Term(
            ("a line", "art line", "invasive", "ibp", "intra arterial", "catheter"),
            'Type where it lies: "radial", "femoral", "brachial" or "aortic".',
        ),
        "arm": Term(
            (), 'Type "cuff" for a cuff, "brachial" or "radial" for a catheter.'
        ),
    },
    lacking={
        "finger": Term(("finapres", "nexfin", "clearsight", "volume clamp")),
        "dorsalis pedis": Term(("foot", "pedal", "ankle")),
        "carotid": Term(("neck", "carotid artery")),
        "axillary": Term(("axilla",)),
        "ulnar": Term(()),
        "umbilical": Term((), "Children are not modelled."),
    },
)  # fmt: skip

METHODS = Vocabulary(
    "method",
    {
        "cuff": ("nibp", "oscillometric", "auscultatory", "sphygmomanometer"),
        "catheter": (
            "arterial line", "a line", "invasive", "fluid filled catheter", "manometer",
            "cath", "right heart catheter", "rhc",
        ),
        "thermodilution": (
            "td", "swan ganz", "transpulmonary thermodilution", "picco", "bolus td",
            "continuous thermodilution", "cco",
        ),
        "fick": ("direct fick", "measured fick"),
        "pulse_contour": (
            "pulse wave analysis", "flotrac", "vigileo", "lidco",
            "pulse contour analysis",
        ),
        "echo": (
            "echocardiography", "tte", "tee", "toe", "ultrasound", "doppler", "2d echo",
            "transthoracic echo", "simpson", "biplane",
        ),
        "mri": ("cmr", "cardiac mri", "magnetic resonance", "cmri", "mr imaging"),
    },
    choices={
        "3d echo": Term((), 'Type "echo", and the sd if it is known.'),
        "ventriculography": Term(
            ("lv gram", "angiography", "ventriculogram"),
            "It has no default sd: type the sd instead of a method.",
        ),
        "indirect fick": Term(
            ("estimated fick", "assumed fick"),
            "An assumed oxygen uptake adds to the error: type the sd instead.",
        ),
    },
    lacking={
        "ct": Term(("cardiac ct", "computed tomography"), "Type the sd instead."),
        "nuclear": Term(("spect", "muga", "scintigraphy"), "Type the sd instead."),
        "bioimpedance": Term(("bioreactance", "nicom"), "Type the sd instead."),
    },
)  # fmt: skip

ROLES = Vocabulary(
    "role",
    {
        "likelihood": ("fit", "fitted", "use", "used"),
        "check": ("compare", "compared", "checked", "validation", "ignore"),
    },
)
