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


class ElsewhereError(WyeError):
    """Another process of the same run failed, which says why itself."""

    def __init__(self, message: str, exit_status: int = 1) -> None:
        super().__init__(message)
        self.exit_status = exit_status


def message_of(error: BaseException) -> str:
    """A failure in words, without the kind of it where the words are ours."""
    if isinstance(error, WyeError):
        return str(error)
    if isinstance(error, OSError):
        reason = error.strerror or str(error) or type(error).__name__
        return f"{error.filename}: {reason}" if error.filename else reason
    if isinstance(error, MemoryError):
        return "out of memory; a smaller train.batch_size or network needs less"
    if isinstance(error, ImportError):
        return f"a library cannot be loaded: {str(error).partition(chr(10))[0]}"
    first = (str(error).splitlines() or [""])[0]
    return f"{type(error).__name__}: {first}"
