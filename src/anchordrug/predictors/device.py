"""The device that networks are trained on: the processor, or a GPU that torch finds."""

from anchordrug.errors import SettingsError, near

DEVICES = ("auto", "cpu", "cuda")


def device_of(name: str) -> str:
    """Return "cpu" or "cuda": where `name`, one of `DEVICES`, has networks trained on this machine.

    Raises
    ------
    SettingsError
        It is none of them, or cuda where torch finds no GPU.
    """
    if name not in DEVICES:
        raise SettingsError(f"--device {name}: not one of {', '.join(DEVICES)}{near(name, DEVICES)}")
    if name == "cpu":
        return name
    import torch

    found = torch.cuda.is_available()
    if name == "cuda" and not found:
        raise SettingsError(
            "--device cuda: torch finds no GPU here; give --device cpu or auto, or install torch for CUDA"
        )
    return "cuda" if found else "cpu"
