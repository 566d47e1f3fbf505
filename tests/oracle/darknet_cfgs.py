"""Small networks with every layer that YOLO of Darknet has."""

__all__ = ["V1", "V2", "V3"]


def net(height: int, width: int) -> str:
    return f"[net]\nbatch=1\nheight={height}\nwidth={width}\nchannels=3\n"


def conv(filters: int, size: int = 3, stride: int = 1, *, last: bool = False) -> str:
    activation = "linear" if last else "leaky"
    norm = "" if last else "batch_normalize=1\n"
    return (
        f"\n[convolutional]\n{norm}filters={filters}\nsize={size}\nstride={stride}\npad=1\n"
        f"activation={activation}\n"
    )


POOL = "\n[maxpool]\nsize=2\nstride=2\n"

# Two classes, two anchors; a finer map goes around the coarser one, which keeps its size in a pool.
V2 = "".join(
    [
        *(net(64, 96), conv(4), POOL, conv(6), POOL, conv(8), POOL, conv(8, 1), POOL, conv(12)),
        "\n[maxpool]\nsize=2\nstride=1\n",
        *("\n[route]\nlayers=-4\n", conv(4, 1), "\n[reorg]\nstride=2\n"),
        *("\n[route]\nlayers=-1,-4\n", conv(10), conv(14, 1, last=True)),
        "\n[region]\nanchors = 0.6,0.8, 2.1,1.7\nclasses=2\ncoords=4\nnum=2\nsoftmax=1\n",
        "rescore=1\njitter=.2\nobject_scale=5\nthresh=.6\nrandom=1\n",
    ]
)


def yolo(mask: str) -> str:
    return (
        f"\n[yolo]\nmask = {mask}\nanchors = 10,13, 16,30, 33,23, 30,61\nclasses=3\nnum=4\n"
        f"jitter=.3\nignore_thresh = .5\ntruth_thresh = 1\nrandom=1\n"
    )


# Three classes, two levels of two anchors; a residual block, and a coarser map that grows.
V3 = "".join(
    [
        *(net(64, 96), conv(4), conv(6, stride=2), conv(3, 1), conv(6)),
        "\n[shortcut]\nfrom=-3\nactivation=linear\n",
        *(conv(8, stride=2), conv(8, stride=2), conv(10, stride=2), conv(6, 1), conv(12)),
        *(conv(16, 1, last=True), yolo("2,3"), "\n[route]\nlayers = -4\n", conv(4, 1)),
        *("\n[upsample]\nstride=2\n", "\n[route]\nlayers = -1, 6\n", conv(10)),
        *(conv(16, 1, last=True), yolo("0,1")),
    ]
)

# Two classes, 2 × 2 cells, three boxes each: 4 · (2 + 3 · 5) numbers.
V1 = "".join(
    [
        *(net(64, 64), conv(4, 7, 2), POOL, conv(6), POOL, conv(8), POOL, conv(8, stride=2)),
        "\n[local]\nsize=3\nstride=1\npad=1\nfilters=5\nactivation=leaky\n",
        "\n[dropout]\nprobability=.5\n\n[connected]\noutput=9\nactivation=leaky\n",
        "\n[connected]\noutput=68\nactivation=linear\n",
        "\n[detection]\nclasses=2\ncoords=4\nrescore=1\nside=2\nnum=3\nsoftmax=0\nsqrt=1\n",
        "jitter=.2\nobject_scale=1\nnoobject_scale=.5\nclass_scale=1\ncoord_scale=5\n",
    ]
)
