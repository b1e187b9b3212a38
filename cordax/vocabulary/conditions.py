"""The conditions that a record may state, what else they are called, what is lacking.

A condition picks the circulation that a fit starts from (a named state), or says how
the patient was measured (awake, anaesthetised, ventilated).
"""

from cordax.vocabulary.matching import Term, Vocabulary

_NAMES: dict[str, tuple[str, ...]] = {
    "healthy": (
        "normal", "no disease", "no heart disease", "control", "volunteer",
        "healthy volunteer", "healthy control", "healthy man", "healthy woman",
        "no cardiac disease",
    ),
    "awake": ("conscious", "alert", "not anaesthetised", "unsedated"),
    "anaesthetised": (
        "anesthetized", "general anaesthesia", "anaesthesia", "under anaesthesia",
        "general anesthetic", "asleep under anaesthesia",
    ),
    "ventilated": (
        "mechanically ventilated", "mechanical ventilation", "intubated", "ippv",
        "on ventilator", "positive pressure ventilation",
    ),
    "hfref": (
        "heart failure with reduced ejection fraction", "hf ref",
        "heart failure with reduced ef", "systolic heart failure", "dcm", "dcmp",
        "dilated cardiomyopathy", "idiopathic dilated cardiomyopathy", "icm",
        "ischaemic cardiomyopathy", "ischaemic cm", "ischaemic dilated cardiomyopathy",
        "non ischaemic cardiomyopathy", "nicm", "nidcm",
        "left ventricular systolic dysfunction", "lvsd", "systolic dysfunction",
    ),
    "hfpef": (
        "heart failure with preserved ejection fraction", "hf pef",
        "heart failure with preserved ef", "diastolic heart failure", "hfnef",
        "heart failure with normal ejection fraction",
    ),
    "hypertension": (
        "htn", "high blood pressure", "arterial hypertension", "essential hypertension",
        "systemic hypertension", "systemic arterial hypertension", "hypertensive",
        "hypertensive heart disease", "hbp",
    ),
    "aortic_stenosis": (
        "as", "aortic valve stenosis", "aortic valvular stenosis", "avs",
        "stenotic aortic valve", "valvular aortic stenosis",
    ),
    "aortic_regurgitation": (
        "ar", "ai", "aortic insufficiency", "aortic incompetence",
        "aortic valve regurgitation", "aortic valve insufficiency",
        "leaky aortic valve",
    ),
    "mitral_regurgitation": (
        "mr", "mitral insufficiency", "mitral incompetence",
        "mitral valve regurgitation", "mitral valve insufficiency",
        "leaky mitral valve",
    ),
    "mitral_stenosis": ("ms", "mitral valve stenosis", "stenotic mitral valve"),
    "pulmonary_arterial_hypertension": (
        "pah", "ipah", "precapillary pulmonary hypertension",
        "group 1 pulmonary hypertension",
    ),
    "haemorrhage": (
        "bleeding", "hemorrhage", "blood loss", "haemorrhagic shock", "bleed",
        "haemorrhaging", "hypovolaemia", "hypovolaemic shock", "hypovolaemic",
        "exsanguination", "gi bleed", "gastrointestinal bleeding",
        "postpartum haemorrhage", "gi bleeding", "massive haemorrhage",
    ),
    "sepsis": (
        "septic", "septic shock", "septicaemia", "urosepsis", "severe sepsis",
    ),
}  # fmt: skip

