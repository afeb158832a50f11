"""The supervisor's command line: what the launcher passes, and then Triton's own command.

What the process list must not show comes on standard input, as JSON: `headers` are what opens
Triton's HTTP, `hidden` are further arguments of Triton, and `strict` is whether they are rather not
passed than shown.
"""

import json
import sys
from pathlib import Path

# Isolated, Python searches the standard library alone; behind it, this package.
sys.path.append(str(Path(__file__).parents[1]))

from atelier_supervisor.model_control import ModelControl
from atelier_supervisor.supervise import Command, supervise

_, launcher, status, exit_timeout, directory, shm_prefix, address, *command = sys.argv
secrets = json.load(sys.stdin)
sys.exit(
    supervise(
        Command(command, secrets["hidden"], secrets["strict"]),
        int(launcher),
        int(status),
        float(exit_timeout),
        Path(directory),
        shm_prefix,
        ModelControl(address, secrets["headers"]),
    )
)
