"""The two words that the page and the message both show: whoever holds both sees that they belong together.

A code that somebody else asked for, or that a caller wants to hear, comes with words that stand on no page here. They
are derived from the challenge, so nothing more is kept, and are spelled alike in French and in English, so that a page
and a message in two languages still match.
"""

from idp import crypto

# Six letters at most (the SMS has to hold them), in the alphabet of SMS, quiet in both languages.
WORDS = tuple(
    """agate album angle atoll banjo bingo bison bonbon bronze bus cacao cactus canal cargo carton
    chalet chrome citron clown cobalt coco condor crayon crocus cube curry dahlia delta denim disco domino dragon dune
    fable ferry film garage golf hangar hockey ibis igloo image iris jade jaguar jazz judo jumbo jungle kayak
    kiwi koala laser lion loft lotus melon menu mime minute nature nougat nylon oasis okapi olive orange panda
    patio piano piston pizza point polo port prose puma puzzle radar radio robot rose rugby rumba safari saga
    satin slalom soda sofa sonar sonnet sorbet sprint studio sushi table tandem tango taxi tennis toucan train tram tuba
    tunnel villa violet wagon yacht yoga zigzag zinc""".split()  # noqa: SIM905 - words read better as text
)


def words_of(challenge_id: str) -> str:
    """Return the two different words of a challenge, such as ``piano olive``."""
    drawn = int.from_bytes(crypto.keyed("words", challenge_id))
    first, rest = drawn % len(WORDS), drawn // len(WORDS)
    second = (first + 1 + rest % (len(WORDS) - 1)) % len(WORDS)
    return f"{WORDS[first]} {WORDS[second]}"
