import torch

from singleshot.structures import Batch, Detections, Sample, Truth, objects_of


def sample(name, num_objects):
    boxes = torch.tensor([[0.0, 0, 2, 3]]).repeat(num_objects, 1)
    image = torch.randint(256, (3, 4, 5), dtype=torch.uint8)
    return Sample(image, Truth.of(boxes, torch.zeros(num_objects, dtype=torch.int64)), name)


def test_ordinary_objects_are_neither_difficult_nor_a_crowd():
    truth = sample("a", 2).truth
    assert truth.areas.tolist() == [6, 6]
    assert not truth.difficult.any()
    assert not truth.crowd.any()
    assert len(truth[torch.tensor([True, False])]) == 1


def test_a_batch_has_its_samples_in_order_and_channels_last_in_memory():
    samples = [sample("a", 1), sample("b", 0)]
    batch = Batch.of(samples)
    assert batch.names == ("a", "b")
    assert torch.equal(batch.images[1], samples[1].image)
    assert batch.images.permute(0, 2, 3, 1).is_contiguous()


def test_parts_of_a_batch_share_its_memory_and_differ_by_one_image():
    batch = Batch.of([sample(name, 1) for name in "abcde"])
    parts = batch.parts(2)
    assert [part.names for part in parts] == [("a", "b"), ("c", "d", "e")]
    assert parts[1].images.data_ptr() == batch.images[2:].data_ptr()


def test_detections_are_sliced_by_a_mask():
    found = Detections(torch.rand(3, 4), torch.tensor([0.9, 0.5, 0.1]), torch.tensor([2, 0, 1]))
    kept = found[found.scores > 0.4]
    assert (len(kept), kept.labels.tolist()) == (2, [2, 0])


def test_a_crowd_is_no_object():
    boxes, labels = torch.tensor([[0.0, 0, 1, 1], [0, 0, 9, 9]]), torch.tensor([0, 1])
    truth = Truth.of(boxes, labels)
    truth.crowd[1] = True
    assert objects_of(truth, torch.device("cpu")).labels.tolist() == [0]
