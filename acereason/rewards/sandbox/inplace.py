"""What the other side did to a list, dict, set or array, done to ours."""

from typing import Any


def change_in_place(mine: Any, theirs: Any) -> Any:
    """Make a list, dict or set what the other side's has become, its members too; the value to keep."""
    if type(mine) is not type(theirs) or mine is theirs:
        return theirs
    if isinstance(mine, list):
        kept = [change_in_place(old, new) for old, new in zip(mine, theirs, strict=False)]
        mine[:] = [*kept, *theirs[len(kept) :]]
    elif isinstance(mine, dict):
        changed = {key: change_in_place(mine.get(key), value) for key, value in theirs.items()}
        mine.clear()
        mine.update(changed)
    elif isinstance(mine, set):
        mine.clear()
        mine.update(theirs)
    elif isinstance(mine, bytearray):
        mine[:] = theirs
    elif type(mine).__module__ == "numpy" and getattr(mine, "shape", ()) == getattr(theirs, "shape", None) != ():
        mine[...] = theirs
    else:
        return theirs
    return mine
