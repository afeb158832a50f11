import pytest

from atelier_serving.closed import Closed, Tokens

INFERENCE, ADMINISTRATION = "i" * 16, "a" * 16


def test_without_tokens_the_models_are_open_and_the_rest_is_closed():
    closed = Closed()
    restricted = [
        f"shared-memory:atelier-closed={closed.key}",
        f"model-repository,trace,logging:atelier-closed={closed.key}",
    ]
    both = f"shared-memory,model-repository,trace,logging:atelier-closed={closed.key}"
    assert closed.options() == [
        *(f"--grpc-restricted-protocol={each}" for each in restricted),
        f"--http-restricted-api={both}",
    ]
    assert closed.headers == {"atelier-closed": closed.key}


def test_a_token_opens_its_part_and_never_shared_memory():
    closed = Closed(Tokens(INFERENCE, ADMINISTRATION))
    inference = "inference,metadata,model-config,statistics:atelier-token=" + INFERENCE
    assert closed.options() == [
        f"--grpc-restricted-protocol=shared-memory:atelier-closed={closed.key}",
        f"--grpc-restricted-protocol=model-repository,trace,logging:atelier-token={ADMINISTRATION}",
        f"--grpc-restricted-protocol={inference}",
        "--http-restricted-api=shared-memory,model-repository,trace,logging:"
        f"atelier-closed={closed.key}",
        f"--http-restricted-api={inference}",
    ]
    assert closed.headers == {"atelier-closed": closed.key, "atelier-token": INFERENCE}


def test_no_two_servers_share_a_key():
    assert Closed().key != Closed().key


@pytest.mark.parametrize("token", ["short", "two words that are long", "a" * 16 + "\n", "ä" * 16])
def test_what_is_no_token_is_refused_and_not_shown(token):
    for tokens in ({"inference": token}, {"administration": token}):
        with pytest.raises(ValueError, match="one word of 16 or more") as refused:
            Tokens(**tokens)
        assert token not in str(refused.value)


def test_both_tokens_must_differ():
    with pytest.raises(ValueError, match="must differ"):
        Tokens(INFERENCE, INFERENCE)


def test_tokens_are_not_shown():
    closed = Closed(Tokens(INFERENCE, ADMINISTRATION))
    for secret in (INFERENCE, ADMINISTRATION, closed.key):
        assert secret not in repr(closed)
