import pytest

from atelier_serving.directory import ServerDirectory
from atelier_serving.installation import find_installation
from atelier_serving.options import Settings, command_line, environment

PORTS = (11, 12, 13)


@pytest.fixture
def directory(tmp_path):
    return ServerDirectory(tmp_path / "server")


def compose(directory, prefix="prefix_", ports=PORTS, **settings):
    return command_line(
        Settings(repositories=("models",), **settings),
        find_installation(),
        directory,
        "127.0.0.1",
        ports,
        prefix,
    )


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"grpc_port": 65536}, "grpc_port is 65536"),
        ({"http_port": -1}, "http_port is -1"),
        ({"grpc_port": 8000, "http_port": 8000}, "the ports must differ"),
        ({"exit_timeout": -1}, "time-outs"),
        ({"start_timeout": 0}, "time-outs"),
        ({"options": ("--grpc-port=1",)}, "--grpc-port follows"),
        ({"options": ("--model-repository", "x")}, "--model-repository follows"),
        ({"options": ("--grpc-use-ssl=1",)}, "--grpc-use-ssl follows"),
        ({"repositories": ()}, "at least one model repository"),
    ],
)
def test_settings_out_of_range_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        Settings(**({"repositories": ("models",)} | settings))


def test_free_ports_may_be_asked_for_more_than_once():
    assert Settings(repositories=("models",)).grpc_port == 0


def test_both_runtimes_share_memory_under_names_of_this_server(directory):
    line = compose(directory, prefix="mine_")
    for backend in ("python", "onnxruntime"):
        assert f"--backend-config={backend},shm-region-prefix-name=mine_" in line


def test_closed_http_takes_no_port(directory):
    # Triton compares the ports of all protocols, and by itself takes 8000 for HTTP.
    line = compose(directory, ports=(11, None, 13))
    assert "--http-port=0" in line
    assert "--http-address=unix:http.socket" in line


def test_further_options_come_last(directory):
    assert compose(directory, options=("--log-verbose=1",))[-1] == "--log-verbose=1"


def test_quantiles_of_latencies_are_on_unless_told_otherwise(directory):
    assert "--metrics-config=summary_latencies=true" in compose(directory)
    own = "--metrics-config=counter_latencies=true"
    line = compose(directory, options=(own,))
    assert [option for option in line if option.startswith("--metrics-config")] == [own]


def test_the_environment_puts_the_servers_own_directories_first(directory):
    settings = Settings(repositories=("models",))
    result = environment(
        settings, directory, {"PATH": "/bin", "HOME": "/root", "ATELIER_SERVE_TOKEN": "s"}
    )
    assert result == {
        "PATH": f"{directory.environment}/bin:/bin",
        "HOME": "/root",
        "LD_LIBRARY_PATH": str(directory.libraries),
        "ORT_DISABLE_TELEMETRY": "1",
    }
