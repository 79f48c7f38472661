"""What people might write under the pretraining pictures."""

from collections.abc import Mapping, Sequence

GENERAL: Sequence[str] = (
    "a photo of a {}.",
    "a picture of a {}.",
    "a drawing of a {}.",
    "a painting of the {}.",
    "an illustration of a {}.",
    "a cartoon of a {}.",
    "a print of a {}.",
    "a small {}.",
    "a colourful {}.",
    "this is a {}.",
    "one {} in the middle.",
    "look at the {}!",
    "a good picture of a {}.",
    "a blurry photo of a {}.",
    "{}",
    "the {}",
)

# Words that captions of a domain share, in addition to the general ones.
SPECIAL: Mapping[str, Sequence[str]] = {
    "mini-Aircraft": ("a photo of a {}, a type of aircraft.", "a {} in the sky.", "a flying {}."),
    "mini-DTD": ("a photo of a {} texture.", "a {} pattern.", "wallpaper with a {} pattern."),
    "mini-EuroSAT": (
        "a centered satellite photo of {}.",
        "an aerial view of {}.",
        "a map of {}.",
        "{} from above.",
    ),
    "mini-Flowers": (
        "a photo of a {}, a type of flower.",
        "a {} in bloom.",
        "a {} from the garden.",
    ),
    "mini-Food": ("a photo of {}, a type of food.", "{} on a plate.", "we had {} for lunch."),
    "mini-MNIST": (
        'a photo of the number: "{}".',
        "a handwritten {}.",
        "the digit {}.",
        "number {}",
    ),
    "mini-OxfordPet": ("a photo of a {}, a type of pet.", "a portrait of a {}.", "my {} at home."),
    "mini-StanfordCars": ("a {} on the road.", "a parked {}.", "a {}, a type of car."),
    "mini-SUN397": ("a view of a {}.", "a day at the {}.", "a landscape with a {}."),
}


def every_caption(domain: str, concept: str) -> list[str]:
    """Return every caption that a picture of ``concept`` may carry."""
    return [text.format(concept) for text in (*GENERAL, *SPECIAL.get(domain, ()))]
