"""Apply to a list, dict, set or array here the changes that the other side made to its copy."""

from typing import Any


def change_in_place(mine: Any, theirs: Any) -> Any:
    """Give a list, dict, set or array the content of the other side's copy, members too; return the value to keep."""
    if type(mine) is not type(theirs) or mine is theirs:
        return theirs
    if isinstance(mine, list):
        # why: members are changed, not replaced, since other variables may hold them
        kept = [change_in_place(old, new) for old, new in zip(mine, theirs, strict=False)]
        mine[:] = [*kept, *theirs[len(kept) :]]
    elif isinstance(mine, dict):
        changed = {key: change_in_place(mine.get(key), value) for key, value in theirs.items()}
        # why: cleared first, so that the keys have the other side's order
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
