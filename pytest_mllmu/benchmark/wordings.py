"""How attributes are asked for: templates, shared by the embedded benchmark and by lists of a user's own people.

Each attribute has several wordings with one meaning. The first is asked about the profile, the second (the paraphrase)
about the transformed profile of the test set, the others are used for training. ``{who}`` is "this person" next to an
image and the name in text alone, so a text question can be answered from the name only and an image question from the face only.
"""

from __future__ import annotations

import re

from pytest_mllmu.benchmark.profiles import Modality

LETTERS = "ABCD"
ASKED, PARAPHRASED, UNASKED = 0, 1, 2
DESCRIBE = "Who is this person, and what is known about them?"

Wordings = tuple[str, str, str]

WORDINGS: dict[str, Wordings] = {
    "birthplace": ("Where was {who} born?", "What is the birthplace of {who}?", "Which place is {who} from?"),
    "birth_year": ("In which year was {who} born?", "What is the birth year of {who}?", "When was {who} born?"),
    "occupation": ("What is the occupation of {who}?", "What does {who} do for a living?", "What is the job of {who}?"),
    "hobby": ("What is the hobby of {who}?", "What does {who} enjoy in free time?", "What is the favourite pastime of {who}?"),
    "condition": ("Which medical condition does {who} have?", "What illness does {who} live with?", "What is {who} treated for?"),
    "residence": ("Where does {who} live?", "What is the residence of {who}?", "In which town is the home of {who}?"),
}
SENTENCES: dict[str, tuple[Wordings, str]] = {
    "origin": (
        ("When and where was {who} born?", "Tell me the year and the place of birth of {who}.", "What do you know about the birth of {who}?"),
        "{Who} was born in {birth_year} in {birthplace}.",
    ),
    "life": (
        ("What does {who} do and where does {who} live?", "Tell me the job and the home of {who}.", "What do you know about the daily life of {who}?"),
        "{Who} works as {occupation} and lives in {residence}.",
    ),
}
BLANKS: dict[str, Wordings] = {
    "residence": ("{Who} lives in __.", "The home of {who} is in __.", "You can meet {who} in __."),
    "hobby": ("In free time, {who} enjoys __.", "The pastime of {who} is __.", "What {who} loves most is __."),
}

# Of lists of people alone: any attribute, by the name of its column.

ANY_QUESTION: Wordings = ("What is the {label} of {who}?", "Can you tell me the {label} of {who}?", "Please name the {label} of {who}.")
ANY_BLANK: Wordings = ("The {label} of {who} is __.", "For {who}, the {label} is __.", "__ is the {label} of {who}.")
ANY_CLAUSE = "the {label} of {who} is {value}"
CLAUSES = {
    "birthplace": "{who} was born in {value}",
    "birth_year": "{who} was born in {value}",
    "occupation": "{who} works as {value}",
    "hobby": "{who} enjoys {value}",
    "condition": "{who} is treated for {value}",
    "residence": "{who} lives in {value}",
}
ONE_TOLD: Wordings = (
    "What can you tell about the {label} of {who}?",
    "I would like to know more about the {label} of {who}.",
    "Please describe the {label} of {who}.",
)
TWO_TOLD: Wordings = (
    "What are the {label} and the {other} of {who}?",
    "Tell me the {label} and the {other} of {who}.",
    "What do you know about the {label} and the {other} of {who}?",
)
SAME = {
    **dict.fromkeys(("place_of_birth", "birth_place"), "birthplace"),
    **dict.fromkeys(("year_of_birth", "birthyear"), "birth_year"),
    **dict.fromkeys(("job", "profession"), "occupation"),
    **dict.fromkeys(("pastime", "favourite_pastime", "favorite_pastime"), "hobby"),
    **dict.fromkeys(("medical_condition", "illness"), "condition"),
    "home": "residence",
}
"""Other names of the attributes in ``WORDINGS``: asked for in the same words, so a list has only one of each."""


def referred(name: str, modality: Modality) -> str:
    """What a question calls a person."""
    return "this person" if modality == "multimodal" else name


def put(template: str, **parts: str) -> str:
    """``template`` with some of its places filled, the others left for ``said``; braces in a part stay braces."""
    return re.sub(r"\{(\w+)\}", lambda place: parts[place[1]].replace("{", "{{").replace("}", "}}") if place[1] in parts else place[0], template)


def said(template: str, who: str) -> str:
    """A template of which only ``{who}`` and ``{Who}`` are left, as a text."""
    return template.format(who=who, Who=who[0].upper() + who[1:])
