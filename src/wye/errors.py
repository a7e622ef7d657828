"""The kinds of failure a person meets, told apart by whose turn it is to act."""


class WyeError(Exception):
    """A failure with a message for the reader of the terminal; never a traceback."""

    exit_status = 1


class UsageError(WyeError):
    """The request cannot be carried out as it stands; the message says what would be right."""

    exit_status = 2


class MachineError(WyeError):
    """The machine refused: a full disk, a read-only folder, an unreachable source."""

    exit_status = 1


class TrainingError(WyeError):
    """Training went wrong by itself: the loss is no number any more."""
