"""What a password must be: long enough, and not one that is guessed early."""

from zxcvbn import zxcvbn

LENGTH_MIN = 10
LENGTH_MAX = 200
SCORE_MIN = 3
"""Of 0 to 4: more than a hundred million guesses by one who knows common passwords."""
LOOKED_AT = 72
"""Characters; what comes after them makes a password no easier."""


def weakness(password: str, name: str) -> str | None:
    """Why somebody of that name may not have it: `too_short`, `too_long`, `too_easy`; or None.

    `too_easy` are passwords that many people use, also with their usual variations, patterns of
    the keyboard, dates, and what is made of the name.
    """
    if len(password) < LENGTH_MIN:
        return "too_short"
    if len(password) > LENGTH_MAX:
        return "too_long"
    found = zxcvbn(password[:LOOKED_AT], user_inputs=[name, "wechat", "console"])
    return "too_easy" if found["score"] < SCORE_MIN else None
