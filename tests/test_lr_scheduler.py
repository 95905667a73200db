"""Learning rate schedulers, without MXNet."""
import pytest

import ganmod as mx


def test_warmup_of_the_whole_schedule():
    schedule = mx.lr_scheduler.CosineScheduler(10, base_lr=1.0, warmup_steps=10, final_lr=0.5)
    assert schedule(5) == 0.5 and schedule(10) == 0.5


def test_the_base_class_decides_nothing():
    with pytest.raises(NotImplementedError, match="LRScheduler must define"):
        mx.lr_scheduler.LRScheduler()(1)


def test_warmup_ends():
    schedule = mx.lr_scheduler.PolyScheduler(10, warmup_steps=2)
    with pytest.raises(ValueError, match="update 5 is not in the warmup of 2 steps"):
        schedule.get_warmup_lr(5)


@pytest.mark.parametrize("make, message", [
    (lambda m: m.FactorScheduler(0), "greater or equal than 1 round, got 0"),
    (lambda m: m.FactorScheduler(1, 2), "no more than 1"),
    (lambda m: m.MultiFactorScheduler([]), "at least one"),
    (lambda m: m.PolyScheduler(0), "strictly positive int, got 0"),
    (lambda m: m.PolyScheduler(9, warmup_steps=2.5), "must be an int, got 2.5"),
    (lambda m: m.LRScheduler(warmup_steps=1, warmup_mode="steep"), "'linear' or 'constant', got 'steep'")])
def test_refusals(make, message):
    with pytest.raises(ValueError, match=message):
        make(mx.lr_scheduler)
