from singleshot.drawing import class_colour, text_colour


def test_seven_classes_have_colours_of_their_own_and_text_contrasts():
    assert len({class_colour(label) for label in range(7)}) == 7
    assert class_colour(7) == class_colour(0)
    assert text_colour((0, 0, 0)) == (255, 255, 255)
    assert text_colour((240, 228, 66)) == (0, 0, 0)
