import pytest
import torch
from torch import nn

from singleshot.detectors.ssd.dssd import (
    DeconvolutionModule,
    Deconvolutions,
    Downsampling,
    ResidualBlock,
    fit_grid,
)
from singleshot.detectors.ssd.pyramid import ExtraLevel, Pyramid


def pyramid_of_321():
    shrinking = [(2, 2), (2, 2), (3, 1), (3, 1)]
    extra = [
        ExtraLevel(squeeze=4, channels=16, kernel=kernel, stride=stride, padding=0)
        for kernel, stride in shrinking
    ]
    return Pyramid([6, 8], extra, block="residual", top_down=12, top_down_block="product").eval()


def test_the_coarsest_level_stays_and_the_others_have_one_width():
    pyramid = pyramid_of_321()
    levels = pyramid([torch.rand(1, 6, 40, 40), torch.rand(1, 8, 20, 20)])
    assert [feature.shape[-1] for feature in levels] == [40, 20, 10, 5, 3, 1]
    assert [feature.shape[1] for feature in levels] == [12, 12, 12, 12, 12, 16]
    assert pyramid.channels == (12, 12, 12, 12, 12, 16)


def test_each_deconvolution_undoes_the_convolution_between_its_levels():
    merges = pyramid_of_321().top_down.merge
    kernels = [(m.deconvolution.kernel_size[0], m.deconvolution.stride[0]) for m in merges]
    assert kernels == [(2, 2), (2, 2), (2, 2), (3, 1), (3, 1)]
    assert [m.deconvolution.in_channels for m in merges] == [12, 12, 12, 12, 16]


def test_a_merge_is_the_product_of_both_sides_without_what_is_negative(random):
    merge = DeconvolutionModule(6, 8, 12, Downsampling()).eval()
    fine = torch.randn(2, 6, 10, 10, generator=random)
    coarse = torch.randn(2, 8, 5, 5, generator=random)
    expected = merge.fine(fine) * merge.coarse(merge.deconvolution(coarse))
    torch.testing.assert_close(merge(fine, coarse), expected.clamp(min=0))


def test_layers_of_a_merge_are_the_originals():
    merge = DeconvolutionModule(6, 8, 12, Downsampling())
    fine = [type(layer) for layer in merge.fine]
    assert fine == [nn.Sequential, nn.ReLU, nn.Sequential]
    assert [part[0].kernel_size for part in (merge.fine[0], merge.fine[2], merge.coarse)] == [
        (3, 3)
    ] * 3
    # Caffe's fan-in of a deconvolution: its outputs, not its inputs.
    reach = (3 / (12 * 2 * 2)) ** 0.5
    assert merge.deconvolution.weight.abs().max().item() == pytest.approx(reach, rel=0.05)
    assert (merge.deconvolution.bias == 0).all()


@pytest.mark.parametrize(("rows", "columns"), [(15, 23), (14, 22), (13, 21)])
def test_grids_that_do_not_halve_are_cut_or_filled(rows, columns):
    down = Deconvolutions([4, 4], 8, [Downsampling()]).eval()
    fine, coarse = torch.rand(1, 4, rows, columns), torch.rand(1, 4, 7, 11)
    assert down([fine, coarse])[0].shape == (1, 8, rows, columns)


def test_fitting_changes_nothing_where_grids_agree(random):
    features = torch.randn(1, 2, 4, 4, generator=random)
    assert torch.equal(fit_grid(features, torch.zeros(1, 5, 4, 4)), features)
    assert fit_grid(features, torch.zeros(1, 5, 5, 3))[0, :, 4].abs().sum() == 0


def test_padding_of_the_convolution_is_the_deconvolutions():
    assert ExtraLevel(squeeze=1, channels=1).downsampling == (3, 2, 1)
    assert ExtraLevel(squeeze=1, channels=1, padding="same").downsampling == (3, 2, 1)
    down = Deconvolutions([4, 4], 8, [Downsampling(3, 2, 1)]).eval()
    assert down([torch.rand(1, 4, 19, 19), torch.rand(1, 4, 10, 10)])[0].shape[-1] == 19


def test_a_block_is_shortcut_plus_residual_and_never_negative(random):
    block = ResidualBlock(6, 4, 16).eval()
    features = torch.randn(2, 6, 5, 7, generator=random)
    expected = (block.shortcut(features) + block.residual(features)).clamp(min=0)
    torch.testing.assert_close(block(features), expected)


def test_shortcut_and_first_convolution_shrink_alike_and_the_rest_keeps_the_grid():
    block = ResidualBlock(6, 4, 16, kernel=2, stride=2)
    convolutions = [module for module in block.modules() if isinstance(module, nn.Conv2d)]
    assert [(c.kernel_size[0], c.stride[0], c.padding[0]) for c in convolutions] == [
        (2, 2, 0),
        (2, 2, 0),
        (3, 1, 1),
        (1, 1, 0),
    ]
    assert [c.out_channels for c in convolutions] == [16, 4, 4, 16]
    assert all(c.bias is None for c in convolutions)


def test_convolutions_begin_within_a_hundredth_and_batch_norm_with_caffes_epsilon():
    block = ResidualBlock(64, 64, 256)
    assert block.residual[2][0].weight.std().item() == pytest.approx(0.01, rel=0.05)
    assert block.shortcut[1].eps == 1e-3