_CHOICES: dict[str, Term] = {
    "heart failure": Term(
        ("hf", "chf", "congestive heart failure", "adhf", "cardiac failure",
         "left heart failure", "cardiac insufficiency"),
        'Type "hfref" for an ejection fraction of 40 % or less, "hfpef" for 50 % or '
        "more.",
    ),
    "heart failure with mildly reduced ejection fraction": Term(
        ("hfmref", "hfmef", "heart failure with mid range ejection fraction",
         "hfrecef", "hfimpef"),
        'There is no circulation between: type the nearer one, "hfref" or "hfpef"; the '
        "measured ejection fraction moves it.",
    ),
    "cardiomyopathy": Term(
        ("cmp", "cm"), 'A dilated one is typed "hfref"; others are not modelled.'
    ),
    "low ejection fraction": Term(
        ("reduced ejection fraction", "low ef", "reduced ef", "lv dysfunction"),
        'With heart failure type "hfref"; without it the measured ejection fraction is '
        "enough.",
    ),
    "diastolic dysfunction": Term(
        (), 'With heart failure type "hfpef"; without it the measurements are enough.'
    ),
    "pulmonary hypertension": Term(
        ("ph", "pulmonary htn", "phtn", "pulm htn",
         "pulmonary artery hypertension", "pulmonary venous hypertension"),
        'Type "pulmonary_arterial_hypertension" where the wedge pressure is 15 mmHg or '
        "less; behind a left heart disease type that disease instead.",
    ),
    "shock": Term(
        ("circulatory shock", "circulatory failure"),
        'Type which: "haemorrhage" or "sepsis"; cardiogenic and obstructive shock are '
        "not modelled.",
    ),
    "valve disease": Term(
        ("valvular heart disease", "vhd", "valvulopathy", "stenosis", "regurgitation",
         "valvular disease", "murmur"),
        'Type which valve: "aortic_stenosis", "aortic_regurgitation", '
        '"mitral_stenosis" or "mitral_regurgitation".',
    ),
    "mitral valve prolapse": Term(
        ("mvp",), 'Where the valve leaks type "mitral_regurgitation", else nothing.'
    ),
    "bicuspid aortic valve": Term(
        ("bav",), 'Type what it does: "aortic_stenosis" or "aortic_regurgitation".'
    ),
    "sedated": Term(
        ("sedation", "comatose", "unconscious"),
        'Type "anaesthetised" where the reflexes are blunted as in anaesthesia, else '
        '"awake".',
    ),
    "breathing": Term(
        ("spontaneously breathing", "spontaneous breathing", "extubated", "room air"),
        'Leave "ventilated" out; type "awake" where the patient was.',
    ),
    "none": Term(
        ("unknown", "na", "nil", "no condition"),
        'Leave the line out where nothing is known; type "healthy" where that is.',
    ),
    "cad": Term(
        ("chd", "coronary artery disease", "coronary heart disease", "ihd", "ccs",
         "ischaemic heart disease", "coronary disease", "acs", "angina",
         "acute coronary syndrome", "ischaemia", "myocardial ischaemia"),
        'Narrowed coronary vessels are not modelled; a failing heart is typed "hfref".',
    ),
}  # fmt: skip

_ADULTS = "Only adults, from 18 years, are modelled."
_RATE = "The heart rate itself is typed: heart_rate_bpm."

