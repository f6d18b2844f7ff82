"""Result codes that say in words what they mean."""

import enum


class Code(enum.IntEnum):
    """A whole number for compiled code, and a sentence for people: members are `NAME = number, sentence`.

    Example:
      >>> class Answer(Code):
      ...     YES = 0, "It is so."
      >>> int(Answer.YES), Answer(0).words
      (0, 'It is so.')
    """

    words: str

    def __new__(cls, value: int, words: str) -> "Code":
        """A member from its number and sentence."""
        member = int.__new__(cls, value)
        member._value_ = value
        member.words = words
        return member
