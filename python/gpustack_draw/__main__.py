"""``python -m gpustack_draw``: the command."""

from gpustack_draw.cli.main import run

if __name__ == "__main__":
    run()
