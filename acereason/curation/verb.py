"""The verb `curate` builds dataset versions from sources."""

from typing import Any

from acereason.curation.pipeline import Curation


def curate(**settings: Any) -> None:
    """Build the versions of a dataset from sources.

    A second call skips the stages that are done; a change redoes its stage and all after it.
    """
    # why: the parser follows the settings to the class, so that keys and their meanings stand there alone
    curation = Curation(**settings)
    curation.run()
    print(f"{curation.output}/README.md describes the dataset")
