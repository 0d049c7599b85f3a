"""Shorter and shorter steps: the error of a method of order p falls as dt^p."""

from __future__ import annotations

from dataclasses import replace

from diffusim.block import Array, Invalid, Unsupported
from diffusim.convergence import courses
from diffusim.convergence.courses import PATIENCE, Stage
from diffusim.convergence.results import Point, Series, asymptotic, fit, local_orders
from diffusim.experiment import Experiment
from diffusim.methods import Method, Stepping
from diffusim.norms import relative
from diffusim.runs import Course

HALVINGS, FEWEST_HALVINGS, MOST_HALVINGS = 6, 3, 30
# How often the longest step is halved until the method accepts it.
ATTEMPTS = 20


def refined(
    ready: Experiment, chosen: Course, low: float | None, high: float | None, stage: Stage
) -> Series:
    """Refine a method by its steps, each level with every step divided into two."""
    plain = chosen.method
    if "tolerance" in type(plain).model_fields:
        plain = plain.model_copy(update={"tolerance": None})
    planned, remark = _levels(ready, plain, low, high)
    exact = courses.truth(ready, plain.limit)
    tells = courses.shares(stage(chosen.name), [exact.seconds, *(c.seconds for c in planned)])
    law = courses.last(exact, ready.initial, tells[0]).field
    fields = [courses.last(course, ready.initial, tell).field
              for course, tell in zip(planned, tells[1:], strict=True)]  # fmt: skip
    order = plain.accuracy or 1
    volume = ready.scenario.grid.volume
    points = []
    for number, (course, u) in enumerate(zip(planned, fields, strict=True)):
        finer = fields[number + 1] if number + 1 < len(fields) else None
        expected = None if finer is None else _expected(u, finer, law, order, volume)
        step = _longest(course)
        error = courses.error_of(u, law, volume)
        points.append(Point(step, f"{step:.4g} s", error, expected))
    return fitted(Series(chosen.name, plain.limit, exact.name, float(order), points, remark=remark))


def fitted(series: Series) -> Series:
    """Fit a power to the points where one holds, and say of the others that they are not used."""
    values, errors = ([getattr(p, n) for p in series.points] for n in ("value", "error"))
    part, steady = asymptotic(values, errors)
    used = range(len(values))[part]
    points = [replace(point, used=k in used) for k, point in enumerate(series.points)]
    if len(used) < 2:
        words = (
            "the error is round-off, as near a steady state; an earlier end (times) may show more"
        )
        return replace(series, points=points, remark=words)
    remark = series.remark
    if not steady:
        orders = local_orders(values[part], errors[part])
        words = ", ".join(f"{order:.2f}" for order in orders)
        remark = "; ".join(
            filter(None, [f"the local orders ({words}) have not settled yet", remark])
        )
    slope, low, high, p = fit(values[part], errors[part], series.theory)
    return replace(series, points=points, slope=slope, low=low, high=high, p_slope=p, remark=remark)


def _expected(u: Array, finer: Array, law: Array, order: int, volume: float | Array) -> float:
    """Of an error that falls as the power p, halved steps leave all but one part in 2^p."""
    power = 2.0**order
    return power / (power - 1.0) * relative(u - finer, law, 2, volume)


def _levels(
    ready: Experiment, method: Method, low: float | None, high: float | None
) -> tuple[list[Course], str]:
    dt, first = _start(ready, method, high)
    halvings = HALVINGS
    if low is not None:
        halvings = next((k for k in range(MOST_HALVINGS) if dt / 2**k < low * (1 - 1e-9)), 0) - 1
        if halvings < 2:
            raise Invalid(
                f"--from {low:g} s is too long: {method.name} starts with steps of {dt:.4g} s, "
                "and takes two halvings at least to show a power"
            )
    found, spent, remark = [first], first.seconds, ""
    for k in range(1, halvings + 1):
        course = courses.course(ready, divided(method, dt, k))
        spent += course.seconds
        if low is None and k > FEWEST_HALVINGS and spent > PATIENCE:
            remark = "shorter steps would take long; --from asks for them"
            break
        found.append(course)
    return found, remark


def _start(ready: Experiment, method: Method, high: float | None) -> tuple[float, Course]:
    """The longest step and its course: what the user says, the method's limit, or its default."""
    dt, problem = high, Exception()
    if dt is None:
        plans = courses.course(ready, method).plans
        limits = [plan.longest for plan in plans if plan.longest is not None and plan.steps]
        dt = min(limits) if limits else max((plan.dt or 0.0 for plan in plans), default=0.0)
        if dt == 0.0:
            raise Unsupported("nothing moves in this medium, so steps of any length are the same")
    for k in range(ATTEMPTS if high is None else 1):
        try:
            return dt / 2**k, courses.course(ready, divided(method, dt / 2**k, 0))
        except (Invalid, Unsupported) as refused:
            problem = Invalid(f"{method.name}: {refused}")
    raise problem


def divided(method: Method, dt: float, times: int) -> Method:
    """The same method with a longest step of dt, every step divided so often into two.

    Methods that know how divide the very steps they would take, so that they are halved exactly in
    every segment, and the number of stages stays what it is; others get a shorter dt.
    """
    if not isinstance(method, Stepping):
        return method.model_copy(update={"dt": dt / 2**times})
    other = method.model_copy(update={"dt": dt})
    other._division = 2**times
    return other


def _longest(course: Course) -> float:
    return max(plan.dt or 0.0 for plan in course.plans)
