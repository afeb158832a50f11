from atelier_export.style.held_out import held_out_images


def test_photographs_are_held_out_as_in_the_training(photographs):
    chosen = held_out_images(photographs, 4, 64)
    assert [each.name for each in chosen] == ["3.png", "7.png"]
    assert {each.pixels.shape for each in chosen} == {(64, 64, 3)}
    assert len({each.sha256 for each in chosen}) == 2
    assert len(held_out_images(photographs, 1, 64)) == 8
