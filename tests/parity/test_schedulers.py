"""Learning rate schedulers against MXNet's, over 200 updates."""
import pytest

SCHEDULERS = {
    "factor": ("FactorScheduler", {"step": 7, "factor": 0.8}),
    "factor floor": ("FactorScheduler", {"step": 3, "factor": 0.5, "stop_factor_lr": 1e-3, "base_lr": 0.7}),
    "factor warmup": ("FactorScheduler", {"step": 20, "factor": 0.5, "warmup_steps": 33, "warmup_begin_lr": 0.001}),
    "multifactor": ("MultiFactorScheduler", {"step": [5, 6, 90], "factor": 0.3}),
    "multifactor warmup": ("MultiFactorScheduler", {"step": [10, 100], "factor": 0.3, "warmup_steps": 20,
                                                    "warmup_mode": "constant", "warmup_begin_lr": 0.005}),
    "poly": ("PolyScheduler", {"max_update": 150}),
    "poly warmup": ("PolyScheduler", {"max_update": 150, "pwr": 1.5, "final_lr": 0.001, "warmup_steps": 10}),
    "cosine": ("CosineScheduler", {"max_update": 180, "base_lr": 0.3, "final_lr": 0.01}),
    "cosine warmup": ("CosineScheduler", {"max_update": 180, "base_lr": 0.3, "warmup_steps": 40}),
}


def rates(mx, np, name, settings, taken):
    """Rates at all updates; `taken` is the learning rate of an optimizer that takes the scheduler."""
    scheduler = getattr(mx.lr_scheduler, name)(**settings)
    if taken:
        mx.optimizer.SGD(learning_rate=taken, lr_scheduler=scheduler)
    return {"rates": [float(scheduler(n)) for n in range(201)], "left": vars(scheduler)}


@pytest.mark.parametrize("taken", [None, 0.2])
@pytest.mark.parametrize("key", SCHEDULERS)
def test_rates(compare, key, taken):
    name, settings = SCHEDULERS[key]
    compare(rates, {"name": name, "settings": settings, "taken": taken}, rtol=1e-12, atol=0, check_dtype=False)


BAD = {
    "step 0": ("FactorScheduler", {"step": 0}),
    "growing": ("FactorScheduler", {"step": 1, "factor": 1.5}),
    "falling steps": ("MultiFactorScheduler", {"step": [5, 2]}),
    "equal steps": ("MultiFactorScheduler", {"step": [2, 2]}),
    "no steps": ("MultiFactorScheduler", {"step": []}),
    "steps from 0": ("MultiFactorScheduler", {"step": [0, 2]}),
    "no updates": ("PolyScheduler", {"max_update": 0}),
    "half an update": ("CosineScheduler", {"max_update": 1.5}),
    "negative warmup": ("CosineScheduler", {"max_update": 9, "warmup_steps": -1}),
    "unknown warmup": ("CosineScheduler", {"max_update": 9, "warmup_steps": 1, "warmup_mode": "steep"}),
    "warmup from above": ("CosineScheduler", {"max_update": 9, "warmup_steps": 1, "warmup_begin_lr": 5.0}),
}


@pytest.mark.parametrize("key", BAD)
def test_refusals(compare, key):
    name, settings = BAD[key]
    _, ours = compare(rates, {"name": name, "settings": settings, "taken": None}, raises=True)
    assert isinstance(ours, ValueError)
