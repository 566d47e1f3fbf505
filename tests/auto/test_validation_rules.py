"""Rules of validations: how often, and on how many images."""

from tasks import task

from singleshot.auto.validation_rules import choose_validation_images, choose_validations


def test_validations_are_about_fifteen_and_few_images_are_called_uncertain():
    assert choose_validations(task(), 40).value == 3
    assert choose_validations(task(), 4).value == 1
    assert "uncertain" not in choose_validations(task(), 40).reason
    few = choose_validations(task(num_validation=10, num_validation_objects=50), 40)
    # 1.96 √(0.7 · 0.3 / 50)
    assert "10 images with 50 objects: so few that an AP50 of 0.7 on them is uncertain by 0.13" in (
        few.reason
    )
    without = choose_validations(task(num_validation=0), 40)
    assert "no validation images" in without.reason


def test_a_time_budget_has_no_room_for_validations_on_many_images():
    # Twice 30 ms and 20 ms of the report: a fifth of seven minutes is for 1,050 images.
    assert choose_validation_images(task(seconds=420.0, num_validation=1050), 1.0) == []
    (choice,) = choose_validation_images(task(seconds=420.0, num_validation=5000), 1.0)
    assert (choice.key, choice.value) == ("training.validation_images", 1000)
    assert "on all 5,000 would take more than a fifth of 7 minutes" in choice.reason
    (slower,) = choose_validation_images(task(seconds=420.0, num_validation=5000), 2.0)
    assert slower.value == 600
    assert choose_validation_images(task(num_validation=5000), 1.0) == []


def test_the_line_of_validations_has_the_images_that_are_validated_on():
    many = task(num_validation=5000, num_validation_objects=10_000)
    assert "on 5,000 images" in choose_validations(many, 40).reason
    few = choose_validations(many, 40, 100).reason
    assert "on 100 images with 200 objects: so few" in few
    assert "on 5,000 images" in choose_validations(many, 40, 6000).reason
