import os
import re
import subprocess
import sys
from pathlib import Path

import atelier_export


def test_telemetry_is_off_before_onnx_runtime_is_imported():
    watch = """
import os, sys
seen = []
def hook(event, arguments):
    if event == "import" and arguments[0] == "onnxruntime":
        seen.append(os.environ.get("ORT_DISABLE_TELEMETRY"))
sys.addaudithook(hook)
import atelier_export.onnx_graph.runtime
print(seen)
"""
    environment = {key: os.environ[key] for key in os.environ if key != "ORT_DISABLE_TELEMETRY"}
    output = subprocess.run(
        [sys.executable, "-c", watch], env=environment, capture_output=True, text=True, check=True
    ).stdout
    assert output == "['1']\n"


def test_one_module_alone_imports_onnx_runtime():
    files = Path(atelier_export.__file__).parent.rglob("*.py")
    importing = {
        file.name
        for file in files
        if re.search(r"^\s*(import|from) onnxruntime", file.read_text(), re.MULTILINE)
    }
    assert importing == {"runtime.py"}
