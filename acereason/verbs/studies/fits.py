"""This module fits the regression of section 4.4.2 to a study's arms, which differ in prompts and responses."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, fields

from acereason.common.errors import UserError
from acereason.evaluation.scaling import Fit, fit_scaling
from acereason.verbs.studies.measures import Measure, Values, moments_of
from acereason.verbs.studies.plan import END, StudyStep

FITTED = "fit"
"""The arm of a fit's values in claims: `fit@a`, `fit@b`, `fit@c`, `fit@r2`."""
COEFFICIENTS = [one.name for one in fields(Fit)]
"""Their moments."""


@dataclass
class Scaling:
    """A fit of accuracy to the arms' numbers of prompts and of responses per prompt, in each seed by itself."""

    measure: str
    """Name of the measure that is fitted."""
    prompts: dict[str, float]
    """Number of unique prompts of each arm; arms that aren't named are left out."""
    responses: dict[str, float]
    """Responses per prompt of each of these arms."""
    moment: str = END
    """Moment of the measure."""


def check_fits(
    fits: Mapping[str, Scaling], measures: Mapping[str, Measure], arms: Collection[str], steps: Sequence[StudyStep]
) -> None:
    """Raise a UserError for a fit of an unknown measure, moment or arm, or whose arms don't determine it."""
    for name, fit in fits.items():
        if name in measures:
            raise UserError(f"fits.{name}: is a measure's name, too; rename one")
        if fit.measure not in measures:
            raise UserError(f"fits.{name}.measure: no measure {fit.measure}; there are {', '.join(measures)}")
        if unknown := fit.prompts.keys() - set(arms):
            raise UserError(f"fits.{name}.prompts: no arm {', '.join(sorted(unknown))}; there are {', '.join(arms)}")
        if fit.prompts.keys() != fit.responses.keys():
            raise UserError(f"fits.{name}: prompts and responses name different arms; give both for each")
        moments = moments_of(measures[fit.measure], steps)
        if moments is not None and fit.moment not in moments:
            raise UserError(f"fits.{name}.moment: {fit.measure} has no {fit.moment}; there are {', '.join(moments)}")
        x, y = ([by_arm[arm] for arm in fit.prompts] for by_arm in (fit.prompts, fit.responses))
        # why: it raises where the arms don't determine it, whatever their accuracies
        fit_scaling(x, y, range(len(x)))


def fitted(name: str, fit: Scaling, values: Mapping[str, Values]) -> Values:
    """Return a, b, c and R2 of each seed, as moments of the arm `fit`.

    Raises:
        UserError: the moment isn't measured.
    """
    if fit.moment not in values[fit.measure]:
        raise UserError(f"fits.{name}.moment: {fit.measure} has no {fit.moment}; there are {list(values[fit.measure])}")
    table = values[fit.measure][fit.moment]
    arms = list(fit.prompts)
    found: Values = {}
    for seed in (one for one in table[arms[0]] if all(one in table[arm] for arm in arms)):
        x, y, z = ([by_arm[arm] for arm in arms] for by_arm in (fit.prompts, fit.responses, _of(seed, table)))
        result = fit_scaling(x, y, z)
        for coefficient, value in asdict(result).items():
            found.setdefault(coefficient, {}).setdefault(FITTED, {})[seed] = value
    return found


def _of(seed: int, table: Mapping[str, Mapping[int, float]]) -> dict[str, float]:
    return {arm: by_seed[seed] for arm, by_seed in table.items()}