_LACKING: dict[str, Term] = {
    "atrial fibrillation": Term(
        ("af", "afib", "a fib", "auricular fibrillation", "paroxysmal af",
         "paroxysmal atrial fibrillation", "permanent atrial fibrillation", "vhf",
         "persistent atrial fibrillation", "aff"),
        "Every beat of the model is alike, with an atrial kick.",
    ),
    "atrial flutter": Term(("aflutter",), "Every beat of the model is alike."),
    "arrhythmia": Term(
        ("extrasystoles", "ectopy", "bigeminy", "pvcs", "pacs", "vt", "vf", "svt",
         "ventricular tachycardia", "ventricular fibrillation", "irregular rhythm",
         "supraventricular tachycardia", "sick sinus syndrome", "sss"),
        "Every beat of the model is alike.",
    ),
    "tachycardia": Term(("sinus tachycardia", "tachycardic"), _RATE),
    "bradycardia": Term(("sinus bradycardia", "bradycardic"), _RATE),
    "conduction block": Term(
        ("heart block", "av block", "complete heart block", "chb", "lbbb", "rbbb",
         "left bundle branch block", "right bundle branch block", "dyssynchrony"),
    ),
    "pacemaker": Term(("paced", "icd", "crt", "crtd", "ventricular pacing")),
    "tamponade": Term(
        ("cardiac tamponade", "pericardial tamponade", "pericardial effusion",
         "haemopericardium"),
    ),
    "pericarditis": Term(
        ("constrictive pericarditis", "constriction", "pericardial constriction",
         "pericardial disease"),
    ),
    "hypertrophic cardiomyopathy": Term(
        ("hcm", "hocm", "hypertrophic obstructive cardiomyopathy", "ihss",
         "obstructive cardiomyopathy", "lvot obstruction", "asymmetric septal "
         "hypertrophy"),
    ),
    "restrictive cardiomyopathy": Term(
        ("rcm", "amyloidosis", "cardiac amyloidosis", "amyloid", "attr", "infiltrative "
         "cardiomyopathy", "sarcoidosis", "haemochromatosis"),
    ),
    "left ventricular hypertrophy": Term(("lvh", "hypertrophy")),
    "arrhythmogenic cardiomyopathy": Term(("arvc", "arvd")),
    "myocarditis": Term(("takotsubo", "stress cardiomyopathy")),
    "endocarditis": Term(("infective endocarditis",), "Type what the valve does."),
    "congenital heart disease": Term(
        ("congenital", "achd", "vsd", "asd", "pda", "pfo", "ventricular septal defect",
         "atrial septal defect", "patent ductus arteriosus", "patent foramen ovale",
         "tetralogy of fallot", "tof", "fallot", "tga", "fontan", "hlhs", "ebstein",
         "transposition of the great arteries", "single ventricle", "univentricular",
         "hypoplastic left heart", "eisenmenger", "ebstein anomaly", "shunt",
         "septal defect", "coarctation", "coarctation of the aorta", "coa",
         "truncus arteriosus", "cyanotic heart disease"),
    ),
    "aortic disease": Term(
        ("aortic dissection", "dissection", "type a dissection", "aortic aneurysm",
         "aneurysm", "aaa", "carotid stenosis", "renal artery stenosis", "pad",
         "peripheral artery disease", "marfan", "marfan syndrome"),
    ),
    "pulmonary embolism": Term(
        ("pe", "pulmonary embolus", "lung embolism", "cteph", "dvt",
         "chronic thromboembolic pulmonary hypertension"),
    ),
    "myocardial infarction": Term(
        ("mi", "ami", "stemi", "nstemi", "heart attack", "infarct", "infarction",
         "myocardial infarct", "acute coronary occlusion"),
        "Walls that no longer contract are not modelled.",
    ),
    "cardiogenic shock": Term(("low output syndrome",)),
    "obstructive shock": Term(()),
    "anaphylaxis": Term(
        ("anaphylactic shock", "distributive shock", "neurogenic shock", "spinal shock",
         "vasoplegia", "vasoplegic shock", "sirs"),
    ),
    "cardiac arrest": Term(("cpr", "rosc", "asystole", "pea")),
    "right heart failure": Term(
        ("rhf", "rvf", "rv failure", "right ventricular failure", "cor pulmonale"),
    ),
    "tricuspid valve disease": Term(
        ("tr", "tricuspid regurgitation", "tricuspid insufficiency", "ts",
         "tricuspid stenosis", "tricuspid valve regurgitation"),
    ),
    "pulmonary valve disease": Term(
        ("ps", "pr", "pi", "pulmonary stenosis", "pulmonary regurgitation",
         "pulmonic stenosis", "pulmonary valve stenosis", "pulmonary insufficiency"),
    ),
    "prosthetic valve": Term(
        ("valve replacement", "mechanical valve", "bioprosthesis", "tavi", "tavr"),
        "Type what the valve does now, or ask for it: cordax whatif TWIN "
        "valve_replacement=1.8cm2",
    ),
    "assist device": Term(
        ("lvad", "vad", "ecmo", "iabp", "impella", "ecls", "balloon pump",
         "mechanical circulatory support"),
        "The heart is calibrated without it; then: cordax whatif TWIN lvad=9000rpm",
    ),
    "heart transplant": Term(("transplant", "transplanted heart", "htx")),
    "hypotension": Term(
        ("low blood pressure", "hypotensive", "orthostatic hypotension", "syncope"),
        "The pressures themselves are typed.",
    ),
    "hypervolaemia": Term(
        ("fluid overload", "volume overload", "congestion", "oedema",
         "pulmonary oedema"),
    ),
    "dehydration": Term(("dehydrated",)),
    "lung disease": Term(
        ("copd", "asthma", "ards", "pneumonia", "emphysema", "pneumothorax", "ild",
         "pulmonary fibrosis", "sleep apnoea", "osa", "covid"),
    ),
    "kidney disease": Term(
        ("ckd", "aki", "renal failure", "kidney failure", "dialysis", "esrd",
         "renal insufficiency"),
    ),
    "liver disease": Term(("cirrhosis", "liver failure", "portal hypertension")),
    "metabolic disease": Term(
        ("diabetes", "diabetes mellitus", "dm", "t2dm", "obesity", "obese",
         "thyrotoxicosis", "hyperthyroidism", "hypothyroidism", "metabolic syndrome"),
    ),
    "anaemia": Term(("anemic",)),
    "hypothermia": Term(("fever", "hyperthermia")),
    "stroke": Term(("tia", "cva", "brain death", "brain dead")),
    "surgery": Term(
        ("cabg", "cardiac surgery", "post operative", "trauma", "polytrauma", "burns"),
        "Type what the circulation is like now.",
    ),
    "pregnancy": Term(("pregnant", "preeclampsia", "eclampsia", "labour",
         "gestational hypertension")),
    "exercise": Term(
        ("exercising", "athlete", "athletes heart"), "A record is of rest, supine."
    ),
    "renovascular hypertension": Term(
        ("intracranial hypertension", "ocular hypertension"),
    ),
    "children": Term(
        ("child", "infant", "neonate", "newborn", "baby", "paediatric", "adolescent",
         "toddler", "preterm", "premature", "kawasaki", "fetus"),
        _ADULTS,
    ),
}  # fmt: skip

CONDITIONS = Vocabulary("condition", _NAMES, _CHOICES, _LACKING)
