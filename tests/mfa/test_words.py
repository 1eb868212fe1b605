"""The two words are the challenge's own, fit into an SMS, and are never the same word twice."""

from flask import Flask

from idp.messages.gsm7 import is_gsm7
from idp.mfa.words import WORDS, words_of


def test_the_list_is_short_plain_and_without_repetition() -> None:
    assert len(WORDS) == len(set(WORDS)) > 100
    assert all(3 <= len(word) <= 6 and word.isascii() and is_gsm7(word) for word in WORDS)


def test_a_challenge_always_has_the_same_two_different_words(context: Flask) -> None:
    drawn = [words_of(f"challenge-{number}") for number in range(500)]

    assert drawn == [words_of(f"challenge-{number}") for number in range(500)]
    assert all(len(set(pair.split())) == 2 for pair in drawn)
    assert len(set(drawn)) > 450
