"""``python -m gpustack_draw``: the command."""

from gpustack_draw.cli import run

if __name__ == "__main__":
    run()
