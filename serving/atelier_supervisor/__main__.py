"""The supervisor's command line: what the launcher passes, and then Triton's own command."""

import sys
from pathlib import Path

# Isolated, Python searches the standard library alone; behind it, this package.
sys.path.append(str(Path(__file__).parents[1]))

from atelier_supervisor.model_control import ModelControl
from atelier_supervisor.supervise import supervise

_, launcher, status, exit_timeout, directory, shm_prefix, address, key, *command = sys.argv
sys.exit(
    supervise(
        command,
        int(launcher),
        int(status),
        float(exit_timeout),
        Path(directory),
        shm_prefix,
        ModelControl(address, key),
    )
)
