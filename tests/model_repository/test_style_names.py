"""The names of the styles, out of a config.pbtxt that anybody may have written."""

import pytest
from google.protobuf import text_format
from style_names import parse_names, read_names
from tritonclient.grpc import model_config_pb2


@pytest.mark.parametrize(
    "text",
    [
        'parameters { key: "styles" value { string_value: "a,b" } }',
        'parameters: {key:"styles",value:{string_value:"a,b"}}',
        "parameters [\n {\n key: 'styles'\n value: {\n string_value: 'a, b'\n }\n }\n]",
        'parameters { key: "other" value { string_value: "x" } }\n'
        'parameters { key: "styles" value < string_value: "a," "b" > }',
        '# parameters { key: "styles" value { string_value: "old" } }\n'
        'parameters { key: "styles" # in order\n value { string_value: "a,b" } }',
        'parameters { key: "#" value { string_value: "#" } }'
        'parameters { key: "styles"; value { string_value: "a,b"; } }',
    ],
)
def test_it_reads_what_triton_reads(tmp_path, text):
    config = tmp_path / "config.pbtxt"
    config.write_text(text)
    parsed = text_format.Parse(text, model_config_pb2.ModelConfig())
    assert read_names(config) == ("a", "b")
    assert parse_names(parsed.parameters["styles"].string_value) == ("a", "b")


def test_it_reads_what_protobuf_writes(tmp_path):
    message = model_config_pb2.ModelConfig(name="style")
    message.parameters["styles"].string_value = "great_wave,udnie"
    config = tmp_path / "config.pbtxt"
    for one_line in (False, True):
        config.write_text(text_format.MessageToString(message, as_one_line=one_line))
        assert read_names(config) == ("great_wave", "udnie")


@pytest.mark.parametrize(
    "text", [None, "", 'name: "style"', '# key: "styles" value { string_value: "a" }']
)
def test_a_missing_parameter_is_explained(tmp_path, text):
    config = tmp_path / "config.pbtxt"
    if text is not None:
        config.write_text(text)
    with pytest.raises(ValueError, match="parameter 'styles'"):
        read_names(config)


@pytest.mark.parametrize("text", ["", "a,,b", "a:b", "a b", "é", "a,a", "great_wave,Great-Wave"])
def test_names_that_no_mix_could_tell_apart_are_refused(text):
    with pytest.raises(ValueError, match="parameter 'styles'"):
        parse_names(text)
